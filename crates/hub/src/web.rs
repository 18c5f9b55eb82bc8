//! The hub's listeners: HTTP on every stream, WebSocket on `/v1/ws`, pages from the [`assets`](crate::assets).
//!
//! The Unix socket proves who calls by the kernel's word; the network proves it by a bearer token or a
//! [ticket](login). A page of another origin is refused, whatever it knows.

mod login;
pub(crate) mod names;
pub(crate) mod page;

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::{FromRequestParts, State, ws::WebSocketUpgrade},
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use quarterdeck_access::{
    peer::{self, AgentsProcess},
    tokens::Grant,
};
use quarterdeck_protocol::{ids::Principal, limits::MAX_CONNECTIONS, scope::Scope};
use quarterdeck_transport::{
    dial::SUBPROTOCOL,
    server::{Accepted, Listener, Peer},
};

use crate::{client, context::Context, http, join, metrics, place::Place};
pub(crate) use login::device_name;
use names::Scheme;

/// Accepts connections until the hub stops.
pub(crate) async fn accept(context: Arc<Context>, mut listener: Listener) {
    let router = router(&context);
    loop {
        let accepted = tokio::select! {
            biased;
            () = context.shutdown.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        if context.metrics.connections.value() >= MAX_CONNECTIONS as u64 {
            tracing::warn!("connection refused: too many");
            continue;
        }
        // now, and not at the first request: its process may end in between, and its number be given away
        let agents = agents(accepted.peer);
        let scheme = match accepted.peer {
            Peer::Tcp { .. } if listener.has_tls() => Some(Scheme::Https),
            Peer::Tcp { .. } => Some(Scheme::Http),
            Peer::Unix { .. } => None,
        };
        let mut router = router.clone();
        if let Some(scheme) = scheme {
            router = router.layer(Extension(scheme));
        }
        let router = router
            .layer(Extension(accepted.peer))
            .layer(Extension(agents))
            .layer(Extension(accepted.binding.clone()));
        context.tasks.spawn(serve(Arc::clone(&context), router, accepted));
    }
}

fn router(context: &Arc<Context>) -> Router {
    Router::new()
        .route("/v1/ws", get(upgrade))
        .route("/v1/join", get(join::accept))
        .merge(http::router())
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/metrics", get(show_metrics))
        .route("/v1/web/login", post(login::login))
        .route("/v1/web/challenge", post(login::challenge))
        .route("/v1/web/ticket", post(login::ticket))
        .fallback(get(page::serve))
        .with_state(Arc::clone(context))
}

/// Whether a caller of this machine runs inside an agent's session; one from the network does not.
fn agents(peer: Peer) -> AgentsProcess {
    match peer {
        Peer::Unix { pid, .. } => {
            let pid = pid.and_then(|pid| u32::try_from(pid).ok());
            pid.map_or(AgentsProcess::Unknown, peer::is_agents)
        }
        Peer::Tcp { .. } => AgentsProcess::No,
    }
}

async fn serve(context: Arc<Context>, router: Router, accepted: Accepted) {
    quarterdeck_access::http::serve(accepted.stream, router, &context.shutdown).await;
}

async fn upgrade(
    State(context): State<Arc<Context>>,
    Connecting(grant): Connecting,
    place: Place,
    ws: WebSocketUpgrade,
) -> Response {
    quarterdeck_access::http::native(ws, SUBPROTOCOL).on_upgrade(move |socket| async move {
        // inside a task of its own: give it back to the tasks that the hub waits for
        let tracked = context.tasks.token();
        client::serve(context, grant, place, socket).await;
        drop(tracked);
    })
}

async fn show_metrics(
    State(context): State<Arc<Context>>,
    Authenticated(grant): Authenticated,
) -> Response {
    if !grant.scopes.has(Scope::Read) {
        return (StatusCode::FORBIDDEN, "this needs the scope \"read\"\n").into_response();
    }
    let (machines, linked) = (context.fleet.machines().len(), context.fleet.links().len());
    let text = context.metrics.render(&context.door.refused, machines, linked);
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response()
}

/// A caller that proved who it is; anyone else is refused before a handler runs.
pub(crate) struct Authenticated(pub(crate) Grant);

impl FromRequestParts<Arc<Context>> for Authenticated {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        context: &Arc<Context>,
    ) -> Result<Self, Response> {
        match parts.extensions.get::<Peer>().copied() {
            Some(Peer::Unix { uid, pid }) => {
                let agents = parts.extensions.get().copied().unwrap_or(AgentsProcess::Unknown);
                local(context, uid, pid, agents).map(Self)
            }
            Some(Peer::Tcp { address, .. }) => {
                let grant = context.door.by_token(None, address.ip(), &parts.headers).await;
                grant.map(Self).map_err(IntoResponse::into_response)
            }
            None => Err(StatusCode::INTERNAL_SERVER_ERROR.into_response()),
        }
    }
}

/// A caller that opens a WebSocket: a page by its ticket, all others as everywhere.
struct Connecting(Grant);

impl FromRequestParts<Arc<Context>> for Connecting {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        context: &Arc<Context>,
    ) -> Result<Self, Response> {
        let scheme = parts.extensions.get::<Scheme>().copied().map(Extension);
        // before a credential is looked at: it is not the page's to show
        login::check_page(context, scheme, &parts.headers)?;
        if let Some(Peer::Tcp { address, .. }) = parts.extensions.get::<Peer>().copied()
            && let Some(outcome) = login::by_ticket(context, address.ip(), &parts.headers).await
        {
            return outcome.map(Self);
        }
        Authenticated::from_request_parts(parts, context).await.map(|it| Self(it.0))
    }
}

/// A process of this machine: the hub's own user, but none of an agent's. An agent must not approve itself
/// by a detour.
#[expect(clippy::result_large_err, reason = "made once per connection")]
fn local(
    context: &Context,
    uid: u32,
    pid: Option<i32>,
    agents: AgentsProcess,
) -> Result<Grant, Response> {
    context.door.by_user(uid, pid).map_err(IntoResponse::into_response)?;
    match agents {
        AgentsProcess::No => {}
        AgentsProcess::Yes | AgentsProcess::Unknown => {
            let why = "this is, or may be, called from inside an agent's session";
            return Err(context.door.refuse_local(&why).into_response());
        }
    }
    let principal = Principal::new(&context.hub.to_string(), &context.user);
    let principal = principal.map_err(|error| {
        tracing::error!(%error, user = context.user, "user name is no principal");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    })?;
    Ok(Grant::unlimited("unix", principal))
}
