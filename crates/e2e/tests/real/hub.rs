//! The hub: several relays behind one wire, whatever dies on the way.

mod crowd;
mod database;
mod faults;
mod links;
mod naps;
mod operations;
mod pairing;
mod people;
mod ssh;
mod views;
