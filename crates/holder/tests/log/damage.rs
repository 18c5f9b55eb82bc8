use std::{fs, path::Path};

use quarterdeck_holder::log::{Missing, Next, ReadError, Sought, scan_state};
use quarterdeck_protocol::{
    ids::Out,
    record::{GapCause, Position},
};

use crate::support::{ReadOut, SMALL, Session, append_many, pattern};

const RECORDS: usize = 40;
const RECORD_BYTES: usize = 200;

/// A log of several segments.
fn written() -> (Session, Vec<Position>) {
    let session = Session::new();
    let positions = append_many(&mut session.create(SMALL), RECORDS, RECORD_BYTES);
    (session, positions)
}

fn flip(path: &Path, offset: usize, mask: u8) {
    let mut bytes = fs::read(path).expect("there");
    bytes[offset] ^= mask;
    fs::write(path, bytes).expect("written");
}

/// Where in a segment the record with this payload begins.
fn offset_of(path: &Path, payload: &[u8]) -> usize {
    let bytes = fs::read(path).expect("there");
    let found = bytes.windows(payload.len()).position(|window| window == payload);
    found.expect("in this segment") - 36
}

/// The output of all records but one.
fn all_but(lost: usize) -> Vec<u8> {
    (0..RECORDS).filter(|i| *i != lost).flat_map(|i| pattern(i, RECORD_BYTES)).collect()
}

#[test]
fn a_flipped_bit_anywhere_in_a_record_costs_that_record_and_nothing_else() {
    const LOST: usize = 9;
    let (session, positions) = written();
    let path = session.segments().remove(1);
    let begin = offset_of(&path, &pattern(LOST, RECORD_BYTES));
    let expected =
        Missing { from: positions[LOST], to: positions[LOST + 1], why: GapCause::Damage };
    for offset in 0..36 + RECORD_BYTES {
        flip(&path, begin + offset, 0x10);
        let all = ReadOut::of(&mut session.reader());
        assert_eq!(all.gaps, [expected], "byte {offset}");
        assert_eq!(all.output(), all_but(LOST), "byte {offset}");
        flip(&path, begin + offset, 0x10);
    }
    assert_eq!((expected.records(), expected.out_bytes()), (1, RECORD_BYTES as u64));
}

#[test]
fn what_is_sought_inside_damage_is_the_rest_of_the_gap() {
    const LOST: usize = 9;
    let (session, positions) = written();
    let path = session.segments().remove(1);
    flip(&path, offset_of(&path, &pattern(LOST, RECORD_BYTES)) + 50, 0x10);
    let (from, to) = (positions[LOST], positions[LOST + 1]);
    let missing = |from| Next::Gap(Missing { from, to, why: GapCause::Damage });
    let mut reader = session.reader();

    assert_eq!(reader.seek_seq(from.seq).expect("readable"), Sought::Here(from));
    assert_eq!(reader.next().expect("readable"), missing(from));
    let inside = Position { out: Out(from.out.0 + 50), ..from };
    assert_eq!(reader.seek_out(inside.out).expect("readable"), Sought::Here(inside));
    assert_eq!(reader.next().expect("readable"), missing(inside));
    assert_eq!(reader.seek_seq(to.seq).expect("readable"), Sought::Here(to));
    assert_eq!(reader.seek_out(to.out).expect("readable"), Sought::Here(to));
}

#[test]
fn damage_that_reaches_to_the_end_of_a_segment_ends_with_it() {
    let (session, _) = written();
    let segments = session.segments();
    let bytes = fs::read(&segments[1]).expect("there");
    fs::write(&segments[1], &bytes[..bytes.len() - 300]).expect("cut");
    let all = ReadOut::of(&mut session.reader());
    assert_eq!(all.gaps.len(), 1);
    assert_eq!((all.gaps[0].records(), all.gaps[0].out_bytes()), (2, 2 * RECORD_BYTES as u64));
    assert_eq!(all.output().len(), (RECORDS - 2) * RECORD_BYTES);
}

#[test]
fn a_segment_overwritten_with_noise_is_one_gap() {
    let (session, positions) = written();
    let segments = session.segments();
    let size = fs::metadata(&segments[1]).expect("there").len();
    let noise = pattern(3, usize::try_from(size).expect("small"));
    fs::write(&segments[1], noise).expect("written");
    let all = ReadOut::of(&mut session.reader());
    assert_eq!(all.gaps.len(), 1);
    let lost = positions.iter().filter(|at| (all.gaps[0].from..all.gaps[0].to).contains(at));
    let lost_bytes = lost.count() * RECORD_BYTES;
    assert_eq!(all.gaps[0].out_bytes(), lost_bytes as u64);
    assert_eq!(all.output().len() + lost_bytes, RECORDS * RECORD_BYTES);
}

#[test]
fn a_segment_that_vanished_in_the_middle_is_a_gap() {
    let (session, _) = written();
    fs::remove_file(&session.segments()[1]).expect("removed");
    let all = ReadOut::of(&mut session.reader());
    assert_eq!(all.gaps.len(), 1);
    assert_eq!(all.gaps[0].why, GapCause::Damage);
}

#[test]
fn a_flipped_bit_in_a_segment_header_costs_nothing() {
    let (session, _) = written();
    for segment in session.segments() {
        for offset in 0..32 {
            flip(&segment, offset, 0x01);
            let all = ReadOut::of(&mut session.reader());
            assert_eq!((all.gaps.len(), all.output().len()), (0, RECORDS * RECORD_BYTES));
            let recovered = scan_state(session.path()).expect("readable");
            assert_eq!(recovered.damage, []);
            flip(&segment, offset, 0x01);
        }
    }
}

#[test]
fn a_flipped_bit_in_the_last_segment_is_damage_when_a_whole_record_follows() {
    let (session, positions) = written();
    let path = session.last_segment();
    let lost = RECORDS - 2;
    flip(&path, offset_of(&path, &pattern(lost, RECORD_BYTES)) + 50, 0x80);
    let expected =
        Missing { from: positions[lost], to: positions[lost + 1], why: GapCause::Damage };

    assert_eq!(scan_state(session.path()).expect("readable").damage, [expected]);
    let opened = session.open(SMALL);
    assert_eq!((opened.damage, opened.cut), (vec![expected], None));
    let all = ReadOut::of(&mut session.reader());
    assert_eq!(all.gaps, [expected]);
    assert_eq!(all.output(), all_but(lost));
}

#[test]
fn a_flipped_bit_in_the_last_record_is_a_torn_tail() {
    let (session, positions) = written();
    let path = session.last_segment();
    flip(&path, offset_of(&path, &pattern(RECORDS - 1, RECORD_BYTES)) + 50, 0x80);
    let opened = session.open(SMALL);
    assert_eq!(opened.writer.head(), positions[RECORDS - 1]);
    assert_eq!(opened.cut.map(|cut| cut.bytes), Some(36 + RECORD_BYTES as u64));
}

#[test]
fn a_damaged_last_checkpoint_is_made_up_for_by_an_earlier_one() {
    let (session, _) = written();
    let before = scan_state(session.path()).expect("readable");
    let segments = session.segments();
    for damaged in 1..segments.len() {
        // this checkpoint and all after it
        for segment in &segments[damaged..] {
            flip(segment, 32 + 40, 0x04);
        }
        let recovered = scan_state(session.path()).expect("readable");
        assert_eq!(recovered.state, before.state);
        assert_eq!(recovered.damage.len(), segments.len() - damaged);
        for segment in &segments[damaged..] {
            flip(segment, 32 + 40, 0x04);
        }
    }
    for segment in &segments {
        flip(segment, 32 + 40, 0x04);
    }
    let scanned = scan_state(session.path());
    assert!(matches!(scanned, Err(ReadError::NoCheckpoint(_))), "{scanned:?}");
    let all = ReadOut::of(&mut session.reader());
    assert_eq!(all.output().len(), RECORDS * RECORD_BYTES);
}
