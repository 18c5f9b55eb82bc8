//! The relay itself.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

#[expect(unused_imports, reason = "the docs lead to them")]
use super::{RelayGc, RelayStatus};
use crate::ids::{Generation, RelayId, SessionId};

/// [`RelayStatus`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RelayStatusResult {
    /// The relay.
    pub relay_id: RelayId,
    /// Its life.
    pub generation: Generation,
    /// Product version.
    pub version: String,
    /// Instance name.
    pub instance: String,
    /// Host name of the machine.
    pub machine: String,
    /// Pid of the relay.
    pub pid: u32,
    /// When it started, in microseconds since 1970.
    pub started_at: u64,
    /// Addresses that it accepts connections on: `wss://127.0.0.1:7717`, `unix:/…`.
    pub listening: Vec<String>,
    /// Pin of its certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
    /// Sessions whose program runs.
    pub live: u32,
    /// Sessions that have ended.
    pub ended: u32,
    /// Connections.
    pub clients: u32,
    /// Bytes of all logs.
    pub log_bytes: u64,
}

/// [`RelayGc`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GcParams {
    /// Remove sessions that ended longer ago than this many seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_before_s: Option<u64>,
    /// Bytes that all logs may take; none = the configured quota.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota_bytes: Option<u64>,
    /// Only say what would go.
    #[serde(default)]
    pub dry_run: bool,
}

/// [`RelayGc`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GcResult {
    /// Sessions that are gone.
    pub removed: Vec<SessionId>,
    /// Sessions whose oldest records are gone.
    pub trimmed: Vec<SessionId>,
    /// Bytes freed.
    pub freed_bytes: u64,
    /// Bytes that the logs take now.
    pub log_bytes: u64,
}
