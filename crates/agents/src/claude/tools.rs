//! Tools of the Claude protocol: what their names and inputs mean, and what came out of them.

use alloc::{borrow::ToOwned, boxed::Box, format, string::String, vec, vec::Vec};
use core::fmt::Write as _;

use quarterdeck_protocol::agent::{
    ContentBlock, Location, ToolCall, ToolContent, ToolKind, ToolStatus,
};
use serde_json::Value;

use crate::{
    json::{Json as _, fits},
    limits::MAX_INPUT_BYTES,
    plain,
};

/// A tool call from its name and input.
pub(super) fn call(id: &str, name: &str, input: &Value, parent: Option<&str>) -> ToolCall {
    let path = input.str_at("file_path").or_else(|| input.str_at("notebook_path"));
    let locations =
        path.map(|path| Location { path: plain::title(path), line: None }).into_iter().collect();
    ToolCall {
        tool_call_id: id.to_owned(),
        parent_tool_call_id: parent.map(ToOwned::to_owned),
        title: Some(title(name, input)),
        name: Some(plain::title(name)),
        kind: Some(kind(name)),
        status: None,
        content: change(path, input).into_iter().collect(),
        locations,
        raw_input: fits(input, MAX_INPUT_BYTES).then(|| input.clone()),
        exit_code: None,
    }
}

fn kind(name: &str) -> ToolKind {
    match name {
        "Bash" | "PowerShell" | "KillShell" | "Monitor" => ToolKind::Execute,
        "Read" | "NotebookRead" | "BashOutput" | "TaskOutput" => ToolKind::Read,
        "Write" | "Edit" | "MultiEdit" | "NotebookEdit" => ToolKind::Edit,
        "Glob" | "Grep" | "LS" | "ToolSearch" | "WebSearch" => ToolKind::Search,
        "WebFetch" => ToolKind::Fetch,
        "Agent" | "Task" => ToolKind::Agent,
        "ExitPlanMode" | "EnterPlanMode" => ToolKind::SwitchMode,
        "TodoWrite" | "TaskCreate" | "TaskUpdate" | "AskUserQuestion" => ToolKind::Think,
        _ if name.starts_with("mcp__") => ToolKind::Mcp,
        _ => ToolKind::Other,
    }
}

/// What people read first: a command as it is, else the tool and what it is about.
pub(super) fn title(name: &str, input: &Value) -> String {
    if let Some(command) = input.str_at("command") {
        return plain::title(command);
    }
    let about = ["file_path", "notebook_path", "pattern", "query", "url", "description", "prompt"]
        .iter()
        .find_map(|key| input.str_at(key));
    match about {
        Some(about) => plain::title(&format!("{name} {}", plain::title(about))),
        None => plain::title(name),
    }
}

/// The change that an edit's input asks for.
fn change(path: Option<&str>, input: &Value) -> Option<ToolContent> {
    let (old_text, new_text) = match (input.str_at("new_string"), input.str_at("content")) {
        (Some(new), _) => (input.str_at("old_string"), new),
        (None, Some(content)) => (None, content),
        (None, None) => return None,
    };
    Some(ToolContent::Diff {
        path: plain::title(path?),
        old_text: old_text.map(plain::text),
        new_text: plain::text(new_text),
    })
}

/// What a tool's result says of its call.
pub(super) fn result(block: &Value, message: &Value) -> Option<Box<ToolCall>> {
    let id = block.str_at("tool_use_id")?;
    let meta = message.list("tool_result_meta").iter().find(|meta| meta.str_at("id") == Some(id));
    let is_declined = meta.is_some_and(|meta| {
        meta.some("non_execution_kind").is_some()
            || meta.at("permission_decision").str_at("decision") == Some("reject")
    });
    let status = if is_declined {
        ToolStatus::Declined
    } else if block.is("is_error") {
        ToolStatus::Failed
    } else {
        ToolStatus::Completed
    };
    let mut content = contents(block.at("content"));
    content.extend(patch(message.at("tool_use_result")));
    Some(Box::new(ToolCall {
        tool_call_id: id.to_owned(),
        parent_tool_call_id: message.text_at("parent_tool_use_id"),
        status: Some(status),
        content,
        ..ToolCall::default()
    }))
}

fn contents(content: &Value) -> Vec<ToolContent> {
    let text = |text: &str| ToolContent::Content {
        content: ContentBlock::Text { text: plain::text(text) },
    };
    if let Some(whole) = content.as_str() {
        return vec![text(whole)];
    }
    let blocks = content.as_array().map_or(&[][..], Vec::as_slice);
    let block = |block: &Value| match block.str_at("type") {
        Some("text") => block.str_at("text").map(text),
        Some("image") => Some(ToolContent::Content { content: image(block) }),
        Some(_) | None => None,
    };
    blocks.iter().filter_map(block).collect()
}

/// An image without its bytes: they stand in the log.
pub(super) fn image(block: &Value) -> ContentBlock {
    let mime_type = block.at("source").str_at("media_type").unwrap_or("image/*");
    ContentBlock::Image { mime_type: plain::title(mime_type), data: String::new() }
}

/// The change that an edit made, as a unified diff.
fn patch(result: &Value) -> Option<ToolContent> {
    let path = result.str_at("filePath")?;
    let hunks = result.list("structuredPatch");
    if hunks.is_empty() {
        return None;
    }
    let mut unified = String::new();
    for hunk in hunks {
        let number = |key| hunk.u64_at(key).unwrap_or(0);
        // a String can always be written to
        let _ = writeln!(
            unified,
            "@@ -{},{} +{},{} @@",
            number("oldStart"),
            number("oldLines"),
            number("newStart"),
            number("newLines")
        );
        for line in hunk.list("lines").iter().filter_map(Value::as_str) {
            unified.push_str(line);
            unified.push('\n');
        }
    }
    Some(ToolContent::Patch { path: plain::title(path), unified: plain::text(&unified) })
}
