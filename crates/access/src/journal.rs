//! The instance's journal: who came in, who was refused, which token and session began and ended, who
//! took a lease from whom. One JSON object per line, oldest first, in two files that take turns.
//!
//! It never stops the relay: an event that cannot be written is counted, and the count is written as an
//! event of its own when there is room again. It holds no secret, no terminal bytes, and of a command
//! line only the program. Text from outside is bounded, and characters that would act on a reader's
//! terminal are written as JSON escapes.

mod event;
mod line;
mod pages;
#[cfg(test)]
mod tests;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

pub use event::{Event, Expiry, Text};
pub use pages::{PageError, answer};

/// Bytes after which the journal goes on in a new file; with the one before it takes twice as much.
pub const MAX_JOURNAL_FILE_BYTES: u64 = 4 * 1024 * 1024;
/// Failed logins written per minute; more are counted, so that whoever guesses cannot push older
/// events out of the journal.
pub const MAX_FAILED_LOGINS_PER_MINUTE: u32 = 60;
const MINUTE: Duration = Duration::from_secs(60);
/// Mode of the file.
const PRIVATE_FILE: u32 = 0o600;

/// The journal of an instance.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    limit_bytes: u64,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// None until the first event, and after an error.
    open: Option<Open>,
    /// Events that could not be written since the last one that could.
    dropped: u64,
    failed_logins: FailedLogins,
}

#[derive(Debug)]
struct Open {
    file: File,
    bytes: u64,
}

/// The failed logins of the present minute.
#[derive(Debug, Default)]
struct FailedLogins {
    minute_began: Duration,
    written: u32,
    suppressed: u64,
}

impl Journal {
    /// The journal at `path`; the file before it has `.1` after its name. Nothing is opened yet.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self::with_limit(path, MAX_JOURNAL_FILE_BYTES)
    }

    /// The same with files of at most `limit_bytes`.
    #[must_use]
    pub fn with_limit(path: &Path, limit_bytes: u64) -> Self {
        let inner = Inner { open: None, dropped: 0, failed_logins: FailedLogins::default() };
        Self { path: path.to_owned(), limit_bytes, inner: Mutex::new(inner) }
    }

    /// Writes an event that happened at `now`, since 1970. Returns when the kernel has it; a power cut
    /// may take the last ones.
    pub fn record(&self, event: &Event, now: Duration) {
        let mut inner = self.inner();
        let Some(suppressed) = inner.failed_logins.admit(event, now) else { return };
        if suppressed > 0 {
            self.write_or_count(&mut inner, &Event::LoginsSuppressed { count: suppressed }, now);
        }
        self.write_or_count(&mut inner, event, now);
    }

    /// Events that could not be written and have not been reported yet.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.inner().dropped
    }

    /// Name of the file before the present one.
    #[must_use]
    pub fn previous_path(&self) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(".1");
        PathBuf::from(name)
    }

    fn write_or_count(&self, inner: &mut Inner, event: &Event, now: Duration) {
        let written =
            self.write_pending_drops(inner, now).and_then(|()| self.write(inner, event, now));
        if let Err(error) = written {
            inner.open = None;
            inner.dropped = inner.dropped.saturating_add(1);
            // once per streak: the relay's log is likely on the same full disk
            if inner.dropped == 1 {
                tracing::warn!(path = %self.path.display(), %error, "cannot write the journal");
            }
        }
    }

    fn write_pending_drops(&self, inner: &mut Inner, now: Duration) -> io::Result<()> {
        if inner.dropped > 0 {
            self.write(inner, &Event::Dropped { count: inner.dropped }, now)?;
            inner.dropped = 0;
        }
        Ok(())
    }

    fn write(&self, inner: &mut Inner, event: &Event, now: Duration) -> io::Result<()> {
        let line = line::of(event, now)?;
        let size = line.len() as u64;
        let open = self.room_for(inner, size)?;
        if let Err(error) = open.file.write_all(&line) {
            // a torn line would swallow the next one
            let _ = open.file.set_len(open.bytes);
            return Err(error);
        }
        open.bytes += size;
        Ok(())
    }

    /// The open file, after a turn if `size` does not fit into the present one.
    fn room_for<'a>(&self, inner: &'a mut Inner, size: u64) -> io::Result<&'a mut Open> {
        let mut open = match inner.open.take() {
            Some(open) => open,
            None => self.open()?,
        };
        if open.bytes > 0 && open.bytes + size > self.limit_bytes {
            fs::rename(&self.path, self.previous_path())?;
            open = self.open()?;
        }
        Ok(inner.open.insert(open))
    }

    fn open(&self) -> io::Result<Open> {
        let mut file = OpenOptions::new()
            .append(true)
            .read(true)
            .create(true)
            .mode(PRIVATE_FILE)
            .custom_flags(no_follow())
            .open(&self.path)?;
        let bytes = file.metadata()?.len();
        let mut open = Open { bytes, file: file.try_clone()? };
        if line::is_torn(&file, bytes)? {
            file.write_all(b"\n")?;
            open.bytes += 1;
        }
        Ok(open)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FailedLogins {
    /// `None`: the event is not to be written. Else how many failed logins of an earlier minute were
    /// not, which is to be written first.
    fn admit(&mut self, event: &Event, now: Duration) -> Option<u64> {
        // a clock that jumped back begins a new minute as well
        let same_minute = now.checked_sub(self.minute_began).is_some_and(|age| age < MINUTE);
        let mut unreported = 0;
        if !same_minute {
            unreported = self.suppressed;
            *self = Self { minute_began: now, ..Self::default() };
        }
        if matches!(event, Event::LoginFailed { .. }) {
            if self.written >= MAX_FAILED_LOGINS_PER_MINUTE {
                self.suppressed += 1;
                return None;
            }
            self.written += 1;
        }
        Some(unreported)
    }
}

/// A link in the journal's place is not written through.
fn no_follow() -> i32 {
    i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default()
}
