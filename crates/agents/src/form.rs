//! Forms: read off JSON Schemas and lists of questions, and answers checked against them.

use alloc::{
    borrow::ToOwned as _,
    collections::BTreeMap,
    string::{String, ToString as _},
    vec::Vec,
};

use quarterdeck_protocol::agent::{Choice, Field, FieldKind, Form, FormValue};
use serde_json::{Map, Value};

use crate::{json::Json as _, limits::MAX_LIST, plain};

/// Why an answer does not fit its form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// A question that must be answered is not.
    #[error("\"{0}\" is not answered")]
    Missing(String),
    /// An answer to nothing that was asked.
    #[error("the form has no field \"{0}\"")]
    NoSuchField(String),
    /// An answer of the wrong kind, or one that was not offered.
    #[error("the answer to \"{0}\" is none of those that it takes")]
    Unfit(String),
}

/// A form from the schema of an MCP elicitation: an object with flat members.
pub(crate) fn from_schema(message: Option<&str>, schema: &Value) -> Form {
    let required: Vec<&str> = schema.list("required").iter().filter_map(Value::as_str).collect();
    let members = schema.at("properties").as_object();
    let field = |(id, member): (&String, &Value)| Field {
        id: id.clone(),
        header: member.str_at("title").map(plain::title),
        text: plain::title(
            member.str_at("description").or_else(|| member.str_at("title")).unwrap_or(id),
        ),
        required: required.contains(&id.as_str()),
        kind: schema_kind(member),
    };
    Form {
        message: message.map(plain::text),
        url: None,
        fields: members.into_iter().flatten().take(MAX_LIST).map(field).collect(),
    }
}

fn schema_kind(member: &Value) -> FieldKind {
    match member.str_at("type") {
        Some("boolean") => FieldKind::Boolean,
        Some("integer") => FieldKind::Number { integer: true },
        Some("number") => FieldKind::Number { integer: false },
        Some("array") => {
            FieldKind::MultiSelect { choices: schema_choices(member.at("items")), other: false }
        }
        Some(_) | None => match schema_choices(member) {
            choices if choices.is_empty() => FieldKind::Text { secret: false },
            choices => FieldKind::Select { choices, other: false },
        },
    }
}

fn schema_choices(member: &Value) -> Vec<Choice> {
    let names = member.list("enumNames");
    let plain_choices = member.list("enum").iter().enumerate().filter_map(|(at, value)| {
        let value = value.as_str()?;
        let label = names.get(at).and_then(Value::as_str).unwrap_or(value);
        Some(choice(value, label, None))
    });
    let titled = member.list("oneOf").iter().chain(member.list("anyOf")).filter_map(|it| {
        let value = it.str_at("const")?;
        Some(choice(value, it.str_at("title").unwrap_or(value), it.str_at("description")))
    });
    plain_choices.chain(titled).take(MAX_LIST).collect()
}

/// A choice whose value stays as the vendor wrote it.
pub(crate) fn choice(value: &str, label: &str, description: Option<&str>) -> Choice {
    Choice {
        value: value.to_owned(),
        label: plain::title(label),
        description: description.map(plain::text).filter(|text| !text.is_empty()),
    }
}

/// Whether answers fit a form.
///
/// # Errors
/// The first thing that does not.
pub(crate) fn check(form: &Form, values: &BTreeMap<String, FormValue>) -> Result<(), FormError> {
    if let Some(id) = values.keys().find(|id| !form.fields.iter().any(|field| field.id == **id)) {
        return Err(FormError::NoSuchField(plain::title(id)));
    }
    for field in &form.fields {
        match values.get(&field.id) {
            None if field.required => return Err(FormError::Missing(field.id.clone())),
            None => {}
            Some(value) if fits(&field.kind, value) => {}
            Some(_) => return Err(FormError::Unfit(field.id.clone())),
        }
    }
    Ok(())
}

fn fits(kind: &FieldKind, value: &FormValue) -> bool {
    let offered =
        |choices: &[Choice], value: &str| choices.iter().any(|choice| choice.value == value);
    match (kind, value) {
        (FieldKind::Select { choices, other }, FormValue::Text(text)) => {
            *other || offered(choices, text)
        }
        (FieldKind::MultiSelect { choices, other }, FormValue::Many(texts)) => {
            *other || texts.iter().all(|text| offered(choices, text))
        }
        (FieldKind::Number { integer }, FormValue::Number(number)) => {
            !integer || number.is_i64() || number.is_u64()
        }
        (FieldKind::Text { .. }, FormValue::Text(_)) | (FieldKind::Boolean, FormValue::Flag(_)) => {
            true
        }
        (
            FieldKind::Select { .. }
            | FieldKind::MultiSelect { .. }
            | FieldKind::Text { .. }
            | FieldKind::Number { .. }
            | FieldKind::Boolean
            | FieldKind::Unknown,
            _,
        ) => false,
    }
}

/// The answers as a JSON object.
pub(crate) fn to_json(values: &BTreeMap<String, FormValue>) -> Value {
    let member = |(id, value): (&String, &FormValue)| (id.clone(), value_to_json(value));
    Value::Object(values.iter().map(member).collect::<Map<_, _>>())
}

fn value_to_json(value: &FormValue) -> Value {
    match value {
        FormValue::Flag(flag) => Value::Bool(*flag),
        FormValue::Number(number) => Value::Number(number.clone()),
        FormValue::Text(text) => Value::String(text.clone()),
        FormValue::Many(texts) => texts.iter().cloned().map(Value::String).collect(),
    }
}

/// The answer as texts: several where several were chosen.
pub(crate) fn to_texts(value: &FormValue) -> Vec<String> {
    match value {
        FormValue::Flag(flag) => [flag.to_string()].into(),
        FormValue::Number(number) => [number.to_string()].into(),
        FormValue::Text(text) => [text.clone()].into(),
        FormValue::Many(texts) => texts.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn form() -> Form {
        from_schema(
            Some("Deploy?"),
            &json!({
                "type": "object",
                "required": ["where"],
                "properties": {
                    "where": { "type": "string", "enum": ["eu", "us"], "enumNames": ["Europe", "America"] },
                    "count": { "type": "integer", "title": "Count" },
                    "dry": { "type": "boolean" },
                    "tags": { "type": "array", "items": { "anyOf": [{ "const": "a", "title": "A" }] } },
                    "note": { "type": "string", "description": "Any \u{202e}note" },
                },
            }),
        )
    }

    fn values(json: Value) -> BTreeMap<String, FormValue> {
        serde_json::from_value(json).expect("are values")
    }

    #[test]
    fn a_schema_becomes_typed_fields() {
        let form = form();
        let field = |id: &str| form.fields.iter().find(|field| field.id == id).expect("is there");
        assert_eq!(form.message.as_deref(), Some("Deploy?"));
        assert!(field("where").required && !field("note").required);
        let FieldKind::Select { choices, .. } = &field("where").kind else { panic!("{form:?}") };
        assert_eq!((choices[0].value.as_str(), choices[0].label.as_str()), ("eu", "Europe"));
        assert_eq!(field("count").kind, FieldKind::Number { integer: true });
        assert_eq!(field("dry").kind, FieldKind::Boolean);
        assert_eq!(field("note").text, "Any note");
    }

    #[test]
    fn only_answers_that_fit_are_taken() {
        let form = form();
        let check = |json| check(&form, &values(json));
        assert_eq!(check(json!({ "where": "eu", "count": 3, "dry": true, "tags": ["a"] })), Ok(()));
        assert_eq!(check(json!({ "count": 3 })), Err(FormError::Missing("where".into())));
        assert_eq!(
            check(json!({ "where": "eu", "x": 1 })),
            Err(FormError::NoSuchField("x".into()))
        );
        for (id, bad) in [
            ("where", json!({ "where": "mars" })),
            ("count", json!({ "where": "eu", "count": 1.5 })),
            ("dry", json!({ "where": "eu", "dry": "yes" })),
            ("tags", json!({ "where": "eu", "tags": ["b"] })),
        ] {
            assert_eq!(check(bad), Err(FormError::Unfit(id.into())));
        }
    }
}
