//! How two identities come to know each other: one asks, the other accepts or does not.
//!
//! Who asks names an address. A hub that has its mailbox gives its card, which the identity itself signed,
//! and a key; the request is the first letter. To accept is to ask in return. Of somebody who is a stranger
//! nothing but a request is taken, and only so many wait for a decision.

use std::{collections::BTreeSet, time::Duration};

use quarterdeck_core::mail::routing::Inbound;
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    ids::{HubId, fits_label_rule},
    limits::MAX_TEXT_FIELD_BYTES,
    method::{MailContact, MailContactAddParams},
};
use quarterdeck_seal::{
    Card, IdentityKey, Letter, LetterKind, Sealed,
    contact::{Contact, Standing},
    ratchets::ClaimedKey,
};
use serde::{Deserialize, Serialize};

use super::{
    Reply, Who,
    listing::contact,
    mailbox::{Mailbox, Peer, now, peer_key},
    owner::{Owner, random_stream, storage},
    store::StoreError,
    transport::{Claimed, MailTransport as _, Request, Way},
};

/// How long hubs are asked for an address.
const SEEK_LIMIT: Duration = Duration::from_secs(10);
/// Addresses that are looked for at the same time.
const MAX_SEEKING: usize = 64;
/// Contacts of one identity.
const MAX_CONTACTS: usize = 1024;
/// Strangers whose request waits for a decision.
const MAX_ASKING: usize = 64;
/// Characters of what a request says.
const MAX_NOTE_CHARS: usize = 200;

/// What a request says of who asks.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Introduction {
    /// What it calls itself.
    name: String,
    /// A word to the other side.
    note: String,
}

/// An address that hubs are asked for.
#[derive(Debug)]
pub(super) struct Seeking {
    identity: i64,
    peer: IdentityKey,
    name: Option<String>,
    note: String,
    /// Hubs that have not answered.
    asked: BTreeSet<HubId>,
    until: Duration,
    reply: Reply<MailContact>,
}

impl Owner {
    /// Asks somebody to be a contact. Who asked us is accepted by that.
    pub(super) fn handle_add(
        &mut self,
        who: &Who,
        p: MailContactAddParams,
        reply: Reply<MailContact>,
    ) {
        match self.begin_add(who, &p) {
            Ok(Begun::Known(id, peer)) => {
                let outcome = self.ask_known(who, id, &peer, &p);
                self.answer(reply, outcome);
            }
            Ok(Begun::Seek(identity, peer, asked)) => {
                let until = now() + SEEK_LIMIT;
                let MailContactAddParams { name, note, .. } = p;
                let seeking = Seeking { identity, peer, name, note, asked, until, reply };
                self.seeking.push(seeking);
                self.settle();
            }
            Err(error) => self.answer(reply, Err(error)),
        }
    }

    fn begin_add(&mut self, who: &Who, p: &MailContactAddParams) -> Result<Begun, RpcError> {
        let invalid = |message: &str| RpcError::new(ErrorCode::InvalidParams, message);
        let id = self.meant(who)?;
        if p.note.len() > MAX_TEXT_FIELD_BYTES {
            return Err(invalid("the note is too long"));
        }
        if p.name.as_deref().is_some_and(|name| !fits_label_rule(name)) {
            return Err(invalid("a name is like a label: bob"));
        }
        let peer = p.contact.parse::<IdentityKey>();
        let Some(mailbox) = self.mailboxes.get(&id) else { return Err(invalid("no identity")) };
        let named = || mailbox.peers.values().find(|peer| peer.name == p.contact);
        let peer = peer.ok().or_else(|| named().map(|peer| peer.contact.identity()));
        let peer = peer.ok_or_else(|| {
            invalid("an address is 43 characters").hint("they see theirs with: qd msg whoami")
        })?;
        if peer == mailbox.key() {
            return Err(invalid("this is the identity itself"));
        }
        let mut others = mailbox.peers.iter().filter(|(key, _)| **key != peer);
        let taken = |name: &String| others.any(|(_, other)| other.name == *name);
        if p.name.as_ref().is_some_and(taken) {
            return Err(RpcError::new(ErrorCode::LabelTaken, "another contact has this name"));
        }
        if mailbox.peers.contains_key(&peer) {
            return Ok(Begun::Known(id, peer));
        }
        if mailbox.peers.len() >= MAX_CONTACTS || self.seeking.len() >= MAX_SEEKING {
            return Err(RpcError::new(ErrorCode::Overloaded, "there are too many contacts"));
        }
        let by = mailbox.key();
        let asked: BTreeSet<HubId> = self.post.linked().into_iter().collect();
        if asked.is_empty() {
            return Err(no_route());
        }
        for hub in &asked {
            self.post.handle_request(Way::Hub(*hub), Request::Claim { by, peer });
        }
        Ok(Begun::Seek(id, peer, asked))
    }

    /// Accepts who asked; asks again who has not answered. A person may give it another name by that.
    fn ask_known(
        &mut self,
        who: &Who,
        id: i64,
        peer: &IdentityKey,
        p: &MailContactAddParams,
    ) -> Result<MailContact, RpcError> {
        let unknown = || RpcError::new(ErrorCode::NotFound, "the contact is gone");
        let known = self.mailboxes.get_mut(&id).and_then(|mailbox| mailbox.peers.get_mut(peer));
        let known = known.ok_or_else(unknown)?;
        match known.contact.standing() {
            Standing::Accepted => {}
            Standing::Asked => {
                self.ask(id, peer, &p.note).map_err(|error| storage(&error))?;
            }
            Standing::Asking | Standing::Blocked if who.session.is_some() => {
                let message = "whether it is a contact is decided by a person";
                return Err(RpcError::new(ErrorCode::OwnSession, message)
                    .hint("your user decides with: qd msg accept"));
            }
            Standing::Asking | Standing::Blocked => {
                self.accept(id, peer).map_err(|error| storage(&error))?;
            }
        }
        let known = self.mailboxes.get_mut(&id).and_then(|mailbox| mailbox.peers.get_mut(peer));
        let known = known.ok_or_else(unknown)?;
        if let Some(name) = p.name.as_ref().filter(|_| who.session.is_none()) {
            known.name.clone_from(name);
        }
        let shown = contact(known);
        self.note_changed(id, peer);
        Ok(shown)
    }

    /// A person wants this contact: its mail goes through, and it is told.
    pub(super) fn accept(&mut self, id: i64, peer: &IdentityKey) -> Result<(), StoreError> {
        let Some(mailbox) = self.mailboxes.get_mut(&id) else { return Ok(()) };
        let Some(known) = mailbox.peers.get_mut(peer) else { return Ok(()) };
        let waits = known.contact.standing() == Standing::Asking;
        known.contact.accept();
        known.inbound = Inbound::Accept;
        let policy = known.policy();
        mailbox.router.handle_contact(peer_key(peer), policy);
        mailbox.outbox.handle_reachable(peer_key(peer));
        self.note_changed(id, peer);
        if waits { self.ask(id, peer, "") } else { Ok(()) }
    }

    fn ask(&mut self, id: i64, peer: &IdentityKey, note: &str) -> Result<(), StoreError> {
        let name = self.mailboxes.get(&id).map(|mailbox| mailbox.name.clone());
        let note = note.chars().take(MAX_NOTE_CHARS).collect();
        let introduction = Introduction { name: name.unwrap_or_default(), note };
        let body = serde_json::to_string(&introduction)
            .map_err(|_| StoreError::Damaged("an introduction"))?;
        self.queue_letter(id, peer, "request", body)?;
        if let Some(mailbox) = self.mailboxes.get_mut(&id) {
            mailbox.outbox.handle_reachable(peer_key(peer));
        }
        Ok(())
    }

    /// A hub answered for an address that is looked for; whether it was one.
    pub(super) fn handle_sought(
        &mut self,
        by: &IdentityKey,
        peer: &IdentityKey,
        hub: HubId,
        outcome: &Claimed,
    ) -> Result<bool, StoreError> {
        let Some(id) = self.mailbox_of(by).map(|mailbox| mailbox.id) else { return Ok(false) };
        let is_it = |it: &Seeking| it.identity == id && it.peer == *peer;
        let Some(at) = self.seeking.iter().position(is_it) else { return Ok(false) };
        self.seeking[at].asked.remove(&hub);
        let found = match outcome {
            Claimed::Found { card: Some(card), key: Some(key) } => Some((Card::clone(card), **key)),
            Claimed::Found { .. } | Claimed::Unknown | Claimed::Lost => None,
        };
        match found {
            Some((card, key)) if card.identity == *peer && card.verify().is_ok() => {
                let seeking = self.seeking.remove(at);
                self.get_to_know(seeking, card, &key)?;
            }
            Some(_) | None if self.seeking[at].asked.is_empty() => {
                let seeking = self.seeking.remove(at);
                self.answer(seeking.reply, Err(no_route()));
            }
            Some(_) | None => {}
        }
        Ok(true)
    }

    fn get_to_know(
        &mut self,
        seeking: Seeking,
        card: Card,
        key: &ClaimedKey,
    ) -> Result<(), StoreError> {
        let Seeking { identity: id, peer, name, note, reply, .. } = seeking;
        let Some(mailbox) = self.mailboxes.get_mut(&id) else { return Ok(()) };
        let ratchet = card.ratchet;
        let contact_of = Contact::new(card, Standing::Asked);
        let contact_of = contact_of.map_err(|_| StoreError::Damaged("a card"))?;
        if !mailbox.peers.contains_key(&peer) {
            let name = free_name(mailbox, name.as_deref().unwrap_or_default(), &peer);
            let known = Peer::new(name, contact_of, Inbound::Accept, random_stream()?);
            mailbox.add_peer(known);
        }
        if let Some(known) = mailbox.peers.get_mut(&peer)
            && let Err(error) = known.ratchets.begin(&mailbox.identity, &peer, ratchet, key)
        {
            tracing::warn!(%peer, %error, "no ratchet begun");
        }
        self.note_changed(id, &peer);
        self.ask(id, &peer, &note)?;
        let known = self.mailboxes.get(&id).and_then(|mailbox| mailbox.peers.get(&peer));
        let shown = known.map(contact).ok_or_else(no_route);
        self.answer(reply, shown);
        Ok(())
    }

    /// Addresses that nobody answered for in time.
    pub(super) fn give_up_seeking(&mut self, now: Duration) {
        while let Some(at) = self.seeking.iter().position(|it| it.until <= now) {
            let seeking = self.seeking.remove(at);
            self.answer(seeking.reply, Err(no_route()));
        }
    }

    /// When [`Owner::give_up_seeking`] is to be called.
    pub(super) fn seeking_until(&self) -> Option<Duration> {
        self.seeking.iter().map(|it| it.until).min()
    }

    /// A letter of a stranger: taken only when it is a request, and there is room for one.
    pub(super) fn meet(&mut self, id: i64, sealed: &Sealed) -> Result<(), StoreError> {
        let from = sealed.from;
        let Some(mailbox) = self.mailboxes.get_mut(&id) else { return Ok(()) };
        let Some(card) = sealed.card().cloned() else {
            tracing::info!(%from, "letter of a stranger dropped");
            return Ok(());
        };
        let asking = |peer: &&Peer| peer.contact.standing() == Standing::Asking;
        let waiting = mailbox.peers.values().filter(asking).count();
        let Ok(contact_of) = Contact::new(card.clone(), Standing::Asking) else { return Ok(()) };
        if card.identity != from || waiting >= MAX_ASKING || mailbox.peers.len() >= MAX_CONTACTS {
            tracing::info!(%from, "request not taken");
            return Ok(());
        }
        let mut known = Peer::new(String::new(), contact_of, Inbound::Accept, random_stream()?);
        let opened = known.ratchets.open(&mut mailbox.identity, card.ratchet, sealed);
        self.changed_accounts.insert(id);
        let letter = match opened {
            Ok(letter) if letter.kind == LetterKind::Request => letter,
            Ok(_) => {
                tracing::info!(%from, "letter of a stranger dropped");
                return Ok(());
            }
            Err(error) => {
                tracing::info!(%from, %error, "letter of a stranger not opened");
                return Ok(());
            }
        };
        let said = introduction(&letter);
        known.name = free_name(mailbox, &said.name, &from);
        known.note = Some(plain(&said.note)).filter(|note| !note.is_empty());
        let _ = known.take_place(&letter);
        mailbox.add_peer(known);
        self.note_changed(id, &from);
        self.note_begun(id);
        Ok(())
    }

    /// A request of somebody who is known: who was asked has agreed by that.
    pub(super) fn handle_request_letter(&mut self, id: i64, from: &IdentityKey, letter: &Letter) {
        let Some(mailbox) = self.mailboxes.get_mut(&id) else { return };
        let Some(known) = mailbox.peers.get_mut(from) else { return };
        known.contact.handle_request();
        if known.contact.standing() == Standing::Asking {
            known.note = Some(plain(&introduction(letter).note)).filter(|note| !note.is_empty());
        }
        let policy = known.policy();
        mailbox.router.handle_contact(peer_key(from), policy);
        mailbox.outbox.handle_reachable(peer_key(from));
        self.note_changed(id, from);
    }
}

/// How an addition goes on.
enum Begun {
    Known(i64, IdentityKey),
    Seek(i64, IdentityKey, BTreeSet<HubId>),
}

fn introduction(letter: &Letter) -> Introduction {
    serde_json::from_slice(&letter.body).unwrap_or_default()
}

/// A stranger's words as one line of text.
fn plain(text: &str) -> String {
    let plain = |c: &char| !c.is_control() && !('\u{202a}'..='\u{202e}').contains(c);
    text.chars().filter(plain).take(MAX_NOTE_CHARS).collect()
}

/// The name that is wished for if it is one and free, else the beginning of the address.
fn free_name(mailbox: &Mailbox, wish: &str, peer: &IdentityKey) -> String {
    let taken = |name: &str| {
        name == "self"
            || name == mailbox.name
            || mailbox.peers.values().any(|known| known.name == name)
    };
    if fits_label_rule(wish) && wish != super::owner::FIRST_NAME && !taken(wish) {
        return wish.to_owned();
    }
    let address = peer.to_string();
    // as a word of a command it would be an option
    let address = address.trim_start_matches('-');
    let lengths = 8..=address.len().min(32);
    let short = lengths.map(|length| &address[..length]).find(|name| !taken(name));
    short.unwrap_or(address).to_owned()
}

fn no_route() -> RpcError {
    RpcError::new(ErrorCode::NotFound, "no hub that this relay is linked to knows this address")
        .hint("both relays must be linked to a hub; `qd status` shows which are")
}
