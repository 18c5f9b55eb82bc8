//! Writing an envelope.

use alloc::{format, string::String};

use serde::Serialize;

use super::body::REHANDSHAKE;
use crate::{
    ids::{Label, fits_label_rule},
    limits::{MAX_LABEL_CHARS, MAX_MAIL_BODY_BYTES, MAX_PEER_MESSAGE_ID_BYTES},
    utc::UtcTime,
};

/// The only member that a reader checks.
pub(super) const ENVELOPE_VERSION: &str = "tinyplace.harness.session.v1";
const MILLIS_PER_BUCKET: u64 = 60_000;

/// Who speaks in a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A person.
    User,
    /// An agent.
    #[default]
    Agent,
}

/// The harnesses that the format knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// Codex.
    Codex,
    /// Claude; also what stands for everything else.
    Claude,
}

/// Whether a message was written by an auto-responder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Marking {
    /// Somebody, or an agent that was asked to, wrote it.
    #[default]
    Written,
    /// Nobody was asked: it must not be answered automatically.
    Automatic,
}

/// A message to be written down.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    /// Its id, by which a reply refers to it.
    pub id: &'a str,
    /// The sender's address; more than a label's length, so that no reader takes it for one.
    pub address: &'a str,
    /// The session that sends it.
    pub from: &'a Label,
    /// The session that it is for.
    pub to: Option<&'a Label>,
    /// The id of the message that it answers.
    pub in_reply_to: Option<&'a str>,
    /// Whether an auto-responder wrote it.
    pub marking: Marking,
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub text: &'a str,
    /// When, in milliseconds since 1970.
    pub at_millis: u64,
    /// The vendor's own id of the session, if there is one.
    pub harness_session: Option<&'a str>,
    /// Which harness.
    pub provider: Provider,
    /// The program that sends.
    pub command: &'a str,
    /// The sender's directory, or something that tells less.
    pub cwd: &'a str,
    /// Where the message comes from, in one word.
    pub source: &'a str,
}

/// Why a message cannot be written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// With all that is around it, it is too long.
    #[error("the message takes {bytes} bytes; at most {MAX_MAIL_BODY_BYTES} are sent")]
    TooLong {
        /// What it would take.
        bytes: usize,
    },
    /// No reader would tell it from a control message.
    #[error("the text is the one that asks for a new handshake")]
    Control,
    /// An id that a reply could not name.
    #[error("an id of a message has 1 to {MAX_PEER_MESSAGE_ID_BYTES} bytes")]
    Id,
}

#[derive(Serialize)]
struct Written<'a> {
    envelope_version: &'static str,
    version: u8,
    bucket: Bucket,
    scope: Scope<'a>,
    harness: Harness<'a>,
    message: Message<'a>,
    source: Source<'a>,
    tp: Tp<'a>,
}

#[derive(Serialize)]
struct Bucket {
    unit: &'static str,
    start: String,
    end: String,
}

#[derive(Serialize)]
struct Scope<'a> {
    r#type: &'static str,
    key: &'a str,
    cwd: &'a str,
    wrapper_session_id: &'a str,
    harness_session_id: &'a str,
}

#[derive(Serialize)]
struct Harness<'a> {
    provider: Provider,
    command: &'a str,
    argv: [&'a str; 0],
}

#[derive(Serialize)]
struct Message<'a> {
    id: &'a str,
    line: u32,
    role: Role,
    text: &'a str,
    timestamp: String,
}

#[derive(Serialize)]
struct Source<'a> {
    path: &'a str,
    record_type: &'static str,
}

#[derive(Serialize)]
struct Tp<'a> {
    v: u8,
    from_session: &'a Label,
    #[serde(skip_serializing_if = "Option::is_none")]
    to_session: Option<&'a Label>,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_reply_to: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auto: Option<bool>,
}

impl Envelope<'_> {
    /// The body as JSON, member by member in the order that the format's first implementation writes.
    ///
    /// # Errors
    /// When it is too long, or would be taken for something else.
    ///
    /// # Panics
    /// Never: nothing in it fails to serialise.
    pub fn encode(&self) -> Result<String, EncodeError> {
        if self.text == REHANDSHAKE {
            return Err(EncodeError::Control);
        }
        if self.id.is_empty() || self.id.len() > MAX_PEER_MESSAGE_ID_BYTES {
            return Err(EncodeError::Id);
        }
        let key = self.scope_key();
        // some readers refuse an empty one, and others take a short one for a label
        let usable = |id: &&str| id.len() > MAX_LABEL_CHARS || !fits_label_rule(id);
        let named = self.harness_session.filter(|id| !id.is_empty());
        let start = self.at_millis - self.at_millis % MILLIS_PER_BUCKET;
        let at = |millis: u64| UtcTime::from_millis(millis).iso_millis();
        let written = Written {
            envelope_version: ENVELOPE_VERSION,
            version: 1,
            bucket: Bucket {
                unit: "minute",
                start: at(start),
                end: at(start.saturating_add(MILLIS_PER_BUCKET)),
            },
            scope: Scope {
                r#type: "session",
                key: &key,
                cwd: self.cwd,
                wrapper_session_id: named.filter(usable).unwrap_or(&key),
                harness_session_id: named.unwrap_or(&key),
            },
            harness: Harness { provider: self.provider, command: self.command, argv: [] },
            message: Message {
                id: self.id,
                line: 0,
                role: self.role,
                text: self.text,
                timestamp: at(self.at_millis),
            },
            source: Source { path: self.source, record_type: "dm" },
            tp: Tp {
                v: 1,
                from_session: self.from,
                to_session: self.to,
                in_reply_to: self.in_reply_to,
                auto: (self.marking == Marking::Automatic).then_some(true),
            },
        };
        let body = serde_json::to_string(&written).expect("strings and numbers serialise");
        let bytes = body.len();
        if bytes > MAX_MAIL_BODY_BYTES { Err(EncodeError::TooLong { bytes }) } else { Ok(body) }
    }

    /// `<address>:<label>`, never short enough to be read as a label.
    fn scope_key(&self) -> String {
        let key = format!("{}:{}", self.address, self.from);
        if fits_label_rule(&key) { format!("quarterdeck identity {key}") } else { key }
    }
}
