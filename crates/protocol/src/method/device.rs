//! Browsers that a hub knows by their keys, and the one-time links that make them known.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

#[expect(unused_imports, reason = "the docs lead to them")]
use super::{DeviceInvite, DeviceList, DeviceRevoke};
use crate::{
    ids::{DeviceId, Principal},
    scope::Scopes,
};

/// [`DeviceInvite`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeviceInviteParams {
    /// What the browser is called in lists: `phone`; none = what it calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Name of the principal behind it; none = the caller's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// What it may do; none = what the caller may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Scopes>,
    /// Seconds for which the browser stays known, from its login on; none = until it is revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_expires_in_s: Option<u64>,
}

/// A one-time link; shown once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeviceInviteResult {
    /// The link. Its secret stands in the fragment, which no browser sends to a server.
    pub url: String,
    /// Seconds for which it works.
    pub expires_in_s: u64,
    /// Whether other machines can open it too: the hub listens for them, or has a public address.
    pub reachable: bool,
}

impl core::fmt::Debug for DeviceInviteResult {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("DeviceInviteResult")
            .field("expires_in_s", &self.expires_in_s)
            .finish_non_exhaustive()
    }
}

/// [`DeviceRevoke`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeviceParams {
    /// Its id, or its name where only one has it.
    pub device: String,
}

/// [`DeviceList`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeviceListResult {
    /// The one that was used last comes first.
    pub devices: Vec<DeviceInfo>,
}

/// A browser that a hub knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeviceInfo {
    /// The device.
    pub device: DeviceId,
    /// What people call it.
    pub name: String,
    /// Who is behind it.
    pub principal: Principal,
    /// What it may do.
    pub scopes: Scopes,
    /// When it logged in first, in seconds since 1970.
    pub created_at: u64,
    /// When it last came in, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<u64>,
    /// When it ends, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
    /// Whether it is the caller itself.
    #[serde(default)]
    pub current: bool,
}
