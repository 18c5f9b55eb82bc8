//! The measuring client of Quarterdeck: blocking, one attachment on one connection.

use std::{
    io::{self, Read, Write},
    net::SocketAddr,
    os::unix::net::UnixStream,
};

use quarterdeck_protocol::{
    frame::{Body, Flags, Frame},
    ids::{Channel, Epoch, InputNumber, Out},
    method::{
        AttachFrom, AttachParams, AttachResult, AttachRole, Behind, CreateParams, Hello,
        HelloParams, Method, SessionAttach, SessionCreate, SessionResult,
    },
    rpc::{self, Message as Rpc, RequestId},
};
use tokio_tungstenite::tungstenite::{
    self, Message, WebSocket, client::IntoClientRequest as _, http::HeaderValue,
};

use super::{
    line::{self, Line, SILENCE},
    relay::BenchRelay,
    trust,
};

/// Rendered-byte credit of a client that counts, and how often it gives some back.
const WINDOW_BYTES: u64 = 1024 * 1024;
const CREDIT_BYTES: u64 = 128 * 1024;

/// Over which endpoint a client comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// The Unix socket.
    Unix,
    /// Plain WebSocket on loopback.
    Ws,
    /// TLS on loopback.
    Wss,
    /// Plain WebSocket on loopback to a hub, which has the relay by its Unix socket.
    Hub,
}

/// What a connection runs over.
trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// A connection, and its one attachment.
pub struct Connection {
    socket: WebSocket<Box<dyn Stream>>,
    channel: Channel,
    epoch: Epoch,
    typed: InputNumber,
    credited: Out,
    began: Out,
    /// Bytes of all messages that came.
    pub received: u64,
}

/// What came in on the attachment.
#[derive(Debug)]
pub enum Event {
    /// Output, and the offset behind it.
    Out(Vec<u8>, Out),
    /// A part of a snapshot that stands at this offset; whether it is the last part.
    Snap(Vec<u8>, Out, Part),
    /// Output that this viewer does not get: so many bytes.
    Gap(u64),
    /// Something that shows nothing.
    Other,
}

/// Which part of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// More follow.
    Early,
    /// The last one.
    Last,
}

impl Connection {
    /// Connects and says hello.
    ///
    /// # Errors
    /// When the relay does not answer as it should.
    pub fn open(relay: &BenchRelay, over: Over) -> io::Result<Self> {
        if over == Over::Unix {
            let stream = UnixStream::connect(relay.socket())?;
            stream.set_read_timeout(Some(SILENCE))?;
            return Self::on(Box::new(stream), "ws://localhost/v1/ws", None);
        }
        let address = match over {
            Over::Hub => relay.hub_address().ok_or(io::ErrorKind::AddrNotAvailable)?,
            Over::Unix | Over::Ws | Over::Wss => relay.address(),
        };
        Self::open_at(address, relay, over)
    }
    /// The same over TCP through something at another address.
    ///
    /// # Errors
    /// When the relay does not answer as it should.
    pub fn open_at(address: SocketAddr, relay: &BenchRelay, over: Over) -> io::Result<Self> {
        let stream = line::connect(address)?;
        let token = Some(relay.token());
        match over {
            Over::Hub => {
                Self::on(Box::new(stream), &format!("ws://{address}/v1/ws"), relay.hub_token())
            }
            Over::Wss => {
                let url = format!("wss://{address}/v1/ws");
                Self::on(Box::new(trust::wrap(stream)?), &url, token)
            }
            Over::Ws | Over::Unix => {
                Self::on(Box::new(stream), &format!("ws://{address}/v1/ws"), token)
            }
        }
    }

    fn on(stream: Box<dyn Stream>, url: &str, token: Option<&str>) -> io::Result<Self> {
        let mut request = url.into_client_request().map_err(io::Error::other)?;
        let headers = request.headers_mut();
        headers.insert("Sec-WebSocket-Protocol", HeaderValue::from_static("quarterdeck.v1"));
        if let Some(token) = token {
            let bearer = format!("Bearer {token}").parse().map_err(io::Error::other)?;
            headers.insert("Authorization", bearer);
        }
        let (socket, _) = tungstenite::client(request, stream)
            .map_err(|error| io::Error::other(error.to_string()))?;
        let (channel, epoch, typed, out) = (Channel(0), Epoch(0), InputNumber(0), Out(0));
        let (credited, began, received) = (out, out, 0);
        let mut connection = Self { socket, channel, epoch, typed, credited, began, received };
        let hello = HelloParams { name: "bench".into(), ..HelloParams::default() };
        connection.call::<Hello>(&hello)?;
        Ok(connection)
    }

    /// Starts a session.
    ///
    /// # Errors
    /// When the relay does not.
    pub fn create(&mut self, program: &[String]) -> io::Result<String> {
        let create = CreateParams { argv: program.to_vec(), ..CreateParams::default() };
        let SessionResult { session } = self.call::<SessionCreate>(&create)?;
        Ok(session.session.to_string())
    }
    /// Attaches so that every byte of the session comes.
    ///
    /// # Errors
    /// When the relay refuses.
    pub fn attach_all(&mut self, session: &str) -> io::Result<()> {
        let tail = AttachFrom::Tail { bytes: u64::MAX };
        let params = attach(session, AttachRole::Auto, tail, Behind::Replay);
        self.attach(&AttachParams { window: Some(WINDOW_BYTES), ..params })
    }
    /// Attaches as a person's client does: from the screen on, with the usual window.
    ///
    /// # Errors
    /// When the relay refuses.
    pub fn attach_screen(&mut self, session: &str, role: AttachRole) -> io::Result<()> {
        self.attach(&attach(session, role, AttachFrom::Snapshot, Behind::Skip))
    }

    fn attach(&mut self, params: &AttachParams) -> io::Result<()> {
        let attached: AttachResult = self.call::<SessionAttach>(params)?;
        self.channel = attached.channel;
        self.epoch = attached.session.lease.epoch;
        self.typed = attached.input_applied;
        self.credited = attached.out;
        self.began = attached.out;
        Ok(())
    }
    /// Where in the output the attachment began.
    #[must_use]
    pub const fn began(&self) -> Out {
        self.began
    }

    fn call<M: Method>(&mut self, params: &M::Params) -> io::Result<M::Result> {
        let text = rpc::request(&RequestId::Number(1), M::NAME, params)?;
        self.socket.send(Message::text(text)).map_err(io::Error::other)?;
        loop {
            let message = self.socket.read().map_err(io::Error::other)?;
            self.received += message.len() as u64;
            let Message::Text(text) = message else { continue };
            if let Ok(Rpc::Response { outcome, .. }) = Rpc::parse(&text) {
                let result = outcome.map_err(|error| io::Error::other(error.message))?;
                return Ok(serde_json::from_str(result.get())?);
            }
        }
    }

    fn frame(&mut self, body: Body<'_>) -> io::Result<()> {
        let frame = Frame { channel: self.channel, body }.to_vec();
        self.socket.send(Message::binary(frame)).map_err(io::Error::other)
    }

    /// Waits for what comes next. Nothing counts as rendered until [`Connection::rendered`] says so.
    ///
    /// # Errors
    /// When the connection is gone or silent.
    pub fn next_event(&mut self) -> io::Result<Event> {
        let Some(message) = self.read()? else { return Ok(Event::Other) };
        let frame = Frame::parse(&message).map_err(io::Error::other)?;
        Ok(match frame.body {
            Body::Out { out, bytes, .. } => {
                Event::Out(bytes.to_vec(), Out(out.0 + bytes.len() as u64))
            }
            Body::Snap { out, flags, bytes } => {
                let part = if flags.has(Flags::MORE) { Part::Early } else { Part::Last };
                Event::Snap(bytes.to_vec(), out, part)
            }
            Body::Gap { from, to } => {
                // there is nothing of it to render
                self.rendered(to)?;
                Event::Gap(to.0 - from.0)
            }
            Body::In { .. } | Body::InAck { .. } | Body::Credit { .. } => Event::Other,
        })
    }
    /// Everything before this offset is on the viewer's screen.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn rendered(&mut self, out: Out) -> io::Result<()> {
        self.frame(Body::Credit { out })
    }

    fn read(&mut self) -> io::Result<Option<bytes::Bytes>> {
        match self.socket.read().map_err(io::Error::other)? {
            Message::Binary(message) => {
                self.received += message.len() as u64;
                Ok(Some(message))
            }
            Message::Close(_) => Err(io::ErrorKind::UnexpectedEof.into()),
            other
            @ (Message::Text(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {
                self.received += other.len() as u64;
                Ok(None)
            }
        }
    }
}

fn attach(session: &str, role: AttachRole, from: AttachFrom, behind: Behind) -> AttachParams {
    let session = session.to_owned();
    AttachParams { session, role, from, behind, window: None, ssh_auth_sock: None }
}

impl Line for Connection {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.typed = self.typed.next();
        self.frame(Body::In { epoch: self.epoch, n: self.typed, bytes })
    }

    fn receive(&mut self, into: &mut Vec<u8>) -> io::Result<()> {
        let Some(message) = self.read()? else { return Ok(()) };
        let frame = Frame::parse(&message).map_err(io::Error::other)?;
        match frame.body {
            Body::Out { out, bytes, .. } => {
                into.extend_from_slice(bytes);
                let end = Out(out.0 + bytes.len() as u64);
                if end.0 - self.credited.0 >= CREDIT_BYTES {
                    self.credited = end;
                    self.frame(Body::Credit { out: end })?;
                }
            }
            Body::Gap { .. } => return Err(io::Error::other("a byte is missing")),
            Body::Snap { bytes, .. } => into.extend_from_slice(bytes),
            Body::In { .. } | Body::InAck { .. } | Body::Credit { .. } => {}
        }
        Ok(())
    }
}
