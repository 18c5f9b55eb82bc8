//! An agent's standard streams: three pipes, and how its program is started on them.

use std::{
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::process::CommandExt as _,
    },
    process::{Command, Stdio},
};

use quarterdeck_protocol::holder::LaunchRequest;
use rustix::{
    fs::OFlags,
    io::{Errno, retry_on_intr},
    process::Pid,
};

use crate::{
    launch::LaunchFailure,
    terminal::{Found, Written, check_directory, io_failure},
};

/// The holder's ends of the pipes; an end is dropped when the other one is.
#[derive(Debug)]
pub(crate) struct Pipes {
    pub(crate) input: Option<OwnedFd>,
    pub(crate) output: Option<OwnedFd>,
    pub(crate) errors: Option<OwnedFd>,
    leader: Pid,
}

impl Pipes {
    /// Starts the program of `request`, as the leader of a group of its own.
    pub(crate) fn start(request: &LaunchRequest) -> Result<Self, LaunchFailure> {
        check_directory(&request.cwd)?;
        let mut command = Command::new(&request.argv[0]);
        command
            .args(&request.argv[1..])
            .env_clear()
            .envs(&request.env)
            .current_dir(&request.cwd)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(argv0) = &request.argv0 {
            command.arg0(argv0);
        }
        let failed = |error: io::Error| io_failure(&request.argv[0], error);
        let mut child = command.spawn().map_err(failed)?;
        let leader = Pid::from_child(&child);
        let pipes = Self {
            input: child.stdin.take().map(OwnedFd::from),
            output: child.stdout.take().map(OwnedFd::from),
            errors: child.stderr.take().map(OwnedFd::from),
            leader,
        };
        for end in [&pipes.input, &pipes.output, &pipes.errors].into_iter().flatten() {
            // the other end is a file of its own and still waits
            set_nonblocking(end).map_err(failed)?;
        }
        Ok(pipes)
    }

    pub(crate) fn leader(&self) -> Pid {
        self.leader
    }
}

fn set_nonblocking(end: &OwnedFd) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(end)?;
    Ok(rustix::fs::fcntl_setfl(end, flags | OFlags::NONBLOCK)?)
}

/// Reads what is there, without waiting.
pub(crate) fn try_read(end: BorrowedFd<'_>, buffer: &mut [u8]) -> Found {
    match retry_on_intr(|| rustix::io::read(end, &mut *buffer)) {
        Ok(count) if count > 0 => Found::Bytes(count),
        Err(Errno::AGAIN) => Found::Nothing,
        // a pipe that cannot be read is as good as closed
        Ok(_) | Err(_) => Found::Closed,
    }
}

/// Writes as much as the pipe takes now.
pub(crate) fn try_write(end: &OwnedFd, bytes: &[u8]) -> Written {
    match retry_on_intr(|| rustix::io::write(end.as_fd(), bytes)) {
        Ok(count) if count > 0 => Written::Bytes(count),
        Ok(_) | Err(Errno::AGAIN) => Written::Full,
        Err(_) => Written::Closed,
    }
}
