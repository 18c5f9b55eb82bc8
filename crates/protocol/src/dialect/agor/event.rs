//! What controllers are told.

use alloc::{
    boxed::Box,
    string::{String, ToString as _},
    vec::Vec,
};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    error::RpcError,
    ids::{Out, SessionId},
};

/// One message to a controller.
#[derive(Debug, Clone)]
pub enum Event {
    /// `ready`: the first message of a connection.
    Ready,
    /// `pong`: the reply to `ping`.
    Pong {
        /// The command, unless it had no id.
        command_id: Option<String>,
    },
    /// `pty_created`: the reply to `pty_create`.
    PtyCreated {
        /// The terminal.
        session: SessionId,
        /// The command.
        command_id: String,
    },
    /// `pty_data`: output.
    PtyData {
        /// The terminal.
        session: SessionId,
        /// The output.
        text: String,
    },
    /// `pty_gap`: output that this controller does not get. An addition.
    PtyGap {
        /// The terminal.
        session: SessionId,
        /// First missing byte.
        from: Out,
        /// First byte after them.
        to: Out,
    },
    /// `pty_exit`: the terminal's program has ended; the last message about it.
    PtyExit {
        /// The terminal.
        session: SessionId,
        /// How.
        end: PtyEnd,
    },
    /// `sidecar_message`: a message of an agent's runner, which names its conversation itself.
    SidecarMessage {
        /// The message.
        message: Box<RawValue>,
    },
    /// `sidecar_exited`: the program of an agent has ended, and nobody here had asked for it.
    SidecarExited {
        /// The conversation that it held: each has a program of its own.
        session: String,
        /// Whose agent it was.
        provider: String,
    },
    /// `state_sync`: all that runs.
    StateSync {
        /// What.
        sync: StateSync,
        /// The command that asked; none after connect.
        command_id: Option<String>,
    },
    /// `ack`: the command was carried out, and there is nothing else to say. An addition.
    Ack {
        /// The terminal or conversation that it was about.
        session: Option<String>,
        /// The command.
        command_id: String,
    },
    /// `error`: the command was not carried out.
    Error {
        /// The terminal or conversation that it was about.
        session: Option<String>,
        /// The command; empty where the message had no id that could be read.
        command_id: String,
        /// Why.
        error: RpcError,
    },
}

/// Payload of `pty_exit`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PtyEnd {
    /// What the program returned.
    #[serde(rename = "exitCode")]
    pub exit_code: Option<i32>,
    /// Name of the signal that ended it.
    pub signal: Option<String>,
    /// What is known where neither is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Payload of `state_sync`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateSync {
    /// Conversations of agents.
    #[serde(rename = "activeSessions")]
    pub active_sessions: Vec<String>,
    /// Terminals.
    #[serde(rename = "activePtys")]
    pub active_ptys: Vec<String>,
}

/// A message as it is written.
#[derive(Serialize)]
struct Line<'a, P: Serialize> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "sessionId", skip_serializing_if = "Option::is_none")]
    session: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<P>,
}

/// A payload that names the command, and an error's reason.
#[derive(Serialize)]
struct About<'a> {
    #[serde(rename = "commandId")]
    command_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
}

#[derive(Serialize)]
struct Missing {
    from: Out,
    to: Out,
}

#[derive(Serialize)]
struct Provider<'a> {
    provider: &'a str,
}

#[derive(Serialize)]
struct Synced<'a> {
    #[serde(flatten)]
    sync: &'a StateSync,
    #[serde(rename = "commandId", skip_serializing_if = "Option::is_none")]
    command_id: Option<&'a str>,
}

impl Event {
    /// The message.
    ///
    /// # Errors
    /// Never: every part of it is text, a number or JSON already.
    pub fn to_text(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::Ready => line::<()>("ready", None, None),
            Self::Pong { command_id } => line("pong", None, command_id.as_deref().map(about)),
            Self::PtyCreated { session, command_id } => {
                line("pty_created", Some(&session.to_string()), Some(about(command_id)))
            }
            Self::PtyData { session, text } => {
                line("pty_data", Some(&session.to_string()), Some(text))
            }
            Self::PtyGap { session, from, to } => {
                let missing = Missing { from: *from, to: *to };
                line("pty_gap", Some(&session.to_string()), Some(missing))
            }
            Self::PtyExit { session, end } => {
                line("pty_exit", Some(&session.to_string()), Some(end))
            }
            Self::SidecarMessage { message } => line("sidecar_message", None, Some(message)),
            Self::SidecarExited { session, provider } => {
                line("sidecar_exited", Some(session), Some(Provider { provider }))
            }
            Self::StateSync { sync, command_id } => {
                let command_id = command_id.as_deref();
                line("state_sync", None, Some(Synced { sync, command_id }))
            }
            Self::Ack { session, command_id } => {
                line("ack", session.as_deref(), Some(about(command_id)))
            }
            Self::Error { session, command_id, error } => {
                let (message, code) = (Some(error.message.as_str()), Some(error.code().word()));
                line("error", session.as_deref(), Some(About { command_id, message, code }))
            }
        }
    }
}

const fn about(command_id: &str) -> About<'_> {
    About { command_id, message: None, code: None }
}

fn line<P: Serialize>(
    kind: &'static str,
    session: Option<&str>,
    payload: Option<P>,
) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Line { kind, session, payload })
}
