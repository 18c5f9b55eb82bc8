//! What clients type, on its way to the holder and back.

use bytes::Bytes;
use quarterdeck_core::lease::{Borrowed, LeaseRefusal};
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    frame::InputState,
    holder::{Input, InputAck, InputRefusal, op},
    ids::{Channel, ClientId, InputNumber},
    limits::MAX_INPUT_TABLE_CLIENTS,
    method::InputResult,
    rpc,
    session::{InputRejected, notify},
};

use super::{
    InputCommand, LeaseCaller, Reply,
    actor::Session,
    driving::{HolderState, Then, answer, ended, holder_silent},
    ownership::IntoRpc as _,
};
use crate::connection::outbox::{Control, Outbox};

/// Inputs without an attachment that may wait for a session at a time.
const MAX_BORROWED_INPUTS: usize = 64;

/// An input that a client sent without attaching.
pub(super) struct BorrowedInput {
    client: ClientId,
    n: InputNumber,
    reply: Reply<InputResult>,
}

/// How far a client's inputs have come.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct InputProgress {
    /// Highest number handed to the holder.
    sent: InputNumber,
    /// Highest number that reached the program.
    applied: InputNumber,
}

impl Session {
    pub(super) fn handle_input(&mut self, input: InputCommand) {
        let InputCommand { client, channel, outbox, epoch, n, bytes } = input;
        let refused = self.lease.check_input(client, epoch).err().map(LeaseRefusal::into_rpc);
        let refused = refused.or_else(|| self.send_input(client, n, &bytes).err());
        let Some(error) = refused else { return };
        self.context.metrics.inputs_rejected.increment();
        tell_rejected(&outbox, channel, n, &error);
    }

    /// Hands input to the holder under the current epoch.
    fn send_input(
        &mut self,
        client: ClientId,
        n: InputNumber,
        bytes: &[u8],
    ) -> Result<(), RpcError> {
        let error = self.not_linked();
        let HolderState::Linked(link) = &mut self.holder else { return Err(error) };
        if link.is_congested() {
            return Err(input_full());
        }
        let progress = self.inputs.entry(client).or_default();
        progress.sent = progress.sent.max(n);
        self.context.metrics.input_bytes.add(bytes.len() as u64);
        let input = Input { client, epoch: self.lease.epoch(), n, bytes };
        let mut body = Vec::with_capacity(32 + bytes.len());
        input.encode(&mut body);
        link.send(op::INPUT, &body).map(|_| ()).map_err(|error| {
            tracing::debug!(session = %self.handle.id, %error, "input not sent");
            holder_silent()
        })
    }

    pub(super) fn handle_input_ack(&mut self, ack: InputAck) {
        let InputAck { client, n, state, refusal } = ack;
        if state == InputState::Applied {
            self.context.metrics.inputs_applied.increment();
            self.note_input(client, n);
        }
        let error = match refusal {
            InputRefusal::None => None,
            InputRefusal::StaleEpoch => {
                // it may be the owner's own input, of an epoch before this one
                let (owner, epoch) = (self.lease.owner().cloned(), self.lease.epoch());
                Some(LeaseRefusal::NotOwner { owner, epoch }.into_rpc())
            }
            InputRefusal::Full => Some(input_full()),
            InputRefusal::Ended => Some(ended()),
        };
        if self.settle_borrowed(client, n, error.as_ref()) {
            return;
        }
        for attachment in self.attachments.iter().filter(|a| a.client == client) {
            match &error {
                None => {
                    let channel = attachment.channel;
                    attachment.outbox.push(Control::Ack { channel, n, state });
                }
                Some(error) => {
                    self.context.metrics.inputs_rejected.increment();
                    tell_rejected(&attachment.outbox, attachment.channel, n, error);
                }
            }
        }
    }

    pub(super) fn last_input(&self, client: ClientId) -> InputNumber {
        let known = self.inputs.get(&client).map(|progress| progress.applied);
        known.max(self.log.last_input(client)).unwrap_or_default()
    }

    /// The number of the next input of a client that names none.
    pub(super) fn next_input(&self, client: ClientId) -> InputNumber {
        let sent = self.inputs.get(&client).map(|progress| progress.sent);
        self.last_input(client).max(sent.unwrap_or_default()).next()
    }

    /// An input reached the program. Of too many clients those without an attachment are forgotten
    /// here; the holder remembers them longer.
    pub(super) fn note_input(&mut self, client: ClientId, n: InputNumber) {
        let progress = self.inputs.entry(client).or_default();
        progress.applied = progress.applied.max(n);
        progress.sent = progress.sent.max(n);
        if self.inputs.len() > MAX_INPUT_TABLE_CLIENTS {
            let attachments = &self.attachments;
            self.inputs.retain(|c, _| *c == client || attachments.iter().any(|a| a.client == *c));
        }
    }

    /// The result of an input that was typed without attaching.
    pub(super) fn input_result(&self, n: InputNumber) -> InputResult {
        InputResult { n, out: self.tail.head().out }
    }

    /// Types once: borrows the lease for as long as it takes to send the input.
    pub(super) fn handle_input_once(
        &mut self,
        caller: &LeaseCaller,
        text: &Bytes,
        n: Option<InputNumber>,
        reply: Reply<InputResult>,
    ) {
        if matches!(self.holder, HolderState::Ended) {
            return answer(reply, Err(ended()));
        }
        if self.borrowed.len() >= MAX_BORROWED_INPUTS {
            let error =
                RpcError::new(ErrorCode::Overloaded, "too many inputs wait for this session");
            return answer(reply, Err(error));
        }
        let client = caller.client.client;
        let borrowed = match self.lease.borrow_for(&caller.client, caller.standing) {
            Ok(borrowed) => borrowed,
            Err(refusal) => return answer(reply, Err(refusal.into_rpc())),
        };
        self.record_lease_changes(Then::Ignore);
        let n = n.unwrap_or_else(|| self.next_input(client));
        let sent = self.send_input(client, n, text);
        if borrowed != Borrowed::OwnedAnyway {
            self.lease.return_borrowed(borrowed);
            self.record_lease_changes(Then::Ignore);
        }
        match sent {
            Ok(()) => self.borrowed.push(BorrowedInput { client, n, reply }),
            Err(error) => answer(reply, Err(error)),
        }
    }

    /// Answers the input without an attachment that this acknowledgement is for, if it is for one.
    pub(super) fn settle_borrowed(
        &mut self,
        client: ClientId,
        n: InputNumber,
        error: Option<&RpcError>,
    ) -> bool {
        let found = self.borrowed.iter().position(|b| b.client == client && b.n == n);
        let Some(found) = found else { return false };
        let BorrowedInput { reply, .. } = self.borrowed.swap_remove(found);
        answer(reply, error.map_or_else(|| Ok(self.input_result(n)), |error| Err(error.clone())));
        true
    }

    pub(super) fn fail_borrowed(&mut self, error: &RpcError) {
        for BorrowedInput { reply, .. } in self.borrowed.drain(..) {
            answer(reply, Err(error.clone()));
        }
    }
}

fn input_full() -> RpcError {
    RpcError::new(ErrorCode::InputFull, "the program does not read its input")
}

/// Tells a client that an input was rejected: the mark for programs, the reason for people.
fn tell_rejected(outbox: &Outbox, channel: Channel, n: InputNumber, error: &RpcError) {
    let rejected = InputRejected { channel, n, error: error.clone() };
    if let Ok(text) = rpc::notification(notify::INPUT_REJECTED, &rejected) {
        outbox.push(Control::Text(text));
    }
    outbox.push(Control::Ack { channel, n, state: InputState::Rejected });
}
