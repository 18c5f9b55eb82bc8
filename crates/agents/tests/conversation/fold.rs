//! What must hold of every log, whatever the agent writes and whatever order things come in.

use proptest::{collection::vec, prelude::*};
use quarterdeck_agents::{Conversation, limits::MAX_LINE_BYTES};
use quarterdeck_protocol::{
    agent::{
        AgentCommand, AgentState, Delivery, ErrorClass, MessageState, PromptState, StopReason,
        Update, Vendor, topic,
    },
    ids::{Incarnation, LogId},
    record::{Checkpoint, Fact, Lease, Note, RawJson, SessionKind, TerminalSize},
};
use serde_json::{Value, json};

use crate::harness::{Session, check_turns, fold, option, say, session_id};

const VENDORS: [Vendor; 5] =
    [Vendor::Claude, Vendor::Codex, Vendor::Acp, Vendor::Sidecar, Vendor::Unknown];

/// Lines that mean something to one vendor or another, in no order that makes sense.
fn lines() -> Vec<Value> {
    let turn = json!({ "id": "tu1", "status": "completed" });
    let text = json!({ "type": "text", "text": "hi" });
    vec![
        json!({ "type": "ready" }),
        json!({ "type": "system", "subtype": "init", "session_id": "v" }),
        json!({ "type": "result", "is_error": false, "usage": {} }),
        json!({ "type": "result", "is_error": true, "result": "API Error: 500" }),
        json!({ "type": "assistant", "message": { "id": "m", "content": [text,
            { "type": "tool_use", "id": "t", "name": "Bash", "input": { "command": "ls" } }] } }),
        json!({ "type": "user", "message": { "content": [
            { "type": "tool_result", "tool_use_id": "t", "content": [text] }] } }),
        json!({ "type": "stream_event", "event": { "type": "content_block_delta",
            "delta": { "type": "text_delta", "text": "x" } } }),
        json!({ "type": "stream_event", "event": { "type": "message_start", "message": { "id": "m" } } }),
        json!({ "type": "stream_event", "event": { "type": "content_block_start", "index": 0,
            "content_block": { "type": "text" } } }),
        json!({ "type": "stream_event", "event": { "type": "content_block_stop", "index": 0 } }),
        json!({ "type": "control_request", "request_id": "r", "request": {
            "subtype": "can_use_tool", "tool_name": "Bash", "input": {}, "tool_use_id": "t" } }),
        json!({ "type": "control_cancel_request", "request_id": "r" }),
        json!({ "type": "control_response", "response": { "subtype": "success", "request_id": "qd-init" } }),
        json!({ "type": "control_response", "response": { "subtype": "success", "request_id": "r" } }),
        json!({ "type": "agent_event", "event": { "type": "result", "is_error": false } }),
        json!({ "type": "agent_stopped", "exitCode": 1 }),
        json!({ "type": "agent_error", "message": "no" }),
        json!({ "id": "qd-init", "result": { "agentCapabilities": {} } }),
        json!({ "id": "qd-thread", "result": { "thread": { "id": "th" } } }),
        json!({ "id": "qd-open", "result": { "sessionId": "s" } }),
        json!({ "id": "qd-open", "error": { "message": "no" } }),
        json!({ "method": "turn/started", "params": { "threadId": "th", "turn": turn } }),
        json!({ "method": "turn/completed", "params": { "threadId": "th", "turn": turn } }),
        json!({ "method": "item/started", "params": { "item": { "type": "commandExecution", "id": "c", "command": "ls" } } }),
        json!({ "method": "item/commandExecution/requestApproval", "id": 0, "params": { "itemId": "c" } }),
        json!({ "method": "serverRequest/resolved", "params": { "requestId": 0 } }),
        json!({ "method": "session/request_permission", "id": 0, "params": { "toolCall": { "toolCallId": "c" },
            "options": [{ "optionId": "o", "kind": "allow_once", "name": "n" }] } }),
        json!({ "method": "session/update", "params": { "update": { "sessionUpdate": "agent_message_chunk",
            "content": { "type": "text", "text": "x" } } } }),
        json!({ "method": "session/update", "params": { "update": { "sessionUpdate": "tool_call_update",
            "toolCallId": "c", "status": "completed" } } }),
        json!({ "method": "fs/read_text_file", "id": 3, "params": {} }),
    ]
}

/// Something that happens to a session.
#[derive(Debug, Clone)]
enum Act {
    Line(usize),
    Bytes(Vec<u8>),
    Say(Delivery),
    Interrupt,
    Answer(bool),
    Settle,
    EndTurn,
    Exit,
    Resume,
}

fn act() -> impl Strategy<Value = Act> {
    let delivery =
        prop_oneof![Just(Delivery::Queue), Just(Delivery::Steer), Just(Delivery::Interrupt)];
    prop_oneof![
        12 => (0..lines().len()).prop_map(Act::Line),
        1 => vec(any::<u8>(), 0..40).prop_map(Act::Bytes),
        4 => delivery.prop_map(Act::Say),
        1 => Just(Act::Interrupt),
        3 => any::<bool>().prop_map(Act::Answer),
        6 => Just(Act::Settle),
        2 => Just(Act::EndTurn),
        1 => Just(Act::Exit),
        1 => Just(Act::Resume),
    ]
}

fn perform(session: &mut Session, act: &Act) {
    match act {
        Act::Line(at) => session.out(lines()[*at].clone()),
        Act::Bytes(bytes) => session.out_raw(bytes),
        Act::Say(delivery) => drop(session.command(&say("words", *delivery))),
        Act::Interrupt => drop(session.command(&AgentCommand::Interrupt)),
        Act::Answer(first) => {
            let prompts = session.view().prompts;
            let Some(prompt) = prompts.first() else { return };
            let options = prompt.ask.options();
            let chosen = if *first { options.first() } else { options.last() };
            if let Some(chosen) = chosen {
                drop(session.answer(prompt.id, &option(&chosen.option_id), "ada"));
            }
        }
        Act::Settle => drop(session.settle()),
        // the answer to whatever turn a vendor of requests runs
        Act::EndTurn => {
            let id = session.log.iter().rev().find_map(|record| {
                let line: Value = serde_json::from_slice(&record.payload).ok()?;
                matches!(line["method"].as_str(), Some("session/prompt" | "turn/start"))
                    .then(|| line["id"].clone())
            });
            session.out(json!({ "id": id, "result": { "stopReason": "end_turn" } }));
        }
        Act::Exit => session.exit(1),
        Act::Resume => session.resume("v"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_things_folds_the_same_from_anywhere_and_ends_each_turn_once(
        vendor in 0..VENDORS.len(),
        acts in vec(act(), 0..40),
    ) {
        let mut session = Session::started(VENDORS[vendor]);
        for act in &acts {
            perform(&mut session, act);
        }
        session.exit(0);
        session.check();
        // with the program gone, nothing is left open
        prop_assert!(session.view().prompts.is_empty());
        prop_assert!(session.view().turn.is_none());
        let begun = session.count(|it| matches!(it, Update::TurnStarted { .. }));
        prop_assert_eq!(session.endings().len(), begun);
        let opened = session.count(|it| matches!(it, Update::PromptOpened { .. }));
        let settled = session
            .count(|it| matches!(it, Update::PromptUpdate { state, .. } if state.is_final()));
        prop_assert_eq!(settled, opened);
        // no message is lost: it waits, or it is told that it was written
        let queue: Vec<String> =
            session.view().queue.into_iter().map(|message| message.message_id).collect();
        for key in &session.messages {
            let state = session.message_state(key);
            let told = matches!(state, Some(MessageState::Delivered | MessageState::Indeterminate));
            prop_assert!(told != queue.contains(key), "{}: {:?}", key, state);
        }
    }

    #[test]
    fn any_json_in_any_member_does_no_harm(
        vendor in 0..VENDORS.len(),
        line in 0..lines().len(),
        seed in any::<u64>(),
    ) {
        let mut session = Session::started(VENDORS[vendor]);
        session.settle();
        let mut line = lines()[line].clone();
        spoil(&mut line, seed, &mut 0);
        session.out(line);
        session.settle();
        session.check();
    }

    #[test]
    fn any_bytes_are_events(vendor in 0..VENDORS.len(), bytes in vec(any::<u8>(), 1..200)) {
        let mut session = Session::started(VENDORS[vendor]);
        session.out_raw(&bytes);
        session.check();
    }
}

/// Replaces one value, chosen by `seed`, by one of another type.
fn spoil(value: &mut Value, seed: u64, count: &mut u64) {
    *count += 1;
    if seed.is_multiple_of(*count + 3) {
        let others = [
            Value::Null,
            json!(-1),
            json!(1e300),
            json!(""),
            json!([[]]),
            json!({ "a": {} }),
            json!(u64::MAX),
            json!("\u{202e}\u{1b}[31m"),
        ];
        *value = others[usize::try_from(seed % 8).expect("is small")].clone();
        return;
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| spoil(item, seed, count)),
        Value::Object(members) => members.values_mut().for_each(|item| spoil(item, seed, count)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn garbage_and_oversized_lines_are_events_and_harm_nothing() {
    let mut session = Session::started(Vendor::Claude);
    session.settle();
    session.out_raw(b"Segmentation fault \x1b[31m\xff");
    session.out_raw(b"[1,2]");
    session.out_raw(b"   ");
    session.out_raw(&vec![b'x'; MAX_LINE_BYTES + 1]);
    // deeper than any parser should follow
    session.out_raw("[".repeat(100_000).as_bytes());
    let garbage = |it: &Update| matches!(it, Update::Garbage { .. });
    assert_eq!(session.count(garbage), 3);
    let oversized =
        |it: &Update| matches!(it, Update::Oversized { bytes } if *bytes > MAX_LINE_BYTES as u64);
    assert_eq!(session.count(oversized), 1);
    session.check();
}

#[test]
fn a_line_of_five_megabytes_is_read_and_its_events_stay_small() {
    let mut session = Session::started(Vendor::Claude);
    session.settle();
    let text = "word ".repeat(1_000_000);
    let block = json!({ "type": "text", "text": text });
    session.out(json!({ "type": "assistant", "message": { "id": "m", "content": [block] } }));
    assert!(session.said().ends_with('…'));
    assert!(session.said().len() < 300 * 1024);
}

#[test]
fn an_agent_that_exits_at_once_is_told_with_its_code() {
    let mut session = Session::started(Vendor::Claude);
    session.prompt("x");
    session.exit(127);
    assert_eq!(session.state(), AgentState::Exited);
    assert!(session.endings().is_empty(), "no turn had begun");
    assert_eq!(session.view().queue.len(), 1, "what waits is not lost");
    session.check();
}

#[test]
fn an_agent_that_dies_in_its_turn_ends_it_with_its_exit() {
    let mut session = Session::started(Vendor::Acp);
    let lines = session.settle();
    session.out(json!({ "id": lines[0]["id"], "result": {} }));
    let lines = session.settle();
    session.out(json!({ "id": lines[0]["id"], "result": { "sessionId": "s" } }));
    session.prompt("x");
    session.exit(137);
    assert_eq!(session.endings(), [StopReason::AgentExit]);
    assert_eq!(session.last_error().class, ErrorClass::AgentExit);
    session.check();
}

#[test]
fn a_prompt_can_expire_unless_somebody_was_first() {
    let mut session = Session::started(Vendor::Claude);
    session.settle();
    session.out(lines()[10].clone());
    let id = session.open_prompt().id;
    let body = RawJson::from_value(&json!({ "prompt": id })).expect("is JSON");
    let expired = Fact::Note(Note { topic: topic::EXPIRED.into(), body });
    session.record(&expired);
    assert_eq!(session.prompt_state(id), PromptState::Expired);
    session.record(&expired);
    session.out(lines()[10].clone());
    let second = session.open_prompt().id;
    session.answer(second, &option("allow_once"), "ada").expect("is taken");
    let body = RawJson::from_value(&json!({ "prompt": second })).expect("is JSON");
    session.record(&Fact::Note(Note { topic: topic::EXPIRED.into(), body }));
    assert!(matches!(session.prompt_state(second), PromptState::Answered { .. }));
    session.check();
}

#[test]
fn a_log_whose_beginning_was_dropped_goes_on_from_its_checkpoint() {
    let mut session = Session::started(Vendor::Claude);
    session.settle();
    session.out(lines()[10].clone());
    let id = session.open_prompt().id;
    let facts = Checkpoint {
        log_id: LogId::from_bytes([1; 8]),
        session: session_id(),
        kind: SessionKind::Agent,
        incarnation: Incarnation(1),
        first_start_micros: None,
        lease: Lease::default(),
        size: TerminalSize::default(),
        inputs: Vec::new(),
        termios: None,
        ended: None,
        extra: Some(session.fold.checkpoint().expect("is JSON")),
    };
    let dropped = session.log.len();
    session.record(&Fact::Checkpoint(Box::new(facts)));
    session.out(lines()[2].clone());
    session.check();
    let rest = &session.log[dropped..];
    let (late, events) = fold(Conversation::new(session_id(), Vendor::Claude), rest);
    assert_eq!(late.view(), session.fold.view());
    assert!(events.iter().all(|event| event.id.seq.0 >= dropped as u64));
    assert!(late.view().prompts.iter().all(|prompt| prompt.id == id));
    check_turns(&session.events);
}
