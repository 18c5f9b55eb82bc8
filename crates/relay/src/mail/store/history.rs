//! Mail of both directions, newest first.

use std::time::Duration;

use quarterdeck_core::mail::MailNumber;
use quarterdeck_protocol::ids::{Label, SessionId};
use quarterdeck_seal::IdentityKey;
use rusqlite::{Connection, Row, named_params};

use super::{InboundRow, OutboundRow, StoreError, millis, row::read_all};

/// Which table a message is in. Of two messages of one time the one that was sent is the newer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::mail) enum Side {
    /// What came, and what sessions of one identity wrote to each other.
    Came,
    /// What left.
    Sent,
}

/// A message's place among all; greater is newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::mail) struct Place {
    pub(in crate::mail) at: Duration,
    pub(in crate::mail) side: Side,
    pub(in crate::mail) number: MailNumber,
}

/// Which mail is looked for.
#[derive(Debug, Clone)]
pub(in crate::mail) struct Wanted {
    /// Whose.
    pub(in crate::mail) identity: i64,
    /// Its key: what it wrote to itself is in both tables, and is found among what came.
    pub(in crate::mail) own: IdentityKey,
    /// Only with this one.
    pub(in crate::mail) peer: Option<IdentityKey>,
    /// Only of this session.
    pub(in crate::mail) session: Option<(SessionId, Label)>,
    /// Only what is older.
    pub(in crate::mail) before: Option<Place>,
    /// At most so many.
    pub(in crate::mail) limit: usize,
}

/// Of what came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mail) enum Came {
    /// All of it.
    Everything,
    /// What waits.
    Waiting,
}

/// What came, newest first.
pub(in crate::mail) fn came(
    c: &Connection,
    wanted: &Wanted,
    which: Came,
) -> Result<Vec<InboundRow>, StoreError> {
    let (table, state) = match which {
        Came::Everything => ("inbound", "state <> 'ahead'"),
        // little waits among much that does not: it is sorted, and the rest not looked at
        Came::Waiting => ("inbound INDEXED BY inbound_state", "state IN ('waiting', 'answering')"),
    };
    let of_session = "(to_label = :label OR (job IS NOT NULL AND from_label = :label)
         OR (to_label IS NULL AND EXISTS (SELECT 1 FROM delivery
             WHERE delivery.number = inbound.number AND session = :session AND delivery.state = 'delivered')))";
    let sql = format!(
        "SELECT * FROM {table} WHERE identity = :identity AND {state} AND :own = :own AND {}",
        wanted.clauses(of_session)
    );
    wanted.find(c, &sql, Side::Came, InboundRow::read)
}

/// What was sent to others, newest first.
pub(in crate::mail) fn wrote(
    c: &Connection,
    wanted: &Wanted,
) -> Result<Vec<OutboundRow>, StoreError> {
    let sql = format!(
        "SELECT * FROM outbound WHERE identity = :identity AND kind = 'mail' AND peer <> :own AND {}",
        wanted.clauses("(from_label = :label AND :session = :session)")
    );
    wanted.find(c, &sql, Side::Sent, OutboundRow::read)
}

/// How many messages for people nobody has read, or that died and nobody has looked at; who does not want
/// somebody's mail is not told of it.
pub(in crate::mail) fn unread(c: &Connection, identity: i64) -> Result<u32, StoreError> {
    // word for word the condition of the index
    let sql = "SELECT count(*) FROM inbound WHERE identity = ?1
         AND NOT is_read AND (to_label = 'person' OR (state = 'dead' AND why NOT IN ('refused', 'discarded')))
         AND state <> 'ahead'";
    Ok(c.prepare_cached(sql)?.query_row([identity], |row| row.get(0))?)
}

impl Wanted {
    /// The conditions; each names every parameter once, whether it needs it or not.
    fn clauses(&self, of_session: &str) -> String {
        let peer = if self.peer.is_some() { "peer = :peer" } else { ":peer IS NULL" };
        let session =
            if self.session.is_some() { of_session } else { ":label IS NULL AND :session IS NULL" };
        format!(
            "{peer} AND {session} AND at <= :at AND (at, :this_side, number) < (:at, :side, :number)
             ORDER BY at DESC, number DESC LIMIT :limit"
        )
    }

    fn find<T>(
        &self,
        c: &Connection,
        sql: &str,
        side: Side,
        read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let newest = Place { at: Duration::MAX, side: Side::Sent, number: MailNumber(i64::MAX) };
        let before = self.before.unwrap_or(newest);
        let mut statement = c.prepare_cached(sql)?;
        read_all(
            statement.query(named_params! {
                ":identity": self.identity,
                ":own": self.own.as_bytes(),
                ":peer": self.peer.as_ref().map(IdentityKey::as_bytes),
                ":session": self.session.as_ref().map(|(session, _)| session.as_bytes()),
                ":label": self.session.as_ref().map(|(_, label)| label.as_str()),
                ":this_side": side as i64,
                ":at": millis(before.at),
                ":side": before.side as i64,
                ":number": before.number.0,
                ":limit": i64::try_from(self.limit).unwrap_or(i64::MAX),
            })?,
            read,
        )
    }
}
