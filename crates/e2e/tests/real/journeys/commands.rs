//! What scripts rely on: exit codes, and the shapes that `--json` prints.

use quarterdeck_e2e::harness::{
    client::{Way, watching},
    instance::{Instance, Ran, program_binary},
    terminal::Terminal,
};
use quarterdeck_protocol::{
    method::{
        AttachRole, Empty, InputResult, LeaseResult, RelayStatusResult, Role, SessionListResult,
        SessionResult,
    },
    record::ExitStatus,
    session::SessionState,
};

/// The error that a command printed with `--json`: its word and its first hint.
fn error(ran: &Ran) -> (String, String) {
    let printed: serde_json::Value = serde_json::from_str(&ran.stderr)
        .unwrap_or_else(|error| panic!("one line of JSON ({error}): {ran:?}"));
    let error = &printed["error"];
    assert_eq!(error["exit_code"].as_i64(), ran.code().map(i64::from), "{error}");
    let word = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    (word(&error["kind"]), word(&error["hints"][0]))
}

#[tokio::test]
async fn a_programs_own_end_is_the_exit_code_of_who_watches_it() {
    let instance = Instance::new();
    let words = ["run", "--detach", "--label", "seven", "--json", "--", "/bin/sh", "-c", "exit 7"];
    let created: SessionResult = instance.qd(words).await.ok().json();
    assert_eq!(created.session.label.to_string(), "seven");
    let waited = instance.qd(["wait", "seven", "--for", "exit", "--json"]).await;
    assert_eq!(waited.code(), Some(7), "{waited:?}");
    let ended: SessionResult = waited.json();
    let seven = ExitStatus::Code { code: 7 };
    assert!(matches!(ended.session.state, SessionState::Exited { status, .. } if status == seven));

    instance.qd(["run", "-d", "-l", "shot", "--", "/bin/sh", "-c", "kill -9 $$"]).await.ok();
    let waited = instance.qd(["wait", "shot", "--for", "exit"]).await;
    assert_eq!(waited.code(), Some(137), "{waited:?}");

    let mut terminal = Terminal::qd(&instance, &["run", "--", "/bin/sh", "-c", "exit 7"]);
    assert_eq!(terminal.until_ended().await.code(), Some(7), "{}", terminal.text());
    let attached = Terminal::qd(&instance, &["attach", "seven"]).until_ended().await;
    assert_eq!(attached.code(), Some(10), "it had ended before");
}

#[tokio::test]
async fn a_session_is_typed_into_renamed_signalled_stopped_and_removed_by_commands() {
    let instance = Instance::new();
    let program = program_binary().display().to_string();
    let words = ["run", "-d", "-l", "one", "--", &program, "raw", "print:ready", "echo", "wait"];
    instance.qd(words).await.ok();
    let way = Way::unix(&instance);
    let mut viewer = way.connect("viewer").await;
    viewer = {
        let mut viewer = viewer.attach(&watching("one", AttachRole::Follow)).await;
        viewer.until_text("ready").await;
        let typed: InputResult =
            instance.qd(["send", "one", "hello", "--enter", "--json"]).await.ok().json();
        viewer.until_text("hello\r").await;
        assert!(typed.out.0 >= 5, "{typed:?}");
        viewer.peer
    };
    drop(viewer);
    let printed = instance.qd(["logs", "one", "--raw"]).await.ok();
    assert_eq!(printed.stdout, b"readyhello\r");

    let renamed: SessionResult = instance.qd(["rename", "one", "two", "--json"]).await.ok().json();
    assert_eq!(renamed.session.label.to_string(), "two");
    let missing = instance.qd(["rename", "one", "three", "--json"]).await;
    assert_eq!((missing.code(), error(&missing).0.as_str()), (Some(3), "not_found"));

    let running = instance.qd(["rm", "two", "--json"]).await;
    assert_eq!((running.code(), error(&running).0.as_str()), (Some(8), "already_running"));
    assert!(error(&running).1.contains("qd stop"), "{running:?}");
    let unknown = instance.qd(["signal", "two", "NOPE", "--json"]).await;
    assert_eq!((unknown.code(), error(&unknown).0.as_str()), (Some(2), "usage"));
    let _: Empty = instance.qd(["signal", "two", "term", "--to", "program", "--json"]).await.json();
    assert_eq!(instance.qd(["wait", "two", "--for", "exit"]).await.code(), Some(143));
    let ended = instance.qd(["send", "two", "x", "--json"]).await;
    assert_eq!((ended.code(), error(&ended).0.as_str()), (Some(10), "ended"));

    instance.qd(["resume", "two"]).await.ok();
    let late = instance.qd(["wait", "two", "--for", "exit", "--timeout", "1ms", "--json"]).await;
    assert_eq!((late.code(), error(&late).0.as_str()), (Some(9), "timeout"));
    let _: Empty = instance.qd(["stop", "two", "--now", "--json"]).await.ok().json();
    assert_eq!(instance.qd(["wait", "two", "--for", "exit"]).await.code(), Some(137));
    let _: Empty = instance.qd(["rm", "two", "--json"]).await.ok().json();
    let list: SessionListResult = instance.qd(["ls", "--json"]).await.ok().json();
    assert_eq!(list.sessions, []);
}

#[tokio::test]
async fn a_log_is_printed_as_a_recording_and_a_lease_goes_from_hand_to_hand() {
    let instance = Instance::new();
    let program = program_binary().display().to_string();
    let text = "print:\\e[1mbold\\e[0m";
    instance.qd(["run", "-d", "-l", "cast", "--", &program, "raw", text, "wait"]).await.ok();
    let way = Way::unix(&instance);
    let mut owner = way.connect("owner").await.attach(&watching("cast", AttachRole::Auto)).await;
    owner.until_text("bold").await;
    let cast = instance.qd(["logs", "cast", "--asciicast"]).await.ok().text();
    let mut lines = cast.lines().map(|line| serde_json::from_str(line).expect("is JSON"));
    let header: serde_json::Value = lines.next().expect("has a header");
    assert!(header["version"].as_u64().is_some_and(|version| version >= 2), "{header}");
    let said = |event: serde_json::Value| event[1] == "o" && event[2] == "\u{1b}[1mbold\u{1b}[0m";
    assert!(lines.any(said), "{cast}");

    let refused = instance.qd(["lease", "release", "cast", "--json"]).await;
    assert_eq!((refused.code(), error(&refused).0.as_str()), (Some(5), "not_owner"));
    let taken: LeaseResult = instance.qd(["lease", "take", "cast", "--json"]).await.ok().json();
    assert_eq!(taken.role, Role::Owner);
    owner.until("it hears of it", |it| it.epoch == taken.lease.epoch).await;
}

#[tokio::test]
async fn after_down_sessions_live_on_and_are_found_again() {
    let instance = Instance::new();
    instance.qd(["run", "-d", "-l", "kept", "--", "/bin/cat"]).await.ok();
    let status: RelayStatusResult = instance.qd(["status", "--json"]).await.ok().json();
    assert_eq!((status.live, status.ended), (1, 0));
    let way = Way::unix(&instance);
    let mut owner = way.connect("owner").await.attach(&watching("kept", AttachRole::Auto)).await;
    owner.type_applied(b"before\r").await;
    owner.until_text("before\r\nbefore").await;
    let stopped: RelayStatusResult = instance.qd(["down", "--json"]).await.ok().json();
    assert_eq!((stopped.pid, stopped.live), (status.pid, 1));
    owner.until_closed().await;
    quarterdeck_e2e::processes::until_gone(status.pid).await.expect("the relay ends");

    let refused = instance.qd(["status", "--json"]).await;
    assert_eq!((refused.code(), error(&refused).0.as_str()), (Some(7), "unreachable"));
    instance.qd(["down"]).await.ok();

    // whoever asks for the sessions starts the relay that serves them
    let list: SessionListResult = instance.qd(["ls", "--json"]).await.ok().json();
    assert_eq!(list.sessions[0].state, SessionState::Running);
    let started: RelayStatusResult = instance.qd(["status", "--json"]).await.ok().json();
    assert!(started.generation > status.generation);
    let mut terminal = Terminal::qd(&instance, &["attach", "kept", "--take"]);
    terminal.until_text("before").await;
    terminal.type_keys(b"after\r").await;
    terminal.until_text("after").await;
    terminal.type_keys(b"\x1dd").await;
    assert!(terminal.until_ended().await.success(), "{}", terminal.text());
}
