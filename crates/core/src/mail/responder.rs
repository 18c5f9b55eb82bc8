//! When a message may be answered without asking anybody.
//!
//! The answer costs money and may call for another answer, so it is bounded by what this side counts
//! alone: whatever a peer claims about its own messages, two responders stop by themselves. A message
//! that a session has is that session's to answer.

use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    vec::Vec,
};
use core::time::Duration;

use quarterdeck_protocol::{ids::Label, mail::Marking};

use super::{MailNumber, PeerKey};

/// Peers whose answers are counted; the one that was answered longest ago goes.
const MAX_PEERS: usize = 1024;
/// Messages that are known to be taken without a look into the store.
const MAX_TAKEN: usize = 1024;
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What a responder may spend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Answers to everyone in a day.
    pub per_day: u32,
    /// Answers to one peer in an hour.
    pub per_peer_hour: u32,
    /// Answers to one peer in a row, until a session or a person writes to it, or a day has passed.
    pub in_a_row: u32,
    /// Answers that are being written at the same time.
    pub at_once: usize,
    /// How long one answer may take.
    pub deadline: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let deadline = Duration::from_secs(120);
        Self { per_day: 100, per_peer_hour: 12, in_a_row: 3, at_once: 2, deadline }
    }
}

/// Whether a responder answers at all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Switch {
    /// It does not.
    #[default]
    Off,
    /// It does, whom it may.
    On,
}

/// A message that nobody has.
#[derive(Debug, Clone)]
pub struct Question {
    /// Its number.
    pub number: MailNumber,
    /// Whose.
    pub from: PeerKey,
    /// What it says about itself.
    pub marking: Marking,
    /// The session that it is addressed to: the answer comes from there.
    pub addressed: Label,
}

/// Why a message is left to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// The responder is off.
    Off,
    /// Its sender is not among those who may be answered.
    NotAllowed,
    /// Nobody was asked to write it either.
    Automatic,
    /// It was answered, or is being answered.
    Taken,
    /// Enough was answered to this peer in an hour.
    Rate,
    /// Enough was answered in a day.
    Budget,
    /// Enough was answered in a row.
    Loop,
    /// Enough is being answered just now.
    Busy,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Write one answer, with no means but to answer, and tell how that ended.
    Answer {
        /// To which message.
        number: MailNumber,
        /// As which session.
        answer_as: Label,
        /// What is not answered by then is ended.
        deadline: Duration,
    },
    /// End the writing of an answer: it took too long.
    Abort {
        /// To which message.
        number: MailNumber,
    },
}

#[derive(Debug, Default)]
struct Peer {
    /// When it was answered in the last hour.
    recent: VecDeque<Duration>,
    in_a_row: u32,
    last: Duration,
}

/// The responder of one identity.
#[derive(Debug, Default)]
pub struct Responder {
    limits: Limits,
    switch: Switch,
    allowed: BTreeSet<PeerKey>,
    peers: BTreeMap<PeerKey, Peer>,
    /// When an answer was begun in the last day.
    spent: VecDeque<Duration>,
    under_way: BTreeMap<MailNumber, Duration>,
    /// What was taken lately; the store knows of older ones.
    taken: BTreeSet<MailNumber>,
    effects: VecDeque<Effect>,
}

impl Responder {
    /// A responder that is off.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Turns it on or off, for the whole identity and at once: what is being answered is ended.
    pub fn handle_switch(&mut self, switch: Switch) {
        self.switch = switch;
        if switch == Switch::Off {
            let running = core::mem::take(&mut self.under_way);
            self.effects.extend(running.into_keys().map(|number| Effect::Abort { number }));
        }
    }

    /// Who may be answered: nobody, unless somebody says so.
    pub fn handle_allowed(&mut self, allowed: BTreeSet<PeerKey>) {
        self.allowed = allowed;
    }

    /// An answer that was begun before a restart: what may be spent is counted over it. The oldest first.
    pub fn handle_earlier(&mut self, number: MailNumber, from: PeerKey, at: Duration) {
        self.note_spent(number, from, at);
    }

    /// A message that no session has. The answer is due when this says nothing.
    ///
    /// # Errors
    /// When it is left to people.
    pub fn handle_question(&mut self, question: Question, now: Duration) -> Result<(), Left> {
        let Question { number, from, marking, addressed } = question;
        self.forget_old(now);
        self.may_answer(number, from, marking)?;
        self.note_spent(number, from, now);
        let deadline = now + self.limits.deadline;
        self.under_way.insert(number, deadline);
        self.effects.push_back(Effect::Answer { number, answer_as: addressed, deadline });
        Ok(())
    }

    /// The writing of an answer ended, with one or without. It is not tried again: whatever an exit code
    /// says, an answer may have been sent. The caller keeps with the message that it was taken.
    pub fn handle_ended(&mut self, number: MailNumber) {
        self.under_way.remove(&number);
    }

    /// A session or a person wrote to this peer: somebody looks at the conversation.
    pub fn handle_written(&mut self, peer: PeerKey) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.in_a_row = 0;
        }
    }

    /// When [`Responder::handle_timeout`] is to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.under_way.values().min().copied()
    }

    /// Ends what takes too long.
    pub fn handle_timeout(&mut self, now: Duration) {
        let late = self.under_way.iter().filter(|(_, deadline)| **deadline <= now);
        let late: Vec<MailNumber> = late.map(|(number, _)| *number).collect();
        for number in late {
            self.under_way.remove(&number);
            self.effects.push_back(Effect::Abort { number });
        }
    }

    /// The next thing to do.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    fn may_answer(&self, number: MailNumber, from: PeerKey, marking: Marking) -> Result<(), Left> {
        let limits = &self.limits;
        let (recent, in_a_row) =
            self.peers.get(&from).map_or((0, 0), |peer| (peer.recent.len(), peer.in_a_row));
        let reached = |count: usize, limit: u32| u32::try_from(count).is_ok_and(|n| n >= limit);
        let reasons = [
            (self.switch == Switch::Off, Left::Off),
            (self.taken.contains(&number), Left::Taken),
            (marking == Marking::Automatic, Left::Automatic),
            (!self.allowed.contains(&from), Left::NotAllowed),
            (in_a_row >= limits.in_a_row, Left::Loop),
            (reached(recent, limits.per_peer_hour), Left::Rate),
            (reached(self.spent.len(), limits.per_day), Left::Budget),
            (self.under_way.len() >= limits.at_once, Left::Busy),
        ];
        match reasons.into_iter().find(|(holds, _)| *holds) {
            Some((_, why)) => Err(why),
            None => Ok(()),
        }
    }

    fn note_spent(&mut self, number: MailNumber, from: PeerKey, at: Duration) {
        let peer = self.peer(from);
        peer.recent.push_back(at);
        peer.in_a_row += 1;
        peer.last = at;
        self.spent.push_back(at);
        self.taken.insert(number);
    }

    fn forget_old(&mut self, now: Duration) {
        let is_over = |at: &Duration, age: Duration| *at + age <= now;
        while self.spent.pop_front_if(|at| is_over(at, DAY)).is_some() {}
        for peer in self.peers.values_mut() {
            while peer.recent.pop_front_if(|at| is_over(at, HOUR)).is_some() {}
            if is_over(&peer.last, DAY) {
                peer.in_a_row = 0;
            }
        }
        self.peers.retain(|_, peer| !peer.recent.is_empty() || peer.in_a_row > 0);
        while self.taken.len() > MAX_TAKEN {
            self.taken.pop_first();
        }
    }

    fn peer(&mut self, from: PeerKey) -> &mut Peer {
        if self.peers.len() >= MAX_PEERS && !self.peers.contains_key(&from) {
            let oldest = self.peers.iter().min_by_key(|(_, peer)| peer.last).map(|(key, _)| *key);
            oldest.map(|key| self.peers.remove(&key));
        }
        self.peers.entry(from).or_default()
    }
}

#[cfg(test)]
mod tests;
