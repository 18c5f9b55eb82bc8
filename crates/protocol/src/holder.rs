//! The socket between a relay and a session's holder, and the launch of a holder.
//!
//! A message is `len u32 | op u8 | request u32 | body`, little endian; `len` counts what follows it.
//! Every request is answered once, by `OK` or `ERROR` with its number; messages that nobody asked
//! for have number 0. Operations are only added: an unknown one is answered `unsupported`, an
//! unknown unasked message is skipped, unknown JSON members are ignored.
//!
//! | op | name | body | sent by |
//! |---|---|---|---|
//! | 1 | `HELLO` | JSON [`HelloRequest`] → [`HelloAnswer`] | relay |
//! | 2 | `INPUT` | `client [16] \| epoch u64 \| n u64 \| bytes`; answered by `INPUT_ACK` | relay |
//! | 3 | `RESIZE` | JSON [`ResizeRequest`] | relay |
//! | 4 | `SIGNAL` | JSON [`SignalRequest`] | relay |
//! | 5 | `STOP` | JSON [`StopRequest`] | relay |
//! | 6 | `LEASE` | JSON `LeaseRecord`; answered when it is recorded | relay |
//! | 7 | `NOTE` | JSON `Note`; answered when it is recorded | relay |
//! | 8 | `TRIM` | JSON [`TrimRequest`] | relay |
//! | 9 | `REPLY` | bytes typed for a terminal query by the relay's model, where no owner's terminal was shown the query; no answer | relay |
//! | 10 | `OPERATION` | [`Operation`] → JSON [`OperationAnswer`], when the fact and its lines are recorded; agents only | relay |
//! | 11 | `EXTRA` | JSON [`ExtraRequest`]; agents only | relay |
//! | 128 | `OK` | JSON answer of the operation, or empty | holder |
//! | 129 | `ERROR` | JSON [`HolderError`] | holder |
//! | 130 | `HEAD` | `seq u64 \| out u64`: everything before is in the log | holder |
//! | 131 | `INPUT_ACK` | `client [16] \| n u64 \| state u8 \| reason u8` | holder |
//! | 132 | `UNRECORDED` | `out u64 \| bytes`: output that a full disk keeps out of the log; a new driver may be told some of it twice | holder |
//! | 133 | `STALLED` | JSON [`Stalled`] | holder |

mod operation;

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use serde::{Deserialize, Serialize};

pub use operation::{ExtraRequest, Operation, OperationAnswer, is_key};

use crate::{
    frame::InputState,
    ids::{
        ClientId, Epoch, Generation, Incarnation, InputNumber, LogId, Out, Principal, Seq,
        SessionId,
    },
    limits::MAX_HOLDER_MESSAGE_BYTES,
    record::{Note, Position, SessionKind, TerminalSize},
};

/// Version of the socket protocol; only grows.
pub const HOLDER_PROTOCOL: u32 = 1;

/// Operation numbers.
pub mod op {
    /// First message of a connection.
    pub const HELLO: u8 = 1;
    /// Input for the program.
    pub const INPUT: u8 = 2;
    /// New size of the terminal.
    pub const RESIZE: u8 = 3;
    /// A signal to the program.
    pub const SIGNAL: u8 = 4;
    /// Walk down the stop ladder.
    pub const STOP: u8 = 5;
    /// Record a change of the lease.
    pub const LEASE: u8 = 6;
    /// Record a note.
    pub const NOTE: u8 = 7;
    /// Drop old segments.
    pub const TRIM: u8 = 8;
    /// Answer of the relay's terminal model to a query of the program.
    pub const REPLY: u8 = 9;
    /// Record a fact and write lines to the agent, once per key.
    pub const OPERATION: u8 = 10;
    /// Keep what was computed from the log for the next checkpoint.
    pub const EXTRA: u8 = 11;
    /// The request succeeded.
    pub const OK: u8 = 128;
    /// The request failed.
    pub const ERROR: u8 = 129;
    /// New head of the log.
    pub const HEAD: u8 = 130;
    /// How far an input has come.
    pub const INPUT_ACK: u8 = 131;
    /// Output that could not be recorded.
    pub const UNRECORDED: u8 = 132;
    /// The disk state changed.
    pub const STALLED: u8 = 133;
}

/// Bytes of a message before its body.
pub const HEADER_BYTES: usize = 4 + 1 + 4;

/// One message, its body borrowed from the buffer it was parsed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// What it is; see [`op`].
    pub op: u8,
    /// The request it is or answers; 0 for neither.
    pub request: u32,
    /// What the operation's line in the table says.
    pub body: &'a [u8],
}

/// A length that no peer of this protocol sends; the connection cannot be read further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("holder message of {0} bytes is outside 5 to {MAX_HOLDER_MESSAGE_BYTES}")]
pub struct BadLength(pub u32);

impl<'a> Message<'a> {
    /// Appends the message's bytes to `buffer`.
    pub fn encode(&self, buffer: &mut Vec<u8>) {
        let len = u32::try_from(self.body.len() + 5).unwrap_or(u32::MAX);
        buffer.extend_from_slice(&len.to_le_bytes());
        buffer.push(self.op);
        buffer.extend_from_slice(&self.request.to_le_bytes());
        buffer.extend_from_slice(self.body);
    }
    /// Reads the message at the start of `bytes`; with it, how many bytes it takes. `None`: more
    /// bytes are needed.
    ///
    /// # Errors
    /// When the length is out of range.
    pub fn parse(bytes: &'a [u8]) -> Result<Option<(Self, usize)>, BadLength> {
        let Some((len, rest)) = bytes.split_first_chunk() else { return Ok(None) };
        let len = u32::from_le_bytes(*len);
        let size = len as usize;
        if !(5..=MAX_HOLDER_MESSAGE_BYTES).contains(&size) {
            return Err(BadLength(len));
        }
        if rest.len() < size {
            return Ok(None);
        }
        let mut request = [0; 4];
        request.copy_from_slice(&rest[1..5]);
        let request = u32::from_le_bytes(request);
        Ok(Some((Self { op: rest[0], request, body: &rest[5..size] }, 4 + size)))
    }
}

/// A relay introduces itself. The holder closes an older driver and discards its unread requests
/// before it answers; a generation below the highest seen is refused.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HelloRequest {
    /// Generation of the relay.
    pub generation: Generation,
    /// [`HOLDER_PROTOCOL`] of the relay.
    pub protocol: u32,
}

/// What the holder knows when a driver takes over.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HelloAnswer {
    /// [`HOLDER_PROTOCOL`] of the holder.
    pub protocol: u32,
    /// The session it holds.
    pub session: SessionId,
    /// The log it writes.
    pub log_id: LogId,
    /// Which start of the program this is.
    pub incarnation: Incarnation,
    /// Next record number.
    pub seq: Seq,
    /// Output bytes in the log.
    pub out: Out,
    /// Pid of the holder.
    pub holder_pid: u32,
    /// Pid of the program.
    pub program_pid: u32,
    /// Last input number applied, per client.
    pub inputs: Vec<InputEntry>,
    /// Set while the disk is full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stalled: Option<Stalled>,
}

/// A line of the input table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputEntry {
    /// Whose input.
    pub client: ClientId,
    /// The last number that was applied.
    pub n: InputNumber,
}

/// Input for the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Input<'a> {
    /// Who sends it.
    pub client: ClientId,
    /// Under which lease; another than the recorded one is rejected.
    pub epoch: Epoch,
    /// Its number; one that is not above the client's last is acknowledged and not written again.
    pub n: InputNumber,
    /// Raw bytes.
    pub bytes: &'a [u8],
}

impl<'a> Input<'a> {
    /// Appends the body's bytes to `buffer`.
    pub fn encode(&self, buffer: &mut Vec<u8>) {
        buffer.extend_from_slice(self.client.as_bytes());
        buffer.extend_from_slice(&self.epoch.0.to_le_bytes());
        buffer.extend_from_slice(&self.n.0.to_le_bytes());
        buffer.extend_from_slice(self.bytes);
    }
    /// Reads a body; `None` when it is too short.
    #[must_use]
    pub fn parse(body: &'a [u8]) -> Option<Self> {
        let (client, rest) = body.split_first_chunk()?;
        let (epoch, rest) = rest.split_first_chunk()?;
        let (n, bytes) = rest.split_first_chunk()?;
        Some(Self {
            client: ClientId::from_bytes(*client),
            epoch: Epoch(u64::from_le_bytes(*epoch)),
            n: InputNumber(u64::from_le_bytes(*n)),
            bytes,
        })
    }
}

/// Why an input was rejected by the holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputRefusal {
    /// It was not rejected.
    None,
    /// The epoch is not the recorded lease's.
    StaleEpoch,
    /// The program does not read; the queue is full.
    Full,
    /// The program has ended.
    Ended,
}

impl InputRefusal {
    const ALL: [Self; 4] = [Self::None, Self::StaleEpoch, Self::Full, Self::Ended];
    /// The byte on the socket.
    #[must_use]
    pub const fn to_byte(self) -> u8 {
        match self {
            Self::None => 0,
            Self::StaleEpoch => 1,
            Self::Full => 2,
            Self::Ended => 3,
        }
    }
    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|refusal| refusal.to_byte() == byte)
    }
}

/// How far an input has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputAck {
    /// Whose input.
    pub client: ClientId,
    /// Its number.
    pub n: InputNumber,
    /// Applied or rejected.
    pub state: InputState,
    /// Why it was rejected.
    pub refusal: InputRefusal,
}

impl InputAck {
    /// The body's bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 26] {
        let mut body = [0; 26];
        body[..16].copy_from_slice(self.client.as_bytes());
        body[16..24].copy_from_slice(&self.n.0.to_le_bytes());
        body[24] = self.state.to_byte();
        body[25] = self.refusal.to_byte();
        body
    }
    /// Reads a body; `None` when it is none of this version.
    #[must_use]
    pub fn parse(body: &[u8]) -> Option<Self> {
        let (client, rest) = body.split_first_chunk()?;
        let (n, rest) = rest.split_first_chunk()?;
        Some(Self {
            client: ClientId::from_bytes(*client),
            n: InputNumber(u64::from_le_bytes(*n)),
            state: InputState::from_byte(*rest.first()?)?,
            refusal: InputRefusal::from_byte(*rest.get(1)?)?,
        })
    }
}

impl Position {
    /// The body of `HEAD`.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        let mut body = [0; 16];
        body[..8].copy_from_slice(&self.seq.0.to_le_bytes());
        body[8..].copy_from_slice(&self.out.0.to_le_bytes());
        body
    }
    /// Reads the body of `HEAD`; `None` when it is too short.
    #[must_use]
    pub fn parse(body: &[u8]) -> Option<Self> {
        let (seq, rest) = body.split_first_chunk()?;
        let (out, _) = rest.split_first_chunk()?;
        Some(Self { seq: Seq(u64::from_le_bytes(*seq)), out: Out(u64::from_le_bytes(*out)) })
    }
}

/// Set the terminal's size; recorded, and told to the program by SIGWINCH.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct ResizeRequest {
    /// The new size.
    pub size: TerminalSize,
    /// Who asked.
    pub by: Option<ClientId>,
}

/// Send a signal.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct SignalRequest {
    /// The signal's number on the holder's system.
    pub signal: i32,
    /// Who gets it.
    pub to: SignalTarget,
}

/// Who gets a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SignalTarget {
    /// The terminal's foreground process group: what `^C` reaches.
    Foreground,
    /// The program's own process group.
    Program,
}

/// Walk down the ladder: hang up (terminals) or close stdin (agents), SIGTERM to the group, SIGKILL
/// to all descendants. Answered at once; the exit is seen in the log.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct StopRequest {
    /// Milliseconds between two rungs.
    pub rung_ms: u32,
    /// Begin with SIGKILL.
    #[serde(default)]
    pub now: bool,
}

/// Keep at most this much of the log.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct TrimRequest {
    /// Bytes to keep.
    pub keep_bytes: u64,
    /// Records from here on are needed whatever they cost.
    #[serde(default)]
    pub pinned_from: Option<Seq>,
}

/// The disk keeps output out of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stalled {
    /// `disk_full`, `read_only` or `io_error`; empty = it is over.
    pub why: String,
}

/// A refused or failed operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HolderError {
    /// What kind.
    pub code: HolderErrorCode,
    /// A sentence.
    pub message: String,
}

/// Kinds of [`HolderError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HolderErrorCode {
    /// The operation does not exist in this holder.
    Unsupported,
    /// A driver with a higher generation has been here.
    Superseded,
    /// The body does not fit the operation.
    BadRequest,
    /// The record could not be written.
    Storage,
    /// The program has ended.
    Ended,
    /// The program does not read; nothing was recorded.
    Full,
    /// A code of a newer holder.
    #[serde(other)]
    Unknown,
}

/// Everything a new holder needs, sent as one JSON text on its launch socket.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LaunchRequest {
    /// The session's directory; exists already.
    pub directory: String,
    /// The session.
    pub session: SessionId,
    /// What kind of session.
    pub kind: SessionKind,
    /// Which start of the program this is; above 1 the log exists already.
    pub incarnation: Incarnation,
    /// Command line; the first word is looked up in `PATH` of `env`.
    pub argv: Vec<String>,
    /// First word the program sees, where it differs from the command: `-bash` for a login shell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argv0: Option<String>,
    /// The whole environment of the program. Never recorded: the log keeps the names.
    pub env: BTreeMap<String, String>,
    /// Where the program starts.
    pub cwd: String,
    /// First size of the terminal.
    pub size: TerminalSize,
    /// Who asked for the session.
    pub started_by: Option<Principal>,
    /// Whether terminal input is recorded too.
    #[serde(default)]
    pub record_input: bool,
    /// Bytes of log that retention keeps.
    pub keep_bytes: u64,
    /// Recorded behind the `start`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// A file that is locked while the holder lives; when another has it, nothing is started. Keeps
    /// two programs from opening one conversation of an agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclusive: Option<String>,
}

/// How a launch ended, one JSON text on the launch socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "launch", rename_all = "snake_case")]
pub enum LaunchAnswer {
    /// The program runs and the holder listens on `ctl.sock` of the session's directory.
    Started {
        /// Pid of the holder.
        holder_pid: u32,
        /// Pid of the program.
        program_pid: u32,
    },
    /// Nothing runs.
    Failed {
        /// What kind.
        code: LaunchErrorCode,
        /// A sentence.
        message: String,
    },
}

/// Why nothing runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LaunchErrorCode {
    /// The command was not found or may not be executed.
    Command,
    /// The directory to start in cannot be entered.
    Cwd,
    /// Another holder has the session's lock.
    Locked,
    /// Another program has the file of [`LaunchRequest::exclusive`].
    InUse,
    /// The log or the socket could not be made.
    Storage,
    /// The system is out of processes, terminals or memory.
    System,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_message_has_its_golden_bytes() {
        let message = Message { op: op::HEAD, request: 0x0201, body: b"xy" };
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        assert_eq!(bytes, [7, 0, 0, 0, 130, 1, 2, 0, 0, b'x', b'y']);
        assert_eq!(Message::parse(&bytes), Ok(Some((message, bytes.len()))));
        for cut in 0..bytes.len() {
            assert_eq!(Message::parse(&bytes[..cut]), Ok(None), "{cut}");
        }
        assert_eq!(Message::parse(&[4, 0, 0, 0, 1]), Err(BadLength(4)));
        assert_eq!(Message::parse(&[255; 8]), Err(BadLength(u32::MAX)));
    }

    #[test]
    fn hot_bodies_round_trip() {
        let client = ClientId::from_bytes([7; 16]);
        let input = Input { client, epoch: Epoch(1), n: InputNumber(2), bytes: b"ls\r" };
        let mut body = Vec::new();
        input.encode(&mut body);
        assert_eq!(Input::parse(&body), Some(input));
        let refusal = InputRefusal::Full;
        let ack = InputAck { client, n: InputNumber(2), state: InputState::Rejected, refusal };
        assert_eq!(InputAck::parse(&ack.to_bytes()), Some(ack));
        let head = Position { seq: Seq(1), out: Out(2) };
        assert_eq!(Position::parse(&head.to_bytes()), Some(head));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Message::parse(&bytes);
            let _ = Input::parse(&bytes);
            let _ = InputAck::parse(&bytes);
            let _ = Position::parse(&bytes);
        }
    }
}
