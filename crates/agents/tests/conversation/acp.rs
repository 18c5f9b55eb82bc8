//! The Agent Client Protocol, as several agents speak it.

use quarterdeck_agents::{AnswerRefusal, CommandRefusal};
use quarterdeck_protocol::agent::{
    AgentCommand, AgentStart, AgentState, Ask, Delivery, ErrorClass, OptionKind, PromptAnswer,
    PromptState, Resume, StopReason, ToolContent, ToolKind, ToolStatus, Update, Vendor,
};
use serde_json::{Value, json};

use crate::harness::{Session, option, say, start};

/// The introduction of an agent with these abilities; the request that opens the conversation.
fn introduce(session: &mut Session, abilities: &Value) -> Value {
    let lines = session.settle();
    assert_eq!(lines[0]["method"], "initialize");
    assert_eq!(lines[0]["params"]["clientCapabilities"]["terminal"], false);
    session.out(result(
        &lines[0]["id"],
        json!({ "protocolVersion": 1, "agentCapabilities": abilities }),
    ));
    session.settle().remove(0)
}

fn abilities() -> Value {
    json!({
        "loadSession": true,
        "promptCapabilities": { "image": true },
        "sessionCapabilities": { "resume": {}, "fork": {} },
    })
}

fn ready() -> Session {
    let mut session = Session::started(Vendor::Acp);
    let opening = introduce(&mut session, &abilities());
    assert_eq!(opening["method"], "session/new");
    let modes = json!({
        "currentModeId": "default",
        "availableModes": [{ "id": "default", "name": "Ask" }, { "id": "plan", "name": "Plan" }],
    });
    let models = json!({
        "id": "model", "category": "model", "type": "select", "currentValue": "big",
        "options": [{ "value": "big", "name": "Big" }, { "value": "small", "name": "Small" }],
    });
    session.out(result(
        &opening["id"],
        json!({ "sessionId": "s1", "modes": modes, "configOptions": [models] }),
    ));
    assert_eq!(session.state(), AgentState::Idle);
    session
}

fn result(id: &Value, result: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "result": result })
}

fn update(kind: &str, members: Value) -> Value {
    let mut update = members;
    update["sessionUpdate"] = kind.into();
    let params = json!({ "sessionId": "s1", "update": update });
    json!({ "jsonrpc": "2.0", "method": "session/update", "params": params })
}

fn chunk(kind: &str, text: &str) -> Value {
    update(kind, json!({ "content": { "type": "text", "text": text } }))
}

/// A session in whose turn a tool waits; with the turn's request.
fn asking() -> (Session, Value) {
    let mut session = ready();
    let lines = session.prompt("go");
    session.out(update(
        "tool_call",
        json!({ "toolCallId": "t1", "title": "touch a", "kind": "execute", "status": "pending" }),
    ));
    session.out(ask(0));
    (session, lines[0]["id"].clone())
}

fn ask(id: u64) -> Value {
    json!({
        "jsonrpc": "2.0", "id": id, "method": "session/request_permission",
        "params": {
            "sessionId": "s1",
            "toolCall": { "toolCallId": "t1", "title": "touch a", "kind": "execute",
                          "status": "pending", "rawInput": { "command": "touch a" } },
            "options": [
                { "optionId": "proceed", "kind": "allow_once", "name": "Allow" },
                { "optionId": "ever", "kind": "allow_always", "name": "Always allow touch" },
                { "optionId": "no", "kind": "reject_once", "name": "Reject" },
            ],
        },
    })
}

#[test]
fn chunks_become_messages_that_end_where_another_begins() {
    let mut session = ready();
    let lines = session.prompt("hello");
    assert_eq!(lines[0]["method"], "session/prompt");
    session.out(chunk("agent_thought_chunk", "hmm"));
    session.out(chunk("agent_message_chunk", "Hi "));
    session.out(chunk("agent_message_chunk", "there"));
    let cost = json!({ "amount": 0.5, "currency": "USD" });
    session.out(update("usage_update", json!({ "used": 10, "size": 100, "cost": cost })));
    let usage = json!({ "inputTokens": 7, "outputTokens": 3, "cachedReadTokens": 2 });
    session.out(result(&lines[0]["id"], json!({ "stopReason": "end_turn", "usage": usage })));
    assert_eq!((session.said().as_str(), session.thought().as_str()), ("Hi there", "hmm"));
    assert_eq!(session.count(|it| matches!(it, Update::MessageEnded { .. })), 2);
    assert_eq!(session.endings(), [StopReason::EndTurn]);
    let usage = session.view().usage;
    assert_eq!(usage.cost.expect("is told").amount_micros, 500_000);
    assert_eq!(usage.tokens.expect("are told").input, 7);
    assert_eq!((usage.context_used, usage.context_size), (Some(10), Some(100)));
    session.check();
}

#[test]
fn options_are_known_by_their_kind_and_an_answer_is_applied_when_written() {
    let (mut session, turn) = asking();
    let prompt = session.open_prompt();
    let kinds: Vec<_> = prompt.ask.options().iter().map(|it| it.kind).collect();
    assert_eq!(kinds, [OptionKind::AllowOnce, OptionKind::AllowAlways, OptionKind::RejectOnce]);
    assert_eq!(prompt.ask.options()[1].rules[0].text, "Always allow touch");
    let lines = session.answer(prompt.id, &option("proceed"), "ada").expect("is taken");
    let outcome = json!({ "outcome": "selected", "optionId": "proceed" });
    assert_eq!(lines, [result(&json!(0), json!({ "outcome": outcome }))]);
    assert!(matches!(session.prompt_state(prompt.id), PromptState::Applied { .. }));
    let content = json!([{ "type": "content", "content": { "type": "text", "text": "ok" } }]);
    session.out(update(
        "tool_call_update",
        json!({ "toolCallId": "t1", "status": "completed", "content": content }),
    ));
    session.out(result(&turn, json!({ "stopReason": "end_turn" })));
    assert_eq!(session.statuses("t1").last(), Some(&ToolStatus::Completed));
    for answer in [
        PromptAnswer::Deny { message: "no".into() },
        PromptAnswer::EditedInput { option_id: "proceed".into(), input: json!({}) },
    ] {
        assert!(session.answer(prompt.id, &answer, "bob").is_err());
    }
    session.check();
}

#[test]
fn a_rejected_call_is_declined_whatever_the_agent_makes_of_it() {
    for tells_failure in [true, false] {
        let (mut session, turn) = asking();
        let id = session.open_prompt().id;
        session.answer(id, &option("no"), "ada").expect("is taken");
        if tells_failure {
            session
                .out(update("tool_call_update", json!({ "toolCallId": "t1", "status": "failed" })));
        }
        session.out(result(&turn, json!({ "stopReason": "end_turn" })));
        assert_eq!(session.statuses("t1").last(), Some(&ToolStatus::Declined));
        session.check();
    }
}

#[test]
fn a_call_that_is_first_seen_in_its_question_is_shown() {
    let mut session = ready();
    session.prompt("go");
    session.out(ask(0));
    let shown = |it: &Update| matches!(it, Update::ToolCall(call) if call.status == Some(ToolStatus::Waiting));
    assert_eq!(session.count(shown), 1);
    session.check();
}

#[test]
fn an_interrupt_answers_every_open_question_with_cancelled() {
    let (mut session, turn) = asking();
    session.out(ask(1));
    let lines = session.command(&AgentCommand::Interrupt).expect("a turn runs");
    assert_eq!(lines[0]["method"], "session/cancel");
    let answered: Vec<_> = lines[1..].iter().map(|line| line["id"].clone()).collect();
    assert_eq!(answered, [json!(0), json!(1)]);
    assert_eq!(lines[1]["result"]["outcome"]["outcome"], "cancelled");
    assert!(session.view().prompts.is_empty());
    let withdrawn =
        |it: &Update| matches!(it, Update::PromptUpdate { state: PromptState::Withdrawn, .. });
    assert_eq!(session.count(withdrawn), 2);
    session.out(result(&turn, json!({ "stopReason": "cancelled" })));
    assert_eq!(session.endings(), [StopReason::Cancelled]);
    session.check();
}

#[test]
fn a_plan_is_approved_and_an_elicitation_filled_in() {
    let mut session = ready();
    session.prompt("plan");
    let plan = json!([{ "type": "content", "content": { "type": "text", "text": "1. do" } }]);
    session.out(json!({
        "jsonrpc": "2.0", "id": 5, "method": "session/request_permission",
        "params": {
            "toolCall": { "toolCallId": "p", "title": "Ready?", "kind": "switch_mode", "content": plan },
            "options": [{ "optionId": "default", "kind": "allow_once", "name": "Yes" }],
        },
    }));
    let prompt = session.open_prompt();
    assert!(matches!(&prompt.ask, Ask::Plan { plan: Some(plan), .. } if plan == "1. do"));
    session.answer(prompt.id, &option("default"), "ada").expect("is taken");
    session.out(json!({
        "jsonrpc": "2.0", "id": "e", "method": "elicitation/create",
        "params": { "mode": "form", "message": "Sure?",
                    "requestedSchema": { "properties": { "ok": { "type": "boolean" } } } },
    }));
    let prompt = session.open_prompt();
    let values = serde_json::from_value(json!({ "ok": true })).expect("are values");
    let lines = session.answer(prompt.id, &PromptAnswer::Form { values }, "ada").expect("is taken");
    assert_eq!(
        lines,
        [result(&json!("e"), json!({ "action": "accept", "content": { "ok": true } }))]
    );
    session.check();
}

#[test]
fn a_second_message_waits_since_some_agents_would_cancel_the_first() {
    let mut session = ready();
    let first = session.prompt("first");
    assert!(session.prompt("second").is_empty());
    let steered = session.command(&say("now", Delivery::Steer));
    assert_eq!(steered, Err(CommandRefusal::Unsupported));
    session.out(result(&first[0]["id"], json!({ "stopReason": "end_turn" })));
    assert_eq!(session.settle()[0]["params"]["prompt"][0]["text"], "second");
    session.check();
}

#[test]
fn mode_and_model_are_set_in_the_way_that_was_offered() {
    let mut session = ready();
    let lines =
        session.command(&AgentCommand::SetMode { mode: "plan".into() }).expect("is offered");
    assert_eq!(lines[0]["method"], "session/set_mode");
    session.out(result(&lines[0]["id"], json!({})));
    let model = AgentCommand::SetModel { model: "small".into() };
    let lines = session.command(&model).expect("is offered");
    assert_eq!(lines[0]["method"], "session/set_config_option");
    assert_eq!(lines[0]["params"]["configId"], "model");
    session.out(result(&lines[0]["id"], json!({ "configOptions": [] })));
    let view = session.view();
    assert_eq!((view.mode.as_deref(), view.model.as_deref()), (Some("plan"), Some("small")));
    session.out(update("current_mode_update", json!({ "currentModeId": "default" })));
    assert_eq!(session.view().mode.as_deref(), Some("default"));
    assert_eq!(session.view().models.len(), 2);

    let mut bare = Session::started(Vendor::Acp);
    let opening = introduce(&mut bare, &json!({}));
    bare.out(result(&opening["id"], json!({ "sessionId": "s" })));
    let mode = AgentCommand::SetMode { mode: "plan".into() };
    assert_eq!(bare.command(&mode), Err(CommandRefusal::Unsupported));
    bare.check();
    session.check();
}

#[test]
fn resume_load_and_fork_are_used_as_offered() {
    for (abilities, resume, method) in [
        (abilities(), Resume::Resume { vendor_session: "s0".into() }, "session/resume"),
        (
            json!({ "loadSession": true }),
            Resume::Resume { vendor_session: "s0".into() },
            "session/load",
        ),
        (abilities(), Resume::Fork { vendor_session: "s0".into() }, "session/fork"),
    ] {
        let mut session = ready();
        session.lost();
        session.start(AgentStart { resume, ..start(Vendor::Acp) });
        let opening = introduce(&mut session, &abilities);
        assert_eq!(
            (&opening["method"], &opening["params"]["sessionId"]),
            (&json!(method), &json!("s0"))
        );
        session.out(result(&opening["id"], Value::Null));
        assert_eq!(session.state(), AgentState::Idle);
        assert_eq!(session.view().vendor_session.as_deref(), Some("s0"));
        session.check();
    }
}

#[test]
fn a_loaded_history_is_told_only_where_the_log_has_none() {
    for known in [false, true] {
        let mut session = ready();
        if known {
            let lines = session.prompt("hello");
            session.out(chunk("agent_message_chunk", "Hi"));
            session.out(result(&lines[0]["id"], json!({ "stopReason": "end_turn" })));
        }
        session.exit(0);
        session.resume("s1");
        let opening = introduce(&mut session, &json!({ "loadSession": true }));
        session.out(chunk("user_message_chunk", "hello"));
        session.out(chunk("agent_message_chunk", "Hi"));
        session.out(result(&opening["id"], Value::Null));
        assert_eq!(session.said(), "Hi");
        session.check();
    }
}

#[test]
fn failures_have_their_class() {
    for (error, class) in [
        (
            json!({ "code": -32603, "message": "Internal error: API Error: 401 bad key" }),
            ErrorClass::Auth,
        ),
        (json!({ "code": 429, "message": "slow down" }), ErrorClass::RateLimit),
        (
            json!({ "code": -32603, "message": "Internal error: API Error: 529 fake" }),
            ErrorClass::Overloaded,
        ),
        (
            json!({ "code": -32603, "message": "fake error 400", "data": { "errorName": "APIError" } }),
            ErrorClass::BadRequest,
        ),
        (json!({ "code": -32603, "message": "connect ECONNREFUSED" }), ErrorClass::Network),
        (
            json!({
                "code": -32603,
                "message": "Internal error: Incorrect API key provided: sk-1.",
                "data": { "service": "session", "errorName": "APIError" },
            }),
            ErrorClass::Auth,
        ),
        (
            json!({
                "code": -32603,
                "message": "Internal error: Cannot connect to API: Unable to connect. Is the \
                            computer able to access the url?",
                "data": { "service": "session", "errorName": "APIError" },
            }),
            ErrorClass::Network,
        ),
        (json!({ "code": -32000, "message": "log in" }), ErrorClass::NoKey),
    ] {
        let mut session = ready();
        let lines = session.prompt("x");
        session.out(json!({ "jsonrpc": "2.0", "id": lines[0]["id"], "error": error }));
        assert_eq!(session.endings(), [StopReason::Error]);
        assert_eq!(session.last_error().class, class, "{error}");
        session.check();
    }
    let mut session = Session::started(Vendor::Acp);
    let opening = introduce(&mut session, &json!({}));
    let error = json!({ "code": -32000, "message": "Authentication required" });
    session.out(json!({ "jsonrpc": "2.0", "id": opening["id"], "error": error }));
    assert_eq!(session.state(), AgentState::Stalled);
    session.check();
}

#[test]
fn what_nobody_can_give_is_refused_and_a_withdrawn_question_closes() {
    let (mut session, _) = asking();
    session.out(json!({ "jsonrpc": "2.0", "id": 8, "method": "fs/write_text_file", "params": {} }));
    let lines = session.settle();
    assert_eq!((&lines[0]["id"], &lines[0]["error"]["code"]), (&json!(8), &json!(-32601)));
    let id = session.open_prompt().id;
    session.out(json!({
        "jsonrpc": "2.0", "method": "$/cancel_request", "params": { "requestId": 0 },
    }));
    let late = session.answer(id, &option("proceed"), "ada");
    assert_eq!(late, Err(AnswerRefusal::Settled { state: PromptState::Withdrawn }));
    session.check();
}

#[test]
fn diffs_plans_commands_and_titles_are_told_and_the_rest_passes_through() {
    let mut session = ready();
    session.prompt("x");
    let diff = json!([{ "type": "diff", "path": "/a", "oldText": null, "newText": "one" }]);
    session.out(update(
        "tool_call",
        json!({ "toolCallId": "t", "title": "w", "kind": "edit", "content": diff,
                "locations": [{ "path": "/a", "line": 3 }] }),
    ));
    session.out(update(
        "plan",
        json!({ "entries": [{ "content": "one", "priority": "high", "status": "completed" }] }),
    ));
    session.out(update(
        "available_commands_update",
        json!({ "availableCommands": [{ "name": "init", "description": "d" }] }),
    ));
    session.out(update("session_info_update", json!({ "title": "A \u{202e}title" })));
    session.out(update("telepathy", json!({})));
    session.out(json!({ "jsonrpc": "2.0", "method": "_auth/status", "params": {} }));
    let call = session.events.iter().find_map(|event| match &event.update {
        Update::ToolCall(call) => Some(call.clone()),
        _ => None,
    });
    let call = call.expect("was told");
    assert_eq!((call.kind, call.locations[0].line), (Some(ToolKind::Edit), Some(3)));
    assert!(matches!(&call.content[0], ToolContent::Diff { old_text: None, .. }));
    let view = session.view();
    assert_eq!(view.title.as_deref(), Some("A title"));
    assert_eq!((view.plan.len(), view.commands.len()), (1, 1));
    assert_eq!(session.count(|it| matches!(it, Update::Raw { .. })), 2);
    session.check();
}
