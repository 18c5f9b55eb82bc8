//! `hello`, `relay.*`, `audit.list` and `instance.list`.

use std::sync::Arc;

use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    ids::{ClientId, SessionId},
    limits::MAX_TEXT_FIELD_BYTES,
    method::{
        AuditListParams, AuditListResult, Empty, GcParams, GcResult, HelloParams, HelloResult,
        InstanceListResult, RelayStatusResult,
    },
    record::Owner,
    scope::Scope,
};

use crate::{
    catalogue, collector, connection::Connection, context::Context, journal, tokens::SessionLimit,
};

pub(super) fn hello(c: &Connection, p: &HelloParams) -> Result<HelloResult, RpcError> {
    if c.identity().is_some() {
        return Err(RpcError::new(ErrorCode::InvalidRequest, "hello was said already"));
    }
    if p.name.len() > MAX_TEXT_FIELD_BYTES {
        let message = format!("a client's name has at most {MAX_TEXT_FIELD_BYTES} bytes");
        return Err(RpcError::new(ErrorCode::InvalidParams, message));
    }
    let context = &c.context;
    let principal = c.caller.principal().clone();
    let (client_id, ticket) = client_id(context, &principal.to_string(), p.ticket.as_deref())?;
    let name = p.name.chars().filter(|c| !c.is_control()).collect();
    c.handle_hub_claim(p.hub);
    if p.hooks && p.watch {
        c.handle_hooks_claim();
    }
    c.introduce(Owner { client: client_id, principal: principal.clone(), name });
    // what an agent may know of others is nothing
    if p.watch && c.caller.grant.scopes.has(Scope::Read) && !c.may_be_an_agents() {
        c.watch_after_answer();
    }
    Ok(HelloResult {
        relay_id: context.relay_id,
        generation: context.generation,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        instance: context.directory.name().to_string(),
        machine: context.machine.clone(),
        client_id,
        ticket,
        principal,
        scopes: c.caller.grant.scopes,
        hub: None,
        delegate: c.may_delegate(),
        inside: c.caller.inside(),
    })
}

/// The client that a ticket names, or a new one. A ticket that does not fit is not an error: the
/// caller is then simply a new client.
fn client_id(
    context: &Context,
    principal: &str,
    ticket: Option<&str>,
) -> Result<(ClientId, String), RpcError> {
    let known = ticket.and_then(|text| {
        let ticket = quarterdeck_crypto::ClientTicket::parse(text).ok()?;
        context.ticket_key.verify(&ticket, principal)
    });
    let bytes = match known {
        Some(bytes) => bytes,
        None => random_bytes()?,
    };
    let ticket = context.ticket_key.issue(bytes, principal);
    Ok((ClientId::from_bytes(bytes), ticket.to_text().to_string()))
}

/// Random bytes of the system.
pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N], RpcError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        tracing::error!(%error, "no random bytes");
        RpcError::new(ErrorCode::Internal, "the system gives no random bytes")
    })?;
    Ok(bytes)
}

/// A new session's id.
pub(crate) fn random_session_id() -> Result<SessionId, RpcError> {
    random_bytes().map(SessionId::from_bytes)
}

/// What runs here.
pub(crate) fn status(context: &Context) -> RelayStatusResult {
    let sessions = context.registry.all();
    let live = sessions.iter().filter(|session| session.published().state.is_live()).count();
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    RelayStatusResult {
        relay_id: context.relay_id,
        generation: context.generation,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        instance: context.directory.name().to_string(),
        machine: context.machine.clone(),
        pid: std::process::id(),
        started_at: context.started_at,
        listening: context.listening.clone(),
        pin: context.pin.clone(),
        live: count(live),
        ended: count(sessions.len() - live),
        clients: count(usize::try_from(context.metrics.connections.value()).unwrap_or(0)),
        log_bytes: collector::log_bytes(context),
    }
}

pub(super) fn shutdown(c: &Connection) -> Empty {
    tracing::info!(by = %c.caller.principal(), "asked to stop");
    c.shut_down_after_answer();
    Empty {}
}

pub(super) async fn gc(c: &Connection, p: GcParams) -> Result<GcResult, RpcError> {
    Ok(collector::collect(&c.context, &p, Some(c.caller.principal())).await)
}

/// The journal, for who reaches all that it speaks of.
pub(super) async fn audit(c: &Connection, p: AuditListParams) -> Result<AuditListResult, RpcError> {
    if c.caller.grant.sessions != SessionLimit::All {
        let message = "this credential is for some sessions only; the journal is of all";
        return Err(RpcError::new(ErrorCode::Forbidden, message));
    }
    let context = Arc::clone(&c.context);
    let read = tokio::task::spawn_blocking(move || journal::answer(&context.door.journal, &p));
    read.await.map_err(|_| RpcError::new(ErrorCode::Internal, "reading the journal failed"))?
}

pub(super) async fn instances(c: &Connection) -> Result<InstanceListResult, RpcError> {
    let base = c.context.directory.base().to_owned();
    let announcements = c.context.announcements.clone();
    let listed =
        tokio::task::spawn_blocking(move || catalogue::list(&base, announcements.as_deref()));
    let instances = listed
        .await
        .map_err(|_| RpcError::new(ErrorCode::Internal, "looking for the instances failed"))?;
    let own = Some(c.context.directory.path().display().to_string());
    Ok(InstanceListResult { instances, own })
}
