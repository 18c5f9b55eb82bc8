//! A terminal as a measuring client sees it. All calls block: a runtime's wake-ups would be measured too.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use rustix::event::{PollFd, PollFlags, Timespec};
use tokio_rustls::rustls::{ClientConnection, StreamOwned};
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

use super::trust;
use crate::pty::BlockingPty;

/// A terminal with a program on it.
pub trait Line {
    /// Types.
    ///
    /// # Errors
    /// When the system's connection is gone.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Waits for a message or a read, and appends what it has of the program's output: maybe nothing.
    ///
    /// # Errors
    /// When the system's connection is gone or silent for [`SILENCE`].
    fn receive(&mut self, into: &mut Vec<u8>) -> io::Result<()>;
}

/// After so long without a byte a system is not slow but stuck.
pub const SILENCE: Duration = Duration::from_secs(30);

/// Bytes of one read from a terminal.
const READ_BYTES: usize = 64 * 1024;

impl Line for BlockingPty {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }
    fn receive(&mut self, into: &mut Vec<u8>) -> io::Result<()> {
        let start = into.len();
        into.resize(start + READ_BYTES, 0);
        let count = self.read(&mut into[start..])?;
        into.truncate(start + count);
        Ok(())
    }
}

/// A terminal of a system that may get stuck. A raw terminal's reads are what is measured, so that one
/// has no such second call.
#[derive(Debug)]
pub struct Patient(pub BlockingPty);

impl Line for Patient {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }
    fn receive(&mut self, into: &mut Vec<u8>) -> io::Result<()> {
        let mut waited = [PollFd::new(&self.0, PollFlags::IN)];
        let limit = Timespec { tv_sec: SILENCE.as_secs().cast_signed(), tv_nsec: 0 };
        if rustix::event::poll(&mut waited, Some(&limit))? == 0 {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.0.receive(into)
    }
}

/// A WebSocket whose binary messages are the terminal's bytes and nothing else.
#[derive(Debug)]
pub struct RawWebSocket<S>(pub WebSocket<S>);

impl RawWebSocket<TcpStream> {
    /// Connects to `ws://address/`.
    ///
    /// # Errors
    /// When nobody answers there as a WebSocket.
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        Self::on(&format!("ws://{address}/"), connect(address)?)
    }
}

impl RawWebSocket<StreamOwned<ClientConnection, TcpStream>> {
    /// Connects to `wss://address/`.
    ///
    /// # Errors
    /// When nobody answers there as a WebSocket over TLS.
    pub fn connect_tls(address: SocketAddr) -> io::Result<Self> {
        Self::on(&format!("wss://{address}/"), trust::wrap(connect(address)?)?)
    }
}

impl<S: Read + Write> RawWebSocket<S> {
    fn on(url: &str, stream: S) -> io::Result<Self> {
        match tungstenite::client(url, stream) {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(error) => Err(io::Error::other(error.to_string())),
        }
    }
}

/// A connection that does not wait for more to send, nor for ever.
///
/// # Errors
/// When nobody listens there.
pub fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SILENCE))?;
    Ok(stream)
}

impl<S: Read + Write> Line for RawWebSocket<S> {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let message = Message::binary(bytes.to_vec());
        self.0.send(message).map_err(io::Error::other)
    }
    fn receive(&mut self, into: &mut Vec<u8>) -> io::Result<()> {
        match self.0.read().map_err(io::Error::other)? {
            Message::Binary(bytes) => into.extend_from_slice(&bytes),
            Message::Text(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            Message::Close(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
        Ok(())
    }
}

/// A TCP connection that gives back what it gets.
impl Line for TcpStream {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }
    fn receive(&mut self, into: &mut Vec<u8>) -> io::Result<()> {
        let mut buffer = [0; 4096];
        let count = self.read(&mut buffer)?;
        into.extend_from_slice(&buffer[..count]);
        Ok(())
    }
}
