//! Items of a Codex thread: messages, thoughts, tool calls.

use alloc::{
    borrow::ToOwned as _,
    boxed::Box,
    format,
    string::{String, ToString as _},
    vec::Vec,
};

use quarterdeck_protocol::agent::{
    ContentBlock, Location, ToolCall, ToolContent, ToolKind, ToolStatus, Update,
};
use serde_json::Value;

use crate::{
    json::{Json as _, fits},
    limits::{MAX_INPUT_BYTES, MAX_LIST},
    plain,
    step::{Step, Steps},
};

/// Whether an item begins or has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Started,
    Completed,
}

/// Tells an item; `streamed` says whether its text was told as chunks. `false` when its type is
/// unknown.
pub(super) fn tell(item: &Value, phase: Phase, streamed: bool, steps: &mut Steps) -> bool {
    let id = item.str_at("id").unwrap_or_default();
    match (item.str_at("type"), phase) {
        (Some("agentMessage" | "reasoning" | "plan"), Phase::Started)
        | (Some("userMessage" | "contextCompaction" | "hookPrompt"), Phase::Started) => {}
        (Some("userMessage" | "hookPrompt"), Phase::Completed) => {}
        (Some("agentMessage" | "plan"), Phase::Completed) => {
            if !streamed && let Some(text) = item.str_at("text").filter(|it| !it.is_empty()) {
                steps.update(message(id, text));
            }
            steps.update(Update::MessageEnded { message_id: id.to_owned() });
        }
        (Some("reasoning"), Phase::Completed) => {
            let parts = item.list("summary").iter().chain(item.list("content"));
            let text: Vec<&str> = parts.filter_map(Value::as_str).collect();
            if !streamed && !text.is_empty() {
                steps.update(thought(id, &text.join("\n\n")));
            }
            if streamed || !text.is_empty() {
                steps.update(Update::MessageEnded { message_id: id.to_owned() });
            }
        }
        (Some("contextCompaction"), Phase::Completed) => {
            steps.update(Update::Notice { text: "the conversation was compacted".into() });
        }
        (Some("enteredReviewMode" | "exitedReviewMode" | "sleep"), _) => {}
        (Some(kind), phase) => match call(item, kind) {
            Some(mut call) => {
                if phase == Phase::Completed && call.status == Some(ToolStatus::InProgress) {
                    call.status = Some(ToolStatus::Completed);
                }
                steps.push(Step::Tool(call));
            }
            None => return false,
        },
        (None, _) => return false,
    }
    true
}

pub(super) fn message(id: &str, text: &str) -> Update {
    Update::AgentMessageChunk {
        message_id: id.to_owned(),
        parent_tool_call_id: None,
        content: ContentBlock::Text { text: plain::text(text) },
    }
}

pub(super) fn thought(id: &str, text: &str) -> Update {
    Update::AgentThoughtChunk {
        message_id: id.to_owned(),
        parent_tool_call_id: None,
        content: ContentBlock::Text { text: plain::text(text) },
    }
}

/// A tool call from an item; `None` for a type that is none.
fn call(item: &Value, kind: &str) -> Option<Box<ToolCall>> {
    let (tool_kind, title) = match kind {
        "commandExecution" => (ToolKind::Execute, item.text_at("command")?),
        "fileChange" => (ToolKind::Edit, change_title(item)),
        "mcpToolCall" => {
            let server = item.str_at("server").unwrap_or("mcp");
            (ToolKind::Mcp, format!("{server}: {}", item.str_at("tool").unwrap_or("tool")))
        }
        "dynamicToolCall" => (ToolKind::Other, item.text_at("tool").unwrap_or(kind.to_string())),
        "collabAgentToolCall" | "subAgentActivity" => {
            (ToolKind::Agent, item.text_at("prompt").or(item.text_at("tool")).unwrap_or_default())
        }
        "webSearch" => {
            (ToolKind::Search, format!("search {}", item.str_at("query").unwrap_or_default()))
        }
        "imageView" => {
            (ToolKind::Read, format!("view {}", item.str_at("path").unwrap_or_default()))
        }
        "imageGeneration" => (ToolKind::Other, "generate an image".into()),
        _ => return None,
    };
    let input = item.some("arguments");
    Some(Box::new(ToolCall {
        tool_call_id: item.text_at("id")?,
        parent_tool_call_id: None,
        title: Some(plain::title(&title)),
        name: Some(kind.to_owned()),
        kind: Some(tool_kind),
        status: Some(status(item.str_at("status"))),
        content: content(item, kind),
        locations: locations(item, kind),
        raw_input: input.filter(|it| fits(it, MAX_INPUT_BYTES)).cloned(),
        exit_code: item.at("exitCode").as_i64().and_then(|code| i32::try_from(code).ok()),
    }))
}

fn status(status: Option<&str>) -> ToolStatus {
    match status {
        Some("completed") => ToolStatus::Completed,
        Some("failed") => ToolStatus::Failed,
        Some("declined") => ToolStatus::Declined,
        Some(_) | None => ToolStatus::InProgress,
    }
}

/// What a file change is about.
pub(super) fn change_title(item: &Value) -> String {
    let paths: Vec<&str> = item.list("changes").iter().filter_map(|it| it.str_at("path")).collect();
    if paths.is_empty() { "edit files".into() } else { format!("edit {}", paths.join(", ")) }
}

fn content(item: &Value, kind: &str) -> Vec<ToolContent> {
    if kind == "fileChange" {
        return changes(item);
    }
    let text = |text: &str| ToolContent::Content {
        content: ContentBlock::Text { text: plain::text(text) },
    };
    let mut content: Vec<ToolContent> =
        item.str_at("aggregatedOutput").filter(|it| !it.is_empty()).map(text).into_iter().collect();
    let results = item.at("result").list("content").iter().chain(item.list("contentItems"));
    content.extend(results.take(MAX_LIST).filter_map(|it| it.str_at("text")).map(text));
    content.extend(item.at("error").str_at("message").map(text));
    content
}

/// A file change's diffs: of an added or deleted file it is the text, otherwise a unified diff.
pub(super) fn changes(item: &Value) -> Vec<ToolContent> {
    let change = |change: &Value| {
        let path = plain::title(change.str_at("path")?);
        let diff = plain::text(change.str_at("diff").unwrap_or_default());
        Some(match change.at("kind").str_at("type") {
            Some("add") => ToolContent::Diff { path, old_text: None, new_text: diff },
            Some("delete") => {
                ToolContent::Diff { path, old_text: Some(diff), new_text: String::new() }
            }
            Some(_) | None => ToolContent::Patch { path, unified: diff },
        })
    };
    item.list("changes").iter().take(MAX_LIST).filter_map(change).collect()
}

/// Files that an item touches, or where it runs.
pub(super) fn locations(item: &Value, kind: &str) -> Vec<Location> {
    let location = |path: &str| Location { path: plain::title(path), line: None };
    match kind {
        "fileChange" => {
            let paths = item.list("changes").iter().filter_map(|it| it.str_at("path"));
            paths.take(MAX_LIST).map(location).collect()
        }
        _ => item.str_at("cwd").map(location).into_iter().collect(),
    }
}
