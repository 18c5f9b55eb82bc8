//! What a session looks like from outside, and the notifications about it.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    agent::{AgentEvent, PromptId, PromptState, StopReason, Vendor},
    error::RpcError,
    ids::{
        Channel, Epoch, Generation, Incarnation, InputNumber, Label, LogId, MachineId,
        MachineLabel, Out, RelayId, Rev, Seq, SessionId,
    },
    method::{MachineInfo, MailChanged, PromptInfo},
    record::{ExitStatus, LeaseState, LeftProcess, Owner, SessionKind, TerminalSize},
    remote_control::RemoteInfo,
};

/// Where a session is in its life. Terminals are `starting`, `running`, `idle`, `stalled`, `exited`
/// or `lost`; `waiting` is an agent's. `unreachable` is said by who cannot see the relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum SessionState {
    /// Its holder is being launched or adopted.
    Starting,
    /// The program runs; in a shell session, a command has the foreground.
    Running,
    /// A human is asked.
    Waiting,
    /// A shell shows its prompt, or an agent has no turn.
    Idle,
    /// The program runs but something keeps it from going on.
    Stalled {
        /// `disk_full`, `read_only`, `io_error` or `holder_silent`.
        why: String,
    },
    /// The program has ended.
    Exited {
        /// How.
        status: ExitStatus,
        /// Descendants of the program that still ran.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        left: Vec<LeftProcess>,
        /// When, in microseconds since 1970.
        at: u64,
    },
    /// The holder is gone and recorded no exit.
    Lost {
        /// What is known of the cause.
        why: String,
        /// When it was noticed, in microseconds since 1970.
        at: u64,
    },
    /// The relay cannot be seen; the rest is what was last known.
    Unreachable {
        /// When it was last seen, in microseconds since 1970.
        since: u64,
    },
}

impl SessionState {
    /// Whether the program can still do something.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        match self {
            Self::Starting | Self::Running | Self::Waiting | Self::Idle | Self::Stalled { .. } => {
                true
            }
            Self::Exited { .. } | Self::Lost { .. } | Self::Unreachable { .. } => false,
        }
    }
    /// The word on the wire and in listings.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Idle => "idle",
            Self::Stalled { .. } => "stalled",
            Self::Exited { .. } => "exited",
            Self::Lost { .. } => "lost",
            Self::Unreachable { .. } => "unreachable",
        }
    }
}

/// The lease as everyone may see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LeaseView {
    /// Its number.
    pub epoch: Epoch,
    /// Who holds it.
    #[serde(flatten)]
    pub state: LeaseState,
    /// Clients that asked the owner for it, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requested_by: Vec<Owner>,
}

/// What listings show of an agent's conversation; the whole of it is `agent.view`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AgentInfo {
    /// As it was asked for: `claude`.
    pub name: String,
    /// Which protocol it speaks.
    pub vendor: Vendor,
    /// Its model, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Its mode, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// The vendor's own id of the conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor_session: Option<String>,
    /// Turns so far.
    pub turns: u64,
    /// Prompts that are open.
    pub prompts: u32,
    /// Messages that wait.
    pub queued: u32,
}

/// A session as everyone with `read` may see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SessionInfo {
    /// The session.
    pub session: SessionId,
    /// Its routable name.
    pub label: Label,
    /// What kind of session.
    pub kind: SessionKind,
    /// Where it is in its life.
    #[serde(flatten)]
    pub state: SessionState,
    /// Command line.
    pub argv: Vec<String>,
    /// Where the program was started.
    pub cwd: String,
    /// The project that this directory belongs to: the top of its git repository, the same for all working
    /// trees of one. As it was when the session was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// What the program calls its window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The terminal's size.
    pub size: TerminalSize,
    /// Who owns it.
    pub lease: LeaseView,
    /// Attachments.
    pub attached: u32,
    /// When it was created, in microseconds since 1970.
    pub created_at: u64,
    /// Time of the last record, in microseconds since 1970, as of this view.
    pub last_activity_at: u64,
    /// Which start of the program this is.
    pub incarnation: Incarnation,
    /// Its log.
    pub log_id: LogId,
    /// Next record number, as of this view.
    pub seq: Seq,
    /// Output bytes so far, as of this view.
    pub out: Out,
    /// First output byte that the log still has.
    pub base: Out,
    /// What the agent is and has, in an agent's session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentInfo>,
    /// How far Remote Control is, in such a session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_control: Option<RemoteInfo>,
    /// Started again when the machine has been restarted.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub keep: bool,
    /// On which machine, as a hub sees it; a relay says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<OnMachine>,
}

/// On which machine a session is, as a hub sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OnMachine {
    /// The machine.
    pub machine: MachineId,
    /// Its name.
    pub label: MachineLabel,
    /// Set while the hub has no link: everything else is what was last known. Microseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreachable_since: Option<u64>,
}

/// `sync`: the whole view, after `hello` with `watch` and whenever `rev` jumped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Sync {
    /// Whose view.
    pub relay_id: RelayId,
    /// The relay's life.
    pub generation: Generation,
    /// The view's number.
    pub rev: Rev,
    /// Which part this is, from 0.
    pub part: u32,
    /// Whether it is the last; a receiver replaces its view when it has all parts.
    pub last: bool,
    /// The sessions of this part.
    pub sessions: Vec<SessionInfo>,
    /// All machines of a hub, in the first part.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub machines: Vec<MachineInfo>,
    /// In the first part: how much mail waits, for who may know it; of a relay one, of a hub one of each machine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mail: Vec<MailChanged>,
    /// In the last part: how many `prompt.opened` follow. When they are there, the receiver has all.
    #[serde(default)]
    pub prompts: u32,
}

/// `machine.changed`: a machine of a hub is new or changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MachineChanged {
    /// The view's number with this change.
    pub rev: Rev,
    /// The machine as it is now.
    pub machine: MachineInfo,
}

/// `machine.removed`: a machine is gone from the hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MachineRemoved {
    /// The view's number with this change.
    pub rev: Rev,
    /// The machine.
    pub machine: MachineId,
}

/// `session.changed`: a new or changed session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SessionChanged {
    /// The view's number with this change.
    pub rev: Rev,
    /// The session as it is now.
    pub session: SessionInfo,
}

/// `session.removed`: a session is gone from the relay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SessionRemoved {
    /// The view's number with this change.
    pub rev: Rev,
    /// The session.
    pub session: SessionId,
}

/// `lease.changed`: a session's lease as it is now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LeaseChanged {
    /// The view's number with this change.
    pub rev: Rev,
    /// The session.
    pub session: SessionId,
    /// The lease.
    pub lease: LeaseView,
}

/// `prompt.opened`: an agent asks a human. Open prompts follow each `sync`, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PromptOpened {
    /// The view's number with this change.
    pub rev: Rev,
    /// The prompt, and whose it is.
    pub prompt: PromptInfo,
    /// Hooks were told of it already: by the relay, or by a hub.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub announced: bool,
}

/// `prompt.settled`: a prompt cannot be answered any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PromptSettled {
    /// The view's number with this change.
    pub rev: Rev,
    /// The prompt; its session is a part of its id.
    pub prompt: PromptId,
    /// What became of it: who answered, or why nobody can.
    #[serde(flatten)]
    pub state: PromptState,
}

/// `turn.ended`: an agent's turn has ended. Not told to who was not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TurnEnded {
    /// The view's number with this change.
    pub rev: Rev,
    /// The agent's session.
    pub session: SessionId,
    /// Which turn, counted from 1.
    pub turn: u64,
    /// Why it ended.
    pub stop_reason: StopReason,
    /// When the relay learnt of it, in microseconds since 1970.
    pub at: u64,
}

/// `session.event`: a record other than output, in its place in a channel's stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SessionEvent {
    /// The attachment.
    pub channel: Channel,
    /// The record's number.
    pub seq: Seq,
    /// Output bytes before it.
    pub out: Out,
    /// When it was recorded, in microseconds since 1970.
    pub time: u64,
    /// The record's kind: `start`, `resize`, `termios`, `lease`, `note`, `gap`, `exit`, `lost`.
    pub event: String,
    /// The record's payload.
    #[cfg_attr(feature = "schema", schemars(with = "serde_json::Value"))]
    pub body: alloc::boxed::Box<RawValue>,
}

/// `agent.events`: what happened in an agent's conversation, in its place in a channel's stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AgentEvents {
    /// The attachment.
    pub channel: Channel,
    /// In order.
    pub events: Vec<AgentEvent>,
}

/// `input.rejected`: why an `INACK` said so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InputRejected {
    /// The attachment.
    pub channel: Channel,
    /// The input.
    pub n: InputNumber,
    /// The reason: `not_owner`, `input_full` or `ended`.
    pub error: RpcError,
}

/// `session.detached`: the relay ended an attachment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Detached {
    /// The attachment.
    pub channel: Channel,
    /// Why: `removed`, `replaced` (the same client attached again) or `shutdown`.
    pub why: String,
}

/// Names of the notifications.
pub mod notify {
    /// [`super::Sync`].
    pub const SYNC: &str = "sync";
    /// [`super::SessionChanged`].
    pub const SESSION_CHANGED: &str = "session.changed";
    /// [`super::SessionRemoved`].
    pub const SESSION_REMOVED: &str = "session.removed";
    /// [`super::LeaseChanged`].
    pub const LEASE_CHANGED: &str = "lease.changed";
    /// [`super::MachineChanged`].
    pub const MACHINE_CHANGED: &str = "machine.changed";
    /// [`super::MachineRemoved`].
    pub const MACHINE_REMOVED: &str = "machine.removed";
    /// [`super::PromptOpened`].
    pub const PROMPT_OPENED: &str = "prompt.opened";
    /// [`super::PromptSettled`].
    pub const PROMPT_SETTLED: &str = "prompt.settled";
    /// [`super::TurnEnded`].
    pub const TURN_ENDED: &str = "turn.ended";
    /// [`crate::method::MailChanged`].
    pub const MAIL_CHANGED: &str = "mail.changed";
    /// [`super::SessionEvent`].
    pub const SESSION_EVENT: &str = "session.event";
    /// [`super::AgentEvents`].
    pub const AGENT_EVENTS: &str = "agent.events";
    /// [`super::InputRejected`].
    pub const INPUT_REJECTED: &str = "input.rejected";
    /// [`super::Detached`].
    pub const SESSION_DETACHED: &str = "session.detached";
}
