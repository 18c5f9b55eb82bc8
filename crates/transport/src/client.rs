//! One connection as typed calls and one ordered stream of what comes in.
//!
//! The connection is run by one task that the [`Client`] owns: dropping the last handle ends it. Frames,
//! notifications and answers keep the order in which the relay sent them: a call's answer is given to the
//! caller before anything that came after it is put into [`Events`], so the answer of `session.attach` is
//! there before the first frame of its channel. Whoever needs the answer *within* the stream, because
//! another task reads it, uses [`Client::request`].
//!
//! Every queue has a bound, so [`Events`] must be read: when nobody does, reading from the socket stops,
//! and answers with it.

mod connection;
mod pending;
#[cfg(test)]
mod tests;

use std::{fmt, io, sync::Arc, time::Duration};

use bytes::Bytes;
use quarterdeck_core::link::heartbeat::PING_INTERVAL;
use quarterdeck_protocol::{
    error::RpcError,
    frame::Frame,
    limits::{MAX_BINARY_FRAME_BYTES, MAX_REQUESTS_IN_FLIGHT, MAX_TEXT_FRAME_BYTES},
    method::{Acting, Method, MethodName},
    rpc::{self, RequestId},
};
use serde_json::value::RawValue;
use tokio::{
    sync::{Notify, Semaphore, mpsc, oneshot, watch},
    task::JoinSet,
    time::timeout,
};
use tokio_tungstenite::tungstenite::{Message, protocol::CloseFrame};

pub use pending::CallId;

use crate::{
    dial::WsStream,
    limits::{CALL_LIMIT, CLOSE_LIMIT, INBOX_MESSAGES, OUTBOX_MESSAGES},
};
use connection::{Connection, Outgoing};
use pending::{Pending, Waiter};

/// How a connection is run.
#[derive(Debug, Clone, Copy)]
pub struct ClientOptions {
    /// How long a call waits for its answer.
    pub call_limit: Duration,
    /// Time between two pings; two that bring no sign of life end the connection.
    pub ping_interval: Duration,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self { call_limit: CALL_LIMIT, ping_interval: PING_INTERVAL }
    }
}

/// What comes in, in the order in which the relay sent it.
#[derive(Debug)]
pub enum Incoming {
    /// A binary frame, for [`Frame::parse`].
    Frame(Bytes),
    /// A notification.
    Notification {
        /// `session.changed` and so on.
        method: String,
        /// For the notification's own type.
        params: Option<Box<RawValue>>,
    },
    /// The answer to a [`Client::request`].
    Answer {
        /// Which one.
        call: CallId,
        /// For [`read_result`].
        outcome: Result<Box<RawValue>, RpcError>,
    },
    /// The connection is over; the last thing that comes. Requests without an answer get none.
    Closed {
        /// Why.
        why: ClosedWhy,
    },
}

/// Why a connection is over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClosedWhy {
    /// This side closed it.
    #[error("closed by this side")]
    Here,
    /// The peer closed it.
    #[error("closed by the relay ({code}{}{reason})", if .reason.is_empty() { "" } else { ": " })]
    Peer {
        /// Its WebSocket close code; 1005 if it gave none.
        code: u16,
        /// What it says. Not to be trusted with a terminal: print it as text.
        reason: String,
    },
    /// The bytes ended without a farewell.
    #[error("connection lost: {kind}")]
    Lost {
        /// What the system says.
        kind: io::ErrorKind,
    },
    /// No sign of life within two pings.
    #[error("the relay does not answer any more")]
    Silent,
    /// What the peer sent is not the protocol.
    #[error("the relay broke the protocol: {what}")]
    Protocol {
        /// How.
        what: String,
    },
    /// Nobody wants what comes in: [`Events`] was dropped.
    #[error("nobody listens to the connection")]
    Abandoned,
}

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The relay answered with an error.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// No answer in time. The relay may have done it all the same.
    #[error("no answer in time to {method}")]
    Timeout {
        /// Which method.
        method: &'static str,
    },
    /// The connection is over. The relay may have done it all the same.
    #[error(transparent)]
    Closed(#[from] ClosedWhy),
    /// The parameters do not fit into a frame.
    #[error("a request of {bytes} bytes is too large")]
    TooLarge {
        /// Their size.
        bytes: usize,
    },
    /// The parameters or the result do not fit the method: a defect of one side.
    #[error("parameters or result of {method} are not readable: {source}")]
    Unreadable {
        /// Which method.
        method: &'static str,
        /// What does not fit.
        source: serde_json::Error,
    },
}

/// Why a frame was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The connection is over.
    #[error(transparent)]
    Closed(#[from] ClosedWhy),
    /// More payload than a frame may carry.
    #[error("a frame of {bytes} bytes is too large")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
}

/// Reads the result of an [`Incoming::Answer`].
///
/// # Errors
/// When it does not fit the method.
pub fn read_result<M: Method>(result: &RawValue) -> Result<M::Result, CallError> {
    serde_json::from_str(result.get())
        .map_err(|source| CallError::Unreadable { method: M::NAME, source })
}

/// A connection. Clones are handles to the same one.
#[derive(Clone)]
pub struct Client(Arc<Shared>);

struct Shared {
    outbox: mpsc::Sender<Outgoing>,
    pending: Arc<Pending>,
    in_flight: Arc<Semaphore>,
    closed: watch::Receiver<Option<ClosedWhy>>,
    call_limit: Duration,
    /// Ends the connection whatever its loops wait for.
    stop: Arc<Notify>,
    /// Aborted with the last handle.
    _task: JoinSet<()>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("closed", &*self.0.closed.borrow()).finish_non_exhaustive()
    }
}

/// What comes in on a connection. Dropping it ends the connection.
#[derive(Debug)]
pub struct Events(mpsc::Receiver<Incoming>);

impl Events {
    /// The next one; `None` after [`Incoming::Closed`], or when the last [`Client`] was dropped. May be
    /// dropped and called again.
    pub async fn next(&mut self) -> Option<Incoming> {
        self.0.recv().await
    }
    /// The next one if it is there already, for consumers that take what there is in one go.
    pub fn try_next(&mut self) -> Option<Incoming> {
        self.0.try_recv().ok()
    }
}

impl Client {
    /// Runs a connection. Needs a runtime.
    #[must_use]
    pub fn start(stream: WsStream, options: ClientOptions) -> (Self, Events) {
        let (outbox, to_send) = mpsc::channel(OUTBOX_MESSAGES);
        let (inbox, events) = mpsc::channel(INBOX_MESSAGES);
        let (closing, closed) = watch::channel(None);
        let (pending, stop) = (Arc::new(Pending::default()), Arc::new(Notify::new()));
        let connection = Connection {
            inbox,
            outbox: outbox.clone(),
            pending: Arc::clone(&pending),
            closing,
            stop: Arc::clone(&stop),
            ping_interval: options.ping_interval,
        };
        let mut task = JoinSet::new();
        task.spawn(connection.run(stream, to_send));
        let in_flight = Arc::new(Semaphore::new(MAX_REQUESTS_IN_FLIGHT));
        let call_limit = options.call_limit;
        let shared = Shared { outbox, pending, in_flight, closed, call_limit, stop, _task: task };
        (Self(Arc::new(shared)), Events(events))
    }

    /// Asks, and waits for the answer. Dropping the future forgets the answer, not the request.
    ///
    /// Waits for a place when [`MAX_REQUESTS_IN_FLIGHT`] are under way; that time counts too.
    ///
    /// # Errors
    /// The relay's error, or why there is no answer.
    pub async fn call<M: Method>(&self, params: &M::Params) -> Result<M::Result, CallError> {
        self.call_within::<M>(params, self.0.call_limit).await
    }

    /// The same with a limit of its own, for what may take long.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn call_within<M: Method>(
        &self,
        params: &M::Params,
        limit: Duration,
    ) -> Result<M::Result, CallError> {
        let exchange = async {
            let _place = self.place().await?;
            let (answer, answered) = oneshot::channel();
            let ticket = self.0.pending.register(Waiter::Caller(answer))?;
            self.send_request::<M>(ticket.id(), params).await?;
            answered.await.map_err(|_| self.why_closed().into())
        };
        let outcome = timeout(limit, exchange).await;
        let outcome = outcome.unwrap_or(Err(CallError::Timeout { method: M::NAME }))?;
        read_result::<M>(&outcome?)
    }

    /// Asks; the answer comes as [`Incoming::Answer`], in its place between frames and notifications.
    ///
    /// # Errors
    /// When the request cannot be sent.
    pub async fn request<M: Method>(&self, params: &M::Params) -> Result<CallId, CallError> {
        let place = self.place().await?;
        let ticket = self.0.pending.register(Waiter::Stream(place))?;
        self.send_request::<M>(ticket.id(), params).await?;
        Ok(ticket.keep())
    }

    /// Passes on a request whose parameters this side does not read, on behalf of somebody else; the
    /// answer comes as [`Incoming::Answer`]. `register` is given its number before it is sent, so that
    /// whoever reads the answers knows it by then.
    ///
    /// # Errors
    /// When the request cannot be sent.
    pub async fn forward(
        &self,
        method: MethodName,
        params: &RawValue,
        acting: Option<&Acting>,
        register: impl FnOnce(CallId),
    ) -> Result<(), CallError> {
        let place = self.place().await?;
        let ticket = self.0.pending.register(Waiter::Stream(place))?;
        let id = RequestId::Number(ticket.id().0);
        let text = rpc::request_as(&id, method.word(), &params, acting)
            .map_err(|source| CallError::Unreadable { method: method.word(), source })?;
        register(ticket.id());
        self.send_text(text).await?;
        ticket.keep();
        Ok(())
    }

    /// Passes on a frame that somebody else made; waits while the queue is full.
    ///
    /// # Errors
    /// As [`Client::send_frame`].
    pub async fn forward_frame(&self, bytes: Bytes) -> Result<(), SendError> {
        if bytes.len() > MAX_BINARY_FRAME_BYTES {
            return Err(SendError::TooLarge { bytes: bytes.len() });
        }
        let message = Outgoing::Message(Message::Binary(bytes));
        self.0.outbox.send(message).await.map_err(|_| self.why_closed().into())
    }

    /// Sends a frame; waits while the queue is full. Frames and requests leave in the order of their
    /// calls.
    ///
    /// # Errors
    /// When it is too large, or the connection is over.
    pub async fn send_frame(&self, frame: Frame<'_>) -> Result<(), SendError> {
        let bytes = frame.to_vec();
        if bytes.len() > MAX_BINARY_FRAME_BYTES {
            return Err(SendError::TooLarge { bytes: bytes.len() });
        }
        let message = Outgoing::Message(Message::Binary(bytes.into()));
        self.0.outbox.send(message).await.map_err(|_| self.why_closed().into())
    }

    /// Says farewell and waits until the connection is over, at most two seconds. What was queued before is
    /// sent before, if the peer takes it in that time.
    pub async fn close(&self, code: u16, reason: &str) {
        // a close frame carries at most 123 bytes of text
        let reason = &reason[..reason.floor_char_boundary(123)];
        let farewell = CloseFrame { code: code.into(), reason: reason.into() };
        let politely = async {
            // fails when the connection is over, which is what is wanted
            let _ = self.0.outbox.send(Outgoing::Close(farewell)).await;
            self.closed().await;
        };
        if timeout(CLOSE_LIMIT, politely).await.is_err() {
            self.0.stop.notify_one();
            self.closed().await;
        }
    }

    /// Whether the connection is over.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.closed.borrow().is_some()
    }

    /// Waits until the connection is over.
    pub async fn closed(&self) -> ClosedWhy {
        let mut closed = self.0.closed.clone();
        let _ = closed.wait_for(Option::is_some).await;
        self.why_closed()
    }

    async fn place(&self) -> Result<tokio::sync::OwnedSemaphorePermit, CallError> {
        let place = Arc::clone(&self.0.in_flight).acquire_owned().await;
        place.map_err(|_| self.why_closed().into())
    }

    async fn send_request<M: Method>(
        &self,
        id: CallId,
        params: &M::Params,
    ) -> Result<(), CallError> {
        let text = rpc::request(&RequestId::Number(id.0), M::NAME, params)
            .map_err(|source| CallError::Unreadable { method: M::NAME, source })?;
        self.send_text(text).await
    }

    async fn send_text(&self, text: String) -> Result<(), CallError> {
        if text.len() > MAX_TEXT_FRAME_BYTES {
            return Err(CallError::TooLarge { bytes: text.len() });
        }
        let message = Outgoing::Message(Message::Text(text.into()));
        self.0.outbox.send(message).await.map_err(|_| self.why_closed().into())
    }

    /// Only asked once the connection is over; a task that was aborted could not say why.
    fn why_closed(&self) -> ClosedWhy {
        self.0.closed.borrow().clone().unwrap_or(ClosedWhy::Here)
    }
}
