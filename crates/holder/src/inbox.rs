//! What the control thread wants recorded, on its way to the thread that owns the log.
//!
//! Handing something over never waits: the disk may be slow, and `^C` must not be. When the queue is
//! full, requests are refused, sizes replace each other, and input records are counted as missing.

use std::{
    collections::VecDeque,
    io,
    os::fd::{AsFd, BorrowedFd},
    sync::{Mutex, PoisonError},
};

use quarterdeck_protocol::{
    holder::{ExtraRequest, TrimRequest},
    record::{Exit, Input, Lease, Resize},
};

use crate::{bell::Bell, driver::ReplyTo};

/// Bytes that may wait to be recorded. A healthy disk keeps this near nothing.
const MAX_WAITING_BYTES: usize = 1024 * 1024;
/// Bytes of one note: facts about a session, not its content. A few of them fit the queue.
pub(crate) const MAX_NOTE_BYTES: usize = 256 * 1024;
/// What a job costs beside its payload, so that small ones stay bounded too.
const JOB_COST_BYTES: usize = 1024;

/// The JSON of a record as the relay wrote it: members that this holder does not know are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verbatim(pub(crate) Vec<u8>);

/// Something to do for the thread that owns the log.
#[derive(Debug)]
pub(crate) enum Job {
    /// Record a change of the lease, and sync it.
    Lease(Lease, Verbatim, ReplyTo),
    /// Record a note.
    Note(Verbatim, ReplyTo),
    /// Drop old segments.
    Trim(TrimRequest, ReplyTo),
    /// Tell the driver again the output that the disk has no room for.
    Unrecorded,
    /// Record input that was written to the program.
    Input(Input),
    /// Record a fact and write lines to an agent, once per key.
    Operation(Verbatim, ReplyTo),
    /// Keep this for the next checkpoint.
    Extra(ExtraRequest, ReplyTo),
}

impl Job {
    fn cost_bytes(&self) -> usize {
        let payload = match self {
            Self::Trim(..) | Self::Unrecorded => 0,
            Self::Lease(_, Verbatim(text), _) | Self::Note(Verbatim(text), _) => text.len(),
            Self::Operation(Verbatim(body), _) => body.len(),
            Self::Extra(request, _) => request.extra.as_str().len(),
            Self::Input(input) => input.bytes.len(),
        };
        JOB_COST_BYTES + payload
    }
}

/// Everything that waits at one moment.
#[derive(Debug, Default)]
pub(crate) struct Mail {
    /// In order.
    pub(crate) jobs: VecDeque<Job>,
    /// The newest size, if it changed.
    pub(crate) resize: Option<Resize>,
    /// Inputs that found no room here.
    pub(crate) unrecorded_inputs: u64,
    /// The agent's input is to be closed.
    pub(crate) close_input: bool,
    /// The program has ended; the last thing that is ever said.
    pub(crate) exit: Option<Exit>,
    cost_bytes: usize,
    bell: BellState,
}

/// Whether the bell rings, so that neither side makes a system call for nothing.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum BellState {
    #[default]
    Silent,
    Ringing,
}

/// The queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

/// The way from the control thread to the log.
#[derive(Debug)]
pub(crate) struct Inbox {
    mail: Mutex<Mail>,
    output: Bell,
}

impl Inbox {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { mail: Mutex::default(), output: Bell::new()? })
    }

    /// Hands a request over.
    pub(crate) fn push(&self, job: Job) -> Result<(), Full> {
        self.change(|mail| {
            let cost_bytes = mail.cost_bytes + job.cost_bytes();
            // alone, a large one passes: it is no larger than a message on the socket
            if cost_bytes > MAX_WAITING_BYTES && !mail.jobs.is_empty() {
                if matches!(job, Job::Input(_)) {
                    mail.unrecorded_inputs += 1;
                }
                return Err(Full);
            }
            mail.cost_bytes = cost_bytes;
            mail.jobs.push_back(job);
            Ok(())
        })
    }

    /// Hands over a new size; it replaces one that is not recorded yet.
    pub(crate) fn resize(&self, resize: Resize) {
        self.change(|mail| mail.resize = Some(resize));
    }

    /// Has the agent's input closed: the first rung of its stop.
    pub(crate) fn close_input(&self) {
        self.change(|mail| mail.close_input = true);
    }

    /// Says that the program has ended.
    pub(crate) fn end(&self, exit: Exit) {
        self.change(|mail| mail.exit = Some(exit));
    }

    /// Makes the output thread look at the terminal's state.
    pub(crate) fn poke(&self) {
        self.change(|_| ());
    }

    /// Everything that waits, and a silent bell.
    pub(crate) fn take(&self) -> Mail {
        let mut mail = self.mail.lock().unwrap_or_else(PoisonError::into_inner);
        if mail.bell == BellState::Ringing {
            self.output.drain();
        }
        std::mem::take(&mut *mail)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Mail) -> T) -> T {
        let mut mail = self.mail.lock().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut mail);
        if mail.bell == BellState::Silent {
            mail.bell = BellState::Ringing;
            self.output.ring();
        }
        result
    }
}

impl AsFd for Inbox {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.output.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::ConnectionId;
    use quarterdeck_protocol::record::TerminalSize;

    fn note(text: &str) -> Job {
        let to = ReplyTo { connection: ConnectionId(1), request: 1 };
        Job::Note(Verbatim(text.as_bytes().to_vec()), to)
    }

    #[test]
    fn a_stuck_disk_makes_requests_fail_and_does_not_fill_the_memory() {
        let inbox = Inbox::new().expect("an inbox");
        let accepted = (0..10_000).filter(|_| inbox.push(note("x")).is_ok()).count();
        assert!((100..1100).contains(&accepted), "{accepted}");
        assert_eq!(inbox.take().jobs.len(), accepted);

        let large = "x".repeat(MAX_NOTE_BYTES);
        let accepted = (0..10).filter(|_| inbox.push(note(&large)).is_ok()).count();
        assert_eq!(accepted, 3);
    }

    #[test]
    fn only_the_newest_size_waits() {
        let inbox = Inbox::new().expect("an inbox");
        for cols in 1..=1000 {
            let size = TerminalSize { cols, rows: 24, ..TerminalSize::default() };
            inbox.resize(Resize { size, by: None });
        }
        let resize = inbox.take().resize.expect("a size");
        assert_eq!(resize.size.cols, 1000);
        assert_eq!(inbox.take().resize, None);
    }
}
