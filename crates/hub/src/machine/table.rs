//! Handles to the machines' tasks.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use quarterdeck_protocol::ids::MachineId;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Command;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Machines(Mutex<BTreeMap<MachineId, Handle>>);

#[derive(Debug)]
struct Handle {
    /// When it is full, whoever asks waits.
    commands: mpsc::Sender<Command>,
    stop: CancellationToken,
}

impl Machines {
    pub(super) fn insert(
        &self,
        machine: MachineId,
        commands: mpsc::Sender<Command>,
        stop: CancellationToken,
    ) {
        self.lock().insert(machine, Handle { commands, stop });
    }

    /// Asks something of a machine's task; one that has ended is not there any more.
    pub(crate) async fn tell(&self, machine: MachineId, command: Command) {
        let commands = self.lock().get(&machine).map(|handle| handle.commands.clone());
        if let Some(commands) = commands {
            let _ = commands.send(command).await;
        }
    }

    /// Ends a machine's task.
    pub(crate) fn stop(&self, machine: MachineId) {
        if let Some(handle) = self.lock().remove(&machine) {
            handle.stop.cancel();
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<MachineId, Handle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
