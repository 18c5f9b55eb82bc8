//! Hooks: what relay and hub tell programs outside.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

#[expect(unused_imports, reason = "the docs lead to them")]
use super::{HookList, HookTest, HookTold};

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum HookEvent {
    /// A human is asked.
    #[serde(rename = "prompt.opened")]
    PromptOpened,
    /// An agent's turn has ended.
    #[serde(rename = "turn.ended")]
    TurnEnded,
    /// A machine of the hub has been away for a while.
    #[serde(rename = "machine.unreachable")]
    MachineUnreachable,
}

impl HookEvent {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::PromptOpened, Self::TurnEnded, Self::MachineUnreachable];
    /// The word in configuration and messages.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::PromptOpened => "prompt.opened",
            Self::TurnEnded => "turn.ended",
            Self::MachineUnreachable => "machine.unreachable",
        }
    }
}

/// How it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum HookKind {
    /// JSON by `POST`, signed.
    Webhook,
    /// A message to a topic of an ntfy server.
    Ntfy,
}

/// A hook and how it fares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HookInfo {
    /// Its name in the configuration.
    pub name: String,
    /// How it tells.
    pub kind: HookKind,
    /// Whom: scheme and host. The rest of an address may be a secret.
    pub to: String,
    /// What it tells.
    pub on: Vec<HookEvent>,
    /// Events that wait.
    pub waiting: u32,
    /// Events that were told.
    pub sent: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Events that were given up.
    pub dropped: u64,
    /// When something was told last, in microseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<u64>,
    /// When an attempt failed last, in microseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_at: Option<u64>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// [`HookList`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HookListResult {
    /// The hooks of this relay or hub.
    pub hooks: Vec<HookInfo>,
    /// A relay leaves the telling to a hub that is linked.
    pub rests: bool,
}

/// [`HookTest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HookTestParams {
    /// Which hook.
    pub name: String,
}

/// [`HookTest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HookTestResult {
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// [`HookTold`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HookToldParams {
    /// The event's key.
    pub key: String,
}
