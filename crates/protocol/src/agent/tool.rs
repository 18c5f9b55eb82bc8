//! What an agent does besides talking.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ContentBlock;

/// One use of a tool. The event `tool_call` shows it first, `tool_call_update` what has changed: an
/// absent member is unknown in the first and unchanged in the second.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ToolCall {
    /// The vendor's id, unique in its session.
    pub tool_call_id: String,
    /// The tool call whose sub-agent makes this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_tool_call_id: Option<String>,
    /// One line for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The vendor's name of the tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What sort of thing it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ToolKind>,
    /// How far it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<ToolStatus>,
    /// What it produced; replaces what was there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub content: Vec<ToolContent>,
    /// Files that it touches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locations: Vec<Location>,
    /// Its input as the vendor's JSON; left out when it is large.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_input: Option<Value>,
    /// Exit code of a command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
}

/// What sort of thing a tool does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ToolKind {
    /// Reads files.
    Read,
    /// Changes files.
    Edit,
    /// Deletes files.
    Delete,
    /// Moves files.
    Move,
    /// Searches.
    Search,
    /// Runs a command.
    Execute,
    /// Thinks aloud or plans.
    Think,
    /// Fetches from a network.
    Fetch,
    /// Changes the agent's mode.
    SwitchMode,
    /// Runs a sub-agent.
    Agent,
    /// Calls a tool of an MCP server.
    Mcp,
    /// Anything else.
    #[serde(other)]
    Other,
}

/// How far a tool call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ToolStatus {
    /// Announced.
    Pending,
    /// A human is asked about it.
    Waiting,
    /// It runs.
    InProgress,
    /// It did what it should.
    Completed,
    /// It did not.
    Failed,
    /// A human or a rule said no.
    Declined,
    /// It was begun, and nobody can say how it ended: the agent died or its turn was cut.
    UnknownOutcome,
    /// A status of a newer version.
    #[serde(other)]
    Unknown,
}

impl ToolStatus {
    /// Whether nothing more will come of the call.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Pending | Self::Waiting | Self::InProgress | Self::Unknown => false,
            Self::Completed | Self::Failed | Self::Declined | Self::UnknownOutcome => true,
        }
    }
}

/// Something that a tool call produced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToolContent {
    /// Text, an image, a link.
    Content {
        /// It.
        content: ContentBlock,
    },
    /// A file's change, as the whole of the changed part before and after.
    Diff {
        /// The file.
        path: String,
        /// Text before; absent for a new file.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        old_text: Option<String>,
        /// Text after.
        new_text: String,
    },
    /// A file's change as a unified diff.
    Patch {
        /// The file.
        path: String,
        /// The diff.
        unified: String,
    },
    /// A form of a newer version.
    #[serde(other)]
    Unknown,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Location {
    /// The file, as the vendor names it.
    pub path: String,
    /// Its line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}
