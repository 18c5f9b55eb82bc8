//! That the pieces fit together at all; where these fail, read no other failure.

use quarterdeck_e2e::{
    harness::{
        canary::Canary,
        client::{Way, recording, watching},
        instance::{Instance, program_binary},
        terminal::Terminal,
    },
    processes::naming,
    streams::{KnownStream, StreamKind},
};
use quarterdeck_protocol::{
    method::{AttachRole, SessionListResult},
    session::SessionState,
};

#[tokio::test]
async fn a_session_is_run_listed_typed_into_and_stopped() {
    let instance = Instance::new();
    let _relay = instance.start_relay(&[]).await;
    let run = instance.qd(["run", "--detach", "--label", "one", "--", "/bin/cat"]).await.ok();
    assert!(run.text().starts_with("one s_"), "{run:?}");
    let way = Way::unix(&instance);
    let mut attachment = way.connect("test").await.attach(&watching("one", AttachRole::Auto)).await;
    assert!(attachment.owns());
    attachment.type_applied(b"hello\r").await;
    attachment.until_text("hello\r\nhello\r\n").await;
    instance.qd(["stop", "one", "--now"]).await.ok();
    instance.qd(["wait", "one", "--for", "exit"]).await;
    let list: SessionListResult = instance.qd(["ls", "--json"]).await.ok().json();
    assert!(matches!(list.sessions[0].state, SessionState::Exited { .. }), "{list:?}");
}

#[tokio::test]
async fn every_byte_of_a_known_stream_arrives_at_its_offset() {
    let instance = Instance::new();
    let _relay = instance.start_relay(&[]).await;
    let peer = Way::unix(&instance).connect("test").await;
    let program = program_binary().display().to_string();
    let words = [program.as_str(), "raw", "emit:binary:5:3000000", "wait"];
    let session = peer.create(words).await.session.to_string();
    let mut attachment = peer.attach(&recording(&session, None)).await;
    attachment.known = Some(KnownStream::new(StreamKind::Binary, 5));
    attachment.until("all of it", |it| it.out.0 == 3_000_000).await;
    assert_eq!(attachment.gaps, []);
}

#[tokio::test]
async fn a_person_attaches_on_a_terminal_and_detaches() {
    let instance = Instance::new();
    let mut terminal = Terminal::qd(&instance, &["run", "--label", "shell", "--", "/bin/sh"]);
    terminal.until_text("#").await;
    terminal.type_keys(b"echo $((6*7))\r").await;
    terminal.until_text("\n42").await;
    terminal.type_keys(b"\x1dd").await;
    assert!(terminal.until_ended().await.success(), "{}", terminal.text());
    let mut again = Terminal::qd(&instance, &["attach", "shell"]);
    again.until_text("\n42").await;
}

#[tokio::test]
async fn a_canary_sings_and_nothing_is_left_of_an_instance() {
    let instance = Instance::new();
    let home = instance.home().to_owned();
    let relay = instance.start_relay(&[]).await;
    let mut canary = Canary::start(&Way::unix(&instance)).await;
    canary.sings().await;
    assert!(naming(&home).len() >= 3, "relay, holder, program");
    drop(canary);
    drop(relay);
    drop(instance);
    assert_eq!(naming(&home), Vec::<u32>::new());
    assert!(!home.exists());
}
