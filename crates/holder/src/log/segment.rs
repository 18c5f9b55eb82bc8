//! The bytes of a segment, and what can be had of them when some are damaged. Pure functions over
//! slices.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 6 | magic `QDLOG\0` |
//! | 6 | 2 | version: 1 |
//! | 8 | 8 | log id |
//! | 16 | 8 | `seq` of the first record |
//! | 24 | 4 | reserved: 0 |
//! | 28 | 4 | CRC32C of the 28 bytes before |
//! | 32 | | records; the first is a checkpoint |
//!
//! Magic, version and checksum stand where they do in every version.

use quarterdeck_protocol::{
    ids::{LogId, Seq},
    record::{
        Decoded, GapCause, LogState, Position, RECORD_HEADER_BYTES, RecordHeader, decode,
        peek_header,
    },
};

/// Bytes of a segment before its first record.
pub const SEGMENT_HEADER_BYTES: usize = 32;
/// The version that this code writes, and the newest it reads.
pub const SEGMENT_VERSION: u16 = 1;

const MAGIC: [u8; 6] = *b"QDLOG\0";
const CRC_AT: usize = 28;

/// What a segment says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The log it is a part of.
    pub log_id: LogId,
    /// Number of its first record.
    pub first_seq: Seq,
}

/// The beginning of a segment as it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentHead {
    /// As it should be.
    Good(SegmentHeader),
    /// Of a version that this code cannot read; nothing of it may be touched.
    Newer {
        /// That version.
        version: u16,
    },
    /// Not what a writer left. The records after it can still be good.
    Damaged,
}

impl SegmentHeader {
    /// The bytes a segment begins with.
    #[must_use]
    pub fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        bytes[..6].copy_from_slice(&MAGIC);
        bytes[6..8].copy_from_slice(&SEGMENT_VERSION.to_le_bytes());
        bytes[8..16].copy_from_slice(self.log_id.as_bytes());
        bytes[16..24].copy_from_slice(&self.first_seq.0.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..CRC_AT]);
        bytes[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }
}

impl SegmentHead {
    /// Reads the beginning of a segment.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Self {
        let Some(head) = bytes.first_chunk::<SEGMENT_HEADER_BYTES>() else {
            return Self::Damaged;
        };
        let crc = crc32c::crc32c(&head[..CRC_AT]);
        if head[..6] != MAGIC || head[CRC_AT..] != crc.to_le_bytes() {
            return Self::Damaged;
        }
        let version = u16::from_le_bytes([head[6], head[7]]);
        if version > SEGMENT_VERSION {
            return Self::Newer { version };
        }
        let mut log_id = [0; LogId::LEN];
        log_id.copy_from_slice(&head[8..16]);
        let mut first_seq = [0; 8];
        first_seq.copy_from_slice(&head[16..24]);
        Self::Good(SegmentHeader {
            log_id: LogId::from_bytes(log_id),
            first_seq: Seq(u64::from_le_bytes(first_seq)),
        })
    }
}

/// Records that are not there: everything from `from` up to, not including, `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// The first thing missing.
    pub from: Position,
    /// The first thing that is there again.
    pub to: Position,
    /// Why.
    pub why: GapCause,
}

impl Missing {
    /// Terminal output bytes that are missing.
    #[must_use]
    pub fn out_bytes(&self) -> u64 {
        self.to.out.0.saturating_sub(self.from.out.0)
    }
    /// Records that are missing.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.to.seq.0.saturating_sub(self.from.seq.0)
    }
}

/// Where a segment stands in its log; it decides what bad bytes mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A later segment exists, so this one never changes again: bad bytes are damage.
    Closed {
        /// First position of the next segment.
        next: Position,
    },
    /// The newest: bad bytes at its end are a record that was not finished, unless the very next
    /// record is whole.
    Last,
}

/// A good record behind bad bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Bytes before it.
    pub skip_bytes: usize,
    /// Where it stands.
    pub at: Position,
}

/// Looks for the next good record in `bytes`, which begin where a record should have stood at
/// `expected` and reach to the end of the segment.
///
/// Most damage is inside one record and leaves its length alone, so the record behind it is tried
/// first. A search byte by byte follows only in a closed segment, where nothing else can be meant.
#[must_use]
pub fn find_record(bytes: &[u8], expected: Position, place: Place) -> Option<Found> {
    let claimed = match decode(bytes) {
        Decoded::Damaged { claimed } => claimed,
        Decoded::Record { payload, .. } => Some(RECORD_HEADER_BYTES + payload.len()),
        Decoded::Incomplete { .. } => None,
    };
    if let Some(skip_bytes) = claimed
        && let Some((header, _)) = record_at(bytes, skip_bytes)
        && header.at.seq.0.checked_sub(expected.seq.0) == Some(1)
        && header.at.out >= expected.out
    {
        return Some(Found { skip_bytes, at: header.at });
    }
    match place {
        Place::Closed { next } => search(bytes, expected, next),
        Place::Last => None,
    }
}

/// Records that stand one after the other without a break.
struct Run {
    begin: Found,
    /// Where the record after the last one would stand.
    next: Position,
}

/// Finds all runs of records, and returns the first one that fits between its neighbours and the end.
/// A terminal that showed a log has records in its output: they can look like the segment's own, but
/// do not lead to where the next run begins.
fn search(bytes: &[u8], expected: Position, end: Position) -> Option<Found> {
    let mut runs = Vec::new();
    let mut skip_bytes = 1;
    while let Some(head) = bytes.get(skip_bytes..).and_then(peek_header) {
        let fits = may_stand(skip_bytes, expected, head.at) && head.at.seq < end.seq;
        if fits && let Some((run, run_end)) = run_at(bytes, skip_bytes) {
            runs.push(run);
            skip_bytes = run_end;
        } else {
            skip_bytes += 1;
        }
    }
    let mut limit = end;
    let mut first = None;
    for run in runs.into_iter().rev() {
        let leads_to = run.next.seq < limit.seq && run.next.out <= limit.out;
        if leads_to || run.next == limit {
            limit = run.begin.at;
            first = Some(run.begin);
        }
    }
    first
}

/// No more records can be missing than would fit into the bytes that were skipped.
fn may_stand(skip_bytes: usize, expected: Position, at: Position) -> bool {
    let most_missing = 1 + (skip_bytes / RECORD_HEADER_BYTES) as u64;
    let missing = at.seq.0.checked_sub(expected.seq.0);
    missing.is_some_and(|missing| missing <= most_missing) && at.out >= expected.out
}

/// The run that begins here, and where it ends.
fn run_at(bytes: &[u8], offset: usize) -> Option<(Run, usize)> {
    let (header, payload) = record_at(bytes, offset)?;
    let begin = Found { skip_bytes: offset, at: header.at };
    let mut run = Run { begin, next: header.next(payload) };
    let mut end = offset + RECORD_HEADER_BYTES + payload.len();
    while let Some((header, payload)) = record_at(bytes, end)
        && header.at == run.next
    {
        run.next = header.next(payload);
        end += RECORD_HEADER_BYTES + payload.len();
    }
    Some((run, end))
}

fn record_at(bytes: &[u8], offset: usize) -> Option<(RecordHeader, &[u8])> {
    match decode(bytes.get(offset..)?) {
        Decoded::Record { header, payload } => Some((header, payload)),
        Decoded::Incomplete { .. } | Decoded::Damaged { .. } => None,
    }
}

/// Everything that can be had of one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentScan {
    /// Its beginning.
    pub head: SegmentHead,
    /// The fold of its records; `None` while no checkpoint could be read.
    pub state: Option<LogState>,
    /// Good records.
    pub records: u64,
    /// Where the next record goes.
    pub next: Position,
    /// Where the good bytes end; what follows in a last segment is a torn tail.
    pub end: usize,
    /// What is missing, in order.
    pub damage: Vec<Missing>,
}

/// Reads a whole segment whose first record should stand at `first`. `before` is the state in front
/// of it, if known; else its checkpoint begins one.
#[must_use]
pub fn recover_segment(
    bytes: &[u8],
    first: Position,
    place: Place,
    before: Option<LogState>,
) -> SegmentScan {
    let head = SegmentHead::decode(bytes);
    let end = bytes.len().min(SEGMENT_HEADER_BYTES);
    let mut scan =
        SegmentScan { head, state: before, records: 0, next: first, end, damage: Vec::new() };
    if !matches!(head, SegmentHead::Newer { .. }) {
        scan.read_records(bytes, place);
    }
    scan
}

impl SegmentScan {
    fn read_records(&mut self, bytes: &[u8], place: Place) {
        while self.end < bytes.len() {
            let rest = &bytes[self.end..];
            if let Decoded::Record { header, payload } = decode(rest)
                && follows(header.at, self.next)
            {
                self.note_missing(header.at);
                self.take(&header, payload);
            } else if let Some(Found { skip_bytes, at }) = find_record(rest, self.next, place) {
                self.note_missing(at);
                self.end += skip_bytes;
            } else {
                break;
            }
        }
        if let Place::Closed { next } = place {
            self.note_missing(next);
        }
    }

    fn take(&mut self, header: &RecordHeader, payload: &[u8]) {
        match &mut self.state {
            Some(state) => state.apply(header, payload),
            None => self.state = LogState::from_checkpoint(header, payload),
        }
        self.records += 1;
        self.next = header.next(payload);
        self.end += RECORD_HEADER_BYTES + payload.len();
    }

    fn note_missing(&mut self, to: Position) {
        if to != self.next {
            self.damage.push(Missing { from: self.next, to, why: GapCause::Damage });
            self.next = to;
        }
    }
}

/// A record at `at` can stand where one at `expected` was looked for, perhaps with some missing in
/// between.
pub(super) fn follows(at: Position, expected: Position) -> bool {
    at.seq >= expected.seq && at.out >= expected.out
}

#[cfg(test)]
mod tests;
