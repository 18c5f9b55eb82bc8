//! Recovery of a damaged log: whatever happened to its files, a reader hands out only records that were
//! written, in order and with every hole reported, and a writer can go on or says why not.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use bytes::Bytes;
use quarterdeck_holder::log::{
    Append, Class, Entry, LogLock, LogOptions, LogReader, LogWriter, NewLog, Next, ReadError,
};
use quarterdeck_protocol::{
    ids::{Epoch, LogId, SessionId},
    record::{
        Fact, LeaseCause, LeaseRecord, LeaseState, Position, Record, RecordKind, SessionKind,
        TerminalSize,
    },
};
use tempfile::TempDir;

/// Small, so that a few records fill several segments.
const OPTIONS: LogOptions = LogOptions { segment_bytes: 1500, reserve_bytes: 0 };
/// Bytes of one change of a file.
const CHANGE_BYTES: usize = 6;
/// Changes of one input; more only hide what each does.
const MAX_CHANGES: usize = 12;
/// What is appended after a recovery.
const NEWS: &[u8] = b"news";
/// When that happens, and any checkpoint that it needs; no record before has this time.
const NEWS_MICROS: u64 = 99;

/// An undamaged log, and what is in it.
struct Model {
    /// Its segments, oldest first.
    files: Vec<(String, Vec<u8>)>,
    records: Vec<Record>,
}

/// Spoils the files of a log as the bytes say, and reads, repairs and goes on with what is left.
///
/// # Panics
/// When the property is broken.
pub fn check(data: &[u8]) {
    static MODEL: OnceLock<Model> = OnceLock::new();
    let model = MODEL.get_or_init(Model::new);
    let mut files = model.files.clone();
    for change in data.chunks_exact(CHANGE_BYTES).take(MAX_CHANGES) {
        apply(&mut files, change);
    }
    let session = scratch();
    let directory = session.path().join("log");
    fs::create_dir(&directory).expect("makes the log's directory");
    for (name, bytes) in &files {
        fs::write(directory.join(name), bytes).expect("writes a segment");
    }
    let _ = model.read(session.path());
    let lock = LogLock::try_acquire(session.path()).expect("locks").expect("nobody else does");
    let Ok(mut opened) = LogWriter::open(lock, OPTIONS) else { return };
    let entry = Entry { kind: RecordKind::Output, payload: NEWS, class: Class::Bulk };
    let at = match opened.writer.append(entry, NEWS_MICROS).expect("a repaired log takes records") {
        Append::Done(at) => at,
        Append::DiskFull => return,
    };
    match model.read(session.path()) {
        Ok(Some(last)) => assert_eq!((last.header.at, &last.payload[..]), (at, NEWS)),
        // whole records of a later segment stand in an earlier one: no order fits
        Err(ReadError::Rewound { .. }) => {}
        other => panic!("the new record is not read: {other:?}"),
    }
}

fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    tempfile::tempdir_in(place).expect("makes a directory")
}

/// `what, file, offset (2), length, value`.
fn apply(files: &mut Vec<(String, Vec<u8>)>, change: &[u8]) {
    let &[what, file, low, high, length, value] = change else { return };
    if files.is_empty() {
        return;
    }
    let index = usize::from(file) % files.len();
    let other = files[usize::from(value) % files.len()].1.clone();
    let bytes = &mut files[index].1;
    let at = usize::from(u16::from_le_bytes([low, high])) % (bytes.len() + 1);
    let end = (at + usize::from(length)).min(bytes.len());
    match what % 7 {
        0 => bytes[at..end].iter_mut().for_each(|byte| *byte ^= value),
        1 => bytes.truncate(at),
        2 => drop(bytes.drain(at..end)),
        3 => drop(bytes.splice(at..at, std::iter::repeat_n(value, usize::from(length)))),
        4 => {
            let from = usize::from(length) * 4 % (other.len() + 1);
            let copied = other[from..].iter().copied().take(200).collect::<Vec<_>>();
            drop(bytes.splice(at..at, copied));
        }
        5 => bytes[at..end].fill(value),
        _ => drop(files.remove(index)),
    }
}

impl Model {
    fn new() -> Self {
        let session = scratch();
        let lock = LogLock::try_acquire(session.path()).expect("locks").expect("is new");
        let new = NewLog {
            log_id: LogId::from_bytes([3; 8]),
            session: SessionId::from_bytes([4; 10]),
            kind: SessionKind::Terminal,
            size: TerminalSize { cols: 80, rows: 24, xpixel: 0, ypixel: 0 },
        };
        let mut writer = LogWriter::create(lock, &new, OPTIONS, 1).expect("creates");
        for number in 0..40_u64 {
            append_one(&mut writer, number);
        }
        drop(writer);
        let files = segment_files(&session.path().join("log"));
        let mut model = Self { files, records: Vec::new() };
        let mut reader = LogReader::open(session.path()).expect("opens");
        while let Next::Record(record) = reader.next().expect("reads") {
            model.records.push(record);
        }
        model
    }

    /// Reads to the end or to an error; gives the last record.
    fn read(&self, session: &Path) -> Result<Option<Record>, ReadError> {
        let mut reader = LogReader::open(session)?;
        let mut last: Option<Record> = None;
        let mut expected: Option<Position> = None;
        loop {
            match reader.next()? {
                Next::AwaitMore => return Ok(last),
                Next::Gap(missing) => {
                    assert!(expected.is_none_or(|at| at == missing.from), "holes are whole");
                    assert!(missing.to >= missing.from);
                    expected = Some(missing.to);
                }
                Next::Record(record) => {
                    let at = record.header.at;
                    assert!(expected.is_none_or(|expected| expected == at), "holes are reported");
                    assert!(self.wrote(&record), "{record:?} was never written");
                    expected = Some(record.next());
                    last = Some(record);
                }
            }
        }
    }

    fn wrote(&self, record: &Record) -> bool {
        record.header.time_micros == NEWS_MICROS || self.records.contains(record)
    }
}

fn append_one(writer: &mut LogWriter, number: u64) {
    let (kind, payload) = if number % 9 == 5 {
        let (epoch, state, why) = (Epoch(number), LeaseState::Free, LeaseCause::Release);
        Fact::Lease(Box::new(LeaseRecord { epoch, state, why, by: None })).encode()
    } else {
        let text = vec![b'a' + number as u8 % 26; 20 + 7 * number as usize % 150];
        Fact::Output(Bytes::from(text)).encode()
    };
    let entry = Entry { kind, payload: &payload, class: Class::Vital };
    assert!(matches!(writer.append(entry, number).expect("appends"), Append::Done(_)));
}

fn segment_files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(directory).expect("lists").map(|entry| entry.expect("lists").path());
    let mut paths: Vec<PathBuf> = entries.filter(|path| path.extension().is_some()).collect();
    paths.sort();
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let read = |path: PathBuf| (name(&path).unwrap_or_default(), fs::read(&path).expect("reads"));
    paths.into_iter().map(read).collect()
}

/// One change of each kind, early, in the middle and late.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![Vec::new()];
    for what in 0..7 {
        for (file, offset) in [(0, 10_u16), (1, 700), (3, 1400)] {
            let [low, high] = offset.to_le_bytes();
            seeds.push(vec![what, file, low, high, 30, 1]);
        }
    }
    seeds
}

/// Changes that leave the length of records alone, and some that do not.
#[must_use]
pub fn words() -> Vec<Vec<u8>> {
    [[0, 0, 40, 0, 1, 1], [4, 1, 0, 0, 9, 2], [6, 2, 0, 0, 0, 0]].map(|word| word.to_vec()).to_vec()
}
