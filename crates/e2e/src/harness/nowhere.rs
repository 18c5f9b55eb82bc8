//! A proxy that leads nowhere: what an agent wants to reach outside is noted and refused.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// The proxy; it ends when this is dropped.
#[derive(Debug)]
pub struct Nowhere {
    address: SocketAddr,
    wanted: Arc<Mutex<Vec<String>>>,
    _serving: JoinSet<()>,
}

impl Nowhere {
    /// Starts it on a free port.
    ///
    /// # Panics
    /// When there is none, or outside a runtime.
    #[must_use]
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listener = listener.expect("loopback has a free port");
        listener.set_nonblocking(true).expect("a socket can be non-blocking");
        let listener = TcpListener::from_std(listener).expect("a runtime runs");
        let address = listener.local_addr().expect("it is bound");
        let wanted = Arc::default();
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, Arc::clone(&wanted)));
        Self { address, wanted, _serving: serving }
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The first line of each request so far: `CONNECT host:port HTTP/1.1`.
    #[must_use]
    pub fn wanted(&self) -> Vec<String> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve(listener: TcpListener, wanted: Arc<Mutex<Vec<String>>>) {
    let mut links = JoinSet::new();
    while let Ok((link, _)) = listener.accept().await {
        links.spawn(note(link, Arc::clone(&wanted)));
    }
}

/// Notes what is wanted and hangs up.
async fn note(link: TcpStream, wanted: Arc<Mutex<Vec<String>>>) {
    let mut line = String::new();
    if BufReader::new(link).read_line(&mut line).await.is_ok() {
        wanted.lock().unwrap_or_else(PoisonError::into_inner).push(line.trim_end().to_owned());
    }
}
