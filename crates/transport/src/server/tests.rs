//! Listeners: who gets in, who is on the other end, and what does not stop them.

use super::*;
use crate::{
    testing::private_directory,
    tls::{ClientAuth, ServerIdentity},
};
use std::path::PathBuf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("there").mode() & 0o777
}

#[tokio::test]
async fn a_socket_is_private_in_a_private_directory() {
    let base = private_directory();
    let directory = base.path().join("run");
    let path = directory.join("relay.sock");
    let _listener = Listener::bind_unix(&path).expect("binds");
    assert_eq!((mode(&directory), mode(&path)), (0o700, 0o600));
}

#[tokio::test]
async fn a_directory_that_others_can_enter_is_refused() {
    let base = private_directory();
    fs::set_permissions(base.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
    let refused = Listener::bind_unix(&base.path().join("relay.sock"));
    assert!(matches!(refused, Err(BindError::OpenDirectory(path)) if path == base.path()));
}

#[tokio::test]
async fn a_dead_relays_socket_is_replaced_and_anything_else_is_not() {
    let base = private_directory();
    let path = base.path().join("relay.sock");
    drop(Listener::bind_unix(&path).expect("binds"));
    assert!(path.exists(), "a socket file outlives its listener");
    drop(Listener::bind_unix(&path).expect("binds again"));
    let file = base.path().join("file");
    fs::write(&file, "precious").expect("writes");
    let link = base.path().join("link");
    std::os::unix::fs::symlink(&path, &link).expect("links");
    for in_the_way in [file, link, base.path().join(".")] {
        let refused = Listener::bind_unix(&in_the_way);
        assert!(refused.is_err(), "{in_the_way:?}");
        assert!(in_the_way.exists());
    }
}

#[tokio::test]
async fn plain_tcp_stays_on_loopback_unless_a_person_says_so() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let address = address.parse().expect("an address");
        let refused = Listener::bind_tcp(address, &ListenSecurity::PlainLoopback).await;
        assert!(matches!(refused, Err(BindError::PlainOffLoopback(named)) if named == address));
    }
    let any = SocketAddr::from(([0, 0, 0, 0], 0));
    let listener = Listener::bind_tcp(any, &ListenSecurity::PlainInsecure).await.expect("binds");
    assert_ne!(listener.local_address().expect("TCP").port(), 0);
}

async fn tls_listener(directory: &tempfile::TempDir) -> (Listener, SocketAddr) {
    let identity = ServerIdentity::Own { path: directory.path().join("tls.pem") };
    let tls = ServerTls::load(&identity, &ClientAuth::None).expect("a certificate");
    let security = ListenSecurity::Tls(tls);
    let listener = Listener::bind_tcp(LOOPBACK, &security).await.expect("binds");
    let address = listener.local_address().expect("TCP");
    (listener, address)
}

async fn tls_client(
    directory: &tempfile::TempDir,
    address: SocketAddr,
) -> impl AsyncReadExt + Unpin {
    let pin = crate::tls::pin_of_file(&directory.path().join("tls.pem")).expect("a pin");
    let trust = crate::tls::ServerTrust::Pins(pin.into());
    let config = crate::tls::ClientTls { trust, identity: None }.load().expect("loads");
    let stream = TcpStream::connect(address).await.expect("connects");
    let name = address.ip().into();
    tokio_rustls::TlsConnector::from(config).connect(name, stream).await.expect("a handshake")
}

#[tokio::test]
async fn silent_and_broken_handshakes_hold_up_nobody() {
    let directory = private_directory();
    let (mut listener, address) = tls_listener(&directory).await;
    let mut silent = TcpStream::connect(address).await.expect("connects");
    let mut garbage = TcpStream::connect(address).await.expect("connects");
    garbage.write_all(&[b'x'; 100]).await.expect("writes");
    // connects and leaves, as a probe does
    drop(TcpStream::connect(address).await.expect("connects"));
    let (accepted, _client) = tokio::join!(listener.accept(), tls_client(&directory, address));
    assert!(matches!(accepted.peer, Peer::Tcp { pin: None, .. }));
    // the silent one is closed when its time is over, which only needs the listener to be polled
    listener.handshake_limit = Duration::ZERO;
    let mut late = TcpStream::connect(address).await.expect("connects");
    let mut end = [0; 1];
    tokio::select! {
        accepted = listener.accept() => panic!("accepted {:?}", accepted.peer),
        read = late.read(&mut end) => assert!(matches!(read, Ok(0) | Err(_))),
    }
    silent.write_all(b"x").await.expect("is still open");
}

#[tokio::test]
async fn one_address_does_not_get_all_places() {
    let directory = private_directory();
    let (mut listener, address) = tls_listener(&directory).await;
    let mut streams = Vec::new();
    for _ in 0..=MAX_HANDSHAKES_PER_ADDRESS {
        streams.push(TcpStream::connect(address).await.expect("connects"));
    }
    let mut last = streams.pop().expect("one more");
    let mut end = [0; 1];
    tokio::select! {
        accepted = listener.accept() => panic!("accepted {:?}", accepted.peer),
        read = last.read(&mut end) => assert!(matches!(read, Ok(0) | Err(_))),
    }
    assert_eq!(listener.handshakes.len(), MAX_HANDSHAKES_PER_ADDRESS);
    // places come back
    drop(streams);
    let (accepted, _client) = tokio::join!(listener.accept(), async {
        while !listener_is_free(address, &directory).await {}
    });
    assert!(matches!(accepted.peer, Peer::Tcp { .. }));
}

/// Whether a handshake gets through now.
async fn listener_is_free(address: SocketAddr, directory: &tempfile::TempDir) -> bool {
    let pin = crate::tls::pin_of_file(&directory.path().join("tls.pem")).expect("a pin");
    let trust = crate::tls::ServerTrust::Pins(pin.into());
    let config = crate::tls::ClientTls { trust, identity: None }.load().expect("loads");
    let stream = TcpStream::connect(address).await.expect("connects");
    let connector = tokio_rustls::TlsConnector::from(config);
    connector.connect(address.ip().into(), stream).await.is_ok()
}

#[tokio::test]
async fn dropping_a_listener_ends_its_handshakes_and_no_accepted_stream() {
    let directory = private_directory();
    let path: PathBuf = directory.path().join("relay.sock");
    let mut listener = Listener::bind_unix(&path).expect("binds");
    let (accepted, client) = tokio::join!(listener.accept(), UnixStream::connect(&path));
    drop(listener);
    let (mut accepted, mut client) = (accepted.stream, client.expect("connects"));
    accepted.write_all(b"x").await.expect("writes");
    assert_eq!(client.read_u8().await.expect("reads"), b'x');
    assert!(UnixStream::connect(&path).await.is_err());
}
