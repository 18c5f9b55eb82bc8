//! A WebSocket as any program could open it, to say what no client of ours would.

use std::path::Path;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::{io::AsyncWriteExt, net::UnixStream};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use super::{instance::Instance, within};

/// A WebSocket to a relay's Unix socket that has said nothing yet.
#[derive(Debug)]
pub struct RawSocket(WebSocketStream<UnixStream>);

/// What a relay does next.
#[derive(Debug, Clone, PartialEq)]
pub enum Reaction {
    /// It sends this text frame.
    Says(Value),
    /// It sends a binary frame.
    Binary,
    /// It ends the connection.
    Closes,
}

impl RawSocket {
    /// Opens one.
    ///
    /// # Panics
    /// When the relay does not take it.
    pub async fn open(instance: &Instance) -> Self {
        Self::open_path(&instance.directory().join("relay.sock")).await
    }
    async fn open_path(path: &Path) -> Self {
        let stream = UnixStream::connect(path).await.expect("the socket is there");
        let mut request = "ws://localhost/v1/ws".into_client_request().expect("is a request");
        let protocol = "quarterdeck.v1".parse().expect("is a header value");
        request.headers_mut().insert("Sec-WebSocket-Protocol", protocol);
        let upgraded = within("the upgrade", client_async(request, stream)).await;
        Self(upgraded.expect("is a WebSocket").0)
    }
    /// Opens one and says hello.
    ///
    /// # Panics
    /// When the relay does not answer.
    pub async fn greeted(instance: &Instance) -> Self {
        let mut socket = Self::open(instance).await;
        socket.say(r#"{"jsonrpc":"2.0","id":0,"method":"hello","params":{"name":"raw"}}"#).await;
        let answer = socket.reaction().await;
        assert!(matches!(&answer, Reaction::Says(value) if value["id"] == 0), "{answer:?}");
        socket
    }
    /// Sends a text frame.
    pub async fn say(&mut self, text: &str) {
        // the relay may have ended the connection: its reaction tells
        let _ = self.0.send(Message::text(text)).await;
    }
    /// Sends a binary frame.
    pub async fn send(&mut self, bytes: Vec<u8>) {
        let _ = self.0.send(Message::binary(bytes)).await;
    }
    /// Sends bytes below the WebSocket.
    pub async fn inject(&mut self, bytes: &[u8]) {
        let _ = self.0.get_mut().write_all(bytes).await;
    }
    /// What the relay does next.
    ///
    /// # Panics
    /// When it does nothing, or sends text that is no JSON.
    pub async fn reaction(&mut self) -> Reaction {
        loop {
            match within("the relay reacts", self.0.next()).await {
                Some(Ok(Message::Text(text))) => {
                    return Reaction::Says(serde_json::from_str(&text).expect("is JSON"));
                }
                Some(Ok(Message::Binary(_))) => return Reaction::Binary,
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Reaction::Closes,
            }
        }
    }
}

/// The header of a masked WebSocket frame that announces so many bytes.
#[must_use]
pub fn announce(opcode: u8, bytes: u64) -> Vec<u8> {
    let mut header = vec![0x80 | opcode, 0x80 | 127];
    header.extend_from_slice(&bytes.to_be_bytes());
    header.extend_from_slice(&[1, 2, 3, 4]);
    header
}
