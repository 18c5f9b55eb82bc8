//! The hub: several relays behind one wire, whatever dies on the way.

mod crowd;
mod database;
mod faults;
mod guests;
mod http;
mod instances;
mod limits;
mod links;
mod login;
mod mail;
mod naps;
mod news;
mod operations;
mod pairing;
mod people;
mod places;
mod refusals;
mod ssh;
mod views;
