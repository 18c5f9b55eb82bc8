use quarterdeck_protocol::{
    ids::SessionId,
    record::{RecordKind, SessionKind, TerminalSize},
};

use super::*;
use crate::log::{Append, Class, Entry, LogLock, LogOptions, LogWriter, NewLog, scan_state};

fn append(writer: &mut LogWriter, payload: &[u8]) {
    let entry = Entry { kind: RecordKind::Output, payload, class: Class::Bulk };
    assert!(matches!(writer.append(entry, 1), Ok(Append::Done(_))));
}

fn written(directory: &Path, segment_bytes: u64) -> LogWriter {
    let lock = LogLock::try_acquire(directory).expect("a lock file").expect("nobody has it");
    let new = NewLog {
        log_id: LogId::from_bytes([1; 8]),
        session: SessionId::from_bytes([1; 10]),
        kind: SessionKind::Terminal,
        size: TerminalSize::default(),
    };
    let options = LogOptions { segment_bytes, reserve_bytes: 0 };
    LogWriter::create(lock, &new, options, 1).expect("a new log")
}

#[test]
fn a_segment_that_grew_and_ended_after_its_last_read_is_read_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut writer = written(directory.path(), 1000);
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
    let mut writer = written(directory.path(), 1000);
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

/// Writes records over the borders of pages, at each of which a read may find them half written,
/// while `read` looks at them.
fn while_written(records: usize, read: impl FnOnce(&Path) + Send) {
    let directory = tempfile::tempdir().expect("a directory");
    let mut writer = written(directory.path(), 1 << 20);
    std::thread::scope(|threads| {
        threads.spawn(|| read(directory.path()));
        (0..records).for_each(|n| append(&mut writer, &vec![b'x'; 500 + n % 9000]));
    });
}

#[test]
fn a_record_that_is_being_written_is_never_taken_for_damage() {
    const RECORDS: usize = 20_000;
    while_written(RECORDS, |directory| {
        let mut reader = LogReader::open(directory).expect("a log");
        let mut outputs = 0;
        while outputs < RECORDS {
            match reader.next().expect("readable") {
                Next::Record(record) => {
                    outputs += usize::from(record.header.kind == RecordKind::Output);
                }
                Next::AwaitMore => {}
                Next::Gap(missing) => panic!("{missing:?}"),
            }
        }
    });
    while_written(RECORDS, |directory| {
        let mut scanned = scan_state(directory).expect("readable");
        while scanned.state.next().seq.0 < RECORDS as u64 {
            assert_eq!(scanned.damage, [], "at {:?}", scanned.state.next());
            scanned = scan_state(directory).expect("readable");
        }
    });
}
