//! The updates of an ACP session.

use alloc::{
    borrow::ToOwned as _,
    format,
    string::{String, ToString as _},
    vec::Vec,
};

use quarterdeck_protocol::agent::{
    CommandInfo, ContentBlock, Cost, Location, ModeInfo, Origin, PlanEntry, PlanPriority,
    PlanStatus, ToolCall, ToolContent, ToolKind, ToolStatus, Update,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    json::{Json as _, fits, micros},
    limits::{MAX_INPUT_BYTES, MAX_LIST},
    plain,
    step::{Step, Steps},
};

/// What must be remembered from update to update.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Telling {
    /// The message that is being told: its sort and its id.
    message: Option<(String, String)>,
    /// Counts messages to which the agent gives no id.
    nameless: u64,
    /// The agent repeats a conversation that the log already holds.
    repeating: bool,
    /// The agent repeats a conversation that the log does not hold.
    loading: bool,
    /// The log holds some of the conversation.
    told: bool,
    mode: Option<String>,
    model: Option<String>,
}

impl Telling {
    pub(super) fn handle_process_start(&mut self) {
        let (nameless, told) = (self.nameless, self.told);
        *self = Self { nameless, told, ..Self::default() };
    }

    /// The conversation is being opened; an agent that loads one repeats all of it first.
    pub(super) fn begin_opening(&mut self, loads: bool) {
        self.repeating = loads && self.told;
        self.loading = loads && !self.told;
    }

    pub(super) fn end_opening(&mut self, steps: &mut Steps) {
        self.end_message(steps);
        (self.repeating, self.loading) = (false, false);
    }

    /// Nothing more comes of the message that is being told: the protocol has no word for it.
    pub(super) fn end_message(&mut self, steps: &mut Steps) {
        if let Some((_, message_id)) = self.message.take()
            && !self.repeating
        {
            steps.update(Update::MessageEnded { message_id });
        }
    }

    pub(super) fn set_mode(&mut self, mode: &str, steps: &mut Steps) {
        if self.mode.as_deref() != Some(mode) {
            self.mode = Some(mode.to_owned());
            steps.update(Update::CurrentModeUpdate { mode: mode.to_owned() });
        }
    }

    pub(super) fn set_model(&mut self, model: &str, steps: &mut Steps) {
        if self.model.as_deref() != Some(model) {
            self.model = Some(model.to_owned());
            steps.update(Update::CurrentModelUpdate { model: model.to_owned() });
        }
    }

    /// Reads an update; `false` when it is unknown.
    pub(super) fn handle_update(&mut self, update: &Value, steps: &mut Steps) -> bool {
        let kind = update.str_at("sessionUpdate").unwrap_or_default();
        if kind.ends_with("_chunk") {
            return self.handle_chunk(kind, update, steps);
        }
        match kind {
            "tool_call" | "tool_call_update" => {
                self.end_message(steps);
                if !self.repeating && update.some("toolCallId").is_some() {
                    steps.tool(tool_call(update));
                }
            }
            "plan" => {
                self.end_message(steps);
                steps.update(Update::Plan { entries: plan(update) });
            }
            "available_commands_update" => {
                steps.update(Update::AvailableCommandsUpdate { commands: commands(update) });
            }
            "current_mode_update" => {
                if let Some(mode) = update.str_at("currentModeId") {
                    self.set_mode(mode, steps);
                }
            }
            "config_option_update" => self.handle_settings(update, steps),
            "session_info_update" => {
                if let Some(title) = update.str_at("title") {
                    steps.update(Update::SessionInfoUpdate {
                        vendor_session: None,
                        cwd: None,
                        title: Some(plain::title(title)),
                        features: None,
                    });
                }
            }
            "usage_update" => handle_usage(update, steps),
            _ => return false,
        }
        true
    }

    fn handle_chunk(&mut self, kind: &str, update: &Value, steps: &mut Steps) -> bool {
        let Some(content) = content_block(update.at("content")) else { return false };
        let given = update.text_at("messageId");
        let goes_on = self.message.as_ref().is_some_and(|(known, id)| {
            known == kind && given.as_ref().is_none_or(|given| given == id)
        });
        if !goes_on {
            self.end_message(steps);
            self.nameless += u64::from(given.is_none());
            let id = given.unwrap_or_else(|| format!("m{}", self.nameless));
            self.message = Some((kind.to_owned(), id));
        }
        if self.repeating {
            return true;
        }
        let message_id = self.message.as_ref().map(|(_, id)| id.clone()).unwrap_or_default();
        let parent_tool_call_id = None;
        steps.update(match kind {
            "agent_message_chunk" => {
                Update::AgentMessageChunk { message_id, parent_tool_call_id, content }
            }
            "agent_thought_chunk" => {
                Update::AgentThoughtChunk { message_id, parent_tool_call_id, content }
            }
            // an echo of what the log holds as a line to the agent
            "user_message_chunk" if !self.loading => return true,
            "user_message_chunk" => {
                Update::UserMessageChunk { message_id, origin: Origin::Unknown, content }
            }
            _ => return false,
        });
        self.told = true;
        true
    }

    /// Modes and models, told in either of two ways.
    pub(super) fn handle_settings(&mut self, value: &Value, steps: &mut Steps) {
        let option = |category: &str| {
            value.list("configOptions").iter().find(|it| {
                it.str_at("category") == Some(category) || it.str_at("id") == Some(category)
            })
        };
        let (mode, model) = (option("mode"), option("model"));
        let native_modes = value.at("modes").list("availableModes");
        let native_models = value.at("models").list("availableModels");
        let modes = if native_modes.is_empty() {
            mode.map(|it| infos(it.list("options"), "value")).unwrap_or_default()
        } else {
            infos(native_modes, "id")
        };
        let models = match model {
            Some(model) => infos(model.list("options"), "value"),
            None => infos(native_models, "modelId"),
        };
        if !(modes.is_empty() && models.is_empty()) {
            steps.update(Update::ConfigOptionUpdate { modes, models });
        }
        let current = |it: Option<&Value>| it.and_then(|it| it.text_at("currentValue"));
        let mode = value.at("modes").text_at("currentModeId").or_else(|| current(mode));
        if let Some(mode) = mode {
            self.set_mode(&mode, steps);
        }
        let model = current(model).or_else(|| value.at("models").text_at("currentModelId"));
        if let Some(model) = model {
            self.set_model(&model, steps);
        }
    }
}

/// Choices; those of a config option may stand in groups.
fn infos(items: &[Value], id: &str) -> Vec<ModeInfo> {
    let groups = items.iter().flat_map(|item| item.list("options"));
    let info = |item: &Value| {
        let id = item.text_at(id)?;
        Some(ModeInfo {
            name: plain::title(item.str_at("name").unwrap_or(&id)),
            description: item.str_at("description").map(plain::title),
            id,
        })
    };
    items.iter().chain(groups).take(MAX_LIST).filter_map(info).collect()
}

fn commands(update: &Value) -> Vec<CommandInfo> {
    let command = |it: &Value| {
        Some(CommandInfo {
            name: plain::title(it.str_at("name")?),
            description: plain::title(it.str_at("description").unwrap_or_default()),
            hint: it.at("input").str_at("hint").map(plain::title),
        })
    };
    update.list("availableCommands").iter().take(MAX_LIST).filter_map(command).collect()
}

fn plan(update: &Value) -> Vec<PlanEntry> {
    let entry = |it: &Value| {
        Some(PlanEntry {
            content: plain::title(it.str_at("content")?),
            priority: match it.str_at("priority") {
                Some("high") => PlanPriority::High,
                Some("low") => PlanPriority::Low,
                Some(_) | None => PlanPriority::Medium,
            },
            status: match it.str_at("status") {
                Some("in_progress") => PlanStatus::InProgress,
                Some("completed") => PlanStatus::Completed,
                Some(_) | None => PlanStatus::Pending,
            },
        })
    };
    update.list("entries").iter().take(MAX_LIST).filter_map(entry).collect()
}

fn handle_usage(update: &Value, steps: &mut Steps) {
    steps.push(Step::Context { used: update.u64_at("used"), size: update.u64_at("size") });
    let cost = update.at("cost");
    if let (Some(amount_micros), Some(currency)) =
        (micros(cost.at("amount")), cost.str_at("currency"))
    {
        steps.push(Step::CostSoFar(Cost { amount_micros, currency: plain::title(currency) }));
    }
}

/// What an update or a permission request says of a tool call.
pub(super) fn tool_call(value: &Value) -> ToolCall {
    let mut content: Vec<ToolContent> =
        value.list("content").iter().take(MAX_LIST).filter_map(tool_content).collect();
    if content.is_empty()
        && let Some(text) = raw_output(value.at("rawOutput"))
    {
        content.push(ToolContent::Content { content: ContentBlock::Text { text } });
    }
    let location = |it: &Value| {
        let line = it.u64_at("line").and_then(|line| u32::try_from(line).ok());
        Some(Location { path: plain::title(it.str_at("path")?), line })
    };
    let exit = value.at("rawOutput").at("metadata").at("exit").as_i64();
    ToolCall {
        tool_call_id: value.text_at("toolCallId").unwrap_or_default(),
        parent_tool_call_id: value.at("_meta").at("claudeCode").text_at("parentToolUseId"),
        title: value.str_at("title").map(plain::title),
        name: value.str_at("name").map(plain::title),
        kind: value.str_at("kind").map(kind),
        status: value.str_at("status").map(status),
        content,
        locations: value.list("locations").iter().take(MAX_LIST).filter_map(location).collect(),
        raw_input: value.some("rawInput").filter(|it| fits(it, MAX_INPUT_BYTES)).cloned(),
        exit_code: exit.and_then(|code| i32::try_from(code).ok()),
    }
}

fn raw_output(output: &Value) -> Option<String> {
    let text = output.as_str().or_else(|| output.str_at("output"))?;
    (!text.is_empty()).then(|| plain::text(text))
}

fn kind(word: &str) -> ToolKind {
    serde_json::from_value(Value::String(word.to_string())).unwrap_or(ToolKind::Other)
}

fn status(word: &str) -> ToolStatus {
    match word {
        "pending" => ToolStatus::Pending,
        "in_progress" => ToolStatus::InProgress,
        "completed" => ToolStatus::Completed,
        "failed" => ToolStatus::Failed,
        _ => ToolStatus::Unknown,
    }
}

fn tool_content(item: &Value) -> Option<ToolContent> {
    match item.str_at("type") {
        Some("content") => {
            Some(ToolContent::Content { content: content_block(item.at("content"))? })
        }
        Some("diff") => Some(ToolContent::Diff {
            path: plain::title(item.str_at("path").unwrap_or_default()),
            old_text: item.str_at("oldText").map(plain::text),
            new_text: plain::text(item.str_at("newText").unwrap_or_default()),
        }),
        Some(_) | None => None,
    }
}

/// A content block without the bytes of images: they stand in the log.
fn content_block(content: &Value) -> Option<ContentBlock> {
    Some(match content.str_at("type")? {
        "text" => ContentBlock::Text { text: plain::text(content.str_at("text")?) },
        "image" => ContentBlock::Image {
            mime_type: plain::title(content.str_at("mimeType").unwrap_or("image/*")),
            data: String::new(),
        },
        "resource_link" => ContentBlock::ResourceLink {
            uri: plain::text(content.str_at("uri").unwrap_or_default()),
            name: plain::title(content.str_at("name").unwrap_or_default()),
        },
        _ => ContentBlock::Unknown,
    })
}
