//! Everything of mail that outlives the relay: one SQLite file of the instance, owned by one thread.
//!
//! SQL stands here and nowhere else. Each function is a part of the transaction that the owner opened;
//! what belongs together (a ratchet, the letter that it opened, the place in the order) is written in one.
//! A commit is on the disk when it returns.

use std::{path::Path, time::Duration};

use quarterdeck_crypto::StorageKey;

use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};
use serde::{Serialize, de::DeserializeOwned};

mod answers;
mod history;
mod inbound;
mod outbound;
mod outside;
mod people;
mod row;
mod schema;
mod sealing;

pub(super) use answers::{answers, begin_answer, give_back_unanswered, note_looked_at};
pub(super) use history::{Came, Place, Side, Wanted, came, unread, wrote};
pub(super) use inbound::{
    add_inbound, deliveries, drop_delivery, inbound, inbound_by_peer_id, inbox, let_through,
    mark_read, page, release, set_delivery, set_inbound, waiting,
};
pub(super) use outbound::{
    add_outbound, outbound, outbound_by_letter, outbound_by_request, save_sealed, sent,
    set_outbound, unsent,
};
pub(super) use outside::{add_outside, inbox_of, next_to_show, outside, remove_outside};
pub(super) use people::{
    add_identity, assign, assign_session, assigned_sessions, assignments, identities, is_hub_known,
    make_default, note_hub, peers, save_account, save_keys, save_peer, set_autorespond, set_home,
    set_policy,
};
pub(super) use row::{InboundRow, OutboundRow, StoredIdentity, StoredPeer};

/// Messages in one page of a listing.
const PAGE: usize = 200;
/// The credential of a service manager that has the key for secrets on the disk.
pub(crate) const CREDENTIAL: &str = "quarterdeck.mail-key";
/// How long a second opener would wait; there is none, the instance lock is held.
const BUSY: Duration = Duration::from_secs(5);

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The database.
    #[error("the mail store failed")]
    Sql(#[from] rusqlite::Error),
    /// Its version.
    #[error("the mail store cannot be brought to this version")]
    Migration(#[from] rusqlite_migration::Error),
    /// A part of a turn failed.
    #[error("a part of what belongs together was not stored")]
    Broken,
    /// It is sealed, and there is no key.
    #[error(
        "the keys of the mail store are sealed, and the credential {CREDENTIAL} is not there: start the \
         relay by the service that has it"
    )]
    NoKey,
    /// It is sealed with another key.
    #[error(
        "the keys of the mail store are sealed with another key than the credential {CREDENTIAL}"
    )]
    WrongKey,
    /// What it holds.
    #[error("the mail store holds something unreadable: {0}")]
    Damaged(&'static str),
}

/// The open file.
#[derive(Debug)]
pub(super) struct Store {
    connection: Connection,
    /// Whether a turn is open: what is done then is stored with it.
    in_turn: bool,
    /// Something of the turn was not done, so it is not stored.
    is_broken: bool,
}

impl Store {
    /// Opens the file, or makes it.
    pub(super) fn open(path: &Path, key: Option<StorageKey>) -> Result<Self, StoreError> {
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        let steps: Vec<M<'_>> = schema::SCHEMA.iter().map(|sql| M::up(sql)).collect();
        Migrations::new(steps).to_latest(&mut connection)?;
        sealing::begin(&mut connection, key)?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(Self { connection, in_turn: false, is_broken: false })
    }

    /// Begins a turn: what follows is stored as one by [`Store::commit`].
    pub(super) fn begin(&mut self) -> Result<(), StoreError> {
        self.connection.execute_batch("BEGIN")?;
        (self.in_turn, self.is_broken) = (true, false);
        Ok(())
    }

    /// Stores the turn. It is on the disk when this returns.
    pub(super) fn commit(&mut self) -> Result<(), StoreError> {
        if self.is_broken {
            return Err(StoreError::Broken);
        }
        self.connection.execute_batch("COMMIT")?;
        self.in_turn = false;
        Ok(())
    }

    /// As if the turn had not been.
    pub(super) fn roll_back(&mut self) {
        if self.in_turn && !self.connection.is_autocommit() {
            let rolled_back = self.connection.execute_batch("ROLLBACK");
            if let Err(error) = rolled_back {
                tracing::error!(%error, "the mail store does not roll back");
            }
        }
        self.in_turn = false;
    }

    /// Does something whole or not at all: by itself, or as a part of the turn, which is not stored when
    /// this fails.
    pub(super) fn atomically<T>(
        &mut self,
        change: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if self.in_turn {
            let done = change(&self.connection);
            self.is_broken |= done.is_err();
            return done;
        }
        let transaction = self.connection.transaction()?;
        let done = change(&transaction)?;
        transaction.commit()?;
        Ok(done)
    }

    /// How many rows were changed since it was opened.
    pub(super) fn changes(&self) -> u64 {
        self.connection.total_changes()
    }

    /// To look things up.
    pub(super) const fn read(&self) -> &Connection {
        &self.connection
    }
}

/// Forgets what is over and older than this.
pub(super) fn prune(c: &Connection, before: Duration) -> Result<(), StoreError> {
    let before = millis(before);
    let over = "state IN ('done', 'dead', 'taken') AND at < ?1";
    c.execute(
        &format!("DELETE FROM delivery WHERE number IN (SELECT number FROM inbound WHERE {over})"),
        [before],
    )?;
    c.execute(&format!("DELETE FROM inbound WHERE {over}"), [before])?;
    c.execute("DELETE FROM outbound WHERE NOT is_open AND at < ?1", [before])?;
    c.execute("DELETE FROM answer WHERE at < ?1", [before])?;
    Ok(())
}

/// The word of a unit variant.
fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(_) | Err(_) => String::new(),
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("states serialise")
}

fn parse<T: DeserializeOwned>(text: &str, what: &'static str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Damaged(what))
}

/// SQLite counts in signed numbers; none of ours comes near their end.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn millis(at: Duration) -> i64 {
    i64::try_from(at.as_millis()).unwrap_or(i64::MAX)
}

fn time(millis: i64) -> Duration {
    Duration::from_millis(unsigned(millis))
}
