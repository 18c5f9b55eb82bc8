//! ttyd, by its own WebSocket protocol: a byte for the kind of a message, then the terminal's bytes.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::PathBuf,
    process::{Command, Stdio},
};

use tokio_tungstenite::tungstenite::{
    self, Message, WebSocket, client::IntoClientRequest as _, http::HeaderValue,
};

use super::{
    line::{self, Line},
    others::{free_port, until_listening},
    systems::{Server, System},
};

/// Kind of messages that carry output, and of those that carry keys.
const BYTES: u8 = b'0';

/// ttyd, if it is installed.
#[derive(Debug)]
pub struct Ttyd {
    binary: PathBuf,
    server: Option<Server>,
}

impl Ttyd {
    /// The one that was found.
    #[must_use]
    pub const fn new(binary: PathBuf) -> Self {
        Self { binary, server: None }
    }
    /// Starts it over a program, and gives where it listens.
    ///
    /// # Errors
    /// When it does not start.
    pub fn serve(&mut self, program: &[String]) -> io::Result<SocketAddr> {
        self.server = None;
        let port = free_port()?;
        let mut command = Command::new(&self.binary);
        command.args(["-W", "-i", "127.0.0.1", "-p", &port.to_string()]).args(program);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.server = Some(Server::of(command.spawn()?));
        until_listening(port)?;
        Ok((Ipv4Addr::LOCALHOST, port).into())
    }
}

impl System for Ttyd {
    fn name(&self) -> &'static str {
        "ttyd"
    }
    fn open(&mut self, program: &[String]) -> io::Result<Box<dyn Line + Send>> {
        let address = self.serve(program)?;
        Ok(Box::new(Socket::connect(address)?))
    }
    fn is_optional(&self) -> bool {
        true
    }
}

/// A terminal of ttyd.
#[derive(Debug)]
pub struct Socket(WebSocket<TcpStream>);

impl Socket {
    /// Connects and says how large the terminal is, upon which the program starts.
    ///
    /// # Errors
    /// When nobody answers there as ttyd does.
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let url = format!("ws://{address}/ws");
        let mut request = url.into_client_request().map_err(io::Error::other)?;
        let protocol = HeaderValue::from_static("tty");
        request.headers_mut().insert("Sec-WebSocket-Protocol", protocol);
        let (mut socket, _) = tungstenite::client(request, line::connect(address)?)
            .map_err(|error| io::Error::other(error.to_string()))?;
        let hello = br#"{"AuthToken":"","columns":80,"rows":24}"#.to_vec();
        socket.send(Message::binary(hello)).map_err(io::Error::other)?;
        Ok(Self(socket))
    }
}

impl Line for Socket {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let message = [&[BYTES], bytes].concat();
        self.0.send(Message::binary(message)).map_err(io::Error::other)
    }
    fn receive(&mut self, into: &mut Vec<u8>) -> io::Result<()> {
        match self.0.read().map_err(io::Error::other)? {
            Message::Binary(bytes) => {
                into.extend_from_slice(bytes.strip_prefix(&[BYTES]).unwrap_or_default());
            }
            Message::Text(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            Message::Close(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
        Ok(())
    }
}
