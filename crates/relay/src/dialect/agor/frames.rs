//! What any vendor's agent does, as frames of Claude's stream-json: the only ones that controllers read.

use std::collections::BTreeMap;

use quarterdeck_protocol::agent::{
    ContentBlock, StopReason, ToolCall, ToolContent, ToolStatus, Update, Usage,
};
use serde_json::{Value, json};

/// Messages and tool calls that are followed at once; the oldest goes.
const MAX_OPEN: usize = 256;
/// Bytes of one message that is gathered before it is told; what is longer is told in parts.
const MAX_GATHERED_BYTES: usize = 256 * 1024;

/// What must be remembered from event to event.
#[derive(Debug, Default)]
pub(super) struct Frames {
    vendor_session: Option<String>,
    cwd: Option<String>,
    model: Option<String>,
    mode: Option<String>,
    /// Messages that are being written, by id.
    texts: BTreeMap<String, Text>,
    /// Tool calls that were announced.
    tools: BTreeMap<String, Tool>,
    /// The newest text: the result of the turn.
    last: String,
}

#[derive(Debug)]
struct Text {
    kind: &'static str,
    parent: Option<String>,
    text: String,
}

#[derive(Debug, Default)]
struct Tool {
    parent: Option<String>,
    output: String,
}

impl Frames {
    /// The frames of an event; mostly none.
    #[expect(clippy::too_many_lines, reason = "a flat dispatch: one arm per event")]
    pub(super) fn handle(&mut self, update: &Update) -> Vec<Value> {
        match update {
            Update::SessionInfoUpdate { vendor_session, cwd, .. } => {
                self.vendor_session = vendor_session.clone().or_else(|| self.vendor_session.take());
                self.cwd = cwd.clone().or_else(|| self.cwd.take());
                Vec::new()
            }
            Update::CurrentModelUpdate { model } => {
                self.model = Some(model.clone());
                Vec::new()
            }
            Update::CurrentModeUpdate { mode } => {
                self.mode = Some(mode.clone());
                Vec::new()
            }
            Update::TurnStarted { .. } => {
                self.last.clear();
                vec![json!({
                    "type": "system", "subtype": "init", "session_id": self.vendor_session,
                    "cwd": self.cwd, "model": self.model, "permissionMode": self.mode,
                })]
            }
            Update::AgentMessageChunk { message_id, parent_tool_call_id, content } => {
                self.gather("text", message_id, parent_tool_call_id.as_ref(), content)
            }
            Update::AgentThoughtChunk { message_id, parent_tool_call_id, content } => {
                self.gather("thinking", message_id, parent_tool_call_id.as_ref(), content)
            }
            Update::MessageEnded { message_id } => self.tell(message_id).into_iter().collect(),
            Update::ToolCall(call) => self.announce(call),
            Update::ToolCallUpdate(call) => self.update(call).into_iter().collect(),
            Update::ToolCallOutput { tool_call_id, text } => {
                if let Some(tool) = self.tools.get_mut(tool_call_id)
                    && tool.output.len() < MAX_GATHERED_BYTES
                {
                    tool.output.push_str(text);
                }
                Vec::new()
            }
            Update::TurnEnded { stop_reason, usage, error } => {
                let mut frames = self.tell_all();
                let error = error.as_ref().map(|error| error.message.as_str());
                frames.push(self.result(*stop_reason, usage, error));
                frames
            }
            Update::AgentStarted { .. }
            | Update::AgentExited { .. }
            | Update::MessageUpdate { .. }
            | Update::UserMessageChunk { .. }
            | Update::TaskUpdate(_)
            | Update::TurnDiff { .. }
            | Update::Plan { .. }
            | Update::UsageUpdate(_)
            | Update::RateLimitUpdate { .. }
            | Update::ConfigOptionUpdate { .. }
            | Update::AvailableCommandsUpdate { .. }
            | Update::Retry(_)
            | Update::Error { .. }
            | Update::Notice { .. }
            | Update::PromptOpened { .. }
            | Update::PromptUpdate { .. }
            | Update::Oversized { .. }
            | Update::Garbage { .. }
            | Update::Raw { .. }
            | Update::Unknown => Vec::new(),
        }
    }

    fn gather(
        &mut self,
        kind: &'static str,
        id: &str,
        parent: Option<&String>,
        content: &ContentBlock,
    ) -> Vec<Value> {
        let ContentBlock::Text { text: more } = content else { return Vec::new() };
        let mut told = Vec::new();
        if !self.texts.contains_key(id) {
            // a message that comes after another one means that the other one is over, also where
            // the vendor does not say so; what goes on at the same time has another parent
            let over = |text: &&Text| text.parent.as_ref() == parent;
            let over: Vec<String> = self
                .texts
                .iter()
                .filter(|(_, text)| over(text))
                .map(|(id, _)| id.clone())
                .collect();
            told.extend(over.iter().filter_map(|id| self.tell(id)));
        }
        let new = || Text { kind, parent: parent.cloned(), text: String::new() };
        let gathered = self.texts.entry(id.to_owned()).or_insert_with(new);
        gathered.text.push_str(more);
        if gathered.text.len() >= MAX_GATHERED_BYTES {
            told.extend(self.tell(id));
        }
        told
    }

    fn tell(&mut self, id: &str) -> Option<Value> {
        let Text { kind, parent, text } = self.texts.remove(id)?;
        if kind == "text" && parent.is_none() {
            self.last.clone_from(&text);
        }
        let block = json!({ "type": kind, kind: text });
        Some(self.assistant(id, parent.as_deref(), &block))
    }

    fn tell_all(&mut self) -> Vec<Value> {
        let ids: Vec<String> = self.texts.keys().cloned().collect();
        ids.iter().filter_map(|id| self.tell(id)).collect()
    }

    fn assistant(&self, id: &str, parent: Option<&str>, block: &Value) -> Value {
        json!({
            "type": "assistant", "session_id": self.vendor_session, "parent_tool_use_id": parent,
            "message": {
                "id": id, "type": "message", "role": "assistant", "model": self.model,
                "content": [block],
            },
        })
    }

    fn announce(&mut self, call: &ToolCall) -> Vec<Value> {
        let mut frames = self.tell_all();
        if self.tools.len() >= MAX_OPEN {
            self.tools.pop_first();
        }
        let parent = call.parent_tool_call_id.clone();
        let name = call.name.as_deref().or(call.title.as_deref()).unwrap_or("tool");
        let input = call.raw_input.clone().unwrap_or_else(|| json!({ "title": call.title }));
        let block =
            json!({ "type": "tool_use", "id": call.tool_call_id, "name": name, "input": input });
        frames.push(self.assistant(&call.tool_call_id, parent.as_deref(), &block));
        self.tools.insert(call.tool_call_id.clone(), Tool { parent, output: String::new() });
        frames.extend(self.update(call));
        frames
    }

    /// The result of a call, once nothing more will come of it.
    fn update(&mut self, call: &ToolCall) -> Option<Value> {
        let status = call.status.filter(|status| status.is_final())?;
        let Tool { parent, output } = self.tools.remove(&call.tool_call_id)?;
        let content = text_of(&call.content).unwrap_or(output);
        let failed = status != ToolStatus::Completed;
        Some(json!({
            "type": "user", "session_id": self.vendor_session, "parent_tool_use_id": parent,
            "message": { "role": "user", "content": [{
                "type": "tool_result", "tool_use_id": call.tool_call_id, "content": content,
                "is_error": failed,
            }] },
        }))
    }

    fn result(&self, reason: StopReason, usage: &Usage, error: Option<&str>) -> Value {
        let failed = match reason {
            StopReason::EndTurn | StopReason::MaxTokens | StopReason::Refusal => false,
            StopReason::MaxTurnRequests
            | StopReason::Cancelled
            | StopReason::Error
            | StopReason::AgentExit
            | StopReason::Unknown => true,
        };
        let subtype = if failed { "error_during_execution" } else { "success" };
        let tokens = usage.tokens.unwrap_or_default();
        let cost = usage.cost.as_ref().map(|cost| micros_to_units(cost.amount_micros));
        json!({
            "type": "result", "subtype": subtype, "is_error": failed, "num_turns": 1,
            "session_id": self.vendor_session, "result": error.unwrap_or(&self.last),
            "total_cost_usd": cost,
            "usage": {
                "input_tokens": tokens.input, "output_tokens": tokens.output,
                "cache_read_input_tokens": tokens.cached_read,
                "cache_creation_input_tokens": tokens.cached_write,
            },
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "an amount for people, below 2^52 millionths")]
fn micros_to_units(micros: u64) -> f64 {
    micros as f64 / 1_000_000.0
}

fn text_of(content: &[ToolContent]) -> Option<String> {
    let text = |content: &ToolContent| {
        let ToolContent::Content { content: ContentBlock::Text { text } } = content else {
            return None;
        };
        Some(text.clone())
    };
    let texts: Vec<String> = content.iter().filter_map(text).collect();
    (!texts.is_empty()).then(|| texts.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarterdeck_protocol::agent::{Origin, TokenUsage};

    fn chunk(id: &str, text: &str) -> Update {
        Update::AgentMessageChunk {
            message_id: id.into(),
            parent_tool_call_id: None,
            content: ContentBlock::Text { text: text.into() },
        }
    }

    fn tell(frames: &mut Frames, updates: &[Update]) -> Vec<Value> {
        updates.iter().flat_map(|update| frames.handle(update)).collect()
    }

    #[test]
    fn any_vendors_turn_is_told_in_the_frames_of_one() {
        let mut frames = Frames::default();
        let call = ToolCall {
            tool_call_id: "t".into(),
            name: Some("shell".into()),
            raw_input: Some(json!({ "command": "ls" })),
            status: Some(ToolStatus::InProgress),
            ..ToolCall::default()
        };
        let done = ToolCall {
            tool_call_id: "t".into(),
            status: Some(ToolStatus::Declined),
            ..ToolCall::default()
        };
        let output = Update::ToolCallOutput { tool_call_id: "t".into(), text: "a b".into() };
        let tokens = TokenUsage { input: 3, output: 4, ..TokenUsage::default() };
        let usage = Usage { tokens: Some(tokens), ..Usage::default() };
        let told = tell(
            &mut frames,
            &[
                Update::SessionInfoUpdate {
                    vendor_session: Some("v".into()),
                    cwd: Some("/w".into()),
                    title: None,
                    features: None,
                },
                Update::CurrentModelUpdate { model: "big".into() },
                Update::TurnStarted { origin: Origin::SelfStarted, message_id: None },
                chunk("m", "Let me "),
                chunk("m", "look."),
                Update::ToolCall(call.into()),
                output,
                Update::ToolCallUpdate(done.into()),
                chunk("n", "Done."),
                Update::TurnEnded { stop_reason: StopReason::EndTurn, error: None, usage },
            ],
        );
        let kinds: Vec<&str> = told.iter().filter_map(|frame| frame["type"].as_str()).collect();
        assert_eq!(kinds, ["system", "assistant", "assistant", "user", "assistant", "result"]);
        assert_eq!((&told[0]["session_id"], &told[0]["model"]), (&json!("v"), &json!("big")));
        let block = |at: usize| told[at]["message"]["content"][0].clone();
        assert_eq!(block(1), json!({ "type": "text", "text": "Let me look." }));
        let input = json!({ "command": "ls" });
        assert_eq!(
            block(2),
            json!({ "type": "tool_use", "id": "t", "name": "shell", "input": input })
        );
        assert_eq!(
            block(3),
            json!({ "type": "tool_result", "tool_use_id": "t", "content": "a b", "is_error": true })
        );
        assert_eq!((&told[5]["result"], &told[5]["subtype"]), (&json!("Done."), &json!("success")));
        assert_eq!(told[5]["usage"]["output_tokens"], 4);
    }

    #[test]
    fn a_message_without_an_end_is_told_before_the_next_one_and_a_long_one_in_parts() {
        let mut frames = Frames::default();
        let told = tell(&mut frames, &[chunk("a", "one"), chunk("b", "two")]);
        assert_eq!(told.len(), 1);
        assert_eq!(told[0]["message"]["id"], "a");
        let long = "x".repeat(MAX_GATHERED_BYTES);
        let told = tell(&mut frames, &[chunk("b", &long), chunk("b", "rest")]);
        assert_eq!(told.len(), 1, "the first part is told, the rest is gathered");
        let told = tell(&mut frames, &[Update::MessageEnded { message_id: "b".into() }]);
        assert_eq!(told[0]["message"]["content"][0]["text"], "rest");
    }
}
