use std::fs::{self, OpenOptions};

use quarterdeck_holder::log::{Class, Cut, Entry, LogWriter, OpenError, ReadError, scan_state};
use quarterdeck_protocol::record::RecordKind;

use crate::support::{ReadOut, SMALL, Session, append, append_many, at, pattern};

fn cut_file(path: &std::path::Path, bytes: u64) {
    let file = OpenOptions::new().write(true).open(path).expect("there");
    file.set_len(bytes).expect("cut");
}

#[test]
fn a_torn_tail_is_cut_at_every_byte_of_a_record() {
    let torn = b"the record that was being written";
    for kept in 0..36 + torn.len() as u64 {
        let session = Session::new();
        let mut writer = session.create(SMALL);
        append(&mut writer, b"whole");
        let whole = fs::metadata(session.last_segment()).expect("there").len();
        append(&mut writer, torn);
        drop(writer);
        cut_file(&session.last_segment(), whole + kept);

        let seen = ReadOut::of(&mut session.reader());
        assert_eq!((seen.output(), &*seen.gaps), (b"whole".to_vec(), &[][..]), "{kept}");
        let recovered = scan_state(session.path()).expect("readable");
        assert_eq!((recovered.state.next(), recovered.torn_bytes), (at(2, 5), kept));

        let opened = session.open(SMALL);
        let expected = (kept > 0).then(|| Cut { bytes: kept, kept_in: session.torn().pop() });
        assert_eq!((opened.cut, &*opened.damage), (expected, &[][..]), "{kept}");
        assert_eq!(fs::metadata(session.last_segment()).expect("there").len(), whole);
        let mut writer = opened.writer;
        assert_eq!(append(&mut writer, b" again"), at(2, 5));
        assert_eq!(ReadOut::of(&mut session.reader()).output(), b"whole again");
    }
}

#[test]
fn what_is_cut_is_kept_aside_within_bounds() {
    let session = Session::new();
    drop(session.create(SMALL));
    let mut last = Vec::new();
    for round in 0..20_usize {
        let path = session.last_segment();
        last = pattern(round, 20);
        let mut bytes = fs::read(&path).expect("there");
        bytes.extend_from_slice(&last);
        fs::write(&path, bytes).expect("written");
        let cut = session.open(SMALL).cut.expect("a torn tail");
        assert_eq!(cut.bytes, 20);
        let kept_in = cut.kept_in.expect("room");
        assert_eq!(fs::read(&kept_in).expect("kept"), last);
    }
    let torn = session.torn();
    assert_eq!(torn.len(), 8);
    assert!(torn.iter().any(|path| fs::read(path).expect("kept") == last));
}

#[test]
fn zeros_at_the_end_are_a_torn_tail() {
    let session = Session::new();
    let mut writer = session.create(SMALL);
    append(&mut writer, b"whole");
    drop(writer);
    let path = session.last_segment();
    let good = fs::metadata(&path).expect("there").len();
    cut_file(&path, good + 4096);
    assert_eq!(ReadOut::of(&mut session.reader()).output(), b"whole");
    let opened = session.open(SMALL);
    assert_eq!(opened.cut.map(|cut| cut.bytes), Some(4096));
    assert_eq!(fs::metadata(&path).expect("there").len(), good);
}

#[test]
fn records_printed_to_the_terminal_are_not_taken_for_the_logs_own() {
    // the terminal showed a young log: its records would fit behind this log's head
    let other = Session::new();
    append_many(&mut other.create(SMALL), 3, 50);
    let shown = fs::read(other.last_segment()).expect("there");
    let session = Session::new();
    let mut writer = session.create(SMALL);
    append(&mut writer, b"$ ");
    let whole = fs::metadata(session.last_segment()).expect("there").len();
    append(&mut writer, &shown);
    drop(writer);
    cut_file(&session.last_segment(), whole + 36 + shown.len() as u64 - 1);

    let recovered = scan_state(session.path()).expect("readable");
    assert_eq!((recovered.state.next(), recovered.damage.len()), (at(2, 2), 0));
    assert_eq!(ReadOut::of(&mut session.reader()).output(), b"$ ");
    assert_eq!(session.open(SMALL).writer.head(), at(2, 2));
}

#[test]
fn a_wholly_torn_last_segment_is_set_aside() {
    for junk in [&b""[..], &b"QDLOG"[..], &[0; 500][..]] {
        let session = Session::new();
        let mut writer = session.create(SMALL);
        append_many(&mut writer, 20, 200);
        let head = writer.head();
        drop(writer);
        let name = format!("log/{:016x}-{:016x}.qdl", head.seq.0, head.out.0);
        fs::write(session.path().join(&name), junk).expect("written");

        assert_eq!(scan_state(session.path()).expect("readable").state.next(), head);
        let mut writer = session.open(SMALL).writer;
        assert_eq!(writer.head(), head);
        assert_eq!(session.torn().len(), usize::from(!junk.is_empty()));
        append_many(&mut writer, 20, 200);
        let all = ReadOut::of(&mut session.reader());
        assert_eq!((all.gaps.len(), all.output().len()), (0, 40 * 200));
    }
}

#[test]
fn a_half_made_segment_is_forgotten() {
    let session = Session::new();
    append(&mut session.create(SMALL), b"abc");
    let unfinished = session.path().join("log/next.tmp");
    fs::write(&unfinished, b"QDLOG").expect("written");
    assert_eq!(session.open(SMALL).writer.head(), at(2, 3));
    assert!(!unfinished.exists());
}

#[test]
fn a_log_of_a_newer_version_is_left_alone() {
    let session = Session::new();
    drop(session.create(SMALL));
    let path = session.last_segment();
    let mut bytes = fs::read(&path).expect("there");
    bytes[6] = 2;
    let crc = crc32c::crc32c(&bytes[..28]);
    bytes[28..32].copy_from_slice(&crc.to_le_bytes());
    bytes.extend_from_slice(b"what this version takes for a torn tail");
    fs::write(&path, &bytes).expect("written");

    let scanned = scan_state(session.path());
    assert!(matches!(scanned, Err(ReadError::Unsupported { version: 2 })), "{scanned:?}");
    let opened = LogWriter::open(session.lock(), SMALL);
    let refused = matches!(opened, Err(OpenError::Read(ReadError::Unsupported { version: 2 })));
    assert!(refused, "{opened:?}");
    assert_eq!(fs::read(&path).expect("there"), bytes);
}

#[test]
fn records_of_unknown_kinds_are_kept_and_passed_on() {
    let session = Session::new();
    let mut writer = session.create(SMALL);
    let kind = RecordKind::Unknown(99);
    writer
        .append(Entry { kind, payload: b"newer", class: Class::Bulk }, 5)
        .map(drop)
        .expect("written");
    append(&mut writer, b"after");
    drop(writer);
    let writer = session.open(SMALL).writer;
    assert_eq!(writer.head(), at(3, 5));
    let all = ReadOut::of(&mut session.reader());
    assert_eq!((all.records[1].header.kind, &all.records[1].payload[..]), (kind, &b"newer"[..]));
}

#[test]
fn a_directory_without_a_log_says_so() {
    let session = Session::new();
    assert!(matches!(scan_state(session.path()), Err(ReadError::NoLog(_))));
    let opened = LogWriter::open(session.lock(), SMALL);
    assert!(matches!(opened, Err(OpenError::Read(ReadError::NoLog(_)))), "{opened:?}");
}
