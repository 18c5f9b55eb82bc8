//! Machines on a network of their own: namespaces on one switch, so that addresses, cables and reboots are
//! real. Needs root.
//!
//! The switch stands in a namespace too, so nothing of it touches the network of the machine that tests.
//! Names carry the test's process; what a killed test left behind, the next one clears away.

use std::{
    cell::Cell,
    fs,
    net::Ipv4Addr,
    path::PathBuf,
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use super::{instance::Instance, tools};
use crate::processes;

/// What the names of all namespaces begin with; the process and a number follow.
const PREFIX: &str = "qdt-";
/// The switch's device.
const BRIDGE: &str = "switch";
/// A machine's device.
const CARD: &str = "eth0";
/// The device of a machine before a private network, and the addresses there: its own and the other's.
const PRIVATE: &str = "private";
const PRIVATE_ADDRESSES: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 78, 0, 1), Ipv4Addr::new(10, 78, 0, 2)];
/// The first address of machines; the network has 254.
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// A network namespace; dropping it kills what runs in it and deletes it, with all its devices.
#[derive(Debug)]
struct Namespace {
    name: String,
    ip: PathBuf,
}

impl Namespace {
    fn make(ip: &PathBuf, word: &str) -> Option<Self> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{number}-{word}", std::process::id());
        let made = Command::new(ip).args(["netns", "add", &name]).stderr(Stdio::null()).status();
        made.is_ok_and(|status| status.success()).then(|| Self { name, ip: ip.clone() })
    }
    /// `ip` with these words, inside.
    fn ip(&self, words: &[&str]) {
        let output = Command::new(&self.ip).args(["-n", &self.name]).args(words).output();
        let output = output.expect("ip runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "ip {}: {said}", words.join(" "));
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        delete(&self.ip, &self.name);
    }
}

fn delete(ip: &PathBuf, name: &str) {
    let inside = Command::new(ip).args(["netns", "pids", name]).output();
    let inside = inside.map(|output| output.stdout).unwrap_or_default();
    for pid in String::from_utf8_lossy(&inside).lines().filter_map(|line| line.parse().ok()) {
        // it may end by itself
        let _ = processes::signal(pid, rustix::process::Signal::KILL);
    }
    let _ = Command::new(ip).args(["netns", "del", name]).stderr(Stdio::null()).status();
}

/// Deletes what tests left behind that were killed.
fn clear_away(ip: &PathBuf) {
    for entry in fs::read_dir("/run/netns").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next()?.parse().ok());
        if pid.is_some_and(|pid: u32| !processes::is_alive(pid)) {
            delete(ip, &name);
        }
    }
}

/// A switch; machines are plugged into it.
#[derive(Debug)]
pub struct Network {
    switch: Namespace,
    hosts: Cell<u8>,
}

impl Network {
    /// Sets one up. Where that must work (`QD_REQUIRE_ROOT=1`, as in CI) anything in the way fails the test;
    /// elsewhere the test says loudly that it checks nothing.
    ///
    /// # Panics
    /// When it must work and does not.
    #[must_use]
    pub fn set_up() -> Option<Self> {
        let Some(switch) = tools::find_program("ip").and_then(|ip| {
            clear_away(&ip);
            Namespace::make(&ip, "switch")
        }) else {
            say_unchecked();
            return None;
        };
        switch.ip(&["link", "add", BRIDGE, "type", "bridge", "forward_delay", "0"]);
        switch.ip(&["link", "set", BRIDGE, "up"]);
        Some(Self { switch, hosts: Cell::new(0) })
    }
    /// Plugs in a machine with nothing on it. It must be dropped before the network.
    #[must_use]
    pub fn host(&self, word: &str) -> Host {
        let number = self.hosts.get();
        self.hosts.set(number + 1);
        let address = Ipv4Addr::from(u32::from(FIRST) + u32::from(number));
        let namespace = Namespace::make(&self.switch.ip, word).expect("another namespace is made");
        let port = format!("port{number}");
        let inside = namespace.name.as_str();
        self.switch
            .ip(&["link", "add", &port, "type", "veth", "peer", "name", CARD, "netns", inside]);
        self.switch.ip(&["link", "set", &port, "master", BRIDGE, "up"]);
        namespace.ip(&["link", "set", "lo", "up"]);
        namespace.ip(&["link", "set", CARD, "up"]);
        let instance = Instance::inside(&namespace.name);
        let host = Host { instance, address: Cell::new(address), port, namespace };
        host.has(address);
        host
    }
    /// Takes a machine off the switch: its link looks as before, and nothing arrives on either side.
    pub fn swallow(&self, host: &Host) {
        self.switch.ip(&["link", "set", &host.port, "nomaster"]);
    }
    /// Puts it back.
    pub fn deliver(&self, host: &Host) {
        self.switch.ip(&["link", "set", &host.port, "master", BRIDGE]);
    }
}

/// A machine with an address and a home of its own.
#[derive(Debug)]
pub struct Host {
    /// What runs there.
    pub instance: Instance,
    address: Cell<Ipv4Addr>,
    port: String,
    namespace: Namespace,
}

impl Host {
    /// Its address.
    #[must_use]
    pub const fn address(&self) -> Ipv4Addr {
        self.address.get()
    }
    /// Its address with a port, to listen on or to go to.
    #[must_use]
    pub fn at(&self, port: u16) -> String {
        format!("{}:{port}", self.address.get())
    }
    /// Pulls the cable: its card is down.
    pub fn unplug(&self) {
        self.namespace.ip(&["link", "set", CARD, "down"]);
    }
    /// Plugs it in again.
    pub fn plug_in(&self) {
        self.namespace.ip(&["link", "set", CARD, "up"]);
    }
    /// Comes to another place: the address that it had is nobody's.
    pub fn move_to(&self, address: Ipv4Addr) {
        self.namespace.ip(&["addr", "flush", "dev", CARD]);
        self.address.set(address);
        self.has(address);
    }
    /// All its processes are gone at once, as when the power fails; its disk stays.
    pub fn lose_power(&self) {
        processes::kill_naming(self.instance.home());
    }
    /// Puts another machine behind this one: on a private network of the two, and no longer on the switch. Gives
    /// this one's address there.
    pub fn hide(&self, other: &Self) -> Ipv4Addr {
        let inside = other.namespace.name.as_str();
        other.namespace.ip(&["link", "del", CARD]);
        self.namespace
            .ip(&["link", "add", PRIVATE, "type", "veth", "peer", "name", CARD, "netns", inside]);
        let [here, there] = PRIVATE_ADDRESSES;
        self.namespace.ip(&["addr", "add", &format!("{here}/24"), "dev", PRIVATE]);
        self.namespace.ip(&["link", "set", PRIVATE, "up"]);
        other.namespace.ip(&["link", "set", CARD, "up"]);
        other.address.set(there);
        other.has(there);
        here
    }

    fn has(&self, address: Ipv4Addr) {
        self.namespace.ip(&["addr", "add", &format!("{address}/24"), "dev", CARD]);
    }
}

#[expect(
    clippy::print_stderr,
    reason = "a test that checks nothing must not look like one that does"
)]
fn say_unchecked() {
    let required = std::env::var_os("QD_REQUIRE_ROOT").is_some_and(|value| value == "1");
    assert!(!required, "no network namespace can be made");
    eprintln!(
        "NOT CHECKED: no network namespace can be made; run the tests as root, with iproute2"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_of_a_network_nor_of_one_whose_test_was_killed() {
        let Some(network) = Network::set_up() else { return };
        let host = network.host("a");
        let names = [network.switch.name.clone(), host.namespace.name.clone()];
        let there = |name: &String| fs::exists(format!("/run/netns/{name}")).expect("looks");
        assert!(names.iter().all(there));
        let ip = network.switch.ip.clone();
        drop((host, network));
        assert!(!names.iter().any(there));
        // process numbers end below this one
        let old = format!("{PREFIX}4194305-0-switch");
        let made = Command::new(&ip).args(["netns", "add", &old]).status().expect("runs");
        assert!(made.success());
        clear_away(&ip);
        assert!(!there(&old));
    }
}
