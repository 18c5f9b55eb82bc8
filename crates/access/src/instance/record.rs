//! `relay.json`: what a running relay says of itself, for people and for who meets its lock. It is a hint;
//! whether a relay runs is what the kernel says of the lock.

use std::{fs::File, io::Read as _};

use quarterdeck_protocol::ids::RelayId;
use serde::{Deserialize, Serialize};

use super::InstanceDir;

/// The form of the record that this program writes.
pub const RECORD_SCHEMA: u32 = 1;
/// A larger one was not written by a relay.
const MAX_RECORD_BYTES: u64 = 64 * 1024;

/// What stands in `relay.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RelayRecord {
    /// Version of this form; records of before it had none.
    #[serde(default)]
    pub schema: u32,
    /// The relay's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<RelayId>,
    /// Pid of the relay.
    pub pid: u32,
    /// Its addresses.
    pub listening: Vec<String>,
    /// The flags that it was started with: a relay that replaces it gets them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
    /// Where it was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// When, in microseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<u64>,
    /// Version of the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// Why a record says nothing. It is left alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRecord {
    /// The system does not let it be read.
    #[error("its record cannot be read: {0}")]
    Unreadable(String),
    /// It is not what a relay writes.
    #[error("its record is damaged")]
    Damaged,
    /// A newer program wrote it.
    #[error("its record is of a newer version ({0})")]
    Newer(u32),
}

impl RelayRecord {
    /// Reads an instance's record; none = there is none.
    ///
    /// # Errors
    /// When it cannot be understood.
    pub fn read(directory: &InstanceDir) -> Result<Option<Self>, BadRecord> {
        let unreadable = |error: std::io::Error| BadRecord::Unreadable(error.to_string());
        let file = match File::open(directory.record()) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(unreadable)?,
        };
        let mut text = Vec::new();
        file.take(MAX_RECORD_BYTES).read_to_end(&mut text).map_err(unreadable)?;
        #[derive(Deserialize)]
        struct Version {
            #[serde(default)]
            schema: u32,
        }
        // a newer form may differ in all but this
        match serde_json::from_slice(&text) {
            Ok(Version { schema }) if schema > RECORD_SCHEMA => Err(BadRecord::Newer(schema)),
            Ok(_) => serde_json::from_slice(&text).map(Some).map_err(|_| BadRecord::Damaged),
            Err(_) => Err(BadRecord::Damaged),
        }
    }
}
