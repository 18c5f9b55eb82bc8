//! The program's terminal: the PTY, and how a program is started on it.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
};

use pty_process::blocking::{Command, Pts, Pty};
use quarterdeck_protocol::{
    holder::{LaunchErrorCode, LaunchRequest},
    record::{Foreground, TerminalSize, Termios},
};
use rustix::{
    fs::{Access, OFlags},
    io::{Errno, retry_on_intr},
    process::Pid,
    termios::{InputModes, LocalModes, OptionalActions},
};

use crate::launch::LaunchFailure;

/// A terminal and the program that leads it.
pub(crate) struct Terminal {
    master: Pty,
    /// Kept open: a program that closes its own descriptors for a while must not look like an end.
    _slave: Pts,
    leader: Pid,
}

/// What a read found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// So many bytes.
    Bytes(usize),
    /// Everything that was written so far is read.
    Nothing,
    /// Nobody has the terminal open any more.
    Closed,
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// So many bytes were taken.
    Bytes(usize),
    /// The program must read first.
    Full,
    /// Nobody has the terminal open any more.
    Closed,
}

impl Terminal {
    /// Starts the program of `request` on a new terminal.
    pub(crate) fn start(request: &LaunchRequest) -> Result<Self, LaunchFailure> {
        check_directory(&request.cwd)?;
        let (master, slave) = open(request.size).map_err(|error| {
            LaunchFailure::new(LaunchErrorCode::System, "the system has no free terminal", error)
        })?;
        let child = command(request).spawn_borrowed(&slave);
        let child = child.map_err(|error| spawn_failure(&request.argv[0], error))?;
        Ok(Self { master, _slave: slave, leader: Pid::from_child(&child) })
    }

    /// The program: leader of its own session and group.
    pub(crate) fn leader(&self) -> Pid {
        self.leader
    }

    /// Reads what the program wrote, without waiting.
    pub(crate) fn try_read(&self, buffer: &mut [u8]) -> io::Result<Found> {
        match retry_on_intr(|| rustix::io::read(&self.master, &mut *buffer)) {
            Ok(0) | Err(Errno::IO) => Ok(Found::Closed),
            Ok(count) => Ok(Found::Bytes(count)),
            Err(Errno::AGAIN) => Ok(Found::Nothing),
            Err(error) => Err(error.into()),
        }
    }

    /// Types bytes, as far as the terminal takes them now.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<Written> {
        match retry_on_intr(|| rustix::io::write(&self.master, bytes)) {
            Ok(0) | Err(Errno::AGAIN) => Ok(Written::Full),
            Ok(count) => Ok(Written::Bytes(count)),
            Err(Errno::IO) => Ok(Written::Closed),
            Err(error) => Err(error.into()),
        }
    }

    /// Sets the size; the foreground group gets SIGWINCH when it changes.
    pub(crate) fn resize(&self, size: TerminalSize) -> io::Result<()> {
        resize(&self.master, size)
    }

    /// The state of the line discipline, if it can be told.
    pub(crate) fn termios(&self) -> Option<Termios> {
        let modes = rustix::termios::tcgetattr(&self.master).ok()?.local_modes;
        let foreground =
            if self.foreground()? == self.leader { Foreground::Leader } else { Foreground::Job };
        let echo = modes.contains(LocalModes::ECHO);
        Some(Termios { echo, canonical: modes.contains(LocalModes::ICANON), foreground })
    }

    /// The process group that reads the terminal.
    pub(crate) fn foreground(&self) -> Option<Pid> {
        rustix::termios::tcgetpgrp(&self.master).ok()
    }
}

impl AsFd for Terminal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }
}

fn open(size: TerminalSize) -> Result<(Pty, Pts), pty_process::Error> {
    let (master, slave) = pty_process::blocking::open()?;
    resize(&master, size)?;
    let flags = rustix::fs::fcntl_getfl(&master)?;
    rustix::fs::fcntl_setfl(&master, flags | OFlags::NONBLOCK)?;
    // erase a whole character at once where the line discipline edits, as terminals do
    let mut modes = rustix::termios::tcgetattr(&master)?;
    modes.input_modes |= InputModes::IUTF8;
    rustix::termios::tcsetattr(&master, OptionalActions::Now, &modes)?;
    Ok((master, slave))
}

fn resize(master: &Pty, size: TerminalSize) -> io::Result<()> {
    let TerminalSize { cols, rows, xpixel, ypixel } = size;
    let size = rustix::termios::Winsize {
        ws_row: rows,
        ws_col: cols,
        ws_xpixel: xpixel,
        ws_ypixel: ypixel,
    };
    Ok(rustix::termios::tcsetwinsize(master, size)?)
}

fn command(request: &LaunchRequest) -> Command {
    let mut command = Command::new(&request.argv[0])
        .args(&request.argv[1..])
        .env_clear()
        .envs(&request.env)
        .current_dir(&request.cwd);
    if let Some(argv0) = &request.argv0 {
        command = command.arg0(argv0);
    }
    command
}

/// Looks first where the program shall start: a failed spawn would not say which of the two paths
/// was wrong.
pub(crate) fn check_directory(cwd: &str) -> Result<(), LaunchFailure> {
    let entered = std::fs::metadata(cwd).and_then(|entry| {
        if !entry.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(rustix::fs::access(cwd, Access::EXEC_OK)?)
    });
    entered.map_err(|error| {
        let sentence = format!("the directory {cwd:?} cannot be entered");
        LaunchFailure::new(LaunchErrorCode::Cwd, &sentence, error)
    })
}

fn spawn_failure(command: &str, error: pty_process::Error) -> LaunchFailure {
    io_failure(
        command,
        match error {
            pty_process::Error::Io(error) => error,
            pty_process::Error::Rustix(error) => error.into(),
        },
    )
}

/// Why a command was not started.
pub(crate) fn io_failure(command: &str, error: io::Error) -> LaunchFailure {
    let (code, sentence) = if error.kind() == io::ErrorKind::NotFound {
        (LaunchErrorCode::Command, format!("the command {command:?} was not found"))
    } else if error.kind() == io::ErrorKind::PermissionDenied {
        (LaunchErrorCode::Command, format!("the command {command:?} may not be executed"))
    } else if error.kind() == io::ErrorKind::ArgumentListTooLong {
        (LaunchErrorCode::Command, "the command line and its environment are too long".to_owned())
    } else {
        (LaunchErrorCode::System, format!("the command {command:?} cannot be started"))
    };
    LaunchFailure::new(code, &sentence, error)
}
