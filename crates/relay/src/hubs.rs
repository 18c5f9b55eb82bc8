//! Hubs: who is let in by a key, and the links that this relay dials because a hub cannot reach it.
//!
//! Whoever dials, the relay answers requests and the hub makes them.

mod dialled;
mod uplink;

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use quarterdeck_access::pairings::PairedHub;
use quarterdeck_crypto::{
    ChannelBinding, KeyCredential, KeyProof, PairingRefusal, PublicKey, Purpose,
};
use quarterdeck_protocol::ids::{HubId, Principal};

use crate::{
    caller::{Caller, Delegation, Via},
    clock,
    context::Context,
    journal::Event,
    tokens::Grant,
};
pub(crate) use uplink::{JoinError, Uplink, dial_all, join};

/// Name of the principal that a hub is, beside those that it vouches for.
const OWN_NAME: &str = "hub";

/// What runs between this relay and hubs.
#[derive(Debug, Default)]
pub(crate) struct Hubs {
    links: Mutex<BTreeMap<HubId, u32>>,
    uplinks: Mutex<BTreeMap<HubId, Uplink>>,
}

impl Hubs {
    /// Links of a hub that stand.
    pub(crate) fn links(&self, hub: HubId) -> u32 {
        self.counts().get(&hub).copied().unwrap_or(0)
    }
    /// Why the dialling of a hub rests or waits.
    pub(crate) fn trouble(&self, hub: HubId) -> Option<String> {
        self.uplinks().get(&hub).and_then(Uplink::trouble)
    }
    /// A link of a hub stands, until the returned guard is dropped.
    fn enter(&self, hub: HubId) -> Linked<'_> {
        *self.counts().entry(hub).or_default() += 1;
        Linked { hubs: self, hub }
    }
    /// Ends the dialling of a hub.
    pub(crate) fn forget(&self, hub: HubId) {
        self.uplinks().remove(&hub);
    }

    fn counts(&self) -> MutexGuard<'_, BTreeMap<HubId, u32>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn uplinks(&self) -> MutexGuard<'_, BTreeMap<HubId, Uplink>> {
        self.uplinks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A link that is counted.
pub(crate) struct Linked<'a> {
    hubs: &'a Hubs,
    hub: HubId,
}

impl Drop for Linked<'_> {
    fn drop(&mut self) {
        if let Some(count) = self.hubs.counts().get_mut(&self.hub) {
            *count = count.saturating_sub(1);
        }
    }
}

/// Counts a connection that serves a hub.
pub(crate) fn count<'a>(context: &'a Context, caller: &Caller) -> Option<Linked<'a>> {
    match caller.via {
        Via::Hub { hub, .. } => Some(context.hubs.enter(hub)),
        Via::Local { .. } | Via::Network | Via::Delegated { .. } => None,
    }
}

/// The id of the hub that has a key.
pub(crate) fn id_of(key: &PublicKey) -> HubId {
    HubId::from_bytes(key.relay_id())
}

/// Lets a hub in that is paired, or pairs it by the code that it shows.
pub(crate) fn admit(
    context: &Context,
    shown: &KeyCredential,
    binding: &ChannelBinding,
    address: IpAddr,
) -> Result<(Caller, String), PairingRefusal> {
    if !shown.proof.holds(Purpose::HubLink, binding) {
        return Err(PairingRefusal::NotThisChannel);
    }
    let hub = id_of(&shown.proof.key);
    if let Some(code) = &shown.code {
        let terms = {
            let mut invitations =
                context.invitations.lock().unwrap_or_else(PoisonError::into_inner);
            invitations.redeem(&code.hash(), clock::boot())?
        };
        let paired = context.pairings.pair(hub, &terms, None, clock::wall_seconds());
        let paired = paired.map_err(|error| {
            tracing::warn!(%error, %hub, "hub not paired");
            PairingRefusal::UsedCode
        })?;
        record_pairing(context, &paired, &address.to_string());
        context.credentials_changed();
    }
    let paired = context.pairings.find(hub).ok_or(PairingRefusal::Unknown)?;
    context.pairings.touch(hub, clock::wall_seconds());
    let proof = KeyProof::make(&context.key, Purpose::RelayLink, binding).to_text();
    Ok((caller(&paired)?, proof))
}

fn record_pairing(context: &Context, paired: &PairedHub, peer: &str) {
    context.record(&Event::HubPaired {
        hub: paired.hub,
        name: (&paired.name).into(),
        scopes: paired.scopes,
        peer: peer.into(),
    });
}

/// Who a paired hub is, and what it may do.
fn caller(paired: &PairedHub) -> Result<Caller, PairingRefusal> {
    let principal = Principal::new(&paired.hub.to_string(), OWN_NAME);
    let principal = principal.map_err(|_| PairingRefusal::Unknown)?;
    let name = format!("hub:{}", paired.name);
    let grant = Grant::unlimited(&name, principal.clone()).narrowed(principal, paired.scopes);
    let delegate = if paired.delegate { Delegation::Granted } else { Delegation::None };
    Ok(Caller { grant, via: Via::Hub { hub: paired.hub, delegate } })
}

/// Ends a pairing: its links end within a second.
pub(crate) fn revoke(
    context: &Arc<Context>,
    name: &str,
    by: &Principal,
) -> Result<(), quarterdeck_access::pairings::PairingError> {
    let gone = context.pairings.revoke(name)?;
    context.hubs.forget(gone.hub);
    context.record(&Event::HubRevoked { hub: gone.hub, by: by.clone() });
    context.credentials_changed();
    Ok(())
}
