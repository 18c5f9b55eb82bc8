//! How a connection begins.

use alloc::string::String;

use serde::{Deserialize, Serialize};

#[expect(unused_imports, reason = "the docs lead to them")]
use super::Hello;
use crate::{
    ids::{ClientId, Generation, Principal, RelayId, SessionId},
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
    /// Set when the caller runs inside this session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside: Option<SessionId>,
}
