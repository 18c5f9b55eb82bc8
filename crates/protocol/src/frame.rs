//! Binary frames of the wire: `channel u32 | kind u8 | fields | bytes`, little endian.
//!
//! | kind | name | fields, then bytes | sent by |
//! |---|---|---|---|
//! | 1 | `OUT` | `out u64, flags u8`, terminal output | relay |
//! | 2 | `SNAP` | `out u64, flags u8`, bytes that draw the screen as it was at `out` | relay |
//! | 3 | `GAP` | `from u64, to u64` | relay |
//! | 4 | `IN` | `epoch u64, n u64`, terminal input | client |
//! | 5 | `INACK` | `n u64, state u8` | relay |
//! | 6 | `CREDIT` | `out u64`: everything before it is rendered | client |
//!
//! The golden bytes of each stand in this file's tests.

use alloc::vec::Vec;

use crate::ids::{Channel, Epoch, InputNumber, Out};

/// Bytes before a frame's payload, at most.
pub const MAX_HEADER_BYTES: usize = 4 + 1 + 16;

/// Flags of an `OUT` or `SNAP` frame. Unknown bits are ignored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags(u8);

impl Flags {
    /// The bytes were produced before the attachment: they must cause no reply, bell or clipboard.
    pub const REPLAY: Self = Self(1);
    /// More frames that belong to this one follow at once.
    pub const MORE: Self = Self(2);
    /// The snapshot may differ from the true screen; only on `SNAP`.
    pub const INEXACT: Self = Self(4);

    /// Both sets of flags.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    /// Whether all of `other` is set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// How far an input has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputState {
    /// The relay has taken it.
    Accepted,
    /// The holder has taken it.
    Delivered,
    /// It, and every earlier input of this client, was written to the program.
    Applied,
    /// It was not written and never will be under this number and epoch.
    Rejected,
    /// The holder died before it could say; the log of the next incarnation does not know it.
    Indeterminate,
}

impl InputState {
    /// The byte on the wire.
    #[must_use]
    pub const fn to_byte(self) -> u8 {
        match self {
            Self::Accepted => 1,
            Self::Delivered => 2,
            Self::Applied => 3,
            Self::Rejected => 4,
            Self::Indeterminate => 5,
        }
    }
    /// The state behind a byte, if it is one.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Accepted,
            2 => Self::Delivered,
            3 => Self::Applied,
            4 => Self::Rejected,
            5 => Self::Indeterminate,
            _ => return None,
        })
    }
}

/// What a frame says; the bytes are borrowed from the buffer it was parsed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body<'a> {
    /// Terminal output from `out` on.
    Out {
        /// Output bytes before the first of `bytes`.
        out: Out,
        /// Whether it is replay, and whether more follows.
        flags: Flags,
        /// Raw output.
        bytes: &'a [u8],
    },
    /// The screen at `out`; a terminal is reset before it takes the first part.
    Snap {
        /// Output bytes that the screen reflects.
        out: Out,
        /// `MORE` on all parts but the last.
        flags: Flags,
        /// What draws the screen on a reset terminal of the session's size.
        bytes: &'a [u8],
    },
    /// Output that this viewer will not get as bytes.
    Gap {
        /// First missing byte.
        from: Out,
        /// First byte after the gap.
        to: Out,
    },
    /// Terminal input.
    In {
        /// Epoch of the lease under which it is sent.
        epoch: Epoch,
        /// Its number; a resend keeps it.
        n: InputNumber,
        /// Raw input.
        bytes: &'a [u8],
    },
    /// How far an input has come.
    InAck {
        /// The input's number.
        n: InputNumber,
        /// Its state.
        state: InputState,
    },
    /// The viewer has rendered everything before `out`.
    Credit {
        /// First byte that is not rendered yet.
        out: Out,
    },
}

/// A binary frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Which attachment it belongs to.
    pub channel: Channel,
    /// What it says.
    pub body: Body<'a>,
}

/// Why bytes are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseFrameError {
    /// The fields of its kind do not fit in.
    #[error("binary frame is too short")]
    TooShort,
    /// A newer peer's kind; the frame can be skipped.
    #[error("unknown binary frame kind {0}")]
    UnknownKind(u8),
    /// An input state that does not exist.
    #[error("unknown input state {0}")]
    UnknownState(u8),
}

impl<'a> Frame<'a> {
    /// Appends the frame's bytes to `buffer`.
    pub fn encode(&self, buffer: &mut Vec<u8>) {
        buffer.extend_from_slice(&self.channel.0.to_le_bytes());
        match self.body {
            Body::Out { out, flags, bytes } => put_output(buffer, 1, out, flags, bytes),
            Body::Snap { out, flags, bytes } => put_output(buffer, 2, out, flags, bytes),
            Body::Gap { from, to } => {
                buffer.push(3);
                buffer.extend_from_slice(&from.0.to_le_bytes());
                buffer.extend_from_slice(&to.0.to_le_bytes());
            }
            Body::In { epoch, n, bytes } => {
                buffer.push(4);
                buffer.extend_from_slice(&epoch.0.to_le_bytes());
                buffer.extend_from_slice(&n.0.to_le_bytes());
                buffer.extend_from_slice(bytes);
            }
            Body::InAck { n, state } => {
                buffer.push(5);
                buffer.extend_from_slice(&n.0.to_le_bytes());
                buffer.push(state.to_byte());
            }
            Body::Credit { out } => {
                buffer.push(6);
                buffer.extend_from_slice(&out.0.to_le_bytes());
            }
        }
    }

    /// The frame's bytes in a buffer of their own.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let mut buffer = Vec::with_capacity(MAX_HEADER_BYTES + self.payload().len());
        self.encode(&mut buffer);
        buffer
    }

    /// Reads a frame.
    ///
    /// # Errors
    /// When the bytes are no frame that this version knows.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseFrameError> {
        let mut rest = bytes;
        let channel = Channel(u32::from_le_bytes(take(&mut rest)?));
        let [kind] = take(&mut rest)?;
        let body = match kind {
            1 | 2 => {
                let out = Out(take_u64(&mut rest)?);
                let [flags] = take(&mut rest)?;
                let flags = Flags(flags);
                if kind == 1 {
                    Body::Out { out, flags, bytes: rest }
                } else {
                    Body::Snap { out, flags, bytes: rest }
                }
            }
            3 => Body::Gap { from: Out(take_u64(&mut rest)?), to: Out(take_u64(&mut rest)?) },
            4 => Body::In {
                epoch: Epoch(take_u64(&mut rest)?),
                n: InputNumber(take_u64(&mut rest)?),
                bytes: rest,
            },
            5 => {
                let n = InputNumber(take_u64(&mut rest)?);
                let [state] = take(&mut rest)?;
                let state =
                    InputState::from_byte(state).ok_or(ParseFrameError::UnknownState(state))?;
                Body::InAck { n, state }
            }
            6 => Body::Credit { out: Out(take_u64(&mut rest)?) },
            unknown => return Err(ParseFrameError::UnknownKind(unknown)),
        };
        Ok(Self { channel, body })
    }

    /// The raw bytes that the frame carries.
    #[must_use]
    pub const fn payload(&self) -> &'a [u8] {
        match self.body {
            Body::Out { bytes, .. } | Body::Snap { bytes, .. } | Body::In { bytes, .. } => bytes,
            Body::Gap { .. } | Body::InAck { .. } | Body::Credit { .. } => &[],
        }
    }
}

fn put_output(buffer: &mut Vec<u8>, kind: u8, out: Out, flags: Flags, bytes: &[u8]) {
    buffer.push(kind);
    buffer.extend_from_slice(&out.0.to_le_bytes());
    buffer.push(flags.0);
    buffer.extend_from_slice(bytes);
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], ParseFrameError> {
    let (head, tail) = rest.split_first_chunk().ok_or(ParseFrameError::TooShort)?;
    *rest = tail;
    Ok(*head)
}

fn take_u64(rest: &mut &[u8]) -> Result<u64, ParseFrameError> {
    take(rest).map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{vec, vec::Vec};
    use proptest::prelude::*;

    fn check(body: Body<'_>, golden: &[u8]) {
        let frame = Frame { channel: Channel(0x0403_0201), body };
        let bytes = frame.to_vec();
        assert_eq!(bytes[..4], [1, 2, 3, 4]);
        assert_eq!(&bytes[4..], golden);
        assert_eq!(Frame::parse(&bytes), Ok(frame));
    }

    #[test]
    fn each_kind_has_its_golden_bytes() {
        let n = InputNumber(7);
        let flags = Flags::REPLAY.with(Flags::MORE);
        check(
            Body::Out { out: Out(258), flags, bytes: b"hi" },
            &[1, 2, 1, 0, 0, 0, 0, 0, 0, 3, b'h', b'i'],
        );
        check(
            Body::Snap { out: Out(1), flags: Flags::INEXACT, bytes: b"s" },
            &[2, 1, 0, 0, 0, 0, 0, 0, 0, 4, b's'],
        );
        check(
            Body::Gap { from: Out(1), to: Out(2) },
            &[3, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0],
        );
        check(
            Body::In { epoch: Epoch(3), n, bytes: b"x" },
            &[4, 3, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, b'x'],
        );
        check(Body::InAck { n, state: InputState::Applied }, &[5, 7, 0, 0, 0, 0, 0, 0, 0, 3]);
        check(Body::Credit { out: Out(9) }, &[6, 9, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn a_short_or_unknown_frame_is_an_error_that_says_so() {
        assert_eq!(Frame::parse(&[1, 0, 0]), Err(ParseFrameError::TooShort));
        assert_eq!(Frame::parse(&[1, 0, 0, 0, 99]), Err(ParseFrameError::UnknownKind(99)));
        assert_eq!(Frame::parse(&[1, 0, 0, 0, 1, 0]), Err(ParseFrameError::TooShort));
        let mut ack = vec![1, 0, 0, 0, 5];
        ack.extend([0; 8]);
        ack.push(77);
        assert_eq!(Frame::parse(&ack), Err(ParseFrameError::UnknownState(77)));
    }

    proptest! {
        #[test]
        fn what_parses_encodes_to_the_same_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(frame) = Frame::parse(&bytes) {
                // bytes after a fixed-size body are a newer peer's fields and are ignored
                let again: Vec<u8> = frame.to_vec();
                prop_assert_eq!(&again[..], &bytes[..again.len()]);
            }
        }
    }
}
