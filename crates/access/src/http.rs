//! Connections as relay and hub both serve them: HTTP on a stream that was accepted, a WebSocket's
//! buffers, what it says, and whether its peer is still there.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use axum::{
    Router,
    extract::ws::{Message, Utf8Bytes, WebSocketUpgrade},
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use quarterdeck_protocol::limits::{MAX_BINARY_FRAME_BYTES, MAX_TEXT_FRAME_BYTES};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

/// Bytes of a WebSocket's read buffer: one per connection, and most connections are idle.
const READ_BUFFER_BYTES: usize = 8 * 1024;
/// Bytes gathered before they are written without being flushed.
const WRITE_BUFFER_BYTES: usize = 64 * 1024;
/// Bytes that may wait in a WebSocket: some messages above what is gathered.
const MAX_WRITE_BUFFER_BYTES: usize = 4 * MAX_TEXT_FRAME_BYTES;
/// A server pings so often.
pub const PING_INTERVAL: Duration = Duration::from_secs(15);
/// So many pings without any sign of life, while nothing can be sent either, end the connection.
const MISSED_PINGS: u32 = 2;

/// Answers requests on a stream until it ends or the daemon stops.
pub async fn serve<S>(stream: S, router: Router, shutdown: &CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = TowerToHyperService::new(router);
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new());
    let connection = http.serve_connection(TokioIo::new(stream), service).with_upgrades();
    tokio::select! {
        () = shutdown.cancelled() => {}
        outcome = connection => if let Err(error) = outcome {
            tracing::debug!(%error, "HTTP connection ended");
        }
    }
}

/// What every WebSocket is asked for.
pub fn buffered(ws: WebSocketUpgrade) -> WebSocketUpgrade {
    ws.read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(MAX_WRITE_BUFFER_BYTES)
}

/// A WebSocket of `quarterdeck.v1`, with its frames' limits.
pub fn native(ws: WebSocketUpgrade, subprotocol: &'static str) -> WebSocketUpgrade {
    buffered(ws)
        .protocols([subprotocol])
        .max_message_size(MAX_TEXT_FRAME_BYTES)
        .max_frame_size(MAX_TEXT_FRAME_BYTES.max(MAX_BINARY_FRAME_BYTES))
}

/// What a peer said.
#[derive(Debug)]
pub enum Received {
    /// A text.
    Text(Utf8Bytes),
    /// Bytes.
    Binary(Bytes),
    /// The answer to a ping.
    Pong,
    /// What came cannot be read, or is too large.
    Unreadable,
    /// Nothing more: it closed the connection, or the link broke.
    Gone,
}

/// What a peer says next; every message is counted in `moved` as a sign of life. Dropping the future
/// loses nothing.
pub async fn receive<E: std::fmt::Display>(
    stream: &mut (impl Stream<Item = Result<Message, E>> + Unpin),
    moved: &AtomicU64,
) -> Received {
    loop {
        let message = match stream.next().await {
            Some(Ok(message)) => message,
            Some(Err(error)) => {
                tracing::debug!(%error, "unreadable message");
                return Received::Unreadable;
            }
            None => return Received::Gone,
        };
        moved.fetch_add(1, Relaxed);
        match message {
            Message::Text(text) => return Received::Text(text),
            Message::Binary(bytes) => return Received::Binary(bytes),
            Message::Pong(_) => return Received::Pong,
            Message::Ping(_) => {}
            Message::Close(_) => return Received::Gone,
        }
    }
}

/// Pings, and returns when the peer is dead: no sign of life, as `moved` counts them, for
/// some intervals in which nothing could be sent either.
pub async fn keep_alive(moved: &AtomicU64, ping: impl Fn()) {
    let mut missed = 0;
    let mut before = moved.load(Relaxed);
    loop {
        tokio::time::sleep(PING_INTERVAL).await;
        let now = moved.load(Relaxed);
        missed = if now == before { missed + 1 } else { 0 };
        before = now;
        if missed >= MISSED_PINGS {
            return;
        }
        ping();
    }
}
