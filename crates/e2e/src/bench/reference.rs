//! Servers that do the least that can be done, for comparison. Each runs as a process of its own, because
//! what it is compared with does.
//!
//! `ref-ws` (`ref-wss` with TLS) is a tokio relay between a terminal and a WebSocket with no log, no frames, no credit and no
//! second viewer: what is slower than it pays for what it can do more.

use std::{
    io::{self, Write},
    net::Ipv4Addr,
    sync::Arc,
};

use futures_util::{SinkExt, StreamExt};
use pty_process::blocking;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{self, ServerConfig, pki_types::PrivateKeyDer},
};
use tokio_tungstenite::{WebSocketStream, accept_async, tungstenite::Message};

use crate::pty::{PtyProcess, USUAL_SIZE};

/// Bytes that are read from a terminal before they are sent.
const DRAIN_BYTES: usize = 64 * 1024;

/// Says on stdout where the server listens.
fn announce(listener: &TcpListener) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", listener.local_addr()?)?;
    out.flush()
}

/// Serves one program on one terminal to one WebSocket client after another, until it is killed.
///
/// # Errors
/// When it cannot listen.
pub async fn serve_terminal(program: &[String]) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    announce(&listener)?;
    loop {
        let socket = accept(&listener).await?;
        // an error is the end of this client only
        let _ = relay(socket, program).await;
    }
}

/// The same behind TLS.
///
/// # Errors
/// When it cannot listen, or make a certificate.
pub async fn serve_terminal_tls(program: &[String]) -> io::Result<()> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
    let rcgen::CertifiedKey { cert, signing_key } = made.map_err(io::Error::other)?;
    let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .map_err(io::Error::other)?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    announce(&listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let stream = acceptor.accept(stream).await?;
        let socket = accept_async(stream).await.map_err(io::Error::other)?;
        // an error is the end of this client only
        let _ = relay(socket, program).await;
    }
}

/// Sends every WebSocket message back, until it is killed.
///
/// # Errors
/// When it cannot listen.
pub async fn serve_echo() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    announce(&listener)?;
    loop {
        let mut socket = accept(&listener).await?;
        while let Some(Ok(message @ Message::Binary(_))) = socket.next().await {
            if socket.send(message).await.is_err() {
                break;
            }
        }
    }
}

async fn accept(listener: &TcpListener) -> io::Result<WebSocketStream<TcpStream>> {
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    accept_async(stream).await.map_err(io::Error::other)
}

async fn relay<S>(mut socket: WebSocketStream<S>, program: &[String]) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (name, arguments) = program.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let terminal = PtyProcess::spawn(blocking::Command::new(name).args(arguments), USUAL_SIZE)?;
    let mut buffer = vec![0; DRAIN_BYTES];
    loop {
        tokio::select! {
            count = terminal.drain(&mut buffer) => {
                let count = count?;
                if count == 0 {
                    return Ok(());
                }
                let message = Message::binary(buffer[..count].to_vec());
                socket.send(message).await.map_err(io::Error::other)?;
            }
            message = socket.next() => {
                let Some(Ok(Message::Binary(bytes))) = message else { return Ok(()) };
                terminal.write_all(&bytes).await?;
            }
        }
    }
}
