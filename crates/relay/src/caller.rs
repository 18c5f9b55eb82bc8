//! Who is at the other end of a connection, and what that allows.

use std::collections::BTreeSet;

use quarterdeck_core::lease::Standing;
use quarterdeck_protocol::{
    error::{ErrorCode, ErrorDetail, RpcError},
    ids::{Principal, SessionId},
    method::{Access, MethodName},
    scope::{Scope, Scopes},
};

/// An authenticated peer.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who.
    pub principal: Principal,
    /// What it may do.
    pub scopes: Scopes,
    /// Only these sessions; empty = all.
    pub sessions: BTreeSet<SessionId>,
    /// How it came.
    pub via: Via,
}

/// How a caller came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Via {
    /// By the Unix socket, as the relay's own user.
    Local {
        /// Set when the process runs inside this session.
        inside: Option<SessionId>,
    },
    /// Over the network with a bearer token.
    Token {
        /// The token's name.
        name: String,
    },
}

impl Caller {
    /// Checks a method against the total table method × scope.
    ///
    /// # Errors
    /// `forbidden` with the scope that is missing.
    pub fn require(&self, method: MethodName) -> Result<(), RpcError> {
        match method.access() {
            Access::Open => Ok(()),
            Access::Needs(scope) if self.scopes.has(scope) => Ok(()),
            Access::Needs(scope) => Err(self.forbidden(scope)),
        }
    }

    /// Whether a session exists as far as this caller is concerned.
    #[must_use]
    pub fn sees(&self, session: SessionId) -> bool {
        self.sessions.is_empty() || self.sessions.contains(&session)
    }

    /// What it may do with leases.
    #[must_use]
    pub fn standing(&self) -> Standing {
        match (self.scopes.has(Scope::Drive), self.scopes.has(Scope::Admin)) {
            (true, true) => Standing::Admin,
            (true, false) => Standing::Drive,
            (false, _) => Standing::Watch,
        }
    }

    /// Whether it runs on this machine as the relay's user, so that its environment means something.
    #[must_use]
    pub const fn is_local(&self) -> bool {
        matches!(self.via, Via::Local { .. })
    }

    /// The session inside which it runs.
    #[must_use]
    pub const fn inside(&self) -> Option<SessionId> {
        match self.via {
            Via::Local { inside } => inside,
            Via::Token { .. } => None,
        }
    }

    fn forbidden(&self, needed: Scope) -> RpcError {
        let name = self.principal.name();
        let message = format!("this needs the scope \"{needed}\", which {name}'s credential lacks");
        RpcError::new(ErrorCode::Forbidden, message).with(ErrorDetail::Scope { needed })
    }
}
