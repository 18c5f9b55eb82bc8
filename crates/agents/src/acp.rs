//! Any agent of the Agent Client Protocol: JSON-RPC 2.0, one message per line.
//!
//! `initialize`, then `session/new`, `session/resume`, `session/load` or `session/fork`, whichever is
//! asked for and offered; a turn begins with `session/prompt` and ends with its answer. Agents differ
//! in what they offer and in what they leave out, so everything is read leniently and nothing is
//! assumed: options are known by their `kind`, modes by either of two ways to tell them.

mod abilities;
mod ask;
mod updates;

use alloc::{
    borrow::ToOwned,
    collections::{BTreeMap, BTreeSet},
    format,
    string::String,
    vec,
    vec::Vec,
};

use quarterdeck_protocol::agent::{
    AgentStart, ContentBlock, Features, Resume, StopReason, TokenUsage, Update,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::{
    abilities::{Abilities, Setting, failure, introduction},
    updates::Telling,
};
use crate::{
    adapter::{Due, Message, Protocol, Reply},
    json::Json as _,
    launch::MAIL_SERVER,
    limits::MAX_TABLE,
    rpc::{self, Rpc},
    step::{Resolution, Step, Steps},
};

/// What the lines so far say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Acp {
    phase: Phase,
    session: Option<String>,
    abilities: Abilities,
    /// What our requests were for, by id.
    asked: BTreeMap<String, Asked>,
    in_turn: bool,
    /// Requests of the agent that wait for an answer; an interrupt has to answer them all.
    open: BTreeSet<String>,
    /// Requests of the agent that we have no means for, until they are refused.
    to_refuse: BTreeSet<String>,
    telling: Telling,
}

/// How far the introduction is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    #[default]
    New,
    Introduced,
    Known,
    Opening,
    Ready,
    Failed,
}

/// What a request of ours was for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Asked {
    Initialize,
    Open,
    Prompt,
    Mode { mode: String },
    Model { model: String },
    Other,
}

impl Protocol for Acp {
    fn handle_process_start(&mut self) {
        let mut telling = core::mem::take(&mut self.telling);
        telling.handle_process_start();
        *self = Self { telling, ..Self::default() };
    }

    fn handle_out(&mut self, message: &Value, line: &str, steps: &mut Steps) {
        match Rpc::read(message) {
            Some(Rpc::Request { id, method, params }) => {
                let id = rpc::id_text(id);
                self.telling.end_message(steps);
                match ask::question(&id, method, params) {
                    Some(question) => {
                        if self.open.len() < MAX_TABLE {
                            self.open.insert(id);
                        }
                        steps.push(Step::Asked(question));
                    }
                    None => {
                        if self.to_refuse.len() < MAX_TABLE {
                            self.to_refuse.insert(id);
                        }
                        steps.raw(method, line);
                    }
                }
            }
            Some(Rpc::Notification { method: "session/update", params }) => {
                if !self.telling.handle_update(params.at("update"), steps) {
                    steps
                        .raw(params.at("update").str_at("sessionUpdate").unwrap_or("update"), line);
                }
            }
            Some(Rpc::Notification { method: "$/cancel_request", params }) => {
                let vendor_id = rpc::id_text(params.at("requestId"));
                self.open.remove(&vendor_id);
                steps.push(Step::Resolved { vendor_id, how: Resolution::Withdrawn });
            }
            Some(Rpc::Notification { method, params: _ }) => steps.raw(method, line),
            Some(Rpc::Response { id, outcome }) => {
                let id = id.as_str().unwrap_or_default();
                if let Some(asked) = self.asked.remove(id) {
                    self.handle_response(asked, outcome, steps);
                }
            }
            None => steps.raw("line", line),
        }
    }

    fn handle_in(&mut self, message: &Value, steps: &mut Steps) {
        match Rpc::read(message) {
            Some(Rpc::Request { id, method, params }) => {
                let id = id.as_str().unwrap_or_default();
                self.handle_request_in(id, method, params, steps);
            }
            Some(Rpc::Response { id, outcome: _ }) => {
                let vendor_id = rpc::id_text(id);
                self.to_refuse.remove(&vendor_id);
                self.open.remove(&vendor_id);
                steps.push(Step::Resolved { vendor_id, how: Resolution::WrittenForGood });
            }
            Some(Rpc::Notification { .. }) | None => {}
        }
    }

    fn poll_due(&self, start: &AgentStart) -> Option<Due> {
        match self.phase {
            Phase::New => {
                let lines = vec![rpc::request("qd-init", "initialize", &introduction())];
                Some(Due { key: "init".into(), lines })
            }
            Phase::Known => Some(Due { key: "open".into(), lines: vec![self.open(start)] }),
            Phase::Introduced | Phase::Opening | Phase::Ready | Phase::Failed => {
                let id = self.to_refuse.first()?;
                Some(Due { key: format!("refuse:{id}"), lines: vec![rpc::unsupported(id)] })
            }
        }
    }

    fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    fn is_stalled(&self) -> bool {
        self.phase == Phase::Failed
    }

    fn features(&self) -> Features {
        let Abilities { load, resume, fork, images, ref mode, ref model } = self.abilities;
        Features {
            steer: false,
            interrupt: true,
            edit_input: false,
            deny_with_message: false,
            set_mode: mode.is_some(),
            set_model: model.is_some(),
            resume: load || resume,
            fork,
            images,
        }
    }

    fn message(&self, message: &Message<'_>, _start: &AgentStart) -> Vec<Value> {
        let prompt: Vec<Value> = message.content.iter().filter_map(block).collect();
        let params = json!({ "sessionId": self.session, "prompt": prompt });
        vec![rpc::request(&format!("qd-prompt-{}", message.wire_id), "session/prompt", &params)]
    }

    /// The protocol wants every open request answered when a turn is cancelled.
    fn interrupt(&self, _wire_id: &str) -> Option<Vec<Value>> {
        let params = json!({ "sessionId": self.session.as_ref()? });
        let mut lines = vec![rpc::notification("session/cancel", &params)];
        // one answer for permissions and elicitations: each reads its own member
        let cancelled = json!({ "outcome": { "outcome": "cancelled" }, "action": "cancel" });
        lines.extend(self.open.iter().map(|id| rpc::result(id, &cancelled)));
        Some(lines)
    }

    fn set_mode(&self, wire_id: &str, mode: &str) -> Option<Vec<Value>> {
        let id = format!("qd-mode-{wire_id}");
        Some(vec![self.set(
            &id,
            self.abilities.mode.as_ref()?,
            ("session/set_mode", "modeId"),
            mode,
        )])
    }

    fn set_model(&self, wire_id: &str, model: &str) -> Option<Vec<Value>> {
        let id = format!("qd-model-{wire_id}");
        let setting = self.abilities.model.as_ref()?;
        Some(vec![self.set(&id, setting, ("session/set_model", "modelId"), model)])
    }

    fn reply(&self, reply: &Reply<'_>) -> Option<Value> {
        Some(rpc::result(reply.vendor_id, &ask::result(reply)?))
    }
}

impl Acp {
    fn set(&self, id: &str, setting: &Setting, native: (&str, &str), value: &str) -> Value {
        match setting {
            Setting::Method => {
                let mut params = json!({ "sessionId": self.session });
                if let Some(params) = params.as_object_mut() {
                    params.insert(native.1.to_owned(), value.into());
                }
                rpc::request(id, native.0, &params)
            }
            Setting::Option { id: config } => {
                let params =
                    json!({ "sessionId": self.session, "configId": config, "value": value });
                rpc::request(id, "session/set_config_option", &params)
            }
        }
    }

    fn handle_request_in(&mut self, id: &str, method: &str, params: &Value, steps: &mut Steps) {
        let value = || params.text_at("value").unwrap_or_default();
        let asked = match method {
            "initialize" => {
                self.phase = Phase::Introduced;
                Asked::Initialize
            }
            "session/new" | "session/resume" | "session/fork" | "session/load" => {
                self.phase = Phase::Opening;
                self.telling.begin_opening(method == "session/load");
                // its answer does not repeat it
                self.session = params.text_at("sessionId");
                Asked::Open
            }
            "session/prompt" => {
                let Some(wire_id) = id.strip_prefix("qd-prompt-").map(ToOwned::to_owned) else {
                    return;
                };
                steps.push(Step::Sent { wire_id: wire_id.clone() });
                steps.push(Step::Taken { wire_id: wire_id.clone() });
                steps.push(Step::TurnStarted { wire_id: Some(wire_id) });
                self.in_turn = true;
                Asked::Prompt
            }
            "session/set_mode" => {
                Asked::Mode { mode: params.text_at("modeId").unwrap_or_default() }
            }
            "session/set_model" => {
                Asked::Model { model: params.text_at("modelId").unwrap_or_default() }
            }
            "session/set_config_option" if id.starts_with("qd-mode-") => {
                Asked::Mode { mode: value() }
            }
            "session/set_config_option" => Asked::Model { model: value() },
            _ => Asked::Other,
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
            (Asked::Initialize, Ok(result)) => {
                self.phase = Phase::Known;
                self.handle_introduction(result, steps);
            }
            (Asked::Open, Ok(result)) => {
                self.phase = Phase::Ready;
                self.handle_opened(result, steps);
            }
            (Asked::Prompt, Ok(result)) => self.handle_turn_end(result, steps),
            (Asked::Mode { mode }, Ok(_)) => self.telling.set_mode(&mode, steps),
            (Asked::Model { model }, Ok(_)) => self.telling.set_model(&model, steps),
            (Asked::Other, _) => {}
            (Asked::Initialize | Asked::Open, Err(error)) => {
                self.phase = Phase::Failed;
                steps.update(Update::Error { error: failure(error) });
            }
            (Asked::Prompt, Err(error)) => {
                self.end_turn(steps);
                let error = Some(failure(error));
                steps.push(Step::TurnEnded { stop_reason: StopReason::Error, error });
            }
            (Asked::Mode { .. } | Asked::Model { .. }, Err(error)) => {
                steps.update(Update::Error { error: failure(error) });
            }
        }
    }

    fn handle_introduction(&mut self, result: &Value, steps: &mut Steps) {
        self.abilities = Abilities::read(result);
        steps.update(Update::SessionInfoUpdate {
            vendor_session: None,
            cwd: None,
            title: None,
            features: Some(self.features()),
        });
    }

    fn handle_opened(&mut self, result: &Value, steps: &mut Steps) {
        self.session = result.text_at("sessionId").or(self.session.take());
        self.telling.end_opening(steps);
        self.abilities.learn_settings(result);
        steps.update(Update::SessionInfoUpdate {
            vendor_session: self.session.clone(),
            cwd: None,
            title: None,
            features: Some(self.features()),
        });
        self.telling.handle_settings(result, steps);
    }

    fn handle_turn_end(&mut self, result: &Value, steps: &mut Steps) {
        let usage = result.at("usage");
        let count = |key| usage.u64_at(key).unwrap_or(0);
        if usage.is_object() {
            steps.push(Step::Used(TokenUsage {
                input: count("inputTokens"),
                output: count("outputTokens"),
                cached_read: count("cachedReadTokens"),
                cached_write: count("cachedWriteTokens"),
                thought: count("thoughtTokens"),
            }));
        }
        self.end_turn(steps);
        let stop_reason = match result.str_at("stopReason") {
            Some("end_turn") => StopReason::EndTurn,
            Some("max_tokens") => StopReason::MaxTokens,
            Some("max_turn_requests") => StopReason::MaxTurnRequests,
            Some("refusal") => StopReason::Refusal,
            Some("cancelled") => StopReason::Cancelled,
            Some(_) | None => StopReason::Unknown,
        };
        steps.push(Step::TurnEnded { stop_reason, error: None });
    }

    fn end_turn(&mut self, steps: &mut Steps) {
        self.in_turn = false;
        self.open.clear();
        self.telling.end_message(steps);
    }

    /// The request that opens the conversation. Whether the agent can do it is its own to say.
    fn open(&self, start: &AgentStart) -> Value {
        let servers = match &start.mail_tools[..] {
            [] => json!([]),
            [program, args @ ..] => {
                json!([{ "name": MAIL_SERVER, "command": program, "args": args, "env": [] }])
            }
        };
        let mut params = json!({ "cwd": start.cwd, "mcpServers": servers });
        let (method, session) = match &start.resume {
            Resume::New => ("session/new", None),
            Resume::Resume { vendor_session } if self.abilities.resume => {
                ("session/resume", Some(vendor_session))
            }
            Resume::Resume { vendor_session } => ("session/load", Some(vendor_session)),
            Resume::Fork { vendor_session } => ("session/fork", Some(vendor_session)),
        };
        if let (Some(session), Some(params)) = (session, params.as_object_mut()) {
            params.insert("sessionId".into(), session.as_str().into());
        }
        rpc::request("qd-open", method, &params)
    }
}

fn block(content: &ContentBlock) -> Option<Value> {
    Some(match content {
        ContentBlock::Text { text } => json!({ "type": "text", "text": text }),
        ContentBlock::Image { mime_type, data } => {
            json!({ "type": "image", "mimeType": mime_type, "data": data })
        }
        ContentBlock::ResourceLink { uri, name } => {
            json!({ "type": "resource_link", "uri": uri, "name": name })
        }
        ContentBlock::Unknown => return None,
    })
}
