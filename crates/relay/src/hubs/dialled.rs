//! A WebSocket that this relay dialled, in the form of one that it accepted.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::extract::ws::{CloseFrame, Message};
use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
use quarterdeck_transport::WsStream;
use tokio_tungstenite::tungstenite::{
    Error, Message as Raw, Utf8Bytes, protocol::CloseFrame as RawClose,
};

/// See the module.
pub(super) struct DialledSocket(pub(super) WsStream);

impl Stream for DialledSocket {
    type Item = Result<Message, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let message = match ready!(self.0.poll_next_unpin(cx)) {
                None | Some(Err(Error::ConnectionClosed | Error::AlreadyClosed)) => {
                    return Poll::Ready(None);
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(axum::Error::new(error)))),
                Some(Ok(message)) => message,
            };
            let message = match message {
                Raw::Text(text) => Message::Text(text.as_str().into()),
                Raw::Binary(bytes) => Message::Binary(bytes),
                Raw::Ping(bytes) => Message::Ping(bytes),
                Raw::Pong(bytes) => Message::Pong(bytes),
                Raw::Close(frame) => Message::Close(frame.map(|frame| CloseFrame {
                    code: frame.code.into(),
                    reason: frame.reason.as_str().into(),
                })),
                // the library does not give these to readers
                Raw::Frame(_) => continue,
            };
            return Poll::Ready(Some(Ok(message)));
        }
    }
}

impl Sink<Message> for DialledSocket {
    type Error = axum::Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        self.0.poll_ready_unpin(cx).map_err(axum::Error::new)
    }
    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), axum::Error> {
        let raw = match message {
            Message::Text(text) => Raw::Text(Utf8Bytes::from(text.as_str())),
            Message::Binary(bytes) => Raw::Binary(bytes),
            Message::Ping(bytes) => Raw::Ping(bytes),
            Message::Pong(bytes) => Raw::Pong(bytes),
            Message::Close(frame) => Raw::Close(frame.map(|frame| RawClose {
                code: frame.code.into(),
                reason: Utf8Bytes::from(frame.reason.as_str()),
            })),
        };
        self.0.start_send_unpin(raw).map_err(axum::Error::new)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        self.0.poll_flush_unpin(cx).map_err(axum::Error::new)
    }
    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        self.0.poll_close_unpin(cx).map_err(axum::Error::new)
    }
}
