//! A model server on loopback whose answers are scripted, so that the real coding agents can be tested
//! without any model, account or network.
//!
//! It speaks what the agents speak: Anthropic's Messages (`/v1/messages`, streamed or not, with
//! `count_tokens`), OpenAI's Responses (`/v1/responses`) and chat completions (`/v1/chat/completions`).
//!
//! - [`reply`]: what the model does, as a test writes it: think, say, call tools, fail, break off;
//! - [`gate`]: a place in an answer where it waits until the test lets it go on;
//! - [`request`]: what an agent sent, read into one form;
//! - `wire`: the three formats of answers; `server`: HTTP;
//! - [`obliging`]: a model for trying things by hand, which does what it is told.
//!
//! An agent's requests without tools (titles, summaries) are answered by themselves and stand in a list
//! of their own, so that a script has one [`Reply`] per step of the agent's work and nothing else.

pub mod gate;
pub mod obliging;
pub mod reply;
pub mod request;
mod server;
mod wire;

use std::{
    collections::VecDeque,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{net::TcpListener, sync::watch, task::JoinSet};

pub use self::{
    gate::Gate,
    reply::{Reply, Tokens},
    request::{ModelRequest, Part, Role, ToolResult},
};

/// A running model server; it ends when this is dropped.
#[derive(Debug)]
pub struct FakeModels {
    address: SocketAddr,
    state: Arc<State>,
    /// Its task.
    _serving: JoinSet<()>,
}

/// Where answers come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The script; a request that it does not foresee is a mistake of the test, and told as one.
    Script,
    /// [`obliging`] answers what the script does not foresee.
    Obliging,
}

#[derive(Debug)]
struct State {
    source: Source,
    inner: Mutex<Inner>,
    /// How many requests there were; each change wakes those that wait for one.
    count: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Inner {
    script: VecDeque<Reply>,
    requests: Vec<ModelRequest>,
    side_requests: Vec<ModelRequest>,
    answers: u64,
}

impl FakeModels {
    /// Starts a server that answers from a script, on a free port.
    ///
    /// # Panics
    /// When there is no port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("loopback has a free port");
        Self::serve(listener, Source::Script).expect("the listener has an address")
    }

    /// Starts a server on this listener.
    ///
    /// # Errors
    /// When the listener has no address.
    pub fn serve(listener: TcpListener, source: Source) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let state = State { source, inner: Mutex::default(), count: watch::Sender::new(0) };
        let state = Arc::new(state);
        let mut serving = JoinSet::new();
        serving.spawn(server::run(listener, Arc::clone(&state)));
        Ok(Self { address, state, _serving: serving })
    }

    /// Where it listens: `http://127.0.0.1:PORT`. The OpenAI formats are below `/v1`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds answers to the end of the script.
    pub fn script(&self, replies: impl IntoIterator<Item = Reply>) {
        self.state.lock().script.extend(replies);
    }

    /// Forgets what is left of the script.
    pub fn clear_script(&self) {
        self.state.lock().script.clear();
    }

    /// How many answers of the script were not asked for yet.
    #[must_use]
    pub fn left(&self) -> usize {
        self.state.lock().script.iter().filter(|reply| !reply.is_endless()).count()
    }

    /// All requests with tools so far, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<ModelRequest> {
        self.state.lock().requests.clone()
    }

    /// All requests without tools so far: titles and the like.
    #[must_use]
    pub fn side_requests(&self) -> Vec<ModelRequest> {
        self.state.lock().side_requests.clone()
    }

    /// The newest request with tools.
    ///
    /// # Panics
    /// When there was none.
    #[must_use]
    pub fn last_request(&self) -> ModelRequest {
        self.requests().pop().expect("the agent has asked the model")
    }

    /// Waits until there were so many requests with tools.
    pub async fn until_requests(&self, count: usize) {
        // the sender is ours, so it cannot fail
        let _ = self.state.count.subscribe().wait_for(|so_far| *so_far >= count).await;
    }
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // each change is complete when the lock is given back, even by a panic
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a request down and says what is answered, with the answer's number.
    fn answer(&self, request: ModelRequest) -> (Reply, u64) {
        let mut inner = self.lock();
        inner.answers += 1;
        let number = inner.answers;
        if request.tools.is_empty() {
            let title = if request.wants_json { "{\"title\":\"A title\"}" } else { "A title" };
            inner.side_requests.push(request);
            return (Reply::say(title), number);
        }
        let reply = inner.next_reply(&request).unwrap_or_else(|| match self.source {
            Source::Script => Reply::say("The script has no answer to this."),
            Source::Obliging => obliging::reply(&request),
        });
        inner.requests.push(request);
        let count = inner.requests.len();
        drop(inner);
        self.count.send_replace(count);
        (reply, number)
    }
}

impl Inner {
    /// The first answer of the script that is meant for this request; an endless one stays.
    fn next_reply(&mut self, request: &ModelRequest) -> Option<Reply> {
        let at = self.script.iter().position(|reply| reply.is_for(request))?;
        if self.script[at].is_endless() {
            return self.script.get(at).cloned();
        }
        self.script.remove(at)
    }
}

/// A loopback address where nothing listens and nothing can, as long as this lives.
#[derive(Debug)]
pub struct Refusing {
    _socket: std::os::fd::OwnedFd,
    address: SocketAddr,
}

impl Refusing {
    /// Takes a port and does not listen on it.
    ///
    /// # Panics
    /// When there is no port.
    #[must_use]
    pub fn reserve() -> Self {
        use rustix::net::{AddressFamily, SocketFlags, SocketType};
        let flags = SocketFlags::CLOEXEC;
        let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None);
        let socket = socket.expect("there are sockets");
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        rustix::net::bind(&socket, &any).expect("loopback has a free port");
        let address = rustix::net::getsockname(&socket).expect("it is bound");
        let address = SocketAddr::try_from(address).expect("is an address of IPv4");
        Self { _socket: socket, address }
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}
