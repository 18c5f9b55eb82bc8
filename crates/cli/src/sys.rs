//! System calls of the command line that the standard library does not have.

use std::{io, os::unix::net::UnixStream, path::Path};

use rustix::fs::{Mode, OFlags};

/// Bytes of a Unix socket's address on Linux, with the zero at its end.
pub(crate) const SOCKET_NAME_BYTES: usize = 108;

/// Connects to a Unix socket by a path of any length: a long one is reached through its directory's
/// descriptor.
pub(crate) fn connect_unix(path: &Path) -> io::Result<UnixStream> {
    if path.as_os_str().len() < SOCKET_NAME_BYTES {
        return UnixStream::connect(path);
    }
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(parent, flags, Mode::empty())?;
    let number = std::os::fd::AsRawFd::as_raw_fd(&directory);
    UnixStream::connect(Path::new(&format!("/proc/self/fd/{number}")).join(name))
}

/// A session of its own, so that no terminal's hang-up or `^C` reaches this process. A process that
/// leads a group already was started for itself.
pub(crate) fn leave_terminal() {
    let _ = rustix::process::setsid();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn a_socket_with_a_long_path_is_reached() {
        let base = tempfile::tempdir().expect("temporary directory");
        let deep = base.path().join("d".repeat(120));
        std::fs::create_dir(&deep).expect("creates");
        // bound by a short name, as the relay does it
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(&deep, flags, Mode::empty()).expect("opens");
        let number = std::os::fd::AsRawFd::as_raw_fd(&directory);
        let _listener =
            UnixListener::bind(format!("/proc/self/fd/{number}/relay.sock")).expect("binds");
        assert!(deep.join("relay.sock").as_os_str().len() > SOCKET_NAME_BYTES);
        connect_unix(&deep.join("relay.sock")).expect("connects");
        let missing = connect_unix(&deep.join("other.sock")).expect_err("not there");
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }
}
