//! JSON-RPC 2.0 in text frames: one response per request, typed error codes.
//!
//! Batches are not part of `quarterdeck.v1`; an array is answered `invalid_request`.

use alloc::{
    borrow::ToOwned,
    boxed::Box,
    format,
    string::{String, ToString},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::{
    error::{ErrorCode, RpcError},
    method::Acting,
};

/// A request id: chosen by the peer that asks, returned as it came.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RequestId {
    /// What Quarterdeck's own client sends.
    Number(u64),
    /// What other clients may send.
    Text(String),
}

/// One text frame, parsed as far as its kind.
#[derive(Debug)]
pub enum Message {
    /// Wants exactly one response.
    Request {
        /// Returned with the response.
        id: RequestId,
        /// `session.list` and so on.
        method: String,
        /// Parsed by the method's own type.
        params: Option<Box<RawValue>>,
        /// For whom it is made: member `as`, an [`Acting`](crate::method::Acting).
        acting: Option<Box<RawValue>>,
    },
    /// Wants no response.
    Notification {
        /// `session.changed` and so on.
        method: String,
        /// Parsed by the notification's own type.
        params: Option<Box<RawValue>>,
    },
    /// Answers a request.
    Response {
        /// The request's id; `None` when the peer could not read it.
        id: Option<RequestId>,
        /// The result, or the error.
        outcome: Result<Box<RawValue>, RpcError>,
    },
}

/// Everything a frame may have at its top level; unknown members are ignored.
#[derive(Deserialize)]
struct Envelope {
    jsonrpc: Option<String>,
    id: Option<RequestId>,
    method: Option<String>,
    params: Option<Box<RawValue>>,
    #[serde(rename = "as")]
    acting: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "even_null")]
    result: Option<Box<RawValue>>,
    error: Option<RpcError>,
}

/// A result of `null` is a result.
fn even_null<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::deserialize(from).map(Some)
}

impl Message {
    /// Reads a text frame.
    ///
    /// # Errors
    /// The error response that the peer should get, with no request id.
    pub fn parse(text: &str) -> Result<Self, RpcError> {
        let json: &RawValue = serde_json::from_str(text)
            .map_err(|error| RpcError::new(ErrorCode::ParseError, format!("not JSON: {error}")))?;
        // serde would take an array for a struct
        let envelope = Some(json.get()).filter(|json| json.starts_with('{'));
        let envelope: Envelope = envelope
            .and_then(|json| serde_json::from_str(json).ok())
            .ok_or_else(|| RpcError::new(ErrorCode::InvalidRequest, "not a JSON-RPC message"))?;
        if envelope.jsonrpc.as_deref() != Some("2.0") {
            return Err(RpcError::new(ErrorCode::InvalidRequest, "\"jsonrpc\" must be \"2.0\""));
        }
        let Envelope { id, method, params, acting, result, error, .. } = envelope;
        match (method, id, result, error) {
            (Some(method), Some(id), None, None) => {
                Ok(Self::Request { id, method, params, acting })
            }
            (Some(method), None, None, None) => Ok(Self::Notification { method, params }),
            (None, id, Some(result), None) => Ok(Self::Response { id, outcome: Ok(result) }),
            (None, id, None, Some(error)) => Ok(Self::Response { id, outcome: Err(error) }),
            _ => Err(RpcError::new(
                ErrorCode::InvalidRequest,
                "a message has a method, a result or an error",
            )),
        }
    }
}

#[derive(Serialize)]
struct Outgoing<'a, P: Serialize> {
    jsonrpc: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a RequestId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<&'a P>,
    #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
    acting: Option<&'a Acting>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a P>,
}

/// The text of a request.
///
/// # Errors
/// When the parameters do not serialise, which no type of this crate does.
pub fn request<P: Serialize>(
    id: &RequestId,
    method: &str,
    params: &P,
) -> Result<String, serde_json::Error> {
    request_as(id, method, params, None)
}

/// The text of a request that a hub makes for one of its clients.
///
/// # Errors
/// As [`request`].
pub fn request_as<P: Serialize>(
    id: &RequestId,
    method: &str,
    params: &P,
    acting: Option<&Acting>,
) -> Result<String, serde_json::Error> {
    let (id, method, params) = (Some(id), Some(method), Some(params));
    serde_json::to_string(&Outgoing { jsonrpc: "2.0", id, method, params, acting, result: None })
}

/// The text of a notification.
///
/// # Errors
/// As [`request`].
pub fn notification<P: Serialize>(method: &str, params: &P) -> Result<String, serde_json::Error> {
    let (method, params) = (Some(method), Some(params));
    let rest = Outgoing { jsonrpc: "2.0", id: None, method, params, acting: None, result: None };
    serde_json::to_string(&rest)
}

/// The text of a successful response.
///
/// # Errors
/// As [`request`].
pub fn response<R: Serialize>(id: &RequestId, result: &R) -> Result<String, serde_json::Error> {
    let (id, result) = (Some(id), Some(result));
    let rest = Outgoing { jsonrpc: "2.0", id, method: None, params: None, acting: None, result };
    serde_json::to_string(&rest)
}

/// The text of an error response; without an id when the request's could not be read.
#[must_use]
pub fn error_response(id: Option<&RequestId>, error: &RpcError) -> String {
    #[derive(Serialize)]
    struct Failed<'a> {
        jsonrpc: &'static str,
        id: Option<&'a RequestId>,
        error: &'a RpcError,
    }
    serde_json::to_string(&Failed { jsonrpc: "2.0", id, error }).unwrap_or_else(|_| {
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"internal error"}}"#
            .to_owned()
    })
}

/// Parses a request's parameters; absent ones are an empty object.
///
/// # Errors
/// `invalid_params` with what did not fit.
pub fn parse_params<P: DeserializeOwned>(params: Option<&RawValue>) -> Result<P, RpcError> {
    let text = params.map_or("{}", RawValue::get);
    serde_json::from_str(text)
        .map_err(|error| RpcError::new(ErrorCode::InvalidParams, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_round_trips() {
        let text = request(&RequestId::Number(1), "session.list", &[1, 2]).expect("serialises");
        assert_eq!(text, r#"{"jsonrpc":"2.0","id":1,"method":"session.list","params":[1,2]}"#);
        assert!(matches!(Message::parse(&text), Ok(Message::Request { .. })));
    }

    #[test]
    fn a_null_result_is_a_response_and_not_a_broken_message() {
        let text = response(&RequestId::Text("a".into()), &()).expect("serialises");
        assert_eq!(text, r#"{"jsonrpc":"2.0","id":"a","result":null}"#);
        assert!(matches!(Message::parse(&text), Ok(Message::Response { outcome: Ok(_), .. })));
    }

    #[test]
    fn garbage_is_answered_with_the_code_that_fits() {
        let code = |text: &str| Message::parse(text).map(|_| ()).map_err(|e| e.code());
        for syntax in ["", "{", "\u{0}", "[1,"] {
            assert_eq!(code(syntax), Err(ErrorCode::ParseError), "{syntax}");
        }
        let bad =
            ["null", "7", "[]", "{}", r#"{"jsonrpc":"1.0","method":"x"}"#, r#"{"jsonrpc":"2.0"}"#];
        for shape in bad {
            assert_eq!(code(shape), Err(ErrorCode::InvalidRequest), "{shape}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_and_does_not_exhaust_the_stack() {
        let deep = "[".repeat(100_000);
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{deep}"#);
        assert!(Message::parse(&text).is_err());
    }
}
