//! Attaching, leases, and who may do what to a session.

use std::sync::Arc;

use quarterdeck_core::lease::{LeaseRefusal, Standing};
use quarterdeck_protocol::{
    error::{ErrorCode, ErrorDetail, RpcError},
    holder::op,
    ids::{Channel, ClientId},
    method::{LeaseResult, Role},
    record::Owner,
    scope::Scope,
};

use super::{
    AttachCommand, Attached, LeaseCaller, LeaseChange, Reply,
    actor::{Attachment, Session},
    driving::{HolderState, Then, answer, ended},
};
use crate::{clock, connection::outbox::Outbox, journal::Event};

impl Session {
    pub(super) fn handle_attach(&mut self, attach: AttachCommand) {
        let AttachCommand { caller, role, channel, outbox, ssh_auth_sock, reply } = attach;
        let client = caller.client.client;
        let outcome = match self.holder {
            HolderState::Ended => Ok(Role::Follower),
            HolderState::Linked(_) | HolderState::Retry(_) | HolderState::Connecting(_) => {
                self.lease.handle_attach(&caller.client, role, caller.standing, None)
            }
        };
        let role = match outcome {
            Ok(role) => role,
            Err(refusal) => return answer(reply, Err(refusal.into_rpc())),
        };
        if role == Role::Owner {
            self.answerer.handle_arriving();
        }
        self.attachments.push(Attachment { client, channel, outbox: Arc::clone(&outbox) });
        self.tail.subscribe(channel, outbox);
        if role == Role::Owner
            && let Some(socket) = ssh_auth_sock
        {
            self.point_agent_socket(&socket);
        }
        let attached = Attached { role, input_applied: self.last_input(client) };
        self.record_lease_changes(Then::Attached(reply, attached));
        self.publish();
    }

    fn point_agent_socket(&self, socket: &std::path::Path) {
        if let Err(error) = crate::ssh_agent::point(&self.handle.directory, socket) {
            tracing::debug!(session = %self.handle.id, %error, "agent socket not re-pointed");
        }
    }

    pub(super) fn handle_detach(
        &mut self,
        client: ClientId,
        channel: Channel,
        outbox: &Arc<Outbox>,
    ) {
        self.tail.unsubscribe(channel, outbox);
        self.attachments.retain(|a| a.channel != channel || !Arc::ptr_eq(&a.outbox, outbox));
        if !self.attachments.iter().any(|a| a.client == client) {
            self.lease.handle_link_lost(client, clock::boot());
            self.record_lease_changes(Then::Ignore);
        }
        self.publish();
    }

    pub(super) fn handle_lease(
        &mut self,
        caller: &LeaseCaller,
        change: LeaseChange,
        reply: Reply<LeaseResult>,
    ) {
        if matches!(self.holder, HolderState::Ended) {
            return answer(reply, Err(ended()));
        }
        let LeaseCaller { client, standing } = caller;
        let former = self.lease.owner().cloned();
        let reason = match &change {
            LeaseChange::Take { reason } => reason.clone(),
            LeaseChange::Request | LeaseChange::Offer { .. } | LeaseChange::Release => None,
        };
        let outcome = match change {
            LeaseChange::Request => self.lease.handle_request(client, *standing),
            LeaseChange::Offer { to } => {
                self.lease.handle_offer(client.client, to).map(|()| Role::Follower)
            }
            LeaseChange::Release => {
                self.lease.handle_release(client.client).map(|()| Role::Follower)
            }
            LeaseChange::Take { reason } => {
                let taken = self.lease.handle_take(client, *standing, reason.as_deref());
                taken.map(|()| Role::Owner)
            }
        };
        match outcome {
            Ok(role) => {
                if let (Some(former), Some(reason)) = (former, reason) {
                    self.journal_take(client, &former, &reason);
                }
                let result = LeaseResult { lease: self.lease.view(), role };
                self.record_lease_changes(Then::Lease(reply, result));
                self.publish();
            }
            Err(refusal) => answer(reply, Err(refusal.into_rpc())),
        }
    }

    fn journal_take(&self, by: &Owner, from: &Owner, reason: &str) {
        if by.principal != from.principal {
            self.context.record(&Event::LeaseTaken {
                session: self.handle.id,
                by: by.principal.clone(),
                from: from.principal.clone(),
                reason: reason.into(),
            });
        }
    }

    /// Sends each change of the lease to the holder; `then` follows the last one, or follows at once
    /// when nothing changed.
    pub(super) fn record_lease_changes(&mut self, then: Then) {
        self.settle_answerer();
        match self.holder {
            HolderState::Linked(_) => {}
            HolderState::Ended => return then.succeed(),
            // they are recorded when the holder is back
            HolderState::Retry(_) | HolderState::Connecting(_) if self.lease.has_changes() => {
                return then.fail(&self.not_linked());
            }
            HolderState::Retry(_) | HolderState::Connecting(_) => return then.succeed(),
        }
        let changes: Vec<_> = std::iter::from_fn(|| self.lease.poll_change()).collect();
        let Some((last, earlier)) = changes.split_last() else { return then.succeed() };
        for change in earlier {
            self.ask_holder(op::LEASE, change, Then::Ignore);
        }
        self.ask_holder(op::LEASE, last, then);
    }

    /// Signals and the size are the owner's; while nobody owns, of anyone who may drive.
    pub(super) fn require_owner_if_owned(&self, by: ClientId) -> Result<(), RpcError> {
        match self.lease.owner() {
            None => Ok(()),
            Some(_) => self.lease.require_owner(by).map(|_| ()).map_err(LeaseRefusal::into_rpc),
        }
    }

    /// A session may be ended by its owner, by another client of the owner's principal, by anyone who
    /// may drive while nobody owns it, and by an admin with a reason.
    pub(super) fn may_stop(
        &self,
        caller: &LeaseCaller,
        reason: Option<&str>,
    ) -> Result<(), RpcError> {
        let Some(owner) = self.lease.owner() else { return Ok(()) };
        if owner.principal == caller.client.principal {
            return Ok(());
        }
        let has_reason = reason.is_some_and(|reason| !reason.trim().is_empty());
        match (caller.standing, has_reason) {
            (Standing::Admin, true) => Ok(()),
            (Standing::Admin, false) => Err(LeaseRefusal::ReasonMissing.into_rpc()),
            (Standing::Drive | Standing::Watch, _) => {
                let (owner, epoch) = (owner.clone(), self.lease.epoch());
                Err(LeaseRefusal::Held { owner, epoch }.into_rpc())
            }
        }
    }
}

/// A core refusal as the wire tells it.
pub(super) trait IntoRpc {
    fn into_rpc(self) -> RpcError;
}

impl IntoRpc for LeaseRefusal {
    fn into_rpc(self) -> RpcError {
        let message = self.to_string();
        match self {
            Self::NotOwner { owner, epoch } => {
                let detail = ErrorDetail::Owner { owner, epoch };
                RpcError::new(ErrorCode::NotOwner, message).with(detail)
            }
            Self::Held { owner, epoch } => {
                let detail = ErrorDetail::Owner { owner: Some(owner), epoch };
                RpcError::new(ErrorCode::LeaseHeld, message).with(detail)
            }
            Self::MayNotDrive => {
                let detail = ErrorDetail::Scope { needed: Scope::Drive };
                RpcError::new(ErrorCode::Forbidden, message).with(detail)
            }
            Self::ReasonMissing => RpcError::new(ErrorCode::InvalidParams, message),
            Self::NobodyAsked => RpcError::new(ErrorCode::NotFound, message),
        }
    }
}
