//! A server that hooks tell: it keeps each request, and answers as the test wants.

use std::{
    collections::VecDeque,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinSet,
};

use super::within;

/// What the server does with a request.
#[derive(Debug, Clone)]
pub enum Reaction {
    /// Answers with this status and these header lines.
    Answer(u16, String),
    /// Takes it and never answers.
    Stall,
    /// Hangs up in the middle of its answer.
    Break,
}

/// A request that came.
#[derive(Debug, Clone)]
pub struct Told {
    /// `POST /path HTTP/1.1`.
    pub line: String,
    /// Header lines, names in lower case.
    pub headers: Vec<String>,
    /// The body, byte by byte.
    pub body: String,
}

impl Told {
    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// The server; it ends when this is dropped.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    state: Arc<State>,
    seen: usize,
    _serving: JoinSet<()>,
}

#[derive(Debug, Default)]
struct State {
    told: Mutex<Vec<Told>>,
    /// For the next requests; afterwards all is well.
    reactions: Mutex<VecDeque<Reaction>>,
    came: Notify,
}

impl Receiver {
    /// Starts it on a free port.
    ///
    /// # Panics
    /// When there is none.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let state = Arc::<State>::default();
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, Arc::clone(&state)));
        Self { address, state, seen: 0, _serving: serving }
    }
    /// `http://127.0.0.1:PORT` and a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
    /// How it reacts to the next requests, one each.
    pub fn react(&self, reactions: impl IntoIterator<Item = Reaction>) {
        lock(&self.state.reactions).extend(reactions);
    }
    /// The next request.
    pub async fn next(&mut self) -> Told {
        within("a hook is told", async {
            loop {
                if let Some(told) = lock(&self.state.told).get(self.seen).cloned() {
                    self.seen += 1;
                    return told;
                }
                self.state.came.notified().await;
            }
        })
        .await
    }
    /// Everything that came so far.
    #[must_use]
    pub fn all(&self) -> Vec<Told> {
        lock(&self.state.told).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    let mut links = JoinSet::new();
    while let Ok((link, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        // a program that breaks off is none of a receiver's business
        links.spawn(async move { drop(answer(link, &state).await) });
    }
}

async fn answer(link: TcpStream, state: &State) -> std::io::Result<()> {
    let mut link = BufReader::new(link);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        link.read_line(&mut line).await?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ").unwrap_or((line, ""));
        lines.push(if value.is_empty() {
            line.to_owned()
        } else {
            format!("{}: {value}", name.to_lowercase())
        });
    }
    let mut told = Told { line: lines.remove(0), headers: lines, body: String::new() };
    let length = told.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    link.read_exact(&mut body).await?;
    told.body = String::from_utf8_lossy(&body).into_owned();
    let reaction = lock(&state.reactions).pop_front();
    lock(&state.told).push(told);
    state.came.notify_one();
    match reaction.unwrap_or(Reaction::Answer(200, String::new())) {
        Reaction::Answer(status, headers) => {
            let text = format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: 0\r\n\r\n");
            link.write_all(text.as_bytes()).await
        }
        Reaction::Stall => std::future::pending().await,
        Reaction::Break => link.write_all(b"HTTP/1.1 20").await,
    }
}
