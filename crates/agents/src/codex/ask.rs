//! What Codex asks, and the results that answer.

use alloc::{
    borrow::ToOwned,
    boxed::Box,
    format,
    string::{String, ToString as _},
    vec,
    vec::Vec,
};

use quarterdeck_protocol::agent::{
    Ask, Caution, Field, FieldKind, Form, OptionKind, PermissionOption, PromptAnswer, Rule,
    RuleLifetime, ToolCall, ToolKind,
};
use serde_json::{Map, Value, json};

use super::items;
use crate::{
    adapter::Reply,
    form,
    json::{Json as _, any_text},
    limits::MAX_LIST,
    plain,
    step::Question,
};

/// A question from a request of the server; `None` for a request that we have no answer to. `id` is
/// the text of the request's id, `change` the file change that it may be about: the request does not
/// repeat it.
pub(super) fn question(
    id: String,
    method: &str,
    params: &Value,
    change: Option<&Value>,
) -> Option<Box<Question>> {
    Some(Box::new(match method {
        "item/commandExecution/requestApproval" => command(id, params),
        "item/fileChange/requestApproval" => {
            file_change(id, params, change.unwrap_or(&Value::Null))
        }
        "item/permissions/requestApproval" => permissions(id, params),
        "item/tool/requestUserInput" => user_input(id, params),
        "mcpServer/elicitation/request" => elicitation(id, params),
        _ => return None,
    }))
}

fn command(id: String, params: &Value) -> Question {
    let command = params.str_at("command");
    let network = params.at("networkApprovalContext").str_at("host");
    let title = match (command, network) {
        (Some(command), _) => plain::title(command),
        (None, Some(host)) => plain::title(&format!("connect to {host}")),
        (None, None) => "run a command".to_owned(),
    };
    let offered = params.list("availableDecisions");
    let decisions: Vec<Value> = if offered.is_empty() {
        ["accept", "acceptForSession", "decline", "cancel"].map(Value::from).to_vec()
    } else {
        with_decline(offered)
    };
    approval(id, params, ToolKind::Execute, title, &decisions)
}

/// Codex takes `decline` always but does not list it; without it nobody could say no and go on.
fn with_decline(offered: &[Value]) -> Vec<Value> {
    let mut decisions: Vec<Value> = offered.iter().take(MAX_LIST).cloned().collect();
    if !decisions.iter().any(|it| it == "decline") {
        let cancel = decisions.iter().position(|it| it == "cancel").unwrap_or(decisions.len());
        decisions.insert(cancel, "decline".into());
    }
    decisions
}

fn file_change(id: String, params: &Value, change: &Value) -> Question {
    let decisions = ["accept", "acceptForSession", "decline", "cancel"].map(Value::from).to_vec();
    let files = items::change_title(change);
    let title = match params.str_at("grantRoot") {
        Some(root) => plain::title(&format!("{files} and anything under {root}")),
        None => plain::title(&files),
    };
    let mut question = approval(id, params, ToolKind::Edit, title, &decisions);
    if let Ask::Permission { tool_call, .. } = &mut question.ask {
        tool_call.content = items::changes(change);
        tool_call.locations = items::locations(change, "fileChange");
    }
    if any_text(change.at("changes"), &plain::hides) {
        question.cautions.push(Caution::HiddenCharacters);
    }
    question
}

fn approval(
    vendor_id: String,
    params: &Value,
    kind: ToolKind,
    title: String,
    decisions: &[Value],
) -> Question {
    let hidden = any_text(params.at("command"), &plain::hides);
    Question {
        vendor_id,
        reason: params.str_at("reason").map(plain::text),
        cautions: hidden.then_some(Caution::HiddenCharacters).into_iter().collect(),
        ask: Ask::Permission {
            tool_call: Box::new(ToolCall {
                tool_call_id: params.text_at("itemId").unwrap_or_default(),
                title: params.str_at("command").map(plain::title),
                kind: Some(kind),
                ..ToolCall::default()
            }),
            options: decisions.iter().enumerate().map(option).collect(),
            can_edit_input: false,
            can_deny_with_message: false,
            input: None,
        },
        title,
        reply: json!({ "decisions": decisions }),
    }
}

/// A decision as an option. Its id is its word, or its place where it is an object.
fn option((at, decision): (usize, &Value)) -> PermissionOption {
    let word = decision.as_str().or_else(|| {
        decision.as_object().and_then(|members| members.keys().next()).map(String::as_str)
    });
    let word = word.unwrap_or_default();
    let (name, kind) = match word {
        "accept" => ("Allow", OptionKind::AllowOnce),
        "acceptForSession" => ("Allow for this session", OptionKind::AllowAlways),
        "acceptWithExecpolicyAmendment" => ("Always allow", OptionKind::AllowAlways),
        "applyNetworkPolicyAmendment" => ("Change the network policy", OptionKind::AllowAlways),
        "decline" => ("Deny", OptionKind::RejectOnce),
        "cancel" => ("Deny and stop", OptionKind::RejectOnce),
        // of a newer version: shown as it is, and only for those who may drive
        other => (other, OptionKind::Unknown),
    };
    let rules = rules(word, decision.at(word));
    let texts: Vec<&str> = rules.iter().map(|rule| rule.text.as_str()).collect();
    let name = format!("{name} {}", texts.join(", "));
    PermissionOption {
        option_id: if decision.is_string() { word.to_owned() } else { format!("{word}:{at}") },
        name: plain::title(&name),
        kind,
        rules,
        ends_turn: word == "cancel",
    }
}

fn rules(word: &str, amendment: &Value) -> Vec<Rule> {
    let rule = |text: String, lifetime| Rule { text: plain::text(&text), lifetime };
    match word {
        "acceptForSession" => vec![rule("the same again".into(), RuleLifetime::Session)],
        "acceptWithExecpolicyAmendment" => {
            let words = amendment.list("execpolicy_amendment");
            let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
            let text = format!("commands that begin with: {}", words.join(" "));
            vec![rule(text, RuleLifetime::User)]
        }
        _ if amendment.is_null() => Vec::new(),
        _ => vec![rule(amendment.to_string(), RuleLifetime::Unknown)],
    }
}

/// A request for more rights than the sandbox gives: all of them for the turn, for the session, or
/// none.
fn permissions(id: String, params: &Value) -> Question {
    let asked = params.at("permissions");
    let rule = |lifetime| Rule { text: plain::text(&asked.to_string()), lifetime };
    let option = |option_id: &str, name: &str, kind, rules| PermissionOption {
        option_id: option_id.to_owned(),
        name: name.to_owned(),
        kind,
        rules,
        ends_turn: false,
    };
    let options = vec![
        option("turn", "Allow for this turn", OptionKind::AllowOnce, Vec::new()),
        option(
            "session",
            "Allow for this session",
            OptionKind::AllowAlways,
            vec![rule(RuleLifetime::Session)],
        ),
        option("none", "Deny", OptionKind::RejectOnce, Vec::new()),
    ];
    Question {
        vendor_id: id,
        title: "more rights".into(),
        reason: params.str_at("reason").map(plain::text),
        cautions: Vec::new(),
        ask: Ask::Permission {
            tool_call: Box::new(ToolCall {
                tool_call_id: params.text_at("itemId").unwrap_or_default(),
                title: Some(plain::title(&asked.to_string())),
                ..ToolCall::default()
            }),
            options,
            can_edit_input: false,
            can_deny_with_message: false,
            input: None,
        },
        reply: json!({ "permissions": asked }),
    }
}

fn user_input(id: String, params: &Value) -> Question {
    let field = |question: &Value| {
        let option = |it: &Value| {
            let label = it.str_at("label")?;
            Some(form::choice(label, label, it.str_at("description")))
        };
        let choices: Vec<_> =
            question.list("options").iter().take(MAX_LIST).filter_map(option).collect();
        Some(Field {
            id: question.text_at("id")?,
            header: question.str_at("header").map(plain::title),
            text: plain::text(question.str_at("question").unwrap_or_default()),
            required: true,
            kind: if choices.is_empty() {
                FieldKind::Text { secret: question.is("isSecret") }
            } else {
                FieldKind::Select { choices, other: question.is("isOther") }
            },
        })
    };
    let fields: Vec<Field> =
        params.list("questions").iter().take(MAX_LIST).filter_map(field).collect();
    Question {
        vendor_id: id,
        title: plain::title(fields.first().map_or("Question", |field| field.text.as_str())),
        reason: None,
        cautions: Vec::new(),
        ask: Ask::Question {
            tool_call_id: params.text_at("itemId"),
            form: Form { message: None, url: None, fields },
            can_deny_with_message: false,
        },
        reply: json!({ "form": "input" }),
    }
}

fn elicitation(id: String, params: &Value) -> Question {
    let message = params.str_at("message");
    let mut form = form::from_schema(message, params.at("requestedSchema"));
    form.url = params.str_at("url").map(plain::text);
    let server = params.str_at("serverName").unwrap_or("an MCP server");
    Question {
        vendor_id: id,
        title: plain::title(&format!("{server} asks: {}", message.unwrap_or_default())),
        reason: None,
        cautions: Vec::new(),
        ask: Ask::Question { tool_call_id: None, form, can_deny_with_message: false },
        reply: json!({ "form": "elicitation" }),
    }
}

/// The result that carries an answer.
pub(super) fn result(reply: &Reply<'_>) -> Option<Value> {
    let Reply { kept, answer, .. } = *reply;
    let form_kind = kept.str_at("form");
    match answer {
        PromptAnswer::Option { option_id } => match kept.some("permissions") {
            Some(asked) => Some(granted(option_id, asked)),
            None => decision(option_id, kept).map(|decision| json!({ "decision": decision })),
        },
        PromptAnswer::Form { values } if form_kind == Some("elicitation") => {
            Some(json!({ "action": "accept", "content": form::to_json(values) }))
        }
        PromptAnswer::Form { values } => {
            let answer = |(id, value): (&String, &_)| {
                (id.clone(), json!({ "answers": form::to_texts(value) }))
            };
            let answers: Map<String, Value> = values.iter().map(answer).collect();
            Some(json!({ "answers": answers }))
        }
        PromptAnswer::Decline if form_kind == Some("elicitation") => {
            Some(json!({ "action": "decline", "content": null }))
        }
        PromptAnswer::Decline => Some(json!({ "answers": {} })),
        PromptAnswer::EditedInput { .. } | PromptAnswer::Deny { .. } => None,
    }
}

fn decision(option_id: &str, kept: &Value) -> Option<Value> {
    let decisions = kept.list("decisions");
    match option_id.rsplit_once(':') {
        Some((_, at)) => decisions.get(at.parse::<usize>().ok()?).cloned(),
        None => decisions.iter().find(|it| it.as_str() == Some(option_id)).cloned(),
    }
}

fn granted(option_id: &str, asked: &Value) -> Value {
    match option_id {
        "turn" => json!({ "permissions": asked, "scope": "turn" }),
        "session" => json!({ "permissions": asked, "scope": "session" }),
        _ => json!({ "permissions": {}, "scope": "turn" }),
    }
}

/// Whether a request's id could be one of ours: only texts are.
pub(super) fn text_id(id: &Value) -> String {
    id.as_str().map_or_else(|| id.to_string(), ToOwned::to_owned)
}
