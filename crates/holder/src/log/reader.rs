//! Reading a log while it is written.
//!
//! A reader needs no lock and changes nothing. It keeps one open file and, once it has caught up, no
//! buffer. Caught up with a live session it costs one `pread` per wake-up: whoever is told the head
//! reads until [`LogReader::position`] reaches it and only then waits again; asking further, until
//! [`Next::AwaitMore`], costs a look at the directory on top.

mod seek;
#[cfg(test)]
mod tests;

pub use seek::Sought;

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use bytes::{Buf as _, Bytes};
use quarterdeck_protocol::{
    ids::LogId,
    record::{Decoded, GapCause, Position, RECORD_HEADER_BYTES, Record, RecordHeader, decode},
};
use rustix::{buffer::spare_capacity, io::Errno};

use super::{
    files::{list_segments, log_directory, segment_path},
    scan::{MAX_LISTINGS, ReadError, segments_of},
    segment::{Found, Missing, Place, SEGMENT_HEADER_BYTES, SegmentHead, find_record, follows},
};

/// Bytes of one read at the head: more than a keystroke's echo, and no page fault's worth more.
const SMALL_READ_BYTES: usize = 16 * 1024;
/// Bytes of one read while there is more to come.
const LARGE_READ_BYTES: usize = 256 * 1024;

/// What comes next in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// A record.
    Record(Record),
    /// Nothing is there yet.
    AwaitMore,
    /// Some records are gone; what follows them comes next.
    Gap(Missing),
}

/// Follows one log.
#[derive(Debug)]
pub struct LogReader {
    directory: PathBuf,
    log_id: Option<LogId>,
    segment: Segment,
    /// Bytes of the segment from its `offset` on, not yet handed out.
    ahead: Bytes,
    /// Bytes of the next read.
    read_bytes: usize,
    /// Where the next record should stand.
    at: Position,
    /// Found by a seek, handed out next.
    held: Option<Next>,
}

/// The segment being read.
#[derive(Debug)]
struct Segment {
    first: Position,
    file: File,
    /// Where the next record should begin.
    offset: u64,
    /// Closed once a later segment was seen; only then is everything in it there to be read.
    place: Place,
}

/// A segment just opened.
struct OpenedSegment {
    segment: Segment,
    ahead: Bytes,
    log_id: Option<LogId>,
}

/// How to go on where no record can be read.
enum Onward {
    /// Read again: another place was found, or this one may have grown.
    Again,
    /// Report this, then read again.
    Gap(Missing),
    /// There is nothing yet.
    Await,
}

impl LogReader {
    /// Opens a session's log at the oldest record that is kept.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn open(session_directory: &Path) -> Result<Self, ReadError> {
        let directory = log_directory(session_directory);
        let opened = open_chosen(&directory, |segments| segments[0])?;
        let OpenedSegment { segment, ahead, log_id } = opened;
        let at = segment.first;
        let read_bytes = SMALL_READ_BYTES;
        Ok(Self { directory, log_id, segment, ahead, read_bytes, at, held: None })
    }

    /// The log; unknown while no undamaged segment has been read.
    #[must_use]
    pub fn log_id(&self) -> Option<LogId> {
        self.log_id
    }

    /// Where the next record stands or will stand. A reader that has reached the head of the log
    /// need not ask for more.
    #[must_use]
    pub fn position(&self) -> Position {
        match &self.held {
            Some(Next::Record(record)) => record.header.at,
            Some(Next::Gap(missing)) => missing.from,
            Some(Next::AwaitMore) | None => self.at,
        }
    }

    /// What comes next. Every record is handed out once, in order; what cannot be is a gap.
    ///
    /// # Errors
    /// See [`ReadError`].
    #[expect(clippy::should_implement_trait, reason = "no iterator: it waits and can fail")]
    pub fn next(&mut self) -> Result<Next, ReadError> {
        if let Some(held) = self.held.take() {
            return Ok(held);
        }
        loop {
            match decode(&self.ahead) {
                Decoded::Record { header, payload } if follows(header.at, self.at) => {
                    let payload_bytes = payload.len();
                    return Ok(self.take(header, payload_bytes));
                }
                Decoded::Incomplete { needed } => {
                    if self.fill(needed)? {
                        continue;
                    }
                }
                Decoded::Record { .. } | Decoded::Damaged { .. } => {}
            }
            match self.find_onward()? {
                Onward::Again => {}
                Onward::Gap(missing) => return Ok(Next::Gap(missing)),
                Onward::Await => {
                    self.ahead = Bytes::new();
                    return Ok(Next::AwaitMore);
                }
            }
        }
    }

    /// Hands out the record at the beginning of `ahead`, or first what is missing before it.
    fn take(&mut self, header: RecordHeader, payload_bytes: usize) -> Next {
        if header.at != self.at {
            return Next::Gap(self.jump(header.at, GapCause::Damage));
        }
        self.ahead.advance(RECORD_HEADER_BYTES);
        let payload = self.ahead.split_to(payload_bytes);
        if self.ahead.is_empty() {
            // an empty slice would keep the whole read alive
            self.ahead = Bytes::new();
        }
        self.segment.offset += (RECORD_HEADER_BYTES + payload_bytes) as u64;
        self.at = header.next(&payload);
        Next::Record(Record { header, payload })
    }

    fn jump(&mut self, to: Position, why: GapCause) -> Missing {
        let missing = Missing { from: self.at, to, why };
        self.at = to;
        missing
    }

    /// Reads from the next record's beginning; tells whether there are `needed` bytes of it. What
    /// was read before is read again, because a writer may have cut it off and written it anew.
    fn fill(&mut self, needed: usize) -> io::Result<bool> {
        let mut bytes = Vec::with_capacity(needed.max(self.read_bytes));
        read_at(&self.segment.file, &mut bytes, self.segment.offset, needed)?;
        let full = bytes.len() >= self.read_bytes;
        let alike = bytes.len().next_power_of_two().clamp(SMALL_READ_BYTES, LARGE_READ_BYTES);
        self.read_bytes = if full { LARGE_READ_BYTES } else { alike };
        if bytes.len() < bytes.capacity() / 2 {
            bytes.shrink_to_fit();
        }
        self.ahead = Bytes::from(bytes);
        Ok(self.ahead.len() >= needed)
    }

    /// No record can be read here: it is the end, or damage.
    fn find_onward(&mut self) -> Result<Onward, ReadError> {
        for _ in 0..MAX_LISTINGS {
            let segments = list_segments(&self.directory)?;
            let later = segments.iter().copied().find(|first| *first > self.segment.first);
            let Some(next) = later else {
                return Ok(self.skip_damage(Place::Last)?.unwrap_or(Onward::Await));
            };
            if !follows(next, self.at) {
                return Err(ReadError::Rewound { read: self.at, found: next });
            }
            if next != self.at {
                let place = Place::Closed { next };
                if self.segment.place == Place::Last {
                    self.segment.place = place;
                    self.ahead = Bytes::new();
                    return Ok(Onward::Again);
                }
                if let Some(onward) = self.skip_damage(place)? {
                    return Ok(onward);
                }
            }
            let Some(OpenedSegment { segment, ahead, log_id }) = open(&self.directory, next)?
            else {
                continue;
            };
            let dropped = !segments.contains(&self.segment.first);
            let why = if dropped { GapCause::Retention } else { GapCause::Damage };
            (self.segment, self.ahead, self.log_id) = (segment, ahead, self.log_id.or(log_id));
            let complete = next == self.at;
            return Ok(if complete { Onward::Again } else { Onward::Gap(self.jump(next, why)) });
        }
        Err(too_many_listings().into())
    }

    /// Looks for a good record behind bad bytes of this segment.
    fn skip_damage(&mut self, place: Place) -> io::Result<Option<Onward>> {
        if self.ahead.is_empty() || find_record(&self.rest()?, self.at, place).is_none() {
            return Ok(None);
        }
        // the bytes before that record may have been read while they were written; now that it stands
        // behind them they are either whole or damaged
        let settled = self.rest()?;
        self.ahead = Bytes::new();
        if matches!(decode(&settled), Decoded::Record { header, .. } if follows(header.at, self.at))
        {
            return Ok(Some(Onward::Again));
        }
        let Some(Found { skip_bytes, at }) = find_record(&settled, self.at, place) else {
            return Ok(None);
        };
        self.segment.offset += skip_bytes as u64;
        let complete = at == self.at;
        Ok(Some(if complete {
            Onward::Again
        } else {
            Onward::Gap(self.jump(at, GapCause::Damage))
        }))
    }

    /// The segment's bytes from the next record on.
    fn rest(&self) -> io::Result<Vec<u8>> {
        let Segment { file, offset, .. } = &self.segment;
        let bytes = file.metadata()?.len().saturating_sub(*offset);
        let bytes = usize::try_from(bytes).unwrap_or(0);
        let mut rest = Vec::with_capacity(bytes);
        read_at(file, &mut rest, *offset, bytes)?;
        Ok(rest)
    }
}

/// Opens the segment that `choose` picks from all of them, however often they change meanwhile.
fn open_chosen(
    directory: &Path,
    mut choose: impl FnMut(&[Position]) -> Position,
) -> Result<OpenedSegment, ReadError> {
    for _ in 0..MAX_LISTINGS {
        if let Some(opened) = open(directory, choose(&segments_of(directory)?))? {
            return Ok(opened);
        }
    }
    Err(too_many_listings().into())
}

fn too_many_listings() -> io::Error {
    io::Error::other("segments are dropped faster than they can be opened")
}

/// Opens one segment; `None`: it has been dropped.
fn open(directory: &Path, first: Position) -> Result<Option<OpenedSegment>, ReadError> {
    let file = match File::open(segment_path(directory, first)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut bytes = Vec::with_capacity(SMALL_READ_BYTES);
    read_at(&file, &mut bytes, 0, SEGMENT_HEADER_BYTES)?;
    let log_id = match SegmentHead::decode(&bytes) {
        SegmentHead::Good(header) => Some(header.log_id),
        SegmentHead::Damaged => None,
        SegmentHead::Newer { version } => return Err(ReadError::Unsupported { version }),
    };
    let mut ahead = Bytes::from(bytes);
    ahead.advance(ahead.len().min(SEGMENT_HEADER_BYTES));
    let segment = Segment { first, file, offset: SEGMENT_HEADER_BYTES as u64, place: Place::Last };
    Ok(Some(OpenedSegment { segment, ahead, log_id }))
}

/// Appends what the file has at `offset`, as far as the buffer has room, until there are `needed`
/// bytes or the file ends.
fn read_at(file: &File, buffer: &mut Vec<u8>, offset: u64, needed: usize) -> io::Result<()> {
    loop {
        let from = offset + buffer.len() as u64;
        match rustix::io::pread(file, spare_capacity(buffer), from) {
            Ok(0) => return Ok(()),
            Ok(_) if buffer.len() >= needed => return Ok(()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}
