//! What an ACP agent asks, and the results that answer.

use alloc::{borrow::ToOwned as _, boxed::Box, format, string::String, vec, vec::Vec};

use quarterdeck_protocol::agent::{
    Ask, Caution, ContentBlock, OptionKind, PermissionOption, PromptAnswer, Rule, RuleLifetime,
    ToolCall, ToolContent, ToolKind,
};
use serde_json::{Value, json};

use super::updates;
use crate::{
    adapter::Reply,
    form,
    json::{Json as _, any_text},
    limits::MAX_LIST,
    plain,
    step::Question,
};

/// A question from a request of the agent; `None` for a request that we have no answer to.
pub(super) fn question(id: &str, method: &str, params: &Value) -> Option<Box<Question>> {
    Some(Box::new(match method {
        "session/request_permission" => permission(id, params),
        "elicitation/create" => elicitation(id, params),
        _ => return None,
    }))
}

fn permission(id: &str, params: &Value) -> Question {
    let call = params.at("toolCall");
    let mut tool_call = updates::tool_call(call);
    // "pending" says no more than that it is asked about
    tool_call.status = None;
    let options: Vec<PermissionOption> =
        params.list("options").iter().take(MAX_LIST).filter_map(option).collect();
    let hidden = any_text(call.at("rawInput"), &plain::hides);
    let title = tool_call.title.clone().unwrap_or_else(|| "use a tool".to_owned());
    let ask = if tool_call.kind == Some(ToolKind::SwitchMode) {
        Ask::Plan {
            tool_call_id: Some(tool_call.tool_call_id.clone()),
            plan: plan(&tool_call),
            options,
            can_deny_with_message: false,
        }
    } else {
        Ask::Permission {
            tool_call: Box::new(tool_call),
            options,
            can_edit_input: false,
            can_deny_with_message: false,
            input: None,
        }
    };
    Question {
        vendor_id: id.to_owned(),
        title,
        reason: None,
        cautions: hidden.then_some(Caution::HiddenCharacters).into_iter().collect(),
        ask,
        reply: Value::Null,
    }
}

fn plan(call: &ToolCall) -> Option<String> {
    let text = |content: &ToolContent| match content {
        ToolContent::Content { content: ContentBlock::Text { text } } => Some(text.clone()),
        ToolContent::Content { .. }
        | ToolContent::Diff { .. }
        | ToolContent::Patch { .. }
        | ToolContent::Unknown => None,
    };
    call.content.iter().find_map(text)
}

fn option(option: &Value) -> Option<PermissionOption> {
    let name = plain::title(option.str_at("name").unwrap_or_default());
    let kind = match option.str_at("kind") {
        Some("allow_once") => OptionKind::AllowOnce,
        Some("allow_always") => OptionKind::AllowAlways,
        Some("reject_once") => OptionKind::RejectOnce,
        Some("reject_always") => OptionKind::RejectAlways,
        Some(_) | None => OptionKind::Unknown,
    };
    // the name is all that this protocol tells of what is allowed
    let rules = match kind {
        OptionKind::AllowAlways | OptionKind::RejectAlways => {
            vec![Rule { text: name.clone(), lifetime: RuleLifetime::Unknown }]
        }
        OptionKind::AllowOnce | OptionKind::RejectOnce | OptionKind::Unknown => Vec::new(),
    };
    let option_id = option.text_at("optionId")?;
    Some(PermissionOption { option_id, name, kind, rules, ends_turn: false })
}

fn elicitation(id: &str, params: &Value) -> Question {
    let message = params.str_at("message");
    let mut form = form::from_schema(message, params.at("requestedSchema"));
    form.url = params.str_at("url").map(plain::text);
    Question {
        vendor_id: id.to_owned(),
        title: plain::title(&format!("the agent asks: {}", message.unwrap_or_default())),
        reason: None,
        cautions: Vec::new(),
        ask: Ask::Question {
            tool_call_id: params.text_at("toolCallId"),
            form,
            can_deny_with_message: false,
        },
        reply: Value::Null,
    }
}

/// The result that carries an answer.
pub(super) fn result(reply: &Reply<'_>) -> Option<Value> {
    match reply.answer {
        PromptAnswer::Option { option_id } => {
            Some(json!({ "outcome": { "outcome": "selected", "optionId": option_id } }))
        }
        PromptAnswer::Form { values } => {
            Some(json!({ "action": "accept", "content": form::to_json(values) }))
        }
        PromptAnswer::Decline => Some(json!({ "action": "decline" })),
        PromptAnswer::EditedInput { .. } | PromptAnswer::Deny { .. } => None,
    }
}
