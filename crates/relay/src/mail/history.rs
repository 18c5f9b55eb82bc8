//! Mail as people read it: both directions as one list, and what of it waits for them.

use std::time::Duration;

use quarterdeck_core::mail::{
    MailNumber,
    outbox::JobState,
    routing::{Inbound, Waits},
};
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    mail::{Body, Marking},
    method::{
        Empty, IdentityMail, MailDirection, MailEntry, MailHistoryParams, MailHistoryResult,
        MailMessage, MailState,
    },
};
use quarterdeck_seal::contact::Standing;

use super::{
    PERSON, Who,
    identities::no_identity,
    listing::state,
    mailbox::{Mailbox, Peer},
    owner::{Owner, storage},
    store::{self, Came, InboundRow, OutboundRow, Place, Side, StoreError, Wanted},
    writing::recipient,
};

/// Messages in a page of who does not say how many.
const DEFAULT_PAGE: usize = 50;
/// Bytes of text after which a page ends, so that an answer stays far below what a frame may have.
const MAX_PAGE_BYTES: usize = 1024 * 1024;

impl Owner {
    /// What came and what was sent, newest first; of a session only its own.
    pub(super) fn history(
        &self,
        who: &Who,
        p: &MailHistoryParams,
    ) -> Result<MailHistoryResult, RpcError> {
        let wanted = self.wanted(who, p)?;
        let which = if p.held { Came::Waiting } else { Came::Everything };
        let c = self.store.read();
        let came = store::came(c, &wanted, which).map_err(|error| storage(&error))?;
        let sent = if p.held { Ok(Vec::new()) } else { store::wrote(c, &wanted) };
        let sent = sent.map_err(|error| storage(&error))?;
        let mut all: Vec<(Place, Found)> = Vec::with_capacity(came.len() + sent.len());
        for row in came {
            all.push((place(row.at, Side::Came, row.number), Found::Came(row)));
        }
        for row in sent {
            all.push((place(row.at, Side::Sent, row.number), Found::Sent(row)));
        }
        all.sort_by_key(|(place, _)| std::cmp::Reverse(*place));
        self.page(all, wanted.limit - 1).map_err(|error| storage(&error))
    }

    fn wanted(&self, who: &Who, p: &MailHistoryParams) -> Result<Wanted, RpcError> {
        let identity = self.meant(who)?;
        let mailbox = self.mailboxes.get(&identity).ok_or_else(no_identity)?;
        let peer = p.contact.as_deref().map(|word| recipient(mailbox, word)).transpose()?;
        let parsed = |text: &str| {
            let unknown = || RpcError::new(ErrorCode::InvalidParams, "no page begins there");
            parse_cursor(text).ok_or_else(unknown)
        };
        let limit = p.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(DEFAULT_PAGE);
        Ok(Wanted {
            identity,
            own: mailbox.key(),
            peer,
            session: who.session.zip(self.own_label(who)?),
            before: p.before.as_deref().map(parsed).transpose()?,
            // one more says whether there is more
            limit: limit.clamp(1, store::page()) + 1,
        })
    }

    fn page(
        &self,
        all: Vec<(Place, Found)>,
        limit: usize,
    ) -> Result<MailHistoryResult, StoreError> {
        let (count, mut bytes) = (all.len(), 0);
        let (mut messages, mut last) = (Vec::new(), None);
        for (place, found) in all.into_iter().take(limit) {
            let entry = self.entry(found)?;
            bytes += entry.text.len();
            if bytes > MAX_PAGE_BYTES && !messages.is_empty() {
                break;
            }
            messages.push(entry);
            last = Some(place);
        }
        let before = last.filter(|_| messages.len() < count).map(cursor);
        Ok(MailHistoryResult { messages, before })
    }

    fn entry(&self, found: Found) -> Result<MailEntry, StoreError> {
        match found {
            Found::Came(row) => {
                let job = row.job.map(|job| store::outbound(self.store.read(), job)).transpose()?;
                Ok(entry_of_came(self.message(&row), job.flatten().map(|row| row.state)))
            }
            Found::Sent(row) => self.entry_of_sent(row),
        }
    }

    fn entry_of_sent(&self, row: OutboundRow) -> Result<MailEntry, StoreError> {
        let mailbox = self.mailboxes.get(&row.identity);
        let name = mailbox.map(|mailbox| mailbox.name_of(&row.peer)).unwrap_or_default();
        let body = Body::decode(&row.body).map_err(|_| StoreError::Damaged("an own body"))?;
        Ok(MailEntry {
            direction: MailDirection::Sent,
            id: row.message_id,
            number: None,
            peer: row.peer.to_string(),
            name,
            from_session: Some(row.from.to_string()),
            to_session: row.to.map(|label| label.to_string()),
            in_reply_to: body.in_reply_to,
            role: body.role.unwrap_or_default(),
            auto: body.marking == Marking::Automatic,
            text: body.text,
            at: u64::try_from(row.at.as_millis()).unwrap_or(u64::MAX),
            read: row.state == JobState::Read,
            state: state(row.state),
        })
    }

    /// Messages for people were read; those for sessions stay as they are.
    pub(super) fn handle_read(&mut self, who: &Who, numbers: &[i64]) -> Result<Empty, RpcError> {
        let id = self.meant(who)?;
        if numbers.len() > store::page() {
            let message = format!("at most {} messages are read at once", store::page());
            return Err(RpcError::new(ErrorCode::InvalidParams, message));
        }
        let read = numbers.iter().try_for_each(|number| {
            let row = store::inbound(self.store.read(), MailNumber(*number))?;
            let is_meant = |row: &InboundRow| row.identity == id && !row.is_read;
            match row.filter(is_meant).filter(is_for_people) {
                Some(row) => self.take_out(&row),
                None => Ok(()),
            }
        });
        read.map_err(|error| storage(&error))?;
        self.settle();
        Ok(Empty {})
    }

    /// How much waits for people, by identity.
    pub(super) fn counts(&self) -> Result<Vec<IdentityMail>, RpcError> {
        let one = |mailbox: &Mailbox| {
            let held = mailbox.router.waiting().filter(|(_, why)| *why != Waits::ForTurn).count();
            let asking = mailbox.peers.values().filter(|peer| asks(peer)).count();
            Ok(IdentityMail {
                identity: mailbox.name.clone(),
                unread: store::unread(self.store.read(), mailbox.id)?,
                held: u32::try_from(held).unwrap_or(u32::MAX),
                asking: u32::try_from(asking).unwrap_or(u32::MAX),
            })
        };
        let counts: Result<Vec<_>, StoreError> = self.mailboxes.values().map(one).collect();
        let mut counts = counts.map_err(|error| storage(&error))?;
        counts.sort_by(|a, b| a.identity.cmp(&b.identity));
        Ok(counts)
    }
}

/// A message of a page.
enum Found {
    Came(InboundRow),
    Sent(OutboundRow),
}

const fn place(at: Duration, side: Side, number: MailNumber) -> Place {
    Place { at, side, number }
}

/// Whether people are who is to look at it: agents have theirs by themselves.
pub(super) fn is_for_people(row: &InboundRow) -> bool {
    row.to.as_deref() == Some(PERSON) || row.state == "dead"
}

/// Whether a person is to decide about somebody.
fn asks(peer: &Peer) -> bool {
    match peer.contact.standing() {
        // who was refused or is to wait was decided about
        Standing::Asking => peer.inbound == Inbound::Accept,
        Standing::Asked | Standing::Accepted => peer.contact.changed().is_some(),
        Standing::Blocked => false,
    }
}

/// What came; between own sessions it is shown how far it went, once it does not wait any more.
fn entry_of_came(message: MailMessage, job: Option<JobState>) -> MailEntry {
    let MailMessage {
        id,
        from,
        name,
        from_session,
        to_session,
        in_reply_to,
        role,
        auto,
        text,
        at,
        state: word,
        why,
        read,
        number,
    } = message;
    let direction = if job.is_some() { MailDirection::Own } else { MailDirection::Came };
    let here = MailState { state: word, why };
    let state = match job {
        Some(job) if here.state != "held" => state(job),
        Some(_) | None => here,
    };
    MailEntry {
        direction,
        id,
        number: Some(number),
        name: name.unwrap_or_else(|| from.clone()),
        peer: from,
        from_session,
        to_session,
        in_reply_to,
        role,
        auto,
        text,
        at,
        read: read || state.state == "read",
        state,
    }
}

/// A place as a caller keeps it.
fn cursor(place: Place) -> String {
    let side = match place.side {
        Side::Came => 'c',
        Side::Sent => 's',
    };
    format!("{}{side}{}", place.at.as_millis(), place.number.0)
}

fn parse_cursor(text: &str) -> Option<Place> {
    let (at, rest) = text.split_at_checked(text.find(['c', 's'])?)?;
    let side = if rest.starts_with('c') { Side::Came } else { Side::Sent };
    let at = Duration::from_millis(at.parse().ok()?);
    Some(place(at, side, MailNumber(rest.get(1..)?.parse().ok()?)))
}
