//! A runner of newline-separated JSON.

use quarterdeck_agents::CommandRefusal;
use quarterdeck_protocol::agent::{
    AgentCommand, AgentState, Delivery, ErrorClass, StopReason, ToolStatus, Update, Vendor,
};
use serde_json::{Value, json};

use crate::harness::{Session, say};

fn ready() -> Session {
    let mut session = Session::started(Vendor::Sidecar);
    assert_eq!(session.state(), AgentState::Starting);
    session.out(json!({ "type": "ready" }));
    assert_eq!(session.state(), AgentState::Idle);
    session
}

/// A query that runs; its id.
fn running(session: &mut Session, words: &str) -> Value {
    let lines = session.prompt(words);
    assert_eq!((&lines[0]["type"], &lines[0]["prompt"]), (&json!("query"), &json!(words)));
    let id = lines[0]["sessionId"].clone();
    session.out(json!({ "type": "agent_started", "sessionId": id }));
    id
}

fn event(id: &Value, event: Value) -> Value {
    json!({ "type": "agent_event", "sessionId": id, "event": event })
}

fn result() -> Value {
    json!({ "type": "result", "subtype": "success", "is_error": false, "stop_reason": "end_turn",
            "usage": { "input_tokens": 3, "output_tokens": 4 }, "total_cost_usd": 0.001 })
}

fn stopped(id: &Value, code: i64) -> Value {
    json!({ "type": "agent_stopped", "sessionId": id, "exitCode": code, "signal": null })
}

#[test]
fn a_query_is_a_turn_whose_events_are_stream_json() {
    let mut session = ready();
    let id = running(&mut session, "hello");
    session.out(event(&id, json!({ "type": "system", "subtype": "init", "session_id": "v1" })));
    let block = json!({ "type": "text", "text": "Hi" });
    session.out(event(
        &id,
        json!({ "type": "assistant", "message": { "id": "m", "content": [block] } }),
    ));
    let call =
        json!({ "type": "tool_use", "id": "t", "name": "Bash", "input": { "command": "ls" } });
    session.out(event(
        &id,
        json!({ "type": "assistant", "message": { "id": "m", "content": [call] } }),
    ));
    let done =
        json!({ "type": "tool_result", "tool_use_id": "t", "content": "a", "is_error": true });
    session.out(event(&id, json!({ "type": "user", "message": { "content": [done] } })));
    session.out(event(&id, result()));
    session.out(stopped(&id, 0));
    assert_eq!(session.said(), "Hi");
    assert_eq!(session.statuses("t"), [ToolStatus::InProgress, ToolStatus::Failed]);
    assert_eq!(session.endings(), [StopReason::EndTurn], "the result ends it, the stop does not");
    assert_eq!(session.view().usage.tokens.expect("are told").output, 4);
    session.check();
}

#[test]
fn the_next_query_resumes_the_conversation_after_the_first_has_stopped() {
    let mut session = ready();
    let id = running(&mut session, "first");
    session.out(event(&id, json!({ "type": "system", "subtype": "init", "session_id": "v1" })));
    session.prompt("second");
    session.out(event(&id, result()));
    assert!(session.settle().is_empty(), "the runner still runs the first");
    session.out(stopped(&id, 0));
    let lines = session.settle();
    assert_eq!(
        (&lines[0]["prompt"], &lines[0]["resumeSessionId"]),
        (&json!("second"), &json!("v1"))
    );
    session.check();
}

#[test]
fn a_query_that_stops_without_a_result_ends_its_turn() {
    for (last, reason, class) in [
        (json!({ "exitCode": 0 }), StopReason::EndTurn, None),
        (json!({ "exitCode": 3 }), StopReason::Error, Some(ErrorClass::AgentExit)),
        (json!({ "exitCode": null, "signal": "SIGTERM" }), StopReason::Cancelled, None),
    ] {
        let mut session = ready();
        running(&mut session, "x");
        let mut line = last.clone();
        line["type"] = "agent_stopped".into();
        session.out(line);
        assert_eq!(session.endings(), [reason]);
        if let Some(class) = class {
            assert_eq!(session.last_error().class, class);
        }
        session.check();
    }
}

#[test]
fn errors_end_the_turn_once_and_have_their_class() {
    for (text, class) in [
        ("API Error: 401 no", ErrorClass::Auth),
        ("API Error: 429 slow", ErrorClass::RateLimit),
        ("529 Overloaded", ErrorClass::Overloaded),
        ("connect ECONNREFUSED", ErrorClass::Network),
    ] {
        let mut session = ready();
        let id = running(&mut session, "x");
        session.out(json!({ "type": "agent_error", "sessionId": id, "message": text }));
        session.out(stopped(&id, 1));
        assert_eq!(session.endings(), [StopReason::Error]);
        assert_eq!(session.last_error().class, class);
        session.check();
    }
}

#[test]
fn an_interrupt_stops_the_query() {
    let mut session = ready();
    let id = running(&mut session, "x");
    let lines = session.command(&AgentCommand::Interrupt).expect("a turn runs");
    assert_eq!(lines, [json!({ "type": "stop", "sessionId": id })]);
    session.out(json!({ "type": "agent_stopped", "sessionId": id, "signal": "SIGTERM" }));
    assert_eq!(session.endings(), [StopReason::Cancelled]);
    assert_eq!(session.state(), AgentState::Idle);
    session.check();
}

#[test]
fn mode_and_model_go_with_the_next_query_and_steering_is_not_there() {
    let mut session = ready();
    for command in [
        AgentCommand::SetMode { mode: "plan".into() },
        AgentCommand::SetModel { model: "small".into() },
    ] {
        assert_eq!(session.command(&command), Ok(Vec::new()));
    }
    let lines = session.prompt("x");
    assert_eq!(
        (&lines[0]["permissionMode"], &lines[0]["model"]),
        (&json!("plan"), &json!("small"))
    );
    let steered = session.command(&say("y", Delivery::Steer));
    assert_eq!(steered, Err(CommandRefusal::Unsupported));
    session.check();
}

#[test]
fn a_dead_runner_ends_the_turn_and_the_conversation_is_resumed() {
    let mut session = ready();
    let id = running(&mut session, "x");
    session.out(event(&id, json!({ "type": "system", "subtype": "init", "session_id": "v1" })));
    session.lost();
    assert_eq!(session.endings(), [StopReason::AgentExit]);
    session.resume("v1");
    session.out(json!({ "type": "ready" }));
    let lines = session.prompt("again");
    assert_eq!(lines[0]["resumeSessionId"], "v1");
    session.check();
}

#[test]
fn logs_are_notices_and_unknown_lines_pass_through() {
    let mut session = ready();
    session.out(json!({ "type": "agent_log", "message": "\u{1b}[2mstarting" }));
    session.out(json!({ "type": "pong" }));
    session.out(json!({ "type": "novelty" }));
    let notice = |it: &Update| matches!(it, Update::Notice { text } if text == "starting");
    assert_eq!(session.count(notice), 1);
    assert_eq!(session.count(|it| matches!(it, Update::Raw { .. })), 1);
    session.check();
}
