//! The link goes and comes back.

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;
use quarterdeck_core::input;
use quarterdeck_protocol::{
    ids::{Incarnation, InputNumber},
    method::{HelloResult, RelayStatusResult},
};
use quarterdeck_transport::{
    Client, ClosedWhy, Events,
    reconnect::{LinkEvent, ReconnectError},
};
use tokio::time::{Duration, Instant};

use super::{Live, Turn, Wire, open::attach_params};
use crate::{
    attach::{
        outbox::{Outbox, Request},
        typing::Typing,
    },
    background::{self, Started},
    connection::is_absent,
    error::CliError,
};

/// Failed attempts after which a relay of this machine is started: somebody may be about to.
const FAILURES_BEFORE_START: u32 = 2;
/// A relay that does not stay is not started more often than this.
const START_PAUSE: Duration = Duration::from_secs(30);
/// Close code of a relay that stops (RFC 6455 §7.4.1).
const GOING_AWAY: u16 = 1001;
/// How often the seconds are counted down.
const TICK: Duration = Duration::from_secs(1);

/// What is known while the link is down.
#[derive(Default)]
pub(super) struct Down<'s> {
    failures: u32,
    /// When the next attempt begins.
    retry_at: Option<Instant>,
    next_tick: Option<Instant>,
    starting: Option<BoxFuture<'s, Result<Started<RelayStatusResult>, CliError>>>,
    last_start: Option<Instant>,
    farewell: Farewell,
}

/// Whether the relay said that it goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Farewell {
    /// No: it was killed, or the link broke.
    #[default]
    None,
    /// Somebody stopped it, and does not want it back by itself.
    Stopped,
}

impl Down<'_> {
    /// When the countdown must be shown anew.
    pub(super) const fn due(&self) -> Option<Instant> {
        self.next_tick
    }
    /// Waits until a relay was started. May be dropped and called again.
    pub(super) async fn started(&mut self) {
        let Some(starting) = &mut self.starting else { return std::future::pending().await };
        let outcome = starting.await;
        self.starting = None;
        if let Err(error) = outcome {
            tracing::debug!(%error, "no relay started");
        }
    }
}

impl Live<'_> {
    /// The connection is over; the link says what comes next.
    pub(super) async fn handle_closed(
        &mut self,
        why: Option<&ClosedWhy>,
    ) -> Result<Turn, CliError> {
        if matches!(why, Some(ClosedWhy::Peer { code: GOING_AWAY, .. })) {
            self.down.farewell = Farewell::Stopped;
        }
        if self.wire.take().is_none() || self.ending.is_some() {
            return Ok(Turn::Go);
        }
        self.typing.handle_link_down();
        let actions = self.view.handle_connecting();
        self.act(actions).await
    }

    /// The user wants the link now; of this machine's relay that means: start it if it is not there.
    pub(super) async fn retry(&mut self) {
        self.down.farewell = Farewell::None;
        self.down.failures = self.down.failures.max(FAILURES_BEFORE_START - 1);
        self.down.last_start = None;
        self.link.retry().await;
    }

    pub(super) async fn handle_link(&mut self, event: LinkEvent) -> Result<Turn, CliError> {
        match event {
            LinkEvent::Connected { client, events, hello } => {
                self.handle_connected(client, events, &hello);
                Ok(Turn::Go)
            }
            LinkEvent::Reconnecting { wait, cause } => {
                self.wire = None;
                self.typing.handle_link_down();
                let now = Instant::now();
                self.down.failures += 1;
                (self.down.retry_at, self.down.next_tick) = (Some(now + wait), Some(now + TICK));
                self.start_relay(cause.as_deref());
                let actions = self.view.handle_waiting(wait);
                self.act(actions).await
            }
            LinkEvent::Refused { why, cause } => Err(self.link.refused(why, cause.as_deref())),
        }
    }

    fn handle_connected(&mut self, client: Client, events: Events, hello: &HelloResult) {
        (self.down.failures, self.down.farewell) = (0, Farewell::None);
        (self.down.retry_at, self.down.next_tick) = (None, None);
        if hello.client_id != self.view.client() {
            self.become_another_client(hello);
        }
        let mut outbox = Outbox::new(client.clone());
        let params = attach_params(self.settings, &self.wish_to_stay(), self.stream.resume());
        outbox.request(Request::Attach(Box::new(params)));
        let calls = BTreeMap::new();
        self.held.clear();
        self.wire = Some(Wire { client, events, outbox, calls, attached: false, again: false });
    }

    /// The relay did not accept the ticket: numbers of inputs begin anew, and what was typed as the
    /// other client is gone.
    fn become_another_client(&mut self, hello: &HelloResult) {
        self.view.set_client(hello.client_id);
        let nothing =
            input::Attached { applied: InputNumber(0), epoch: None, incarnation: Incarnation(0) };
        self.typing = Typing::new(nothing);
        self.typing.handle_link_down();
    }

    pub(super) async fn handle_tick(&mut self) -> Result<Turn, CliError> {
        let now = Instant::now();
        let left = self.down.retry_at.map(|at| at.saturating_duration_since(now));
        let Some(left) = left.filter(|left| !left.is_zero()) else {
            self.down.next_tick = None;
            let actions = self.view.handle_connecting();
            return self.act(actions).await;
        };
        self.down.next_tick = Some(now + TICK.min(left));
        let actions = self.view.handle_waiting(left);
        self.act(actions).await
    }

    /// Starts the instance's relay when it is gone and nobody else does.
    fn start_relay(&mut self, cause: Option<&ReconnectError>) {
        // an attempt that only looked whether anything listens has no cause to tell
        let absent = self.settings.is_local() && cause.is_none_or(is_absent);
        let recently = self.down.last_start.is_some_and(|at| at.elapsed() < START_PAUSE);
        let stopped = self.down.farewell == Farewell::Stopped;
        let busy = self.down.starting.is_some() || recently || stopped;
        if !absent || busy || self.down.failures < FAILURES_BEFORE_START {
            return;
        }
        self.down.last_start = Some(Instant::now());
        self.down.starting = Some(Box::pin(background::start(self.settings, &[])));
    }
}
