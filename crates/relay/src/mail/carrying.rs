//! Mail that hubs carry: links that come up, identities that register on them, keys for those who begin to
//! write.

use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    ids::HubId,
    method::{Empty, MailBringParams, MailFetchParams, MailFetchResult, MailIdentitiesResult},
};
use quarterdeck_seal::{
    IdentityKey,
    carried::Statement,
    contact::Standing,
    identity::{NewFallback, ONE_TIME_KEYS},
    key::Purpose,
};

use super::{
    Reply, Who,
    identities::no_identity,
    mailbox::{Mailbox, Peer, now, peer_key},
    owner::{Owner, storage},
    store::{self, StoreError},
    transport::{MailTransport as _, Request, Way},
};

/// Ratchets that others began with one-time keys, after which the hub is asked how many it has left.
const ASK_AFTER: u32 = 10;

impl Owner {
    /// A hub fetches what is to be carried. It gets what is on the disk, and waits for the rest.
    pub(super) fn handle_fetch(
        &mut self,
        hub: HubId,
        p: MailFetchParams,
        reply: Reply<MailFetchResult>,
    ) {
        self.post.handle_fetch(hub, p, reply, now());
    }

    /// A hub brings something. It is told so when that is on the disk.
    pub(super) fn handle_bring(&mut self, hub: HubId, p: MailBringParams, reply: Reply<Empty>) {
        let outcome = self.post.handle_bring(hub, p);
        self.settle();
        self.answer(reply, outcome.map(|()| Empty {}));
    }

    /// A hub has a link: identities that live there register, and what waited for it is sent.
    pub(super) fn handle_link_up(&mut self, hub: HubId) -> Result<(), StoreError> {
        let name = hub.to_string();
        self.store.atomically(|c| store::note_hub(c, &name))?;
        for id in self.ids() {
            self.settle_down(id, &name)?;
            self.register(id, hub);
        }
        for mailbox in self.mailboxes.values_mut() {
            let at_home = |it: &&Peer| it.contact.card().home == name;
            let peers: Vec<IdentityKey> =
                mailbox.peers.values().filter(at_home).map(|it| it.contact.identity()).collect();
            for peer in peers {
                mailbox.outbox.handle_reachable(peer_key(&peer));
            }
        }
        Ok(())
    }

    /// The first hub that an identity meets is its home, until a person says otherwise.
    fn settle_down(&mut self, id: i64, hub: &str) -> Result<(), StoreError> {
        let Some(mailbox) = self.mailboxes.get(&id) else { return Ok(()) };
        if mailbox.card.home.is_empty() { self.move_home(id, hub) } else { Ok(()) }
    }

    /// A person chooses the hub where an identity's mailbox is. The old one hands on what still comes there;
    /// contacts hear of it with the next letter, by another ratchet.
    pub(super) fn handle_home(
        &mut self,
        who: &Who,
        hub: HubId,
    ) -> Result<MailIdentitiesResult, RpcError> {
        let id = self.meant(who)?;
        if !self.post.is_linked(hub) {
            let message = "the hub has no link to this relay now";
            return Err(RpcError::new(ErrorCode::NotFound, message)
                .hint("a home must be reachable when it is chosen: qd relay hubs"));
        }
        let mailbox = self.mailboxes.get(&id).ok_or_else(no_identity)?;
        if mailbox.card.home != hub.to_string() {
            self.move_home(id, &hub.to_string()).map_err(|error| storage(&error))?;
            for linked in self.post.linked() {
                self.register(id, linked);
            }
            self.tell_contacts(id);
            self.settle();
        }
        Ok(self.identities())
    }

    /// Begins another ratchet with each contact of another relay: its first letter has the new card.
    fn tell_contacts(&mut self, id: i64) {
        let Some(mailbox) = self.mailboxes.get(&id) else { return };
        let own = mailbox.key();
        let accepted = |it: &&Peer| it.contact.standing() == Standing::Accepted;
        let peers: Vec<IdentityKey> =
            mailbox.peers.values().filter(accepted).map(|it| it.contact.identity()).collect();
        let is_own = |peer: &IdentityKey| self.mailboxes.values().any(|it| it.key() == *peer);
        let elsewhere: Vec<IdentityKey> = peers.into_iter().filter(|peer| !is_own(peer)).collect();
        for peer in elsewhere {
            self.begin_anew(id, &own, &peer);
        }
    }

    /// Signs a card with another home.
    pub(super) fn move_home(&mut self, id: i64, hub: &str) -> Result<(), StoreError> {
        let Some(mailbox) = self.mailboxes.get_mut(&id) else { return Ok(()) };
        let generation = mailbox.card.generation + 1;
        mailbox.card = mailbox.identity.card(hub, generation);
        self.store.atomically(|c| store::set_home(c, id, hub, generation))
    }

    /// Tells a hub that an identity is here: if that is its home it gets its mail from there, else it may
    /// write from there as a guest.
    pub(super) fn register(&mut self, id: i64, hub: HubId) {
        let (Some(mailbox), Some(link)) = (self.mailboxes.get(&id), self.post.link(hub)) else {
            return;
        };
        let name = hub.to_string();
        let generation = mailbox.card.generation;
        let statement = Statement::Register { generation }.bytes(&name, link);
        let signature = mailbox.identity.sign(Purpose::Mailbox, &statement);
        self.post.register(hub, &mailbox.card, &signature);
    }

    /// A hub took an identity in: it gets as many keys as it lacks.
    pub(super) fn handle_registered(
        &mut self,
        hub: HubId,
        identity: &IdentityKey,
        keys: u32,
    ) -> Result<(), StoreError> {
        let held = usize::try_from(keys).unwrap_or(ONE_TIME_KEYS);
        let Some(mailbox) = self.mailbox_of(identity) else { return Ok(()) };
        let id = mailbox.id;
        mailbox.begun = 0;
        let mut bundle = mailbox.identity.bundle(held, NewFallback::Keep);
        mailbox.identity.mark_published();
        bundle.fallback = mailbox.fallback;
        self.changed_accounts.insert(id);
        let request = Request::Publish { identity: *identity, bundle };
        self.post.handle_request(Way::Hub(hub), request);
        Ok(())
    }

    /// Somebody began a ratchet with one of the identity's keys.
    pub(super) fn note_begun(&mut self, id: i64) {
        let Some(mailbox) = self.mailboxes.get_mut(&id) else { return };
        mailbox.begun += 1;
        if mailbox.begun >= ASK_AFTER
            && let Ok(hub) = mailbox.card.home.parse()
        {
            self.register(id, hub);
        }
    }

    /// The way to somebody; none = nobody knows one.
    pub(super) fn way_to(&self, mailbox: &Mailbox, peer: &IdentityKey) -> Option<Way> {
        if self.mailboxes.values().any(|own| own.key() == *peer) {
            return Some(Way::Own);
        }
        let home = &mailbox.peers.get(peer)?.contact.card().home;
        let hub: HubId = home.parse().ok()?;
        let known = self.post.is_linked(hub)
            || store::is_hub_known(self.store.read(), home).unwrap_or_default();
        known.then_some(Way::Hub(hub))
    }

    /// Answers hubs, once everything is on the disk.
    pub(super) fn flush_post(&mut self) {
        let mailboxes = &self.mailboxes;
        self.post.flush(now(), |identity, statement| {
            let mailbox = mailboxes.values().find(|mailbox| mailbox.key() == *identity)?;
            Some(mailbox.identity.sign(Purpose::Mailbox, statement))
        });
    }
}
