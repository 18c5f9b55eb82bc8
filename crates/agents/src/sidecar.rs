//! A runner of newline-separated JSON: `query`, `stop` and `ping` in; `agent_started`, `agent_event`
//! with frames of Claude's stream-json, `agent_stopped` and errors out.
//!
//! Every message is a query of its own, which resumes the conversation that the events named. The
//! runner asks nothing: what it may do is set by the query's permission mode.

use alloc::{borrow::ToOwned as _, format, string::String, vec, vec::Vec};

use quarterdeck_protocol::agent::{
    AgentCommand, AgentStart, ContentBlock, ErrorClass, Features, Resume, StopReason, Update,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    adapter::{Due, Message, Protocol, Reply},
    claude::stream::Stream,
    errors,
    json::Json as _,
    plain,
    step::{Step, Steps},
};

/// What the lines so far say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sidecar {
    stream: Stream,
    ready: bool,
    /// The query that runs: what the runner calls its session.
    query: Option<String>,
    /// The running query has told its result.
    ended: bool,
    mode: Option<String>,
    model: Option<String>,
}

impl Protocol for Sidecar {
    fn handle_process_start(&mut self) {
        let mut stream = core::mem::take(&mut self.stream);
        stream.handle_process_start();
        let (mode, model) = (self.mode.take(), self.model.take());
        *self = Self { stream, mode, model, ..Self::default() };
    }

    fn handle_out(&mut self, message: &Value, line: &str, steps: &mut Steps) {
        let kind = message.str_at("type").unwrap_or("line");
        match kind {
            "ready" => self.ready = true,
            "pong" => {}
            "agent_started" => self.ready = true,
            "agent_event" => self.handle_event(message.at("event"), line, steps),
            "agent_stopped" => self.handle_stopped(message, steps),
            "agent_error" | "error" => {
                let text = message.str_at("message").unwrap_or("the runner failed");
                let error = errors::classify(None, None, text);
                match self.query.take() {
                    Some(_) if !core::mem::take(&mut self.ended) => {
                        let stop_reason = StopReason::Error;
                        steps.push(Step::TurnEnded { stop_reason, error: Some(error) });
                    }
                    Some(_) | None => steps.update(Update::Error { error }),
                }
            }
            "agent_log" => {
                let text = message.str_at("message").or_else(|| message.str_at("line"));
                steps.update(Update::Notice { text: plain::text(text.unwrap_or_default()) });
            }
            _ => steps.raw(kind, line),
        }
    }

    fn handle_in(&mut self, message: &Value, steps: &mut Steps) {
        if message.str_at("type") != Some("query") {
            return;
        }
        let Some(wire_id) = message.text_at("sessionId") else { return };
        steps.push(Step::Sent { wire_id: wire_id.clone() });
        steps.push(Step::Taken { wire_id: wire_id.clone() });
        steps.push(Step::TurnStarted { wire_id: Some(wire_id.clone()) });
        self.query = Some(wire_id);
        self.ended = false;
    }

    fn handle_command(&mut self, command: &AgentCommand, steps: &mut Steps) {
        match command {
            AgentCommand::SetMode { mode } => {
                self.mode = Some(mode.clone());
                self.stream.set_mode(mode, steps);
            }
            AgentCommand::SetModel { model } => {
                self.model = Some(model.clone());
                self.stream.set_model(model, steps);
            }
            AgentCommand::Prompt { .. }
            | AgentCommand::Interrupt
            | AgentCommand::Withdraw { .. }
            | AgentCommand::Unknown => {}
        }
    }

    fn poll_due(&self, _start: &AgentStart) -> Option<Due> {
        None
    }

    fn is_ready(&self) -> bool {
        // a query that has told its result still runs until the runner says that it stopped
        self.ready && self.query.is_none()
    }

    fn features(&self) -> Features {
        Features {
            interrupt: true,
            set_mode: true,
            set_model: true,
            resume: true,
            ..Features::default()
        }
    }

    fn message(&self, message: &Message<'_>, start: &AgentStart) -> Vec<Value> {
        let resumed = match &start.resume {
            Resume::New => None,
            Resume::Resume { vendor_session } | Resume::Fork { vendor_session } => {
                Some(vendor_session)
            }
        };
        let members = [
            ("resumeSessionId", self.stream.session.as_ref().or(resumed)),
            ("permissionMode", self.mode.as_ref().or(start.mode.as_ref())),
            ("model", self.model.as_ref().or(start.model.as_ref())),
        ];
        let mut line = json!({
            "type": "query",
            "provider": start.provider.as_deref().unwrap_or("claude"),
            "sessionId": message.wire_id,
            "prompt": prompt(message.content),
            "cwd": start.cwd,
        });
        if let Some(line) = line.as_object_mut() {
            for (key, value) in members {
                if let Some(value) = value {
                    line.insert(key.to_owned(), value.as_str().into());
                }
            }
        }
        vec![line]
    }

    fn interrupt(&self, _wire_id: &str) -> Option<Vec<Value>> {
        let query = self.query.as_ref()?;
        Some(vec![json!({ "type": "stop", "sessionId": query })])
    }

    fn set_mode(&self, _wire_id: &str, _mode: &str) -> Option<Vec<Value>> {
        Some(Vec::new())
    }

    fn set_model(&self, _wire_id: &str, _model: &str) -> Option<Vec<Value>> {
        Some(Vec::new())
    }

    fn reply(&self, _reply: &Reply<'_>) -> Option<Value> {
        None
    }
}

impl Sidecar {
    fn handle_event(&mut self, event: &Value, line: &str, steps: &mut Steps) {
        if !self.stream.handle(event, steps) {
            steps.raw(event.str_at("type").unwrap_or("agent_event"), line);
        }
        self.ended |= steps.0.iter().any(|step| matches!(step, Step::TurnEnded { .. }));
    }

    fn handle_stopped(&mut self, message: &Value, steps: &mut Steps) {
        if self.query.take().is_none() || core::mem::take(&mut self.ended) {
            return;
        }
        let signal = message.some("signal");
        let code = message.at("exitCode").as_i64();
        let (stop_reason, error) = match (signal, code) {
            (Some(_), _) | (None, None) => (StopReason::Cancelled, None),
            (None, Some(0)) => (StopReason::EndTurn, None),
            (None, Some(code)) => {
                let text = format!("the agent ended with exit code {code}");
                (StopReason::Error, Some(errors::error(ErrorClass::AgentExit, &text)))
            }
        };
        steps.push(Step::TurnEnded { stop_reason, error });
    }
}

/// A query takes one text; what is no text is named in it.
fn prompt(content: &[ContentBlock]) -> String {
    let piece = |content: &ContentBlock| match content {
        ContentBlock::Text { text } => Some(text.clone()),
        ContentBlock::ResourceLink { uri, name: _ } => Some(format!("@{uri}")),
        ContentBlock::Image { .. } | ContentBlock::Unknown => None,
    };
    let pieces: Vec<String> = content.iter().filter_map(piece).collect();
    pieces.join("\n")
}
