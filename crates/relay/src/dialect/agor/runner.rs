//! From an agent's log to the messages of a runner, as controllers know them.
//!
//! A query is a turn here: `agent_started`, the frames of Claude's stream-json as `agent_event`s,
//! `agent_stopped`. Claude's own frames pass as they are; what other vendors say is told in
//! [`Frames`]. A controller cannot answer a permission, so it is only told that one waits.

use quarterdeck_protocol::{
    agent::{AgentEvent, ErrorClass, MessageState, Prompt, StopReason, Update, Vendor},
    dialect::agor::{Event, PtyEnd},
    record::{ExitStatus, Record, RecordKind},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};

use super::{frames::Frames, terminal::end_of};

/// How keys of this dialect's messages begin; what follows the second colon is the query's own name.
pub(super) const KEY_PREFIX: &str = "agor:";
/// Claude's frames that its SDK gives to those who ask for nothing special.
const FRAMES: [&str; 5] = ["system", "assistant", "user", "result", "rate_limit_event"];

/// What one conversation's runner would have said so far.
#[derive(Debug)]
pub(super) struct Runner {
    /// What the controller calls the conversation.
    name: String,
    provider: String,
    vendor: Vendor,
    /// The query that runs, by the name that it gave.
    run: Option<String>,
    frames: Frames,
}

/// The members of a vendor's line that decide whether it is passed on.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, rename = "isReplay")]
    is_replay: bool,
    /// A runner's own envelope.
    #[serde(borrow, default)]
    event: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct AgentFrame<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "sessionId")]
    session: &'a str,
    event: &'a RawValue,
}

/// The key of a message; `mark` tells this one from others.
pub(super) fn message_key(mark: &str, name: &str) -> String {
    format!("{KEY_PREFIX}{mark}:{name}")
}

/// The name that the query of a message gave.
fn name_of(key: &str) -> Option<&str> {
    key.strip_prefix(KEY_PREFIX)?.split_once(':').map(|(_, name)| name)
}

impl Runner {
    pub(super) fn new(name: String, provider: String, vendor: Vendor, run: Option<String>) -> Self {
        Self { name, provider, vendor, run, frames: Frames::default() }
    }

    /// The query that runs.
    pub(super) fn run(&self) -> Option<&str> {
        self.run.as_deref()
    }

    /// What a record adds.
    pub(super) fn handle(&mut self, record: &Record, events: &[AgentEvent]) -> Vec<Event> {
        let mut told = Vec::new();
        let mut line = self.own_frame(record);
        let status = events.iter().find_map(|event| {
            let Update::AgentExited { status } = &event.update else { return None };
            status.clone()
        });
        for AgentEvent { update, .. } in events {
            if matches!(update, Update::TurnEnded { .. } | Update::AgentExited { .. })
                && let Some(line) = line.take()
            {
                told.extend(self.frame(&line));
            }
            self.hear(update, status.as_ref(), &mut told);
        }
        told.extend(line.and_then(|line| self.frame(&line)));
        told
    }

    /// Records are missing from the log.
    pub(super) fn handle_gap(&self, missing: u64) -> Vec<Event> {
        let text = format!("{missing} records of this conversation are missing here");
        self.log(&text).into_iter().collect()
    }

    /// A controller is told again what it may have seen.
    pub(super) fn tell_again(&self) -> Vec<Event> {
        let text = "what follows may have been told before, from the beginning of the latest turn";
        self.log(text).into_iter().collect()
    }

    /// The session is gone: whatever ran does not.
    pub(super) fn end(&mut self) -> Vec<Event> {
        let run = self.run.take();
        let stopped = run.and_then(|run| self.stopped(&run, &PtyEnd::default()));
        let (session, provider) = (self.name.clone(), self.provider.clone());
        stopped.into_iter().chain([Event::SidecarExited { session, provider }]).collect()
    }

    /// The vendor's line, where it is a frame already.
    fn own_frame(&self, record: &Record) -> Option<Box<RawValue>> {
        if record.header.kind != RecordKind::VendorOut || record.header.flags != 0 {
            return None;
        }
        let head: Head<'_> = serde_json::from_slice(&record.payload).ok()?;
        match self.vendor {
            Vendor::Claude if !FRAMES.contains(&head.kind.as_str()) || head.is_replay => None,
            Vendor::Claude => serde_json::from_slice(&record.payload).ok(),
            Vendor::Sidecar if head.kind == "agent_event" => Some(head.event?.to_owned()),
            Vendor::Sidecar | Vendor::Codex | Vendor::Acp | Vendor::Unknown => None,
        }
    }

    #[expect(clippy::too_many_lines, reason = "a flat dispatch: one arm per event")]
    fn hear(&mut self, update: &Update, status: Option<&ExitStatus>, told: &mut Vec<Event>) {
        if !matches!(self.vendor, Vendor::Claude | Vendor::Sidecar) {
            let frames = self.frames.handle(update);
            told.extend(frames.iter().filter_map(raw).filter_map(|frame| self.frame(&frame)));
        }
        match update {
            Update::TurnStarted { message_id, .. } => {
                let name = message_id.as_deref().and_then(name_of).unwrap_or(&self.name).to_owned();
                told.extend(message(&json!({ "type": "agent_started", "sessionId": name })));
                self.run = Some(name);
            }
            Update::TurnEnded { stop_reason, error, .. } => {
                let Some(run) = self.run.take() else { return };
                // an interrupted turn is no failure, whatever the vendor says of it
                let error = error.as_ref().filter(|_| *stop_reason != StopReason::Cancelled);
                if let Some(error) = error.filter(|error| error.class != ErrorClass::AgentExit) {
                    told.extend(message(&json!({
                        "type": "agent_error", "sessionId": run, "message": error.message,
                    })));
                }
                told.extend(self.stopped(&run, &end_of_turn(*stop_reason, status)));
            }
            Update::AgentExited { .. } => {
                let (session, provider) = (self.name.clone(), self.provider.clone());
                told.push(Event::SidecarExited { session, provider });
            }
            Update::PromptOpened { prompt } => told.extend(self.log(&waits(prompt))),
            Update::MessageUpdate {
                message_id,
                state: MessageState::Rejected | MessageState::Indeterminate,
            } => {
                let name = name_of(message_id).unwrap_or(&self.name);
                told.extend(message(&json!({
                    "type": "agent_error", "sessionId": name,
                    "message": "the message did not reach the agent, or nobody knows whether it did",
                })));
            }
            Update::Error { error } => told.extend(self.log(&error.message)),
            Update::Retry(retry) => {
                told.extend(self.log(&format!("{}: it is tried again", retry.error.message)));
            }
            Update::Notice { text } => told.extend(self.log(text)),
            Update::AgentStarted { .. }
            | Update::SessionInfoUpdate { .. }
            | Update::MessageUpdate { .. }
            | Update::UserMessageChunk { .. }
            | Update::AgentMessageChunk { .. }
            | Update::AgentThoughtChunk { .. }
            | Update::MessageEnded { .. }
            | Update::ToolCall(_)
            | Update::ToolCallUpdate(_)
            | Update::ToolCallOutput { .. }
            | Update::TaskUpdate(_)
            | Update::TurnDiff { .. }
            | Update::Plan { .. }
            | Update::UsageUpdate(_)
            | Update::RateLimitUpdate { .. }
            | Update::CurrentModeUpdate { .. }
            | Update::CurrentModelUpdate { .. }
            | Update::ConfigOptionUpdate { .. }
            | Update::AvailableCommandsUpdate { .. }
            | Update::PromptUpdate { .. }
            | Update::Oversized { .. }
            | Update::Garbage { .. }
            | Update::Raw { .. }
            | Update::Unknown => {}
        }
    }

    fn name(&self) -> &str {
        self.run.as_deref().unwrap_or(&self.name)
    }

    fn frame(&self, frame: &RawValue) -> Option<Event> {
        let frame = AgentFrame { kind: "agent_event", session: self.name(), event: frame };
        raw(&frame).map(|message| Event::SidecarMessage { message })
    }

    fn log(&self, text: &str) -> Option<Event> {
        log(self.name(), text)
    }

    fn stopped(&self, run: &str, end: &PtyEnd) -> Option<Event> {
        message(&json!({
            "type": "agent_stopped", "sessionId": run,
            "exitCode": end.exit_code, "signal": end.signal,
        }))
    }
}

/// What a person should know about a conversation.
pub(super) fn log(name: &str, text: &str) -> Option<Event> {
    message(&json!({ "type": "agent_log", "sessionId": name, "message": text }))
}

/// How the process of one query would have ended: a runner has one for each.
fn end_of_turn(reason: StopReason, status: Option<&ExitStatus>) -> PtyEnd {
    let exit_code = |code| PtyEnd { exit_code: Some(code), ..PtyEnd::default() };
    match reason {
        StopReason::EndTurn
        | StopReason::MaxTokens
        | StopReason::MaxTurnRequests
        | StopReason::Refusal => exit_code(0),
        StopReason::Cancelled => PtyEnd { signal: Some("SIGTERM".to_owned()), ..PtyEnd::default() },
        StopReason::Error | StopReason::Unknown => exit_code(1),
        StopReason::AgentExit => status.map(end_of).unwrap_or_default(),
    }
}

fn waits(prompt: &Prompt) -> String {
    let (title, id) = (&prompt.title, &prompt.id);
    format!("a person is asked: {title} (see `qd prompts`; allow it by `qd prompts allow {id}`)")
}

fn message(value: &Value) -> Option<Event> {
    raw(value).map(|message| Event::SidecarMessage { message })
}

fn raw<T: Serialize>(value: &T) -> Option<Box<RawValue>> {
    let raw = serde_json::value::to_raw_value(value);
    raw.inspect_err(|error| tracing::error!(%error, "message does not serialise")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use quarterdeck_protocol::{
        agent::{EventId, Origin, Usage},
        ids::{Out, Seq},
        record::{Position, RecordHeader},
    };

    fn record(line: &str) -> Record {
        let at = Position { seq: Seq(1), out: Out(0) };
        let header = RecordHeader { kind: RecordKind::VendorOut, flags: 0, time_micros: 0, at };
        Record { header, payload: Bytes::copy_from_slice(line.as_bytes()) }
    }

    fn event(update: Update) -> AgentEvent {
        let id = EventId { seq: Seq(1), index: 0 };
        AgentEvent { id, at_micros: 0, turn: None, update }
    }

    fn told(runner: &mut Runner, line: &str, updates: Vec<Update>) -> Vec<String> {
        let events: Vec<_> = updates.into_iter().map(event).collect();
        let told = runner.handle(&record(line), &events);
        told.iter().map(|event| event.to_text().expect("serialises")).collect()
    }

    fn started() -> Update {
        let message_id = Some(message_key("mark", "mine"));
        Update::TurnStarted { origin: Origin::SelfStarted, message_id }
    }

    fn ended(stop_reason: StopReason) -> Update {
        Update::TurnEnded { stop_reason, error: None, usage: Usage::default() }
    }

    #[test]
    fn a_frame_stands_between_the_start_and_the_end_that_it_makes() {
        let mut runner = Runner::new("own".into(), "claude".into(), Vendor::Claude, None);
        let line = r#"{"type":"result","x":1}"#;
        let told = told(&mut runner, line, vec![started(), ended(StopReason::EndTurn)]);
        let message = |body: &str| format!(r#"{{"type":"sidecar_message","payload":{body}}}"#);
        assert_eq!(
            told,
            [
                message(r#"{"sessionId":"mine","type":"agent_started"}"#),
                message(&format!(r#"{{"type":"agent_event","sessionId":"mine","event":{line}}}"#)),
                message(
                    r#"{"exitCode":0,"sessionId":"mine","signal":null,"type":"agent_stopped"}"#
                ),
            ]
        );
    }

    #[test]
    fn control_messages_pieces_and_echoes_are_no_frames() {
        let mut runner = Runner::new("own".into(), "claude".into(), Vendor::Claude, None);
        for line in [
            r#"{"type":"control_request","request":{}}"#,
            r#"{"type":"stream_event","event":{}}"#,
            r#"{"type":"user","isReplay":true}"#,
            "no json",
            "7",
        ] {
            assert_eq!(told(&mut runner, line, Vec::new()), [""; 0], "{line}");
        }
        let mut runner = Runner::new("own".into(), "mine".into(), Vendor::Sidecar, None);
        let line = r#"{"type":"agent_event","sessionId":"wire","event":{"type":"assistant"}}"#;
        let told = told(&mut runner, line, Vec::new());
        assert!(told[0].contains(r#""sessionId":"own","event":{"type":"assistant"}"#), "{told:?}");
    }

    #[test]
    fn the_end_of_a_query_is_what_its_process_would_have_told() {
        let check = |reason, code: Option<i32>, signal: Option<&str>| {
            let end = end_of_turn(reason, Some(&ExitStatus::Code { code: 7 }));
            assert_eq!((end.exit_code, end.signal.as_deref()), (code, signal), "{reason:?}");
        };
        check(StopReason::EndTurn, Some(0), None);
        check(StopReason::Cancelled, None, Some("SIGTERM"));
        check(StopReason::Error, Some(1), None);
        check(StopReason::AgentExit, Some(7), None);
    }
}
