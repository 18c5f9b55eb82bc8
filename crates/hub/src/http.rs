//! The hub over plain HTTP: its machines, and the sessions of all of them.
//!
//! A request is a client that says hello, asks once and is gone; what has the same credential is the same
//! client. What needs no stream is the method of the same name, asked as on the WebSocket; what agents
//! offer in AgentAPI's shape is the machine's own HTTP, through a [`tunnel`].

mod tunnel;

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::extract::ws::Message;
use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, FromRequest as _, FromRequestParts, Path, Request},
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::{MethodFilter, any, on},
};
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    http::{self as wire, HUB_OPERATIONS, Operation, PLAIN_OPERATIONS},
    ids::ClientId,
    limits::MAX_TEXT_FRAME_BYTES,
    method::{Acting, MethodName},
    rpc::{self, RequestId},
};
use serde_json::value::RawValue;

use crate::{
    api,
    client::{Asker, outbox::Turn},
    context::Context,
    place::Place,
    web::Authenticated,
};

/// The description of all this, as a test keeps it equal to the types.
const OPENAPI: &str = include_str!("../../../docs/schema/openapi.json");
/// How long a body of JSON may take to come.
const BODY_LIMIT: Duration = Duration::from_secs(30);
/// When an overloaded hub may be asked again.
const RETRY_AFTER_S: &str = "1";
/// Before a path of a session, where a machine is named.
const OF_MACHINE: &str = "/v1/machines/{machine}";

/// The routes.
pub(crate) fn router() -> Router<Arc<Context>> {
    let mut router = Router::new();
    for operation in HUB_OPERATIONS {
        router = route(router, operation.path, operation);
    }
    for operation in PLAIN_OPERATIONS {
        router = route(router, operation.path, operation);
        if let Some(rest) = operation.path.strip_prefix("/v1") {
            router = route(router, &format!("{OF_MACHINE}{rest}"), operation);
        }
    }
    let openapi = || async { ([(header::CONTENT_TYPE, "application/json")], OPENAPI) };
    router
        .route("/v1/sessions/{session}/{operation}", any(tunnel::of_session))
        .route(&format!("{OF_MACHINE}/sessions/{{session}}/{{operation}}"), any(tunnel::of_session))
        .layer(DefaultBodyLimit::max(MAX_TEXT_FRAME_BYTES))
        .route("/openapi.json", axum::routing::get(openapi))
}

fn route(router: Router<Arc<Context>>, path: &str, operation: Operation) -> Router<Arc<Context>> {
    let filter = match operation.verb {
        "get" => MethodFilter::GET,
        "delete" => MethodFilter::DELETE,
        _ => MethodFilter::POST,
    };
    if path.contains('{') {
        let handler =
            move |visitor: Visitor,
                  Path(names): Path<BTreeMap<String, String>>,
                  request: Request| { plain(visitor, operation, names, request) };
        return router.route(path, on(filter, handler));
    }
    let handler = move |visitor: Visitor, request: Request| {
        plain(visitor, operation, BTreeMap::new(), request)
    };
    router.route(path, on(filter, handler))
}

/// A caller, introduced.
pub(crate) struct Visitor(pub(crate) Arc<Asker>);

impl FromRequestParts<Arc<Context>> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        context: &Arc<Context>,
    ) -> Result<Self, Response> {
        let Authenticated(grant) = Authenticated::from_request_parts(parts, context)
            .await
            .map_err(|refused| typed(&refused))?;
        if parts.headers.contains_key(header::ORIGIN) {
            let message = "web pages ask over the WebSocket";
            return Err(answer(&RpcError::new(ErrorCode::Forbidden, message)));
        }
        let (principal, scopes) = (grant.principal.clone(), grant.scopes);
        let name = format!("http {}", grant.name);
        let fixed = context.ticket_key.fixed_client(&format!("{name} {principal}"));
        let client_id: ClientId = context.hub.client(std::array::from_fn(|at| fixed[at]));
        let sessions = grant.sessions.to_list().unwrap_or_default();
        let Ok(place) = Place::from_request_parts(parts, context).await;
        let asker = Asker::new(Arc::clone(context), grant, place);
        let acting = Acting { principal, client_id, name, scopes, sessions };
        asker.introduce(acting).map_err(|error| answer(&error))?;
        Ok(Self(Arc::new(asker)))
    }
}

/// A method, asked once.
async fn plain(
    Visitor(asker): Visitor,
    operation: Operation,
    names: BTreeMap<String, String>,
    request: Request,
) -> Response {
    let asked = async {
        asker.require(operation.method)?;
        let body = read_body(request).await?;
        let params = wire::params(&body, names)?;
        ask(&asker, operation.method, &params).await
    };
    match asked.await {
        Ok(result) => Json(result).into_response(),
        Err(error) => answer(&error),
    }
}

/// Asks as a client on a WebSocket would, and waits for the answer.
async fn ask(
    asker: &Arc<Asker>,
    method: MethodName,
    params: &RawValue,
) -> Result<Box<RawValue>, RpcError> {
    asker.require(method)?;
    asker.in_flight.fetch_add(1, Ordering::Relaxed);
    api::call(asker, method, &RequestId::Number(0), Some(params)).await?;
    loop {
        match asker.outbox.next_turn() {
            Some(Turn::Message(Message::Text(text))) => match rpc::Message::parse(&text)? {
                rpc::Message::Response { outcome, .. } => return outcome,
                rpc::Message::Request { .. } | rpc::Message::Notification { .. } => {}
            },
            Some(Turn::Overflowed) => {
                return Err(RpcError::new(ErrorCode::Overloaded, "the answer is too large"));
            }
            Some(Turn::Message(_) | Turn::View) => {}
            None => asker.outbox.changed().await,
        }
    }
}

async fn read_body(request: Request) -> Result<Bytes, RpcError> {
    let refused = |message: &str| RpcError::new(ErrorCode::InvalidRequest, message);
    match tokio::time::timeout(BODY_LIMIT, Bytes::from_request(request, &())).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => Err(refused("the body cannot be read, or is too large")),
        Err(_) => Err(refused("the body does not come")),
    }
}

/// An error as an answer.
pub(crate) fn answer(error: &RpcError) -> Response {
    let status = StatusCode::from_u16(wire::status_of(error.code()));
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Json(error)).into_response();
    if status == StatusCode::TOO_MANY_REQUESTS {
        let wait = HeaderValue::from_static(RETRY_AFTER_S);
        response.headers_mut().insert(header::RETRY_AFTER, wait);
    }
    response
}

/// A refusal of the layers below in the form that all others have.
fn typed(refused: &Response) -> Response {
    let status = refused.status();
    let reason = status.canonical_reason().unwrap_or("refused").to_lowercase();
    let error = RpcError::new(wire::code_of(status.as_u16()), reason);
    let mut response = (status, Json(error)).into_response();
    for name in [header::WWW_AUTHENTICATE, header::RETRY_AFTER] {
        if let Some(value) = refused.headers().get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}
