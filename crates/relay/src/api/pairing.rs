//! `pairing.*`: who may be a hub of this relay.

use quarterdeck_access::pairings::PairingError;
use quarterdeck_core::invitations::INVITATION_LIFE;
use quarterdeck_crypto::{PairingCode, PairingLine, Pin, pairing::CODE_LETTERS};
use quarterdeck_protocol::{
    error::{ErrorCode, ErrorDetail, RpcError},
    method::{
        Empty, HubInfo, HubNameParams, HubTerms, PairingInviteParams, PairingInviteResult,
        PairingJoinParams, PairingListResult,
    },
};

use super::relay::random_bytes;
use crate::{
    clock,
    connection::Connection,
    hubs::{self, JoinError},
    tokens::SessionLimit,
};

pub(super) fn invite(
    c: &Connection,
    p: PairingInviteParams,
) -> Result<PairingInviteResult, RpcError> {
    check_gift(c, &p.terms)?;
    let no_network = || {
        let message = "this relay listens on no network address with TLS, so no hub can reach it";
        let hint = "start it with --listen ADDR, or have it dial the hub: qd join";
        RpcError::new(ErrorCode::PairingFailed, message).hint(hint)
    };
    let pin: Option<Pin> = c.context.pin.as_deref().and_then(|pin| pin.parse().ok());
    let pin = pin.ok_or_else(no_network)?;
    let address = match p.address {
        Some(address) => address,
        None => own_address(c).ok_or_else(no_network)?,
    };
    let code = PairingCode::from_random(random_bytes::<CODE_LETTERS>()?);
    let line = PairingLine { address, pin, code };
    let text = line.to_text();
    text.parse::<PairingLine>()
        .map_err(|error| RpcError::new(ErrorCode::InvalidParams, error.to_string()))?;
    let mut invitations =
        c.context.invitations.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    invitations.add(line.code.hash(), p.terms, clock::boot());
    Ok(PairingInviteResult {
        line: text.as_str().to_owned(),
        expires_in_s: INVITATION_LIFE.as_secs(),
    })
}

/// `host:port` of the first TLS listener of the native wire.
fn own_address(c: &Connection) -> Option<String> {
    let listening = c.context.listening.iter();
    let address = listening.filter_map(|url| url.strip_prefix("wss://")).next()?;
    let socket: std::net::SocketAddr = address.parse().ok()?;
    if socket.ip().is_unspecified() {
        // every address of the machine: its name leads to one of them
        return Some(format!("{}:{}", c.context.machine, socket.port()));
    }
    Some(address.to_owned())
}

pub(super) async fn join(c: &Connection, p: PairingJoinParams) -> Result<HubInfo, RpcError> {
    check_gift(c, &p.terms)?;
    let line: PairingLine = p
        .line
        .parse()
        .map_err(|error: quarterdeck_crypto::pairing::ParseLineError| refused(error.to_string()))?;
    let paired = hubs::join(&c.context, &line, &p.terms).await.map_err(|error| match error {
        JoinError::Pairing(error) => refuse(&error),
        JoinError::Dial(_) | JoinError::Address(_) => {
            refused(format!("the hub at {} does not take this relay in: {error}", line.address))
                .hint("have the hub make a new line: qd machine invite")
        }
    })?;
    Ok(paired.info(c.context.hubs.links(paired.hub), None))
}

pub(super) fn list(c: &Connection) -> PairingListResult {
    let hubs = &c.context.hubs;
    let all = c.context.pairings.all().into_iter();
    PairingListResult {
        hubs: all.map(|it| it.info(hubs.links(it.hub), hubs.trouble(it.hub))).collect(),
    }
}

pub(super) fn revoke(c: &Connection, p: &HubNameParams) -> Result<Empty, RpcError> {
    hubs::revoke(&c.context, &p.hub, c.caller.principal()).map_err(|error| refuse(&error))?;
    Ok(Empty {})
}

/// Nobody gives what they do not have.
fn check_gift(c: &Connection, terms: &HubTerms) -> Result<(), RpcError> {
    let grant = &c.caller.grant;
    if let Some(needed) = terms.scopes.iter().find(|scope| !grant.scopes.has(*scope)) {
        let message = format!("the caller has no scope \"{needed}\" to give");
        let detail = ErrorDetail::Scope { needed };
        return Err(RpcError::new(ErrorCode::Forbidden, message).with(detail));
    }
    match grant.sessions {
        SessionLimit::All => Ok(()),
        SessionLimit::Only(_) => {
            let message = "the caller is limited to sessions and cannot give more";
            Err(RpcError::new(ErrorCode::Forbidden, message))
        }
    }
}

fn refused(message: String) -> RpcError {
    RpcError::new(ErrorCode::PairingFailed, message)
}

fn refuse(error: &PairingError) -> RpcError {
    let text = error.to_string();
    match error {
        PairingError::File(_)
        | PairingError::NewerVersion { .. }
        | PairingError::Corrupt { .. } => {
            tracing::warn!(%error, "pairing not kept");
            RpcError::new(ErrorCode::Storage, "the relay cannot use its list of hubs")
                .hint("the relay's log says why")
        }
        PairingError::NotFound(_) => {
            RpcError::new(ErrorCode::NotFound, text).hint("see them: qd relay hubs")
        }
        PairingError::Name | PairingError::Exists(_) | PairingError::TooMany => {
            RpcError::new(ErrorCode::InvalidParams, text)
        }
    }
}
