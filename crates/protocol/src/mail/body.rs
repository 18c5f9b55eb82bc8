//! Reading a body.

use alloc::{borrow::ToOwned, string::String};
use core::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use super::envelope::{ENVELOPE_VERSION, Marking, Role};
use crate::{
    ids::{Label, ParseIdError, fits_label_rule},
    limits::{MAX_MAIL_BODY_BYTES, MAX_PEER_MESSAGE_ID_BYTES},
};

/// What precedes the text of an auto-responder that writes the older form.
const AUTO_TAG: &str = "\u{1}tp-auto\u{1}";
/// What begins the id of the message that it answers; the id ends with the same character.
const REPLY_TAG: &str = "\u{1}re:";
/// As a whole text: nothing but a new handshake is meant.
pub(super) const REHANDSHAKE: &str = "\u{1}tp-rehandshake\u{1}";

/// A label as a peer claims it: it fits the rule, but may be a word that no session here can be called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct PeerLabel(String);

impl PeerLabel {
    /// What a peer wrote, if it fits the rule.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        fits_label_rule(text).then(|| Self(text.to_owned()))
    }
    /// The label as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// The label that a session of this relay can have.
    ///
    /// # Errors
    /// When no session can be called so.
    pub fn to_label(&self) -> Result<Label, ParseIdError> {
        self.0.parse()
    }
}

impl fmt::Display for PeerLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// In which of its forms a body was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As an envelope.
    Envelope,
    /// With sentinels, or as plain text.
    Plain,
}

/// What a body says, as far as it says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// How it was written.
    pub form: Form,
    /// The sender's id of the message; a reply refers to it. Foreign data of any characters.
    pub id: Option<String>,
    /// The session that sent it, as claimed.
    pub from: Option<PeerLabel>,
    /// The session that it is for.
    pub to: Option<PeerLabel>,
    /// The id of the message that it answers. Foreign data of any characters.
    pub in_reply_to: Option<String>,
    /// Whether an auto-responder wrote it, as claimed.
    pub marking: Marking,
    /// Who speaks, as claimed; only envelopes say.
    pub role: Option<Role>,
    /// What is said.
    pub text: String,
}

/// A body that is not even looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body has {bytes} bytes; at most {MAX_MAIL_BODY_BYTES} are read")]
pub struct BodyTooLong {
    /// Its length.
    pub bytes: usize,
}

impl Body {
    /// Reads a body in any of its forms. What is no envelope is plain text, whatever it looks like.
    ///
    /// # Errors
    /// When it is too long.
    pub fn decode(text: &str) -> Result<Self, BodyTooLong> {
        let bytes = text.len();
        if bytes > MAX_MAIL_BODY_BYTES {
            return Err(BodyTooLong { bytes });
        }
        Ok(envelope(text).unwrap_or_else(|| plain(text)))
    }

    /// Whether nothing but a new handshake is meant: such a body is neither shown nor answered.
    #[must_use]
    pub fn is_rehandshake(&self) -> bool {
        self.text == REHANDSHAKE
    }
}

fn envelope(text: &str) -> Option<Body> {
    let text = text.trim_start();
    if !text.starts_with('{') {
        return None;
    }
    let Ok(Value::Object(body)) = serde_json::from_str(text) else { return None };
    if string(&body, "envelope_version") != Some(ENVELOPE_VERSION) {
        return None;
    }
    let none = Map::new();
    let part = |name: &str| body.get(name).and_then(Value::as_object).unwrap_or(&none);
    let (message, tp) = (part("message"), part("tp"));
    let label =
        |part: &Map<String, Value>, name: &str| string(part, name).and_then(PeerLabel::parse);
    Some(Body {
        form: Form::Envelope,
        id: string(message, "id").and_then(bounded_id),
        from: label(tp, "from_session").or_else(|| label(part("scope"), "wrapper_session_id")),
        to: label(tp, "to_session"),
        in_reply_to: string(tp, "in_reply_to").and_then(bounded_id),
        marking: match tp.get("auto") {
            Some(Value::Bool(true)) => Marking::Automatic,
            Some(_) | None => Marking::Written,
        },
        role: Some(match string(message, "role") {
            Some("user") => Role::User,
            Some(_) | None => Role::Agent,
        }),
        text: string(message, "text").unwrap_or_default().to_owned(),
    })
}

fn string<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str)
}

/// An id that is longer than any honest one is kept nowhere.
fn bounded_id(id: &str) -> Option<String> {
    (id.len() <= MAX_PEER_MESSAGE_ID_BYTES).then(|| id.to_owned())
}

fn plain(text: &str) -> Body {
    let (marking, in_reply_to, text) = match text.strip_prefix(AUTO_TAG) {
        None => (Marking::Written, None, text),
        Some(rest) => {
            let answered = rest.strip_prefix(REPLY_TAG).and_then(|it| it.split_once('\u{1}'));
            let (id, text) = answered.map_or((None, rest), |(id, text)| (bounded_id(id), text));
            (Marking::Automatic, id, text)
        }
    };
    Body {
        form: Form::Plain,
        id: None,
        from: None,
        to: None,
        in_reply_to,
        marking,
        role: None,
        text: text.to_owned(),
    }
}

/// Writes the older form, for a peer that is known to read no other.
#[must_use]
pub fn encode_legacy_auto(in_reply_to: Option<&str>, text: &str) -> String {
    let mut body = AUTO_TAG.to_owned();
    // an id with the sentinel in it could not be read back
    if let Some(id) = in_reply_to.filter(|id| !id.contains('\u{1}')) {
        body.push_str(REPLY_TAG);
        body.push_str(id);
        body.push('\u{1}');
    }
    body.push_str(text);
    body
}
