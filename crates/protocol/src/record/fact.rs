//! What records say: one type per kind, and [`Fact`], the sum of them.
//!
//! Output and vendor lines are raw bytes; everything else is a JSON object, so that members can be
//! added. Enums that may grow end in `Unknown`, which an older reader sees for a newer value.

use alloc::{boxed::Box, string::String, vec::Vec};

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{RawJson, Record, RecordHeader, RecordKind};
use crate::{
    holder::InputEntry,
    ids::{ClientId, Epoch, Incarnation, InputNumber, LogId, Out, Principal, SessionId},
};

/// A decoded payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A program was started.
    Start(Box<Start>),
    /// It wrote to its terminal.
    Output(Bytes),
    /// Somebody typed.
    Input(Input),
    /// The terminal has a new size.
    Resize(Resize),
    /// The terminal's line discipline changed.
    Termios(Termios),
    /// A raw line to the agent.
    VendorIn(Bytes),
    /// A raw line from the agent.
    VendorOut(Bytes),
    /// The lease changed.
    Lease(Box<LeaseRecord>),
    /// A prompt was answered.
    Answer(Answer),
    /// Something a topic's reader understands.
    Note(Note),
    /// Output was lost before it could be recorded.
    Gap(Gap),
    /// The program ended.
    Exit(Exit),
    /// What the records before add up to.
    Checkpoint(Box<Checkpoint>),
    /// The holder died.
    Lost(Lost),
    /// Raw text that the agent wrote to its standard error.
    VendorErr(Bytes),
    /// A record of a newer version.
    Unknown {
        /// Its kind; a known one when only its flags are new.
        kind: RecordKind,
        /// Its payload, untouched.
        payload: Bytes,
    },
}

/// A payload that is not what its kind says. The record is kept; the reader goes on.
#[derive(Debug, thiserror::Error)]
#[error("the payload of a {kind} record cannot be read")]
pub struct FactError {
    /// The record's kind.
    pub kind: RecordKind,
    /// What is wrong with the JSON.
    pub source: serde_json::Error,
}

impl Fact {
    /// Reads a record's payload.
    ///
    /// # Errors
    /// When a payload that must be JSON of a certain form is not.
    pub fn decode(record: &Record) -> Result<Self, FactError> {
        let Record { header: RecordHeader { kind, flags, .. }, payload } = record;
        let payload = || payload.clone();
        if *flags != 0 {
            return Ok(Self::Unknown { kind: *kind, payload: payload() });
        }
        Ok(match kind {
            RecordKind::Start => Self::Start(read(record)?),
            RecordKind::Output => Self::Output(payload()),
            RecordKind::Input => Self::Input(read(record)?),
            RecordKind::Resize => Self::Resize(read(record)?),
            RecordKind::Termios => Self::Termios(read(record)?),
            RecordKind::VendorIn => Self::VendorIn(payload()),
            RecordKind::VendorOut => Self::VendorOut(payload()),
            RecordKind::VendorErr => Self::VendorErr(payload()),
            RecordKind::Lease => Self::Lease(read(record)?),
            RecordKind::Answer => Self::Answer(read(record)?),
            RecordKind::Note => Self::Note(read(record)?),
            RecordKind::Gap => Self::Gap(read(record)?),
            RecordKind::Exit => Self::Exit(read(record)?),
            RecordKind::Checkpoint => Self::Checkpoint(read(record)?),
            RecordKind::Lost => Self::Lost(read(record)?),
            RecordKind::Unknown(_) => Self::Unknown { kind: *kind, payload: payload() },
        })
    }

    /// The record's kind and payload.
    #[must_use]
    pub fn encode(&self) -> (RecordKind, Bytes) {
        match self {
            Self::Start(start) => (RecordKind::Start, json(start)),
            Self::Output(bytes) => (RecordKind::Output, bytes.clone()),
            Self::Input(input) => (RecordKind::Input, json(input)),
            Self::Resize(resize) => (RecordKind::Resize, json(resize)),
            Self::Termios(termios) => (RecordKind::Termios, json(termios)),
            Self::VendorIn(line) => (RecordKind::VendorIn, line.clone()),
            Self::VendorOut(line) => (RecordKind::VendorOut, line.clone()),
            Self::VendorErr(text) => (RecordKind::VendorErr, text.clone()),
            Self::Lease(lease) => (RecordKind::Lease, json(lease)),
            Self::Answer(answer) => (RecordKind::Answer, json(answer)),
            Self::Note(note) => (RecordKind::Note, json(note)),
            Self::Gap(gap) => (RecordKind::Gap, json(gap)),
            Self::Exit(exit) => (RecordKind::Exit, json(exit)),
            Self::Checkpoint(checkpoint) => (RecordKind::Checkpoint, json(checkpoint)),
            Self::Lost(lost) => (RecordKind::Lost, json(lost)),
            Self::Unknown { kind, payload } => (*kind, payload.clone()),
        }
    }
}

fn read<T: DeserializeOwned>(record: &Record) -> Result<T, FactError> {
    let kind = record.header.kind;
    serde_json::from_slice(&record.payload).map_err(|source| FactError { kind, source })
}

fn json<T: Serialize>(value: &T) -> Bytes {
    let text = serde_json::to_vec(value);
    Bytes::from(text.expect("payload types have only string keys and no failing serializer"))
}

/// What kind of thing a session runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SessionKind {
    /// A program on a pseudo-terminal.
    Terminal,
    /// A coding agent that speaks a protocol over its standard streams.
    Agent,
    /// A vendor's Remote Control, on a pseudo-terminal.
    RemoteControl,
    /// A kind of a newer version.
    #[serde(other)]
    Unknown,
}

/// Size of a terminal in cells, and in pixels where the client knows them (else 0).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TerminalSize {
    /// Columns.
    pub cols: u16,
    /// Rows.
    pub rows: u16,
    /// Width in pixels.
    #[serde(default)]
    pub xpixel: u16,
    /// Height in pixels.
    #[serde(default)]
    pub ypixel: u16,
}

/// A program was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Start {
    /// Which start of the session's program this is.
    pub incarnation: Incarnation,
    /// The session whose log this is.
    pub session: SessionId,
    /// The command line, undecodable bytes replaced.
    pub argv: Vec<String>,
    /// Where it was started.
    pub cwd: String,
    /// Names of its environment variables. Never their values: some are secrets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env_names: Vec<String>,
    /// First size of its terminal.
    pub size: TerminalSize,
    /// What kind of session.
    pub kind: SessionKind,
    /// Pid of the program, for people; nothing trusts it.
    pub pid: u32,
    /// Who asked for it; nobody when the relay itself did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_by: Option<Principal>,
    /// The boot it was started in: after another boot no process of it can be alive.
    pub boot_id: String,
}

/// Bytes for the program. The number is recorded before the bytes are written, so that a resend
/// after a crash is recognised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Input {
    /// Who sent them.
    pub client: ClientId,
    /// The client's number for them.
    pub n: InputNumber,
    /// The lease they came under.
    pub epoch: Epoch,
    /// The bytes; base64 in JSON.
    #[serde(with = "base64_text")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub bytes: Bytes,
}

/// The terminal has a new size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Resize {
    /// The size from here on.
    pub size: TerminalSize,
    /// Whose screen it fits; nobody when the relay itself set it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<ClientId>,
}

/// What a typed character does, for clients that echo before the program does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Termios {
    /// The terminal echoes; off while a password is typed.
    pub echo: bool,
    /// Input is edited line by line.
    pub canonical: bool,
    /// Who reads the terminal.
    pub foreground: Foreground,
}

/// Who reads a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Foreground {
    /// The session's own program, such as the shell.
    Leader,
    /// A job that it started.
    Job,
    /// A value of a newer version.
    #[serde(other)]
    Unknown,
}

/// The one client that may write to a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Owner {
    /// The client.
    pub client: ClientId,
    /// The person or script behind it.
    pub principal: Principal,
    /// What it calls itself, for people.
    pub name: String,
}

/// Whether a session is owned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum LeaseState {
    /// The next new client that may drive owns it.
    #[default]
    Free,
    /// Somebody owns it.
    Held {
        /// Who.
        owner: Owner,
    },
    /// The owner's link is gone; it may come back.
    Grace {
        /// Who may come back.
        owner: Owner,
    },
    /// A state of a newer version.
    #[serde(other)]
    Unknown,
}

/// Ownership of a session at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Lease {
    /// Raised at every change of owner.
    pub epoch: Epoch,
    /// Whether and by whom it is owned.
    #[serde(flatten)]
    pub state: LeaseState,
}

/// The lease changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LeaseRecord {
    /// The epoch from here on.
    pub epoch: Epoch,
    /// The state from here on.
    #[serde(flatten)]
    pub state: LeaseState,
    /// What changed it.
    #[serde(flatten)]
    pub why: LeaseCause,
    /// Who changed it; nobody when time or a lost link did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Owner>,
}

/// What changed a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum LeaseCause {
    /// A client attached to a free session.
    Attach,
    /// The owner came back within its grace.
    Return,
    /// Another client of the same principal went on.
    Takeover,
    /// The owner handed it over.
    Offer,
    /// The owner let go.
    Release,
    /// A client that is allowed to borrowed it for one input; it goes back at once.
    Borrow,
    /// It came back from whoever borrowed it.
    Returned,
    /// An admin took it.
    Take {
        /// The reason the admin gave.
        reason: String,
    },
    /// The owner did not come back in time.
    GraceExpired,
    /// The owner's link was lost.
    LinkLost,
    /// The relay was started anew.
    RelayRestart,
    /// A cause of a newer version.
    #[serde(other)]
    Unknown,
}

/// A prompt was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Answer {
    /// What is answered; the first answer of a key stands.
    pub key: String,
    /// The answer, in the form its agent's adapter reads.
    pub body: RawJson,
}

/// Something a topic's reader understands; everybody else passes it on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Note {
    /// What it is about.
    pub topic: String,
    /// What it says.
    pub body: RawJson,
}

/// Output that is not there: the bytes from `from` up to, not including, `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Gap {
    /// First missing byte.
    pub from: Out,
    /// First byte that is there again.
    pub to: Out,
    /// Why they are missing.
    pub why: GapCause,
}

/// Why a part of a log is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum GapCause {
    /// The file was damaged.
    Damage,
    /// The disk was full for so long that the holder had to let go of output.
    DiskFull,
    /// Retention dropped it.
    Retention,
    /// A cause of a newer version.
    #[serde(other)]
    Unknown,
}

/// The program ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Exit {
    /// How.
    #[serde(flatten)]
    pub status: ExitStatus,
    /// Processes it left behind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<LeftProcess>,
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum ExitStatus {
    /// It returned.
    Code {
        /// Its exit code.
        code: i32,
    },
    /// A signal ended it.
    Signal {
        /// The signal's number on the holder's system.
        signal: i32,
        /// Whether it dumped core.
        core: bool,
    },
    /// The kernel ended it for want of memory.
    Oom,
    /// A way of a newer version.
    #[serde(other)]
    Unknown,
}

/// A process that outlived its session's program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LeftProcess {
    /// Its pid at that moment.
    pub pid: u32,
    /// Its command, for people.
    pub command: String,
}

/// The holder died without recording an exit; written by a relay that found the lock free.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Lost {
    /// What is known of the reason, for people.
    pub why: String,
}

/// How a session's latest program ended, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum Ended {
    /// An `exit` was recorded.
    Exited {
        /// The exit.
        status: ExitStatus,
        /// Wall clock of the record, microseconds since 1970.
        at_micros: u64,
    },
    /// A `lost` was recorded.
    Lost {
        /// What is known of the reason, for people.
        why: String,
        /// Wall clock of the record, microseconds since 1970.
        at_micros: u64,
    },
    /// A way of a newer version.
    #[serde(other)]
    Unknown,
}

/// What all records before add up to. Every segment begins with one, so that older segments can be
/// dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Checkpoint {
    /// The log.
    pub log_id: LogId,
    /// The session.
    pub session: SessionId,
    /// What kind of session.
    pub kind: SessionKind,
    /// Its latest start; 0 = none yet.
    pub incarnation: Incarnation,
    /// Wall clock of its first start, microseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_start_micros: Option<u64>,
    /// Ownership.
    pub lease: Lease,
    /// The terminal's size.
    pub size: TerminalSize,
    /// Last input of each client, the longest silent one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<serde_json::Value>"))]
    pub inputs: Vec<InputEntry>,
    /// The line discipline, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub termios: Option<Termios>,
    /// Set when the latest program has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
    /// What an agent's adapter must find again: open prompts, turn, usage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<RawJson>,
}

/// Bytes as base64 text.
mod base64_text {
    use alloc::string::String;

    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(bytes: &Bytes, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        let text = String::deserialize(from)?;
        STANDARD.decode(text).map(Bytes::from).map_err(D::Error::custom)
    }
}
