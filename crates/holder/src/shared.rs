//! What both threads of a holder know. Every lock here is held for a moment only, never across a
//! write to the disk: that is what keeps `^C` independent of it.

use std::{
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use quarterdeck_protocol::record::Position;
use quarterdeck_protocol::{
    holder::{InputEntry, Stalled},
    ids::{ClientId, InputNumber},
    record::{Lease, Termios},
};

use crate::{driver::DriverLink, inbox::Inbox};

/// The meeting place of the two threads.
#[derive(Debug)]
pub(crate) struct Shared {
    /// To the relay; both threads talk.
    pub(crate) link: DriverLink,
    /// To the thread that owns the log.
    pub(crate) inbox: Inbox,
    known: Mutex<Known>,
    applied: Mutex<Vec<InputEntry>>,
}

/// What the log says at this moment; written by the thread that owns it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    pub(crate) head: Position,
    /// The lease as it is recorded: input is judged by it.
    pub(crate) lease: Lease,
    pub(crate) termios: Option<Termios>,
    pub(crate) stalled: Option<Stalled>,
    /// The exit is recorded, or cannot be: the holder may end.
    pub(crate) finished: bool,
}

impl Shared {
    pub(crate) fn new(known: Known) -> io::Result<Self> {
        Ok(Self {
            link: DriverLink::new()?,
            inbox: Inbox::new()?,
            known: Mutex::new(known),
            applied: Mutex::default(),
        })
    }

    pub(crate) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes an applied input for the next checkpoint.
    pub(crate) fn note_applied(&self, client: ClientId, n: InputNumber) {
        let mut applied = self.applied.lock().unwrap_or_else(PoisonError::into_inner);
        match applied.iter_mut().find(|entry| entry.client == client) {
            Some(entry) => entry.n = n,
            None => applied.push(InputEntry { client, n }),
        }
    }

    /// Inputs applied since the last call, one line per client.
    pub(crate) fn take_applied(&self) -> Vec<InputEntry> {
        std::mem::take(&mut *self.applied.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
