//! What a program was let answer.

use std::time::Duration;

use quarterdeck_core::mail::MailNumber;
use quarterdeck_seal::IdentityKey;
use rusqlite::{Connection, params};

use super::{StoreError, millis, time};

/// A message that was let be answered.
pub(in crate::mail) struct StoredAnswer {
    pub(in crate::mail) number: MailNumber,
    pub(in crate::mail) peer: [u8; 32],
    pub(in crate::mail) at: Duration,
    /// A session or a person wrote to the peer since.
    pub(in crate::mail) is_looked_at: bool,
}

/// A program begins to answer a message: until it has, no session gets it.
pub(in crate::mail) fn begin_answer(
    c: &Connection,
    number: MailNumber,
    identity: i64,
    peer: &IdentityKey,
    at: Duration,
) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE inbound SET state = 'answering' WHERE number = ?1")?
        .execute([number.0])?;
    c.prepare_cached(
        "INSERT OR IGNORE INTO answer (number, identity, peer, at) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute(params![number.0, identity, peer.as_bytes(), millis(at)])?;
    Ok(())
}

/// Messages whose answer was not sent are their sessions' again.
pub(in crate::mail) fn give_back_unanswered(c: &Connection) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE inbound SET state = 'waiting' WHERE state = 'answering'")?
        .execute([])?;
    Ok(())
}

/// A session or a person wrote to a peer.
pub(in crate::mail) fn note_looked_at(
    c: &Connection,
    identity: i64,
    peer: &IdentityKey,
) -> Result<(), StoreError> {
    c.prepare_cached(
        "UPDATE answer SET is_looked_at = 1
         WHERE identity = ?1 AND peer = ?2 AND NOT is_looked_at",
    )?
    .execute(params![identity, peer.as_bytes()])?;
    Ok(())
}

/// What was answered since then, oldest first.
pub(in crate::mail) fn answers(
    c: &Connection,
    identity: i64,
    since: Duration,
) -> Result<Vec<StoredAnswer>, StoreError> {
    let mut statement = c.prepare_cached(
        "SELECT number, peer, at, is_looked_at FROM answer WHERE identity = ?1 AND at > ?2
         ORDER BY at, number",
    )?;
    let rows = statement.query_map(params![identity, millis(since)], |row| {
        Ok(StoredAnswer {
            number: MailNumber(row.get(0)?),
            peer: row.get(1)?,
            at: time(row.get(2)?),
            is_looked_at: row.get(3)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
