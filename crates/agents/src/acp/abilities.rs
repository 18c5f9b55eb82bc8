//! What an ACP agent says it can do, and how it says that it cannot.

use alloc::string::String;

use quarterdeck_protocol::agent::{AgentError, ErrorClass};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{errors, json::Json as _};

/// What the agent said it can do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Abilities {
    pub(super) load: bool,
    pub(super) resume: bool,
    pub(super) fork: bool,
    pub(super) images: bool,
    /// How the mode is set.
    pub(super) mode: Option<Setting>,
    /// How the model is set.
    pub(super) model: Option<Setting>,
}

/// One of the two ways to set something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Setting {
    /// A method of its own.
    Method,
    /// A config option with this id.
    Option { id: String },
}

impl Abilities {
    /// Reads the answer to `initialize`.
    pub(super) fn read(result: &Value) -> Self {
        let abilities = result.at("agentCapabilities");
        let session = abilities.at("sessionCapabilities");
        // an ability is an object, empty or not
        let has = |key| session.some(key).is_some_and(|it| it != &Value::Bool(false));
        Self {
            load: abilities.is("loadSession"),
            resume: has("resume"),
            fork: has("fork"),
            images: abilities.at("promptCapabilities").is("image"),
            mode: None,
            model: None,
        }
    }

    /// Reads how mode and model are set off the answer that opened the conversation.
    pub(super) fn learn_settings(&mut self, result: &Value) {
        let option = |category: &str| {
            let options = result.list("configOptions");
            let found = options.iter().find(|it| {
                it.str_at("category") == Some(category) || it.str_at("id") == Some(category)
            });
            found.and_then(|it| it.text_at("id")).map(|id| Setting::Option { id })
        };
        self.mode = result.some("modes").map(|_| Setting::Method).or_else(|| option("mode"));
        self.model = option("model").or_else(|| result.some("models").map(|_| Setting::Method));
    }
}

/// No file system and no terminal are offered: the agent has its own.
pub(super) fn introduction() -> Value {
    json!({
        "protocolVersion": 1,
        "clientCapabilities": {
            "fs": { "readTextFile": false, "writeTextFile": false },
            "terminal": false,
            "elicitation": { "form": {}, "url": {} },
        },
        "clientInfo": {
            "name": "quarterdeck",
            "title": "Quarterdeck",
            "version": env!("CARGO_PKG_VERSION"),
        },
    })
}

/// The failure that a JSON-RPC error tells.
pub(super) fn failure(error: &Value) -> AgentError {
    let message = error.str_at("message").unwrap_or("the agent refused");
    let data = error.at("data");
    let word = data.str_at("errorKind").or_else(|| data.str_at("errorName"));
    let code = error.at("code").as_i64();
    // some agents give the status of the service as the code
    let status = code.and_then(|code| u16::try_from(code).ok()).filter(|it| *it >= 400);
    let mut failure = errors::classify(word, status, message);
    if failure.class == ErrorClass::Other {
        failure.class = match code {
            Some(-32000) => ErrorClass::NoKey,
            Some(-32602..=-32600) => ErrorClass::Protocol,
            Some(-32002) => ErrorClass::SessionNotFound,
            Some(_) | None => ErrorClass::Other,
        };
    }
    failure
}
