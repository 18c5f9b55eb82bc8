//! Codex's app-server.

use quarterdeck_agents::{AnswerRefusal, CommandRefusal};
use quarterdeck_protocol::agent::{
    AgentCommand, AgentState, Ask, Delivery, ErrorClass, FormValue, MessageState, OptionKind,
    Origin, PromptAnswer, PromptState, Resume, RuleLifetime, StopReason, ToolContent, ToolStatus,
    Update, Vendor,
};
use serde_json::{Value, json};

use crate::harness::{Session, option, say, start};

/// A session with a thread.
fn ready() -> Session {
    let mut session = Session::started(Vendor::Codex);
    let opening = introduce(&mut session);
    assert_eq!(opening["method"], "thread/start");
    assert_eq!(opening["params"]["approvalPolicy"], "untrusted", "supervised by default");
    open(&mut session, &opening);
    assert_eq!(session.state(), AgentState::Idle);
    session
}

/// The introduction; the request that opens the thread.
fn introduce(session: &mut Session) -> Value {
    let lines = session.settle();
    assert_eq!(lines[0]["method"], "initialize");
    session.out(json!({ "id": lines[0]["id"], "result": { "userAgent": "codex" } }));
    let lines = session.settle();
    assert_eq!(lines[0]["method"], "initialized");
    lines[1].clone()
}

fn open(session: &mut Session, opening: &Value) {
    session.out(json!({
        "id": opening["id"],
        "result": { "thread": { "id": "th1", "cwd": "/project" }, "model": "gpt", "cwd": "/project" },
    }));
}

fn note(method: &str, params: Value) -> Value {
    json!({ "method": method, "params": params })
}

/// A session in whose turn `tu1` something runs.
fn running() -> Session {
    let mut session = ready();
    let lines = session.prompt("go");
    assert_eq!(lines[0]["method"], "turn/start");
    session.out(json!({ "id": lines[0]["id"], "result": { "turn": { "id": "tu1" } } }));
    session.out(note("turn/started", json!({ "threadId": "th1", "turn": { "id": "tu1" } })));
    session
}

fn end(status: &str) -> Value {
    let turn = json!({ "id": "tu1", "status": status });
    note("turn/completed", json!({ "threadId": "th1", "turn": turn }))
}

fn command(status: &str, phase: &str) -> Value {
    let item = json!({
        "type": "commandExecution", "id": "c1", "command": "touch a", "cwd": "/project",
        "status": status, "aggregatedOutput": "out", "exitCode": 0,
    });
    note(&format!("item/{phase}"), json!({ "threadId": "th1", "turnId": "tu1", "item": item }))
}

/// A session whose command waits for approval under the vendor's id 0.
fn asking() -> Session {
    let mut session = running();
    session.out(command("inProgress", "started"));
    session.out(approval());
    session
}

fn approval() -> Value {
    json!({
        "method": "item/commandExecution/requestApproval", "id": 0,
        "params": {
            "threadId": "th1", "turnId": "tu1", "itemId": "c1", "command": "touch a",
            "availableDecisions": [
                "accept",
                { "acceptWithExecpolicyAmendment": { "execpolicy_amendment": ["touch", "a"] } },
                "cancel",
            ],
        },
    })
}

fn resolved() -> Value {
    note("serverRequest/resolved", json!({ "threadId": "th1", "requestId": 0 }))
}

#[test]
fn a_streamed_turn_is_told_once_and_with_its_usage() {
    let mut session = running();
    for (kind, id, method, text) in [
        ("reasoning", "r1", "item/reasoning/summaryTextDelta", "hmm"),
        ("agentMessage", "m1", "item/agentMessage/delta", "hello"),
    ] {
        session.out(note("item/started", json!({ "item": { "type": kind, "id": id } })));
        let (head, tail) = text.split_at(2);
        for delta in [head, tail] {
            session.out(note(method, json!({ "itemId": id, "delta": delta })));
        }
        let item = json!({ "type": kind, "id": id, "text": text, "summary": [text] });
        session.out(note("item/completed", json!({ "item": item })));
    }
    let last = json!({
        "totalTokens": 143, "inputTokens": 101, "cachedInputTokens": 50, "outputTokens": 42,
        "reasoningOutputTokens": 7,
    });
    let usage = json!({ "last": last, "total": last, "modelContextWindow": 1000 });
    for turn in ["tu0", "tu1"] {
        // the first one repeats what an earlier turn used
        session.out(note(
            "thread/tokenUsage/updated",
            json!({ "threadId": "th1", "turnId": turn, "tokenUsage": usage }),
        ));
    }
    session.out(end("completed"));
    assert_eq!((session.said().as_str(), session.thought().as_str()), ("hello", "hmm"));
    assert_eq!(session.endings(), [StopReason::EndTurn]);
    let usage = session.view().usage;
    let tokens = usage.tokens.expect("are told");
    assert_eq!((tokens.input, tokens.cached_read, tokens.output, tokens.thought), (51, 50, 42, 7));
    assert_eq!((usage.context_used, usage.context_size), (Some(143), Some(1000)));
    assert_eq!(session.view().vendor_session.as_deref(), Some("th1"));
    session.check();
}

#[test]
fn an_approval_is_answered_and_applied() {
    let mut session = asking();
    assert_eq!(session.state(), AgentState::Waiting);
    let id = session.open_prompt().id;
    let lines = session.answer(id, &option("accept"), "ada").expect("is taken");
    assert_eq!(lines, [json!({ "jsonrpc": "2.0", "id": 0, "result": { "decision": "accept" } })]);
    session.out(resolved());
    assert!(matches!(session.prompt_state(id), PromptState::Applied { .. }));
    session.out(command("completed", "completed"));
    session.out(end("completed"));
    assert_eq!(session.statuses("c1").last(), Some(&ToolStatus::Completed));
    session.check();
}

#[test]
fn a_denial_lets_the_turn_go_on_and_a_cancel_ends_it() {
    for (choice, ends_turn) in [("decline", false), ("cancel", true)] {
        let mut session = asking();
        let prompt = session.open_prompt();
        assert_eq!(prompt.ask.option(choice).map(|it| it.ends_turn), Some(ends_turn));
        let lines = session.answer(prompt.id, &option(choice), "ada").expect("is taken");
        assert_eq!(lines[0]["result"]["decision"], choice);
        session.out(resolved());
        session.out(command("declined", "completed"));
        session.out(end(if ends_turn { "interrupted" } else { "completed" }));
        assert_eq!(session.statuses("c1").last(), Some(&ToolStatus::Declined));
        session.check();
    }
}

#[test]
fn a_denial_with_a_reason_or_an_edited_input_is_not_offered() {
    let mut session = asking();
    let id = session.open_prompt().id;
    for answer in [
        PromptAnswer::Deny { message: "no".into() },
        PromptAnswer::EditedInput { option_id: "accept".into(), input: json!({}) },
    ] {
        assert_eq!(session.answer(id, &answer, "ada"), Err(AnswerRefusal::NotOffered));
    }
    session.check();
}

#[test]
fn always_options_say_exactly_what_they_allow() {
    let mut session = asking();
    let prompt = session.open_prompt();
    let always: Vec<_> =
        prompt.ask.options().iter().filter(|it| it.kind == OptionKind::AllowAlways).collect();
    assert_eq!(always.len(), 1);
    assert_eq!(always[0].rules[0].text, "commands that begin with: touch a");
    assert_eq!(always[0].rules[0].lifetime, RuleLifetime::User);
    let lines = session.answer(prompt.id, &option(&always[0].option_id), "ada").expect("is taken");
    let given = &lines[0]["result"]["decision"]["acceptWithExecpolicyAmendment"];
    assert_eq!(given["execpolicy_amendment"], json!(["touch", "a"]));
    session.check();
}

#[test]
fn an_approval_that_is_sent_again_is_the_same_prompt() {
    let mut session = asking();
    let id = session.open_prompt().id;
    session.out(approval());
    assert_eq!(session.open_prompt().id, id);
    // answered by another client of the vendor
    session.out(resolved());
    assert_eq!(session.prompt_state(id), PromptState::AnsweredElsewhere);
    // the same number again is another question
    session.out(approval());
    assert_ne!(session.open_prompt().id, id);
    session.check();
}

#[test]
fn a_file_change_shows_its_diff_and_asks() {
    let mut session = running();
    let changes = json!([
        { "path": "/project/new", "kind": { "type": "add" }, "diff": "one\n" },
        { "path": "/project/old", "kind": { "type": "update" }, "diff": "@@ -1 +1 @@\n-a\n+b\n" },
    ]);
    let item =
        json!({ "type": "fileChange", "id": "f1", "status": "inProgress", "changes": changes });
    session.out(note("item/started", json!({ "item": item })));
    session.out(json!({
        "method": "item/fileChange/requestApproval", "id": "x",
        "params": { "itemId": "f1", "grantRoot": null },
    }));
    let shown = session.events.iter().find_map(|event| match &event.update {
        Update::ToolCall(call) => Some(call.content.clone()),
        _ => None,
    });
    let shown = shown.expect("was told");
    assert!(
        matches!(&shown[0], ToolContent::Diff { old_text: None, new_text, .. } if new_text == "one\n")
    );
    assert!(matches!(&shown[1], ToolContent::Patch { unified, .. } if unified.contains("+b")));
    let prompt = session.open_prompt();
    assert_eq!(prompt.title, "edit /project/new, /project/old");
    let Ask::Permission { tool_call, .. } = &prompt.ask else { panic!("{prompt:?}") };
    assert_eq!(tool_call.content, shown, "the question shows what it is about");
    let lines = session.answer(prompt.id, &option("acceptForSession"), "ada").expect("is taken");
    assert_eq!(
        (&lines[0]["id"], &lines[0]["result"]["decision"]),
        (&json!("x"), &json!("acceptForSession"))
    );
    session.check();
}

#[test]
fn questions_rights_and_elicitations_are_answered_in_their_form() {
    let mut session = running();
    session.out(json!({
        "method": "item/tool/requestUserInput", "id": 1,
        "params": { "itemId": "i", "isBlocking": true, "questions": [
            { "id": "q", "header": "H", "question": "Which?", "isOther": false,
              "options": [{ "label": "A", "description": "a" }] },
        ] },
    }));
    let prompt = session.open_prompt();
    assert!(matches!(prompt.ask, Ask::Question { .. }));
    let form = |text: &str| PromptAnswer::Form {
        values: [("q".to_owned(), FormValue::Text(text.into()))].into(),
    };
    assert!(matches!(session.answer(prompt.id, &form("Z"), "ada"), Err(AnswerRefusal::Form(_))));
    let lines = session.answer(prompt.id, &form("A"), "ada").expect("is taken");
    assert_eq!(lines[0]["result"], json!({ "answers": { "q": { "answers": ["A"] } } }));

    let asked = json!({ "network": { "enabled": true } });
    session.out(json!({
        "method": "item/permissions/requestApproval", "id": 2,
        "params": { "itemId": "i", "permissions": asked, "reason": "to fetch" },
    }));
    let id = session.open_prompt().id;
    let lines = session.answer(id, &option("session"), "ada").expect("is taken");
    assert_eq!(lines[0]["result"], json!({ "permissions": asked, "scope": "session" }));

    session.out(json!({
        "method": "mcpServer/elicitation/request", "id": 3,
        "params": { "serverName": "s", "message": "ok?", "requestedSchema": { "properties": {} } },
    }));
    let id = session.open_prompt().id;
    let lines = session.answer(id, &PromptAnswer::Decline, "ada").expect("is taken");
    assert_eq!(lines[0]["result"]["action"], "decline");
    session.check();
}

#[test]
fn an_interrupt_ends_the_turn_and_withdraws_the_prompt() {
    let mut session = asking();
    let id = session.open_prompt().id;
    let lines = session.command(&AgentCommand::Interrupt).expect("a turn runs");
    assert_eq!(lines[0]["params"], json!({ "threadId": "th1", "turnId": "tu1" }));
    session.out(json!({ "id": lines[0]["id"], "result": {} }));
    session.out(end("interrupted"));
    session.out(resolved());
    assert_eq!(session.prompt_state(id), PromptState::Withdrawn);
    assert_eq!(session.endings(), [StopReason::Cancelled]);
    session.check();
}

#[test]
fn a_message_waits_for_the_thread_and_then_for_the_turn() {
    let mut session = Session::started(Vendor::Codex);
    assert!(session.prompt("early").is_empty());
    let opening = introduce(&mut session);
    assert!(session.settle().is_empty());
    open(&mut session, &opening);
    let lines = session.settle();
    assert_eq!(lines[0]["params"]["input"][0]["text"], "early");
    assert!(session.prompt("later").is_empty());
    session.out(json!({ "id": lines[0]["id"], "result": { "turn": { "id": "tu1" } } }));
    session.out(end("completed"));
    assert_eq!(session.settle()[0]["params"]["input"][0]["text"], "later");
    session.check();
}

#[test]
fn a_steered_message_names_its_turn_and_waits_when_it_came_too_late() {
    let mut session = running();
    let lines = session.command(&say("also", Delivery::Steer)).expect("is taken");
    assert_eq!(lines[0]["method"], "turn/steer");
    assert_eq!(lines[0]["params"]["expectedTurnId"], "tu1");
    session.out(json!({ "id": lines[0]["id"], "result": { "turnId": "tu1" } }));
    let late = session.command(&say("too late", Delivery::Steer)).expect("is taken");
    session.out(end("completed"));
    session.out(json!({ "id": late[0]["id"], "error": { "code": -32600, "message": "no turn" } }));
    let lines = session.settle();
    assert_eq!(lines[0]["method"], "turn/start");
    assert_eq!(lines[0]["params"]["input"][0]["text"], "too late");
    let queued = |it: &Update| matches!(it, Update::MessageUpdate { state: MessageState::Queued, message_id } if message_id == "k3");
    assert_eq!(session.count(queued), 1);
    session.check();
}

#[test]
fn mode_and_model_go_with_the_next_turn() {
    let mut session = ready();
    for command in [
        AgentCommand::SetMode { mode: "read-only".into() },
        AgentCommand::SetModel { model: "gpt-x".into() },
    ] {
        assert_eq!(session.command(&command), Ok(Vec::new()));
    }
    let unknown = AgentCommand::SetMode { mode: "yolo".into() };
    assert_eq!(session.command(&unknown), Err(CommandRefusal::Unsupported));
    assert_eq!(session.view().mode.as_deref(), Some("read-only"));
    let params = session.prompt("go")[0]["params"].clone();
    assert_eq!(params["approvalPolicy"], "on-request");
    assert_eq!(params["sandboxPolicy"]["type"], "readOnly");
    assert_eq!(params["model"], "gpt-x");
    session.check();
}

#[test]
fn a_dead_agent_is_resumed_or_forked_by_its_thread() {
    let mut session = asking();
    let id = session.open_prompt().id;
    session.exit(1);
    assert_eq!(session.prompt_state(id), PromptState::Lost { answered: None });
    assert_eq!(session.last_error().message, "the agent ended with exit code 1");
    session.resume("th1");
    let opening = introduce(&mut session);
    assert_eq!(opening["method"], "thread/resume");
    assert_eq!(opening["params"]["threadId"], "th1");
    open(&mut session, &opening);
    assert_eq!(session.state(), AgentState::Idle);
    session.exit(0);
    let resume = Resume::Fork { vendor_session: "th1".into() };
    session.start(quarterdeck_protocol::agent::AgentStart { resume, ..start(Vendor::Codex) });
    assert_eq!(introduce(&mut session)["method"], "thread/fork");
    session.check();
}

#[test]
fn a_thread_in_which_nothing_was_said_is_begun_anew() {
    let mut session = Session::started(Vendor::Codex);
    session.exit(0);
    session.resume("th0");
    let opening = introduce(&mut session);
    let error = json!({ "code": -32600, "message": "no rollout found for thread id th0" });
    session.out(json!({ "id": opening["id"], "error": error }));
    let lines = session.settle();
    assert_eq!(lines[0]["method"], "thread/start");
    open(&mut session, &lines[0]);
    assert_eq!(session.state(), AgentState::Idle);
    let told = |update: &Update| matches!(update, Update::Notice { .. });
    assert_eq!(session.count(told), 1, "nobody takes the new one for the old one");
    session.check();
}

#[test]
fn a_thread_that_cannot_be_opened_stalls_the_session_with_its_error() {
    let mut session = Session::started(Vendor::Codex);
    let opening = introduce(&mut session);
    let error = json!({ "code": -32600, "message": "bad config" });
    session.out(json!({ "id": opening["id"], "error": error }));
    assert_eq!(session.state(), AgentState::Stalled);
    assert_eq!(session.last_error().message, "bad config");
    assert!(session.settle().is_empty());
    session.check();
}

#[test]
fn api_errors_have_their_class_and_retries_are_told() {
    for (info, message, class, status) in [
        (
            json!({ "httpConnectionFailed": { "httpStatusCode": 401 } }),
            "unexpected status 401 Unauthorized",
            ErrorClass::Auth,
            Some(401),
        ),
        (
            json!({ "responseTooManyFailedAttempts": { "httpStatusCode": 429 } }),
            "exceeded retry limit",
            ErrorClass::RateLimit,
            Some(429),
        ),
        (json!("serverOverloaded"), "try later", ErrorClass::Overloaded, None),
        (
            json!({ "httpConnectionFailed": { "httpStatusCode": null } }),
            "error sending request",
            ErrorClass::Network,
            None,
        ),
        (
            json!({ "responseStreamDisconnected": { "httpStatusCode": null } }),
            "cut",
            ErrorClass::Network,
            None,
        ),
        (json!("contextWindowExceeded"), "too long", ErrorClass::ContextFull, None),
        (
            json!("other"),
            "{\"error\": {\"message\": \"fake error 400\"}}",
            ErrorClass::BadRequest,
            None,
        ),
        (json!("other"), "Missing environment variable: `KEY`", ErrorClass::NoKey, None),
    ] {
        let mut session = running();
        let error = json!({ "message": message, "codexErrorInfo": info });
        let retry = json!({ "error": { "message": "Reconnecting... 1/5", "codexErrorInfo": info }, "willRetry": true });
        session.out(note("error", retry));
        session.out(note("error", json!({ "error": error, "willRetry": false })));
        let turn = json!({ "id": "tu1", "status": "failed", "error": error });
        session.out(note("turn/completed", json!({ "threadId": "th1", "turn": turn })));
        let told = session.last_error();
        assert_eq!((told.class, told.http_status), (class, status), "{message}");
        assert_eq!(session.endings(), [StopReason::Error]);
        let retried = |it: &Update| matches!(it, Update::Retry(retry) if retry.attempt == Some(1) && retry.max_attempts == Some(5));
        assert_eq!(session.count(retried), 1);
        session.check();
    }
}

#[test]
fn threads_of_sub_agents_end_no_turn_of_ours() {
    let mut session = running();
    let turn = json!({ "id": "other", "status": "completed" });
    session.out(note("turn/started", json!({ "threadId": "th2", "turn": turn })));
    session.out(note("turn/completed", json!({ "threadId": "th2", "turn": turn })));
    assert_eq!(session.state(), AgentState::Running);
    session.out(end("completed"));
    session.out(end("completed"));
    assert_eq!(session.endings().len(), 1);
    session.check();
}

#[test]
fn a_turn_that_nobody_asked_for_is_the_agents_own() {
    let mut session = ready();
    session.out(note("turn/started", json!({ "threadId": "th1", "turn": { "id": "tu1" } })));
    session.out(end("completed"));
    let own = |it: &Update| matches!(it, Update::TurnStarted { origin: Origin::SelfStarted, .. });
    assert_eq!((session.count(own), session.endings().len()), (1, 1));
    session.check();
}

#[test]
fn plans_limits_diffs_and_output_are_told_and_the_rest_passes_through() {
    let mut session = running();
    let plan = json!([{ "step": "one", "status": "inProgress" }]);
    session.out(note("turn/plan/updated", json!({ "plan": plan })));
    let primary = json!({ "usedPercent": 42, "resetsAt": 7 });
    session
        .out(note("account/rateLimits/updated", json!({ "rateLimits": { "primary": primary } })));
    session.out(note("turn/diff/updated", json!({ "diff": "diff --git" })));
    session.out(command("inProgress", "started"));
    session.out(note(
        "item/commandExecution/outputDelta",
        json!({ "itemId": "c1", "delta": "\u{1b}[1mtick\n" }),
    ));
    session.out(note("from/the/future", json!({})));
    session.out(json!({ "method": "item/tool/call", "id": 9, "params": {} }));
    let refusal = session.settle();
    assert_eq!((&refusal[0]["id"], &refusal[0]["error"]["code"]), (&json!(9), &json!(-32601)));
    let view = session.view();
    assert_eq!(view.plan[0].content, "one");
    assert_eq!(view.rate_windows[0].used_permille, Some(420));
    let output =
        |it: &Update| matches!(it, Update::ToolCallOutput { text, .. } if text == "tick\n");
    assert_eq!(session.count(output), 1);
    assert_eq!(session.count(|it| matches!(it, Update::Raw { .. })), 2);
    session.check();
}
