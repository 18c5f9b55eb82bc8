//! Errors as answers: the status says what sort, the body is what the WebSocket would say.

use axum::{
    Json,
    body::to_bytes,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use quarterdeck_protocol::{
    error::RpcError,
    http::{code_of, status_of},
};

/// Bytes of a sentence that a layer below gave.
const MAX_SENTENCE_BYTES: usize = 4096;
/// When an overloaded relay may be asked again.
const RETRY_AFTER_S: &str = "1";

/// An operation that was not done.
#[derive(Debug)]
pub(super) enum Refused {
    /// For this reason.
    Error(RpcError),
    /// As a layer below says.
    Below(Box<Response>),
}

impl From<RpcError> for Refused {
    fn from(error: RpcError) -> Self {
        Self::Error(error)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Error(error) => answer(&error),
            Self::Below(response) => *response,
        }
    }
}

/// The answer.
pub(super) fn answer(error: &RpcError) -> Response {
    let status = StatusCode::from_u16(status_of(error.code()));
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Json(error)).into_response();
    if status == StatusCode::TOO_MANY_REQUESTS {
        let wait = HeaderValue::from_static(RETRY_AFTER_S);
        response.headers_mut().insert(header::RETRY_AFTER, wait);
    }
    response
}

/// Gives a refusal of the layers below, which is text, the form that all others have. Its status and its
/// headers stay.
pub(super) async fn typed(response: Response) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE);
    let has_form = kind.is_some_and(|kind| !kind.as_bytes().starts_with(b"text/plain"));
    let status = response.status();
    if has_form || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let text = to_bytes(body, MAX_SENTENCE_BYTES).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    let reason = status.canonical_reason().unwrap_or("refused").to_lowercase();
    let message = if text.is_empty() { reason } else { text };
    let (inner, body) =
        Json(RpcError::new(code_of(status.as_u16()), message)).into_response().into_parts();
    for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH] {
        parts.headers.remove(&name);
    }
    parts.headers.extend(inner.headers);
    Response::from_parts(parts, body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarterdeck_protocol::error::ErrorCode;

    #[tokio::test]
    async fn a_refusal_in_words_keeps_its_status_and_headers_and_gets_a_code() {
        let headers = [(header::WWW_AUTHENTICATE, "Bearer")];
        let refused = (StatusCode::UNAUTHORIZED, headers, "the token is wrong\n").into_response();
        let typed = typed(refused).await;
        assert_eq!(typed.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(typed.headers()[header::WWW_AUTHENTICATE], "Bearer");
        assert_eq!(typed.headers()[header::CONTENT_TYPE], "application/json");
        let body = to_bytes(typed.into_body(), 1000).await.expect("is there");
        let error: RpcError = serde_json::from_slice(&body).expect("is an error");
        assert_eq!(error.code(), ErrorCode::Unauthenticated);
        assert_eq!(error.message, "the token is wrong");
    }

    #[tokio::test]
    async fn what_is_no_refusal_or_has_its_form_passes_as_it_is() {
        let fine = typed((StatusCode::OK, "ok").into_response()).await;
        assert_eq!(fine.headers()[header::CONTENT_TYPE], "text/plain; charset=utf-8");
        let error = answer(&RpcError::new(ErrorCode::Overloaded, "too much"));
        assert_eq!(error.headers()[header::RETRY_AFTER], RETRY_AFTER_S);
        let same = typed(error).await;
        assert_eq!(same.status(), StatusCode::TOO_MANY_REQUESTS);
    }
}
