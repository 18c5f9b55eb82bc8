//! The relay's end of a holder's socket: bounded, never blocking, no task of its own.

use std::{
    future::poll_fn,
    io,
    path::Path,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use quarterdeck_protocol::{
    holder::{BadLength, HOLDER_PROTOCOL, HelloAnswer, HelloRequest, HolderError, Message, op},
    ids::Generation,
};
use quarterdeck_transport::unix::UnixDuplex;
use serde::Serialize;
use tokio::{
    io::{AsyncRead as _, AsyncWrite as _, ReadBuf},
    time::timeout,
};

/// How long a holder may take to answer its first message.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes that may wait for a holder that does not read; more input is refused.
const MAX_UNSENT_BYTES: usize = 512 * 1024;
/// Bytes of one read.
const READ_BYTES: usize = 16 * 1024;

/// Why there is no link to a holder.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    /// The socket.
    #[error("holder socket")]
    Io(#[from] io::Error),
    /// It does not speak this protocol.
    #[error(transparent)]
    Length(#[from] BadLength),
    /// It refused this relay.
    #[error("{}", .0.message)]
    Refused(HolderError),
    /// It sent something that cannot be understood.
    #[error("holder message cannot be understood")]
    Json(#[from] serde_json::Error),
    /// It closed the connection.
    #[error("holder closed the connection")]
    Closed,
    /// It did not answer.
    #[error("holder did not answer in time")]
    Timeout,
}

/// A message from a holder.
#[derive(Debug)]
pub(super) struct Received {
    /// What it is.
    pub op: u8,
    /// Which request it answers; 0 = none.
    pub request: u32,
    /// Its body.
    pub body: Vec<u8>,
}

/// A connection to a holder whose first message was answered.
#[derive(Debug)]
pub(super) struct HolderLink {
    stream: UnixDuplex,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    last_request: u32,
}

impl HolderLink {
    /// Connects and introduces this relay; the holder drops an older one.
    ///
    /// # Errors
    /// When nobody listens, the holder refuses, or it does not answer in time.
    pub(super) async fn connect(
        session_directory: &Path,
        generation: Generation,
    ) -> Result<(Self, HelloAnswer), LinkError> {
        let stream = quarterdeck_holder::socket::connect(session_directory)?;
        let mut link = Self {
            stream: UnixDuplex::new(stream)?,
            incoming: Vec::new(),
            outgoing: Vec::new(),
            last_request: 0,
        };
        let hello = HelloRequest { generation, protocol: HOLDER_PROTOCOL };
        link.request(op::HELLO, &hello)?;
        let answer = timeout(HELLO_TIMEOUT, link.hello_answer()).await;
        let answer = answer.map_err(|_| LinkError::Timeout)??;
        Ok((link, answer))
    }

    async fn hello_answer(&mut self) -> Result<HelloAnswer, LinkError> {
        loop {
            for message in self.receive().await? {
                match message.op {
                    op::OK => return Ok(serde_json::from_slice(&message.body)?),
                    op::ERROR => {
                        return Err(LinkError::Refused(serde_json::from_slice(&message.body)?));
                    }
                    _ => {}
                }
            }
        }
    }

    /// Sends a request with a JSON body; its number.
    ///
    /// # Errors
    /// When the socket is broken.
    pub(super) fn request(&mut self, op: u8, body: &impl Serialize) -> Result<u32, LinkError> {
        let body = serde_json::to_vec(body)?;
        self.send(op, &body)
    }

    /// Sends a request with a raw body; its number.
    ///
    /// # Errors
    /// When the socket is broken.
    pub(super) fn send(&mut self, op: u8, body: &[u8]) -> Result<u32, LinkError> {
        self.last_request = self.last_request.wrapping_add(1).max(1);
        Message { op, request: self.last_request, body }.encode(&mut self.outgoing);
        self.flush()?;
        Ok(self.last_request)
    }

    /// Whether the holder reads too slowly to be sent input.
    #[must_use]
    pub(super) fn is_congested(&self) -> bool {
        self.outgoing.len() > MAX_UNSENT_BYTES
    }

    /// Sends what waits, and waits for messages. May be dropped and called again.
    ///
    /// # Errors
    /// When the holder is gone or speaks another language.
    pub(super) async fn receive(&mut self) -> Result<Vec<Received>, LinkError> {
        poll_fn(|cx| self.poll_receive(cx)).await
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Vec<Received>, LinkError>> {
        self.poll_send(cx)?;
        loop {
            let mut chunk = [0; READ_BYTES];
            let mut chunk = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut chunk))?;
            if chunk.filled().is_empty() {
                return Poll::Ready(Err(LinkError::Closed));
            }
            self.incoming.extend_from_slice(chunk.filled());
            let messages = self.take_messages()?;
            if !messages.is_empty() {
                return Poll::Ready(Ok(messages));
            }
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Result<(), LinkError> {
        while !self.outgoing.is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, &self.outgoing) {
                Poll::Ready(written) => self.forget_sent(written?),
                Poll::Pending => break,
            }
        }
        Ok(())
    }

    fn take_messages(&mut self) -> Result<Vec<Received>, LinkError> {
        let (mut messages, mut at) = (Vec::new(), 0);
        while let Some((message, len)) = Message::parse(&self.incoming[at..])? {
            let Message { op, request, body } = message;
            messages.push(Received { op, request, body: body.to_vec() });
            at += len;
        }
        self.incoming.drain(..at);
        if self.incoming.is_empty() {
            // an idle session keeps no buffer
            self.incoming = Vec::new();
        }
        Ok(messages)
    }

    /// Sends what the socket takes now; [`HolderLink::receive`] sends the rest.
    fn flush(&mut self) -> Result<(), LinkError> {
        while !self.outgoing.is_empty() {
            match self.stream.try_write(&self.outgoing) {
                Ok(count) => self.forget_sent(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn forget_sent(&mut self, count: usize) {
        self.outgoing.drain(..count);
        if self.outgoing.is_empty() {
            self.outgoing = Vec::new();
        }
    }
}
