//! Requests that a hub makes for its clients.
//!
//! What such a request may do is what the hub's credential, the rights that the hub asserts and the
//! relay's ceiling have in common. A hub can name only principals that it vouches for itself and clients
//! that it issued itself, so it cannot act as somebody whom the relay or another hub knows.
//!
//! Two exceptions make life on one machine simple. The instance's own hub, over the relay's own Unix
//! socket, vouches together with the relay: one directory has both keys, and one user of the system has
//! that. A person whom it names is the one whom the relay knows by that name. Any other hub there (over
//! ssh) *is* the relay's user already: when it asserts that user's name, the request is that user's.

use std::sync::Arc;

use quarterdeck_access::keys;
use quarterdeck_hooks::Resting;
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    ids::{HubId, Principal},
    limits::MAX_TEXT_FIELD_BYTES,
    method::Acting,
    record::Owner,
    scope::Scope,
};
use serde_json::value::RawValue;

use super::Connection;
use crate::{
    caller::{Caller, Delegation, Via},
    hubs,
    tokens::SessionLimit,
};

/// A hub that may make requests for its clients.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Delegate {
    /// Which.
    hub: HubId,
    kin: Kin,
}

/// What a hub is to this relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kin {
    /// The hub of the same instance.
    Own,
    /// Any other.
    Foreign,
}

/// The hub that a caller proved to be, if it may act for its clients.
pub(super) fn proved(caller: &Caller) -> Option<Delegate> {
    match caller.via {
        Via::Hub { hub, delegate: Delegation::Granted } => {
            Some(Delegate { hub, kin: Kin::Foreign })
        }
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
            *self.delegate() = claimed.map(|hub| Delegate { hub, kin: self.kin(hub) });
        }
    }

    /// The hub at the other end, if it is one and asks for itself.
    pub(crate) fn is_hub(&self) -> Option<HubId> {
        match self.caller.via {
            Via::Hub { hub, .. } => Some(hub),
            Via::Local { .. } => self.delegate().map(|it| it.hub),
            Via::Network | Via::Delegated { .. } => None,
        }
    }

    /// Whether it is the instance's own hub, by the key that lies in the instance's directory.
    fn kin(&self, hub: HubId) -> Kin {
        match keys::load(&self.context.directory.hub_key()) {
            Ok(Some(key)) if hubs::id_of(&key.public()) == hub => Kin::Own,
            Ok(Some(_) | None) => Kin::Foreign,
            Err(error) => {
                tracing::warn!(%error, "the hub's key cannot be looked at");
                Kin::Foreign
            }
        }
    }

    /// A hub says that it tells hooks what happens here. It is believed if it is one, or might stop the
    /// relay anyway.
    pub(crate) fn handle_hooks_claim(&self) {
        let is_hub = matches!(self.caller.via, Via::Hub { .. }) || self.may_delegate();
        if is_hub || self.caller.grant.scopes.has(Scope::Admin) && !self.may_be_an_agents() {
            *self.resting() = Some(self.context.hooks.rest());
        }
    }

    /// The connection is over, and with it what was claimed on it.
    pub(super) fn tells_no_hooks(&self) {
        *self.resting() = None;
    }

    /// Whether this is a hub that tells hooks.
    pub(crate) fn tells_hooks(&self) -> bool {
        self.resting().is_some()
    }

    fn resting(&self) -> std::sync::MutexGuard<'_, Option<Resting>> {
        self.resting.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Whether requests for other clients are taken.
    pub(crate) fn may_delegate(&self) -> bool {
        self.delegate().is_some()
    }

    /// The same connection with another asker.
    pub(super) fn acting_as(self: &Arc<Self>, acting: &RawValue) -> Result<Arc<Self>, RpcError> {
        let forbidden = |message: &str| RpcError::new(ErrorCode::Forbidden, message);
        let delegate = *self.delegate();
        let delegate =
            delegate.ok_or_else(|| forbidden("this credential does not act for others"))?;
        let hub = delegate.hub;
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
        let principal = self.principal_of(&acting, delegate.kin);
        let name = acting.name.chars().filter(|c| !c.is_control()).collect();
        let owner = Owner { client: acting.client_id, principal: principal.clone(), name };
        let sessions = SessionLimit::from_list(&acting.sessions);
        let grant = grant.narrowed(principal, acting.scopes).limited(&sessions);
        Ok(Arc::new(Self {
            context: Arc::clone(&self.context),
            caller: Caller { grant, via: Via::Delegated { hub } },
            outbox: Arc::clone(&self.outbox),
            channels: Arc::clone(&self.channels),
            tunnels: Arc::clone(&self.tunnels),
            identity: std::sync::Mutex::new(Some(owner)),
            delegate: std::sync::Mutex::default(),
            resting: std::sync::Mutex::default(),
            view: Arc::clone(&self.view),
            last_channel: Arc::clone(&self.last_channel),
            speaker: std::sync::Mutex::default(),
            afterwards: Arc::clone(&self.afterwards),
            moved: Arc::clone(&self.moved),
        }))
    }

    fn principal_of(&self, acting: &Acting, kin: Kin) -> Principal {
        let (own, name) = (self.caller.principal(), acting.principal.name());
        let local = matches!(self.caller.via, Via::Local { .. });
        match kin {
            // a name that parsed once parses again
            Kin::Own if local => {
                Principal::new(own.issuer(), name).unwrap_or_else(|_| acting.principal.clone())
            }
            Kin::Foreign if local && name == own.name() => own.clone(),
            Kin::Own | Kin::Foreign => acting.principal.clone(),
        }
    }

    fn delegate(&self) -> std::sync::MutexGuard<'_, Option<Delegate>> {
        self.delegate.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
