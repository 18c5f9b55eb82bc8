//! The lock of an instance: one relay at a time.

use std::{
    fs::{File, TryLockError},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use crate::{
    RelayError, files,
    instance::{InstanceDir, RelayRecord},
};

/// How long a dead relay's lock may be held. A child that the relay was just starting has all its files
/// until it becomes another program.
const LEFTOVER_LIMIT: Duration = Duration::from_secs(2);
/// Tries before a relay that lives is believed to hold the lock: whoever lists instances has it for a moment.
const SURE_AFTER_TRIES: u32 = 3;
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(10);

/// The instance's lock, for life.
///
/// # Errors
/// When another relay has it, or the directory cannot be used.
pub(crate) async fn acquire(directory: &InstanceDir) -> Result<File, RelayError> {
    let path = directory.lock();
    let storage = |source| RelayError::Storage { path: path.clone(), source };
    files::private_directory(directory.path())
        .and_then(|()| files::private_directory(&directory.sessions()))
        .map_err(|error| RelayError::Files(Box::new(error)))?;
    // it may have been made by hand, for a configuration
    let private = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(directory.path(), private).map_err(storage)?;
    let mut open = File::options();
    open.create(true).truncate(false).read(true).write(true).mode(0o600);
    let lock = open.open(&path).map_err(storage)?;
    let limit = Instant::now() + LEFTOVER_LIMIT;
    let mut tries = 0;
    loop {
        tries += 1;
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(source)) => return Err(storage(source)),
        }
        let record = RelayRecord::read(directory).ok().flatten();
        let lives = record.as_ref().is_some_and(|record| lives(record.pid));
        if (lives && tries >= SURE_AFTER_TRIES) || Instant::now() >= limit {
            return Err(RelayError::AlreadyRunning {
                instance: directory.name().clone(),
                pid: record.as_ref().map(|record| record.pid),
                listening: record.map(|record| record.listening).unwrap_or_default(),
            });
        }
        sleep(PAUSE).await;
    }
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
    use crate::instance::InstanceName;

    fn instance(home: &tempfile::TempDir) -> InstanceDir {
        InstanceDir::new(home.path(), InstanceName::default_instance())
    }

    fn record(directory: &InstanceDir, pid: u32) {
        let text = format!(r#"{{"pid":{pid},"listening":[]}}"#);
        std::fs::write(directory.record(), text).expect("writes");
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
        let before = acquire(&directory).await.expect("is free");
        record(&directory, dead());
        let release = async {
            // after the first try, which comes first
            tokio::task::yield_now().await;
            drop(before);
        };
        let (after, ()) = tokio::join!(acquire(&directory), release);
        after.expect("is free in the end");
    }

    #[tokio::test(start_paused = true)]
    async fn a_lock_that_stays_held_is_another_relays() {
        let home = tempfile::tempdir().expect("a directory");
        let directory = instance(&home);
        let _before = acquire(&directory).await.expect("is free");
        record(&directory, dead());
        let begin = Instant::now();
        let refused = acquire(&directory).await;
        assert!(matches!(refused, Err(RelayError::AlreadyRunning { .. })), "{refused:?}");
        assert!(begin.elapsed() >= LEFTOVER_LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_relay_that_lives_is_told_at_once() {
        let home = tempfile::tempdir().expect("a directory");
        let directory = instance(&home);
        let _before = acquire(&directory).await.expect("is free");
        record(&directory, std::process::id());
        let begin = Instant::now();
        let refused = acquire(&directory).await;
        assert!(matches!(refused, Err(RelayError::AlreadyRunning { .. })), "{refused:?}");
        assert!(begin.elapsed() <= PAUSE * SURE_AFTER_TRIES, "{:?}", begin.elapsed());
    }
}
