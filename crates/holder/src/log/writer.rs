//! The one writer of a log.
//!
//! Every record is one `write` at a known offset, so a process that dies leaves at most one torn
//! record, at the end of the last segment. A write that fails is undone by cutting the file back.
//! Nothing is synced unless asked for: the page cache outlives the process, and a power failure costs
//! a tail that recovery cuts.

mod open;
mod retention;
mod segments;

pub use open::{Cut, NewLog, OpenError, Opened};
pub use retention::Trimmed;

use std::{
    fs::File,
    io::{self, IoSlice},
    path::Path,
};

use bytes::Bytes;
use quarterdeck_protocol::{
    ids::{ClientId, InputNumber, LogId, Out},
    limits::{LOG_RESERVE_BYTES, SEGMENT_BYTES},
    record::{
        Fact, Gap, GapCause, LogState, PayloadTooLarge, Position, RECORD_HEADER_BYTES, RawJson,
        RecordHeader, RecordKind,
    },
};

use self::segments::{NewSegment, Segments, write_at};
use super::{
    lock::LogLock,
    reserve::{Reserve, is_disk_full},
    segment::{SEGMENT_HEADER_BYTES, SegmentHeader},
};

/// Records of one `write`; the kernel takes at most 1024 pieces, two per record.
const MAX_RECORDS_PER_WRITE: usize = 256;

/// Sizes of a log; the defaults are the limits' values.
#[derive(Debug, Clone, Copy)]
pub struct LogOptions {
    /// A record that would make a segment larger begins a new one.
    pub segment_bytes: u64,
    /// Space set aside for vital records; 0 = none.
    pub reserve_bytes: u64,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { segment_bytes: SEGMENT_BYTES, reserve_bytes: LOG_RESERVE_BYTES }
    }
}

/// What a record is worth when the disk is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Output and vendor lines: they wait, or are lost and leave a gap.
    Bulk,
    /// Answers, leases, exits: they may use the reserve.
    Vital,
}

/// A record to append.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Its kind.
    pub kind: RecordKind,
    /// Its payload.
    pub payload: &'a [u8],
    /// Its worth.
    pub class: Class,
}

impl Entry<'_> {
    fn record_bytes(&self) -> u64 {
        (RECORD_HEADER_BYTES + self.payload.len()) as u64
    }
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a record that did not fit is not in the log"]
pub enum Append {
    /// It is in the log, here.
    Done(Position),
    /// There is no room for it; nothing changed. Dropping old segments may make some.
    DiskFull,
}

/// What became of several records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "records that did not fit are not in the log"]
pub enum Batch {
    /// All are in the log.
    Done,
    /// The first `appended` are in the log; for the next one there is no room.
    DiskFull {
        /// How many are in the log.
        appended: usize,
    },
}

/// Why a log cannot be written. The record is not in the log; of several, [`LogWriter::head`] tells
/// how many are.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The record can never be written.
    #[error(transparent)]
    TooLarge(#[from] PayloadTooLarge),
    /// The file system does not take writes.
    #[error("the log is on a read-only file system")]
    ReadOnly,
    /// The system says no.
    #[error("the log cannot be written")]
    Io(#[source] io::Error),
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::ReadOnlyFilesystem {
            Self::ReadOnly
        } else {
            Self::Io(error)
        }
    }
}

/// The end of the segment's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tail {
    /// It is the end of the last record.
    Clean,
    /// A part of a record follows that could not be cut off yet.
    Dirty,
}

/// The one writer of a log. Dropping it gives the lock up.
#[derive(Debug)]
pub struct LogWriter {
    options: LogOptions,
    segments: Segments,
    /// The last segment.
    file: File,
    /// Where its next record goes.
    end: u64,
    tail: Tail,
    state: LogState,
    reserve: Reserve,
    /// Last, so that it is given up when everything else is closed.
    lock: LogLock,
}

/// How far some records came.
struct Run {
    /// Where the first of them stands or would stand.
    at: Position,
    appended: usize,
}

impl LogWriter {
    /// The log.
    #[must_use]
    pub fn log_id(&self) -> LogId {
        self.state.facts().log_id
    }

    /// What the records add up to.
    #[must_use]
    pub fn state(&self) -> &LogState {
        &self.state
    }

    /// Where the next record goes, unless a new segment's checkpoint comes before it.
    #[must_use]
    pub fn head(&self) -> Position {
        self.state.next()
    }

    /// The session's directory.
    #[must_use]
    pub fn session_directory(&self) -> &Path {
        self.lock.session_directory()
    }

    /// Notes a client's last input for the next checkpoint, where the input itself is not recorded.
    pub fn remember_input(&mut self, client: ClientId, n: InputNumber) {
        self.state.remember_input(client, n);
    }

    /// Sets what an agent's adapter must find again in the next checkpoint.
    pub fn set_extra(&mut self, extra: Option<RawJson>) {
        self.state.set_extra(extra);
    }

    /// Appends one record. `time_micros` is the wall clock; nothing is ordered by it.
    ///
    /// # Errors
    /// See [`WriteError`]. A full disk is no error.
    pub fn append(&mut self, entry: Entry<'_>, time_micros: u64) -> Result<Append, WriteError> {
        let run = self.append_run(&[entry], time_micros)?;
        Ok(if run.appended == 1 { Append::Done(run.at) } else { Append::DiskFull })
    }

    /// Appends one record and makes it, and everything before it, survive a power failure.
    ///
    /// # Errors
    /// See [`WriteError`]. When syncing fails, the record may be in the log.
    pub fn append_durable(
        &mut self,
        entry: Entry<'_>,
        time_micros: u64,
    ) -> Result<Append, WriteError> {
        let appended = self.append(entry, time_micros)?;
        if let Append::Done(_) = appended {
            self.sync()?;
        }
        Ok(appended)
    }

    /// Appends a decoded record.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn append_fact(
        &mut self,
        fact: &Fact,
        class: Class,
        time_micros: u64,
    ) -> Result<Append, WriteError> {
        let (kind, payload) = fact.encode();
        self.append(Entry { kind, payload: &payload, class }, time_micros)
    }

    /// Records that output up to `to` was lost before it could be recorded; what follows counts on
    /// from there.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn append_gap(
        &mut self,
        to: Out,
        why: GapCause,
        time_micros: u64,
    ) -> Result<Append, WriteError> {
        let gap = Gap { from: self.head().out, to, why };
        self.append_fact(&Fact::Gap(gap), Class::Vital, time_micros)
    }

    /// Appends several records, in as few writes as possible. A process that dies in the middle
    /// leaves some of the first of them.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn append_batch(
        &mut self,
        entries: &[Entry<'_>],
        time_micros: u64,
    ) -> Result<Batch, WriteError> {
        let mut appended = 0;
        while appended < entries.len() {
            let run = self.first_run(&entries[appended..]);
            let written = self.append_run(run, time_micros)?.appended;
            appended += written;
            if written < run.len() {
                return Ok(Batch::DiskFull { appended });
            }
        }
        Ok(Batch::Done)
    }

    /// Makes everything appended so far survive a power failure.
    ///
    /// # Errors
    /// When the system cannot promise that.
    pub fn sync(&mut self) -> Result<(), WriteError> {
        Ok(self.segments.sync(&self.file)?)
    }

    /// Sets the reserve aside again after vital records used it; tells whether it stands. Bulk
    /// records try this by themselves, and do not fit while it does not stand.
    ///
    /// # Errors
    /// When something other than a full disk is in the way.
    pub fn restore_reserve(&mut self) -> Result<bool, WriteError> {
        Ok(self.reserve.restore()?)
    }

    /// What goes into one write: at least one record, and together no more than fit a segment.
    fn first_run<'a, 'b>(&self, entries: &'a [Entry<'b>]) -> &'a [Entry<'b>] {
        let mut bytes = 0;
        let fits = entries.iter().take(MAX_RECORDS_PER_WRITE).take_while(|entry| {
            bytes += entry.record_bytes();
            bytes <= self.options.segment_bytes
        });
        &entries[..fits.count().max(1)]
    }

    fn append_run(&mut self, entries: &[Entry<'_>], time_micros: u64) -> Result<Run, WriteError> {
        let vital = entries.iter().any(|entry| entry.class == Class::Vital);
        if !vital && !self.reserve.restore()? {
            return Ok(Run { at: self.head(), appended: 0 });
        }
        let mut run = self.write_run(entries, time_micros)?;
        if run.appended < entries.len() && vital && self.reserve.release()? {
            let rest = self.write_run(&entries[run.appended..], time_micros)?;
            run.at = if run.appended == 0 { rest.at } else { run.at };
            run.appended += rest.appended;
        }
        Ok(run)
    }

    /// Writes as many whole records as there is room for.
    fn write_run(&mut self, entries: &[Entry<'_>], time_micros: u64) -> Result<Run, WriteError> {
        self.cut_dirty_tail()?;
        match self.roll(entries.iter().map(Entry::record_bytes).sum(), time_micros) {
            Err(WriteError::Io(error)) if is_disk_full(&error) => {
                return Ok(Run { at: self.head(), appended: 0 });
            }
            rolled => rolled?,
        }
        let at = self.head();
        let headers = encode_headers(entries, at, time_micros)?;
        let pieces = headers.iter().zip(entries);
        let mut pieces: Vec<IoSlice<'_>> = pieces
            .flat_map(|((_, header), entry)| [IoSlice::new(header), IoSlice::new(entry.payload)])
            .collect();
        let (written, error) = write_at(&self.file, &mut pieces, self.end);

        let (mut appended, mut whole) = (0, 0);
        for ((header, _), entry) in headers.iter().zip(entries) {
            if whole + entry.record_bytes() > written {
                break;
            }
            self.state.apply(header, entry.payload);
            whole += entry.record_bytes();
            appended += 1;
        }
        self.end += whole;
        if written > whole {
            self.tail = Tail::Dirty;
        }
        let Some(error) = error else { return Ok(Run { at, appended }) };
        // if this fails too, the next append tries again, and so does recovery
        let _ = self.cut_dirty_tail();
        if is_disk_full(&error) { Ok(Run { at, appended }) } else { Err(error.into()) }
    }

    fn cut_dirty_tail(&mut self) -> io::Result<()> {
        if self.tail == Tail::Dirty {
            self.file.set_len(self.end)?;
            self.tail = Tail::Clean;
        }
        Ok(())
    }

    /// Begins a new segment if `bytes` more would make this one too large.
    fn roll(&mut self, bytes: u64, time_micros: u64) -> Result<(), WriteError> {
        let only_checkpoint = self.segments.last.seq.next() == self.head().seq;
        if only_checkpoint || self.end + bytes <= self.options.segment_bytes {
            return Ok(());
        }
        let segment = encode_segment(&self.state, time_micros)?;
        match self.segments.begin(&segment.as_new(), self.end) {
            Ok(file) => {
                self.file = file;
                self.end = segment.as_new().bytes();
                segment.apply_to(&mut self.state);
                Ok(())
            }
            // a directory can be full when files are not; a segment may grow a little for that
            Err(error)
                if is_disk_full(&error)
                    && self.end + bytes <= self.options.segment_bytes.saturating_mul(2) =>
            {
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}

type EncodedHeader = (RecordHeader, [u8; RECORD_HEADER_BYTES]);

fn encode_headers(
    entries: &[Entry<'_>],
    mut at: Position,
    time_micros: u64,
) -> Result<Vec<EncodedHeader>, PayloadTooLarge> {
    let mut headers = Vec::with_capacity(entries.len());
    for Entry { kind, payload, class: _ } in entries {
        let header = RecordHeader { kind: *kind, flags: 0, time_micros, at };
        headers.push((header, header.encode(payload)?));
        at = header.next(payload);
    }
    Ok(headers)
}

/// A segment's beginning: its header and its checkpoint.
struct EncodedSegment {
    header: [u8; SEGMENT_HEADER_BYTES],
    record: EncodedHeader,
    payload: Bytes,
}

fn encode_segment(state: &LogState, time_micros: u64) -> Result<EncodedSegment, PayloadTooLarge> {
    let at = state.next();
    let header = SegmentHeader { log_id: state.facts().log_id, first_seq: at.seq }.encode();
    let (kind, payload) = Fact::Checkpoint(Box::new(state.facts().clone())).encode();
    let record = RecordHeader { kind, flags: 0, time_micros, at };
    let encoded = record.encode(&payload)?;
    Ok(EncodedSegment { header, record: (record, encoded), payload })
}

impl EncodedSegment {
    fn as_new(&self) -> NewSegment<'_> {
        NewSegment { at: self.record.0.at, pieces: [&self.header, &self.record.1, &self.payload] }
    }
    fn apply_to(&self, state: &mut LogState) {
        state.apply(&self.record.0, &self.payload);
    }
}
