//! Requests that a hub makes for its clients.
//!
//! What such a request may do is what the hub's credential, the rights that the hub asserts and the
//! relay's ceiling have in common. A hub can name only principals that it vouches for itself and clients
//! that it issued itself, so it cannot act as somebody whom the relay or another hub knows.
//!
//! One exception makes life on one machine simple: a hub over the relay's own Unix socket (or ssh) *is*
//! the relay's user already. When it asserts that user's name, the request is that user's, and a browser
//! beside a terminal is the same person.

use std::sync::Arc;

use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    ids::{HubId, Principal},
    limits::MAX_TEXT_FIELD_BYTES,
    method::Acting,
    record::Owner,
};
use serde_json::value::RawValue;

use super::Connection;
use crate::caller::{Caller, Delegation, Via};

/// The hub that a caller proved to be, if it may act for its clients.
pub(super) fn proved(caller: &Caller) -> Option<HubId> {
    match caller.via {
        Via::Hub { hub, delegate: Delegation::Granted } => Some(hub),
        Via::Hub { delegate: Delegation::None, .. }
        | Via::Local { .. }
        | Via::Network
        | Via::Delegated { .. } => None,
    }
}

impl Connection {
    /// A process of the relay's own user says that it is a hub. Others prove it or are none.
    pub(crate) fn handle_hub_claim(&self, claimed: Option<HubId>) {
        if matches!(self.caller.via, Via::Local { .. }) && !self.may_be_an_agents() {
            *self.delegate() = claimed;
        }
    }

    /// The hub at the other end, if it is one and asks for itself.
    pub(crate) fn is_hub(&self) -> Option<HubId> {
        match self.caller.via {
            Via::Hub { hub, .. } => Some(hub),
            Via::Local { .. } => *self.delegate(),
            Via::Network | Via::Delegated { .. } => None,
        }
    }

    /// Whether requests for other clients are taken.
    pub(crate) fn may_delegate(&self) -> bool {
        self.delegate().is_some()
    }

    /// The same connection with another asker.
    pub(super) fn acting_as(self: &Arc<Self>, acting: &RawValue) -> Result<Arc<Self>, RpcError> {
        let forbidden = |message: &str| RpcError::new(ErrorCode::Forbidden, message);
        let hub = *self.delegate();
        let hub = hub.ok_or_else(|| forbidden("this credential does not act for others"))?;
        let acting: Acting = serde_json::from_str(acting.get()).map_err(|error| {
            RpcError::new(ErrorCode::InvalidParams, format!("\"as\" is not readable: {error}"))
        })?;
        if acting.principal.issuer() != hub.to_string() {
            return Err(forbidden("a hub names only principals that it vouches for itself"));
        }
        if !hub.issued(&acting.client_id) {
            return Err(forbidden("a hub names only clients that it issued itself"));
        }
        if acting.name.len() > MAX_TEXT_FIELD_BYTES {
            let message = format!("a client's name has at most {MAX_TEXT_FIELD_BYTES} bytes");
            return Err(RpcError::new(ErrorCode::InvalidParams, message));
        }
        let grant = &self.caller.grant;
        let principal = self.principal_of(&acting);
        let name = acting.name.chars().filter(|c| !c.is_control()).collect();
        let owner = Owner { client: acting.client_id, principal: principal.clone(), name };
        let grant = grant.narrowed(principal, acting.scopes);
        Ok(Arc::new(Self {
            context: Arc::clone(&self.context),
            caller: Caller { grant, via: Via::Delegated { hub } },
            outbox: Arc::clone(&self.outbox),
            channels: Arc::clone(&self.channels),
            identity: std::sync::Mutex::new(Some(owner)),
            delegate: std::sync::Mutex::default(),
            view: Arc::clone(&self.view),
            last_channel: Arc::clone(&self.last_channel),
            afterwards: Arc::clone(&self.afterwards),
            moved: Arc::clone(&self.moved),
        }))
    }

    fn principal_of(&self, acting: &Acting) -> Principal {
        let own = self.caller.principal();
        let is_own = matches!(self.caller.via, Via::Local { .. });
        if is_own && acting.principal.name() == own.name() {
            return own.clone();
        }
        acting.principal.clone()
    }

    fn delegate(&self) -> std::sync::MutexGuard<'_, Option<HubId>> {
        self.delegate.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
