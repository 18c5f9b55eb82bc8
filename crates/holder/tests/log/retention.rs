use quarterdeck_holder::log::{LogReader, Missing, Sought, log_usage};
use quarterdeck_protocol::{
    ids::{Out, Seq},
    record::{GapCause, RecordKind},
};

use crate::support::{ReadOut, SMALL, Session, append, append_many, at};

#[test]
fn the_oldest_segments_go_first_and_the_last_one_never() {
    let session = Session::new();
    let mut writer = session.create(SMALL);
    append_many(&mut writer, 60, 200);
    let (before, segments) = (writer.log_bytes(), session.segments());

    let trimmed = writer.trim(before, None).expect("trimmed");
    assert_eq!((trimmed.segments, trimmed.bytes), (0, 0));
    let keep_bytes = before / 2;
    let trimmed = writer.trim(keep_bytes, None).expect("trimmed");
    assert_eq!(writer.log_bytes(), before - trimmed.bytes);
    assert!(writer.log_bytes() <= keep_bytes);
    assert!(writer.log_bytes() + SMALL.segment_bytes > keep_bytes, "no more than needed");
    assert_eq!(session.segments(), segments[trimmed.segments as usize..]);

    writer.trim(0, None).expect("trimmed");
    assert_eq!(session.segments(), segments[segments.len() - 1..]);
    append(&mut writer, b"goes on");
    let all = ReadOut::of(&mut session.reader());
    assert_eq!(all.records.first().map(|record| record.header.at), Some(writer.base()));
}

#[test]
fn a_segment_with_an_open_prompt_stays() {
    let session = Session::new();
    let mut writer = session.create(SMALL);
    let positions = append_many(&mut writer, 60, 200);
    let pinned = positions[20];
    writer.trim(0, Some(pinned.seq)).expect("trimmed");
    assert!(writer.base() <= pinned);
    assert!(writer.base() > positions[10], "what is older may go");
    let mut reader = session.reader();
    assert_eq!(reader.seek_seq(pinned.seq).expect("readable"), Sought::Here(pinned));
    let kept = session.segments();
    writer.trim(0, Some(Seq(0))).expect("trimmed");
    assert_eq!(session.segments(), kept);

    let all = ReadOut::of(&mut session.reader()).records;
    let mut firsts = all.iter().filter(|record| record.header.kind == RecordKind::Checkpoint);
    let second = firsts.nth(1).expect("several segments").header.at;
    writer.trim(0, Some(second.seq)).expect("trimmed");
    assert_eq!(writer.base(), second, "the first record of a segment needs no earlier one");
    writer.trim(0, Some(writer.head().seq)).expect("trimmed");
    assert_eq!(session.segments().len(), 1);
}

#[test]
fn a_reader_that_fell_behind_learns_how_much_it_missed() {
    let session = Session::new();
    let mut writer = session.create(SMALL);
    append_many(&mut writer, 5, 200);
    let mut reader = session.reader();
    let seen = ReadOut::of(&mut reader);
    let stopped_at = reader.position();
    append_many(&mut writer, 60, 200);
    writer.trim(0, None).expect("trimmed");

    let rest = ReadOut::of(&mut reader);
    // the segment it has open is gone from the directory, but still readable to its end
    let still_read: Vec<_> =
        rest.records.iter().filter(|record| record.header.at < rest.gaps[0].from).collect();
    let from = still_read.last().map_or(stopped_at, |record| record.next());
    assert_eq!(rest.gaps, [Missing { from, to: writer.base(), why: GapCause::Retention }]);
    let total = seen.output().len() + rest.output().len();
    assert_eq!(total as u64 + rest.gaps[0].out_bytes(), writer.head().out.0);
}

#[test]
fn what_was_dropped_is_not_sought_in_vain() {
    let session = Session::new();
    let mut writer = session.create(SMALL);
    append_many(&mut writer, 60, 200);
    writer.trim(0, None).expect("trimmed");
    let base = writer.base();
    assert!(base > at(0, 0));
    let mut reader = session.reader();
    assert_eq!(reader.position(), base);
    assert_eq!(reader.seek_seq(Seq(1)).expect("readable"), Sought::Dropped { base });
    assert_eq!(reader.seek_out(Out(1)).expect("readable"), Sought::Dropped { base });
    assert_eq!(reader.seek_out(base.out).expect("readable"), Sought::Here(base));
    assert_eq!(LogReader::open(session.path()).expect("a log").position(), base);
}

#[test]
fn what_a_log_takes_tells_what_a_trim_can_free() {
    let session = Session::new();
    let mut writer = session.create(SMALL);
    let positions = append_many(&mut writer, 60, 200);
    for pinned in [Some(positions[30].seq), Some(Seq(0)), None] {
        let usage = log_usage(session.path(), pinned).expect("readable");
        assert_eq!(usage.bytes, writer.log_bytes());
        assert!(usage.modified_micros > 0);
        writer.trim(usage.floor_bytes, pinned).expect("trimmed");
        assert_eq!(writer.log_bytes(), usage.floor_bytes);
    }
}
