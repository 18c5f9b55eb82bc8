//! The view of all machines and sessions that a connection watches: `sync` first, then what changed.

use std::sync::{Arc, MutexGuard, PoisonError};

use axum::extract::ws::Message;
use quarterdeck_protocol::{
    ids::{RelayId, Rev},
    limits::MAX_SESSIONS_PER_SYNC_PART,
    rpc,
    session::{
        LeaseChanged, MachineChanged, MachineRemoved, SessionChanged, SessionRemoved, Sync, notify,
    },
};
use serde::Serialize;

use super::Asker;
use crate::fleet::{Change, Changes, Gone};

/// What a connection has been told.
#[derive(Debug, Default)]
pub(super) struct View {
    /// The number up to which; none = it does not watch.
    told: Option<Rev>,
}

impl Asker {
    /// Begins to watch: the whole view is sent next.
    pub(crate) fn watch(self: &Arc<Self>) {
        self.context.fleet.watch(&self.outbox);
        for message in self.sync() {
            self.outbox.push(message);
        }
    }

    /// The notifications about what changed since the last ones.
    pub(super) fn view_messages(&self) -> Vec<Message> {
        let Some(told) = self.told().told else { return Vec::new() };
        match self.context.fleet.changes_since(told, self.bound()) {
            Changes::Everything => self.sync(),
            Changes::Since(rev, changes) => {
                self.told().told = Some(rev);
                changes.into_iter().flat_map(|change| messages_of(rev, change)).collect()
            }
        }
    }

    fn sync(&self) -> Vec<Message> {
        let context = &self.context;
        let rev = context.fleet.rev();
        self.told().told = Some(rev);
        let sessions = context.fleet.sessions(self.bound());
        let parts: Vec<_> = sessions.chunks(MAX_SESSIONS_PER_SYNC_PART).collect();
        let parts = if parts.is_empty() { vec![&[][..]] } else { parts };
        let count = parts.len();
        let sync = |(part, sessions): (usize, &[_])| {
            let machines = if part == 0 { context.fleet.machines() } else { Vec::new() };
            let sync = Sync {
                relay_id: RelayId::from_bytes(*context.hub.as_bytes()),
                generation: context.generation(),
                rev,
                part: u32::try_from(part).unwrap_or(u32::MAX),
                last: part + 1 == count,
                sessions: sessions.to_vec(),
                machines,
            };
            message(notify::SYNC, &sync)
        };
        parts.into_iter().enumerate().filter_map(sync).collect()
    }

    fn told(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn messages_of(rev: Rev, change: Change) -> Vec<Message> {
    let messages = match change {
        Change::Session { info, lease } => {
            let changed = lease.then(|| {
                let (session, lease) = (info.session, info.lease.clone());
                message(notify::LEASE_CHANGED, &LeaseChanged { rev, session, lease })
            });
            let session = SessionChanged { rev, session: *info };
            [changed.flatten(), message(notify::SESSION_CHANGED, &session)]
        }
        Change::Machine(machine) => {
            let changed = MachineChanged { rev, machine: *machine };
            [message(notify::MACHINE_CHANGED, &changed), None]
        }
        Change::Gone(Gone::Session(session)) => {
            [message(notify::SESSION_REMOVED, &SessionRemoved { rev, session }), None]
        }
        Change::Gone(Gone::Machine(machine)) => {
            [message(notify::MACHINE_REMOVED, &MachineRemoved { rev, machine }), None]
        }
    };
    messages.into_iter().flatten().collect()
}

fn message(method: &str, params: &impl Serialize) -> Option<Message> {
    rpc::notification(method, params).ok().map(|text| Message::Text(text.into()))
}
