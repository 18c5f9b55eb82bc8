//! The pure state machines of Quarterdeck: they decide, other crates act.
//!
//! - [`link`]: when a link is dialled, dialled again, given up; whether it still lives;
//! - [`lockout`]: who presented wrong credentials too often.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod link;
pub mod lockout;
