//! A proxy that notes what is wanted of it, and leads nowhere, or always to the same place.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// The proxy; it ends when this is dropped, with all that goes through it.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    wanted: Wanted,
    _serving: JoinSet<()>,
}

/// First lines of requests.
type Wanted = Arc<Mutex<Vec<String>>>;

impl Proxy {
    /// One that notes and refuses, on a free port.
    ///
    /// # Panics
    /// When there is none, or outside a runtime.
    #[must_use]
    pub fn to_nowhere() -> Self {
        Self::start(None)
    }

    /// One that takes every name to the same address.
    ///
    /// # Panics
    /// When there is no free port, or outside a runtime.
    #[must_use]
    pub fn to(target: SocketAddr) -> Self {
        Self::start(Some(target))
    }

    fn start(target: Option<SocketAddr>) -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listener = listener.expect("loopback has a free port");
        listener.set_nonblocking(true).expect("a socket can be non-blocking");
        let listener = TcpListener::from_std(listener).expect("a runtime runs");
        let address = listener.local_addr().expect("it is bound");
        let wanted = Wanted::default();
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, target, Arc::clone(&wanted)));
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

async fn serve(listener: TcpListener, target: Option<SocketAddr>, wanted: Wanted) {
    let mut links = JoinSet::new();
    while let Ok((link, _)) = listener.accept().await {
        let wanted = Arc::clone(&wanted);
        links.spawn(async move {
            // either end may go at any time
            let _ = handle(link, target, wanted).await;
        });
    }
}

/// Notes what is wanted, and hangs up or leads there.
async fn handle(
    link: TcpStream,
    target: Option<SocketAddr>,
    wanted: Wanted,
) -> std::io::Result<()> {
    let mut link = BufReader::new(link);
    let mut line = String::new();
    if link.read_line(&mut line).await? == 0 {
        return Ok(());
    }
    wanted.lock().unwrap_or_else(PoisonError::into_inner).push(line.trim_end().to_owned());
    let Some(target) = target else { return Ok(()) };
    while link.read_line(&mut line).await? > "\r\n".len() {}
    let mut there = TcpStream::connect(target).await?;
    link.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    copy_bidirectional(&mut link, &mut there).await.map(drop)
}
