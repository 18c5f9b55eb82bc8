//! The instances of a machine: what runs beside whoever is asked, and the way there.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

#[expect(unused_imports, reason = "the docs lead to them")]
use super::{InstanceCreate, InstanceList, InstanceOpen};
use crate::ids::RelayId;

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
    /// Its hub, when one runs: that is what shows its page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub: Option<InstanceHub>,
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

/// The running hub of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InstanceHub {
    /// Its pid; none when its record cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Where it listens, as URLs.
    #[serde(default)]
    pub listening: Vec<String>,
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
    /// By directory.
    pub instances: Vec<InstanceInfo>,
    /// State directory of the instance that answers; none when no daemon was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<String>,
}

/// [`InstanceCreate`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InstanceCreateParams {
    /// Its name: 1 to 32 of `a-z 0-9 . _ -`, first a letter or digit. Another spelling is refused, with
    /// the canonical one as the hint.
    pub name: String,
}

/// [`InstanceCreate`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InstanceResult {
    /// The instance as it is now.
    pub instance: InstanceInfo,
}

/// [`InstanceOpen`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InstanceOpenParams {
    /// Its name.
    pub name: String,
    /// The base directory that it is in, as `instance.list` tells it; none = the hub's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_dir: Option<String>,
}
