//! The process from which holders are forked, and the relay's end of it.
//!
//! A holder must be small, and there may be a thousand of them. Forked from a process that has done
//! nothing but link itself, it shares every page that it does not write to: the program's text, and
//! what the dynamic linker and the runtime have relocated. The zygote never starts a thread and
//! allocates next to nothing; it ends when the relay closes its socket. Holders live on.
//!
//! On the control socket (SEQPACKET, the zygote's descriptor 0) one byte asks for one launch; a
//! descriptor that comes with it is the launch's own stream, on which the request comes and the
//! answer goes: see [`crate::launch`]. So no launch waits for another.

mod client;
mod server;

pub use client::{LaunchError, Zygote};
pub use server::{ZygoteError, run};
