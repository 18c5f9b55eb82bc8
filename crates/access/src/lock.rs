//! The locks of an instance: one relay and one hub at a time.

use std::{
    fs::{File, TryLockError},
    io,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use crate::files::{self, FileError};

/// How long a dead daemon's lock may be held. A child that it was just starting has all its files
/// until it becomes another program.
const LEFTOVER_LIMIT: Duration = Duration::from_secs(2);
/// Tries before a daemon that lives is believed to hold the lock: whoever lists instances has it for a moment.
const SURE_AFTER_TRIES: u32 = 3;
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(10);

/// `relay.json` or `hub.json`: a hint for people and for who meets the lock.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DaemonRecord {
    /// Pid of the daemon.
    pub pid: u32,
    /// Its addresses.
    pub listening: Vec<String>,
}

/// Why a daemon does not get its lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another one has it.
    #[error("another one runs (pid {pid})", pid = pid.map_or("unknown".to_owned(), |p| p.to_string()))]
    Held {
        /// Pid from its record.
        pid: Option<u32>,
        /// Where it listens, from its record.
        listening: Vec<String>,
    },
    /// The lock's file cannot be used.
    #[error("cannot use {path}", path = path.display())]
    Storage {
        /// Which.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// The directory is not as it must be.
    #[error(transparent)]
    Files(Box<FileError>),
}

/// A daemon's lock at `path` in its instance's directory, for life. `record` is what its owner wrote
/// about itself.
///
/// # Errors
/// When another one has it, or the directory cannot be used.
pub async fn acquire(path: &Path, record: &Path) -> Result<File, LockError> {
    let storage = |source| LockError::Storage { path: path.to_owned(), source };
    let directory = path.parent().unwrap_or(path);
    files::private_directory(directory).map_err(|error| LockError::Files(Box::new(error)))?;
    // it may have been made by hand, for a configuration
    let private = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(directory, private).map_err(storage)?;
    let mut open = File::options();
    open.create(true).truncate(false).read(true).write(true).mode(0o600);
    let lock = open.open(path).map_err(storage)?;
    let limit = Instant::now() + LEFTOVER_LIMIT;
    let mut tries = 0;
    loop {
        tries += 1;
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(source)) => return Err(storage(source)),
        }
        let record = read_record(record);
        let lives = record.as_ref().is_some_and(|record| lives(record.pid));
        if (lives && tries >= SURE_AFTER_TRIES) || Instant::now() >= limit {
            return Err(LockError::Held {
                pid: record.as_ref().map(|record| record.pid),
                listening: record.map(|record| record.listening).unwrap_or_default(),
            });
        }
        sleep(PAUSE).await;
    }
}

/// What a daemon wrote about itself, if it can be read.
#[must_use]
pub fn read_record(path: &Path) -> Option<DaemonRecord> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Writes what a daemon says of itself.
///
/// # Errors
/// When it cannot be written.
pub fn write_record(path: &Path, record: &DaemonRecord) -> Result<(), FileError> {
    // of a number and texts there is always a JSON form
    let text = serde_json::to_vec(record).unwrap_or_default();
    files::write_private(path, &text)
}

/// Whether a process runs; one that nobody has waited for yet does not.
fn lives(pid: u32) -> bool {
    let Ok(stat) = std::fs::read(format!("/proc/{pid}/stat")) else { return false };
    // the command in brackets may hold any bytes
    let after_command = stat.iter().rposition(|byte| *byte == b')');
    let state = after_command.and_then(|end| stat.get(end + 2));
    state.is_some_and(|state| !matches!(state, b'Z' | b'X'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::{InstanceDir, InstanceName};

    fn instance(home: &tempfile::TempDir) -> InstanceDir {
        InstanceDir::new(home.path(), InstanceName::default_instance())
    }

    fn record(directory: &InstanceDir, pid: u32) {
        let text = format!(r#"{{"pid":{pid},"listening":[]}}"#);
        std::fs::write(directory.record(), text).expect("writes");
    }

    async fn take(directory: &InstanceDir) -> Result<File, LockError> {
        acquire(&directory.lock(), &directory.record()).await
    }

    /// The id of a process that has ended.
    fn dead() -> u32 {
        let mut child = std::process::Command::new("true").spawn().expect("runs");
        child.wait().expect("ends");
        child.id()
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_dead_relay_left_behind_is_waited_for() {
        let home = tempfile::tempdir().expect("a directory");
        let directory = instance(&home);
        let before = take(&directory).await.expect("is free");
        record(&directory, dead());
        let release = async {
            // after the first try, which comes first
            tokio::task::yield_now().await;
            drop(before);
        };
        let (after, ()) = tokio::join!(take(&directory), release);
        after.expect("is free in the end");
    }

    #[tokio::test(start_paused = true)]
    async fn a_lock_that_stays_held_is_another_relays() {
        let home = tempfile::tempdir().expect("a directory");
        let directory = instance(&home);
        let _before = take(&directory).await.expect("is free");
        record(&directory, dead());
        let begin = Instant::now();
        let refused = take(&directory).await;
        assert!(matches!(refused, Err(LockError::Held { .. })), "{refused:?}");
        assert!(begin.elapsed() >= LEFTOVER_LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_relay_that_lives_is_told_at_once() {
        let home = tempfile::tempdir().expect("a directory");
        let directory = instance(&home);
        let _before = take(&directory).await.expect("is free");
        record(&directory, std::process::id());
        let begin = Instant::now();
        let refused = take(&directory).await;
        assert!(matches!(refused, Err(LockError::Held { .. })), "{refused:?}");
        assert!(begin.elapsed() <= PAUSE * SURE_AFTER_TRIES, "{:?}", begin.elapsed());
    }
}
