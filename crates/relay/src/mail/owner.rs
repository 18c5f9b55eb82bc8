//! The owner's loop: one thing after the other.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::Duration,
};

use quarterdeck_core::mail::{MailNumber, reply::Awaited};
use quarterdeck_crypto::StorageKey;
use quarterdeck_protocol::error::{ErrorCode, RpcError};
use quarterdeck_seal::{IdentityKey, letter::Stream};
use tokio::sync::{mpsc, watch};

use super::{
    Ask, Delivery, LiveSession, OutsideAgent, Reply,
    answering::{Answering, Writing},
    asking::Seeking,
    identities::generate_identity,
    mailbox::{Mailbox, Peer, now},
    outside::Showing,
    post::Post,
    presence::AwaitedRest,
    store::{self, Store, StoreError},
    transport::{Event, Loopback, MailTransport, Request, Way},
    turn::Pending,
};
use quarterdeck_protocol::method::MailWaitResult;

/// The longest time between two looks at the timers: a clock that was set back must not stop them.
const MAX_NAP: Duration = Duration::from_secs(30);
/// How long later letters wait for one that is missing.
const MISSING_LIMIT: Duration = Duration::from_secs(60);
/// How long mail that is over is kept: for a while it is history, and what comes again is known by it.
const KEEP: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Time between two looks for what is older.
const PRUNE_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);
/// What the first identity is called.
pub(super) const FIRST_NAME: &str = "default";
/// Asks that are stored together: enough that the disk is waited for seldom, few enough that nobody waits
/// for the others.
const MAX_TURN_ASKS: usize = 256;

/// The owner.
pub(super) struct Owner {
    pub(super) store: Store,
    /// Between identities of this relay.
    pub(super) own: Box<dyn MailTransport>,
    /// By hubs.
    pub(super) post: Post,
    pub(super) mailboxes: BTreeMap<i64, Mailbox>,
    pub(super) assignments: Vec<(String, i64)>,
    /// Sessions that have another identity than their project.
    pub(super) of_sessions: BTreeMap<quarterdeck_protocol::ids::SessionId, i64>,
    pub(super) live: Vec<LiveSession>,
    /// Agents outside.
    pub(super) outside: Vec<OutsideAgent>,
    pub(super) showing: Vec<Showing>,
    /// Something came that somebody may be to be shown.
    pub(super) showing_due: bool,
    pub(super) waiters: Vec<Waiter>,
    pub(super) seeking: Vec<Seeking>,
    /// What sessions say that they do.
    pub(super) statuses: BTreeMap<quarterdeck_protocol::ids::SessionId, String>,
    pub(super) awaited_rest: Vec<AwaitedRest>,
    /// What answers while nobody is there.
    pub(super) writing: Option<Writing>,
    /// Messages that are being answered.
    pub(super) answering: BTreeMap<MailNumber, Answering>,
    /// Whether it was told who lives: before, nobody can say that a session does not.
    pub(super) knows_live: bool,
    pub(super) courier: mpsc::Sender<Delivery>,
    /// What this turn has done so far.
    pub(super) pending: Pending,
    /// Identities whose secrets have changed in this turn.
    pub(super) changed_accounts: BTreeSet<i64>,
    /// Raised when a turn has changed what is stored.
    pub(super) changed: watch::Sender<u64>,
    /// When it is looked for what is old.
    next_prune: Duration,
}

/// Somebody who waits for a message.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) identity: i64,
    /// The session that waits: mail for others is not its.
    pub(super) session: Option<quarterdeck_protocol::ids::Label>,
    pub(super) awaited: Awaited,
    pub(super) until: Duration,
    pub(super) reply: Reply<MailWaitResult>,
}

impl Owner {
    pub(super) fn open(
        path: &Path,
        key: Option<StorageKey>,
        courier: mpsc::Sender<Delivery>,
        writing: Option<Writing>,
    ) -> Result<Self, StoreError> {
        let mut owner = Self {
            store: Store::open(path, key)?,
            own: Box::new(Loopback::default()),
            post: Post::default(),
            mailboxes: BTreeMap::new(),
            assignments: Vec::new(),
            of_sessions: BTreeMap::new(),
            live: Vec::new(),
            outside: Vec::new(),
            showing: Vec::new(),
            showing_due: false,
            waiters: Vec::new(),
            seeking: Vec::new(),
            statuses: BTreeMap::new(),
            awaited_rest: Vec::new(),
            writing,
            answering: BTreeMap::new(),
            knows_live: false,
            courier,
            pending: Pending::default(),
            changed_accounts: BTreeSet::new(),
            // the time, so that another life of the relay does not repeat the numbers of this one
            changed: watch::Sender::new(u64::try_from(now().as_millis()).unwrap_or(0)),
            next_prune: Duration::ZERO,
        };
        if store::identities(owner.store.read())?.is_empty() {
            let account = generate_identity().to_stored();
            owner.store.atomically(|c| store::add_identity(c, FIRST_NAME, &account))?;
        }
        owner.load()?;
        Ok(owner)
    }

    /// Reads everything anew: at the start, and after a change could not be stored.
    pub(super) fn load(&mut self) -> Result<(), StoreError> {
        self.mailboxes.clear();
        // what they have under way belongs to what was forgotten; its sender sends it again
        self.own = Box::new(Loopback::default());
        self.post.reset();
        self.assignments = store::assignments(self.store.read())?;
        self.of_sessions = store::assigned_sessions(self.store.read())?;
        self.outside = store::outside(self.store.read())?;
        // the project with the longest path first: it is the nearest one
        self.assignments.sort_by_key(|(project, _)| std::cmp::Reverse(project.len()));
        // whoever was writing an answer is not listened to any more
        self.answering.clear();
        self.store.atomically(store::give_back_unanswered)?;
        for stored in store::identities(self.store.read())? {
            let mailbox = Mailbox::load(self.store.read(), stored)?;
            self.mailboxes.insert(mailbox.id, mailbox);
        }
        if let Some(writing) = &self.writing {
            for mailbox in self.mailboxes.values_mut() {
                mailbox.begin_responding(self.store.read(), writing.limits())?;
            }
        }
        self.introduce()?;
        for id in self.ids() {
            self.publish(id)?;
        }
        self.spread_live();
        Ok(())
    }

    /// Raised when anything that is stored has changed.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub(super) fn run(mut self, asks: &Receiver<Ask>) {
        let mut first = None;
        loop {
            self.turn(|owner| {
                let more = std::iter::from_fn(|| asks.try_recv().ok());
                for ask in first.take().into_iter().chain(more).take(MAX_TURN_ASKS) {
                    owner.handle_ask(ask);
                }
                owner.handle_timeouts();
            });
            match asks.recv_timeout(self.nap()) {
                Ok(ask) => first = Some(ask),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// One ask with all that follows from it, as [`Owner::run`] does it.
    #[cfg(test)]
    pub(super) fn handle(&mut self, ask: Ask) {
        self.turn(|owner| {
            owner.handle_ask(ask);
            owner.settle();
            owner.handle_timeouts();
        });
    }

    /// As if the next letter were lost on its way.
    #[cfg(test)]
    pub(super) fn lose_letter(&mut self, from: &str, to: &str) {
        let (from, to) = (self.named(from).expect("known"), self.named(to).expect("known"));
        let to = self.mailboxes[&to].key();
        let mailbox = self.mailboxes.get_mut(&from).expect("known");
        mailbox.peers.get_mut(&to).expect("known").written += 1;
    }

    /// As if all that is over were old.
    #[cfg(test)]
    pub(super) fn forget_before_now(&mut self) {
        let later = now() + Duration::from_secs(1);
        self.store.atomically(|c| store::prune(c, later)).expect("is pruned");
    }

    /// Sends a body as it is: what another program might.
    #[cfg(test)]
    pub(super) fn send_raw(&mut self, from: &str, to: &str, body: String) {
        let (from, to) = (self.named(from).expect("known"), self.named(to).expect("known"));
        let to = self.mailboxes[&to].key();
        self.turn(|owner| owner.queue_letter(from, &to, "mail", body).expect("is queued"));
    }

    fn nap(&self) -> Duration {
        let now = now();
        let mailboxes = self.mailboxes.values();
        let timers = mailboxes.flat_map(|m| {
            [m.router.poll_timeout(), m.outbox.poll_timeout(), m.responder.poll_timeout()]
        });
        let waits = self.waiters.iter().map(|waiter| Some(waiter.until));
        if self.showing_due && !self.showing.is_empty() {
            return Duration::ZERO;
        }
        let showing = self.showing.iter().map(|showing| Some(showing.until));
        let others = [self.seeking_until(), self.post.poll_timeout()];
        let first = timers.chain(waits).chain(showing).chain(others).flatten().min();
        first.map_or(MAX_NAP, |at| at.saturating_sub(now).min(MAX_NAP))
    }

    /// Carries out what the machines want, until they want nothing.
    pub(super) fn settle(&mut self) {
        while !self.has_failed() {
            match self.step() {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => return self.fail(error),
            }
        }
    }

    /// One effect or event; whether there was one.
    fn step(&mut self) -> Result<bool, StoreError> {
        for id in self.ids() {
            let Some(mailbox) = self.mailboxes.get_mut(&id) else { continue };
            if let Some(effect) = mailbox.router.poll_effect() {
                self.perform_routing(id, effect)?;
                return Ok(true);
            }
            if let Some(effect) = mailbox.outbox.poll_effect() {
                self.perform_sending(id, effect)?;
                return Ok(true);
            }
        }
        let event = self.own.poll_event().or_else(|| self.post.poll_event());
        let Some(event) = event else { return Ok(false) };
        match event {
            Event::Claimed { by, peer, outcome, by_way } => {
                self.handle_claimed(&by, &peer, outcome, by_way)?;
            }
            Event::Taken { from, to, outcome } => self.handle_taken(&from, &to, outcome),
            Event::Arrived { to, item, sealed, by_way } => {
                self.handle_arrived(&to, &sealed)?;
                self.request(by_way, Request::Acknowledge { to, item });
            }
            Event::LinkUp { hub } => self.handle_link_up(hub)?,
            Event::Registered { hub, identity, keys } => {
                self.handle_registered(hub, &identity, keys)?;
            }
        }
        Ok(true)
    }

    /// Asks a transport for something.
    pub(super) fn request(&mut self, way: Way, request: Request) {
        match way {
            Way::Own => self.own.handle_request(way, request),
            Way::Hub(_) => self.post.handle_request(way, request),
        }
    }

    fn handle_timeouts(&mut self) {
        let now = now();
        for mailbox in self.mailboxes.values_mut() {
            mailbox.router.handle_timeout(now);
            mailbox.outbox.handle_timeout(now);
        }
        if let Err(error) = self.skip_missing_since(now.saturating_sub(MISSING_LIMIT)) {
            self.fail(error);
        }
        self.give_up_seeking(now);
        self.serve_showing(now);
        if let Err(error) = self.end_late_answers(now) {
            self.fail(error);
        }
        if self.next_prune <= now {
            self.next_prune = now + PRUNE_INTERVAL;
            let pruned = self.store.atomically(|c| store::prune(c, now.saturating_sub(KEEP)));
            if let Err(error) = pruned {
                tracing::warn!(%error, "old mail was not removed");
            }
        }
        for at in (0..self.waiters.len()).rev() {
            if self.waiters[at].until <= now || self.waiters[at].reply.is_closed() {
                let waiter = self.waiters.swap_remove(at);
                self.answer(waiter.reply, Ok(MailWaitResult::default()));
            }
        }
    }

    pub(super) fn skip_missing_since(&mut self, then: Duration) -> Result<(), StoreError> {
        let overdue = |peer: &Peer| peer.ahead_since.is_some_and(|since| since <= then);
        let of_mailbox = |mailbox: &Mailbox| {
            let peers = mailbox.peers.iter().filter(|(_, peer)| overdue(peer));
            peers.map(|(key, _)| (mailbox.id, *key)).collect::<Vec<_>>()
        };
        let waiting: Vec<(i64, IdentityKey)> =
            self.mailboxes.values().flat_map(of_mailbox).collect();
        waiting.into_iter().try_for_each(|(id, from)| self.skip_missing(id, &from))
    }

    pub(super) fn ids(&self) -> Vec<i64> {
        self.mailboxes.keys().copied().collect()
    }

    pub(super) fn spread_live(&mut self) {
        for id in self.ids() {
            let own: Vec<LiveSession> = self
                .live
                .iter()
                .filter(|it| self.identity_of(it.id, &it.cwd) == id)
                .cloned()
                .collect();
            if let Some(mailbox) = self.mailboxes.get_mut(&id) {
                mailbox.handle_live(own.into_iter());
            }
        }
    }

    pub(super) fn mailbox_of(&mut self, key: &IdentityKey) -> Option<&mut Mailbox> {
        self.mailboxes.values_mut().find(|mailbox| mailbox.key() == *key)
    }
}

/// A new run of letters.
pub(super) fn random_stream() -> Result<Stream, StoreError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|_| StoreError::Damaged("no random bytes"))?;
    Ok(Stream(bytes))
}

pub(super) fn storage(error: &StoreError) -> RpcError {
    tracing::error!(%error, "mail store");
    RpcError::new(ErrorCode::Storage, "the mail could not be stored or read")
}
