//! When a link is dialled, dialled again, given up: the one owner of every transition.
//!
//! ```text
//!          connect            ready               lost, after STABLE_AFTER
//!   idle ──────────► dialling ─────► ready ──────────────► dialling (at once)
//!                    ▲  │ failed       │ lost sooner
//!            reached │  ▼              ▼
//!                  probing ◄──────── waiting 1, 2, 4, 8, 16, 30, 30 … s, with jitter
//!                      └─unreachable─►
//!   dialling ── refused ──► refused{why}: stays until `handle_connect` or `handle_changed`
//! ```
//!
//! A link is *ready* when the session layer answered (`hello`), not when a socket opened: the loop goes
//! on until then. Every probe and dial has a number, and an answer to an old number is ignored, so a late
//! result cannot undo a newer decision and two connections cannot exist at a time.
//!
//! [`heartbeat`] says whether a ready link still lives.

pub mod heartbeat;
#[cfg(test)]
mod tests;

use alloc::collections::VecDeque;
use core::time::Duration;

use quarterdeck_crypto::Pin;
use quarterdeck_protocol::ids::RelayId;

/// Waits between attempts: the n-th after the n-th failure in a row, then the last one for ever.
pub const RETRY_LADDER: [Duration; 6] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
    Duration::from_secs(30),
];
/// A link that was ready for this long is dialled again at once when it is lost. A younger one flaps,
/// and climbs the ladder like a failure.
pub const STABLE_AFTER: Duration = Duration::from_secs(10);
/// A TCP probe that has not answered by now has failed.
pub const PROBE_LIMIT: Duration = Duration::from_secs(5);
/// A dial (name, TCP or ssh, TLS, upgrade, hello) that has not ended by now has failed. Each of its steps
/// has a shorter limit of its own; this one guards against a step that forgot.
pub const DIAL_LIMIT: Duration = Duration::from_secs(60);

/// Why a relay cannot be reached until something changes. Trying again by itself would change nothing,
/// or would wear people out until they click the warning away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The relay does not know the credential.
    #[error("the relay does not accept the credential")]
    BadCredential,
    /// The relay knows the caller and does not let it in.
    #[error("the relay does not allow this caller to connect")]
    Forbidden,
    /// Another key than the pinned one.
    #[error("the relay shows another key than the pinned one: {seen}")]
    PinMismatch {
        /// The pin of the key that was shown.
        seen: Pin,
    },
    /// No pin, and a certificate that no known authority vouches for, or for another name.
    #[error("the relay's certificate is not trusted")]
    Untrusted,
    /// The relay wants a client certificate, or another one.
    #[error("the relay does not accept the client certificate")]
    ClientCertificate,
    /// Another relay than the one that was added answers here.
    #[error("relay {seen} answers where {expected} was")]
    RelayChanged {
        /// The relay that was added.
        expected: RelayId,
        /// The relay that answers.
        seen: RelayId,
    },
    /// The peer speaks no version of the protocol that this one speaks.
    #[error("the relay speaks another version of the protocol")]
    Version,
    /// What was asked cannot work from here: an address that cannot exist, a plain one off loopback.
    #[error("the address cannot be used as it is")]
    Address,
}

/// How a dial ended that did not make the link ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DialFailure {
    /// It may work later.
    Retry,
    /// It may work later, but not before this wait: the relay said so.
    RetryNotBefore(Duration),
    /// It will not work until something changes.
    Refused(Refusal),
}

/// What a probe found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// Something accepts connections there.
    Reached,
    /// Nothing does.
    Unreachable,
}

/// Number of a probe or dial with the connection that follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attempt(u64);

/// What people see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Nobody asked for a connection.
    Idle,
    /// An attempt is under way.
    Connecting,
    /// Requests can be sent.
    Ready,
    /// The next attempt begins after `wait`.
    Reconnecting {
        /// From the moment at which this status was given.
        wait: Duration,
    },
    /// Nothing happens until something changes.
    Refused {
        /// What has to change.
        why: Refusal,
    },
    /// The machine was removed; the link is over.
    Removed,
}

/// What the driver must do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// See whether anything accepts a connection; answer with [`Link::handle_probed`]. An endpoint that
    /// cannot be probed (ssh) counts as reached.
    Probe(Attempt),
    /// Connect up to an answered `hello`; answer with [`Link::handle_dialled`].
    Dial(Attempt),
    /// Stop that probe or dial, or close its connection. No answer is wanted.
    Abandon(Attempt),
    /// Show this.
    Show(Status),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Waiting { until: Duration },
    Probing { attempt: Attempt, until: Duration },
    Dialling { attempt: Attempt, until: Duration },
    Ready { attempt: Attempt, since: Duration },
    Refused,
    Removed,
}

/// One reconnecting link. Times are durations since one arbitrary start.
#[derive(Debug)]
pub struct Link {
    state: State,
    /// Failures since the link was last stable; the place on the ladder.
    failures: usize,
    last_attempt: Attempt,
    jitter: Jitter,
    shown: Status,
    effects: VecDeque<Effect>,
}

impl Link {
    /// An idle link. `seed` is a random number: links that were lost together must not come back
    /// together.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            state: State::Idle,
            failures: 0,
            last_attempt: Attempt(0),
            jitter: Jitter(seed),
            shown: Status::Idle,
            effects: VecDeque::new(),
        }
    }

    /// Somebody wants the link, now: waits and refusals end, the ladder begins anew.
    pub fn handle_connect(&mut self, now: Duration) {
        match self.state {
            State::Idle | State::Waiting { .. } | State::Probing { .. } | State::Refused => {
                self.restart(now);
            }
            State::Dialling { .. } | State::Ready { .. } | State::Removed => {}
        }
    }

    /// The credential, the pins or the address changed: an attempt that uses the old ones is stopped.
    /// A link that is ready stays.
    pub fn handle_changed(&mut self, now: Duration) {
        match self.state {
            State::Waiting { .. }
            | State::Probing { .. }
            | State::Dialling { .. }
            | State::Refused => self.restart(now),
            State::Idle | State::Ready { .. } | State::Removed => {}
        }
    }

    /// Nobody wants the link for now; `handle_connect` brings it back.
    pub fn handle_disconnect(&mut self) {
        if self.state != State::Removed {
            self.abandon();
            self.rest(State::Idle, Status::Idle);
        }
    }

    /// The machine was removed: nothing follows.
    pub fn handle_remove(&mut self) {
        if self.state != State::Removed {
            self.abandon();
            self.rest(State::Removed, Status::Removed);
        }
    }

    /// A probe ended.
    pub fn handle_probed(&mut self, attempt: Attempt, found: Probe, now: Duration) {
        if !matches!(self.state, State::Probing { attempt: current, .. } if current == attempt) {
            return;
        }
        match found {
            Probe::Reached => self.dial(now),
            Probe::Unreachable => self.wait(Duration::ZERO, now),
        }
    }

    /// A dial ended.
    pub fn handle_dialled(
        &mut self,
        attempt: Attempt,
        ended: Result<(), DialFailure>,
        now: Duration,
    ) {
        if !matches!(self.state, State::Dialling { attempt: current, .. } if current == attempt) {
            return;
        }
        match ended {
            Ok(()) => {
                self.state = State::Ready { attempt, since: now };
                self.show(Status::Ready);
            }
            Err(DialFailure::Retry) => self.wait(Duration::ZERO, now),
            Err(DialFailure::RetryNotBefore(least)) => self.wait(least, now),
            Err(DialFailure::Refused(why)) => self.rest(State::Refused, Status::Refused { why }),
        }
    }

    /// The connection of a ready link ended.
    pub fn handle_lost(&mut self, attempt: Attempt, now: Duration) {
        let State::Ready { attempt: current, since } = self.state else { return };
        if current != attempt {
            return;
        }
        if now.saturating_sub(since) >= STABLE_AFTER {
            self.failures = 0;
            self.dial(now);
        } else {
            self.wait(Duration::ZERO, now);
        }
    }

    /// What to do next; `None` when nothing is left to do.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When [`Link::handle_timeout`] wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        match self.state {
            State::Waiting { until }
            | State::Probing { until, .. }
            | State::Dialling { until, .. } => Some(until),
            State::Idle | State::Ready { .. } | State::Refused | State::Removed => None,
        }
    }

    /// The time has come, or has not: calling early does nothing.
    pub fn handle_timeout(&mut self, now: Duration) {
        if self.poll_timeout().is_none_or(|until| now < until) {
            return;
        }
        match self.state {
            State::Waiting { .. } => self.probe(now),
            State::Probing { .. } | State::Dialling { .. } => {
                self.abandon();
                self.wait(Duration::ZERO, now);
            }
            State::Idle | State::Ready { .. } | State::Refused | State::Removed => {}
        }
    }

    /// What people see now.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.shown
    }

    fn restart(&mut self, now: Duration) {
        self.abandon();
        self.failures = 0;
        self.dial(now);
    }

    fn probe(&mut self, now: Duration) {
        let attempt = self.next_attempt();
        self.state = State::Probing { attempt, until: now + PROBE_LIMIT };
        self.effects.push_back(Effect::Probe(attempt));
        self.show(Status::Connecting);
    }

    fn dial(&mut self, now: Duration) {
        let attempt = self.next_attempt();
        self.state = State::Dialling { attempt, until: now + DIAL_LIMIT };
        self.effects.push_back(Effect::Dial(attempt));
        self.show(Status::Connecting);
    }

    /// After a failure: the next step of the ladder, but not less than `least`.
    fn wait(&mut self, least: Duration, now: Duration) {
        let step = self.failures.min(RETRY_LADDER.len() - 1);
        self.failures = self.failures.saturating_add(1);
        let wait = self.jitter.shorten(RETRY_LADDER[step]).max(least);
        self.state = State::Waiting { until: now + wait };
        self.show(Status::Reconnecting { wait });
    }

    fn rest(&mut self, state: State, status: Status) {
        self.state = state;
        self.show(status);
    }

    fn abandon(&mut self) {
        match self.state {
            State::Probing { attempt, .. }
            | State::Dialling { attempt, .. }
            | State::Ready { attempt, .. } => self.effects.push_back(Effect::Abandon(attempt)),
            State::Idle | State::Waiting { .. } | State::Refused | State::Removed => {}
        }
    }

    fn next_attempt(&mut self) -> Attempt {
        self.last_attempt.0 += 1;
        self.last_attempt
    }

    fn show(&mut self, status: Status) {
        if self.shown != status {
            self.shown = status;
            self.effects.push_back(Effect::Show(status));
        }
    }
}

/// A stream of numbers from one seed (SplitMix64); good enough to spread clients over time.
#[derive(Debug)]
struct Jitter(u64);

impl Jitter {
    /// Between half of `longest` and all of it.
    fn shorten(&mut self, longest: Duration) -> Duration {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let thousandths = 500 + (mixed ^ (mixed >> 31)) % 501;
        longest * u32::try_from(thousandths).unwrap_or(1000) / 1000
    }
}
