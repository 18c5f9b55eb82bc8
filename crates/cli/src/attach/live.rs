//! The loop of an attached terminal: keyboard, relay, screen, link and signals meet here. Decisions are
//! made in [`super::view`] and [`super::typing`]; this carries them out.
//!
//! Leaving: the last output is drawn, the lease is released, the connection is closed, and then the
//! terminal is given back.

mod actions;
mod incoming;
mod links;
mod notices;
mod open;
mod picture;

use std::collections::{BTreeMap, VecDeque};

use quarterdeck_protocol::{
    ids::{Channel, Out, Seq, SessionId},
    method::{LeaseRelease, Role, SessionParams},
};
use quarterdeck_transport::{Client, Events, Incoming, client::CallId};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
    time::{Duration, Instant, sleep_until},
};

use super::{
    Left, Wish,
    keys::KeyMachine,
    outbox::{Asked, Outbox, Sent},
    pieces::LoneEscape,
    stream::Stream,
    terminal::{self, Keyboard, LastLine, Screen, Terminal},
    typing::Typing,
    view::View,
};
use crate::{
    config::Settings,
    connection::Link,
    error::{CliError, Kind},
};
use links::Down;
use notices::Notices;
use picture::Picture;

/// SIGHUP, which is also what a terminal that went away means.
const HANGUP: i32 = 1;
/// SIGCONT.
const CONTINUE: i32 = 18;
/// Places in the screen's queue that one event from the relay may need.
const PLACES_PER_EVENT: usize = 4;
/// How long the rest of an escape sequence may take; slower is a human.
const ESCAPE_LIMIT: Duration = Duration::from_millis(50);
/// Changes of the local size within this time are one.
const RESIZE_PAUSE: Duration = Duration::from_millis(50);
/// Rendered bytes after which credit is given, even if more is waiting to be drawn.
const CREDIT_STEP_BYTES: u64 = 32 * 1024;
/// How long the last output may take to be drawn before the terminal is given back without it.
const LAST_DRAW_LIMIT: Duration = Duration::from_secs(2);
/// How long a farewell may take, with what was typed before it, on a machine or a link that is slow.
const FAREWELL_LIMIT: Duration = Duration::from_secs(2);

/// An attached terminal.
pub(super) struct Live<'s> {
    settings: &'s Settings,
    wish: Wish,
    session: SessionId,
    view: View,
    typing: Typing,
    keys: KeyMachine,
    stream: Stream,
    terminal: Terminal,
    link: Link<'s>,
    /// None while the link is down.
    wire: Option<Wire>,
    down: Down<'s>,
    picture: Picture,
    notices: Notices,
    /// What came while the terminal was not ready for it.
    held: VecDeque<Incoming>,
    /// Events before this record are told by the answer to the attach already.
    told: Seq,
    /// Where the first attachment began: no answer tells of mail that came since.
    began: Seq,
    /// Credit was given up to here.
    credited: Out,
    /// Set when nothing more will come: leave once all is drawn, or at this time.
    ending: Option<(Left, Instant)>,
    said: Said,
    /// When a held part of a sequence counts as typed.
    escape_due: Option<Instant>,
    resize_due: Option<Instant>,
}

/// What was said, and is not to be said again.
#[derive(Default)]
struct Said {
    /// That the model of the session may be wrong.
    inexact: bool,
    /// The gap whose frame is about to come.
    gap: bool,
}

/// One connection.
struct Wire {
    client: Client,
    events: Events,
    outbox: Outbox,
    calls: BTreeMap<CallId, Asked>,
    /// Whether the attach was answered; input waits until then.
    attached: bool,
    /// Draw anew once more: something changed after the last request to.
    again: bool,
}

/// The signals that matter to an attached terminal.
struct Signals {
    resized: Signal,
    continued: Signal,
    terminate: Signal,
    hangup: Signal,
    interrupt: Signal,
}

/// What a signal means.
enum Alarm {
    /// Somebody asks the process to end, by this signal.
    End(i32),
    /// It goes on after a stop.
    Continued,
    /// The local terminal has another size.
    Resized,
}

/// What the loop does after an event.
enum Turn {
    /// Goes on.
    Go,
    /// Leaves.
    Leave(Left),
}

/// Attaches, and stays until the user leaves or the session ends. The session's label for the last
/// words.
pub(super) async fn run(settings: &Settings, wish: Wish) -> Result<(Left, String), CliError> {
    let mut live = open::open(settings, wish).await?;
    let left = live.run().await;
    if let Some(row) = live.last_row() {
        terminal::set_last_line(LastLine::Row(row));
    }
    live.say_farewell().await;
    left.map(|left| (left, live.view.label().to_owned()))
}

impl Live<'_> {
    async fn run(&mut self) -> Result<Left, CliError> {
        let mut signals = Signals::listen()?;
        loop {
            if let Some(left) = self.take_ended() {
                return Ok(left);
            }
            match self.turn(&mut signals).await? {
                Turn::Go => {}
                Turn::Leave(left) => return Ok(left),
            }
        }
    }

    /// Waits for whatever happens next, and does what follows from it.
    async fn turn(&mut self, signals: &mut Signals) -> Result<Turn, CliError> {
        let now = Instant::now();
        let ending_due = self.ending.as_ref().map(|(_, due)| *due);
        let notice_due = self.notices.due();
        let tick_due = self.down.due();
        let input_channel = self.input_channel();
        let (events, outbox) = match &mut self.wire {
            Some(wire) => (Some(&mut wire.events), Some(&mut wire.outbox)),
            None => (None, None),
        };
        let at = |due: Option<Instant>| sleep_until(due.unwrap_or(now));
        tokio::select! {
            biased;
            alarm = signals.next() => match alarm {
                Alarm::End(signal) => Ok(Turn::Leave(Left::Asked(signal))),
                Alarm::Continued => self.handle_continued(),
                Alarm::Resized => {
                    self.resize_due = Some(now + RESIZE_PAUSE);
                    Ok(Turn::Go)
                }
            },
            key = self.terminal.keyboard.recv() => match key {
                Some(Keyboard::Chunk(chunk)) => self.handle_chunk(&chunk).await,
                Some(Keyboard::Closed) | None => Ok(Turn::Leave(Left::Asked(HANGUP))),
            },
            () = at(self.escape_due), if self.escape_due.is_some() => {
                self.escape_due = None;
                let events = self.keys.flush();
                self.handle_keys(events).await
            }
            () = at(self.resize_due), if self.resize_due.is_some() => self.handle_resized().await,
            () = at(ending_due), if ending_due.is_some() => Ok(Turn::Go),
            () = at(notice_due), if notice_due.is_some() => Ok(self.handle_notice_due()),
            () = at(tick_due), if tick_due.is_some() => self.handle_tick().await,
            event = self.link.next() => self.handle_link(event?).await,
            () = self.down.started() => {
                self.link.retry().await;
                Ok(Turn::Go)
            }
            sent = next_sent(outbox, &mut self.typing, input_channel) => {
                self.handle_sent(sent);
                Ok(Turn::Go)
            }
            drawn = self.terminal.rendered.changed() => {
                if drawn.is_err() {
                    return Ok(Turn::Leave(Left::Asked(HANGUP)));
                }
                self.give_credit();
                self.draw_frame();
                Ok(Turn::Go)
            }
            incoming = next_incoming(&mut self.held, events, &self.terminal.screen) => {
                self.handle_incoming(incoming).await
            }
        }
    }

    /// Whether everything that came is drawn after nothing more will come.
    fn take_ended(&mut self) -> Option<Left> {
        let (_, due) = self.ending.as_ref()?;
        let rendered = *self.terminal.rendered.borrow() >= self.stream.next();
        let drawn = rendered && self.is_picture_current();
        let over = drawn && self.held.is_empty() || Instant::now() >= *due;
        over.then(|| self.ending.take().map(|(left, _)| left)).flatten()
    }

    fn end(&mut self, left: Left) -> Turn {
        if self.ending.is_none() {
            self.ending = Some((left, Instant::now() + LAST_DRAW_LIMIT));
        }
        Turn::Go
    }

    async fn handle_chunk(&mut self, chunk: &[u8]) -> Result<Turn, CliError> {
        // whoever types has no delay on the Escape key; whoever watches types nothing
        let lone = match self.view.role() {
            Role::Owner => LoneEscape::Pass,
            Role::Follower => LoneEscape::Hold,
        };
        let events = self.keys.feed(chunk, lone);
        self.escape_due = self.keys.is_waiting().then(|| Instant::now() + ESCAPE_LIMIT);
        self.handle_keys(events).await
    }

    /// The shell has changed the terminal's settings meanwhile, and written on it.
    fn handle_continued(&mut self) -> Result<Turn, CliError> {
        terminal::make_raw().map_err(|error| {
            CliError::new(Kind::Failed, "cannot use this terminal").caused_by(&error)
        })?;
        self.redraw();
        Ok(Turn::Go)
    }

    async fn handle_resized(&mut self) -> Result<Turn, CliError> {
        self.resize_due = None;
        let Some(local) = terminal::size() else { return Ok(Turn::Go) };
        let actions = self.view.handle_local_size(local);
        self.act(actions).await
    }

    fn handle_sent(&mut self, sent: Sent) {
        let Some(wire) = &mut self.wire else { return };
        match sent {
            Sent::Frame => {}
            Sent::Request(call, asked) => {
                wire.calls.insert(call, asked);
            }
            // the end of the connection comes in the stream
            Sent::Failed(error) => tracing::debug!(%error, "not sent"),
        }
    }

    fn give_credit(&mut self) {
        let rendered = *self.terminal.rendered.borrow_and_update();
        let all = rendered >= self.stream.next();
        let enough = rendered.0 >= self.credited.0 + CREDIT_STEP_BYTES;
        if rendered <= self.credited || !(all || enough) {
            return;
        }
        self.credited = rendered;
        if let Some(wire) = self.wire.as_mut().filter(|wire| wire.attached) {
            wire.outbox.credit(self.stream.channel(), rendered);
        }
    }

    fn input_channel(&self) -> Option<Channel> {
        let attached = self.wire.as_ref().is_some_and(|wire| wire.attached);
        attached.then_some(self.stream.channel())
    }

    /// Sends what was typed before the key that leaves, and lets go of the lease, so that nobody waits
    /// for a client that will not come back.
    async fn say_farewell(&mut self) {
        let channel = self.input_channel();
        let Some(Wire { client, mut events, mut outbox, .. }) = self.wire.take() else { return };
        let owner = self.view.role() == Role::Owner;
        let session = self.session.to_string();
        let typing = &mut self.typing;
        let farewell = async {
            outbox.flush(typing, channel).await;
            if owner {
                let _ = client.call::<LeaseRelease>(&SessionParams { session }).await;
            }
            client.close(1000, "").await;
        };
        // what still comes is read, or the answer would not be
        let drain = async { while events.next().await.is_some() {} };
        let both = futures_util::future::join(farewell, drain);
        let _ = tokio::time::timeout(FAREWELL_LIMIT, both).await;
    }
}

impl Signals {
    fn listen() -> Result<Self, CliError> {
        let listen = |kind| {
            signal(kind).map_err(|error| {
                CliError::new(Kind::Failed, "cannot listen for signals").caused_by(&error)
            })
        };
        Ok(Self {
            resized: listen(SignalKind::window_change())?,
            continued: listen(SignalKind::from_raw(CONTINUE))?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }
    /// The next one. May be dropped and called again.
    async fn next(&mut self) -> Alarm {
        tokio::select! {
            _ = self.terminate.recv() => Alarm::End(SignalKind::terminate().as_raw_value()),
            _ = self.hangup.recv() => Alarm::End(HANGUP),
            _ = self.interrupt.recv() => Alarm::End(SignalKind::interrupt().as_raw_value()),
            _ = self.continued.recv() => Alarm::Continued,
            _ = self.resized.recv() => Alarm::Resized,
        }
    }
}

async fn next_sent(
    outbox: Option<&mut Outbox>,
    typing: &mut Typing,
    channel: Option<Channel>,
) -> Sent {
    match outbox {
        Some(outbox) => outbox.next(typing, channel).await,
        None => std::future::pending().await,
    }
}

/// The next event, once the screen has room for what it may draw.
async fn next_incoming(
    held: &mut VecDeque<Incoming>,
    events: Option<&mut Events>,
    screen: &mpsc::Sender<Screen>,
) -> Option<Incoming> {
    // a screen that is gone is noticed by its progress
    drop(screen.reserve_many(PLACES_PER_EVENT).await);
    if let Some(incoming) = held.pop_front() {
        return Some(incoming);
    }
    match events {
        Some(events) => events.next().await,
        None => std::future::pending().await,
    }
}
