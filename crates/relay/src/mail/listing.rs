//! What callers are shown, and what they decide.

use quarterdeck_core::{
    mail::{
        outbox::JobState,
        reply::Awaited,
        routing::{Inbound, Waits},
    },
    names::natural_order,
};
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    ids::Label,
    mail::{Marking, PeerLabel},
    method::{
        ContactDecision, MailContact, MailContactParams, MailContactsResult, MailIdentitiesResult,
        MailIdentity, MailInboxParams, MailInboxResult, MailMessage, MailSession, MailState,
        MailStatusResult, MailWaitParams, MailWaitResult, MailWhoamiResult, SpeakerKind,
    },
    record::SessionKind,
};
use quarterdeck_seal::{Fingerprint, contact::Standing};
use serde::Serialize;
use std::time::Duration;

use super::{
    PERSON, Reply, Who,
    history::is_for_people,
    identities::no_identity,
    mailbox::{Mailbox, Peer, now, peer_key},
    owner::{Owner, Waiter, storage},
    store::{self, InboundRow, StoreError},
    writing::{job, recipient},
};

/// Callers that may wait for mail.
const MAX_WAITERS: usize = 1024;
/// The longest wait of one call, in milliseconds: below what a client waits for any answer.
pub(super) const MAX_WAIT_MS: u32 = 25_000;

impl Owner {
    /// What came, for a session or for all; it is read by that, unless the caller only peeks.
    pub(super) fn inbox(
        &mut self,
        who: &Who,
        p: &MailInboxParams,
        label: Option<&Label>,
    ) -> Result<MailInboxResult, RpcError> {
        let id = self.meant(who)?;
        let label = self.own_label(who)?.or_else(|| label.cloned());
        let rows = match &label {
            Some(label) => store::inbox_of(self.store.read(), id, label, p.all),
            None => store::inbox(self.store.read(), id, p.all),
        };
        let rows = rows.map_err(|error| storage(&error))?;
        let more = rows.len() > store::page();
        let is_its = |row: &&InboundRow| self.belongs(row, who, label.as_ref());
        let rows: Vec<InboundRow> =
            rows.iter().take(store::page()).filter(is_its).cloned().collect();
        let messages = rows.iter().map(|row| self.message(row)).collect();
        // a person who looks at everything takes nothing away from the sessions that it is for
        let is_for_reader = |row: &&InboundRow| label.is_some() || is_for_people(row);
        if !p.peek {
            for row in rows.iter().filter(|row| !row.is_read).filter(is_for_reader) {
                self.take_out(row).map_err(|error| storage(&error))?;
            }
            self.settle();
        }
        Ok(MailInboxResult { messages, more })
    }

    /// Whether a message is for a session: it names it, or it has it, or it names none and the session is
    /// the identity's first.
    fn belongs(&self, row: &InboundRow, who: &Who, label: Option<&Label>) -> bool {
        let Some(label) = label else { return true };
        match row.to.as_deref() {
            Some(_) if who.session.is_some() && self.waits_for_person(row) => false,
            Some(to) => to == label.as_str(),
            None if self.is_outside(label.as_str()) => false,
            None => {
                let had = store::deliveries(self.store.read(), row.number, "delivered");
                let has_it = had.is_ok_and(|had| who.session.is_some_and(|own| had.contains(&own)));
                has_it || row.state == "waiting"
            }
        }
    }

    /// A message that somebody read in the inbox goes to no session any more.
    pub(super) fn take_out(&mut self, row: &InboundRow) -> Result<(), StoreError> {
        let mailbox = self.mailboxes.get_mut(&row.identity);
        let taken = row.state == "waiting"
            && mailbox.is_some_and(|mailbox| mailbox.router.try_take(row.number));
        self.store.atomically(|c| {
            if taken {
                store::set_inbound(c, row.number, "taken", None)?;
            }
            store::mark_read(c, row.number)
        })?;
        self.tell_read(row)
    }

    /// Waits for a message, or gives one that came before and nobody has read.
    pub(super) fn handle_wait(
        &mut self,
        who: &Who,
        p: &MailWaitParams,
        reply: Reply<MailWaitResult>,
    ) {
        let (identity, session, awaited) = match self.awaited(who, p) {
            Ok(awaited) => awaited,
            Err(error) => return self.answer(reply, Err(error)),
        };
        match self.came_before(identity, session.as_ref(), &awaited) {
            Ok(Some(row)) => {
                let message = Some(self.message(&row));
                let taken = self.take_out(&row).map_err(|error| storage(&error));
                return self.answer(reply, taken.map(|()| MailWaitResult { message }));
            }
            Ok(None) => {}
            Err(error) => return self.answer(reply, Err(storage(&error))),
        }
        if self.waiters.len() >= MAX_WAITERS {
            let error = RpcError::new(ErrorCode::Overloaded, "too many wait for mail");
            return self.answer(reply, Err(error));
        }
        let until = now() + Duration::from_millis(u64::from(p.wait_ms.min(MAX_WAIT_MS)));
        self.waiters.push(Waiter { identity, session, awaited, until, reply });
    }

    fn awaited(
        &self,
        who: &Who,
        p: &MailWaitParams,
    ) -> Result<(i64, Option<Label>, Awaited), RpcError> {
        let id = self.meant(who)?;
        let mailbox = self.mailboxes.get(&id).ok_or_else(no_identity)?;
        let from = p.from.as_deref().map(|word| recipient(mailbox, word)).transpose()?;
        let awaited = Awaited {
            from: from.as_ref().map(peer_key),
            session: p.from_session.as_ref().and_then(|label| PeerLabel::parse(label.as_str())),
            in_reply_to: p.in_reply_to.clone(),
        };
        // who is no session waits as a person
        let label = self.own_label(who)?.or_else(|| PERSON.parse().ok());
        Ok((id, label, awaited))
    }

    fn came_before(
        &self,
        identity: i64,
        session: Option<&Label>,
        awaited: &Awaited,
    ) -> Result<Option<InboundRow>, StoreError> {
        let rows = match session {
            Some(label) => store::inbox_of(self.store.read(), identity, label, false)?,
            None => store::inbox(self.store.read(), identity, false)?,
        };
        let fits = |row: &InboundRow| {
            let speaks = row.from.as_deref().and_then(PeerLabel::parse);
            let in_reply_to = row.in_reply_to.as_deref();
            let from = peer_key(&row.peer);
            let came =
                quarterdeck_core::mail::reply::Came { from, session: speaks.as_ref(), in_reply_to };
            let is_its = session.is_none_or(|own| match row.to.as_deref() {
                Some(to) => to == own.as_str(),
                None => awaited.in_reply_to.is_some(),
            });
            is_its && awaited.is_met_by(&came)
        };
        Ok(rows.into_iter().find(fits))
    }

    pub(super) fn status(&self, who: &Who, id: Option<&str>) -> Result<MailStatusResult, RpcError> {
        let identity = self.meant(who)?;
        let label = self.own_label(who)?;
        let rows = store::sent(self.store.read(), identity, id).map_err(|error| storage(&error))?;
        let is_its = |row: &&store::OutboundRow| label.as_ref().is_none_or(|own| row.from == *own);
        let held = self.mailboxes.get(&identity).map_or(0, |mailbox| mailbox.router.len());
        Ok(MailStatusResult { jobs: rows.iter().filter(is_its).map(job).collect(), held })
    }

    pub(super) fn whoami(&self, who: &Who) -> Result<MailWhoamiResult, RpcError> {
        let id = self.meant(who)?;
        let mailbox = self.mailboxes.get(&id).ok_or_else(no_identity)?;
        let name = |id: i64| self.mailboxes.get(&id).map(|m| m.name.clone()).unwrap_or_default();
        let mut sessions: Vec<MailSession> = self
            .live
            .iter()
            .map(|live| MailSession {
                label: live.label.clone(),
                session: Some(live.id),
                kind: match live.kind {
                    SessionKind::Agent => SpeakerKind::Agent,
                    SessionKind::Terminal | SessionKind::RemoteControl | SessionKind::Unknown => {
                        SpeakerKind::Terminal
                    }
                },
                identity: name(self.identity_of(live.id, &live.cwd)),
                own: who.session == Some(live.id),
                idle: Some(live.is_idle),
                status: self.statuses.get(&live.id).cloned(),
            })
            .collect();
        sessions.extend(self.outside.iter().map(|agent| MailSession {
            label: agent.label.clone(),
            session: None,
            kind: SpeakerKind::Outside,
            identity: name(self.identity_of(agent.id, &agent.cwd)),
            own: who.session == Some(agent.id),
            idle: None,
            status: self.statuses.get(&agent.id).cloned(),
        }));
        sessions.sort_by(|a, b| natural_order(&a.label, &b.label));
        Ok(MailWhoamiResult {
            identity: mailbox.name.clone(),
            address: mailbox.key().to_string(),
            fingerprint: mailbox.fingerprint().to_string(),
            label: self.own_label(who)?,
            sessions,
        })
    }

    pub(super) fn contacts(&self, who: &Who) -> Result<MailContactsResult, RpcError> {
        let id = self.meant(who)?;
        let peers = self.mailboxes.get(&id).map(|mailbox| mailbox.peers.values());
        let mut contacts: Vec<MailContact> = peers.into_iter().flatten().map(contact).collect();
        contacts.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(MailContactsResult { contacts })
    }

    pub(super) fn handle_decision(
        &mut self,
        p: &MailContactParams,
    ) -> Result<MailContactsResult, RpcError> {
        let who = Who { session: None, identity: p.identity.clone(), label: None };
        let id = self.meant(&who)?;
        let mailbox = self.mailboxes.get_mut(&id).ok_or_else(no_identity)?;
        let key = recipient(mailbox, &p.contact)?;
        // what was held may be to be shown now
        self.showing_due = true;
        let not_own = || RpcError::new(ErrorCode::InvalidParams, "this is the identity itself");
        let peer = mailbox.peers.get_mut(&key).ok_or_else(not_own)?;
        match p.decision {
            ContactDecision::Accept => {
                self.accept(id, &key).map_err(|error| storage(&error))?;
                self.settle();
                return self.contacts(&who);
            }
            ContactDecision::Hold => peer.inbound = Inbound::Hold,
            ContactDecision::Refuse => peer.inbound = Inbound::Refuse,
            ContactDecision::Block => peer.contact.block(),
        }
        let policy = peer.policy();
        mailbox.router.handle_contact(peer_key(&key), policy);
        mailbox.outbox.handle_reachable(peer_key(&key));
        self.note_changed(id, &key);
        self.settle();
        self.contacts(&who)
    }

    /// Begins another ratchet with a contact: what was sealed by the old one still opens.
    pub(super) fn handle_reset(
        &mut self,
        who: &Who,
        contact: &str,
    ) -> Result<MailContactsResult, RpcError> {
        let id = self.meant(who)?;
        let mailbox = self.mailboxes.get(&id).ok_or_else(no_identity)?;
        let (key, own) = (recipient(mailbox, contact)?, mailbox.key());
        self.begin_anew(id, &own, &key);
        self.settle();
        self.contacts(who)
    }

    pub(super) fn identities(&self) -> MailIdentitiesResult {
        let one = |mailbox: &Mailbox| MailIdentity {
            name: mailbox.name.clone(),
            address: mailbox.key().to_string(),
            fingerprint: mailbox.fingerprint().to_string(),
            default: mailbox.is_default,
            home: Some(mailbox.card.home.clone()).filter(|home| !home.is_empty()),
            projects: self
                .assignments
                .iter()
                .filter(|(_, id)| *id == mailbox.id)
                .map(|(project, _)| project.clone())
                .collect(),
            sessions: self
                .of_sessions
                .iter()
                .filter(|(_, id)| **id == mailbox.id)
                .map(|(session, _)| *session)
                .collect(),
        };
        let mut identities: Vec<MailIdentity> = self.mailboxes.values().map(one).collect();
        identities.sort_by(|a, b| a.name.cmp(&b.name));
        MailIdentitiesResult { identities }
    }

    pub(super) fn own_label(&self, who: &Who) -> Result<Option<Label>, RpcError> {
        let Some(session) = who.session else { return Ok(None) };
        self.speaker(session).map(|(label, _)| Some(label.clone()))
    }

    /// A stored message as a caller sees it.
    pub(super) fn message(&self, row: &InboundRow) -> MailMessage {
        let mailbox = self.mailboxes.get(&row.identity);
        let waits = mailbox.and_then(|mailbox| {
            mailbox.router.waiting().find(|(number, _)| *number == row.number).map(|(_, why)| why)
        });
        let is_outside = row.to.as_deref().is_some_and(|to| self.is_outside(to));
        let (state, why) = match (row.state.as_str(), waits) {
            // its agent reads the inbox
            ("waiting", Some(Waits::ForSession)) if is_outside => {
                ("held", Some("inbox".to_owned()))
            }
            ("waiting", Some(waits)) => ("held", Some(waits_word(waits).to_owned())),
            ("waiting", None) => ("held", None),
            ("answering", _) => ("held", Some("answering".to_owned())),
            ("dead", _) => ("dead", row.why.clone()),
            _ => ("delivered", None),
        };
        MailMessage {
            id: row.peer_id.clone(),
            from: row.peer.to_string(),
            name: mailbox.map(|mailbox| mailbox.name_of(&row.peer)),
            from_session: row.from.clone(),
            to_session: row.to.clone(),
            in_reply_to: row.in_reply_to.clone(),
            role: row.role,
            auto: row.marking == Marking::Automatic,
            text: row.text.clone(),
            at: u64::try_from(row.at.as_millis()).unwrap_or(u64::MAX),
            state: state.to_owned(),
            why,
            read: row.is_read,
            number: row.number.0,
        }
    }
}

const fn waits_word(waits: Waits) -> &'static str {
    match waits {
        Waits::ForSession => "no_session",
        Waits::ForContact => "contact",
        Waits::ForPolicy => "policy",
        Waits::ForTurn => "turn",
    }
}

pub(super) fn contact(peer: &Peer) -> MailContact {
    let contact = &peer.contact;
    let changed = contact.changed().map(|card| Fingerprint::new(&card.identity, &card.ratchet));
    MailContact {
        address: contact.identity().to_string(),
        name: peer.name.clone(),
        standing: match contact.standing() {
            Standing::Asked => "asked",
            Standing::Asking => "asking",
            Standing::Accepted => "accepted",
            Standing::Blocked => "blocked",
        }
        .to_owned(),
        inbound: match peer.inbound {
            Inbound::Accept => "accept",
            Inbound::Hold => "hold",
            Inbound::Refuse => "refuse",
        }
        .to_owned(),
        fingerprint: contact.fingerprint().to_string(),
        changed: changed.map(|fingerprint| fingerprint.to_string()),
        note: peer.note.clone(),
    }
}

/// A job's state in words.
pub(super) fn state(state: JobState) -> MailState {
    let (word, why) = match state {
        JobState::Queued => ("queued", None),
        JobState::Sent => ("sent", None),
        JobState::Delivered => ("delivered", None),
        JobState::Read => ("read", None),
        JobState::Failed { why } => ("failed", Some(failure(&why))),
    };
    MailState { state: word.to_owned(), why }
}

/// The innermost word: of a dead letter its reason.
fn failure(why: &impl Serialize) -> String {
    match serde_json::to_value(why) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(serde_json::Value::Object(object)) => {
            object.values().next().and_then(|v| v.as_str()).unwrap_or("unknown").to_owned()
        }
        Ok(_) | Err(_) => "unknown".to_owned(),
    }
}
