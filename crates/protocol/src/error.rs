//! Errors on the wire: a stable code, a sentence that is safe to show, and typed data.

use alloc::{
    boxed::Box,
    string::{String, ToString},
};

use serde::{Deserialize, Serialize};

use crate::{
    agent::{Answered, PromptState},
    ids::Epoch,
    record::Owner,
    scope::Scope,
};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $word:literal;)*) => {
        /// What went wrong, as a number for JSON-RPC and a word for people and scripts. Never reused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $($(#[$doc])* $name,)*
            /// A code of a newer peer.
            Unknown(i32),
        }

        impl ErrorCode {
            /// Every code of this version.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
            /// The JSON-RPC error number.
            #[must_use]
            pub const fn number(self) -> i32 {
                match self { $(Self::$name => $number,)* Self::Unknown(number) => number }
            }
            /// The stable word.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* Self::Unknown(_) => "unknown" }
            }
            /// The code behind a number.
            #[must_use]
            pub const fn from_number(number: i32) -> Self {
                match number { $($number => Self::$name,)* other => Self::Unknown(other) }
            }
        }
    };
}

codes! {
    /// The text is not JSON.
    ParseError = -32700, "parse_error";
    /// The JSON is not a JSON-RPC message.
    InvalidRequest = -32600, "invalid_request";
    /// The method does not exist in this version.
    MethodNotFound = -32601, "unsupported";
    /// The parameters do not fit the method.
    InvalidParams = -32602, "invalid_params";
    /// A defect of the relay; its log has the cause.
    Internal = -32603, "internal";
    /// A bound is reached; the same request may pass later.
    Overloaded = -32001, "overloaded";
    /// The first request of a connection must be `hello`.
    HelloRequired = -32002, "hello_required";
    /// The credential lacks the method's scope.
    Forbidden = -32003, "forbidden";
    /// No such session, token, client or channel.
    NotFound = -32004, "not_found";
    /// A name or prefix fits more than one session.
    Ambiguous = -32005, "ambiguous";
    /// The label belongs to another live session.
    LabelTaken = -32006, "label_taken";
    /// Over HTTP: no credential, or one that is not right.
    Unauthenticated = -32007, "unauthenticated";
    /// Only the owner of the lease may do this, in its current epoch.
    NotOwner = -32010, "not_owner";
    /// The lease is not free and the caller may not take it.
    LeaseHeld = -32011, "lease_held";
    /// The session has ended.
    Ended = -32012, "ended";
    /// The session is alive, so this cannot be done to it.
    StillRunning = -32013, "still_running";
    /// The program could not be started.
    StartFailed = -32014, "start_failed";
    /// The relay's ceiling does not allow it.
    Ceiling = -32015, "ceiling";
    /// The caller runs inside the session.
    OwnSession = -32016, "own_session";
    /// The program does not read its input; nothing of this was written.
    InputFull = -32017, "input_full";
    /// The session's holder does not answer in time.
    HolderSilent = -32018, "holder_silent";
    /// The disk is full or the state directory cannot be written.
    Storage = -32019, "storage";
    /// The relay is shutting down.
    ShuttingDown = -32020, "shutting_down";
    /// Somebody was first; the detail says who.
    PromptAnswered = -32021, "prompt_answered";
    /// The prompt can no longer be answered.
    PromptSettled = -32022, "prompt_settled";
    /// The prompt does not offer this answer.
    NotOffered = -32023, "not_offered";
    /// The agent cannot take this now.
    AgentNotReady = -32024, "agent_not_ready";
    /// The session is of another kind: a terminal, or an agent.
    WrongKind = -32025, "wrong_kind";
    /// The machine cannot be reached just now.
    Unreachable = -32026, "unreachable";
    /// The hub has this machine already, or another one of that name.
    MachineExists = -32027, "machine_exists";
    /// The pairing line, its code or the other side's key was not accepted.
    PairingFailed = -32028, "pairing_failed";
    /// There is an instance of that name already.
    InstanceExists = -32029, "instance_exists";
}

/// Typed detail of an error. A newer peer's detail reads as `None` of [`RpcError::detail`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ErrorDetail {
    /// With `not_owner` and `lease_held`: who owns the session, and its epoch.
    Owner {
        /// The owner; none while the lease is free.
        owner: Option<Owner>,
        /// The current epoch.
        epoch: Epoch,
    },
    /// With `forbidden`: the scope that is missing.
    Scope {
        /// The scope.
        needed: Scope,
    },
    /// With `ambiguous`: what fits.
    Matches {
        /// Ids or labels.
        matches: alloc::vec::Vec<String>,
    },
    /// With `prompt_answered`: the answer that stands.
    Answered {
        /// It.
        answered: Box<Answered>,
    },
    /// With `prompt_settled`: where the prompt is.
    Prompt {
        /// Its state.
        state: Box<PromptState>,
    },
    /// What the caller can do about it.
    Hint {
        /// A sentence.
        hint: String,
    },
}

/// The error of a response.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RpcError {
    /// The JSON-RPC number of an [`ErrorCode`].
    #[serde(rename = "code")]
    number: i32,
    /// A sentence that is safe to show; no internal text.
    pub message: String,
    /// The stable word of the code, and the typed detail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<Box<ErrorData>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct ErrorData {
    error: String,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "known_detail")]
    detail: Option<ErrorDetail>,
}

/// A detail of a newer peer must not make the whole error unreadable.
fn known_detail<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<ErrorDetail>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).ok())
}

impl RpcError {
    /// An error with no detail.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        let data = ErrorData { error: code.word().to_string(), detail: None };
        Self { number: code.number(), message: message.into(), data: Some(Box::new(data)) }
    }
    /// The same with a detail.
    #[must_use]
    pub fn with(mut self, detail: ErrorDetail) -> Self {
        let error = self.code().word().to_string();
        self.data = Some(Box::new(ErrorData { error, detail: Some(detail) }));
        self
    }
    /// The same with a hint.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        self.with(ErrorDetail::Hint { hint: hint.into() })
    }
    /// Its code.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        ErrorCode::from_number(self.number)
    }
    /// Its typed detail.
    #[must_use]
    pub fn detail(&self) -> Option<&ErrorDetail> {
        self.data.as_ref()?.detail.as_ref()
    }
}

impl core::fmt::Display for RpcError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}", self.message)
    }
}
impl core::error::Error for RpcError {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn numbers_and_words_are_unique_and_lead_back_to_the_code() {
        let numbers: BTreeSet<_> = ErrorCode::ALL.iter().map(|c| c.number()).collect();
        let words: BTreeSet<_> = ErrorCode::ALL.iter().map(|c| c.word()).collect();
        assert_eq!(numbers.len(), ErrorCode::ALL.len());
        assert_eq!(words.len(), ErrorCode::ALL.len());
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_number(code.number()), *code);
        }
    }

    #[test]
    fn a_newer_peers_error_is_still_read() {
        let text =
            r#"{"code":-31999,"message":"m","data":{"error":"new","detail":{"kind":"novel"}}}"#;
        let error: RpcError = serde_json::from_str(text).expect("reads");
        assert_eq!(error.code(), ErrorCode::Unknown(-31999));
        assert_eq!(error.detail(), None);
    }
}
