//! What comes: it is opened, stored with the ratchet that opened it, and only then acknowledged. From there
//! it goes to whoever waits for it, or to its session.

use std::{collections::BTreeSet, time::Duration};

use quarterdeck_core::mail::{
    MailNumber,
    outbox::{Failure, Progress},
    reply::Came,
    routing::{self, DeadLetter, Outcome, Passage},
};
use quarterdeck_crypto::DeliveryKey;
use quarterdeck_protocol::{
    ids::SessionId,
    mail::{Body, PeerLabel},
    method::MailWaitResult,
};
use quarterdeck_seal::{
    IdentityKey, Letter, LetterKind, OpenError, Sealed,
    letter::{MAX_RECEIPTS, Receipt, Stream},
    sequence::Arrival,
};
use serde::{Deserialize, Serialize};

use super::{
    Delivery, PERSON,
    framing::frame,
    mailbox::{now, peer_key},
    owner::Owner,
    store::{self, InboundRow, StoreError},
    transport::{Request, Way},
};

/// Time between two ratchets that are begun because letters do not open.
const ANEW_PAUSE: Duration = Duration::from_secs(30);

/// How far a letter came, as its recipient tells its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Told {
    /// A session has it.
    Delivered,
    /// Somebody looked at it.
    Read,
    /// It goes nowhere.
    Failed(DeadLetter),
}

impl Told {
    const fn progress(self) -> Progress {
        match self {
            Self::Delivered => Progress::Delivered,
            Self::Read => Progress::Read,
            Self::Failed(why) => Progress::Failed(Failure::DeadLetter(why)),
        }
    }
}

/// A letter that was opened, with what it comes to.
struct Opened {
    letter: Letter,
    arrival: Arrival,
    /// Letters of the run before whose turn has come.
    released: Vec<(Stream, u64)>,
}

impl Owner {
    /// A sealed letter arrived. What cannot be used is dropped with a word in the log: it would never be.
    pub(super) fn handle_arrived(
        &mut self,
        to: &IdentityKey,
        sealed: &[u8],
    ) -> Result<(), StoreError> {
        let sealed = match Sealed::decode(sealed) {
            Ok(sealed) => sealed,
            Err(error) => {
                tracing::warn!(%error, "sealed letter not understood");
                return Ok(());
            }
        };
        let Some(mailbox) = self.mailbox_of(to) else { return Ok(()) };
        let (id, from) = (mailbox.id, sealed.from);
        let Some(known) = mailbox.peers.get_mut(&from) else { return self.meet(id, &sealed) };
        let begins = sealed.card().is_some();
        if let Some(card) = sealed.card()
            && let Err(error) = known.contact.handle_card(card.clone())
        {
            tracing::warn!(%from, %error, "a foreign card");
            return Ok(());
        }
        let sender = known.contact.card().ratchet;
        if let Err(error) = known.contact.check_sender(sender) {
            tracing::info!(%from, %error, "letter not taken");
            return Ok(());
        }
        match known.ratchets.open(&mut mailbox.identity, sender, &sealed) {
            Ok(letter) => {
                let (released, arrival) = known.take_place(&letter);
                if begins {
                    // a key of the identity may be used up
                    self.changed_accounts.insert(id);
                    self.note_begun(id);
                }
                self.note_changed(id, &from);
                self.keep(id, &from, Opened { letter, arrival, released })
            }
            // it came again because an acknowledgement was lost
            Err(OpenError::Repeated) => Ok(()),
            Err(OpenError::Unreadable) => {
                let now = now();
                let lately = known.anew_at.is_some_and(|at| at + ANEW_PAUSE > now);
                if lately {
                    // more of what was sealed before the other side knows of the new one
                    return Ok(());
                }
                known.anew_at = Some(now);
                self.begin_anew(id, to, &from);
                Ok(())
            }
            Err(error @ (OpenError::Forged | OpenError::Letter(_))) => {
                tracing::warn!(%from, %error, "letter not taken");
                Ok(())
            }
        }
    }

    /// Stores what was opened with the keys that opened it, and acts on what is in turn.
    fn keep(&mut self, id: i64, from: &IdentityKey, opened: Opened) -> Result<(), StoreError> {
        let Opened { letter, arrival, released } = opened;
        let row = inbound_row(id, from, &letter, &arrival);
        let kept = self.store.atomically(|c| {
            let mut kept = Vec::new();
            for letter in released {
                kept.extend(store::release(c, id, from, letter)?);
            }
            if let Some(row) = row
                && let Some(number) = store::add_inbound(c, &row)?
                && matches!(arrival, Arrival::InTurn { .. })
            {
                kept.push(InboundRow { number, ..row });
            }
            if let Arrival::InTurn { then } = &arrival {
                for number in then {
                    kept.extend(store::release(c, id, from, (letter.stream, *number))?);
                }
            }
            Ok::<_, StoreError>(kept)
        })?;
        if letter.kind == LetterKind::Receipts
            && matches!(arrival, Arrival::InTurn { .. } | Arrival::Ahead)
        {
            self.handle_receipts(id, from, &letter.body)?;
        }
        if letter.kind == LetterKind::Request && !matches!(arrival, Arrival::Old) {
            self.handle_request_letter(id, from, &letter);
        }
        kept.iter().try_for_each(|row| self.place(row))
    }

    /// Gives up what was missing for too long, and goes on with what came after it.
    pub(super) fn skip_missing(&mut self, id: i64, from: &IdentityKey) -> Result<(), StoreError> {
        let Some(mailbox) = self.mailboxes.get_mut(&id) else { return Ok(()) };
        let Some(known) = mailbox.peers.get_mut(from) else { return Ok(()) };
        let released = known.skip_missing();
        let stored = known.to_stored();
        let kept = self.store.atomically(|c| {
            store::save_peer(c, id, &stored)?;
            let mut kept = Vec::new();
            for letter in released {
                kept.extend(store::release(c, id, from, letter)?);
            }
            Ok::<_, StoreError>(kept)
        })?;
        kept.iter().try_for_each(|row| self.place(row))
    }

    /// Gives a message to whoever waits for it, to its person, or to its session.
    pub(super) fn place(&mut self, row: &InboundRow) -> Result<(), StoreError> {
        if self.give_to_waiter(row)? {
            return Ok(());
        }
        let lives = self.live.iter().any(|live| live.label.as_str() == PERSON);
        if row.to.as_deref() == Some(PERSON) && !lives {
            // people read the inbox
            self.store.atomically(|c| store::set_inbound(c, row.number, "done", None))?;
            return self.tell_sender(row, Told::Delivered);
        }
        if let Some(mailbox) = self.mailboxes.get_mut(&row.identity) {
            mailbox.route(row, BTreeSet::new());
        }
        self.consider_answering(row)
    }

    fn give_to_waiter(&mut self, row: &InboundRow) -> Result<bool, StoreError> {
        let session = row.from.as_deref().and_then(PeerLabel::parse);
        let in_reply_to = row.in_reply_to.as_deref();
        let came = Came { from: peer_key(&row.peer), session: session.as_ref(), in_reply_to };
        let fits = |waiter: &super::owner::Waiter| {
            let label = waiter.session.as_ref().map(quarterdeck_protocol::ids::Label::as_str);
            let is_its = match (label, row.to.as_deref()) {
                (Some(own), Some(to)) => own == to,
                // mail that names nobody may be anybody's reply
                (Some(_), None) => waiter.awaited.in_reply_to.is_some(),
                (None, _) => true,
            };
            waiter.identity == row.identity
                && is_its
                && !waiter.reply.is_closed()
                && waiter.awaited.is_met_by(&came)
        };
        let Some(at) = self.waiters.iter().position(fits) else { return Ok(false) };
        self.store.atomically(|c| {
            store::mark_read(c, row.number)?;
            store::set_inbound(c, row.number, "taken", None)
        })?;
        let waiter = self.waiters.remove(at);
        let message = Some(self.message(row));
        self.answer(waiter.reply, Ok(MailWaitResult { message }));
        self.tell_sender(row, Told::Read)?;
        Ok(true)
    }

    pub(super) fn perform_routing(
        &mut self,
        id: i64,
        effect: routing::Effect,
    ) -> Result<(), StoreError> {
        match effect {
            routing::Effect::Deliver { number, session } => self.deliver(id, number, session),
            routing::Effect::Done { number } => {
                self.end(number, "done", None)?;
                self.tell_of(number, Told::Delivered)
            }
            routing::Effect::Dead { number, why } => {
                self.end(number, "dead", Some(why))?;
                self.tell_of(number, Told::Failed(why))
            }
        }
    }

    /// Notes the delivery before it is tried.
    fn deliver(
        &mut self,
        id: i64,
        number: MailNumber,
        session: SessionId,
    ) -> Result<(), StoreError> {
        let Some(row) = store::inbound(self.store.read(), number)? else { return Ok(()) };
        self.store.atomically(|c| store::set_delivery(c, number, session, "trying"))?;
        let Some(mailbox) = self.mailboxes.get(&id) else { return Ok(()) };
        let delivery = Delivery {
            number,
            session,
            key: format!("mail:{}", row.delivery_key),
            address: format!("{}/{}", row.peer, row.from.as_deref().unwrap_or("?")),
            text: frame(&row, &mailbox.name_of(&row.peer)),
        };
        self.hand_over(delivery);
        Ok(())
    }

    /// A delivery ended.
    pub(super) fn handle_delivered(
        &mut self,
        number: MailNumber,
        session: SessionId,
        outcome: Outcome,
    ) -> Result<(), StoreError> {
        let Some(row) = store::inbound(self.store.read(), number)? else { return Ok(()) };
        self.store.atomically(|c| match outcome {
            Outcome::Delivered => store::set_delivery(c, number, session, "delivered"),
            Outcome::Gone => store::drop_delivery(c, number, session),
        })?;
        if let Some(mailbox) = self.mailboxes.get_mut(&row.identity) {
            mailbox.router.handle_outcome(number, session, outcome);
        }
        Ok(())
    }

    fn end(
        &mut self,
        number: MailNumber,
        state: &str,
        why: Option<DeadLetter>,
    ) -> Result<(), StoreError> {
        self.store.atomically(|c| store::set_inbound(c, number, state, why))
    }

    fn tell_of(&mut self, number: MailNumber, told: Told) -> Result<(), StoreError> {
        match store::inbound(self.store.read(), number)? {
            Some(row) => self.tell_sender(&row, told),
            None => Ok(()),
        }
    }

    /// Somebody looked at a message.
    pub(super) fn tell_read(&mut self, row: &InboundRow) -> Result<(), StoreError> {
        self.tell_sender(row, Told::Read)
    }

    /// Tells the sender how far its message came: by the store between own sessions, else by a letter.
    fn tell_sender(&mut self, row: &InboundRow, told: Told) -> Result<(), StoreError> {
        if let Some(job) = row.job {
            return self.note_progress(job, told.progress());
        }
        let Some((stream, number)) = row.letter else { return Ok(()) };
        let receipt = Receipt { stream, number, progress: told };
        self.note_receipt(row.identity, &row.peer, receipt);
        Ok(())
    }

    fn handle_receipts(
        &mut self,
        id: i64,
        from: &IdentityKey,
        body: &[u8],
    ) -> Result<(), StoreError> {
        let Ok(receipts) = serde_json::from_slice::<Vec<Receipt<Told>>>(body) else {
            tracing::warn!(%from, "receipts not understood");
            return Ok(());
        };
        for Receipt { stream, number, progress } in receipts.into_iter().take(MAX_RECEIPTS) {
            let letter = (stream, number);
            // a peer can tell of its own letters only
            let row = store::outbound_by_letter(self.store.read(), id, from, letter)?;
            if let Some(row) = row.filter(|row| row.kind == "mail") {
                self.note_progress(row.number, progress.progress())?;
            }
        }
        Ok(())
    }

    /// Another ratchet is begun, and the other side told by it: nothing fits a letter any more, a person
    /// wants it, or there is another card to show.
    pub(super) fn begin_anew(&mut self, id: i64, to: &IdentityKey, from: &IdentityKey) {
        tracing::info!(%from, "another ratchet is begun");
        let way = self.mailboxes.get(&id).and_then(|mailbox| self.way_to(mailbox, from));
        self.request(way.unwrap_or(Way::Own), Request::Claim { by: *to, peer: *from });
    }
}

/// What is stored of a letter; none of one that is no message, or that was taken before.
fn inbound_row(
    id: i64,
    from: &IdentityKey,
    letter: &Letter,
    arrival: &Arrival,
) -> Option<InboundRow> {
    let state = match arrival {
        Arrival::InTurn { .. } => "waiting",
        Arrival::Ahead => "ahead",
        Arrival::Old | Arrival::TooFar => return None,
    };
    if letter.kind != LetterKind::Mail {
        return None;
    }
    let text = std::str::from_utf8(&letter.body).ok()?;
    let body = Body::decode(text).ok()?;
    if body.is_rehandshake() {
        return None;
    }
    let place = (letter.stream, letter.number);
    let peer_id = body.id.unwrap_or_else(|| format!("letter-{}", letter.number));
    Some(InboundRow {
        number: MailNumber(0),
        identity: id,
        peer: *from,
        delivery_key: DeliveryKey::new(from.as_bytes(), &peer_id),
        letter: Some(place),
        state: state.to_owned(),
        why: None,
        peer_id,
        from: body.from.map(|label| label.to_string()),
        to: body.to.map(|label| label.to_string()),
        in_reply_to: body.in_reply_to,
        role: body.role.unwrap_or_default(),
        marking: body.marking,
        text: body.text,
        at: now(),
        is_read: false,
        job: None,
        passage: Passage::AsDecided,
    })
}
