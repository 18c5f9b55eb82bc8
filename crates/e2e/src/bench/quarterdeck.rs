//! Quarterdeck itself: a relay of its own, a session per program, holder and log in the path.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use quarterdeck_protocol::{
    frame::{Body, Frame},
    ids::{Channel, Epoch, InputNumber, Out},
    method::{
        AttachFrom, AttachParams, AttachResult, AttachRole, Behind, CreateParams, Hello,
        HelloParams, Method, RelayStatusResult, SessionAttach, SessionCreate, SessionResult,
        TokenSecret,
    },
    rpc::{self, Message as Rpc, RequestId},
};
use tokio_rustls::rustls::{
    self, ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio_tungstenite::tungstenite::{
    self, Message, WebSocket, client::IntoClientRequest as _, http::HeaderValue,
};

use super::{
    line::{Line, SILENCE},
    systems::System,
};
use crate::harness::instance::{Instance, qd_binary};

/// Rendered-byte credit of the measuring client, and how often it gives some back.
const WINDOW_BYTES: u64 = 1024 * 1024;
const CREDIT_BYTES: u64 = 128 * 1024;

/// Over which endpoint the client comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// The Unix socket.
    Unix,
    /// Plain WebSocket on loopback.
    Ws,
    /// TLS on loopback.
    Wss,
}

/// A running relay and how to reach it.
pub struct Quarterdeck {
    over: Over,
    running: Option<Running>,
}

struct Running {
    relay: Child,
    instance: Instance,
    address: SocketAddr,
    token: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.relay.kill();
        let _ = self.relay.wait();
    }
}

impl Quarterdeck {
    /// Measured over this endpoint.
    #[must_use]
    pub const fn new(over: Over) -> Self {
        Self { over, running: None }
    }

    fn start(&self) -> io::Result<Running> {
        let instance = Instance::new();
        let security: &[&str] = if self.over == Over::Wss { &[] } else { &["--insecure"] };
        let mut command = qd(&instance);
        command.args(["relay", "--json", "--listen", "127.0.0.1:0"]).args(security);
        let mut relay = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut ready = String::new();
        let stdout = relay.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        BufReader::new(stdout).read_line(&mut ready)?;
        let status: RelayStatusResult = serde_json::from_str(&ready)?;
        let made = qd(&instance)
            .args(["token", "create", "bench", "--scope", "read,create,drive", "--json"])
            .output()?;
        let secret: TokenSecret = serde_json::from_slice(&made.stdout)?;
        let address = status.listening.iter().find_map(|at| at.split_once("://")?.1.parse().ok());
        let address = address.ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Running { relay, instance, address, token: secret.token })
    }
}

fn qd(instance: &Instance) -> Command {
    let mut command = Command::new(qd_binary());
    command.env_clear().envs(instance.environment()).current_dir(instance.home());
    command.stdin(Stdio::null());
    command
}

impl System for Quarterdeck {
    fn name(&self) -> &'static str {
        match self.over {
            Over::Unix => "quarterdeck, Unix socket",
            Over::Ws => "quarterdeck, ws",
            Over::Wss => "quarterdeck, wss",
        }
    }

    fn open(&mut self, program: &[String]) -> io::Result<Box<dyn Line>> {
        self.running = None;
        let started = self.start()?;
        let running = self.running.insert(started);
        let (address, token) = (running.address, running.token.as_str());
        Ok(match self.over {
            Over::Unix => {
                let socket = running.instance.directory().join("relay.sock");
                let stream = UnixStream::connect(socket)?;
                stream.set_read_timeout(Some(SILENCE))?;
                Box::new(Attached::open(stream, "ws://localhost/v1/ws", None, program)?)
            }
            Over::Ws => {
                let url = format!("ws://{address}/v1/ws");
                Box::new(Attached::open(tcp(address)?, &url, Some(token), program)?)
            }
            Over::Wss => {
                let url = format!("wss://{address}/v1/ws");
                Box::new(Attached::open(tls(address)?, &url, Some(token), program)?)
            }
        })
    }
}

fn tcp(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SILENCE))?;
    Ok(stream)
}

fn tls(address: SocketAddr) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let anyone = Arc::new(Anyone(Arc::clone(&provider)));
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(anyone)
        .with_no_client_auth();
    let name = ServerName::IpAddress(address.ip().into());
    let connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    Ok(StreamOwned::new(connection, tcp(address)?))
}

/// Trusts the relay that this benchmark has just started, whatever its certificate.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// An attachment that types and counts.
struct Attached<S> {
    socket: WebSocket<S>,
    channel: Channel,
    epoch: Epoch,
    typed: InputNumber,
    credited: Out,
}

impl<S: Read + Write> Attached<S> {
    fn open(stream: S, url: &str, token: Option<&str>, program: &[String]) -> io::Result<Self> {
        let mut request = url.into_client_request().map_err(io::Error::other)?;
        let headers = request.headers_mut();
        headers.insert("Sec-WebSocket-Protocol", HeaderValue::from_static("quarterdeck.v1"));
        if let Some(token) = token {
            let bearer = format!("Bearer {token}").parse().map_err(io::Error::other)?;
            headers.insert("Authorization", bearer);
        }
        let (socket, _) = tungstenite::client(request, stream)
            .map_err(|error| io::Error::other(error.to_string()))?;
        let typed = InputNumber(0);
        let mut line =
            Self { socket, channel: Channel(0), epoch: Epoch(0), typed, credited: Out(0) };
        line.call::<Hello>(&HelloParams { name: "bench".into(), ..HelloParams::default() })?;
        let create = CreateParams { argv: program.to_vec(), ..CreateParams::default() };
        let SessionResult { session } = line.call::<SessionCreate>(&create)?;
        let attached: AttachResult = line.call::<SessionAttach>(&AttachParams {
            session: session.session.to_string(),
            role: AttachRole::Auto,
            from: AttachFrom::Tail { bytes: u64::MAX },
            behind: Behind::Replay,
            window: Some(WINDOW_BYTES),
            ssh_auth_sock: None,
        })?;
        line.channel = attached.channel;
        line.epoch = attached.session.lease.epoch;
        Ok(line)
    }

    fn call<M: Method>(&mut self, params: &M::Params) -> io::Result<M::Result> {
        let text = rpc::request(&RequestId::Number(1), M::NAME, params)?;
        self.socket.send(Message::text(text)).map_err(io::Error::other)?;
        loop {
            let Message::Text(text) = self.socket.read().map_err(io::Error::other)? else {
                continue;
            };
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
}

impl<S: Read + Write> Line for Attached<S> {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.typed = self.typed.next();
        self.frame(Body::In { epoch: self.epoch, n: self.typed, bytes })
    }

    fn receive(&mut self, into: &mut Vec<u8>) -> io::Result<()> {
        let message = match self.socket.read().map_err(io::Error::other)? {
            Message::Binary(message) => message,
            Message::Close(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Message::Text(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {
                return Ok(());
            }
        };
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
            Body::Snap { .. } | Body::In { .. } | Body::InAck { .. } | Body::Credit { .. } => {}
        }
        Ok(())
    }
}
