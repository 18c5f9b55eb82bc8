//! Agents and their prompts.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use super::SessionName;
#[expect(unused_imports, reason = "the docs lead to them")]
use super::{
    AgentInterrupt, AgentPrompt, AgentSetMode, AgentSetModel, AgentView, AgentWithdraw,
    PromptAnswerMethod, PromptList, SessionCreate,
};
use crate::{
    agent::{
        ContentBlock, ConversationView, Delivery, Prompt, PromptAnswer, PromptId, PromptState,
        Resume,
    },
    ids::{Label, Seq, SessionId},
    session::OnMachine,
};

/// [`SessionCreate`] of an agent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AgentParams {
    /// `claude`, `codex`, `opencode`, `gemini`, another name that the relay's configuration knows, or
    /// `acp:COMMAND…` and `sidecar:COMMAND…` for any program that speaks these.
    pub name: String,
    /// Its model; none = the vendor's or the configuration's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Its mode; none = the one that asks about everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Whether it begins a conversation or goes on with one of the vendor's.
    #[serde(default)]
    pub resume: Resume,
}

/// [`AgentPrompt`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AgentPromptParams {
    /// Which session.
    pub session: SessionName,
    /// The message's pieces.
    pub content: Vec<ContentBlock>,
    /// What happens while a turn runs.
    #[serde(default)]
    pub delivery: Delivery,
    /// The message's id; a retry keeps it and is taken once. None = a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// A program wrote it, not a person.
    #[serde(default)]
    pub script: bool,
    /// Paths of files that were uploaded to the session: images are shown to the agent, others named to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<String>,
}

/// [`AgentInterrupt`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AgentInterruptParams {
    /// Which session.
    pub session: SessionName,
    /// The command's id; a retry keeps it. None = a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<String>,
}

/// [`AgentSetMode`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AgentSetModeParams {
    /// Which session.
    pub session: SessionName,
    /// The mode.
    pub mode: String,
    /// The command's id; a retry keeps it. None = a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<String>,
}

/// [`AgentSetModel`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AgentSetModelParams {
    /// Which session.
    pub session: SessionName,
    /// The model.
    pub model: String,
    /// The command's id; a retry keeps it. None = a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<String>,
}

/// [`AgentWithdraw`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AgentWithdrawParams {
    /// Which session.
    pub session: SessionName,
    /// The message that still waits.
    pub message_id: String,
}

/// A command was taken: it is recorded, and what could be written at once is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AgentCommandResult {
    /// The command's id; a message's events carry it.
    pub id: String,
    /// It had been taken before; nothing was done now.
    #[serde(default)]
    pub repeated: bool,
    /// The record after the command: what comes of it stands from here on, or before if it was
    /// repeated.
    pub next: Seq,
}

/// [`AgentView`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AgentViewResult {
    /// What the conversation adds up to.
    pub view: ConversationView,
}

/// [`PromptList`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PromptListParams {
    /// Which session; none = all that the credential reaches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionName>,
}

/// A prompt and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PromptInfo {
    /// The session whose agent asks.
    pub session: SessionId,
    /// Its label.
    pub label: Label,
    /// On which machine, as a hub sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<OnMachine>,
    /// The prompt.
    #[serde(flatten)]
    pub prompt: Prompt,
}

/// [`PromptList`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PromptListResult {
    /// Prompts that are open, or answered and not yet applied; oldest first.
    pub prompts: Vec<PromptInfo>,
    /// There are more than one answer holds: ask per session.
    #[serde(default)]
    pub more: bool,
}

/// [`PromptAnswerMethod`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PromptAnswerParams {
    /// Which prompt.
    pub prompt: PromptId,
    /// The answer; one that it offers.
    #[serde(flatten)]
    pub answer: PromptAnswer,
    /// The answer's id; a retry keeps it and gets the first result. None = a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_id: Option<String>,
}

/// [`PromptAnswerMethod`]: the answer is recorded, and written to the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PromptAnswerResult {
    /// The prompt.
    pub prompt: PromptId,
    /// Where it is now.
    #[serde(flatten)]
    pub state: PromptState,
}
