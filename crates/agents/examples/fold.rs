//! How fast conversations are folded: `cargo run --release --example fold -p quarterdeck-agents`.
//!
//! Three logs per vendor: deltas as small as vendors send them, whole messages, and tools with output.
//! Prints megabytes of vendor lines per second, and the time for 10,000 events.

use std::{hint::black_box, time::Instant};

use quarterdeck_agents::Conversation;
use quarterdeck_protocol::{
    agent::{AgentStart, Resume, Vendor, topic},
    ids::{Out, Seq, SessionId},
    record::{Fact, Note, Position, RawJson, RecordHeader, RecordKind},
};
use serde_json::{Value, json};

/// Bytes of vendor lines per log.
const LOG_BYTES: usize = 32 * 1024 * 1024;

#[expect(clippy::print_stdout, reason = "the figures are what the example is for")]
fn main() {
    for (name, vendor, lines) in logs() {
        let lines: Vec<Vec<u8>> = lines.iter().map(|line| line.to_string().into_bytes()).collect();
        let mut conversation = started(vendor);
        let (mut bytes, mut events, mut seq) = (0, 0_u64, 2);
        let begun = Instant::now();
        while bytes < LOG_BYTES {
            for line in &lines {
                let at = Position { seq: Seq(seq), out: Out(0) };
                let kind = RecordKind::VendorOut;
                let header = RecordHeader { kind, flags: 0, time_micros: seq, at };
                conversation.apply(&header, line);
                while let Some(event) = conversation.poll_event() {
                    black_box(&event);
                    events += 1;
                }
                seq += 1;
                bytes += line.len();
            }
        }
        let took = begun.elapsed().as_secs_f64();
        let checkpoint = conversation.checkpoint().map_or(0, |it| it.as_str().len());
        println!(
            "{name:<24} {:>7.1} MB/s  {:>9.0} lines/s  {:>6.1} ms per 10,000 events  {checkpoint} bytes of state",
            bytes as f64 / 1e6 / took,
            (seq - 2) as f64 / took,
            took * 1e3 * 1e4 / events.max(1) as f64,
        );
    }
}

fn started(vendor: Vendor) -> Conversation {
    let mut conversation = Conversation::new(SessionId::from_bytes([1; 10]), vendor);
    let start = AgentStart {
        vendor,
        cwd: "/project".into(),
        model: None,
        mode: None,
        resume: Resume::New,
        vendor_session: None,
        provider: None,
        mail_tools: Vec::new(),
    };
    let body = RawJson::from_value(&start).expect("is JSON");
    let note = Fact::Note(Note { topic: topic::START.into(), body });
    let at = Position { seq: Seq(1), out: Out(0) };
    let (kind, payload) = note.encode();
    conversation.apply(&RecordHeader { kind, flags: 0, time_micros: 0, at }, &payload);
    conversation
}

fn logs() -> Vec<(&'static str, Vendor, Vec<Value>)> {
    let text = "A line of prose or code that an agent writes, neither short nor long.\n".repeat(40);
    let id = "0b4b2a61-7d0f-4f7c-9d3a-1f6f6f1a2b3c";
    let delta = json!({
        "type": "stream_event", "session_id": id, "parent_tool_use_id": null, "uuid": id,
        "event": { "type": "content_block_delta", "index": 0,
                   "delta": { "type": "text_delta", "text": "a few words" } },
    });
    let open = |event: Value| json!({ "type": "stream_event", "session_id": id, "event": event });
    let mut deltas = vec![
        open(json!({ "type": "message_start", "message": { "id": "m" } })),
        open(
            json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text" } }),
        ),
    ];
    deltas.extend(std::iter::repeat_n(delta, 100));
    let whole = json!({
        "type": "assistant", "session_id": id, "parent_tool_use_id": null, "uuid": id,
        "message": { "id": "m", "role": "assistant", "content": [{ "type": "text", "text": text }] },
    });
    let call = json!({
        "type": "assistant", "session_id": id, "message": { "id": "m", "content": [
            { "type": "tool_use", "id": "t", "name": "Write",
              "input": { "file_path": "/project/a", "content": text } }] },
    });
    let done = json!({
        "type": "user", "session_id": id, "message": { "content": [
            { "type": "tool_result", "tool_use_id": "t", "content": text }] },
    });
    let codex = json!({
        "method": "item/agentMessage/delta", "emittedAtMs": 1_795_183_566_324_u64,
        "params": { "threadId": id, "turnId": id, "itemId": "m", "delta": "a few words" },
    });
    let output = json!({
        "method": "item/commandExecution/outputDelta",
        "params": { "threadId": id, "turnId": id, "itemId": "c", "delta": text },
    });
    let acp = json!({
        "jsonrpc": "2.0", "method": "session/update",
        "params": { "sessionId": id, "update": { "sessionUpdate": "agent_message_chunk",
            "messageId": "m", "content": { "type": "text", "text": "a few words" } } },
    });
    let edit = json!({
        "jsonrpc": "2.0", "method": "session/update",
        "params": { "sessionId": id, "update": { "sessionUpdate": "tool_call_update",
            "toolCallId": "t", "status": "in_progress", "title": "edit a", "kind": "edit",
            "content": [{ "type": "diff", "path": "/project/a", "oldText": text, "newText": text }] } },
    });
    vec![
        ("claude, deltas", Vendor::Claude, deltas),
        ("claude, whole messages", Vendor::Claude, vec![whole]),
        ("claude, tools", Vendor::Claude, vec![call, done]),
        ("codex, deltas", Vendor::Codex, vec![codex]),
        ("codex, output", Vendor::Codex, vec![output]),
        ("acp, deltas", Vendor::Acp, vec![acp]),
        ("acp, edits", Vendor::Acp, vec![edit]),
    ]
}
