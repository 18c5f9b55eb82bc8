//! Claude Code: stream-json with its control protocol, both ways one JSON object per line.
//!
//! A turn begins with a `user` line of ours, or with `system/init` when the agent begins one itself,
//! and ends with `result`. A message steered into a turn (`priority: next`) is taken in before the next
//! request to the model, or begins a turn of its own when none comes: `command_lifecycle` says which.

mod ask;
mod failures;
pub(crate) mod stream;
mod tools;

use alloc::{
    borrow::ToOwned as _,
    collections::BTreeSet,
    format,
    string::{String, ToString as _},
    vec,
    vec::Vec,
};

use quarterdeck_protocol::agent::{
    AgentStart, CommandInfo, ContentBlock, Features, ModeInfo, Origin, Update,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::stream::Stream;
use crate::{
    adapter::{Due, Message, Protocol, Reply},
    errors,
    json::Json as _,
    limits::{MAX_LIST, MAX_TABLE},
    plain,
    step::{Resolution, Step, Steps},
};

/// Modes that every version knows; `bypassPermissions` only works where it was launched with.
const MODES: [(&str, &str); 6] = [
    ("default", "Ask before every change"),
    ("acceptEdits", "Edit files without asking"),
    ("plan", "Plan, change nothing"),
    ("auto", "Let the model judge"),
    ("dontAsk", "Deny what is not allowed by a rule"),
    ("bypassPermissions", "Allow everything"),
];
/// Prefixes of our requests' ids: their answers are told apart by them.
const INIT: &str = "qd-init";
const INTERRUPT: &str = "qd-interrupt";
const MODE: &str = "qd-mode";
const MODEL: &str = "qd-model";

/// What the lines so far say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claude {
    stream: Stream,
    asked_init: bool,
    ready: bool,
    turn: Option<Turn>,
    /// Messages that were written during a turn and were neither taken into it nor began one yet.
    pending: Vec<Pending>,
    /// Requests of the agent that we have no means for, until they are refused.
    to_refuse: BTreeSet<String>,
    /// Modes and models that were asked for, by our request's id.
    wanted: Vec<(String, String)>,
}

/// A message that the agent has and did not take up yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Pending {
    wire_id: String,
    /// The agent tells of its life, so the end of its waiting will be known.
    tracked: bool,
}

/// A running turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Turn {
    /// The message that began it.
    message: Option<String>,
    /// The agent has taken that message up.
    started: bool,
    /// The agent tells of messages' lives.
    tracked: bool,
}

impl Protocol for Claude {
    fn handle_process_start(&mut self) {
        let mut stream = core::mem::take(&mut self.stream);
        stream.handle_process_start();
        *self = Self { stream, ..Self::default() };
    }

    fn handle_out(&mut self, message: &Value, line: &str, steps: &mut Steps) {
        match message.str_at("type") {
            Some("control_request") => self.handle_request(message, steps),
            Some("control_response") => self.handle_response(message, steps),
            Some("control_cancel_request") => {
                let vendor_id = message.text_at("request_id").unwrap_or_default();
                self.to_refuse.remove(&vendor_id);
                steps.push(Step::Resolved { vendor_id, how: Resolution::Withdrawn });
            }
            Some("command_lifecycle") => self.handle_lifecycle(message, steps),
            Some("result") => self.handle_result(message, steps),
            kind => {
                if kind == Some("system") && message.str_at("subtype") == Some("init") {
                    self.ready = true;
                    self.begin(None, steps);
                }
                if !self.stream.handle(message, steps) {
                    let kind = message.str_at("subtype").or(kind).unwrap_or("line");
                    steps.raw(kind, line);
                }
            }
        }
    }

    fn handle_in(&mut self, message: &Value, steps: &mut Steps) {
        match message.str_at("type") {
            Some("user") => self.handle_message_in(message, steps),
            Some("control_request") => self.handle_request_in(message),
            Some("control_response") => {
                let id = message.at("response").str_at("request_id").unwrap_or_default();
                self.to_refuse.remove(id);
                // the echo on stdout confirms it; without an echo, this has to do
                steps.push(Step::Resolved { vendor_id: id.to_owned(), how: Resolution::Written });
            }
            Some(_) | None => {}
        }
    }

    fn poll_due(&self, _start: &AgentStart) -> Option<Due> {
        if !self.asked_init {
            let request = json!({ "subtype": "initialize", "hooks": null });
            return Some(Due { key: "init".into(), lines: vec![control(INIT, &request)] });
        }
        let id = self.to_refuse.first()?;
        let error = json!({
            "subtype": "error", "request_id": id, "error": "unsupported request",
            "error_code": "unsupported_request",
        });
        let line = json!({ "type": "control_response", "response": error });
        Some(Due { key: format!("refuse:{id}"), lines: vec![line] })
    }

    fn is_ready(&self) -> bool {
        // a steered message that no turn took in begins the next one: another must not overtake it
        self.ready && !self.pending.iter().any(|pending| pending.tracked)
    }

    fn features(&self) -> Features {
        Features {
            steer: true,
            interrupt: true,
            edit_input: true,
            deny_with_message: true,
            set_mode: true,
            set_model: true,
            resume: true,
            fork: true,
            images: true,
        }
    }

    fn message(&self, message: &Message<'_>, _start: &AgentStart) -> Vec<Value> {
        vec![user(message)]
    }

    fn steer(&self, message: &Message<'_>) -> Option<Vec<Value>> {
        let mut line = user(message);
        line.as_object_mut()?.insert("priority".into(), "next".into());
        Some(vec![line])
    }

    fn interrupt(&self, wire_id: &str) -> Option<Vec<Value>> {
        let id = format!("{INTERRUPT}-{wire_id}");
        Some(vec![control(&id, &json!({ "subtype": "interrupt" }))])
    }

    fn set_mode(&self, wire_id: &str, mode: &str) -> Option<Vec<Value>> {
        let id = format!("{MODE}-{wire_id}");
        Some(vec![control(&id, &json!({ "subtype": "set_permission_mode", "mode": mode }))])
    }

    fn set_model(&self, wire_id: &str, model: &str) -> Option<Vec<Value>> {
        let id = format!("{MODEL}-{wire_id}");
        Some(vec![control(&id, &json!({ "subtype": "set_model", "model": model }))])
    }

    fn reply(&self, reply: &Reply<'_>) -> Option<Value> {
        let body = ask::reply(reply)?;
        Some(json!({
            "type": "control_response",
            "response": { "subtype": "success", "request_id": reply.vendor_id, "response": body },
        }))
    }
}

impl Claude {
    /// A turn begins, unless one runs.
    fn begin(&mut self, message: Option<String>, steps: &mut Steps) {
        if self.turn.is_some() {
            return;
        }
        if let Some(id) = &message {
            self.pending.retain(|pending| pending.wire_id != *id);
        }
        if let Some(wire_id) = message.clone() {
            // it never refuses one
            steps.push(Step::Taken { wire_id });
        }
        self.turn = Some(Turn { message: message.clone(), started: false, tracked: false });
        steps.push(Step::TurnStarted { wire_id: message });
    }

    fn handle_message_in(&mut self, message: &Value, steps: &mut Steps) {
        let Some(wire_id) = message.text_at("uuid") else { return };
        steps.push(Step::Sent { wire_id: wire_id.clone() });
        if self.turn.is_none() {
            self.begin(Some(wire_id), steps);
        } else if self.pending.len() < MAX_TABLE {
            self.pending.push(Pending { wire_id, tracked: false });
        }
    }

    fn handle_request_in(&mut self, message: &Value) {
        let id = message.str_at("request_id").unwrap_or_default();
        let request = message.at("request");
        if id == INIT {
            self.asked_init = true;
        }
        let wanted = request.str_at("mode").or_else(|| request.str_at("model"));
        if let Some(wanted) = wanted
            && self.wanted.len() < MAX_TABLE
        {
            self.wanted.push((id.to_owned(), wanted.to_owned()));
        }
    }

    fn handle_request(&mut self, message: &Value, steps: &mut Steps) {
        let Some(id) = message.str_at("request_id") else { return };
        let request = message.at("request");
        let plan = request.str_at("tool_use_id").and_then(|id| self.stream.plan(id));
        match ask::question(id, request, plan) {
            Some(question) => steps.push(Step::Asked(question)),
            None if self.to_refuse.len() < MAX_TABLE => {
                self.to_refuse.insert(id.to_owned());
            }
            None => {}
        }
    }

    /// An answer to a request of ours, or the echo of an answer to one of the agent's.
    fn handle_response(&mut self, message: &Value, steps: &mut Steps) {
        let response = message.at("response");
        let id = response.str_at("request_id").unwrap_or_default();
        if !id.starts_with("qd-") {
            let vendor_id = id.to_owned();
            steps.push(Step::Resolved { vendor_id, how: Resolution::Confirmed });
            return;
        }
        let wanted = self.wanted.iter().position(|(asked, _)| asked == id);
        let wanted = wanted.map(|at| self.wanted.remove(at).1);
        let failed = response.str_at("subtype") == Some("error");
        if failed {
            let error = response.str_at("error").unwrap_or("the agent refused");
            let error = errors::error(quarterdeck_protocol::agent::ErrorClass::Protocol, error);
            steps.update(Update::Error { error });
        }
        if id == INIT {
            self.ready = true;
            self.handle_initialized(response, steps);
        } else if let Some(wanted) = wanted.filter(|_| !failed) {
            if id.starts_with(MODEL) {
                self.stream.set_model(&wanted, steps);
            } else {
                self.stream.set_mode(&wanted, steps);
            }
        }
    }

    fn handle_initialized(&mut self, response: &Value, steps: &mut Steps) {
        let body = response.at("response");
        let command = |it: &Value| {
            Some(CommandInfo {
                name: plain::title(it.str_at("name")?),
                description: plain::title(it.str_at("description").unwrap_or_default()),
                hint: it.str_at("argumentHint").filter(|it| !it.is_empty()).map(plain::title),
            })
        };
        let commands: Vec<CommandInfo> =
            body.list("commands").iter().take(MAX_LIST).filter_map(command).collect();
        if !commands.is_empty() {
            steps.update(Update::AvailableCommandsUpdate { commands });
        }
        let model = |it: &Value| {
            let id = it.str_at("value")?;
            let name = plain::title(it.str_at("displayName").unwrap_or(id));
            let description = it.str_at("description").map(plain::title);
            Some(ModeInfo { id: id.to_owned(), name, description })
        };
        let models = body.list("models").iter().take(MAX_LIST).filter_map(model).collect();
        let mode = |(id, name): &(&str, &str)| ModeInfo {
            id: (*id).to_string(),
            name: (*name).to_string(),
            description: None,
        };
        let modes = MODES.iter().map(mode).collect();
        steps.update(Update::ConfigOptionUpdate { modes, models });
        if let Some(mode) = body.str_at("current_permission_mode") {
            self.stream.set_mode(mode, steps);
        }
        for pending in response.list("pending_permission_requests") {
            self.handle_request(pending, steps);
        }
    }

    fn handle_lifecycle(&mut self, message: &Value, steps: &mut Steps) {
        let Some(id) = message.str_at("command_uuid") else { return };
        let idle = self.turn.is_none();
        let own = self.turn.as_mut().filter(|turn| turn.message.as_deref() == Some(id));
        match (message.str_at("state"), own) {
            (Some("started"), Some(turn)) => turn.started = true,
            (Some("started"), None) if idle => {
                self.begin(Some(id.to_owned()), steps);
                if let Some(turn) = &mut self.turn {
                    turn.started = true;
                    turn.tracked = true;
                }
            }
            (Some("queued"), Some(turn)) => turn.tracked = true,
            (Some("queued"), None) => {
                let pending = self.pending.iter_mut().find(|pending| pending.wire_id == id);
                if let Some(pending) = pending {
                    pending.tracked = true;
                }
            }
            (Some("started" | "completed" | "cancelled"), None) => {
                self.take_pending(|pending| pending.wire_id == id, steps);
            }
            (Some(_) | None, _) => {}
        }
    }

    /// The end of a turn; not the end of ours when the agent had begun one just before it.
    fn handle_result(&mut self, message: &Value, steps: &mut Steps) {
        let is_other = message.at("origin").str_at("kind") == Some("task-notification")
            && self.turn.as_ref().is_some_and(|turn| turn.tracked && !turn.started);
        let mut ended = Steps::default();
        self.stream.handle(message, &mut ended);
        if is_other {
            ended.0.retain(|step| !matches!(step, Step::TurnEnded { .. }));
        } else {
            self.turn = None;
            // nothing more will be heard of those whose life is not told
            self.take_pending(|pending| !pending.tracked, steps);
        }
        steps.0.append(&mut ended.0);
    }

    /// Messages that no longer wait in the agent.
    fn take_pending(&mut self, which: impl Fn(&Pending) -> bool, steps: &mut Steps) {
        let all = core::mem::take(&mut self.pending).into_iter();
        let (taken, left): (Vec<Pending>, Vec<Pending>) = all.partition(which);
        self.pending = left;
        for Pending { wire_id, tracked: _ } in taken {
            steps.push(Step::Taken { wire_id });
        }
    }
}

fn control(id: &str, request: &Value) -> Value {
    json!({ "type": "control_request", "request_id": id, "request": request })
}

fn user(message: &Message<'_>) -> Value {
    let content: Vec<Value> = message.content.iter().filter_map(block).collect();
    let mut line = json!({
        "type": "user",
        "message": { "role": "user", "content": content },
        "parent_tool_use_id": null,
        "uuid": message.wire_id,
    });
    if let (Origin::Agent { address }, Some(line)) = (message.origin, line.as_object_mut()) {
        line.insert("origin".into(), json!({ "kind": "peer", "from": address, "name": address }));
    }
    line
}

fn block(content: &ContentBlock) -> Option<Value> {
    Some(match content {
        ContentBlock::Text { text } => json!({ "type": "text", "text": text }),
        ContentBlock::Image { mime_type, data } => json!({
            "type": "image",
            "source": { "type": "base64", "media_type": mime_type, "data": data },
        }),
        ContentBlock::ResourceLink { uri, name: _ } => {
            let path = uri.strip_prefix("file://").unwrap_or(uri);
            json!({ "type": "text", "text": format!("@{path}") })
        }
        ContentBlock::Unknown => return None,
    })
}
