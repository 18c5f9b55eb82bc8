//! Real-process tests of Quarterdeck, the tools they need, and the benchmarks.
//!
//! - [`proxy`]: a TCP proxy whose links can be cut, delayed, trickled, swallowed or corrupted;
//! - [`streams`]: output and input of which every byte is known.
//! - [`program`]: what runs inside the sessions under test;
//! - [`scripted`]: an agent that does what its messages say.
//!
//! Deliberately not here: anything that the product itself uses.

pub mod bench;
pub mod harness;
pub mod processes;
pub mod program;
pub mod proxy;
pub mod pty;
pub mod scripted;
pub mod streams;
mod watched;
