//! TLS, WebSocket, Unix socket and ssh links of Quarterdeck, and its typed client.
//!
//! In the order in which bytes flow:
//!
//! - [`endpoint`]: where a relay is; [`tls`]: whom one believes;
//! - [`dial`]: from an endpoint to an open WebSocket; [`server`]: the accepting side, up to where HTTP
//!   begins;
//! - [`stdio`]: the far side of an ssh link;
//! - [`client`]: one connection as typed calls and one ordered stream of what comes in;
//! - [`stream`], [`unix`]: what carries bytes;
//! - [`reconnect`]: a link that is dialled again until somebody drops it; it drives
//!   [`quarterdeck_core::link`], which decides.
//!
//! Deliberately not here: HTTP on the server's side (the relay and the hub put it on accepted streams),
//! and every decision about sessions.

pub mod client;
pub mod dial;
pub mod endpoint;
pub mod limits;
pub mod reconnect;
pub mod server;
pub mod stdio;
pub mod stream;
mod sys;
#[cfg(test)]
mod testing;
pub mod tls;
pub mod unix;

pub use client::{CallError, Client, ClientOptions, ClosedWhy, Events, Incoming};
pub use dial::{DialError, DialLimits, DialOptions, WsStream, connect};
pub use endpoint::Endpoint;
pub use server::{Accepted, Listener, Peer};
