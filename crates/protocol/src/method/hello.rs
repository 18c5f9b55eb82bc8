//! How a connection begins.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

#[expect(unused_imports, reason = "the docs lead to them")]
use super::Hello;
use crate::{
    ids::{ClientId, Generation, HubId, Principal, RelayId, SessionId},
    scope::Scopes,
};

/// [`Hello`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HelloParams {
    /// What people see as the client's name: `qd on laptop`.
    pub name: String,
    /// The ticket of an earlier `hello`, to come back as the same client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// Send `sync` and the notifications after it.
    #[serde(default)]
    pub watch: bool,
    /// Through a hub: act on this machine as if connected to its relay. The connection ends with the hub's
    /// link to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// A hub says which it is where the connection does not prove it: over ssh or a Unix socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub: Option<HubId>,
    /// A hub says that it has hooks and tells them what happens here; the relay then need not.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub hooks: bool,
}

/// [`Hello`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HelloResult {
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
    /// The caller's client id.
    pub client_id: ClientId,
    /// Secret with which the caller can come back as this client.
    pub ticket: String,
    /// Who the caller is.
    pub principal: Principal,
    /// What the caller may do here.
    pub scopes: Scopes,
    /// Set by a hub: what answers is one, and `relay_id` is its id as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub: Option<HubId>,
    /// The caller is a hub and may make requests for its own clients ([`Acting`]). A relay that does not
    /// say so would not understand them, and would do all of it in the hub's own name.
    #[serde(default)]
    pub delegate: bool,
    /// Set when the caller runs inside this session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside: Option<SessionId>,
}

/// For whom a hub makes a request: member `as` beside `params`. The relay grants what the hub's
/// credential, `scopes` and its own ceiling have in common, and records the principal, whose issuer is
/// the hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Acting {
    /// Who; one that the hub itself vouches for.
    pub principal: Principal,
    /// As which client; one that the hub itself issued.
    pub client_id: ClientId,
    /// What people see as the client's name.
    pub name: String,
    /// What the client may do.
    pub scopes: Scopes,
    /// The only sessions that it reaches; empty = all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<SessionId>,
}
