//! HTTP: which path speaks which format, and how an answer's pieces go out.

use std::{collections::VecDeque, io, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, State as Shared},
    http::{HeaderMap, Response, StatusCode, header},
    routing::{get, post},
};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{
    State,
    reply::{Outcome, Tokens},
    request::{ModelRequest, Wire},
    wire::{self, Piece},
};

type Answer = Response<Body>;

/// Serves until it is dropped.
pub(super) async fn run(listener: TcpListener, state: Arc<State>) {
    let router = Router::new()
        .route("/v1/messages", post(messages))
        .route("/v1/messages/count_tokens", post(count_tokens))
        .route("/v1/responses", post(responses))
        .route("/v1/chat/completions", post(chat))
        .route("/v1/models", get(models))
        // a conversation can be long, and nobody else can reach this server
        .layer(DefaultBodyLimit::disable())
        .with_state(state);
    // it has no end but that of its task
    let _: io::Result<()> = axum::serve(listener, router).await;
}

async fn messages(Shared(state): Shared<Arc<State>>, headers: HeaderMap, body: Bytes) -> Answer {
    handle(Wire::Messages, &state, &headers, &body)
}

async fn responses(Shared(state): Shared<Arc<State>>, headers: HeaderMap, body: Bytes) -> Answer {
    handle(Wire::Responses, &state, &headers, &body)
}

async fn chat(Shared(state): Shared<Arc<State>>, headers: HeaderMap, body: Bytes) -> Answer {
    handle(Wire::Chat, &state, &headers, &body)
}

async fn count_tokens() -> Answer {
    whole(StatusCode::OK, &json!({ "input_tokens": Tokens::default().input }))
}

async fn models() -> Answer {
    let model = json!({
        "id": "fake-model", "object": "model", "type": "model", "display_name": "Fake",
        "created_at": "2026-01-01T00:00:00Z",
    });
    whole(StatusCode::OK, &json!({ "object": "list", "data": [model], "has_more": false }))
}

fn handle(wire: Wire, state: &State, headers: &HeaderMap, body: &Bytes) -> Answer {
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        let refusal = wire::refusal(wire, 400);
        return whole(StatusCode::BAD_REQUEST, &refusal);
    };
    let request = ModelRequest::read(wire, body, key(headers));
    let (model, streams) = (request.model.clone(), request.streams);
    let (reply, number) = state.answer(request);
    match reply.outcome {
        Outcome::Refusal { status, retry_after_secs } => refuse(wire, status, retry_after_secs),
        Outcome::Answer { acts, tokens } => {
            let answer = wire::Answer { acts, tokens, model, number };
            if streams {
                streamed(wire::stream(wire, &answer))
            } else {
                whole(StatusCode::OK, &wire::whole(&answer))
            }
        }
    }
}

fn key(headers: &HeaderMap) -> Option<String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = || text("authorization")?.strip_prefix("Bearer ");
    text("x-api-key").or_else(bearer).map(str::to_owned)
}

fn refuse(wire: Wire, status: u16, retry_after_secs: Option<u32>) -> Answer {
    let code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = whole(code, &wire::refusal(wire, status));
    if let Some(secs) = retry_after_secs {
        answer.headers_mut().insert(header::RETRY_AFTER, secs.into());
    }
    answer
}

fn whole(status: StatusCode, body: &Value) -> Answer {
    let mut answer = Response::new(Body::from(body.to_string()));
    *answer.status_mut() = status;
    let json = header::HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, json);
    answer
}

/// Pieces go out one after the other; an error in the stream breaks the connection.
fn streamed(pieces: Vec<Piece>) -> Answer {
    let pieces = VecDeque::from(pieces);
    let body = stream::unfold(pieces, |mut pieces| async move {
        loop {
            match pieces.pop_front()? {
                Piece::Send(bytes) => return Some((Ok::<Bytes, io::Error>(bytes), pieces)),
                Piece::Wait(gate) => gate.pass().await,
                Piece::Cut => {
                    let cut = io::Error::from(io::ErrorKind::ConnectionAborted);
                    return Some((Err(cut), VecDeque::new()));
                }
            }
        }
    });
    let mut answer = Response::new(Body::from_stream(body));
    let events = header::HeaderValue::from_static("text/event-stream");
    answer.headers_mut().insert(header::CONTENT_TYPE, events);
    answer
}
