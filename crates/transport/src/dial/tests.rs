//! Dials over real sockets of this machine: HTTP answers, Unix sockets, proxies.

mod ssh;
mod tls;

use super::*;
use crate::{
    server::{ListenSecurity, Listener, Peer},
    testing::{Authority, RelaySide, private_directory, raw_socket},
    tls::{ClientAuth, ClientIdentity, ServerIdentity, ServerTls, ServerTrust},
};
use proptest::prelude::*;
use quarterdeck_crypto::{Pin, PinSet};
use rcgen::ExtendedKeyUsagePurpose as Usage;
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::Arc,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket},
    task::JoinSet,
};

fn endpoint(text: &str) -> Endpoint {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}
fn wss(address: SocketAddr) -> Endpoint {
    endpoint(&format!("wss://{address}"))
}
fn pinned(pin: Pin) -> ClientTls {
    ClientTls { trust: ServerTrust::Pins(pin.into()), identity: None }
}
fn with_tls(tls: ClientTls) -> DialOptions {
    DialOptions { tls, ..DialOptions::default() }
}
async fn dial(endpoint: &Endpoint, options: &DialOptions) -> Result<WsStream, DialError> {
    connect(endpoint, options, &DialLimits::default()).await
}
fn tls_failure(dialled: Result<WsStream, DialError>) -> TlsFailure {
    match dialled {
        Err(DialError::Tls(failure)) => failure,
        other => panic!("no TLS failure: {other:?}"),
    }
}

/// A relay that takes whoever gets through, until it is dropped.
struct Relay {
    address: SocketAddr,
    peers: tokio::sync::mpsc::Receiver<Peer>,
    _task: JoinSet<()>,
}

async fn relay(security: ListenSecurity) -> Relay {
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut listener = Listener::bind_tcp(loopback, &security).await.expect("binds");
    let address = listener.local_address().expect("TCP");
    let (seen, peers) = tokio::sync::mpsc::channel(8);
    let mut task = JoinSet::new();
    task.spawn(async move {
        let mut open = Vec::new();
        loop {
            let accepted = listener.accept().await;
            seen.send(accepted.peer).await.expect("the test listens");
            open.push(RelaySide::accept(Box::new(accepted.stream)).await);
        }
    });
    Relay { address, peers, _task: task }
}

fn own_certificate(directory: &tempfile::TempDir) -> ServerTls {
    let identity = ServerIdentity::Own { path: directory.path().join("tls.pem") };
    ServerTls::load(&identity, &ClientAuth::None).expect("a certificate")
}

fn files((certificate, key): (PathBuf, PathBuf)) -> ServerIdentity {
    ServerIdentity::Files { certificate, key }
}

// ---- the request ----

#[test]
fn the_upgrade_request_has_its_golden_bytes() {
    let token = Token::from_bytes([0; 32]);
    let wanted = Upgrade {
        authority: "[::1]:7717".to_owned(),
        path: "/team/v1/ws",
        credential: Credential::Token(&token),
    };
    let golden = "GET /team/v1/ws HTTP/1.1\r\n\
        Host: [::1]:7717\r\n\
        Connection: Upgrade\r\n\
        Upgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        authorization: Bearer qdt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n\
        user-agent: quarterdeck/0.1.0\r\n\
        Sec-WebSocket-Protocol: quarterdeck.v1\r\n\r\n";
    assert_eq!(sorted(&upgrade::golden(&wanted)), sorted(golden));
    let anonymous = Upgrade { credential: Credential::None, ..wanted };
    assert!(!upgrade::golden(&anonymous).contains("authorization"));
}

/// The order of headers after the fixed ones means nothing.
fn sorted(request: &str) -> Vec<&str> {
    let mut lines: Vec<_> = request.split("\r\n").collect();
    lines[6..].sort_unstable();
    lines
}

#[test]
fn options_show_no_token_when_they_are_printed() {
    let token = Token::from_bytes([7; 32]);
    let text = token.to_text();
    let options = DialOptions { token: Some(token), ..DialOptions::default() };
    let shown = format!("{options:?}");
    assert!(shown.contains("[redacted]") && !shown.contains(&*text));
}

// ---- plain ----

#[tokio::test]
async fn plain_bytes_do_not_leave_this_machine_unless_a_person_says_so() {
    let plain = DialOptions::default();
    // an address of the documentation range: nothing is sent there
    let refused = dial(&endpoint("ws://192.0.2.1"), &plain).await;
    assert!(matches!(refused, Err(DialError::PlainOffLoopback)), "{refused:?}");
    let named = dial(&endpoint("ws://dev.example.org"), &plain).await;
    assert!(matches!(named, Err(DialError::PlainOffLoopback)), "{named:?}");
    let relay = relay(ListenSecurity::PlainLoopback).await;
    dial(&endpoint(&format!("ws://{}", relay.address)), &plain).await.expect("opens");
}

// ---- what answers ----

/// Answers each connection with fixed bytes once the request is there.
async fn canned(answer: &'static [u8]) -> (Endpoint, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("bound");
    let mut task = JoinSet::new();
    task.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.expect("accepts");
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.expect("a request"));
            }
            stream.write_all(answer).await.expect("writes");
        }
    });
    (endpoint(&format!("ws://{address}")), task)
}

#[tokio::test]
async fn each_answer_is_told_by_what_a_person_can_do() {
    use quarterdeck_core::link::{DialFailure as F, Refusal as R};
    let seconds = Duration::from_secs;
    let cases: [(&'static [u8], F, &str); 12] = [
        (
            b"HTTP/1.1 401 Unauthorized\r\n\r\n",
            F::Refused(R::BadCredential),
            "does not accept the cred",
        ),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", F::Refused(R::Forbidden), "does not allow"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", F::Retry, "is no relay (HTTP 404)"),
        (b"HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n", F::Retry, "is no relay (HTTP 302)"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", F::Retry, "is no relay (HTTP 200)"),
        (b"HTTP/1.1 426 Upgrade Required\r\n\r\n", F::Refused(R::Version), "another version"),
        (
            b"HTTP/1.1 429 Too Many\r\nRetry-After: 90\r\n\r\n",
            F::RetryNotBefore(seconds(90)),
            "90 s",
        ),
        (
            b"HTTP/1.1 429 Too Many\r\nRetry-After: 99999999\r\n\r\n",
            F::RetryNotBefore(seconds(600)),
            "600 s",
        ),
        (b"HTTP/1.1 503 Busy\r\nRetry-After: 2\r\n\r\n", F::RetryNotBefore(seconds(2)), "just now"),
        (b"HTTP/1.1 503 Busy\r\nRetry-After: Tue\r\n\r\n", F::Retry, "just now"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", F::Retry, "is no relay"),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
            F::Retry,
            "is no relay",
        ),
    ];
    for (answer, failure, words) in cases {
        let (endpoint, _task) = canned(answer).await;
        let error = dial(&endpoint, &DialOptions::default()).await.expect_err("no relay");
        let text = String::from_utf8_lossy(answer);
        assert_eq!(error.failure(), failure, "{text}");
        assert!(error.to_string().contains(words), "{error} for {text}");
    }
}

#[tokio::test]
async fn a_websocket_server_of_another_kind_is_another_version() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("bound");
    let (served, dialled) = tokio::join!(
        async {
            let (stream, _) = listener.accept().await.expect("accepts");
            tokio_tungstenite::accept_async(stream).await
        },
        async { dial(&endpoint(&format!("ws://{address}")), &DialOptions::default()).await },
    );
    served.expect("upgraded");
    assert!(matches!(dialled, Err(DialError::Version)), "{dialled:?}");
}

#[tokio::test]
async fn nothing_that_listens_is_told_apart_from_no_answer() {
    // bound and not listened on
    let closed = TcpSocket::new_v4().expect("a socket");
    closed.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("binds");
    let address = closed.local_addr().expect("bound");
    for nowhere in [format!("ws://{address}"), "unix:/nonexistent/relay.sock".to_owned()] {
        let nowhere = endpoint(&nowhere);
        let refused = dial(&nowhere, &DialOptions::default()).await;
        assert!(matches!(refused, Err(DialError::Refused)), "{refused:?}");
        let found = probe(&nowhere, &DialOptions::default(), Duration::from_secs(5)).await;
        assert_eq!(found, Probe::Unreachable);
    }
}

#[tokio::test]
async fn a_peer_that_never_answers_is_given_up_in_each_step() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("bound");
    let short = Duration::from_millis(50);
    let limits = DialLimits { tls: short, upgrade: short, ..DialLimits::default() };
    for (scheme, expected) in [("wss", DialStep::Tls), ("ws", DialStep::Upgrade)] {
        let options = with_tls(pinned(Pin::of_spki(b"any")));
        let dialled = connect(&endpoint(&format!("{scheme}://{address}")), &options, &limits).await;
        match dialled {
            Err(DialError::Timeout { step }) => assert_eq!(step, expected),
            other => panic!("{other:?}"),
        }
    }
    let reached = probe(&wss(address), &DialOptions::default(), Duration::from_secs(5)).await;
    assert_eq!(reached, Probe::Reached);
}

#[tokio::test]
async fn a_peer_without_tls_is_named_as_such() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("bound");
    let serve = async {
        let (mut stream, _) = listener.accept().await.expect("accepts");
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.expect("writes");
        stream
    };
    let options = with_tls(pinned(Pin::of_spki(b"any")));
    let at = wss(address);
    let (_stream, dialled) = tokio::join!(serve, dial(&at, &options));
    assert_eq!(tls_failure(dialled), TlsFailure::NotTls);
}

// ---- Unix sockets ----

#[tokio::test]
async fn a_unix_socket_is_reached_however_long_its_path_is() {
    let directory = private_directory();
    for depth in [0, 12] {
        let mut path = directory.path().to_owned();
        path.extend((0..depth).map(|n| format!("a-directory-{n}")));
        fs::create_dir_all(&path).expect("makes");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("chmod");
        let path = path.join("relay.sock");
        assert!(depth == 0 || path.as_os_str().len() > 150);
        let mut listener = Listener::bind_unix(&path).expect("binds");
        let at = Endpoint::Unix { path };
        let options = DialOptions::default();
        let serve = async {
            let accepted = listener.accept().await;
            let uid = rustix::process::geteuid().as_raw();
            let pid = i32::try_from(std::process::id()).ok();
            assert_eq!(accepted.peer, Peer::Unix { uid, pid });
            RelaySide::accept(Box::new(accepted.stream)).await
        };
        let (_served, dialled) = tokio::join!(serve, dial(&at, &options));
        dialled.expect("opens");
    }
}

#[tokio::test]
async fn a_socket_that_closes_at_once_is_a_lost_connection() {
    let directory = private_directory();
    let (listener, path) = raw_socket(&directory);
    let options = DialOptions::default();
    let at = Endpoint::Unix { path };
    let serve = async { drop(listener.accept().await) };
    let ((), dialled) = tokio::join!(serve, dial(&at, &options));
    assert!(matches!(dialled, Err(DialError::Io(_))), "{dialled:?}");
}

// ---- proxy ----

#[tokio::test]
async fn a_proxy_opens_the_way_to_a_name_that_only_it_knows() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("bound");
    let tls = own_certificate(&private_directory());
    let options = DialOptions {
        proxy: Some(format!("http://{address}").parse().expect("a proxy")),
        ..with_tls(pinned(tls.pin()))
    };
    let serve = async {
        let (mut stream, _) = listener.accept().await.expect("accepts");
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.expect("a request"));
        }
        assert!(request.starts_with(b"CONNECT inside.invalid:443 HTTP/1.1\r\n"));
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.expect("writes");
        let acceptor = tokio_rustls::TlsAcceptor::from(tls.config.clone());
        let stream = acceptor.accept(stream).await.expect("a handshake");
        RelaySide::accept(Box::new(stream)).await
    };
    let at = endpoint("wss://inside.invalid:443");
    let (_relay, dialled) = tokio::join!(serve, dial(&at, &options));
    dialled.expect("opens");
}

// ---- anything ----

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn whatever_answers_the_upgrade_it_is_an_error_and_no_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        status in 100u16..600,
        as_http in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let outcome = runtime.block_on(async {
            let (ours, mut theirs) = tokio::io::duplex(16);
            let wanted = Upgrade { authority: "x".to_owned(), path: "/v1/ws", credential: Credential::None };
            let head = if as_http { format!("HTTP/1.1 {status} X\r\n") } else { String::new() };
            let talk = async {
                let (mut read, mut write) = tokio::io::split(&mut theirs);
                let mut request = vec![0; 4096];
                let answer = [head.as_bytes(), &bytes].concat();
                tokio::select! {
                    biased;
                    _ = async { loop { if read.read(&mut request).await.unwrap_or(0) == 0 { break } } } => {}
                    _ = write.write_all(&answer) => {}
                }
                drop(theirs);
            };
            let (upgraded, ()) = tokio::join!(upgrade(Box::new(ours), &wanted), talk);
            upgraded
        });
        prop_assert!(outcome.is_err());
    }
}
