use quarterdeck_protocol::{
    ids::SessionId,
    record::{RecordKind, SessionKind, TerminalSize},
};

use super::*;
use crate::log::{Append, Class, Entry, LogLock, LogOptions, LogWriter, NewLog};

fn append(writer: &mut LogWriter, payload: &[u8]) {
    let entry = Entry { kind: RecordKind::Output, payload, class: Class::Bulk };
    assert!(matches!(writer.append(entry, 1), Ok(Append::Done(_))));
}

fn written(directory: &Path) -> LogWriter {
    let lock = LogLock::try_acquire(directory).expect("a lock file").expect("nobody has it");
    let new = NewLog {
        log_id: LogId::from_bytes([1; 8]),
        session: SessionId::from_bytes([1; 10]),
        kind: SessionKind::Terminal,
        size: TerminalSize::default(),
    };
    let options = LogOptions { segment_bytes: 1000, reserve_bytes: 0 };
    LogWriter::create(lock, &new, options, 1).expect("a new log")
}

#[test]
fn a_segment_that_grew_and_ended_after_its_last_read_is_read_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut writer = written(directory.path());
    let mut reader = LogReader::open(directory.path()).expect("a log");
    while reader.next().expect("readable") != Next::AwaitMore {}
    assert!(!reader.fill(RECORD_HEADER_BYTES).expect("readable"));

    // between the reader's last read and its look at the directory
    append(&mut writer, b"late");
    append(&mut writer, &[b'x'; 900]);
    assert!(writer.head().seq.0 > 3, "a segment was begun");

    assert!(matches!(reader.find_onward(), Ok(Onward::Again)));
    let Ok(Next::Record(record)) = reader.next() else { panic!("no gap") };
    assert_eq!(&record.payload[..], b"late");
}

#[test]
fn a_reader_that_has_caught_up_keeps_no_buffer() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut writer = written(directory.path());
    let mut reader = LogReader::open(directory.path()).expect("a log");
    for _ in 0..10 {
        append(&mut writer, &[b'x'; 400]);
        while reader.position() < writer.head() {
            assert!(matches!(reader.next(), Ok(Next::Record(_))));
        }
        assert!(reader.ahead.is_empty());
        let kept = reader.ahead.as_ptr();
        assert_eq!(kept, Bytes::new().as_ptr(), "not even an empty slice of one");
    }
}
