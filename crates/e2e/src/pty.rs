//! A program on a pseudo-terminal of its own, as a terminal emulator would run it.

use std::{
    io::{self, Read, Write},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    process::{Child, ExitStatus},
};

use pty_process::{Size, blocking};
use tokio::io::{Interest, unix::AsyncFd};

use crate::watched::watch;

/// Columns and rows of a terminal in tests that do not care.
pub const USUAL_SIZE: (u16, u16) = (80, 24);

/// A program and the terminal it runs on. Dropping it hangs up and kills the program.
#[derive(Debug)]
pub struct PtyProcess {
    master: AsyncFd<OwnedFd>,
    child: Child,
}

/// Opens a terminal of `cols` × `rows` and starts a program on it; its master side blocks.
///
/// # Errors
/// When the system is out of terminals or the program cannot be started.
pub fn spawn_blocking(
    command: blocking::Command,
    (cols, rows): (u16, u16),
) -> io::Result<(blocking::Pty, Child)> {
    let (master, terminal) = blocking::open().map_err(io::Error::other)?;
    master.resize(Size::new(rows, cols)).map_err(io::Error::other)?;
    let child = command.spawn(terminal).map_err(io::Error::other)?;
    Ok((master, child))
}

impl PtyProcess {
    /// Starts a program on a new terminal. Needs a tokio runtime.
    ///
    /// # Errors
    /// As [`spawn_blocking`].
    pub fn spawn(command: blocking::Command, size: (u16, u16)) -> io::Result<Self> {
        let (master, child) = spawn_blocking(command, size)?;
        rustix::io::ioctl_fionbio(&master, true)?;
        Ok(Self { master: watch(master.into())?, child })
    }
    /// The program's process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }
    /// Reads what the program wrote: at least a byte, or 0 when nobody has the terminal any more.
    ///
    /// # Errors
    /// What the system said.
    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = |fd: &OwnedFd| Ok(rustix::io::read(fd, &mut *buffer)?);
        match self.master.async_io(Interest::READABLE, read).await {
            // how Linux says that the last descriptor of the other side is closed
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => {
                Ok(0)
            }
            other => other,
        }
    }
    /// Reads as [`PtyProcess::read`] does, and then what else is there at once.
    ///
    /// # Errors
    /// What the system said.
    pub async fn drain(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut count = self.read(buffer).await?;
        while count > 0 && count < buffer.len() {
            match rustix::io::read(self.master.get_ref(), &mut buffer[count..]) {
                Ok(more @ 1..) => count += more,
                // the next read says why there is no more
                Ok(0) | Err(_) => break,
            }
        }
        Ok(count)
    }
    /// Types.
    ///
    /// # Errors
    /// What the system said.
    pub async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let write = |fd: &OwnedFd| Ok(rustix::io::write(fd, bytes)?);
            let count = self.master.async_io(Interest::WRITABLE, write).await?;
            bytes = &bytes[count..];
        }
        Ok(())
    }
    /// Changes the terminal's size; the program gets SIGWINCH.
    ///
    /// # Errors
    /// What the system said.
    pub fn resize(&self, (cols, rows): (u16, u16)) -> io::Result<()> {
        let size =
            rustix::termios::Winsize { ws_row: rows, ws_col: cols, ws_xpixel: 0, ws_ypixel: 0 };
        Ok(rustix::termios::tcsetwinsize(self.master.get_ref(), size)?)
    }
    /// Waits for the program's end.
    ///
    /// # Errors
    /// What the system said.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        crate::processes::until_gone(self.child.id()).await?;
        self.child.wait()
    }
    /// The master side.
    #[must_use]
    pub fn master(&self) -> impl AsFd + '_ {
        self.master.get_ref()
    }
}

impl Drop for PtyProcess {
    fn drop(&mut self) {
        // it may have ended already; either way it is reaped here
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A terminal's master side that is read and written by the thread that has it; ends its program.
#[derive(Debug)]
pub struct BlockingPty {
    master: std::fs::File,
    child: Child,
}

impl BlockingPty {
    /// Starts a program on a new terminal.
    ///
    /// # Errors
    /// As [`spawn_blocking`].
    pub fn spawn(command: blocking::Command, size: (u16, u16)) -> io::Result<Self> {
        let (master, child) = spawn_blocking(command, size)?;
        Ok(Self { master: OwnedFd::from(master).into(), child })
    }
}

impl AsFd for BlockingPty {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }
}
impl Read for BlockingPty {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.master.read(buffer)
    }
}
impl Write for BlockingPty {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.master.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.master.flush()
    }
}
impl Drop for BlockingPty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
