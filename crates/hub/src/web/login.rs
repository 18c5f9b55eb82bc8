//! `/v1/web/…`: how a browser comes in. `web/README.md` describes it from the page's side.
//!
//! `login` trades the code of a one-time link for a device, `challenge` and `ticket` trade a signature by
//! the device's key for a ticket, and so does a bearer token that a person pasted. No cookie is set or
//! read: another program on another port of this host would get it.

use std::{net::IpAddr, sync::Arc};

use axum::{
    Extension, Json,
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use quarterdeck_access::{
    clock,
    door::Refusal,
    journal::{Event, Expiry},
    tokens::Grant,
};
use quarterdeck_crypto::{DeviceKey, OnceSecret};
use quarterdeck_protocol::ids::DeviceId;
use quarterdeck_transport::server::Peer;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::names::Scheme;
use crate::{
    context::{Context, random_bytes},
    devices::{DeviceRow, LoginRefusal, Times},
    limits::{LOGIN_BODY_LIMIT, MAX_DEVICE_NAME_CHARS, MAX_LOGIN_BODY_BYTES},
};

/// What a browser without a name of its own is called.
const NAMELESS: &str = "browser";
/// What the ticket among a WebSocket's subprotocols begins with.
pub(super) const TICKET_PREFIX: &str = "ticket.";

/// A browser on the network, at one of the hub's names and on the hub's page.
pub(crate) struct Browser {
    address: IpAddr,
}

impl FromRequestParts<Arc<Context>> for Browser {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        context: &Arc<Context>,
    ) -> Result<Self, Response> {
        let peer = parts.extensions.get::<Peer>().copied();
        let scheme = parts.extensions.get::<Scheme>().copied();
        let (Some(Peer::Tcp { address, .. }), Some(scheme)) = (peer, scheme) else {
            return Err((StatusCode::NOT_FOUND, "no page is served here\n").into_response());
        };
        match context.names.check(scheme, &parts.headers) {
            Ok(()) => Ok(Self { address: address.ip() }),
            Err(refusal) => Err(no_store(StatusCode::FORBIDDEN, &refusal.to_string())),
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct LoginBody {
    code: String,
    key: String,
    #[serde(default)]
    name: String,
}

#[derive(Serialize)]
struct LoginAnswer {
    device: DeviceId,
}

/// `POST /v1/web/login`.
pub(crate) async fn login(
    State(context): State<Arc<Context>>,
    browser: Browser,
    request: Request,
) -> Response {
    let body: LoginBody = match read(request).await {
        Ok(body) => body,
        Err(response) => return response,
    };
    // before the code is used up: a page that makes another kind of key can be mended
    let key = match DeviceKey::from_spki(&body.key) {
        Ok(key) => key,
        Err(error) => return no_store(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let now = clock::wall_seconds();
    for over in context.devices.take_expired(now) {
        if let Err(error) = context.store.remove_device(over).await {
            tracing::debug!(%error, "an expired browser stays in the database");
        }
    }
    let link = match context.devices.redeem_link(&body.code, clock::boot()) {
        Ok(link) => link,
        Err(refusal) => return refuse(&context, browser.address, refusal).await,
    };
    let Ok(id) = random_bytes() else {
        return no_store(StatusCode::INTERNAL_SERVER_ERROR, "the system gives no random bytes");
    };
    let row = DeviceRow {
        device: DeviceId::from_bytes(id),
        name: link.name.unwrap_or_else(|| device_name(&body.name)),
        key,
        principal: link.principal,
        scopes: link.scopes,
        created_at: now,
        last_used_at: None,
        expires_at: link.device_expires_in_s.map(|life| now.saturating_add(life)),
    };
    if let Err(error) = context.store.put_device(row.clone()).await {
        tracing::warn!(%error, "a browser cannot be kept");
        let text = "the hub cannot write its database; make a new login link: qd open";
        return no_store(StatusCode::SERVICE_UNAVAILABLE, text);
    }
    context.devices.add(row.clone());
    context.record(&Event::DeviceAdded {
        device: row.device,
        name: (&row.name).into(),
        peer: browser.address.to_string().into(),
        principal: row.principal,
        scopes: row.scopes,
        expiry: Expiry { expires_at: row.expires_at },
    });
    answer(&LoginAnswer { device: row.device })
}

/// What a browser calls itself, as it is kept: a line of harmless characters.
pub(crate) fn device_name(given: &str) -> String {
    let plain = |c: &char| c.is_ascii_graphic() || *c == ' ' || c.is_alphanumeric();
    let name: String = given.chars().filter(plain).take(MAX_DEVICE_NAME_CHARS).collect();
    match name.trim() {
        "" => NAMELESS.to_owned(),
        name => name.to_owned(),
    }
}

#[derive(Deserialize)]
pub(crate) struct ChallengeBody {
    device: String,
}

#[derive(Serialize)]
struct ChallengeAnswer {
    challenge: String,
}

/// `POST /v1/web/challenge`.
pub(crate) async fn challenge(
    State(context): State<Arc<Context>>,
    browser: Browser,
    request: Request,
) -> Response {
    let body: ChallengeBody = match read(request).await {
        Ok(body) => body,
        Err(response) => return response,
    };
    let Ok(bytes) = random_bytes() else {
        return no_store(StatusCode::INTERNAL_SERVER_ERROR, "the system gives no random bytes");
    };
    let secret = OnceSecret::from_bytes(bytes);
    let device = body.device.parse().map_err(|_| LoginRefusal::UnknownDevice);
    let made = device.and_then(|id| context.devices.challenge(id, &secret, clock::boot()));
    match made {
        Ok(challenge) => answer(&ChallengeAnswer { challenge }),
        Err(refusal) => refuse(&context, browser.address, refusal).await,
    }
}

#[derive(Deserialize)]
struct TicketBody {
    device: String,
    challenge: String,
    signature: String,
}

#[derive(Serialize)]
struct TicketAnswer {
    ticket: String,
}

/// `POST /v1/web/ticket`.
pub(crate) async fn ticket(
    State(context): State<Arc<Context>>,
    browser: Browser,
    request: Request,
) -> Response {
    let grant = if request.headers().contains_key(header::AUTHORIZATION) {
        let shown = context.door.by_token(None, browser.address, request.headers()).await;
        shown.map_err(IntoResponse::into_response)
    } else {
        by_key(&context, browser.address, request).await
    };
    let grant = match grant {
        Ok(grant) => grant,
        Err(response) => return response,
    };
    let Ok(bytes) = random_bytes() else {
        return no_store(StatusCode::INTERNAL_SERVER_ERROR, "the system gives no random bytes");
    };
    let ticket = OnceSecret::from_bytes(bytes);
    context.devices.add_ticket(&ticket, grant, clock::boot());
    answer(&TicketAnswer { ticket: ticket.to_text().as_str().to_owned() })
}

async fn by_key(
    context: &Arc<Context>,
    address: IpAddr,
    request: Request,
) -> Result<Grant, Response> {
    let body: TicketBody = read(request).await?;
    let now = Times { boot: clock::boot(), wall_s: clock::wall_seconds() };
    let device = body.device.parse().map_err(|_| LoginRefusal::UnknownDevice);
    let proved =
        device.and_then(|id| context.devices.prove(id, &body.challenge, &body.signature, now));
    let (grant, used) = match proved {
        Ok(proved) => proved,
        Err(refusal) => return Err(refuse(context, address, refusal).await),
    };
    if let Some(row) = used {
        // nobody waits for the disk to come in
        let store = context.store.clone();
        context.tasks.spawn(async move {
            if let Err(error) = store.touch_device(row).await {
                tracing::debug!(%error, "when a browser was last used is not kept");
            }
        });
    }
    context.record(&Event::LoginOk {
        peer: address.to_string().into(),
        principal: grant.principal.clone(),
        token: None,
        device: grant.device,
        name: Some((&grant.name).into()),
    });
    Ok(grant)
}

/// Who shows a ticket among the subprotocols of its WebSocket; none when none is shown.
pub(super) async fn by_ticket(
    context: &Context,
    address: IpAddr,
    headers: &HeaderMap,
) -> Option<Result<Grant, Response>> {
    let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let mut words =
        offered.into_iter().filter_map(|it| it.to_str().ok()).flat_map(|it| it.split(','));
    let shown = words.find_map(|word| word.trim().strip_prefix(TICKET_PREFIX))?;
    Some(match context.devices.redeem_ticket(shown, clock::boot()) {
        // it may have been revoked since
        Ok(grant) if context.remaining_s(&grant).is_some() => Ok(grant),
        Ok(_) => Err(refuse(context, address, LoginRefusal::ExpiredTicket).await),
        Err(refusal) => Err(refuse(context, address, refusal).await),
    })
}

async fn refuse(context: &Context, address: IpAddr, refusal: LoginRefusal) -> Response {
    if refusal.is_guess() {
        return context.door.refuse(address, &refusal).await.into_response();
    }
    let why = refusal.to_string();
    context.door.turned_away(&address.to_string(), None, &why);
    if refusal == LoginRefusal::StaleChallenge {
        // tried again, with a new one
        return no_store(StatusCode::CONFLICT, &why);
    }
    Refusal::Unauthorized(why).into_response()
}

/// A page of elsewhere can send a form without asking first, but no JSON.
async fn read<T: DeserializeOwned>(request: Request) -> Result<T, Response> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
    if !kind.is_some_and(|kind| kind.starts_with("application/json")) {
        return Err(no_store(StatusCode::UNSUPPORTED_MEDIA_TYPE, "application/json is expected"));
    }
    let reading = axum::body::to_bytes(request.into_body(), MAX_LOGIN_BODY_BYTES);
    let body = tokio::time::timeout(LOGIN_BODY_LIMIT, reading).await;
    let body =
        body.map_err(|_| no_store(StatusCode::REQUEST_TIMEOUT, "the request did not come"))?;
    let body =
        body.map_err(|_| no_store(StatusCode::PAYLOAD_TOO_LARGE, "the request is too large"))?;
    serde_json::from_slice(&body)
        .map_err(|_| no_store(StatusCode::BAD_REQUEST, "the request cannot be read"))
}

fn answer(body: &impl Serialize) -> Response {
    let headers =
        [(header::CACHE_CONTROL, "no-store"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (headers, Json(body)).into_response()
}

fn no_store(status: StatusCode, text: &str) -> Response {
    let headers =
        [(header::CACHE_CONTROL, "no-store"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (status, headers, format!("{text}\n")).into_response()
}

/// Refuses a browser that is not on the hub's own page, and who is not on the network at all.
#[expect(clippy::result_large_err, reason = "made once per connection")]
pub(super) fn check_page(
    context: &Context,
    scheme: Option<Extension<Scheme>>,
    headers: &HeaderMap,
) -> Result<(), Response> {
    if !headers.contains_key(header::ORIGIN) {
        return Ok(());
    }
    let Some(Extension(scheme)) = scheme else {
        return Err(no_store(StatusCode::FORBIDDEN, "no page may connect here"));
    };
    let checked = context.names.check(scheme, headers);
    checked.map_err(|refusal| no_store(StatusCode::FORBIDDEN, &refusal.to_string()))
}
