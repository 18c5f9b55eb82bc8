//! The journal read back, newest event first, by pages.
//!
//! A place in it is a file and an offset: names of files take turns, the file itself stays what it is.

use std::{
    fmt,
    fs::File,
    io,
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
    path::Path,
    str::FromStr,
};

use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    limits::{DEFAULT_AUDIT_PAGE, MAX_AUDIT_PAGE, MAX_LOG_PAGE_BYTES},
    method::{AuditEntry, AuditListParams, AuditListResult},
};

use super::{Journal, no_follow};

/// Bytes of one read; a page is read in few of them.
const BLOCK_BYTES: usize = 64 * 1024;

/// Where a page begins: before this offset of this file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    file: u64,
    before: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}.{:x}", self.file, self.before)
    }
}

impl FromStr for Place {
    type Err = PageError;
    fn from_str(text: &str) -> Result<Self, PageError> {
        let hex = |text| u64::from_str_radix(text, 16).map_err(|_| PageError::NoPlace);
        let (file, before) = text.split_once('.').ok_or(PageError::NoPlace)?;
        Ok(Self { file: hex(file)?, before: hex(before)? })
    }
}

/// Answers `audit.list`. Waits for the disk.
///
/// # Errors
/// When there is no such page, or the journal cannot be read.
pub fn answer(journal: &Journal, params: &AuditListParams) -> Result<AuditListResult, RpcError> {
    let limit = params.limit.unwrap_or(DEFAULT_AUDIT_PAGE).clamp(1, MAX_AUDIT_PAGE);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    journal.page(params.before.as_deref(), limit).map_err(|error| match error {
        PageError::NoPlace => RpcError::new(ErrorCode::InvalidParams, error.to_string()),
        PageError::Io(ref cause) => {
            tracing::warn!(%cause, "cannot read the journal");
            RpcError::new(ErrorCode::Storage, error.to_string())
        }
    })
}

/// Why a page cannot be given.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// Nobody was given this place.
    #[error("this is not the end of a page of the journal")]
    NoPlace,
    /// The file cannot be read.
    #[error("the journal cannot be read")]
    Io(#[from] io::Error),
}

impl Journal {
    /// Events before `before`, which is `next` of the page before, newest first. Waits for the disk.
    ///
    /// # Errors
    /// When `before` is no such place, or the files cannot be read.
    pub fn page(&self, before: Option<&str>, limit: usize) -> Result<AuditListResult, PageError> {
        let before = before.map(str::parse::<Place>).transpose()?;
        let files = [open(&self.path)?, open(&self.previous_path())?];
        let mut page = Page { limit, entries: Vec::new(), bytes: 0 };
        // until the file of the place is found; without a place from the newest on
        let mut found = before.is_none();
        let mut seen = None;
        for file in files.into_iter().flatten() {
            let meta = file.metadata()?;
            // they took turns between the two looks
            if seen.replace(meta.ino()) == Some(meta.ino()) {
                continue;
            }
            let mut end = meta.len();
            if let Some(place) = before.filter(|place| place.file == meta.ino()) {
                found = true;
                end = end.min(place.before);
            }
            if !found {
                continue;
            }
            if let Some(before) = page.fill(&file, end)? {
                let next = Place { file: meta.ino(), before };
                return Ok(AuditListResult { entries: page.entries, next: Some(next.to_string()) });
            }
        }
        Ok(AuditListResult { entries: page.entries, next: None })
    }
}

/// The file, if there is one.
fn open(path: &Path) -> io::Result<Option<File>> {
    match File::options().read(true).custom_flags(no_follow()).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

struct Page {
    limit: usize,
    entries: Vec<AuditEntry>,
    bytes: usize,
}

impl Page {
    /// Adds the events that end before `end`. Where it stopped, if the page is full.
    fn fill(&mut self, file: &File, end: u64) -> io::Result<Option<u64>> {
        let mut end = end;
        // what was read of a line whose beginning was not
        let mut tail: Vec<u8> = Vec::new();
        while end > 0 {
            let size = usize::try_from(end).map_or(BLOCK_BYTES, |end| end.min(BLOCK_BYTES));
            let mut block = vec![0; size];
            let start = end - size as u64;
            file.read_exact_at(&mut block, start)?;
            block.append(&mut tail);
            let mut whole = block.as_slice();
            while let Some(newline) = whole.iter().rposition(|byte| *byte == b'\n') {
                let line = &whole[newline + 1..];
                if !self.add(line) {
                    return Ok(Some(start + newline as u64 + 1 + line.len() as u64));
                }
                whole = &whole[..newline];
            }
            tail = whole.to_vec();
            end = start;
            if tail.len() > MAX_LOG_PAGE_BYTES {
                // no event is that long: what stands here was not written by a journal
                tail.clear();
            }
        }
        if self.add(&tail) { Ok(None) } else { Ok(Some(tail.len() as u64)) }
    }

    /// Whether there was room. What is no event is skipped: a torn line, or one of another program.
    fn add(&mut self, line: &[u8]) -> bool {
        let Ok(entry) = serde_json::from_slice(line) else { return true };
        if self.entries.len() >= self.limit || self.bytes + line.len() > MAX_LOG_PAGE_BYTES {
            return false;
        }
        self.bytes += line.len();
        self.entries.push(entry);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use super::*;
    use crate::journal::Event;

    fn record(journal: &Journal, numbers: std::ops::Range<u64>) {
        for number in numbers {
            let event = Event::Lockout { peer: "192.0.2.1".into(), seconds: number };
            journal.record(&event, Duration::from_secs(number));
        }
    }

    fn seconds(page: &AuditListResult) -> Vec<u64> {
        page.entries.iter().map(|it| it.fields["seconds"].as_u64().expect("a number")).collect()
    }

    /// Every page of the journal, one after the other.
    fn all(journal: &Journal, limit: usize) -> Vec<u64> {
        let (mut found, mut before) = (Vec::new(), None);
        loop {
            let page = journal.page(before.as_deref(), limit).expect("reads");
            assert!(page.entries.len() <= limit);
            found.extend(seconds(&page));
            before = page.next;
            if before.is_none() {
                return found;
            }
        }
    }

    #[test]
    fn pages_give_every_event_once_newest_first() {
        let home = tempfile::tempdir().expect("a directory");
        let journal = Journal::new(&home.path().join("journal.jsonl"));
        assert_eq!(journal.page(None, 10).expect("reads"), AuditListResult::default());
        record(&journal, 0..2500);
        let expected: Vec<u64> = (0..2500).rev().collect();
        for limit in [1, 7, 100, 500, 5000] {
            assert_eq!(all(&journal, limit), expected, "{limit}");
        }
    }

    #[test]
    fn pages_go_on_in_the_file_before_also_when_the_files_take_turns_meanwhile() {
        let home = tempfile::tempdir().expect("a directory");
        let journal = Journal::with_limit(&home.path().join("journal.jsonl"), 1000);
        record(&journal, 0..20);
        let first = journal.page(None, 3).expect("reads");
        assert_eq!(seconds(&first), [19, 18, 17]);
        let all_before = all(&journal, 4);
        assert!(journal.previous_path().exists(), "there are two files");
        assert_eq!(all_before.first(), Some(&19));
        assert!(all_before.windows(2).all(|pair| pair[0] == pair[1] + 1), "{all_before:?}");
        // the file of the place becomes the one before; what was written since is not in the next page
        let before = fs::metadata(&journal.path).expect("is there").ino();
        let mut number = 20;
        while fs::metadata(journal.previous_path()).expect("is there").ino() != before {
            record(&journal, number..number + 1);
            number += 1;
        }
        let second = journal.page(first.next.as_deref(), 2).expect("reads");
        assert_eq!(seconds(&second), [16, 15]);
    }

    #[test]
    fn what_is_no_event_is_skipped_and_a_wrong_place_is_an_error() {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join("journal.jsonl");
        let journal = Journal::new(&path);
        record(&journal, 0..1);
        let mut text = fs::read_to_string(&path).expect("reads");
        text.push_str("not json\n{\"at\":3}\n\n");
        text.push_str(&"x".repeat(2 * BLOCK_BYTES));
        fs::write(&path, text).expect("writes");
        // the next relay sees the torn end
        let journal = Journal::new(&path);
        record(&journal, 1..2);
        assert_eq!(all(&journal, 10), [1, 0]);
        for wrong in ["", "7", "x.y", "1.2.3"] {
            assert!(matches!(journal.page(Some(wrong), 1), Err(PageError::NoPlace)), "{wrong}");
        }
        let forgotten = journal.page(Some("0.10"), 10).expect("reads");
        assert_eq!(forgotten, AuditListResult::default());
    }
}
