//! What a log takes on disk.

use std::{fs, path::Path, time::UNIX_EPOCH};

use quarterdeck_protocol::{ids::Seq, record::Position};

use super::{
    files::{log_directory, segment_path},
    scan::{ReadError, segments_of},
};

/// What one log takes. Torn files and the reserve do not count: they are small and bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogUsage {
    /// Bytes of all segments.
    pub bytes: u64,
    /// Bytes that a trim cannot drop.
    pub floor_bytes: u64,
    /// When the last segment was written to: wall clock, microseconds since 1970.
    pub modified_micros: u64,
}

/// Measures a session's log; needs no lock. Records from `pinned_from` on count as kept, like the last
/// segment.
///
/// # Errors
/// See [`ReadError`].
pub fn log_usage(
    session_directory: &Path,
    pinned_from: Option<Seq>,
) -> Result<LogUsage, ReadError> {
    let directory = log_directory(session_directory);
    let segments = segments_of(&directory)?;
    let mut usage = LogUsage { bytes: 0, floor_bytes: 0, modified_micros: 0 };
    for (index, first) in segments.iter().enumerate() {
        // dropped in the meantime: it takes nothing
        let Ok(file) = fs::metadata(segment_path(&directory, *first)) else { continue };
        let pinned = |next: &Position| pinned_from.is_some_and(|pinned| pinned < next.seq);
        usage.bytes += file.len();
        if segments.get(index + 1).is_none_or(pinned) {
            usage.floor_bytes += file.len();
        }
        let modified = file.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        usage.modified_micros = u64::try_from(modified.as_micros()).unwrap_or(u64::MAX);
    }
    Ok(usage)
}
