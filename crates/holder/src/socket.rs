//! The holder's socket: `ctl.sock` in the session's directory.
//!
//! A socket address holds 108 bytes, a state directory can be deeper. So both ends reach the socket
//! through a descriptor of its directory.

use std::{
    io,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, Mode, OFlags},
    process::Pid,
};

use crate::processes;

/// Name of the socket in a session's directory.
pub const SOCKET_NAME: &str = "ctl.sock";

/// Kernel name of a holder's threads, as `ps` shows it.
pub(crate) const TERMINAL_HOLDER_NAME: &std::ffi::CStr = c"qd-holder";
/// The same for an agent's holder. Peers below one are refused: an agent must not steer sessions.
pub(crate) const AGENT_HOLDER_NAME: &std::ffi::CStr = c"qd-agent-holder";

/// Connects to the holder of the session in `directory`.
///
/// # Errors
/// As `connect`: `NotFound` and `ConnectionRefused` mean that no holder listens.
pub fn connect(directory: &Path) -> io::Result<UnixStream> {
    let directory = open_directory(directory)?;
    UnixStream::connect(through(&directory))
}

/// Listens in `directory`, in the place of a dead holder's socket. The caller holds the log's lock,
/// and no other thread runs (the file mode comes from the process-wide umask).
pub(crate) fn listen(directory: &Path) -> io::Result<UnixListener> {
    let directory = open_directory(directory)?;
    match rustix::fs::unlinkat(&directory, SOCKET_NAME, AtFlags::empty()) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    let umask = rustix::process::umask(Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(through(&directory));
    rustix::process::umask(umask);
    let listener = listener?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Removes the socket of a holder that ends.
pub(crate) fn remove(directory: &Path) {
    // the file is only a leftover: without a listener a connect fails anyway
    let _ = std::fs::remove_file(directory.join(SOCKET_NAME));
}

/// Whether the process at the other end may drive: same user, and no descendant of an agent.
pub(crate) fn may_drive(stream: &UnixStream) -> bool {
    let Ok(peer) = rustix::net::sockopt::socket_peercred(stream) else { return false };
    peer.uid == rustix::process::geteuid() && !descends_from_an_agent(peer.pid)
}

fn descends_from_an_agent(peer: Pid) -> bool {
    let agent = AGENT_HOLDER_NAME.to_bytes();
    // a peer that cannot be looked up has ended, so it drives nothing
    processes::ancestors(peer).is_none_or(|line| line.iter().any(|p| p.name == agent))
}

fn open_directory(directory: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(directory, flags, Mode::empty())?)
}

fn through(directory: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/{SOCKET_NAME}", directory.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_socket_below_a_long_path_is_private_and_can_be_reached() {
        let root = tempfile::tempdir().expect("temp dir");
        let deep = root.path().join("d".repeat(200)).join("e".repeat(200));
        std::fs::create_dir_all(&deep).expect("dirs");

        let listener = listen(&deep).expect("listens");
        let mode = std::fs::metadata(deep.join(SOCKET_NAME)).expect("exists").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let _client = connect(&deep).expect("connects");
        let (accepted, _) = listener.accept().expect("a connection waits");
        assert!(may_drive(&accepted));
    }

    #[test]
    fn a_dead_holders_socket_is_replaced() {
        let root = tempfile::tempdir().expect("temp dir");
        drop(listen(root.path()).expect("listens"));
        let refused = connect(root.path()).expect_err("nobody listens");
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        let _listener = listen(root.path()).expect("listens again");
        connect(root.path()).expect("connects");
    }
}
