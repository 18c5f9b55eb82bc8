//! Ids that are computed from the log: the same after every restart.

use alloc::{
    borrow::ToOwned as _,
    string::{String, ToString as _},
};
use core::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::ids::{Seq, SessionId};

/// A text that is no event's or prompt's id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no id of this kind")]
pub struct ParseAgentIdError(pub String);

/// One event: the record that it was read from, and which of that record's events it is. Text:
/// `seq.i`. Ordered as things happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(with = "String"))]
#[serde(try_from = "String", into = "String")]
pub struct EventId {
    /// The record.
    pub seq: Seq,
    /// Counts the events of one record, from 0.
    pub index: u32,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.seq, self.index)
    }
}

impl FromStr for EventId {
    type Err = ParseAgentIdError;
    fn from_str(text: &str) -> Result<Self, ParseAgentIdError> {
        let parse = || {
            let (seq, index) = text.split_once('.')?;
            Some(Self { seq: Seq(number(seq)?), index: u32::try_from(number(index)?).ok()? })
        };
        parse().ok_or_else(|| ParseAgentIdError(text.to_owned()))
    }
}

/// One prompt: its session and the record that asked. Text: `session.seq`, and `session.seq.i` for
/// the further prompts of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(with = "String"))]
#[serde(try_from = "String", into = "String")]
pub struct PromptId {
    /// The session whose agent asks.
    pub session: SessionId,
    /// The record that asked.
    pub seq: Seq,
    /// Counts the prompts of one record, from 0.
    pub index: u32,
}

impl fmt::Display for PromptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.session, self.seq)?;
        if self.index == 0 { Ok(()) } else { write!(f, ".{}", self.index) }
    }
}

impl FromStr for PromptId {
    type Err = ParseAgentIdError;
    fn from_str(text: &str) -> Result<Self, ParseAgentIdError> {
        let parse = || {
            let (session, rest) = text.split_once('.')?;
            let (seq, index) = match rest.split_once('.') {
                // one spelling: the first prompt of a record has no index
                Some((seq, index)) => (seq, Some(number(index)?).filter(|index| *index > 0)?),
                None => (rest, 0),
            };
            let session = session.parse().ok()?;
            Some(Self { session, seq: Seq(number(seq)?), index: u32::try_from(index).ok()? })
        };
        parse().ok_or_else(|| ParseAgentIdError(text.to_owned()))
    }
}

/// Digits only, without leading zeros, so that one id has one spelling.
fn number(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let short = text == "0" || !text.starts_with('0');
    (plain && short).then(|| text.parse().ok())?
}

macro_rules! text_conversions {
    ($name:ident) => {
        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
        impl TryFrom<String> for $name {
            type Error = ParseAgentIdError;
            fn try_from(text: String) -> Result<Self, ParseAgentIdError> {
                text.parse()
            }
        }
    };
}
text_conversions!(EventId);
text_conversions!(PromptId);

/// Counts the turns of a session; 1 is the first.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct TurnNumber(pub u64);

impl TurnNumber {
    /// The one after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for TurnNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
