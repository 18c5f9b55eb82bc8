//! Where a log's files are, and what they are called.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use quarterdeck_protocol::{
    ids::{Out, Seq},
    record::Position,
};

/// Held by the writer.
pub(super) const LOCK_FILE: &str = "lock";
/// Space for vital records.
pub(super) const RESERVE_FILE: &str = "reserve";
/// A segment that is not finished; only ever one, and worthless after a crash.
pub(super) const UNFINISHED_SEGMENT: &str = "next.tmp";

const LOG_DIRECTORY: &str = "log";
const SEGMENT_SUFFIX: &str = ".qdl";
const TORN_PREFIX: &str = "torn-";
/// Digits of a number in a segment's name: a u64, so that names sort as numbers do.
const HEX_DIGITS: usize = 16;

/// The directory of a session's segments.
pub(super) fn log_directory(session_directory: &Path) -> PathBuf {
    session_directory.join(LOG_DIRECTORY)
}

/// The file of the segment whose first record stands at `first`.
pub(super) fn segment_path(log_directory: &Path, first: Position) -> PathBuf {
    let Position { seq, out } = first;
    log_directory.join(format!("{:016x}-{:016x}{SEGMENT_SUFFIX}", seq.0, out.0))
}

/// First positions of all segments, oldest first. Other files are passed over.
pub(super) fn list_segments(log_directory: &Path) -> io::Result<Vec<Position>> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(log_directory)? {
        segments.extend(entry?.file_name().to_str().and_then(parse_segment_name));
    }
    segments.sort_unstable();
    Ok(segments)
}

fn parse_segment_name(name: &str) -> Option<Position> {
    let (seq, out) = name.strip_suffix(SEGMENT_SUFFIX)?.split_once('-')?;
    Some(Position { seq: Seq(parse_hex(seq)?), out: Out(parse_hex(out)?) })
}

/// Lower-case digits of full width only, so that a position has one name.
fn parse_hex(digits: &str) -> Option<u64> {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let fits = digits.len() == HEX_DIGITS && digits.bytes().all(digit);
    fits.then(|| u64::from_str_radix(digits, 16).ok()).flatten()
}

/// The file of the torn bytes with this number.
pub(super) fn torn_path(log_directory: &Path, number: u32) -> PathBuf {
    log_directory.join(format!("{TORN_PREFIX}{number}"))
}

/// Numbers of the torn files that exist.
pub(super) fn list_torn(log_directory: &Path) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(log_directory)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(TORN_PREFIX));
        numbers.extend(number.and_then(|digits| digits.parse::<u32>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_has_one_name() {
        let first = Position { seq: Seq(0xab), out: Out(u64::MAX) };
        let path = segment_path(Path::new("/l"), first);
        assert_eq!(path, Path::new("/l/00000000000000ab-ffffffffffffffff.qdl"));
        let name = path.file_name().and_then(|name| name.to_str()).expect("utf-8");
        assert_eq!(parse_segment_name(name), Some(first));
        for other in [
            "00000000000000AB-ffffffffffffffff.qdl",
            "ab-ff.qdl",
            "+0000000000000ab-ffffffffffffffff.qdl",
            "00000000000000ab-ffffffffffffffff.tmp",
            "00000000000000ab.qdl",
            "torn-1",
        ] {
            assert_eq!(parse_segment_name(other), None, "{other}");
        }
    }
}
