//! `mail.*`.

use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    method::{
        Empty, MailAutorespondParams, MailAutorespondResult, MailBringParams, MailContact,
        MailContactAddParams, MailContactParams, MailContactsResult, MailDecideParams,
        MailFetchParams, MailFetchResult, MailHistoryParams, MailHistoryResult, MailHomeParams,
        MailIdentitiesResult, MailIdentityAddParams, MailIdentityParams, MailIdentityUseParams,
        MailInboxParams, MailInboxResult, MailJob, MailNotifyParams, MailPolicyParams,
        MailPolicyResult, MailReadParams, MailResetParams, MailSendParams, MailSetStatusParams,
        MailStatusParams, MailStatusResult, MailWaitParams, MailWaitResult, MailWhoamiResult,
    },
};

use quarterdeck_access::pairings::PairedHub;
use quarterdeck_protocol::ids::HubId;

use super::find;
use crate::{
    connection::Connection,
    mail::{Ask, Assignee, Who},
    tokens::SessionLimit,
};

/// Who asks: a process inside an agent's session is that session and nothing else. An agent that claimed a
/// label is whose label it is. A person in a terminal of ours is a person.
pub(super) fn who(c: &Connection, identity: Option<String>) -> Result<Who, RpcError> {
    if let SessionLimit::Only(_) = c.caller.grant.sessions {
        let message = "this credential is limited to certain sessions and has no mail";
        return Err(RpcError::new(ErrorCode::Forbidden, message));
    }
    let session = if c.may_be_an_agents() { Some(c.own_agent()?) } else { c.speaks_for() };
    Ok(Who { session, identity, label: None })
}

pub(super) async fn whoami(
    c: &Connection,
    p: MailIdentityParams,
) -> Result<MailWhoamiResult, RpcError> {
    let who = who(c, p.identity)?;
    c.context.mail.ask(|reply| Ask::Whoami(who, reply)).await
}

pub(super) async fn send(c: &Connection, p: MailSendParams) -> Result<MailJob, RpcError> {
    let who = who(c, p.identity.clone())?;
    c.context.mail.ask(|reply| Ask::Send(who, p, reply)).await
}

pub(super) async fn inbox(c: &Connection, p: MailInboxParams) -> Result<MailInboxResult, RpcError> {
    let who = who(c, p.identity.clone())?;
    let label = match p.session.as_deref().filter(|_| who.session.is_none()) {
        Some(word) if c.context.claims.has(word) => word.parse().ok(),
        Some(word) => Some(find(c, word)?.published().label.clone()),
        None => None,
    };
    c.context.mail.ask(|reply| Ask::Inbox(who, p, label, reply)).await
}

pub(super) async fn history(
    c: &Connection,
    p: MailHistoryParams,
) -> Result<MailHistoryResult, RpcError> {
    let who = who(c, p.identity.clone())?;
    c.context.mail.ask(|reply| Ask::History(who, p, reply)).await
}

pub(super) async fn read(c: &Connection, p: MailReadParams) -> Result<Empty, RpcError> {
    let who = who(c, p.identity)?;
    c.context.mail.ask(|reply| Ask::Read(who, p.numbers, reply)).await
}

pub(super) async fn wait(c: &Connection, p: MailWaitParams) -> Result<MailWaitResult, RpcError> {
    let who = who(c, p.identity.clone())?;
    c.context.mail.ask(|reply| Ask::Wait(who, p, reply)).await
}

pub(super) async fn status(
    c: &Connection,
    p: MailStatusParams,
) -> Result<MailStatusResult, RpcError> {
    let who = who(c, p.identity)?;
    c.context.mail.ask(|reply| Ask::Status(who, p.id, reply)).await
}

pub(super) async fn contacts(
    c: &Connection,
    p: MailIdentityParams,
) -> Result<MailContactsResult, RpcError> {
    let who = who(c, p.identity)?;
    c.context.mail.ask(|reply| Ask::Contacts(who, reply)).await
}

pub(super) async fn decide(
    c: &Connection,
    p: MailContactParams,
) -> Result<MailContactsResult, RpcError> {
    who(c, None)?;
    c.context.mail.ask(|reply| Ask::Decide(p, reply)).await
}

pub(super) async fn policy(
    c: &Connection,
    p: MailPolicyParams,
) -> Result<MailPolicyResult, RpcError> {
    let who = who(c, p.identity.clone())?;
    c.context.mail.ask(|reply| Ask::Policy(who, p, reply)).await
}

pub(super) async fn decide_message(c: &Connection, p: MailDecideParams) -> Result<Empty, RpcError> {
    let who = who(c, p.identity.clone())?;
    c.context.mail.ask(|reply| Ask::DecideMessage(who, p, reply)).await
}

pub(super) async fn identities(c: &Connection, _: Empty) -> Result<MailIdentitiesResult, RpcError> {
    who(c, None)?;
    c.context.mail.ask(Ask::Identities).await
}

pub(super) async fn identity_add(
    c: &Connection,
    p: MailIdentityAddParams,
) -> Result<MailIdentitiesResult, RpcError> {
    who(c, None)?;
    c.context.mail.ask(|reply| Ask::IdentityAdd(p.name, reply)).await
}

pub(super) async fn identity_use(
    c: &Connection,
    p: MailIdentityUseParams,
) -> Result<MailIdentitiesResult, RpcError> {
    who(c, None)?;
    let assignee = match (p.project, p.session) {
        (None, None) => Assignee::Others,
        (Some(path), None) => Assignee::Project(path),
        (None, Some(session)) => Assignee::Session(find(c, &session)?.id),
        (Some(_), Some(_)) => {
            let message = "an identity is assigned to a project or to a session";
            return Err(RpcError::new(ErrorCode::InvalidParams, message));
        }
    };
    c.context.mail.ask(|reply| Ask::IdentityUse(p.name, assignee, reply)).await
}

pub(super) async fn home(
    c: &Connection,
    p: MailHomeParams,
) -> Result<MailIdentitiesResult, RpcError> {
    let who = who(c, p.identity)?;
    let is_it = |it: &PairedHub| it.name == p.hub || it.hub.to_string() == p.hub;
    let unknown = || {
        RpcError::new(ErrorCode::NotFound, "no hub of this name is paired")
            .hint("see them: qd relay hubs")
    };
    let paired = c.context.pairings.all().into_iter().find(is_it).map(|it| it.hub);
    // the hub of this machine is not in the list
    let hub = paired.or_else(|| p.hub.parse().ok()).ok_or_else(unknown)?;
    c.context.mail.ask(|reply| Ask::Home(who, hub, reply)).await
}

pub(super) async fn contact_add(
    c: &Connection,
    p: MailContactAddParams,
) -> Result<MailContact, RpcError> {
    let who = who(c, p.identity.clone())?;
    c.context.mail.ask(|reply| Ask::Add(who, p, reply)).await
}

pub(super) async fn reset(
    c: &Connection,
    p: MailResetParams,
) -> Result<MailContactsResult, RpcError> {
    let who = who(c, p.identity)?;
    c.context.mail.ask(|reply| Ask::Reset(who, p.contact, reply)).await
}

pub(super) async fn autorespond(
    c: &Connection,
    p: MailAutorespondParams,
) -> Result<MailAutorespondResult, RpcError> {
    let who = who(c, p.identity)?;
    c.context.mail.ask(|reply| Ask::Autorespond(who, p.on, reply)).await
}

pub(super) async fn set_status(c: &Connection, p: MailSetStatusParams) -> Result<Empty, RpcError> {
    let who = who(c, None)?;
    c.context.mail.ask(|reply| Ask::SetStatus(who, p, reply)).await
}

pub(super) async fn notify(c: &Connection, p: MailNotifyParams) -> Result<Empty, RpcError> {
    let who = who(c, None)?;
    c.context.mail.ask(|reply| Ask::Notify(who, p.session, reply)).await
}

pub(super) async fn fetch(c: &Connection, p: MailFetchParams) -> Result<MailFetchResult, RpcError> {
    let hub = hub(c)?;
    c.context.mail.ask(|reply| Ask::Fetch(hub, p, reply)).await
}

pub(super) async fn bring(c: &Connection, p: MailBringParams) -> Result<Empty, RpcError> {
    let hub = hub(c)?;
    c.context.mail.ask(|reply| Ask::Bring(hub, p, reply)).await
}

fn hub(c: &Connection) -> Result<HubId, RpcError> {
    let nobody = || RpcError::new(ErrorCode::InvalidParams, "only a hub carries mail");
    c.is_hub().ok_or_else(nobody)
}
