//! Real-process tests of Quarterdeck, the tools they need, and the benchmarks.
//!
//! - [`proxy`]: a TCP proxy whose links can be cut, delayed, trickled, swallowed or corrupted;
//! - [`models`]: a model server whose answers are scripted, for the real coding agents;
//! - [`streams`]: output and input of which every byte is known;
//! - [`program`]: what runs inside the sessions under test;
//! - [`asker`]: a tool server that asks the user, for the real coding agents;
//! - [`forward`]: the box before a private network;
//! - [`simulated`]: relays with sessions on paper only, for a hub with many;
//! - [`scripted`]: an agent that does what its messages say.
//!
//! Deliberately not here: anything that the product itself uses.

pub mod asker;
pub mod bench;
pub mod forward;
pub mod harness;
pub mod models;
pub mod processes;
pub mod program;
pub mod proxy;
pub mod pty;
pub mod scripted;
pub mod simulated;
pub mod streams;
mod watched;
