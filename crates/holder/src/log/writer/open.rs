//! How a writer comes to a log: it makes one, or repairs the end of one and goes on.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use quarterdeck_protocol::{
    ids::{Incarnation, LogId, SessionId},
    record::{Checkpoint, Lease, LogState, Position, SessionKind, TerminalSize},
};

use super::{LogOptions, LogWriter, Segments, Tail, WriteError, encode_segment};
use crate::log::{
    files::{UNFINISHED_SEGMENT, list_segments, list_torn, log_directory, segment_path, torn_path},
    lock::LogLock,
    reserve::Reserve,
    scan::{ReadError, Scanned, scan_segments, segments_of},
    segment::Missing,
};

/// Torn files that are kept; the oldest goes when there would be one more.
const MAX_TORN_FILES: usize = 8;
/// Bytes of one torn file: enough to see what was being written.
const MAX_TORN_BYTES: usize = 1024 * 1024;

/// What a new log is about.
#[derive(Debug, Clone, Copy)]
pub struct NewLog {
    /// Drawn at random by the caller; tells this log from one that was there before.
    pub log_id: LogId,
    /// The session.
    pub session: SessionId,
    /// What kind of session.
    pub kind: SessionKind,
    /// First size of its terminal.
    pub size: TerminalSize,
}

/// A log that was opened for writing, and what was found.
#[derive(Debug)]
pub struct Opened {
    /// Its writer.
    pub writer: LogWriter,
    /// What is missing since the last checkpoint; it stays missing.
    pub damage: Vec<Missing>,
    /// The torn tail, if there was one.
    pub cut: Option<Cut>,
}

/// A torn tail that was cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// Its size.
    pub bytes: u64,
    /// Where its beginning was kept; nowhere when there was no room for it.
    pub kept_in: Option<PathBuf>,
}

/// Why there is no writer.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A new log was asked for where one is.
    #[error("there is a log in {} already", .0.display())]
    Exists(PathBuf),
    /// The disk has no room for a new log.
    #[error("the disk is full")]
    DiskFull,
    /// The log cannot be read, so it cannot be gone on with. Nothing was changed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        if crate::log::reserve::is_disk_full(&error) {
            Self::DiskFull
        } else {
            Self::Write(error.into())
        }
    }
}

impl LogWriter {
    /// Makes the log of a session and its first checkpoint.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn create(
        lock: LogLock,
        new: &NewLog,
        options: LogOptions,
        time_micros: u64,
    ) -> Result<Self, OpenError> {
        let directory = log_directory(lock.session_directory());
        match list_segments(&directory) {
            Ok(segments) if !segments.is_empty() => return Err(OpenError::Exists(directory)),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            Ok(_) | Err(_) => {}
        }
        let NewLog { log_id, session, kind, size } = *new;
        let facts = Checkpoint {
            log_id,
            session,
            kind,
            incarnation: Incarnation(0),
            first_start_micros: None,
            lease: Lease::default(),
            size,
            inputs: Vec::new(),
            termios: None,
            ended: None,
            extra: None,
        };
        let mut state = LogState::new(facts, Position::default());
        let encoded = encode_segment(&state, time_micros).map_err(WriteError::from)?;
        let segment = encoded.as_new();
        let (segments, file) = Segments::create(directory, &segment)?;
        let end = segment.bytes();
        encoded.apply_to(&mut state);
        let reserve = Reserve::prepare(lock.session_directory(), options.reserve_bytes)?;
        Ok(Self { options, segments, file, end, tail: Tail::Clean, state, reserve, lock })
    }

    /// Goes on with a log: cuts a torn tail off, keeps it aside, and finds out what the records add
    /// up to. Damage before the end stays as it is; readers report it.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(lock: LogLock, options: LogOptions) -> Result<Opened, OpenError> {
        let directory = log_directory(lock.session_directory());
        let mut firsts = segments_of(&directory)?;
        let Scanned { recovered, used, end, tail } = scan_segments(&directory, &firsts)?;
        let _ = fs::remove_file(directory.join(UNFINISHED_SEGMENT));
        for wholly_torn in firsts.drain(used..) {
            set_aside(&directory, wholly_torn)?;
        }
        let (segments, file) = Segments::open(directory, &firsts)?;
        let cut = cut_tail(segments.directory(), &file, end, &tail)?;
        let reserve = Reserve::prepare(lock.session_directory(), options.reserve_bytes)?;
        let state = recovered.state;
        let writer = Self { options, segments, file, end, tail: Tail::Clean, state, reserve, lock };
        Ok(Opened { writer, damage: recovered.damage, cut })
    }
}

fn cut_tail(directory: &Path, file: &File, end: u64, tail: &[u8]) -> io::Result<Option<Cut>> {
    if tail.is_empty() {
        return Ok(None);
    }
    let kept_in = keep_torn(directory, tail).ok();
    file.set_len(end)?;
    Ok(Some(Cut { bytes: tail.len() as u64, kept_in }))
}

/// A segment without a single record: all of it is torn.
fn set_aside(directory: &Path, first: Position) -> io::Result<()> {
    let path = segment_path(directory, first);
    let bytes = fs::read(&path)?;
    if !bytes.is_empty() {
        // without room for a copy the log must still be able to go on
        let _ = keep_torn(directory, &bytes);
    }
    fs::remove_file(path)
}

fn keep_torn(directory: &Path, torn: &[u8]) -> io::Result<PathBuf> {
    let numbers = list_torn(directory)?;
    let surplus = (numbers.len() + 1).saturating_sub(MAX_TORN_FILES);
    for number in &numbers[..surplus] {
        fs::remove_file(torn_path(directory, *number))?;
    }
    let number = numbers.last().map_or(0, |last| last.saturating_add(1));
    let path = torn_path(directory, number);
    let written = fs::write(&path, &torn[..torn.len().min(MAX_TORN_BYTES)]);
    if written.is_err() {
        // a part of a torn tail helps nobody and takes room
        let _ = fs::remove_file(&path);
    }
    written.map(|()| path)
}
