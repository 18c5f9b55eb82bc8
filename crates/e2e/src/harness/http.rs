//! Plain HTTP as any program would speak it: requests with a token, and streams of server-sent events.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

use super::{PATIENCE, instance::Relay, within};

/// A program with a token.
#[derive(Debug, Clone)]
pub struct Http {
    /// Where the relay is.
    pub to: SocketAddr,
    /// What it presents; nothing without one.
    pub token: Option<String>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its header lines, in lower case.
    pub headers: Vec<String>,
    /// Its body.
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
    /// Itself, if it is a success.
    ///
    /// # Panics
    /// When it is none.
    pub fn ok(self) -> Self {
        assert_eq!(self.status, 200, "{self:?}");
        self
    }
    /// The word of an error's code.
    #[must_use]
    pub fn word(&self) -> String {
        self.json()["data"]["error"].as_str().unwrap_or_default().to_owned()
    }
    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

impl Http {
    /// A program with this token.
    #[must_use]
    pub fn new(relay: &Relay, token: &str) -> Self {
        Self { to: relay.address(), token: Some(token.to_owned()) }
    }
    /// The same at another relay.
    #[must_use]
    pub fn at(&self, relay: &Relay) -> Self {
        Self { to: relay.address(), token: self.token.clone() }
    }
    /// Asks for a page.
    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"").await
    }
    /// Sends JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_text(path, &body.to_string()).await
    }
    /// Sends a text that should be JSON.
    pub async fn post_text(&self, path: &str, body: &str) -> Answer {
        self.send("POST", path, &["content-type: application/json"], body.as_bytes()).await
    }
    /// Sends a file as a form would.
    pub async fn upload(&self, path: &str, name: &str, bytes: &[u8]) -> Answer {
        let head = format!(
            "--edge\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             content-type: application/octet-stream\r\n\r\n"
        );
        let body = [head.as_bytes(), bytes, b"\r\n--edge--\r\n"].concat();
        self.send("POST", path, &["content-type: multipart/form-data; boundary=edge"], &body).await
    }
    /// Sends any request.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn send(&self, verb: &str, path: &str, headers: &[&str], body: &[u8]) -> Answer {
        let mut stream = self.open(verb, path, headers, Some(body.len())).await;
        // a relay that refuses a body may end the connection before it has all of it
        let _ = stream.write_all(body).await;
        let (status, headers) = head(&mut stream).await;
        let body = read_body(&mut stream, &headers).await;
        Answer { status, headers, body }
    }
    /// The same under a name that it says itself.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn send_as(&self, verb: &str, path: &str, headers: &[&str], body: &[u8]) -> Answer {
        let stream = TcpStream::connect(self.to).await.expect("the server listens");
        let mut stream = BufReader::new(stream);
        let length = body.len();
        let lines: String = headers.iter().map(|it| format!("{it}\r\n")).collect();
        let request = format!(
            "{verb} {path} HTTP/1.1\r\n{lines}content-length: {length}\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(&[request.as_bytes(), body].concat()).await.expect("is sent");
        let (status, headers) = head(&mut stream).await;
        let body = read_body(&mut stream, &headers).await;
        Answer { status, headers, body }
    }
    /// Begins to listen to events.
    ///
    /// # Errors
    /// The answer that refuses it.
    pub async fn events(&self, session: &str, last: Option<&str>) -> Result<Events, Answer> {
        let last = last.map(|id| format!("last-event-id: {id}"));
        let headers: Vec<&str> = last.iter().map(String::as_str).collect();
        let path = format!("/v1/sessions/{session}/events");
        let mut stream = self.open("GET", &path, &headers, None).await;
        let (status, headers) = head(&mut stream).await;
        if status == 200 {
            assert!(headers.contains(&"content-type: text/event-stream".to_owned()), "{headers:?}");
            return Ok(Events { stream, seen: Vec::new() });
        }
        let body = read_body(&mut stream, &headers).await;
        Err(Answer { status, headers, body })
    }

    async fn open(
        &self,
        verb: &str,
        path: &str,
        headers: &[&str],
        length: Option<usize>,
    ) -> BufReader<TcpStream> {
        let stream = TcpStream::connect(self.to).await.expect("the relay listens");
        let mut stream = BufReader::new(stream);
        let mut request = format!("{verb} {path} HTTP/1.1\r\nhost: {}\r\n", self.to);
        if let Some(token) = &self.token {
            request.push_str(&format!("authorization: Bearer {token}\r\n"));
        }
        if let Some(length) = length {
            request.push_str(&format!("content-length: {length}\r\nconnection: close\r\n"));
        }
        for header in headers {
            request.push_str(&format!("{header}\r\n"));
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await.expect("is open");
        stream
    }
}

/// A body with a length, or up to the end of the connection.
async fn read_body(stream: &mut BufReader<TcpStream>, headers: &[String]) -> String {
    let length = headers.iter().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = Vec::new();
    match length.and_then(|length| length.parse().ok()) {
        Some(length) => {
            body.resize(length, 0);
            let read = stream.read_exact(&mut body);
            within("the body", read).await.expect("the body is whole");
        }
        None => {
            within("the body", stream.read_to_end(&mut body)).await.expect("is readable");
        }
    }
    String::from_utf8_lossy(&body).into_owned()
}

async fn head(stream: &mut BufReader<TcpStream>) -> (u16, Vec<String>) {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        within("an answer", stream.read_line(&mut line)).await.expect("is readable");
        assert!(!line.is_empty(), "the connection ended before an answer: {lines:?}");
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let status = lines[0].split(' ').nth(1).and_then(|it| it.parse().ok()).expect("has a status");
    (status, lines[1..].iter().map(|line| line.to_lowercase()).collect())
}

/// One server-sent event.
#[derive(Debug, Clone, PartialEq)]
pub struct SseEvent {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it says.
    pub data: Value,
}

/// A stream of events.
#[derive(Debug)]
pub struct Events {
    stream: BufReader<TcpStream>,
    /// Every event so far.
    pub seen: Vec<SseEvent>,
}

impl Events {
    /// The next event; none when the stream is over.
    ///
    /// # Panics
    /// When nothing comes.
    pub async fn next(&mut self) -> Option<SseEvent> {
        match tokio::time::timeout(PATIENCE, self.read()).await {
            Ok(event) => event,
            Err(_) => panic!("no event after {:#?}", self.seen),
        }
    }

    async fn read(&mut self) -> Option<SseEvent> {
        let mut event = SseEvent { id: String::new(), name: String::new(), data: Value::Null };
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return None;
            }
            let line = line.trim_end();
            // the last chunk: the connection itself stays open for another request
            if line == "0" {
                return None;
            }
            if line.is_empty() && !event.name.is_empty() {
                self.seen.push(event.clone());
                return Some(event);
            }
            // the sizes of the transfer's chunks are lines too, and begin with a digit
            match line.split_once(':') {
                Some(("id", id)) => event.id = id.trim().to_owned(),
                Some(("event", name)) => event.name = name.trim().to_owned(),
                Some(("data", data)) => event.data = serde_json::from_str(data).expect("is JSON"),
                Some(_) | None => {}
            }
        }
    }
    /// Takes events until one fits; also one that came before.
    ///
    /// # Panics
    /// When the stream ends.
    pub async fn until(&mut self, fits: impl Fn(&SseEvent) -> bool) -> SseEvent {
        if let Some(event) = self.seen.iter().find(|event| fits(event)) {
            return event.clone();
        }
        loop {
            let next = self.next().await;
            let Some(event) = next else { panic!("the stream ended after {:#?}", self.seen) };
            if fits(&event) {
                return event;
            }
        }
    }
    /// The last event's id.
    #[must_use]
    pub fn last_id(&self) -> Option<String> {
        self.seen.last().map(|event| event.id.clone())
    }
}
