//! A browser as a hub sees it: a key of its own, the three requests of the login, and a WebSocket by ticket.

use std::net::SocketAddr;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use futures_util::{SinkExt as _, StreamExt as _};
use quarterdeck_crypto::device::spki_of;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest as _},
};

use super::{
    http::{Answer, Http},
    within,
};

/// A browser with a key that never leaves it.
pub struct Browser {
    key: EcdsaKeyPair,
    /// Where the hub is.
    pub to: SocketAddr,
    /// What its page is, as it says in `Origin`.
    pub origin: String,
    /// What it is known as, once it logged in.
    pub device: Option<String>,
}

impl Browser {
    /// One that opened the hub's own page.
    ///
    /// # Panics
    /// When the system gives no random bytes.
    #[must_use]
    pub fn at(to: SocketAddr) -> Self {
        let (kind, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let document = EcdsaKeyPair::generate_pkcs8(kind, &random).expect("makes a key");
        let key = EcdsaKeyPair::from_pkcs8(kind, document.as_ref(), &random).expect("is a key");
        Self { key, to, origin: format!("http://{to}"), device: None }
    }

    /// One of the requests of the login.
    pub async fn post(&self, what: &str, body: &Value) -> Answer {
        let http = Http { to: self.to, token: None };
        let origin = format!("origin: {}", self.origin);
        let headers = ["content-type: application/json", &origin];
        let path = format!("/v1/web/{what}");
        http.send("POST", &path, &headers, body.to_string().as_bytes()).await
    }

    /// Opens a login link: trades its code for being known.
    ///
    /// # Panics
    /// When the link has no code.
    pub async fn log_in(&mut self, url: &str) -> Answer {
        let (_, code) = url.split_once("/#login=").expect("a login link");
        let point = self.key.public_key().as_ref().try_into().expect("a point");
        let body = json!({ "code": code, "key": spki_of(&point), "name": "test browser" });
        let answer = self.post("login", &body).await;
        if answer.status == 200 {
            self.device = answer.json()["device"].as_str().map(str::to_owned);
        }
        answer
    }

    /// Signs a challenge and asks for a ticket.
    ///
    /// # Panics
    /// When it never logged in.
    pub async fn ticket(&self) -> Answer {
        let device = self.device.as_deref().expect("it logged in");
        let challenged = self.post("challenge", &json!({ "device": device })).await;
        if challenged.status != 200 {
            return challenged;
        }
        let challenge = challenged.json()["challenge"].as_str().unwrap_or_default().to_owned();
        let signature = self.sign(&challenge);
        let body = json!({ "device": device, "challenge": challenge, "signature": signature });
        self.post("ticket", &body).await
    }

    /// A signature of its key, in base64url.
    ///
    /// # Panics
    /// When the system gives no random bytes.
    #[must_use]
    pub fn sign(&self, text: &str) -> String {
        let signature = self.key.sign(&SystemRandom::new(), text.as_bytes()).expect("signs");
        BASE64URL.encode(signature.as_ref())
    }

    /// Opens a WebSocket by a ticket.
    ///
    /// # Errors
    /// The status and text of a refusal.
    ///
    /// # Panics
    /// When the hub does not answer at all.
    pub async fn connect(&self, ticket: &str) -> Result<Page, (u16, String)> {
        let mut request =
            format!("ws://{}/v1/ws", self.to).into_client_request().expect("a request");
        let headers = request.headers_mut();
        let offered = format!("quarterdeck.v1, ticket.{ticket}");
        headers.insert("sec-websocket-protocol", offered.parse().expect("a header"));
        headers.insert("origin", self.origin.parse().expect("a header"));
        let stream = TcpStream::connect(self.to).await.expect("the hub listens");
        match within("the hub answers", client_async(request, stream)).await {
            Ok((socket, response)) => {
                let selected = &response.headers()["sec-websocket-protocol"];
                assert_eq!(selected, "quarterdeck.v1", "the ticket is not repeated");
                Ok(Page { socket, last: 0 })
            }
            Err(Error::Http(response)) => {
                let text = response.body().as_deref().map(String::from_utf8_lossy);
                Err((response.status().as_u16(), text.unwrap_or_default().into_owned()))
            }
            Err(other) => panic!("{other}"),
        }
    }

    /// Comes in: ticket, WebSocket, `hello`.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn come_in(&self) -> Page {
        let ticket =
            self.ticket().await.ok().json()["ticket"].as_str().unwrap_or_default().to_owned();
        let mut page = self.connect(&ticket).await.expect("the ticket is good");
        page.call("hello", &json!({ "name": "page" })).await.expect("hello");
        page
    }
}

/// An open connection of a page.
pub struct Page {
    socket: WebSocketStream<TcpStream>,
    last: u64,
}

impl Page {
    /// A request and its answer.
    ///
    /// # Errors
    /// The error of the answer.
    ///
    /// # Panics
    /// When the connection ends.
    pub async fn call(&mut self, method: &str, params: &Value) -> Result<Value, Value> {
        self.last += 1;
        let id = self.last;
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        self.socket.send(Message::text(request.to_string())).await.expect("is sent");
        loop {
            let message = within("the hub answers", self.socket.next()).await;
            let message = message.expect("the connection lives").expect("is readable");
            let Message::Text(text) = message else { continue };
            let answer: Value = serde_json::from_str(&text).expect("is JSON");
            if answer["id"] == id {
                let Value::Null = answer["error"] else { return Err(answer["error"].clone()) };
                return Ok(answer["result"].clone());
            }
        }
    }

    /// Waits until the hub has ended the connection; why, if it said so.
    ///
    /// # Panics
    /// When it does not.
    pub async fn ended(&mut self) -> Option<String> {
        let end = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Close(frame))) => {
                        return frame.map(|frame| frame.reason.to_string());
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return None,
                }
            }
        };
        within("the hub ends the connection", end).await
    }
}
