//! One accepted connection: its bytes until they are whole messages.

use std::{
    io::{self, Read as _},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
};

/// Bytes that one turn reads; the next turn takes the rest, so a busy driver cannot keep the loop
/// from its other work.
const READ_BYTES: usize = 16 * 1024;

/// What a read brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Received {
    /// More bytes, or none for now.
    Open,
    /// The peer has closed, or the socket is broken.
    Closed,
}

/// A connection and what it has received.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: UnixStream,
    received: Vec<u8>,
}

impl Connection {
    /// Takes an accepted socket.
    pub(crate) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream, received: Vec::new() })
    }

    pub(crate) fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// Reads what is there, without waiting.
    pub(crate) fn receive(&mut self) -> Received {
        let mut chunk = [0; READ_BYTES];
        match self.stream.read(&mut chunk) {
            Ok(0) => Received::Closed,
            Ok(count) => {
                self.received.extend_from_slice(&chunk[..count]);
                Received::Open
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Received::Open,
                _ => Received::Closed,
            },
        }
    }

    /// Takes the received bytes out, so that messages can borrow them while the rest of the holder
    /// is changed.
    pub(crate) fn take_received(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.received)
    }

    /// Puts them back without the first `used` bytes. Nothing was received in between.
    pub(crate) fn put_back(&mut self, mut received: Vec<u8>, used: usize) {
        received.drain(..used);
        let keep = !received.is_empty() || received.capacity() <= 2 * READ_BYTES;
        self.received = if keep { received } else { Vec::new() };
    }
}

impl Drop for Connection {
    /// The link to a driver has a second descriptor of the socket; the peer must see the end now.
    fn drop(&mut self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
