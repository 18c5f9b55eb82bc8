//! Other processes: signals, waiting for their end, finding those that belong to a test.

use std::{
    fs, io,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::Path,
};

use rustix::process::{Pid, PidfdFlags, Signal};

use crate::watched::watch;

/// A handle on a process that stays right when its id is given to another.
fn open(pid: u32) -> io::Result<OwnedFd> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    Ok(rustix::process::pidfd_open(pid, PidfdFlags::NONBLOCK)?)
}

/// Sends a signal.
///
/// # Errors
/// `NotFound` when there is no such process.
pub fn signal(pid: u32, signal: Signal) -> io::Result<()> {
    let handle = open(pid).map_err(gone_is_not_found)?;
    rustix::process::pidfd_send_signal(handle, signal).map_err(|e| gone_is_not_found(e.into()))
}

fn gone_is_not_found(error: io::Error) -> io::Error {
    let gone = error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error());
    if gone { io::Error::from(io::ErrorKind::NotFound) } else { error }
}

/// Waits until a process has ended, whoever's child it is; one that is gone already has.
///
/// # Errors
/// What the system said.
pub async fn until_gone(pid: u32) -> io::Result<()> {
    let handle = match open(pid).map_err(gone_is_not_found) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => watch(other?)?,
    };
    handle.readable().await.map(drop)
}

/// Whether a process is there and has not ended.
#[must_use]
pub fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // the state follows the name, which may itself have spaces and parentheses
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// What a process has of the memory.
///
/// # Panics
/// When it is gone.
#[must_use]
pub fn resident_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("runs");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.strip_suffix(" kB"));
    let kib: u64 = resident.and_then(|it| it.trim().parse().ok()).expect("has memory");
    kib * 1024
}

/// All processes whose environment, arguments or open files name `directory`: those of one test, if its
/// directory is in every environment that it hands on. Holders have no environment, but their log open.
#[must_use]
pub fn naming(directory: &Path) -> Vec<u32> {
    let needle = directory.as_os_str().as_bytes();
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| *pid != std::process::id() && names(*pid, needle) && is_alive(*pid)).collect()
}

/// What [`naming`] finds, with its command lines, for the message of a failing test.
#[must_use]
pub fn describe(directory: &Path) -> Vec<(u32, String)> {
    let command = |pid| fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    naming(directory).into_iter().map(|pid| (pid, command(pid).replace('\0', " "))).collect()
}

fn names(pid: u32, needle: &[u8]) -> bool {
    let read = |file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let open = || fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let mut targets = open().filter_map(|entry| fs::read_link(entry.path()).ok());
    contains(&read("environ"), needle)
        || contains(&read("cmdline"), needle)
        || targets.any(|target| target.as_os_str().as_bytes().starts_with(needle))
}

/// Kills all processes that [`naming`] finds, until it finds none.
pub fn kill_naming(directory: &Path) {
    // each pass can only miss children that were born in it
    for _ in 0..100 {
        let found = naming(directory);
        if found.is_empty() {
            return;
        }
        for pid in found {
            let _ = signal(pid, Signal::KILL);
        }
        std::thread::yield_now();
    }
}

/// Whether `needle` stands somewhere in `bytes`.
#[must_use]
pub fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[tokio::test]
    async fn processes_of_a_test_are_found_by_its_directory_and_killed() {
        let directory = tempfile::tempdir().expect("makes a directory");
        let mut child = Command::new("/bin/sh")
            .args(["-c", "read line"])
            .env("ANYTHING", directory.path())
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("starts");
        assert_eq!(naming(directory.path()), [child.id()]);
        assert!(is_alive(child.id()));
        kill_naming(directory.path());
        until_gone(child.id()).await.expect("waits");
        assert!(!is_alive(child.id()));
        child.wait().expect("is reaped");
        let error = signal(child.id(), Signal::TERM).expect_err("is gone");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        until_gone(child.id()).await.expect("is gone already");
    }
}
