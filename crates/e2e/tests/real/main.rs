//! Tests with real processes: the built `qd`, relays, holders, shells, terminals, links that break.

mod basics;
mod damage;
mod journeys;
mod killing;
mod links;
