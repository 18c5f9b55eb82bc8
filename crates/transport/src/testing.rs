//! What the tests of this crate share: the relay's side of a WebSocket, and certificates.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, time::Duration};

use futures_util::{SinkExt, StreamExt};
use quarterdeck_protocol::{
    error::RpcError,
    method::HelloResult,
    rpc::{self, Message as RpcMessage, RequestId},
    scope::Scopes,
};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};
use serde::Serialize;
use serde_json::value::RawValue;
use tempfile::TempDir;
use tokio::{
    io::{DuplexStream, duplex},
    net::UnixListener,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async_with_config,
    tungstenite::{
        Message,
        handshake::server::{Callback, ErrorResponse, Request, Response},
        http::HeaderValue,
    },
};

use crate::{
    client::{Client, ClientOptions, Events},
    dial::{SUBPROTOCOL, WsStream, websocket_config},
    stream::{ByteStream, Counted},
};

/// The relay's side of an open WebSocket.
pub(crate) struct RelaySide<S = ByteStream>(pub(crate) WebSocketStream<S>);

struct AcceptSubprotocol;

impl Callback for AcceptSubprotocol {
    fn on_request(self, _: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
        let value = HeaderValue::from_static(SUBPROTOCOL);
        response.headers_mut().insert("Sec-WebSocket-Protocol", value);
        Ok(response)
    }
}

impl RelaySide {
    /// Answers an upgrade as a relay does.
    pub(crate) async fn accept(stream: ByteStream) -> Self {
        let config = Some(websocket_config());
        let accepted = accept_hdr_async_with_config(stream, AcceptSubprotocol, config).await;
        Self(accepted.expect("an upgrade"))
    }
}

impl<S: crate::stream::Duplex> RelaySide<S> {
    /// The next request: its id, method and parameters.
    pub(crate) async fn request(&mut self) -> (RequestId, String, Option<Box<RawValue>>) {
        loop {
            let message = self.0.next().await.expect("a message").expect("a good one");
            if message.is_ping() || message.is_pong() {
                continue;
            }
            let text = message.to_text().expect("a text frame");
            let parsed = RpcMessage::parse(text).expect("JSON-RPC");
            let RpcMessage::Request { id, method, params, .. } = parsed else {
                panic!("not a request: {text}")
            };
            return (id, method, params);
        }
    }
    pub(crate) async fn text(&mut self, text: String) {
        self.0.send(Message::Text(text.into())).await.expect("sends");
    }
    pub(crate) async fn answer(&mut self, id: &RequestId, result: &impl Serialize) {
        self.text(rpc::response(id, result).expect("serialises")).await;
    }
    pub(crate) async fn fail(&mut self, id: &RequestId, error: &RpcError) {
        self.text(rpc::error_response(Some(id), error)).await;
    }
    pub(crate) async fn notify(&mut self, method: &str) {
        self.text(rpc::notification(method, &()).expect("serialises")).await;
    }
    pub(crate) async fn frame(&mut self, bytes: Vec<u8>) {
        self.0.send(Message::Binary(bytes.into())).await.expect("sends");
    }
    /// Answers one `hello` and gives the ticket that was shown.
    pub(crate) async fn greet(&mut self, relay: u8, ticket: &str) -> Option<String> {
        let (id, method, params) = self.request().await;
        assert_eq!(method, "hello");
        self.answer(&id, &hello(relay, ticket)).await;
        let params: quarterdeck_protocol::method::HelloParams =
            serde_json::from_str(params.expect("parameters").get()).expect("hello parameters");
        params.ticket
    }
}

/// Lets virtual time pass.
pub(crate) async fn time_passes(duration: Duration) {
    let _ = timeout(duration, std::future::pending::<()>()).await;
}

/// What relay number `relay` says of itself.
pub(crate) fn hello(relay: u8, ticket: &str) -> HelloResult {
    let json = serde_json::json!({
        "relay_id": format!("r_{}", format!("{relay:02x}").repeat(16)),
        "generation": 1,
        "version": "0.1.0",
        "instance": "default",
        "machine": "dev",
        "client_id": format!("c_{}", "00".repeat(16)),
        "ticket": ticket,
        "principal": "r_1/alice",
        "scopes": Scopes::ALL,
    });
    serde_json::from_value(json).expect("a hello result")
}

/// Both ends of a connection over pipes of `pipe_bytes` each.
pub(crate) async fn connected(
    pipe_bytes: usize,
    options: ClientOptions,
) -> (Client, Events, RelaySide<DuplexStream>) {
    let (stream, relay) = websocket_pair(pipe_bytes).await;
    let (client, events) = Client::start(stream, options);
    (client, events, relay)
}

/// A WebSocket whose upgrade is done.
pub(crate) async fn websocket_pair(pipe_bytes: usize) -> (WsStream, RelaySide<DuplexStream>) {
    use tokio_tungstenite::tungstenite::protocol::Role;
    let (ours, theirs) = duplex(pipe_bytes);
    let config = Some(websocket_config());
    let ours = Counted::new(Box::new(ours));
    let ours = WebSocketStream::from_raw_socket(ours, Role::Client, config).await;
    let theirs = WebSocketStream::from_raw_socket(theirs, Role::Server, config).await;
    (ours, RelaySide(theirs))
}

/// A directory with a certificate authority and what it signs.
pub(crate) struct Authority {
    pub(crate) directory: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("an authority");
        let directory = TempDir::new().expect("a directory");
        fs::write(directory.path().join("ca.pem"), issuer.pem()).expect("writes");
        Self { directory, issuer }
    }
    pub(crate) fn file(&self) -> PathBuf {
        self.path("ca.pem")
    }
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
    /// Signs a certificate for `name`; gives the files of certificate and key.
    pub(crate) fn sign(
        &self,
        name: &str,
        usage: ExtendedKeyUsagePurpose,
        change: impl FnOnce(&mut CertificateParams),
    ) -> (PathBuf, PathBuf) {
        let mut params = CertificateParams::new([name.to_owned()]).expect("parameters");
        params.insert_extended_key_usage(usage);
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let files = (self.path(&format!("{name}.pem")), self.path(&format!("{name}.key")));
        fs::write(&files.0, certificate.pem()).expect("writes");
        fs::write(&files.1, key.serialize_pem()).expect("writes");
        files
    }
}

/// A private directory, as an instance has it.
pub(crate) fn private_directory() -> TempDir {
    let directory = TempDir::new().expect("a directory");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).expect("chmod");
    directory
}

/// A Unix socket for what is not a relay.
pub(crate) fn raw_socket(directory: &TempDir) -> (UnixListener, PathBuf) {
    let path = directory.path().join("raw.sock");
    (UnixListener::bind(&path).expect("binds"), path)
}
