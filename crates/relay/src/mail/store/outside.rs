//! Agents outside, and the mail of one label.

use quarterdeck_core::mail::MailNumber;
use quarterdeck_protocol::ids::Label;
use rusqlite::{Connection, Row, params};

use super::{InboundRow, PAGE, StoreError, row::read_all};
use crate::mail::OutsideAgent;

pub(in crate::mail) fn add_outside(c: &Connection, agent: &OutsideAgent) -> Result<(), StoreError> {
    let OutsideAgent { id, label, secret, cwd } = agent;
    c.prepare_cached(
        "INSERT OR REPLACE INTO outside (id, label, secret, cwd) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute(params![id.to_string(), label.as_str(), secret.to_string(), cwd])?;
    Ok(())
}

pub(in crate::mail) fn remove_outside(
    c: &Connection,
    id: quarterdeck_protocol::ids::SessionId,
) -> Result<(), StoreError> {
    c.prepare_cached("DELETE FROM outside WHERE id = ?1")?.execute([id.to_string()])?;
    Ok(())
}

/// All that have a label.
pub(in crate::mail) fn outside(c: &Connection) -> Result<Vec<OutsideAgent>, StoreError> {
    let mut statement = c.prepare_cached("SELECT id, label, secret, cwd FROM outside")?;
    read_all(statement.query([])?, read_outside)
}

fn read_outside(row: &Row<'_>) -> Result<OutsideAgent, StoreError> {
    let damaged = || StoreError::Damaged("an agent outside");
    let text = |at: usize| row.get::<_, String>(at);
    Ok(OutsideAgent {
        id: text(0)?.parse().map_err(|_| damaged())?,
        label: text(1)?.parse().map_err(|_| damaged())?,
        secret: text(2)?.parse().map_err(|_| damaged())?,
        cwd: text(3)?,
    })
}

/// As [`super::inbox`], of what names one label or none: mail of others does not fill its page.
pub(in crate::mail) fn inbox_of(
    c: &Connection,
    identity: i64,
    label: &Label,
    all: bool,
) -> Result<Vec<InboundRow>, StoreError> {
    let mut statement = c.prepare_cached(
        "SELECT * FROM inbound
         WHERE identity = ?1 AND (?2 OR NOT is_read) AND state <> 'ahead'
          AND (to_label = ?3 OR to_label IS NULL)
         ORDER BY number LIMIT ?4",
    )?;
    let limit = i64::try_from(PAGE + 1).unwrap_or(i64::MAX);
    read_all(statement.query(params![identity, all, label.as_str(), limit])?, InboundRow::read)
}

/// Unread messages to a label after this one that were not given up, oldest first.
pub(in crate::mail) fn next_to_show(
    c: &Connection,
    identity: i64,
    label: &Label,
    after: MailNumber,
) -> Result<Vec<InboundRow>, StoreError> {
    let mut statement = c.prepare_cached(
        "SELECT * FROM inbound
         WHERE identity = ?1 AND to_label = ?2 AND NOT is_read AND number > ?3
          AND state IN ('waiting', 'done')
         ORDER BY number LIMIT ?4",
    )?;
    let limit = i64::try_from(PAGE).unwrap_or(i64::MAX);
    read_all(statement.query(params![identity, label.as_str(), after.0, limit])?, InboundRow::read)
}
