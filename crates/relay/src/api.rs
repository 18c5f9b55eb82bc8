//! The methods of the wire: one function each, in the file of its family.

pub(crate) mod agent;
mod hook;
mod lease;
mod mail;
mod outside;
mod pairing;
mod place;
mod relay;
pub(crate) mod session;
mod token;

use std::sync::Arc;

use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    method::{self as m, MethodName},
    record::Owner,
    rpc::RequestId,
};
use serde_json::value::RawValue;

use crate::{
    connection::{
        Connection,
        requests::{Answer, typed},
    },
    remote,
    session::{LeaseCaller, SessionHandle},
    tunnel,
};

pub(crate) use agent::allow;
pub(crate) use relay::{random_session_id, status};

/// Runs a method. The caller has said hello (or says it now) and has the method's scope.
#[expect(clippy::too_many_lines, reason = "a flat dispatch: one arm per method")]
pub(crate) async fn call(
    c: &Arc<Connection>,
    method: MethodName,
    id: &RequestId,
    params: Option<&RawValue>,
) -> Result<Answer, RpcError> {
    use MethodName as N;
    match method {
        N::Hello => typed::<m::Hello>(id, params, async |p| relay::hello(c, &p)).await,
        N::SessionList => typed::<m::SessionList>(id, params, async |_| Ok(session::list(c))).await,
        N::SessionCreate => {
            typed::<m::SessionCreate>(id, params, async |p| session::create(c, p).await).await
        }
        N::SessionAttach => session::attach(c, id, params).await,
        N::SessionDetach => {
            typed::<m::SessionDetach>(id, params, async |p| session::detach(c, p).await).await
        }
        N::SessionInput => {
            typed::<m::SessionInput>(id, params, async |p| session::input(c, p).await).await
        }
        N::SessionResize => {
            typed::<m::SessionResize>(id, params, async |p| session::resize(c, p).await).await
        }
        N::SessionSignal => {
            typed::<m::SessionSignal>(id, params, async |p| session::signal(c, p).await).await
        }
        N::SessionStop => {
            typed::<m::SessionStop>(id, params, async |p| session::stop(c, p).await).await
        }
        N::SessionRemove => {
            typed::<m::SessionRemove>(id, params, async |p| session::remove(c, &p).await).await
        }
        N::SessionRename => {
            typed::<m::SessionRename>(id, params, async |p| session::rename(c, p).await).await
        }
        N::SessionResume => {
            typed::<m::SessionResume>(id, params, async |p| session::resume(c, p).await).await
        }
        N::SessionScrollback => {
            typed::<m::SessionScrollback>(id, params, async |p| session::scrollback(c, p).await)
                .await
        }
        N::SessionLog => {
            typed::<m::SessionLog>(id, params, async |p| session::log(c, p).await).await
        }
        N::SessionGit => {
            typed::<m::SessionGit>(id, params, async |p| session::git(c, &p).await).await
        }
        N::SessionUpload => {
            typed::<m::SessionUpload>(id, params, async |p| place::upload(c, p).await).await
        }
        N::AgentView => typed::<m::AgentView>(id, params, async |p| agent::view(c, &p).await).await,
        N::AgentPrompt => {
            typed::<m::AgentPrompt>(id, params, async |p| agent::prompt(c, p).await).await
        }
        N::AgentInterrupt => {
            typed::<m::AgentInterrupt>(id, params, async |p| agent::interrupt(c, p).await).await
        }
        N::AgentSetMode => {
            typed::<m::AgentSetMode>(id, params, async |p| agent::set_mode(c, p).await).await
        }
        N::AgentSetModel => {
            typed::<m::AgentSetModel>(id, params, async |p| agent::set_model(c, p).await).await
        }
        N::AgentWithdraw => {
            typed::<m::AgentWithdraw>(id, params, async |p| agent::withdraw(c, p).await).await
        }
        N::PromptList => {
            typed::<m::PromptList>(id, params, async |p| agent::prompts(c, p).await).await
        }
        N::PromptAnswerMethod => {
            typed::<m::PromptAnswerMethod>(id, params, async |p| agent::answer(c, p).await).await
        }
        N::RemotePreflight => {
            typed::<m::RemotePreflight>(id, params, async |p| {
                remote::preflight(&c.context, &c.caller, p).await
            })
            .await
        }
        N::LeaseRequest => {
            typed::<m::LeaseRequest>(id, params, async |p| lease::request(c, &p).await).await
        }
        N::LeaseOffer => {
            typed::<m::LeaseOffer>(id, params, async |p| lease::offer(c, &p).await).await
        }
        N::LeaseRelease => {
            typed::<m::LeaseRelease>(id, params, async |p| lease::release(c, &p).await).await
        }
        N::LeaseTake => typed::<m::LeaseTake>(id, params, async |p| lease::take(c, p).await).await,
        N::MailWhoami => {
            typed::<m::MailWhoami>(id, params, async |p| mail::whoami(c, p).await).await
        }
        N::MailSend => typed::<m::MailSend>(id, params, async |p| mail::send(c, p).await).await,
        N::MailInbox => typed::<m::MailInbox>(id, params, async |p| mail::inbox(c, p).await).await,
        N::MailHistory => {
            typed::<m::MailHistory>(id, params, async |p| mail::history(c, p).await).await
        }
        N::MailRead => typed::<m::MailRead>(id, params, async |p| mail::read(c, p).await).await,
        N::MailWait => typed::<m::MailWait>(id, params, async |p| mail::wait(c, p).await).await,
        N::MailStatus => {
            typed::<m::MailStatus>(id, params, async |p| mail::status(c, p).await).await
        }
        N::MailContacts => {
            typed::<m::MailContacts>(id, params, async |p| mail::contacts(c, p).await).await
        }
        N::MailContactDecide => {
            typed::<m::MailContactDecide>(id, params, async |p| mail::decide(c, p).await).await
        }
        N::MailPolicy => {
            typed::<m::MailPolicy>(id, params, async |p| mail::policy(c, p).await).await
        }
        N::MailDecide => {
            typed::<m::MailDecide>(id, params, async |p| mail::decide_message(c, p).await).await
        }
        N::MailContactAdd => {
            typed::<m::MailContactAdd>(id, params, async |p| mail::contact_add(c, p).await).await
        }
        N::MailReset => typed::<m::MailReset>(id, params, async |p| mail::reset(c, p).await).await,
        N::MailAutorespond => {
            typed::<m::MailAutorespond>(id, params, async |p| mail::autorespond(c, p).await).await
        }
        N::MailSetStatus => {
            typed::<m::MailSetStatus>(id, params, async |p| mail::set_status(c, p).await).await
        }
        N::MailNotify => {
            typed::<m::MailNotify>(id, params, async |p| mail::notify(c, p).await).await
        }
        N::MailClaim => {
            typed::<m::MailClaim>(id, params, async |p| outside::claim(c, p).await).await
        }
        N::MailLeave => {
            typed::<m::MailLeave>(id, params, async |p| outside::leave(c, p).await).await
        }
        N::MailNext => typed::<m::MailNext>(id, params, async |p| outside::next(c, p).await).await,
        N::MailFetch => typed::<m::MailFetch>(id, params, async |p| mail::fetch(c, p).await).await,
        N::MailBring => typed::<m::MailBring>(id, params, async |p| mail::bring(c, p).await).await,
        N::MailIdentities => {
            typed::<m::MailIdentities>(id, params, async |p| mail::identities(c, p).await).await
        }
        N::MailIdentityAdd => {
            typed::<m::MailIdentityAdd>(id, params, async |p| mail::identity_add(c, p).await).await
        }
        N::MailHome => typed::<m::MailHome>(id, params, async |p| mail::home(c, p).await).await,
        N::MailIdentityUse => {
            typed::<m::MailIdentityUse>(id, params, async |p| mail::identity_use(c, p).await).await
        }
        N::TokenCreate => typed::<m::TokenCreate>(id, params, async |p| token::create(c, &p)).await,
        N::TokenList => typed::<m::TokenList>(id, params, async |_| token::list(c)).await,
        N::TokenRotate => typed::<m::TokenRotate>(id, params, async |p| token::rotate(c, &p)).await,
        N::TokenRevoke => typed::<m::TokenRevoke>(id, params, async |p| token::revoke(c, &p)).await,
        N::AuditList => typed::<m::AuditList>(id, params, async |p| relay::audit(c, p).await).await,
        N::RelayStatus => {
            typed::<m::RelayStatus>(id, params, async |_| Ok(status(&c.context))).await
        }
        N::RelayDirectories => {
            typed::<m::RelayDirectories>(id, params, async |p| place::directories(c, p).await).await
        }
        N::RelayShutdown => {
            typed::<m::RelayShutdown>(id, params, async |_| Ok(relay::shutdown(c))).await
        }
        N::RelayGc => typed::<m::RelayGc>(id, params, async |p| relay::gc(c, p).await).await,
        N::InstanceList => {
            typed::<m::InstanceList>(id, params, async |_| relay::instances(c).await).await
        }
        N::PairingInvite => {
            typed::<m::PairingInvite>(id, params, async |p| pairing::invite(c, p)).await
        }
        N::PairingJoin => {
            typed::<m::PairingJoin>(id, params, async |p| pairing::join(c, p).await).await
        }
        N::PairingList => typed::<m::PairingList>(id, params, async |_| Ok(pairing::list(c))).await,
        N::PairingRevoke => {
            typed::<m::PairingRevoke>(id, params, async |p| pairing::revoke(c, &p)).await
        }
        N::HttpOpen => typed::<m::HttpOpen>(id, params, async |_| tunnel::open(c)).await,
        N::HookList => typed::<m::HookList>(id, params, async |_| Ok(hook::list(c))).await,
        N::HookTest => typed::<m::HookTest>(id, params, async |p| hook::test(c, p).await).await,
        N::HookTold => typed::<m::HookTold>(id, params, async |p| hook::told(c, &p)).await,
        N::MachineList
        | N::MachineAdd
        | N::MachineRemove
        | N::MachineRename
        | N::MachineUpdate
        | N::MachineConnect
        | N::MachineDisconnect
        | N::MachineInvite
        | N::DeviceInvite
        | N::DeviceList
        | N::DeviceRevoke
        | N::HubStatus
        | N::HubShutdown
        | N::InstanceCreate
        | N::InstanceOpen => {
            let message = format!("{} is asked of a hub; this is a relay", method.word());
            Err(RpcError::new(ErrorCode::MethodNotFound, message).hint("start a hub: qd up"))
        }
    }
}

/// The session that a word names, if the caller may know of it.
pub(crate) fn find(c: &Connection, word: &str) -> Result<Arc<SessionHandle>, RpcError> {
    c.context.registry.resolve(word, |session| c.caller.sees(session))
}

/// The caller's name card.
fn identity(c: &Connection) -> Result<Owner, RpcError> {
    let missing = || RpcError::new(ErrorCode::HelloRequired, "say hello first");
    c.identity().ok_or_else(missing)
}

pub(crate) fn lease_caller(c: &Connection) -> Result<LeaseCaller, RpcError> {
    Ok(LeaseCaller { client: identity(c)?, standing: c.caller.standing() })
}
