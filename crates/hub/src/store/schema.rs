//! The tables, and what an error of SQLite means to a person.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use rusqlite::{Connection, ErrorCode};
use rusqlite_migration::{M, MigrationDefinitionError, Migrations};

use super::StoreError;
use crate::limits::STORE_BUSY_LIMIT;

/// In order; never changed once released, only added to.
const MIGRATIONS: &[M<'static>] = &[
    M::up(
        "CREATE TABLE machine (
        id TEXT PRIMARY KEY NOT NULL,
        label TEXT NOT NULL UNIQUE,
        access TEXT NOT NULL,
        relay_id TEXT UNIQUE,
        auto_connect INTEGER NOT NULL,
        relay TEXT,
        ticket TEXT,
        last_seen_at INTEGER,
        created_at INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE session (
        machine TEXT NOT NULL REFERENCES machine (id) ON DELETE CASCADE,
        id TEXT NOT NULL,
        info TEXT NOT NULL,
        PRIMARY KEY (machine, id)
    ) STRICT, WITHOUT ROWID;",
    ),
    M::up(
        "CREATE TABLE mailbox (
        identity BLOB PRIMARY KEY NOT NULL,
        card TEXT NOT NULL,
        generation INTEGER NOT NULL,
        fallback TEXT,
        next_item INTEGER NOT NULL DEFAULT 1,
        letters INTEGER NOT NULL DEFAULT 0,
        bytes INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE mailbox_key (
        identity BLOB NOT NULL REFERENCES mailbox (identity) ON DELETE CASCADE,
        key TEXT NOT NULL,
        signature TEXT NOT NULL,
        PRIMARY KEY (identity, key)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE mailbox_sender (
        identity BLOB NOT NULL REFERENCES mailbox (identity) ON DELETE CASCADE,
        sender BLOB NOT NULL,
        letters INTEGER NOT NULL,
        PRIMARY KEY (identity, sender)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE letter (
        identity BLOB NOT NULL REFERENCES mailbox (identity) ON DELETE CASCADE,
        item INTEGER NOT NULL,
        sender BLOB NOT NULL,
        sealed BLOB NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (identity, item)
    ) STRICT;",
    ),
    M::up(
        "CREATE TABLE device (
        id TEXT PRIMARY KEY NOT NULL,
        name TEXT NOT NULL,
        key BLOB NOT NULL UNIQUE,
        principal TEXT NOT NULL,
        scopes TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        last_used_at INTEGER,
        expires_at INTEGER
    ) STRICT;",
    ),
];

pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    make_private(path).map_err(|error| {
        let source = rusqlite::Error::ToSqlConversionFailure(Box::new(error));
        StoreError::ReadOnly { path: path.to_owned(), source }
    })?;
    let mut db = Connection::open(path).map_err(|source| classify(path, source))?;
    let setup = |db: &Connection| {
        db.busy_timeout(STORE_BUSY_LIMIT)?;
        let intact: String = db.pragma_query_value(None, "quick_check", |row| row.get(0))?;
        if intact != "ok" {
            let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
            return Err(rusqlite::Error::SqliteFailure(code, Some(intact)));
        }
        Ok(())
    };
    setup(&db).map_err(|source| classify(path, source))?;
    let known = Migrations::from_slice(MIGRATIONS);
    match known.current_version(&db) {
        Ok(rusqlite_migration::SchemaVersion::Outside(_)) => {
            return Err(StoreError::Newer { path: path.to_owned() });
        }
        Ok(_) => {}
        Err(error) => return Err(of_migration(path, error)),
    }
    // only now: a database that is not ours to touch was not touched
    let prepare = |db: &Connection| {
        db.pragma_update(None, "journal_mode", "wal")?;
        db.pragma_update(None, "synchronous", "full")?;
        db.pragma_update(None, "foreign_keys", true)?;
        // a file that cannot be written says so now, and not when the first machine is added
        db.execute_batch("BEGIN IMMEDIATE; COMMIT")
    };
    prepare(&db).map_err(|source| classify(path, source))?;
    known.to_latest(&mut db).map_err(|error| of_migration(path, error))?;
    Ok(db)
}

/// SQLite makes its files with the usual mode; this one may hold tokens of machines.
fn make_private(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let file: File =
        options.create(true).truncate(false).read(true).write(true).mode(0o600).open(path)?;
    let mode = file.metadata()?.permissions().mode();
    if mode & 0o077 != 0 {
        let why = "others can read it; make it private with chmod 600";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    Ok(())
}

#[expect(clippy::wildcard_enum_match_arm, reason = "foreign errors: all others mean the same")]
fn of_migration(path: &Path, error: rusqlite_migration::Error) -> StoreError {
    use rusqlite_migration::Error as E;
    let path = path.to_owned();
    match error {
        E::MigrationDefinition(MigrationDefinitionError::DatabaseTooFarAhead) => {
            StoreError::Newer { path }
        }
        E::RusqliteError { err, .. } => classify(&path, err),
        other => {
            let source = rusqlite::Error::ToSqlConversionFailure(Box::new(other));
            StoreError::Sql { path, source }
        }
    }
}

/// What a person can do about an error.
pub(super) fn classify(path: &Path, source: rusqlite::Error) -> StoreError {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            StoreError::Damaged { path, source }
        }
        Some(ErrorCode::ReadOnly | ErrorCode::DiskFull | ErrorCode::CannotOpen) => {
            StoreError::ReadOnly { path, source }
        }
        _ => StoreError::Sql { path, source },
    }
}
