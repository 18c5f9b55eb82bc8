//! Bytes to characters, one byte at a time, with the error rules of xterm.js: whatever is not valid
//! UTF-8 disappears (no replacement character), and so does a byte order mark.

/// An incremental decoder. It holds at most three bytes of one unfinished character.
#[derive(Debug, Clone, Default)]
pub(crate) struct Decoder {
    /// Continuation bytes that are still missing; 0 between characters.
    missing: u8,
    /// Bytes of the whole character.
    length: u8,
    code: u32,
}

/// What one more byte amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decoded {
    /// A character is complete.
    Char(char),
    /// The character needs more bytes.
    Partial,
    /// The byte, and the unfinished character that it ended, are not valid and vanish.
    Invalid,
    /// The unfinished character before this byte vanishes; the byte itself must be pushed again.
    Retry,
}

impl Decoder {
    /// Whether no character is unfinished.
    pub(crate) fn is_idle(&self) -> bool {
        self.missing == 0
    }

    /// Takes one byte.
    pub(crate) fn push(&mut self, byte: u8) -> Decoded {
        if self.missing == 0 {
            return self.push_first(byte);
        }
        if byte & 0xc0 != 0x80 {
            self.missing = 0;
            return Decoded::Retry;
        }
        self.code = self.code << 6 | u32::from(byte & 0x3f);
        self.missing -= 1;
        if self.missing > 0 {
            return Decoded::Partial;
        }
        let shortest = match self.length {
            2 => 0x80,
            3 => 0x800,
            _ => 0x1_0000,
        };
        match char::from_u32(self.code) {
            Some(char) if self.code >= shortest && char != '\u{feff}' => Decoded::Char(char),
            _ => Decoded::Invalid,
        }
    }

    fn push_first(&mut self, byte: u8) -> Decoded {
        let (length, bits) = match byte {
            0x00..=0x7f => return Decoded::Char(char::from(byte)),
            0xc0..=0xdf => (2, byte & 0x1f),
            0xe0..=0xef => (3, byte & 0x0f),
            0xf0..=0xf7 => (4, byte & 0x07),
            0x80..=0xbf | 0xf8..=0xff => return Decoded::Invalid,
        };
        self.length = length;
        self.missing = length - 1;
        self.code = u32::from(bits);
        Decoded::Partial
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> String {
        let mut decoder = Decoder::default();
        let mut text = String::new();
        for &byte in bytes {
            let mut step = decoder.push(byte);
            if step == Decoded::Retry {
                step = decoder.push(byte);
            }
            if let Decoded::Char(char) = step {
                text.push(char);
            }
        }
        text
    }

    #[test]
    fn valid_text_passes_whole() {
        let text = "aé漢🦀\u{301}~";
        assert_eq!(decode(text.as_bytes()), text);
    }

    #[test]
    fn invalid_bytes_vanish_and_the_next_character_survives() {
        assert_eq!(decode(b"a\xff\xc3b\xe6\xbcc\xf0\x9f\xa6d\x80"), "abcd");
    }

    #[test]
    fn overlong_forms_surrogates_and_byte_order_marks_vanish() {
        assert_eq!(
            decode(b"a\xc1\x81b\xe0\x80\xafc\xed\xa0\x80d\xef\xbb\xbfe\xf7\xbf\xbf\xbff"),
            "abcdef"
        );
    }
}
