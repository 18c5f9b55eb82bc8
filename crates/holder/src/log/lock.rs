//! The lock of a log: who may write it, and the proof that its holder lives.
//!
//! It is a kernel lock on an open file, so it ends with its process however that ends. The file is
//! opened close-on-exec: no program that the holder starts keeps it.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use super::files::LOCK_FILE;

/// How often an acquirer tries again while only probes are in its way.
const MAX_TRIES: u32 = 500;
/// How long it waits in between. A probe holds the lock for a microsecond, but may lose the processor
/// meanwhile.
const BETWEEN_TRIES: Duration = Duration::from_millis(1);

/// The right to write a session's log, for as long as the value lives.
#[derive(Debug)]
pub struct LogLock {
    session_directory: PathBuf,
    /// The lock itself.
    file: File,
}

impl LogLock {
    /// Takes the lock of the session in this directory, which must exist. `None`: somebody else has
    /// it, so a writer lives.
    ///
    /// # Errors
    /// When the lock file cannot be made, opened or locked, or is probed without end.
    pub fn try_acquire(session_directory: &Path) -> io::Result<Option<Self>> {
        let path = session_directory.join(LOCK_FILE);
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).mode(0o600).open(path)?;
        for _ in 0..MAX_TRIES {
            match file.try_lock() {
                Ok(()) => {
                    let session_directory = session_directory.to_owned();
                    return Ok(Some(Self { session_directory, file }));
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
            if !only_probed(&file)? {
                return Ok(None);
            }
            thread::sleep(BETWEEN_TRIES);
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    /// The session's directory.
    #[must_use]
    pub fn session_directory(&self) -> &Path {
        &self.session_directory
    }
}

impl Drop for LogLock {
    /// Closing the file would do, but not at once if another thread of this process is just between
    /// `fork` and `exec`: its child has a copy of the file.
    fn drop(&mut self) {
        // the file is closed next, whatever this says
        let _ = self.file.unlock();
    }
}

/// Whether a writer holds the lock of the session in this directory. Never in a writer's way: the
/// probe is a shared lock, held for a moment, that [`LogLock::try_acquire`] sees through. A directory
/// without a lock file has no writer.
///
/// # Errors
/// When the lock file cannot be opened or probed.
pub fn is_held(session_directory: &Path) -> io::Result<bool> {
    match File::open(session_directory.join(LOCK_FILE)) {
        Ok(file) => Ok(!only_probed(&file)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// A shared lock can be had, so nobody holds the exclusive one.
fn only_probed(file: &File) -> io::Result<bool> {
    match file.try_lock_shared() {
        Ok(()) => file.unlock().map(|()| true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_ends_with_its_value_even_while_a_child_has_a_copy_of_its_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let acquire = || LogLock::try_acquire(directory.path()).expect("a lock file");
        let lock = acquire().expect("nobody has it");
        let childs_copy = lock.file.try_clone().expect("a copy");
        drop(lock);
        assert!(!is_held(directory.path()).expect("probed"));
        assert!(acquire().is_some());
        drop(childs_copy);
    }
}
