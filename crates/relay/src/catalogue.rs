//! Which instances there are: those beside this one, and those below other base directories, which each
//! relay announces in one well-known directory.
//!
//! An announcement is a symbolic link, named by the relay's id, to the instance's directory: it holds no
//! fact that could become untrue. Nothing here may keep a relay from starting.

use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    io,
    net::SocketAddr,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use quarterdeck_protocol::{
    ids::{RelayId, SessionId},
    method::{InstanceHub, InstanceInfo, InstanceState},
};

use crate::files;
use quarterdeck_access::{
    instance::{InstanceDir, InstanceName, RelayRecord},
    lock,
};

/// Instances that are listed at most; more are a sign that something makes them without end.
pub const MAX_LISTED_INSTANCES: usize = 1024;

/// Makes an instance known beyond its base directory.
///
/// # Errors
/// When the directory of the announcements cannot be used. The relay serves all the same.
pub(crate) fn announce(
    announcements: &Path,
    directory: &InstanceDir,
    id: RelayId,
) -> io::Result<()> {
    files::private_directory(announcements).map_err(io::Error::other)?;
    let (link, fresh) = (
        announcements.join(id.to_string()),
        announcements.join(format!(".{id}.{}", std::process::id())),
    );
    if fs::read_link(&link).is_ok_and(|target| target == directory.path()) {
        return Ok(());
    }
    // replaced as a whole: who lists meanwhile sees the old one or the new one
    symlink(directory.path(), &fresh)?;
    fs::rename(&fresh, &link).inspect_err(|_| drop(fs::remove_file(&fresh)))
}

/// All instances that are known, by their directories. `base` is the base directory of whoever asks.
#[must_use]
pub fn list(base: &Path, announcements: Option<&Path>) -> Vec<InstanceInfo> {
    let mut found = below(base);
    if let Some(announcements) = announcements {
        found.extend(announced(announcements));
    }
    let found = found.into_values().take(MAX_LISTED_INSTANCES);
    found.map(|directory| look(&directory)).collect()
}

fn below(base: &Path) -> BTreeMap<PathBuf, InstanceDir> {
    let entries = fs::read_dir(base.join("instances")).into_iter().flatten().flatten();
    let named = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let directories = named.map(|name: InstanceName| InstanceDir::new(base, name));
    let directories = directories.filter(|directory| directory.path().is_dir());
    directories.map(|directory| (directory.path().to_owned(), directory)).collect()
}

/// What other base directories announced. An announcement whose instance was deleted is deleted too.
fn announced(announcements: &Path) -> BTreeMap<PathBuf, InstanceDir> {
    let entries = fs::read_dir(announcements).into_iter().flatten().flatten();
    let alive = entries.filter_map(|entry| {
        let target = fs::read_link(entry.path()).ok()?;
        if matches!(fs::metadata(&target), Err(error) if error.kind() == io::ErrorKind::NotFound) {
            // one that cannot be deleted is left out the next time too
            let _ = fs::remove_file(entry.path());
            return None;
        }
        InstanceDir::at(&target).map(|directory| (target, directory))
    });
    alive.take(MAX_LISTED_INSTANCES).collect()
}

/// What is known of one instance.
#[must_use]
pub fn look(directory: &InstanceDir) -> InstanceInfo {
    let running = is_held(&directory.lock());
    let (record, state) = match (RelayRecord::read(directory), running) {
        (Err(bad), _) => (None, InstanceState::Unknown { why: bad.to_string() }),
        (Ok(record), Ok(true)) => (record, InstanceState::Running),
        (Ok(record), Ok(false)) => (record, InstanceState::Stopped),
        (Ok(record), Err(error)) => {
            let why = format!("its lock cannot be probed: {error}");
            (record, InstanceState::Unknown { why })
        }
    };
    // a record of before says where a relay was, not that one is there
    let live = record.as_ref().filter(|_| state == InstanceState::Running);
    let address = live.and_then(|record| record.listening.iter().find_map(|url| address(url)));
    InstanceInfo {
        id: record.as_ref().and_then(|record| record.id),
        name: directory.name().to_string(),
        directory: directory.path().display().to_string(),
        base_dir: directory.base().display().to_string(),
        pid: live.map(|record| record.pid),
        host: address.map(|address| address.ip().to_string()),
        port: address.map(|address| address.port()),
        listening: live.map(|record| record.listening.clone()).unwrap_or_default(),
        hub: hub(directory),
        cwd: record.as_ref().and_then(|record| record.cwd.clone()),
        started_at: record.as_ref().and_then(|record| record.started_at),
        schema_version: record.as_ref().map(|record| record.schema),
        product_version: record.and_then(|record| record.version),
        sessions: live_sessions(directory),
        state,
    }
}

/// Its hub, if one runs; one whose lock cannot be probed is not shown as running.
fn hub(directory: &InstanceDir) -> Option<InstanceHub> {
    if !is_held(&directory.hub_lock()).unwrap_or(false) {
        return None;
    }
    let record = lock::read_record(&directory.hub_record());
    let pid = record.as_ref().map(|record| record.pid);
    Some(InstanceHub { pid, listening: record.map(|it| it.listening).unwrap_or_default() })
}

/// Whether a relay holds the instance's lock.
///
/// # Errors
/// When the lock cannot be opened or probed.
pub fn is_running(directory: &InstanceDir) -> io::Result<bool> {
    is_held(&directory.lock())
}

/// Whether a daemon holds its lock. Asking takes a shared lock for a moment, which a starting daemon
/// waits out.
fn is_held(path: &Path) -> io::Result<bool> {
    let lock = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        other => other?,
    };
    match lock.try_lock_shared() {
        Ok(()) => lock.unlock().map(|()| false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn address(url: &str) -> Option<SocketAddr> {
    let native = url.strip_prefix("wss://").or_else(|| url.strip_prefix("ws://"))?;
    native.parse().ok()
}

fn live_sessions(directory: &InstanceDir) -> u32 {
    let entries = fs::read_dir(directory.sessions()).into_iter().flatten().flatten();
    let sessions = entries.filter(|entry| {
        entry.file_name().to_str().is_some_and(|it| it.parse::<SessionId>().is_ok())
    });
    let live = sessions
        .filter(|entry| quarterdeck_holder::log::is_held(&entry.path()).is_ok_and(|held| held));
    u32::try_from(live.count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(base: &Path, name: &str) -> InstanceDir {
        let directory = InstanceDir::new(base, name.parse().expect("a name"));
        fs::create_dir_all(directory.sessions()).expect("is made");
        directory
    }

    fn relay_id(byte: u8) -> RelayId {
        RelayId::from_bytes([byte; 16])
    }

    fn names(listed: &[InstanceInfo]) -> Vec<&str> {
        listed.iter().map(|instance| instance.name.as_str()).collect()
    }

    #[test]
    fn instances_of_other_bases_are_found_by_their_announcements() {
        let home = tempfile::tempdir().expect("a directory");
        let (here, there) = (home.path().join("here"), home.path().join("there"));
        let announcements = home.path().join("announced");
        let other = instance(&there, "work");
        instance(&here, "default");
        announce(&announcements, &other, relay_id(7)).expect("is announced");
        announce(&announcements, &other, relay_id(7)).expect("is announced again");
        assert_eq!(names(&list(&here, Some(&announcements))), ["default", "work"]);
        assert_eq!(names(&list(&here, None)), ["default"]);
        fs::remove_dir_all(other.path()).expect("is deleted");
        assert_eq!(names(&list(&here, Some(&announcements))), ["default"]);
        assert_eq!(fs::read_dir(&announcements).expect("is there").count(), 0, "heals itself");
    }

    #[test]
    fn an_instance_runs_while_its_lock_is_held_whatever_its_record_says() {
        let home = tempfile::tempdir().expect("a directory");
        let directory = instance(home.path(), "default");
        let record = format!(r#"{{"schema":1,"pid":{},"listening":[]}}"#, std::process::id());
        fs::write(directory.record(), record).expect("writes");
        fs::write(directory.lock(), "").expect("writes");
        let info = look(&directory);
        assert_eq!(
            (info.state, info.pid),
            (InstanceState::Stopped, None),
            "a reused pid is no proof"
        );
        let lock = File::open(directory.lock()).expect("opens");
        lock.lock().expect("is free");
        let info = look(&directory);
        assert_eq!((info.state, info.pid), (InstanceState::Running, Some(std::process::id())));
    }

    #[test]
    fn a_hub_is_told_while_its_lock_is_held_whatever_its_record_says() {
        let home = tempfile::tempdir().expect("a directory");
        let directory = instance(home.path(), "default");
        let listening = vec!["ws://127.0.0.1:7718".to_owned()];
        let record = lock::DaemonRecord { pid: 7, listening: listening.clone() };
        lock::write_record(&directory.hub_record(), &record).expect("writes");
        assert_eq!(look(&directory).hub, None, "its record alone is no proof");
        let held = File::create(directory.hub_lock()).expect("opens");
        held.lock().expect("is free");
        assert_eq!(look(&directory).hub, Some(InstanceHub { pid: Some(7), listening }));
        fs::remove_file(directory.hub_record()).expect("is deleted");
        assert_eq!(look(&directory).hub, Some(InstanceHub { pid: None, listening: Vec::new() }));
    }

    #[test]
    fn records_that_cannot_be_understood_are_shown_and_left_alone() {
        let home = tempfile::tempdir().expect("a directory");
        let texts = ["{", "[]", r#"{"schema":2,"processes":[]}"#, "", "\u{1b}[2J"];
        for (number, text) in texts.into_iter().enumerate() {
            let directory = instance(home.path(), &format!("i{number}"));
            fs::write(directory.record(), text).expect("writes");
            let info = look(&directory);
            assert!(matches!(info.state, InstanceState::Unknown { .. }), "{text:?}: {info:?}");
            assert_eq!(fs::read_to_string(directory.record()).expect("is there"), text);
        }
        assert_eq!(list(home.path(), None).len(), texts.len());
    }

    #[test]
    fn a_record_without_a_schema_is_of_an_older_relay() {
        let home = tempfile::tempdir().expect("a directory");
        let directory = instance(home.path(), "default");
        fs::write(directory.record(), r#"{"pid":1,"listening":["wss://127.0.0.1:7717"]}"#)
            .expect("writes");
        let lock = File::create(directory.lock()).expect("opens");
        lock.lock().expect("is free");
        let info = look(&directory);
        assert_eq!((info.host.as_deref(), info.port), (Some("127.0.0.1"), Some(7717)));
        assert_eq!(info.schema_version, Some(0));
    }

    #[test]
    fn a_directory_of_announcements_that_cannot_be_used_is_an_error_and_nothing_more() {
        let home = tempfile::tempdir().expect("a directory");
        let in_the_way = home.path().join("file");
        fs::write(&in_the_way, "").expect("writes");
        let directory = instance(home.path(), "default");
        announce(&in_the_way, &directory, relay_id(1)).expect_err("is a file");
        assert_eq!(names(&list(home.path(), Some(&in_the_way))), ["default"]);
    }
}
