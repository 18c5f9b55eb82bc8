//! What happened in a conversation with an agent.

use alloc::{boxed::Box, string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use super::{
    ContentBlock, EventId, Features, Prompt, PromptId, PromptState, RateWindow, ToolCall,
    TurnNumber, Usage,
};
use crate::{
    ids::{ClientId, Incarnation, Principal},
    record::ExitStatus,
};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AgentEvent {
    /// Where in the log it was read.
    pub id: EventId,
    /// Wall clock of that record, microseconds since 1970.
    pub at_micros: u64,
    /// The turn it belongs to; absent between turns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<TurnNumber>,
    /// What happened.
    #[serde(flatten)]
    pub update: Update,
}

/// What happened. Text for people is free of control and bidi characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Update {
    /// The agent's program was started.
    AgentStarted {
        /// Which start this is.
        incarnation: Incarnation,
    },
    /// The agent's program ended; its turn and its prompts have ended before this event.
    AgentExited {
        /// How, when it is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<ExitStatus>,
    },
    /// Something about the whole conversation became known or changed; absent members did not.
    SessionInfoUpdate {
        /// The vendor's own id of the conversation, by which it is resumed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        vendor_session: Option<String>,
        /// Where the agent works.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cwd: Option<String>,
        /// What the vendor calls the conversation.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
        /// What the agent can do.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        features: Option<Features>,
    },
    /// A turn begins.
    TurnStarted {
        /// Who began it.
        origin: Origin,
        /// The message that began it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message_id: Option<String>,
    },
    /// A turn has ended; there is exactly one for each `turn_started`.
    TurnEnded {
        /// Why.
        stop_reason: StopReason,
        /// What went wrong; set with `error` and `agent_exit`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<AgentError>,
        /// What the turn has used.
        usage: Usage,
    },
    /// What became of a message to the agent.
    MessageUpdate {
        /// The message: the key of its command.
        message_id: String,
        /// What became of it.
        state: MessageState,
    },
    /// A part of a message to the agent.
    UserMessageChunk {
        /// Which message.
        message_id: String,
        /// Who wrote it.
        origin: Origin,
        /// The part.
        content: ContentBlock,
    },
    /// A part of a message of the agent.
    AgentMessageChunk {
        /// Which message.
        message_id: String,
        /// The tool call whose sub-agent speaks.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent_tool_call_id: Option<String>,
        /// The part.
        content: ContentBlock,
    },
    /// A part of the agent's thoughts.
    AgentThoughtChunk {
        /// Which thought.
        message_id: String,
        /// The tool call whose sub-agent thinks.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent_tool_call_id: Option<String>,
        /// The part.
        content: ContentBlock,
    },
    /// No further chunk of this message or thought will come.
    MessageEnded {
        /// Which one.
        message_id: String,
    },
    /// A tool call is seen for the first time.
    ToolCall(Box<ToolCall>),
    /// Something about a tool call has changed.
    ToolCallUpdate(Box<ToolCall>),
    /// A running tool has written something.
    ToolCallOutput {
        /// Which call.
        tool_call_id: String,
        /// What it wrote since the last such event.
        text: String,
    },
    /// Work that goes on beside the turn, such as a sub-agent or a command in the background.
    TaskUpdate(TaskInfo),
    /// All files that the turn has changed so far, as one unified diff.
    TurnDiff {
        /// The diff.
        unified: String,
    },
    /// The agent's plan, whole.
    Plan {
        /// Its entries in order.
        entries: Vec<PlanEntry>,
    },
    /// What the session has used so far.
    UsageUpdate(Usage),
    /// The vendor's limits over time.
    RateLimitUpdate {
        /// All windows that it names now.
        windows: Vec<RateWindow>,
    },
    /// Modes that can be chosen, or the one that is current.
    CurrentModeUpdate {
        /// The current one's id.
        mode: String,
    },
    /// The model that is current.
    CurrentModelUpdate {
        /// Its id.
        model: String,
    },
    /// What modes and models there are.
    ConfigOptionUpdate {
        /// Modes.
        modes: Vec<ModeInfo>,
        /// Models.
        models: Vec<ModeInfo>,
    },
    /// Commands that a message may begin with.
    AvailableCommandsUpdate {
        /// All of them.
        commands: Vec<CommandInfo>,
    },
    /// A request to the vendor failed and is tried again.
    Retry(Retry),
    /// Something went wrong that did not end the turn, or outside any turn.
    Error {
        /// What.
        error: AgentError,
    },
    /// The vendor tells people something.
    Notice {
        /// What it says.
        text: String,
    },
    /// A human is asked.
    PromptOpened {
        /// The prompt.
        prompt: Box<Prompt>,
    },
    /// A prompt's state changed.
    PromptUpdate {
        /// Which prompt.
        prompt: PromptId,
        /// Its state from here on.
        state: PromptState,
    },
    /// A line above the limit; it stands in the log.
    Oversized {
        /// Its size.
        bytes: u64,
    },
    /// A line that is not of the vendor's protocol; it stands in the log.
    Garbage {
        /// How it begins.
        text: String,
    },
    /// A message that this version gives no meaning; the line stands in the log.
    Raw {
        /// The vendor's name of it.
        kind: String,
        /// How the line begins.
        text: String,
    },
    /// An event of a newer version.
    #[serde(other)]
    Unknown,
}

/// Who began a turn or wrote a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Origin {
    /// A person.
    Person {
        /// Who.
        principal: Principal,
        /// By which client.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client: Option<ClientId>,
    },
    /// A program that acts for somebody.
    Script {
        /// For whom.
        principal: Principal,
        /// By which client.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client: Option<ClientId>,
    },
    /// Another agent, by mail.
    Agent {
        /// Its address.
        address: String,
    },
    /// The agent itself, because work in the background ended.
    SelfStarted,
    /// Not recorded, or of a newer version.
    #[serde(other)]
    Unknown,
}

/// Why a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The agent is done.
    EndTurn,
    /// The model's limit on tokens.
    MaxTokens,
    /// A limit on requests, turns or money.
    MaxTurnRequests,
    /// The model refused.
    Refusal,
    /// Somebody interrupted it, or a denial ended it.
    Cancelled,
    /// It failed.
    Error,
    /// The agent's program ended.
    AgentExit,
    /// A reason of a newer version.
    #[serde(other)]
    Unknown,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AgentError {
    /// What sort of failure.
    pub class: ErrorClass,
    /// What the vendor says about it.
    pub message: String,
    /// HTTP status of the vendor's service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
}

/// What sort of failure; a client tells people what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// The key or account was refused.
    Auth,
    /// There is no key or account.
    NoKey,
    /// Too many requests, or an allowance is used up.
    RateLimit,
    /// The service is overloaded.
    Overloaded,
    /// The service failed.
    Server,
    /// The service refused the request itself.
    BadRequest,
    /// The conversation does not fit the model.
    ContextFull,
    /// The service cannot be reached, or the connection was cut.
    Network,
    /// The vendor does not know the conversation that was to be resumed.
    SessionNotFound,
    /// The agent's program ended.
    AgentExit,
    /// The agent refused or broke its protocol.
    Protocol,
    /// Anything else.
    #[serde(other)]
    Other,
}

/// A failed request that is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Retry {
    /// Which attempt failed, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// How many there will be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// Milliseconds until the next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// Why it failed.
    pub error: AgentError,
}

/// What became of a message to an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum MessageState {
    /// It waits for the turn to end.
    Queued,
    /// It was written to the agent.
    Delivered,
    /// The agent refused it.
    Rejected,
    /// It was written, and the agent died before it answered.
    Indeterminate,
    /// A state of a newer version.
    #[serde(other)]
    Unknown,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PlanEntry {
    /// What is to be done.
    pub content: String,
    /// How much it matters.
    pub priority: PlanPriority,
    /// How far it is.
    pub status: PlanStatus,
}

/// How much a step matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PlanPriority {
    /// Much.
    High,
    /// Little.
    Low,
    /// As most do; also where the vendor does not say.
    #[serde(other)]
    Medium,
}

/// How far a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PlanStatus {
    /// Begun.
    InProgress,
    /// Done.
    Completed,
    /// Not begun; also where the vendor does not say.
    #[serde(other)]
    Pending,
}

/// A mode or a model that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ModeInfo {
    /// What to choose it by.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// What it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A command that a message may begin with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CommandInfo {
    /// Its word, without the slash.
    pub name: String,
    /// What it does.
    pub description: String,
    /// What may follow it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// Work that goes on beside the turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TaskInfo {
    /// The vendor's id.
    pub task_id: String,
    /// The tool call that started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// What it does, or what it says at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How far it is.
    pub status: TaskStatus,
}

/// How far work beside the turn is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TaskStatus {
    /// It runs.
    Running,
    /// It did what it should.
    Completed,
    /// It failed.
    Failed,
    /// It was stopped.
    Stopped,
    /// A status of a newer version.
    #[serde(other)]
    Unknown,
}
