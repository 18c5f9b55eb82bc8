//! Tests with real processes: the built `qd`, relays, holders, shells, terminals, links that break.

mod agents;
mod agor;
mod basics;
mod damage;
mod defects;
mod fullscreen;
mod garbage;
mod guides;
mod http;
mod hub;
mod instances;
mod journeys;
mod killing;
mod leases;
mod links;
mod loans;
mod myagent;
mod packaging;
mod past;
mod reach;
mod remote;
mod remote_control;
mod scopes;
mod service;
mod upgrade;
mod viewers;
