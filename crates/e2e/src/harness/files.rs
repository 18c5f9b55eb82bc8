//! Waiting for what a program writes into a file, and reading a session's log as it is on disk.

use std::{
    fs,
    path::{Path, PathBuf},
};

use quarterdeck_holder::log::{LogReader, Missing, Next};
use quarterdeck_protocol::record::{Record, RecordKind};
use rustix::{
    fs::inotify::{self, CreateFlags, WatchFlags},
    process::Signal,
};

use super::within;
use crate::{processes, watched::watch};

/// Waits until a file is there and something holds of its bytes, which it then gives.
///
/// # Panics
/// When that does not come.
pub async fn until_file(path: &Path, mut holds: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
    let directory = path.parent().expect("a file is in a directory");
    let what = format!("{} has what it should", path.display());
    until_changed(directory, &what, || fs::read(path).ok().filter(|bytes| holds(bytes))).await
}

/// Looks at once and after each change in a directory, until there is what is looked for.
///
/// # Panics
/// When it does not come.
pub async fn until_changed<T>(
    directory: &Path,
    what: &str,
    mut look: impl FnMut() -> Option<T>,
) -> T {
    let events = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).expect("inotify");
    let wanted = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO;
    inotify::add_watch(&events, directory, wanted).expect("the directory can be watched");
    let events = watch(events).expect("inotify can be polled");
    let coming = async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            let mut ready = events.readable().await.expect("inotify can be polled");
            // what changed does not matter: it is looked at again
            let mut buffer = [0; 4096];
            while rustix::io::read(events.get_ref(), &mut buffer).is_ok() {}
            ready.clear_ready();
        }
    };
    within(what, coming).await
}

/// Everything that a session's log on disk gives: records, and what is missing between them.
#[derive(Debug, Default)]
pub struct WholeLog {
    /// All records that can be read.
    pub records: Vec<Record>,
    /// All holes.
    pub missing: Vec<Missing>,
}

impl WholeLog {
    /// Reads the log in a session's directory.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    pub fn read(session_directory: &Path) -> Self {
        let mut reader = LogReader::open(session_directory).expect("the log opens");
        let mut whole = Self::default();
        loop {
            match reader.next().expect("the log can be read") {
                Next::Record(record) => whole.records.push(record),
                Next::Gap(missing) => whole.missing.push(missing),
                Next::AwaitMore => return whole,
            }
        }
    }
    /// All output, with the offset of its first byte.
    #[must_use]
    pub fn output(&self) -> (u64, Vec<u8>) {
        let output =
            || self.records.iter().filter(|record| record.header.kind == RecordKind::Output);
        let first = output().next().map_or(0, |record| record.header.at.out.0);
        (first, output().flat_map(|record| record.payload.to_vec()).collect())
    }
    /// How many records there are of a kind.
    #[must_use]
    pub fn count(&self, kind: RecordKind) -> usize {
        self.records.iter().filter(|record| record.header.kind == kind).count()
    }
}

/// The process that holds a session: the only one beside the relay that has its lock open.
///
/// # Panics
/// When there is none, or more than one.
#[must_use]
pub fn holder_of(session_directory: &Path) -> u32 {
    let holders = processes::naming(&session_directory.join("lock"));
    assert_eq!(holders.len(), 1, "a session has one holder: {holders:?}");
    holders[0]
}

/// Kills a session's holder and waits until it is gone.
///
/// # Panics
/// When it is gone already.
pub async fn kill_holder(session_directory: &Path) {
    let holder = holder_of(session_directory);
    processes::signal(holder, Signal::KILL).expect("the holder lives");
    processes::until_gone(holder).await.expect("can be waited for");
}

/// The files of a session's log, oldest first.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn segments(session_directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(session_directory.join("log")).expect("the log is there");
    let paths = entries.map(|entry| entry.expect("lists").path());
    let mut segments: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|it| it == "qdl")).collect();
    segments.sort();
    segments
}
