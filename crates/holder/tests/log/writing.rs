use std::{fs, os::unix::fs::PermissionsExt as _, thread};

use quarterdeck_holder::log::{
    Batch, Class, Entry, LogLock, LogOptions, LogWriter, OpenError, WriteError, is_held, scan_state,
};
use quarterdeck_protocol::{
    ids::{ClientId, Epoch, Incarnation, InputNumber, Out},
    limits::MAX_RECORD_PAYLOAD_BYTES,
    record::{
        Exit, ExitStatus, Fact, GapCause, Lease, LeaseCause, LeaseRecord, LeaseState, Owner,
        RawJson, RecordKind, Resize, TerminalSize,
    },
};

use crate::support::{ReadOut, SMALL, Session, append, append_many, at, new_log, output, pattern};

#[test]
fn a_new_log_begins_with_a_checkpoint() {
    let session = Session::new();
    let writer = session.create(LogOptions::default());
    assert_eq!((writer.base(), writer.head()), (at(0, 0), at(1, 0)));
    let mut reader = session.reader();
    assert_eq!(reader.log_id(), Some(new_log().log_id));
    let all = ReadOut::of(&mut reader);
    assert_eq!(all.records.len(), 1);
    let Ok(Fact::Checkpoint(facts)) = Fact::decode(&all.records[0]) else { panic!("{all:?}") };
    assert_eq!((facts.log_id, facts.incarnation), (new_log().log_id, Incarnation(0)));
    assert_eq!(&*facts, writer.state().facts());
}

#[test]
fn only_its_owner_can_look_into_a_log() {
    let session = Session::new();
    let _writer = session.create(LogOptions::default());
    let mode =
        |path: &std::path::Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&session.path().join("log")), 0o700);
    let files =
        [session.last_segment(), session.path().join("lock"), session.path().join("reserve")];
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[test]
fn a_log_is_not_made_twice() {
    let session = Session::new();
    drop(session.create(SMALL));
    let again = LogWriter::create(session.lock(), &new_log(), SMALL, 1);
    assert!(matches!(again, Err(OpenError::Exists(_))), "{again:?}");
}

#[test]
fn a_log_has_one_writer() {
    let session = Session::new();
    assert!(!is_held(session.path()).expect("probed"));
    let writer = session.create(SMALL);
    assert!(is_held(session.path()).expect("probed"));
    assert!(LogLock::try_acquire(session.path()).expect("probed").is_none());
    drop(writer);
    assert!(!is_held(session.path()).expect("probed"));
    assert!(LogLock::try_acquire(session.path()).expect("probed").is_some());
}

#[test]
fn a_probe_is_never_in_a_writers_way() {
    let session = Session::new();
    drop(session.lock());
    let probes = || {
        for _ in 0..2000 {
            is_held(session.path()).expect("probed");
        }
    };
    thread::scope(|scope| {
        scope.spawn(probes);
        scope.spawn(probes);
        for _ in 0..2000 {
            drop(session.lock());
        }
    });
}

#[test]
fn positions_count_records_and_output() {
    let session = Session::new();
    let mut writer = session.create(LogOptions::default());
    assert_eq!(append(&mut writer, b"abc"), at(1, 0));
    assert_eq!(append(&mut writer, b""), at(2, 3));
    let note = Entry { kind: RecordKind::VendorOut, payload: b"{}\n", class: Class::Bulk };
    writer.append(note, 5).map(drop).expect("written");
    assert_eq!(append(&mut writer, b"de"), at(4, 3));
    writer.append_gap(Out(100), GapCause::DiskFull, 5).map(drop).expect("written");
    assert_eq!(append(&mut writer, b"f"), at(6, 100));
    assert_eq!(writer.head(), at(7, 101));
    assert_eq!(ReadOut::of(&mut session.reader()).output(), b"abcdef");
}

#[test]
fn a_full_segment_is_followed_by_one_with_a_checkpoint() {
    let session = Session::new();
    let mut writer = session.create(SMALL);
    let positions = append_many(&mut writer, 40, 200);
    let segments = session.segments();
    assert!(segments.len() > 3, "{segments:?}");
    for segment in &segments {
        assert!(fs::metadata(segment).expect("there").len() <= SMALL.segment_bytes);
    }
    let all = ReadOut::of(&mut session.reader());
    assert_eq!(all.gaps, []);
    let checkpoints = all.records.len() - all.without_checkpoints().len();
    assert_eq!(checkpoints, segments.len());
    let read: Vec<_> = all.without_checkpoints().iter().map(|record| record.header.at).collect();
    assert_eq!(read, positions);
}

#[test]
fn a_record_larger_than_a_segment_has_one_to_itself() {
    let session = Session::new();
    let mut writer = session.create(SMALL);
    let large = pattern(1, 10 * 2048);
    append(&mut writer, b"before");
    append(&mut writer, &large);
    append(&mut writer, b"after");
    assert_eq!(session.segments().len(), 3);
    let expected = [b"before".as_slice(), &large, b"after"].concat();
    assert_eq!(ReadOut::of(&mut session.reader()).output(), expected);
}

#[test]
fn a_record_above_the_limit_is_refused_and_leaves_no_trace() {
    let session = Session::new();
    let mut writer = session.create(SMALL);
    let head = writer.head();
    let refused = writer.append(output(&vec![0; MAX_RECORD_PAYLOAD_BYTES + 1]), 5);
    assert!(matches!(refused, Err(WriteError::TooLarge(_))), "{refused:?}");
    assert_eq!(append(&mut writer, b"x"), head);
}

#[test]
fn a_batch_is_in_order_whatever_its_size() {
    let session = Session::new();
    let mut writer = session.create(SMALL);
    let payloads: Vec<Vec<u8>> = (0..700).map(|index| pattern(index, index % 90)).collect();
    let entries: Vec<Entry<'_>> = payloads.iter().map(|payload| output(payload)).collect();
    assert_eq!(writer.append_batch(&entries, 5).expect("written"), Batch::Done);
    assert_eq!(writer.append_batch(&[], 5).expect("nothing to do"), Batch::Done);
    assert_eq!(ReadOut::of(&mut session.reader()).output(), payloads.concat());
    for segment in session.segments() {
        assert!(fs::metadata(segment).expect("there").len() <= 2 * SMALL.segment_bytes);
    }
}

#[test]
fn a_clock_that_jumps_back_is_only_data() {
    let session = Session::new();
    let mut writer = session.create(SMALL);
    let times = [1_000_000, 5, u64::MAX, 0, 7];
    for time in times {
        writer.append(output(b"tick"), time).map(drop).expect("written");
    }
    drop(writer);
    let mut writer = session.open(SMALL).writer;
    append(&mut writer, b"after");
    let all = ReadOut::of(&mut session.reader());
    let read: Vec<u64> =
        all.without_checkpoints().iter().map(|record| record.header.time_micros).collect();
    assert_eq!(read, [1_000_000, 5, u64::MAX, 0, 7, 5]);
}

fn lease() -> Fact {
    let owner = Owner {
        client: ClientId::from_bytes([1; 16]),
        principal: "r_0/ada".parse().expect("a principal"),
        name: "laptop".to_owned(),
    };
    Fact::Lease(Box::new(LeaseRecord {
        epoch: Epoch(4),
        state: LeaseState::Held { owner },
        why: LeaseCause::Attach,
        by: None,
    }))
}

#[test]
fn a_checkpoint_carries_on_what_dropped_segments_said() {
    let session = Session::new();
    let mut writer = session.create(SMALL);
    let size = TerminalSize { cols: 120, rows: 50, xpixel: 0, ypixel: 0 };
    let client = ClientId::from_bytes([7; 16]);
    for fact in [lease(), Fact::Resize(Resize { size, by: None })] {
        writer.append_fact(&fact, Class::Vital, 5).map(drop).expect("written");
    }
    writer.remember_input(client, InputNumber(12));
    writer.set_extra(Some(RawJson::parse("[1]".to_owned()).expect("JSON")));
    append_many(&mut writer, 40, 200);
    let exit = Exit { status: ExitStatus::Code { code: 3 }, left: Vec::new() };
    writer.append_fact(&Fact::Exit(exit), Class::Vital, 9).map(drop).expect("written");
    append_many(&mut writer, 40, 200);
    writer.trim(0, None).expect("trimmed");
    assert_eq!(session.segments().len(), 1);

    let recovered = scan_state(session.path()).expect("readable");
    assert_eq!(&recovered.state, writer.state());
    assert_eq!(recovered.base, writer.base());
    let facts = recovered.state.facts();
    let Fact::Lease(expected) = lease() else { panic!("a lease") };
    assert_eq!(facts.lease, Lease { epoch: expected.epoch, state: expected.state });
    assert_eq!(facts.size, size);
    assert!(facts.ended.is_some());
    assert_eq!(recovered.state.last_input(client), Some(InputNumber(12)));
    assert_eq!(facts.extra.as_ref().map(RawJson::as_str), Some("[1]"));

    let state = writer.state().clone();
    drop(writer);
    assert_eq!(session.open(SMALL).writer.state(), &state);
}

#[test]
fn a_durable_record_is_written_and_synced() {
    let session = Session::new();
    let mut writer = session.create(SMALL);
    append_many(&mut writer, 20, 200);
    writer.append_durable(output(b"end"), 5).map(drop).expect("durable");
    writer.sync().expect("synced");
    writer.trim(0, None).expect("trimmed");
    writer.sync().expect("synced after segments are gone");
    assert!(ReadOut::of(&mut session.reader()).output().ends_with(b"end"));
}
