//! JSON-RPC as two vendors speak it: with or without the `jsonrpc` member, ids of any kind.

use alloc::string::{String, ToString as _};

use serde_json::{Value, json};

use crate::json::Json as _;

/// One message.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rpc<'a> {
    /// Somebody is asked.
    Request {
        /// To be repeated in the answer.
        id: &'a Value,
        /// What is asked.
        method: &'a str,
        /// Its particulars.
        params: &'a Value,
    },
    /// Somebody is told.
    Notification {
        /// What.
        method: &'a str,
        /// Its particulars.
        params: &'a Value,
    },
    /// An answer.
    Response {
        /// Of the request.
        id: &'a Value,
        /// What it says.
        outcome: Result<&'a Value, &'a Value>,
    },
}

impl<'a> Rpc<'a> {
    /// Reads a message; `None` when it is none.
    pub(crate) fn read(message: &'a Value) -> Option<Self> {
        let id = message.some("id");
        let params = message.at("params");
        match (message.str_at("method"), id) {
            (Some(method), Some(id)) => Some(Self::Request { id, method, params }),
            (Some(method), None) => Some(Self::Notification { method, params }),
            (None, Some(id)) => {
                let outcome = match message.some("error") {
                    Some(error) => Err(error),
                    None => Ok(message.get("result")?),
                };
                Some(Self::Response { id, outcome })
            }
            (None, None) => None,
        }
    }
}

/// An id as text that tells `1` and `"1"` apart.
pub(crate) fn id_text(id: &Value) -> String {
    id.to_string()
}

/// A request of ours.
pub(crate) fn request(id: &str, method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

/// A notification of ours.
pub(crate) fn notification(method: &str, params: &Value) -> Value {
    if params.is_null() {
        return json!({ "jsonrpc": "2.0", "method": method });
    }
    json!({ "jsonrpc": "2.0", "method": method, "params": params })
}

/// Our answer to a request with this id, which is the text of a JSON value.
pub(crate) fn result(id: &str, result: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id_value(id), "result": result })
}

/// Our refusal of a request that we have no means for.
pub(crate) fn unsupported(id: &str) -> Value {
    let error = json!({ "code": -32601, "message": "method not found" });
    json!({ "jsonrpc": "2.0", "id": id_value(id), "error": error })
}

fn id_value(id: &str) -> Value {
    serde_json::from_str(id).unwrap_or(Value::Null)
}
