//! The relay's end: starts a zygote and launches holders through it.

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    net::Shutdown,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::net::UnixStream,
    },
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use quarterdeck_protocol::holder::{LaunchAnswer, LaunchRequest};
use rustix::{
    io::{Errno, retry_on_intr},
    net::{
        AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags,
        SocketType, sockopt::Timeout,
    },
};

use crate::launch::{MAX_ANSWER_BYTES, MAX_REQUEST_BYTES, read_frame, write_frame};

/// A running zygote. Dropping it ends the zygote and none of the holders.
#[derive(Debug)]
pub struct Zygote {
    /// Taken only when dropped: closing it is what ends the process.
    control: Option<OwnedFd>,
    process: Child,
}

/// Why there is no launch answer. What was asked for may still have happened after
/// [`TimedOut`](Self::TimedOut): the lock of the session's log tells.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The zygote has ended; start another.
    #[error("the process that starts sessions has ended")]
    ZygoteGone,
    /// No answer in time: a slow disk, or a directory on a server that hangs.
    #[error("the session did not start in time")]
    TimedOut,
    /// The process that was to become the holder died before it answered.
    #[error("the session's process died while it started")]
    Vanished,
    /// The request is larger than any command line may be.
    #[error("the launch request is too large")]
    TooLarge,
    /// The sockets to ask with cannot be made or used.
    #[error("the launch could not be asked for")]
    Io(#[source] io::Error),
}

impl From<io::Error> for LaunchError {
    fn from(error: io::Error) -> Self {
        let kind = error.kind();
        let ended = [
            io::ErrorKind::UnexpectedEof,
            io::ErrorKind::BrokenPipe,
            io::ErrorKind::ConnectionReset,
        ];
        if kind == io::ErrorKind::TimedOut {
            Self::TimedOut
        } else if ended.contains(&kind) {
            Self::Vanished
        } else {
            Self::Io(error)
        }
    }
}

impl Zygote {
    /// Runs `command`, which must call [`run`](super::run) with its standard input.
    ///
    /// # Errors
    /// When the command cannot be started.
    pub fn start(mut command: Command) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        let (ours, theirs) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        command.stdin(Stdio::from(theirs)).stdout(Stdio::null());
        let process = command.spawn()?;
        Ok(Self { control: Some(ours), process })
    }

    /// Pid of the zygote.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Launches one holder and waits for its answer. Any number of launches may be under way at
    /// once; none waits for another.
    ///
    /// # Errors
    /// See [`LaunchError`]. A launch that failed for a reason of the session's own is an answer.
    pub fn launch(
        &self,
        request: &LaunchRequest,
        timeout: Duration,
    ) -> Result<LaunchAnswer, LaunchError> {
        let deadline = Instant::now() + timeout;
        let left = || deadline.saturating_duration_since(Instant::now());
        let (ours, theirs) = UnixStream::pair()?;
        self.hand_over(&theirs, timeout)?;
        // only the new process may keep the other end open
        drop(theirs);
        match write_frame(&ours, request, MAX_REQUEST_BYTES, left()) {
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                return Err(LaunchError::TooLarge);
            }
            // a process that does not read on may have left its answer
            Ok(()) | Err(_) => {}
        }
        let answer = read_frame(&ours, MAX_ANSWER_BYTES, left());
        if answer.is_err() {
            // said aloud: a child that is just being forked may have a copy of the descriptor, and
            // the launch must see that nobody waits for it
            let _ = ours.shutdown(Shutdown::Both);
        }
        Ok(answer?)
    }

    fn hand_over(&self, launch: &UnixStream, timeout: Duration) -> Result<(), LaunchError> {
        let control = self.control.as_ref().ok_or(LaunchError::ZygoteGone)?;
        rustix::net::sockopt::set_socket_timeout(control, Timeout::Send, Some(timeout))
            .map_err(io::Error::from)?;
        let descriptors = [launch.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
        let pieces = [IoSlice::new(b"l")];
        let sent = retry_on_intr(|| {
            rustix::net::sendmsg(control, &pieces, &mut ancillary, SendFlags::NOSIGNAL)
        });
        match sent {
            Ok(_) => Ok(()),
            Err(Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN) => Err(LaunchError::ZygoteGone),
            Err(Errno::AGAIN) => Err(LaunchError::TimedOut),
            Err(error) => Err(LaunchError::Io(error.into())),
        }
    }
}

impl Drop for Zygote {
    fn drop(&mut self) {
        drop(self.control.take());
        // it ends at the end of its input, which it reads between two forks
        let _ = self.process.wait();
    }
}
