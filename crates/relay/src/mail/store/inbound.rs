//! What came, and which sessions have it.

use quarterdeck_core::mail::MailNumber;
use quarterdeck_core::mail::routing::DeadLetter;
use quarterdeck_protocol::ids::SessionId;
use quarterdeck_protocol::mail::Marking;
use quarterdeck_seal::IdentityKey;
use quarterdeck_seal::letter::Stream;
use rusqlite::{Connection, OptionalExtension as _, named_params, params};

use super::{InboundRow, PAGE, StoreError, json, millis, row::read_all, signed, word};

/// Adds a message that came; `None` when it came before.
pub(in crate::mail) fn add_inbound(
    c: &Connection,
    row: &InboundRow,
) -> Result<Option<MailNumber>, StoreError> {
    let added = c
        .prepare_cached(
            "INSERT OR IGNORE INTO inbound
             (identity, peer, delivery_key, stream, letter, state, why, peer_id, from_label, to_label,
              in_reply_to, role, auto, text, at, is_read, job)
             VALUES (:identity, :peer, :delivery_key, :stream, :letter, :state, :why, :peer_id,
              :from_label, :to_label, :in_reply_to, :role, :auto, :text, :at, :is_read, :job)",
        )?
        .execute(named_params! {
            ":identity": row.identity,
            ":peer": row.peer.as_bytes(),
            ":delivery_key": row.delivery_key.as_bytes(),
            ":stream": row.letter.map(|(stream, _)| stream.0),
            ":letter": row.letter.map(|(_, number)| signed(number)),
            ":state": row.state,
            ":why": row.why,
            ":peer_id": row.peer_id,
            ":from_label": row.from,
            ":to_label": row.to,
            ":in_reply_to": row.in_reply_to,
            ":role": json(&row.role),
            ":auto": row.marking == Marking::Automatic,
            ":text": row.text,
            ":at": millis(row.at),
            ":is_read": row.is_read,
            ":job": row.job.map(|job| job.0),
        })?;
    Ok((added > 0).then(|| MailNumber(c.last_insert_rowid())))
}

pub(in crate::mail) fn inbound(
    c: &Connection,
    number: MailNumber,
) -> Result<Option<InboundRow>, StoreError> {
    let mut statement = c.prepare_cached("SELECT * FROM inbound WHERE number = ?1")?;
    let mut rows = statement.query([number.0])?;
    rows.next()?.map(InboundRow::read).transpose()
}

/// What waits, oldest first.
pub(in crate::mail) fn waiting(
    c: &Connection,
    identity: i64,
) -> Result<Vec<InboundRow>, StoreError> {
    let sql = "SELECT * FROM inbound WHERE identity = ?1 AND state = 'waiting' ORDER BY number";
    let mut statement = c.prepare_cached(sql)?;
    read_all(statement.query([identity])?, InboundRow::read)
}

/// A page of what came, oldest first, with one more than the page when there is more.
pub(in crate::mail) fn inbox(
    c: &Connection,
    identity: i64,
    all: bool,
) -> Result<Vec<InboundRow>, StoreError> {
    let mut statement = c.prepare_cached(
        "SELECT * FROM inbound WHERE identity = ?1 AND (?2 OR NOT is_read) AND state <> 'ahead'
         ORDER BY number LIMIT ?3",
    )?;
    let limit = i64::try_from(PAGE + 1).unwrap_or(i64::MAX);
    read_all(statement.query(params![identity, all, limit])?, InboundRow::read)
}

/// How many a page has.
pub(in crate::mail) const fn page() -> usize {
    PAGE
}

pub(in crate::mail) fn set_inbound(
    c: &Connection,
    number: MailNumber,
    state: &str,
    why: Option<DeadLetter>,
) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE inbound SET state = ?2, why = ?3 WHERE number = ?1")?
        .execute(params![number.0, state, why.map(|why| word(&why))])?;
    Ok(())
}

pub(in crate::mail) fn mark_read(c: &Connection, number: MailNumber) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE inbound SET is_read = 1 WHERE number = ?1")?.execute([number.0])?;
    Ok(())
}

/// A person let a message through.
pub(in crate::mail) fn let_through(c: &Connection, number: MailNumber) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE inbound SET is_let_through = 1 WHERE number = ?1")?
        .execute([number.0])?;
    Ok(())
}

/// What came of a peer under an id that it chose.
pub(in crate::mail) fn inbound_by_peer_id(
    c: &Connection,
    identity: i64,
    peer: &IdentityKey,
    id: &str,
) -> Result<Option<InboundRow>, StoreError> {
    let mut statement = c.prepare_cached(
        "SELECT * FROM inbound WHERE identity = ?1 AND peer = ?2 AND peer_id = ?3",
    )?;
    let mut rows = statement.query(params![identity, peer.as_bytes(), id])?;
    rows.next()?.map(InboundRow::read).transpose()
}

/// Kept letters whose turn has come. They get the next numbers: sessions take mail in their order.
pub(in crate::mail) fn release(
    c: &Connection,
    identity: i64,
    peer: &IdentityKey,
    letter: (Stream, u64),
) -> Result<Option<InboundRow>, StoreError> {
    let (stream, number) = letter;
    let found: Option<i64> = c
        .prepare_cached(
            "UPDATE inbound SET state = 'waiting', number = 1 + max(
              (SELECT max(number) FROM inbound),
              (SELECT seq FROM sqlite_sequence WHERE name = 'inbound'))
             WHERE identity = ?1 AND peer = ?2
             AND stream = ?3 AND letter = ?4 AND state = 'ahead' RETURNING number",
        )?
        .query_row(params![identity, peer.as_bytes(), stream.0, signed(number)], |row| row.get(0))
        .optional()?;
    found.map_or(Ok(None), |number| inbound(c, MailNumber(number)))
}

pub(in crate::mail) fn set_delivery(
    c: &Connection,
    number: MailNumber,
    session: SessionId,
    state: &str,
) -> Result<(), StoreError> {
    c.prepare_cached(
        "INSERT OR REPLACE INTO delivery (number, session, state) VALUES (?1, ?2, ?3)",
    )?
    .execute(params![number.0, session.as_bytes(), state])?;
    Ok(())
}

/// The session did not get it after all.
pub(in crate::mail) fn drop_delivery(
    c: &Connection,
    number: MailNumber,
    session: SessionId,
) -> Result<(), StoreError> {
    c.prepare_cached("DELETE FROM delivery WHERE number = ?1 AND session = ?2")?
        .execute(params![number.0, session.as_bytes()])?;
    Ok(())
}

/// Sessions that have a message, or may have it (`trying`), as far as the store knows.
pub(in crate::mail) fn deliveries(
    c: &Connection,
    number: MailNumber,
    state: &str,
) -> Result<Vec<SessionId>, StoreError> {
    let sql = "SELECT session FROM delivery WHERE number = ?1 AND state = ?2";
    let mut statement = c.prepare_cached(sql)?;
    let rows = statement.query_map(params![number.0, state], |row| row.get::<_, [u8; 10]>(0))?;
    let sessions = rows.map(|bytes| bytes.map(SessionId::from_bytes));
    Ok(sessions.collect::<Result<_, _>>()?)
}
