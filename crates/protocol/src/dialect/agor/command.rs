//! What controllers ask.

use alloc::{boxed::Box, collections::BTreeMap, format, string::String, vec::Vec};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};

use super::MAX_COMMAND_ID_CHARS;
use crate::{
    error::{ErrorCode, RpcError},
    limits::MAX_TEXT_FRAME_BYTES,
};

/// One message of a controller, as far as it can be understood. Whatever it is, it gets one reply.
#[derive(Debug)]
pub struct Request {
    /// Repeated in the reply; empty where there is none.
    pub id: String,
    /// What is asked, or why it cannot be told.
    pub command: Result<Command, RpcError>,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// `pty_create`: start a terminal.
    PtyCreate(PtyCreate),
    /// `pty_write`: type.
    PtyWrite(PtyWrite),
    /// `pty_resize`: set a terminal's size.
    PtyResize(PtyResize),
    /// `pty_close`: end a terminal's program.
    PtyClose(PtyName),
    /// `agent_query`: start or continue an agent's conversation.
    AgentQuery(Box<AgentQuery>),
    /// `agent_stop`: end an agent.
    AgentStop(AgentStop),
    /// `sidecar_restart`: start the agents' runners again.
    SidecarRestart,
    /// `state_sync`: say again what runs. An addition.
    StateSync,
    /// `ping`: a sign of life is wanted.
    Ping,
}

/// Payload of `pty_create`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PtyCreate {
    /// The program; none = the login shell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<String>,
    /// Where it starts; none = the home directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// Its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<String>>,
    /// Columns; none = 80.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cols: Option<u16>,
    /// Rows; none = 24.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u16>,
}

/// Payload of `pty_write`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PtyWrite {
    /// Which terminal.
    pub id: String,
    /// What is typed.
    pub data: String,
}

/// Payload of `pty_resize`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PtyResize {
    /// Which terminal.
    pub id: String,
    /// Columns.
    pub cols: u16,
    /// Rows.
    pub rows: u16,
}

/// Payload of `pty_close`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PtyName {
    /// Which terminal.
    pub id: String,
}

/// Payload of `agent_query`; its members are spelt with underscores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentQuery {
    /// Whose agent.
    #[serde(default = "claude")]
    pub provider: String,
    /// The conversation, named by the controller.
    pub session_id: String,
    /// What the agent is told.
    pub prompt: String,
    /// Where it works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// Bound on its turns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_turns: Option<u32>,
    /// Bound on its cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_budget_usd: Option<f64>,
    /// The vendor's conversation to go on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume_session_id: Option<String>,
    /// The vendor's permission mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission_mode: Option<String>,
    /// Which of the vendor's settings files count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setting_sources: Option<Vec<String>>,
    /// Replaces the vendor's own prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_prompt: Option<String>,
    /// Which model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Directory of the vendor's account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claude_config_dir: Option<String>,
    /// Where else it may work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub additional_directories: Option<Vec<String>>,
    /// A git worktree to work in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worktree_name: Option<String>,
    /// What only the vendor's runner understands.
    #[serde(default)]
    pub provider_config: Value,
    /// Variables for the agent.
    #[serde(default)]
    pub extra_env: BTreeMap<String, String>,
}

fn claude() -> String {
    "claude".into()
}

/// Payload of `agent_stop`; its member is spelt with a capital.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentStop {
    /// The conversation.
    #[serde(rename = "sessionId")]
    pub session_id: String,
}

/// The members of a message, none of them understood yet.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
}

impl Request {
    /// Reads a message. What cannot be read becomes the error to reply with.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        const OBJECT: &str = "a command is a JSON object with the members id, type and payload";
        let envelope: Envelope<'_> = match serde_json::from_str(text) {
            Ok(envelope) if text.trim_start().starts_with('{') => envelope,
            Ok(_) => return Self::refused(ErrorCode::InvalidRequest, OBJECT),
            Err(error) if error.is_data() => {
                return Self::refused(ErrorCode::InvalidRequest, OBJECT);
            }
            Err(_) => return Self::refused(ErrorCode::ParseError, "the message is not JSON"),
        };
        let Some(id) = envelope.id.and_then(string) else {
            return Self::refused(ErrorCode::InvalidRequest, "a command's id is a string");
        };
        if id.chars().count() > MAX_COMMAND_ID_CHARS {
            let text = format!("a command's id has at most {MAX_COMMAND_ID_CHARS} characters");
            return Self::refused(ErrorCode::InvalidRequest, &text);
        }
        if text.len() > MAX_TEXT_FRAME_BYTES {
            let text = format!("a message has at most {MAX_TEXT_FRAME_BYTES} bytes");
            return Self { id, command: Err(RpcError::new(ErrorCode::InvalidRequest, text)) };
        }
        let command = match envelope.kind.and_then(string) {
            Some(kind) => Command::parse(&kind, envelope.payload),
            None => Err(RpcError::new(ErrorCode::InvalidRequest, "a command's type is a string")),
        };
        Self { id, command }
    }

    fn refused(code: ErrorCode, text: &str) -> Self {
        Self { id: String::new(), command: Err(RpcError::new(code, text)) }
    }

    /// The message that asks this; none for what was not understood.
    ///
    /// # Errors
    /// Never for what [`Self::parse`] gave.
    pub fn to_text(&self) -> Result<Option<String>, serde_json::Error> {
        #[derive(Serialize)]
        struct Line<'a> {
            id: &'a str,
            #[serde(rename = "type")]
            kind: &'a str,
            payload: Value,
        }
        let Ok(command) = &self.command else { return Ok(None) };
        let line = Line { id: &self.id, kind: command.word(), payload: command.payload()? };
        serde_json::to_string(&line).map(Some)
    }
}

impl Command {
    /// Its `type`.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::PtyCreate(_) => "pty_create",
            Self::PtyWrite(_) => "pty_write",
            Self::PtyResize(_) => "pty_resize",
            Self::PtyClose(_) => "pty_close",
            Self::AgentQuery(_) => "agent_query",
            Self::AgentStop(_) => "agent_stop",
            Self::SidecarRestart => "sidecar_restart",
            Self::StateSync => "state_sync",
            Self::Ping => "ping",
        }
    }

    fn parse(kind: &str, payload: Option<&RawValue>) -> Result<Self, RpcError> {
        Ok(match kind {
            "pty_create" => Self::PtyCreate(read(kind, payload)?),
            "pty_write" => Self::PtyWrite(read(kind, payload)?),
            "pty_resize" => Self::PtyResize(read(kind, payload)?),
            "pty_close" => Self::PtyClose(read(kind, payload)?),
            "agent_query" => Self::AgentQuery(Box::new(read(kind, payload)?)),
            "agent_stop" => Self::AgentStop(read(kind, payload)?),
            "sidecar_restart" => Self::SidecarRestart,
            "state_sync" => Self::StateSync,
            "ping" => Self::Ping,
            _ => {
                let text = format!("unknown command {:?}", shorten(kind));
                return Err(RpcError::new(ErrorCode::MethodNotFound, text));
            }
        })
    }

    fn payload(&self) -> Result<Value, serde_json::Error> {
        match self {
            Self::PtyCreate(payload) => serde_json::to_value(payload),
            Self::PtyWrite(payload) => serde_json::to_value(payload),
            Self::PtyResize(payload) => serde_json::to_value(payload),
            Self::PtyClose(payload) => serde_json::to_value(payload),
            Self::AgentQuery(payload) => serde_json::to_value(payload),
            Self::AgentStop(payload) => serde_json::to_value(payload),
            Self::SidecarRestart | Self::StateSync | Self::Ping => {
                Ok(Value::Object(serde_json::Map::new()))
            }
        }
    }
}

fn string(json: &RawValue) -> Option<String> {
    serde_json::from_str(json.get()).ok()
}

/// A payload that is not there is an empty one.
fn read<T: DeserializeOwned>(kind: &str, payload: Option<&RawValue>) -> Result<T, RpcError> {
    let text = payload.map_or("{}", RawValue::get);
    let array = || <serde_json::Error as serde::de::Error>::custom("it is no JSON object");
    let read = if text.starts_with('{') { serde_json::from_str(text) } else { Err(array()) };
    read.map_err(|error| {
        let text = format!("invalid {kind} payload: {}", shorten(&format!("{error}")));
        RpcError::new(ErrorCode::InvalidParams, text)
    })
}

/// What a peer sent is repeated only as far as a person would read it.
fn shorten(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(120).collect()
}
