//! The hub's listeners: HTTP on every stream, WebSocket on `/v1/ws`, pages from the [`assets`](crate::assets).
//!
//! The Unix socket proves who calls by the kernel's word; the network proves it by a bearer token or a
//! [ticket](login). A page of another origin is refused, whatever it knows.

mod login;
pub(crate) mod names;
pub(crate) mod page;

use std::{
    net::IpAddr,
    sync::{Arc, PoisonError},
};

use axum::{
    Extension, Router,
    extract::{FromRequestParts, State, ws::WebSocketUpgrade},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use quarterdeck_access::{
    clock,
    journal::Event,
    peer::{self, AgentsProcess},
    tokens::{AuthFailure, Grant},
};
use quarterdeck_core::lockout::WrongCredential;
use quarterdeck_crypto::{PairingRefusal, pairing::REFUSAL_HEADER};
use quarterdeck_protocol::{
    ids::Principal,
    limits::{MAX_BINARY_FRAME_BYTES, MAX_CONNECTIONS, MAX_TEXT_FRAME_BYTES},
    scope::Scope,
};
use quarterdeck_transport::{
    dial::SUBPROTOCOL,
    server::{Accepted, Listener, Peer},
};

use crate::{client, context::Context, http, join, metrics};
pub(crate) use login::device_name;
use names::Scheme;

/// Bytes of a WebSocket's read buffer: one per connection, and most connections are idle.
const READ_BUFFER_BYTES: usize = 8 * 1024;
/// Bytes gathered before they are written without being flushed.
const WRITE_BUFFER_BYTES: usize = 64 * 1024;
/// Bytes that may wait in a WebSocket: some messages above what is gathered.
const MAX_WRITE_BUFFER_BYTES: usize = 4 * MAX_TEXT_FRAME_BYTES;

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
    let Accepted { stream, .. } = accepted;
    let service = TowerToHyperService::new(router);
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(hyper_util::rt::TokioTimer::new());
    let connection = http.serve_connection(TokioIo::new(stream), service).with_upgrades();
    tokio::select! {
        () = context.shutdown.cancelled() => {}
        outcome = connection => if let Err(error) = outcome {
            tracing::debug!(%error, "HTTP connection ended");
        }
    }
}

async fn upgrade(
    State(context): State<Arc<Context>>,
    Connecting(grant): Connecting,
    ws: WebSocketUpgrade,
) -> Response {
    ws.read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(MAX_WRITE_BUFFER_BYTES)
        .protocols([SUBPROTOCOL])
        .max_message_size(MAX_TEXT_FRAME_BYTES)
        .max_frame_size(MAX_TEXT_FRAME_BYTES.max(MAX_BINARY_FRAME_BYTES))
        .on_upgrade(move |socket| async move {
            // inside a task of its own: give it back to the tasks that the hub waits for
            let tracked = context.tasks.token();
            client::serve(context, grant, socket).await;
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
    let text = context.metrics.render(machines, linked);
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
                by_token(context, address.ip(), &parts.headers).await.map(Self)
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
    let refuse = |why: String| {
        let peer = "unix".into();
        context.record(&Event::LoginFailed { peer, token: None, why: (&why).into() });
        (StatusCode::FORBIDDEN, format!("{why}\n")).into_response()
    };
    let pid = pid.and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0);
    if let Err(foreign) = (peer::Peer { pid, uid }).check_user() {
        return Err(refuse(foreign.to_string()));
    }
    match agents {
        AgentsProcess::No => {}
        AgentsProcess::Yes | AgentsProcess::Unknown => {
            return Err(refuse("this is, or may be, called from inside an agent's session".into()));
        }
    }
    let principal = Principal::new(&context.hub.to_string(), &context.user);
    let principal = principal.map_err(|error| {
        tracing::error!(%error, user = context.user, "user name is no principal");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    })?;
    Ok(Grant::unlimited("unix", principal))
}

async fn by_token(
    context: &Context,
    address: IpAddr,
    headers: &HeaderMap,
) -> Result<Grant, Response> {
    let Some(presented) = headers.get(header::AUTHORIZATION) else {
        return Err(unauthorized("a bearer token is needed\n"));
    };
    let secret = presented.to_str().ok().and_then(|text| text.strip_prefix("Bearer "));
    let outcome = secret.map_or(Err(AuthFailure::Malformed), |secret| {
        context.tokens.authenticate(secret.trim(), clock::wall_seconds())
    });
    let peer = address.to_string();
    match outcome {
        Ok(grant) => {
            let (principal, token) = (grant.principal.clone(), Some((&grant.name).into()));
            context.record(&Event::LoginOk {
                peer: peer.into(),
                principal,
                token,
                device: None,
                name: None,
            });
            Ok(grant)
        }
        Err(failure) => {
            let token = match &failure {
                AuthFailure::Expired { name } => Some(name.into()),
                AuthFailure::Malformed | AuthFailure::Wrong | AuthFailure::OtherWire => None,
            };
            let why = failure.to_string();
            let event = Event::LoginFailed { peer: peer.into(), token, why: (&why).into() };
            context.record(&event);
            Err(refuse_wrong(context, address, &why).await)
        }
    }
}

/// The answer to a wrong credential, late or not at all to who guesses.
pub(crate) async fn refuse_wrong(context: &Context, address: IpAddr, why: &str) -> Response {
    context.metrics.auth_failures.increment();
    let wrong = {
        let mut lockout = context.lockout.lock().unwrap_or_else(PoisonError::into_inner);
        lockout.handle_wrong(address, clock::boot())
    };
    match wrong {
        WrongCredential::Refuse => unauthorized(&format!("{why}\n")),
        WrongCredential::RefuseAfter(delay) => {
            tokio::time::sleep(delay).await;
            unauthorized(&format!("{why}\n"))
        }
        WrongCredential::LockedOut { retry_after } => {
            context.metrics.lockouts.increment();
            let seconds = retry_after.as_secs().max(1);
            context.record(&Event::Lockout { peer: address.to_string().into(), seconds });
            let text = format!("too many wrong credentials: wait {seconds} s\n");
            let headers = [(header::RETRY_AFTER, seconds.to_string())];
            (StatusCode::TOO_MANY_REQUESTS, headers, text).into_response()
        }
    }
}

/// Says in a word why a key or code was refused, unless the caller is locked out.
pub(crate) fn name_refusal(response: &mut Response, refusal: PairingRefusal) {
    if response.status() == StatusCode::UNAUTHORIZED {
        let word = HeaderValue::from_static(refusal.word());
        response.headers_mut().insert(REFUSAL_HEADER, word);
    }
}

fn unauthorized(text: &str) -> Response {
    let headers = [(header::WWW_AUTHENTICATE, "Bearer realm=\"quarterdeck\"")];
    (StatusCode::UNAUTHORIZED, headers, text.to_owned()).into_response()
}
