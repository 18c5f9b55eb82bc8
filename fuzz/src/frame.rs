//! Binary frames: what parses encodes to the same bytes again.

use quarterdeck_protocol::{
    frame::{Body, Flags, Frame, InputState},
    ids::{Channel, Epoch, InputNumber, Out},
};

/// Parses, and compares what is encoded again.
///
/// # Panics
/// When the property is broken.
pub fn check(data: &[u8]) {
    if let Ok(frame) = Frame::parse(data) {
        let again = frame.to_vec();
        assert_eq!(again, data[..again.len()], "{frame:?}");
        assert_eq!(Frame::parse(&again), Ok(frame));
    }
}

/// One frame of each kind.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let n = InputNumber(3);
    let bodies = [
        Body::Out { out: Out(1), flags: Flags::REPLAY, bytes: b"output" },
        Body::Snap { out: Out(1 << 40), flags: Flags::MORE, bytes: b"\x1b[H" },
        Body::Gap { from: Out(1), to: Out(2) },
        Body::In { epoch: Epoch(2), n, bytes: b"ls\r" },
        Body::InAck { n, state: InputState::Applied },
        Body::Credit { out: Out(9) },
    ];
    bodies.into_iter().map(|body| Frame { channel: Channel(1), body }.to_vec()).collect()
}

/// Numbers at the end of their range.
#[must_use]
pub fn words() -> Vec<Vec<u8>> {
    [u64::MAX, u64::MAX >> 1, 1 << 32].map(|number| number.to_le_bytes().to_vec()).to_vec()
}
