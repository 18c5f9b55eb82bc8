//! `token.*` of the hub itself.

use crate::client::Asker;
use quarterdeck_access::{
    clock,
    journal::{Event, Expiry},
    tokens::TokenError,
};
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    ids::Principal,
    method::{
        Empty, TokenCreateParams, TokenListResult, TokenNameParams, TokenRotateParams, TokenSecret,
    },
};

pub(super) fn create(asker: &Asker, p: &TokenCreateParams) -> Result<TokenSecret, RpcError> {
    if p.dialect.is_some() {
        let message = "a hub's tokens are for this wire";
        return Err(RpcError::new(ErrorCode::InvalidParams, message)
            .hint("make a token on the machine itself: qd --on MACHINE token create"));
    }
    let context = &asker.context;
    let made =
        context.door.tokens.create(p, &asker.grant, clock::wall_seconds()).map_err(refuse)?;
    let by = asker.principal().clone();
    let name = p.principal.as_deref().unwrap_or_else(|| by.name());
    let principal = Principal::new(&context.hub.to_string(), name);
    context.record(&Event::TokenCreated {
        token: (&made.name).into(),
        principal: principal.unwrap_or_else(|_| by.clone()),
        by,
        scopes: p.scopes,
        expiry: Expiry { expires_at: made.expires_at },
    });
    Ok(made)
}

pub(super) fn list(asker: &Asker) -> TokenListResult {
    TokenListResult { tokens: asker.context.door.tokens.list(clock::wall_seconds()) }
}

pub(super) fn rotate(asker: &Asker, p: &TokenRotateParams) -> Result<TokenSecret, RpcError> {
    let context = &asker.context;
    let made =
        context.door.tokens.rotate(p, &asker.grant, clock::wall_seconds()).map_err(refuse)?;
    let by = asker.principal().clone();
    context.record(&Event::TokenRotated { token: (&made.name).into(), by });
    context.credentials_changed();
    Ok(made)
}

pub(super) fn revoke(asker: &Asker, p: &TokenNameParams) -> Result<Empty, RpcError> {
    let context = &asker.context;
    context.door.tokens.revoke(&p.name, clock::wall_seconds()).map_err(refuse)?;
    let by = asker.principal().clone();
    context.record(&Event::TokenRevoked { token: (&p.name).into(), by });
    context.credentials_changed();
    Ok(Empty {})
}

#[expect(clippy::needless_pass_by_value, reason = "the form that map_err wants")]
fn refuse(error: TokenError) -> RpcError {
    tracing::debug!(%error, "token request refused");
    error.to_rpc()
}
