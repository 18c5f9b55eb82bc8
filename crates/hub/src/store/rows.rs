//! Rows to values and back, each in one place.

use quarterdeck_protocol::{
    ids::{MachineId, MachineLabel, RelayId, SessionId},
    method::{MachineRelay, MachineWay},
    session::SessionInfo,
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use super::Loaded;

/// A machine as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MachineRow {
    /// The machine.
    pub(crate) machine: MachineId,
    /// Its name.
    pub(crate) label: MachineLabel,
    /// How it is reached.
    pub(crate) access: Access,
    /// Its relay, once known; no other may take its place.
    pub(crate) relay_id: Option<RelayId>,
    /// Whether it is linked without being asked for.
    pub(crate) auto_connect: bool,
    /// What its relay said at the last link.
    pub(crate) relay: Option<MachineRelay>,
    /// With which the hub comes back as the same client.
    pub(crate) ticket: Option<String>,
    /// When there was last a link, in microseconds since 1970.
    pub(crate) last_seen_at: Option<u64>,
    /// In microseconds since 1970.
    pub(crate) created_at: u64,
}

/// How a machine is reached, as it is kept.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub(crate) enum Access {
    /// The relay of the hub's own instance.
    Local,
    /// By our key: `host:port` and the pin of the certificate there.
    Key {
        /// `host:port`.
        address: String,
        /// Pin.
        pin: String,
    },
    /// By ssh.
    Ssh {
        /// `ssh://…`.
        url: String,
    },
    /// By a bearer token.
    Token {
        /// `wss://…`.
        url: String,
        /// The token.
        token: String,
        /// Pins, separated by commas.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pin: Option<String>,
    },
    /// It dials the hub.
    Joined,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Local => f.write_str("Local"),
            Self::Key { address, .. } => write!(f, "Key({address})"),
            Self::Ssh { url } => write!(f, "Ssh({url})"),
            Self::Token { url, .. } => write!(f, "Token({url}, [redacted])"),
            Self::Joined => f.write_str("Joined"),
        }
    }
}

/// Why the way to a machine is not changed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadChange {
    /// It is reached without one.
    #[error("this machine is not reached by a token")]
    NoToken,
    /// It is reached without one.
    #[error("this machine has no pin; ssh and this machine's own socket know whom they reach")]
    NoPin,
    /// A pairing's certificate is known by its pin alone.
    #[error("a paired machine needs a pin")]
    NeedsPin,
}

impl Access {
    /// What clients are told of it.
    pub(crate) const fn way(&self) -> MachineWay {
        match self {
            Self::Local => MachineWay::Local,
            Self::Key { .. } => MachineWay::Key,
            Self::Ssh { .. } => MachineWay::Ssh,
            Self::Token { .. } => MachineWay::Token,
            Self::Joined => MachineWay::Joined,
        }
    }

    /// The same way with another pin or token.
    ///
    /// # Errors
    /// When this way has none.
    pub(crate) fn changed(
        &self,
        pin: Option<String>,
        token: Option<String>,
    ) -> Result<Self, BadChange> {
        match self {
            Self::Token { url, token: old, pin: old_pin } => {
                let pin =
                    pin.map_or_else(|| old_pin.clone(), |pin| (!pin.is_empty()).then_some(pin));
                let token = token.unwrap_or_else(|| old.clone());
                Ok(Self::Token { url: url.clone(), token, pin })
            }
            Self::Local | Self::Key { .. } | Self::Ssh { .. } | Self::Joined if token.is_some() => {
                Err(BadChange::NoToken)
            }
            Self::Key { address, pin: old } => match pin {
                Some(pin) if pin.is_empty() => Err(BadChange::NeedsPin),
                pin => {
                    let pin = pin.unwrap_or_else(|| old.clone());
                    Ok(Self::Key { address: address.clone(), pin })
                }
            },
            Self::Local | Self::Ssh { .. } | Self::Joined if pin.is_some() => Err(BadChange::NoPin),
            Self::Local | Self::Ssh { .. } | Self::Joined => Ok(self.clone()),
        }
    }
}

pub(super) fn load(db: &Connection) -> rusqlite::Result<Loaded> {
    let mut machines = Vec::new();
    let mut rows = db.prepare(
        "SELECT id, label, access, relay_id, auto_connect, relay, ticket, last_seen_at, created_at
         FROM machine ORDER BY created_at, id",
    )?;
    let mut of_machine = db.prepare("SELECT info FROM session WHERE machine = ?1")?;
    for row in rows.query_map([], machine)? {
        let row = row?;
        let texts = of_machine.query_map([row.machine.to_string()], |row| row.get(0))?;
        let texts: Vec<String> = texts.collect::<rusqlite::Result<_>>()?;
        // what a newer version wrote otherwise comes again with the next link
        let sessions = texts.iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
        machines.push((row, sessions));
    }
    Ok(Loaded { machines })
}

fn machine(row: &Row<'_>) -> rusqlite::Result<MachineRow> {
    let relay_id: Option<String> = row.get(3)?;
    let relay: Option<String> = row.get(5)?;
    Ok(MachineRow {
        machine: parsed(row, 0)?,
        label: parsed(row, 1)?,
        access: json(&row.get::<_, String>(2)?, 2)?,
        relay_id: relay_id.map(|text| parse(&text, 3)).transpose()?,
        auto_connect: row.get(4)?,
        relay: relay.map(|text| json(&text, 5)).transpose()?,
        ticket: row.get(6)?,
        last_seen_at: row.get::<_, Option<i64>>(7)?.and_then(|at| u64::try_from(at).ok()),
        created_at: row.get::<_, i64>(8)?.try_into().unwrap_or(0),
    })
}

fn parsed<T: std::str::FromStr>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    parse(&row.get::<_, String>(column)?, column)
}

fn parse<T: std::str::FromStr>(text: &str, column: usize) -> rusqlite::Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse().map_err(|error| not_ours(column, error))
}

fn json<T: serde::de::DeserializeOwned>(text: &str, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(|error| not_ours(column, error))
}

fn not_ours(
    column: usize,
    error: impl std::error::Error + Send + Sync + 'static,
) -> rusqlite::Error {
    let kind = rusqlite::types::Type::Text;
    rusqlite::Error::FromSqlConversionFailure(column, kind, Box::new(error))
}

fn to_json(value: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

pub(super) fn put_machine(db: &Connection, row: &MachineRow) -> rusqlite::Result<()> {
    let MachineRow {
        machine,
        label,
        access,
        relay_id,
        auto_connect,
        relay,
        ticket,
        last_seen_at,
        created_at,
    } = row;
    let relay = relay.as_ref().map(to_json).transpose()?;
    let micros = |at: u64| i64::try_from(at).unwrap_or(i64::MAX);
    db.execute(
        "INSERT INTO machine
         (id, label, access, relay_id, auto_connect, relay, ticket, last_seen_at, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (id) DO UPDATE SET label = ?2, access = ?3, relay_id = ?4, auto_connect = ?5,
         relay = ?6, ticket = ?7, last_seen_at = ?8",
        params![
            machine.to_string(),
            label.as_str(),
            to_json(access)?,
            relay_id.map(|id| id.to_string()),
            auto_connect,
            relay,
            ticket,
            last_seen_at.map(micros),
            micros(*created_at),
        ],
    )?;
    Ok(())
}

pub(super) fn remove_machine(db: &Connection, machine: MachineId) -> rusqlite::Result<()> {
    db.execute("DELETE FROM machine WHERE id = ?1", [machine.to_string()])?;
    Ok(())
}

pub(super) fn put_sessions(
    db: &mut Connection,
    machine: MachineId,
    changed: &[SessionInfo],
    removed: &[SessionId],
) -> rusqlite::Result<()> {
    let transaction = db.transaction()?;
    let id = machine.to_string();
    let there = transaction
        .query_row("SELECT 1 FROM machine WHERE id = ?1", [&id], |_| Ok(()))
        .optional()?;
    // it was removed meanwhile
    if there.is_none() {
        return Ok(());
    }
    {
        let mut put = transaction.prepare(
            "INSERT INTO session (machine, id, info) VALUES (?1, ?2, ?3)
             ON CONFLICT (machine, id) DO UPDATE SET info = ?3",
        )?;
        for info in changed {
            put.execute(params![id, info.session.to_string(), to_json(info)?])?;
        }
        let mut remove =
            transaction.prepare("DELETE FROM session WHERE machine = ?1 AND id = ?2")?;
        for session in removed {
            remove.execute(params![id, session.to_string()])?;
        }
    }
    transaction.commit()
}
