//! What was sent, and how far it came.
//!
//! One [`Outbox`] per identity, one lane per recipient. A lane hands its messages on in the order of
//! their numbers, a batch at a time; of a batch that was not taken whole the rest comes first next time.
//! So the order of a sender is kept, and the ratchet behind it never has to skip. Nothing is tried for
//! ever: pauses grow, and every message has a time after which it has failed.

use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    vec::Vec,
};
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::{MailNumber, PeerKey, routing::DeadLetter};

/// Messages of one identity that may wait to be sent; one more is refused to whoever sends it.
pub const MAX_QUEUED: usize = 10_000;
/// Messages in one batch: enough that a round trip costs each of them little.
pub const MAX_BATCH: usize = 64;
/// Pause after the first batch that could not be sent; it doubles with each further one.
pub const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
pub const MAX_PAUSE: Duration = Duration::from_secs(5 * 60);
/// How long a message is tried when nothing else is said.
pub const DEFAULT_TTL: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How far a message came, as its sender sees it. It only ever goes forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum JobState {
    /// It waits for a way to its recipient.
    Queued,
    /// It is stored on the way, or where its recipient lives.
    Sent,
    /// A session has it.
    Delivered,
    /// Somebody, or an agent, has looked at it or answered it.
    Read,
    /// It will not arrive.
    Failed {
        /// Why.
        why: Failure,
    },
}

/// Why a message will not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// There was no way to its recipient in time.
    Expired,
    /// Nobody knows where its recipient lives.
    NoRoute,
    /// Its recipient's key is not the one that was accepted.
    KeyChanged,
    /// Its recipient is blocked here.
    Blocked,
    /// It was taken back.
    Withdrawn,
    /// It could not be sealed or was refused as malformed.
    Invalid,
    /// It arrived, and its recipient gave it up.
    DeadLetter(DeadLetter),
}

/// What becomes known of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It was taken.
    Sent,
    /// A receipt: a session has it.
    Delivered,
    /// A receipt or a reply: it was read.
    Read,
    /// It will not arrive.
    Failed(Failure),
}

impl JobState {
    /// The state after something became known; `None` when that is nothing new. Receipts may come late,
    /// twice or before the answer of the sending itself.
    #[must_use]
    pub const fn advance(self, progress: Progress) -> Option<Self> {
        match (self, progress) {
            (Self::Queued, Progress::Sent) => Some(Self::Sent),
            (Self::Queued | Self::Sent, Progress::Delivered) => Some(Self::Delivered),
            (Self::Queued | Self::Sent | Self::Delivered, Progress::Read) => Some(Self::Read),
            (Self::Queued | Self::Sent, Progress::Failed(why)) => Some(Self::Failed { why }),
            (Self::Read | Self::Failed { .. }, _)
            | (Self::Sent, Progress::Sent)
            | (Self::Delivered, Progress::Sent | Progress::Delivered | Progress::Failed(_)) => None,
        }
    }

    /// Whether nothing more is to come.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Read | Self::Failed { .. })
    }
}

/// How a batch was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchOutcome {
    /// How many of it, from the first one on, were taken.
    pub taken: usize,
    /// What is with the first one that was not.
    pub rest: Rest,
}

/// What is to be done with the rest of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// There is none, or it may be tried at once.
    Again,
    /// Try later; the pause grows.
    Later,
    /// Wait until the recipient can be reached: it has to accept us, or to be found.
    Blocked,
    /// The first of the rest can never be sent; what follows it may be tried at once.
    Never(Failure),
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Seal what is not sealed yet, and send these in this order; tell the outcome.
    Transmit {
        /// To whom.
        peer: PeerKey,
        /// Which.
        numbers: Vec<MailNumber>,
    },
    /// Something became known of a message that the outbox knows by itself.
    Progress {
        /// Of which.
        number: MailNumber,
        /// What.
        progress: Progress,
    },
}

#[derive(Debug, Default)]
struct Lane {
    waiting: BTreeSet<MailNumber>,
    in_flight: Vec<MailNumber>,
    pace: Pace,
}

#[derive(Debug, Default, Clone, Copy)]
enum Pace {
    #[default]
    Open,
    Paused {
        until: Duration,
        failures: u32,
    },
    /// After a pause, until something was sent.
    Trying {
        failures: u32,
    },
    Blocked,
}

/// What one identity has to send.
#[derive(Debug, Default)]
pub struct Outbox {
    lanes: BTreeMap<PeerKey, Lane>,
    jobs: BTreeMap<MailNumber, Job>,
    expiries: BTreeSet<(Duration, MailNumber)>,
    effects: VecDeque<Effect>,
}

#[derive(Debug, Clone, Copy)]
struct Job {
    peer: PeerKey,
    expires: Duration,
}

impl Outbox {
    /// A message to send, or one that was found in the store unsent.
    pub fn handle_job(&mut self, number: MailNumber, peer: PeerKey, expires: Duration) {
        if self.jobs.insert(number, Job { peer, expires }).is_some() {
            return;
        }
        self.expiries.insert((expires, number));
        self.lanes.entry(peer).or_default().waiting.insert(number);
        self.start_next(peer);
    }

    /// Whether there is room for one more.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.jobs.len() < MAX_QUEUED
    }

    /// How a batch to this peer was taken. `spread` is a random number: it keeps many senders that lost
    /// the same link from coming back at the same moment.
    pub fn handle_outcome(
        &mut self,
        peer: PeerKey,
        outcome: BatchOutcome,
        now: Duration,
        spread: u8,
    ) {
        let Some(lane) = self.lanes.get_mut(&peer) else { return };
        let batch = core::mem::take(&mut lane.in_flight);
        let BatchOutcome { taken, rest } = outcome;
        if taken > 0 {
            lane.pace = Pace::Open;
        }
        match rest {
            Rest::Again | Rest::Never(_) => {}
            Rest::Later => {
                let failures = lane.pace.failures() + 1;
                lane.pace = Pace::Paused { until: now + pause(failures, spread), failures };
            }
            Rest::Blocked => lane.pace = Pace::Blocked,
        }
        let never = match rest {
            Rest::Never(why) => Some(why),
            Rest::Again | Rest::Later | Rest::Blocked => None,
        };
        for (at, number) in batch.into_iter().enumerate() {
            match never {
                _ if at < taken => self.end(number, Progress::Sent),
                Some(why) if at == taken => self.end(number, Progress::Failed(why)),
                // it may have been withdrawn or given up meanwhile
                _ if !self.jobs.contains_key(&number) => {}
                _ => {
                    self.lanes.entry(peer).or_default().waiting.insert(number);
                }
            }
        }
        self.start_next(peer);
    }

    /// A recipient can be reached now, or it is worth a try: a link came up, a contact was accepted.
    pub fn handle_reachable(&mut self, peer: PeerKey) {
        if let Some(lane) = self.lanes.get_mut(&peer) {
            lane.pace = Pace::Open;
            self.start_next(peer);
        }
    }

    /// Gives a message up that has not been taken; whether that was possible.
    #[must_use]
    pub fn try_withdraw(&mut self, number: MailNumber) -> bool {
        let Some(job) = self.jobs.get(&number) else { return false };
        let lane = self.lanes.get(&job.peer);
        if lane.is_some_and(|lane| lane.in_flight.contains(&number)) {
            return false;
        }
        self.end(number, Progress::Failed(Failure::Withdrawn));
        true
    }

    /// When [`Outbox::handle_timeout`] is to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        let pauses = self.lanes.values().filter_map(|lane| match lane.pace {
            Pace::Paused { until, .. } => Some(until),
            Pace::Open | Pace::Trying { .. } | Pace::Blocked => None,
        });
        pauses.chain(self.expiries.first().map(|(at, _)| *at)).min()
    }

    /// Ends pauses, and gives up what was tried long enough.
    pub fn handle_timeout(&mut self, now: Duration) {
        while let Some((at, number)) = self.expiries.first().copied().filter(|(at, _)| *at <= now) {
            self.expiries.remove(&(at, number));
            self.end(number, Progress::Failed(Failure::Expired));
        }
        let paused = |lane: &Lane| matches!(lane.pace, Pace::Paused { until, .. } if until <= now);
        let due = self.lanes.iter().filter(|(_, lane)| paused(lane)).map(|(peer, _)| *peer);
        for peer in due.collect::<Vec<_>>() {
            if let Some(lane) = self.lanes.get_mut(&peer) {
                lane.pace = Pace::Trying { failures: lane.pace.failures() };
            }
            self.start_next(peer);
        }
    }

    /// The next thing to do.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// How many messages have not been taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Whether everything was taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    fn start_next(&mut self, peer: PeerKey) {
        let Some(lane) = self.lanes.get_mut(&peer) else { return };
        let is_open = matches!(lane.pace, Pace::Open | Pace::Trying { .. });
        if !lane.in_flight.is_empty() || !is_open {
            return;
        }
        while let Some(number) = lane.waiting.pop_first() {
            lane.in_flight.push(number);
            if lane.in_flight.len() == MAX_BATCH {
                break;
            }
        }
        if lane.in_flight.is_empty() {
            self.lanes.remove(&peer);
        } else {
            let numbers = lane.in_flight.clone();
            self.effects.push_back(Effect::Transmit { peer, numbers });
        }
    }

    /// Takes a message out. One that is on its way just now may still arrive: its state goes forward then.
    fn end(&mut self, number: MailNumber, progress: Progress) {
        let Some(job) = self.jobs.remove(&number) else {
            // given up while it was on its way; that it was taken after all is worth knowing
            if progress == Progress::Sent {
                self.effects.push_back(Effect::Progress { number, progress });
            }
            return;
        };
        self.expiries.remove(&(job.expires, number));
        if let Some(lane) = self.lanes.get_mut(&job.peer) {
            lane.waiting.remove(&number);
        }
        self.effects.push_back(Effect::Progress { number, progress });
    }
}

impl Pace {
    const fn failures(self) -> u32 {
        match self {
            Self::Paused { failures, .. } | Self::Trying { failures } => failures,
            Self::Open | Self::Blocked => 0,
        }
    }
}

/// Doubles with every failure; up to a quarter longer by `spread`.
fn pause(failures: u32, spread: u8) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(16));
    let pause = doubled.min(MAX_PAUSE);
    pause + pause * u32::from(spread) / 1024
}

#[cfg(test)]
mod tests;
