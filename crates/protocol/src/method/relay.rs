//! The relay itself, and the instances beside it.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

#[expect(unused_imports, reason = "the docs lead to them")]
use super::{InstanceList, RelayGc, RelayStatus};
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

/// An instance of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InstanceInfo {
    /// The relay's id, once one has run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<RelayId>,
    /// Its name.
    pub name: String,
    /// Its state directory.
    pub directory: String,
    /// The base directory that it is in.
    #[serde(default)]
    pub base_dir: String,
    /// Whether its relay runs.
    #[serde(default)]
    pub state: InstanceState,
    /// Pid of its relay, when one runs.
    pub pid: Option<u32>,
    /// Host of its first network address, when its relay listens on one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Port of that address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Where its relay listens, as URLs.
    #[serde(default)]
    pub listening: Vec<String>,
    /// Where its relay was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// When its relay was started; microseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<u64>,
    /// Version of its record's form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_version: Option<u32>,
    /// Version of the program that runs, or ran last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product_version: Option<String>,
    /// Sessions whose holders live, whether a relay runs or not.
    #[serde(default)]
    pub sessions: u32,
}

/// Whether an instance's relay runs: the kernel's lock says so, no pid.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum InstanceState {
    /// It does.
    Running,
    /// It does not.
    #[default]
    Stopped,
    /// Its files cannot be understood; they are left alone.
    Unknown {
        /// Why.
        why: String,
    },
}

/// [`InstanceList`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InstanceListResult {
    /// By name.
    pub instances: Vec<InstanceInfo>,
}
