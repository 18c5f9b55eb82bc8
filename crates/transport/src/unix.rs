//! A connected Unix socket that wakes its task for what came, and for nothing else.
//!
//! Linux reports a Unix socket as writable anew each time its peer has read from it. A runtime that waits
//! for both directions wakes its thread then: once more for each message, and for nothing, at the moment when
//! the peer needs the processor. So writing is waited for only while a write has found no room.

use std::{
    io::{self, Read as _, Write as _},
    net::Shutdown,
    os::{
        fd::{AsFd as _, AsRawFd, OwnedFd},
        unix::net::UnixStream,
    },
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, unix::AsyncFd};

/// A connected Unix socket.
#[derive(Debug)]
pub struct UnixDuplex {
    /// Waits for what can be read.
    socket: AsyncFd<UnixStream>,
    /// The same socket, waiting for room, while a write found none.
    full: Option<AsyncFd<OwnedFd>>,
}

impl UnixDuplex {
    /// Takes a connected socket.
    ///
    /// # Errors
    /// When the system refuses to watch it.
    pub fn new(socket: UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { socket: watch(socket, Interest::READABLE)?, full: None })
    }

    /// Writes what the socket takes now.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when it takes nothing; otherwise it is broken.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        // by `send` with MSG_NOSIGNAL
        let mut socket = self.socket.get_ref();
        loop {
            match socket.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                written => return written,
            }
        }
    }
}

#[expect(
    deprecated,
    reason = "a socket of std gives the same descriptor each time, which is what this asks for; its \
              successor cannot be called without unsafe code"
)]
fn watch<T: AsRawFd>(socket: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(socket, interest)
}

impl AsyncRead for UnixDuplex {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut ready = ready!(self.socket.poll_read_ready(cx))?;
            let room = buffer.initialize_unfilled();
            match ready.try_io(|socket| socket.get_ref().read(room)) {
                Ok(Ok(count)) => {
                    if 0 < count && count < room.len() {
                        // that was all: what comes later, or an end, is reported anew
                        ready.clear_ready();
                    }
                    buffer.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Poll::Ready(Err(error)),
                Err(_would_block) => {}
            }
        }
    }
}

impl AsyncWrite for UnixDuplex {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => {
                    self.full = None;
                    return Poll::Ready(written);
                }
            }
            if self.full.is_none() {
                let socket = self.socket.get_ref().as_fd().try_clone_to_owned()?;
                self.full = Some(watch(socket, Interest::WRITABLE)?);
            }
            if let Some(full) = &self.full {
                // before the next try: room that comes after it is reported anew
                ready!(full.poll_write_ready(cx))?.clear_ready();
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.socket.get_ref().shutdown(Shutdown::Write))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    /// More than a socket takes at once.
    const MANY: usize = 8 * 1024 * 1024;

    fn pair() -> (UnixDuplex, UnixDuplex) {
        let (one, other) = UnixStream::pair().expect("a pair");
        (UnixDuplex::new(one).expect("is watched"), UnixDuplex::new(other).expect("is watched"))
    }

    #[tokio::test]
    async fn what_is_more_than_the_socket_takes_arrives_whole_and_in_order() {
        let (mut one, mut other) = pair();
        let sent: Vec<u8> = (0..MANY).map(|n| u8::try_from(n % 251).expect("small")).collect();
        let mut got = vec![0; MANY];
        let (written, read) = tokio::join!(one.write_all(&sent), other.read_exact(&mut got));
        written.expect("is taken");
        read.expect("arrives");
        assert!(sent == got);
        assert!(one.full.is_none(), "nothing is waited for any more");
    }

    #[tokio::test]
    async fn an_end_that_came_with_the_last_bytes_is_seen() {
        let (mut one, mut other) = pair();
        one.write_all(b"the end").await.expect("is taken");
        one.shutdown().await.expect("ends");
        let mut got = Vec::new();
        other.read_to_end(&mut got).await.expect("is read");
        assert_eq!(got, b"the end");
    }

    #[tokio::test]
    async fn both_directions_work_while_one_is_full() {
        let (mut one, mut other) = pair();
        while one.try_write(&[0; 4096]).is_ok() {}
        let mut writing = Box::pin(one.write_all(b"x"));
        assert!(futures_util::poll!(&mut writing).is_pending());
        other.write_all(b"hello").await.expect("there is room this way");
        drop(writing);
        let mut got = [0; 5];
        one.read_exact(&mut got).await.expect("is read");
        assert_eq!(&got, b"hello");
    }

    #[tokio::test]
    async fn a_peer_that_is_gone_is_an_error_and_no_signal() {
        let (mut one, other) = pair();
        drop(other);
        let error = one.write_all(b"x").await.expect_err("nobody is there");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(one.read(&mut [0]).await.expect("is over"), 0);
    }
}
