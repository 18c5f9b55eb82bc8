//! What a session has shown before: scrolled lines and records.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use super::SessionName;
#[expect(unused_imports, reason = "the docs lead to them")]
use super::{SessionLog, SessionScrollback};
use crate::ids::{Out, Seq};

/// [`SessionScrollback`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ScrollbackParams {
    /// Which session.
    pub session: SessionName,
    /// The page that ends here; the `out` of a snapshot, or the `from` of the page before.
    pub before: Out,
    /// How many lines are wanted in all; the page may have fewer or somewhat more.
    pub lines: u32,
}

/// A line that left the top of the screen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ScrolledLine {
    /// Text with SGR and link sequences, ending in the default pen.
    pub text: String,
    /// It continues in the next line: no line break stood there.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub wrapped: bool,
}

/// [`SessionScrollback`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ScrollbackResult {
    /// The output bytes `from..before` pushed these lines off the screen, oldest first.
    pub lines: Vec<ScrolledLine>,
    /// Where the page before this one ends.
    pub from: Out,
    /// Nothing older is in the log.
    pub oldest: bool,
    /// Whether the page began at a known screen; else its first lines may differ.
    pub exact: bool,
}

/// [`SessionLog`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LogParams {
    /// Which session.
    pub session: SessionName,
    /// First record wanted; one that is gone gives the first there is, with a gap.
    #[serde(default)]
    pub after: Option<Seq>,
    /// At most this many records; a page also ends by bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
}

/// A record of the log, for reading.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LogEntry {
    /// Its number.
    pub seq: Seq,
    /// Output bytes before it.
    pub out: Out,
    /// When, in microseconds since 1970.
    pub time: u64,
    /// Its kind.
    pub kind: String,
    /// Raw payload of output, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
    /// JSON payload of the other kinds. Recorded input is left out without `admin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<serde_json::Value>"))]
    pub body: Option<alloc::boxed::Box<serde_json::value::RawValue>>,
}

/// [`SessionLog`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LogResult {
    /// The page.
    pub entries: Vec<LogEntry>,
    /// Where the next page begins.
    pub next: Seq,
    /// Nothing more is there yet.
    pub end: bool,
}
