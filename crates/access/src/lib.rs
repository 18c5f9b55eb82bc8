//! What a relay and a hub share on their machine: who may come in, and where things are kept.
//!
//! - [`instance`]: the directory of an instance, with the name of everything in it; [`lock`]: one relay and
//!   one hub at a time; [`files`]: private files, written whole; [`keys`]: the key that a daemon is;
//! - [`peer`]: who is on the other end of a Unix socket; [`tokens`]: bearer tokens; [`pairings`]: hubs that were paired with the relay;
//! - [`door`]: who is let in, and what the others are told; [`journal`]: who came and who was refused;
//! - [`http`]: a connection that both serve alike; [`count`]: counters; [`clock`]: the two clocks.
//!
//! Deliberately not here: listeners and routes (each daemon has its own), and what a caller may then do.

pub mod clock;
pub mod count;
pub mod door;
pub mod files;
pub mod http;
pub mod instance;
pub mod journal;
pub mod keys;
pub mod lock;
pub mod pairings;
pub mod peer;
pub mod tokens;

/// Name of the user that this process runs as, or its number.
#[must_use]
pub fn user_name() -> String {
    let uid = rustix::process::geteuid().as_raw();
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let own = |line: &&str| line.split(':').nth(2) == Some(uid.to_string().as_str());
    let name = passwd.lines().find(own).and_then(|line| line.split(':').next());
    name.map_or_else(|| format!("uid{uid}"), str::to_owned)
}
