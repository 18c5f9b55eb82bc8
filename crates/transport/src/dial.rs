//! From an endpoint to an open WebSocket.
//!
//! ```text
//! unix ─────────────────────────► │
//! wss ── name ── TCP (── CONNECT) │──► bytes ──► (TLS) ──► GET /v1/ws ──► WsStream
//! ssh ── child's standard streams │
//! ```
//!
//! The same WebSocket runs over each, so that everything above knows one protocol. Each step has its
//! limit; dropping the future drops sockets and children.

mod error;
mod proxy;
mod ssh;
mod tcp;
#[cfg(test)]
mod tests;
mod upgrade;

use std::{future::Future, io, path::Path, time::Duration};

use quarterdeck_core::link::Probe;
use quarterdeck_crypto::{ChannelBinding, PairingCode, PublicKey, Purpose, RelayKey, Token};
use rustls::pki_types::ServerName;
use tokio::{net::UnixStream, time::timeout};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;

pub use error::{DialError, DialStep};
pub use proxy::{ParseProxyError, Proxy, ProxyError};
pub use ssh::{SshOptions, SshPrompts};
pub use upgrade::{SUBPROTOCOL, websocket_config};

use crate::{
    endpoint::{Endpoint, Host, Security, SshEndpoint},
    limits::{CONNECT_LIMIT, SSH_LIMIT, SSH_WITH_PROMPTS_LIMIT, TLS_LIMIT, UPGRADE_LIMIT},
    stream::{ByteStream, Counted},
    sys::SocketName,
    tls::{ClientTls, TlsFailure, binding_of},
    unix::UnixDuplex,
};
use upgrade::{Credential, Upgrade, upgrade};

/// An open WebSocket to a relay or hub.
pub type WsStream = WebSocketStream<Counted>;

/// What a dial needs besides the address.
#[derive(Debug, Clone, Default)]
pub struct DialOptions {
    /// Shown in the `Authorization` header.
    pub token: Option<Token>,
    /// For `wss://`.
    pub tls: ClientTls,
    /// For `ws://`.
    pub plain: PlainOffLoopback,
    /// For `wss://` and `ws://` that are not loopback.
    pub proxy: Option<Proxy>,
    /// For `ssh://`.
    pub ssh: SshOptions,
    /// The key of this daemon, proved instead of a token; the other side must prove its own.
    pub key: Option<LinkKey>,
}

/// A daemon's key, and what it shows with it.
#[derive(Debug, Clone)]
pub struct LinkKey {
    /// The key.
    pub key: RelayKey,
    /// As what it is proved.
    pub purpose: Purpose,
    /// As what the other side has to prove its own.
    pub other: Purpose,
    /// The code of a pairing line, on the first link.
    pub code: Option<PairingCode>,
}

impl LinkKey {
    /// A hub that dials a relay.
    #[must_use]
    pub const fn of_hub(key: RelayKey, code: Option<PairingCode>) -> Self {
        Self { key, purpose: Purpose::HubLink, other: Purpose::RelayLink, code }
    }
    /// A relay that dials a hub.
    #[must_use]
    pub const fn of_relay(key: RelayKey, code: Option<PairingCode>) -> Self {
        Self { key, purpose: Purpose::RelayLink, other: Purpose::HubLink, code }
    }
}

/// An open WebSocket, and who is on its other end.
#[derive(Debug)]
pub struct Dialled {
    /// The WebSocket.
    pub stream: WsStream,
    /// The key that the other side proved; only where [`DialOptions::key`] asked for it.
    pub peer: Option<PublicKey>,
}

/// Whether bytes may leave this machine without protection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PlainOffLoopback {
    /// They may not.
    #[default]
    Refused,
    /// A person said `--insecure`.
    Insecure,
}

/// How long each step of a dial may take.
#[derive(Debug, Clone, Copy)]
pub struct DialLimits {
    /// Name, TCP and proxy; or the Unix socket.
    pub connect: Duration,
    /// The TLS handshake.
    pub tls: Duration,
    /// The upgrade's answer.
    pub upgrade: Duration,
    /// From ssh's start to the upgrade's answer.
    pub ssh: Duration,
    /// The same when ssh may ask a person.
    pub ssh_with_prompts: Duration,
}

impl Default for DialLimits {
    fn default() -> Self {
        Self {
            connect: CONNECT_LIMIT,
            tls: TLS_LIMIT,
            upgrade: UPGRADE_LIMIT,
            ssh: SSH_LIMIT,
            ssh_with_prompts: SSH_WITH_PROMPTS_LIMIT,
        }
    }
}

/// Opens a WebSocket to an endpoint.
///
/// # Errors
/// What stood in the way, typed by what a person can do about it.
pub async fn connect(
    endpoint: &Endpoint,
    options: &DialOptions,
    limits: &DialLimits,
) -> Result<WsStream, DialError> {
    dial(endpoint, options, limits).await.map(|dialled| dialled.stream)
}

/// The same, with the key that the other side proved.
///
/// # Errors
/// As [`connect`].
pub async fn dial(
    endpoint: &Endpoint,
    options: &DialOptions,
    limits: &DialLimits,
) -> Result<Dialled, DialError> {
    let credential = options.token.as_ref().map_or(Credential::None, Credential::Token);
    // the system vouches for both ends of these
    let local = Upgrade {
        authority: "localhost".to_owned(),
        path: "/v1/ws",
        credential: credential.clone(),
    };
    match endpoint {
        Endpoint::Unix { path } => {
            let stream = within(limits.connect, DialStep::Connect, connect_unix(path)).await?;
            within(limits.upgrade, DialStep::Upgrade, upgrade(stream, &local)).await
        }
        Endpoint::Tcp { host, port, path, security } => {
            let stream = connect_tcp(host, *port, options, *security, limits).await?;
            let (stream, binding) = match security {
                Security::Tls => {
                    let secure = secure(stream, host, &options.tls);
                    within(limits.tls, DialStep::Tls, secure).await?
                }
                Security::Plain => (stream, None),
            };
            let credential = match (&options.key, binding) {
                (None, _) => credential,
                (Some(key), Some(binding)) => Credential::Key { key, binding },
                (Some(_), None) => return Err(DialError::Unbound),
            };
            let request = Upgrade { authority: format!("{host}:{port}"), path, credential };
            within(limits.upgrade, DialStep::Upgrade, upgrade(stream, &request)).await
        }
        Endpoint::Ssh(ssh) => connect_ssh(ssh, options, &local, limits).await,
    }
}

/// Opens a stream to a host for another protocol than ours: by the proxy where there is one, with TLS where
/// that is asked for.
///
/// # Errors
/// As [`connect`].
pub async fn open_stream(
    host: &Host,
    port: u16,
    security: Security,
    options: &DialOptions,
    limits: &DialLimits,
) -> Result<ByteStream, DialError> {
    let stream = connect_tcp(host, port, options, security, limits).await?;
    match security {
        Security::Tls => {
            let secure = secure(stream, host, &options.tls);
            within(limits.tls, DialStep::Tls, secure).await.map(|(stream, _)| stream)
        }
        Security::Plain => Ok(stream),
    }
}

/// Whether anything accepts connections at an endpoint. Nothing is sent, so a relay sees a peer that
/// connected and left.
pub async fn probe(endpoint: &Endpoint, options: &DialOptions, limit: Duration) -> Probe {
    let reached = async {
        match endpoint {
            Endpoint::Unix { path } => connect_unix(path).await.map(drop),
            Endpoint::Tcp { host, port, .. } => match via_proxy(host, *port, options) {
                Some(proxy) => tcp::connect(&proxy.host, proxy.port).await.map(drop),
                None => tcp::connect(host, *port).await.map(drop),
            },
            // asking ssh costs a login
            Endpoint::Ssh(_) => Ok(()),
        }
    };
    match timeout(limit, reached).await {
        Ok(Ok(())) => Probe::Reached,
        Ok(Err(_)) | Err(_) => Probe::Unreachable,
    }
}

async fn within<T>(
    limit: Duration,
    step: DialStep,
    doing: impl Future<Output = Result<T, DialError>>,
) -> Result<T, DialError> {
    timeout(limit, doing).await.unwrap_or(Err(DialError::Timeout { step }))
}

pub(crate) async fn connect_unix(path: &Path) -> Result<ByteStream, DialError> {
    let name = SocketName::of(path).map_err(DialError::of_connect)?;
    let stream = UnixStream::connect(name.path()).await;
    let stream = stream.and_then(UnixStream::into_std).and_then(UnixDuplex::new);
    Ok(Box::new(stream.map_err(DialError::of_connect)?))
}

async fn connect_tcp(
    host: &Host,
    port: u16,
    options: &DialOptions,
    security: Security,
    limits: &DialLimits,
) -> Result<ByteStream, DialError> {
    let insecure = options.plain == PlainOffLoopback::Insecure;
    if security == Security::Plain && !host.is_loopback() && !insecure {
        return Err(DialError::PlainOffLoopback);
    }
    let stream = async {
        match via_proxy(host, port, options) {
            Some(proxy) => {
                let mut stream = tcp::connect(&proxy.host, proxy.port).await?;
                proxy.open_tunnel(&mut stream, &format!("{host}:{port}")).await?;
                Ok(stream)
            }
            None => tcp::connect(host, port).await,
        }
    };
    let stream = within(limits.connect, DialStep::Connect, stream).await?;
    Ok(Box::new(stream))
}

fn via_proxy<'a>(host: &Host, port: u16, options: &'a DialOptions) -> Option<&'a Proxy> {
    options.proxy.as_ref().filter(|proxy| proxy.is_for(host, port))
}

async fn secure(
    stream: ByteStream,
    host: &Host,
    tls: &ClientTls,
) -> Result<(ByteStream, Option<ChannelBinding>), DialError> {
    let name = match host {
        Host::Name(name) => ServerName::try_from(name.clone()),
        Host::Address(address) => Ok(ServerName::from(*address)),
    };
    let name = name.map_err(|_| DialError::Name { host: host.to_string() })?;
    let files = tls.clone();
    let config = tokio::task::spawn_blocking(move || files.load())
        .await
        .map_err(|_| DialError::Io(io::ErrorKind::Interrupted.into()))??;
    match TlsConnector::from(config).connect(name, stream).await {
        Ok(stream) => {
            let binding = binding_of(stream.get_ref().1);
            Ok((Box::new(stream), binding))
        }
        Err(error) => Err(TlsFailure::of(&error).map_or(DialError::Io(error), DialError::Tls)),
    }
}

async fn connect_ssh(
    endpoint: &SshEndpoint,
    options: &DialOptions,
    request: &Upgrade<'_>,
    limits: &DialLimits,
) -> Result<Dialled, DialError> {
    let (stream, process) = ssh::start(endpoint, &options.ssh)?;
    let limit = match options.ssh.prompts {
        SshPrompts::Never => limits.ssh,
        SshPrompts::Ask => limits.ssh_with_prompts,
    };
    match within(limit, DialStep::Ssh, upgrade(stream, request)).await {
        // its output ended or is no answer: what it said on the other stream is the better reason
        Err(error @ DialError::Io(_)) => Err(process.why_it_failed().await.unwrap_or(error)),
        Err(DialError::NotARelay { status: None }) => match process.why_it_failed().await {
            Some(failed @ DialError::Ssh { status: Some(1..), .. }) => Err(failed),
            _ => Err(DialError::SshNoise),
        },
        other => other,
    }
}
