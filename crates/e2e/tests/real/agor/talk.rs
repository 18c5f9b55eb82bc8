//! Every command and event, their spelling and order.

use std::fs;

use quarterdeck_e2e::harness::{
    agor::{self, Controller},
    client::{ConnectError, Way},
    instance::{Instance, program_binary},
};
use quarterdeck_protocol::method::HelloParams;
use serde_json::{Value, json};

use super::Stage;

fn program() -> String {
    program_binary().display().to_string()
}

#[tokio::test]
async fn every_command_and_event_is_spelt_as_controllers_expect_it_and_comes_in_order() {
    let stage = Stage::set().await;
    let mut peer = Controller::try_connect(agor::address(&stage.relay), &stage.token)
        .await
        .expect("is let in");
    assert_eq!(peer.next().await, json!({ "type": "ready" }));
    let nothing = json!({ "activeSessions": [], "activePtys": [] });
    assert_eq!(peer.next().await, json!({ "type": "state_sync", "payload": nothing }));

    peer.say(r#"{"id":"","type":"ping","payload":{}}"#).await;
    assert_eq!(peer.next().await, json!({ "type": "pong" }));
    let pong = peer.ask("ping", json!({})).await;
    assert_eq!(pong, json!({ "type": "pong", "payload": { "commandId": "command-1" } }));

    let script = "stty -echo; stty size; printf 'hello '; read x; stty size; printf bye; exit 3";
    let home = stage.instance.home().display().to_string();
    let create =
        json!({ "shell": "/bin/sh", "args": ["-c", script], "cwd": home, "cols": 100, "rows": 30 });
    let created = peer.ask("pty_create", create).await;
    let pty = created["sessionId"].as_str().expect("is text").to_owned();
    let about = json!({ "commandId": "command-2" });
    assert_eq!(
        created,
        json!({ "type": "pty_created", "sessionId": pty, "payload": about }),
        "and no output came before it: {:?}",
        peer.events
    );
    peer.until_text(&pty, "hello ").await;
    let data = peer.until(|event| event["type"] == "pty_data").await;
    assert_eq!(data["sessionId"], pty.as_str());
    let sync = peer.ask("state_sync", json!({})).await;
    let payload = json!({ "activeSessions": [], "activePtys": [pty], "commandId": "command-3" });
    assert_eq!(sync, json!({ "type": "state_sync", "payload": payload }));

    let resized = peer.ask("pty_resize", json!({ "id": pty, "cols": 90, "rows": 20 })).await;
    let about = json!({ "commandId": "command-4" });
    assert_eq!(resized, json!({ "type": "ack", "sessionId": pty, "payload": about }));
    let written = peer.ask("pty_write", json!({ "id": pty, "data": "\r" })).await;
    let about = json!({ "commandId": "command-5" });
    assert_eq!(written, json!({ "type": "ack", "sessionId": pty, "payload": about }));
    let ended = peer.until_exit(&pty).await;
    assert_eq!(ended, json!({ "exitCode": 3, "signal": null }));
    assert_eq!(peer.printed(&pty), "30 100\r\nhello 20 90\r\nbye");
    assert_eq!(peer.events.last().map(|event| &event["type"]), Some(&json!("pty_exit")));
}

#[tokio::test]
async fn a_closed_terminal_ends_and_says_so_once() {
    let stage = Stage::set().await;
    let mut peer = stage.controller().await;
    let pty = peer.create(&["/bin/cat"]).await;
    let closed = peer.ask("pty_close", json!({ "id": pty })).await;
    assert_eq!(closed["type"], "ack", "{closed}");
    let ended = peer.until_exit(&pty).await;
    assert_eq!(ended, json!({ "exitCode": null, "signal": "SIGHUP" }));
    let again = peer.ask("pty_close", json!({ "id": pty })).await;
    assert_eq!(again["payload"]["code"], "ended", "{again}");
    assert_eq!(again["sessionId"], pty.as_str());
    let exits = peer.events.iter().filter(|event| event["type"] == "pty_exit").count();
    assert_eq!(exits, 1);
    let sync = peer.ask("state_sync", json!({})).await;
    assert_eq!(sync["payload"]["activePtys"], json!([]));
}

#[tokio::test]
async fn a_terminal_that_ends_at_once_still_says_everything() {
    let stage = Stage::set().await;
    let mut peer = stage.controller().await;
    for round in 0..20 {
        let pty = peer.create(&["/bin/sh", "-c", &format!("echo round {round}")]).await;
        let ended = peer.until_exit(&pty).await;
        assert_eq!(ended, json!({ "exitCode": 0, "signal": null }));
        assert_eq!(peer.printed(&pty), format!("round {round}\r\n"));
    }
}

#[tokio::test]
async fn without_a_program_a_terminal_runs_the_login_shell() {
    let stage = Stage::set().await;
    let mut peer = stage.controller().await;
    let created = peer.ask("pty_create", json!({})).await;
    let pty = created["sessionId"].as_str().expect("is text").to_owned();
    peer.type_text(&pty, "echo $((6*7)) in $PWD\r").await;
    let home = stage.instance.home().display().to_string();
    peer.until_text(&pty, &format!("42 in {home}")).await;
    let created = peer.ask("pty_create", json!({ "args": ["-c", "echo shell with words"] })).await;
    let pty = created["sessionId"].as_str().expect("is text").to_owned();
    peer.until_text(&pty, "shell with words").await;
}

#[tokio::test]
async fn a_character_that_is_cut_arrives_whole_and_what_is_no_text_is_replaced() {
    let stage = Stage::set().await;
    let mut peer = stage.controller().await;
    let program = program();
    let steps = [
        program.as_str(),
        "noecho",
        "print:a\\xe2",
        "line",
        "print:\\x82\\xac!",
        "line",
        "print:\\xff\\xf0\\x9f",
        "line",
        "print:\\x99\\x82.",
        "wait",
    ];
    let pty = peer.create(&steps).await;
    peer.until_text(&pty, "a").await;
    assert_eq!(peer.printed(&pty), "a", "the beginning of a character waits for its end");
    peer.type_text(&pty, "\r").await;
    peer.until_text(&pty, "!").await;
    assert_eq!(peer.printed(&pty), "a€!");
    peer.type_text(&pty, "\r").await;
    peer.until_text(&pty, "\u{fffd}").await;
    peer.type_text(&pty, "\r").await;
    peer.until_text(&pty, ".").await;
    assert_eq!(peer.printed(&pty), "a€!\u{fffd}🙂.");
}

#[tokio::test]
async fn much_text_of_many_bytes_each_arrives_as_it_was_printed() {
    let stage = Stage::set().await;
    let mut peer = stage.controller().await;
    // lines of odd length, so that chunks are cut at every place of a character
    let script =
        "i=0; while [ $i -lt 3000 ]; do printf '%d é€🙂漢字\\n' $i; i=$((i+1)); done; echo END";
    let pty = peer.create(&["/bin/sh", "-c", script]).await;
    peer.until_text(&pty, "END").await;
    let expected: String = (0..3000).map(|n| format!("{n} é€🙂漢字\r\n")).collect();
    assert_eq!(peer.printed(&pty).trim_end(), format!("{expected}END"));
}

#[tokio::test]
async fn only_the_dialects_own_tokens_open_it_and_they_open_nothing_else() {
    let mut stage = Stage::set().await;
    stage.relay.signal(rustix::process::Signal::TERM);
    stage.relay.until_gone().await;
    let words = [&super::SERVE[..], &["--listen", "127.0.0.1:0", "--insecure"]].concat();
    stage.relay = stage.instance.start_relay(&words).await;
    let at = agor::address(&stage.relay);
    let admin = Way::unix(&stage.instance).connect("admin").await;
    let native = admin.token("ada", quarterdeck_protocol::scope::Scopes::ALL).await;
    let wrong = format!("qdt_{}", "A".repeat(43));
    for token in [native.as_str(), wrong.as_str(), "secret", ""] {
        let refused = Controller::try_connect(at, token).await.expect_err("is wrong");
        assert_eq!((refused.status.as_u16(), refused.body.as_str()), (401, "Invalid token"));
    }
    drop(stage.controller().await);
    let hello = HelloParams { name: "x".into(), ..HelloParams::default() };
    let way = Way::ws(stage.relay.address(), &stage.token);
    let refused = way.try_connect(&hello).await.expect_err("is for agor alone");
    assert!(matches!(refused, ConnectError::Dial(_)), "{refused}");
    // on loopback guessing is slowed and counted, and a right token passes at any time
    for _ in 0..7 {
        Controller::try_connect(at, &wrong).await.expect_err("is wrong");
    }
    drop(stage.controller().await);
    let journal = fs::read_to_string(stage.instance.directory().join("journal.jsonl"));
    let journal = journal.expect("is written");
    let failed = journal.lines().filter(|line| line.contains("login_failed")).count();
    assert!(failed >= 10, "{journal}");
    assert!(!journal.contains(&stage.token[4..]), "the journal holds no token");
}

#[tokio::test]
async fn a_revoked_token_ends_its_connection_and_the_ceiling_binds_the_dialect() {
    let instance = Instance::new();
    instance.configure(
        "[ceiling]\ncommands = [\"cat\", \"true\"]\n\
         [dialects.agor]\nlisten = \"127.0.0.1:0\"\n\
         [dialects.agor.ceiling]\ncommands = [\"cat\", \"sh\"]\n",
    );
    let relay = instance.start_relay(&[]).await;
    let token = agor::token(&instance, "tower", None).await;
    let mut peer = Controller::connect(agor::address(&relay), &token).await;
    // what everyone may not, and what only a controller may not
    for shell in ["sh", "true"] {
        let refused = peer.ask("pty_create", json!({ "shell": shell })).await;
        assert_eq!(refused["payload"]["code"], "ceiling", "{refused}");
    }
    instance.qd(["run", "--detach", "--", "true"]).await.ok();
    let pty = peer.create(&["/bin/cat"]).await;
    instance.qd(["token", "revoke", "tower"]).await.ok();
    while peer.try_next().await.is_some() {}
    let list: Value = instance.qd(["ls", "--json"]).await.ok().json();
    let sessions = list["sessions"].as_array().expect("is a list");
    let own = sessions.iter().find(|session| session["session"] == pty.as_str());
    assert_ne!(own.expect("is listed")["state"], "exited", "the terminal lives on: {list}");
}

#[tokio::test]
async fn off_loopback_a_dialect_is_served_with_tls_and_to_no_web_page_anywhere() {
    let instance = Instance::new();
    let words = ["--dialect", "agor=0.0.0.0:0", "--dialect", "agor=127.0.0.1:0"];
    let relay = instance.start_relay(&words).await;
    let listening = &relay.status.listening;
    assert!(listening.iter().any(|name| name.starts_with("agor+wss://0.0.0.0:")), "{listening:?}");
    assert!(listening.iter().all(|name| !name.contains("ws://0.0.0.0")), "{listening:?}");
    assert!(relay.status.pin.is_some(), "who goes there can know it");
    let token = agor::token(&instance, "tower", None).await;
    let page = [("Origin", "https://example.org")];
    let refused = Controller::try_connect_with(agor::address(&relay), &token, &page).await;
    assert_eq!(refused.expect_err("is a page").status.as_u16(), 403);
}
