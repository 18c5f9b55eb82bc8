//! Several machines with addresses and cables of their own: what a network does to them, nothing is lost
//! and nothing is told that is not so.

mod lives;
mod roads;
mod scene;
