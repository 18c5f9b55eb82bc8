//! `token.*`.

use quarterdeck_protocol::{
    error::RpcError,
    method::{
        Empty, TokenCreateParams, TokenListResult, TokenNameParams, TokenRotateParams, TokenSecret,
    },
};

use crate::{
    clock,
    connection::Connection,
    journal::{Event, Expiry},
    tokens::TokenError,
};

pub(super) fn create(c: &Connection, p: &TokenCreateParams) -> Result<TokenSecret, RpcError> {
    let grant = &c.caller.grant;
    let made = c.context.door.tokens.create(p, grant, clock::wall_seconds()).map_err(refuse)?;
    let by = grant.principal.clone();
    let name = p.principal.as_deref().unwrap_or_else(|| by.name());
    let principal = quarterdeck_protocol::ids::Principal::new(by.issuer(), name);
    c.context.record(&Event::TokenCreated {
        token: (&made.name).into(),
        principal: principal.unwrap_or_else(|_| by.clone()),
        by,
        scopes: p.scopes,
        expiry: Expiry { expires_at: made.expires_at },
    });
    Ok(made)
}

pub(super) fn list(c: &Connection) -> Result<TokenListResult, RpcError> {
    Ok(TokenListResult { tokens: c.context.door.tokens.list(clock::wall_seconds()) })
}

pub(super) fn rotate(c: &Connection, p: &TokenRotateParams) -> Result<TokenSecret, RpcError> {
    let grant = &c.caller.grant;
    let made = c.context.door.tokens.rotate(p, grant, clock::wall_seconds()).map_err(refuse)?;
    let by = grant.principal.clone();
    c.context.record(&Event::TokenRotated { token: (&made.name).into(), by });
    c.context.credentials_changed();
    Ok(made)
}

pub(super) fn revoke(c: &Connection, p: &TokenNameParams) -> Result<Empty, RpcError> {
    c.context.door.tokens.revoke(&p.name, clock::wall_seconds()).map_err(refuse)?;
    let by = c.caller.principal().clone();
    c.context.record(&Event::TokenRevoked { token: (&p.name).into(), by });
    c.context.credentials_changed();
    Ok(Empty {})
}

#[expect(clippy::needless_pass_by_value, reason = "the form that map_err wants")]
fn refuse(error: TokenError) -> RpcError {
    tracing::debug!(%error, "token request refused");
    error.to_rpc()
}
