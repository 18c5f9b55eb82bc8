//! One reply to everything that is sent, whatever it is.

use quarterdeck_e2e::harness::agor::Controller;
use serde_json::{Value, json};

use super::Stage;

/// Says a text, and gives everything that is told before the next command is answered.
async fn say_and_collect(peer: &mut Controller, text: &str) -> Vec<Value> {
    let before = peer.events.len();
    peer.say(text).await;
    let fence = peer.ask("ping", json!({})).await;
    let told = peer.events[before..].iter().filter(|event| **event != fence);
    told.filter(|event| event["type"] != "pty_data").cloned().collect()
}

async fn check_error(peer: &mut Controller, text: &str, id: &str, code: &str) {
    let told = say_and_collect(peer, text).await;
    let shown = &text[..text.floor_char_boundary(100)];
    assert_eq!(told.len(), 1, "{shown}: {told:?}");
    assert_eq!(told[0]["type"], "error", "{shown}: {told:?}");
    assert_eq!(told[0]["payload"]["commandId"], id, "{shown}: {told:?}");
    assert_eq!(told[0]["payload"]["code"], code, "{shown}: {told:?}");
    let message = told[0]["payload"]["message"].as_str().expect("is text");
    assert!(!message.is_empty() && message.len() < 400, "{shown}: {message}");
}

#[tokio::test]
async fn garbage_gets_one_error_and_the_connection_goes_on() {
    let stage = Stage::set().await;
    let mut peer = stage.controller().await;
    let deep = format!(r#"{{"id":"d","type":"pty_create","payload":{}"#, "[".repeat(100_000));
    for text in ["", "{", "\u{0}", "nul", r#"{"id":"x","type":"ping""#, deep.as_str()] {
        check_error(&mut peer, text, "", "parse_error").await;
    }
    for text in ["null", "7", "[]", "{}", r#"{"type":"ping"}"#, r#"{"id":7,"type":"ping"}"#] {
        check_error(&mut peer, text, "", "invalid_request").await;
    }
    check_error(&mut peer, r#"{"id":"g1"}"#, "g1", "invalid_request").await;
    check_error(&mut peer, r#"{"id":"g2","type":"fly","payload":{}}"#, "g2", "unsupported").await;
    check_error(&mut peer, r#"{"id":"g3","type":"","payload":{}}"#, "g3", "unsupported").await;
    let binary_before = peer.events.len();
    peer.say_binary(vec![0, 159, 146, 150]).await;
    peer.ask("ping", json!({})).await;
    assert_eq!(peer.events.len() - binary_before, 2, "{:?}", peer.events);
}

#[tokio::test]
async fn commands_that_cannot_be_done_say_why() {
    let stage = Stage::set().await;
    let mut peer = stage.controller().await;
    let nobody = "s_00000000000000000000";
    let mut number = 0;
    let mut command = |kind: &str, payload: Value| {
        number += 1;
        let id = format!("bad-{number}");
        (json!({ "id": id, "type": kind, "payload": payload }).to_string(), id)
    };
    let write = |id: &str| json!({ "id": id, "data": "x" });
    let resize = |cols: i64, rows: i64| json!({ "id": nobody, "cols": cols, "rows": rows });
    let bad = [
        (command("pty_write", json!({})), "invalid_params"),
        (command("pty_write", json!(["x", "y"])), "invalid_params"),
        (command("pty_write", json!({ "id": nobody })), "invalid_params"),
        (command("pty_resize", resize(70_000, 24)), "invalid_params"),
        (command("pty_resize", resize(-1, 24)), "invalid_params"),
        (command("pty_close", json!({ "id": 7 })), "invalid_params"),
        (command("agent_query", json!({ "prompt": "p" })), "invalid_params"),
        (command("agent_stop", json!({ "session_id": "s" })), "invalid_params"),
        (command("pty_create", json!({ "cols": 0, "rows": 24 })), "invalid_params"),
        (command("pty_create", json!({ "cols": 65535, "rows": 65535 })), "invalid_params"),
        (command("pty_create", json!({ "shell": "a\u{0}b" })), "invalid_params"),
        (command("pty_create", json!({ "cwd": "/nonexistent" })), "invalid_params"),
        (command("pty_create", json!({ "shell": "/nonexistent/program" })), "start_failed"),
        (command("pty_write", write(nobody)), "not_found"),
        (command("pty_write", write("../../etc/passwd")), "not_found"),
        (command("pty_resize", resize(80, 24)), "not_found"),
        (command("pty_close", json!({ "id": nobody })), "not_found"),
    ];
    for ((text, id), code) in bad {
        peer.say(&text).await;
        let reply = peer.reply(&id).await;
        assert_eq!((&reply["type"], &reply["payload"]["code"]), (&json!("error"), &json!(code)));
        peer.ask("ping", json!({})).await;
        assert_eq!(peer.replies(&id), 1, "{text}");
    }
}

#[tokio::test]
async fn a_command_that_comes_twice_is_carried_out_once_and_answered_twice_alike() {
    let stage = Stage::set().await;
    let mut peer = stage.controller().await;
    let create = r#"{"id":"twice","type":"pty_create","payload":{"shell":"/bin/cat"}}"#;
    // the second one comes while the first is under way, the third one after it
    peer.say(create).await;
    peer.say(create).await;
    while peer.replies("twice") < 2 {
        peer.next().await;
    }
    let told = say_and_collect(&mut peer, create).await;
    assert_eq!(told.len(), 1, "{told:?}");
    let replies: Vec<_> =
        peer.events.iter().filter(|event| event["payload"]["commandId"] == "twice").collect();
    assert_eq!(replies.len(), 3);
    assert!(replies.iter().all(|reply| *reply == replies[0]), "{replies:?}");
    let pty = replies[0]["sessionId"].as_str().expect("is text").to_owned();
    let write =
        json!({ "id": "w", "type": "pty_write", "payload": { "id": pty, "data": "once\r" } });
    for _ in 0..3 {
        peer.say(&write.to_string()).await;
    }
    while peer.replies("w") < 3 {
        peer.next().await;
    }
    peer.type_text(&pty, "end\r").await;
    // the echo of the second line may come before what cat prints of the first
    while peer.printed(&pty).matches("end\r\n").count() < 2 {
        peer.next().await;
    }
    assert_eq!(peer.printed(&pty).matches("once").count(), 2, "typed and printed once");
    let sync = peer.ask("state_sync", json!({})).await;
    assert_eq!(sync["payload"]["activePtys"], json!([pty]));
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused_by_its_id_and_a_huge_one_ends_the_connection() {
    let stage = Stage::set().await;
    let mut peer = stage.controller().await;
    let pty = peer.create(&["/bin/cat"]).await;
    let large = |id: &str, bytes: usize| {
        let payload = json!({ "id": pty, "data": "x".repeat(bytes) });
        json!({ "id": id, "type": "pty_write", "payload": payload }).to_string()
    };
    peer.say(&large("large", 8 << 20)).await;
    let reply = peer.reply("large").await;
    assert_eq!(reply["payload"]["code"], "invalid_request", "{reply}");
    peer.say(&large("much", 300 << 10)).await;
    let reply = peer.reply("much").await;
    assert_eq!(reply["payload"]["code"], "input_full", "{reply}");
    // the relay does not wait for the end of what it will not read
    peer.say_in_vain(&large("huge", 17 << 20)).await;
    while peer.try_next().await.is_some() {}
    // the terminal does not notice
    let mut again = stage.controller().await;
    again.type_text(&pty, "still-here\r").await;
    again.until_text(&pty, "still-here").await;
}

#[tokio::test]
async fn a_program_that_does_not_read_holds_up_neither_other_terminals_nor_its_own_end() {
    let stage = Stage::set().await;
    let mut peer = stage.controller().await;
    let stuck =
        peer.create(&["/bin/sh", "-c", "stty raw -echo; echo ready; exec sleep 1000"]).await;
    peer.until_text(&stuck, "ready").await;
    let other = peer.create(&["/bin/cat"]).await;
    let mut waiting = Vec::new();
    for _ in 0..8 {
        let data = "x".repeat(40_000);
        waiting.push(peer.send("pty_write", json!({ "id": stuck, "data": data })).await);
    }
    peer.type_text(&other, "free\r").await;
    peer.until_text(&other, "free").await;
    assert_eq!(peer.ask("ping", json!({})).await["type"], "pong");
    let closed = peer.ask("pty_close", json!({ "id": stuck })).await;
    assert_eq!(closed["type"], "ack", "{closed}");
    peer.until_exit(&stuck).await;
    for id in waiting {
        peer.reply(&id).await;
        assert_eq!(peer.replies(&id), 1);
    }
}
