//! Cached screens of a session: `screens/<out, 16 hex>`, a JSON line and the bytes that draw it.
//!
//! A side file, never the truth: one that cannot be read is ignored, one that is older than the log
//! is deleted.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use quarterdeck_protocol::{
    ids::{LogId, Out, Seq},
    record::{Position, TerminalSize},
};
use serde::{Deserialize, Serialize};

/// Bytes of a cached screen; a larger one is not cached.
const MAX_CACHED_BYTES: u64 = 8 * 1024 * 1024;

/// The first line of a cached screen.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct CachedHead {
    pub(super) log_id: LogId,
    pub(super) seq: Seq,
    pub(super) out: Out,
    pub(super) size: TerminalSize,
    pub(super) bytes: u64,
}

/// A screen and where it stands.
#[derive(Debug)]
pub(super) struct CachedScreen {
    pub(super) head: CachedHead,
    pub(super) drawing: Vec<u8>,
}

impl CachedScreen {
    pub(super) const fn at(&self) -> Position {
        Position { seq: self.head.seq, out: self.head.out }
    }
}

fn directory(session_directory: &Path) -> PathBuf {
    session_directory.join("screens")
}

/// Stores a screen; the caller may ignore an error.
pub(super) fn store(session_directory: &Path, head: &CachedHead, drawing: &[u8]) -> io::Result<()> {
    let directory = directory(session_directory);
    match fs::create_dir(&directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut text = serde_json::to_vec(head)?;
    text.push(b'\n');
    text.extend_from_slice(drawing);
    let path = directory.join(format!("{:016x}", head.out.0));
    let temporary = path.with_extension("new");
    fs::write(&temporary, text)?;
    fs::rename(temporary, path)
}

/// The newest usable screen at or before `until`, and not before `base`.
pub(super) fn newest(
    session_directory: &Path,
    log_id: LogId,
    base: Out,
    until: Out,
) -> Option<CachedScreen> {
    let outs = list(session_directory);
    let candidates = outs.into_iter().rev().filter(|out| *out >= base && *out <= until);
    candidates.into_iter().find_map(|out| {
        let screen = read(session_directory, out)?;
        (screen.head.log_id == log_id).then_some(screen)
    })
}

/// Deletes screens that stand before the log's oldest record.
pub(super) fn drop_before(session_directory: &Path, base: Out) {
    for out in list(session_directory).into_iter().filter(|out| *out < base) {
        // what stays is ignored by `newest`
        let _ = fs::remove_file(directory(session_directory).join(format!("{:016x}", out.0)));
    }
}

fn list(session_directory: &Path) -> Vec<Out> {
    let Ok(entries) = fs::read_dir(directory(session_directory)) else { return Vec::new() };
    let name = |entry: io::Result<fs::DirEntry>| entry.ok()?.file_name().into_string().ok();
    let out = |name: String| u64::from_str_radix(&name, 16).ok().map(Out);
    let mut outs: Vec<Out> = entries.filter_map(name).filter_map(out).collect();
    outs.sort_unstable();
    outs
}

fn read(session_directory: &Path, out: Out) -> Option<CachedScreen> {
    let path = directory(session_directory).join(format!("{:016x}", out.0));
    if fs::metadata(&path).ok()?.len() > MAX_CACHED_BYTES {
        return None;
    }
    let text = fs::read(path).ok()?;
    let line = text.iter().position(|byte| *byte == b'\n')?;
    let head: CachedHead = serde_json::from_slice(&text[..line]).ok()?;
    let drawing = text[line + 1..].to_vec();
    (head.out == out && head.bytes == drawing.len() as u64)
        .then_some(CachedScreen { head, drawing })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_whole_screen_of_this_log_is_found() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let (mine, other) = (LogId::from_bytes([1; 8]), LogId::from_bytes([2; 8]));
        let put = |out: u64, log_id, drawing: &[u8], bytes: u64| {
            let size = TerminalSize { cols: 80, rows: 24, xpixel: 0, ypixel: 0 };
            let head = CachedHead { log_id, seq: Seq(out), out: Out(out), size, bytes };
            store(directory.path(), &head, drawing).expect("stores");
        };
        put(10, mine, b"ten", 3);
        put(20, mine, b"torn", 99);
        put(30, other, b"other", 5);
        put(40, mine, b"later", 5);
        let found = newest(directory.path(), mine, Out(0), Out(35)).expect("found");
        assert_eq!((found.at().out, &found.drawing[..]), (Out(10), &b"ten"[..]));
        assert!(newest(directory.path(), mine, Out(11), Out(35)).is_none());
        drop_before(directory.path(), Out(35));
        assert_eq!(list(directory.path()), [Out(40)]);
    }
}
