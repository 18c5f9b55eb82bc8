//! Which logs go when they take too much room: the plan of `gc` and of the relay's daily pass.
//!
//! In this order: ended sessions that are too old; then, while all logs together are over the quota,
//! the session that ended first; and at last live sessions that are over their own limit, which keep
//! their newest records. A session with an open prompt loses nothing: someone still has to answer it.

use alloc::vec::Vec;
use core::time::Duration;

use quarterdeck_protocol::ids::SessionId;

/// Whether a session still runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// Its program runs.
    Live,
    /// It exited or is lost.
    Ended {
        /// When, since 1970.
        at: Duration,
    },
}

/// Whether an agent waits for a human.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenPrompt {
    /// Nobody is asked.
    None,
    /// At least one prompt is open.
    Some,
}

/// What one session's log takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogUse {
    /// Whose log.
    pub session: SessionId,
    /// Bytes on disk.
    pub bytes: u64,
    /// Whether it still runs.
    pub liveness: Liveness,
    /// Whether it waits for an answer.
    pub open_prompt: OpenPrompt,
}

/// What may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one session's log.
    pub session_bytes: u64,
    /// Bytes of all logs.
    pub instance_bytes: u64,
    /// How long ended sessions are kept.
    pub ended_for: Duration,
}

/// A live session's log is to lose its oldest records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trim {
    /// Which session.
    pub session: SessionId,
    /// Bytes that stay. The holder cuts by whole segments, so somewhat more may.
    pub keep_bytes: u64,
}

/// What is to be done, in this order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Sessions to delete, oldest end first.
    pub remove: Vec<SessionId>,
    /// Live sessions to cut, largest excess first.
    pub trim: Vec<Trim>,
    /// Bytes that this frees.
    pub freed_bytes: u64,
    /// Bytes that all logs take afterwards; above the quota when nothing else may go.
    pub left_bytes: u64,
}

/// Makes the plan. `now` is since 1970; a clock that jumped back makes nothing older.
#[must_use]
pub fn plan(logs: &[LogUse], limits: Limits, now: Duration) -> Plan {
    let mut plan = Plan { left_bytes: total(logs), ..Plan::default() };
    let free: Vec<LogUse> =
        logs.iter().filter(|log| log.open_prompt == OpenPrompt::None).copied().collect();
    plan.remove_ended(&free, limits, now);
    plan.trim_live(&free, limits);
    plan
}

impl Plan {
    fn remove_ended(&mut self, logs: &[LogUse], limits: Limits, now: Duration) {
        let mut ended: Vec<(Duration, LogUse)> = logs
            .iter()
            .filter_map(|log| match log.liveness {
                Liveness::Ended { at } => Some((at, *log)),
                Liveness::Live => None,
            })
            .collect();
        ended.sort_by_key(|(at, log)| (*at, log.session));
        for (at, log) in ended {
            let too_old = now.saturating_sub(at) > limits.ended_for;
            if too_old || self.left_bytes > limits.instance_bytes {
                self.remove.push(log.session);
                self.free(log.bytes);
            }
        }
    }

    fn trim_live(&mut self, logs: &[LogUse], limits: Limits) {
        let keep_bytes = limits.session_bytes;
        let mut over: Vec<(u64, SessionId)> = logs
            .iter()
            .filter(|log| log.liveness == Liveness::Live && log.bytes > keep_bytes)
            .map(|log| (log.bytes - keep_bytes, log.session))
            .collect();
        over.sort_by_key(|(excess, session)| (core::cmp::Reverse(*excess), *session));
        for (excess, session) in over {
            if self.left_bytes <= limits.instance_bytes {
                return;
            }
            self.trim.push(Trim { session, keep_bytes });
            self.free(excess);
        }
    }

    const fn free(&mut self, bytes: u64) {
        self.freed_bytes = self.freed_bytes.saturating_add(bytes);
        self.left_bytes = self.left_bytes.saturating_sub(bytes);
    }
}

fn total(logs: &[LogUse]) -> u64 {
    logs.iter().fold(0, |sum, log| sum.saturating_add(log.bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    const NOW: Duration = Duration::from_secs(1_800_000_000);
    const LIMITS: Limits = Limits {
        session_bytes: 100,
        instance_bytes: 1000,
        ended_for: Duration::from_secs(30 * 24 * 60 * 60),
    };

    const fn id(number: u8) -> SessionId {
        SessionId::from_bytes([number; 10])
    }

    const fn live(number: u8, bytes: u64) -> LogUse {
        let session = id(number);
        LogUse { session, bytes, liveness: Liveness::Live, open_prompt: OpenPrompt::None }
    }

    fn ended(number: u8, bytes: u64, days_ago: u32) -> LogUse {
        let at = NOW.checked_sub(DAY * days_ago).expect("after 1970");
        LogUse { liveness: Liveness::Ended { at }, ..live(number, bytes) }
    }

    #[test]
    fn below_every_limit_nothing_goes() {
        let logs = [live(1, 500), ended(2, 500, 29)];
        assert_eq!(plan(&logs, LIMITS, NOW), Plan { left_bytes: 1000, ..Plan::default() });
    }

    #[test]
    fn ended_sessions_go_by_age_even_when_there_is_room() {
        let logs = [ended(1, 5, 31), ended(2, 6, 29), ended(3, 7, 300)];
        let done = plan(&logs, LIMITS, NOW);
        assert_eq!(done.remove, [id(3), id(1)]);
        assert_eq!((done.freed_bytes, done.left_bytes), (12, 6));
    }

    #[test]
    fn over_the_quota_the_oldest_ended_go_first_and_no_more_than_needed() {
        let logs = [live(1, 900), ended(2, 80, 1), ended(3, 70, 9), ended(4, 60, 5)];
        let done = plan(&logs, LIMITS, NOW);
        assert_eq!(done.remove, [id(3), id(4)]);
        assert_eq!(done.trim, [], "the live one is cut only when no ended one is left");
        assert_eq!(done.left_bytes, 980);
    }

    #[test]
    fn live_sessions_are_cut_to_their_own_limit_last_and_largest_first() {
        let logs = [live(1, 90), live(2, 700), live(3, 500), live(4, 110), ended(5, 10, 0)];
        let done = plan(&logs, LIMITS, NOW);
        assert_eq!(done.remove, [id(5)]);
        assert_eq!(done.trim, [Trim { session: id(2), keep_bytes: 100 }]);
        assert_eq!(done.left_bytes, 800);
    }

    #[test]
    fn a_session_with_an_open_prompt_loses_nothing() {
        let open_prompt = OpenPrompt::Some;
        let logs =
            [LogUse { open_prompt, ..ended(1, 900, 400) }, LogUse { open_prompt, ..live(2, 900) }];
        let done = plan(&logs, LIMITS, NOW);
        assert_eq!(done, Plan { left_bytes: 1800, ..Plan::default() });
    }

    #[test]
    fn a_clock_that_jumped_back_makes_nothing_old() {
        let logs = [LogUse { liveness: Liveness::Ended { at: NOW + DAY }, ..live(1, 5) }];
        assert_eq!(plan(&logs, LIMITS, NOW).remove, vec![]);
    }

    fn any_log() -> impl Strategy<Value = LogUse> {
        (any::<u8>(), 0..600u64, prop::option::of(0..60u32), any::<bool>()).prop_map(
            |(number, bytes, days, asked)| LogUse {
                open_prompt: if asked { OpenPrompt::Some } else { OpenPrompt::None },
                ..days.map_or(live(number, bytes), |days| ended(number, bytes, days))
            },
        )
    }

    proptest! {
        #[test]
        fn a_plan_counts_right_and_stops_as_soon_as_it_can(
            logs in proptest::collection::vec(any_log(), 0..12)
        ) {
            let mut logs = logs;
            logs.sort_by_key(|log| log.session);
            logs.dedup_by_key(|log| log.session);
            let done = plan(&logs, LIMITS, NOW);
            prop_assert_eq!(done.freed_bytes + done.left_bytes, total(&logs));
            let touched = |log: &LogUse| {
                done.remove.contains(&log.session)
                    || done.trim.iter().any(|trim| trim.session == log.session)
            };
            for log in &logs {
                prop_assert!(!(touched(log) && log.open_prompt == OpenPrompt::Some));
                let removed = done.remove.contains(&log.session);
                prop_assert!(!(removed && log.liveness == Liveness::Live));
            }
            if done.left_bytes > LIMITS.instance_bytes {
                let may_go = |log: &&LogUse| match log.liveness {
                    Liveness::Ended { .. } => true,
                    Liveness::Live => log.bytes > LIMITS.session_bytes,
                };
                let spared = logs
                    .iter()
                    .filter(|log| log.open_prompt == OpenPrompt::None)
                    .filter(may_go)
                    .filter(|log| !touched(log));
                prop_assert_eq!(spared.count(), 0);
            }
        }
    }
}
