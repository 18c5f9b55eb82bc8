//! Attachments: what comes first, and what is told about it.

use alloc::{boxed::Box, string::String};

use serde::{Deserialize, Serialize};

#[expect(unused_imports, reason = "the docs lead to them")]
use super::SessionAttach;
use super::SessionName;
use crate::{
    agent::{ConversationView, EventId},
    ids::{Channel, Incarnation, InputNumber, LogId, Out},
    session::SessionInfo,
};

/// A method that takes only an attachment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChannelParams {
    /// Which attachment.
    pub channel: Channel,
}

/// Which role an attachment asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum AttachRole {
    /// Own the session when it is free and the caller may drive; else follow.
    #[default]
    Auto,
    /// Only watch.
    Follow,
    /// Take the lease as `lease.take` would; fails where that fails.
    Take,
}

/// What an attachment gets first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "at", rename_all = "snake_case")]
pub enum AttachFrom {
    /// The screen as it is, then what follows.
    #[default]
    Snapshot,
    /// Every byte from `out` on, if it is this log's.
    Out {
        /// First byte wanted.
        out: Out,
        /// The log that the caller saw.
        log_id: LogId,
    },
    /// The last bytes.
    Tail {
        /// How many.
        bytes: u64,
    },
    /// Only what follows.
    Head,
    /// An agent's events that the log still has, then what follows.
    Events {
        /// Only those after this one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<EventId>,
    },
}

/// What happens to a viewer that falls behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Behind {
    /// It gets a gap and a snapshot: right for people.
    #[default]
    Skip,
    /// It gets every byte that the log still has: right for recorders.
    Replay,
}

/// [`SessionAttach`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AttachParams {
    /// Which session.
    pub session: SessionName,
    /// Which role.
    #[serde(default)]
    pub role: AttachRole,
    /// What comes first.
    #[serde(default)]
    pub from: AttachFrom,
    /// What happens when the caller falls behind.
    #[serde(default)]
    pub behind: Behind,
    /// Rendered-byte credit; see `limits::CREDIT_WINDOW_RANGE_BYTES`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<u64>,
    /// The local client's agent socket, re-pointed when it owns; ignored from others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh_auth_sock: Option<String>,
}

/// How the caller's wish for a starting point was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "start", rename_all = "snake_case")]
pub enum AttachStart {
    /// Exactly as asked.
    Ok,
    /// The first bytes are gone; a `GAP` frame says the same in the stream.
    Gap {
        /// First byte asked for.
        from: Out,
        /// First byte that comes.
        to: Out,
    },
    /// The caller's offset is not of this log; a snapshot comes instead.
    Reset,
}

/// Whether an attachment may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// This client owns the session.
    Owner,
    /// It watches.
    Follower,
}

/// [`SessionAttach`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AttachResult {
    /// Number of the attachment in binary frames of this connection.
    pub channel: Channel,
    /// How the starting point was met.
    #[serde(flatten)]
    pub start: AttachStart,
    /// The log that offsets belong to.
    pub log_id: LogId,
    /// Which start of the program this is.
    pub incarnation: Incarnation,
    /// First output byte that follows.
    pub out: Out,
    /// Output bytes so far; what comes before it is replay.
    pub head: Out,
    /// Whether the caller may write.
    pub role: Role,
    /// Last input number of this client that was applied; resend what is above.
    pub input_applied: InputNumber,
    /// The session.
    pub session: SessionInfo,
    /// An agent's conversation at the point where the stream begins; not with `events`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Box<ConversationView>>,
}
