//! The rows of the store as types.

use std::time::Duration;

use quarterdeck_core::mail::{
    MailNumber,
    outbox::JobState,
    routing::{Inbound, Passage, Policy},
};
use quarterdeck_crypto::DeliveryKey;
use quarterdeck_protocol::{
    ids::Label,
    mail::{Marking, Role},
};
use quarterdeck_seal::{
    IdentityKey, SignedKey, contact::Contact, letter::Stream, sequence::Sequence,
};
use rusqlite::{Row, Rows};

use super::{StoreError, parse, time, unsigned};

/// All rows of a query as what they are.
pub(super) fn read_all<T>(
    mut rows: Rows<'_>,
    read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

/// An identity.
pub(in crate::mail) struct StoredIdentity {
    /// Its number here.
    pub(in crate::mail) id: i64,
    /// What it is called here.
    pub(in crate::mail) name: String,
    /// Its secrets.
    pub(in crate::mail) account: zeroize::Zeroizing<Vec<u8>>,
    /// Of its card.
    pub(in crate::mail) generation: u64,
    /// Whether sessions have it that have no other.
    pub(in crate::mail) is_default: bool,
    /// The hub that has its mailbox; empty = none.
    pub(in crate::mail) home: String,
    /// The published key for whoever has no other.
    pub(in crate::mail) fallback: Option<SignedKey>,
    /// Whether messages are answered while their session does not live.
    pub(in crate::mail) autorespond: bool,
    /// What it does with its mail.
    pub(in crate::mail) policy: Policy,
}

impl StoredIdentity {
    pub(super) fn read(row: &Row<'_>) -> Result<Self, StoreError> {
        let fallback: Option<String> = row.get("fallback")?;
        let policy: Option<String> = row.get("policy")?;
        Ok(Self {
            id: row.get("id")?,
            name: row.get("name")?,
            account: zeroize::Zeroizing::new(row.get("secrets")?),
            generation: unsigned(row.get("generation")?),
            is_default: row.get("is_default")?,
            home: row.get("home")?,
            autorespond: row.get("autorespond")?,
            fallback: fallback.map(|text| parse(&text, "a key")).transpose()?,
            policy: policy.map(|text| parse(&text, "a policy")).transpose()?.unwrap_or_default(),
        })
    }
}

/// Somebody that an identity knows.
pub(in crate::mail) struct StoredPeer {
    /// What it is called here.
    pub(in crate::mail) name: String,
    /// Where we stand, and which key was accepted.
    pub(in crate::mail) contact: Contact,
    /// What is done with its mail.
    pub(in crate::mail) inbound: Inbound,
    /// What it said when it asked.
    pub(in crate::mail) note: Option<String>,
    /// The ratchets with it.
    pub(in crate::mail) ratchets: zeroize::Zeroizing<Vec<u8>>,
    /// Our run of letters to it.
    pub(in crate::mail) stream: Stream,
    /// How many of that run were sealed.
    pub(in crate::mail) written: u64,
    /// The order of its letters.
    pub(in crate::mail) sequence: Sequence,
}

impl StoredPeer {
    pub(super) fn read(row: &Row<'_>) -> Result<Self, StoreError> {
        let text = |name: &str| row.get::<_, String>(name);
        Ok(Self {
            name: text("name")?,
            contact: parse(&text("contact")?, "a contact")?,
            inbound: parse(&text("inbound")?, "a contact's policy")?,
            note: row.get("note")?,
            ratchets: zeroize::Zeroizing::new(row.get("secrets")?),
            stream: Stream(row.get("stream")?),
            written: unsigned(row.get("written")?),
            sequence: parse(&text("sequence")?, "an order of letters")?,
        })
    }
}

/// A message that came.
#[derive(Debug, Clone)]
pub(in crate::mail) struct InboundRow {
    /// Its number; 0 before it has one.
    pub(in crate::mail) number: MailNumber,
    /// Whose mail it is.
    pub(in crate::mail) identity: i64,
    /// Who sent it.
    pub(in crate::mail) peer: IdentityKey,
    /// What it is delivered under.
    pub(in crate::mail) delivery_key: DeliveryKey,
    /// Its place in the sender's order; none between sessions of one identity.
    pub(in crate::mail) letter: Option<(Stream, u64)>,
    /// `ahead`, `waiting`, `done`, `dead`, `taken`.
    pub(in crate::mail) state: String,
    /// Why it is dead.
    pub(in crate::mail) why: Option<String>,
    /// The sender's id of it.
    pub(in crate::mail) peer_id: String,
    /// The session that sent it, as claimed.
    pub(in crate::mail) from: Option<String>,
    /// The session that it is for.
    pub(in crate::mail) to: Option<String>,
    /// What it answers, as claimed.
    pub(in crate::mail) in_reply_to: Option<String>,
    /// Who speaks, as claimed.
    pub(in crate::mail) role: Role,
    /// Whether nobody was asked to write it, as claimed.
    pub(in crate::mail) marking: Marking,
    /// What it says.
    pub(in crate::mail) text: String,
    /// When it came.
    pub(in crate::mail) at: Duration,
    /// Whether somebody looked at it.
    pub(in crate::mail) is_read: bool,
    /// The job that it was, between sessions of one identity.
    pub(in crate::mail) job: Option<MailNumber>,
    /// What a person decided about it.
    pub(in crate::mail) passage: Passage,
}

impl InboundRow {
    pub(super) fn read(row: &Row<'_>) -> Result<Self, StoreError> {
        let peer: [u8; 32] = row.get("peer")?;
        let stream: Option<[u8; 8]> = row.get("stream")?;
        let letter: Option<i64> = row.get("letter")?;
        let automatic: bool = row.get("auto")?;
        let is_let_through: bool = row.get("is_let_through")?;
        Ok(Self {
            number: MailNumber(row.get("number")?),
            identity: row.get("identity")?,
            peer: IdentityKey::parse(&peer).map_err(|_| StoreError::Damaged("a sender"))?,
            delivery_key: DeliveryKey::from_bytes(row.get("delivery_key")?),
            letter: stream.map(Stream).zip(letter.map(unsigned)),
            state: row.get("state")?,
            why: row.get("why")?,
            peer_id: row.get("peer_id")?,
            from: row.get("from_label")?,
            to: row.get("to_label")?,
            in_reply_to: row.get("in_reply_to")?,
            role: parse(&row.get::<_, String>("role")?, "a role")?,
            marking: if automatic { Marking::Automatic } else { Marking::Written },
            text: row.get("text")?,
            at: time(row.get("at")?),
            is_read: row.get("is_read")?,
            job: row.get::<_, Option<i64>>("job")?.map(MailNumber),
            passage: if is_let_through { Passage::LetThrough } else { Passage::AsDecided },
        })
    }
}

/// Something to send, or that was sent.
#[derive(Debug, Clone)]
pub(in crate::mail) struct OutboundRow {
    /// Its number; 0 before it has one.
    pub(in crate::mail) number: MailNumber,
    /// Who sends it.
    pub(in crate::mail) identity: i64,
    /// To whom.
    pub(in crate::mail) peer: IdentityKey,
    /// `mail`, `receipts`, `handshake`.
    pub(in crate::mail) kind: String,
    /// The caller's own id of the request.
    pub(in crate::mail) request: Option<String>,
    /// Its id.
    pub(in crate::mail) message_id: String,
    /// The session that sends it.
    pub(in crate::mail) from: Label,
    /// The session that it is for.
    pub(in crate::mail) to: Option<Label>,
    /// What is sealed.
    pub(in crate::mail) body: String,
    /// The sealed letter, once it is: these bytes are sent and no others.
    pub(in crate::mail) sealed: Option<Vec<u8>>,
    /// How far it came.
    pub(in crate::mail) state: JobState,
    /// When it was to be sent.
    pub(in crate::mail) at: Duration,
    /// When it is given up.
    pub(in crate::mail) expires: Duration,
}

impl OutboundRow {
    pub(super) fn read(row: &Row<'_>) -> Result<Self, StoreError> {
        let peer: [u8; 32] = row.get("peer")?;
        let label = |text: String| text.parse().map_err(|_| StoreError::Damaged("a label"));
        let to: Option<String> = row.get("to_label")?;
        Ok(Self {
            number: MailNumber(row.get("number")?),
            identity: row.get("identity")?,
            peer: IdentityKey::parse(&peer).map_err(|_| StoreError::Damaged("a recipient"))?,
            kind: row.get("kind")?,
            request: row.get("request")?,
            message_id: row.get("message_id")?,
            from: label(row.get("from_label")?)?,
            to: to.map(label).transpose()?,
            body: row.get("body")?,
            sealed: row.get("sealed")?,
            state: parse(&row.get::<_, String>("state")?, "a job's state")?,
            at: time(row.get("at")?),
            expires: time(row.get("expires")?),
        })
    }
}
