//! Who is at the other end of a connection, and what that allows.

use quarterdeck_core::lease::Standing;
use quarterdeck_protocol::{
    error::{ErrorCode, ErrorDetail, RpcError},
    ids::{HubId, Principal, SessionId},
    method::{Access, MethodName},
    scope::Scope,
};

use crate::{peer::Origin, tokens::Grant};

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
        /// Where the process runs.
        origin: Origin,
    },
    /// Over the network with a bearer token.
    Network,
    /// A hub that proved its key.
    Hub {
        /// Which.
        hub: HubId,
        /// Whether it may act for its clients.
        delegate: Delegation,
    },
    /// A client of a hub, which makes this request for it.
    Delegated {
        /// Which hub.
        hub: HubId,
    },
}

/// Whether a hub may make requests for its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delegation {
    /// It may.
    Granted,
    /// Everything that it does, it does itself.
    None,
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

    /// The session inside which it runs, as far as that is certain.
    #[must_use]
    pub(crate) const fn inside(&self) -> Option<SessionId> {
        match self.via {
            Via::Local { origin: Origin::Inside(session) } => Some(session),
            Via::Local { origin: Origin::Outside | Origin::Unknown }
            | Via::Network
            | Via::Hub { .. }
            | Via::Delegated { .. } => None,
        }
    }

    /// Checks that an attachment would not feed a session to itself. A process that nobody could look at
    /// may run in any session.
    ///
    /// # Errors
    /// `own_session`, when it would or might.
    pub(crate) fn require_outside(&self, session: SessionId) -> Result<(), RpcError> {
        let (message, hint) = match self.via {
            Via::Local { origin: Origin::Inside(own) } if own == session => (
                "this would attach a session to itself",
                "attach from a terminal outside the session",
            ),
            Via::Local { origin: Origin::Unknown } => (
                "this may attach a session to itself: the calling process could not be looked at",
                "attach from a process of this machine that lives as long as its connection",
            ),
            Via::Local { origin: Origin::Inside(_) | Origin::Outside }
            | Via::Network
            | Via::Hub { .. }
            | Via::Delegated { .. } => {
                return Ok(());
            }
        };
        Err(RpcError::new(ErrorCode::OwnSession, message).hint(hint))
    }

    fn forbidden(&self, needed: Scope) -> RpcError {
        let name = self.principal().name();
        let message = format!("this needs the scope \"{needed}\", which {name}'s credential lacks");
        RpcError::new(ErrorCode::Forbidden, message).with(ErrorDetail::Scope { needed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S1: SessionId = SessionId::from_bytes([1; 10]);
    const S2: SessionId = SessionId::from_bytes([2; 10]);

    fn check(via: Via, session: SessionId, expected: Option<ErrorCode>) {
        let principal = Principal::new("r_00", "ada").expect("is a principal");
        let caller = Caller { grant: Grant::unlimited("unix", principal), via };
        let refused = caller.require_outside(session).err().map(|error| error.code());
        assert_eq!(refused, expected, "{caller:?}");
    }

    #[test]
    fn who_may_run_in_a_session_is_not_attached_to_it() {
        let refused = Some(ErrorCode::OwnSession);
        check(Via::Local { origin: Origin::Inside(S1) }, S1, refused);
        check(Via::Local { origin: Origin::Inside(S1) }, S2, None);
        check(Via::Local { origin: Origin::Outside }, S1, None);
        check(Via::Network, S1, None);
        // it ended before it was looked at: it may have run anywhere
        check(Via::Local { origin: Origin::Unknown }, S1, refused);
        check(Via::Local { origin: Origin::Unknown }, S2, refused);
    }
}
