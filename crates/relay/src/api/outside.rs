//! `mail.claim`, `mail.leave`, `mail.next`.

use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    method::{
        Empty, MailClaimParams, MailClaimResult, MailNextParams, MailNextResult, SpeakerKind,
    },
};

use super::mail::who;
use crate::{
    caller::Via,
    connection::{Connection, Speaker},
    mail::{self, Ask},
};

/// Who runs inside a session of ours is that session, by ancestry and not by a claim. Everybody else gets a
/// label, for as long as the connection lives.
pub(super) async fn claim(c: &Connection, p: MailClaimParams) -> Result<MailClaimResult, RpcError> {
    who(c, None)?;
    let session = c.caller.inside().and_then(|id| c.context.registry.session(id));
    if let Some(session) = session.filter(|session| session.published().state.is_live()) {
        let kind = if c.may_be_an_agents() { SpeakerKind::Agent } else { SpeakerKind::Terminal };
        c.speak_for(Speaker::Session(session.id));
        let label = session.published().label.clone();
        return Ok(MailClaimResult { label, kind, secret: None });
    }
    if !matches!(c.caller.via, Via::Local { .. } | Via::Network) {
        let message = "an agent gets its label at its relay, not through a hub";
        return Err(RpcError::new(ErrorCode::InvalidParams, message));
    }
    if c.speaks_for().is_some() {
        let message = "the agent on this connection has a label already";
        return Err(RpcError::new(ErrorCode::InvalidParams, message));
    }
    let mail::Claimed { hold, label, secret } = mail::claim(&c.context, p).await?;
    c.speak_for(Speaker::Outside(hold));
    let secret = Some(secret);
    Ok(MailClaimResult { label, kind: SpeakerKind::Outside, secret })
}

pub(super) async fn leave(c: &Connection, _: Empty) -> Result<Empty, RpcError> {
    who(c, None)?;
    if let Some(Speaker::Outside(hold)) = c.speak_for_nobody() {
        mail::leave(&c.context, hold).await?;
    }
    Ok(Empty {})
}

pub(super) async fn next(c: &Connection, p: MailNextParams) -> Result<MailNextResult, RpcError> {
    let who = who(c, None)?;
    c.context.mail.ask(|reply| Ask::Next(who, p, reply)).await
}
