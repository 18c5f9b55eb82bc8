//! The description of the operations in OpenAPI 3.1, made from their types.

use alloc::{format, string::String, vec::Vec};

use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{
    AgentStatus, EventGap, GET_EVENTS, GET_MESSAGES, GET_STATUS, LIST_SESSIONS, MessagePosted,
    MessageUpdate, Messages, OPERATIONS, Operation, POST_MESSAGE, POST_UPLOAD, PostMessage,
    PromptOpened, PromptUpdated, UploadTo, Uploaded, event, status_of,
};
use crate::{
    error::{ErrorCode, RpcError},
    method::{Access, SessionListResult},
};

/// The whole document.
#[must_use]
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths = Map::new();
    for operation in OPERATIONS {
        let described = describe(operation, &mut generator);
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        if let Some(verbs) = path.as_object_mut() {
            verbs.insert(operation.verb.into(), described);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Quarterdeck: agents over HTTP",
            "description": "Agent sessions of a relay, in the shape of AgentAPI. Members that AgentAPI \
                            does not have are additions.",
            "version": "1",
        },
        "security": [{ "bearer": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer" } },
            "schemas": generator.take_definitions(false),
        },
    })
}

fn describe(operation: Operation, generator: &mut SchemaGenerator) -> Value {
    let Operation { verb: _, path, method, summary } = operation;
    let scope = match method.access() {
        Access::Open => Value::Null,
        Access::Needs(scope) => json!(scope),
    };
    let name = path.rsplit('/').next().unwrap_or(path);
    let mut described = json!({
        "operationId": format!("{}-{name}", operation.verb),
        "summary": summary,
        "x-method": method.word(),
        "x-scope": scope,
        "responses": {
            "200": { "description": "done", "content": answer(operation, generator) },
            "default": {
                "description": error_words(),
                "content": { "application/json": { "schema": generator.subschema_for::<RpcError>() } },
            },
        },
    });
    let mut parameters = Vec::new();
    if path.contains("{session}") {
        parameters.push(json!({
            "name": "session", "in": "path", "required": true, "schema": { "type": "string" },
            "description": "an id, a label, or a prefix of an id",
        }));
    }
    if operation == GET_EVENTS {
        parameters.push(json!({
            "name": "Last-Event-ID", "in": "header", "schema": { "type": "string" },
            "description": "goes on after this event; without it the whole conversation comes first",
        }));
    }
    if operation == POST_UPLOAD {
        let schema = generator.subschema_for::<UploadTo>();
        parameters.push(json!({ "name": "to", "in": "query", "schema": schema }));
    }
    if let Some(described) = described.as_object_mut() {
        described.insert("parameters".into(), parameters.into());
        if let Some(body) = body(operation, generator) {
            described.insert("requestBody".into(), json!({ "required": true, "content": body }));
        }
    }
    described
}

fn body(operation: Operation, generator: &mut SchemaGenerator) -> Option<Value> {
    if operation == POST_MESSAGE {
        let schema = generator.subschema_for::<PostMessage>();
        return Some(json!({ "application/json": { "schema": schema } }));
    }
    let file = json!({
        "type": "object", "required": ["file"],
        "properties": { "file": { "type": "string", "format": "binary" } },
    });
    (operation == POST_UPLOAD).then(|| json!({ "multipart/form-data": { "schema": file } }))
}

fn answer(operation: Operation, generator: &mut SchemaGenerator) -> Value {
    let schema = match operation {
        LIST_SESSIONS => generator.subschema_for::<SessionListResult>(),
        GET_MESSAGES => generator.subschema_for::<Messages>(),
        POST_MESSAGE => generator.subschema_for::<MessagePosted>(),
        GET_STATUS => generator.subschema_for::<AgentStatus>(),
        POST_UPLOAD => generator.subschema_for::<Uploaded>(),
        _ => return json!({ "text/event-stream": { "schema": events(generator) } }),
    };
    json!({ "application/json": { "schema": schema } })
}

/// One event of the stream, by its name.
fn events(generator: &mut SchemaGenerator) -> Value {
    let events = [
        (event::MESSAGE_UPDATE, generator.subschema_for::<MessageUpdate>()),
        (event::STATUS_CHANGE, generator.subschema_for::<AgentStatus>()),
        (event::PROMPT_OPENED, generator.subschema_for::<PromptOpened>()),
        (event::PROMPT_UPDATE, generator.subschema_for::<PromptUpdated>()),
        (event::GAP, generator.subschema_for::<EventGap>()),
        (event::ERROR, generator.subschema_for::<RpcError>()),
    ];
    let one = |(name, data): (&str, schemars::Schema)| {
        json!({
            "type": "object", "title": name, "required": ["event", "data"],
            "properties": { "event": { "const": name }, "id": { "type": "string" }, "data": data },
        })
    };
    json!({ "type": "array", "items": { "oneOf": events.map(one).to_vec() } })
}

fn error_words() -> String {
    let word = |code: &ErrorCode| format!("{} {}", status_of(*code), code.word());
    let mut words: Vec<_> = ErrorCode::ALL.iter().map(word).collect();
    words.sort();
    format!("the error, as on the WebSocket: {}", words.join(", "))
}
