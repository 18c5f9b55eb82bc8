//! The relay's listeners: HTTP on every stream, WebSocket on `/v1/ws`.
//!
//! The Unix socket proves who calls by the kernel's word; the network proves it by a bearer token.

use std::{net::IpAddr, sync::Arc};

use axum::{
    Extension, Router,
    extract::{FromRequestParts, State, ws::WebSocketUpgrade},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::get,
};
use quarterdeck_crypto::{
    ChannelBinding, KeyCredential, PairingRefusal,
    pairing::{PROOF_HEADER, SCHEME},
};
use quarterdeck_protocol::{
    dialect::Dialect, ids::Principal, limits::MAX_CONNECTIONS, scope::Scope,
};
use quarterdeck_transport::{
    dial::SUBPROTOCOL,
    server::{Accepted, Listener, Peer},
};

use crate::{
    caller::{Caller, Via},
    connection,
    context::Context,
    dialect, http, hubs, metrics,
    peer::{self, Origin},
    tokens::Grant,
    tunnel::Asking,
};

/// Accepts connections on a wire until the relay stops; none = `quarterdeck.v1`.
pub(crate) async fn accept(context: Arc<Context>, mut listener: Listener, wire: Option<Dialect>) {
    let router = match wire {
        None => router(&context),
        Some(dialect) => dialect::router(&context, dialect),
    };
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
        let origin = origin(&context, accepted.peer);
        let router = router
            .clone()
            .layer(Extension(accepted.peer))
            .layer(Extension(origin))
            .layer(Extension(accepted.binding.clone()));
        context.tasks.spawn(serve(Arc::clone(&context), router, accepted));
    }
}

fn router(context: &Arc<Context>) -> Router {
    Router::new()
        .route("/v1/ws", get(upgrade))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/metrics", get(show_metrics))
        .merge(http::router())
        .with_state(Arc::clone(context))
}

/// Where a caller of this machine runs; one from the network runs in no session.
fn origin(context: &Context, peer: Peer) -> Origin {
    match peer {
        Peer::Unix { pid, .. } => {
            let pid = pid.and_then(|pid| u32::try_from(pid).ok());
            let holders = context.registry.holders();
            pid.map_or(Origin::Unknown, |pid| peer::origin(pid, &holders))
        }
        Peer::Tcp { .. } => Origin::Outside,
    }
}

async fn serve(context: Arc<Context>, router: Router, accepted: Accepted) {
    quarterdeck_access::http::serve(accepted.stream, router, &context.shutdown).await;
}

async fn upgrade(
    State(context): State<Arc<Context>>,
    caller: Authenticated,
    headers: HeaderMap,
    ws: WebSocketUpgrade,
) -> Response {
    if let Some(refused) = refuse_web_page(&headers) {
        return refused;
    }
    let Authenticated { caller, proof } = caller;
    let mut response =
        quarterdeck_access::http::native(ws, SUBPROTOCOL).on_upgrade(move |socket| async move {
            // inside a task of its own: give it back to the tasks that the relay waits for
            let tracked = context.tasks.token();
            connection::serve(context, caller, socket).await;
            drop(tracked);
        });
    if let Some(proof) = proof {
        response.headers_mut().insert(PROOF_HEADER, proof);
    }
    response
}

/// A browser sends an origin; this version serves no page that may connect.
pub(crate) fn refuse_web_page(headers: &HeaderMap) -> Option<Response> {
    let refusal = (StatusCode::FORBIDDEN, "connections from web pages are not accepted\n");
    headers.contains_key(header::ORIGIN).then(|| refusal.into_response())
}

async fn show_metrics(State(context): State<Arc<Context>>, caller: Authenticated) -> Response {
    let Authenticated { caller, .. } = caller;
    if !caller.grant.scopes.has(Scope::Read) {
        return (StatusCode::FORBIDDEN, "this needs the scope \"read\"\n").into_response();
    }
    let views: Vec<_> = context.registry.all().iter().map(|s| s.published()).collect();
    context.metrics.set_sessions(views.iter().map(|view| &view.state));
    context.metrics.log_bytes.set(crate::collector::log_bytes(&context));
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], context.metrics.render(&context.door.refused))
        .into_response()
}

/// A caller that proved who it is; anyone else is refused before a handler runs.
pub(crate) struct Authenticated {
    pub(crate) caller: Caller,
    /// Where a hub proved its key, the proof of ours.
    proof: Option<HeaderValue>,
}

impl FromRequestParts<Arc<Context>> for Authenticated {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        context: &Arc<Context>,
    ) -> Result<Self, Response> {
        if let Some(asking) = parts.extensions.get::<Asking>() {
            return Ok(Self { caller: asking.caller.clone(), proof: None });
        }
        match parts.extensions.get::<Peer>().copied() {
            Some(Peer::Unix { uid, pid }) => {
                let origin = parts.extensions.get().copied().unwrap_or(Origin::Unknown);
                let caller = local(context, uid, pid, origin)?;
                Ok(Self { caller, proof: None })
            }
            Some(Peer::Tcp { address, .. }) => {
                if let Some(shown) = key_shown(&parts.headers) {
                    let binding = parts.extensions.get::<Option<ChannelBinding>>();
                    let binding = binding.and_then(Option::as_ref);
                    let (caller, proof) = by_key(context, shown, binding, address.ip()).await?;
                    return Ok(Self { caller, proof: HeaderValue::from_str(&proof).ok() });
                }
                let caller = by_token(context, None, address.ip(), &parts.headers).await?;
                Ok(Self { caller, proof: None })
            }
            None => Err(StatusCode::INTERNAL_SERVER_ERROR.into_response()),
        }
    }
}

/// A process of this machine: the relay's own user, from inside a session or not.
#[expect(clippy::result_large_err, reason = "made once per connection")]
fn local(
    context: &Context,
    uid: u32,
    pid: Option<i32>,
    origin: Origin,
) -> Result<Caller, Response> {
    let pid = context.door.by_user(uid, pid).map_err(IntoResponse::into_response)?;
    let origin = match origin {
        // its session's holder may not have been known yet
        Origin::Outside => match peer::origin(pid, &context.registry.holders()) {
            Origin::Inside(session) => Origin::Inside(session),
            Origin::Outside | Origin::Unknown => Origin::Outside,
        },
        Origin::Inside(_) | Origin::Unknown => origin,
    };
    let principal = Principal::new(&context.relay_id.to_string(), &context.user);
    let principal = principal.map_err(|error| {
        tracing::error!(%error, user = context.user, "user name is no principal");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    })?;
    Ok(Caller { grant: Grant::unlimited("unix", principal), via: Via::Local { origin } })
}

/// Whoever presents a token that counts on this wire; none = `quarterdeck.v1`.
pub(crate) async fn by_token(
    context: &Context,
    wire: Option<Dialect>,
    address: IpAddr,
    headers: &HeaderMap,
) -> Result<Caller, Response> {
    let (hosts, listening) = (&context.config.network.hosts, &context.listening);
    if !is_host_accepted(headers.get(header::HOST), hosts, listening) {
        let refusal = (StatusCode::FORBIDDEN, "this relay is not known under that host name\n");
        return Err(refusal.into_response());
    }
    match context.door.by_token(wire, address, headers).await {
        Ok(grant) => Ok(Caller { grant, via: Via::Network }),
        Err(refusal) => Err(refusal.into_response()),
    }
}

/// Whether a request means this relay: where names are listed, by one of them or a listening address.
fn is_host_accepted(host: Option<&HeaderValue>, hosts: &[String], listening: &[String]) -> bool {
    if hosts.is_empty() {
        return true;
    }
    let Some(host) = host.and_then(|host| host.to_str().ok()) else { return false };
    let listens = |url: &String| url.split_once("://").is_some_and(|(_, address)| address == host);
    let name = match host.rsplit_once(':') {
        // the colons of an IPv6 address without a port are inside brackets
        Some((name, port)) if !port.contains(']') => name,
        Some(_) | None => host,
    };
    let fits =
        |known: &String| known.eq_ignore_ascii_case(host) || known.eq_ignore_ascii_case(name);
    hosts.iter().any(fits) || listening.iter().any(listens)
}

/// What a hub shows instead of a token.
fn key_shown(headers: &HeaderMap) -> Option<&str> {
    let shown = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    shown.strip_prefix(SCHEME)?.strip_prefix(' ')
}

/// A hub that proves its key for this very connection: one that is paired, or becomes so by a code. With
/// the caller comes the proof of our own key.
async fn by_key(
    context: &Context,
    shown: &str,
    binding: Option<&ChannelBinding>,
    address: IpAddr,
) -> Result<(Caller, String), Response> {
    let outcome = shown
        .parse::<KeyCredential>()
        .map_err(|_| PairingRefusal::Unknown)
        .and_then(|shown| binding.map(|it| (shown, it)).ok_or(PairingRefusal::NotThisChannel))
        .and_then(|(shown, binding)| hubs::admit(context, &shown, binding, address));
    match outcome {
        Ok((caller, proof)) => {
            context.door.came_in(address, caller.principal(), &caller.grant.name);
            Ok((caller, proof))
        }
        Err(refusal) => Err(context.door.refuse_key(address, refusal).await),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_host_names_are_listed_a_request_needs_one_of_them_or_the_address() {
        let listed = ["relay.example".to_owned()];
        let listening = ["ws://127.0.0.1:7717".to_owned()];
        let accepts = |host: Option<&str>, hosts: &[String]| {
            let host = host.map(|host| HeaderValue::from_str(host).expect("a value"));
            is_host_accepted(host.as_ref(), hosts, &listening)
        };
        for host in ["relay.example", "Relay.Example:7717", "127.0.0.1:7717"] {
            assert!(accepts(Some(host), &listed), "{host}");
        }
        for host in ["evil.example", "relay.example.evil", "127.0.0.1:80", "[::1]", ""] {
            assert!(!accepts(Some(host), &listed), "{host}");
        }
        assert!(!accepts(None, &listed));
        assert!(accepts(None, &[]) && accepts(Some("any"), &[]));
    }
}
