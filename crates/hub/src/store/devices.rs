//! Browsers: rows to values and back.

use quarterdeck_crypto::DeviceKey;
use quarterdeck_protocol::ids::DeviceId;
use rusqlite::{Connection, Row, params};

use super::rows::{json, not_ours, parsed, to_json};
use crate::devices::DeviceRow;

pub(super) fn load(db: &Connection) -> rusqlite::Result<Vec<DeviceRow>> {
    let mut rows = db.prepare(
        "SELECT id, name, key, principal, scopes, created_at, last_used_at, expires_at
         FROM device ORDER BY created_at, id",
    )?;
    rows.query_map([], device)?.collect()
}

fn device(row: &Row<'_>) -> rusqlite::Result<DeviceRow> {
    let key: Vec<u8> = row.get(2)?;
    let seconds = |column: usize| -> rusqlite::Result<Option<u64>> {
        Ok(row.get::<_, Option<i64>>(column)?.and_then(|at| u64::try_from(at).ok()))
    };
    Ok(DeviceRow {
        device: parsed(row, 0)?,
        name: row.get(1)?,
        key: DeviceKey::from_point(&key).map_err(|error| not_ours(2, error))?,
        principal: parsed(row, 3)?,
        scopes: json(&row.get::<_, String>(4)?, 4)?,
        created_at: seconds(5)?.unwrap_or(0),
        last_used_at: seconds(6)?,
        expires_at: seconds(7)?,
    })
}

pub(super) fn put(db: &Connection, row: &DeviceRow) -> rusqlite::Result<()> {
    let DeviceRow { device, name, key, principal, scopes, created_at, last_used_at, expires_at } =
        row;
    db.execute(
        "INSERT INTO device (id, name, key, principal, scopes, created_at, last_used_at, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (id) DO UPDATE SET name = ?2, last_used_at = ?7",
        params![
            device.to_string(),
            name,
            key.as_point().as_slice(),
            principal.to_string(),
            to_json(scopes)?,
            signed(*created_at),
            last_used_at.map(signed),
            expires_at.map(signed),
        ],
    )?;
    Ok(())
}

pub(super) fn touch(db: &Connection, row: &DeviceRow) -> rusqlite::Result<()> {
    let sql = "UPDATE device SET last_used_at = ?2 WHERE id = ?1";
    db.execute(sql, params![row.device.to_string(), row.last_used_at.map(signed)])?;
    Ok(())
}

pub(super) fn remove(db: &Connection, device: DeviceId) -> rusqlite::Result<()> {
    db.execute("DELETE FROM device WHERE id = ?1", [device.to_string()])?;
    Ok(())
}

fn signed(at: u64) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX)
}
