//! Which sessions a message goes to.
//!
//! One [`Router`] per identity. It knows which of the identity's sessions live, what to do with mail that
//! names none, and all mail that has not arrived yet. Whenever any of the three changes everything that is
//! held is looked at again, so nothing waits for an event that has already been.
//!
//! Each session gets one message at a time, in the order of their numbers: the order of a sender is kept,
//! and a session that does not take its mail delays only itself. The caller carries a delivery out and
//! tells the outcome, always: a session that ends during one may or may not have had it, which only its
//! log can say.

use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    vec::Vec,
};
use core::time::Duration;

pub use quarterdeck_protocol::method::Unaddressed;
use quarterdeck_protocol::{
    ids::{Label, SessionId},
    mail::PeerLabel,
};
use serde::{Deserialize, Serialize};

use super::{MailNumber, PeerKey};
use crate::names::natural_order;

/// Messages of one identity that may wait for a session; one more is refused, and its sender told so.
pub const MAX_HELD: usize = 10_000;
/// Messages of one sender among them: one sender cannot fill another's place.
pub const MAX_HELD_PER_SENDER: usize = 2_000;
/// How long a message waits for its session when nothing else is said.
pub const DEFAULT_HOLD: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What an identity does with its mail: one setting for all of its sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// For mail that names no session.
    pub unaddressed: Unaddressed,
    /// The session that is meant by "primary", while it lives.
    pub primary: Option<Label>,
    /// How long mail waits for its session.
    pub hold: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self { unaddressed: Unaddressed::Primary, primary: None, hold: DEFAULT_HOLD }
    }
}

/// What is done with mail of a contact.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Inbound {
    /// It goes to its session.
    Accept,
    /// It waits until a person lets it through.
    #[default]
    Hold,
    /// It goes nowhere; its sender is told.
    Refuse,
}

/// A message that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// Its number.
    pub number: MailNumber,
    /// Whose it is.
    pub from: PeerKey,
    /// The session that it names.
    pub to: Option<PeerLabel>,
    /// When it came.
    pub at: Duration,
    /// Sessions that have it already, as the store knows from before.
    pub had_by: BTreeSet<SessionId>,
    /// What a person decided about it.
    pub passage: Passage,
}

/// Whether a message needs nothing further to go to a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Passage {
    /// Its contact and the policy decide.
    #[default]
    AsDecided,
    /// A person let this one through.
    LetThrough,
}

/// Why a message goes nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadLetter {
    /// Its session did not live in time.
    Expired,
    /// It names a word that no session can be called.
    BadLabel,
    /// Mail that names no session is not wanted.
    Unaddressed,
    /// Mail of this sender is not wanted.
    Refused,
    /// Too much waits.
    Full,
    /// A person did not want it.
    Discarded,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Hand a message to a session, and tell the outcome.
    Deliver {
        /// Which.
        number: MailNumber,
        /// To which.
        session: SessionId,
    },
    /// Everyone who should have the message has it.
    Done {
        /// Which.
        number: MailNumber,
    },
    /// The message goes nowhere. It is kept where a person can see it.
    Dead {
        /// Which.
        number: MailNumber,
        /// Why.
        why: DeadLetter,
    },
}

/// How a delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The session has it: its log says so.
    Delivered,
    /// The session ended without it: its log says so.
    Gone,
}

/// Why a message waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waits {
    /// For a session that lives.
    ForSession,
    /// For a person who decides about its sender.
    ForContact,
    /// For another policy.
    ForPolicy,
    /// For its turn: the session has it soon.
    ForTurn,
}

#[derive(Debug)]
struct Item {
    from: PeerKey,
    to: Option<Label>,
    expires: Duration,
    /// Sessions that it is queued for or being delivered to.
    pending: BTreeSet<SessionId>,
    had_by: BTreeSet<SessionId>,
    passage: Passage,
    waits: Waits,
    /// It should have been given up while it was being delivered.
    overdue: bool,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: BTreeSet<MailNumber>,
    in_flight: Option<MailNumber>,
}

/// The mail of one identity that has not arrived.
#[derive(Debug, Default)]
pub struct Router {
    policy: Policy,
    live: BTreeMap<SessionId, Label>,
    contacts: BTreeMap<PeerKey, Inbound>,
    items: BTreeMap<MailNumber, Item>,
    per_sender: BTreeMap<PeerKey, usize>,
    queues: BTreeMap<SessionId, Queue>,
    expiries: BTreeSet<(Duration, MailNumber)>,
    effects: VecDeque<Effect>,
}

impl Router {
    /// A router without mail or sessions.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self { policy, ..Self::default() }
    }

    /// A message came, or was found in the store.
    pub fn handle_mail(&mut self, mail: Incoming) {
        let Incoming { number, from, to, at, had_by, passage } = mail;
        if self.items.contains_key(&number) {
            return;
        }
        let of_sender = self.per_sender.get(&from).copied().unwrap_or_default();
        if self.items.len() >= MAX_HELD || of_sender >= MAX_HELD_PER_SENDER {
            return self.effects.push_back(Effect::Dead { number, why: DeadLetter::Full });
        }
        let to = match to.map(|label| label.to_label()).transpose() {
            Ok(to) => to,
            Err(_) => {
                return self.effects.push_back(Effect::Dead { number, why: DeadLetter::BadLabel });
            }
        };
        let expires = at.saturating_add(self.policy.hold);
        let (pending, waits) = (BTreeSet::new(), Waits::ForSession);
        let item = Item { from, to, expires, pending, had_by, passage, waits, overdue: false };
        self.items.insert(number, item);
        self.expiries.insert((expires, number));
        *self.per_sender.entry(from).or_default() += 1;
        self.route(number);
    }

    /// These sessions of the identity live, and no others.
    pub fn handle_live(&mut self, live: BTreeMap<SessionId, Label>) {
        if live == self.live {
            return;
        }
        self.live = live;
        self.forget_ended();
        self.route_all();
    }

    /// Another policy from now on; also for what came before, but not for how long that waits.
    pub fn handle_policy(&mut self, policy: Policy) {
        self.policy = policy;
        self.route_all();
    }

    /// What it does with its mail.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Somebody decided about a contact. One that nobody decided about is held.
    pub fn handle_contact(&mut self, peer: PeerKey, inbound: Inbound) {
        self.contacts.insert(peer, inbound);
        if inbound != Inbound::Accept {
            let keeps =
                |item: &Item| inbound == Inbound::Hold && item.passage == Passage::LetThrough;
            for session in self.queues.keys().copied().collect::<Vec<_>>() {
                self.unqueue(session, |item| item.from == peer && !keeps(item));
            }
        }
        self.route_all();
    }

    /// A delivery ended.
    pub fn handle_outcome(&mut self, number: MailNumber, session: SessionId, outcome: Outcome) {
        if let Some(queue) = self.queues.get_mut(&session) {
            queue.in_flight.take_if(|in_flight| *in_flight == number);
        }
        if let Some(item) = self.items.get_mut(&number) {
            item.pending.remove(&session);
            if outcome == Outcome::Delivered {
                item.had_by.insert(session);
            }
            if item.overdue && item.pending.is_empty() && item.had_by.is_empty() {
                self.dead(number, DeadLetter::Expired);
            } else if !self.finish_if_had(number) {
                self.route(number);
            }
        }
        self.start_next(session);
    }

    /// A person lets a message through that waited for a decision or another policy. It goes to its
    /// session when that lives; whether it still waits.
    pub fn handle_let_through(&mut self, number: MailNumber) -> bool {
        let Some(item) = self.items.get_mut(&number) else { return false };
        item.passage = Passage::LetThrough;
        self.route(number);
        true
    }

    /// A person does not want a message: it is a dead letter. Whether that was possible; it is not while
    /// the message is being delivered.
    pub fn handle_discarded(&mut self, number: MailNumber) -> bool {
        let waits = !self.is_in_flight(number) && self.items.contains_key(&number);
        if waits {
            self.dead(number, DeadLetter::Discarded);
        }
        waits
    }

    /// Takes a message out, to answer or to remove it; whether that was possible. It is not while the
    /// message is being delivered.
    #[must_use]
    pub fn try_take(&mut self, number: MailNumber) -> bool {
        !self.is_in_flight(number) && self.finish(number)
    }

    /// When [`Router::handle_timeout`] is to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.expiries.first().map(|(at, _)| *at)
    }

    /// Gives up what has waited too long. What is being delivered just now is left to its outcome.
    pub fn handle_timeout(&mut self, now: Duration) {
        while let Some((at, number)) = self.expiries.first().copied().filter(|(at, _)| *at <= now) {
            self.expiries.remove(&(at, number));
            if !self.is_in_flight(number) {
                self.dead(number, DeadLetter::Expired);
            } else if let Some(item) = self.items.get_mut(&number) {
                item.overdue = true;
            }
        }
    }

    /// The next thing to do.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Why each message that has not arrived waits, oldest first.
    pub fn waiting(&self) -> impl Iterator<Item = (MailNumber, Waits)> + '_ {
        self.items.iter().map(|(number, item)| (*number, item.waits))
    }

    /// Why one message has not arrived; none when it has.
    #[must_use]
    pub fn waits_for(&self, number: MailNumber) -> Option<Waits> {
        self.items.get(&number).map(|item| item.waits)
    }

    /// How many messages have not arrived.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether everything has arrived.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    fn route_all(&mut self) {
        let numbers: Vec<MailNumber> = self.items.keys().copied().collect();
        for number in numbers {
            self.route(number);
        }
    }

    /// Decides about one message that nothing is being done with.
    fn route(&mut self, number: MailNumber) {
        let Some(item) = self.items.get(&number) else { return };
        if !item.pending.is_empty() {
            return;
        }
        // a contact that nobody decided about is held, as every stranger
        let waits = match self.contacts.get(&item.from).copied().unwrap_or_default() {
            Inbound::Refuse => return self.dead(number, DeadLetter::Refused),
            Inbound::Hold if item.passage == Passage::AsDecided => Waits::ForContact,
            Inbound::Hold | Inbound::Accept => match self.targets(item) {
                Targets::These(sessions) => return self.queue(number, &sessions),
                Targets::Later(waits) => waits,
                Targets::Nowhere => return self.dead(number, DeadLetter::Unaddressed),
            },
        };
        if let Some(item) = self.items.get_mut(&number) {
            item.waits = waits;
        }
    }

    fn targets(&self, item: &Item) -> Targets {
        let some = |session: Option<SessionId>| match session {
            Some(session) => Targets::These(alloc::vec![session]),
            None => Targets::Later(Waits::ForSession),
        };
        let named = |label: &Label| {
            self.live.iter().find(|(_, live)| *live == label).map(|(session, _)| *session)
        };
        let unaddressed = match (self.policy.unaddressed, item.passage) {
            (Unaddressed::Hold, Passage::LetThrough) => Unaddressed::Primary,
            (policy, Passage::AsDecided | Passage::LetThrough) => policy,
        };
        match (&item.to, unaddressed) {
            (Some(label), _) => some(named(label)),
            (None, Unaddressed::Drop) => Targets::Nowhere,
            (None, Unaddressed::Hold) => Targets::Later(Waits::ForPolicy),
            (None, Unaddressed::Primary) => {
                let chosen = self.policy.primary.as_ref().and_then(named);
                let first = || self.live.iter().min_by(|(_, a), (_, b)| natural_order(a, b));
                some(chosen.or_else(|| first().map(|(session, _)| *session)))
            }
            (None, Unaddressed::Broadcast) if self.live.is_empty() => {
                Targets::Later(Waits::ForSession)
            }
            (None, Unaddressed::Broadcast) => Targets::These(self.live.keys().copied().collect()),
        }
    }

    fn queue(&mut self, number: MailNumber, sessions: &[SessionId]) {
        let Some(item) = self.items.get_mut(&number) else { return };
        item.waits = Waits::ForTurn;
        item.pending.extend(sessions.iter().filter(|session| !item.had_by.contains(session)));
        if item.pending.is_empty() {
            self.finish(number);
            return self.effects.push_back(Effect::Done { number });
        }
        for session in item.pending.clone() {
            self.queues.entry(session).or_default().waiting.insert(number);
            self.start_next(session);
        }
    }

    fn start_next(&mut self, session: SessionId) {
        let Some(queue) = self.queues.get_mut(&session) else { return };
        if queue.in_flight.is_some() {
            return;
        }
        if let Some(number) = queue.waiting.pop_first() {
            queue.in_flight = Some(number);
            self.effects.push_back(Effect::Deliver { number, session });
        } else {
            self.queues.remove(&session);
        }
    }

    /// What waits for sessions that ended does so no more; what is being delivered has an outcome coming.
    fn forget_ended(&mut self) {
        let ended: Vec<SessionId> = self
            .queues
            .keys()
            .filter(|session| !self.live.contains_key(session))
            .copied()
            .collect();
        for session in ended {
            self.unqueue(session, |_| true);
            self.start_next(session);
        }
    }

    /// Takes what waits for a session out of its queue, as far as it fits.
    fn unqueue(&mut self, session: SessionId, fits: impl Fn(&Item) -> bool) {
        let Some(queue) = self.queues.get_mut(&session) else { return };
        let items = &mut self.items;
        let out = |number: &MailNumber| items.get(number).is_none_or(&fits);
        let taken: Vec<MailNumber> = queue.waiting.iter().copied().filter(out).collect();
        for number in &taken {
            queue.waiting.remove(number);
            if let Some(item) = items.get_mut(number) {
                item.pending.remove(&session);
            }
        }
        for number in taken {
            self.finish_if_had(number);
        }
    }

    /// Whether somebody has the message and nobody else is about to.
    fn finish_if_had(&mut self, number: MailNumber) -> bool {
        let had = |item: &Item| item.pending.is_empty() && !item.had_by.is_empty();
        let finished = self.items.get(&number).is_some_and(had);
        if finished {
            self.finish(number);
            self.effects.push_back(Effect::Done { number });
        }
        finished
    }

    fn is_in_flight(&self, number: MailNumber) -> bool {
        self.queues.values().any(|queue| queue.in_flight == Some(number))
    }

    fn dead(&mut self, number: MailNumber, why: DeadLetter) {
        if self.finish(number) {
            self.effects.push_back(Effect::Dead { number, why });
        }
    }

    fn finish(&mut self, number: MailNumber) -> bool {
        let Some(item) = self.items.remove(&number) else { return false };
        self.expiries.remove(&(item.expires, number));
        if let Some(count) = self.per_sender.get_mut(&item.from) {
            *count -= 1;
            if *count == 0 {
                self.per_sender.remove(&item.from);
            }
        }
        for session in item.pending {
            if let Some(queue) = self.queues.get_mut(&session) {
                queue.waiting.remove(&number);
            }
        }
        true
    }
}

/// Where a message can go now.
enum Targets {
    These(Vec<SessionId>),
    Later(Waits),
    Nowhere,
}

#[cfg(test)]
mod tests;
