//! One identity with everything that the owner keeps of it in memory; the store has the same.

use std::{collections::BTreeMap, time::Duration};

use quarterdeck_core::mail::{
    PeerKey,
    outbox::Outbox,
    responder::{Limits, Responder, Switch},
    routing::{Inbound, Incoming, Router},
};
use quarterdeck_protocol::{
    ids::{Label, SessionId},
    mail::PeerLabel,
};
use quarterdeck_seal::{
    Card, Fingerprint, Identity, IdentityKey, Ratchets, SignedKey,
    contact::{Contact, Standing},
    letter::{Letter, Stream},
    sequence::{Arrival, Sequence},
};
use rusqlite::Connection;

use super::{
    LiveSession,
    store::{self, InboundRow, StoreError, StoredIdentity, StoredPeer},
};

/// The longest time over which a responder's answers are counted.
const COUNTED: Duration = Duration::from_secs(24 * 60 * 60);

/// One identity.
pub(super) struct Mailbox {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) identity: Identity,
    pub(super) card: Card,
    pub(super) is_default: bool,
    /// The published key for whoever has no other.
    pub(super) fallback: Option<SignedKey>,
    /// Ratchets that others began since a hub said how many keys it has left.
    pub(super) begun: u32,
    /// Whether messages are answered while their session does not live.
    pub(super) autorespond: bool,
    pub(super) responder: Responder,
    pub(super) router: Router,
    pub(super) outbox: Outbox,
    pub(super) peers: BTreeMap<IdentityKey, Peer>,
}

/// Somebody that it knows.
pub(super) struct Peer {
    pub(super) name: String,
    pub(super) contact: Contact,
    pub(super) inbound: Inbound,
    /// What it said when it asked.
    pub(super) note: Option<String>,
    pub(super) ratchets: Ratchets,
    pub(super) stream: Stream,
    pub(super) written: u64,
    pub(super) sequence: Sequence,
    /// When a ratchet was begun because a letter did not open.
    pub(super) anew_at: Option<Duration>,
    /// Since when letters wait for one that is missing.
    pub(super) ahead_since: Option<Duration>,
    /// A batch that waits for a key to begin a ratchet with.
    pub(super) claiming: Vec<quarterdeck_core::mail::MailNumber>,
}

impl Mailbox {
    /// Reads an identity with its mail.
    pub(super) fn load(c: &Connection, stored: StoredIdentity) -> Result<Self, StoreError> {
        let StoredIdentity {
            id,
            name,
            account,
            generation,
            is_default,
            home,
            fallback,
            autorespond,
            policy,
        } = stored;
        let identity =
            Identity::from_stored(&account).map_err(|_| StoreError::Damaged("an identity"))?;
        let card = identity.card(&home, generation);
        let mut mailbox = Self {
            id,
            name,
            identity,
            card,
            is_default,
            fallback,
            begun: 0,
            autorespond,
            responder: Responder::default(),
            router: Router::new(policy),
            outbox: Outbox::default(),
            peers: BTreeMap::new(),
        };
        // mail between one's own sessions needs nobody's consent
        let own = peer_key(&mailbox.key());
        mailbox.router.handle_contact(own, Inbound::Accept);
        for stored in store::peers(c, id)? {
            mailbox.add_peer(Peer::load(stored)?);
        }
        for row in store::waiting(c, id)? {
            // what was being tried when the relay died is tried again under the same key; only then is
            // it known who has it
            let had_by = store::deliveries(c, row.number, "delivered")?.into_iter().collect();
            mailbox.route(&row, had_by);
        }
        for row in store::unsent(c, id)? {
            mailbox.outbox.handle_job(row.number, peer_key(&row.peer), row.expires);
        }
        Ok(mailbox)
    }

    /// A responder that has spent what the store says.
    pub(super) fn begin_responding(
        &mut self,
        c: &Connection,
        limits: Limits,
    ) -> Result<(), StoreError> {
        self.responder = Responder::new(limits);
        for answer in store::answers(c, self.id, now().saturating_sub(COUNTED))? {
            let peer = PeerKey(answer.peer);
            self.responder.handle_earlier(answer.number, peer, answer.at);
            if answer.is_looked_at {
                self.responder.handle_written(peer);
            }
        }
        let switch = if self.autorespond { Switch::On } else { Switch::Off };
        self.responder.handle_switch(switch);
        Ok(())
    }

    pub(super) fn key(&self) -> IdentityKey {
        self.card.identity
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::new(&self.card.identity, &self.card.ratchet)
    }

    /// Hands a stored message to the router.
    pub(super) fn route(
        &mut self,
        row: &InboundRow,
        had_by: std::collections::BTreeSet<SessionId>,
    ) {
        let to = row.to.as_deref().and_then(PeerLabel::parse);
        let from = peer_key(&row.peer);
        let (number, at, passage) = (row.number, row.at, row.passage);
        self.router.handle_mail(Incoming { number, from, to, at, had_by, passage });
    }

    pub(super) fn add_peer(&mut self, peer: Peer) {
        self.router.handle_contact(peer_key(&peer.contact.identity()), peer.policy());
        self.peers.insert(peer.contact.identity(), peer);
    }

    /// The name by which somebody is known here, or the address.
    pub(super) fn name_of(&self, key: &IdentityKey) -> String {
        match self.peers.get(key) {
            Some(peer) => peer.name.clone(),
            None if *key == self.key() => self.name.clone(),
            None => key.to_string(),
        }
    }

    /// Its sessions among those that live.
    pub(super) fn handle_live(&mut self, sessions: impl Iterator<Item = LiveSession>) {
        let live: BTreeMap<SessionId, Label> =
            sessions.map(|session| (session.id, session.label)).collect();
        self.router.handle_live(live);
    }
}

impl Peer {
    /// Somebody of whom nothing but the card is known.
    pub(super) fn new(name: String, contact: Contact, inbound: Inbound, stream: Stream) -> Self {
        Self {
            name,
            contact,
            inbound,
            note: None,
            ratchets: Ratchets::default(),
            stream,
            written: 0,
            sequence: Sequence::default(),
            anew_at: None,
            ahead_since: None,
            claiming: Vec::new(),
        }
    }

    fn load(stored: StoredPeer) -> Result<Self, StoreError> {
        let StoredPeer { name, contact, inbound, note, ratchets, stream, written, sequence } =
            stored;
        let ratchets =
            Ratchets::from_stored(&ratchets).map_err(|_| StoreError::Damaged("ratchets"))?;
        // it is waited for anew: the time before the restart is not known
        let ahead_since = sequence.is_waiting().then(now);
        Ok(Self {
            name,
            contact,
            inbound,
            note,
            ratchets,
            stream,
            written,
            sequence,
            anew_at: None,
            ahead_since,
            claiming: Vec::new(),
        })
    }

    /// What is to be stored.
    pub(super) fn to_stored(&self) -> StoredPeer {
        StoredPeer {
            name: self.name.clone(),
            contact: self.contact.clone(),
            inbound: self.inbound,
            note: self.note.clone(),
            ratchets: self.ratchets.to_stored(),
            stream: self.stream,
            written: self.written,
            sequence: self.sequence.clone(),
        }
    }

    /// A letter was opened: which others are in turn because its run is another one, and what is with it.
    pub(super) fn take_place(&mut self, letter: &Letter) -> (Vec<(Stream, u64)>, Arrival) {
        let released = match self.sequence.stream() {
            Some(stream) if stream != letter.stream => self.skip_missing(),
            Some(_) | None => Vec::new(),
        };
        let arrival = self.sequence.handle_letter(letter.stream, letter.number);
        self.ahead_since = self.sequence.is_waiting().then(|| self.ahead_since.unwrap_or_else(now));
        (released, arrival)
    }

    /// Waits no longer for what is missing; which kept letters are in turn by that.
    pub(super) fn skip_missing(&mut self) -> Vec<(Stream, u64)> {
        let mut released = Vec::new();
        self.ahead_since = None;
        while let (Some(stream), Some(skipped)) = (self.sequence.stream(), self.sequence.skip()) {
            tracing::warn!(peer = %self.contact.identity(), lost = skipped.lost, "letters are lost");
            released.extend(skipped.then.into_iter().map(|number| (stream, number)));
        }
        released
    }

    /// What is done with its mail: nothing of who was not accepted goes to a session.
    pub(super) fn policy(&self) -> Inbound {
        match self.contact.standing() {
            Standing::Accepted => self.inbound,
            Standing::Asked | Standing::Asking => Inbound::Hold,
            Standing::Blocked => Inbound::Refuse,
        }
    }
}

pub(super) const fn peer_key(key: &IdentityKey) -> PeerKey {
    PeerKey(*key.as_bytes())
}

/// The key of a peer that a machine told of.
pub(super) fn identity_key(peer: PeerKey) -> Option<IdentityKey> {
    IdentityKey::parse(&peer.0).ok()
}

/// The time since 1970.
pub(super) fn now() -> Duration {
    Duration::from_micros(crate::clock::wall_micros())
}
