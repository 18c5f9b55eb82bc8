//! A hub's machines, as many as one likes; see [`crate::simulated`].

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Instant,
};

use quarterdeck_protocol::method::{MachineAccess, MachineAdd, MachineAddParams, MachineInfo};
use tempfile::TempDir;

use super::{client::Peer, instance::simulated_relays_binary};
use crate::simulated::Ready;

/// Simulated relays, all in one process; killed when it is dropped.
#[derive(Debug)]
pub struct SimulatedRelays {
    child: Child,
    ready: Ready,
    dials: Arc<Mutex<Vec<Instant>>>,
    _directory: TempDir,
}

impl SimulatedRelays {
    /// Starts so many, with so many sessions each.
    ///
    /// # Panics
    /// When they do not start.
    #[must_use]
    pub fn start(relays: u16, sessions: u16) -> Self {
        let directory = tempfile::tempdir().expect("makes a directory");
        let mut command = Command::new(simulated_relays_binary());
        command.args([relays.to_string(), sessions.to_string()]).arg(directory.path());
        let mut child = command.stdout(Stdio::piped()).spawn().expect("they start");
        let mut said = BufReader::new(child.stdout.take().expect("is piped")).lines();
        let ready = said.next().expect("they are ready").expect("is text");
        let ready = serde_json::from_str(&ready).expect("the ready line");
        let dials = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&dials);
        let note = move || {
            for _ in said.map_while(Result::ok) {
                noted.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
            }
        };
        // ends with the process
        thread::Builder::new().spawn(note).expect("a thread starts");
        Self { child, ready, dials, _directory: directory }
    }
    /// When each dial came, since this was asked last.
    #[must_use]
    pub fn take_dials(&self) -> Vec<Instant> {
        std::mem::take(&mut *self.dials.lock().unwrap_or_else(PoisonError::into_inner))
    }
    /// Adds all of them to a hub, as `sim-0` and so on.
    ///
    /// # Panics
    /// When the hub does not take one.
    pub async fn add_to(&self, admin: &Peer) -> Vec<MachineInfo> {
        let mut added = Vec::new();
        for (number, address) in self.ready.addresses.iter().enumerate() {
            let label = format!("sim-{number}").parse().expect("a label");
            let access = MachineAccess::Token {
                url: format!("wss://{address}"),
                token: format!("qdt_{}", "A".repeat(43)),
                pin: Some(self.ready.pin.clone()),
            };
            let params = MachineAddParams { label: Some(label), access, offline: false };
            added.push(admin.call::<MachineAdd>(&params).await.machine);
        }
        added
    }
}

impl Drop for SimulatedRelays {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
