//! A hub and machines on a network, each with a session whose every byte is known.

use std::time::Duration;

use quarterdeck_e2e::harness::{
    client::Way,
    hub::{Hub, pairing_line, until_machine_within},
    instance::Relay,
    network::{Host, Network},
    steady::{Steady, Typist},
};
use quarterdeck_protocol::method::{MachineInfo, MachineState, PairingInviteResult};

/// Where hubs listen: each has an address of its own, so that one number fits all.
pub(crate) const HUB_PORT: u16 = 7718;
/// Where relays listen.
pub(crate) const RELAY_PORT: u16 = 7717;
/// Two pings without an answer, with the time until the first one; and a loaded machine.
pub(crate) const SILENCE_NOTICED: Duration = Duration::from_secs(75);
/// The longest step of the ladder, a probe and a dial; and a loaded machine.
pub(crate) const DIALLED_AGAIN: Duration = Duration::from_secs(75);

/// The machine on which only the hub runs.
pub(crate) struct Desk {
    pub(crate) hub: Hub,
    pub(crate) host: Host,
}

impl Desk {
    pub(crate) async fn start(network: &Network) -> Self {
        let host = network.host("hub");
        let hub = host.instance.start_hub(&["--listen", &host.at(HUB_PORT)]).await;
        Self { hub, host }
    }
    /// Its hub, for all machines.
    pub(crate) fn way(&self) -> Way {
        Way::hub(&self.host.instance)
    }
    /// Starts another hub where this one was.
    pub(crate) async fn killed_and_restarted(self, port: u16) -> Self {
        let Self { hub, host } = self;
        hub.kill().await;
        let hub = host.instance.start_hub(&["--listen", &host.at(port)]).await;
        Self { hub, host }
    }
    /// Waits until a machine is as it should be.
    pub(crate) async fn until(
        &self,
        limit: Duration,
        machine: &str,
        what: &str,
        is_so: impl Fn(&MachineInfo) -> bool,
    ) -> MachineInfo {
        until_machine_within(limit, &self.way(), machine, what, is_so).await
    }
    pub(crate) async fn until_linked(&self, machine: &str) -> MachineInfo {
        let linked = |it: &MachineInfo| it.state == MachineState::Connected;
        let machine = self.until(DIALLED_AGAIN, machine, "it is linked", linked).await;
        assert_eq!(machine.unreachable_since, None, "what is linked can be reached");
        machine
    }
    /// Waits until the hub says that a machine cannot be reached, and since when.
    pub(crate) async fn until_unreachable(&self, machine: &str) -> MachineInfo {
        let gone = |it: &MachineInfo| it.unreachable_since.is_some();
        let machine = self.until(SILENCE_NOTICED, machine, "its loss is told", gone).await;
        assert_ne!(machine.state, MachineState::Connected, "{machine:?}");
        machine
    }
}

/// A machine of the hub with a session on it, and who types into it through the hub.
pub(crate) struct Busy {
    _relay: Relay,
    pub(crate) steady: Steady,
    pub(crate) typist: Typist,
    pub(crate) host: Host,
    pub(crate) label: &'static str,
}

impl Busy {
    /// A machine that the hub dials.
    pub(crate) async fn added(network: &Network, desk: &Desk, label: &'static str) -> Self {
        let host = network.host(label);
        let relay = start_listening(&host).await;
        add(desk, &host, label, &["--label", label]).await;
        Self::work(desk, host, relay, label).await
    }
    /// A machine that dials the hub at an address; it listens nowhere.
    pub(crate) async fn joined(desk: &Desk, host: Host, label: &'static str) -> Self {
        let relay = host.instance.start_relay(&[]).await;
        join_at(desk, &host, label, &desk.host.at(HUB_PORT)).await;
        desk.until_linked(label).await;
        Self::work(desk, host, relay, label).await
    }

    /// A machine that has its link.
    pub(crate) async fn work(desk: &Desk, host: Host, relay: Relay, label: &'static str) -> Self {
        let peer = Way::unix(&host.instance).connect("starter").await;
        let seed = u64::from(label.len() as u8) + 70;
        let steady = Steady::start(&host.instance, &peer, seed, 100_000).await;
        let typist = Typist::new(desk.way().on(label), &steady);
        let mut busy = Self { _relay: relay, steady, typist, host, label };
        busy.comes_back().await;
        busy.goes_on(50).await;
        busy
    }
    /// Says to the hub where the machine is now.
    pub(crate) async fn add_to(&self, desk: &Desk) {
        add(desk, &self.host, self.label, &[]).await;
    }
    /// The client comes back, as soon as the hub has its link.
    pub(crate) async fn comes_back(&mut self) {
        self.typist.come_back(DIALLED_AGAIN).await;
    }
    /// So many further inputs are applied.
    pub(crate) async fn goes_on(&mut self, inputs: u64) {
        let settled = self.typist.settled() + inputs;
        self.typist.work(|it| it.settled() >= settled).await.expect("the way is whole");
    }
    /// The client is thrown out, if it has not been yet.
    pub(crate) async fn is_thrown_out(&mut self) {
        self.typist.until_thrown_out(SILENCE_NOTICED).await;
    }
    /// All input arrived once, all output is in the log and came to the client once and in order.
    pub(crate) async fn ends_whole(mut self) {
        let out = self.typist.out();
        let typed = self.typist.finish().await;
        self.steady.check_typed(typed).await;
        self.steady.check_log(out);
    }
}

/// A relay that can be reached wherever its machine is.
pub(crate) async fn start_listening(host: &Host) -> Relay {
    host.instance.start_relay(&["--listen", &format!("0.0.0.0:{RELAY_PORT}")]).await
}

/// Adds a machine where it is now, new or known.
async fn add(desk: &Desk, host: &Host, label: &str, further: &[&str]) {
    let line = pairing_line(&host.instance, &["--address", &host.at(RELAY_PORT)]).await;
    let words = [&["machine", "add"], further].concat();
    desk.host.instance.qd_reading(words, &line).await.ok();
    desk.until_linked(label).await;
}

/// Has a machine dial the hub at an address.
pub(crate) async fn join_at(desk: &Desk, host: &Host, label: &str, address: &str) {
    let words = ["machine", "invite", "--label", label, "--address", address, "--json"];
    let line = desk.host.instance.qd(words).await.ok().json::<PairingInviteResult>().line;
    host.instance.qd_reading(["join", "--name", "desk"], &line).await.ok();
}
