//! Every type and byte that crosses a process or machine boundary in Quarterdeck.
//!
//! Pure: no I/O, no clock, no environment, no randomness. In the order in which data flows:
//!
//! - [`ids`] and [`limits`]: the words everything else is made of.
//!
//! Deliberately not here: what a peer *does* with a message (`quarterdeck-core` decides, the relay
//! and the holder act).
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod ids;
pub mod limits;
