//! One machine of the fleet, and what is said of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    ids::{Rev, SessionId},
    method::{MachineInfo, MachineState, MailChanged},
    session::{OnMachine, SessionInfo},
};

use crate::{
    store::{Access, MachineRow},
    switch::Linked,
};

/// One machine as it is now.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) row: MachineRow,
    pub(super) state: MachineState,
    pub(super) unreachable_since: Option<u64>,
    pub(super) sessions: BTreeMap<SessionId, Entry>,
    pub(super) changed: Rev,
    /// How much mail waits there, as its relay said last.
    pub(super) mail: Option<MailChanged>,
    /// The link, while it stands.
    pub(super) link: Option<Arc<Linked>>,
    /// Sessions that the store does not know yet.
    pub(super) dirty: BTreeSet<SessionId>,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) info: SessionInfo,
    pub(super) changed: Rev,
    pub(super) lease_changed: Rev,
}

impl Machine {
    pub(super) fn info(&self) -> MachineInfo {
        let url = match &self.row.access {
            Access::Local | Access::Joined => None,
            Access::Key { address, .. } => Some(format!("wss://{address}")),
            Access::Ssh { url } | Access::Token { url, .. } => Some(url.clone()),
        };
        let pin = match &self.row.access {
            Access::Key { pin, .. } => Some(pin.clone()),
            Access::Token { pin, .. } => pin.clone(),
            Access::Local | Access::Joined | Access::Ssh { .. } => None,
        };
        let (live, prompts) = self.counts();
        MachineInfo {
            machine: self.row.machine,
            label: self.row.label.clone(),
            url,
            relay_id: self.row.relay_id,
            way: Some(self.row.access.way()),
            local: self.row.access == Access::Local,
            auto_connect: self.row.auto_connect,
            state: self.state.clone(),
            unreachable_since: self.unreachable_since,
            relay: self.row.relay.clone(),
            pin,
            live,
            prompts,
        }
    }

    /// Sessions that run, and open prompts.
    pub(super) fn counts(&self) -> (u32, u32) {
        let live = self.sessions.values().filter(|it| it.info.state.is_live()).count();
        let agents = self.sessions.values().filter_map(|it| it.info.agent.as_ref());
        (u32::try_from(live).unwrap_or(u32::MAX), agents.map(|agent| agent.prompts).sum())
    }

    pub(super) fn on(&self) -> OnMachine {
        OnMachine {
            machine: self.row.machine,
            label: self.row.label.clone(),
            unreachable_since: self.unreachable_since,
        }
    }

    pub(super) fn view(&self, info: &SessionInfo) -> SessionInfo {
        SessionInfo { on: Some(self.on()), ..info.clone() }
    }
}

impl Machine {
    pub(super) fn put(&mut self, info: SessionInfo, rev: Rev) {
        let session = info.session;
        let lease_changed = match self.sessions.get(&session) {
            Some(before) if before.info == info => return,
            Some(before) if before.info.lease == info.lease => before.lease_changed,
            Some(_) | None => rev,
        };
        self.dirty.insert(session);
        self.sessions.insert(session, Entry { info, changed: rev, lease_changed });
    }
}

/// Says that a machine has no link, and since when or why.
pub(super) fn unreachable(machine: &MachineInfo) -> RpcError {
    let label = &machine.label;
    let (message, hint) = match &machine.state {
        MachineState::Refused { why } => {
            (format!("machine \"{label}\" does not let this hub in: {why}"), "see: qd machine ls")
        }
        MachineState::Disconnected => {
            (format!("machine \"{label}\" is not connected"), "connect it: qd machine connect")
        }
        MachineState::Awaited => {
            (format!("machine \"{label}\" has not dialled yet"), "see there: qd relay hubs")
        }
        MachineState::Connecting | MachineState::Connected | MachineState::Reconnecting { .. } => (
            format!("machine \"{label}\" cannot be reached just now"),
            "its sessions go on; the hub tries again by itself",
        ),
    };
    RpcError::new(ErrorCode::Unreachable, message).hint(hint)
}
