//! Sessions as a whole, and what is done to one without attaching.

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use super::{AgentParams, SessionName, WorktreeParams};
#[expect(unused_imports, reason = "the docs lead to them")]
use super::{
    SessionCreate, SessionInput, SessionList, SessionRename, SessionResize, SessionResume,
    SessionSignal, SessionStop,
};
use crate::{
    holder::SignalTarget,
    ids::{InputNumber, Label, Out},
    record::TerminalSize,
    remote_control::RemoteParams,
    session::SessionInfo,
};

/// A method that takes only a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SessionParams {
    /// Which session.
    pub session: SessionName,
}

/// [`SessionList`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SessionListResult {
    /// Newest first.
    pub sessions: Vec<SessionInfo>,
}

/// A method that gives a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SessionResult {
    /// The session as it is now.
    pub session: SessionInfo,
}

/// [`SessionCreate`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CreateParams {
    /// A retry with the same id gets the first session; drawn by the caller, at most 64 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Command line; empty = a login shell.
    #[serde(default)]
    pub argv: Vec<String>,
    /// Where it starts; none = the relay user's home.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// The local client's environment; ignored from callers that are not local.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub client_env: BTreeMap<String, String>,
    /// Variables asked for by name; they win over all others.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The label; none = the command's name and the lowest free number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
    /// First size; none = 80 × 24.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<TerminalSize>,
    /// Record what is typed as well.
    #[serde(default)]
    pub record_input: bool,
    /// An agent instead of a terminal; `argv` must be empty then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentParams>,
    /// In a git working tree of its own, of the repository that `cwd` is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worktree: Option<WorktreeParams>,
    /// A vendor's Remote Control instead of a terminal; `argv` and `agent` must be empty then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_control: Option<RemoteParams>,
    /// Start it again when the machine has been restarted.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub keep: bool,
    /// The mail identity for which it speaks; none = its project's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
}

/// [`SessionInput`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InputParams {
    /// Which session.
    pub session: SessionName,
    /// UTF-8 text to type, as it is; a carriage return is `\r`.
    pub text: String,
    /// Its number for this client; a retry keeps it. None = one more than the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<InputNumber>,
}

/// [`SessionInput`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InputResult {
    /// Its number.
    pub n: InputNumber,
    /// Output bytes before the input was written: a reader from here on sees its effect.
    pub out: Out,
}

/// [`SessionResize`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ResizeParams {
    /// Which session.
    pub session: SessionName,
    /// The new size.
    pub size: TerminalSize,
}

/// [`SessionSignal`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SignalParams {
    /// Which session.
    pub session: SessionName,
    /// `INT`, `TERM`, `HUP`, `KILL`, `QUIT`, `USR1`, `USR2`, `STOP`, `CONT`, `WINCH`.
    pub signal: String,
    /// Who gets it.
    pub to: SignalTarget,
}

/// [`SessionStop`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StopParams {
    /// Which session.
    pub session: SessionName,
    /// Milliseconds between the rungs of the ladder; none = 3000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rung_ms: Option<u32>,
    /// Begin with SIGKILL.
    #[serde(default)]
    pub now: bool,
    /// Why; needed by `admin` to stop a session that another principal owns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// [`SessionRename`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RenameParams {
    /// Which session.
    pub session: SessionName,
    /// The new label.
    pub label: Label,
}

/// [`SessionResume`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ResumeParams {
    /// Which session.
    pub session: SessionName,
    /// The local client's environment; ignored from callers that are not local.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub client_env: BTreeMap<String, String>,
    /// The terminal's size; none = as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<TerminalSize>,
}
