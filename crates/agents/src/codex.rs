//! Codex: its app-server, one per session, JSON-RPC lines with the `jsonrpc` member left out.
//!
//! `initialize` → `initialized`, then `thread/start`, `thread/resume` or `thread/fork`; a turn begins
//! with `turn/start` and ends with `turn/completed`. Mode and model are given with the next turn.

mod ask;
mod items;
mod notices;

use alloc::{
    borrow::ToOwned as _,
    collections::{BTreeMap, BTreeSet},
    format,
    string::{String, ToString as _},
    vec,
    vec::Vec,
};

use quarterdeck_protocol::agent::{
    AgentCommand, AgentStart, ContentBlock, ErrorClass, Features, ModeInfo, Resume, StopReason,
    Update,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    adapter::{Due, Message, Protocol, Reply},
    errors,
    json::Json as _,
    limits::MAX_TABLE,
    plain,
    rpc::{self, Rpc},
    step::{Resolution, Step, Steps},
};

/// Modes: what is asked about, and what the sandbox lets through.
const MODES: [(&str, &str, &str, &str); 4] = [
    ("ask", "Ask before every command that may change something", "untrusted", "workspace-write"),
    ("read-only", "Ask before every change; the sandbox only reads", "on-request", "read-only"),
    ("auto", "Work in the workspace, ask to leave it", "on-request", "workspace-write"),
    ("full-access", "Ask nothing, no sandbox", "never", "danger-full-access"),
];
/// The mode without one: supervised.
const DEFAULT_MODE: &str = "ask";

/// What the lines so far say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Codex {
    phase: Phase,
    thread: Option<String>,
    /// The running turn's id, once it is known.
    turn: Option<String>,
    /// Set from the line that asks for a turn to the turn's end.
    in_turn: bool,
    /// What our requests were for, by id.
    asked: BTreeMap<String, Asked>,
    mode: Option<String>,
    model: Option<String>,
    /// File changes that have not ended, by item.
    changes: BTreeMap<String, Value>,
    /// Items whose text was told as chunks.
    streamed: BTreeSet<String>,
    /// Requests of the agent that we have no means for, until they are refused.
    to_refuse: BTreeSet<String>,
}

/// How far the introduction is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    /// Nothing was written yet.
    #[default]
    New,
    /// `initialize` was written.
    Introduced,
    /// It was answered.
    Known,
    /// A thread was asked for.
    Opening,
    /// The thread that was to be resumed does not exist, and nothing was ever said in it.
    Refused,
    /// There is a thread.
    Ready,
    /// There will be none.
    Failed,
}

/// What a request of ours was for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Asked {
    Initialize,
    Thread { resumes: bool },
    Turn { message: String },
    Steer { message: String },
    Interrupt,
}

impl Protocol for Codex {
    fn handle_process_start(&mut self) {
        let (mode, model) = (self.mode.take(), self.model.take());
        *self = Self { mode, model, ..Self::default() };
    }

    fn handle_out(&mut self, message: &Value, line: &str, steps: &mut Steps) {
        match Rpc::read(message) {
            Some(Rpc::Request { id, method, params }) => {
                let id = rpc::id_text(id);
                let change = self.changes.get(params.str_at("itemId").unwrap_or_default());
                match ask::question(id.clone(), method, params, change) {
                    Some(question) => steps.push(Step::Asked(question)),
                    None if self.to_refuse.len() < MAX_TABLE => {
                        self.to_refuse.insert(id);
                        steps.raw(method, line);
                    }
                    None => steps.raw(method, line),
                }
            }
            Some(Rpc::Notification { method, params }) => {
                if !self.handle_notification(method, params, steps) {
                    steps.raw(method, line);
                }
            }
            Some(Rpc::Response { id, outcome }) => {
                if let Some(asked) = self.asked.remove(&ask::text_id(id)) {
                    self.handle_response(asked, outcome, steps);
                }
            }
            None => steps.raw("line", line),
        }
    }

    fn handle_in(&mut self, message: &Value, steps: &mut Steps) {
        match Rpc::read(message) {
            Some(Rpc::Request { id, method, params }) => {
                self.handle_request_in(&ask::text_id(id), method, params, steps);
            }
            Some(Rpc::Response { id, outcome: _ }) => {
                let vendor_id = rpc::id_text(id);
                self.to_refuse.remove(&vendor_id);
                steps.push(Step::Resolved { vendor_id, how: Resolution::Written });
            }
            Some(Rpc::Notification { .. }) | None => {}
        }
    }

    fn handle_command(&mut self, command: &AgentCommand, steps: &mut Steps) {
        match command {
            AgentCommand::SetMode { mode } => {
                self.mode = Some(mode.clone());
                steps.update(Update::CurrentModeUpdate { mode: mode.clone() });
            }
            AgentCommand::SetModel { model } => {
                self.model = Some(model.clone());
                steps.update(Update::CurrentModelUpdate { model: plain::title(model) });
            }
            AgentCommand::Prompt { .. }
            | AgentCommand::Interrupt
            | AgentCommand::Withdraw { .. }
            | AgentCommand::Unknown => {}
        }
    }

    fn poll_due(&self, start: &AgentStart) -> Option<Due> {
        let lines = match self.phase {
            Phase::New => vec![rpc::request("qd-init", "initialize", &introduction())],
            Phase::Known => vec![rpc::notification("initialized", &Value::Null), self.open(start)],
            Phase::Refused => vec![self.start_thread(start)],
            Phase::Introduced | Phase::Opening | Phase::Ready | Phase::Failed => {
                let id = self.to_refuse.first()?;
                return Some(Due {
                    key: format!("refuse:{id}"),
                    lines: vec![rpc::unsupported(id)],
                });
            }
        };
        Some(Due { key: format!("open:{:?}", self.phase), lines })
    }

    fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    fn is_stalled(&self) -> bool {
        self.phase == Phase::Failed
    }

    fn features(&self) -> Features {
        Features {
            steer: true,
            interrupt: true,
            edit_input: false,
            deny_with_message: false,
            set_mode: true,
            set_model: true,
            resume: true,
            fork: true,
            images: true,
        }
    }

    fn message(&self, message: &Message<'_>, start: &AgentStart) -> Vec<Value> {
        let (approval, sandbox) = policies(self.mode.as_deref().or(start.mode.as_deref()));
        let mut params = json!({
            "threadId": self.thread,
            "clientUserMessageId": message.wire_id,
            "input": input(message.content),
            "approvalPolicy": approval,
            "sandboxPolicy": sandbox_policy(sandbox),
        });
        if let (Some(model), Some(params)) = (&self.model, params.as_object_mut()) {
            params.insert("model".into(), model.as_str().into());
        }
        vec![rpc::request(&format!("qd-turn-{}", message.wire_id), "turn/start", &params)]
    }

    fn steer(&self, message: &Message<'_>) -> Option<Vec<Value>> {
        let params = json!({
            "threadId": self.thread,
            "expectedTurnId": self.turn.as_ref()?,
            "clientUserMessageId": message.wire_id,
            "input": input(message.content),
        });
        Some(vec![rpc::request(&format!("qd-steer-{}", message.wire_id), "turn/steer", &params)])
    }

    fn interrupt(&self, wire_id: &str) -> Option<Vec<Value>> {
        let params = json!({ "threadId": self.thread, "turnId": self.turn.as_ref()? });
        Some(vec![rpc::request(&format!("qd-interrupt-{wire_id}"), "turn/interrupt", &params)])
    }

    fn set_mode(&self, _wire_id: &str, mode: &str) -> Option<Vec<Value>> {
        MODES.iter().any(|(id, ..)| *id == mode).then(Vec::new)
    }

    fn set_model(&self, _wire_id: &str, _model: &str) -> Option<Vec<Value>> {
        Some(Vec::new())
    }

    fn reply(&self, reply: &Reply<'_>) -> Option<Value> {
        Some(rpc::result(reply.vendor_id, &ask::result(reply)?))
    }
}

impl Codex {
    fn handle_request_in(&mut self, id: &str, method: &str, params: &Value, steps: &mut Steps) {
        let message = params.text_at("clientUserMessageId");
        let asked = match (method, message) {
            ("initialize", _) => {
                self.phase = Phase::Introduced;
                Asked::Initialize
            }
            ("thread/start", _) => {
                self.phase = Phase::Opening;
                Asked::Thread { resumes: false }
            }
            ("thread/resume" | "thread/fork", _) => {
                self.phase = Phase::Opening;
                Asked::Thread { resumes: true }
            }
            ("turn/start", Some(message)) => {
                steps.push(Step::Sent { wire_id: message.clone() });
                steps.push(Step::TurnStarted { wire_id: Some(message.clone()) });
                self.in_turn = true;
                Asked::Turn { message }
            }
            ("turn/steer", Some(message)) => {
                steps.push(Step::Sent { wire_id: message.clone() });
                Asked::Steer { message }
            }
            ("turn/interrupt", _) => Asked::Interrupt,
            (_, _) => return,
        };
        if self.asked.len() < MAX_TABLE {
            self.asked.insert(id.to_owned(), asked);
        }
    }

    fn handle_response(
        &mut self,
        asked: Asked,
        outcome: Result<&Value, &Value>,
        steps: &mut Steps,
    ) {
        match (asked, outcome) {
            (Asked::Initialize, Ok(_)) => self.phase = Phase::Known,
            (Asked::Thread { .. }, Ok(result)) => self.handle_thread(result, steps),
            (Asked::Turn { message }, Ok(result)) => {
                steps.push(Step::Taken { wire_id: message });
                if self.in_turn && self.turn.is_none() {
                    self.turn = result.at("turn").text_at("id");
                }
            }
            (Asked::Steer { message }, Ok(_)) => steps.push(Step::Taken { wire_id: message }),
            (Asked::Interrupt, _) => {}
            (Asked::Thread { resumes: true }, Err(error)) if is_unsaid(error) => {
                self.phase = Phase::Refused;
                let text = "the agent has nothing of this conversation; a new one begins".into();
                steps.update(Update::Notice { text });
            }
            (Asked::Initialize | Asked::Thread { .. }, Err(error)) => {
                self.phase = Phase::Failed;
                steps.update(Update::Error { error: failure(error) });
            }
            (Asked::Turn { .. }, Err(error)) => {
                self.end_turn();
                let error = Some(failure(error));
                steps.push(Step::TurnEnded { stop_reason: StopReason::Error, error });
            }
            (Asked::Steer { message }, Err(_)) => steps.push(Step::NotTaken { wire_id: message }),
        }
    }

    fn handle_thread(&mut self, result: &Value, steps: &mut Steps) {
        let thread = result.at("thread");
        self.phase = Phase::Ready;
        self.thread = thread.text_at("id");
        let cwd = result.str_at("cwd").or_else(|| thread.str_at("cwd"));
        steps.update(Update::SessionInfoUpdate {
            vendor_session: self.thread.clone(),
            cwd: cwd.map(plain::text),
            title: thread.str_at("name").map(plain::title),
            features: None,
        });
        let mode = |(id, name, ..): &(&str, &str, &str, &str)| ModeInfo {
            id: (*id).to_string(),
            name: (*name).to_string(),
            description: None,
        };
        let modes = MODES.iter().map(mode).collect();
        steps.update(Update::ConfigOptionUpdate { modes, models: Vec::new() });
        let mode = self.mode.clone().unwrap_or_else(|| DEFAULT_MODE.to_owned());
        steps.update(Update::CurrentModeUpdate { mode });
        if let Some(model) = result.str_at("model") {
            steps.update(Update::CurrentModelUpdate { model: plain::title(model) });
        }
    }

    fn end_turn(&mut self) {
        self.turn = None;
        self.in_turn = false;
        self.streamed.clear();
        self.changes.clear();
    }

    /// The request that opens the conversation.
    fn open(&self, start: &AgentStart) -> Value {
        let (method, thread) = match &start.resume {
            Resume::New => return self.start_thread(start),
            Resume::Resume { vendor_session } => ("thread/resume", vendor_session),
            Resume::Fork { vendor_session } => ("thread/fork", vendor_session),
        };
        let mut params = self.settings(start);
        if let Some(params) = params.as_object_mut() {
            params.insert("threadId".into(), thread.as_str().into());
            // the log has them; the answer would be as large as the whole conversation
            params.insert("excludeTurns".into(), true.into());
        }
        rpc::request("qd-open", method, &params)
    }

    fn start_thread(&self, start: &AgentStart) -> Value {
        rpc::request("qd-thread", "thread/start", &self.settings(start))
    }

    fn settings(&self, start: &AgentStart) -> Value {
        let (approval, sandbox) = policies(self.mode.as_deref().or(start.mode.as_deref()));
        let mut params = json!({
            "cwd": start.cwd, "approvalPolicy": approval, "sandbox": sandbox,
        });
        let model = self.model.as_ref().or(start.model.as_ref());
        if let (Some(model), Some(params)) = (model, params.as_object_mut()) {
            params.insert("model".into(), model.as_str().into());
        }
        params
    }
}

fn introduction() -> Value {
    json!({
        "clientInfo": {
            "name": "quarterdeck",
            "title": "Quarterdeck",
            "version": env!("CARGO_PKG_VERSION"),
        },
        "capabilities": { "experimentalApi": true },
    })
}

fn policies(mode: Option<&str>) -> (&'static str, &'static str) {
    let mode = mode.unwrap_or(DEFAULT_MODE);
    let row = MODES.iter().find(|(id, ..)| *id == mode).unwrap_or(&MODES[0]);
    (row.2, row.3)
}

/// The sandbox as a turn takes it; a thread takes its word.
fn sandbox_policy(word: &str) -> Value {
    match word {
        "read-only" => json!({ "type": "readOnly" }),
        "danger-full-access" => json!({ "type": "dangerFullAccess" }),
        _ => json!({ "type": "workspaceWrite" }),
    }
}

fn input(content: &[ContentBlock]) -> Vec<Value> {
    let block = |content: &ContentBlock| match content {
        ContentBlock::Text { text } => {
            Some(json!({ "type": "text", "text": text, "text_elements": [] }))
        }
        ContentBlock::Image { mime_type, data } => {
            Some(json!({ "type": "image", "url": format!("data:{mime_type};base64,{data}") }))
        }
        ContentBlock::ResourceLink { uri, name } => {
            let path = uri.strip_prefix("file://").unwrap_or(uri);
            Some(json!({ "type": "mention", "name": name, "path": path }))
        }
        ContentBlock::Unknown => None,
    };
    content.iter().filter_map(block).collect()
}

fn failure(error: &Value) -> quarterdeck_protocol::agent::AgentError {
    let message = error.str_at("message").unwrap_or("the agent refused");
    let mut error = errors::classify(None, None, message);
    if error.class == ErrorClass::Other {
        error.class = ErrorClass::Protocol;
    }
    error
}

/// A thread in which nothing was said yet is not on disk, so a new one is as good.
fn is_unsaid(error: &Value) -> bool {
    error.str_at("message").is_some_and(|message| message.contains("no rollout found"))
}
