//! A session directory to write logs into, and what tests look at.

use std::{
    fs,
    path::{Path, PathBuf},
};

use quarterdeck_holder::log::{
    Append, Class, Entry, LogLock, LogOptions, LogReader, LogWriter, Missing, NewLog, Next, Opened,
};
use quarterdeck_protocol::{
    ids::{LogId, Out, Seq, SessionId},
    record::{Position, Record, RecordKind, SessionKind, TerminalSize},
};

/// Small segments, so that a few records roll; no reserve where it is not the point.
pub(crate) const SMALL: LogOptions = LogOptions { segment_bytes: 2048, reserve_bytes: 0 };

pub(crate) struct Session {
    directory: PathBuf,
    /// Removes the directory at the end, where it is a temporary one.
    _temporary: Option<tempfile::TempDir>,
}

impl Session {
    pub(crate) fn new() -> Self {
        let temporary = tempfile::tempdir().expect("a directory");
        Self { directory: temporary.path().to_owned(), _temporary: Some(temporary) }
    }
    pub(crate) fn in_directory(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), _temporary: None }
    }
    pub(crate) fn path(&self) -> &Path {
        &self.directory
    }
    pub(crate) fn lock(&self) -> LogLock {
        LogLock::try_acquire(self.path()).expect("a lock file").expect("nobody has it")
    }
    pub(crate) fn create(&self, options: LogOptions) -> LogWriter {
        LogWriter::create(self.lock(), &new_log(), options, 1).expect("a new log")
    }
    pub(crate) fn open(&self, options: LogOptions) -> Opened {
        LogWriter::open(self.lock(), options).expect("a log")
    }
    pub(crate) fn reader(&self) -> LogReader {
        LogReader::open(self.path()).expect("a log")
    }
    /// Files of the segments, oldest first.
    pub(crate) fn segments(&self) -> Vec<PathBuf> {
        self.log_files(|name| name.ends_with(".qdl"))
    }
    /// Files of torn bytes.
    pub(crate) fn torn(&self) -> Vec<PathBuf> {
        self.log_files(|name| name.starts_with("torn-"))
    }
    pub(crate) fn last_segment(&self) -> PathBuf {
        self.segments().pop().expect("a segment")
    }
    fn log_files(&self, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path().join("log")).expect("a log directory");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        let name = |path: &PathBuf| path.file_name().and_then(|n| n.to_str()).map(str::to_owned);
        let mut paths: Vec<PathBuf> =
            paths.filter(|path| name(path).is_some_and(|name| wanted(&name))).collect();
        paths.sort();
        paths
    }
}

pub(crate) fn new_log() -> NewLog {
    NewLog {
        log_id: LogId::from_bytes([9; 8]),
        session: SessionId::from_bytes([8; 10]),
        kind: SessionKind::Terminal,
        size: TerminalSize { cols: 80, rows: 24, xpixel: 0, ypixel: 0 },
    }
}

pub(crate) fn output(payload: &[u8]) -> Entry<'_> {
    Entry { kind: RecordKind::Output, payload, class: Class::Bulk }
}

pub(crate) fn at(seq: u64, out: u64) -> Position {
    Position { seq: Seq(seq), out: Out(out) }
}

/// Appends output and returns where it stands.
pub(crate) fn append(writer: &mut LogWriter, payload: &[u8]) -> Position {
    match writer.append(output(payload), 5).expect("written") {
        Append::Done(at) => at,
        Append::DiskFull => panic!("the disk is full"),
    }
}

/// Output records of this many bytes each, `count` of them, told apart by their content.
pub(crate) fn append_many(writer: &mut LogWriter, count: usize, bytes: usize) -> Vec<Position> {
    (0..count).map(|index| append(writer, &pattern(index, bytes))).collect()
}

pub(crate) fn pattern(index: usize, bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| u8::try_from((index * 7 + at) % 251).expect("small")).collect()
}

/// What a reader hands out until it would wait.
#[derive(Debug, Default)]
pub(crate) struct ReadOut {
    pub(crate) records: Vec<Record>,
    pub(crate) gaps: Vec<Missing>,
}

impl ReadOut {
    /// Everything there is now. Checks that positions go on without a jump that is not reported.
    pub(crate) fn of(reader: &mut LogReader) -> Self {
        let mut all = Self::default();
        let mut expected = reader.position();
        loop {
            match reader.next().expect("readable") {
                Next::Record(record) => {
                    assert_eq!(record.header.at, expected);
                    expected = record.next();
                    all.records.push(record);
                }
                Next::Gap(missing) => {
                    assert_eq!(missing.from, expected);
                    expected = missing.to;
                    all.gaps.push(missing);
                }
                Next::AwaitMore => return all,
            }
            assert_eq!(reader.position(), expected);
        }
    }
    /// The terminal output among it.
    pub(crate) fn output(&self) -> Vec<u8> {
        let output = self.records.iter().filter(|r| r.header.kind == RecordKind::Output);
        output.flat_map(|record| record.payload.to_vec()).collect()
    }
    /// Everything but checkpoints, which the writer adds by itself.
    pub(crate) fn without_checkpoints(&self) -> Vec<&Record> {
        let written = |record: &&Record| record.header.kind != RecordKind::Checkpoint;
        self.records.iter().filter(written).collect()
    }
}
