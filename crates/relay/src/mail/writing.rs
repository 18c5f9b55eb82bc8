//! What somebody writes: addressed, made into an envelope, and stored with its job.

use quarterdeck_core::mail::{
    MailNumber,
    outbox::{DEFAULT_TTL, JobState},
    routing::Passage,
};
use quarterdeck_crypto::DeliveryKey;
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    ids::Label,
    limits::MAX_MAIL_TEXT_BYTES,
    mail::{Body, EncodeError, Envelope, Marking, Provider},
    method::{MailJob, MailSendParams},
};
use quarterdeck_seal::IdentityKey;

use super::{
    PERSON, Who,
    identities::no_identity,
    mailbox::{Mailbox, now, peer_key},
    owner::{Owner, storage},
    store::{self, InboundRow, OutboundRow, StoreError},
};

/// Characters of a request's id that a caller chose.
const MAX_REQUEST_CHARS: usize = 128;
/// Where a message goes.
struct Addressed {
    peer: IdentityKey,
    to: Option<Label>,
    in_reply_to: Option<String>,
    /// The message that it answers, when that is known here.
    answers: Option<MailNumber>,
}

impl Owner {
    /// Takes a message. When this returns it is stored, and sent as soon as there is a way.
    pub(super) fn handle_send(
        &mut self,
        who: &Who,
        p: MailSendParams,
    ) -> Result<MailJob, RpcError> {
        let id = self.meant(who)?;
        check(&p)?;
        if let Some(request) = &p.request_id {
            let before = store::outbound_by_request(self.store.read(), id, request);
            if let Some(row) = before.map_err(|error| storage(&error))? {
                return Ok(job(&row));
            }
        }
        let from = self.speaks_as(who)?;
        let addressed = self.address(id, &p)?;
        if !p.auto
            && let Some(mailbox) = self.mailboxes.get_mut(&id)
        {
            mailbox.responder.handle_written(peer_key(&addressed.peer));
            if mailbox.autorespond {
                let noted =
                    self.store.atomically(|c| store::note_looked_at(c, id, &addressed.peer));
                noted.map_err(|error| storage(&error))?;
            }
        }
        let (row, body) = self.write(id, from, &addressed, p)?;
        let row = OutboundRow { body, ..row };
        let stored = if addressed.peer == row_key(&self.mailboxes, id) {
            self.keep_own(&row, &addressed)
        } else {
            self.keep_outbound(&row, &addressed)
        };
        let row = stored.map_err(|error| storage(&error))?;
        if let Some(number) = addressed.answers {
            // whoever answers has read it: its sender is told
            self.tell_answered(number).map_err(|error| storage(&error))?;
            self.settle();
        }
        Ok(job(&row))
    }

    fn tell_answered(&mut self, number: MailNumber) -> Result<(), StoreError> {
        match store::inbound(self.store.read(), number)? {
            Some(row) => self.tell_read(&row),
            None => Ok(()),
        }
    }

    /// The label under which a caller writes.
    fn speaks_as(&self, who: &Who) -> Result<Label, RpcError> {
        match who.session {
            Some(session) => self.speaker(session).map(|(label, _)| label.clone()),
            None => {
                let person = || PERSON.parse().expect("is a label");
                Ok(who.label.clone().unwrap_or_else(person))
            }
        }
    }

    fn address(&self, id: i64, p: &MailSendParams) -> Result<Addressed, RpcError> {
        let answered = match p.in_reply_to.as_deref().and_then(|id| id.strip_prefix('#')) {
            Some(number) => Some(self.referred(id, number)?),
            None => None,
        };
        let mailbox = self.mailboxes.get(&id).ok_or_else(no_identity)?;
        let peer = match (&p.to, &answered) {
            (Some(to), _) => recipient(mailbox, to)?,
            (None, Some(row)) => row.peer,
            (None, None) => mailbox.key(),
        };
        let claimed = answered.as_ref().and_then(|row| row.from.as_deref()?.parse().ok());
        let to = p.to_session.clone().or(claimed);
        if peer == mailbox.key() && to.is_none() {
            return Err(RpcError::new(ErrorCode::InvalidParams, "the message names no recipient")
                .hint("name a session of yours, or an identity"));
        }
        let by_id = |id_of: &String| {
            store::inbound_by_peer_id(self.store.read(), id, &peer, id_of).ok().flatten()
        };
        let answered = answered.or_else(|| p.in_reply_to.as_ref().and_then(by_id));
        let in_reply_to = match &answered {
            Some(row) => Some(row.peer_id.clone()),
            None => p.in_reply_to.clone(),
        };
        Ok(Addressed { peer, to, in_reply_to, answers: answered.map(|row| row.number) })
    }

    /// The message that `#number` means.
    fn referred(&self, id: i64, number: &str) -> Result<InboundRow, RpcError> {
        let unknown = || RpcError::new(ErrorCode::NotFound, format!("message #{number} not found"));
        let number: i64 = number.parse().map_err(|_| unknown())?;
        let row = store::inbound(self.store.read(), MailNumber(number));
        let row = row.map_err(|error| storage(&error))?;
        row.filter(|row| row.identity == id).ok_or_else(unknown)
    }

    fn write(
        &self,
        id: i64,
        from: Label,
        addressed: &Addressed,
        p: MailSendParams,
    ) -> Result<(OutboundRow, String), RpcError> {
        let mailbox = self.mailboxes.get(&id).ok_or_else(no_identity)?;
        if !mailbox.outbox.has_room() {
            return Err(RpcError::new(ErrorCode::Overloaded, "too much waits to be sent"));
        }
        let (now, message_id) = (now(), random_message_id()?);
        let envelope = Envelope {
            id: &message_id,
            address: &mailbox.key().to_string(),
            from: &from,
            to: addressed.to.as_ref(),
            in_reply_to: addressed.in_reply_to.as_deref(),
            marking: if p.auto { Marking::Automatic } else { Marking::Written },
            role: p.role,
            text: &p.body,
            at_millis: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
            harness_session: None,
            provider: Provider::Claude,
            command: "qd",
            cwd: "/",
            source: "quarterdeck",
        };
        let body = envelope.encode().map_err(invalid)?;
        let row = OutboundRow {
            number: MailNumber(0),
            identity: id,
            peer: addressed.peer,
            kind: "mail".to_owned(),
            request: p.request_id,
            message_id,
            from,
            to: addressed.to.clone(),
            body: String::new(),
            sealed: None,
            state: JobState::Queued,
            at: now,
            expires: now + DEFAULT_TTL,
        };
        Ok((row, body))
    }

    /// Between sessions of one identity nothing leaves: the job and the message are stored as one.
    fn keep_own(
        &mut self,
        row: &OutboundRow,
        addressed: &Addressed,
    ) -> Result<OutboundRow, StoreError> {
        let sent = OutboundRow { state: JobState::Sent, ..row.clone() };
        let decoded = Body::decode(&row.body).map_err(|_| StoreError::Damaged("an own body"))?;
        let (number, inbound) = self.store.atomically(|c| {
            let number = store::add_outbound(c, &sent)?;
            note_answered(c, addressed)?;
            let inbound = InboundRow {
                number: MailNumber(0),
                identity: row.identity,
                peer: row.peer,
                delivery_key: DeliveryKey::new(row.peer.as_bytes(), &row.message_id),
                letter: None,
                state: "waiting".to_owned(),
                why: None,
                peer_id: row.message_id.clone(),
                from: Some(row.from.to_string()),
                to: row.to.as_ref().map(ToString::to_string),
                in_reply_to: addressed.in_reply_to.clone(),
                role: decoded.role.unwrap_or_default(),
                marking: decoded.marking,
                text: decoded.text,
                at: row.at,
                is_read: false,
                job: Some(number),
                passage: Passage::AsDecided,
            };
            let added = store::add_inbound(c, &inbound)?;
            Ok::<_, StoreError>((number, added.map(|number| InboundRow { number, ..inbound })))
        })?;
        if let Some(inbound) = inbound {
            self.place(&inbound)?;
        }
        self.settle();
        let stored = store::outbound(self.store.read(), number)?;
        Ok(stored.unwrap_or(OutboundRow { number, ..sent }))
    }

    fn keep_outbound(
        &mut self,
        row: &OutboundRow,
        addressed: &Addressed,
    ) -> Result<OutboundRow, StoreError> {
        let number = self.store.atomically(|c| {
            note_answered(c, addressed)?;
            store::add_outbound(c, row)
        })?;
        if let Some(mailbox) = self.mailboxes.get_mut(&row.identity) {
            mailbox.outbox.handle_job(number, peer_key(&row.peer), row.expires);
        }
        self.settle();
        let stored = store::outbound(self.store.read(), number)?;
        Ok(stored.unwrap_or(OutboundRow { number, ..row.clone() }))
    }
}

fn check(p: &MailSendParams) -> Result<(), RpcError> {
    let invalid = |message: String| Err(RpcError::new(ErrorCode::InvalidParams, message));
    if p.body.is_empty() {
        return invalid("the message is empty".to_owned());
    }
    if p.body.len() > MAX_MAIL_TEXT_BYTES {
        return invalid(format!("a message has at most {MAX_MAIL_TEXT_BYTES} bytes"));
    }
    let request = p.request_id.as_deref().unwrap_or("-");
    if request.is_empty() || request.chars().count() > MAX_REQUEST_CHARS {
        return invalid(format!("a request's id has 1 to {MAX_REQUEST_CHARS} characters"));
    }
    Ok(())
}

/// A contact's name or address, or one's own.
pub(super) fn recipient(mailbox: &Mailbox, word: &str) -> Result<IdentityKey, RpcError> {
    if word == mailbox.name || word == "self" {
        return Ok(mailbox.key());
    }
    let mut named = mailbox.peers.values().filter(|peer| peer.name == word);
    if let Some(peer) = named.next() {
        return Ok(peer.contact.identity());
    }
    let known = |key: &IdentityKey| mailbox.peers.contains_key(key) || *key == mailbox.key();
    word.parse().ok().filter(known).ok_or_else(|| {
        RpcError::new(ErrorCode::NotFound, format!("contact {word:?} not found"))
            .hint("`qd msg contacts` lists them")
    })
}

/// Who is answered has been read.
fn note_answered(c: &rusqlite::Connection, addressed: &Addressed) -> Result<(), StoreError> {
    addressed.answers.map_or(Ok(()), |number| store::mark_read(c, number))
}

fn row_key(mailboxes: &std::collections::BTreeMap<i64, Mailbox>, id: i64) -> IdentityKey {
    mailboxes.get(&id).expect("was looked up").key()
}

fn invalid(error: EncodeError) -> RpcError {
    RpcError::new(ErrorCode::InvalidParams, error.to_string())
}

/// `msg-` and 18 hex digits.
fn random_message_id() -> Result<String, RpcError> {
    let mut bytes = [0; 9];
    let failed = |_| RpcError::new(ErrorCode::Internal, "the system gives no random bytes");
    getrandom::fill(&mut bytes).map_err(failed)?;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("msg-{hex}"))
}

/// A stored message as its sender sees it.
pub(super) fn job(row: &OutboundRow) -> MailJob {
    MailJob {
        id: row.message_id.clone(),
        to: row.peer.to_string(),
        to_session: row.to.clone(),
        from_session: row.from.clone(),
        at: u64::try_from(row.at.as_millis()).unwrap_or(u64::MAX),
        state: super::listing::state(row.state),
    }
}
