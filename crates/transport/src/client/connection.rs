//! The task of one connection: reads, writes and watches at the same time, until one of them ends.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use quarterdeck_core::link::heartbeat::{Heartbeat, HeartbeatEffect};
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    limits::MAX_BINARY_FRAME_BYTES,
    rpc::{self, Message as RpcMessage, RequestId},
};
use tokio::{
    sync::{Notify, mpsc, watch},
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_tungstenite::tungstenite::{Error as WsError, Message, protocol::CloseFrame};

use super::{CallId, ClosedWhy, Incoming, Pending, Waiter};
use crate::{
    dial::WsStream,
    limits::{CLOSE_LIMIT, WRITE_BATCH_BYTES},
    stream::Traffic,
};

/// Close code of a peer that gave none (RFC 6455 §7.1.5).
const NO_STATUS: u16 = 1005;

/// What the writer is given.
pub(super) enum Outgoing {
    Message(Message),
    /// The last one.
    Close(CloseFrame),
}

pub(super) struct Connection {
    /// When full, reading waits.
    pub(super) inbox: mpsc::Sender<Incoming>,
    /// The writer's own queue, for pings and refusals.
    pub(super) outbox: mpsc::Sender<Outgoing>,
    pub(super) pending: Arc<Pending>,
    pub(super) closing: watch::Sender<Option<ClosedWhy>>,
    pub(super) stop: Arc<Notify>,
    pub(super) ping_interval: Duration,
}

/// What the three loops know of each other.
#[derive(Default)]
struct Shared {
    /// The reader waits for the consumer: silence says nothing about the peer.
    consumer_is_slow: AtomicBool,
    /// Our farewell was sent.
    farewell_sent: AtomicBool,
}

impl Connection {
    pub(super) async fn run(self, stream: WsStream, outbox: mpsc::Receiver<Outgoing>) {
        let traffic = stream.get_ref().traffic();
        let (sink, source) = stream.split();
        let shared = Shared::default();
        let why = tokio::select! {
            why = self.read(source, &shared) => why,
            why = write(sink, outbox, &shared) => why,
            why = self.watch(&traffic, &shared) => why,
            () = self.stop.notified() => ClosedWhy::Here,
        };
        let why = if shared.farewell_sent.into_inner() { ClosedWhy::Here } else { why };
        self.pending.close(why.clone());
        self.closing.send_replace(Some(why.clone()));
        // the consumer may be gone, or slow: whoever waits for the end does not wait for it
        let _ = self.inbox.send(Incoming::Closed { why }).await;
    }

    async fn read(&self, mut source: SplitStream<WsStream>, shared: &Shared) -> ClosedWhy {
        loop {
            let taken = match source.next().await {
                Some(Ok(Message::Binary(bytes))) if bytes.len() > MAX_BINARY_FRAME_BYTES => {
                    Err(ClosedWhy::Protocol { what: "a binary frame too long".to_owned() })
                }
                Some(Ok(Message::Binary(bytes))) => {
                    self.deliver(Incoming::Frame(bytes), shared).await
                }
                Some(Ok(Message::Text(text))) => self.handle_text(&text, shared).await,
                Some(Ok(Message::Close(frame))) => {
                    // one more turn sends our half of the farewell
                    let _ = timeout(CLOSE_LIMIT, source.next()).await;
                    return why_peer_closed(frame);
                }
                // the library answers pings
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(()),
                Some(Err(error)) => return why_lost(error),
                None => return ClosedWhy::Lost { kind: io::ErrorKind::UnexpectedEof },
            };
            if let Err(why) = taken {
                return why;
            }
        }
    }

    async fn handle_text(&self, text: &str, shared: &Shared) -> Result<(), ClosedWhy> {
        let message =
            RpcMessage::parse(text).map_err(|error| ClosedWhy::Protocol { what: error.message })?;
        match message {
            RpcMessage::Notification { method, params } => {
                self.deliver(Incoming::Notification { method, params }, shared).await
            }
            RpcMessage::Response { id: Some(RequestId::Number(id)), outcome } => {
                let call = CallId(id);
                match self.pending.take(call) {
                    Some(Waiter::Caller(caller)) => {
                        // a caller that went away meanwhile does not want it
                        let _ = caller.send(outcome);
                        Ok(())
                    }
                    Some(Waiter::Stream(place)) => {
                        drop(place);
                        self.deliver(Incoming::Answer { call, outcome }, shared).await
                    }
                    // its caller gave up
                    None => Ok(()),
                }
            }
            RpcMessage::Response { .. } => {
                Err(ClosedWhy::Protocol { what: "an answer to no request".to_owned() })
            }
            RpcMessage::Request { id, .. } => self.refuse(&id),
        }
    }

    /// A relay is always the server; a newer one may ask all the same, and gets its one answer.
    fn refuse(&self, id: &RequestId) -> Result<(), ClosedWhy> {
        let error = RpcError::new(ErrorCode::MethodNotFound, "a client answers no requests");
        let text = rpc::error_response(Some(id), &error);
        self.outbox
            .try_send(Outgoing::Message(Message::Text(text.into())))
            .map_err(|_| ClosedWhy::Protocol { what: "a flood of requests".to_owned() })
    }

    async fn deliver(&self, incoming: Incoming, shared: &Shared) -> Result<(), ClosedWhy> {
        let incoming = match self.inbox.try_send(incoming) {
            Ok(()) => return Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(ClosedWhy::Abandoned),
            Err(mpsc::error::TrySendError::Full(incoming)) => incoming,
        };
        shared.consumer_is_slow.store(true, Ordering::Relaxed);
        let sent = self.inbox.send(incoming).await;
        shared.consumer_is_slow.store(false, Ordering::Relaxed);
        sent.map_err(|_| ClosedWhy::Abandoned)
    }

    async fn watch(&self, traffic: &Traffic, shared: &Shared) -> ClosedWhy {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::every(self.ping_interval, Duration::ZERO);
        let mut signs = traffic.signs();
        while let Some(at) = heartbeat.poll_timeout() {
            sleep_until(start + at).await;
            let moved = traffic.signs() != signs;
            signs = traffic.signs();
            if moved || shared.consumer_is_slow.load(Ordering::Relaxed) {
                heartbeat.handle_movement();
            }
            heartbeat.handle_timeout(start.elapsed());
            while let Some(effect) = heartbeat.poll_effect() {
                match effect {
                    // into a full queue it would only come later; that it could not be sent counts as missed
                    HeartbeatEffect::Ping => {
                        let ping = Outgoing::Message(Message::Ping(bytes::Bytes::new()));
                        let _ = self.outbox.try_send(ping);
                    }
                    HeartbeatEffect::Dead => return ClosedWhy::Silent,
                }
            }
        }
        ClosedWhy::Silent
    }
}

/// Takes what there is, up to a batch, and flushes once: a lone frame leaves at once, queued ones together.
async fn write(
    mut sink: SplitSink<WsStream, Message>,
    mut outbox: mpsc::Receiver<Outgoing>,
    shared: &Shared,
) -> ClosedWhy {
    loop {
        let mut next = outbox.recv().await;
        if next.is_none() {
            return ClosedWhy::Here;
        }
        let mut batch_bytes = 0;
        while let Some(outgoing) = next {
            let message = match outgoing {
                Outgoing::Message(message) => message,
                Outgoing::Close(frame) => return say_farewell(sink, frame, shared).await,
            };
            batch_bytes += message.len();
            if let Err(error) = sink.feed(message).await {
                return after_reader(error).await;
            }
            next = if batch_bytes < WRITE_BATCH_BYTES { outbox.try_recv().ok() } else { None };
        }
        if let Err(error) = sink.flush().await {
            return after_reader(error).await;
        }
    }
}

/// What the peer said before it went may still be unread, and is the better reason: the reader goes first.
async fn after_reader(error: WsError) -> ClosedWhy {
    sleep(CLOSE_LIMIT).await;
    why_lost(error)
}

/// Sends the farewell; the reader ends when the peer's half comes.
async fn say_farewell(
    mut sink: SplitSink<WsStream, Message>,
    frame: CloseFrame,
    shared: &Shared,
) -> ClosedWhy {
    shared.farewell_sent.store(true, Ordering::Relaxed);
    let farewell = async {
        if sink.send(Message::Close(Some(frame))).await.is_ok() {
            sleep(CLOSE_LIMIT).await;
        }
    };
    let _ = timeout(CLOSE_LIMIT, farewell).await;
    ClosedWhy::Here
}

fn why_peer_closed(frame: Option<CloseFrame>) -> ClosedWhy {
    let (code, reason) = frame.map_or((NO_STATUS, String::new()), |frame| {
        (frame.code.into(), frame.reason.as_str().to_owned())
    });
    ClosedWhy::Peer { code, reason }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "foreign errors: all others are a broken protocol"
)]
fn why_lost(error: WsError) -> ClosedWhy {
    match error {
        WsError::Io(error) => ClosedWhy::Lost { kind: error.kind() },
        WsError::ConnectionClosed | WsError::AlreadyClosed => {
            ClosedWhy::Lost { kind: io::ErrorKind::UnexpectedEof }
        }
        WsError::Protocol(
            tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
        ) => ClosedWhy::Lost { kind: io::ErrorKind::UnexpectedEof },
        other => ClosedWhy::Protocol { what: other.to_string() },
    }
}
