//! What a conversation adds up to.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use super::{
    CommandInfo, ModeInfo, Origin, PlanEntry, Prompt, RateWindow, TurnNumber, Usage, Vendor,
};
use crate::ids::Seq;

/// Where an agent is; what `SessionState` says of a live agent session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum AgentState {
    /// It introduces itself.
    Starting,
    /// A turn runs.
    Running,
    /// A human is asked.
    Waiting,
    /// It has nothing to do.
    Idle,
    /// It runs but could not open its conversation; an error event told why.
    Stalled,
    /// Its program has ended.
    Exited,
    /// A state of a newer version.
    #[serde(other)]
    Unknown,
}

/// What an agent can do, as far as it has said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[expect(clippy::struct_excessive_bools, reason = "a set of independent abilities")]
pub struct Features {
    /// A running turn can take in a message.
    pub steer: bool,
    /// A turn can be interrupted.
    pub interrupt: bool,
    /// A tool's input can be changed before it is allowed.
    pub edit_input: bool,
    /// A denial can carry a reason.
    pub deny_with_message: bool,
    /// The mode can be changed.
    pub set_mode: bool,
    /// The model can be changed.
    pub set_model: bool,
    /// A conversation can be gone on with after the program has ended.
    pub resume: bool,
    /// A conversation can be copied.
    pub fork: bool,
    /// Messages may hold images.
    pub images: bool,
}

/// The turn that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TurnView {
    /// Its number.
    pub number: TurnNumber,
    /// Who began it.
    pub origin: Origin,
    /// When, microseconds since 1970.
    pub started_at_micros: u64,
}

/// A message that waits for the turn to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct QueuedMessage {
    /// The key of its command.
    pub message_id: String,
    /// Who wrote it.
    pub origin: Origin,
    /// How it begins.
    pub text: String,
}

/// What a conversation adds up to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConversationView {
    /// The record after the last one that is in it.
    pub next: Seq,
    /// Which protocol the agent speaks.
    pub vendor: Vendor,
    /// Where it is.
    pub state: AgentState,
    /// The vendor's own id of the conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor_session: Option<String>,
    /// What the vendor calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The turn that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<TurnView>,
    /// Turns so far.
    pub turns: u64,
    /// Prompts that are open or answered but not yet applied, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prompts: Vec<Prompt>,
    /// Messages that wait, next one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queue: Vec<QueuedMessage>,
    /// What the session has used.
    pub usage: Usage,
    /// The vendor's limits over time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rate_windows: Vec<RateWindow>,
    /// The current mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Modes that can be chosen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modes: Vec<ModeInfo>,
    /// The current model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Models that can be chosen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<ModeInfo>,
    /// Commands that a message may begin with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<CommandInfo>,
    /// The agent's plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plan: Vec<PlanEntry>,
    /// What the agent can do.
    pub features: Features,
}
