//! What every task of a hub shares.

use std::sync::{Arc, Mutex, PoisonError};

use quarterdeck_access::{clock, door::Door, instance::InstanceDir, journal::Event, tokens::Grant};
use quarterdeck_core::invitations::Invitations;
use quarterdeck_crypto::{RelayKey, TicketKey};
use quarterdeck_hooks::Hooks;
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    ids::{Generation, HubId, MachineId, MachineLabel},
    method::HubStatusResult,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    devices::Devices,
    fleet::Fleet,
    machine::{Machines, Pace},
    mail::PostOffice,
    metrics::Metrics,
    options::HubOptions,
    store::Store,
    web::names::Names,
};

/// Shared by all tasks; what changes in it guards itself.
pub(crate) struct Context {
    /// What the hub was given.
    pub(crate) options: HubOptions,
    /// Who this hub is.
    pub(crate) hub: HubId,
    /// Its key: what it is to relays.
    pub(crate) key: RelayKey,
    /// What its clients' tickets are made with.
    pub(crate) ticket_key: TicketKey,
    /// Host name.
    pub(crate) machine: String,
    /// Name of the user it runs as: the principal of local callers.
    pub(crate) user: String,
    /// When it started, in microseconds since 1970.
    pub(crate) started_at: u64,
    /// Addresses it listens on.
    pub(crate) listening: Vec<String>,
    /// Pin of its certificate, if it has one.
    pub(crate) pin: Option<String>,
    /// Machines and sessions.
    pub(crate) fleet: Fleet,
    /// What is told to programs outside.
    pub(crate) hooks: Hooks,
    /// The tasks of the machines.
    pub(crate) machines: Machines,
    /// When they dial.
    pub(crate) pace: Arc<Pace>,
    /// What is remembered.
    pub(crate) store: Store,
    /// Who is let in.
    pub(crate) door: Door,
    /// Browsers, and how they come in.
    pub(crate) devices: Devices,
    /// By which names browsers may come.
    pub(crate) names: Names,
    /// Codes by which relays may join, each with the label that the machine gets.
    pub(crate) invitations: Mutex<Invitations<Option<MachineLabel>>>,
    /// Where each identity's mail goes.
    pub(crate) post: PostOffice,
    /// Held while another instance is looked at and started, so that two callers do not start it twice.
    pub(crate) starting: tokio::sync::Mutex<()>,
    /// Counters.
    pub(crate) metrics: Metrics,
    /// Everything that runs beside the listeners.
    pub(crate) tasks: TaskTracker,
    /// Cancelled when the hub stops.
    pub(crate) shutdown: CancellationToken,
}

impl Context {
    /// The instance.
    pub(crate) const fn directory(&self) -> &InstanceDir {
        &self.options.directory
    }

    /// Writes to the journal.
    pub(crate) fn record(&self, event: &Event) {
        self.door.record(event);
    }

    /// Writes about a machine.
    pub(crate) fn record_machine(
        &self,
        machine: MachineId,
        what: &str,
        by: Option<&quarterdeck_protocol::ids::Principal>,
        why: Option<&str>,
    ) {
        let label = self.fleet.machine(machine).map(|it| it.label.to_string());
        self.record(&Event::Machine {
            label: label.unwrap_or_else(|| machine.to_string()).into(),
            what: what.into(),
            by: by.cloned(),
            why: why.map(Into::into),
        });
    }

    /// For how many more seconds a credential holds; none when it has ended.
    pub(crate) fn remaining_s(&self, grant: &Grant) -> Option<u64> {
        let now = clock::wall_seconds();
        match grant.device {
            Some(device) => self.devices.remaining_s(device, now),
            None => self.door.tokens.remaining_s(grant, now),
        }
    }

    /// Returns when a credential was revoked, replaced or has expired.
    pub(crate) async fn credential_ended(&self, grant: &Grant) {
        self.door.until_ended(|| self.remaining_s(grant)).await;
    }

    /// A token or browser was revoked, or a token rotated.
    pub(crate) fn credentials_changed(&self) {
        self.door.credentials_changed();
    }

    /// The life of a hub means nothing to anybody: its view is always sent whole after a connect.
    pub(crate) const fn generation(&self) -> Generation {
        Generation(self.started_at)
    }

    /// What the hub says of itself.
    pub(crate) fn status(&self) -> HubStatusResult {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        HubStatusResult {
            hub: self.hub,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            instance: self.directory().name().to_string(),
            machine: self.machine.clone(),
            pid: std::process::id(),
            started_at: self.started_at,
            listening: self.listening.clone(),
            pin: self.pin.clone(),
            machines: count(self.fleet.machines().len()),
            connected: count(self.fleet.links().len()),
            clients: u32::try_from(self.metrics.connections.value()).unwrap_or(u32::MAX),
        }
    }

    /// Opens invitations, used by whoever holds the code.
    pub(crate) fn invitations(
        self: &Arc<Self>,
    ) -> std::sync::MutexGuard<'_, Invitations<Option<MachineLabel>>> {
        self.invitations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Random bytes of the system.
pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N], RpcError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        tracing::error!(%error, "no random bytes");
        RpcError::new(ErrorCode::Internal, "the system gives no random bytes")
    })?;
    Ok(bytes)
}
