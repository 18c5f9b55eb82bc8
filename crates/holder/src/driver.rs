//! The connected relay as both threads of a holder see it: what is still to be told, and the socket.
//!
//! Whoever has news tells it at once, on its own thread: a hop to another thread would cost more than
//! the send. Only what nobody waits for goes with the next news, or a moment later: each message by
//! itself wakes a relay, and whoever it passes it on to. No send ever waits. What the socket does not take
//! stays here, up to a bound: of heads only the newest, of unrecorded output nothing, and a driver that
//! does not read its answers gets no more requests served.

use std::{
    io::{self, Write as _},
    os::unix::net::UnixStream,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use quarterdeck_protocol::record::Position;
use quarterdeck_protocol::{
    holder::{Message, op},
    limits::MAX_DRIVER_QUEUE_BYTES,
};

use crate::bell::Bell;

/// How long a key's acknowledgement waits for its echo.
const PATIENCE: Duration = Duration::from_millis(10);

/// A number for each connection, so that a late answer never reaches a later driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConnectionId(pub(crate) u64);

/// Where the answer to a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReplyTo {
    pub(crate) connection: ConnectionId,
    pub(crate) request: u32,
}

/// What the control thread must do for the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attention {
    /// Nothing: everything is told.
    None,
    /// Something goes with the next news, and by itself at this time.
    Later(Instant),
    /// Something waits until the socket takes more.
    Writable,
    /// As before, and so much waits that no further request may be read.
    Backlog,
    /// The socket is broken.
    Broken,
}

/// The link to the driver, if there is one.
#[derive(Debug)]
pub(crate) struct DriverLink {
    state: Mutex<Option<Current>>,
    /// Wakes the control thread when another thread could not send everything.
    control: Bell,
}

#[derive(Debug)]
struct Current {
    id: ConnectionId,
    stream: UnixStream,
    /// Whole messages, the first of them cut at what is already sent.
    unsent: Vec<u8>,
    /// Until when it may wait for news.
    patient_until: Option<Instant>,
    /// The newest head, when it is not told.
    untold: Option<Position>,
    /// The highest head that was told or is to be told.
    told: Position,
    /// Unrecorded output found no room.
    missed: Missed,
    broken: bool,
}

/// Whether a driver must be told again what a full disk keeps out of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missed {
    Nothing,
    Something,
}

impl DriverLink {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { state: Mutex::new(None), control: Bell::new()? })
    }

    /// What the control thread polls.
    pub(crate) fn bell(&self) -> &Bell {
        &self.control
    }

    /// Puts a new driver in the old one's place. `hello` is the first thing it is told, `head` the
    /// head that stands in it.
    pub(crate) fn attach(
        &self,
        id: ConnectionId,
        stream: UnixStream,
        hello: Vec<u8>,
        head: Position,
    ) {
        let current = Current {
            id,
            stream,
            unsent: hello,
            patient_until: None,
            untold: None,
            told: head,
            missed: Missed::Nothing,
            broken: false,
        };
        let mut state = self.lock();
        state.insert(current).flush();
    }

    /// Closes this connection, unless it is replaced already.
    pub(crate) fn detach(&self, id: ConnectionId) {
        self.lock().take_if(|current| current.id == id);
    }

    /// Tells the driver how far the log is; an older head than the last is skipped.
    pub(crate) fn tell_head(&self, head: Position) {
        self.with_current(|current| {
            if head > current.told {
                current.told = head;
                current.untold = Some(head);
            }
        });
    }

    /// Answers a request, if its connection is still the driver's.
    pub(crate) fn answer(&self, to: ReplyTo, op: u8, body: &[u8]) {
        self.with_current(|current| {
            if current.id == to.connection {
                Message { op, request: to.request, body }.encode(&mut current.unsent);
            }
        });
    }

    /// Tells whoever drives something that matters.
    pub(crate) fn tell(&self, op: u8, request: u32, body: &[u8]) {
        self.with_current(|current| Message { op, request, body }.encode(&mut current.unsent));
    }

    /// Tells whoever drives what can go with the next news. For the control thread, which looks after it.
    pub(crate) fn tell_later(&self, op: u8, request: u32, body: &[u8], now: Instant) {
        let mut state = self.lock();
        let Some(current) = state.as_mut() else { return };
        if current.unsent.is_empty() {
            current.patient_until = Some(now + PATIENCE);
        }
        Message { op, request, body }.encode(&mut current.unsent);
    }

    /// Tells whoever drives output that is not in the log, while there is room for it.
    pub(crate) fn tell_unrecorded(&self, body: &[u8]) {
        self.with_current(|current| {
            if current.unsent.len() + body.len() < MAX_DRIVER_QUEUE_BYTES / 2 {
                Message { op: op::UNRECORDED, request: 0, body }.encode(&mut current.unsent);
            } else {
                current.missed = Missed::Something;
            }
        });
    }

    /// Whether unrecorded output found no room before, and there is room now: it can be told again.
    pub(crate) fn try_take_missed(&self) -> bool {
        let mut state = self.lock();
        let now = state.as_mut().filter(|current| current.unsent.is_empty());
        now.is_some_and(|current| {
            std::mem::replace(&mut current.missed, Missed::Nothing) == Missed::Something
        })
    }

    /// Sends what waits and may not wait longer, as far as the socket takes it.
    pub(crate) fn flush(&self, now: Instant) -> Attention {
        let mut state = self.lock();
        state.as_mut().map_or(Attention::None, |current| {
            if current.patient_until.is_none_or(|until| until <= now) {
                current.flush();
            }
            current.attention()
        })
    }

    fn with_current(&self, change: impl FnOnce(&mut Current)) {
        let mut state = self.lock();
        let Some(current) = state.as_mut() else { return };
        let before = current.attention();
        change(current);
        current.flush();
        if current.unsent.len() > MAX_DRIVER_QUEUE_BYTES {
            // it reads nothing; what it missed is in the log
            current.broken = true;
        }
        let attention = current.attention();
        if attention != before && attention != Attention::None {
            self.control.ring();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Current>> {
        // a panic ends the whole process, so a poisoned lock is seen by nobody but a test
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Current {
    fn flush(&mut self) {
        let was_patient = self.patient_until.take().is_some();
        loop {
            // of a driver that reads slowly it is the newest head that counts
            if (self.unsent.is_empty() || was_patient)
                && let Some(head) = self.untold.take()
            {
                let body = head.to_bytes();
                Message { op: op::HEAD, request: 0, body: &body }.encode(&mut self.unsent);
            }
            if self.unsent.is_empty() {
                return;
            }
            // std sends with MSG_NOSIGNAL, and the socket is nonblocking
            match self.stream.write(&self.unsent) {
                Ok(sent) => self.forget_sent(sent),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.broken = true;
                    return;
                }
            }
        }
    }

    fn forget_sent(&mut self, sent: usize) {
        self.unsent.drain(..sent);
        if self.unsent.is_empty() && self.unsent.capacity() > 4096 {
            // an idle holder keeps no memory for a busy moment
            self.unsent = Vec::new();
        }
    }

    fn attention(&self) -> Attention {
        if self.broken {
            Attention::Broken
        } else if self.unsent.len() > MAX_DRIVER_QUEUE_BYTES / 2 {
            Attention::Backlog
        } else if self.unsent.is_empty() {
            Attention::None
        } else {
            self.patient_until.map_or(Attention::Writable, Attention::Later)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarterdeck_protocol::ids::{Out, Seq};
    use std::io::Read as _;

    const FIRST: ConnectionId = ConnectionId(1);

    fn head(out: u64) -> Position {
        Position { seq: Seq(out), out: Out(out) }
    }

    fn attached() -> (DriverLink, UnixStream) {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        ours.set_nonblocking(true).expect("nonblocking");
        theirs.set_nonblocking(true).expect("nonblocking");
        let link = DriverLink::new().expect("a link");
        link.attach(FIRST, ours, Vec::new(), head(0));
        (link, theirs)
    }

    fn messages(stream: &mut UnixStream) -> Vec<(u8, u32, Vec<u8>)> {
        let mut bytes = Vec::new();
        let blocked = stream.read_to_end(&mut bytes).map_err(|error| error.kind());
        assert!(matches!(blocked, Ok(_) | Err(io::ErrorKind::WouldBlock)));
        let (mut rest, mut found) = (&bytes[..], Vec::new());
        while let Ok(Some((message, size))) = Message::parse(rest) {
            found.push((message.op, message.request, message.body.to_vec()));
            rest = &rest[size..];
        }
        assert!(rest.is_empty(), "half a message");
        found
    }

    #[test]
    fn a_head_is_told_at_once_and_an_older_one_not_at_all() {
        let (link, mut driver) = attached();
        link.tell_head(head(5));
        link.tell_head(head(4));
        link.tell_head(head(5));
        assert_eq!(messages(&mut driver), [(op::HEAD, 0, head(5).to_bytes().to_vec())]);
        assert_eq!(link.flush(Instant::now()), Attention::None);
    }

    #[test]
    fn what_nobody_waits_for_goes_with_the_next_news_or_when_its_time_has_come() {
        let (link, mut driver) = attached();
        let now = Instant::now();
        link.tell_later(op::INPUT_ACK, 1, b"a", now);
        link.tell_later(op::INPUT_ACK, 2, b"b", now + PATIENCE / 2);
        assert_eq!(link.flush(now + PATIENCE / 2), Attention::Later(now + PATIENCE));
        assert_eq!(messages(&mut driver), []);
        link.tell_head(head(5));
        let both = [(op::INPUT_ACK, 1, b"a".to_vec()), (op::INPUT_ACK, 2, b"b".to_vec())];
        let news = (op::HEAD, 0, head(5).to_bytes().to_vec());
        assert_eq!(messages(&mut driver), [&both[..], &[news]].concat());

        link.tell_later(op::INPUT_ACK, 3, b"c", now);
        assert_eq!(link.flush(now + PATIENCE), Attention::None);
        assert_eq!(messages(&mut driver), [(op::INPUT_ACK, 3, b"c".to_vec())]);
    }

    #[test]
    fn a_driver_that_does_not_read_is_told_only_the_newest_head_later() {
        let (link, mut driver) = attached();
        for out in 1..=100_000 {
            link.tell_head(head(out));
        }
        assert_eq!(link.flush(Instant::now()), Attention::Writable);
        let told = messages(&mut driver).len();
        assert!(told < 50_000, "{told} heads were queued");
        assert_eq!(link.flush(Instant::now()), Attention::None);
        let last = messages(&mut driver).pop().expect("the newest head");
        assert_eq!(last, (op::HEAD, 0, head(100_000).to_bytes().to_vec()));
    }

    #[test]
    fn an_answer_to_a_replaced_connection_is_dropped() {
        let (link, mut old) = attached();
        let (ours, mut new) = UnixStream::pair().expect("a pair");
        new.set_nonblocking(true).expect("nonblocking");
        link.attach(ConnectionId(2), ours, Vec::new(), head(0));
        link.answer(ReplyTo { connection: FIRST, request: 8 }, op::OK, b"{}");
        link.answer(ReplyTo { connection: ConnectionId(2), request: 9 }, op::OK, b"{}");
        link.detach(FIRST);
        assert_eq!(messages(&mut old), []);
        assert_eq!(messages(&mut new), [(op::OK, 9, b"{}".to_vec())]);
    }

    #[test]
    fn unread_answers_stop_the_reading_of_requests_and_in_the_end_the_connection() {
        let (link, _driver) = attached();
        let body = vec![0; 64 * 1024];
        for _ in 0..100 {
            link.tell_unrecorded(&body);
        }
        assert!(!link.try_take_missed(), "there is no room yet");
        let queued = link.lock().as_ref().map_or(0, |current| current.unsent.len());
        assert!(queued <= MAX_DRIVER_QUEUE_BYTES / 2, "{queued}");
        for _ in 0..4 {
            link.tell(op::OK, 1, &body);
        }
        assert_eq!(link.flush(Instant::now()), Attention::Backlog);
        for _ in 0..9 {
            link.tell(op::OK, 1, &body);
        }
        assert_eq!(link.flush(Instant::now()), Attention::Broken);
    }

    #[test]
    fn unrecorded_output_that_found_no_room_can_be_told_again_when_there_is_some() {
        let (link, mut driver) = attached();
        let body = vec![0; 64 * 1024];
        for _ in 0..20 {
            link.tell_unrecorded(&body);
        }
        while link.flush(Instant::now()) != Attention::None {
            messages_or_parts(&mut driver);
        }
        assert!(link.try_take_missed());
        assert!(!link.try_take_missed());
    }

    fn messages_or_parts(stream: &mut UnixStream) {
        // ends with `WouldBlock`
        let _ = stream.read_to_end(&mut Vec::new());
    }

    #[test]
    fn a_closed_driver_is_broken_and_harmless() {
        let (link, driver) = attached();
        drop(driver);
        link.tell_head(head(1));
        assert_eq!(link.flush(Instant::now()), Attention::Broken);
    }
}
