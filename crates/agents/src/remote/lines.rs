//! Output bytes as lines of text, as far as telling lines apart needs it. Not a terminal: what moves
//! the cursor to another row ends a line, what moves it to the right is spaces, the rest is left out.

use alloc::{string::String, vec::Vec};

/// Bytes of a line that are kept; no line that any table knows is as long.
const MAX_LINE_BYTES: usize = 2048;
/// Bytes of an escape sequence before it is taken for text that lost its way.
const MAX_SEQUENCE_BYTES: usize = 4096;
/// Spaces that one movement can make.
const MAX_STEP: usize = 256;

#[derive(Debug, Clone, Default)]
pub(super) struct LineReader {
    line: Vec<u8>,
    at: At,
    /// The parameters of the sequence that is being read.
    parameters: Vec<u8>,
    /// Bytes of the sequence so far.
    sequence_bytes: usize,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum At {
    #[default]
    Text,
    Escape,
    /// One more byte belongs to the sequence.
    Charset,
    Control,
    /// An operating system command, or another string, up to its terminator.
    Words,
    WordsEscape,
}

impl LineReader {
    /// Takes a byte; a whole line when it ends one.
    pub(super) fn handle_byte(&mut self, byte: u8) -> Option<String> {
        if self.at != At::Text {
            self.sequence_bytes += 1;
            if self.sequence_bytes > MAX_SEQUENCE_BYTES {
                self.at = At::Text;
            }
        }
        if self.at == At::Text { self.text(byte) } else { self.sequence(byte) }
    }

    fn text(&mut self, byte: u8) -> Option<String> {
        match byte {
            0x1b => {
                self.at = At::Escape;
                self.sequence_bytes = 0;
                None
            }
            b'\n' | b'\r' | 0x0b | 0x0c => self.end(),
            0x08 => {
                self.line.pop();
                None
            }
            b'\t' => self.put(b' '),
            byte if byte < 0x20 || byte == 0x7f => None,
            byte => self.put(byte),
        }
    }

    fn sequence(&mut self, byte: u8) -> Option<String> {
        match (self.at, byte) {
            (At::Escape, b'[') => {
                self.parameters.clear();
                self.at = At::Control;
                None
            }
            (At::Escape, b']' | b'P' | b'X' | b'^' | b'_') | (At::WordsEscape, b']') => {
                self.at = At::Words;
                None
            }
            (At::Escape, b'(' | b')' | b'*' | b'+' | b'#' | b'%' | b' ') => {
                self.at = At::Charset;
                None
            }
            // next line, reverse index, back to a saved place
            (At::Escape, b'D' | b'E' | b'M' | b'8' | b'c') => {
                self.at = At::Text;
                self.end()
            }
            (At::Escape | At::Charset, _) => {
                self.at = At::Text;
                None
            }
            (At::Control, 0x40..=0x7e) => {
                self.at = At::Text;
                self.control(byte)
            }
            (At::Control, byte) => {
                self.parameters.push(byte);
                None
            }
            (At::Words, 0x07) | (At::WordsEscape, b'\\') => {
                self.at = At::Text;
                None
            }
            (At::Words, 0x1b) => {
                self.at = At::WordsEscape;
                None
            }
            (At::Words | At::WordsEscape, _) => {
                self.at = At::Words;
                None
            }
            (At::Text, byte) => self.text(byte),
        }
    }

    /// The line that has not ended, if it has any text.
    pub(super) fn unfinished(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.line);
        Some(text.into_owned()).filter(|text| !text.trim().is_empty())
    }

    fn control(&mut self, last: u8) -> Option<String> {
        match last {
            b'C' => {
                let digits = core::str::from_utf8(&self.parameters).unwrap_or_default();
                let steps = digits.parse().unwrap_or(1).clamp(1, MAX_STEP);
                (0..steps).for_each(|_| {
                    self.put(b' ');
                });
                None
            }
            // moves to another row or back
            b'A' | b'B' | b'D' | b'E' | b'F' | b'G' | b'H' | b'J' | b'd' | b'f' => self.end(),
            _ => None,
        }
    }

    fn put(&mut self, byte: u8) -> Option<String> {
        if self.line.len() < MAX_LINE_BYTES {
            self.line.push(byte);
        }
        None
    }

    fn end(&mut self) -> Option<String> {
        let line = self.unfinished();
        self.line.clear();
        line
    }
}
