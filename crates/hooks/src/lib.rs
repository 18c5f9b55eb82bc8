//! Hooks out: what relay and hub tell programs outside, by webhook and ntfy.
//!
//! In the order in which an event flows:
//!
//! - [`config`]: which hooks there are, as the instance's configuration file has them;
//! - [`notice`]: what is told, in words that are safe to show;
//! - [`Hooks`]: the queues, driven by `quarterdeck_core::hooks`, which decides;
//! - `request`: a notice as a webhook's or ntfy's request; `send`: one attempt.
//!
//! Secrets are read from their file at each attempt and kept nowhere; no error, log line or status has
//! more of an address than its host.

pub mod config;
mod ledger;
pub mod notice;
mod request;
mod runner;
mod send;

pub use config::{CheckedHooks, HookConfigError, HooksConfig};
pub use notice::{Notice, key};
pub use runner::{Hooks, HooksOptions, Resting};
pub use send::SendError;
