//! What is to be sent, and what was.

use quarterdeck_core::mail::MailNumber;
use quarterdeck_core::mail::outbox::JobState;
use quarterdeck_protocol::ids::Label;
use quarterdeck_seal::IdentityKey;
use quarterdeck_seal::letter::Stream;
use rusqlite::{Connection, named_params, params};

use super::{OutboundRow, PAGE, StoreError, json, millis, row::read_all, signed};

/// Adds something to send.
pub(in crate::mail) fn add_outbound(
    c: &Connection,
    row: &OutboundRow,
) -> Result<MailNumber, StoreError> {
    c.prepare_cached(
        "INSERT INTO outbound (identity, peer, kind, request, message_id, from_label, to_label, body,
          state, is_open, at, expires)
         VALUES (:identity, :peer, :kind, :request, :message_id, :from_label, :to_label, :body,
          :state, :is_open, :at, :expires)",
    )?
    .execute(named_params! {
        ":identity": row.identity,
        ":peer": row.peer.as_bytes(),
        ":kind": row.kind,
        ":request": row.request,
        ":message_id": row.message_id,
        ":from_label": row.from.as_str(),
        ":to_label": row.to.as_ref().map(Label::as_str),
        ":body": row.body,
        ":state": json(&row.state),
        ":is_open": row.state == JobState::Queued,
        ":at": millis(row.at),
        ":expires": millis(row.expires),
    })?;
    Ok(MailNumber(c.last_insert_rowid()))
}

pub(in crate::mail) fn outbound(
    c: &Connection,
    number: MailNumber,
) -> Result<Option<OutboundRow>, StoreError> {
    let mut statement = c.prepare_cached("SELECT * FROM outbound WHERE number = ?1")?;
    let mut rows = statement.query([number.0])?;
    rows.next()?.map(OutboundRow::read).transpose()
}

/// What a request of a caller came to before.
pub(in crate::mail) fn outbound_by_request(
    c: &Connection,
    identity: i64,
    request: &str,
) -> Result<Option<OutboundRow>, StoreError> {
    let sql = "SELECT * FROM outbound WHERE identity = ?1 AND request = ?2";
    let mut statement = c.prepare_cached(sql)?;
    let mut rows = statement.query(params![identity, request])?;
    rows.next()?.map(OutboundRow::read).transpose()
}

/// What a receipt is for.
pub(in crate::mail) fn outbound_by_letter(
    c: &Connection,
    identity: i64,
    peer: &IdentityKey,
    letter: (Stream, u64),
) -> Result<Option<OutboundRow>, StoreError> {
    let (stream, number) = letter;
    let mut statement = c.prepare_cached(
        "SELECT * FROM outbound WHERE identity = ?1 AND peer = ?2 AND stream = ?3 AND letter = ?4",
    )?;
    let mut rows = statement.query(params![identity, peer.as_bytes(), stream.0, signed(number)])?;
    rows.next()?.map(OutboundRow::read).transpose()
}

/// What has not been taken, oldest first.
pub(in crate::mail) fn unsent(
    c: &Connection,
    identity: i64,
) -> Result<Vec<OutboundRow>, StoreError> {
    let sql = "SELECT * FROM outbound WHERE identity = ?1 AND is_open ORDER BY number";
    let mut statement = c.prepare_cached(sql)?;
    read_all(statement.query([identity])?, OutboundRow::read)
}

/// Messages that were sent, newest first.
pub(in crate::mail) fn sent(
    c: &Connection,
    identity: i64,
    id: Option<&str>,
) -> Result<Vec<OutboundRow>, StoreError> {
    let mut statement = c.prepare_cached(
        "SELECT * FROM outbound WHERE identity = ?1 AND kind = 'mail' AND (?2 IS NULL OR message_id = ?2)
         ORDER BY number DESC LIMIT ?3",
    )?;
    read_all(
        statement.query(params![identity, id, i64::try_from(PAGE).unwrap_or(i64::MAX)])?,
        OutboundRow::read,
    )
}

/// What was sealed for a message: from now on exactly these bytes are sent.
pub(in crate::mail) fn save_sealed(
    c: &Connection,
    number: MailNumber,
    sealed: &[u8],
    letter: (Stream, u64),
) -> Result<(), StoreError> {
    let (stream, letter) = letter;
    c.prepare_cached(
        "UPDATE outbound SET sealed = ?2, stream = ?3, letter = ?4 WHERE number = ?1",
    )?
    .execute(params![number.0, sealed, stream.0, signed(letter)])?;
    Ok(())
}

pub(in crate::mail) fn set_outbound(
    c: &Connection,
    number: MailNumber,
    state: JobState,
) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE outbound SET state = ?2, is_open = ?3 WHERE number = ?1")?
        .execute(params![number.0, json(&state), state == JobState::Queued])?;
    Ok(())
}
