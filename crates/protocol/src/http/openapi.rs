//! The description of the operations in OpenAPI 3.1, made from their types.

use alloc::{collections::BTreeMap, format, string::String, vec::Vec};

use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{
    AgentStatus, EventGap, GET_EVENTS, GET_MESSAGES, GET_STATUS, HUB_OPERATIONS, MessagePosted,
    MessageUpdate, Messages, Operation, PLAIN_OPERATIONS, POST_MESSAGE, POST_UPLOAD, PostMessage,
    PromptOpened, PromptUpdated, UploadTo, Uploaded, event, operations, status_of,
};
use crate::{
    error::{ErrorCode, RpcError},
    method::{self, Access},
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
    let methods = method::schemas(&mut generator);
    for operation in operations() {
        let described = describe(operation, &methods, &mut generator);
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        if let Some(verbs) = path.as_object_mut() {
            verbs.insert(operation.verb.into(), described);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Quarterdeck over HTTP",
            "description": "Sessions of a relay, and of all machines of a hub. Agents are spoken to in the \
                            shape of AgentAPI; members that it does not have are additions. At a hub, \
                            every path below /v1/sessions, and /v1/prompts, is there below \
                            /v1/machines/{machine} too; /v1/machines is there only at a hub.",
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

/// Schemas of each method's parameters and result, by its word.
type Methods = BTreeMap<&'static str, [schemars::Schema; 2]>;

fn describe(operation: Operation, methods: &Methods, generator: &mut SchemaGenerator) -> Value {
    let Operation { verb: _, path, method, summary } = operation;
    let scope = match method.access() {
        Access::Open => Value::Null,
        Access::Needs(scope) => json!(scope),
    };
    let name = method.word();
    let name = if is_plain(operation) { name } else { path.rsplit('/').next().unwrap_or(path) };
    let mut described = json!({
        "operationId": format!("{}-{name}", operation.verb),
        "summary": summary,
        "x-method": method.word(),
        "x-scope": scope,
        "x-hub-only": HUB_OPERATIONS.contains(&operation),
        "responses": {
            "200": { "description": "done", "content": answer(operation, methods, generator) },
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
    for name in ["machine", "prompt"] {
        if path.contains(&format!("{{{name}}}")) {
            let schema = json!({ "type": "string" });
            parameters
                .push(json!({ "name": name, "in": "path", "required": true, "schema": schema }));
        }
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
        if let Some(body) = body(operation, methods, generator) {
            described.insert("requestBody".into(), json!({ "required": true, "content": body }));
        }
    }
    described
}

/// Whether it is a method as it is.
fn is_plain(operation: Operation) -> bool {
    PLAIN_OPERATIONS.contains(&operation) || HUB_OPERATIONS.contains(&operation)
}

fn body(operation: Operation, methods: &Methods, generator: &mut SchemaGenerator) -> Option<Value> {
    if is_plain(operation) {
        let params = methods.get(operation.method.word()).filter(|_| operation.verb == "post");
        let described = |[params, _]: &[schemars::Schema; 2]| json!({ "application/json": { "schema": params } });
        return params.map(described);
    }
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

fn answer(operation: Operation, methods: &Methods, generator: &mut SchemaGenerator) -> Value {
    if let Some([_, result]) = methods.get(operation.method.word()).filter(|_| is_plain(operation))
    {
        return json!({ "application/json": { "schema": result } });
    }
    let schema = match operation {
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
