//! The records of a session's log: their bytes, what they say, and what they add up to.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 4 | `len`: bytes of the payload |
//! | 4 | 4 | `crc`: CRC32C of everything after this field |
//! | 8 | 1 | `kind`: see [`RecordKind`] |
//! | 9 | 1 | `flags`: 0; with any other value the payload is of a newer form |
//! | 10 | 2 | reserved: 0; anything else is damage |
//! | 12 | 8 | `time`: wall clock, microseconds since 1970; may jump, orders nothing |
//! | 20 | 8 | `seq`: number of the record |
//! | 28 | 8 | `out`: terminal output bytes before the record |
//! | 36 | `len` | payload |
//!
//! Little endian. The format is only added to: tags are never reused, unknown kinds and JSON members
//! are skipped and kept. [`Fact`] is the decoded payload, [`LogState`] the fold of all records.
//! Segments, files and recovery belong to `quarterdeck-holder`.

mod fact;
mod json;
mod state;
#[cfg(test)]
mod tests;

pub use fact::{
    Answer, Checkpoint, Ended, Exit, ExitStatus, Fact, FactError, Foreground, Gap, GapCause, Input,
    Lease, LeaseCause, LeaseRecord, LeaseState, LeftProcess, Lost, Note, Owner, Resize,
    SessionKind, Start, TerminalSize, Termios,
};
pub use json::RawJson;
pub use state::LogState;

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use crate::{
    ids::{Out, Seq},
    limits::MAX_RECORD_PAYLOAD_BYTES,
};

/// Bytes of a record before its payload.
pub const RECORD_HEADER_BYTES: usize = 36;
/// Where the checksummed part begins: after `len` and `crc`.
const CHECKED_FROM: usize = 8;
/// The reserved bytes.
const RESERVED: core::ops::Range<usize> = 10..12;

/// What a record is about. The tags are the format's; they are never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecordKind {
    /// A program was started; see [`Start`].
    Start,
    /// Raw bytes that the program wrote to its terminal.
    Output,
    /// Bytes for the program; see [`Input`].
    Input,
    /// A new size of the terminal; see [`Resize`].
    Resize,
    /// The terminal's line discipline changed; see [`Termios`].
    Termios,
    /// A raw line to the agent.
    VendorIn,
    /// A raw line from the agent.
    VendorOut,
    /// A change of the lease; see [`LeaseRecord`].
    Lease,
    /// An answer to a prompt; see [`Answer`].
    Answer,
    /// Anything a topic's reader understands; see [`Note`].
    Note,
    /// Output that was lost before it could be recorded; see [`Gap`].
    Gap,
    /// The program ended; see [`Exit`].
    Exit,
    /// Everything the records before add up to; see [`Checkpoint`].
    Checkpoint,
    /// The holder died; see [`Lost`].
    Lost,
    /// Raw text that the agent wrote to its standard error.
    VendorErr,
    /// A kind of a newer version: skipped and kept.
    Unknown(u8),
}

impl RecordKind {
    /// Every known kind with its tag and its name.
    const TABLE: [(Self, u8, &str); 15] = [
        (Self::Start, 1, "start"),
        (Self::Output, 2, "output"),
        (Self::Input, 3, "input"),
        (Self::Resize, 4, "resize"),
        (Self::Termios, 5, "termios"),
        (Self::VendorIn, 6, "vendor_in"),
        (Self::VendorOut, 7, "vendor_out"),
        (Self::Lease, 8, "lease"),
        (Self::Answer, 9, "answer"),
        (Self::Note, 10, "note"),
        (Self::Gap, 11, "gap"),
        (Self::Exit, 12, "exit"),
        (Self::Checkpoint, 13, "checkpoint"),
        (Self::Lost, 14, "lost"),
        (Self::VendorErr, 15, "vendor_err"),
    ];

    /// The kind with this tag.
    #[must_use]
    pub fn from_tag(tag: u8) -> Self {
        let index = usize::from(tag).wrapping_sub(1);
        Self::TABLE.get(index).map_or(Self::Unknown(tag), |(kind, _, _)| *kind)
    }
    /// The byte in the record.
    #[must_use]
    pub fn tag(self) -> u8 {
        if let Self::Unknown(tag) = self {
            return tag;
        }
        let row = Self::TABLE.iter().find(|(kind, _, _)| *kind == self);
        row.map_or(0, |(_, tag, _)| *tag)
    }
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::TABLE.iter().find(|(kind, _, _)| kind == self) {
            Some((_, _, name)) => f.write_str(name),
            None => write!(f, "kind {}", self.tag()),
        }
    }
}

/// A point of a log: the record that stands or will stand there, and the output bytes before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Number of the record at this point.
    pub seq: Seq,
    /// Terminal output bytes before this point.
    pub out: Out,
}

/// Everything of a record but its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordHeader {
    /// What the record is about.
    pub kind: RecordKind,
    /// 0 in this version. A reader that meets another value treats the kind as unknown.
    pub flags: u8,
    /// Wall clock of the writer, microseconds since 1970. Data only: nothing is ordered by it.
    pub time_micros: u64,
    /// Where the record stands.
    pub at: Position,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its header.
    pub header: RecordHeader,
    /// Its payload; at most [`MAX_RECORD_PAYLOAD_BYTES`].
    pub payload: Bytes,
}

/// A payload above [`MAX_RECORD_PAYLOAD_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a payload of {0} bytes is above the limit of {MAX_RECORD_PAYLOAD_BYTES}")]
pub struct PayloadTooLarge(pub usize);

/// What stands at the beginning of some bytes of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// A whole record.
    Record {
        /// Its header.
        header: RecordHeader,
        /// Its payload; the record takes [`RECORD_HEADER_BYTES`] more.
        payload: &'a [u8],
    },
    /// The beginning of a record, or nothing yet.
    Incomplete {
        /// Bytes from the record's beginning that are needed to go on; more than there are.
        needed: usize,
    },
    /// No record: the checksum is wrong or the length is above the limit.
    Damaged {
        /// Bytes the record would take if only its payload were damaged; `None` when the length
        /// itself cannot be right.
        claimed: Option<usize>,
    },
}

impl RecordHeader {
    /// The bytes that go before `payload`, checksum included.
    ///
    /// # Errors
    /// When the payload is too large.
    pub fn encode(&self, payload: &[u8]) -> Result<[u8; RECORD_HEADER_BYTES], PayloadTooLarge> {
        let too_large = PayloadTooLarge(payload.len());
        if payload.len() > MAX_RECORD_PAYLOAD_BYTES {
            return Err(too_large);
        }
        let len = u32::try_from(payload.len()).map_err(|_| too_large)?;
        let mut bytes = [0; RECORD_HEADER_BYTES];
        bytes[..4].copy_from_slice(&len.to_le_bytes());
        bytes[8] = self.kind.tag();
        bytes[9] = self.flags;
        bytes[12..20].copy_from_slice(&self.time_micros.to_le_bytes());
        bytes[20..28].copy_from_slice(&self.at.seq.0.to_le_bytes());
        bytes[28..36].copy_from_slice(&self.at.out.0.to_le_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[CHECKED_FROM..]), payload);
        bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        Ok(bytes)
    }

    /// Where the next record stands. Only output and gaps move `out`.
    #[must_use]
    pub fn next(&self, payload: &[u8]) -> Position {
        let Position { seq, out } = self.at;
        let out = if self.flags != 0 {
            out
        } else if self.kind == RecordKind::Output {
            Out(out.0.saturating_add(payload.len() as u64))
        } else if self.kind == RecordKind::Gap {
            serde_json::from_slice(payload).map_or(out, |gap: Gap| gap.to.max(out))
        } else {
            out
        };
        Position { seq: Seq(seq.0.saturating_add(1)), out }
    }
}

impl Record {
    /// Appends the record's bytes to `buffer`.
    ///
    /// # Errors
    /// When the payload is too large.
    pub fn encode(&self, buffer: &mut Vec<u8>) -> Result<(), PayloadTooLarge> {
        buffer.extend_from_slice(&self.header.encode(&self.payload)?);
        buffer.extend_from_slice(&self.payload);
        Ok(())
    }
    /// Where the next record stands.
    #[must_use]
    pub fn next(&self) -> Position {
        self.header.next(&self.payload)
    }
}

/// Reads what stands at the beginning of `bytes`. Never panics, whatever they are.
#[must_use]
pub fn decode(bytes: &[u8]) -> Decoded<'_> {
    let Some(head) = bytes.first_chunk::<RECORD_HEADER_BYTES>() else {
        return Decoded::Incomplete { needed: RECORD_HEADER_BYTES };
    };
    let len = u32::from_le_bytes(field(head, 0)) as usize;
    if len > MAX_RECORD_PAYLOAD_BYTES {
        return Decoded::Damaged { claimed: None };
    }
    let total = RECORD_HEADER_BYTES + len;
    let Some(checked) = bytes.get(CHECKED_FROM..total) else {
        return Decoded::Incomplete { needed: total };
    };
    let is_sound = crc32c::crc32c(checked) == u32::from_le_bytes(field(head, 4));
    // eight bytes of 0xff between zeros have a right checksum; the reserved bytes give them away
    if !is_sound || head[RESERVED] != [0; 2] {
        return Decoded::Damaged { claimed: Some(total) };
    }
    Decoded::Record { header: header_fields(head), payload: &bytes[RECORD_HEADER_BYTES..total] }
}

/// The header at the beginning of `bytes` as it claims to be, whether or not its checksum is right:
/// a cheap first look for a search through damaged bytes.
#[must_use]
pub fn peek_header(bytes: &[u8]) -> Option<RecordHeader> {
    bytes.first_chunk().map(header_fields)
}

fn header_fields(head: &[u8; RECORD_HEADER_BYTES]) -> RecordHeader {
    let at = Position {
        seq: Seq(u64::from_le_bytes(field(head, 20))),
        out: Out(u64::from_le_bytes(field(head, 28))),
    };
    RecordHeader {
        kind: RecordKind::from_tag(head[8]),
        flags: head[9],
        time_micros: u64::from_le_bytes(field(head, 12)),
        at,
    }
}

fn field<const N: usize>(head: &[u8; RECORD_HEADER_BYTES], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&head[at..at + N]);
    bytes
}
