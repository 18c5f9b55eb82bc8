//! What a log adds up to, from its last good checkpoint on.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use quarterdeck_protocol::record::{LogState, Position};

use super::{
    files::{list_segments, log_directory, segment_path},
    segment::{Missing, Place, SegmentHead, SegmentScan, recover_segment},
};

/// How often a list of segments is taken anew because one was dropped in the meantime.
pub(super) const MAX_LISTINGS: u32 = 16;

/// Why a log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no segment.
    #[error("no log in {}", .0.display())]
    NoLog(PathBuf),
    /// It was written by a newer version.
    #[error("the log has version {version}, which this version cannot read")]
    Unsupported {
        /// That version.
        version: u16,
    },
    /// No checkpoint can be read, so nobody knows what the records add up to. Reading records works.
    #[error("no checkpoint of the log in {} can be read", .0.display())]
    NoCheckpoint(PathBuf),
    /// The log goes on before the point up to which it was read: after a power failure it lost
    /// records that a reader had seen. The reader must begin anew.
    #[error("the log was read up to record {}, but goes on at {}", read.seq, found.seq)]
    Rewound {
        /// How far it was read.
        read: Position,
        /// Where it goes on.
        found: Position,
    },
    /// The system says no.
    #[error("the log cannot be read")]
    Io(#[from] io::Error),
}

/// What is known of a log without reading all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// What its records add up to, and where the next one goes.
    pub state: LogState,
    /// The oldest record that is kept.
    pub base: Position,
    /// What is missing in the part that was read.
    pub damage: Vec<Missing>,
    /// Bytes after the last good record: one that is being written, or a torn tail.
    pub torn_bytes: u64,
}

/// Reads what a session's log adds up to. Needs no lock and changes nothing; a live writer may go on
/// meanwhile.
///
/// # Errors
/// See [`ReadError`].
pub fn scan_state(session_directory: &Path) -> Result<Recovered, ReadError> {
    let directory = log_directory(session_directory);
    let mut seen = None;
    for _ in 1..MAX_LISTINGS {
        let segments = segments_of(&directory)?;
        match scan_segments(&directory, &segments) {
            Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
            Ok(Scanned { recovered, .. }) => {
                // damage that is not there a second time was a record that was being written
                if recovered.damage.is_empty() || seen.as_ref() == Some(&recovered.damage) {
                    return Ok(recovered);
                }
                seen = Some(recovered.damage);
            }
        }
    }
    Ok(scan_segments(&directory, &segments_of(&directory)?)?.recovered)
}

/// All segments, at least one.
pub(super) fn segments_of(directory: &Path) -> Result<Vec<Position>, ReadError> {
    let no_log = || ReadError::NoLog(directory.to_owned());
    match list_segments(directory) {
        Ok(segments) if segments.is_empty() => Err(no_log()),
        Ok(segments) => Ok(segments),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(no_log()),
        Err(error) => Err(error.into()),
    }
}

/// A scan with what a writer needs to go on from it.
#[derive(Debug)]
pub(super) struct Scanned {
    pub(super) recovered: Recovered,
    /// How many segments hold at least one record; those after them are empty or wholly torn.
    pub(super) used: usize,
    /// Good bytes of the last used segment.
    pub(super) end: u64,
    /// What follows them.
    pub(super) tail: Vec<u8>,
}

/// Scans these segments of a log, at least one.
pub(super) fn scan_segments(directory: &Path, segments: &[Position]) -> Result<Scanned, ReadError> {
    let no_checkpoint = || ReadError::NoCheckpoint(directory.to_owned());
    let mut used = segments.len();
    let (bytes, last) = loop {
        let first = used.checked_sub(1).map(|index| segments[index]).ok_or_else(no_checkpoint)?;
        let bytes = fs::read(segment_path(directory, first))?;
        let scan = checked(recover_segment(&bytes, first, Place::Last, None))?;
        if scan.records > 0 {
            break (bytes, scan);
        }
        used -= 1;
    };
    let (state, damage) = match last.state {
        Some(state) => (state, last.damage),
        None => fold_from_earlier(directory, &segments[..used], &bytes)?,
    };
    let tail = bytes[last.end..].to_vec();
    let base = segments[0];
    let recovered = Recovered { state, base, damage, torn_bytes: tail.len() as u64 };
    Ok(Scanned { recovered, used, end: last.end as u64, tail })
}

/// The last segment's checkpoint cannot be read: begins at the newest one before that can.
fn fold_from_earlier(
    directory: &Path,
    segments: &[Position],
    last_bytes: &[u8],
) -> Result<(LogState, Vec<Missing>), ReadError> {
    let last = segments.len() - 1;
    let closed = |index: usize, before| -> Result<SegmentScan, ReadError> {
        let bytes = fs::read(segment_path(directory, segments[index]))?;
        let place = Place::Closed { next: segments[index + 1] };
        checked(recover_segment(&bytes, segments[index], place, before))
    };
    for start in (0..last).rev() {
        let scan = closed(start, None)?;
        let (Some(mut state), mut damage) = (scan.state, scan.damage) else { continue };
        for index in start + 1..last {
            let scan = closed(index, Some(state.clone()))?;
            damage.extend(scan.damage);
            state = scan.state.unwrap_or(state);
        }
        let scan = recover_segment(last_bytes, segments[last], Place::Last, Some(state.clone()));
        damage.extend(scan.damage);
        return Ok((scan.state.unwrap_or(state), damage));
    }
    Err(ReadError::NoCheckpoint(directory.to_owned()))
}

fn checked(scan: SegmentScan) -> Result<SegmentScan, ReadError> {
    match scan.head {
        SegmentHead::Newer { version } => Err(ReadError::Unsupported { version }),
        SegmentHead::Good(_) | SegmentHead::Damaged => Ok(scan),
    }
}
