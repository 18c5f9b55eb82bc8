//! Who is at the other end of a connection, and what that allows.

use quarterdeck_core::lease::Standing;
use quarterdeck_protocol::{
    error::{ErrorCode, ErrorDetail, RpcError},
    ids::{Principal, SessionId},
    method::{Access, MethodName},
    scope::Scope,
};

use crate::tokens::Grant;

/// An authenticated peer.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// Who it is and what it may do.
    pub grant: Grant,
    /// How it came.
    pub via: Via,
}

/// How a caller came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Via {
    /// By the Unix socket, as the relay's own user.
    Local {
        /// Set when the process runs inside this session.
        inside: Option<SessionId>,
    },
    /// Over the network with a bearer token.
    Network,
}

impl Caller {
    /// Checks a method against the total table method × scope.
    ///
    /// # Errors
    /// `forbidden` with the scope that is missing.
    pub(crate) fn require(&self, method: MethodName) -> Result<(), RpcError> {
        match method.access() {
            Access::Open => Ok(()),
            Access::Needs(scope) if self.grant.scopes.has(scope) => Ok(()),
            Access::Needs(scope) => Err(self.forbidden(scope)),
        }
    }

    /// Who it is.
    #[must_use]
    pub(crate) const fn principal(&self) -> &Principal {
        &self.grant.principal
    }

    /// Whether a session exists as far as this caller is concerned.
    #[must_use]
    pub(crate) fn sees(&self, session: SessionId) -> bool {
        self.grant.sessions.allows(session)
    }

    /// What it may do with leases.
    #[must_use]
    pub(crate) fn standing(&self) -> Standing {
        let scopes = self.grant.scopes;
        match (scopes.has(Scope::Drive), scopes.has(Scope::Admin)) {
            (true, true) => Standing::Admin,
            (true, false) => Standing::Drive,
            (false, _) => Standing::Watch,
        }
    }

    /// Whether it runs on this machine as the relay's user, so that its environment means something.
    #[must_use]
    pub(crate) const fn is_local(&self) -> bool {
        matches!(self.via, Via::Local { .. })
    }

    /// The session inside which it runs.
    #[must_use]
    pub(crate) const fn inside(&self) -> Option<SessionId> {
        match self.via {
            Via::Local { inside } => inside,
            Via::Network => None,
        }
    }

    fn forbidden(&self, needed: Scope) -> RpcError {
        let name = self.principal().name();
        let message = format!("this needs the scope \"{needed}\", which {name}'s credential lacks");
        RpcError::new(ErrorCode::Forbidden, message).with(ErrorDetail::Scope { needed })
    }
}
