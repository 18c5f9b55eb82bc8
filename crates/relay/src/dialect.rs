//! Other programs' protocols, each on listeners of its own.
//!
//! A dialect is one file that translates: commands become what a native client could ask of the same
//! sessions, a session's stream becomes that program's events. Who is let in, what a credential may do,
//! what the ceiling allows and who owns a session is decided where it is decided for everybody. Another
//! dialect is a variant of [`Dialect`], its types beside those of agor, and a file here.

mod agor;
pub(crate) mod myagent;
pub(crate) mod places;

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::{
        State,
        ws::{WebSocket, WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use quarterdeck_protocol::dialect::{self as wire, Dialect};
use quarterdeck_transport::server::Peer;

use crate::{caller::Caller, context::Context, web};

/// What is served on a dialect's listener: one WebSocket, at any path.
pub(crate) fn router(context: &Arc<Context>, dialect: Dialect) -> Router {
    Router::new().fallback(upgrade).with_state((Arc::clone(context), dialect))
}

async fn upgrade(
    State((context, dialect)): State<(Arc<Context>, Dialect)>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    ws: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    if dialect == Dialect::Myagent && !headers.contains_key(header::UPGRADE) {
        // so its clients tell this server from others
        return (StatusCode::NOT_FOUND, "myagent remote websocket endpoint").into_response();
    }
    let Peer::Tcp { address, .. } = peer else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let caller = match web::by_token(&context, Some(dialect), address.ip(), &headers).await {
        Ok(caller) => caller,
        Err(refusal) => return spell_refusal(dialect, refusal),
    };
    if let Some(refusal) = web::refuse_web_page(&headers) {
        return refusal;
    }
    let ws = match ws {
        Ok(ws) => {
            quarterdeck_access::http::buffered(ws).max_message_size(max_message_bytes(dialect))
        }
        Err(rejection) => return rejection.into_response(),
    };
    ws.max_frame_size(max_message_bytes(dialect)).on_upgrade(move |socket| async move {
        // inside a task of its own: give it back to the tasks that the relay waits for
        let tracked = context.tasks.token();
        serve(dialect, context, caller, socket).await;
        drop(tracked);
    })
}

async fn serve(dialect: Dialect, context: Arc<Context>, caller: Caller, socket: WebSocket) {
    context.metrics.connections_accepted.increment();
    let gauge = Arc::clone(&context);
    let _counted = gauge.metrics.connections.enter();
    match dialect {
        Dialect::Agor => agor::serve(context, caller, socket).await,
        Dialect::Myagent => myagent::serve(context, caller, socket).await,
    }
}

const fn max_message_bytes(dialect: Dialect) -> usize {
    match dialect {
        Dialect::Agor => wire::agor::MAX_MESSAGE_BYTES,
        Dialect::Myagent => wire::myagent::MAX_MESSAGE_BYTES,
    }
}

/// A refusal in the words that the dialect's clients know.
fn spell_refusal(dialect: Dialect, mut refusal: Response) -> Response {
    if refusal.status() == StatusCode::UNAUTHORIZED {
        match dialect {
            Dialect::Agor => *refusal.body_mut() = "Invalid token".into(),
            Dialect::Myagent => {
                let realm = HeaderValue::from_static("Bearer realm=\"myagent-remote\"");
                refusal.headers_mut().insert(header::WWW_AUTHENTICATE, realm);
            }
        }
    }
    refusal
}
