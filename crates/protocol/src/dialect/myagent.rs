//! The protocol of `myagent remote` and its clients: one JSON object per WebSocket text message.
//!
//! Spellings and sentences are those of the existing clients. What is added to theirs: the event
//! `permission_resolved`, the commands `claim` and `release`, `after` of `resume`, and the members `seq`,
//! `epoch` and `code`, which those clients ignore.

use alloc::{borrow::ToOwned, string::String, vec::Vec};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::agent::EventId;

/// Bytes of one message; a larger one closes the connection.
pub const MAX_MESSAGE_BYTES: usize = 1_000_000;
/// Characters of a message's id: a UUID and room. It becomes part of ids.
pub const MAX_ID_CHARS: usize = 64;
/// Ids of messages that a session's metadata has, the newest.
pub const MAX_WRITE_IDS: usize = 32;
/// What a follower is told who wants to write.
pub const READ_ONLY: &str =
    "read-only follower: only the session owner can submit prompts or answer permission requests";
/// What stands before a prompt's id.
pub const PERMISSION_PREFIX: &str = "perm_";

/// What a client says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `user_message`: tell the agent something; without a session, a new one.
    UserMessage(UserMessage),
    /// `permission_decision`: answer a permission request.
    PermissionDecision(PermissionDecision),
    /// `resume`: where is this session?
    Resume(Resume),
    /// `ping`: a sign of life is wanted.
    Ping {
        /// Repeated in the reply.
        id: String,
    },
    /// `claim`: be the owner, if nobody is. An addition.
    Claim {
        /// Repeated in an error.
        id: String,
    },
    /// `release`: be the owner no longer. An addition.
    Release {
        /// Repeated in an error.
        id: String,
    },
}

/// Members of `user_message`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserMessage {
    /// Which message; a retry keeps it and is taken once.
    pub id: String,
    /// What the agent is told.
    pub prompt: String,
    /// In which session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// `plan`, `default` or `bypassPermissions`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission_mode: Option<String>,
    /// Skills that the agent is to use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skill_names: Vec<String>,
}

/// Members of `permission_decision`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PermissionDecision {
    /// Which message this is.
    pub id: String,
    /// What is answered.
    pub permission_request_id: String,
    /// The answer.
    pub decision: Decision,
}

/// An answer to a permission request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// `allow` or `deny`; in `permission_resolved` also `cancelled`.
    pub kind: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Members of `resume`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resume {
    /// Which message this is.
    pub id: String,
    /// Which session.
    pub session_id: String,
    /// Tell again what came after the message with this `seq`. An addition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<EventId>,
}

/// Why a text is no command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misread {
    /// Its id, as far as it has one.
    pub id: Option<String>,
    /// What clients are told.
    pub message: String,
}

impl Command {
    /// Reads a message.
    ///
    /// # Errors
    /// What to tell the client.
    pub fn parse(text: &str) -> Result<Self, Misread> {
        let misread = |id: Option<&str>, message: &str| Misread {
            id: id.map(ToOwned::to_owned),
            message: message.to_owned(),
        };
        let value: Value =
            serde_json::from_str(text).map_err(|_| misread(None, "Invalid JSON remote message"))?;
        let id = value.get("id").and_then(Value::as_str);
        let id = id.filter(|id| !id.is_empty() && id.chars().count() <= MAX_ID_CHARS);
        let unfit = |what: &str| misread(id, what);
        let has_id = || id.map(ToOwned::to_owned).ok_or_else(|| unfit("a message requires an id"));
        match value.get("type").and_then(Value::as_str) {
            Some("user_message") => {
                const REQUIRES: &str = "user_message requires id and prompt";
                let message = UserMessage::deserialize(&value).map_err(|_| unfit(REQUIRES))?;
                if id.is_none() || message.prompt.is_empty() {
                    return Err(unfit(REQUIRES));
                }
                Ok(Self::UserMessage(message))
            }
            Some("permission_decision") => {
                const REQUIRES: &str =
                    "permission_decision requires id, permissionRequestId and decision";
                has_id().map_err(|_| unfit(REQUIRES))?;
                let decision = PermissionDecision::deserialize(&value);
                decision.map(Self::PermissionDecision).map_err(|_| unfit(REQUIRES))
            }
            Some("resume") => {
                has_id()?;
                let resume = Resume::deserialize(&value);
                resume.map(Self::Resume).map_err(|_| unfit("Invalid remote session id"))
            }
            Some("ping") => Ok(Self::Ping { id: has_id()? }),
            Some("claim") => Ok(Self::Claim { id: has_id()? }),
            Some("release") => Ok(Self::Release { id: has_id()? }),
            Some(_) | None => Err(unfit("Unknown remote message type")),
        }
    }
}

/// Whether a connection may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It may.
    Owner,
    /// It only sees.
    Follower,
}

/// What clients are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Event {
    /// The first message of a connection.
    Ready {
        /// 1.
        protocol_version: u32,
    },
    /// The second one, and when it changes.
    Role {
        /// It.
        role: Role,
        /// Counts the owners.
        epoch: u64,
    },
    /// The message was taken.
    Ack {
        /// Which.
        id: String,
        /// Its session.
        session_id: String,
        /// It was taken before.
        duplicate: bool,
    },
    /// The agent said something.
    AgentStdout {
        /// The message that began the turn.
        id: String,
        /// What.
        chunk: String,
        /// Where in the log.
        seq: EventId,
    },
    /// The agent, or what runs it, complained.
    AgentStderr {
        /// The message that began the turn.
        id: String,
        /// What it said.
        chunk: String,
        /// Where in the log.
        seq: EventId,
    },
    /// A human is asked.
    PermissionRequest {
        /// The message that began the turn.
        id: String,
        /// What to answer it by.
        permission_request_id: String,
        /// What is asked.
        request: Asked,
        /// Where in the log.
        seq: EventId,
    },
    /// A request can no longer be answered. An addition.
    PermissionResolved {
        /// The message that began the turn.
        id: String,
        /// Which request.
        permission_request_id: String,
        /// Who answered.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// What.
        decision: Decision,
        /// Where in the log.
        seq: EventId,
    },
    /// Where a session is.
    SessionMetadata {
        /// All of it.
        session: Metadata,
    },
    /// A turn has ended; once for each.
    TerminalState {
        /// The message that began it.
        id: String,
        /// Its session.
        session_id: String,
        /// The vendor's conversation.
        #[serde(skip_serializing_if = "Option::is_none")]
        agent_session_id: Option<String>,
        /// 0 for success.
        exit_code: i32,
        /// Where in the log.
        seq: EventId,
    },
    /// The reply to `ping`.
    Pong {
        /// Its id.
        id: String,
    },
    /// Something was not done.
    Error {
        /// What it was about.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// Why.
        message: String,
        /// The relay's word for it.
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<String>,
    },
}

/// What a human is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    /// The tool.
    pub tool_name: String,
    /// What it is to do.
    pub input: Value,
    /// Why it is asked.
    pub reason: String,
}

/// Where a session is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// 1.
    pub version: u32,
    /// The session.
    pub session_id: String,
    /// Where its agent works.
    pub cwd: String,
    /// When it was made, RFC 3339.
    pub created_at: String,
    /// When something last happened in it.
    pub updated_at: String,
    /// How far it is.
    pub state: State,
    /// Ids of the newest messages that were taken.
    pub write_ids: Vec<String>,
    /// The vendor's conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_session_id: Option<String>,
    /// The message that began the latest turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_request_id: Option<String>,
    /// How that ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_exit_code: Option<i32>,
    /// What went wrong in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// How far a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing was done yet.
    Idle,
    /// A turn runs.
    Running,
    /// The latest turn did what it should.
    Completed,
    /// It did not.
    Failed,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Seq;

    #[test]
    fn commands_are_read_as_clients_spell_them() {
        let text = r#"{"type":"user_message","id":"m","prompt":"p","sessionId":"remote_1","permissionMode":"plan","skillNames":["s"],"more":1}"#;
        let message = UserMessage {
            id: "m".into(),
            prompt: "p".into(),
            session_id: Some("remote_1".into()),
            permission_mode: Some("plan".into()),
            skill_names: ["s".into()].into(),
        };
        assert_eq!(Command::parse(text), Ok(Command::UserMessage(message)));
        let text = r#"{"type":"permission_decision","id":"d","permissionRequestId":"perm_1","decision":{"kind":"deny","reason":"no"}}"#;
        let Ok(Command::PermissionDecision(it)) = Command::parse(text) else { panic!("{text}") };
        assert_eq!(
            (it.decision.kind.as_str(), it.decision.reason.as_deref()),
            ("deny", Some("no"))
        );
        let text = r#"{"type":"resume","id":"r","sessionId":"remote_1","after":"3.1"}"#;
        let Ok(Command::Resume(it)) = Command::parse(text) else { panic!("{text}") };
        assert_eq!(it.after, Some(EventId { seq: Seq(3), index: 1 }));
        assert_eq!(
            Command::parse(r#"{"type":"ping","id":"p"}"#),
            Ok(Command::Ping { id: "p".into() })
        );
    }

    #[test]
    fn what_is_no_command_is_told_in_the_clients_own_words() {
        let check = |text: &str, message: &str| {
            assert_eq!(Command::parse(text).expect_err(text).message, message, "{text}");
        };
        check("{", "Invalid JSON remote message");
        for text in ["null", "7", "[]", "{}", r#"{"type":"fly"}"#, r#"{"type":7}"#] {
            check(text, "Unknown remote message type");
        }
        for text in [
            r#"{"type":"user_message"}"#,
            r#"{"type":"user_message","id":"x"}"#,
            r#"{"type":"user_message","id":"","prompt":"p"}"#,
            r#"{"type":"user_message","id":7,"prompt":"p"}"#,
            r#"{"type":"user_message","id":"x","prompt":""}"#,
        ] {
            check(text, "user_message requires id and prompt");
        }
        check(r#"{"type":"resume","id":"x"}"#, "Invalid remote session id");
        let told = Command::parse(r#"{"type":"fly","id":"x"}"#).expect_err("unknown");
        assert_eq!(told.id.as_deref(), Some("x"));
    }

    #[test]
    fn events_are_spelt_as_clients_read_them() {
        let check = |event: &Event, text: &str| {
            assert_eq!(serde_json::to_string(event).expect("serialises"), text);
        };
        check(&Event::Ready { protocol_version: 1 }, r#"{"type":"ready","protocolVersion":1}"#);
        check(
            &Event::Role { role: Role::Follower, epoch: 2 },
            r#"{"type":"role","role":"follower","epoch":2}"#,
        );
        let (id, session_id) = (String::from("m"), String::from("remote_1"));
        check(
            &Event::Ack { id: id.clone(), session_id: session_id.clone(), duplicate: false },
            r#"{"type":"ack","id":"m","sessionId":"remote_1","duplicate":false}"#,
        );
        let seq = EventId { seq: Seq(3), index: 1 };
        check(
            &Event::TerminalState { id, session_id, agent_session_id: None, exit_code: 1, seq },
            r#"{"type":"terminal_state","id":"m","sessionId":"remote_1","exitCode":1,"seq":"3.1"}"#,
        );
        check(
            &Event::Error { id: None, message: READ_ONLY.into(), code: None },
            r#"{"type":"error","message":"read-only follower: only the session owner can submit prompts or answer permission requests"}"#,
        );
    }
}
