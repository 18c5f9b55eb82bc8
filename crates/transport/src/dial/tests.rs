//! Dials over real sockets of this machine: TLS, certificates, pins, HTTP answers, ssh, proxies.

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

// ---- TLS ----

#[tokio::test]
async fn the_right_pin_opens_the_connection_without_an_authority() {
    let directory = private_directory();
    let tls = own_certificate(&directory);
    let mut relay = relay(ListenSecurity::Tls(tls.clone())).await;
    let other = Pin::of_spki(b"an old key");
    let both = PinSet::new([other, tls.pin()]).expect("two");
    let trust = ServerTrust::Pins(both);
    dial(&wss(relay.address), &with_tls(ClientTls { trust, identity: None })).await.expect("opens");
    assert!(matches!(relay.peers.recv().await, Some(Peer::Tcp { pin: None, .. })));
    // after a restart the certificate is the same
    assert_eq!(own_certificate(&directory).pin(), tls.pin());
}

#[tokio::test]
async fn a_wrong_pin_is_refused_in_the_handshake_and_the_seen_one_is_named() {
    let tls = own_certificate(&private_directory());
    let relay = relay(ListenSecurity::Tls(tls.clone())).await;
    for trust in [pinned(Pin::of_spki(b"another")).trust, ServerTrust::Pins(PinSet::default())] {
        let options = with_tls(ClientTls { trust, identity: None });
        let dialled = dial(&wss(relay.address), &options).await;
        let failure = tls_failure(dialled);
        assert_eq!(failure, TlsFailure::PinMismatch { seen: tls.pin() });
        assert!(failure.to_string().contains(&tls.pin().to_string()));
    }
}

#[tokio::test]
async fn a_copied_certificate_without_its_key_is_worth_nothing() {
    use rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        server::{ClientHello, ResolvesServerCert},
        sign::CertifiedKey,
    };
    #[derive(Debug)]
    struct Impostor(Arc<CertifiedKey>);
    impl ResolvesServerCert for Impostor {
        fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
            Some(Arc::clone(&self.0))
        }
    }
    let (honest, impostor) = (private_directory(), private_directory());
    let pin = own_certificate(&honest).pin();
    own_certificate(&impostor);
    let chain = vec![CertificateDer::from_pem_file(honest.path().join("tls.pem")).expect("one")];
    let key = PrivateKeyDer::from_pem_file(impostor.path().join("tls.pem")).expect("a key");
    let key = ring::sign::any_supported_type(&key).expect("signs");
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let resolver = Impostor(Arc::new(CertifiedKey::new(chain.clone(), Arc::clone(&key))));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[version])
            .expect("a version")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(resolver));
        let tls = own_certificate(&honest).with_config(config);
        let relay = relay(ListenSecurity::Tls(tls)).await;
        let failure = tls_failure(dial(&wss(relay.address), &with_tls(pinned(pin))).await);
        assert!(
            matches!(
                failure,
                TlsFailure::Other(rustls::Error::InvalidCertificate(
                    rustls::CertificateError::BadSignature
                ))
            ),
            "{version:?}: {failure:?}"
        );
    }
}

#[tokio::test]
async fn tls_1_2_is_spoken_with_a_peer_that_knows_no_better() {
    let directory = private_directory();
    let tls = own_certificate(&directory);
    let pin = tls.pin();
    let mut config = (*tls.config).clone();
    config.alpn_protocols = Vec::new();
    let old = rustls::ServerConfig::builder_with_provider(config.crypto_provider().clone())
        .with_protocol_versions(&[&rustls::version::TLS12])
        .expect("a version")
        .with_no_client_auth()
        .with_cert_resolver(config.cert_resolver.clone());
    let relay = relay(ListenSecurity::Tls(tls.with_config(old))).await;
    dial(&wss(relay.address), &with_tls(pinned(pin))).await.expect("opens");
}

#[tokio::test]
async fn a_named_authority_is_believed_for_its_names_and_others_are_not() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let signed = files(ours.sign("localhost", Usage::ServerAuth, |_| {}));
    let tls = ServerTls::load(&signed, &ClientAuth::None).expect("loads");
    let seen = tls.pin();
    let relay = relay(ListenSecurity::Tls(tls)).await;
    let trust = |authority: &Authority| {
        let trust = ServerTrust::File(authority.file());
        with_tls(ClientTls { trust, identity: None })
    };
    let by_name = endpoint(&format!("wss://localhost:{}", relay.address.port()));
    dial(&by_name, &trust(&ours)).await.expect("opens");
    let failure = tls_failure(dial(&by_name, &trust(&theirs)).await);
    assert_eq!(failure, TlsFailure::Untrusted { seen });
    let failure = tls_failure(dial(&wss(relay.address), &trust(&ours)).await);
    assert_eq!(failure, TlsFailure::WrongName { seen });
    // the pin decides alone: the address is not in the certificate
    dial(&wss(relay.address), &with_tls(pinned(seen))).await.expect("opens");
}

#[tokio::test]
async fn an_expired_certificate_is_refused_unless_it_is_pinned() {
    let authority = Authority::new("ours");
    let signed = files(authority.sign("localhost", Usage::ServerAuth, |params| {
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    }));
    let tls = ServerTls::load(&signed, &ClientAuth::None).expect("loads");
    let seen = tls.pin();
    let relay = relay(ListenSecurity::Tls(tls)).await;
    let at = endpoint(&format!("wss://localhost:{}", relay.address.port()));
    let trust = ServerTrust::File(authority.file());
    let failure = tls_failure(dial(&at, &with_tls(ClientTls { trust, identity: None })).await);
    assert_eq!(failure, TlsFailure::NotValidNow { seen });
    dial(&at, &with_tls(pinned(seen))).await.expect("opens");
}

#[tokio::test]
async fn a_client_certificate_lets_in_and_a_missing_or_foreign_one_does_not() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let namesake = Authority::new("ours");
    let identity = |(certificate, key): (PathBuf, PathBuf)| ClientIdentity { certificate, key };
    let good = identity(ours.sign("good", Usage::ClientAuth, |_| {}));
    let foreign = identity(theirs.sign("foreign", Usage::ClientAuth, |_| {}));
    let namesakes = identity(namesake.sign("good", Usage::ClientAuth, |_| {}));
    let directory = private_directory();
    let own = ServerIdentity::Own { path: directory.path().join("tls.pem") };
    let required = ClientAuth::Required { authorities: ours.file() };
    let tls = ServerTls::load(&own, &required).expect("loads");
    let options = |identity: Option<&ClientIdentity>| {
        with_tls(ClientTls { identity: identity.cloned(), ..pinned(tls.pin()) })
    };
    let mut strict = relay(ListenSecurity::Tls(tls.clone())).await;
    dial(&wss(strict.address), &options(Some(&good))).await.expect("opens");
    let pin = crate::tls::pin_of_file(&good.certificate).expect("a pin");
    let seen = strict.peers.recv().await;
    assert!(matches!(seen, Some(Peer::Tcp { pin: Some(shown), .. }) if shown == pin), "{seen:?}");
    for refused in [None, Some(&foreign), Some(&namesakes)] {
        let failure = tls_failure(dial(&wss(strict.address), &options(refused)).await);
        assert_eq!(failure, TlsFailure::ClientCertificate);
    }

    let optional = ClientAuth::Optional { authorities: ours.file() };
    let lenient = ServerTls::load(&own, &optional).expect("loads");
    let mut lenient = relay(ListenSecurity::Tls(lenient)).await;
    dial(&wss(lenient.address), &options(None)).await.expect("opens");
    assert!(matches!(lenient.peers.recv().await, Some(Peer::Tcp { pin: None, .. })));
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

// ---- ssh ----

/// A directory with a program that stands in for ssh.
fn fake_ssh(script: &str) -> (tempfile::TempDir, SshOptions) {
    let directory = private_directory();
    let program = directory.path().join("ssh");
    let script = script.replace("DIR", &directory.path().to_string_lossy());
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("writes");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("chmod");
    (directory, SshOptions { program, prompts: SshPrompts::Never })
}

fn with_ssh(ssh: SshOptions) -> DialOptions {
    DialOptions { ssh, ..DialOptions::default() }
}

fn make_pipes(directory: &tempfile::TempDir) -> (PathBuf, PathBuf) {
    let pipes = (directory.path().join("to-relay"), directory.path().join("from-relay"));
    for pipe in [&pipes.0, &pipes.1] {
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, pipe, kind, mode, 0).expect("makes a pipe");
    }
    pipes
}

#[tokio::test]
async fn ssh_is_a_pipe_to_the_relay_and_dies_with_the_connection() {
    use tokio::net::unix::pipe;
    // like ssh it carries bytes both ways between its streams and the far side
    let script = r#"printf '%s|' "$@" > DIR/words
        cat DIR/from-relay & exec cat > DIR/to-relay"#;
    let (directory, ssh) = fake_ssh(script);
    let (to_relay, from_relay) = make_pipes(&directory);
    // opened for reading and writing, a pipe waits for nobody; then the far ends are ours
    let input = pipe::OpenOptions::new().open_receiver(&to_relay).expect("opens");
    let keep = pipe::OpenOptions::new().read_write(true).open_sender(&from_relay).expect("opens");
    let stream: ByteStream = Box::new(tokio::io::join(input, keep));
    let options = with_ssh(ssh);
    let at = endpoint("ssh://me@dev:2222");
    let (dialled, mut relay) = tokio::join!(dial(&at, &options), RelaySide::accept(stream));
    let words = fs::read_to_string(directory.path().join("words")).expect("reads");
    assert!(words.ends_with("-p|2222|--|me@dev|qd|relay|--stdio|"), "{words}");
    drop(dialled.expect("opens"));
    // the end of the pipe is the end of the process
    assert!(futures_util::StreamExt::next(&mut relay.0).await.is_none_or(|last| last.is_err()));
}

#[tokio::test]
async fn what_ssh_says_when_it_fails_is_the_error() {
    let script = r#"printf 'noise\033[31m\n' >&2; echo 'me@dev: Permission denied (publickey).' >&2; exit 255"#;
    let (_directory, ssh) = fake_ssh(script);
    match dial(&endpoint("ssh://dev"), &with_ssh(ssh)).await {
        Err(DialError::Ssh { status: Some(255), said }) => {
            assert_eq!(said, "noise [31m\nme@dev: Permission denied (publickey).");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_ssh_failure_that_no_retry_mends_is_final() {
    use quarterdeck_core::link::{DialFailure as F, Refusal as R};
    for (said, failure) in [
        ("me@dev: Permission denied (publickey).", F::Refused(R::BadCredential)),
        ("Host key verification failed.", F::Refused(R::Untrusted)),
        ("ssh: connect to host dev port 22: Connection refused", F::Retry),
    ] {
        let error = DialError::Ssh { status: Some(255), said: said.to_owned() };
        assert_eq!(error.failure(), failure, "{said}");
    }
    // the same words from the command on the other side are its own affair
    let said = "sh: 1: qd: Permission denied".to_owned();
    assert_eq!(DialError::Ssh { status: Some(126), said }.failure(), F::Retry);
}

#[tokio::test]
async fn a_remote_shell_that_prints_a_greeting_is_named_as_the_cause() {
    let (_directory, ssh) = fake_ssh("echo 'Welcome to dev!'; exec tail -f /dev/null");
    let dialled = dial(&endpoint("ssh://dev"), &with_ssh(ssh)).await;
    assert!(matches!(dialled, Err(DialError::SshNoise)), "{dialled:?}");
}

#[tokio::test]
async fn only_the_last_words_of_a_talkative_ssh_are_kept() {
    let script = "i=0; while [ $i -lt 2000 ]; do echo 'blah blah blah' >&2; i=$((i+1)); done; \
                  echo 'qd: not found' >&2; exit 127";
    let (_directory, ssh) = fake_ssh(script);
    match dial(&endpoint("ssh://dev"), &with_ssh(ssh)).await {
        Err(DialError::Ssh { status: Some(127), said }) => {
            assert!(said.len() <= crate::limits::MAX_SSH_STDERR_BYTES);
            assert!(said.ends_with("qd: not found"), "{said}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_ssh_that_hangs_is_given_up_and_one_that_is_missing_is_named() {
    let (_directory, ssh) = fake_ssh("exec tail -f /dev/null");
    let limits = DialLimits { ssh: Duration::from_millis(50), ..DialLimits::default() };
    let hangs = connect(&endpoint("ssh://dev"), &with_ssh(ssh), &limits).await;
    assert!(matches!(hangs, Err(DialError::Timeout { step: DialStep::Ssh })), "{hangs:?}");
    let program = PathBuf::from("/nonexistent/ssh");
    let missing = SshOptions { program: program.clone(), prompts: SshPrompts::Never };
    match dial(&endpoint("ssh://dev"), &with_ssh(missing)).await {
        Err(DialError::SshStart { program: named, .. }) => assert_eq!(named, program),
        other => panic!("{other:?}"),
    }
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
