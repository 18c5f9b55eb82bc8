//! The accepting side, up to where HTTP begins: a listener gives byte streams that are ready to be served,
//! each with who is on the other end.
//!
//! A listener never ends by itself: an accept that fails (no file descriptor left) is logged and tried
//! again. A handshake runs beside the others under a time limit, their number is bounded in all and per
//! address, and one that fails concerns nobody else.

mod listen;

use std::{
    collections::HashMap,
    fs, io,
    net::{IpAddr, SocketAddr},
    os::unix::{
        fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt},
        net::UnixListener as StdUnixListener,
    },
    path::Path,
    time::Duration,
};

use quarterdeck_crypto::{ChannelBinding, Pin};
use tokio::{
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    task::{Id, JoinSet},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

pub use listen::{Listen, ListenError, Listening, Security};

use crate::{
    limits::{ACCEPT_PAUSE, MAX_HANDSHAKES, MAX_HANDSHAKES_PER_ADDRESS, TLS_LIMIT},
    stream::Counted,
    sys::{self, SocketName},
    tls::{ServerTls, binding_of, pin_of_certificate},
    unix::UnixDuplex,
};

/// A connection that is ready to be served.
pub struct Accepted {
    /// Its bytes; on TLS, what was protected. Counted, so that the server can keep a heartbeat too.
    pub stream: Counted,
    /// Who is on the other end.
    pub peer: Peer,
    /// What a proof of a key on this connection is bound to; none where nothing protects it.
    pub binding: Option<ChannelBinding>,
}

/// Who is on the other end of a connection, as far as the connection itself proves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A TCP connection.
    Tcp {
        /// Its address; that of the proxy, if there is one between.
        address: SocketAddr,
        /// Pin of the client certificate that the handshake proved, if one was shown.
        pin: Option<Pin>,
    },
    /// A process of this machine, as the kernel says.
    Unix {
        /// Its user.
        uid: u32,
        /// Its process, if the kernel says; it may be gone by now.
        pid: Option<i32>,
    },
}

/// How a TCP listener protects what it carries.
#[derive(Debug, Clone)]
pub enum ListenSecurity {
    /// TLS.
    Tls(ServerTls),
    /// Nothing; only a loopback address can be bound.
    PlainLoopback,
    /// Nothing, on any address, because a person said `--insecure`.
    PlainInsecure,
}

/// Why a listener cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Plain TCP off loopback.
    #[error("{0} is not loopback: it needs TLS, or an explicit --insecure")]
    PlainOffLoopback(SocketAddr),
    /// Something that is not a socket of this user is in the way.
    #[error("{0} exists and is not a socket of this user")]
    InTheWay(std::path::PathBuf),
    /// Others could reach the socket.
    #[error("{0} is open to others; it must be a directory of this user with mode 700")]
    OpenDirectory(std::path::PathBuf),
    /// The system refuses.
    #[error(transparent)]
    Io(#[from] io::Error),
}

enum Socket {
    Tcp(TcpListener, Option<TlsAcceptor>),
    Unix(UnixListener),
}

/// An open listener. Dropping it ends it and the handshakes under way, and no accepted stream.
pub struct Listener {
    socket: Socket,
    handshake_limit: Duration,
    handshakes: JoinSet<io::Result<Accepted>>,
    /// Whose handshakes are under way.
    callers: HashMap<Id, IpAddr>,
    /// An accept failed and none succeeded since: it is logged once.
    failing: bool,
}

impl Listener {
    /// Listens on an address; port 0 lets the system choose.
    ///
    /// # Errors
    /// When it would be plain off loopback, or the system refuses.
    pub async fn bind_tcp(
        address: SocketAddr,
        security: &ListenSecurity,
    ) -> Result<Self, BindError> {
        let acceptor = match security {
            ListenSecurity::Tls(tls) => Some(TlsAcceptor::from(tls.config.clone())),
            ListenSecurity::PlainLoopback if !address.ip().to_canonical().is_loopback() => {
                return Err(BindError::PlainOffLoopback(address));
            }
            ListenSecurity::PlainLoopback | ListenSecurity::PlainInsecure => None,
        };
        Ok(Self::new(Socket::Tcp(TcpListener::bind(address).await?, acceptor)))
    }

    /// Listens on a Unix socket of mode 0600 in a directory of mode 0700, which is made if it is missing.
    /// A path of any length will do. A socket file that is there is replaced: the caller holds the
    /// instance's lock, so its owner is dead.
    ///
    /// # Errors
    /// When something else is in the way, others could reach it, or the system refuses.
    pub fn bind_unix(path: &Path) -> Result<Self, BindError> {
        let (directory, _) = sys::split(path)?;
        make_private(directory)?;
        remove_stale(path)?;
        let name = SocketName::of(path)?;
        let listener = StdUnixListener::bind(name.path())?;
        // until here the directory alone kept others out
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(Self::new(Socket::Unix(UnixListener::from_std(listener)?)))
    }

    fn new(socket: Socket) -> Self {
        Self {
            socket,
            handshake_limit: TLS_LIMIT,
            handshakes: JoinSet::new(),
            callers: HashMap::new(),
            failing: false,
        }
    }

    /// Whether what it gives was protected by TLS.
    #[must_use]
    pub const fn has_tls(&self) -> bool {
        matches!(self.socket, Socket::Tcp(_, Some(_)))
    }

    /// The address of a TCP listener, with the port that the system chose.
    #[must_use]
    pub fn local_address(&self) -> Option<SocketAddr> {
        match &self.socket {
            Socket::Tcp(listener, _) => listener.local_addr().ok(),
            Socket::Unix(_) => None,
        }
    }

    /// The next connection that is ready. Never fails; may be dropped and called again.
    pub async fn accept(&mut self) -> Accepted {
        loop {
            tokio::select! {
                biased;
                Some(ended) = self.handshakes.join_next_with_id() => {
                    if let Some(accepted) = self.finish(ended) {
                        return accepted;
                    }
                }
                incoming = accept_one(&self.socket), if self.handshakes.len() < MAX_HANDSHAKES => {
                    match incoming {
                        Ok(incoming) => {
                            self.failing = false;
                            if let Some(accepted) = self.admit(incoming) {
                                return accepted;
                            }
                        }
                        Err(error) => self.pause(&error).await,
                    }
                }
            }
        }
    }

    /// Begins a handshake, or gives the connection if it needs none.
    fn admit(&mut self, incoming: Incoming) -> Option<Accepted> {
        let (stream, address, acceptor) = match incoming {
            Incoming::Unix(accepted) => return Some(accepted),
            Incoming::Tcp(stream, address, acceptor) => (stream, address, acceptor),
        };
        sys::tune_tcp(&stream);
        let Some(acceptor) = acceptor else {
            let peer = Peer::Tcp { address, pin: None };
            let stream = Counted::new(Box::new(stream));
            return Some(Accepted { stream, peer, binding: None });
        };
        let caller = address.ip().to_canonical();
        let of_caller = self.callers.values().filter(|other| **other == caller).count();
        if of_caller >= MAX_HANDSHAKES_PER_ADDRESS {
            tracing::debug!(%address, "connection closed: too many handshakes of this address");
            return None;
        }
        let limit = self.handshake_limit;
        let handshake = self.handshakes.spawn(async move {
            timeout(limit, handshake(stream, address, acceptor))
                .await
                .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        });
        self.callers.insert(handshake.id(), caller);
        None
    }

    fn finish(
        &mut self,
        ended: Result<(Id, io::Result<Accepted>), tokio::task::JoinError>,
    ) -> Option<Accepted> {
        let id = ended.as_ref().map_or_else(tokio::task::JoinError::id, |(id, _)| *id);
        let caller = self.callers.remove(&id);
        match ended {
            Ok((_, Ok(accepted))) => Some(accepted),
            // a port scan, a probe, a client that does not believe us: nothing for an operator
            Ok((_, Err(error))) => {
                tracing::debug!(?caller, %error, "handshake failed");
                None
            }
            Err(error) => {
                tracing::error!(?caller, %error, "handshake panicked");
                None
            }
        }
    }

    async fn pause(&mut self, error: &io::Error) {
        if !self.failing {
            tracing::warn!(%error, "accept failed; trying on");
        }
        self.failing = true;
        sleep(ACCEPT_PAUSE).await;
    }
}

enum Incoming {
    Tcp(TcpStream, SocketAddr, Option<TlsAcceptor>),
    Unix(Accepted),
}

async fn accept_one(socket: &Socket) -> io::Result<Incoming> {
    match socket {
        Socket::Tcp(listener, acceptor) => {
            let (stream, address) = listener.accept().await?;
            Ok(Incoming::Tcp(stream, address, acceptor.clone()))
        }
        Socket::Unix(listener) => {
            let (stream, _) = listener.accept().await?;
            let peer = unix_peer(&stream)?;
            let binding = Some(ChannelBinding::vouched_for());
            let stream = Counted::new(Box::new(UnixDuplex::new(stream.into_std()?)?));
            Ok(Incoming::Unix(Accepted { stream, peer, binding }))
        }
    }
}

fn unix_peer(stream: &UnixStream) -> io::Result<Peer> {
    let credentials = stream.peer_cred()?;
    Ok(Peer::Unix { uid: credentials.uid(), pid: credentials.pid() })
}

async fn handshake(
    stream: TcpStream,
    address: SocketAddr,
    acceptor: TlsAcceptor,
) -> io::Result<Accepted> {
    let stream = acceptor.accept(stream).await?;
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let pin = shown.map(pin_of_certificate).transpose().map_err(io::Error::other)?;
    let binding = binding_of(stream.get_ref().1);
    let peer = Peer::Tcp { address, pin };
    Ok(Accepted { stream: Counted::new(Box::new(stream)), peer, binding })
}

fn make_private(directory: &Path) -> Result<(), BindError> {
    match fs::DirBuilder::new().mode(0o700).create(directory) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error.into()),
    }
    let found = fs::metadata(directory)?;
    if found.uid() != rustix::process::geteuid().as_raw() || found.mode() & 0o077 != 0 {
        return Err(BindError::OpenDirectory(directory.to_owned()));
    }
    Ok(())
}

fn remove_stale(path: &Path) -> Result<(), BindError> {
    match fs::symlink_metadata(path) {
        Ok(found) => {
            let ours = found.uid() == rustix::process::geteuid().as_raw();
            if !found.file_type().is_socket() || !ours {
                return Err(BindError::InTheWay(path.to_owned()));
            }
            Ok(fs::remove_file(path)?)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests;
