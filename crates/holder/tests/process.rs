//! Holders as real processes, driven over their sockets as a relay does it.

#[path = "process/agents.rs"]
mod agents;
#[path = "process/driving.rs"]
mod driving;
#[path = "process/ending.rs"]
mod ending;
#[path = "process/harness.rs"]
mod harness;
#[path = "process/launching.rs"]
mod launching;
#[path = "process/surviving.rs"]
mod surviving;
#[path = "process/typing.rs"]
mod typing;
