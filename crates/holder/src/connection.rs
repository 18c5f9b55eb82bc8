//! One accepted connection: its bytes until they are whole messages.

use std::{
    io,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
};

use rustix::{buffer::spare_capacity, io::Errno};

/// Bytes that one turn reads at least room for; the next turn takes the rest, so a busy driver cannot
/// keep the loop from its other work. An idle connection keeps no more.
const READ_BYTES: usize = 4096;

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
        self.received.reserve(READ_BYTES);
        match rustix::io::read(&self.stream, spare_capacity(&mut self.received)) {
            Ok(0) => Received::Closed,
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => Received::Open,
            Err(_) => Received::Closed,
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
        let keep = !received.is_empty() || received.capacity() <= READ_BYTES;
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
