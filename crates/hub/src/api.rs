//! The methods: what the hub answers itself, and what it passes on.

mod device;
mod hook;
mod hub;
mod instance;
mod machine;
mod prompts;
mod token;

use std::sync::Arc;

use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    method::{self as m, Method, MethodName},
    rpc::{self, RequestId},
};
use serde_json::value::RawValue;

pub(crate) use machine::storage;

use crate::{client::Asker, json::Members, machine::Command, request};

/// Runs a method. The caller has said hello (or says it now) and has the method's scope.
#[expect(clippy::too_many_lines, reason = "a flat dispatch: one arm per method")]
pub(crate) async fn call(
    asker: &Arc<Asker>,
    method: MethodName,
    id: &RequestId,
    params: Option<&RawValue>,
) -> Result<(), RpcError> {
    use MethodName as N;
    let members = Members::parse(params)?;
    let named = members.text("machine");
    let own = named.is_none() && asker.bound().is_none();
    require_unlimited(asker, method)?;
    match method {
        N::Hello => hub::hello(asker, id, params),
        N::SessionList => {
            let run = async |_| hub::sessions(asker, named.as_deref());
            answer::<m::SessionList>(asker, id, params, run).await
        }
        N::SessionDetach => {
            answer::<m::SessionDetach>(asker, id, params, async |p| hub::detach(asker, p)).await
        }
        N::PromptList if own && members.raw("session").is_none() => {
            answer::<m::PromptList>(asker, id, params, async |_| Ok(prompts::list(asker).await))
                .await
        }
        N::TokenCreate if own => {
            answer::<m::TokenCreate>(asker, id, params, async |p| token::create(asker, &p)).await
        }
        N::TokenList if own => {
            answer::<m::TokenList>(asker, id, params, async |_| Ok(token::list(asker))).await
        }
        N::TokenRotate if own => {
            answer::<m::TokenRotate>(asker, id, params, async |p| token::rotate(asker, &p)).await
        }
        N::TokenRevoke if own => {
            answer::<m::TokenRevoke>(asker, id, params, async |p| token::revoke(asker, &p)).await
        }
        N::DeviceInvite => {
            answer::<m::DeviceInvite>(asker, id, params, async |p| device::invite(asker, p)).await
        }
        N::DeviceList => {
            answer::<m::DeviceList>(asker, id, params, async |_| Ok(device::list(asker))).await
        }
        N::DeviceRevoke => {
            answer::<m::DeviceRevoke>(asker, id, params, async |p| device::revoke(asker, &p).await)
                .await
        }
        N::AuditList if own => {
            answer::<m::AuditList>(asker, id, params, async |p| hub::audit(asker, p).await).await
        }
        N::HookList if own => {
            answer::<m::HookList>(asker, id, params, async |_| Ok(hook::list(asker))).await
        }
        N::HookTest if own => {
            answer::<m::HookTest>(asker, id, params, async |p| hook::test(asker, p).await).await
        }
        N::InstanceList if own => {
            answer::<m::InstanceList>(asker, id, params, async |_| instance::list(asker).await)
                .await
        }
        N::InstanceCreate => {
            answer::<m::InstanceCreate>(asker, id, params, async |p| {
                instance::create(asker, &p).await
            })
            .await
        }
        N::InstanceOpen => {
            answer::<m::InstanceOpen>(asker, id, params, async |p| instance::open(asker, p).await)
                .await
        }
        N::MachineList => {
            answer::<m::MachineList>(asker, id, params, async |_| Ok(machine::list(asker))).await
        }
        N::MachineAdd => {
            answer::<m::MachineAdd>(asker, id, params, async |p| machine::add(asker, p).await).await
        }
        N::MachineRemove => {
            answer::<m::MachineRemove>(asker, id, params, async |p| {
                machine::remove(asker, &p).await
            })
            .await
        }
        N::MachineRename => {
            answer::<m::MachineRename>(asker, id, params, async |p| machine::rename(asker, p).await)
                .await
        }
        N::MachineUpdate => {
            answer::<m::MachineUpdate>(asker, id, params, async |p| machine::update(asker, p).await)
                .await
        }
        N::MachineConnect => {
            answer::<m::MachineConnect>(asker, id, params, async |p| {
                machine::steer(asker, &p, Command::Connect).await
            })
            .await
        }
        N::MachineDisconnect => {
            answer::<m::MachineDisconnect>(asker, id, params, async |p| {
                machine::steer(asker, &p, Command::Disconnect).await
            })
            .await
        }
        N::MachineInvite => {
            answer::<m::MachineInvite>(asker, id, params, async |p| machine::invite(asker, p)).await
        }
        N::HubStatus => {
            let status = asker.context.status();
            answer::<m::HubStatus>(asker, id, params, async |_| Ok(status)).await
        }
        N::HubShutdown => {
            answer::<m::HubShutdown>(asker, id, params, async |_| Ok(hub::shutdown(asker))).await
        }
        N::MailFetch | N::MailBring => {
            let message = "a hub carries mail by itself";
            Err(RpcError::new(ErrorCode::InvalidParams, message))
        }
        N::MailClaim | N::MailLeave | N::MailNext => {
            let message = "an agent gets its label at its relay, not through a hub";
            Err(RpcError::new(ErrorCode::InvalidParams, message))
        }
        N::SessionCreate
        | N::SessionAttach
        | N::SessionInput
        | N::SessionResize
        | N::SessionSignal
        | N::SessionStop
        | N::SessionRemove
        | N::SessionRename
        | N::SessionResume
        | N::SessionScrollback
        | N::SessionLog
        | N::SessionGit
        | N::SessionUpload
        | N::AgentView
        | N::AgentPrompt
        | N::AgentInterrupt
        | N::AgentSetMode
        | N::AgentSetModel
        | N::AgentWithdraw
        | N::PromptList
        | N::RemotePreflight
        | N::PromptAnswerMethod
        | N::LeaseRequest
        | N::LeaseOffer
        | N::LeaseRelease
        | N::LeaseTake
        | N::MailWhoami
        | N::MailSend
        | N::MailInbox
        | N::MailHistory
        | N::MailRead
        | N::MailWait
        | N::MailStatus
        | N::MailContacts
        | N::MailContactDecide
        | N::MailPolicy
        | N::MailDecide
        | N::MailContactAdd
        | N::MailReset
        | N::MailAutorespond
        | N::MailSetStatus
        | N::MailNotify
        | N::MailHome
        | N::MailIdentities
        | N::MailIdentityAdd
        | N::MailIdentityUse
        | N::TokenCreate
        | N::TokenList
        | N::TokenRotate
        | N::TokenRevoke
        | N::AuditList
        | N::RelayStatus
        | N::RelayDirectories
        | N::RelayShutdown
        | N::RelayGc
        | N::InstanceList
        | N::HttpOpen
        | N::HookList
        | N::HookTest
        | N::HookTold
        | N::PairingInvite
        | N::PairingJoin
        | N::PairingList
        | N::PairingRevoke => request::forward(asker, method, id, members).await,
    }
}

/// Who is limited to sessions starts no others, and does nothing to machines.
fn require_unlimited(asker: &Asker, method: MethodName) -> Result<(), RpcError> {
    use MethodName as N;
    let of_machines = matches!(
        method,
        N::MachineAdd
            | N::MachineRemove
            | N::MachineRename
            | N::MachineConnect
            | N::MachineDisconnect
            | N::MachineInvite
    );
    let of_instances = matches!(method, N::InstanceCreate | N::InstanceOpen);
    if !asker.is_limited() || !(of_machines || of_instances || method == N::SessionCreate) {
        return Ok(());
    }
    let message = if of_instances {
        "this credential is limited to certain sessions and opens no other instance"
    } else if of_machines {
        "this credential is limited to certain sessions and cannot change machines"
    } else {
        "this credential is limited to certain sessions and cannot start others"
    };
    Err(RpcError::new(ErrorCode::Forbidden, message))
}

/// Parses a method's parameters, runs it, and gives the answer.
async fn answer<M: Method>(
    asker: &Asker,
    id: &RequestId,
    params: Option<&RawValue>,
    run: impl AsyncFnOnce(M::Params) -> Result<M::Result, RpcError>,
) -> Result<(), RpcError> {
    let result = run(rpc::parse_params(params)?).await?;
    let raw = serde_json::value::to_raw_value(&result).map_err(|error| {
        tracing::error!(%error, method = M::NAME, "result does not serialise");
        RpcError::new(ErrorCode::Internal, "the result could not be sent")
    })?;
    asker.answer(id, &raw);
    Ok(())
}
