//! The owner's loop: one thing after the other.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::Duration,
};

use quarterdeck_core::mail::reply::Awaited;
use quarterdeck_protocol::error::{ErrorCode, RpcError};
use quarterdeck_seal::{
    Identity, IdentityKey,
    contact::{Contact, Standing},
    identity::NewFallback,
    letter::Stream,
};
use tokio::sync::mpsc;

use super::{
    Ask, Delivery, LiveSession, Reply, Who,
    mailbox::{Mailbox, Peer, now},
    store::{self, Store, StoreError},
    transport::{Event, Loopback, MailTransport, Request},
};
use quarterdeck_core::mail::routing::Inbound;
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
const FIRST_NAME: &str = "default";
/// Identities of one relay.
const MAX_IDENTITIES: usize = 64;

/// The owner.
pub(super) struct Owner {
    pub(super) store: Store,
    pub(super) transport: Box<dyn MailTransport>,
    pub(super) mailboxes: BTreeMap<i64, Mailbox>,
    pub(super) assignments: Vec<(String, i64)>,
    pub(super) live: Vec<LiveSession>,
    pub(super) waiters: Vec<Waiter>,
    pub(super) courier: mpsc::Sender<Delivery>,
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
    pub(super) fn open(path: &Path, courier: mpsc::Sender<Delivery>) -> Result<Self, StoreError> {
        let mut owner = Self {
            store: Store::open(path)?,
            transport: Box::new(Loopback::default()),
            mailboxes: BTreeMap::new(),
            assignments: Vec::new(),
            live: Vec::new(),
            waiters: Vec::new(),
            courier,
            next_prune: Duration::ZERO,
        };
        if store::identities(owner.store.read())?.is_empty() {
            let account = Identity::generate().to_stored();
            owner.store.atomically(|c| store::add_identity(c, FIRST_NAME, &account))?;
        }
        owner.load()?;
        Ok(owner)
    }

    /// Reads everything anew: at the start, and after a change could not be stored.
    fn load(&mut self) -> Result<(), StoreError> {
        self.mailboxes.clear();
        // what it has under way belongs to what was forgotten; its sender sends it again
        self.transport = Box::new(Loopback::default());
        self.assignments = store::assignments(self.store.read())?;
        // the project with the longest path first: it is the nearest one
        self.assignments.sort_by_key(|(project, _)| std::cmp::Reverse(project.len()));
        for stored in store::identities(self.store.read())? {
            let mailbox = Mailbox::load(self.store.read(), stored)?;
            self.mailboxes.insert(mailbox.id, mailbox);
        }
        self.introduce()?;
        for id in self.ids() {
            self.publish(id)?;
        }
        self.spread_live();
        Ok(())
    }

    pub(super) fn run(mut self, asks: &Receiver<Ask>) {
        loop {
            self.settle();
            match asks.recv_timeout(self.nap()) {
                Ok(ask) => self.handle_ask(ask),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.handle_timeouts();
        }
    }

    /// One ask with all that follows from it, as [`Owner::run`] does it.
    #[cfg(test)]
    pub(super) fn handle(&mut self, ask: Ask) {
        self.handle_ask(ask);
        self.settle();
        self.handle_timeouts();
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
        self.queue_letter(from, &to, "mail", body).expect("is queued");
        self.settle();
    }

    fn nap(&self) -> Duration {
        let now = now();
        let mailboxes = self.mailboxes.values();
        let timers = mailboxes.flat_map(|m| [m.router.poll_timeout(), m.outbox.poll_timeout()]);
        let waits = self.waiters.iter().map(|waiter| Some(waiter.until));
        let first = timers.chain(waits).flatten().min();
        first.map_or(MAX_NAP, |at| at.saturating_sub(now).min(MAX_NAP))
    }

    fn handle_ask(&mut self, ask: Ask) {
        match ask {
            Ask::Send(who, p, reply) => answer(reply, self.handle_send(&who, p)),
            Ask::Inbox(who, p, label, reply) => answer(reply, self.inbox(&who, &p, label.as_ref())),
            Ask::Wait(who, p, reply) => self.handle_wait(&who, &p, reply),
            Ask::Status(who, id, reply) => answer(reply, self.status(&who, id.as_deref())),
            Ask::Whoami(who, reply) => answer(reply, self.whoami(&who)),
            Ask::Contacts(who, reply) => answer(reply, self.contacts(&who)),
            Ask::Decide(p, reply) => answer(reply, self.handle_decision(&p)),
            Ask::Identities(reply) => answer(reply, Ok(self.identities())),
            Ask::IdentityAdd(name, reply) => answer(reply, self.handle_new_identity(&name)),
            Ask::IdentityUse(p, reply) => answer(reply, self.handle_assignment(p)),
            Ask::Live(live) => {
                self.live = live;
                self.spread_live();
            }
            Ask::Delivered { number, session, outcome } => {
                if let Err(error) = self.handle_delivered(number, session, outcome) {
                    self.recover(&error);
                }
            }
        }
    }

    /// Carries out what the machines want, until they want nothing.
    pub(super) fn settle(&mut self) {
        loop {
            let outcome = self.step();
            match outcome {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => return self.recover(&error),
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
        let Some(event) = self.transport.poll_event() else { return Ok(false) };
        match event {
            Event::Claimed { by, peer, key } => self.handle_claimed(&by, &peer, key)?,
            Event::Taken { from, to, outcome } => self.handle_taken(&from, &to, outcome),
            Event::Arrived { to, item, sealed } => {
                self.handle_arrived(&to, &sealed)?;
                self.transport.handle_request(Request::Acknowledge { to, item });
            }
        }
        Ok(true)
    }

    /// What is in memory may be ahead of what is stored: the stored state holds.
    fn recover(&mut self, error: &StoreError) {
        tracing::error!(%error, "mail was not stored");
        if let Err(error) = self.load() {
            tracing::error!(%error, "mail cannot be read");
        }
    }

    fn handle_timeouts(&mut self) {
        let now = now();
        for mailbox in self.mailboxes.values_mut() {
            mailbox.router.handle_timeout(now);
            mailbox.outbox.handle_timeout(now);
        }
        if let Err(error) = self.skip_missing_since(now.saturating_sub(MISSING_LIMIT)) {
            self.recover(&error);
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
                answer(waiter.reply, Ok(MailWaitResult::default()));
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

    /// Identities of one relay belong to one person: they know each other.
    fn introduce(&mut self) -> Result<(), StoreError> {
        let cards: Vec<_> =
            self.mailboxes.values().map(|m| (m.name.clone(), m.card.clone())).collect();
        for mailbox in self.mailboxes.values_mut() {
            for (name, card) in &cards {
                let known = mailbox.peers.contains_key(&card.identity);
                if known || card.identity == mailbox.key() {
                    continue;
                }
                let contact = Contact::new(card.clone(), Standing::Accepted)
                    .map_err(|_| StoreError::Damaged("an own card"))?;
                let peer = Peer::new(name.clone(), contact, Inbound::Accept, random_stream()?);
                let stored = peer.to_stored();
                let id = mailbox.id;
                self.store.atomically(|c| store::save_peer(c, id, &stored))?;
                mailbox.add_peer(peer);
            }
        }
        Ok(())
    }

    /// Gives the transport keys for whoever wants to write to this identity.
    fn publish(&mut self, id: i64) -> Result<(), StoreError> {
        let Some(mailbox) = self.mailboxes.get_mut(&id) else { return Ok(()) };
        // between identities of one relay one key is enough, and it is the same after a restart
        let held = quarterdeck_seal::identity::ONE_TIME_KEYS;
        let mut bundle = mailbox.identity.bundle(held, NewFallback::Keep);
        if bundle.fallback.is_none() {
            bundle = mailbox.identity.bundle(held, NewFallback::Make);
            let account = mailbox.identity.to_stored();
            self.store.atomically(|c| store::save_account(c, id, &account))?;
        }
        let identity = mailbox.key();
        self.transport.handle_request(Request::Publish { identity, bundle });
        Ok(())
    }

    fn handle_new_identity(
        &mut self,
        name: &str,
    ) -> Result<quarterdeck_protocol::method::MailIdentitiesResult, RpcError> {
        if !quarterdeck_protocol::ids::fits_label_rule(name) {
            return Err(RpcError::new(ErrorCode::InvalidParams, "a name is like a label: ada"));
        }
        if self.mailboxes.values().any(|mailbox| mailbox.name == name) {
            let message = format!("there is an identity {name:?} already");
            return Err(RpcError::new(ErrorCode::LabelTaken, message));
        }
        if self.mailboxes.len() >= MAX_IDENTITIES {
            return Err(RpcError::new(ErrorCode::Overloaded, "there are too many identities"));
        }
        let account = Identity::generate().to_stored();
        let added = self.store.atomically(|c| store::add_identity(c, name, &account));
        added.and_then(|_| self.load()).map_err(|error| storage(&error))?;
        Ok(self.identities())
    }

    fn handle_assignment(
        &mut self,
        p: quarterdeck_protocol::method::MailIdentityUseParams,
    ) -> Result<quarterdeck_protocol::method::MailIdentitiesResult, RpcError> {
        let id = self.named(&p.name)?;
        let project = p.project.map(|path| path.trim_end_matches('/').to_owned());
        if project.as_ref().is_some_and(|path| !path.is_empty() && !path.starts_with('/')) {
            return Err(RpcError::new(ErrorCode::InvalidParams, "a project is an absolute path"));
        }
        let stored = self.store.atomically(|c| match &project {
            Some(path) => store::assign(c, path, id),
            None => store::make_default(c, id),
        });
        stored.and_then(|()| self.load()).map_err(|error| storage(&error))?;
        Ok(self.identities())
    }

    /// The identity of this name or address.
    pub(super) fn named(&self, name: &str) -> Result<i64, RpcError> {
        let fits = |m: &&Mailbox| m.name == name || m.key().to_string() == name;
        let unknown = || {
            RpcError::new(ErrorCode::NotFound, format!("identity {name:?} not found"))
                .hint("`qd msg identity ls` lists them")
        };
        self.mailboxes.values().find(fits).map(|mailbox| mailbox.id).ok_or_else(unknown)
    }

    /// The identity that a caller speaks for: its session's, or the one that it names.
    pub(super) fn meant(&self, who: &Who) -> Result<i64, RpcError> {
        let own = who.session.map(|session| {
            let found = self.live.iter().find(|live| live.id == session);
            let gone = || RpcError::new(ErrorCode::Ended, "the session has ended");
            found.map(|live| self.identity_of(live)).ok_or_else(gone)
        });
        match (own.transpose()?, &who.identity) {
            (Some(own), None) => Ok(own),
            (None, None) => Ok(self.default_identity()),
            (None, Some(name)) => self.named(name),
            (Some(own), Some(name)) if self.named(name) == Ok(own) => Ok(own),
            (Some(_), Some(_)) => {
                let message = "a session speaks for its own identity only";
                Err(RpcError::new(ErrorCode::OwnSession, message))
            }
        }
    }

    /// The identity of a session: its project's, or the default one.
    pub(super) fn identity_of(&self, session: &LiveSession) -> i64 {
        let below = |project: &str| {
            session
                .cwd
                .strip_prefix(project)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let assigned = self.assignments.iter().find(|(project, _)| below(project));
        assigned.map_or_else(|| self.default_identity(), |(_, id)| *id)
    }

    fn default_identity(&self) -> i64 {
        let default = self.mailboxes.values().find(|mailbox| mailbox.is_default);
        default.or_else(|| self.mailboxes.values().next()).map_or(0, |mailbox| mailbox.id)
    }

    fn spread_live(&mut self) {
        for id in self.ids() {
            let own: Vec<LiveSession> =
                self.live.iter().filter(|live| self.identity_of(live) == id).cloned().collect();
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

pub(super) fn answer<T>(reply: Reply<T>, outcome: Result<T, RpcError>) {
    // who asked may have gone
    let _ = reply.send(outcome);
}

pub(super) fn storage(error: &StoreError) -> RpcError {
    tracing::error!(%error, "mail store");
    RpcError::new(ErrorCode::Storage, "the mail could not be stored or read")
}
