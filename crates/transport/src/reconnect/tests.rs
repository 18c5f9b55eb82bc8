//! Links in virtual time over scripted dials, and one over a real socket.

use super::*;
use crate::{
    client::{ClientOptions, ClosedWhy, Incoming},
    dial::{DialError, DialOptions},
    endpoint::Endpoint,
    server::Listener,
    testing::{RelaySide, connected, hello, private_directory},
    tls::TlsFailure,
};
use quarterdeck_core::link::RETRY_LADDER;
use quarterdeck_crypto::Pin;
use quarterdeck_protocol::method::HelloParams;
use std::{collections::VecDeque, sync::Mutex};
use tokio::io::DuplexStream;

/// How a scripted dial ends.
enum Script {
    Fails(DialError),
    /// With this relay and this ticket.
    Connects(u8, &'static str),
    Hangs,
}

/// Dials as its script says, and notes what happened.
#[derive(Clone)]
struct Scripted(Arc<Stage>);

struct Stage {
    script: Mutex<VecDeque<Script>>,
    probes: Mutex<VecDeque<Probe>>,
    tickets: Mutex<Vec<Option<String>>>,
    relays: mpsc::Sender<RelaySide<DuplexStream>>,
}

fn scripted(
    script: impl IntoIterator<Item = Script>,
) -> (Scripted, mpsc::Receiver<RelaySide<DuplexStream>>) {
    let (relays, made) = mpsc::channel(16);
    let stage = Stage {
        script: Mutex::new(script.into_iter().collect()),
        probes: Mutex::default(),
        tickets: Mutex::default(),
        relays,
    };
    (Scripted(Arc::new(stage)), made)
}

impl Scripted {
    fn tickets(&self) -> Vec<Option<String>> {
        self.0.tickets.lock().expect("whole").clone()
    }
    fn probes_fail(&self, times: usize) {
        *self.0.probes.lock().expect("whole") = vec![Probe::Unreachable; times].into();
    }
}

impl Dialer for Scripted {
    async fn probe(&self, _: Duration) -> Probe {
        self.0.probes.lock().expect("whole").pop_front().unwrap_or(Probe::Reached)
    }
    async fn dial(&self, ticket: Option<String>) -> Result<Connected, ReconnectError> {
        self.0.tickets.lock().expect("whole").push(ticket);
        let next = self.0.script.lock().expect("whole").pop_front();
        match next.expect("one dial too many") {
            Script::Fails(error) => Err(error.into()),
            Script::Connects(relay, ticket) => {
                let (client, events, side) = connected(1024, ClientOptions::default()).await;
                self.0.relays.send(side).await.expect("the test listens");
                Ok((client, events, hello(relay, ticket)))
            }
            Script::Hangs => std::future::pending().await,
        }
    }
}

async fn wait_of(events: &mut LinkEvents) -> Duration {
    match events.next().await {
        Some(LinkEvent::Reconnecting { wait, .. }) => wait,
        other => panic!("not reconnecting: {other:?}"),
    }
}
async fn connection_of(events: &mut LinkEvents) -> (Client, Events, HelloResult) {
    match events.next().await {
        Some(LinkEvent::Connected { client, events, hello }) => (client, events, *hello),
        other => panic!("not connected: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn it_goes_on_until_the_session_layer_is_ready() {
    let (dialer, mut relays) = scripted([
        Script::Fails(DialError::Refused),
        // the host is back, its relay is not
        Script::Fails(DialError::NotARelay { status: Some(502) }),
        Script::Connects(1, "t1"),
    ]);
    dialer.probes_fail(2);
    let (_handle, mut events) = start(dialer.clone(), Known::default(), 1);
    for step in &RETRY_LADDER[..4] {
        let wait = wait_of(&mut events).await;
        assert!(wait <= *step && wait >= *step / 2, "{wait:?} for {step:?}");
    }
    let (_client, _events, hello) = connection_of(&mut events).await;
    assert_eq!(hello.ticket, "t1");
    assert!(relays.try_recv().is_ok());
    assert_eq!(dialer.tickets(), [None, None, None]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_link_comes_back_as_the_same_client() {
    let (dialer, mut relays) = scripted([Script::Connects(1, "t1"), Script::Connects(1, "t2")]);
    let (_handle, mut events) = start(dialer.clone(), Known::default(), 1);
    let (client, mut first, _) = connection_of(&mut events).await;
    drop(relays.recv().await);
    assert!(matches!(first.next().await, Some(Incoming::Closed { .. })));
    assert!(matches!(client.closed().await, ClosedWhy::Lost { .. }));
    // it was young, so it waits a moment
    assert!(wait_of(&mut events).await <= RETRY_LADDER[0]);
    let (_client, _events, hello) = connection_of(&mut events).await;
    assert_eq!(hello.ticket, "t2");
    assert_eq!(dialer.tickets(), [None, Some("t1".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn a_link_that_stood_for_a_while_comes_back_at_once() {
    let (dialer, mut relays) = scripted([Script::Connects(1, "t1"), Script::Connects(1, "t2")]);
    let (_handle, mut events) = start(dialer, Known::default(), 1);
    let _first = connection_of(&mut events).await;
    let relay = relays.recv().await;
    tokio::time::advance(Duration::from_secs(20)).await;
    drop(relay);
    let lost = Instant::now();
    connection_of(&mut events).await;
    assert_eq!(lost.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_stays_until_something_changes() {
    let seen = Pin::of_spki(b"new key");
    let mismatch = DialError::Tls(TlsFailure::PinMismatch { seen });
    let (dialer, _relays) = scripted([Script::Fails(mismatch)]);
    let (handle, mut events) = start(dialer, Known::default(), 1);
    match events.next().await {
        Some(LinkEvent::Refused { why, cause: Some(cause) }) => {
            assert_eq!(why, Refusal::PinMismatch { seen });
            assert!(cause.to_string().contains(&seen.to_string()));
        }
        other => panic!("{other:?}"),
    }
    let month = Duration::from_secs(30 * 24 * 3600);
    let silence = tokio::time::timeout(month, events.next()).await;
    assert!(silence.is_err(), "{silence:?}");
    let (changed, _more) = scripted([Script::Connects(1, "t1")]);
    handle.changed(changed).await;
    connection_of(&mut events).await;
}

#[tokio::test(start_paused = true)]
async fn another_relay_at_the_same_address_is_refused() {
    let (dialer, mut relays) = scripted([Script::Connects(1, "t1"), Script::Connects(2, "t2")]);
    let (handle, mut events) = start(dialer.clone(), Known::default(), 1);
    let _first = connection_of(&mut events).await;
    drop(relays.recv().await);
    wait_of(&mut events).await;
    match events.next().await {
        Some(LinkEvent::Refused { why: Refusal::RelayChanged { expected, seen }, .. }) => {
            assert_ne!(expected, seen);
        }
        other => panic!("{other:?}"),
    }
    // its connection is closed, and its ticket is not kept
    let mut other = relays.recv().await.expect("was dialled");
    let end = futures_util::StreamExt::next(&mut other.0).await;
    assert!(end.is_none_or(|last| last.is_err()));
    let (again, _relays) = scripted([Script::Connects(1, "t3")]);
    handle.changed(again.clone()).await;
    connection_of(&mut events).await;
    assert_eq!(again.tickets(), [Some("t1".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn a_manual_connect_does_not_wait() {
    let locked = DialError::LockedOut { retry_after: Duration::from_secs(300) };
    let (dialer, _relays) = scripted([Script::Fails(locked), Script::Connects(1, "t1")]);
    let (handle, mut events) = start(dialer, Known::default(), 1);
    assert_eq!(wait_of(&mut events).await, Duration::from_secs(300));
    let asked = Instant::now();
    handle.connect().await;
    connection_of(&mut events).await;
    assert_eq!(asked.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_disconnected_link_is_closed_and_stays_down() {
    let (dialer, mut relays) = scripted([Script::Connects(1, "t1"), Script::Connects(1, "t2")]);
    let (handle, mut events) = start(dialer, Known::default(), 1);
    let (client, mut inbox, _) = connection_of(&mut events).await;
    let mut relay = relays.recv().await.expect("was dialled");
    handle.disconnect().await;
    // handles that are still held do not keep it open, and the relay hears a farewell
    let farewell = futures_util::StreamExt::next(&mut relay.0).await;
    assert!(farewell.is_some_and(|last| last.is_ok_and(|message| message.is_close())));
    assert_eq!(client.closed().await, ClosedWhy::Here);
    assert!(matches!(inbox.next().await, Some(Incoming::Closed { why: ClosedWhy::Here })));
    let silence = tokio::time::timeout(Duration::from_secs(3600), events.next()).await;
    assert!(silence.is_err(), "{silence:?}");
    handle.connect().await;
    connection_of(&mut events).await;
}

#[tokio::test(start_paused = true)]
async fn a_dial_that_never_ends_is_abandoned() {
    let (dialer, _relays) = scripted([Script::Hangs, Script::Connects(1, "t1")]);
    let (_handle, mut events) = start(dialer, Known::default(), 1);
    wait_of(&mut events).await;
    connection_of(&mut events).await;
}

#[tokio::test(start_paused = true)]
async fn dropping_the_handle_ends_everything() {
    let (dialer, mut relays) = scripted([Script::Connects(1, "t1")]);
    let (handle, mut events) = start(dialer, Known::default(), 1);
    let (client, inbox, _) = connection_of(&mut events).await;
    drop(handle);
    assert!(events.next().await.is_none());
    drop((client, inbox));
    let mut relay = relays.recv().await.expect("was dialled");
    let end = futures_util::StreamExt::next(&mut relay.0).await;
    assert!(end.is_none_or(|last| last.is_err()));
}

#[tokio::test]
async fn a_relay_that_is_restarted_is_found_again() {
    let directory = private_directory();
    let path = directory.path().join("relay.sock");
    let at = Endpoint::Unix { path: path.clone() };
    let params = HelloParams { name: "test".to_owned(), ..HelloParams::default() };
    let dialer = RelayDialer::new(at, DialOptions::default(), params);

    let mut listener = Listener::bind_unix(&path).expect("binds");
    let (handle, mut events) = start(dialer, Known::default(), 1);
    let mut relay = RelaySide::accept(Box::new(listener.accept().await.stream)).await;
    assert_eq!(relay.greet(1, "t1").await, None);
    let (client, _inbox, hello) = connection_of(&mut events).await;
    assert_eq!(hello.principal.name(), "alice");

    drop((relay, listener));
    client.closed().await;
    wait_of(&mut events).await;
    let mut listener = Listener::bind_unix(&path).expect("a dead relay's socket is replaced");
    handle.connect().await;
    let mut relay = RelaySide::accept(Box::new(listener.accept().await.stream)).await;
    assert_eq!(relay.greet(1, "t2").await, Some("t1".to_owned()));
    connection_of(&mut events).await;
}

#[test]
fn what_a_relay_says_to_hello_decides_what_follows() {
    use quarterdeck_protocol::error::{ErrorCode, RpcError};
    let failure = |code| {
        let error = RpcError::new(code, "no");
        ReconnectError::Hello(HelloError::Refused(error)).failure()
    };
    assert_eq!(failure(ErrorCode::Forbidden), DialFailure::Refused(Refusal::Forbidden));
    assert_eq!(failure(ErrorCode::MethodNotFound), DialFailure::Refused(Refusal::Version));
    assert_eq!(failure(ErrorCode::Overloaded), DialFailure::Retry);
    assert_eq!(failure(ErrorCode::ShuttingDown), DialFailure::Retry);
}
