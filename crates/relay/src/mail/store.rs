//! Everything of mail that outlives the relay: one SQLite file of the instance, owned by one thread.
//!
//! SQL stands here and nowhere else. Each function is a part of the transaction that the owner opened;
//! what belongs together (a ratchet, the letter that it opened, the place in the order) is written in one.
//! A commit is on the disk when it returns.

use std::{path::Path, time::Duration};

use quarterdeck_core::mail::{
    MailNumber,
    outbox::JobState,
    routing::{DeadLetter, Inbound},
};
use quarterdeck_crypto::DeliveryKey;
use quarterdeck_protocol::{
    ids::{Label, SessionId},
    mail::{Marking, Role},
};
use quarterdeck_seal::{
    IdentityKey, SignedKey, contact::Contact, letter::Stream, sequence::Sequence,
};
use rusqlite::{Connection, OptionalExtension as _, Row, named_params, params};
use rusqlite_migration::{M, Migrations};
use serde::{Serialize, de::DeserializeOwned};

mod row;

pub(super) use row::{InboundRow, OutboundRow, StoredIdentity, StoredPeer};

/// Messages in one page of a listing.
const PAGE: usize = 200;
/// How long a second opener would wait; there is none, the instance lock is held.
const BUSY: Duration = Duration::from_secs(5);

/// Versions of the file. Only ever added to.
const SCHEMA: [&str; 2] = [
    "
CREATE TABLE identity (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    account BLOB NOT NULL,
    generation INTEGER NOT NULL,
    is_default INTEGER NOT NULL
) STRICT;
CREATE TABLE assignment (
    project TEXT PRIMARY KEY,
    identity INTEGER NOT NULL REFERENCES identity(id)
) STRICT;
CREATE TABLE peer (
    identity INTEGER NOT NULL REFERENCES identity(id),
    key BLOB NOT NULL,
    name TEXT NOT NULL,
    contact TEXT NOT NULL,
    inbound TEXT NOT NULL,
    ratchets BLOB NOT NULL,
    stream BLOB NOT NULL,
    written INTEGER NOT NULL,
    sequence TEXT NOT NULL,
    PRIMARY KEY (identity, key)
) STRICT;
CREATE TABLE inbound (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    identity INTEGER NOT NULL REFERENCES identity(id),
    peer BLOB NOT NULL,
    delivery_key BLOB NOT NULL,
    stream BLOB,
    letter INTEGER,
    -- ahead, waiting, done, dead, taken
    state TEXT NOT NULL,
    why TEXT,
    peer_id TEXT NOT NULL,
    from_label TEXT,
    to_label TEXT,
    in_reply_to TEXT,
    role TEXT NOT NULL,
    auto INTEGER NOT NULL,
    text TEXT NOT NULL,
    at INTEGER NOT NULL,
    is_read INTEGER NOT NULL DEFAULT 0,
    -- the job of a message between sessions of one identity
    job INTEGER,
    UNIQUE (identity, delivery_key)
) STRICT;
CREATE INDEX inbound_state ON inbound (identity, state);
CREATE TABLE delivery (
    number INTEGER NOT NULL REFERENCES inbound(number),
    session BLOB NOT NULL,
    -- trying, delivered
    state TEXT NOT NULL,
    PRIMARY KEY (number, session)
) STRICT;
CREATE TABLE outbound (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    identity INTEGER NOT NULL REFERENCES identity(id),
    peer BLOB NOT NULL,
    -- mail, receipts, handshake
    kind TEXT NOT NULL,
    request TEXT,
    message_id TEXT NOT NULL,
    from_label TEXT NOT NULL,
    to_label TEXT,
    body TEXT NOT NULL,
    sealed BLOB,
    stream BLOB,
    letter INTEGER,
    state TEXT NOT NULL,
    is_open INTEGER NOT NULL,
    at INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    UNIQUE (identity, request)
) STRICT;
CREATE INDEX outbound_open ON outbound (identity, is_open);
CREATE INDEX outbound_letter ON outbound (identity, peer, stream, letter);
",
    "
ALTER TABLE identity ADD COLUMN home TEXT NOT NULL DEFAULT '';
ALTER TABLE identity ADD COLUMN fallback TEXT;
ALTER TABLE identity ADD COLUMN autorespond INTEGER NOT NULL DEFAULT 0;
ALTER TABLE peer ADD COLUMN note TEXT;
-- hubs that had a link once: there may be a way by them again
CREATE TABLE hub (id TEXT PRIMARY KEY) STRICT;
",
];

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
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        let steps: Vec<M<'_>> = SCHEMA.iter().map(|sql| M::up(sql)).collect();
        Migrations::new(steps).to_latest(&mut connection)?;
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

    /// To look things up.
    pub(super) const fn read(&self) -> &Connection {
        &self.connection
    }
}

/// Adds an identity; the first one is the default.
pub(super) fn add_identity(c: &Connection, name: &str, account: &[u8]) -> Result<i64, StoreError> {
    c.prepare_cached(
        "INSERT INTO identity (name, account, generation, is_default)
         VALUES (?1, ?2, 1, NOT EXISTS (SELECT 1 FROM identity))",
    )?
    .execute(params![name, account])?;
    Ok(c.last_insert_rowid())
}

pub(super) fn save_account(c: &Connection, id: i64, account: &[u8]) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE identity SET account = ?2 WHERE id = ?1")?
        .execute(params![id, account])?;
    Ok(())
}

/// The secrets with the key that was published of them.
pub(super) fn save_keys(
    c: &Connection,
    id: i64,
    account: &[u8],
    fallback: Option<&SignedKey>,
) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE identity SET account = ?2, fallback = ?3 WHERE id = ?1")?
        .execute(params![id, account, fallback.map(json)])?;
    Ok(())
}

/// Where an identity lives from now on.
pub(super) fn set_home(
    c: &Connection,
    id: i64,
    home: &str,
    generation: u64,
) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE identity SET home = ?2, generation = ?3 WHERE id = ?1")?
        .execute(params![id, home, signed(generation)])?;
    Ok(())
}

/// Whether messages of an identity are answered while their session does not live.
pub(super) fn set_autorespond(c: &Connection, id: i64, on: bool) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE identity SET autorespond = ?2 WHERE id = ?1")?
        .execute(params![id, on])?;
    Ok(())
}

/// A hub had a link.
pub(super) fn note_hub(c: &Connection, hub: &str) -> Result<(), StoreError> {
    c.prepare_cached("INSERT OR IGNORE INTO hub (id) VALUES (?1)")?.execute([hub])?;
    Ok(())
}

/// Whether a hub ever had a link.
pub(super) fn is_hub_known(c: &Connection, hub: &str) -> Result<bool, StoreError> {
    Ok(c.prepare_cached("SELECT 1 FROM hub WHERE id = ?1")?.exists([hub])?)
}

pub(super) fn make_default(c: &Connection, id: i64) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE identity SET is_default = (id = ?1)")?.execute([id])?;
    Ok(())
}

pub(super) fn assign(c: &Connection, project: &str, id: i64) -> Result<(), StoreError> {
    c.prepare_cached(
        "INSERT INTO assignment (project, identity) VALUES (?1, ?2)
         ON CONFLICT (project) DO UPDATE SET identity = excluded.identity",
    )?
    .execute(params![project, id])?;
    Ok(())
}

pub(super) fn assignments(c: &Connection) -> Result<Vec<(String, i64)>, StoreError> {
    let mut statement = c.prepare_cached("SELECT project, identity FROM assignment")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn identities(c: &Connection) -> Result<Vec<StoredIdentity>, StoreError> {
    let mut statement = c.prepare_cached("SELECT * FROM identity")?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(StoredIdentity::read(row)?);
    }
    Ok(found)
}

pub(super) fn peers(c: &Connection, identity: i64) -> Result<Vec<StoredPeer>, StoreError> {
    let mut statement = c.prepare_cached("SELECT * FROM peer WHERE identity = ?1")?;
    let mut rows = statement.query([identity])?;
    let mut peers = Vec::new();
    while let Some(row) = rows.next()? {
        peers.push(StoredPeer::read(row)?);
    }
    Ok(peers)
}

/// Writes all that is known of a peer.
pub(super) fn save_peer(
    c: &Connection,
    identity: i64,
    peer: &StoredPeer,
) -> Result<(), StoreError> {
    let StoredPeer { name, contact, inbound, note, ratchets, stream, written, sequence } = peer;
    c.prepare_cached(
        "INSERT OR REPLACE INTO peer
         (identity, key, name, contact, inbound, note, ratchets, stream, written, sequence)
         VALUES (:identity, :key, :name, :contact, :inbound, :note, :ratchets, :stream, :written,
          :sequence)",
    )?
    .execute(named_params! {
        ":identity": identity,
        ":key": contact.identity().as_bytes(),
        ":name": name,
        ":contact": json(contact),
        ":inbound": json(inbound),
        ":note": note,
        ":ratchets": ratchets.as_slice(),
        ":stream": stream.0,
        ":written": signed(*written),
        ":sequence": json(sequence),
    })?;
    Ok(())
}

/// Adds a message that came; `None` when it came before.
pub(super) fn add_inbound(
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

pub(super) fn inbound(
    c: &Connection,
    number: MailNumber,
) -> Result<Option<InboundRow>, StoreError> {
    let mut statement = c.prepare_cached("SELECT * FROM inbound WHERE number = ?1")?;
    let mut rows = statement.query([number.0])?;
    rows.next()?.map(InboundRow::read).transpose()
}

/// What waits, oldest first.
pub(super) fn waiting(c: &Connection, identity: i64) -> Result<Vec<InboundRow>, StoreError> {
    let sql = "SELECT * FROM inbound WHERE identity = ?1 AND state = 'waiting' ORDER BY number";
    let mut statement = c.prepare_cached(sql)?;
    let mut rows = statement.query([identity])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(InboundRow::read(row)?);
    }
    Ok(found)
}

/// A page of what came, oldest first, with one more than the page when there is more.
pub(super) fn inbox(
    c: &Connection,
    identity: i64,
    all: bool,
) -> Result<Vec<InboundRow>, StoreError> {
    let mut statement = c.prepare_cached(
        "SELECT * FROM inbound WHERE identity = ?1 AND (?2 OR NOT is_read) AND state <> 'ahead'
         ORDER BY number LIMIT ?3",
    )?;
    let limit = i64::try_from(PAGE + 1).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![identity, all, limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(InboundRow::read(row)?);
    }
    Ok(found)
}

/// How many a page has.
pub(super) const fn page() -> usize {
    PAGE
}

pub(super) fn set_inbound(
    c: &Connection,
    number: MailNumber,
    state: &str,
    why: Option<DeadLetter>,
) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE inbound SET state = ?2, why = ?3 WHERE number = ?1")?
        .execute(params![number.0, state, why.map(|why| word(&why))])?;
    Ok(())
}

pub(super) fn mark_read(c: &Connection, number: MailNumber) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE inbound SET is_read = 1 WHERE number = ?1")?.execute([number.0])?;
    Ok(())
}

/// What came of a peer under an id that it chose.
pub(super) fn inbound_by_peer_id(
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
pub(super) fn release(
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

pub(super) fn set_delivery(
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
pub(super) fn drop_delivery(
    c: &Connection,
    number: MailNumber,
    session: SessionId,
) -> Result<(), StoreError> {
    c.prepare_cached("DELETE FROM delivery WHERE number = ?1 AND session = ?2")?
        .execute(params![number.0, session.as_bytes()])?;
    Ok(())
}

/// Sessions that have a message, or may have it (`trying`), as far as the store knows.
pub(super) fn deliveries(
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

/// Adds something to send.
pub(super) fn add_outbound(c: &Connection, row: &OutboundRow) -> Result<MailNumber, StoreError> {
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

pub(super) fn outbound(
    c: &Connection,
    number: MailNumber,
) -> Result<Option<OutboundRow>, StoreError> {
    let mut statement = c.prepare_cached("SELECT * FROM outbound WHERE number = ?1")?;
    let mut rows = statement.query([number.0])?;
    rows.next()?.map(OutboundRow::read).transpose()
}

/// What a request of a caller came to before.
pub(super) fn outbound_by_request(
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
pub(super) fn outbound_by_letter(
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
pub(super) fn unsent(c: &Connection, identity: i64) -> Result<Vec<OutboundRow>, StoreError> {
    let sql = "SELECT * FROM outbound WHERE identity = ?1 AND is_open ORDER BY number";
    let mut statement = c.prepare_cached(sql)?;
    let mut rows = statement.query([identity])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(OutboundRow::read(row)?);
    }
    Ok(found)
}

/// Messages that were sent, newest first.
pub(super) fn sent(
    c: &Connection,
    identity: i64,
    id: Option<&str>,
) -> Result<Vec<OutboundRow>, StoreError> {
    let mut statement = c.prepare_cached(
        "SELECT * FROM outbound WHERE identity = ?1 AND kind = 'mail' AND (?2 IS NULL OR message_id = ?2)
         ORDER BY number DESC LIMIT ?3",
    )?;
    let mut rows =
        statement.query(params![identity, id, i64::try_from(PAGE).unwrap_or(i64::MAX)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(OutboundRow::read(row)?);
    }
    Ok(found)
}

/// What was sealed for a message: from now on exactly these bytes are sent.
pub(super) fn save_sealed(
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

pub(super) fn set_outbound(
    c: &Connection,
    number: MailNumber,
    state: JobState,
) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE outbound SET state = ?2, is_open = ?3 WHERE number = ?1")?
        .execute(params![number.0, json(&state), state == JobState::Queued])?;
    Ok(())
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
