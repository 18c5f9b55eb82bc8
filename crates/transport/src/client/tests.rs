//! The client over in-memory pipes, most of them tiny, in virtual time.

use super::*;
use crate::testing::{RelaySide, connected, time_passes};
use futures_util::{SinkExt, StreamExt};
use proptest::prelude::*;
use quarterdeck_protocol::{
    error::ErrorCode,
    frame::{Body, Flags},
    ids::{Channel, Out},
    method::{ChannelParams, Empty, Hello, RelayShutdown, SessionDetach},
};
use std::{
    pin::Pin,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex},
    time::Instant,
};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

const TINY: usize = 7;

async fn open(pipe_bytes: usize) -> (Client, Events, RelaySide<DuplexStream>) {
    connected(pipe_bytes, ClientOptions::default()).await
}

fn detach(channel: u32) -> ChannelParams {
    ChannelParams { channel: Channel(channel) }
}

fn out(at: u64, bytes: &[u8]) -> Frame<'_> {
    let body = Body::Out { out: Out(at), flags: Flags::default(), bytes };
    Frame { channel: Channel(1), body }
}

/// A client whose peer is bytes, not a WebSocket library.
async fn open_raw() -> (Client, Events, DuplexStream) {
    let (ours, theirs) = duplex(64 * 1024);
    let (client, events) = open_over(ours).await;
    (client, events, theirs)
}

async fn open_over(ours: impl crate::stream::Duplex + 'static) -> (Client, Events) {
    use tokio_tungstenite::{WebSocketStream, tungstenite::protocol::Role};
    let ours = crate::stream::Counted::new(Box::new(ours));
    let config = Some(crate::dial::websocket_config());
    let stream = WebSocketStream::from_raw_socket(ours, Role::Client, config).await;
    Client::start(stream, ClientOptions::default())
}

async fn why(events: &mut Events) -> ClosedWhy {
    match events.next().await {
        Some(Incoming::Closed { why }) => why,
        other => panic!("not closed: {other:?}"),
    }
}

#[tokio::test]
async fn a_call_gets_its_own_answer_whatever_the_order() {
    let (client, _events, mut relay) = open(TINY).await;
    let params = detach(1);
    let calls = async {
        tokio::join!(client.call::<SessionDetach>(&params), client.call::<RelayShutdown>(&Empty {}))
    };
    let served = async {
        let (first, method, params) = relay.request().await;
        assert_eq!(
            (method.as_str(), params.expect("some").get()),
            ("session.detach", r#"{"channel":1}"#)
        );
        let (second, ..) = relay.request().await;
        relay.fail(&second, &RpcError::new(ErrorCode::Forbidden, "no")).await;
        relay.answer(&first, &Empty {}).await;
    };
    let ((detached, stopped), ()) = tokio::join!(calls, served);
    assert_eq!(detached.expect("an answer"), Empty {});
    let Err(CallError::Rpc(error)) = stopped else { panic!("no error: {stopped:?}") };
    assert_eq!(error.code(), ErrorCode::Forbidden);
}

#[tokio::test]
async fn an_answer_is_there_before_what_came_after_it() {
    let (client, mut events, mut relay) = open(TINY).await;
    let params = detach(1);
    let serve = async {
        relay.notify("before").await;
        let (id, ..) = relay.request().await;
        relay.answer(&id, &Empty {}).await;
        relay.frame(out(0, b"after").to_vec()).await;
        relay
    };
    let (answer, _relay) = tokio::join!(client.call::<SessionDetach>(&params), serve);
    answer.expect("an answer");
    let first = events.next().await;
    assert!(matches!(first, Some(Incoming::Notification { method, .. }) if method == "before"));
    let Some(Incoming::Frame(bytes)) = events.next().await else { panic!("no frame") };
    assert_eq!(Frame::parse(&bytes), Ok(out(0, b"after")));
}

#[tokio::test]
async fn an_answer_can_come_in_its_place_in_the_stream() {
    let (client, mut events, mut relay) = open(TINY).await;
    let params = detach(1);
    let serve = async {
        let (id, ..) = relay.request().await;
        relay.frame(out(0, b"a").to_vec()).await;
        relay.answer(&id, &Empty {}).await;
        relay.frame(out(1, b"b").to_vec()).await;
        relay
    };
    let (call, _relay) = tokio::join!(client.request::<SessionDetach>(&params), serve);
    let call = call.expect("sent");
    assert!(matches!(events.next().await, Some(Incoming::Frame(_))));
    match events.next().await {
        Some(Incoming::Answer { call: answered, outcome: Ok(result) }) => {
            assert_eq!(answered, call);
            assert_eq!(read_result::<SessionDetach>(&result).expect("fits"), Empty {});
        }
        other => panic!("no answer: {other:?}"),
    }
    assert!(matches!(events.next().await, Some(Incoming::Frame(_))));
}

#[tokio::test(start_paused = true)]
async fn a_call_without_an_answer_ends_and_its_late_answer_harms_nobody() {
    let (client, _events, mut relay) = open(1024).await;
    let params = detach(1);
    let begun = Instant::now();
    let limit = Duration::from_secs(3);
    let (late, (id, ..)) =
        tokio::join!(client.call_within::<SessionDetach>(&params, limit), relay.request());
    assert!(matches!(late, Err(CallError::Timeout { method: "session.detach" })), "{late:?}");
    assert_eq!(begun.elapsed(), limit);
    relay.answer(&id, &Empty {}).await;
    let again = async {
        let (id, ..) = relay.request().await;
        relay.answer(&id, &Empty {}).await;
    };
    let (answer, ()) = tokio::join!(client.call::<SessionDetach>(&params), again);
    answer.expect("the connection lives on");
}

#[tokio::test]
async fn a_result_that_does_not_fit_is_an_error_of_that_call_only() {
    let (client, _events, mut relay) = open(1024).await;
    let params = Default::default();
    let serve = async {
        let (id, ..) = relay.request().await;
        relay.answer(&id, &[1, 2]).await;
    };
    let (answer, ()) = tokio::join!(client.call::<Hello>(&params), serve);
    assert!(matches!(answer, Err(CallError::Unreadable { method: "hello", .. })), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn requests_in_flight_have_a_bound_and_the_next_one_waits() {
    let (client, _events, mut relay) = open(64 * 1024).await;
    let params = detach(1);
    let mut calls: Vec<_> = Vec::new();
    for _ in 0..=MAX_REQUESTS_IN_FLIGHT {
        calls.push(Box::pin(client.call::<SessionDetach>(&params)));
    }
    let last = calls.pop().expect("one more");
    let many = futures_util::future::join_all(calls);
    let serve = async {
        let mut ids = Vec::new();
        for _ in 0..MAX_REQUESTS_IN_FLIGHT {
            ids.push(relay.request().await.0);
        }
        // nothing more comes until there is room
        let early = timeout(Duration::from_secs(1), relay.request()).await;
        assert!(early.is_err(), "one too many");
        relay.answer(&ids[0], &Empty {}).await;
        let (id, ..) = relay.request().await;
        for id in ids[1..].iter().chain([&id]) {
            relay.answer(id, &Empty {}).await;
        }
    };
    let (many, last, ()) = tokio::join!(many, last, serve);
    assert!(many.iter().all(Result::is_ok) && last.is_ok());
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_nothing_behind() {
    let (client, _events, mut relay) = open(1024).await;
    let params = detach(1);
    for _ in 0..3 * MAX_REQUESTS_IN_FLIGHT {
        tokio::select! {
            biased;
            answer = client.call::<SessionDetach>(&params) => panic!("answered: {answer:?}"),
            _ = relay.request() => {}
        }
    }
    assert_eq!(client.0.in_flight.available_permits(), MAX_REQUESTS_IN_FLIGHT);
    assert!(client.0.pending.is_empty());
}

#[tokio::test]
async fn what_is_too_large_is_refused_here_and_not_there() {
    let (client, _events, _relay) = open(1024).await;
    let name = "x".repeat(MAX_TEXT_FRAME_BYTES);
    let params = quarterdeck_protocol::method::HelloParams { name, ..Default::default() };
    let answer = client.call::<Hello>(&params).await;
    assert!(matches!(answer, Err(CallError::TooLarge { bytes }) if bytes > MAX_TEXT_FRAME_BYTES));
    let big = vec![0; MAX_BINARY_FRAME_BYTES];
    let sent = client.send_frame(out(0, &big)).await;
    assert!(matches!(sent, Err(SendError::TooLarge { .. })));
}

#[tokio::test]
async fn frames_leave_in_order_and_wait_while_the_relay_does_not_read() {
    let (client, _events, mut relay) = open(64).await;
    let payload = [b'x'; 1000];
    let total = 3 * OUTBOX_MESSAGES as u64;
    let send = async {
        for n in 0..total {
            client.send_frame(out(n, &payload)).await.expect("sends");
        }
    };
    // nothing is read yet: the queue fills and the sender waits
    tokio::pin!(send);
    for _ in 0..10 {
        tokio::select! {
            biased;
            () = &mut send => panic!("the queue has no bound"),
            () = tokio::task::yield_now() => {}
        }
    }
    let read = async {
        for n in 0..total {
            let message = relay.0.next().await.expect("a frame").expect("a good one");
            assert_eq!(Frame::parse(&message.into_data()), Ok(out(n, &payload)));
        }
    };
    tokio::join!(send, read);
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_falls_silent_is_noticed() {
    let (client, mut events, relay) = open(1024).await;
    let begun = Instant::now();
    assert_eq!(why(&mut events).await, ClosedWhy::Silent);
    assert_eq!(begun.elapsed(), 3 * PING_INTERVAL);
    assert_eq!(client.closed().await, ClosedWhy::Silent);
    let params = detach(1);
    let call = client.call::<SessionDetach>(&params).await;
    assert!(matches!(call, Err(CallError::Closed(ClosedWhy::Silent))), "{call:?}");
    assert_eq!(client.send_frame(out(0, b"x")).await, Err(SendError::Closed(ClosedWhy::Silent)));
    assert!(events.next().await.is_none());
    drop(relay);
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_answers_pings_lives_for_ever() {
    let (_client, mut events, mut relay) = open(1024).await;
    // reading is what answers pings
    let day = Duration::from_secs(24 * 3600);
    tokio::select! {
        event = events.next() => panic!("not idle: {event:?}"),
        ended = async { while let Some(Ok(_)) = relay.0.next().await {} } => panic!("ended: {ended:?}"),
        () = time_passes(day) => {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_trickles_in_byte_by_byte_is_life_and_arrives() {
    let (_client, mut events, mut peer) = open_raw().await;
    let frame = out(0, &[b'x'; 50]).to_vec();
    let mut bytes = vec![0x82, u8::try_from(frame.len()).expect("short")];
    bytes.extend_from_slice(&frame);
    let trickle = async {
        for byte in &bytes {
            time_passes(Duration::from_secs(20)).await;
            peer.write_all(&[*byte]).await.expect("writes");
        }
    };
    let (event, ()) = tokio::join!(events.next(), trickle);
    let Some(Incoming::Frame(arrived)) = event else { panic!("no frame: {event:?}") };
    assert_eq!(arrived, frame);
}

#[tokio::test(start_paused = true)]
async fn a_slow_consumer_stops_the_reading_and_not_the_connection() {
    let (_client, mut events, mut relay) = open(64).await;
    let total = 4 * INBOX_MESSAGES as u64;
    let send = async {
        for n in 0..total {
            relay.frame(out(n, b"x").to_vec()).await;
        }
    };
    let consume = async {
        // long beyond the heartbeat's patience
        time_passes(Duration::from_secs(3600)).await;
        for n in 0..total {
            let Some(Incoming::Frame(bytes)) = events.next().await else { panic!("lost {n}") };
            assert_eq!(Frame::parse(&bytes), Ok(out(n, b"x")));
        }
    };
    tokio::join!(send, consume);
}

#[tokio::test]
async fn a_frame_of_a_gigabyte_is_refused_when_it_is_announced() {
    let (_client, mut events, mut peer) = open_raw().await;
    let mut header = vec![0x82, 127];
    header.extend_from_slice(&(1u64 << 30).to_be_bytes());
    peer.write_all(&header).await.expect("writes");
    let why = why(&mut events).await;
    assert!(matches!(&why, ClosedWhy::Protocol { what } if what.contains("too long")), "{why:?}");
}

#[tokio::test]
async fn a_binary_frame_above_the_protocols_limit_is_refused_though_a_text_may_be_longer() {
    let (_client, mut events, mut relay) = open(4 * MAX_TEXT_FRAME_BYTES).await;
    relay.notify(&"x".repeat(2 * MAX_BINARY_FRAME_BYTES)).await;
    assert!(matches!(events.next().await, Some(Incoming::Notification { .. })));
    relay.frame(vec![0; MAX_BINARY_FRAME_BYTES]).await;
    assert!(matches!(events.next().await, Some(Incoming::Frame(_))));
    relay.frame(vec![0; MAX_BINARY_FRAME_BYTES + 1]).await;
    assert!(matches!(why(&mut events).await, ClosedWhy::Protocol { .. }));
}

#[tokio::test(start_paused = true)]
async fn garbage_ends_the_connection_with_a_reason() {
    for garbage in [
        &b"HTTP/1.1 200 OK\r\n".repeat(10)[..],
        &[0xff; 64],
        // a masked frame from a server
        &[0x81, 0x82, 0, 0, 0, 0, b'h', b'i'],
        // text that is not UTF-8, then text that is not JSON, then JSON that is no message
        &[0x81, 1, 0xff],
        &[0x81, 2, b'h', b'i'],
        &[0x81, 2, b'[', b']'],
    ] {
        let (_client, mut events, mut peer) = open_raw().await;
        peer.write_all(garbage).await.expect("writes");
        let why = why(&mut events).await;
        assert!(matches!(why, ClosedWhy::Protocol { .. }), "{garbage:?}: {why:?}");
    }
}

#[tokio::test]
async fn the_relays_farewell_comes_after_what_it_sent_before() {
    let (client, mut events, mut relay) = open(TINY).await;
    let farewell = CloseFrame { code: CloseCode::Restart, reason: "upgrade".into() };
    let say = async {
        relay.notify("last").await;
        relay.0.close(Some(farewell)).await.expect("sends");
        // the client's half
        assert!(matches!(relay.0.next().await, Some(Ok(Message::Close(_)))));
    };
    let hear = async {
        assert!(matches!(events.next().await, Some(Incoming::Notification { .. })));
        let expected = ClosedWhy::Peer { code: 1012, reason: "upgrade".to_owned() };
        assert_eq!(why(&mut events).await, expected);
    };
    tokio::join!(say, hear);
    assert_eq!(client.closed().await.to_string(), "closed by the relay (1012: upgrade)");
}

/// Can be read, and not be written to.
struct HalfBroken(DuplexStream);

impl AsyncRead for HalfBroken {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}
impl AsyncWrite for HalfBroken {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_relay_said_before_it_went_is_the_reason_and_not_our_broken_pipe() {
    let (ours, mut theirs) = duplex(1024);
    let (client, mut events) = open_over(HalfBroken(ours)).await;
    client.send_frame(out(0, b"x")).await.expect("queued");
    time_passes(Duration::from_millis(1)).await;
    // a farewell with the code 1012
    theirs.write_all(&[0x88, 2, 0x03, 0xf4]).await.expect("writes");
    assert_eq!(why(&mut events).await, ClosedWhy::Peer { code: 1012, reason: String::new() });

    let (ours, _theirs) = duplex(1024);
    let (client, mut events) = open_over(HalfBroken(ours)).await;
    client.send_frame(out(0, b"x")).await.expect("queued");
    assert_eq!(why(&mut events).await, ClosedWhy::Lost { kind: io::ErrorKind::BrokenPipe });
}

#[tokio::test]
async fn a_connection_that_breaks_off_fails_what_waits() {
    let (client, mut events, mut relay) = open(1024).await;
    let params = detach(1);
    let serve = async {
        relay.request().await;
        drop(relay);
    };
    let (answer, ()) = tokio::join!(client.call::<SessionDetach>(&params), serve);
    let Err(CallError::Closed(ClosedWhy::Lost { .. })) = answer else { panic!("{answer:?}") };
    assert!(matches!(why(&mut events).await, ClosedWhy::Lost { .. }));
}

#[tokio::test]
async fn our_farewell_carries_a_reason_and_ends_the_connection() {
    let (client, mut events, mut relay) = open(TINY).await;
    client.send_frame(out(0, b"x")).await.expect("queued");
    let long = "grüße ".repeat(40);
    let read = async {
        assert!(matches!(relay.0.next().await, Some(Ok(Message::Binary(_)))));
        let Some(Ok(Message::Close(Some(frame)))) = relay.0.next().await else {
            panic!("no close")
        };
        assert_eq!(u16::from(frame.code), 1000);
        assert!(long.starts_with(frame.reason.as_str()) && frame.reason.len() > 100);
        assert!(relay.0.next().await.is_none());
    };
    tokio::join!(client.close(1000, &long), read);
    assert_eq!(why(&mut events).await, ClosedWhy::Here);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_ignores_our_farewell_does_not_hold_us() {
    let (client, mut events, _relay) = open(1024).await;
    let begun = Instant::now();
    client.close(1000, "").await;
    assert_eq!(begun.elapsed(), CLOSE_LIMIT);
    assert_eq!(why(&mut events).await, ClosedWhy::Here);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_nothing_does_not_hold_our_farewell() {
    let (client, mut events, _relay) = open(64).await;
    let payload = [b'x'; 1000];
    let flood = async {
        loop {
            client.send_frame(out(0, &payload)).await.expect("the heartbeat is patient");
        }
    };
    let stuck: Result<(), _> = timeout(Duration::from_secs(1), flood).await;
    assert!(stuck.is_err());
    let begun = Instant::now();
    client.close(1000, "").await;
    assert_eq!(begun.elapsed(), CLOSE_LIMIT);
    assert_eq!(why(&mut events).await, ClosedWhy::Here);
}

#[tokio::test]
async fn dropping_the_last_handle_closes_the_socket() {
    let (client, mut events, mut peer) = open_raw().await;
    let second = client.clone();
    drop(client);
    second.send_frame(out(0, b"x")).await.expect("lives on");
    drop(second);
    let mut left = Vec::new();
    peer.read_to_end(&mut left).await.expect("ends");
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn dropping_the_events_closes_the_connection() {
    let (client, events, mut relay) = open(1024).await;
    drop(events);
    relay.notify("x").await;
    assert_eq!(client.closed().await, ClosedWhy::Abandoned);
}

#[tokio::test]
async fn a_request_of_the_relay_gets_its_one_answer() {
    let (_client, _events, mut relay) = open(TINY).await;
    relay.text(rpc::request(&RequestId::Text("q".into()), "new.thing", &()).expect("text")).await;
    let Some(Ok(Message::Text(text))) = relay.0.next().await else { panic!("no answer") };
    let Ok(rpc::Message::Response { id, outcome: Err(error) }) = rpc::Message::parse(&text) else {
        panic!("{text}")
    };
    assert_eq!(id, Some(RequestId::Text("q".into())));
    assert_eq!(error.code(), ErrorCode::MethodNotFound);
}

/// One thing that a relay sends.
#[derive(Debug, Clone)]
enum Sent {
    Frame(Vec<u8>),
    Notification,
    Ping,
}

fn sent() -> impl Strategy<Value = Sent> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..300).prop_map(Sent::Frame),
        Just(Sent::Notification),
        Just(Sent::Ping),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_is_sent_arrives_in_order_through_pipes_of_any_size(
        story in proptest::collection::vec(sent(), 0..40),
        pipe_bytes in 1usize..64,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let (_client, mut events, mut relay) = open(pipe_bytes).await;
            let send = async {
                for (n, what) in story.iter().enumerate() {
                    match what {
                        Sent::Frame(bytes) => relay.frame(bytes.clone()).await,
                        Sent::Notification => relay.notify(&n.to_string()).await,
                        Sent::Ping => {
                            relay.0.send(Message::Ping(Bytes::new())).await.expect("sends");
                        }
                    }
                }
                // pongs come back and must be read
                while relay.0.next().await.is_some() {}
            };
            let receive = async {
                for (n, what) in story.iter().enumerate() {
                    match what {
                        Sent::Ping => {}
                        Sent::Frame(bytes) => match events.next().await {
                            Some(Incoming::Frame(arrived)) => assert_eq!(&arrived, bytes),
                            other => panic!("{n}: {other:?}"),
                        },
                        Sent::Notification => match events.next().await {
                            Some(Incoming::Notification { method, .. }) => {
                                assert_eq!(method, n.to_string());
                            }
                            other => panic!("{n}: {other:?}"),
                        },
                    }
                }
            };
            tokio::select! { () = receive => {}, () = send => panic!("ended early") }
        });
    }
}
