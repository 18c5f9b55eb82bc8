//! `hello`, and what the hub knows without asking.

use std::sync::Arc;

use quarterdeck_access::journal;
use quarterdeck_crypto::ClientTicket;
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    ids::{ClientId, RelayId},
    limits::MAX_TEXT_FIELD_BYTES,
    method::{
        Acting, AuditListParams, AuditListResult, ChannelParams, Empty, HelloParams, HelloResult,
        MethodName, SessionListResult,
    },
    rpc::{self, RequestId},
    scope::Scope,
};
use serde_json::value::RawValue;

use crate::{client::Asker, context::random_bytes};

/// Answered before the view is sent, so it does both itself.
pub(super) fn hello(
    asker: &Arc<Asker>,
    id: &RequestId,
    params: Option<&RawValue>,
) -> Result<(), RpcError> {
    let p: HelloParams = rpc::parse_params(params)?;
    if p.name.len() > MAX_TEXT_FIELD_BYTES {
        let message = format!("a client's name has at most {MAX_TEXT_FIELD_BYTES} bytes");
        return Err(RpcError::new(ErrorCode::InvalidParams, message));
    }
    let context = &asker.context;
    if let Some(name) = &p.machine {
        let machine = context.fleet.resolve_machine(name)?;
        asker.bind(context.fleet.link(machine)?);
    }
    let principal = asker.principal().clone();
    let (client_id, ticket) = client(asker, p.ticket.as_deref())?;
    let scopes = asker.grant.scopes;
    let name = p.name.chars().filter(|c| !c.is_control()).collect();
    let sessions = asker.grant.sessions.to_list().unwrap_or_default();
    asker.introduce(Acting { principal: principal.clone(), client_id, name, scopes, sessions })?;
    let result = HelloResult {
        relay_id: RelayId::from_bytes(*context.hub.as_bytes()),
        generation: context.generation(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        instance: context.directory().name().to_string(),
        machine: context.machine.clone(),
        client_id,
        ticket,
        principal: asker.known_as(),
        scopes,
        hub: Some(context.hub),
        delegate: false,
        inside: None,
    };
    let raw = serde_json::value::to_raw_value(&result)
        .map_err(|_| RpcError::new(ErrorCode::Internal, MethodName::Hello.word()))?;
    asker.answer(id, &raw);
    if p.watch && scopes.has(Scope::Read) {
        asker.watch();
    }
    Ok(())
}

/// The client that a ticket names, or a new one. A ticket that does not fit is not an error: the caller is
/// then simply a new client.
fn client(asker: &Asker, ticket: Option<&str>) -> Result<(ClientId, String), RpcError> {
    let context = &asker.context;
    let principal = asker.principal().to_string();
    let known = ticket.and_then(|text| {
        let ticket = ClientTicket::parse(text).ok()?;
        context.ticket_key.verify(&ticket, &principal)
    });
    let client = known.map(ClientId::from_bytes).filter(|client| context.hub.issued(client));
    let client = match client {
        Some(client) => client,
        None => context.hub.client(random_bytes()?),
    };
    let ticket = context.ticket_key.issue(*client.as_bytes(), &principal);
    Ok((client, ticket.to_text().to_string()))
}

/// Last known ones too: a machine that cannot be reached still has its sessions.
pub(super) fn sessions(
    asker: &Asker,
    machine: Option<&str>,
) -> Result<SessionListResult, RpcError> {
    let fleet = &asker.context.fleet;
    let named = machine.map(|name| fleet.resolve_machine(name)).transpose()?;
    let mut sessions = fleet.sessions(named.or_else(|| asker.bound()));
    sessions.retain(|info| asker.sees(info.session));
    Ok(SessionListResult { sessions })
}

pub(super) fn detach(asker: &Arc<Asker>, p: ChannelParams) -> Result<Empty, RpcError> {
    let (link, theirs) = asker.take_channel(p.channel)?;
    link.end_theirs(asker, theirs);
    Ok(Empty {})
}

/// The hub's own journal.
pub(super) async fn audit(asker: &Asker, p: AuditListParams) -> Result<AuditListResult, RpcError> {
    let context = Arc::clone(&asker.context);
    let read = tokio::task::spawn_blocking(move || journal::answer(&context.door.journal, &p));
    read.await.map_err(|_| RpcError::new(ErrorCode::Internal, "reading the journal failed"))?
}

pub(super) fn shutdown(asker: &Asker) -> Empty {
    tracing::info!(by = %asker.principal(), "asked to stop");
    asker.context.shutdown.cancel();
    Empty {}
}
