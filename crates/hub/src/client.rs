//! One client's connection: it reads what the client sends, and writes what waits for it.
//!
//! Reading never waits for writing. What the hub does not answer itself goes to the link of the machine
//! that is meant, and comes back through the [`switch`](crate::switch).

mod alive;
pub(crate) mod outbox;
mod view;

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
};

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use bytes::Bytes;
use futures_util::{
    SinkExt as _, StreamExt as _,
    stream::{FuturesUnordered, SplitSink, SplitStream},
};
use quarterdeck_access::tokens::{Grant, SessionLimit};
use quarterdeck_protocol::{
    error::{ErrorCode, ErrorDetail, RpcError},
    frame::{Body, Frame},
    ids::{Channel, MachineId, Principal, SessionId},
    limits::{MAX_CHANNELS_PER_CONNECTION, MAX_INPUT_BYTES, MAX_REQUESTS_IN_FLIGHT},
    method::{Access, Acting, MethodName},
    rpc::{self, RequestId},
    scope::Scopes,
};
use serde_json::value::RawValue;
use tokio::sync::watch;

use crate::{
    api,
    context::Context,
    limits::{CLOSE_LIMIT, FRAME_LIMIT},
    store::Access as AccessWay,
    switch::{self, Linked, with_channel},
};
use outbox::{Outbox, Pushed, Turn};

/// Frames written before a flush, so that a flood does not hold back a keystroke's echo in a buffer.
const FRAMES_PER_FLUSH: usize = 4;

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
    pub(crate) outbox: Arc<Outbox>,
    /// Set by `hello`.
    acting: OnceLock<Acting>,
    /// The one machine that the client named in its `hello`: it sees no other.
    bound: watch::Sender<Option<Arc<Linked>>>,
    /// By the client's own number.
    channels: Mutex<BTreeMap<Channel, Attached>>,
    last_channel: AtomicU32,
    /// Requests without an answer.
    in_flight: AtomicUsize,
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
enum End {
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
pub(crate) async fn serve(context: Arc<Context>, grant: Grant, socket: WebSocket) {
    context.metrics.connections_accepted.increment();
    let gauge = Arc::clone(&context);
    let _counted = gauge.metrics.connections.enter();
    let asker = Arc::new(Asker {
        context,
        grant,
        outbox: Arc::default(),
        acting: OnceLock::new(),
        bound: watch::Sender::new(None),
        channels: Mutex::default(),
        last_channel: AtomicU32::new(0),
        in_flight: AtomicUsize::new(0),
        view: Mutex::default(),
        moved: AtomicU64::new(0),
    });
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
        () = alive::keep_alive(&asker.moved, &asker.outbox) => End::Dead,
        () = alive::credential_ended(&asker.context, &asker.grant) => {
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
    async fn read(self: &Arc<Self>, mut stream: SplitStream<WebSocket>) -> End {
        let mut requests = FuturesUnordered::new();
        loop {
            tokio::select! {
                biased;
                message = stream.next() => {
                    let message = match message {
                        Some(Ok(message)) => message,
                        Some(Err(error)) => {
                            tracing::debug!(%error, "unreadable message");
                            return End::Violation(close::PROTOCOL, "message malformed or too large");
                        }
                        None => return End::Peer,
                    };
                    self.moved.fetch_add(1, Ordering::Relaxed);
                    match message {
                        Message::Text(text) => requests.push(Arc::clone(self).handle_text(text)),
                        Message::Binary(bytes) => {
                            if let Some(end) = self.handle_frame(bytes).await {
                                return end;
                            }
                        }
                        Message::Ping(_) | Message::Pong(_) => {}
                        Message::Close(_) => return End::Peer,
                    }
                }
                Some(()) = requests.next() => {}
            }
        }
    }

    async fn handle_text(self: Arc<Self>, text: Utf8Bytes) {
        let (id, method, params) = match rpc::Message::parse(&text) {
            // a client of a hub speaks for itself
            Ok(rpc::Message::Request { id, method, params, acting: None }) => (id, method, params),
            Ok(rpc::Message::Request { id, .. }) => {
                self.in_flight.fetch_add(1, Ordering::Relaxed);
                let message = "a hub takes no requests on behalf of others";
                return self.fail(&id, &RpcError::new(ErrorCode::Forbidden, message));
            }
            Ok(rpc::Message::Notification { .. } | rpc::Message::Response { .. }) => return,
            Err(error) => {
                let text = rpc::error_response(None, &error);
                return self.outbox.push(Message::Text(text.into()));
            }
        };
        if self.in_flight.fetch_add(1, Ordering::Relaxed) >= MAX_REQUESTS_IN_FLIGHT {
            let message = "too many requests wait on this connection";
            return self.fail(&id, &RpcError::new(ErrorCode::Overloaded, message));
        }
        if let Err(error) = self.dispatch(&id, &method, params.as_deref()).await {
            self.fail(&id, &error);
        }
    }

    async fn dispatch(
        self: &Arc<Self>,
        id: &RequestId,
        method: &str,
        params: Option<&RawValue>,
    ) -> Result<(), RpcError> {
        let Some(method) = MethodName::parse(method) else {
            let message = format!("method {method:?} does not exist in this version");
            return Err(RpcError::new(ErrorCode::MethodNotFound, message));
        };
        if method != MethodName::Hello && self.acting.get().is_none() {
            let message = "the first request of a connection must be hello";
            return Err(RpcError::new(ErrorCode::HelloRequired, message));
        }
        self.require(method)?;
        api::call(self, method, id, params).await
    }

    async fn handle_frame(self: &Arc<Self>, bytes: Bytes) -> Option<End> {
        let Ok(Frame { channel, body }) = Frame::parse(&bytes) else {
            return Some(End::Violation(close::INVALID, "not a quarterdeck.v1 frame"));
        };
        match body {
            Body::In { bytes, .. } if bytes.len() > MAX_INPUT_BYTES => {
                return Some(End::Violation(close::INVALID, "input frame too large"));
            }
            Body::In { .. } | Body::Credit { .. } => {}
            // only a relay sends these; a client that does is ignored
            Body::Out { .. } | Body::Snap { .. } | Body::Gap { .. } | Body::InAck { .. } => {
                return None;
            }
        }
        // a removed session's channel is detached with a reason of its own
        let Attached { link, theirs } = self.channels().get(&channel).cloned()?;
        let sent = link.client.forward_frame(with_channel(bytes, theirs));
        if tokio::time::timeout(FRAME_LIMIT, sent).await.is_ok() {
            return None;
        }
        // an input that is lost must not be followed by the next one
        self.end_channel(channel, switch::why::UNREACHABLE);
        link.end_theirs(self, theirs);
        let message = "the link to the machine takes nothing";
        self.bound().map(|_| End::Violation(close::TRY_AGAIN, message))
    }

    async fn write(self: &Arc<Self>, sink: &mut SplitSink<WebSocket, Message>) -> End {
        loop {
            let mut unflushed = 0;
            while let Some(turn) = self.outbox.next_turn() {
                let messages = match turn {
                    Turn::Message(message) => vec![message],
                    Turn::View => self.view_messages(),
                    Turn::Overflowed => {
                        return End::Violation(close::POLICY, "answers were not read");
                    }
                };
                for message in messages {
                    // a ping that is only buffered proves nothing
                    let moves = !matches!(message, Message::Ping(_));
                    if sink.feed(message).await.is_err() {
                        return End::Peer;
                    }
                    self.moved.fetch_add(u64::from(moves), Ordering::Relaxed);
                    unflushed += 1;
                }
                if unflushed >= FRAMES_PER_FLUSH {
                    break;
                }
            }
            if unflushed == 0 {
                self.outbox.changed().await;
                continue;
            }
            if sink.flush().await.is_err() {
                return End::Peer;
            }
            // let the reader and the links have their turn
            tokio::task::yield_now().await;
        }
    }

    async fn say_goodbye(&self, sink: &mut SplitSink<WebSocket, Message>, frame: CloseFrame) {
        let sent = async {
            while let Some(Turn::Message(message)) = self.outbox.next_turn() {
                sink.feed(message).await?;
            }
            sink.send(Message::Close(Some(frame))).await
        };
        // the peer may be gone already
        let _: Result<Result<(), axum::Error>, _> = tokio::time::timeout(CLOSE_LIMIT, sent).await;
    }

    /// Checks a method against the total table method × scope.
    fn require(&self, method: MethodName) -> Result<(), RpcError> {
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
    fn leave(self: &Arc<Self>) {
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
