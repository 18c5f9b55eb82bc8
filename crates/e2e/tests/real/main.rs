//! Tests with real processes: the built `qd`, relays, holders, shells, terminals, links that break.

mod agents;
mod agor;
mod basics;
mod damage;
mod fullscreen;
mod garbage;
mod hooks;
mod http;
mod hub;
mod instances;
mod journeys;
mod killing;
mod leases;
mod links;
mod loans;
mod myagent;
mod nets;
mod past;
mod reach;
mod remote;
mod scopes;
mod viewers;
