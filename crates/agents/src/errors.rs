//! Failures of vendors' services, put into classes.

use alloc::string::String;

use quarterdeck_protocol::agent::{AgentError, ErrorClass};

use crate::plain;

/// An error from what the vendor tells of it: a word of its own, a status, a text.
pub(crate) fn classify(word: Option<&str>, http_status: Option<u16>, message: &str) -> AgentError {
    let by_word = word.and_then(by_word);
    // "authentication failed" covers both a wrong key and none; the text tells them apart
    let class = match by_word {
        Some(ErrorClass::Auth) => by_text(message).filter(|it| *it == ErrorClass::NoKey),
        other => other,
    };
    let class = class
        .or(by_word)
        .or_else(|| http_status.and_then(by_status))
        .or_else(|| by_text(message))
        .unwrap_or(ErrorClass::Other);
    AgentError { class, message: plain::text(message), http_status }
}

/// An error whose class is known.
pub(crate) fn error(class: ErrorClass, message: &str) -> AgentError {
    AgentError { class, message: plain::text(message), http_status: None }
}

fn by_word(word: &str) -> Option<ErrorClass> {
    Some(match word {
        "authentication_failed"
        | "authentication_error"
        | "unauthorized"
        | "oauth_org_not_allowed"
        | "permission_error" => ErrorClass::Auth,
        "rate_limit"
        | "rate_limit_error"
        | "rateLimitExceeded"
        | "usageLimitExceeded"
        | "billing_error"
        | "sessionBudgetExceeded" => ErrorClass::RateLimit,
        "overloaded" | "overloaded_error" | "serverOverloaded" | "flexUnavailable" => {
            ErrorClass::Overloaded
        }
        "connection_failed" | "connection_reset" | "timeout" => ErrorClass::Network,
        "invalid_request"
        | "invalid_request_error"
        | "badRequest"
        | "modelNotFound"
        | "model_not_found" => ErrorClass::BadRequest,
        "contextWindowExceeded" | "prompt_too_long" => ErrorClass::ContextFull,
        "internalServerError" => ErrorClass::Server,
        _ => return None,
    })
}

fn by_status(status: u16) -> Option<ErrorClass> {
    Some(match status {
        401 | 403 => ErrorClass::Auth,
        429 | 402 => ErrorClass::RateLimit,
        529 | 503 => ErrorClass::Overloaded,
        413 => ErrorClass::ContextFull,
        500..=599 => ErrorClass::Server,
        400..=499 => ErrorClass::BadRequest,
        _ => return None,
    })
}

/// Words in texts of vendors that tell nothing else; the first that is found decides.
const TEXTS: [(&str, ErrorClass); 25] = [
    ("not logged in", ErrorClass::NoKey),
    ("please run /login", ErrorClass::NoKey),
    ("no api key", ErrorClass::NoKey),
    ("missing environment variable", ErrorClass::NoKey),
    ("auth_required", ErrorClass::NoKey),
    ("authentication required", ErrorClass::NoKey),
    ("no conversation found", ErrorClass::SessionNotFound),
    ("no rollout found", ErrorClass::SessionNotFound),
    ("session not found", ErrorClass::SessionNotFound),
    ("unauthorized", ErrorClass::Auth),
    ("invalid api key", ErrorClass::Auth),
    ("incorrect api key", ErrorClass::Auth),
    ("invalid x-api-key", ErrorClass::Auth),
    ("rate limit", ErrorClass::RateLimit),
    ("too many requests", ErrorClass::RateLimit),
    ("overloaded", ErrorClass::Overloaded),
    ("high demand", ErrorClass::Overloaded),
    ("econnrefused", ErrorClass::Network),
    ("connection refused", ErrorClass::Network),
    ("cannot connect", ErrorClass::Network),
    ("unable to connect", ErrorClass::Network),
    ("connection", ErrorClass::Network),
    ("stream disconnected", ErrorClass::Network),
    ("error sending request", ErrorClass::Network),
    ("stream closed", ErrorClass::Network),
];

fn by_text(message: &str) -> Option<ErrorClass> {
    let head: String = message.chars().take(2048).collect::<String>().to_ascii_lowercase();
    if let Some((_, class)) = TEXTS.iter().find(|(text, _)| head.contains(text)) {
        return Some(*class);
    }
    // "API Error: 529 …", "unexpected status 429 Too Many Requests", "fake error 400"
    status_in(&head).and_then(by_status)
}

/// A three-digit status that follows the word `error` or `status`.
fn status_in(text: &str) -> Option<u16> {
    for word in ["status", "error"] {
        for (at, _) in text.match_indices(word) {
            let rest = text[at + word.len()..].trim_start_matches([':', ' ', '"', '=']);
            let digits: &str = &rest[..rest.bytes().take_while(u8::is_ascii_digit).count()];
            if digits.len() == 3 {
                return digits.parse().ok();
            }
        }
    }
    None
}
