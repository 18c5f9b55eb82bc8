//! Files that only their owner may read, written so that a crash leaves the old or the new one.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// Mode of every file of an instance.
const PRIVATE_FILE: u32 = 0o600;
/// Mode of every directory of an instance.
const PRIVATE_DIRECTORY: u32 = 0o700;
/// Permission bits that let others write.
const OTHERS_WRITE: u32 = 0o022;
/// Permission bits that let others do anything.
const OTHERS_ANYTHING: u32 = 0o077;
/// A temporary file that is older than this belongs to a process that died.
const LEFTOVER_AGE: Duration = Duration::from_secs(60 * 60);
/// Random bytes in the name of a temporary file.
const TEMPORARY_NAME_BYTES: usize = 8;

/// Why a file or directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It belongs to another user, who could change it.
    #[error("{path} belongs to user {owner}, not to user {user}", path = path.display())]
    Foreign {
        /// Which.
        path: PathBuf,
        /// Its owner's uid.
        owner: u32,
        /// The uid of this process.
        user: u32,
    },
    /// Others may write to it, or read what is secret.
    #[error(
        "{path} is open to other users (mode {mode:03o}); close it with: chmod go= '{path}'",
        path = path.display()
    )]
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is not the kind of file that it should be.
    #[error("{path} is not {expected}", path = path.display())]
    WrongKind {
        /// Which.
        path: PathBuf,
        /// What it should be, with its article.
        expected: &'static str,
    },
    /// It is larger than anything that belongs there.
    #[error("{path} is larger than {limit_bytes} bytes", path = path.display())]
    TooLarge {
        /// Which.
        path: PathBuf,
        /// How large it may be.
        limit_bytes: u64,
    },
    /// The system refused.
    #[error("cannot {action} {path}", path = path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Cause.
        source: io::Error,
    },
}

impl FileError {
    /// Which file or directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Foreign { path, .. }
            | Self::Exposed { path, .. }
            | Self::WrongKind { path, .. }
            | Self::TooLarge { path, .. }
            | Self::Io { path, .. } => path,
        }
    }

    fn io<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + use<'a> {
        move |source| Self::Io { path: path.to_owned(), action, source }
    }
}

/// Makes a directory that is ours alone, with its parents, or checks the one that stands there. One
/// that others can read stays as it is (every file in it is closed); one that others can change is
/// refused, since its files could be exchanged.
///
/// # Errors
/// When it cannot be made, or is not ours alone to change.
pub fn private_directory(path: &Path) -> Result<(), FileError> {
    let built = DirBuilder::new().recursive(true).mode(PRIVATE_DIRECTORY).create(path);
    match built {
        // what stands there is looked at below, whatever it is
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(FileError::io("make the directory", path)(error));
        }
        Err(_) | Ok(()) => {}
    }
    let metadata = fs::metadata(path).map_err(FileError::io("look at", path))?;
    if !metadata.is_dir() {
        return Err(FileError::WrongKind { path: path.to_owned(), expected: "a directory" });
    }
    check_ours(path, &metadata, OTHERS_WRITE)
}

/// Replaces a file as a whole: readers and a crash see the old bytes or the new ones, never a mix. The
/// bytes are on the disk when this returns.
///
/// # Errors
/// When the system refuses; the old file then stands.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let temporary = temporary_beside(path)?;
    let written = write_new(&temporary, bytes)
        .and_then(|()| fs::rename(&temporary, path).map_err(FileError::io("replace", path)));
    if written.is_err() {
        // what cannot be removed either is swept at the next start
        let _ = fs::remove_file(&temporary);
    }
    written?;
    sync_directory_of(path)
}

/// Reads a file that others may see but not change. `None`: there is none.
///
/// # Errors
/// When it is no plain file, is larger than `limit_bytes`, others can change it, or the system refuses.
pub fn read_bounded(path: &Path, limit_bytes: u64) -> Result<Option<Vec<u8>>, FileError> {
    read_checked(path, limit_bytes, OTHERS_WRITE)
}

/// Reads a file that nobody else may even read: keys, tokens. `None`: there is none.
///
/// # Errors
/// As [`read_bounded`], and when others can read it.
pub fn read_private(path: &Path, limit_bytes: u64) -> Result<Option<Vec<u8>>, FileError> {
    read_checked(path, limit_bytes, OTHERS_ANYTHING)
}

/// Removes temporary files that a process left when it died in [`write_private`]. How many went.
///
/// # Errors
/// When the directory cannot be read.
pub fn sweep_leftovers(directory: &Path, now: SystemTime) -> Result<usize, FileError> {
    let entries = fs::read_dir(directory).map_err(FileError::io("list", directory))?;
    let left = entries.flatten().filter(|entry| {
        let age = entry.metadata().and_then(|metadata| metadata.modified());
        let old = age.is_ok_and(|at| now.duration_since(at).is_ok_and(|age| age > LEFTOVER_AGE));
        old && entry.file_name().to_str().is_some_and(is_temporary_name)
    });
    Ok(left.filter(|entry| fs::remove_file(entry.path()).is_ok()).count())
}

/// A name beside `path` that nothing has, and that [`sweep_leftovers`] knows: `.<name>.<hex>.tmp`.
///
/// # Errors
/// When the system gives no random bytes, or `path` has no file name.
pub fn temporary_beside(path: &Path) -> Result<PathBuf, FileError> {
    let expected = "the path of a file";
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return Err(FileError::WrongKind { path: path.to_owned(), expected });
    };
    let mut random = [0; TEMPORARY_NAME_BYTES];
    getrandom::fill(&mut random)
        .map_err(|error| FileError::io("name a file beside", path)(io::Error::other(error)))?;
    let hex = u64::from_le_bytes(random);
    Ok(path.with_file_name(format!(".{name}.{hex:016x}.tmp")))
}

fn is_temporary_name(name: &str) -> bool {
    let inner = name.strip_prefix('.').and_then(|rest| rest.strip_suffix(".tmp"));
    inner.and_then(|inner| inner.rsplit_once('.')).is_some_and(|(_, hex)| {
        hex.len() == 2 * TEMPORARY_NAME_BYTES && hex.bytes().all(|c| c.is_ascii_hexdigit())
    })
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(PRIVATE_FILE)
        .open(path)
        .map_err(FileError::io("create", path))?;
    file.write_all(bytes).map_err(FileError::io("write", path))?;
    file.sync_all().map_err(FileError::io("sync", path))
}

/// Without this a crash could bring the old name back.
fn sync_directory_of(path: &Path) -> Result<(), FileError> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    let synced = File::open(directory).and_then(|open| open.sync_all());
    match synced {
        // some network file systems cannot sync a directory and say so with EINVAL
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        other => other.map_err(FileError::io("sync", directory)),
    }
}

fn read_checked(
    path: &Path,
    limit_bytes: u64,
    forbidden_mode: u32,
) -> Result<Option<Vec<u8>>, FileError> {
    // a FIFO in the file's place must not hold up the relay
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let opened = OpenOptions::new().read(true).custom_flags(nonblocking).open(path);
    let file = match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(FileError::io("open", path))?,
    };
    let metadata = file.metadata().map_err(FileError::io("look at", path))?;
    if !metadata.is_file() {
        return Err(FileError::WrongKind { path: path.to_owned(), expected: "a plain file" });
    }
    check_ours(path, &metadata, forbidden_mode)?;
    let mut bytes = Vec::new();
    let mut bounded = file.take(limit_bytes.saturating_add(1));
    bounded.read_to_end(&mut bytes).map_err(FileError::io("read", path))?;
    if bytes.len() as u64 > limit_bytes {
        return Err(FileError::TooLarge { path: path.to_owned(), limit_bytes });
    }
    Ok(Some(bytes))
}

fn check_ours(path: &Path, metadata: &fs::Metadata, forbidden: u32) -> Result<(), FileError> {
    let user = rustix::process::geteuid().as_raw();
    if metadata.uid() != user {
        return Err(FileError::Foreign { path: path.to_owned(), owner: metadata.uid(), user });
    }
    let mode = metadata.mode() & 0o777;
    if mode & forbidden != 0 {
        return Err(FileError::Exposed { path: path.to_owned(), mode });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn scratch() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("file.json");
        (directory, path)
    }

    fn mode_of(path: &Path) -> u32 {
        fs::metadata(path).expect("exists").mode() & 0o777
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("sets the mode");
    }

    /// A directory that is not ours: `/` for a plain user, one given away for root.
    fn foreign(directory: &Path) -> PathBuf {
        if !rustix::process::geteuid().is_root() {
            return PathBuf::from("/");
        }
        let theirs = directory.join("theirs");
        fs::create_dir(&theirs).expect("makes it");
        std::os::unix::fs::chown(&theirs, Some(65_534), None).expect("gives it away");
        theirs
    }

    #[test]
    fn a_write_replaces_the_whole_file_privately_and_leaves_nothing_beside_it() {
        let (directory, path) = scratch();
        fs::write(&path, "old and longer").expect("writes");
        set_mode(&path, 0o644);
        write_private(&path, b"new").expect("replaces");
        assert_eq!(read_private(&path, 100).expect("reads"), Some(b"new".to_vec()));
        assert_eq!(mode_of(&path), 0o600);
        assert_eq!(fs::read_dir(directory.path()).expect("lists").count(), 1);
    }

    #[test]
    fn a_symlink_in_the_files_place_is_replaced_and_not_followed() {
        let (directory, path) = scratch();
        let victim = directory.path().join("victim");
        fs::write(&victim, "precious").expect("writes");
        std::os::unix::fs::symlink(&victim, &path).expect("links");
        write_private(&path, b"new").expect("replaces");
        assert_eq!(fs::read(&victim).expect("reads"), b"precious");
        assert!(fs::symlink_metadata(&path).expect("exists").is_file());
    }

    #[test]
    fn a_write_that_fails_leaves_the_old_file_and_no_temporary() {
        let (directory, path) = scratch();
        // a directory with something in it cannot be replaced by a file
        fs::create_dir_all(path.join("inside")).expect("makes");
        assert!(matches!(write_private(&path, b"x"), Err(FileError::Io { action: "replace", .. })));
        assert_eq!(fs::read_dir(directory.path()).expect("lists").count(), 1);
        assert!(path.join("inside").is_dir());
    }

    #[test]
    fn reading_is_bounded_and_an_absent_file_is_no_error() {
        let (_directory, path) = scratch();
        assert_eq!(read_bounded(&path, 3).expect("reads"), None);
        write_private(&path, b"1234").expect("writes");
        assert!(matches!(read_bounded(&path, 3), Err(FileError::TooLarge { limit_bytes: 3, .. })));
        assert_eq!(read_bounded(&path, 4).expect("reads"), Some(b"1234".to_vec()));
    }

    #[test]
    fn a_fifo_in_the_files_place_is_refused_without_waiting() {
        let (_directory, path) = scratch();
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &path, kind, mode, 0).expect("makes a FIFO");
        assert!(matches!(read_bounded(&path, 3), Err(FileError::WrongKind { .. })));
    }

    #[test]
    fn what_others_can_write_is_refused_and_a_secret_also_when_they_can_read_it() {
        let (_directory, path) = scratch();
        write_private(&path, b"x").expect("writes");
        set_mode(&path, 0o640);
        assert!(read_bounded(&path, 9).is_ok());
        let refused = read_private(&path, 9).expect_err("is exposed");
        assert!(refused.to_string().contains("mode 640); close it with: chmod go="), "{refused}");
        set_mode(&path, 0o620);
        assert!(matches!(read_bounded(&path, 9), Err(FileError::Exposed { mode: 0o620, .. })));
    }

    #[test]
    fn a_private_directory_is_made_closed_with_its_parents_and_taken_again() {
        let (directory, _) = scratch();
        let inner = directory.path().join("a/b");
        private_directory(&inner).expect("makes");
        private_directory(&inner).expect("takes");
        assert_eq!((mode_of(&directory.path().join("a")), mode_of(&inner)), (0o700, 0o700));
        set_mode(&inner, 0o755);
        private_directory(&inner).expect("readable by others is no danger");
    }

    #[test]
    fn a_directory_that_others_could_change_is_refused_with_a_sentence() {
        let (directory, path) = scratch();
        let open = directory.path().join("open");
        private_directory(&open).expect("makes");
        for mode in [0o770, 0o720, 0o702, 0o777] {
            set_mode(&open, mode);
            let refused = private_directory(&open).expect_err("is open");
            assert!(refused.to_string().contains("is open to other users"), "{refused}");
        }
        let refused = private_directory(&foreign(directory.path())).expect_err("is foreign");
        assert!(matches!(refused, FileError::Foreign { .. }), "{refused}");
        fs::write(&path, "x").expect("writes");
        assert!(matches!(private_directory(&path), Err(FileError::WrongKind { .. })));
    }

    #[test]
    fn only_old_leftovers_are_swept() {
        let (directory, path) = scratch();
        let left = temporary_beside(&path).expect("a name");
        fs::write(&left, "half").expect("writes");
        for kept in [".bashrc.tmp", "file.json", ".file.json.0123456789abcdeg.tmp"] {
            fs::write(directory.path().join(kept), "x").expect("writes");
        }
        let now = SystemTime::now();
        assert_eq!(sweep_leftovers(directory.path(), now).expect("sweeps"), 0);
        let later = now + LEFTOVER_AGE * 2;
        assert_eq!(sweep_leftovers(directory.path(), later).expect("sweeps"), 1);
        assert!(!left.exists());
        assert_eq!(fs::read_dir(directory.path()).expect("lists").count(), 3);
    }
}
