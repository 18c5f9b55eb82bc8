//! Disk space set aside while there is some, for the records that must not be lost: answers, leases,
//! the exit. It is a preallocated file; giving it up makes room for what it stood for.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use rustix::{fs::FallocateFlags, io::Errno};

use super::files::RESERVE_FILE;

/// A session's reserve.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    bytes: u64,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The space is ours.
    Kept,
    /// It was given up, or never could be had.
    Spent,
}

impl Reserve {
    /// Sets space aside, or notes that there is none.
    pub(super) fn prepare(session_directory: &Path, bytes: u64) -> io::Result<Self> {
        let path = session_directory.join(RESERVE_FILE);
        let mut reserve = Self { path, bytes, state: State::Spent };
        reserve.restore()?;
        Ok(reserve)
    }

    /// Gives the space up; tells whether there was any.
    pub(super) fn release(&mut self) -> io::Result<bool> {
        if self.state == State::Spent {
            return Ok(false);
        }
        self.state = State::Spent;
        // cut first: a removed file keeps its space while any process still has it open
        let cut = OpenOptions::new().write(true).truncate(true).open(&self.path);
        match cut.and_then(|_| fs::remove_file(&self.path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            removed => removed.map(|()| true),
        }
    }

    /// Sets the space aside again if it was given up; tells whether it stands now.
    pub(super) fn restore(&mut self) -> io::Result<bool> {
        if self.state == State::Kept {
            return Ok(true);
        }
        match self.allocate() {
            Ok(()) => {
                self.state = State::Kept;
                Ok(true)
            }
            Err(error) if is_disk_full(&error) => {
                // half a reserve would only make the disk fuller
                let _ = fs::remove_file(&self.path);
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn allocate(&self) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file =
            options.write(true).create(true).truncate(false).mode(0o600).open(&self.path)?;
        if self.bytes == 0 {
            return Ok(());
        }
        match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, self.bytes) {
            // file systems that cannot preallocate can still be written to
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                let zeros = vec![0; usize::try_from(self.bytes).unwrap_or(0)];
                file.write_all(&zeros)
            }
            done => Ok(done?),
        }
    }
}

/// There is no room, for anybody or for this user.
pub(super) fn is_disk_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reserve_bytes(directory: &Path) -> Option<u64> {
        fs::metadata(directory.join(RESERVE_FILE)).ok().map(|file| file.len())
    }

    #[test]
    fn a_reserve_is_given_up_once_and_set_aside_again() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut reserve = Reserve::prepare(directory.path(), 8192).expect("space");
        assert_eq!(reserve_bytes(directory.path()), Some(8192));
        assert!(reserve.release().expect("released"));
        assert!(!reserve.release().expect("nothing left"));
        assert_eq!(reserve_bytes(directory.path()), None);
        assert!(reserve.restore().expect("space"));
        assert_eq!(reserve_bytes(directory.path()), Some(8192));
    }

    #[test]
    fn both_kinds_of_full_are_known() {
        for errno in [Errno::NOSPC, Errno::DQUOT] {
            assert!(is_disk_full(&errno.into()), "{errno}");
        }
        assert!(!is_disk_full(&Errno::IO.into()));
    }
}
