//! The secrets of the store: sealed where there is a key for it, else as they are in a file of mode 0600.
//!
//! SQL says `seal_account(x)` and `open_account(x)`, so nothing else of the store knows which it is.

use std::sync::Arc;

use quarterdeck_crypto::{StorageKey, at_rest::SEALED_MAGIC};
use rusqlite::{Connection, functions::FunctionFlags};

use super::StoreError;

/// Columns with secrets: table, column, the names of the functions.
const SECRETS: [(&str, &str, &str, &str); 2] = [
    ("identity", "account", "seal_account", "open_account"),
    ("peer", "ratchets", "seal_ratchets", "open_ratchets"),
];

/// Lets this connection seal and open. Secrets that are not sealed are, where there is a key.
pub(super) fn begin(
    connection: &mut Connection,
    key: Option<StorageKey>,
) -> Result<(), StoreError> {
    let key = key.map(Arc::new);
    for (_, column, seal, open) in SECRETS {
        define(connection, key.clone(), column, seal, open)?;
    }
    match &key {
        None if count(connection, true)? > 0 => Err(StoreError::NoKey),
        None => Ok(()),
        Some(_) => {
            if !opens(connection)? {
                return Err(StoreError::WrongKey);
            }
            if count(connection, false)? > 0 { seal_all(connection) } else { Ok(()) }
        }
    }
}

fn define(
    connection: &Connection,
    key: Option<Arc<StorageKey>>,
    purpose: &'static str,
    seal: &str,
    open: &str,
) -> Result<(), StoreError> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DIRECTONLY;
    let sealer = key.clone();
    connection.create_scalar_function(seal, 1, flags, move |call| {
        let secret = call.get_raw(0).as_blob()?;
        let Some(key) = &sealer else { return Ok(secret.to_vec()) };
        let mut nonce = [0; 12];
        getrandom::fill(&mut nonce).map_err(|error| failed(&error))?;
        Ok(key.seal(nonce, purpose.as_bytes(), secret))
    })?;
    connection.create_scalar_function(open, 1, flags, move |call| {
        let stored = call.get_raw(0).as_blob()?;
        match &key {
            Some(key) if stored.starts_with(&SEALED_MAGIC) => {
                let opened =
                    key.open(purpose.as_bytes(), stored).map_err(|error| failed(&error))?;
                Ok(opened.to_vec())
            }
            Some(_) | None => Ok(stored.to_vec()),
        }
    })?;
    Ok(())
}

fn failed(error: &(impl std::error::Error + Clone + Send + Sync + 'static)) -> rusqlite::Error {
    rusqlite::Error::UserFunctionError(Box::new(error.clone()))
}

/// How many secrets are sealed, or are not.
fn count(c: &Connection, sealed: bool) -> Result<i64, StoreError> {
    let mut sum = 0;
    for (table, column, ..) in SECRETS {
        let sql = format!("SELECT count(*) FROM {table} WHERE (substr({column}, 1, 4) = ?1) = ?2");
        sum += c.query_row(&sql, (SEALED_MAGIC, sealed), |row| row.get::<_, i64>(0))?;
    }
    Ok(sum)
}

/// Whether what is sealed opens.
fn opens(c: &Connection) -> Result<bool, StoreError> {
    let opened = c.query_row("SELECT count(open_account(account)) FROM identity", [], |_| Ok(()));
    match opened {
        Ok(()) => Ok(true),
        Err(rusqlite::Error::SqliteFailure(..) | rusqlite::Error::UserFunctionError(_)) => {
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// Seals what is not, and leaves nothing of it behind in the file or its journal.
fn seal_all(connection: &mut Connection) -> Result<(), StoreError> {
    connection.pragma_update(None, "secure_delete", true)?;
    let change = connection.transaction()?;
    for (table, column, seal, _) in SECRETS {
        let sql = format!(
            "UPDATE {table} SET {column} = {seal}({column}) WHERE substr({column}, 1, 4) <> ?1"
        );
        change.execute(&sql, [SEALED_MAGIC])?;
    }
    change.commit()?;
    connection.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)")?;
    tracing::info!("the keys of the mail store are sealed from now on");
    Ok(())
}
