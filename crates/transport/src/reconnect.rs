//! A link that is dialled again until somebody drops it.
//!
//! [`quarterdeck_core::link`] decides; the task here probes, dials, waits and tells. It keeps the ticket
//! of the last `hello`, so that the relay gives the same client id again, and the relay's id, so that
//! another relay at the same address is noticed.

mod dialer;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use quarterdeck_core::link::{
    Attempt, DialFailure, Effect, Link, PROBE_LIMIT, Probe, Refusal, Status,
};
use quarterdeck_protocol::{ids::RelayId, method::HelloResult};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep_until},
};

pub use dialer::{Dialer, HelloError, ReconnectError, RelayDialer, check_peer, greet};

use crate::{
    client::{Client, Events},
    limits::LINK_EVENTS,
};

/// What a link tells its consumer.
#[derive(Debug)]
pub enum LinkEvent {
    /// Requests can be sent. An earlier connection is over.
    Connected {
        /// The connection.
        client: Client,
        /// What comes in on it.
        events: Events,
        /// What the relay said of itself and of the caller.
        hello: Box<HelloResult>,
    },
    /// The link is down; the next attempt begins after `wait`.
    Reconnecting {
        /// From now.
        wait: Duration,
        /// Why the last attempt failed; none if the link was just lost.
        cause: Option<Arc<ReconnectError>>,
    },
    /// Nothing happens until [`LinkHandle::connect`] or [`LinkHandle::changed`].
    Refused {
        /// What has to change.
        why: Refusal,
        /// The same in the words of the attempt.
        cause: Option<Arc<ReconnectError>>,
    },
}

/// Steers a link. Dropping it ends the link; a connection that stands ends with its last [`Client`].
#[derive(Debug)]
pub struct LinkHandle<D> {
    commands: mpsc::Sender<Command<D>>,
    _task: JoinSet<()>,
}

impl<D> LinkHandle<D> {
    /// Dials at once if the link is down, whatever it waits for.
    pub async fn connect(&self) {
        let _ = self.commands.send(Command::Connect).await;
    }
    /// Uses another address, credential or pin from now on; a connection that stands stays.
    pub async fn changed(&self, dialer: D) {
        let _ = self.commands.send(Command::Changed(dialer)).await;
    }
    /// Closes the connection and stays down until [`LinkHandle::connect`].
    pub async fn disconnect(&self) {
        let _ = self.commands.send(Command::Disconnect).await;
    }
}

/// What a link tells. Dropping it ends the link.
#[derive(Debug)]
pub struct LinkEvents(mpsc::Receiver<LinkEvent>);

impl LinkEvents {
    /// The next one; `None` when the handle was dropped. May be dropped and called again.
    pub async fn next(&mut self) -> Option<LinkEvent> {
        self.0.recv().await
    }
}

/// What a returning client shows.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Ticket of the last `hello`.
    pub ticket: Option<String>,
    /// The relay that is expected; another one is refused.
    pub relay: Option<RelayId>,
}

/// Starts a link and dials at once. `seed` is random: it spreads the retries of many links over time.
#[must_use]
pub fn start<D: Dialer>(dialer: D, known: Known, seed: u64) -> (LinkHandle<D>, LinkEvents) {
    let (commands, inbox) = mpsc::channel(LINK_EVENTS);
    let (tell, events) = mpsc::channel(LINK_EVENTS);
    let driver = Driver {
        link: Link::new(seed),
        dialer: Arc::new(dialer),
        known,
        begun: Instant::now(),
        tell,
        attempts: JoinSet::new(),
        connection: None,
        farewells: JoinSet::new(),
        cause: None,
    };
    let mut task = JoinSet::new();
    task.spawn(driver.run(inbox));
    (LinkHandle { commands, _task: task }, LinkEvents(events))
}

#[derive(Debug)]
enum Command<D> {
    Connect,
    Changed(D),
    Disconnect,
}

/// How an attempt ended.
enum Ended {
    Probed(Attempt, Probe),
    Dialled(Attempt, Box<Result<Connected, ReconnectError>>),
}

/// What a good dial gives.
pub type Connected = (Client, Events, HelloResult);

/// The consumer dropped its end.
struct Unwanted;

struct Driver<D> {
    link: Link,
    dialer: Arc<D>,
    known: Known,
    begun: Instant,
    /// When full, the link waits: its consumer must know of each connection.
    tell: mpsc::Sender<LinkEvent>,
    /// At most one: the link never has two.
    attempts: JoinSet<Ended>,
    connection: Option<(Attempt, Client)>,
    /// Connections that are being closed politely; each ends within two seconds.
    farewells: JoinSet<()>,
    /// Why the last attempt failed.
    cause: Option<Arc<ReconnectError>>,
}

impl<D: Dialer> Driver<D> {
    async fn run(mut self, mut commands: mpsc::Receiver<Command<D>>) {
        self.link.handle_connect(self.now());
        while self.apply_effects().await.is_ok() {
            let due = self.link.poll_timeout().map(|at| self.begun + at);
            tokio::select! {
                biased;
                () = self.tell.closed() => return,
                command = commands.recv() => match command {
                    Some(command) => self.handle_command(command),
                    None => return,
                },
                Some(ended) = self.attempts.join_next() => {
                    if self.handle_ended(ended).await.is_err() {
                        return;
                    }
                }
                Some(_) = self.farewells.join_next() => {}
                attempt = lost(self.connection.as_ref()) => {
                    self.connection = None;
                    self.link.handle_lost(attempt, self.now());
                }
                () = sleep_until(due.unwrap_or(self.begun)), if due.is_some() => {
                    self.link.handle_timeout(self.now());
                }
            }
        }
    }

    fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    fn handle_command(&mut self, command: Command<D>) {
        match command {
            Command::Connect => self.link.handle_connect(self.now()),
            Command::Changed(dialer) => {
                self.dialer = Arc::new(dialer);
                self.link.handle_changed(self.now());
            }
            Command::Disconnect => self.link.handle_disconnect(),
        }
    }

    async fn handle_ended(
        &mut self,
        ended: Result<Ended, tokio::task::JoinError>,
    ) -> Result<(), Unwanted> {
        match ended {
            Ok(Ended::Probed(attempt, found)) => {
                self.link.handle_probed(attempt, found, self.now());
                Ok(())
            }
            Ok(Ended::Dialled(attempt, outcome)) => match *outcome {
                Ok(connected) => self.welcome(attempt, connected).await,
                Err(error) => {
                    let failure = error.failure();
                    tracing::debug!(%error, "dial failed");
                    self.cause = Some(Arc::new(error));
                    self.link.handle_dialled(attempt, Err(failure), self.now());
                    Ok(())
                }
            },
            // the link's own limit goes on without it
            Err(error) if error.is_cancelled() => Ok(()),
            Err(error) => {
                tracing::error!(%error, "an attempt panicked");
                Ok(())
            }
        }
    }

    async fn welcome(&mut self, attempt: Attempt, connected: Connected) -> Result<(), Unwanted> {
        let (client, events, hello) = connected;
        let seen = hello.relay_id;
        let expected = *self.known.relay.get_or_insert(seen);
        if expected != seen {
            let error = ReconnectError::RelayChanged { expected, seen };
            let failure = DialFailure::Refused(Refusal::RelayChanged { expected, seen });
            self.cause = Some(Arc::new(error));
            self.link.handle_dialled(attempt, Err(failure), self.now());
            return Ok(());
        }
        self.known.ticket = Some(hello.ticket.clone());
        self.cause = None;
        self.connection = Some((attempt, client.clone()));
        self.link.handle_dialled(attempt, Ok(()), self.now());
        self.tell(LinkEvent::Connected { client, events, hello: Box::new(hello) }).await
    }

    async fn apply_effects(&mut self) -> Result<(), Unwanted> {
        while let Some(effect) = self.link.poll_effect() {
            match effect {
                Effect::Probe(attempt) => {
                    let dialer = Arc::clone(&self.dialer);
                    self.attempts.spawn(async move {
                        Ended::Probed(attempt, dialer.probe(PROBE_LIMIT).await)
                    });
                }
                Effect::Dial(attempt) => {
                    let (dialer, known) = (Arc::clone(&self.dialer), self.known.clone());
                    self.attempts.spawn(async move {
                        Ended::Dialled(attempt, Box::new(dialer.dial(known.ticket).await))
                    });
                }
                Effect::Abandon(_) => {
                    self.attempts.abort_all();
                    if let Some((_, client)) = self.connection.take() {
                        self.farewells.spawn(async move { client.close(1000, "").await });
                    }
                }
                Effect::Show(status) => self.show(status).await?,
            }
        }
        Ok(())
    }

    async fn show(&mut self, status: Status) -> Result<(), Unwanted> {
        match status {
            Status::Reconnecting { wait } => {
                self.tell(LinkEvent::Reconnecting { wait, cause: self.cause.clone() }).await
            }
            Status::Refused { why } => {
                self.tell(LinkEvent::Refused { why, cause: self.cause.clone() }).await
            }
            // a connection tells of itself; the others are the consumer's own doing
            Status::Ready | Status::Connecting | Status::Idle | Status::Removed => Ok(()),
        }
    }

    async fn tell(&self, event: LinkEvent) -> Result<(), Unwanted> {
        self.tell.send(event).await.map_err(|_| Unwanted)
    }
}

/// Waits for the end of the connection, if there is one.
async fn lost(connection: Option<&(Attempt, Client)>) -> Attempt {
    match connection {
        Some((attempt, client)) => {
            client.closed().await;
            *attempt
        }
        None => std::future::pending().await,
    }
}
