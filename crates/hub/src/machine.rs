//! The task of one machine: it keeps the link, and its view in the [`Fleet`](crate::fleet::Fleet).
//!
//! When to dial, and when to rest, is decided by `quarterdeck_core::link`, which the transport's
//! reconnecting link drives. A machine that cannot be reached dials the hub instead; then the same task
//! is handed the connection.

mod adding;
mod feed;
mod pace;
mod table;

use std::sync::Arc;

use quarterdeck_access::clock;
use quarterdeck_core::link::Refusal;
use quarterdeck_hooks::{Notice, key};
use quarterdeck_protocol::{
    ids::MachineId,
    method::{HelloResult, MachineRelay, MachineState},
};
use quarterdeck_transport::{
    Client, Events, Incoming,
    reconnect::{self, Connected, Known, LinkEvent, LinkEvents, LinkHandle, ReconnectError},
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

pub(crate) use adding::{add, keep};
pub(crate) use pace::Pace;
pub(crate) use table::Machines;

use crate::{
    context::Context,
    limits::{LOCAL_RETRY, MACHINE_QUEUE},
    mail,
    store::{Access, MachineRow},
    switch::Linked,
    way,
};
use feed::{Feed, Told};
use pace::PacedDialer;

/// Close code of a link that is not wanted any more (RFC 6455 §7.4.1).
const GOODBYE: u16 = 1000;

/// What can be asked of a machine's task.
#[derive(Debug)]
pub(crate) enum Command {
    /// Link it now, and keep it linked.
    Connect,
    /// Unlink it.
    Disconnect,
    /// It has dialled the hub.
    Inbound(Box<Connected>),
    /// It is reached another way from now on.
    Changed,
}

/// Begins the task of a machine that the fleet has.
pub(crate) fn start(context: &Arc<Context>, machine: MachineId) {
    let (commands, inbox) = mpsc::channel(MACHINE_QUEUE);
    let stop = CancellationToken::new();
    context.machines.insert(machine, commands, stop.clone());
    let task = Task {
        context: Arc::clone(context),
        machine,
        link: None,
        current: None,
        wanted: Wanted::Yes,
        look_again: None,
        absence: Absence::None,
    };
    context.tasks.spawn(task.run(inbox, stop));
}

/// Whether somebody wants the link.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Yes,
    No,
}

struct Task {
    context: Arc<Context>,
    machine: MachineId,
    /// What dials; none for a machine that dials the hub, or while the link is not wanted.
    link: Option<(LinkHandle<PacedDialer>, LinkEvents)>,
    current: Option<Current>,
    wanted: Wanted,
    /// When the hub's own machine is looked for again, earlier than any other would be.
    look_again: Option<Instant>,
    absence: Absence,
}

/// How long the machine has been away, for hooks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Absence {
    /// It is there, or nobody wants it.
    None,
    /// It is told then.
    ToldAt(Instant),
    /// It was told.
    Told,
}

/// A connection that stands.
struct Current {
    linked: Arc<Linked>,
    events: Events,
    feed: Feed,
}

impl Absence {
    const fn due(self) -> Option<Instant> {
        match self {
            Self::ToldAt(due) => Some(due),
            Self::None | Self::Told => None,
        }
    }
}

/// What happened next.
enum Happened {
    Command(Option<Command>),
    Link(Option<LinkEvent>),
    Came(Option<Incoming>),
    /// The hub's own relay may run by now.
    Pause,
    /// The machine has been away for long enough.
    Missed,
}

impl Task {
    async fn run(mut self, mut inbox: mpsc::Receiver<Command>, stop: CancellationToken) {
        let auto = self.row().is_some_and(|row| row.auto_connect);
        self.wanted = if auto { Wanted::Yes } else { Wanted::No };
        if auto {
            self.dial();
        }
        loop {
            let happened = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = self.context.shutdown.cancelled() => break,
                command = inbox.recv() => Happened::Command(command),
                event = next_link_event(&mut self.link) => Happened::Link(event),
                came = next_incoming(&mut self.current) => Happened::Came(came),
                () = pause(self.look_again) => Happened::Pause,
                () = pause(self.absence.due()) => Happened::Missed,
            };
            match happened {
                Happened::Command(None) => break,
                Happened::Command(Some(command)) => self.handle_command(command).await,
                Happened::Link(event) => self.handle_link(event).await,
                Happened::Came(came) => self.handle_came(came),
                Happened::Missed => self.tell_absence(),
                Happened::Pause => {
                    self.look_again = None;
                    self.handle_command(Command::Connect).await;
                }
            }
        }
        self.lose(MachineState::Disconnected);
    }

    fn row(&self) -> Option<MachineRow> {
        self.context.fleet.row(self.machine)
    }

    fn dial(&mut self) {
        let Some(row) = self.row() else { return };
        let state = match way::dialer(&self.context, &row.access, None) {
            Ok(Some(dialer)) => {
                // one on this machine costs nothing to dial, and is what most people wait for
                let near = row.access == Access::Local;
                let pace = (!near).then(|| Arc::clone(&self.context.pace));
                let dialer = PacedDialer { dialer, pace };
                let known = Known { ticket: row.ticket, relay: row.relay_id };
                let seed = getrandom::u64().unwrap_or_default();
                self.link = Some(reconnect::start(dialer, known, seed));
                MachineState::Connecting
            }
            Ok(None) => MachineState::Awaited,
            Err(error) => MachineState::Refused { why: error.to_string() },
        };
        self.miss(&state);
        self.context.fleet.set_state(self.machine, state);
    }

    async fn handle_command(&mut self, command: Command) {
        match command {
            Command::Connect => {
                self.wanted = Wanted::Yes;
                match &self.link {
                    Some((link, _)) => link.connect().await,
                    None if self.current.is_none() => self.dial(),
                    None => {}
                }
            }
            Command::Disconnect => {
                (self.wanted, self.look_again) = (Wanted::No, None);
                self.hang_up();
                self.lose(MachineState::Disconnected);
            }
            Command::Changed => {
                self.hang_up();
                self.lose(MachineState::Connecting);
                self.wanted = Wanted::Yes;
                self.dial();
            }
            Command::Inbound(connected) => {
                if self.wanted == Wanted::No {
                    tracing::debug!(machine = %self.machine, "it dials and is not wanted");
                    return;
                }
                let (client, events, hello) = *connected;
                self.lose(MachineState::Connecting);
                self.welcome(client, events, hello).await;
            }
        }
    }

    async fn handle_link(&mut self, event: Option<LinkEvent>) {
        match event {
            Some(LinkEvent::Connected { client, events, hello }) => {
                self.lose(MachineState::Connecting);
                self.welcome(client, events, *hello).await;
            }
            Some(LinkEvent::Reconnecting { wait, cause }) => {
                let wait = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
                let at = clock::wall_micros().saturating_add(wait);
                let why = cause.map(|cause| cause.to_string());
                if self.row().is_some_and(|row| row.access == Access::Local) {
                    self.look_again = Some(Instant::now() + LOCAL_RETRY);
                }
                self.lose(MachineState::Reconnecting { at, why });
            }
            Some(LinkEvent::Refused { why, cause }) => {
                self.lose(MachineState::Refused { why: words(why, cause.as_deref()) });
            }
            None => {
                self.link = None;
                self.lose(MachineState::Disconnected);
            }
        }
    }

    async fn welcome(&mut self, client: Client, events: Events, hello: HelloResult) {
        let other = self.context.fleet.of_relay(hello.relay_id);
        if let Some(other) = other.filter(|row| row.machine != self.machine) {
            let why = format!("it is the same relay as machine \"{}\"", other.label);
            self.hang_up();
            return self.lose(MachineState::Refused { why });
        }
        self.remember(&hello).await;
        let linked = Arc::new(Linked::new(self.machine, client, &hello));
        self.absence = Absence::None;
        self.context.hooks.forget(&key::machine(self.machine));
        self.context.metrics.links_made.increment();
        self.context.fleet.set_linked(self.machine, Arc::clone(&linked));
        tracing::info!(machine = %self.machine, relay = %hello.relay_id, "linked");
        mail::start(&self.context, &linked);
        self.current = Some(Current { linked, events, feed: Feed::default() });
    }

    /// Writes what the relay says of itself, if it is news.
    async fn remember(&self, hello: &HelloResult) {
        let edited = self.context.fleet.edit(self.machine, |row| {
            row.relay_id = Some(hello.relay_id);
            row.ticket = Some(hello.ticket.clone());
            row.last_seen_at = Some(clock::wall_micros());
            row.relay = Some(MachineRelay {
                host: hello.machine.clone(),
                instance: hello.instance.clone(),
                version: hello.version.clone(),
                scopes: hello.scopes,
                delegate: hello.delegate,
            });
        });
        let Some(row) = edited else { return };
        if let Err(error) = self.context.store.put_machine(row).await {
            self.context.metrics.store_failures.increment();
            tracing::warn!(machine = %self.machine, %error, "not kept");
        }
    }

    fn handle_came(&mut self, came: Option<Incoming>) {
        let Some(current) = &mut self.current else { return };
        match came {
            Some(Incoming::Frame(bytes)) => {
                self.context.metrics.frame_bytes.add(bytes.len() as u64);
                current.linked.handle_frame(bytes);
            }
            Some(Incoming::Notification { method, params }) => {
                let Some(params) = params else { return };
                let Context { fleet, hooks, .. } = &*self.context;
                let told = Told { fleet, hooks, machine: self.machine };
                if !current.feed.handle(told, &method, &params) {
                    current.linked.handle_event(&method, &params);
                }
            }
            Some(Incoming::Answer { call, outcome }) => {
                let on = self.context.fleet.on(self.machine);
                current.linked.handle_answer(call, outcome, on.as_ref());
            }
            Some(Incoming::Closed { .. }) | None => self.handle_closed(),
        }
    }

    /// The connection is over. What dials says next what becomes of it; a machine that dials itself is
    /// awaited.
    fn handle_closed(&mut self) {
        let joined = self.row().is_some_and(|row| row.access == Access::Joined);
        self.lose(if joined { MachineState::Awaited } else { MachineState::Connecting });
    }

    /// Stops dialling.
    fn hang_up(&mut self) {
        self.link = None;
    }

    /// The machine is not there, whatever is done about it.
    fn miss(&mut self, state: &MachineState) {
        self.absence = match (state, self.absence) {
            (MachineState::Disconnected, _) => Absence::None,
            (_, Absence::None) => {
                Absence::ToldAt(Instant::now() + self.context.options.hooks.unreachable_after)
            }
            (_, known) => known,
        };
    }

    fn tell_absence(&mut self) {
        self.absence = Absence::Told;
        let Some(info) = self.context.fleet.machine(self.machine) else { return };
        let (label, since) = (info.label.as_str(), info.unreachable_since);
        let notice = Notice::machine(self.machine, label, since, clock::wall_micros());
        self.context.hooks.tell(notice);
    }

    /// There is no connection now: whoever waits for it is told.
    fn lose(&mut self, state: MachineState) {
        self.miss(&state);
        if let Some(current) = self.current.take() {
            tracing::info!(machine = %self.machine, "link lost");
            self.context.fleet.set_state(self.machine, state);
            current.linked.close();
            // clients that still hold it must not type into a link that nobody reads
            let linked = current.linked;
            self.context.tasks.spawn(async move { linked.client.close(GOODBYE, "").await });
            return;
        }
        self.context.fleet.set_state(self.machine, state);
    }
}

/// What a refusal means, with what the attempt saw.
fn words(why: Refusal, cause: Option<&ReconnectError>) -> String {
    cause.map_or_else(|| why.to_string(), ToString::to_string)
}

async fn next_link_event(
    link: &mut Option<(LinkHandle<PacedDialer>, LinkEvents)>,
) -> Option<LinkEvent> {
    match link {
        Some((_, events)) => events.next().await,
        None => std::future::pending().await,
    }
}

/// Waits until then; for ever if it is never.
async fn pause(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}

async fn next_incoming(current: &mut Option<Current>) -> Option<Incoming> {
    match current {
        Some(current) => current.events.next().await,
        None => std::future::pending().await,
    }
}
