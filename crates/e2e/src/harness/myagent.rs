//! A client that speaks the dialect myagent: it says what a test says, and shows what comes.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{
        Error, Message, client::IntoClientRequest, http::Response, http::header::AUTHORIZATION,
    },
};

use super::{
    PATIENCE,
    instance::{Instance, Relay},
    within,
};

/// Where a relay serves the dialect.
///
/// # Panics
/// When it does not.
#[must_use]
pub fn address(relay: &Relay) -> SocketAddr {
    let own = |name: &String| name.strip_prefix("myagent+ws://").and_then(|it| it.parse().ok());
    relay.status.listening.iter().find_map(own).expect("the relay serves myagent")
}

/// Makes a token for the dialect as a person would.
pub async fn token(instance: &Instance, name: &str, scopes: &str) -> String {
    let words = ["token", "create", name, "--dialect", "myagent", "--scope", scopes];
    instance.qd(words).await.ok().text().trim().to_owned()
}

/// A connection and everything that it was told.
#[derive(Debug)]
pub struct Client {
    socket: WebSocketStream<TcpStream>,
    /// Every event, in order.
    pub events: Vec<Value>,
    /// Why the relay closed it.
    pub closed: Option<u16>,
}

impl Client {
    /// Connects with this value of the header `authorization`.
    ///
    /// # Errors
    /// The answer, when it is refused.
    ///
    /// # Panics
    /// When there is no relay.
    pub async fn try_connect(
        to: SocketAddr,
        authorization: Option<&str>,
    ) -> Result<Self, Box<Response<Option<Vec<u8>>>>> {
        let stream = TcpStream::connect(to).await.expect("the relay listens");
        let mut request = format!("ws://{to}/any").into_client_request().expect("is one");
        if let Some(value) = authorization {
            let value = value.parse().expect("is a header value");
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        match within("the upgrade", client_async(request, stream)).await {
            Ok((socket, _)) => Ok(Self { socket, events: Vec::new(), closed: None }),
            Err(Error::Http(answer)) => Err(answer),
            Err(error) => panic!("no upgrade: {error}"),
        }
    }
    /// Connects where it must work, and takes `ready` and the role, which it gives.
    ///
    /// # Panics
    /// When it does not.
    pub async fn connect(to: SocketAddr, token: &str) -> (Self, String) {
        let bearer = format!("Bearer {token}");
        let mut client = Self::try_connect(to, Some(&bearer)).await.expect("is let in");
        assert_eq!(client.next().await, json!({ "type": "ready", "protocolVersion": 1 }));
        let role = client.next().await;
        assert_eq!(role["type"], "role", "{role}");
        (client, role["role"].as_str().expect("text").to_owned())
    }
    /// Sends a text.
    pub async fn say(&mut self, text: &str) {
        // how much of it leaves before the connection ends is of no interest
        drop(within("a message is sent", self.socket.send(Message::text(text))).await);
    }
    /// Sends a message.
    pub async fn send(&mut self, message: Value) {
        self.say(&message.to_string()).await;
    }
    /// Tells the agent something.
    pub async fn tell(&mut self, id: &str, prompt: &str, session: Option<&str>) {
        let mut message = json!({ "type": "user_message", "id": id, "prompt": prompt });
        if let Some(session) = session {
            message["sessionId"] = json!(session);
        }
        self.send(message).await;
    }
    /// The next event.
    ///
    /// # Panics
    /// When the connection ends instead.
    pub async fn next(&mut self) -> Value {
        self.try_next().await.expect("the connection is open")
    }
    /// The next event; none when the connection is over.
    ///
    /// # Panics
    /// When nothing comes, or what comes is no JSON.
    pub async fn try_next(&mut self) -> Option<Value> {
        let Ok(event) = tokio::time::timeout(PATIENCE, self.read()).await else {
            panic!("no event after {:#?}", self.events);
        };
        event
    }

    /// The relay's pings are no event, so they do not count.
    async fn read(&mut self) -> Option<Value> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    let event: Value = serde_json::from_str(&text).expect("is JSON");
                    self.events.push(event.clone());
                    return Some(event);
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Binary(_))) => panic!("events are text"),
                Some(Ok(Message::Close(frame))) => {
                    self.closed = frame.map(|frame| frame.code.into());
                    return None;
                }
                Some(Err(_)) | None => return None,
            }
        }
    }
    /// Takes events until one fits, and gives it; also one that came before.
    pub async fn until(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        if let Some(event) = self.events.iter().find(|event| fits(event)) {
            return event.clone();
        }
        loop {
            let event = self.next().await;
            if fits(&event) {
                return event;
            }
        }
    }
    /// Takes events until the turn of a message has ended and its metadata was told.
    pub async fn until_done(&mut self, id: &str) -> Value {
        let done = |event: &Value| event["type"] == "terminal_state" && event["id"] == id;
        let terminal = self.until(done).await;
        let ended = |event: &Value| {
            let session = &event["session"];
            session["lastRequestId"] == id
                && (session["state"] == "completed" || session["state"] == "failed")
        };
        self.until(ended).await;
        terminal
    }
    /// A sign of life, so that everything that was sent before has been answered.
    pub async fn ping(&mut self, id: &str) {
        self.send(json!({ "type": "ping", "id": id })).await;
        self.until(|event| event["type"] == "pong" && event["id"] == id).await;
    }
    /// The types of all events from one on, roles left out.
    #[must_use]
    pub fn types_from(&self, first: usize) -> Vec<&str> {
        self.events[first..].iter().filter_map(|event| event["type"].as_str()).collect()
    }
}
