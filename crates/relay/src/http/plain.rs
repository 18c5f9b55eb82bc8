//! Methods over HTTP as they are: the body has the parameters, the answer is the result.

use std::{collections::BTreeMap, future::ready, sync::Arc};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, Request},
    routing::{MethodFilter, on},
};
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    http::{Operation, params},
    limits::MAX_TEXT_FRAME_BYTES,
    rpc::{Message, RequestId},
};
use serde_json::value::RawValue;

use super::{Visitor, read_body, refusal::Refused};
use crate::{api, connection::requests::Answer, context::Context};

/// Adds an operation to the routes.
pub(super) fn route(router: Router<Arc<Context>>, operation: Operation) -> Router<Arc<Context>> {
    let filter = match operation.verb {
        "get" => MethodFilter::GET,
        "delete" => MethodFilter::DELETE,
        _ => MethodFilter::POST,
    };
    let limit = DefaultBodyLimit::max(MAX_TEXT_FRAME_BYTES);
    if operation.path.contains('{') {
        let handler =
            move |visitor: Visitor,
                  Path(names): Path<BTreeMap<String, String>>,
                  request: Request| { ask(visitor, operation, names, request) };
        return router.route(operation.path, on(filter, handler).layer(limit));
    }
    let handler =
        move |visitor: Visitor, request: Request| ask(visitor, operation, BTreeMap::new(), request);
    router.route(operation.path, on(filter, handler).layer(limit))
}

async fn ask(
    Visitor(c): Visitor,
    operation: Operation,
    names: BTreeMap<String, String>,
    request: Request,
) -> Result<Json<Box<RawValue>>, Refused> {
    // who may not ask is told so before anything is read
    c.guard(operation.method, ready(Ok(()))).await?;
    let params = params(&read_body(request).await?, names)?;
    let asked = api::call(&c, operation.method, &RequestId::Number(0), Some(&params));
    let internal = || RpcError::new(ErrorCode::Internal, "the answer cannot be read");
    let Answer::Text(text) = c.guard(operation.method, asked).await? else {
        return Err(internal().into());
    };
    match Message::parse(&text) {
        Ok(Message::Response { outcome, .. }) => Ok(Json(outcome?)),
        Ok(Message::Request { .. } | Message::Notification { .. }) | Err(_) => {
            Err(internal().into())
        }
    }
}
