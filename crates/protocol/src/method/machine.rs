//! The machines of a hub, and the hub itself.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

#[expect(unused_imports, reason = "the docs lead to them")]
use super::{HubStatus, MachineAdd, MachineInvite, MachineList, MachineRename, MachineUpdate};
use crate::{
    ids::{HubId, MachineId, MachineLabel, RelayId},
    scope::Scopes,
};

/// A machine as a hub sees it: one relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MachineInfo {
    /// The machine.
    pub machine: MachineId,
    /// Its name, unique in the hub.
    pub label: MachineLabel,
    /// Where the hub reaches it: `wss://…`, `ssh://…`, `unix:…`; none = it dials the hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Its relay, once it was reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relay_id: Option<RelayId>,
    /// How that is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way: Option<MachineWay>,
    /// The machine that the hub itself runs on.
    pub local: bool,
    /// Whether the hub links it by itself.
    pub auto_connect: bool,
    /// Where the link is.
    #[serde(flatten)]
    pub state: MachineState,
    /// Since when there is no link, in microseconds since 1970; none = there is one, or never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreachable_since: Option<u64>,
    /// What its relay says of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relay: Option<MachineRelay>,
    /// Pins of its certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
    /// Sessions that run, as last known.
    pub live: u32,
    /// Prompts that are open, as last known.
    pub prompts: u32,
}

/// How a machine is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum MachineWay {
    /// By the socket of this machine.
    Local,
    /// By the keys that were paired, and a pin.
    Key,
    /// By ssh.
    Ssh,
    /// By a bearer token.
    Token,
    /// It dials the hub.
    Joined,
    /// Of a newer version.
    #[serde(other)]
    Unknown,
}

/// What a relay said at the last link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MachineRelay {
    /// Host name.
    pub host: String,
    /// Instance.
    pub instance: String,
    /// Version.
    pub version: String,
    /// What the hub may do there.
    pub scopes: Scopes,
    /// Whether the hub's clients are known there each by name.
    pub delegate: bool,
}

/// Where the link to a machine is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "link", rename_all = "snake_case")]
pub enum MachineState {
    /// Nobody asked for it.
    Disconnected,
    /// An attempt is under way.
    Connecting,
    /// It stands.
    Connected,
    /// The next attempt comes by itself.
    Reconnecting {
        /// When, in microseconds since 1970.
        at: u64,
        /// Why the last one failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// Nothing happens until something changes.
    Refused {
        /// What has to change.
        why: String,
    },
    /// The machine has to dial, and has not.
    Awaited,
}

/// [`MachineList`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MachineListResult {
    /// The hub's own machine first, then by label.
    pub machines: Vec<MachineInfo>,
}

/// How a machine is reached.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum MachineAccess {
    /// By the line that its relay printed.
    Line {
        /// `HOST:PORT#PIN#CODE`.
        line: String,
    },
    /// By ssh, with the configuration and keys of the hub's user.
    Ssh {
        /// `ssh://[user@]host[:port]`.
        url: String,
    },
    /// By a bearer token; everything is done in the token's name.
    Token {
        /// `wss://host[:port]`.
        url: String,
        /// The token.
        token: String,
        /// Pins of its certificate, separated by commas; none = a known authority vouches for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pin: Option<String>,
    },
}

impl core::fmt::Debug for MachineAccess {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Line { .. } => "Line([redacted])",
            Self::Ssh { .. } => "Ssh",
            Self::Token { .. } => "Token([redacted])",
        })
    }
}

/// [`MachineAdd`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MachineAddParams {
    /// Its name; none = its host's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<MachineLabel>,
    /// How it is reached.
    #[serde(flatten)]
    pub access: MachineAccess,
    /// Keep it although it cannot be reached now.
    #[serde(default)]
    pub offline: bool,
}

/// A method that takes only a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MachineParams {
    /// Its label or id.
    pub machine: String,
}

/// [`MachineRename`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MachineRenameParams {
    /// Its label or id.
    pub machine: String,
    /// The new label.
    pub label: MachineLabel,
}

/// [`MachineUpdate`]: what is not named stays as it is.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MachineUpdateParams {
    /// Its label or id.
    pub machine: String,
    /// Whether the hub links it by itself when it starts; the link that is there stays as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_connect: Option<bool>,
    /// Pins of its certificate, separated by commas, after it was changed there. For a token also empty: a known
    /// authority vouches for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
    /// Another token, for a machine that is reached by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

impl core::fmt::Debug for MachineUpdateParams {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { machine, auto_connect, pin, token } = self;
        f.debug_struct("MachineUpdateParams")
            .field("machine", machine)
            .field("auto_connect", auto_connect)
            .field("pin", pin)
            .field("token", &token.as_ref().map(|_| "[redacted]"))
            .finish()
    }
}

/// A method that gives a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MachineResult {
    /// The machine as it is now.
    pub machine: MachineInfo,
}

/// [`MachineInvite`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MachineInviteParams {
    /// Name of the machine that will join; none = its host's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<MachineLabel>,
    /// `HOST:PORT` by which the machine reaches this hub; none = where it listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// [`HubStatus`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HubStatusResult {
    /// The hub.
    pub hub: HubId,
    /// Product version.
    pub version: String,
    /// Instance name.
    pub instance: String,
    /// Host name of the machine.
    pub machine: String,
    /// Its pid.
    pub pid: u32,
    /// When it started, in microseconds since 1970.
    pub started_at: u64,
    /// Addresses that it accepts connections on.
    pub listening: Vec<String>,
    /// Pin of its certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
    /// Machines.
    pub machines: u32,
    /// Machines with a link.
    pub connected: u32,
    /// Connections.
    pub clients: u32,
}
