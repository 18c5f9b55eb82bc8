//! Bearer tokens.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

#[expect(unused_imports, reason = "the docs lead to them")]
use super::{TokenCreate, TokenList, TokenRevoke, TokenRotate};
use crate::{
    dialect::Dialect,
    ids::{Principal, SessionId},
    scope::Scopes,
};

/// [`TokenCreate`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenCreateParams {
    /// The token's own name, unique: `phone`.
    pub name: String,
    /// Name of the principal behind it; none = the caller's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// What it may do.
    pub scopes: Scopes,
    /// Only these sessions; empty = all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<SessionId>,
    /// Seconds until it expires; none = never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_s: Option<u64>,
    /// The only wire that it opens; none = `quarterdeck.v1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dialect: Option<Dialect>,
}

/// [`TokenRotate`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenRotateParams {
    /// Which token.
    pub name: String,
    /// Seconds for which the old secret works on; none = 3600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap_s: Option<u64>,
}

/// [`TokenRevoke`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenNameParams {
    /// Which token.
    pub name: String,
}

/// A new secret; shown once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenSecret {
    /// Which token.
    pub name: String,
    /// The secret.
    pub token: String,
    /// When it expires, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
}

impl core::fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("TokenSecret")
            .field("name", &self.name)
            .field("token", &"[redacted]")
            .finish()
    }
}

/// A token without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenInfo {
    /// Its name.
    pub name: String,
    /// Who is behind it.
    pub principal: Principal,
    /// What it may do.
    pub scopes: Scopes,
    /// Only these sessions; empty = all.
    pub sessions: Vec<SessionId>,
    /// The only wire that it opens; none = `quarterdeck.v1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dialect: Option<Dialect>,
    /// When it was made, in seconds since 1970.
    pub created_at: u64,
    /// When it expires.
    pub expires_at: Option<u64>,
    /// When it was last presented and right.
    pub last_used_at: Option<u64>,
    /// Until when the secret before the last rotation works.
    pub overlap_until: Option<u64>,
}

/// [`TokenList`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenListResult {
    /// By name.
    pub tokens: Vec<TokenInfo>,
}
