//! Controllers beside native clients, before and after something breaks.

use std::time::{Duration, Instant};

use quarterdeck_e2e::harness::{
    agor::{self, Controller},
    client::{Peer, Way, watching},
    is_long,
};
use quarterdeck_protocol::method::{
    AttachRole, Empty, LeaseTake, SessionList, SessionListResult, TakeParams,
};
use serde_json::json;

use super::Stage;

async fn native(stage: &Stage, name: &str) -> Peer {
    Way::unix(&stage.instance).connect(name).await
}

#[tokio::test]
async fn a_native_client_and_a_controller_share_a_session_and_neither_disturbs_the_other() {
    let stage = Stage::set().await;
    let mut peer = stage.controller().await;
    let pty = peer.create(&["/bin/cat"]).await;
    let list = native(&stage, "looker").await.call::<SessionList>(&Empty {}).await;
    assert_eq!(list.sessions[0].session.to_string(), pty, "it is a session as any other");
    let mut beside = native(&stage, "native").await.attach(&watching(&pty, AttachRole::Auto)).await;
    assert!(!beside.owns(), "the controller owns what it made");
    peer.type_text(&pty, "from agor\r").await;
    beside.until_text("from agor\r\nfrom agor").await;
    // the same person takes over, and the controller types on without taking it back
    let take = TakeParams { session: pty.clone(), reason: None };
    beside.peer.call::<LeaseTake>(&take).await;
    beside.until("it owns", |it| it.epoch > it.answer.session.lease.epoch).await;
    beside.type_applied(b"from native\r").await;
    peer.until_text(&pty, "from native\r\nfrom native").await;
    peer.type_text(&pty, "borrowed\r").await;
    beside.until_text("borrowed\r\nborrowed").await;
    peer.until_text(&pty, "borrowed\r\nborrowed").await;
    let refused = peer.ask("pty_resize", json!({ "id": pty, "cols": 50, "rows": 10 })).await;
    assert_eq!(refused["payload"]["code"], "not_owner", "the owner's size is the size: {refused}");
    beside.until("the lease is back", |it| it.events.iter().any(is_returned)).await;
    beside.type_applied(b"native again\r").await;
    peer.until_text(&pty, "native again\r\nnative again").await;
    assert_eq!(beside.gaps, []);
}

fn is_returned(event: &quarterdeck_protocol::session::SessionEvent) -> bool {
    event.event == "lease" && event.body.get().contains("returned")
}

#[tokio::test]
async fn a_session_of_another_principal_is_seen_and_not_touched() {
    let stage = Stage::set().await;
    let token = agor::token(&stage.instance, "guest", Some("eve")).await;
    let owner = native(&stage, "owner").await;
    let session = owner.create(["/bin/cat"]).await.session.to_string();
    let mut owner = owner.attach(&watching(&session, AttachRole::Auto)).await;
    assert!(owner.owns());
    let mut guest = Controller::try_connect(agor::address(&stage.relay), &token).await.expect("in");
    guest.next().await;
    assert_eq!(guest.next().await["payload"]["activePtys"], json!([session]));
    for (kind, payload, code) in [
        ("pty_write", json!({ "id": session, "data": "rm -rf /\r" }), "lease_held"),
        ("pty_resize", json!({ "id": session, "cols": 10, "rows": 10 }), "not_owner"),
        ("pty_close", json!({ "id": session }), "lease_held"),
    ] {
        let refused = guest.ask(kind, payload).await;
        assert_eq!(refused["payload"]["code"], code, "{kind}: {refused}");
        assert_eq!(refused["sessionId"], session.as_str());
    }
    owner.type_applied(b"untouched\r").await;
    owner.until_text("untouched\r\nuntouched").await;
    // by using it the guest follows it
    guest.until_echoed(&session, "untouched").await;
}

#[tokio::test]
async fn a_question_of_the_program_is_shown_to_its_owner_alone() {
    let stage = Stage::set().await;
    let mut peer = stage.controller().await;
    let ask = "stty -echo; read x; printf 'A\\033[cB\\007C\\n'; read x; printf 'D\\033[cE\\n'; cat";
    let pty = peer.create(&["/bin/sh", "-c", ask]).await;
    peer.type_text(&pty, "\r").await;
    peer.until_text(&pty, "C\r\n").await;
    assert!(peer.printed(&pty).contains("A\u{1b}[cB\u{7}C"), "{:?}", peer.printed(&pty));
    let beside = native(&stage, "native").await.attach(&watching(&pty, AttachRole::Take)).await;
    assert!(beside.owns());
    peer.type_text(&pty, "\r").await;
    peer.until_text(&pty, "E\r\n").await;
    assert!(peer.printed(&pty).contains("DE\r\n"), "{:?}", peer.printed(&pty));
}

#[tokio::test]
async fn a_lost_connection_closes_no_terminal_and_the_controller_owns_its_own_when_it_returns() {
    let stage = Stage::set().await;
    let mut peer = stage.controller().await;
    let pty = peer.create(&["/bin/cat"]).await;
    peer.type_text(&pty, "before\r").await;
    peer.until_text(&pty, "before\r\nbefore").await;
    drop(peer);
    let mut peer = Controller::try_connect(agor::address(&stage.relay), &stage.token)
        .await
        .expect("is let in");
    peer.next().await;
    assert_eq!(peer.next().await["payload"]["activePtys"], json!([pty]));
    // the screen comes by itself, on a terminal that begins anew
    peer.until_text(&pty, "before\r\nbefore").await;
    assert!(peer.printed(&pty).starts_with("\u{1b}c"), "{:?}", peer.printed(&pty));
    let resized = peer.ask("pty_resize", json!({ "id": pty, "cols": 70, "rows": 20 })).await;
    assert_eq!(resized["type"], "ack", "it is the owner still: {resized}");
    peer.type_text(&pty, "after\r").await;
    peer.until_echoed(&pty, "after").await;
}

#[tokio::test]
async fn after_a_killed_relay_the_controller_finds_its_terminals_alive() {
    let mut stage = Stage::set().await;
    let mut peer = stage.controller().await;
    let one = peer.create(&["/bin/cat"]).await;
    let gone = peer.create(&["/bin/cat"]).await;
    let two = peer.create(&["/bin/cat"]).await;
    peer.ask("pty_close", json!({ "id": gone })).await;
    peer.until_exit(&gone).await;
    peer.type_text(&one, "life-one\r").await;
    peer.until_text(&one, "life-one\r\nlife-one").await;
    stage.restart().await;
    while peer.try_next().await.is_some() {}
    let mut peer = Controller::try_connect(agor::address(&stage.relay), &stage.token)
        .await
        .expect("is let in");
    assert_eq!(peer.next().await, json!({ "type": "ready" }));
    let alive = json!({ "activeSessions": [], "activePtys": [one, two] });
    assert_eq!(peer.next().await, json!({ "type": "state_sync", "payload": alive }));
    peer.until_text(&one, "life-one").await;
    peer.type_text(&one, "life-two\r").await;
    peer.until_echoed(&one, "life-two").await;
    peer.type_text(&two, "me-too\r").await;
    peer.until_echoed(&two, "me-too").await;
    let resized = peer.ask("pty_resize", json!({ "id": one, "cols": 70, "rows": 20 })).await;
    assert_eq!(resized["type"], "ack", "{resized}");
}

#[tokio::test]
async fn a_controller_that_does_not_read_skips_to_the_screen_and_is_told_what_it_missed() {
    let stage = Stage::set().await;
    let mut slow = stage.controller().await;
    let flood = "read x; seq 1 3000000; echo DONE; exec cat";
    let pty = slow.create(&["/bin/sh", "-c", flood]).await;
    slow.send("pty_write", json!({ "id": pty, "data": "\r" })).await;
    // it reads nothing until the flood is over, as a native client sees it
    let mut beside =
        native(&stage, "beside").await.attach(&watching(&pty, AttachRole::Follow)).await;
    beside.until_text("DONE").await;
    slow.until_text(&pty, "DONE").await;
    let gap = slow.until(|event| event["type"] == "pty_gap").await;
    let (from, to) = (gap["payload"]["from"].as_u64(), gap["payload"]["to"].as_u64());
    assert!(from < to && gap["sessionId"] == pty.as_str(), "{gap}");
    let printed = slow.printed(&pty);
    let screen = printed.rfind("\u{1b}c").expect("a screen on a new terminal");
    assert!(printed[screen..].contains("3000000"), "the screen is the last one");
    assert!(printed.len() < 16 << 20, "{} bytes of 22 MB", printed.len());
    slow.type_text(&pty, "and on\r").await;
    slow.until_text(&pty, "and on\r\nand on").await;
}

/// How long the long version takes unless `QD_AGOR_SECONDS` says.
fn duration() -> Duration {
    let asked = std::env::var("QD_AGOR_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(asked.unwrap_or(if is_long() { 3600 } else { 5 }))
}

#[tokio::test]
async fn a_controller_works_beside_native_clients_for_as_long_as_it_is_asked_to() {
    let mut stage = Stage::set().await;
    let mut peer = stage.controller().await;
    let own = peer.create(&["/bin/cat"]).await;
    let owner = native(&stage, "owner").await;
    let session = owner.create(["/bin/cat"]).await.session.to_string();
    let mut owner = owner.attach(&watching(&session, AttachRole::Auto)).await;
    let mut follower =
        native(&stage, "follower").await.attach(&watching(&own, AttachRole::Auto)).await;
    let until = Instant::now() + duration();
    let mut round = 0u32;
    while Instant::now() < until || round < 3 {
        round += 1;
        let line = |who: &str| format!("{who} {round} é€🙂\r");
        let echoed = |who: &str| format!("{who} {round} é€🙂\r\n{who} {round} é€🙂\r\n");
        peer.type_text(&own, &line("agor")).await;
        follower.until_text(&echoed("agor")).await;
        peer.until_text(&own, &echoed("agor")).await;
        owner.type_applied(line("native").as_bytes()).await;
        owner.until_text(&echoed("native")).await;
        peer.type_text(&session, &line("both")).await;
        owner.until_text(&echoed("both")).await;
        // an input that crosses the borrowed lease would have to be sent again
        owner.until("the lease is back", |it| it.events.iter().any(is_returned)).await;
        assert!(peer.events.iter().all(|event| event["type"] != "error"), "{:?}", peer.events);
        assert_eq!(peer.ask("ping", json!({})).await["type"], "pong");
        // what was seen is not kept for an hour
        (owner.text, follower.text) = (Vec::new(), Vec::new());
        (owner.events, follower.events) = (Vec::new(), Vec::new());
        peer.output.clear();
        peer.events.clear();
        if round.is_multiple_of(200) {
            drop(peer);
            peer = stage.controller().await;
            // the screen, in which blanks may be skipped
            peer.until_text(&own, "🙂").await;
        }
    }
    let SessionListResult { sessions } =
        native(&stage, "looker").await.call::<SessionList>(&Empty {}).await;
    assert!(sessions.iter().all(|session| session.state.is_live()), "{sessions:?}");
    stage.restart().await;
    let mut peer = stage.controller().await;
    peer.type_text(&own, "end\r").await;
    peer.until_echoed(&own, "end").await;
}

#[tokio::test]
async fn two_controllers_with_tokens_of_their_own_are_two_clients() {
    let stage = Stage::set().await;
    let mut tower = stage.controller().await;
    let pty = tower.create(&["/bin/cat"]).await;
    let token = agor::token(&stage.instance, "laptop", None).await;
    let mut laptop = Controller::connect(agor::address(&stage.relay), &token).await;
    let sync = laptop.ask("state_sync", json!({})).await;
    assert_eq!(sync["payload"]["activePtys"], json!([pty]));
    laptop.type_text(&pty, "hello\r").await;
    laptop.until_echoed(&pty, "hello").await;
    tower.until_echoed(&pty, "hello").await;
    let refused = laptop.ask("pty_resize", json!({ "id": pty, "cols": 9, "rows": 9 })).await;
    assert_eq!(refused["payload"]["code"], "not_owner", "{refused}");
}
