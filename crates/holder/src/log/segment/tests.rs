use proptest::prelude::*;
use quarterdeck_protocol::{
    ids::{Incarnation, Out, SessionId},
    record::{Checkpoint, Fact, Lease, RecordKind, SessionKind, TerminalSize},
};

use super::*;

const LOG_ID: LogId = LogId::from_bytes([1, 2, 3, 4, 5, 6, 7, 8]);

fn checkpoint() -> Fact {
    Fact::Checkpoint(Box::new(Checkpoint {
        log_id: LOG_ID,
        session: SessionId::from_bytes([0; 10]),
        kind: SessionKind::Terminal,
        incarnation: Incarnation(1),
        first_start_micros: None,
        lease: Lease::default(),
        size: TerminalSize::default(),
        inputs: Vec::new(),
        termios: None,
        ended: None,
        extra: None,
    }))
}

/// A segment of a checkpoint and these outputs, and where each record begins.
fn segment(outputs: &[Vec<u8>]) -> (Vec<u8>, Vec<usize>, Position) {
    let mut at = Position { seq: Seq(10), out: Out(100) };
    let mut bytes = SegmentHeader { log_id: LOG_ID, first_seq: at.seq }.encode().to_vec();
    let mut begins = Vec::new();
    let (kind, payload) = checkpoint().encode();
    let outputs = outputs.iter().map(|output| (RecordKind::Output, output.clone()));
    for (kind, payload) in [(kind, payload.to_vec())].into_iter().chain(outputs) {
        begins.push(bytes.len());
        let header = RecordHeader { kind, flags: 0, time_micros: 7, at };
        bytes.extend_from_slice(&header.encode(&payload).expect("small"));
        bytes.extend_from_slice(&payload);
        at = header.next(&payload);
    }
    (bytes, begins, at)
}

const FIRST: Position = Position { seq: Seq(10), out: Out(100) };

#[test]
fn a_segment_header_has_its_golden_bytes() {
    let header = SegmentHeader { log_id: LOG_ID, first_seq: Seq(0x1716_1514_1312_1110) };
    let expected = [
        b'Q', b'D', b'L', b'O', b'G', 0, 1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0x10, 0x11, 0x12, 0x13,
        0x14, 0x15, 0x16, 0x17, 0, 0, 0, 0, 0x6e, 0x27, 0xbe, 0xa6,
    ];
    assert_eq!(header.encode(), expected);
    assert_eq!(SegmentHead::decode(&expected), SegmentHead::Good(header));
}

#[test]
fn a_segment_header_is_damaged_by_every_bit_and_every_cut() {
    let bytes = SegmentHeader { log_id: LOG_ID, first_seq: Seq(1) }.encode();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes;
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(SegmentHead::decode(&flipped), SegmentHead::Damaged, "{bit}");
    }
    for cut in 0..bytes.len() {
        assert_eq!(SegmentHead::decode(&bytes[..cut]), SegmentHead::Damaged, "{cut}");
    }
}

#[test]
fn a_record_of_another_log_in_the_output_is_not_found_by_a_search() {
    // the first output shows a whole other segment; its record's length is damaged, so that the
    // search has to go through it
    let (shown, _, _) = segment(&[b"x".to_vec(), b"y".to_vec()]);
    let (mut bytes, begins, end) = segment(&[shown, b"next".to_vec()]);
    bytes[begins[1] + 1] ^= 0x40;
    let scan = recover_segment(&bytes, FIRST, Place::Closed { next: end }, None);
    let to = Position { seq: Seq(12), out: Out(end.out.0 - 4) };
    let from = Position { seq: Seq(11), out: Out(100) };
    assert_eq!(scan.damage, [Missing { from, to, why: GapCause::Damage }]);
    assert_eq!((scan.records, scan.next), (2, end));
}

proptest! {
    #[test]
    fn recovery_keeps_every_record_that_is_whole(
        sizes in proptest::collection::vec(0..60_usize, 1..12),
        cut_permille in 0..=1000_usize,
    ) {
        let outputs: Vec<Vec<u8>> = sizes.iter().map(|size| vec![b'x'; *size]).collect();
        let (bytes, mut begins, end) = segment(&outputs);
        let whole = recover_segment(&bytes, FIRST, Place::Last, None);
        prop_assert_eq!((whole.next, whole.end, whole.damage), (end, bytes.len(), vec![]));
        begins.push(bytes.len());

        let cut = bytes.len() * cut_permille / 1000;
        let scan = recover_segment(&bytes[..cut], FIRST, Place::Last, None);
        let records = begins[1..].iter().filter(|end| **end <= cut).count();
        let good_end = if records == 0 { cut.min(SEGMENT_HEADER_BYTES) } else { begins[records] };
        prop_assert_eq!((scan.records, scan.end), (records as u64, good_end));
        prop_assert_eq!(scan.state.is_some(), records > 0);
    }

    #[test]
    fn whatever_is_damaged_everything_is_read_or_reported_once(
        sizes in proptest::collection::vec(0..60_usize, 1..12),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let outputs: Vec<Vec<u8>> = sizes.iter().map(|size| vec![b'x'; *size]).collect();
        let (mut bytes, _, end) = segment(&outputs);
        for (index, mask) in flips {
            let index = index.index(bytes.len() - SEGMENT_HEADER_BYTES);
            bytes[SEGMENT_HEADER_BYTES + index] ^= mask;
        }
        let scan = recover_segment(&bytes, FIRST, Place::Closed { next: end }, None);
        let missing: u64 = scan.damage.iter().map(Missing::records).sum();
        prop_assert_eq!(scan.records + missing, 1 + sizes.len() as u64);
        prop_assert_eq!(scan.next, end);
        let mut reached = FIRST;
        for missing in &scan.damage {
            prop_assert!(missing.from >= reached && missing.to > missing.from);
            reached = missing.to;
        }
    }

    #[test]
    fn no_bytes_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
        seq: u64,
        out: u64,
        next_seq: u64,
    ) {
        let first = Position { seq: Seq(seq), out: Out(out) };
        let next = Position { seq: Seq(next_seq), out: Out(u64::MAX) };
        for place in [Place::Last, Place::Closed { next }] {
            let scan = recover_segment(&bytes, first, place, None);
            prop_assert!(scan.end <= bytes.len());
            let _ = find_record(&bytes, first, place);
        }
    }
}
