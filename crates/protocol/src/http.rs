//! An agent's session over plain HTTP, in the shape of AgentAPI: names and members are its own, so that
//! programs written for it need another address and nothing else. What is added says so.
//!
//! Every operation is one of the methods of the WebSocket, with its scope, rules and errors.

#[cfg(feature = "schema")]
mod openapi;

use alloc::{boxed::Box, collections::BTreeMap, format, string::String, vec::Vec};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};

use crate::{
    agent::{AgentState, Delivery, EventId, Prompt, PromptId, PromptState},
    error::{ErrorCode, RpcError},
    method::MethodName,
};

#[cfg(feature = "schema")]
pub use openapi::document;

/// One operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// `get` or `post`.
    pub verb: &'static str,
    /// Its path; `{session}` is an id, a label, or a prefix of an id. At a hub, everything below
    /// `/v1/sessions` is below `/v1/machines/{machine}/sessions` too.
    pub path: &'static str,
    /// The method that it is on the WebSocket; its scope is needed.
    pub method: MethodName,
    /// One line for people.
    pub summary: &'static str,
}

/// Lists all sessions.
pub const LIST_SESSIONS: Operation = Operation {
    verb: "get",
    path: "/v1/sessions",
    method: MethodName::SessionList,
    summary: "All sessions that the credential reaches",
};
/// Lists messages.
pub const GET_MESSAGES: Operation = Operation {
    verb: "get",
    path: "/v1/sessions/{session}/messages",
    method: MethodName::AgentView,
    summary: "The conversation so far",
};
/// Sends a message.
pub const POST_MESSAGE: Operation = Operation {
    verb: "post",
    path: "/v1/sessions/{session}/message",
    method: MethodName::AgentPrompt,
    summary: "Tell the agent something",
};
/// Says where the agent is.
pub const GET_STATUS: Operation = Operation {
    verb: "get",
    path: "/v1/sessions/{session}/status",
    method: MethodName::AgentView,
    summary: "Where the agent is",
};
/// Streams events.
pub const GET_EVENTS: Operation = Operation {
    verb: "get",
    path: "/v1/sessions/{session}/events",
    method: MethodName::SessionAttach,
    summary: "What happens, as server-sent events",
};
/// Takes a file.
pub const POST_UPLOAD: Operation = Operation {
    verb: "post",
    path: "/v1/sessions/{session}/upload",
    method: MethodName::AgentPrompt,
    summary: "A file or an image for the agent",
};

/// Operations in the shape of AgentAPI.
pub const AGENT_OPERATIONS: [Operation; 5] =
    [GET_MESSAGES, POST_MESSAGE, GET_STATUS, GET_EVENTS, POST_UPLOAD];

const fn plain(
    verb: &'static str,
    path: &'static str,
    method: MethodName,
    summary: &'static str,
) -> Operation {
    Operation { verb, path, method, summary }
}

/// Operations that are a method as it is: the body has its parameters but for those that the path names,
/// the answer is its result.
pub const PLAIN_OPERATIONS: [Operation; 10] = [
    LIST_SESSIONS,
    plain("post", "/v1/sessions", MethodName::SessionCreate, "Start a session"),
    plain("post", "/v1/sessions/{session}/input", MethodName::SessionInput, "Type once"),
    plain("post", "/v1/sessions/{session}/resize", MethodName::SessionResize, "Set the size"),
    plain("post", "/v1/sessions/{session}/stop", MethodName::SessionStop, "End the program"),
    plain("post", "/v1/sessions/{session}/resume", MethodName::SessionResume, "Start it again"),
    plain("post", "/v1/sessions/{session}/interrupt", MethodName::AgentInterrupt, "Stop the turn"),
    plain("delete", "/v1/sessions/{session}", MethodName::SessionRemove, "Delete an ended session"),
    plain("get", "/v1/prompts", MethodName::PromptList, "What humans are asked"),
    plain("post", "/v1/prompts/{prompt}", MethodName::PromptAnswerMethod, "Answer a prompt"),
];

/// Operations of a hub, in the same form.
pub const HUB_OPERATIONS: [Operation; 6] = [
    plain("get", "/v1/machines", MethodName::MachineList, "The machines"),
    plain("post", "/v1/machines", MethodName::MachineAdd, "Add a machine"),
    plain("delete", "/v1/machines/{machine}", MethodName::MachineRemove, "Forget a machine"),
    plain("post", "/v1/machines/{machine}/connect", MethodName::MachineConnect, "Link a machine"),
    plain("post", "/v1/machines/{machine}/disconnect", MethodName::MachineDisconnect, "Unlink it"),
    plain("post", "/v1/machines/{machine}/rename", MethodName::MachineRename, "Change its label"),
];

/// Every operation.
pub fn operations() -> impl Iterator<Item = Operation> {
    PLAIN_OPERATIONS.into_iter().chain(AGENT_OPERATIONS).chain(HUB_OPERATIONS)
}

/// The parameters of a method: what a body has, and what the path names.
///
/// # Errors
/// `parse_error` or `invalid_params`, when the body is no object.
pub fn params(body: &[u8], names: BTreeMap<String, String>) -> Result<Box<RawValue>, RpcError> {
    let mut members: Map<String, Value> = match body {
        b"" => Map::new(),
        body => match serde_json::from_slice(body) {
            Ok(Value::Object(members)) => members,
            Ok(_) => {
                return Err(RpcError::new(ErrorCode::InvalidParams, "the body is no JSON object"));
            }
            Err(error) => {
                let message = format!("the body is not JSON: {error}");
                return Err(RpcError::new(ErrorCode::ParseError, message));
            }
        },
    };
    members.extend(names.into_iter().map(|(name, value)| (name, Value::String(value))));
    serde_json::value::to_raw_value(&members)
        .map_err(|_| RpcError::new(ErrorCode::Internal, "the parameters cannot be passed on"))
}

/// The error that a status of a layer below means.
#[must_use]
pub const fn code_of(status: u16) -> ErrorCode {
    match status {
        401 => ErrorCode::Unauthenticated,
        403 => ErrorCode::Forbidden,
        404 => ErrorCode::NotFound,
        405 => ErrorCode::MethodNotFound,
        429 => ErrorCode::Overloaded,
        400..=499 => ErrorCode::InvalidRequest,
        _ => ErrorCode::Internal,
    }
}

/// Who wrote a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The agent.
    Agent,
    /// Whoever speaks to it.
    User,
}

/// One message of the conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Message {
    /// The same for everyone and after every restart, and larger for later messages: the record of the log
    /// that began it, times 256, and a count of the messages that one record began.
    pub id: u64,
    /// Its text so far.
    pub content: String,
    /// Who wrote it.
    pub role: Role,
    /// When it began, RFC 3339.
    pub time: String,
}

/// Answer of [`GET_MESSAGES`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Messages {
    /// Oldest first.
    pub messages: Vec<Message>,
    /// There were earlier ones, which the answer or the log has no room for. An addition.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub earlier: bool,
}

/// What sort of message is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum MessageType {
    /// A message of the conversation.
    #[default]
    User,
    /// Keystrokes. An agent here has no terminal: only ESC and ^C mean something, a stop of the turn.
    Raw,
}

/// Body of [`POST_MESSAGE`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PostMessage {
    /// The message.
    pub content: String,
    /// What sort it is.
    #[serde(default, rename = "type")]
    pub kind: MessageType,
    /// What happens while the agent is busy. An addition.
    #[serde(default)]
    pub delivery: Delivery,
    /// The message's id; a retry keeps it and is taken once. An addition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// Paths that uploads were answered with: images are shown to the agent, other files named to it. An
    /// addition.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<String>,
}

/// Answer of [`POST_MESSAGE`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MessagePosted {
    /// It is recorded, and reaches the agent whatever happens to the relay.
    pub ok: bool,
    /// The message's id. An addition.
    pub message_id: String,
    /// It was taken before, and nothing was done now. An addition.
    #[serde(default)]
    pub repeated: bool,
}

/// Whether an agent works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It works.
    Running,
    /// It waits for a message or for an answer, or has ended.
    Stable,
}

impl Status {
    /// What AgentAPI would call a state.
    #[must_use]
    pub const fn of(state: AgentState) -> Self {
        match state {
            AgentState::Starting | AgentState::Running => Self::Running,
            AgentState::Waiting
            | AgentState::Idle
            | AgentState::Stalled
            | AgentState::Exited
            | AgentState::Unknown => Self::Stable,
        }
    }
}

/// Answer of [`GET_STATUS`], and the event `status_change`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AgentStatus {
    /// Whether it works.
    pub status: Status,
    /// Its name: `claude`.
    pub agent_type: String,
    /// The same in this relay's words. An addition.
    pub state: AgentState,
    /// Prompts that are open. An addition.
    pub prompts: usize,
}

/// Answer of [`POST_UPLOAD`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Uploaded {
    /// It is there.
    pub ok: bool,
    /// Where: what a message names it by.
    #[serde(rename = "filePath")]
    pub file_path: String,
    /// What it is, where it is an image that can be shown to an agent. An addition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
}

/// Query of [`POST_UPLOAD`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct UploadQuery {
    /// Where the file goes. An addition.
    pub to: UploadTo,
}

/// Where an upload goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum UploadTo {
    /// Beside the session's log, until the session is removed.
    #[default]
    Agent,
    /// Into the directory that the agent works in. Nothing there is replaced.
    Directory,
}

/// The event `message_update`: a message is new or has grown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MessageUpdate {
    /// Which message.
    pub id: u64,
    /// Its whole text so far.
    pub message: String,
    /// Who wrote it.
    pub role: Role,
    /// When it began, RFC 3339.
    pub time: String,
}

/// The event `prompt_opened`: a human is asked. An addition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PromptOpened {
    /// The prompt; it is answered by `prompt.answer`.
    pub prompt: Prompt,
}

/// The event `prompt_update`: what became of a prompt. An addition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PromptUpdated {
    /// Which prompt.
    pub prompt: PromptId,
    /// Where it is.
    #[serde(flatten)]
    pub state: PromptState,
}

/// The event `gap`: what happened in between is not in the log any more. An addition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EventGap {
    /// The first position that is missing.
    pub from: EventId,
    /// The first one that is there.
    pub to: EventId,
}

/// Names of the events.
pub mod event {
    /// A [`MessageUpdate`](super::MessageUpdate).
    pub const MESSAGE_UPDATE: &str = "message_update";
    /// An [`AgentStatus`](super::AgentStatus).
    pub const STATUS_CHANGE: &str = "status_change";
    /// A [`PromptOpened`](super::PromptOpened).
    pub const PROMPT_OPENED: &str = "prompt_opened";
    /// A [`PromptUpdated`](super::PromptUpdated).
    pub const PROMPT_UPDATE: &str = "prompt_update";
    /// An [`EventGap`](super::EventGap).
    pub const GAP: &str = "gap";
    /// The [`RpcError`](crate::error::RpcError) that ends the stream.
    pub const ERROR: &str = "error";
}

/// The HTTP status of an error; the body is the error as the WebSocket has it.
#[must_use]
pub const fn status_of(code: ErrorCode) -> u16 {
    match code {
        ErrorCode::ParseError | ErrorCode::InvalidRequest | ErrorCode::InvalidParams => 400,
        ErrorCode::Unauthenticated => 401,
        ErrorCode::Forbidden | ErrorCode::Ceiling | ErrorCode::OwnSession => 403,
        ErrorCode::NotFound => 404,
        ErrorCode::MethodNotFound => 405,
        ErrorCode::Ambiguous
        | ErrorCode::LabelTaken
        | ErrorCode::NotOwner
        | ErrorCode::LeaseHeld
        | ErrorCode::Ended
        | ErrorCode::StillRunning
        | ErrorCode::PromptAnswered
        | ErrorCode::PromptSettled
        | ErrorCode::AgentNotReady
        | ErrorCode::WrongKind
        | ErrorCode::MachineExists
        | ErrorCode::InstanceExists => 409,
        ErrorCode::NotOffered | ErrorCode::StartFailed | ErrorCode::PairingFailed => 422,
        ErrorCode::Overloaded | ErrorCode::InputFull => 429,
        ErrorCode::ShuttingDown | ErrorCode::Unreachable => 503,
        ErrorCode::HolderSilent => 504,
        ErrorCode::Storage => 507,
        ErrorCode::Internal | ErrorCode::HelloRequired | ErrorCode::Unknown(_) => 500,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{borrow::ToOwned, collections::BTreeSet};

    #[test]
    fn messages_have_the_members_of_the_existing_interface() {
        let message = Message { id: 1, content: "c".into(), role: Role::User, time: "t".into() };
        let text = serde_json::to_string(&Messages { messages: [message].into(), earlier: false });
        assert_eq!(
            text.expect("serialises"),
            r#"{"messages":[{"id":1,"content":"c","role":"user","time":"t"}]}"#
        );
        let post: PostMessage =
            serde_json::from_str(r#"{"content":"hello","type":"raw"}"#).expect("reads");
        assert_eq!((post.kind, post.delivery), (MessageType::Raw, Delivery::Queue));
        assert!(serde_json::from_str::<PostMessage>(r#"{"type":"user"}"#).is_err());
        let uploaded = Uploaded { ok: true, file_path: "/f".into(), mime_type: None };
        let text = serde_json::to_string(&uploaded).expect("serialises");
        assert_eq!(text, r#"{"ok":true,"filePath":"/f"}"#);
    }

    #[test]
    fn parameters_come_from_the_body_and_the_path_and_the_path_counts() {
        let names = || BTreeMap::from([("session".into(), "dev/x".into())]);
        let check = |body: &str| params(body.as_bytes(), names()).map(|raw| raw.get().to_owned());
        let expected = Ok(r#"{"session":"dev/x","text":"hi"}"#.to_owned());
        assert_eq!(check(r#"{"text":"hi","session":"other"}"#), expected);
        assert_eq!(check(""), Ok(r#"{"session":"dev/x"}"#.to_owned()));
        let code = |body: &str| check(body).map_err(|error| error.code());
        assert_eq!(code("[]"), Err(ErrorCode::InvalidParams));
        assert_eq!(code("{"), Err(ErrorCode::ParseError));
    }

    #[test]
    fn every_operation_is_there_once_and_every_error_is_no_success() {
        let paths: BTreeSet<_> = operations().map(|it| (it.verb, it.path)).collect();
        assert_eq!(paths.len(), operations().count());
        for code in ErrorCode::ALL {
            assert!((400..600).contains(&status_of(*code)), "{code:?}");
        }
    }
}
