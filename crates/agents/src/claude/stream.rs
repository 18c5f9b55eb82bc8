//! The output frames of Claude's stream-json, control messages excepted. A sidecar's `agent_event`s
//! are the same frames.

use alloc::{borrow::ToOwned, collections::BTreeMap, format, string::String, vec, vec::Vec};

use quarterdeck_protocol::agent::{
    ContentBlock, Cost, PlanEntry, PlanPriority, PlanStatus, RateWindow, TaskInfo, TaskStatus,
    TokenUsage, ToolCall, ToolStatus, Update,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{failures, tools};
use crate::{
    json::{Json as _, micros},
    limits::MAX_TABLE,
    plain,
    step::{Step, Steps},
};

/// What must be remembered from frame to frame.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stream {
    /// The vendor's id of the conversation.
    pub(crate) session: Option<String>,
    pub(crate) mode: Option<String>,
    model: Option<String>,
    cwd: Option<String>,
    /// The block that is being streamed, by the sub-agent's tool call; the main agent's is empty.
    blocks: BTreeMap<String, Block>,
    /// The vendor's word for the latest failed request of the turn.
    failure: Option<String>,
    /// Plans that wait for their approval, by tool call.
    plans: BTreeMap<String, String>,
    /// Message and number of whole blocks that came unstreamed.
    whole: (String, u32),
}

/// A block of a message while and after it is streamed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Block {
    message: String,
    index: u64,
    kind: BlockKind,
    /// Bytes that were told as chunks.
    told: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum BlockKind {
    Text,
    Thinking,
    Other,
}

impl BlockKind {
    fn of(block: &Value) -> Self {
        match block.str_at("type") {
            Some("text") => Self::Text,
            Some("thinking" | "redacted_thinking") => Self::Thinking,
            Some(_) | None => Self::Other,
        }
    }
}

impl Block {
    fn id(&self) -> String {
        format!("{}.{}", self.message, self.index)
    }
}

/// Frames that tell nothing that is shown.
const SILENT: [&str; 8] = [
    "thinking_tokens",
    "background_tasks_changed",
    "session_state_changed",
    "hook_started",
    "hook_response",
    "hook_progress",
    "files_persisted",
    "status",
];

impl Stream {
    /// The program was started anew; the conversation's id stays for those who resume it.
    pub(crate) fn handle_process_start(&mut self) {
        let session = self.session.take();
        *self = Self { session, ..Self::default() };
    }

    /// Reads a frame; `false` when it is none of this protocol.
    pub(crate) fn handle(&mut self, frame: &Value, steps: &mut Steps) -> bool {
        match frame.str_at("type") {
            Some("stream_event") => self.handle_stream_event(frame, steps),
            Some("assistant") => self.handle_assistant(frame, steps),
            Some("user") => handle_user(frame, steps),
            Some("result") => self.handle_result(frame, steps),
            Some("system") => return self.handle_system(frame, steps),
            Some("rate_limit_event") => handle_rate_limit(frame, steps),
            Some("conversation_reset") => {
                self.session = frame.text_at("new_conversation_id").or(self.session.take());
                steps.update(self.info());
            }
            Some("keep_alive") => {}
            Some(_) | None => return false,
        }
        true
    }

    /// The plan that a tool call asks to carry out.
    pub(super) fn plan(&self, tool_call_id: &str) -> Option<&str> {
        self.plans.get(tool_call_id).map(String::as_str)
    }

    /// The current mode changed.
    pub(crate) fn set_mode(&mut self, mode: &str, steps: &mut Steps) {
        if self.mode.as_deref() != Some(mode) {
            self.mode = Some(mode.to_owned());
            steps.update(Update::CurrentModeUpdate { mode: plain::title(mode) });
        }
    }

    /// The current model changed.
    pub(crate) fn set_model(&mut self, model: &str, steps: &mut Steps) {
        if self.model.as_deref() != Some(model) {
            self.model = Some(model.to_owned());
            steps.update(Update::CurrentModelUpdate { model: plain::title(model) });
        }
    }

    fn info(&self) -> Update {
        Update::SessionInfoUpdate {
            vendor_session: self.session.clone(),
            cwd: self.cwd.as_deref().map(plain::text),
            title: None,
            features: None,
        }
    }

    fn handle_stream_event(&mut self, frame: &Value, steps: &mut Steps) {
        let event = frame.at("event");
        let parent = frame.str_at("parent_tool_use_id");
        let slot = parent.unwrap_or_default();
        match event.str_at("type") {
            Some("message_start") => {
                let message = event.at("message").text_at("id").unwrap_or_default();
                self.start_block(
                    slot,
                    Block { message, index: 0, kind: BlockKind::Other, told: 0 },
                );
            }
            Some("content_block_start") => {
                let opened = event.at("content_block");
                let message = self.blocks.get(slot).map(|block| block.message.clone());
                let message =
                    message.or_else(|| frame.text_at("api_message_id")).unwrap_or_default();
                let index = event.u64_at("index").unwrap_or(0);
                let kind = BlockKind::of(opened);
                self.start_block(slot, Block { message, index, kind, told: 0 });
                if opened.str_at("type") == Some("tool_use") {
                    announce_tool(opened, parent, steps);
                }
            }
            Some("content_block_delta") => self.handle_delta(event.at("delta"), parent, steps),
            Some("content_block_stop") => {
                if let Some(block) = self.blocks.get(slot).filter(|block| block.told > 0) {
                    steps.update(Update::MessageEnded { message_id: block.id() });
                }
            }
            Some("message_delta") if parent.is_none() => {
                let used = tokens(event.at("usage"));
                let used = used.input + used.cached_read + used.cached_write + used.output;
                if used > 0 {
                    steps.push(Step::Context { used: Some(used), size: None });
                }
            }
            Some(_) | None => {}
        }
    }

    fn start_block(&mut self, slot: &str, block: Block) {
        if self.blocks.len() >= MAX_TABLE && !self.blocks.contains_key(slot) {
            self.blocks.pop_first();
        }
        self.blocks.insert(slot.to_owned(), block);
    }

    fn handle_delta(&mut self, delta: &Value, parent: Option<&str>, steps: &mut Steps) {
        let Some(block) = self.blocks.get_mut(parent.unwrap_or_default()) else { return };
        let text = match block.kind {
            BlockKind::Text => delta.str_at("text"),
            BlockKind::Thinking => delta.str_at("thinking"),
            BlockKind::Other => None,
        };
        let Some(text) = text.filter(|text| !text.is_empty()) else { return };
        block.told += text.len();
        steps.update(chunk(block.kind, block.id(), parent, text));
    }

    /// A whole block; its text is told unless it was streamed.
    fn handle_assistant(&mut self, frame: &Value, steps: &mut Steps) {
        let message = frame.at("message");
        let id = message.str_at("id").unwrap_or_default();
        let parent = frame.str_at("parent_tool_use_id");
        if frame.is("is_api_error_message") {
            self.failure = frame.text_at("api_error").or_else(|| frame.text_at("error"));
        }
        for block in message.list("content") {
            match block.str_at("type") {
                Some("text" | "thinking") => self.tell_whole(id, block, parent, steps),
                Some("tool_use" | "server_tool_use" | "mcp_tool_use") => {
                    self.tell_tool(block, parent, steps);
                }
                Some(_) | None => {}
            }
        }
    }

    fn tell_whole(&mut self, id: &str, block: &Value, parent: Option<&str>, steps: &mut Steps) {
        let kind = BlockKind::of(block);
        let text = block.str_at("text").or_else(|| block.str_at("thinking")).unwrap_or_default();
        let streamed = self.blocks.get(parent.unwrap_or_default());
        if streamed.is_some_and(|it| it.message == id && it.kind == kind && it.told == text.len()) {
            return;
        }
        if text.is_empty() {
            return;
        }
        let number = if self.whole.0 == id { self.whole.1 + 1 } else { 0 };
        self.whole = (id.to_owned(), number);
        let message_id = format!("{id}.w{number}");
        steps.update(chunk(kind, message_id.clone(), parent, text));
        steps.update(Update::MessageEnded { message_id });
    }

    fn tell_tool(&mut self, block: &Value, parent: Option<&str>, steps: &mut Steps) {
        let Some(id) = block.str_at("id") else { return };
        let name = block.str_at("name").unwrap_or("tool");
        let input = block.at("input");
        let mut call = tools::call(id, name, input, parent);
        call.status = Some(ToolStatus::InProgress);
        steps.tool(call);
        if let Some(plan) = input.str_at("plan").filter(|_| name == "ExitPlanMode") {
            if self.plans.len() >= MAX_TABLE {
                self.plans.pop_first();
            }
            self.plans.insert(id.to_owned(), plain::text(plan));
        }
        if name == "TodoWrite" {
            steps.update(Update::Plan { entries: todos(input) });
        }
    }

    fn handle_result(&mut self, frame: &Value, steps: &mut Steps) {
        steps.push(Step::Used(tokens(frame.at("usage"))));
        if let Some(amount_micros) = micros(frame.at("total_cost_usd")) {
            steps.push(Step::CostSoFar(Cost { amount_micros, currency: "USD".into() }));
        }
        let models = frame.at("modelUsage").as_object();
        let size =
            models.and_then(|models| models.values().find_map(|it| it.u64_at("contextWindow")));
        if size.is_some() {
            steps.push(Step::Context { used: None, size });
        }
        self.blocks.clear();
        let failure = self.failure.take();
        let (stop_reason, error) = failures::ending(frame, failure.as_deref());
        steps.push(Step::TurnEnded { stop_reason, error });
    }

    fn handle_system(&mut self, frame: &Value, steps: &mut Steps) -> bool {
        let subtype = frame.str_at("subtype").unwrap_or_default();
        if let Some(mode) = frame.str_at("permissionMode") {
            self.set_mode(mode, steps);
        }
        match subtype {
            "init" => self.handle_init(frame, steps),
            "api_retry" => steps.update(Update::Retry(failures::retry(frame))),
            "task_started" | "task_progress" | "task_updated" | "task_notification" => {
                steps.push(Step::Update(Update::TaskUpdate(task(subtype, frame))));
            }
            "compact_boundary" => {
                steps.update(Update::Notice { text: "the conversation was compacted".into() });
            }
            "permission_denied" => {
                if let Some(id) = frame.str_at("tool_use_id") {
                    let status = Some(ToolStatus::Declined);
                    let tool_call_id = id.to_owned();
                    steps.tool(ToolCall { tool_call_id, status, ..ToolCall::default() });
                }
            }
            "session_writes_lost" => {
                let text = "the agent could not save a part of this conversation".into();
                steps.update(Update::Notice { text });
            }
            silent if SILENT.contains(&silent) => {}
            _ => return false,
        }
        true
    }

    fn handle_init(&mut self, frame: &Value, steps: &mut Steps) {
        let session = frame.text_at("session_id").or_else(|| self.session.clone());
        let cwd = frame.text_at("cwd").or_else(|| self.cwd.clone());
        if session != self.session || cwd != self.cwd {
            (self.session, self.cwd) = (session, cwd);
            steps.update(self.info());
        }
        if let Some(model) = frame.str_at("model") {
            self.set_model(model, steps);
        }
    }
}

fn chunk(kind: BlockKind, message_id: String, parent: Option<&str>, text: &str) -> Update {
    let content = ContentBlock::Text { text: plain::text(text) };
    let parent_tool_call_id = parent.map(ToOwned::to_owned);
    match kind {
        BlockKind::Thinking => {
            Update::AgentThoughtChunk { message_id, parent_tool_call_id, content }
        }
        BlockKind::Text | BlockKind::Other => {
            Update::AgentMessageChunk { message_id, parent_tool_call_id, content }
        }
    }
}

/// A tool whose input is still being written.
fn announce_tool(block: &Value, parent: Option<&str>, steps: &mut Steps) {
    let Some(id) = block.str_at("id") else { return };
    let name = block.str_at("name").unwrap_or("tool");
    let mut call = tools::call(id, name, &Value::Null, parent);
    call.raw_input = None;
    call.status = Some(ToolStatus::Pending);
    steps.tool(call);
}

/// Results of tools. A message of the user is told where it stands in the log as a line to the agent.
fn handle_user(frame: &Value, steps: &mut Steps) {
    for block in frame.at("message").list("content") {
        if block.str_at("type") == Some("tool_result")
            && let Some(call) = tools::result(block, frame)
        {
            steps.push(Step::Tool(call));
        }
    }
}

fn todos(input: &Value) -> Vec<PlanEntry> {
    let entry = |todo: &Value| {
        let status = match todo.str_at("status")? {
            "in_progress" => PlanStatus::InProgress,
            "completed" => PlanStatus::Completed,
            _ => PlanStatus::Pending,
        };
        let content = plain::title(todo.str_at("content")?);
        Some(PlanEntry { content, priority: PlanPriority::Medium, status })
    };
    input.list("todos").iter().take(crate::limits::MAX_LIST).filter_map(entry).collect()
}

/// Tokens as the Messages API counts them.
pub(super) fn tokens(usage: &Value) -> TokenUsage {
    let count = |key| usage.u64_at(key).unwrap_or(0);
    TokenUsage {
        input: count("input_tokens"),
        output: count("output_tokens"),
        cached_read: count("cache_read_input_tokens"),
        cached_write: count("cache_creation_input_tokens"),
        thought: usage.at("output_tokens_details").u64_at("thinking_tokens").unwrap_or(0),
    }
}

fn task(subtype: &str, frame: &Value) -> TaskInfo {
    let status = frame.str_at("status").or_else(|| frame.at("patch").str_at("status"));
    let status = match (subtype, status) {
        (_, Some("completed")) => TaskStatus::Completed,
        (_, Some("failed")) => TaskStatus::Failed,
        (_, Some("killed" | "stopped" | "cancelled")) => TaskStatus::Stopped,
        ("task_notification", _) => TaskStatus::Completed,
        (_, Some(_) | None) => TaskStatus::Running,
    };
    let description = frame.str_at("summary").or_else(|| frame.str_at("description"));
    TaskInfo {
        task_id: plain::title(frame.str_at("task_id").unwrap_or_default()),
        tool_call_id: frame.text_at("tool_use_id"),
        description: description.map(plain::title),
        status,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range is checked before the cast"
)]
fn handle_rate_limit(frame: &Value, steps: &mut Steps) {
    let info = frame.at("rate_limit_info");
    let used = info.at("utilization").as_f64().map(|part| part * 1000.0);
    let window = RateWindow {
        name: plain::title(info.str_at("rateLimitType").unwrap_or("limit")),
        used_permille: used.filter(|it| (0.0..1e6).contains(it)).map(|it| it as u32),
        resets_at: info.u64_at("resetsAt"),
        status: info.str_at("status").map(plain::title),
    };
    steps.update(Update::RateLimitUpdate { windows: vec![window] });
}
