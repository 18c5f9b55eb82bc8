//! Relays that dial the hub because it cannot reach them: the relay proves its key, the hub its own, and
//! from then on the hub asks and the relay answers, as on every other link.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Response, StatusCode, header},
    response::IntoResponse,
};
use hyper_util::rt::TokioIo;
use quarterdeck_access::clock;
use quarterdeck_crypto::{
    ChannelBinding, KeyCredential, KeyProof, PairingRefusal, Purpose,
    pairing::{PROOF_HEADER, SCHEME},
};
use quarterdeck_protocol::ids::{MachineId, MachineLabel, RelayId};
use quarterdeck_transport::{
    ClientOptions, Peer,
    dial::{SUBPROTOCOL, websocket_config},
    reconnect::{check_peer, greet},
    stream::Counted,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{handshake::derive_accept_key, protocol::Role},
};

use crate::{
    context::{Context, random_bytes},
    machine::{self, Command},
    store::{Access, MachineRow},
    way,
};

/// Who dials.
enum Joiner {
    /// A machine that is known.
    Known(MachineId),
    /// One that showed a code, with the label that the invitation gave.
    New(Option<MachineLabel>),
}

/// `GET /v1/join`.
pub(crate) async fn accept(
    State(context): State<Arc<Context>>,
    request: Request,
) -> axum::response::Response {
    let Some(Peer::Tcp { address, .. }) = request.extensions().get::<Peer>().copied() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let binding = request.extensions().get::<Option<ChannelBinding>>().cloned().flatten();
    let shown = key_shown(request.headers());
    let admitted = shown
        .ok_or(PairingRefusal::Unknown)
        .and_then(|shown| binding.map(|it| (shown, it)).ok_or(PairingRefusal::NotThisChannel))
        .and_then(|(shown, binding)| admit(&context, &shown, binding));
    let (joiner, shown, binding) = match admitted {
        Ok(admitted) => admitted,
        Err(refusal) => return context.door.refuse_key(address.ip(), refusal).await,
    };
    let Some(response) = switching(&context, request.headers(), &binding) else {
        return (StatusCode::UPGRADE_REQUIRED, "a WebSocket is expected\n").into_response();
    };
    let upgrade = hyper::upgrade::on(request);
    let task = Arc::clone(&context);
    context.tasks.spawn(async move {
        let upgraded = match upgrade.await {
            Ok(upgraded) => upgraded,
            Err(error) => return tracing::debug!(%error, "a joining relay left"),
        };
        let stream = Counted::new(Box::new(TokioIo::new(upgraded)));
        let config = Some(websocket_config());
        let stream = WebSocketStream::from_raw_socket(stream, Role::Server, config).await;
        let greeted = greet(stream, ClientOptions::default(), &way::hello(&task)).await;
        match greeted.and_then(|it| check_peer(Some(shown.proof.key), &it.2).map(|()| it)) {
            Ok(connected) => welcome(&task, joiner, connected).await,
            Err(error) => tracing::warn!(%error, "a joining relay does not answer"),
        }
    });
    response
}

fn key_shown(headers: &HeaderMap) -> Option<KeyCredential> {
    let shown = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    shown.strip_prefix(SCHEME)?.strip_prefix(' ')?.parse().ok()
}

fn admit(
    context: &Arc<Context>,
    shown: &KeyCredential,
    binding: ChannelBinding,
) -> Result<(Joiner, KeyCredential, ChannelBinding), PairingRefusal> {
    if !shown.proof.holds(Purpose::RelayLink, &binding) {
        return Err(PairingRefusal::NotThisChannel);
    }
    let relay = RelayId::from_bytes(shown.proof.key.relay_id());
    let joiner = match &shown.code {
        Some(code) => Joiner::New(context.invitations().redeem(&code.hash(), clock::boot())?),
        None => {
            let row = context.fleet.of_relay(relay);
            let joined = row.filter(|row| row.access == Access::Joined);
            Joiner::Known(joined.ok_or(PairingRefusal::Unknown)?.machine)
        }
    };
    Ok((joiner, shown.clone(), binding))
}

/// The answer of an upgrade, with the proof of our key.
fn switching(
    context: &Context,
    asked: &HeaderMap,
    binding: &ChannelBinding,
) -> Option<axum::response::Response> {
    let key = asked.get(header::SEC_WEBSOCKET_KEY)?;
    let speaks = asked.get(header::SEC_WEBSOCKET_PROTOCOL).is_some_and(|it| it == SUBPROTOCOL);
    if !speaks {
        return None;
    }
    let proof = KeyProof::make(&context.key, Purpose::HubLink, binding).to_text();
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_ACCEPT, derive_accept_key(key.as_bytes()))
        .header(header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL)
        .header(PROOF_HEADER, HeaderValue::from_str(&proof).ok()?)
        .body(Body::empty())
        .ok()
}

async fn welcome(
    context: &Arc<Context>,
    joiner: Joiner,
    connected: quarterdeck_transport::reconnect::Connected,
) {
    let hello = &connected.2;
    let machine = match joiner {
        Joiner::Known(machine) => Ok(machine),
        Joiner::New(label) => match context.fleet.of_relay(hello.relay_id) {
            // it was added another way, or joined before and lost its pairing
            Some(known) => rejoin(context, known).await,
            None => {
                let wanted = label.unwrap_or_else(|| MachineLabel::near(&hello.machine));
                add(context, &wanted, hello.relay_id).await
            }
        },
    };
    match machine {
        Ok(machine) => {
            context.machines.tell(machine, Command::Inbound(Box::new(connected))).await;
        }
        Err(error) => tracing::warn!(%error, "a joining relay was not kept"),
    }
}

async fn add(
    context: &Arc<Context>,
    wanted: &MachineLabel,
    relay: RelayId,
) -> Result<MachineId, quarterdeck_protocol::error::RpcError> {
    let row = MachineRow {
        machine: MachineId::from_bytes(random_bytes()?),
        label: context.fleet.free_label(wanted),
        access: Access::Joined,
        relay_id: Some(relay),
        auto_connect: true,
        relay: None,
        ticket: None,
        last_seen_at: None,
        created_at: clock::wall_micros(),
    };
    let machine = machine::keep(context, row).await?;
    context.record_machine(machine, "joined", None, None);
    Ok(machine)
}

async fn rejoin(
    context: &Arc<Context>,
    known: MachineRow,
) -> Result<MachineId, quarterdeck_protocol::error::RpcError> {
    let machine = known.machine;
    if known.access != Access::Joined {
        let row = MachineRow { access: Access::Joined, ..known };
        let kept = context.store.put_machine(row.clone()).await;
        kept.map_err(|error| crate::api::storage(&error))?;
        context.fleet.edit(machine, |it| *it = row);
        context.machines.tell(machine, Command::Changed).await;
    }
    context.record_machine(machine, "joined", None, None);
    Ok(machine)
}
