//! The pure state machines of Quarterdeck: they decide, other crates act.
//!
//! No clock, file, environment or randomness: time and random numbers are arguments.
//!
//! - [`lease`]: who may write to a session;
//! - [`answerer`]: who answers what its program asks of the terminal;
//! - [`viewer`]: how much a viewer is sent, and when it skips;
//! - [`names`]: which session a word means, which label a new one gets;
//! - [`news`]: what watchers of all sessions are told of agents;
//! - [`input`]: what a client typed and has not seen applied;
//! - [`quota`]: which logs go when they take too much room;
//! - [`hooks`]: what is told to programs outside, when, how often;
//! - [`invitations`]: one-use pairing codes;
//! - [`link`]: when a link is dialled, dialled again, given up; whether it still lives;
//! - [`lockout`]: who presented wrong credentials too often;
//! - [`mail`]: where messages between agents go, and what becomes of them.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod answerer;
pub mod hooks;
pub mod input;
pub mod invitations;
pub mod lease;
pub mod link;
pub mod lockout;
pub mod mail;
pub mod names;
pub mod news;
pub mod quota;
pub mod viewer;
