//! The real agents in the whole house: `qd`, relay, holder, agent, as a person uses them.

mod course;
mod killing;
mod mail;
mod outside;
mod trouble;
