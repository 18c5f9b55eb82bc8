//! Streams whose every byte is known: what a program emits and what a client types in a test.
//!
//! A [`KnownStream`] is a pure function of its seed and an offset, so a piece that was seen anywhere can
//! be checked against the offset it claims, whatever was lost or replayed before it.

use std::{fmt, ops::Range};

/// What the bytes look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamKind {
    /// Lines of 66 bytes like those of a log: number, hash, words.
    Lines,
    /// Lines of 8 bytes, of which a terminal can take the fewest bytes per second.
    ShortLines,
    /// Records of 64 bytes with every value a byte can have. A terminal may take some for queries.
    Binary,
    /// Words of 16 graphic bytes with no line end, as they could be typed.
    Typed,
}

impl StreamKind {
    /// Bytes of one record.
    #[must_use]
    pub const fn record_bytes(self) -> usize {
        match self {
            Self::Lines => 66,
            Self::ShortLines => 8,
            Self::Binary => 64,
            Self::Typed => 16,
        }
    }
    /// The word on a command line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Lines => "lines",
            Self::ShortLines => "short",
            Self::Binary => "binary",
            Self::Typed => "typed",
        }
    }
}

impl std::str::FromStr for StreamKind {
    type Err = UnknownKind;
    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        let all = [Self::Lines, Self::ShortLines, Self::Binary, Self::Typed];
        all.into_iter().find(|kind| kind.word() == text).ok_or_else(|| UnknownKind(text.to_owned()))
    }
}

/// A word that is no kind of stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no kind of stream: lines, short, binary, typed")]
pub struct UnknownKind(pub String);

/// An endless stream of which every byte is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownStream {
    /// What it looks like.
    pub kind: StreamKind,
    /// Which of all streams of its kind.
    pub seed: u64,
}

/// The first byte that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Mismatch {
    /// Where in the stream.
    pub offset: u64,
    /// What stands there.
    pub expected: Vec<u8>,
    /// What was seen.
    pub seen: Vec<u8>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (expected, seen) = (self.expected.escape_ascii(), self.seen.escape_ascii());
        write!(f, "at {}: expected \"{expected}\", seen \"{seen}\"", self.offset)
    }
}

/// Bytes that a [`Mismatch`] shows.
const SHOWN_BYTES: usize = 48;

impl KnownStream {
    /// A stream of this kind.
    #[must_use]
    pub const fn new(kind: StreamKind, seed: u64) -> Self {
        Self { kind, seed }
    }

    /// The bytes of a range of offsets.
    #[must_use]
    pub fn bytes(&self, range: Range<u64>) -> Vec<u8> {
        let size = self.kind.record_bytes() as u64;
        let mut bytes = Vec::with_capacity((range.end.saturating_sub(range.start)) as usize);
        let mut at = range.start;
        while at < range.end {
            let record = self.record(at / size);
            let from = (at % size) as usize;
            let to = record.len().min(from + (range.end - at) as usize);
            bytes.extend_from_slice(&record[from..to]);
            at += (to - from) as u64;
        }
        bytes
    }

    /// Checks bytes that are said to stand at `offset`.
    ///
    /// # Errors
    /// The first difference.
    pub fn verify(&self, offset: u64, seen: &[u8]) -> Result<(), Mismatch> {
        let expected = self.bytes(offset..offset + seen.len() as u64);
        let Some(at) = expected.iter().zip(seen).position(|(one, other)| one != other) else {
            return Ok(());
        };
        let until = seen.len().min(at + SHOWN_BYTES);
        Err(Mismatch {
            offset: offset + at as u64,
            expected: expected[at..until].to_vec(),
            seen: seen[at..until].to_vec(),
        })
    }

    /// The record with this number.
    fn record(&self, number: u64) -> Vec<u8> {
        let hash = mix(self.seed ^ mix(number));
        match self.kind {
            StreamKind::Lines => {
                let words = "the deck is swept and the watch is set";
                let mut line = format!("{number:010} {hash:013x} {words}", hash = hash >> 12);
                line.truncate(64);
                format!("{line:<64}\r\n").into_bytes()
            }
            StreamKind::ShortLines => format!("{:06}\r\n", number % 1_000_000).into_bytes(),
            StreamKind::Binary => {
                (0..8).flat_map(|part| mix(hash.wrapping_add(part)).to_le_bytes()).collect()
            }
            StreamKind::Typed => {
                format!("{:09}.{:05x};", number % 1_000_000_000, hash >> 44).into_bytes()
            }
        }
    }
}

/// Scrambles a number (SplitMix64's finaliser): a different output for every input.
#[must_use]
pub const fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [StreamKind; 4] =
        [StreamKind::Lines, StreamKind::ShortLines, StreamKind::Binary, StreamKind::Typed];

    #[test]
    fn records_have_the_size_that_their_kind_says() {
        for kind in KINDS {
            for number in [0, 1, 999_999, 123_456_789] {
                let record = KnownStream::new(kind, 7).record(number);
                assert_eq!(record.len(), kind.record_bytes(), "{kind:?} {number}");
            }
        }
    }

    #[test]
    fn any_range_is_a_piece_of_the_whole() {
        for kind in KINDS {
            let stream = KnownStream::new(kind, 42);
            let whole = stream.bytes(0..2000);
            for (from, to) in [(0, 1), (5, 5), (63, 67), (7, 1999), (1999, 2000)] {
                let piece = stream.bytes(from as u64..to as u64);
                assert_eq!(piece, whole[from..to], "{kind:?} {from}..{to}");
                assert_eq!(stream.verify(from as u64, &piece), Ok(()));
            }
        }
    }

    #[test]
    fn a_wrong_missing_or_doubled_byte_is_found_where_it_is() {
        let stream = KnownStream::new(StreamKind::Binary, 3);
        let mut wrong = stream.bytes(10..500);
        wrong[123] ^= 0x10;
        assert_eq!(stream.verify(10, &wrong).map_err(|m| m.offset), Err(133));
        let missing = [stream.bytes(0..100), stream.bytes(101..200)].concat();
        assert_eq!(stream.verify(0, &missing).map_err(|m| m.offset), Err(100));
        assert!(stream.verify(0, &stream.bytes(64..128)).is_err());
        assert!(KnownStream::new(StreamKind::Binary, 4).verify(10, &stream.bytes(10..50)).is_err());
    }

    #[test]
    fn a_binary_stream_has_every_byte_value() {
        let bytes = KnownStream::new(StreamKind::Binary, 1).bytes(0..20_000);
        let seen: std::collections::BTreeSet<u8> = bytes.into_iter().collect();
        assert_eq!(seen.len(), 256);
    }
}
