//! One client's connection: it reads what the client sends, and writes what waits for it.
//!
//! Reading never waits for writing. What the hub does not answer itself goes to the link of the machine
//! that is meant, and comes back through the [`switch`](crate::switch).

pub(crate) mod outbox;
mod reading;
mod sending;
mod view;

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
};

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use bytes::Bytes;
use futures_util::StreamExt as _;
use quarterdeck_access::{
    http,
    tokens::{Grant, SessionLimit},
};
use quarterdeck_protocol::{
    error::{ErrorCode, ErrorDetail, RpcError},
    ids::{Channel, MachineId, Principal, SessionId},
    limits::{MAX_CHANNELS_PER_CONNECTION, MAX_TEXT_FRAME_BYTES},
    method::{Access, Acting, MethodName},
    rpc::{self, RequestId},
    scope::Scopes,
};
use serde_json::value::RawValue;
use tokio::sync::watch;

use crate::{
    context::Context,
    place::Place,
    store::Access as AccessWay,
    switch::{self, Linked},
};
use outbox::{Outbox, Pushed};

/// Close codes of RFC 6455.
mod close {
    pub(super) const GOING_AWAY: u16 = 1001;
    pub(super) const PROTOCOL: u16 = 1002;
    pub(super) const INVALID: u16 = 1007;
    pub(super) const POLICY: u16 = 1008;
    /// IANA's "try again later".
    pub(super) const TRY_AGAIN: u16 = 1013;
}

/// A client, as whatever is done for it knows it.
pub(crate) struct Asker {
    pub(crate) context: Arc<Context>,
    /// Who it is and what it may do.
    pub(crate) grant: Grant,
    /// Whether it is at this machine.
    pub(crate) place: Place,
    pub(crate) outbox: Arc<Outbox>,
    /// Set by `hello`.
    acting: OnceLock<Acting>,
    /// The one machine that the client named in its `hello`: it sees no other.
    bound: watch::Sender<Option<Arc<Linked>>>,
    /// By the client's own number.
    channels: Mutex<BTreeMap<Channel, Attached>>,
    last_channel: AtomicU32,
    /// Requests without an answer.
    pub(crate) in_flight: AtomicUsize,
    view: Mutex<view::View>,
    /// Messages received and frames sent: signs that the link moves.
    moved: AtomicU64,
}

/// The relay's side of a channel.
#[derive(Clone)]
struct Attached {
    link: Arc<Linked>,
    theirs: Channel,
}

/// Why a connection ended.
#[derive(Debug)]
pub(crate) enum End {
    /// The peer closed it, or the link broke.
    Peer,
    /// It broke the protocol or does not read; the code and reason of the close.
    Violation(u16, &'static str),
    /// No sign of life.
    Dead,
    /// The hub stops.
    Shutdown,
}

/// Serves a connection until it ends.
pub(crate) async fn serve(context: Arc<Context>, grant: Grant, place: Place, socket: WebSocket) {
    context.metrics.connections_accepted.increment();
    let gauge = Arc::clone(&context);
    let _counted = gauge.metrics.connections.enter();
    let asker = Arc::new(Asker::new(context, grant, place));
    let (mut sink, stream) = socket.split();
    let shutdown = asker.context.shutdown.clone();
    let end = tokio::select! {
        biased;
        () = shutdown.cancelled() => End::Shutdown,
        end = asker.read(stream) => end,
        end = asker.write(&mut sink) => end,
        () = asker.machine_lost() => {
            End::Violation(close::TRY_AGAIN, "the link to the machine was lost")
        }
        () = http::keep_alive(&asker.moved, || asker.outbox.push(Message::Ping(Bytes::new()))) => End::Dead,
        () = asker.context.credential_ended(&asker.grant) => {
            End::Violation(close::POLICY, "the credential has ended")
        }
    };
    tracing::debug!(?end, "connection ended");
    let frame = match end {
        End::Peer | End::Dead => None,
        End::Violation(code, reason) => Some(CloseFrame { code, reason: reason.into() }),
        End::Shutdown => {
            Some(CloseFrame { code: close::GOING_AWAY, reason: "the hub stops".into() })
        }
    };
    if let Some(frame) = frame {
        asker.say_goodbye(&mut sink, frame).await;
    }
    asker.leave();
}

impl Asker {
    /// A client that has said nothing yet; also one without a WebSocket.
    pub(crate) fn new(context: Arc<Context>, grant: Grant, place: Place) -> Self {
        Self {
            context,
            grant,
            place,
            outbox: Arc::default(),
            acting: OnceLock::new(),
            bound: watch::Sender::new(None),
            channels: Mutex::default(),
            last_channel: AtomicU32::new(0),
            in_flight: AtomicUsize::new(0),
            view: Mutex::default(),
            moved: AtomicU64::new(0),
        }
    }

    /// Checks a method against the total table method × scope.
    pub(crate) fn require(&self, method: MethodName) -> Result<(), RpcError> {
        match method.access() {
            Access::Open => Ok(()),
            Access::Needs(scope) if self.grant.scopes.has(scope) => Ok(()),
            Access::Needs(needed) => {
                let name = self.principal().name();
                let message =
                    format!("this needs the scope \"{needed}\", which {name}'s credential lacks");
                let detail = ErrorDetail::Scope { needed };
                Err(RpcError::new(ErrorCode::Forbidden, message).with(detail))
            }
        }
    }

    /// Where a relay takes the hub's word for nobody but itself, a client may do there only what it could
    /// do as the hub.
    ///
    /// # Errors
    /// When it may do less.
    pub(crate) fn require_all(&self, scopes: Scopes) -> Result<(), RpcError> {
        match scopes.iter().find(|scope| !self.grant.scopes.has(*scope)) {
            None => Ok(()),
            Some(needed) => {
                let message = format!(
                    "this machine knows the hub only, not its clients: that needs \"{needed}\" too"
                );
                let detail = ErrorDetail::Scope { needed };
                Err(RpcError::new(ErrorCode::Forbidden, message).with(detail))
            }
        }
    }

    /// Who it is.
    pub(crate) const fn principal(&self) -> &Principal {
        &self.grant.principal
    }

    /// As whom the client is known where it is: the relay of the hub's own machine vouches for the same
    /// people under its own id.
    pub(crate) fn known_as(&self) -> Principal {
        let bound = self.bound().and_then(|machine| self.context.fleet.row(machine));
        let own = bound.filter(|row| row.access == AccessWay::Local).and_then(|row| row.relay_id);
        let here =
            own.and_then(|relay| Principal::new(&relay.to_string(), self.principal().name()).ok());
        here.unwrap_or_else(|| self.principal().clone())
    }

    /// Whether a session exists as far as this client is concerned.
    pub(crate) fn sees(&self, session: SessionId) -> bool {
        self.grant.sessions.allows(session)
    }

    /// Whether its credential reaches only certain sessions.
    pub(crate) fn is_limited(&self) -> bool {
        self.grant.sessions != SessionLimit::All
    }

    /// The client said who it is.
    ///
    /// # Errors
    /// When it said so before.
    pub(crate) fn introduce(&self, acting: Acting) -> Result<(), RpcError> {
        self.acting
            .set(acting)
            .map_err(|_| RpcError::new(ErrorCode::InvalidRequest, "hello was said already"))
    }

    /// The client means this machine and no other, for as long as its link stands.
    pub(crate) fn bind(&self, link: Arc<Linked>) {
        self.bound.send_replace(Some(link));
    }

    /// The one machine that it means.
    pub(crate) fn bound(&self) -> Option<MachineId> {
        self.bound.borrow().as_ref().map(|link| link.machine)
    }

    /// Waits for the end of the link to the one machine that it means.
    async fn machine_lost(&self) {
        let mut bound = self.bound.subscribe();
        let link = bound.wait_for(Option::is_some).await.map(|link| link.clone());
        match link {
            Ok(Some(link)) => {
                link.client.closed().await;
            }
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// For whom its requests are made. Nothing is passed on before `hello`.
    pub(crate) fn acting(&self) -> Acting {
        self.acting.get().cloned().unwrap_or_else(|| Acting {
            principal: self.principal().clone(),
            client_id: self.context.hub.client([0; 8]),
            name: String::new(),
            scopes: Scopes::NONE,
            sessions: Vec::new(),
        })
    }

    /// Gives a request its result.
    pub(crate) fn answer(&self, id: &RequestId, result: &RawValue) {
        match rpc::response(id, &result) {
            Ok(text) if text.len() > MAX_TEXT_FRAME_BYTES => {
                let message =
                    "this is more than fits into one answer: ask for one machine, or watch";
                self.settle(rpc::error_response(
                    Some(id),
                    &RpcError::new(ErrorCode::Overloaded, message),
                ));
            }
            Ok(text) => self.settle(text),
            Err(_) => self.settle(rpc::error_response(
                Some(id),
                &RpcError::new(ErrorCode::Internal, "the result could not be sent"),
            )),
        }
    }

    /// Gives a request its error.
    pub(crate) fn fail(&self, id: &RequestId, error: &RpcError) {
        self.settle(rpc::error_response(Some(id), error));
    }

    fn settle(&self, text: String) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.outbox.push(Message::Text(text.into()));
    }

    /// Runs something beside the connection that may outlive it.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.context.tasks.spawn(work);
    }

    /// Checks that another attachment fits.
    ///
    /// # Errors
    /// `overloaded`.
    pub(crate) fn require_place(&self) -> Result<(), RpcError> {
        if self.channels().len() < MAX_CHANNELS_PER_CONNECTION {
            return Ok(());
        }
        Err(RpcError::new(ErrorCode::Overloaded, "too many attachments on this connection"))
    }

    /// A channel of the client for one of a link; none when the client has gone.
    pub(crate) fn open_channel(
        &self,
        link: Arc<Linked>,
        theirs: Channel,
        window_bytes: u64,
    ) -> Option<Channel> {
        let channel = Channel(self.last_channel.fetch_add(1, Ordering::Relaxed) + 1);
        if self.outbox.open(channel, window_bytes) == Pushed::Gone {
            return None;
        }
        self.channels().insert(channel, Attached { link, theirs });
        Some(channel)
    }

    /// The client gives a channel up.
    ///
    /// # Errors
    /// When it has no such channel.
    pub(crate) fn take_channel(
        &self,
        channel: Channel,
    ) -> Result<(Arc<Linked>, Channel), RpcError> {
        let attached = self.channels().remove(&channel);
        let missing = || RpcError::new(ErrorCode::NotFound, "no such channel on this connection");
        let Attached { link, theirs } = attached.ok_or_else(missing)?;
        self.outbox.close_channel(channel);
        Ok((link, theirs))
    }

    /// A channel ended by its session's doing; what waits for it is still sent.
    pub(crate) fn forget_channel(&self, channel: Channel) {
        self.channels().remove(&channel);
        self.outbox.finish(channel);
    }

    /// A channel ended by the hub's doing.
    pub(crate) fn end_channel(&self, channel: Channel, why: &str) {
        if self.channels().remove(&channel).is_none() {
            return;
        }
        if why == switch::why::TOO_SLOW {
            self.context.metrics.too_slow.increment();
        }
        self.outbox.close_channel(channel);
        if let Some(message) = switch::detached(channel, why) {
            self.outbox.push(message);
        }
    }

    /// The connection is over: its channels end, and its leases go into their grace.
    pub(crate) fn leave(self: &Arc<Self>) {
        self.outbox.close();
        let channels = std::mem::take(&mut *self.channels());
        for Attached { link, theirs } in channels.into_values() {
            link.end_theirs(self, theirs);
        }
    }

    fn channels(&self) -> MutexGuard<'_, BTreeMap<Channel, Attached>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
