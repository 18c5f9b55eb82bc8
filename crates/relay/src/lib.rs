//! The daemon of an instance: its sessions, leases, tokens and wire.
//!
//! A relay can be killed at any moment: the truth is in the sessions' logs, which their holders
//! write. It owns no PTY and no child but the holders' zygote. In the order in which a request goes:
//!
//! - [`daemon`]: a relay's life; [`options`], [`config`]: what it is given; `quarterdeck-access` has the
//!   instance's directory, its lock, private files, tokens, pairings and the journal;
//! - [`web`]: listeners, HTTP, who is let in; [`caller`]: how that is proved;
//! - [`connection`]: one client: frames in, turns out; [`api`]: the methods; [`http`]: the same without
//!   a WebSocket;
//! - [`hubs`]: hubs' links, and those that this relay dials itself;
//! - [`dialect`]: other programs' protocols, on listeners of their own;
//! - [`watch`]: an agent's conversation for those who tell of it in a form of their own;
//! - [`registry`]: all sessions and the number of their view;
//! - [`session`]: the task of one session, its link to the holder, its tail;
//! - [`agent`]: which agents there are, and how they are started;
//! - [`uploads`]: files that clients send to sessions;
//! - [`screens`]: the terminal models, on a thread of their own;
//! - [`collector`], [`metrics`]: what keeps house.

mod agent;
mod api;
mod caller;
pub mod catalogue;
pub mod ceiling;
mod collector;
pub mod config;
mod connection;
mod context;
mod daemon;
mod dialect;
pub mod environment;
pub mod error;
mod git;
mod http;
mod hubs;
mod mail;
pub mod metrics;
pub mod options;
mod program;
mod registry;
mod remote;
mod revive;
mod screens;
mod session;
pub mod ssh_agent;
mod tunnel;
mod uploads;
mod watch;
mod web;

use quarterdeck_access::{clock, files, instance, journal, keys, lock, peer, tokens};

pub use daemon::run;
pub use error::RelayError;
pub use options::RelayOptions;
