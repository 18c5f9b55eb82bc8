//! The zygote's own end.

use std::{
    io::{self, IoSliceMut},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use quarterdeck_protocol::holder::{LaunchAnswer, LaunchErrorCode};
use rustix::{
    fs::{Mode, OFlags},
    io::{Errno, retry_on_intr},
    net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags},
    process::WaitOptions,
};

use crate::{
    launch::{MAX_ANSWER_BYTES, Surroundings, serve_launch, write_frame},
    sys::{self, ForkError, Forked},
};

/// How long a refusal may take to be written; it fits the empty socket.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(1);
/// Exit code of a holder whose panic was not even kept.
const EXIT_PANIC: u8 = 101;

/// Why a zygote ended before its relay closed the socket.
#[derive(Debug, thiserror::Error)]
pub enum ZygoteError {
    /// The socket is none, or broken.
    #[error("the zygote's control socket cannot be used")]
    Control(#[source] io::Error),
    /// Somebody has started a thread in it, so it cannot be forked.
    #[error("the zygote has {0} threads and must have one")]
    Threads(usize),
}

/// Serves launches until the other end of `control`, the standard input, is closed. The calling process must be a fresh
/// one that has not started a thread: `qd holder-zygote` calls this first of all. Every other
/// descriptor that it inherited is closed.
///
/// # Errors
/// See [`ZygoteError`].
pub fn run(control: &io::Stdin, surroundings: &Surroundings) -> Result<(), ZygoteError> {
    let control = settle(control.as_fd()).map_err(|error| ZygoteError::Control(error.into()))?;
    loop {
        match next_launch(&control) {
            Ok(Next::Launch(launch)) => start(launch, surroundings)?,
            Ok(Next::Nothing) => {}
            Ok(Next::Closed) => return Ok(()),
            Err(error) => return Err(ZygoteError::Control(error.into())),
        }
    }
}

/// Gets out of the relay's session, so that a `^C` at its terminal means only the relay, and lets go
/// of everything else that was inherited.
fn settle(control: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    // fails only for a group leader, which is not in the relay's group anyway
    let _ = rustix::process::setsid();
    let control = rustix::io::fcntl_dupfd_cloexec(control, 3)?;
    // no holder keeps the relay's directory in use
    rustix::process::chdir("/")?;
    rustix::stdio::dup2_stdin(open_null()?)?;
    sys::close_all_but(control.as_fd());
    sys::reset_signals();
    sys::use_one_allocation_arena();
    // only for `ps`
    let _ = rustix::thread::set_name(c"qd-zygote");
    Ok(control)
}

fn open_null() -> Result<OwnedFd, Errno> {
    rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
}

/// What came on the control socket.
enum Next {
    /// The socket of a launch.
    Launch(UnixStream),
    /// A message without one.
    Nothing,
    /// The relay has gone.
    Closed,
}

fn next_launch(control: &OwnedFd) -> Result<Next, Errno> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = retry_on_intr(|| {
        let pieces = &mut [IoSliceMut::new(&mut byte)];
        rustix::net::recvmsg(control, pieces, &mut ancillary, RecvFlags::CMSG_CLOEXEC)
    })?;
    let descriptors = ancillary.drain().filter_map(|message| {
        let RecvAncillaryMessage::ScmRights(descriptors) = message else { return None };
        Some(descriptors)
    });
    let launch = descriptors.flatten().next();
    Ok(match launch {
        Some(launch) => Next::Launch(UnixStream::from(launch)),
        None if received.bytes == 0 => Next::Closed,
        None => Next::Nothing,
    })
}

/// Forks twice, so that the holder is nobody's child and the zygote never collects one; then goes on
/// at once.
fn start(launch: UnixStream, surroundings: &Surroundings) -> Result<(), ZygoteError> {
    match sys::fork() {
        Ok(Forked::Parent(child)) => {
            // the child does nothing but fork, and ends
            let _ = retry_on_intr(|| rustix::process::waitpid(Some(child), WaitOptions::empty()));
            Ok(())
        }
        Ok(Forked::Child) => {
            let _ = rustix::process::setsid();
            match sys::fork() {
                Ok(Forked::Parent(_)) => {}
                Ok(Forked::Child) => become_holder(launch, surroundings),
                Err(error) => refuse(&launch, &error),
            }
            sys::exit_now(0)
        }
        Err(ForkError::Threads(threads)) => Err(ZygoteError::Threads(threads)),
        Err(error @ ForkError::System(_)) => {
            refuse(&launch, &error);
            Ok(())
        }
    }
}

fn become_holder(launch: UnixStream, surroundings: &Surroundings) -> ! {
    // in a group of its own, and no session leader: no terminal can become its controlling one by
    // being opened
    let _ = rustix::process::setpgid(None, None);
    sys::close_all_but(launch.as_fd());
    if let Ok(null) = open_null() {
        let _ = rustix::stdio::dup2_stdout(&null);
        let _ = rustix::stdio::dup2_stderr(&null);
    }
    // nothing may unwind into the zygote's frames, which this process does not own
    let held = catch_unwind(AssertUnwindSafe(|| serve_launch(launch, surroundings)));
    sys::exit_now(held.unwrap_or(EXIT_PANIC))
}

fn refuse(launch: &UnixStream, error: &ForkError) {
    let message = format!("no process for the session: {error}");
    let failed = LaunchAnswer::Failed { code: LaunchErrorCode::System, message };
    // an asker that has gone needs no answer
    let _ = write_frame(launch, &failed, MAX_ANSWER_BYTES, REFUSAL_PATIENCE);
}
