//! What a relay has a holder do for an agent: record and write, once per key.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::{
    ids::Seq,
    limits::MAX_OPERATION_LINES,
    record::{RawJson, RecordKind},
};

/// Do this once: if `key` is new, record the fact, then each line as `vendor_in`, and write the lines
/// to the agent. A known key changes nothing, and is answered with the fact that stands.
///
/// Bytes: `kind u8 | key length u16 | key | fact length u32 | fact | number of lines u16`, then for
/// each line `length u32 | line`; little endian.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation<'a> {
    /// What the compare-and-set is on. Remembered while the program lives.
    pub key: &'a str,
    /// What the fact is: an answer or a note.
    pub kind: RecordKind,
    /// The fact's payload, as it is recorded.
    pub fact: &'a [u8],
    /// Lines for the agent, without line feeds.
    pub lines: Vec<&'a [u8]>,
}

impl<'a> Operation<'a> {
    /// Appends the body's bytes to `buffer`. Lengths that do not fit their field are never met: the
    /// whole message is smaller.
    pub fn encode(&self, buffer: &mut Vec<u8>) {
        let short = |len: usize| u16::try_from(len).unwrap_or(u16::MAX).to_le_bytes();
        let long = |len: usize| u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes();
        buffer.push(self.kind.tag());
        buffer.extend_from_slice(&short(self.key.len()));
        buffer.extend_from_slice(self.key.as_bytes());
        buffer.extend_from_slice(&long(self.fact.len()));
        buffer.extend_from_slice(self.fact);
        buffer.extend_from_slice(&short(self.lines.len()));
        for line in &self.lines {
            buffer.extend_from_slice(&long(line.len()));
            buffer.extend_from_slice(line);
        }
    }

    /// Reads a body; `None` when it is none of this version.
    #[must_use]
    pub fn parse(body: &'a [u8]) -> Option<Self> {
        let (tag, rest) = body.split_first()?;
        let (key, rest) = short(rest)?;
        let key = core::str::from_utf8(key).ok()?;
        let (fact, rest) = long(rest)?;
        let (count, mut rest) = rest.split_first_chunk()?;
        let count = usize::from(u16::from_le_bytes(*count));
        if count > MAX_OPERATION_LINES {
            return None;
        }
        let mut lines = Vec::new();
        for _ in 0..count {
            let (line, after) = long(rest)?;
            lines.push(line);
            rest = after;
        }
        rest.is_empty().then(|| Self { key, kind: RecordKind::from_tag(*tag), fact, lines })
    }
}

/// Bytes behind a short length, and what follows them.
fn short(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_le_bytes(*len)))
}

/// Bytes behind a long length, and what follows them.
fn long(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u32::from_le_bytes(*len)).ok()?)
}

/// What became of an [`Operation`]. The fact and its lines are in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationAnswer {
    /// The record of the fact that stands under the key.
    pub seq: Seq,
    /// The key was known: nothing was done now.
    pub repeated: bool,
}

/// What the relay computed from an agent's log, for the checkpoint of the next segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtraRequest {
    /// It, in a form that only the relay understands.
    pub extra: RawJson,
    /// The first record that is not in it: from here on the log is kept whatever it costs.
    pub next: Seq,
}

/// Whether a text can be an operation's key.
#[must_use]
pub fn is_key(key: &str) -> bool {
    !key.is_empty() && key.len() <= crate::limits::MAX_OPERATION_KEY_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;

    #[test]
    fn an_operation_has_its_golden_bytes() {
        let operation =
            Operation { key: "k:1", kind: RecordKind::Note, fact: b"{}", lines: vec![b"[1]", b""] };
        let mut body = Vec::new();
        operation.encode(&mut body);
        let golden = b"\x0a\x03\0k:1\x02\0\0\0{}\x02\0\x03\0\0\0[1]\0\0\0\0";
        assert_eq!(body, golden);
        assert_eq!(Operation::parse(&body), Some(operation));
        for cut in 0..body.len() {
            assert_eq!(Operation::parse(&body[..cut]), None, "{cut}");
        }
        assert_eq!(Operation::parse(&[&body[..], b"x"].concat()), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            key in "[a-z:.0-9]{0,40}",
            fact in proptest::collection::vec(any::<u8>(), 0..50),
            lines in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 0..8),
        ) {
            let lines = lines.iter().map(Vec::as_slice).collect();
            let operation = Operation { key: &key, kind: RecordKind::Answer, fact: &fact, lines };
            let mut body = Vec::new();
            operation.encode(&mut body);
            prop_assert_eq!(Operation::parse(&body), Some(operation));
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Operation::parse(&bytes);
        }
    }
}
