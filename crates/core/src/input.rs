//! What a client has typed and not seen applied: numbered, bounded, resent after a lost link.
//!
//! The holder remembers the last number it applied per client, so a resend applies once. This machine
//! keeps its side of that: numbers are never used twice, bytes keep their number and their bounds for
//! as long as they are resent, and a link's frames go out in order. Bytes typed under one lease never
//! reach the program under a later one: who lost the session and got it back did not mean them any
//! more.
//!
//! Bytes that cannot go yet (link down, or too much in flight) wait and are joined into few frames.

#[cfg(test)]
mod tests;

use alloc::{boxed::Box, collections::VecDeque};

use quarterdeck_protocol::{
    frame::InputState,
    ids::{Epoch, Incarnation, InputNumber},
    limits::{INPUT_WINDOW_BYTES, MAX_INPUT_BYTES},
};

/// Frames in flight at a time: single keystrokes on a slow link are joined beyond it, which bounds the
/// cost of a frame that carries one byte.
pub const MAX_FRAMES_IN_FLIGHT: usize = 256;
/// Bytes that wait to be sent, beside [`INPUT_WINDOW_BYTES`] in flight; the reader of the keyboard
/// stops there.
pub const MAX_WAITING_BYTES: usize = INPUT_WINDOW_BYTES;

/// What the answer to an attach says about input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attached {
    /// Last number of this client that the holder applied.
    pub applied: InputNumber,
    /// The epoch under which this client owns the session; none = it follows.
    pub epoch: Option<Epoch>,
    /// Which start of the program this is.
    pub incarnation: Incarnation,
}

/// What became of pushed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// All were taken.
    All,
    /// Only the first `taken` were taken; push the rest after the next acknowledgement.
    Full {
        /// Bytes taken.
        taken: usize,
    },
    /// None were taken: this client follows.
    NotOwner,
}

/// A frame to send now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sending<'a> {
    /// The lease under which it is sent.
    pub epoch: Epoch,
    /// Its number; the same at every resend.
    pub n: InputNumber,
    /// At most [`MAX_INPUT_BYTES`].
    pub bytes: &'a [u8],
}

/// What an acknowledgement changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acked {
    /// Nothing: the input is on its way, or was settled before.
    Nothing,
    /// These bytes reached the program.
    Applied {
        /// How many.
        bytes: usize,
    },
    /// These bytes did not reach the program and will not, or (after `Indeterminate`) nobody knows.
    Lost {
        /// The acknowledged input and what waited behind it: the rest of a text with a hole is not
        /// typed.
        bytes: usize,
    },
}

/// Bytes that were given up: never sent, or sent with unknown effect and not resent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[must_use = "a person should learn that what they typed is gone"]
pub struct Discarded {
    /// How many.
    pub bytes: usize,
}

/// The unacknowledged input of one client on one session.
#[derive(Debug)]
pub struct InputWindow {
    link: Link,
    /// None while this client follows; then nothing waits.
    epoch: Option<Epoch>,
    incarnation: Incarnation,
    /// Number of the next new frame; only grows.
    next: InputNumber,
    /// Oldest first; numbers rise.
    in_flight: VecDeque<Frame>,
    in_flight_bytes: usize,
    /// How many of `in_flight`, from the front, were sent on the present link.
    sent_here: usize,
    /// Typed and not numbered yet; at most [`MAX_WAITING_BYTES`].
    waiting: VecDeque<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    Up,
    Down,
}

#[derive(Debug)]
struct Frame {
    n: InputNumber,
    epoch: Epoch,
    bytes: Box<[u8]>,
}

impl InputWindow {
    /// The window of a client that has just attached for the first time.
    #[must_use]
    pub fn new(attached: Attached) -> Self {
        Self {
            link: Link::Up,
            epoch: attached.epoch,
            incarnation: attached.incarnation,
            next: attached.applied.next(),
            in_flight: VecDeque::new(),
            in_flight_bytes: 0,
            sent_here: 0,
            waiting: VecDeque::new(),
        }
    }

    /// Takes typed bytes. While the link is down they wait for its return.
    pub fn push(&mut self, bytes: &[u8]) -> Pushed {
        if self.epoch.is_none() {
            return Pushed::NotOwner;
        }
        let taken = bytes.len().min(MAX_WAITING_BYTES - self.waiting.len());
        self.waiting.extend(&bytes[..taken]);
        if taken == bytes.len() { Pushed::All } else { Pushed::Full { taken } }
    }

    /// The next frame to send: resends first, then what waits, as far as the window is open.
    pub fn poll_send(&mut self) -> Option<Sending<'_>> {
        if self.link == Link::Down {
            return None;
        }
        if self.sent_here == self.in_flight.len() {
            self.number_waiting()?;
        }
        let frame = self.in_flight.get(self.sent_here)?;
        self.sent_here += 1;
        Some(Sending { epoch: frame.epoch, n: frame.n, bytes: &frame.bytes })
    }

    /// An acknowledgement on the present link.
    pub fn handle_ack(&mut self, n: InputNumber, state: InputState) -> Acked {
        match state {
            InputState::Accepted | InputState::Delivered => Acked::Nothing,
            InputState::Applied => match self.settle_through(n) {
                0 => Acked::Nothing,
                bytes => Acked::Applied { bytes },
            },
            InputState::Rejected | InputState::Indeterminate => match self.give_up(n) {
                Some(frame_bytes) => {
                    Acked::Lost { bytes: frame_bytes + self.discard_waiting().bytes }
                }
                None => Acked::Nothing,
            },
        }
    }

    /// The lease changed while the link is up: `epoch` is this client's if it owns the session now.
    pub fn handle_lease(&mut self, epoch: Option<Epoch>) -> Discarded {
        if epoch == self.epoch {
            return Discarded::default();
        }
        self.epoch = epoch;
        // what was sent is settled by its acknowledgement; what was not would only be rejected
        let unsent: usize =
            self.in_flight.drain(self.sent_here..).map(|frame| frame.bytes.len()).sum();
        self.in_flight_bytes -= unsent;
        Discarded { bytes: unsent + self.discard_waiting().bytes }
    }

    /// The link is gone; nothing is sent until [`Self::handle_attached`].
    pub const fn handle_link_down(&mut self) {
        self.link = Link::Down;
    }

    /// The client has attached again. What the holder has not applied is resent, if the lease and the
    /// program are still those it was typed for.
    pub fn handle_attached(&mut self, attached: Attached) -> Discarded {
        self.link = Link::Up;
        self.sent_here = 0;
        self.settle_through(attached.applied);
        self.next = self.next.max(attached.applied.next());
        let same = attached.epoch == self.epoch && attached.incarnation == self.incarnation;
        self.epoch = attached.epoch;
        self.incarnation = attached.incarnation;
        if same {
            return Discarded::default();
        }
        let unsettled = core::mem::take(&mut self.in_flight_bytes);
        self.in_flight.clear();
        Discarded { bytes: unsettled + self.discard_waiting().bytes }
    }

    /// Bytes that were taken and are neither applied nor given up.
    #[must_use]
    pub fn unsettled_bytes(&self) -> usize {
        self.in_flight_bytes + self.waiting.len()
    }

    /// Makes a frame of what waits, if the window is open and anything waits.
    fn number_waiting(&mut self) -> Option<()> {
        let epoch = self.epoch?;
        let room = INPUT_WINDOW_BYTES - self.in_flight_bytes;
        let size = self.waiting.len().min(MAX_INPUT_BYTES).min(room);
        if size == 0 || self.in_flight.len() >= MAX_FRAMES_IN_FLIGHT {
            return None;
        }
        let bytes: Box<[u8]> = self.waiting.drain(..size).collect();
        self.in_flight.push_back(Frame { n: self.next, epoch, bytes });
        self.in_flight_bytes += size;
        self.next = self.next.next();
        Some(())
    }

    /// Forgets every frame up to `n`, since an applied input means all before it. Their bytes.
    fn settle_through(&mut self, n: InputNumber) -> usize {
        let count = self.in_flight.partition_point(|frame| frame.n <= n);
        let bytes = self.in_flight.drain(..count).map(|frame| frame.bytes.len()).sum();
        self.in_flight_bytes -= bytes;
        self.sent_here = self.sent_here.saturating_sub(count);
        bytes
    }

    /// Forgets frame `n`. Its bytes, if it was there.
    fn give_up(&mut self, n: InputNumber) -> Option<usize> {
        let index = self.in_flight.iter().position(|frame| frame.n == n)?;
        let bytes = self.in_flight.remove(index)?.bytes.len();
        self.in_flight_bytes -= bytes;
        self.sent_here -= usize::from(index < self.sent_here);
        Some(bytes)
    }

    fn discard_waiting(&mut self) -> Discarded {
        let bytes = self.waiting.len();
        self.waiting.clear();
        Discarded { bytes }
    }
}
