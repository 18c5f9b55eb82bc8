//! The operating system calls of this crate: another system is another file like this one.

use std::{
    ffi::OsStr,
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{self, Mode, OFlags},
    net::sockopt,
};
use socket2::SockRef;

use crate::limits::{TCP_KEEPALIVE_IDLE, TCP_NOTSENT_LOWAT_BYTES, TCP_USER_TIMEOUT};

/// Longest path that fits into a socket address.
const MAX_ADDRESS_BYTES: usize = 107;

/// Sets what every TCP connection of ours has: small writes leave at once, a peer that vanished is noticed,
/// and the kernel hoards no unsent bytes. A socket that refuses an option works without it.
pub(crate) fn tune_tcp<S: AsFd>(socket: &S) {
    let fd = socket.as_fd();
    let _ = sockopt::set_tcp_nodelay(fd, true);
    let _ = sockopt::set_socket_keepalive(fd, true);
    let _ = sockopt::set_tcp_keepidle(fd, TCP_KEEPALIVE_IDLE);
    let milliseconds = u32::try_from(TCP_USER_TIMEOUT.as_millis()).unwrap_or(u32::MAX);
    let _ = sockopt::set_tcp_user_timeout(fd, milliseconds);
    let _ = SockRef::from(socket).set_tcp_notsent_lowat(TCP_NOTSENT_LOWAT_BYTES);
}

/// A name for a socket that fits into an address, however long its path is. The directory stays open as
/// long as this lives, and with it the name stays good.
#[derive(Debug)]
pub(crate) struct SocketName {
    path: PathBuf,
    _directory: Option<OwnedFd>,
}

impl SocketName {
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        if path.as_os_str().len() <= MAX_ADDRESS_BYTES {
            return Ok(Self { path: path.to_owned(), _directory: None });
        }
        let (directory, name) = split(path)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = fs::open(directory, flags, Mode::empty())?;
        let short = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(name);
        if short.as_os_str().len() > MAX_ADDRESS_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "socket file name too long"));
        }
        Ok(Self { path: short, _directory: Some(directory) })
    }
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Directory and file name of a path that has both.
pub(crate) fn split(path: &Path) -> io::Result<(&Path, &OsStr)> {
    let parts = path.parent().zip(path.file_name());
    parts.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not a path of a file"))
}
