//! Whatever is sent to a relay, it answers what can be answered, ends what cannot, and goes on.

use std::time::Duration;

use quarterdeck_e2e::{
    harness::{
        canary::Canary,
        client::Way,
        instance::{Instance, Relay},
        is_long,
        raw::{RawSocket, Reaction, announce},
        within,
    },
    streams::{KnownStream, StreamKind},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream},
};

/// A relay on all its sockets, and a session that must not notice.
struct Stage {
    canary: Canary,
    relay: Relay,
    instance: Instance,
}

impl Stage {
    async fn set() -> Self {
        let instance = Instance::new();
        let relay = instance.start_relay(&["--listen", "127.0.0.1:0", "--insecure"]).await;
        let canary = Canary::start(&Way::unix(&instance)).await;
        Self { canary, relay, instance }
    }
}

/// Says one text after hello, and checks the error that comes back.
async fn check(stage: &mut Stage, text: &str, id: Value, code: i64, word: &str) {
    let mut socket = RawSocket::greeted(&stage.instance).await;
    socket.say(text).await;
    let shown = &text[..text.floor_char_boundary(80)];
    let Reaction::Says(answer) = socket.reaction().await else { panic!("{shown}: no answer") };
    assert_eq!(answer["id"], id, "{shown}: {answer}");
    assert_eq!(answer["error"]["code"], code, "{shown}: {answer}");
    assert_eq!(answer["error"]["data"]["error"], word, "{shown}: {answer}");
    // the connection is good for the next request
    socket.say(r#"{"jsonrpc":"2.0","id":7,"method":"session.list"}"#).await;
    let Reaction::Says(answer) = socket.reaction().await else { panic!("{shown}: ended") };
    assert_eq!(answer["id"], 7, "one answer for each request: {answer}");
    stage.canary.sings().await;
}

#[tokio::test]
async fn text_that_is_no_request_gets_the_error_that_fits() {
    let mut stage = Stage::set().await;
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"session.list","params":{}"#,
        "[".repeat(300_000)
    );
    for text in ["", "{", "\u{0}", "nul", deep.as_str()] {
        check(&mut stage, text, Value::Null, -32700, "parse_error").await;
    }
    let closed = "]".repeat(300_000);
    let deep = format!("{deep}{closed}}}");
    for text in [deep.as_str()] {
        let mut socket = RawSocket::greeted(&stage.instance).await;
        socket.say(text).await;
        let reaction = socket.reaction().await;
        let Reaction::Says(answer) = reaction else { panic!("{reaction:?}") };
        assert!(answer["error"]["code"].is_i64(), "{answer}");
        stage.canary.sings().await;
    }
    for text in ["null", "7", "[]", "{}", "true", r#"{"jsonrpc":"1.0","id":1,"method":"hello"}"#] {
        check(&mut stage, text, Value::Null, -32600, "invalid_request").await;
    }
}

#[tokio::test]
async fn requests_that_cannot_be_done_say_why() {
    let mut stage = Stage::set().await;
    let request = |method: &str, params: &Value| {
        json!({ "jsonrpc": "2.0", "id": "q", "method": method, "params": params }).to_string()
    };
    let id = || json!("q");
    let unknown = request("session.explode", &json!({}));
    check(&mut stage, &unknown, id(), -32601, "unsupported").await;
    for params in [json!({}), json!([]), json!({ "session": 7 }), json!({ "session": null })] {
        let text = request("session.attach", &params);
        check(&mut stage, &text, id(), -32602, "invalid_params").await;
    }
    let long = "x".repeat(1000);
    let bad = [
        json!({ "argv": ["a\u{0}b"] }),
        json!({ "label": long }),
        json!({ "label": "../../etc" }),
        json!({ "size": { "cols": 0, "rows": 24 } }),
        json!({ "size": { "cols": 65535, "rows": 65535 } }),
        json!({ "env": { "A=B": "c" } }),
        json!({ "argv": vec!["x"; 5000] }),
        json!({ "cwd": "x".repeat(5000) }),
    ];
    for params in bad {
        let text = request("session.create", &params);
        check(&mut stage, &text, id(), -32602, "invalid_params").await;
    }
    let nowhere = request("session.attach", &json!({ "session": "s_00000000000000000000" }));
    check(&mut stage, &nowhere, id(), -32004, "not_found").await;
    let missing = request("session.create", &json!({ "argv": ["/nonexistent/program"] }));
    check(&mut stage, &missing, id(), -32014, "start_failed").await;
    let missing = request("session.create", &json!({ "argv": ["/bin/sh"], "cwd": "/nonexistent" }));
    check(&mut stage, &missing, id(), -32602, "invalid_params").await;
}

#[tokio::test]
async fn unknown_members_are_ignored_and_hello_comes_first() {
    let mut stage = Stage::set().await;
    let mut socket = RawSocket::open(&stage.instance).await;
    socket.say(r#"{"jsonrpc":"2.0","id":1,"method":"session.list"}"#).await;
    let Reaction::Says(answer) = socket.reaction().await else { panic!("no answer") };
    assert_eq!(answer["error"]["data"]["error"], "hello_required", "{answer}");
    let hello = r#"{"jsonrpc":"2.0","id":2,"method":"hello","from":"the future",
        "params":{"name":"x","colour":"blue","ticket":"of another relay"}}"#;
    socket.say(hello).await;
    let Reaction::Says(answer) = socket.reaction().await else { panic!("no answer") };
    assert!(answer["result"]["client_id"].is_string(), "{answer}");
    stage.canary.sings().await;
}

#[tokio::test]
async fn frames_that_are_none_end_their_connection_and_no_other() {
    let mut stage = Stage::set().await;
    let gigabyte = 1 << 30;
    let injections = [
        announce(2, gigabyte),
        announce(1, gigabyte),
        announce(2, u64::MAX),
        // text that is no UTF-8, masked with zeros
        [&[0x81, 0x84, 0, 0, 0, 0][..], &[0xff, 0xfe, 0x80, 0xc0]].concat(),
        // not masked, an unknown opcode, reserved bits
        vec![0x82, 0x01, 0x00],
        vec![0x8f, 0x80, 0, 0, 0, 0],
        vec![0xf2, 0x80, 0, 0, 0, 0],
    ];
    for bytes in injections {
        let mut socket = RawSocket::greeted(&stage.instance).await;
        socket.inject(&bytes).await;
        assert_eq!(socket.reaction().await, Reaction::Closes, "{:?}", &bytes[..2]);
        stage.canary.sings().await;
    }
    for bytes in [vec![], vec![1, 2, 3], vec![0; 5], vec![255; 70_000]] {
        let mut socket = RawSocket::greeted(&stage.instance).await;
        let shown = bytes.len();
        socket.send(bytes).await;
        socket.say(r#"{"jsonrpc":"2.0","id":7,"method":"session.list"}"#).await;
        // skipped or ended, but never answered with something else
        let reaction = socket.reaction().await;
        let skipped = matches!(&reaction, Reaction::Says(answer) if answer["id"] == 7);
        assert!(skipped || reaction == Reaction::Closes, "{shown} bytes: {reaction:?}");
        stage.canary.sings().await;
    }
}

/// Sends bytes and leaves: at once, after the peer's answer, or never (then the peer must leave).
async fn pour(mut stream: impl AsyncRead + AsyncWrite + Unpin, bytes: &[u8]) {
    // a relay may close before it has read everything
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut answer = Vec::new();
    let _ = within("the relay ends what it cannot read", stream.read_to_end(&mut answer)).await;
}

#[tokio::test]
async fn bytes_that_are_no_protocol_at_all_hurt_nobody() {
    let mut stage = Stage::set().await;
    let header = format!("GET /v1/ws HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    let noise = KnownStream::new(StreamKind::Binary, 77).bytes(0..100_000);
    let pieces: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST /v1/ws HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
        header.as_bytes(),
        &noise,
    ];
    let socket = stage.instance.directory().join("relay.sock");
    for bytes in pieces {
        let tcp = TcpStream::connect(stage.relay.address()).await.expect("connects");
        pour(tcp, bytes).await;
        pour(UnixStream::connect(&socket).await.expect("connects"), bytes).await;
        stage.canary.sings().await;
    }
}

#[tokio::test]
async fn a_web_page_is_refused_whatever_it_knows() {
    let mut stage = Stage::set().await;
    let admin = Way::unix(&stage.instance).connect("admin").await;
    let token = admin.token("ada", quarterdeck_protocol::scope::Scopes::ALL).await;
    let ask = |extra: &str| {
        format!(
            "GET /v1/ws HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
             Sec-WebSocket-Protocol: quarterdeck.v1\r\nAuthorization: Bearer {token}\r\n{extra}\r\n",
            host = stage.relay.address(),
        )
    };
    for (extra, status) in [("", "101"), ("Origin: https://evil.example\r\n", "403")] {
        let mut tcp = TcpStream::connect(stage.relay.address()).await.expect("connects");
        tcp.write_all(ask(extra).as_bytes()).await.expect("asks");
        let mut answer = [0; 12];
        within("an answer", tcp.read_exact(&mut answer)).await.expect("answers");
        assert_eq!(String::from_utf8_lossy(&answer), format!("HTTP/1.1 {status}"), "{extra}");
    }
    stage.canary.sings().await;
}

#[tokio::test]
async fn connections_that_say_nothing_are_ended_and_do_not_keep_others_out() {
    let mut stage = Stage::set().await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(TcpStream::connect(stage.relay.address()).await.expect("connects"));
    }
    stage.canary.sings().await;
    // a right client still gets in, from the same address
    let token = Way::unix(&stage.instance).connect("admin").await;
    let token = token.token("ada", quarterdeck_protocol::scope::Scopes::ALL).await;
    let peer = Way::ws(stage.relay.address(), &token).connect("ada").await;
    drop(peer);
    // how long it may be silent is the relay's own limit, and takes that long to see
    if is_long() {
        let mut byte = [0];
        let ended = tokio::time::timeout(Duration::from_secs(60), silent[0].read(&mut byte)).await;
        assert!(ended.is_ok(), "a connection that says nothing is ended in the end");
    }
}
