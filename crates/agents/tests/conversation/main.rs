//! The fold and its adapters, driven as a relay and a holder drive them.
#![expect(
    clippy::wildcard_enum_match_arm,
    clippy::needless_pass_by_value,
    reason = "a test looks for one event among many, and builds its lines where it hands them over"
)]

mod acp;
mod claude;
mod codex;
mod fold;
mod harness;
mod sidecar;
