//! Golden lines: the spelling of every command and event.

use alloc::{
    format,
    string::{String, ToString},
    vec,
};

use proptest::prelude::*;

use super::*;
use crate::{
    error::{ErrorCode, RpcError},
    ids::{Out, SessionId},
};

const SESSION: SessionId = SessionId::from_bytes([0xab; 10]);

fn parse(text: &str) -> Command {
    let request = Request::parse(text);
    assert_eq!(request.id, "c-1", "{text}");
    request.command.unwrap_or_else(|error| panic!("{text}: {error:?}"))
}

/// A line reads as this command, and the command is written as the line.
fn golden(text: &str, expected: Command) {
    assert_eq!(parse(text), expected);
    let request = Request { id: "c-1".into(), command: Ok(expected) };
    let written = request.to_text().expect("serialises").expect("a command");
    let json = |text| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
    assert_eq!(json(&written), json(text));
}

#[test]
fn terminal_commands_are_spelt_as_controllers_spell_them() {
    golden(
        r#"{"id":"c-1","type":"pty_create","payload":{"shell":"/bin/zsh","cwd":"/tmp","args":["-l"],"cols":120,"rows":40}}"#,
        Command::PtyCreate(PtyCreate {
            shell: Some("/bin/zsh".into()),
            cwd: Some("/tmp".into()),
            args: Some(vec!["-l".into()]),
            cols: Some(120),
            rows: Some(40),
        }),
    );
    golden(
        r#"{"id":"c-1","type":"pty_write","payload":{"id":"p","data":"ls\r"}}"#,
        Command::PtyWrite(PtyWrite { id: "p".into(), data: "ls\r".into() }),
    );
    golden(
        r#"{"id":"c-1","type":"pty_resize","payload":{"id":"p","cols":100,"rows":30}}"#,
        Command::PtyResize(PtyResize { id: "p".into(), cols: 100, rows: 30 }),
    );
    golden(
        r#"{"id":"c-1","type":"pty_close","payload":{"id":"p"}}"#,
        Command::PtyClose(PtyName { id: "p".into() }),
    );
    golden(r#"{"id":"c-1","type":"ping","payload":{}}"#, Command::Ping);
    golden(r#"{"id":"c-1","type":"state_sync","payload":{}}"#, Command::StateSync);
}

#[test]
fn agent_commands_are_spelt_as_controllers_spell_them() {
    let text = r#"{"id":"c-1","type":"agent_query","payload":{"provider":"codex","session_id":"s","prompt":"p","cwd":"/w","max_turns":3,"max_budget_usd":0.5,"resume_session_id":"r","permission_mode":"default","setting_sources":["user"],"system_prompt":"y","model":"m","claude_config_dir":"/c","additional_directories":["/a"],"worktree_name":"w","provider_config":{"k":1},"extra_env":{"A":"b"}}}"#;
    let query = AgentQuery {
        provider: "codex".into(),
        session_id: "s".into(),
        prompt: "p".into(),
        cwd: Some("/w".into()),
        max_turns: Some(3),
        max_budget_usd: Some(0.5),
        resume_session_id: Some("r".into()),
        permission_mode: Some("default".into()),
        setting_sources: Some(vec!["user".into()]),
        system_prompt: Some("y".into()),
        model: Some("m".into()),
        claude_config_dir: Some("/c".into()),
        additional_directories: Some(vec!["/a".into()]),
        worktree_name: Some("w".into()),
        provider_config: serde_json::json!({ "k": 1 }),
        extra_env: [("A".to_string(), "b".to_string())].into(),
    };
    golden(text, Command::AgentQuery(query.into()));
    golden(
        r#"{"id":"c-1","type":"agent_stop","payload":{"sessionId":"s"}}"#,
        Command::AgentStop(AgentStop { session_id: "s".into() }),
    );
    golden(r#"{"id":"c-1","type":"sidecar_restart","payload":{}}"#, Command::SidecarRestart);
    let short = r#"{"id":"c-1","type":"agent_query","payload":{"session_id":"s","prompt":"p"}}"#;
    let Command::AgentQuery(query) = parse(short) else { panic!("an agent_query") };
    assert_eq!(query.provider, "claude");
}

#[test]
fn nulls_missing_payloads_and_unknown_members_are_no_errors() {
    let empty = Command::PtyCreate(PtyCreate::default());
    for text in [
        r#"{"id":"c-1","type":"pty_create"}"#,
        r#"{"id":"c-1","type":"pty_create","payload":null}"#,
        r#"{"id":"c-1","type":"pty_create","payload":{"shell":null,"cwd":null,"args":null,"cols":null,"rows":null}}"#,
        r#"{"x":[1],"payload":{"colour":"red"},"type":"pty_create","id":"c-1"}"#,
    ] {
        assert_eq!(parse(text), empty, "{text}");
    }
    assert_eq!(parse(r#"{"id":"c-1","type":"ping","payload":null}"#), Command::Ping);
}

#[test]
fn what_is_no_command_becomes_the_error_to_reply_with() {
    let check = |text: &str, id: &str, code: ErrorCode| {
        let request = Request::parse(text);
        assert_eq!(request.id, id, "{text}");
        assert_eq!(request.command.expect_err(text).code(), code, "{text}");
    };
    for text in ["", "{", "nul", "\u{0}", r#"{"id":"c-1","type":"ping""#, "{}{}"] {
        check(text, "", ErrorCode::ParseError);
    }
    for text in ["7", "\"x\"", "null", "[]", r#"["c-1","ping",{}]"#, "{}", r#"{"type":"ping"}"#] {
        check(text, "", ErrorCode::InvalidRequest);
    }
    check(r#"{"id":7,"type":"ping"}"#, "", ErrorCode::InvalidRequest);
    let long = format!(r#"{{"id":"{}","type":"ping"}}"#, "é".repeat(MAX_COMMAND_ID_CHARS + 1));
    check(&long, "", ErrorCode::InvalidRequest);
    check(r#"{"id":"c-1"}"#, "c-1", ErrorCode::InvalidRequest);
    check(r#"{"id":"c-1","type":7}"#, "c-1", ErrorCode::InvalidRequest);
    check(r#"{"id":"c-1","type":"fly"}"#, "c-1", ErrorCode::MethodNotFound);
    for payload in ["{}", "[]", r#"["p","x"]"#, "7", r#"{"id":7}"#, r#"{"id":"p"}"#, "null"] {
        let text = format!(r#"{{"id":"c-1","type":"pty_write","payload":{payload}}}"#);
        check(&text, "c-1", ErrorCode::InvalidParams);
    }
    for (cols, rows) in [("65616", "24"), ("-1", "24"), ("80.5", "24"), ("80", "\"24\"")] {
        let payload = format!(r#"{{"id":"p","cols":{cols},"rows":{rows}}}"#);
        let text = format!(r#"{{"id":"c-1","type":"pty_resize","payload":{payload}}}"#);
        check(&text, "c-1", ErrorCode::InvalidParams);
    }
    let large = format!(r#"{{"id":"c-1","type":"ping","payload":"{}"}}"#, "x".repeat(1 << 20));
    check(&large, "c-1", ErrorCode::InvalidRequest);
    let deep = format!(r#"{{"id":"c-1","type":"agent_query","payload":{}"#, "[".repeat(100_000));
    check(&deep, "", ErrorCode::ParseError);
}

#[test]
fn events_are_spelt_as_controllers_read_them() {
    let check = |event: Event, line: &str| {
        assert_eq!(event.to_text().expect("serialises"), line.replace("S!", &SESSION.to_string()));
    };
    let (session, command_id) = (SESSION, String::from("c-1"));
    check(Event::Ready, r#"{"type":"ready"}"#);
    check(Event::Pong { command_id: None }, r#"{"type":"pong"}"#);
    let about = Event::Pong { command_id: Some(command_id.clone()) };
    check(about, r#"{"type":"pong","payload":{"commandId":"c-1"}}"#);
    check(
        Event::PtyCreated { session, command_id: command_id.clone() },
        r#"{"type":"pty_created","sessionId":"S!","payload":{"commandId":"c-1"}}"#,
    );
    check(
        Event::PtyData { session, text: "a\u{1b}[m€\n".into() },
        r#"{"type":"pty_data","sessionId":"S!","payload":"a\u001b[m€\n"}"#,
    );
    check(
        Event::PtyGap { session, from: Out(3), to: Out(9) },
        r#"{"type":"pty_gap","sessionId":"S!","payload":{"from":3,"to":9}}"#,
    );
    let end = PtyEnd { exit_code: Some(3), ..PtyEnd::default() };
    check(
        Event::PtyExit { session, end },
        r#"{"type":"pty_exit","sessionId":"S!","payload":{"exitCode":3,"signal":null}}"#,
    );
    let message = serde_json::value::to_raw_value(&serde_json::json!({ "type": "agent_log" }));
    check(
        Event::SidecarMessage { message: message.expect("JSON") },
        r#"{"type":"sidecar_message","payload":{"type":"agent_log"}}"#,
    );
    check(
        Event::SidecarExited { session: "s".into(), provider: "claude".into() },
        r#"{"type":"sidecar_exited","sessionId":"s","payload":{"provider":"claude"}}"#,
    );
    let sync = StateSync { active_sessions: vec![], active_ptys: vec!["p".into()] };
    check(
        Event::StateSync { sync: sync.clone(), command_id: None },
        r#"{"type":"state_sync","payload":{"activeSessions":[],"activePtys":["p"]}}"#,
    );
    check(
        Event::StateSync { sync, command_id: Some(command_id.clone()) },
        r#"{"type":"state_sync","payload":{"activeSessions":[],"activePtys":["p"],"commandId":"c-1"}}"#,
    );
    check(
        Event::Ack { session: Some(session.to_string()), command_id: command_id.clone() },
        r#"{"type":"ack","sessionId":"S!","payload":{"commandId":"c-1"}}"#,
    );
    let error = RpcError::new(ErrorCode::NotFound, "no such terminal");
    check(
        Event::Error { session: None, command_id, error },
        r#"{"type":"error","payload":{"commandId":"c-1","message":"no such terminal","code":"not_found"}}"#,
    );
}

proptest! {
    #[test]
    fn any_text_gets_a_command_or_an_error(text in "\\PC{0,80}") {
        let request = Request::parse(&text);
        prop_assert!(request.id.chars().count() <= MAX_COMMAND_ID_CHARS);
    }
}
