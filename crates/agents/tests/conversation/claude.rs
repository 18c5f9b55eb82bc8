//! Claude Code's stream-json and control protocol.

mod prompts;
mod waiting;

use quarterdeck_agents::{
    AnswerRefusal, CommandRefusal,
    limits::{MAX_MESSAGE_BYTES, MAX_QUEUE},
};
use quarterdeck_protocol::agent::{
    AgentCommand, AgentState, ContentBlock, Delivery, ErrorClass, Origin, PromptState, StopReason,
    ToolContent, ToolStatus, Update, Vendor,
};
use serde_json::{Value, json};

use crate::harness::{Session, option, say};

/// A session whose agent has introduced itself.
fn ready() -> Session {
    let mut session = Session::started(Vendor::Claude);
    assert_eq!(session.state(), AgentState::Starting);
    let lines = session.settle();
    assert_eq!(lines[0]["request"]["subtype"], "initialize");
    let body = json!({
        "commands": [{ "name": "review", "description": "Reviews", "argumentHint": "[pr]" }],
        "models": [{ "value": "big", "displayName": "Big" }],
        "current_permission_mode": "default",
    });
    session.out(response(&lines[0]["request_id"], body));
    assert_eq!(session.state(), AgentState::Idle);
    session
}

/// A session in whose turn a tool waits for a permission.
fn asking() -> Session {
    let mut session = ready();
    session.prompt("make a file");
    session.out(tool_use("t1", "Bash", json!({ "command": "touch a", "description": "make" })));
    session.out(can_use_tool("r1", "t1"));
    session
}

fn response(id: &Value, body: Value) -> Value {
    json!({
        "type": "control_response",
        "response": { "subtype": "success", "request_id": id, "response": body },
    })
}

fn init() -> Value {
    json!({
        "type": "system", "subtype": "init", "session_id": "v1", "cwd": "/project",
        "model": "big", "permissionMode": "default", "tools": ["Bash"],
    })
}

fn tool_use(id: &str, name: &str, input: Value) -> Value {
    json!({
        "type": "assistant",
        "message": {
            "id": "m-tool",
            "content": [{ "type": "tool_use", "id": id, "name": name, "input": input }],
        },
        "parent_tool_use_id": null,
    })
}

fn can_use_tool(request: &str, tool: &str) -> Value {
    json!({
        "type": "control_request", "request_id": request,
        "request": {
            "subtype": "can_use_tool", "tool_name": "Bash", "display_name": "Bash",
            "input": { "command": "touch a", "description": "make" },
            "description": "make",
            "permission_suggestions": [
                { "type": "addRules", "behavior": "allow", "destination": "localSettings",
                  "rules": [{ "toolName": "Bash", "ruleContent": "touch *" }] },
                { "type": "addDirectories", "directories": ["/project"], "destination": "session" },
            ],
            "tool_use_id": tool,
        },
    })
}

fn tool_result(id: &str, text: &str, decision: Option<&str>) -> Value {
    let meta = decision.map(|decision| {
        json!({ "id": id, "permission_decision": { "decision": decision, "source": "config" } })
    });
    json!({
        "type": "user",
        "message": {
            "role": "user",
            "content": [{ "type": "tool_result", "tool_use_id": id, "content": text }],
        },
        "parent_tool_use_id": null,
        "tool_result_meta": [meta],
    })
}

fn delta(event: Value) -> Value {
    json!({ "type": "stream_event", "event": event, "parent_tool_use_id": null })
}

fn result() -> Value {
    json!({
        "type": "result", "subtype": "success", "is_error": false, "result": "done",
        "stop_reason": "end_turn", "terminal_reason": "completed", "total_cost_usd": 0.25,
        "usage": { "input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 100 },
        "modelUsage": { "big": { "contextWindow": 200_000 } },
    })
}

#[test]
fn a_message_of_another_agent_is_marked_as_a_peers() {
    let mut session = ready();
    let origin = Origin::Agent { address: "KEY/claude:2".into() };
    let lines = session.command_from(&say("hello", Delivery::Queue), &origin).expect("is taken");
    let expected = json!({ "kind": "peer", "from": "KEY/claude:2", "name": "KEY/claude:2" });
    assert_eq!(lines[0]["origin"], expected);
    session.out(init());
    session.out(result());
    assert_eq!(session.prompt("mine")[0].get("origin"), None);
}

#[test]
fn a_streamed_turn_is_told_once_and_with_its_usage() {
    let mut session = ready();
    let lines = session.prompt("hello");
    assert_eq!(lines[0]["message"]["content"][0]["text"], "hello");
    assert_eq!(session.state(), AgentState::Running);
    session.out(init());
    session.out(delta(json!({ "type": "message_start", "message": { "id": "m1" } })));
    for (index, kind, field, text) in
        [(0, "thinking", "thinking", "hmm"), (1, "text", "text", "Hi \u{1b}[31mthere")]
    {
        let block = json!({ "type": kind });
        session.out(delta(
            json!({ "type": "content_block_start", "index": index, "content_block": block }),
        ));
        let (head, tail) = text.split_at(2);
        for part in [head, tail] {
            let part = json!({ "type": format!("{kind}_delta"), field: part });
            session.out(delta(
                json!({ "type": "content_block_delta", "index": index, "delta": part }),
            ));
        }
        let block = json!({ "type": kind, field: text });
        session.out(json!({
            "type": "assistant", "message": { "id": "m1", "content": [block] },
            "parent_tool_use_id": null,
        }));
        session.out(delta(json!({ "type": "content_block_stop", "index": index })));
    }
    session.out(result());
    assert_eq!(session.said(), "Hi there");
    assert_eq!(session.thought(), "hmm");
    assert_eq!(session.count(|it| matches!(it, Update::MessageEnded { .. })), 2);
    assert_eq!(session.endings(), [StopReason::EndTurn]);
    let usage = session.view().usage;
    assert_eq!(usage.cost.expect("is told").amount_micros, 250_000);
    assert_eq!(usage.tokens.expect("are told").cached_read, 100);
    assert_eq!(usage.context_size, Some(200_000));
    assert_eq!(session.view().vendor_session.as_deref(), Some("v1"));
    assert_eq!(session.state(), AgentState::Idle);
    session.check();
}

#[test]
fn text_that_was_not_streamed_is_told_whole() {
    let mut session = ready();
    session.prompt("hello");
    session.out(json!({
        "type": "assistant", "message": { "id": "m1", "content": [{ "type": "text", "text": "Hi" }] },
    }));
    session.out(result());
    assert_eq!(session.said(), "Hi");
    session.check();
}

#[test]
fn an_interrupt_withdraws_the_prompt_and_cancels_the_turn() {
    let mut session = asking();
    let prompt = session.open_prompt();
    let lines = session.command(&AgentCommand::Interrupt).expect("a turn runs");
    assert_eq!(lines[0]["request"]["subtype"], "interrupt");
    session.out(response(&lines[0]["request_id"], json!({ "still_queued": [] })));
    session.out(json!({ "type": "control_cancel_request", "request_id": "r1" }));
    assert_eq!(session.prompt_state(prompt.id), PromptState::Withdrawn);
    let late = session.answer(prompt.id, &option("allow_once"), "ada");
    assert_eq!(late, Err(AnswerRefusal::Settled { state: PromptState::Withdrawn }));
    session.out(json!({
        "type": "result", "subtype": "error_during_execution", "is_error": true,
        "terminal_reason": "aborted_tools", "stop_reason": "tool_use",
    }));
    assert_eq!(session.endings(), [StopReason::Cancelled]);
    assert_eq!(session.statuses("t1").last(), Some(&ToolStatus::UnknownOutcome));
    let refused = session.command(&AgentCommand::Interrupt);
    assert_eq!(refused, Err(CommandRefusal::NoTurn));
    session.check();
}

#[test]
fn mode_and_model_change_when_the_agent_says_so() {
    let mut session = ready();
    for (command, failing) in [
        (AgentCommand::SetMode { mode: "plan".into() }, false),
        (AgentCommand::SetMode { mode: "bypassPermissions".into() }, true),
        (AgentCommand::SetModel { model: "small".into() }, false),
    ] {
        let lines = session.command(&command).expect("is ready");
        let id = &lines[0]["request_id"];
        session.out(if failing {
            let error =
                json!({ "subtype": "error", "request_id": id, "error": "not launched with it" });
            json!({ "type": "control_response", "response": error })
        } else {
            response(id, json!({}))
        });
    }
    assert_eq!(session.view().mode.as_deref(), Some("plan"));
    assert_eq!(session.view().model.as_deref(), Some("small"));
    assert_eq!(session.last_error().message, "not launched with it");
    session.check();
}

#[test]
fn a_dead_agent_loses_its_prompt_and_resumes_with_what_waits() {
    let mut session = asking();
    session.out(init());
    session.prompt("and then");
    let prompt = session.open_prompt();
    session.lost();
    assert_eq!(session.prompt_state(prompt.id), PromptState::Lost { answered: None });
    assert_eq!(session.endings(), [StopReason::AgentExit]);
    assert_eq!(session.last_error().class, ErrorClass::AgentExit);
    assert_eq!(session.statuses("t1").last(), Some(&ToolStatus::UnknownOutcome));
    assert_eq!(session.state(), AgentState::Exited);
    let gone = session.answer(prompt.id, &option("allow_once"), "ada");
    assert!(matches!(gone, Err(AnswerRefusal::Settled { .. })));
    assert!(session.settle().is_empty());

    session.resume("v1");
    let lines = session.settle();
    assert_eq!(lines[0]["request"]["subtype"], "initialize");
    session.out(response(&lines[0]["request_id"], json!({})));
    let lines = session.settle();
    assert_eq!(lines[0]["message"]["content"][0]["text"], "and then");
    // the same vendor id in another life of the program is another prompt
    session.out(can_use_tool("r1", "t5"));
    assert_ne!(session.open_prompt().id, prompt.id);
    session.check();
}

#[test]
fn api_errors_have_their_class() {
    for (line, class, status) in [
        (
            json!({ "result": "API Error: 401 bad key", "api_error_status": 401 }),
            ErrorClass::Auth,
            Some(401),
        ),
        (
            json!({ "result": "API Error: 429", "api_error_status": 429 }),
            ErrorClass::RateLimit,
            Some(429),
        ),
        (json!({ "result": "API Error: 529 Overloaded" }), ErrorClass::Overloaded, None),
        (
            json!({ "result": "API Error: 400 bad", "api_error_status": 400 }),
            ErrorClass::BadRequest,
            Some(400),
        ),
        (
            json!({ "result": "API Error: Connection refused (ECONNREFUSED)", "api_error": "connection_failed" }),
            ErrorClass::Network,
            None,
        ),
        (json!({ "result": "Not logged in · Please run /login" }), ErrorClass::NoKey, None),
        (json!({ "errors": ["something broke"] }), ErrorClass::Other, None),
    ] {
        let mut session = ready();
        session.prompt("x");
        let mut result = result();
        for (key, value) in line.as_object().expect("is one") {
            result[key] = value.clone();
        }
        result["is_error"] = true.into();
        result["terminal_reason"] = "api_error".into();
        if line.get("result").is_none() {
            result.as_object_mut().expect("is one").remove("result");
        }
        session.out(result);
        assert_eq!(session.endings(), [StopReason::Error]);
        let error = session.last_error();
        assert_eq!((error.class, error.http_status), (class, status), "{error:?}");
        session.check();
    }
}

#[test]
fn a_missing_key_is_told_apart_from_a_wrong_one() {
    for (text, class) in
        [("Not logged in · Please run /login", ErrorClass::NoKey), ("bad key", ErrorClass::Auth)]
    {
        let mut session = ready();
        session.prompt("x");
        session.out(json!({
            "type": "assistant", "is_api_error_message": true, "error": "authentication_failed",
            "message": { "id": "m", "content": [{ "type": "text", "text": text }] },
        }));
        session.out(json!({ "type": "result", "is_error": true, "result": text }));
        assert_eq!(session.last_error().class, class);
        session.check();
    }
}

#[test]
fn retries_are_told_with_what_failed() {
    let mut session = ready();
    session.prompt("x");
    session.out(json!({
        "type": "system", "subtype": "api_retry", "attempt": 1, "max_retries": 10,
        "retry_delay_ms": 1007, "error_status": 429, "error": "rate_limit",
    }));
    session.out(json!({
        "type": "system", "subtype": "api_retry", "attempt": 2, "max_retries": 10,
        "retry_delay_ms": 2000, "error_status": null, "error": "unknown",
    }));
    let retries: Vec<_> = session
        .events
        .iter()
        .filter_map(|event| match &event.update {
            Update::Retry(retry) => Some((retry.attempt, retry.error.class)),
            _ => None,
        })
        .collect();
    assert_eq!(retries, [(Some(1), ErrorClass::RateLimit), (Some(2), ErrorClass::Network)]);
    session.check();
}

#[test]
fn a_sub_agent_speaks_under_its_tool_call_and_outlives_the_turn() {
    let mut session = ready();
    session.prompt("delegate");
    session.out(tool_use("a1", "Agent", json!({ "description": "sub" })));
    session.out(json!({
        "type": "system", "subtype": "task_started", "task_id": "task", "tool_use_id": "a1",
        "description": "sub",
    }));
    session.out(tool_result("a1", "launched", None));
    let mut sub = tool_use("s1", "Bash", json!({ "command": "ls" }));
    sub["parent_tool_use_id"] = "a1".into();
    session.out(sub);
    session.out(can_use_tool("r7", "s1"));
    session.out(result());
    // the sub-agent's question and tool call are still there
    let prompt = session.open_prompt();
    assert_eq!(session.state(), AgentState::Waiting);
    session.answer(prompt.id, &option("allow_once"), "ada").expect("is taken");
    let mut done = tool_result("s1", "a", Some("accept"));
    done["parent_tool_use_id"] = "a1".into();
    session.out(done);
    assert_eq!(session.statuses("s1").last(), Some(&ToolStatus::Completed));
    session.out(json!({
        "type": "system", "subtype": "task_notification", "task_id": "task", "status": "completed",
    }));
    // the agent goes on by itself
    session.out(init());
    session.out(result());
    let own = session.count(|it| {
        matches!(it, Update::TurnStarted { origin: Origin::SelfStarted, message_id: None })
    });
    assert_eq!(own, 1);
    assert_eq!(session.endings().len(), 2);
    session.check();
}

#[test]
fn an_edit_shows_its_change() {
    let mut session = ready();
    session.prompt("edit");
    let input = json!({ "file_path": "/project/a", "old_string": "one", "new_string": "two" });
    session.out(tool_use("t1", "Edit", input));
    let mut done = tool_result("t1", "edited", Some("accept"));
    done["tool_use_result"] = json!({
        "filePath": "/project/a",
        "structuredPatch": [
            { "oldStart": 1, "oldLines": 1, "newStart": 1, "newLines": 1, "lines": ["-one", "+two"] },
        ],
    });
    session.out(done);
    let contents: Vec<ToolContent> = session
        .events
        .iter()
        .filter_map(|event| match &event.update {
            Update::ToolCall(call) | Update::ToolCallUpdate(call) => Some(call.content.clone()),
            _ => None,
        })
        .flatten()
        .collect();
    assert!(contents.contains(&ToolContent::Diff {
        path: "/project/a".into(),
        old_text: Some("one".into()),
        new_text: "two".into(),
    }));
    assert!(contents.contains(&ToolContent::Patch {
        path: "/project/a".into(),
        unified: "@@ -1,1 +1,1 @@\n-one\n+two\n".into(),
    }));
    session.check();
}

#[test]
fn rate_limits_and_todos_and_unknown_frames_are_told() {
    let mut session = ready();
    session.prompt("x");
    session.out(json!({
        "type": "rate_limit_event",
        "rate_limit_info": {
            "status": "allowed_warning", "rateLimitType": "five_hour", "utilization": 0.875,
            "resetsAt": 1_800_000_000,
        },
    }));
    let todos = json!([{ "content": "one", "status": "in_progress" }]);
    session.out(tool_use("t", "TodoWrite", json!({ "todos": todos })));
    session.out(json!({ "type": "from_the_future", "x": "y" }));
    let view = session.view();
    assert_eq!(view.rate_windows[0].used_permille, Some(875));
    assert_eq!(view.plan[0].content, "one");
    let raw = |it: &Update| matches!(it, Update::Raw { kind, .. } if kind == "from_the_future");
    assert_eq!(session.count(raw), 1);
    session.check();
}

#[test]
fn images_reach_the_agent_and_not_the_events() {
    let mut session = ready();
    let data = "aGVsbG8=".to_owned();
    let image = ContentBlock::Image { mime_type: "image/png".into(), data: data.clone() };
    let command = AgentCommand::Prompt { content: vec![image], delivery: Delivery::Queue };
    let lines = session.command(&command).expect("is taken");
    assert_eq!(lines[0]["message"]["content"][0]["source"]["data"], data.as_str());
    let shown = session.events.iter().find_map(|event| match &event.update {
        Update::UserMessageChunk { content: ContentBlock::Image { data, .. }, .. } => Some(data),
        _ => None,
    });
    assert_eq!(shown, Some(&String::new()));
    session.check();
}

#[test]
fn what_waits_for_an_agent_is_bounded_in_number_and_size() {
    let mut session = ready();
    session.prompt("first");
    for _ in 0..MAX_QUEUE {
        session.prompt("waits");
    }
    let full = session.command(&say("one more", Delivery::Queue));
    assert_eq!(full, Err(CommandRefusal::QueueFull));
    let mut session = ready();
    session.prompt("first");
    let large = "x".repeat(MAX_MESSAGE_BYTES / 2 + 1);
    session.prompt(&large);
    let full = session.command(&say(&large, Delivery::Queue));
    assert_eq!(full, Err(CommandRefusal::QueueFull));
    let too_large = session.command(&say(&"x".repeat(MAX_MESSAGE_BYTES + 1), Delivery::Queue));
    assert_eq!(too_large, Err(CommandRefusal::TooLarge));
    assert_eq!(session.command(&say("", Delivery::Queue)), Err(CommandRefusal::Empty));
}
