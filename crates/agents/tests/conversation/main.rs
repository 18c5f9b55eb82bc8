//! The fold and its adapters, driven as a relay and a holder drive them.

mod acp;
mod claude;
mod codex;
mod fold;
mod harness;
mod sidecar;
