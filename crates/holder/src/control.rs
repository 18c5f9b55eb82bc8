//! The thread that never waits for the disk: it serves the relay, types input, sets sizes, sends
//! signals and watches the program.
//!
//! The order of a turn: signals of the kernel first, then newcomers (a new driver fences the old one
//! before another of its requests is read), then the driver, then input, then timers.

mod newcomers;
mod requests;
#[cfg(test)]
mod tests;

use std::{
    io,
    os::unix::net::UnixListener,
    sync::Arc,
    time::{Duration, Instant},
};

use quarterdeck_protocol::{
    holder::{InputAck, StopRequest, op},
    ids::{Epoch, Generation, Incarnation, LogId, SessionId},
    record::TerminalSize,
};
use rustix::event::{PollFd, PollFlags, Timespec};

use self::newcomers::{MAX_NEWCOMERS, Newcomers};
use crate::{
    connection::{Connection, Received},
    driver::{Attention, ConnectionId},
    inbox::Job,
    input::{Applied, InputLedger, Terms},
    program::Program,
    shared::Shared,
    stdio::Stdio,
    sys::SignalFd,
    terminal::Written,
};

/// Time between the rungs when the holder itself is told to end, as at a logout: well within what
/// service managers wait before they kill.
const OWN_END_RUNG_MS: u32 = 2000;
/// Bytes of what is taken for a key: what is larger is a paste, which goes on when it is acknowledged.
const KEY_BYTES: usize = 64;
/// How long the last messages may take to leave; after that the relay reads the log.
const LAST_FLUSH: Duration = Duration::from_secs(1);
/// Signals that a holder takes as data: children that end, and those that tell it to end.
pub(crate) const HANDLED_SIGNALS: [libc::c_int; 4] =
    [libc::SIGCHLD, libc::SIGTERM, libc::SIGINT, libc::SIGHUP];

/// What does not change while the holder lives.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity {
    pub(crate) session: SessionId,
    pub(crate) log_id: LogId,
    pub(crate) incarnation: Incarnation,
    pub(crate) input_recording: InputRecording,
}

/// Whether terminal input goes into the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InputRecording {
    /// As asked for at the launch.
    On,
    /// Only its effects are seen.
    Off,
}

/// What the control thread is made of.
pub(crate) struct Parts {
    pub(crate) identity: Identity,
    pub(crate) shared: Arc<Shared>,
    pub(crate) stdio: Stdio,
    pub(crate) size: TerminalSize,
    pub(crate) listener: UnixListener,
    pub(crate) signals: SignalFd,
    pub(crate) program: Program,
    pub(crate) inputs: InputLedger,
}

/// The connected relay.
#[derive(Debug)]
struct Driver {
    id: ConnectionId,
    connection: Connection,
}

/// The control thread.
pub(crate) struct Control {
    parts: Parts,
    /// The highest generation seen.
    generation: Generation,
    driver: Option<Driver>,
    newcomers: Newcomers,
    next_connection: u64,
    /// Epoch of the newest lease that is on its way into the log. What comes behind it on the driver's
    /// connection counts as under it: the log will say so in that order.
    handed_over: Epoch,
}

/// What poll found, without a borrow of what was polled.
#[derive(Default)]
struct Ready {
    signals: bool,
    listener: bool,
    terminal: bool,
    driver: bool,
    /// One bit per newcomer, in their order.
    newcomers: u32,
}

impl Control {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            parts,
            generation: Generation(0),
            driver: None,
            newcomers: Newcomers::default(),
            next_connection: 1,
            handed_over: Epoch(0),
        }
    }

    /// Works until the end of the program is recorded and told. The driver's connection is closed when
    /// the value goes.
    pub(crate) fn run(&mut self) -> io::Result<()> {
        while !self.parts.shared.known().finished {
            let ready = self.wait(self.poll_timeout())?;
            self.turn(&ready)?;
        }
        self.flush_last()
    }

    fn turn(&mut self, ready: &Ready) -> io::Result<()> {
        if ready.signals {
            self.handle_signals()?;
        }
        self.greet(ready.newcomers);
        if ready.listener {
            // after the greeting: one more may change the others' places
            self.newcomers.accept(&self.parts.listener, Instant::now());
        }
        if ready.driver {
            self.receive();
        }
        if ready.terminal {
            self.write_input()?;
        }
        let now = Instant::now();
        self.newcomers.handle_timeout(now);
        if let Some(exit) = self.parts.program.handle_timeout(now, &self.parts.stdio) {
            let refused = self.parts.inputs.handle_end();
            refused.into_iter().for_each(|applied| self.acknowledge(applied));
            self.parts.shared.inbox.end(exit);
        }
        Ok(())
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let newcomers = self.newcomers.poll_timeout();
        newcomers.into_iter().chain(self.parts.program.poll_timeout()).min()
    }

    fn wait(&mut self, deadline: Option<Instant>) -> io::Result<Ready> {
        let attention = self.parts.shared.link.flush(Instant::now());
        let later = if let Attention::Later(at) = attention { Some(at) } else { None };
        let deadline = deadline.into_iter().chain(later).min();
        if attention == Attention::Broken {
            self.drop_driver();
        }
        if self.parts.shared.link.try_take_missed() {
            // without room for it the driver sees the output when the disk is back
            let _ = self.parts.shared.inbox.push(Job::Unrecorded);
        }
        let parts = &self.parts;
        let terminal = parts.inputs.poll_write().map_or(PollFlags::empty(), |_| PollFlags::OUT);
        let mut polled = Vec::with_capacity(5 + MAX_NEWCOMERS);
        polled.push(PollFd::new(&parts.signals, PollFlags::IN));
        polled.push(PollFd::new(parts.shared.link.bell(), PollFlags::IN));
        polled.push(PollFd::new(&parts.listener, PollFlags::IN));
        // a terminal without events to wait for still reports its hang-up, which would spin
        let unpolled = &parts.signals;
        polled.push(match parts.stdio.terminal().filter(|_| !terminal.is_empty()) {
            Some(master) => PollFd::new(&**master, terminal),
            None => PollFd::new(unpolled, PollFlags::empty()),
        });
        polled.push(match &self.driver {
            Some(driver) => PollFd::new(&driver.connection, driver_events(attention)),
            None => PollFd::new(unpolled, PollFlags::empty()),
        });
        polled.extend(self.newcomers.connections().map(|c| PollFd::new(c, PollFlags::IN)));
        poll(&mut polled, deadline)?;

        let ready = |index: usize| !polled[index].revents().is_empty();
        let newcomers = (5..polled.len()).filter(|index| ready(*index));
        let found = Ready {
            signals: ready(0),
            listener: ready(2),
            terminal: ready(3),
            driver: ready(4),
            newcomers: newcomers.map(|index| 1 << (index - 5)).sum(),
        };
        if ready(1) {
            parts.shared.link.bell().drain();
        }
        Ok(found)
    }

    fn handle_signals(&mut self) -> io::Result<()> {
        let now = Instant::now();
        while let Some(signal) = self.parts.signals.try_next()? {
            match signal {
                libc::SIGCHLD => self.parts.program.handle_child_signal(now),
                libc::SIGTERM => {
                    let request = StopRequest { rung_ms: OWN_END_RUNG_MS, now: false };
                    self.parts.program.stop(request, now);
                }
                // a holder has no terminal of its own; whoever sends these means somebody else
                _ => {}
            }
        }
        Ok(())
    }

    /// Reads from the driver and serves what is whole.
    fn receive(&mut self) {
        if self.parts.shared.link.flush(Instant::now()) == Attention::Backlog {
            return;
        }
        let Some(driver) = &mut self.driver else { return };
        let received = driver.connection.receive();
        if self.serve().is_err() || received == Received::Closed {
            self.drop_driver();
        }
    }

    fn drop_driver(&mut self) {
        if let Some(driver) = self.driver.take() {
            self.parts.shared.link.detach(driver.id);
        }
    }

    /// Types what waits, as far as the terminal takes it.
    fn write_input(&mut self) -> io::Result<()> {
        let Some(terminal) = self.parts.stdio.terminal().cloned() else { return Ok(()) };
        while let Some(bytes) = self.parts.inputs.poll_write() {
            let count = if bytes.is_empty() {
                0
            } else {
                match terminal.try_write(bytes)? {
                    Written::Bytes(count) => count,
                    Written::Full => break,
                    Written::Closed => {
                        let refused = self.parts.inputs.handle_end();
                        refused.into_iter().for_each(|applied| self.acknowledge(applied));
                        break;
                    }
                }
            };
            if let Some(applied) = self.parts.inputs.handle_written(count) {
                let InputAck { client, n, .. } = applied.ack;
                self.parts.shared.note_applied(client, n);
                if count <= KEY_BYTES {
                    self.acknowledge_with_echo(applied);
                } else {
                    self.acknowledge(applied);
                }
            }
        }
        Ok(())
    }

    fn acknowledge(&self, Applied { request, ack }: Applied) {
        self.parts.shared.link.tell(op::INPUT_ACK, request, &ack.to_bytes());
    }

    /// What a key shows is what somebody waits for.
    fn acknowledge_with_echo(&self, Applied { request, ack }: Applied) {
        let link = &self.parts.shared.link;
        link.tell_later(op::INPUT_ACK, request, &ack.to_bytes(), Instant::now());
    }

    fn terms(&self) -> Terms {
        let epoch = self.parts.shared.known().lease.epoch.max(self.handed_over);
        Terms { epoch, running: self.parts.program.is_running() }
    }

    /// The log is complete; what the driver does not take in time it finds there.
    fn flush_last(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + LAST_FLUSH;
        loop {
            match self.parts.shared.link.flush(deadline) {
                Attention::None | Attention::Broken => return Ok(()),
                Attention::Later(_) | Attention::Writable | Attention::Backlog => {}
            }
            let Some(driver) = &self.driver else { return Ok(()) };
            let mut polled = [PollFd::new(&driver.connection, PollFlags::OUT)];
            poll(&mut polled, Some(deadline))?;
            if Instant::now() >= deadline {
                return Ok(());
            }
        }
    }
}

/// A driver that does not read its answers gets no more requests served.
fn driver_events(attention: Attention) -> PollFlags {
    match attention {
        Attention::None | Attention::Later(_) | Attention::Broken => PollFlags::IN,
        Attention::Writable => PollFlags::IN | PollFlags::OUT,
        Attention::Backlog => PollFlags::OUT,
    }
}

fn poll(polled: &mut [PollFd<'_>], deadline: Option<Instant>) -> io::Result<()> {
    let timeout = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    match rustix::event::poll(polled, timeout.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
