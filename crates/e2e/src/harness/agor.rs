//! A controller that speaks the dialect agor: it sends what a test says and shows what comes, word for
//! word, with nothing repaired.

use std::{collections::BTreeMap, net::SocketAddr};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{
        Error, Message, Utf8Bytes,
        client::IntoClientRequest,
        http::{StatusCode, header::AUTHORIZATION},
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
    let own = |name: &String| name.strip_prefix("agor+ws://").and_then(|rest| rest.parse().ok());
    relay.status.listening.iter().find_map(own).expect("the relay serves agor")
}

/// Makes a token for the dialect as a person would.
pub async fn token(instance: &Instance, name: &str, principal: Option<&str>) -> String {
    let words = ["token", "create", name, "--dialect", "agor", "--scope", "read,create,drive"];
    let principal = principal.into_iter().flat_map(|principal| ["--principal", principal]);
    let made = instance.qd(words.into_iter().chain(principal)).await.ok();
    made.text().trim().to_owned()
}

/// A controller's connection and everything that it was told.
#[derive(Debug)]
pub struct Controller {
    socket: WebSocketStream<TcpStream>,
    /// Every event, in order.
    pub events: Vec<Value>,
    /// Output of each terminal.
    pub output: BTreeMap<String, String>,
    last_command: u64,
}

/// Why a controller was not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The answer's status.
    pub status: StatusCode,
    /// Its text.
    pub body: String,
}

impl Controller {
    /// Connects.
    ///
    /// # Errors
    /// When it is refused.
    ///
    /// # Panics
    /// When there is no relay.
    pub async fn try_connect(to: SocketAddr, token: &str) -> Result<Self, Refused> {
        Self::try_connect_with(to, token, &[]).await
    }
    /// Connects with further headers.
    ///
    /// # Errors
    /// When it is refused.
    ///
    /// # Panics
    /// When there is no relay.
    pub async fn try_connect_with(
        to: SocketAddr,
        token: &str,
        headers: &[(&'static str, &'static str)],
    ) -> Result<Self, Refused> {
        let stream = TcpStream::connect(to).await.expect("the relay listens");
        let mut request = format!("ws://{to}/any/path?x=y").into_client_request().expect("is one");
        let bearer = format!("Bearer {token}").parse().expect("is a header value");
        request.headers_mut().insert(AUTHORIZATION, bearer);
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().expect("is a header value"));
        }
        match within("the upgrade", client_async(request, stream)).await {
            Ok((socket, _)) => {
                let (events, output) = (Vec::new(), BTreeMap::new());
                Ok(Self { socket, events, output, last_command: 0 })
            }
            Err(Error::Http(answer)) => {
                let status = answer.status();
                let body = answer.body().clone().unwrap_or_default();
                Err(Refused { status, body: String::from_utf8_lossy(&body).into_owned() })
            }
            Err(error) => panic!("no upgrade: {error}"),
        }
    }
    /// Connects where it must work, and takes what comes first.
    ///
    /// # Panics
    /// When it does not.
    pub async fn connect(to: SocketAddr, token: &str) -> Self {
        let mut controller = Self::try_connect(to, token).await.expect("is let in");
        assert_eq!(controller.next().await, json!({ "type": "ready" }));
        assert_eq!(controller.next().await["type"], "state_sync");
        controller
    }
    /// Sends a text as it is.
    ///
    /// # Panics
    /// When the connection is over.
    pub async fn say(&mut self, text: &str) {
        within("a message is sent", self.socket.send(Message::text(text))).await.expect("is open");
    }
    /// Sends a text that the relay does not take.
    pub async fn say_in_vain(&mut self, text: &str) {
        let sent = within("a message is sent", self.socket.send(Message::text(text))).await;
        // how much of it leaves before the connection ends is of no interest
        drop(sent);
    }
    /// Sends a binary message.
    ///
    /// # Panics
    /// When the connection is over.
    pub async fn say_binary(&mut self, bytes: Vec<u8>) {
        self.socket.send(Message::binary(bytes)).await.expect("is open");
    }
    /// Sends a command under a new id, and gives the id.
    pub async fn send(&mut self, kind: &str, payload: Value) -> String {
        self.last_command += 1;
        let id = format!("command-{}", self.last_command);
        self.say(&json!({ "id": id, "type": kind, "payload": payload }).to_string()).await;
        id
    }
    /// Sends a command, and gives its reply.
    pub async fn ask(&mut self, kind: &str, payload: Value) -> Value {
        let id = self.send(kind, payload).await;
        self.reply(&id).await
    }
    /// Starts a terminal that runs this, and gives its id.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn create(&mut self, argv: &[&str]) -> String {
        let reply = self.ask("pty_create", json!({ "shell": argv[0], "args": argv[1..] })).await;
        assert_eq!(reply["type"], "pty_created", "{reply}");
        reply["sessionId"].as_str().expect("is text").to_owned()
    }
    /// Types, and waits until it is acknowledged.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn type_text(&mut self, terminal: &str, text: &str) {
        let reply = self.ask("pty_write", json!({ "id": terminal, "data": text })).await;
        assert_eq!(reply["type"], "ack", "{reply}");
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
    /// When it is no JSON object with the members that events have.
    pub async fn try_next(&mut self) -> Option<Value> {
        let Ok(text) = tokio::time::timeout(PATIENCE, self.next_text()).await else {
            let (events, output) = (&self.events, &self.output);
            panic!("no event for {PATIENCE:?}, after {events:?}, output {output:?}");
        };
        let event: Value = serde_json::from_str(&text?).expect("is JSON");
        self.take(&event);
        Some(event)
    }

    /// The relay's pings are no event, so they do not count.
    async fn next_text(&mut self) -> Option<Utf8Bytes> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => return Some(text),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Binary(_))) => panic!("events are text"),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
            }
        }
    }

    fn take(&mut self, event: &Value) {
        let members = event.as_object().expect("is an object");
        let known = ["type", "sessionId", "payload"];
        assert!(members.keys().all(|name| known.contains(&name.as_str())), "{event}");
        if event["type"] == "pty_data" {
            let terminal = event["sessionId"].as_str().expect("names its terminal");
            let text = event["payload"].as_str().expect("is text");
            self.output.entry(terminal.to_owned()).or_default().push_str(text);
        }
        self.events.push(event.clone());
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
    /// The reply to a command.
    pub async fn reply(&mut self, id: &str) -> Value {
        self.until(|event| event["payload"]["commandId"] == id).await
    }
    /// Takes events until a terminal has printed a text.
    pub async fn until_text(&mut self, terminal: &str, text: &str) {
        while !self.printed(terminal).contains(text) {
            self.next().await;
        }
    }
    /// Takes events until a terminal has shown what was typed and what came back. A screen may come in
    /// between, with its cursor's way from one to the other.
    pub async fn until_echoed(&mut self, terminal: &str, text: &str) {
        while self.printed(terminal).matches(text).count() < 2 {
            self.next().await;
        }
    }
    /// What a terminal has printed.
    #[must_use]
    pub fn printed(&self, terminal: &str) -> &str {
        self.output.get(terminal).map_or("", String::as_str)
    }
    /// Takes events until a terminal has ended, and says how.
    pub async fn until_exit(&mut self, terminal: &str) -> Value {
        let event =
            self.until(|event| event["type"] == "pty_exit" && event["sessionId"] == terminal);
        event.await["payload"].clone()
    }
    /// Replies so far to a command.
    #[must_use]
    pub fn replies(&self, id: &str) -> usize {
        self.events.iter().filter(|event| event["payload"]["commandId"] == id).count()
    }
}
