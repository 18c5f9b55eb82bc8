//! How turns of the Claude protocol end and what is tried again.

use alloc::{format, string::ToString as _};

use quarterdeck_protocol::agent::{AgentError, ErrorClass, Retry, StopReason};
use serde_json::Value;

use crate::{errors, json::Json as _};

/// Why a turn ended. Failures come as `success` with `is_error`, so the subtype alone says nothing.
pub(super) fn ending(frame: &Value, failure: Option<&str>) -> (StopReason, Option<AgentError>) {
    let terminal = frame.str_at("terminal_reason").unwrap_or_default();
    if terminal.starts_with("aborted") {
        return (StopReason::Cancelled, None);
    }
    if matches!(frame.str_at("subtype"), Some("error_max_turns" | "error_max_budget_usd")) {
        return (StopReason::MaxTurnRequests, None);
    }
    if !frame.is("is_error") {
        return match frame.str_at("stop_reason") {
            Some("max_tokens") => (StopReason::MaxTokens, None),
            Some("refusal") => (StopReason::Refusal, None),
            Some(_) | None => (StopReason::EndTurn, None),
        };
    }
    let status = frame.u64_at("api_error_status").and_then(|status| u16::try_from(status).ok());
    let first = frame.list("errors").first().and_then(Value::as_str);
    let message = frame.str_at("result").or(first).unwrap_or("the turn failed");
    let word = frame.str_at("api_error").or(failure);
    (StopReason::Error, Some(errors::classify(word, status, message)))
}

/// A failed request that the agent sends again.
pub(super) fn retry(frame: &Value) -> Retry {
    let number = |key| frame.u64_at(key).and_then(|n| u32::try_from(n).ok());
    let status = frame.u64_at("error_status").and_then(|status| u16::try_from(status).ok());
    let word = frame.str_at("error");
    let message = match status {
        Some(status) => format!("the service answered {status}"),
        None => "the service could not be reached".to_string(),
    };
    let mut error = errors::classify(word, status, &message);
    if status.is_none() && error.class == ErrorClass::Other {
        error.class = ErrorClass::Network;
    }
    Retry {
        attempt: number("attempt"),
        max_attempts: number("max_retries"),
        delay_ms: frame.u64_at("retry_delay_ms"),
        error,
    }
}
