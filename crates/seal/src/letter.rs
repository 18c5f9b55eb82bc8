//! What is sealed: a body with its place in the order of its sender.

use serde::{Deserialize, Serialize};

/// Bytes before the body: version, kind, stream, number.
const HEADER_BYTES: usize = 1 + 1 + 8 + 8;
const VERSION: u8 = 1;
/// Receipts in one letter.
pub const MAX_RECEIPTS: usize = 1024;

/// One run of numbers of a sender to a recipient. A sender that lost its state begins another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stream(pub [u8; 8]);

/// What a letter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LetterKind {
    /// A message: an envelope, or whatever its sender writes.
    Mail,
    /// How far letters of the other direction came: [`Receipt`]s.
    Receipts,
    /// The sender asks to be a contact; the body is a word about itself.
    Request,
    /// Nothing but the ratchet that carries it: the sender could not read what came by the old one.
    Handshake,
    /// Something of a later version: it counts in the order, and is otherwise skipped.
    Unknown(u8),
}

impl LetterKind {
    const fn tag(self) -> u8 {
        match self {
            Self::Mail => 1,
            Self::Receipts => 2,
            Self::Request => 3,
            Self::Handshake => 4,
            Self::Unknown(tag) => tag,
        }
    }
    const fn of(tag: u8) -> Self {
        match tag {
            1 => Self::Mail,
            2 => Self::Receipts,
            3 => Self::Request,
            4 => Self::Handshake,
            other => Self::Unknown(other),
        }
    }
}

/// A letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// What it is.
    pub kind: LetterKind,
    /// In which run it is numbered.
    pub stream: Stream,
    /// Its number there; the first is 1, each next one is greater by one.
    pub number: u64,
    /// What it says.
    pub body: Vec<u8>,
}

/// Bytes that are no letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LetterError {
    /// They end too early.
    #[error("the letter is cut off")]
    Short,
    /// A later version wrote it.
    #[error("a letter of version {0} is not understood")]
    Version(u8),
}

impl Letter {
    /// The bytes to be sealed.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let Self { kind, stream, number, body } = self;
        let mut bytes = Vec::with_capacity(HEADER_BYTES + body.len());
        bytes.extend([VERSION, kind.tag()]);
        bytes.extend(stream.0);
        bytes.extend(number.to_le_bytes());
        bytes.extend(body);
        bytes
    }

    /// Reads what was opened.
    ///
    /// # Errors
    /// When it is no letter.
    pub fn decode(bytes: &[u8]) -> Result<Self, LetterError> {
        let (&version, rest) = bytes.split_first().ok_or(LetterError::Short)?;
        if version != VERSION {
            return Err(LetterError::Version(version));
        }
        let (&kind, rest) = rest.split_first().ok_or(LetterError::Short)?;
        let (stream, rest) = rest.split_first_chunk().ok_or(LetterError::Short)?;
        let (number, body) = rest.split_first_chunk().ok_or(LetterError::Short)?;
        Ok(Self {
            kind: LetterKind::of(kind),
            stream: Stream(*stream),
            number: u64::from_le_bytes(*number),
            body: body.to_vec(),
        })
    }
}

/// How far a letter of the other direction came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt<Progress> {
    /// Its run.
    pub stream: Stream,
    /// Its number.
    pub number: u64,
    /// How far.
    pub progress: Progress,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_letter_has_these_bytes() {
        let letter = Letter {
            kind: LetterKind::Mail,
            stream: Stream([9; 8]),
            number: 258,
            body: b"hi".into(),
        };
        let golden = [1, 1, 9, 9, 9, 9, 9, 9, 9, 9, 2, 1, 0, 0, 0, 0, 0, 0, b'h', b'i'];
        assert_eq!(letter.encode(), golden);
        assert_eq!(Letter::decode(&golden), Ok(letter));
        assert_eq!(Letter::decode(&golden[..17]), Err(LetterError::Short));
        assert_eq!(Letter::decode(&[2]), Err(LetterError::Version(2)));
    }

    proptest! {
        #[test]
        fn a_letter_is_read_as_it_was_written(
            tag: u8, stream: [u8; 8], number: u64, body: Vec<u8>,
        ) {
            let kind = LetterKind::of(tag);
            let letter = Letter { kind, stream: Stream(stream), number, body };
            prop_assert_eq!(Letter::decode(&letter.encode()), Ok(letter));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            if let Ok(letter) = Letter::decode(&bytes) {
                prop_assert_eq!(letter.encode(), bytes);
            }
        }
    }
}
