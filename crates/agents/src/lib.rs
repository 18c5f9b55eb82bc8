//! Coding agents: vendors' raw lines in; events, prompts and lines to write out. Pure: no I/O, no
//! clock, no randomness.
//!
//! The log is the truth, and [`Conversation`] is a fold of it. Data flows so:
//!
//! 1. a record of the log goes into [`Conversation::apply`];
//! 2. a vendor's line goes through that vendor's adapter (`claude`, `codex`, `acp`, `sidecar`: one
//!    file each behind the seam `adapter`), which reads it as steps (`step`);
//! 3. the fold gives steps their ids, turns, prompts and totals, and queues events;
//! 4. whoever wants something of the agent asks [`Conversation::command`], [`Conversation::answer`] or
//!    [`Conversation::poll_due`] and gets an [`Operation`]: a fact to record and lines to write, under a
//!    key for a compare-and-set. Nothing changes in the fold until the records come back.
//!
//! [`remote`] knows vendors' own Remote Control, whose programs run on a terminal.
//! [`launch`] says how each vendor's program is started, [`plain`] makes its text fit for people.
//! Deliberately not here: processes, files, leases and scopes (the relay and the holder).
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod acp;
mod adapter;
mod claude;
mod codex;
mod conversation;
mod errors;
mod form;
mod json;
pub mod launch;
pub mod limits;
pub mod plain;
pub mod remote;
mod rpc;
mod sidecar;
mod step;
mod wire_id;

pub use conversation::{
    AnswerDecision, AnswerRefusal, Answerer, CheckpointError, CommandRefusal, Conversation,
    Operation,
};
pub use form::FormError;
