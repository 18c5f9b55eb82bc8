//! Every type and byte that crosses a process or machine boundary in Quarterdeck.
//!
//! Pure: no I/O, no clock, no environment, no randomness. From the inside out:
//!
//! - [`ids`], [`scope`] and [`limits`]: the words everything else is made of;
//! - [`record`]: the records of a session's log;
//! - [`holder`]: the socket between a holder and its relay;
//! - [`frame`], [`rpc`] and [`error`]: binary frames, JSON-RPC and its errors between relay and client;
//! - [`dialect`]: the protocols of other programs, which a relay speaks too;
//! - [`session`] and [`method`]: what a session looks like from outside, and what can be asked;
//! - [`remote_control`]: vendors' own Remote Control, as a session;
//! - [`http`]: an agent's session over plain HTTP, for programs that know no WebSocket;
//! - [`agent`]: the events, prompts and commands of coding agents;
//! - [`mail`]: the bodies of messages between agents;
//! - [`utc`]: times as text.
//!
//! Deliberately not here: what a peer *does* with a message (`quarterdeck-core` decides, the relay
//! and the holder act).
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod agent;
pub mod dialect;
pub mod error;
pub mod frame;
pub mod holder;
pub mod http;
pub mod ids;
pub mod limits;
pub mod mail;
pub mod method;
pub mod record;
pub mod remote_control;
pub mod rpc;
pub mod scope;
pub mod session;
pub mod utc;
