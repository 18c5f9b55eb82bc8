//! The identities of the relay: made, assigned, known to each other, and which one a caller means.

use quarterdeck_core::mail::routing::Inbound;
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    ids::{SessionId, fits_label_rule},
    method::MailIdentitiesResult,
};
use quarterdeck_seal::{
    Bundle, Identity,
    contact::{Contact, Standing},
    identity::NewFallback,
};

use super::{
    Assignee, Who,
    mailbox::{Mailbox, Peer},
    owner::{Owner, random_stream, storage},
    store::{self, StoreError},
    transport::{Request, Way},
};

/// Identities of one relay.
const MAX_IDENTITIES: usize = 64;

impl Owner {
    /// Identities of one relay belong to one person: they know each other.
    pub(super) fn introduce(&mut self) -> Result<(), StoreError> {
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

    /// Gives the own transport a key for whoever wants to write to this identity. One is enough there, and
    /// it is the one that hubs get.
    pub(super) fn publish(&mut self, id: i64) -> Result<(), StoreError> {
        let Some(mailbox) = self.mailboxes.get_mut(&id) else { return Ok(()) };
        if mailbox.fallback.is_none() {
            let held = quarterdeck_seal::identity::ONE_TIME_KEYS;
            mailbox.fallback = mailbox.identity.bundle(held, NewFallback::Make).fallback;
            mailbox.identity.mark_published();
            let (account, fallback) = (mailbox.identity.to_stored(), mailbox.fallback);
            self.store.atomically(|c| store::save_keys(c, id, &account, fallback.as_ref()))?;
        }
        let (identity, fallback) = (mailbox.key(), mailbox.fallback);
        let bundle = Bundle { one_time: Vec::new(), fallback };
        self.request(Way::Own, Request::Publish { identity, bundle });
        Ok(())
    }

    pub(super) fn handle_new_identity(
        &mut self,
        name: &str,
    ) -> Result<MailIdentitiesResult, RpcError> {
        if !fits_label_rule(name) {
            return Err(RpcError::new(ErrorCode::InvalidParams, "a name is like a label: ada"));
        }
        if self.mailboxes.values().any(|mailbox| mailbox.name == name) {
            let message = format!("there is an identity {name:?} already");
            return Err(RpcError::new(ErrorCode::LabelTaken, message));
        }
        if self.mailboxes.len() >= MAX_IDENTITIES {
            return Err(RpcError::new(ErrorCode::Overloaded, "there are too many identities"));
        }
        let account = generate_identity().to_stored();
        let added = self.store.atomically(|c| store::add_identity(c, name, &account));
        added
            .and_then(|_| self.write_back())
            .and_then(|()| self.load())
            .map_err(|error| storage(&error))?;
        Ok(self.identities())
    }

    pub(super) fn handle_assignment(
        &mut self,
        name: Option<&str>,
        assignee: &Assignee,
    ) -> Result<MailIdentitiesResult, RpcError> {
        let id = name.map(|name| self.named(name)).transpose()?;
        let stored = match (assignee, id) {
            (Assignee::Others, Some(id)) => self.store.atomically(|c| store::make_default(c, id)),
            (Assignee::Others, None) => {
                let message = "one identity is for all that have no other: name it";
                return Err(RpcError::new(ErrorCode::InvalidParams, message));
            }
            (Assignee::Project(path), _) if !(path.is_empty() || path.starts_with('/')) => {
                let message = "a project is an absolute path";
                return Err(RpcError::new(ErrorCode::InvalidParams, message));
            }
            (Assignee::Project(path), _) => {
                self.store.atomically(|c| store::assign(c, path.trim_end_matches('/'), id))
            }
            (Assignee::Session(session), _) => {
                let assigned = self.assign_session(*session, id);
                return assigned.map(|()| self.identities()).map_err(|error| storage(&error));
            }
        };
        stored
            .and_then(|()| self.write_back())
            .and_then(|()| self.load())
            .map_err(|error| storage(&error))?;
        Ok(self.identities())
    }

    /// A session that is gone for good needs no identity.
    pub(super) fn handle_removed(&mut self, session: SessionId) -> Result<(), StoreError> {
        if self.of_sessions.contains_key(&session) {
            self.assign_session(session, None)
        } else {
            Ok(())
        }
    }

    fn assign_session(&mut self, session: SessionId, id: Option<i64>) -> Result<(), StoreError> {
        self.store.atomically(|c| store::assign_session(c, session, id))?;
        match id {
            Some(id) => self.of_sessions.insert(session, id),
            None => self.of_sessions.remove(&session),
        };
        self.spread_live();
        self.showing_due = true;
        self.settle();
        Ok(())
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
        let own = who
            .session
            .map(|session| self.speaker(session).map(|(_, cwd)| self.identity_of(session, cwd)));
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

    /// The identity of a session or of an agent outside: its own, its project's, or the default one.
    pub(super) fn identity_of(&self, session: SessionId, cwd: &str) -> i64 {
        self.of_sessions.get(&session).copied().unwrap_or_else(|| self.identity_below(cwd))
    }

    fn identity_below(&self, cwd: &str) -> i64 {
        let below = |project: &str| {
            cwd.strip_prefix(project).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let assigned = self.assignments.iter().find(|(project, _)| below(project));
        assigned.map_or_else(|| self.default_identity(), |(_, id)| *id)
    }

    fn default_identity(&self) -> i64 {
        let default = self.mailboxes.values().find(|mailbox| mailbox.is_default);
        default.or_else(|| self.mailboxes.values().next()).map_or(0, |mailbox| mailbox.id)
    }
}

/// The identity that was meant is not there any more.
pub(super) fn no_identity() -> RpcError {
    RpcError::new(ErrorCode::NotFound, "the relay has no such identity")
}

/// A new identity. Its address begins with no hyphen: as a word of a command that would be an option.
pub(super) fn generate_identity() -> Identity {
    loop {
        let identity = Identity::generate();
        if !identity.key().to_string().starts_with('-') {
            return identity;
        }
    }
}
