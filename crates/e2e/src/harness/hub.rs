//! A hub under test, and machines for it.

use std::{fs, path::PathBuf, process::ExitStatus, time::Duration};

use quarterdeck_protocol::method::{
    Empty, HubStatusResult, MachineAccess, MachineAdd, MachineAddParams, MachineInfo, MachineList,
    MachineState, PairingInviteResult,
};
use rustix::process::Signal;
use tokio::process::Child;

use super::{
    PATIENCE,
    client::{Peer, Way},
    instance::{Instance, Ran, Relay},
    within, within_time,
};
use crate::processes;

/// A hub in the foreground; killed when it is dropped.
#[derive(Debug)]
pub struct Hub {
    child: Child,
    /// What it said when it was ready.
    pub status: HubStatusResult,
    log: PathBuf,
}

impl Instance {
    /// Starts the hub in the foreground on a free port with these further words, and waits until it
    /// serves.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_hub(&self, words: &[&str]) -> Hub {
        self.try_start_hub(words).await.unwrap_or_else(|ran| panic!("no hub: {ran:?}"))
    }
    /// The same where it may fail: how it ended.
    ///
    /// # Errors
    /// When it ends before it serves.
    pub async fn try_start_hub(&self, words: &[&str]) -> Result<Hub, Ran> {
        let free_port: &[&str] =
            if words.contains(&"--listen") { &[] } else { &["--listen", "127.0.0.1:0"] };
        let (child, status, log) = self.serve("hub", &[free_port, words].concat()).await?;
        Ok(Hub { child, status, log })
    }
}

impl Hub {
    /// Kills it and waits until it is gone, so that its locks are free.
    ///
    /// # Panics
    /// When it does not die.
    pub async fn kill(mut self) {
        self.child.start_kill().expect("the hub can be killed");
        within("the killed hub is gone", self.child.wait()).await.expect("is a child");
    }
    /// Asks it to end, and gives how it did.
    ///
    /// # Panics
    /// When it does not.
    pub async fn terminate(mut self) -> ExitStatus {
        processes::signal(self.status.pid, Signal::TERM).expect("the hub runs");
        within("the hub ends", self.child.wait()).await.expect("is a child")
    }
    /// `host:port` of its network listener.
    ///
    /// # Panics
    /// When it has none.
    #[must_use]
    pub fn address(&self) -> String {
        let network = |url: &String| {
            let (scheme, rest) = url.split_once("://")?;
            scheme.starts_with("ws").then(|| rest.to_owned())
        };
        self.status.listening.iter().find_map(network).expect("the hub listens on the network")
    }
    /// What it has logged.
    ///
    /// # Panics
    /// When the log cannot be read.
    #[must_use]
    pub fn diagnostics(&self) -> String {
        fs::read_to_string(&self.log).expect("the hub's log is readable")
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        // the child is killed with its handle
        if std::thread::panicking() {
            // the home may have been dropped before
            let text = fs::read_to_string(&self.log).unwrap_or_default();
            show(&format!("the hub's words:\n{text}"));
        }
    }
}

/// Prints where the test's output goes.
#[expect(clippy::print_stderr, reason = "a failing test says what it saw")]
fn show(text: &str) {
    eprintln!("{text}");
}

/// The line by which a hub adds this relay.
pub async fn pairing_line(there: &Instance, words: &[&str]) -> String {
    let words = [&["relay", "pair", "--json"], words].concat();
    there.qd(words).await.ok().json::<PairingInviteResult>().line
}

/// Adds a relay to a hub by its line.
///
/// # Panics
/// When it is not added and linked.
pub async fn add_by_line(here: &Instance, there: &Instance, label: &str) -> MachineInfo {
    let line = pairing_line(there, &["--name", "test"]).await;
    let peer = Way::hub(here).connect("admin").await;
    let label = Some(label.parse().expect("a label"));
    let access = MachineAccess::Line { line };
    let params = MachineAddParams { label, access, offline: false };
    let added = peer.call::<MachineAdd>(&params).await.machine;
    assert_eq!(added.state, MachineState::Connected, "{added:?}");
    added
}

/// The machines of a hub.
pub async fn machines(peer: &Peer) -> Vec<MachineInfo> {
    peer.call::<MachineList>(&Empty {}).await.machines
}

/// Waits until a machine is as it should be. A hub tells its watchers; this asks anew at each of them.
///
/// # Panics
/// When it does not come to be.
pub async fn until_machine(
    way: &Way,
    label: &str,
    what: &str,
    is_so: impl Fn(&MachineInfo) -> bool,
) -> MachineInfo {
    until_machine_within(PATIENCE, way, label, what, is_so).await
}

/// The same for what takes longer.
///
/// # Panics
/// When it does not come to be.
pub async fn until_machine_within(
    limit: Duration,
    way: &Way,
    label: &str,
    what: &str,
    is_so: impl Fn(&MachineInfo) -> bool,
) -> MachineInfo {
    use quarterdeck_protocol::method::HelloParams;
    let waiting = async {
        let name = "waiting".to_owned();
        let hello = HelloParams { name, watch: true, ..HelloParams::default() };
        let mut peer = way.try_connect(&hello).await.expect("connects");
        loop {
            let all = machines(&peer).await;
            let found = all.into_iter().find(|it| it.label.as_str() == label);
            if let Some(machine) = found.filter(|it| is_so(it)) {
                return machine;
            }
            peer.events.next().await.expect("the hub lives");
        }
    };
    within_time(limit, what, waiting).await
}

/// A hub with its own relay, and a second relay that was added to it as `far`.
#[derive(Debug)]
pub struct Fleet {
    /// The hub.
    pub hub: Hub,
    /// The relay beside it.
    pub near: Relay,
    /// The other one, which listens with TLS.
    pub far: Relay,
    /// Where hub and its relay run.
    pub here: Instance,
    /// Where the other one runs.
    pub there: Instance,
}

impl Fleet {
    /// Label of the hub's own machine.
    pub const NEAR: &str = "near";
    /// Label of the other one.
    pub const FAR: &str = "far";

    /// Starts all three.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }
    /// The same, with something done to both instances before.
    ///
    /// # Panics
    /// When something does not start.
    pub async fn start_with(prepare: impl Fn(&Instance)) -> Self {
        let (here, there) = (Instance::new(), Instance::new());
        prepare(&here);
        prepare(&there);
        let near = here.start_relay(&[]).await;
        let far = there.start_relay(&["--listen", "127.0.0.1:0"]).await;
        let hub = here.start_hub(&[]).await;
        let own = machines(&Way::hub(&here).connect("admin").await).await.remove(0);
        here.qd(["machine", "rename", own.label.as_str(), Self::NEAR]).await.ok();
        add_by_line(&here, &there, Self::FAR).await;
        let way = Way::hub(&here);
        let linked = |it: &MachineInfo| it.state == MachineState::Connected;
        until_machine(&way, Self::NEAR, "the near machine is linked", linked).await;
        Self { hub, near, far, here, there }
    }
    /// Kills the hub, the near relay or the far one, whichever's turn it is, without waiting for its end.
    ///
    /// # Panics
    /// When it does not run.
    pub fn strike(&self, round: u64) {
        let pid = match round % 3 {
            0 => self.hub.status.pid,
            1 => self.near.pid(),
            _ => self.far.pid(),
        };
        processes::signal(pid, Signal::KILL).expect("it runs");
    }
    /// The same with another one in place of what was struck.
    #[must_use]
    pub async fn struck(self, round: u64) -> Self {
        let Self { mut hub, mut near, mut far, here, there } = self;
        match round % 3 {
            0 => {
                hub.kill().await;
                hub = here.start_hub(&[]).await;
            }
            1 => {
                near.kill().await;
                near = here.start_relay(&[]).await;
            }
            _ => {
                let address = far.address().to_string();
                far.kill().await;
                far = there.start_relay(&["--listen", &address]).await;
            }
        }
        Self { hub, near, far, here, there }
    }
    /// The way to a machine, through the hub.
    #[must_use]
    pub fn way(&self, machine: &str) -> Way {
        Way::hub(&self.here).on(machine)
    }
    /// The instance of a machine.
    ///
    /// # Panics
    /// When there is no such machine.
    #[must_use]
    pub fn instance(&self, machine: &str) -> &Instance {
        match machine {
            Self::NEAR => &self.here,
            Self::FAR => &self.there,
            other => panic!("no machine {other}"),
        }
    }
}
