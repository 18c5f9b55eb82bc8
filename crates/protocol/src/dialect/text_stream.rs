//! Terminal output as text, for protocols that carry no bytes.

use alloc::{string::String, vec::Vec};
use core::str;

/// Turns a stream of bytes into text, however the stream is cut. A character whose bytes arrive in
/// several pieces comes out whole; what is not UTF-8 becomes U+FFFD, as `String::from_utf8_lossy` does
/// it for the whole stream at once.
#[derive(Debug, Clone, Default)]
pub struct TextStream {
    /// The beginning of a character: at most three bytes.
    held: Vec<u8>,
}

impl TextStream {
    /// The text of the next bytes. The beginning of a character at their end stays behind.
    #[must_use]
    pub fn push(&mut self, bytes: &[u8]) -> String {
        let mut joined = core::mem::take(&mut self.held);
        let bytes = if joined.is_empty() {
            bytes
        } else {
            joined.extend_from_slice(bytes);
            &joined
        };
        let mut text = String::with_capacity(bytes.len());
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            text.push_str(chunk.valid());
            let bad = chunk.invalid();
            if bad.is_empty() {
                continue;
            }
            if chunks.peek().is_none() && is_beginning(bad) {
                self.held = bad.to_vec();
            } else {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        text
    }

    /// The stream ends or is interrupted here: the text of what stayed behind.
    #[must_use]
    pub fn finish(&mut self) -> &'static str {
        let held = core::mem::take(&mut self.held);
        if held.is_empty() { "" } else { "\u{fffd}" }
    }
}

/// Whether more bytes could make a character of these.
fn is_beginning(bytes: &[u8]) -> bool {
    str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(pieces: &[&[u8]]) -> String {
        let mut stream = TextStream::default();
        let mut text: String = pieces.iter().map(|piece| stream.push(piece)).collect();
        text.push_str(stream.finish());
        text
    }

    #[test]
    fn a_character_that_is_cut_anywhere_arrives_whole() {
        let text = "a é € 🙂 z";
        for at in 0..=text.len() {
            let (before, after) = text.as_bytes().split_at(at);
            assert_eq!(cut(&[before, after]), text, "cut at {at}");
        }
        let single: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(cut(&single), text);
    }

    #[test]
    fn what_is_not_text_is_replaced_and_nothing_after_it_is_lost() {
        assert_eq!(cut(&[b"a\xffb"]), "a\u{fffd}b");
        assert_eq!(cut(&[b"a\xe2\x82", b"b"]), "a\u{fffd}b");
        assert_eq!(cut(&[b"a\xe2\x82"]), "a\u{fffd}");
        assert_eq!(cut(&[b"\xf0\x9f", b"\x99", b"\x82"]), "🙂");
    }

    proptest! {
        #[test]
        fn it_is_the_lossy_text_of_the_whole_stream_however_it_is_cut(
            bytes in proptest::collection::vec(
                prop_oneof![any::<u8>(), Just(0xe2), Just(0x82), Just(0xac), Just(0xf0), Just(0x9f)],
                0..60,
            ),
            size in 1usize..7,
        ) {
            let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
            prop_assert_eq!(cut(&pieces), String::from_utf8_lossy(&bytes).into_owned());
        }
    }
}
