//! A session's log on disk and the small process that holds its PTY or pipes.
//!
//! In the order in which a session comes to life:
//!
//! - [`log`]: the log itself, its writer, its readers and its lock;
//! - [`zygote`]: where holders come from, and the relay's end of it;
//! - [`launch`]: one launch, from the request to the running program;
//! - the two threads of a holder: `output` owns the log and reads the terminal (`agent` an agent's
//!   pipes), `control` serves the relay, types input and watches the program. What they share is in `shared` (facts), `inbox`
//!   (what is to be recorded) and `driver` (what is to be told);
//! - [`socket`]: how a relay connects;
//! - [`survival`]: what sessions survive on this machine, for `qd doctor`.
//!
//! The bytes on the socket and the launch request stand in `quarterdeck_protocol::holder`.
//! Deliberately not here: who may steer a session (the relay), what output looks like (the screen).

mod agent;
mod bell;
mod connection;
mod control;
mod driver;
mod inbox;
mod input;
mod journal;
pub mod launch;
mod lines;
pub mod log;
mod memory;
mod operations;
mod output;
mod overflow;
mod pipes;
mod processes;
mod program;
mod recorder;
mod scope;
mod shared;
pub mod socket;
mod stdio;
mod stop;
pub mod survival;
mod sys;
mod terminal;
pub mod zygote;

pub use sys::return_free_memory;
