//! What an agent can be told, and what is recorded beside its vendor's lines.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use super::{Origin, PromptAnswer, PromptId};
use crate::ids::{ClientId, Principal};

/// Which protocol an agent speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Vendor {
    /// Claude Code: stream-json with its control protocol.
    Claude,
    /// Codex: its app-server.
    Codex,
    /// Any agent of the Agent Client Protocol.
    Acp,
    /// A runner of newline-separated JSON.
    Sidecar,
    /// A vendor of a newer version: its lines pass through.
    #[serde(other)]
    Unknown,
}

/// A piece of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ContentBlock {
    /// Text.
    Text {
        /// It.
        text: String,
    },
    /// An image.
    Image {
        /// Such as `image/png`.
        mime_type: String,
        /// Base64. Empty in events: the image stands in the log.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        data: String,
    },
    /// A file or page that the agent is to look at.
    ResourceLink {
        /// Where.
        uri: String,
        /// What people call it.
        name: String,
    },
    /// Of a newer version, or a form that is not shown.
    #[serde(other)]
    Unknown,
}

/// What happens to a message while a turn runs. Without a turn all three are the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// It waits and begins the next turn.
    #[default]
    Queue,
    /// The running turn takes it in.
    Steer,
    /// The running turn is interrupted, and it begins the next one before all that wait.
    Interrupt,
}

/// What an agent can be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum AgentCommand {
    /// A message.
    Prompt {
        /// Its pieces.
        content: Vec<ContentBlock>,
        /// What happens while a turn runs.
        #[serde(default)]
        delivery: Delivery,
    },
    /// Stop the running turn; what waits stays.
    Interrupt,
    /// Change the mode.
    SetMode {
        /// Its id.
        mode: String,
    },
    /// Change the model.
    SetModel {
        /// Its id.
        model: String,
    },
    /// Take back a message that still waits.
    Withdraw {
        /// The key of its command.
        message_id: String,
    },
    /// Of a newer version.
    #[serde(other)]
    Unknown,
}

/// Whether an agent begins a conversation or goes on with one of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum Resume {
    /// A new one.
    #[default]
    New,
    /// The one with this vendor's id.
    Resume {
        /// The id.
        vendor_session: String,
    },
    /// A copy of the one with this vendor's id.
    Fork {
        /// The id.
        vendor_session: String,
    },
}

/// How an agent was started; the note [`topic::START`], once before or after each `start` record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AgentStart {
    /// Which protocol it speaks.
    pub vendor: Vendor,
    /// Where it works; absolute.
    pub cwd: String,
    /// Its model; the vendor's default without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Its mode; the one that asks about everything without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// The conversation.
    #[serde(default)]
    pub resume: Resume,
    /// The vendor's id for a new conversation, where the vendor lets us choose: a UUID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor_session: Option<String>,
    /// Which runner of a sidecar: `claude`, `codex`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The command of the server whose tools it writes to others with; empty = it has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mail_tools: Vec<String>,
}

/// A command that was taken; the note [`topic::COMMAND`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CommandRecord {
    /// The command's id; a retry carries the same and is taken once.
    pub key: String,
    /// Who gave it.
    pub origin: Origin,
    /// The command.
    #[serde(flatten)]
    pub command: AgentCommand,
}

/// An answer that was taken: the body of an `answer` record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AnswerRecord {
    /// The prompt.
    pub prompt: PromptId,
    /// Who answered.
    pub by: Principal,
    /// From which client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<ClientId>,
    /// What that client calls itself, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_name: Option<String>,
    /// The client's own id of its answer.
    pub answer_id: String,
    /// The answer.
    pub answer: PromptAnswer,
}

/// Lines that the protocol itself demanded; the note [`topic::DUE`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DueRecord {
    /// What they are for; written once.
    pub key: String,
}

/// Nobody answered in time; the note [`topic::EXPIRED`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ExpiredRecord {
    /// The prompt.
    pub prompt: PromptId,
}

/// The agent wrote a line that was too long to be kept; the note [`topic::OVERSIZED`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OversizedRecord {
    /// Its length.
    pub bytes: u64,
}

/// Topics of the notes that an agent's conversation is computed from.
pub mod topic {
    /// An [`AgentStart`](super::AgentStart).
    pub const START: &str = "agent.start";
    /// A [`CommandRecord`](super::CommandRecord).
    pub const COMMAND: &str = "agent.command";
    /// A [`DueRecord`](super::DueRecord).
    pub const DUE: &str = "agent.due";
    /// An [`ExpiredRecord`](super::ExpiredRecord).
    pub const EXPIRED: &str = "agent.expired";
    /// An [`OversizedRecord`](super::OversizedRecord).
    pub const OVERSIZED: &str = "agent.oversized";
}
