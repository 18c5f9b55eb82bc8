//! The ladder down which a program is stopped: hang up, SIGTERM, SIGKILL. Pure.

use std::time::{Duration, Instant};

use quarterdeck_protocol::holder::StopRequest;

/// How long SIGKILL is repeated while processes are left: more than once only matters for what forks
/// while it is being killed, and a process in uninterruptible sleep may never go.
const KILL_PATIENCE: Duration = Duration::from_secs(5);
/// Time between two SIGKILLs.
const KILL_AGAIN: Duration = Duration::from_millis(50);
/// Longest time between two rungs that a request may ask for.
const MAX_RUNG: Duration = Duration::from_secs(600);

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rung {
    /// SIGHUP, as when a terminal goes away.
    HangUp,
    /// SIGTERM.
    Terminate,
    /// SIGKILL to everything.
    Kill,
    /// Nothing helps; say what is left.
    GiveUp,
}

/// A stop under way.
#[derive(Debug)]
pub(crate) struct Ladder {
    next: Rung,
    due: Instant,
    rung: Duration,
    give_up_at: Option<Instant>,
}

impl Ladder {
    /// Begins a stop; the first rung is due at once.
    pub(crate) fn start(request: StopRequest, now: Instant) -> Self {
        let rung = Duration::from_millis(request.rung_ms.into()).min(MAX_RUNG);
        let next = if request.now { Rung::Kill } else { Rung::HangUp };
        Self { next, due: now, rung, give_up_at: None }
    }

    /// A further request while the stop is under way: it can only make it faster.
    pub(crate) fn hurry(&mut self, request: StopRequest, now: Instant) {
        self.rung = self.rung.min(Duration::from_millis(request.rung_ms.into()));
        self.due = self.due.min(now + self.rung);
        if request.now && self.give_up_at.is_none() {
            (self.next, self.due) = (Rung::Kill, now);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub(crate) fn poll_timeout(&self) -> Instant {
        self.due
    }

    /// SIGKILL was sent: a program that dies of one now was not killed for want of memory.
    pub(crate) fn has_killed(&self) -> bool {
        self.give_up_at.is_some()
    }

    /// The rung that is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Option<Rung> {
        if now < self.due {
            return None;
        }
        let rung = self.next;
        (self.next, self.due) = match rung {
            Rung::HangUp => (Rung::Terminate, now + self.rung),
            Rung::Terminate => (Rung::Kill, now + self.rung),
            Rung::Kill | Rung::GiveUp => {
                let give_up_at = *self.give_up_at.get_or_insert(now + KILL_PATIENCE);
                if now >= give_up_at {
                    return Some(Rung::GiveUp);
                }
                (Rung::Kill, now + KILL_AGAIN)
            }
        };
        Some(rung)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(ladder: &mut Ladder, start: Instant) -> Vec<(Rung, u128)> {
        let mut rungs: Vec<(Rung, u128)> = Vec::new();
        while rungs.last().is_none_or(|(rung, _)| *rung != Rung::GiveUp) {
            let now = ladder.poll_timeout();
            let rung = ladder.handle_timeout(now).expect("due");
            rungs.push((rung, (now - start).as_millis()));
        }
        rungs
    }

    #[test]
    fn each_rung_has_its_time_and_killing_goes_on_until_it_is_given_up() {
        let start = Instant::now();
        let mut ladder = Ladder::start(StopRequest { rung_ms: 1000, now: false }, start);
        let rungs = walk(&mut ladder, start);
        let first = [(Rung::HangUp, 0), (Rung::Terminate, 1000), (Rung::Kill, 2000)];
        assert_eq!(rungs[..3], first);
        assert_eq!(rungs[3], (Rung::Kill, 2050));
        assert_eq!(rungs.last(), Some(&(Rung::GiveUp, 7000)));
    }

    #[test]
    fn a_second_stop_can_only_hurry() {
        let start = Instant::now();
        let mut ladder = Ladder::start(StopRequest { rung_ms: 5000, now: false }, start);
        assert_eq!(ladder.handle_timeout(start), Some(Rung::HangUp));
        assert_eq!(ladder.handle_timeout(start), None);
        ladder.hurry(StopRequest { rung_ms: 9000, now: false }, start);
        assert_eq!(ladder.poll_timeout(), start + Duration::from_secs(5));
        ladder.hurry(StopRequest { rung_ms: 100, now: false }, start);
        assert_eq!(ladder.poll_timeout(), start + Duration::from_millis(100));
        assert!(!ladder.has_killed());
        ladder.hurry(StopRequest { rung_ms: 100, now: true }, start);
        assert_eq!(ladder.handle_timeout(start), Some(Rung::Kill));
        assert!(ladder.has_killed());
    }
}
