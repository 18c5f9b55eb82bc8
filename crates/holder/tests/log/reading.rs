use std::fs;

use quarterdeck_holder::log::{Class, Entry, LogOptions, Next, ReadError, Sought};
use quarterdeck_protocol::{
    ids::{Out, Seq},
    record::RecordKind,
};

use crate::support::{ReadOut, SMALL, Session, append, append_many, at, pattern};

#[test]
fn a_reader_goes_on_where_it_waited() {
    let session = Session::new();
    let mut writer = session.create(SMALL);
    let mut reader = session.reader();
    ReadOut::of(&mut reader);
    for index in 0..50 {
        let payload = pattern(index, 100);
        append(&mut writer, &payload);
        let seen = ReadOut::of(&mut reader);
        assert_eq!((seen.output(), reader.position()), (payload, writer.head()));
        assert_eq!(reader.next().expect("readable"), Next::AwaitMore);
    }
}

#[test]
fn records_of_all_sizes_come_through_whole() {
    let session = Session::new();
    let mut writer = session.create(LogOptions::default());
    let sizes = [0, 1, 16 * 1024 - 36, 16 * 1024, 64 * 1024, 300_000, 5_000_000, 7];
    let payloads: Vec<Vec<u8>> = sizes.iter().map(|size| pattern(*size, *size)).collect();
    for payload in &payloads {
        append(&mut writer, payload);
    }
    let all = ReadOut::of(&mut session.reader());
    let read: Vec<&[u8]> = all.without_checkpoints().iter().map(|r| &r.payload[..]).collect();
    assert_eq!(read, payloads);
}

#[test]
fn seeking_a_record_finds_exactly_it() {
    let session = Session::new();
    let mut writer = session.create(SMALL);
    append_many(&mut writer, 40, 200);
    let all = ReadOut::of(&mut session.reader()).records;
    let mut reader = session.reader();
    for record in all.iter().rev() {
        let sought = reader.seek_seq(record.header.at.seq).expect("readable");
        assert_eq!(sought, Sought::Here(record.header.at));
        assert_eq!(reader.position(), record.header.at);
        assert_eq!(reader.next().expect("readable"), Next::Record(record.clone()));
    }
    let head = writer.head();
    assert_eq!(reader.seek_seq(head.seq).expect("readable"), Sought::Here(head));
    let beyond = reader.seek_seq(Seq(head.seq.0 + 1)).expect("readable");
    assert_eq!(beyond, Sought::Beyond { head });
    append(&mut writer, b"new");
    assert_eq!(ReadOut::of(&mut reader).output(), b"new");
}

#[test]
fn seeking_an_output_byte_finds_everything_from_it_on() {
    let session = Session::new();
    let mut writer = session.create(SMALL);
    append_many(&mut writer, 40, 200);
    let everything = ReadOut::of(&mut session.reader()).output();
    let mut reader = session.reader();
    for wanted in (0..=everything.len()).rev().step_by(37).chain([0, 200, 400, 7800]) {
        let sought = reader.seek_out(Out(wanted as u64)).expect("readable");
        let Sought::Here(found) = sought else { panic!("{sought:?}") };
        let from = usize::try_from(found.out.0).expect("small");
        assert!(from <= wanted && wanted < from + 200, "{from} for {wanted}");
        assert_eq!(ReadOut::of(&mut reader).output(), everything[from..]);
    }
    let head = writer.head();
    let beyond = reader.seek_out(Out(head.out.0 + 1)).expect("readable");
    assert_eq!(beyond, Sought::Beyond { head });
}

#[test]
fn records_without_output_are_found_by_the_output_before_them() {
    let session = Session::new();
    let mut writer = session.create(LogOptions::default());
    append(&mut writer, b"abc");
    let empty = [append(&mut writer, b""), append(&mut writer, b"")];
    append(&mut writer, b"def");
    let mut reader = session.reader();
    assert_eq!(reader.seek_out(Out(3)).expect("readable"), Sought::Here(empty[0]));
    assert_eq!(reader.seek_out(Out(2)).expect("readable"), Sought::Here(at(1, 0)));
    assert_eq!(reader.seek_out(Out(4)).expect("readable"), Sought::Here(at(4, 3)));
}

#[test]
fn records_without_output_are_found_in_earlier_segments_too() {
    let session = Session::new();
    let mut writer = session.create(SMALL);
    append(&mut writer, b"abc");
    let first = append(&mut writer, b"");
    let line = Entry { kind: RecordKind::VendorOut, payload: &[b'x'; 300], class: Class::Bulk };
    for _ in 0..20 {
        writer.append(line, 5).map(drop).expect("written");
    }
    assert!(session.segments().len() > 3);
    let mut reader = session.reader();
    assert_eq!(reader.seek_out(Out(3)).expect("readable"), Sought::Here(first));
    assert_eq!(reader.seek_out(Out(0)).expect("readable"), Sought::Here(at(0, 0)));
}

#[test]
fn the_tail_holds_at_least_what_was_asked_for() {
    let session = Session::new();
    append_many(&mut session.create(SMALL), 40, 200);
    let mut reader = session.reader();
    for (wanted, expected) in [(0, 0), (1, 200), (200, 200), (201, 400), (99_999, 8000)] {
        reader.seek_tail(wanted).expect("readable");
        assert_eq!(ReadOut::of(&mut reader).output().len(), expected, "{wanted}");
    }
}

#[test]
fn a_reader_from_the_head_sees_only_what_is_new() {
    let session = Session::new();
    let mut writer = session.create(SMALL);
    append_many(&mut writer, 40, 200);
    let mut reader = session.reader();
    assert_eq!(reader.seek_head().expect("readable"), writer.head());
    append(&mut writer, b"new");
    assert_eq!(ReadOut::of(&mut reader).output(), b"new");
}

/// Read calls of this thread so far.
fn read_calls() -> u64 {
    let io = fs::read_to_string("/proc/thread-self/io").expect("the kernel counts reads");
    let calls = io.lines().find_map(|line| line.strip_prefix("syscr: ")).expect("a count");
    calls.parse().expect("a number")
}

#[test]
fn a_reader_at_the_head_costs_one_read_per_wake_up() {
    const WAKE_UPS: u64 = 100;
    let session = Session::new();
    let mut writer = session.create(LogOptions::default());
    let mut reader = session.reader();
    ReadOut::of(&mut reader);
    let counting = read_calls();
    let counting = read_calls() - counting;

    let before = read_calls();
    for wake_up in 0..WAKE_UPS {
        let records = wake_up % 5 + 1;
        append_many(&mut writer, usize::try_from(records).expect("small"), 100);
        for _ in 0..records {
            assert!(matches!(reader.next().expect("readable"), Next::Record(_)));
        }
        assert_eq!(reader.position(), writer.head());
    }
    assert_eq!(read_calls() - before - counting, WAKE_UPS);
}

#[test]
fn a_log_that_lost_what_was_read_says_so() {
    let session = Session::new();
    let mut writer = session.create(SMALL);
    append_many(&mut writer, 40, 200);
    let mut reader = session.reader();
    ReadOut::of(&mut reader);
    drop(writer);
    fs::remove_file(session.last_segment()).expect("removed");
    fs::remove_file(session.last_segment()).expect("removed");
    let mut writer = session.open(SMALL).writer;
    append_many(&mut writer, 20, 100);
    append_many(&mut writer, 20, 200);
    let read = reader.next();
    assert!(matches!(read, Err(ReadError::Rewound { .. })), "{read:?}");
}
