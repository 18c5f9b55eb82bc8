//! What a session's program asks of its terminal, and who answers: the decisions are
//! [`quarterdeck_core::answerer`]'s.

use quarterdeck_core::answerer::ModelReply;
use quarterdeck_protocol::{
    holder::op,
    ids::{ClientId, Out},
};

use super::{actor::Session, driving::HolderState};

impl Session {
    /// Follows who owns the session and whether the owner's client shows it.
    pub(super) fn settle_answerer(&mut self) {
        let owner = self.lease.owner().map(|owner| owner.client);
        let watched = owner.is_some_and(|owner| self.attachments.iter().any(|a| a.client == owner));
        if watched == self.answerer.is_watched() {
            return;
        }
        let head = self.tail.head().out;
        let replies = if watched {
            // a follower became the owner: what it shows is live already
            self.answerer.handle_arriving();
            self.answerer.handle_live(head)
        } else {
            self.answerer.handle_gone(head)
        };
        self.reply_to_program(replies);
    }

    pub(super) fn handle_live(&mut self, client: ClientId, from: Out) {
        if self.lease.owner().is_some_and(|owner| owner.client == client) {
            let replies = self.answerer.handle_live(from);
            self.reply_to_program(replies);
        }
    }

    pub(super) fn handle_model_reply(&mut self, reply: ModelReply) {
        let reply = self.answerer.handle_reply(reply);
        self.reply_to_program(reply);
    }

    fn reply_to_program(&mut self, replies: impl IntoIterator<Item = ModelReply>) {
        for reply in replies {
            if let HolderState::Linked(link) = &mut self.holder
                && !link.is_congested()
                && let Err(error) = link.send(op::REPLY, &reply.bytes)
            {
                tracing::debug!(session = %self.handle.id, %error, "query not answered");
            }
        }
    }
}
