//! The one kind of byte stream that everything above sees, whatever carries it.

use std::{
    fmt, io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a connection is made of: TCP, TLS, a Unix socket, a child's standard streams, a test's duplex.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A byte stream of any kind.
pub type ByteStream = Box<dyn Duplex>;

/// Counts the signs of a peer's life on a stream, for the heartbeat: a frame may take minutes on a slow
/// link, and its bytes show that the peer lives.
///
/// A byte that arrives is a sign. A byte that leaves is one only if it had to wait: then the peer's side
/// has taken others before it. What the kernel takes at once says nothing; it would take our own pings to
/// a dead machine for minutes.
#[derive(Debug, Clone, Default)]
pub struct Traffic(Arc<AtomicU64>);

impl Traffic {
    /// Signs so far. Two different values: there was one between them.
    #[must_use]
    pub fn signs(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
    fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A byte stream whose traffic is counted.
pub struct Counted {
    stream: ByteStream,
    traffic: Traffic,
    /// The last write or flush could not finish.
    blocked: bool,
}

impl Counted {
    /// Counts a stream from now on.
    #[must_use]
    pub fn new(stream: ByteStream) -> Self {
        Self { stream, traffic: Traffic::default(), blocked: false }
    }
    /// Its counter.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.traffic.clone()
    }

    fn note_write<T>(&mut self, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() && self.blocked {
            self.traffic.add();
        }
        self.blocked = outcome.is_pending();
        outcome
    }
}

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counted").field("signs", &self.traffic.signs()).finish_non_exhaustive()
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.traffic.add();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        let outcome = self.note_write(outcome);
        if matches!(outcome, Poll::Ready(Ok(0))) && !bytes.is_empty() {
            // the WebSocket layer would take a zero for a defect of its own
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        outcome
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.note_write(outcome)
    }
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(cx);
        self.note_write(outcome)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    #[tokio::test]
    async fn what_the_kernel_takes_at_once_is_no_sign_of_life() {
        let (ours, _theirs) = duplex(8);
        let mut ours = Counted::new(Box::new(ours));
        ours.write_all(b"ping").await.expect("fits");
        ours.flush().await.expect("flushes");
        assert_eq!(ours.traffic().signs(), 0);
    }

    #[tokio::test]
    async fn a_byte_that_arrives_and_a_write_that_had_to_wait_are_signs() {
        let (ours, mut theirs) = duplex(4);
        let mut ours = Counted::new(Box::new(ours));
        let traffic = ours.traffic();
        let (write, read) = tokio::join!(ours.write_all(b"12345678"), async {
            let mut taken = [0; 8];
            theirs.read_exact(&mut taken).await
        });
        write.expect("writes");
        read.expect("reads");
        assert_eq!(traffic.signs(), 1);
        theirs.write_all(b"x").await.expect("fits");
        ours.read_u8().await.expect("reads");
        assert_eq!(traffic.signs(), 2);
    }
}
