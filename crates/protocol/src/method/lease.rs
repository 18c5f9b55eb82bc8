//! Who may write.

use alloc::string::String;

use serde::{Deserialize, Serialize};

#[expect(unused_imports, reason = "the docs lead to them")]
use super::{LeaseOffer, LeaseTake};
use super::{Role, SessionName};
use crate::{ids::ClientId, session::LeaseView};

/// [`LeaseOffer`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OfferParams {
    /// Which session.
    pub session: SessionName,
    /// To whom; none = who asked first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<ClientId>,
}

/// [`LeaseTake`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TakeParams {
    /// Which session.
    pub session: SessionName,
    /// Why; needed to take it from another principal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A method that gives a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LeaseResult {
    /// The lease as it is now.
    pub lease: LeaseView,
    /// Whether the caller owns the session now.
    pub role: Role,
}
