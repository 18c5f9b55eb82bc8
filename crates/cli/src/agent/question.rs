//! Prompts as text, and answers from what is typed. Pure.

use std::collections::BTreeMap;

use quarterdeck_protocol::agent::{
    Ask, Caution, Field, FieldKind, FormValue, OptionKind, PermissionOption, Prompt, PromptAnswer,
    RuleLifetime,
};

use crate::output::{
    escape::plain,
    style::{Styles, paint},
};

/// Why what was typed is no answer; a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotAnAnswer {
    /// No option has this number or name.
    #[error("type a number from 1 to {0}, y, or n and why")]
    Option(usize),
    /// It has nothing to fill in, and this is neither of its two answers.
    #[error("type y or n")]
    YesOrNo,
    /// It cannot be denied so.
    #[error("this cannot be denied; choose one of the options")]
    NoDenial,
    /// A field is missing.
    #[error("\"{0}\" needs a value: {0}=VALUE")]
    Missing(String),
    /// A value does not fit its field.
    #[error("\"{0}\" does not fit: {1}")]
    Field(String, &'static str),
    /// The prompt is of a newer version.
    #[error("this version cannot answer this; use a newer one")]
    Unknown,
}

/// The prompt, its options or fields, and how to answer.
pub(crate) fn text(prompt: &Prompt, styles: Styles) -> String {
    let mut text =
        format!("{} {}\n", paint(styles.warn, "?"), paint(styles.head, &plain(&prompt.title)));
    if let Some(reason) = &prompt.reason {
        text += &format!("  {}\n", plain(reason));
    }
    for caution in &prompt.cautions {
        text += &format!("  {}\n", paint(styles.warn, caution_words(*caution)));
    }
    match &prompt.ask {
        Ask::Permission { options, input, .. } => {
            if let Some(input) = input {
                text += &format!("  {}\n", paint(styles.dim, &plain(&input.to_string())));
            }
            text += &options_text(options);
        }
        Ask::Plan { plan, options, .. } => {
            for line in plan.as_deref().unwrap_or_default().lines() {
                text += &format!("  {}\n", plain(line));
            }
            text += &options_text(options);
        }
        Ask::Question { form, .. } => {
            if let Some(message) = &form.message {
                text += &format!("  {}\n", plain(message));
            }
            if let Some(url) = &form.url {
                text += &format!("  {}\n", plain(url));
            }
            form.fields.iter().for_each(|field| text += &field_text(field));
        }
        Ask::Unknown => {}
    }
    text + &format!("  {}\n", paint(styles.dim, &prompt.id.to_string()))
}

fn options_text(options: &[PermissionOption]) -> String {
    let option = |(index, option): (usize, &PermissionOption)| {
        let mut text = format!("  {}. {}\n", index + 1, plain(&option.name));
        for rule in &option.rules {
            let lifetime = match rule.lifetime {
                RuleLifetime::Session => "for this session",
                RuleLifetime::Project => "for this project",
                RuleLifetime::User => "for every project",
                RuleLifetime::Unknown => "for how long is not known",
            };
            text += &format!("     allows {} {lifetime}\n", plain(&rule.text));
        }
        text
    };
    options.iter().enumerate().map(option).collect()
}

fn field_text(field: &Field) -> String {
    let mut text = format!("  {}: {}\n", plain(&field.id), plain(&field.text));
    if let FieldKind::Select { choices, .. } | FieldKind::MultiSelect { choices, .. } = &field.kind
    {
        for (index, choice) in choices.iter().enumerate() {
            let description = choice.description.as_deref().map(plain).unwrap_or_default();
            text += &format!("    {}. {}  {description}\n", index + 1, plain(&choice.label));
        }
    }
    text
}

const fn caution_words(caution: Caution) -> &'static str {
    match caution {
        Caution::NeedsPerson => "the agent wants a person to look at this",
        Caution::DefaultIsNo => "the agent suggests no",
        Caution::HiddenCharacters => "its input has hidden characters",
        Caution::Shortened => "its input is longer than what is shown",
        Caution::Unknown => "the agent says to be careful",
    }
}

/// Allow it, once or for good. A question that has nothing to fill in is allowed by confirming it: so Codex
/// asks for the tools of servers.
pub(crate) fn allow(prompt: &Prompt, kind: OptionKind) -> Result<PromptAnswer, NotAnAnswer> {
    if let Ask::Question { form, .. } = &prompt.ask
        && form.fields.is_empty()
        && kind == OptionKind::AllowOnce
    {
        return Ok(PromptAnswer::Form { values: BTreeMap::new() });
    }
    let options = prompt.ask.options();
    let found = options.iter().find(|option| option.kind == kind);
    found.map(choose).ok_or(NotAnAnswer::Option(options.len()))
}

/// Deny it, with a reason where the agent takes one.
pub(crate) fn deny(prompt: &Prompt, message: &str) -> Result<PromptAnswer, NotAnAnswer> {
    let with_message = match &prompt.ask {
        Ask::Permission { can_deny_with_message, .. }
        | Ask::Plan { can_deny_with_message, .. }
        | Ask::Question { can_deny_with_message, .. } => *can_deny_with_message,
        Ask::Unknown => false,
    };
    if with_message && !message.is_empty() {
        return Ok(PromptAnswer::Deny { message: message.to_owned() });
    }
    if matches!(prompt.ask, Ask::Question { .. }) {
        return Ok(PromptAnswer::Decline);
    }
    let reject = |option: &&PermissionOption| option.kind == OptionKind::RejectOnce;
    prompt.ask.options().iter().find(reject).map(choose).ok_or(NotAnAnswer::NoDenial)
}

/// An answer from words: an option's number, id or name; `y`; `n` and why; for a question its fields.
pub(crate) fn answer(prompt: &Prompt, words: &str) -> Result<PromptAnswer, NotAnAnswer> {
    let words = words.trim();
    match &prompt.ask {
        Ask::Question { form, .. } if form.fields.is_empty() => match words {
            "y" | "yes" => allow(prompt, OptionKind::AllowOnce),
            "n" | "no" => deny(prompt, ""),
            _ => Err(NotAnAnswer::YesOrNo),
        },
        Ask::Question { form, .. } => answer_form(&form.fields, words),
        Ask::Permission { .. } | Ask::Plan { .. } => {
            let (first, rest) = words.split_once(char::is_whitespace).unwrap_or((words, ""));
            match first {
                "y" | "yes" => return allow(prompt, OptionKind::AllowOnce),
                "n" | "no" => return deny(prompt, rest.trim()),
                _ => {}
            }
            let options = prompt.ask.options();
            let number = words.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
            let by_number = number.and_then(|index| options.get(index));
            let named =
                |option: &&PermissionOption| option.option_id == words || option.name == words;
            let found = by_number.or_else(|| options.iter().find(named));
            found.map(choose).ok_or(NotAnAnswer::Option(options.len()))
        }
        Ask::Unknown => Err(NotAnAnswer::Unknown),
    }
}

fn choose(option: &PermissionOption) -> PromptAnswer {
    PromptAnswer::Option { option_id: option.option_id.clone() }
}

/// `FIELD=VALUE` in lines or apart by `;`; one field alone needs no name.
fn answer_form(fields: &[Field], words: &str) -> Result<PromptAnswer, NotAnAnswer> {
    let mut values = BTreeMap::new();
    let given: Vec<(&str, &str)> = words
        .split(['\n', ';'])
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .filter_map(|part| part.split_once('='))
        .map(|(name, value)| (name.trim(), value.trim()))
        .collect();
    for field in fields {
        let named = given.iter().find(|(name, _)| *name == field.id).map(|(_, value)| *value);
        let alone = (fields.len() == 1 && named.is_none()).then_some(words);
        match named.or(alone).filter(|value| !value.is_empty()) {
            Some(value) => {
                values.insert(field.id.clone(), field_value(field, value)?);
            }
            None if field.required => return Err(NotAnAnswer::Missing(field.id.clone())),
            None => {}
        }
    }
    Ok(PromptAnswer::Form { values })
}

fn field_value(field: &Field, value: &str) -> Result<FormValue, NotAnAnswer> {
    let unfit = |why| NotAnAnswer::Field(field.id.clone(), why);
    let choice = |value: &str| match &field.kind {
        FieldKind::Select { choices, .. } | FieldKind::MultiSelect { choices, .. } => {
            let number = value.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
            let found = number.and_then(|index| choices.get(index));
            let named = || choices.iter().find(|it| it.label == value || it.value == value);
            found.or_else(named).map_or_else(|| value.to_owned(), |choice| choice.value.clone())
        }
        FieldKind::Text { .. }
        | FieldKind::Number { .. }
        | FieldKind::Boolean
        | FieldKind::Unknown => value.to_owned(),
    };
    Ok(match &field.kind {
        FieldKind::Select { .. } | FieldKind::Text { .. } => FormValue::Text(choice(value)),
        FieldKind::MultiSelect { .. } => {
            FormValue::Many(value.split(',').map(|part| choice(part.trim())).collect())
        }
        FieldKind::Number { .. } => {
            FormValue::Number(value.parse().map_err(|_| unfit("it must be a number"))?)
        }
        FieldKind::Boolean => match value {
            "y" | "yes" | "true" => FormValue::Flag(true),
            "n" | "no" | "false" => FormValue::Flag(false),
            _ => return Err(unfit("it must be yes or no")),
        },
        FieldKind::Unknown => return Err(NotAnAnswer::Unknown),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarterdeck_protocol::{
        agent::{Choice, Form, PromptId, PromptState, Rule},
        ids::{Seq, SessionId},
    };

    fn prompt(ask: Ask) -> Prompt {
        Prompt {
            id: PromptId { session: SessionId::from_bytes([1; 10]), seq: Seq(7), index: 0 },
            asked_at_micros: 0,
            turn: None,
            title: "Bash: touch a".into(),
            reason: None,
            cautions: vec![Caution::DefaultIsNo],
            ask,
            state: PromptState::Open,
        }
    }
    fn permission() -> Prompt {
        let option = |id: &str, kind, rules| PermissionOption {
            option_id: id.into(),
            name: format!("Say {id}"),
            kind,
            rules,
            ends_turn: false,
        };
        let rule = Rule { text: "Bash(touch *)".into(), lifetime: RuleLifetime::Project };
        prompt(Ask::Permission {
            tool_call: Box::default(),
            options: vec![
                option("allow", OptionKind::AllowOnce, vec![]),
                option("always", OptionKind::AllowAlways, vec![rule]),
                option("reject", OptionKind::RejectOnce, vec![]),
            ],
            can_edit_input: true,
            can_deny_with_message: true,
            input: Some(serde_json::json!({ "command": "touch a" })),
        })
    }
    fn chosen(id: &str) -> Result<PromptAnswer, NotAnAnswer> {
        Ok(PromptAnswer::Option { option_id: id.into() })
    }

    #[test]
    fn a_permission_shows_what_each_option_allows() {
        insta::assert_snapshot!(text(&permission(), Styles::PLAIN), @r#"
        ? Bash: touch a
          the agent suggests no
          {"command":"touch a"}
          1. Say allow
          2. Say always
             allows Bash(touch *) for this project
          3. Say reject
          s_01010101010101010101.7
        "#);
    }

    #[test]
    fn options_are_chosen_by_number_name_or_a_letter() {
        let prompt = permission();
        for (words, option) in
            [("1", "allow"), ("y", "allow"), ("2", "always"), ("always", "always"), ("n", "reject")]
        {
            assert_eq!(answer(&prompt, words), chosen(option), "{words}");
        }
        let denied = PromptAnswer::Deny { message: "use trash".into() };
        assert_eq!(answer(&prompt, "n use trash"), Ok(denied));
        for words in ["", "4", "0", "what?"] {
            assert_eq!(answer(&prompt, words), Err(NotAnAnswer::Option(3)), "{words}");
        }
    }

    #[test]
    fn a_form_is_filled_by_name_or_alone_by_its_value() {
        let choice =
            |value: &str| Choice { value: value.into(), label: value.into(), description: None };
        let field = |id: &str, kind| Field {
            id: id.into(),
            header: None,
            text: "Which?".into(),
            required: true,
            kind,
        };
        let select =
            FieldKind::Select { choices: vec![choice("red"), choice("blue")], other: true };
        let form = |fields| {
            let form = Form { message: None, url: None, fields };
            prompt(Ask::Question { tool_call_id: None, form, can_deny_with_message: false })
        };
        let values = |pairs: &[(&str, FormValue)]| {
            let pairs = pairs.iter().map(|(id, value)| ((*id).to_owned(), value.clone()));
            Ok(PromptAnswer::Form { values: pairs.collect() })
        };
        let text = |text: &str| FormValue::Text(text.into());
        let one = form(vec![field("Color", select.clone())]);
        assert_eq!(answer(&one, "2"), values(&[("Color", text("blue"))]));
        assert_eq!(answer(&one, "green"), values(&[("Color", text("green"))]));
        let two =
            form(vec![field("Color", select), field("Size", FieldKind::Number { integer: true })]);
        let expected = values(&[("Color", text("red")), ("Size", FormValue::Number(3.into()))]);
        assert_eq!(answer(&two, "Color=red; Size=3"), expected);
        assert_eq!(answer(&two, "Color=red"), Err(NotAnAnswer::Missing("Size".into())));
        assert_eq!(deny(&two, ""), Ok(PromptAnswer::Decline));
    }

    #[test]
    fn a_question_without_fields_is_a_yes_or_a_no_and_no_other_word_agrees() {
        let form = Form { message: None, url: None, fields: vec![] };
        let ask = Ask::Question { tool_call_id: None, form, can_deny_with_message: false };
        let prompt = prompt(ask);
        let agreed = Ok(PromptAnswer::Form { values: BTreeMap::new() });
        assert_eq!(allow(&prompt, OptionKind::AllowOnce), agreed);
        assert_eq!(allow(&prompt, OptionKind::AllowAlways), Err(NotAnAnswer::Option(0)));
        assert_eq!(answer(&prompt, "y"), agreed);
        assert_eq!(answer(&prompt, "n"), Ok(PromptAnswer::Decline));
        for words in ["", "1", "never"] {
            assert_eq!(answer(&prompt, words), Err(NotAnAnswer::YesOrNo), "{words}");
        }
    }
}
