//! One turn of the owner: everything that is asked at one time, in one transaction.
//!
//! A commit waits for the disk, so what came together is stored together. Nothing leaves before: answers,
//! deliveries and what hubs fetch are kept until the commit is done. When it fails nothing has happened:
//! whoever asked is told, and the owner reads anew what is stored.

use std::collections::{BTreeMap, BTreeSet};

use quarterdeck_protocol::error::RpcError;
use quarterdeck_seal::{
    IdentityKey,
    letter::{MAX_RECEIPTS, Receipt},
};

use super::{
    Delivery, Draft, Reply,
    owner::{Owner, storage},
    receiving::Told,
    store::{self, StoreError},
};

/// What is told once the turn is stored, or that it was not.
type Telling = Box<dyn FnOnce(Option<RpcError>) + Send>;

/// What a turn has done so far that is not stored or told.
#[derive(Default)]
pub(super) struct Pending {
    tellings: Vec<Telling>,
    deliveries: Vec<Delivery>,
    drafts: Vec<Draft>,
    /// Peers whose ratchets or place in the order have changed.
    peers: BTreeSet<(i64, IdentityKey)>,
    receipts: BTreeMap<(i64, IdentityKey), Vec<Receipt<Told>>>,
    /// Why the turn cannot be stored.
    failed: Option<StoreError>,
}

impl Owner {
    /// Does something, with all that follows from it, and stores it.
    pub(super) fn turn(&mut self, work: impl FnOnce(&mut Self)) {
        let failed = match self.try_turn(work) {
            Ok(()) => None,
            Err(error) => {
                let told = storage(&error);
                self.recover(&error);
                Some(told)
            }
        };
        let Pending { tellings, deliveries, drafts, .. } = std::mem::take(&mut self.pending);
        for delivery in deliveries {
            let session = delivery.session;
            if self.courier.try_send(delivery).is_err() {
                tracing::error!(%session, "the courier does not take a message");
            }
        }
        self.send_drafts(drafts);
        for telling in tellings {
            telling(failed.clone());
        }
        self.flush_post();
    }

    fn try_turn(&mut self, work: impl FnOnce(&mut Self)) -> Result<(), StoreError> {
        let before = self.store.changes();
        self.store.begin()?;
        work(self);
        self.settle();
        self.write_receipts()?;
        self.settle();
        self.write_back()?;
        match self.pending.failed.take() {
            Some(error) => Err(error),
            None => {
                self.store.commit()?;
                if self.store.changes() != before {
                    self.changed.send_modify(|change| *change += 1);
                }
                Ok(())
            }
        }
    }

    /// Nothing of the turn is stored: the stored state holds.
    fn recover(&mut self, error: &StoreError) {
        tracing::error!(%error, "mail was not stored");
        self.store.roll_back();
        self.pending.deliveries.clear();
        self.pending.drafts.clear();
        self.pending.peers.clear();
        self.pending.receipts.clear();
        self.changed_accounts.clear();
        if let Err(error) = self.load() {
            tracing::error!(%error, "mail cannot be read");
        }
    }

    /// The turn is not to be stored.
    pub(super) fn fail(&mut self, error: StoreError) {
        self.pending.failed.get_or_insert(error);
    }

    /// Whether the turn is lost already.
    pub(super) const fn has_failed(&self) -> bool {
        self.pending.failed.is_some()
    }

    /// Answers when the turn is stored; that it was not, when it is not.
    pub(super) fn answer<T: Send + 'static>(
        &mut self,
        reply: Reply<T>,
        outcome: Result<T, RpcError>,
    ) {
        self.pending.tellings.push(Box::new(move |failed| {
            // who asked may have gone
            let _ = reply.send(failed.map_or(outcome, Err));
        }));
    }

    /// Hands a message to the courier when the turn is stored.
    pub(super) fn hand_over(&mut self, delivery: Delivery) {
        self.pending.deliveries.push(delivery);
    }

    /// Has an answer written when the turn is stored.
    pub(super) fn hand_draft(&mut self, draft: Draft) {
        self.pending.drafts.push(draft);
    }

    /// What is kept of a peer has changed.
    pub(super) fn note_changed(&mut self, id: i64, peer: &IdentityKey) {
        self.pending.peers.insert((id, *peer));
    }

    /// A sender is to be told how far its letter came; together with others of this turn.
    pub(super) fn note_receipt(&mut self, id: i64, peer: &IdentityKey, receipt: Receipt<Told>) {
        self.pending.receipts.entry((id, *peer)).or_default().push(receipt);
    }

    fn write_receipts(&mut self) -> Result<(), StoreError> {
        for ((id, peer), receipts) in std::mem::take(&mut self.pending.receipts) {
            for some in receipts.chunks(MAX_RECEIPTS) {
                let body =
                    serde_json::to_string(some).map_err(|_| StoreError::Damaged("receipts"))?;
                self.queue_letter(id, &peer, "receipts", body)?;
            }
        }
        Ok(())
    }

    /// Stores what has changed in memory.
    pub(super) fn write_back(&mut self) -> Result<(), StoreError> {
        let peers = std::mem::take(&mut self.pending.peers);
        let accounts = std::mem::take(&mut self.changed_accounts);
        let mailboxes = &self.mailboxes;
        self.store.atomically(|c| {
            for (id, peer) in peers {
                let known = mailboxes.get(&id).and_then(|mailbox| mailbox.peers.get(&peer));
                if let Some(known) = known {
                    store::save_peer(c, id, &known.to_stored())?;
                }
            }
            for id in accounts {
                if let Some(mailbox) = mailboxes.get(&id) {
                    store::save_account(c, id, &mailbox.identity.to_stored())?;
                }
            }
            Ok(())
        })
    }
}
