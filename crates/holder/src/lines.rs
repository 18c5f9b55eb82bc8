//! An agent's bytes cut into lines. Pure.

use quarterdeck_protocol::limits::MAX_VENDOR_LINE_BYTES;

/// Memory that is kept for a line that is not whole yet, once it was needed.
const KEPT_BYTES: usize = 64 * 1024;

/// Lines of one stream. At most one line is kept, and of one that is too long only the length.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    begun: Vec<u8>,
    /// Bytes of the begun line that were let go because it is too long.
    dropped: u64,
}

/// A whole line, without its line feed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// It.
    Whole(Vec<u8>),
    /// It was longer than a record may be; so many bytes.
    Oversized(u64),
}

impl Lines {
    /// Takes bytes; the lines that they complete.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.add(&rest[..end]);
            lines.push(self.complete());
            rest = &rest[end + 1..];
        }
        self.add(rest);
        lines
    }

    /// The last line of a stream that does not end in a line feed.
    pub(crate) fn finish(&mut self) -> Option<Line> {
        (!self.begun.is_empty() || self.dropped > 0).then(|| self.complete())
    }

    fn add(&mut self, bytes: &[u8]) {
        if self.dropped > 0 || self.begun.len() + bytes.len() > MAX_VENDOR_LINE_BYTES {
            self.dropped += (self.begun.len() + bytes.len()) as u64;
            self.begun = Vec::new();
        } else {
            self.begun.extend_from_slice(bytes);
        }
    }

    fn complete(&mut self) -> Line {
        if self.dropped > 0 {
            return Line::Oversized(std::mem::take(&mut self.dropped));
        }
        let line = if self.begun.capacity() > KEPT_BYTES {
            std::mem::take(&mut self.begun)
        } else {
            let line = self.begun.clone();
            self.begun.clear();
            line
        };
        Line::Whole(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> Line {
        Line::Whole(text.as_bytes().to_vec())
    }

    #[test]
    fn lines_are_cut_wherever_the_reads_were_cut() {
        let text = b"one\n\ntwo\r\nthree";
        for cut in 0..text.len() {
            let mut lines = Lines::default();
            let mut found = lines.take(&text[..cut]);
            found.extend(lines.take(&text[cut..]));
            found.extend(lines.finish());
            assert_eq!(found, [whole("one"), whole(""), whole("two\r"), whole("three")], "{cut}");
            assert_eq!(lines.finish(), None);
        }
    }

    #[test]
    fn of_a_line_that_is_too_long_only_its_length_is_kept() {
        let mut lines = Lines::default();
        let part = vec![b'x'; 1024 * 1024];
        let mut found = Vec::new();
        for _ in 0..20 {
            found.extend(lines.take(&part));
            assert!(lines.begun.len() <= MAX_VENDOR_LINE_BYTES);
        }
        found.extend(lines.take(b"\nnext\n"));
        assert_eq!(found, [Line::Oversized(20 * 1024 * 1024), whole("next")]);
    }

    #[test]
    fn the_longest_line_is_kept_whole() {
        let mut lines = Lines::default();
        let line = vec![b'x'; MAX_VENDOR_LINE_BYTES];
        assert_eq!(lines.take(&line), []);
        assert_eq!(lines.take(b"\n"), [Line::Whole(line)]);
    }
}
