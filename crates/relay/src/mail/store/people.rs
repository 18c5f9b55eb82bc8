//! Identities of this relay, and the peers that they know.

use std::collections::BTreeMap;

use quarterdeck_core::mail::routing::Policy;
use quarterdeck_protocol::ids::SessionId;
use quarterdeck_seal::SignedKey;
use rusqlite::{Connection, named_params, params};

use super::{StoreError, StoredIdentity, StoredPeer, json, row::read_all, signed};

/// Adds an identity; the first one is the default.
pub(in crate::mail) fn add_identity(
    c: &Connection,
    name: &str,
    account: &[u8],
) -> Result<i64, StoreError> {
    c.prepare_cached(
        "INSERT INTO identity (name, account, generation, is_default)
         VALUES (?1, seal_account(?2), 1, NOT EXISTS (SELECT 1 FROM identity))",
    )?
    .execute(params![name, account])?;
    Ok(c.last_insert_rowid())
}

pub(in crate::mail) fn save_account(
    c: &Connection,
    id: i64,
    account: &[u8],
) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE identity SET account = seal_account(?2) WHERE id = ?1")?
        .execute(params![id, account])?;
    Ok(())
}

/// The secrets with the key that was published of them.
pub(in crate::mail) fn save_keys(
    c: &Connection,
    id: i64,
    account: &[u8],
    fallback: Option<&SignedKey>,
) -> Result<(), StoreError> {
    c.prepare_cached(
        "UPDATE identity SET account = seal_account(?2), fallback = ?3 WHERE id = ?1",
    )?
    .execute(params![id, account, fallback.map(json)])?;
    Ok(())
}

/// Where an identity lives from now on.
pub(in crate::mail) fn set_home(
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
pub(in crate::mail) fn set_autorespond(
    c: &Connection,
    id: i64,
    on: bool,
) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE identity SET autorespond = ?2 WHERE id = ?1")?
        .execute(params![id, on])?;
    Ok(())
}

/// What an identity does with its mail.
pub(in crate::mail) fn set_policy(
    c: &Connection,
    id: i64,
    policy: &Policy,
) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE identity SET policy = ?2 WHERE id = ?1")?
        .execute(params![id, json(policy)])?;
    Ok(())
}

/// A hub had a link.
pub(in crate::mail) fn note_hub(c: &Connection, hub: &str) -> Result<(), StoreError> {
    c.prepare_cached("INSERT OR IGNORE INTO hub (id) VALUES (?1)")?.execute([hub])?;
    Ok(())
}

/// Whether a hub ever had a link.
pub(in crate::mail) fn is_hub_known(c: &Connection, hub: &str) -> Result<bool, StoreError> {
    Ok(c.prepare_cached("SELECT 1 FROM hub WHERE id = ?1")?.exists([hub])?)
}

pub(in crate::mail) fn make_default(c: &Connection, id: i64) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE identity SET is_default = (id = ?1)")?.execute([id])?;
    Ok(())
}

/// Gives a project an identity, or takes it back.
pub(in crate::mail) fn assign(
    c: &Connection,
    project: &str,
    id: Option<i64>,
) -> Result<(), StoreError> {
    match id {
        Some(id) => c
            .prepare_cached(
                "INSERT OR REPLACE INTO assignment (project, identity) VALUES (?1, ?2)",
            )?
            .execute(params![project, id])?,
        None => {
            c.prepare_cached("DELETE FROM assignment WHERE project = ?1")?.execute([project])?
        }
    };
    Ok(())
}

/// Gives a session an identity, or takes it back.
pub(in crate::mail) fn assign_session(
    c: &Connection,
    session: SessionId,
    id: Option<i64>,
) -> Result<(), StoreError> {
    let session = session.to_string();
    match id {
        Some(id) => c
            .prepare_cached(
                "INSERT OR REPLACE INTO of_session (session, identity) VALUES (?1, ?2)",
            )?
            .execute(params![session, id])?,
        None => {
            c.prepare_cached("DELETE FROM of_session WHERE session = ?1")?.execute([session])?
        }
    };
    Ok(())
}

pub(in crate::mail) fn assigned_sessions(
    c: &Connection,
) -> Result<BTreeMap<SessionId, i64>, StoreError> {
    let mut statement = c.prepare_cached("SELECT session, identity FROM of_session")?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
    rows.map(|row| {
        let (session, id) = row?;
        let damaged = |_| StoreError::Damaged("a session's id");
        Ok((session.parse().map_err(damaged)?, id))
    })
    .collect()
}

pub(in crate::mail) fn assignments(c: &Connection) -> Result<Vec<(String, i64)>, StoreError> {
    let mut statement = c.prepare_cached("SELECT project, identity FROM assignment")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(in crate::mail) fn identities(c: &Connection) -> Result<Vec<StoredIdentity>, StoreError> {
    let mut statement =
        c.prepare_cached("SELECT *, open_account(account) AS secrets FROM identity")?;
    read_all(statement.query([])?, StoredIdentity::read)
}

pub(in crate::mail) fn peers(c: &Connection, identity: i64) -> Result<Vec<StoredPeer>, StoreError> {
    let mut statement = c.prepare_cached(
        "SELECT *, open_ratchets(ratchets) AS secrets FROM peer WHERE identity = ?1",
    )?;
    read_all(statement.query([identity])?, StoredPeer::read)
}

/// Writes all that is known of a peer.
pub(in crate::mail) fn save_peer(
    c: &Connection,
    identity: i64,
    peer: &StoredPeer,
) -> Result<(), StoreError> {
    let StoredPeer { name, contact, inbound, note, ratchets, stream, written, sequence } = peer;
    c.prepare_cached(
        "INSERT OR REPLACE INTO peer
         (identity, key, name, contact, inbound, note, ratchets, stream, written, sequence)
         VALUES (:identity, :key, :name, :contact, :inbound, :note, seal_ratchets(:ratchets), :stream, :written,
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
