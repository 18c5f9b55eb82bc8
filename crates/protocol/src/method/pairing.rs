//! Pairing a relay with hubs.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

#[expect(unused_imports, reason = "the docs lead to them")]
use super::{PairingInvite, PairingJoin, PairingList, PairingRevoke};
use crate::{ids::HubId, scope::Scopes};

/// What a hub gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HubTerms {
    /// The hub's name on this relay, unique; none = `hub` and a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it may do, and its clients at most; nothing = it carries mail and sees no session.
    pub scopes: Scopes,
    /// Whether it may make requests for its own clients, each recorded as its own principal.
    #[serde(default = "yes")]
    pub delegate: bool,
}

const fn yes() -> bool {
    true
}

/// [`PairingInvite`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PairingInviteParams {
    /// What the hub gets that uses the line.
    #[serde(flatten)]
    pub terms: HubTerms,
    /// `HOST:PORT` by which the hub reaches this relay; none = where it listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// A one-use line; shown once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PairingInviteResult {
    /// `HOST:PORT#PIN#CODE`.
    pub line: String,
    /// Seconds for which it works.
    pub expires_in_s: u64,
}

impl core::fmt::Debug for PairingInviteResult {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("PairingInviteResult")
            .field("expires_in_s", &self.expires_in_s)
            .finish_non_exhaustive()
    }
}

/// [`PairingJoin`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PairingJoinParams {
    /// The line that the hub made: `HOST:PORT#PIN#CODE`.
    pub line: String,
    /// What the hub gets.
    #[serde(flatten)]
    pub terms: HubTerms,
}

impl core::fmt::Debug for PairingJoinParams {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("PairingJoinParams").field("terms", &self.terms).finish_non_exhaustive()
    }
}

/// [`PairingRevoke`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HubNameParams {
    /// Its name on this relay, or its id.
    pub hub: String,
}

/// [`PairingList`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PairingListResult {
    /// By name.
    pub hubs: Vec<HubInfo>,
}

/// A hub that is paired with a relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HubInfo {
    /// The hub.
    pub hub: HubId,
    /// Its name on this relay.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// Whether it may make requests for its own clients.
    pub delegate: bool,
    /// When it was paired, in seconds since 1970.
    pub created_at: u64,
    /// When it last had a link, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<u64>,
    /// Where this relay dials it; none = the hub dials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dial: Option<String>,
    /// Links that stand.
    pub links: u32,
    /// Why this relay's own dialling rests or waits, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}
