//! What Claude asks: permissions, questions, plans, elicitations; and the lines that answer.

use alloc::{
    borrow::ToOwned as _,
    boxed::Box,
    format,
    string::{String, ToString as _},
    vec,
    vec::Vec,
};

use quarterdeck_protocol::agent::{
    Ask, Caution, Field, FieldKind, Form, OptionKind, PermissionOption, PromptAnswer, Rule,
    RuleLifetime,
};
use serde_json::{Map, Value, json};

use super::tools;
use crate::{
    adapter::Reply,
    form,
    json::{Json as _, any_text, fits},
    limits::{MAX_INPUT_BYTES, MAX_LIST},
    plain,
    step::Question,
};

/// What a denial without a reason tells the agent.
const DENIED: &str = "The user does not want this tool to be used.";

/// A question from a control request; `None` for a request that we have no answer to.
pub(super) fn question(id: &str, request: &Value, plan: Option<&str>) -> Option<Box<Question>> {
    match request.str_at("subtype")? {
        "can_use_tool" => Some(Box::new(match request.str_at("tool_name")? {
            "AskUserQuestion" => ask_user(id, request),
            "ExitPlanMode" => approve_plan(id, request, plan),
            name => permission(id, name, request),
        })),
        "elicitation" => Some(Box::new(elicitation(id, request))),
        _ => None,
    }
}

fn permission(id: &str, name: &str, request: &Value) -> Question {
    let input = request.at("input");
    let tool_call_id = request.str_at("tool_use_id").unwrap_or(id);
    let tool_call = tools::call(tool_call_id, name, input, None);
    let can_edit_input = fits(input, MAX_INPUT_BYTES);
    let mut cautions = cautions(request);
    if !can_edit_input {
        cautions.push(Caution::Shortened);
    }
    let mut options = vec![option("allow_once", "Allow", OptionKind::AllowOnce)];
    let suggestions = suggestions(request);
    options.extend(suggestions.iter().enumerate().map(|(at, it)| always(at, it)));
    options.extend(rejections());
    Question {
        vendor_id: id.to_owned(),
        title: tools::title(request.str_at("display_name").unwrap_or(name), input),
        reason: reason(request),
        cautions,
        ask: Ask::Permission {
            tool_call: Box::new(tool_call),
            options,
            can_edit_input,
            can_deny_with_message: true,
            input: can_edit_input.then(|| input.clone()),
        },
        // a large input is not kept: without one, the agent goes on with its own
        reply: json!({
            "input": can_edit_input.then_some(input),
            "suggestions": suggestions,
            "tool_use_id": tool_call_id,
        }),
    }
}

/// Suggestions that may be shown, in the vendor's order.
fn suggestions(request: &Value) -> Vec<Value> {
    let no_rules = request.is("suppress_always_allow_rule");
    // a suggestion that forbids or removes something is no way to say yes
    let shown = |it: &&Value| {
        let is_rule = it.str_at("type") == Some("addRules");
        !(is_rule && no_rules) && matches!(it.str_at("behavior"), Some("allow") | None)
    };
    if !fits(request.at("permission_suggestions"), MAX_INPUT_BYTES) {
        return Vec::new();
    }
    request.list("permission_suggestions").iter().filter(shown).take(MAX_LIST).cloned().collect()
}

fn cautions(request: &Value) -> Vec<Caution> {
    let mut cautions = Vec::new();
    if request.is("requires_user_interaction") {
        cautions.push(Caution::NeedsPerson);
    }
    if request.is("default_to_no") {
        cautions.push(Caution::DefaultIsNo);
    }
    if any_text(request.at("input"), &plain::hides) {
        cautions.push(Caution::HiddenCharacters);
    }
    cautions
}

fn reason(request: &Value) -> Option<String> {
    let reason = request.str_at("decision_reason").or_else(|| request.str_at("description"))?;
    let blocked = request.str_at("blocked_path");
    Some(match blocked {
        Some(path) => plain::text(&format!("{reason} ({path})")),
        None => plain::text(reason),
    })
}

fn option(option_id: &str, name: &str, kind: OptionKind) -> PermissionOption {
    PermissionOption {
        option_id: option_id.to_owned(),
        name: name.to_owned(),
        kind,
        rules: Vec::new(),
        ends_turn: false,
    }
}

fn rejections() -> [PermissionOption; 2] {
    let stop = option("reject_stop", "Deny and stop", OptionKind::RejectOnce);
    [
        option("reject_once", "Deny", OptionKind::RejectOnce),
        PermissionOption { ends_turn: true, ..stop },
    ]
}

/// The option that allows and takes one of the vendor's suggestions.
fn always(at: usize, suggestion: &Value) -> PermissionOption {
    let lifetime = match suggestion.str_at("destination") {
        Some("session" | "cliArg") => RuleLifetime::Session,
        Some("localSettings" | "projectSettings") => RuleLifetime::Project,
        Some("userSettings") => RuleLifetime::User,
        Some(_) | None => RuleLifetime::Unknown,
    };
    let rule = |text: &str| Rule { text: plain::text(text), lifetime };
    let rules: Vec<Rule> = match suggestion.str_at("type") {
        Some("addRules") => {
            suggestion.list("rules").iter().map(|it| rule(&rule_text(it))).collect()
        }
        Some("addDirectories") => {
            let directories = suggestion.list("directories").iter().filter_map(Value::as_str);
            directories.map(|path| rule(&format!("directory {path}"))).collect()
        }
        Some("setMode") => {
            vec![rule(&format!("mode {}", suggestion.str_at("mode").unwrap_or_default()))]
        }
        // whatever it is, people see all of it
        Some(_) | None => vec![rule(&suggestion.to_string())],
    };
    let texts: Vec<&str> = rules.iter().map(|rule| rule.text.as_str()).collect();
    let name = plain::title(&format!("Always allow {}", texts.join(", ")));
    PermissionOption {
        rules,
        name,
        ..option(&format!("allow_always:{at}"), "", OptionKind::AllowAlways)
    }
}

/// A rule as the vendor's settings write it.
fn rule_text(rule: &Value) -> String {
    let tool = rule.str_at("toolName").unwrap_or_default();
    match rule.str_at("ruleContent") {
        Some(content) => format!("{tool}({content})"),
        None => tool.to_owned(),
    }
}

fn ask_user(id: &str, request: &Value) -> Question {
    let questions = request.at("input").list("questions");
    let field = |(at, question): (usize, &Value)| {
        let choices = question
            .list("options")
            .iter()
            .take(MAX_LIST)
            .filter_map(|it| {
                let label = it.str_at("label")?;
                Some(form::choice(label, label, it.str_at("description")))
            })
            .collect();
        Field {
            id: format!("q{at}"),
            header: question.str_at("header").map(plain::title),
            text: plain::text(question.str_at("question").unwrap_or_default()),
            required: true,
            kind: if question.is("multiSelect") {
                FieldKind::MultiSelect { choices, other: true }
            } else {
                FieldKind::Select { choices, other: true }
            },
        }
    };
    let fields: Vec<Field> = questions.iter().take(MAX_LIST).enumerate().map(field).collect();
    let title = fields.first().map_or("Question", |field| field.text.as_str());
    Question {
        vendor_id: id.to_owned(),
        title: plain::title(title),
        reason: None,
        cautions: cautions(request),
        ask: Ask::Question {
            tool_call_id: request.text_at("tool_use_id"),
            form: Form { message: None, url: None, fields },
            can_deny_with_message: true,
        },
        reply: json!({ "input": request.at("input"), "tool_use_id": request.at("tool_use_id") }),
    }
}

/// Approving a plan ends plan mode; the second option also stops asking about edits.
fn approve_plan(id: &str, request: &Value, plan: Option<&str>) -> Question {
    let input = request.at("input");
    let plan = input.str_at("plan").or(plan);
    let edits = json!({ "type": "setMode", "mode": "acceptEdits", "destination": "session" });
    let mut options = vec![option("allow_once", "Approve", OptionKind::AllowOnce)];
    options.push(PermissionOption { name: "Approve and accept edits".into(), ..always(0, &edits) });
    options.push(option("reject_once", "Keep planning", OptionKind::RejectOnce));
    Question {
        vendor_id: id.to_owned(),
        title: "Carry out this plan?".into(),
        reason: None,
        cautions: cautions(request),
        ask: Ask::Plan {
            tool_call_id: request.text_at("tool_use_id"),
            plan: plan.map(plain::text),
            options,
            can_deny_with_message: true,
        },
        reply: json!({
            "input": input,
            "suggestions": [edits],
            "tool_use_id": request.at("tool_use_id"),
        }),
    }
}

fn elicitation(id: &str, request: &Value) -> Question {
    let message = request.str_at("message");
    let mut form = form::from_schema(message, request.at("requested_schema"));
    form.url = request.str_at("url").map(plain::text);
    let server = request.str_at("mcp_server_name").unwrap_or("an MCP server");
    Question {
        vendor_id: id.to_owned(),
        title: plain::title(&format!("{server} asks: {}", message.unwrap_or_default())),
        reason: None,
        cautions: Vec::new(),
        ask: Ask::Question { tool_call_id: None, form, can_deny_with_message: false },
        reply: json!({ "elicitation": true }),
    }
}

/// The body of the control response that carries an answer.
pub(super) fn reply(reply: &Reply<'_>) -> Option<Value> {
    let Reply { kept, answer, .. } = *reply;
    let input = kept.at("input");
    let mut body = match answer {
        PromptAnswer::Option { option_id } => option_reply(option_id, kept)?,
        PromptAnswer::EditedInput { input, .. } => {
            json!({ "behavior": "allow", "updatedInput": input })
        }
        PromptAnswer::Deny { message } => json!({ "behavior": "deny", "message": message }),
        PromptAnswer::Form { values } if kept.is("elicitation") => {
            return Some(json!({ "action": "accept", "content": form::to_json(values) }));
        }
        PromptAnswer::Form { values } => {
            let questions = input.list("questions").iter().enumerate();
            let answers: Map<String, Value> = questions
                .filter_map(|(at, question)| {
                    let value = values.get(&format!("q{at}"))?;
                    let text = form::to_texts(value).join(", ");
                    Some((question.text_at("question")?, Value::String(text)))
                })
                .collect();
            let mut input = input.clone();
            input.as_object_mut()?.insert("answers".into(), Value::Object(answers));
            json!({ "behavior": "allow", "updatedInput": input })
        }
        PromptAnswer::Decline if kept.is("elicitation") => {
            return Some(json!({ "action": "decline" }));
        }
        PromptAnswer::Decline => json!({ "behavior": "deny", "message": DENIED }),
    };
    if let (Some(body), Some(id)) = (body.as_object_mut(), kept.some("tool_use_id")) {
        body.insert("toolUseID".into(), id.clone());
    }
    Some(body)
}

fn option_reply(option_id: &str, kept: &Value) -> Option<Value> {
    let mut body = match option_id.split_once(':') {
        None if option_id == "allow_once" => json!({ "behavior": "allow" }),
        None if option_id == "reject_stop" => {
            return Some(json!({ "behavior": "deny", "message": DENIED, "interrupt": true }));
        }
        None => return Some(json!({ "behavior": "deny", "message": DENIED })),
        Some((_, at)) => {
            let suggestion = kept.list("suggestions").get(at.parse::<usize>().ok()?)?;
            json!({ "behavior": "allow", "updatedPermissions": [suggestion] })
        }
    };
    if let (Some(body), Some(input)) = (body.as_object_mut(), kept.some("input")) {
        body.insert("updatedInput".into(), input.clone());
    }
    Some(body)
}
