//! What leaves: what is stored is sealed, stored again, and only then handed on.

use std::time::Duration;

use quarterdeck_core::mail::{
    MailNumber,
    outbox::{self, BatchOutcome, Failure, JobState, Progress, Rest},
};
use quarterdeck_seal::{
    IdentityKey, Letter, LetterKind,
    contact::{ContactError, Standing},
};

use super::{
    PERSON,
    mailbox::{identity_key, now, peer_key},
    owner::Owner,
    store::{self, OutboundRow, StoreError},
    transport::{Claimed, Request, Way},
};

/// Bytes of sealed letters in one batch, after which it ends; what is left of it comes with the next one.
const MAX_BATCH_BYTES: usize = 256 * 1024;

impl Owner {
    pub(super) fn perform_sending(
        &mut self,
        id: i64,
        effect: outbox::Effect,
    ) -> Result<(), StoreError> {
        match effect {
            outbox::Effect::Transmit { peer, numbers } => {
                let Some(peer) = identity_key(peer) else { return Ok(()) };
                self.transmit(id, &peer, numbers)
            }
            outbox::Effect::Progress { number, progress } => self.note_progress(number, progress),
        }
    }

    /// Something became known of a message that was sent.
    pub(super) fn note_progress(
        &mut self,
        number: MailNumber,
        progress: Progress,
    ) -> Result<(), StoreError> {
        self.store.atomically(|c| {
            let Some(row) = store::outbound(c, number)? else { return Ok(()) };
            match row.state.advance(progress) {
                Some(state) => store::set_outbound(c, number, state),
                None => Ok(()),
            }
        })
    }

    fn transmit(
        &mut self,
        id: i64,
        peer: &IdentityKey,
        mut numbers: Vec<MailNumber>,
    ) -> Result<(), StoreError> {
        let Some(mailbox) = self.mailboxes.get(&id) else { return Ok(()) };
        let (by, way) = (mailbox.key(), self.way_to(mailbox, peer));
        let known = mailbox.peers.get(peer);
        let (Some(way), Some(known)) = (way, known) else {
            self.refuse_batch(id, peer, Failure::NoRoute);
            return Ok(());
        };
        if let Err(error) = known.contact.sealing_key() {
            let rest = match error {
                ContactError::Blocked => Rest::Never(Failure::Blocked),
                ContactError::KeyChanged => Rest::Never(Failure::KeyChanged),
                ContactError::NotAccepted => {
                    // who was asked gets the request; the rest waits for the answer
                    let is_asked = known.contact.standing() == Standing::Asked;
                    let requests = if is_asked { self.leading_requests(&numbers)? } else { 0 };
                    numbers.truncate(requests);
                    Rest::Blocked
                }
            };
            if numbers.is_empty() || !matches!(rest, Rest::Blocked) {
                self.finish_batch(id, peer, BatchOutcome { taken: 0, rest });
                return Ok(());
            }
        }
        let Some(known) = self.mailboxes.get_mut(&id).and_then(|m| m.peers.get_mut(peer)) else {
            return Ok(());
        };
        if !known.ratchets.is_begun() {
            known.claiming = numbers;
            self.request(way, Request::Claim { by, peer: *peer });
            return Ok(());
        }
        let letters = self.seal(id, peer, &numbers)?;
        self.request(way, Request::Transmit { from: by, to: *peer, letters });
        Ok(())
    }

    /// How many requests stand before anything else.
    fn leading_requests(&self, numbers: &[MailNumber]) -> Result<usize, StoreError> {
        for (at, number) in numbers.iter().enumerate() {
            let row = store::outbound(self.store.read(), *number)?;
            if row.is_none_or(|row| row.kind != "request") {
                return Ok(at);
            }
        }
        Ok(numbers.len())
    }

    /// Seals what is not sealed yet. The letters leave when the turn is stored, and the ratchet with it.
    fn seal(
        &mut self,
        id: i64,
        peer: &IdentityKey,
        numbers: &[MailNumber],
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        self.note_changed(id, peer);
        let (store, mailboxes) = (&mut self.store, &mut self.mailboxes);
        let Some(mailbox) = mailboxes.get_mut(&id) else { return Ok(Vec::new()) };
        let card = mailbox.card.clone();
        let Some(known) = mailbox.peers.get_mut(peer) else { return Ok(Vec::new()) };
        store.atomically(|c| {
            let mut letters: Vec<Vec<u8>> = Vec::with_capacity(numbers.len());
            for number in numbers {
                if letters.iter().map(Vec::len).sum::<usize>() > MAX_BATCH_BYTES {
                    break;
                }
                let Some(row) = store::outbound(c, *number)? else { continue };
                if let Some(sealed) = row.sealed {
                    letters.push(sealed);
                    continue;
                }
                known.written += 1;
                let kind = match row.kind.as_str() {
                    "receipts" => LetterKind::Receipts,
                    "handshake" => LetterKind::Handshake,
                    "request" => LetterKind::Request,
                    _ => LetterKind::Mail,
                };
                let place = (known.stream, known.written);
                let letter =
                    Letter { kind, stream: place.0, number: place.1, body: row.body.into_bytes() };
                let sealed = known.ratchets.seal(&card, &letter);
                let sealed = sealed.map_err(|_| StoreError::Damaged("a ratchet"))?.encode();
                store::save_sealed(c, *number, &sealed, place)?;
                letters.push(sealed);
            }
            Ok(letters)
        })
    }

    /// A key to begin a ratchet with came, or there is none.
    pub(super) fn handle_claimed(
        &mut self,
        by: &IdentityKey,
        peer: &IdentityKey,
        outcome: Claimed,
        by_way: Way,
    ) -> Result<(), StoreError> {
        if let Way::Hub(hub) = by_way
            && self.handle_sought(by, peer, hub, &outcome)?
        {
            return Ok(());
        }
        let Some(mailbox) = self.mailbox_of(by) else { return Ok(()) };
        let id = mailbox.id;
        let (identity, peers) = (&mailbox.identity, &mut mailbox.peers);
        let Some(known) = peers.get_mut(peer) else { return Ok(()) };
        let numbers = std::mem::take(&mut known.claiming);
        let key = match outcome {
            Claimed::Found { card, key } => {
                if let Some(card) = card
                    && let Err(error) = known.contact.handle_card(*card)
                {
                    tracing::warn!(%peer, %error, "a foreign card");
                }
                key
            }
            Claimed::Unknown => None,
            Claimed::Lost => {
                known.anew_at = None;
                let outcome = BatchOutcome { taken: 0, rest: Rest::Later };
                self.finish_batch(id, peer, outcome);
                return Ok(());
            }
        };
        let ratchet = match known.contact.sealing_key() {
            Ok(ratchet) => Ok(ratchet),
            Err(ContactError::NotAccepted) => Ok(known.contact.card().ratchet),
            Err(error) => Err(error),
        };
        let Ok(ratchet) = ratchet else {
            self.note_changed(id, peer);
            self.refuse_batch(id, peer, Failure::KeyChanged);
            return Ok(());
        };
        let begun = key.map(|key| known.ratchets.begin(identity, peer, ratchet, &key));
        self.note_changed(id, peer);
        match begun {
            // it was begun because a letter did not open: the other side learns of it by the next one
            Some(Ok(())) if numbers.is_empty() => {
                self.queue_letter(id, peer, "handshake", String::new())
            }
            Some(Ok(())) => self.transmit(id, peer, numbers),
            Some(Err(error)) => {
                tracing::warn!(%peer, %error, "no ratchet begun");
                self.refuse_batch(id, peer, Failure::Invalid);
                Ok(())
            }
            None => {
                self.refuse_batch(id, peer, Failure::NoRoute);
                Ok(())
            }
        }
    }

    fn refuse_batch(&mut self, id: i64, peer: &IdentityKey, why: Failure) {
        self.finish_batch(id, peer, BatchOutcome { taken: 0, rest: Rest::Never(why) });
    }

    fn finish_batch(&mut self, id: i64, peer: &IdentityKey, outcome: BatchOutcome) {
        let mut spread = [0];
        // without a random byte many senders only come back at the same moment
        let _ = getrandom::fill(&mut spread);
        if let Some(mailbox) = self.mailboxes.get_mut(&id) {
            mailbox.outbox.handle_outcome(peer_key(peer), outcome, now(), spread[0]);
        }
    }

    pub(super) fn handle_taken(
        &mut self,
        from: &IdentityKey,
        to: &IdentityKey,
        outcome: BatchOutcome,
    ) {
        if let Some(id) = self.mailbox_of(from).map(|mailbox| mailbox.id) {
            self.finish_batch(id, to, outcome);
        }
    }

    /// Queues a letter of our own making: receipts, a handshake.
    pub(super) fn queue_letter(
        &mut self,
        id: i64,
        peer: &IdentityKey,
        kind: &str,
        body: String,
    ) -> Result<(), StoreError> {
        let at = now();
        let row = OutboundRow {
            number: MailNumber(0),
            identity: id,
            peer: *peer,
            kind: kind.to_owned(),
            request: None,
            message_id: String::new(),
            from: PERSON.parse().map_err(|_| StoreError::Damaged("a label"))?,
            to: None,
            body,
            sealed: None,
            state: JobState::Queued,
            at,
            expires: at + Duration::from_secs(24 * 60 * 60),
        };
        let number = self.store.atomically(|c| store::add_outbound(c, &row))?;
        if let Some(mailbox) = self.mailboxes.get_mut(&id) {
            mailbox.outbox.handle_job(number, peer_key(peer), row.expires);
        }
        Ok(())
    }
}
