//! What an identity does with its mail, and what a person decides about one message.

use std::time::Duration;

use quarterdeck_core::mail::{MailNumber, routing::Policy};
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    ids::Label,
    method::{Empty, MailDecideParams, MailDecision, MailPolicyParams, MailPolicyResult},
};

use super::{
    Who,
    identities::no_identity,
    owner::{Owner, storage},
    store::{self, StoreError},
};

/// The shortest time over which mail waits for its session.
const MIN_HOLD: Duration = Duration::from_secs(60);
/// The longest: what is over is kept as long.
const MAX_HOLD: Duration = Duration::from_secs(30 * 24 * 60 * 60);

impl Owner {
    /// Changes an identity's policy by what is given, and tells it.
    pub(super) fn handle_policy(
        &mut self,
        who: &Who,
        p: &MailPolicyParams,
    ) -> Result<MailPolicyResult, RpcError> {
        let id = self.meant(who)?;
        let mailbox = self.mailboxes.get_mut(&id).ok_or_else(no_identity)?;
        let policy = changed(mailbox.router.policy(), p)?;
        if policy != *mailbox.router.policy() {
            let stored = self.store.atomically(|c| store::set_policy(c, id, &policy));
            stored.map_err(|error| storage(&error))?;
            mailbox.router.handle_policy(policy.clone());
            self.settle();
        }
        let Policy { unaddressed, primary, hold } = policy;
        Ok(MailPolicyResult { unaddressed, primary, hold_s: hold.as_secs() })
    }

    /// Lets a held message through, or discards it.
    pub(super) fn handle_message_decision(
        &mut self,
        who: &Who,
        p: &MailDecideParams,
    ) -> Result<Empty, RpcError> {
        let id = self.meant(who)?;
        let number = MailNumber(p.number);
        let row = store::inbound(self.store.read(), number).map_err(|error| storage(&error))?;
        let unknown =
            || RpcError::new(ErrorCode::NotFound, format!("message #{} not found", p.number));
        row.filter(|row| row.identity == id).ok_or_else(unknown)?;
        let mailbox = self.mailboxes.get_mut(&id).ok_or_else(unknown)?;
        let waits = match p.decision {
            MailDecision::Deliver => mailbox.router.handle_let_through(number),
            MailDecision::Discard => mailbox.router.handle_discarded(number),
        };
        if !waits {
            let message = format!("message #{} does not wait any more", p.number);
            return Err(RpcError::new(ErrorCode::Ended, message));
        }
        if p.decision == MailDecision::Deliver {
            let noted: Result<(), StoreError> =
                self.store.atomically(|c| store::let_through(c, number));
            noted.map_err(|error| storage(&error))?;
        }
        self.showing_due = true;
        self.settle();
        Ok(Empty {})
    }
}

fn changed(now: &Policy, p: &MailPolicyParams) -> Result<Policy, RpcError> {
    let invalid = |message: String| RpcError::new(ErrorCode::InvalidParams, message);
    let primary = match p.primary.as_deref() {
        None => now.primary.clone(),
        Some("") => None,
        Some(label) => Some(label.parse::<Label>().map_err(|error| invalid(error.to_string()))?),
    };
    let hold = p.hold_s.map_or(now.hold, Duration::from_secs);
    if !(MIN_HOLD..=MAX_HOLD).contains(&hold) {
        let (min, max) = (MIN_HOLD.as_secs(), MAX_HOLD.as_secs());
        return Err(invalid(format!("mail waits from {min} to {max} seconds")));
    }
    Ok(Policy { unaddressed: p.unaddressed.unwrap_or(now.unaddressed), primary, hold })
}
