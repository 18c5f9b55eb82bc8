//! Who answers what a program asks of its terminal: exactly one, for each byte of output.
//!
//! The owner's terminal answers what it is shown live. The relay's model answers all other questions:
//! those of output while no owner watches, before the owner's live bytes begin, and after they end. The
//! model runs behind the log, so its replies carry where they were asked, and are judged by that.

use alloc::vec::Vec;

use quarterdeck_protocol::ids::Out;

/// Replies that wait until it is known where an arriving owner's live bytes begin.
pub const MAX_WAITING_REPLIES: usize = 64;

/// A reply of the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelReply {
    /// Where the output that asked begins.
    pub asked_at: Out,
    /// What is typed into the program.
    pub bytes: Vec<u8>,
}

/// Decides which of the model's replies reach the program.
#[derive(Debug, Default)]
pub struct Answerer {
    owner: Watching,
    /// The live bytes of the last owner; questions in there were its own.
    last: Span,
    /// Nobody answers questions before this: they are of owners before the last.
    settled: Out,
    waiting: Vec<ModelReply>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Watching {
    /// No owner's terminal shows this session.
    #[default]
    Nobody,
    /// One attaches; where its live bytes begin is not known.
    Arriving,
    /// One shows what is printed from there on.
    From(Out),
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Span {
    from: Out,
    to: Out,
}

impl Answerer {
    /// Nobody answers questions in output before `settled`.
    #[must_use]
    pub fn new(settled: Out) -> Self {
        Self { settled, last: Span { from: settled, to: settled }, ..Self::default() }
    }

    /// Whether an owner's terminal is there or arriving.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.owner != Watching::Nobody
    }

    /// An owner attaches; [`Self::handle_live`] follows, or [`Self::handle_gone`].
    pub fn handle_arriving(&mut self) {
        if self.owner == Watching::Nobody {
            self.owner = Watching::Arriving;
        }
    }

    /// The owner's live bytes begin at `from`. The replies that the model is to give now.
    #[must_use]
    pub fn handle_live(&mut self, from: Out) -> Vec<ModelReply> {
        if self.owner != Watching::Arriving {
            return Vec::new();
        }
        self.owner = Watching::From(from);
        self.judge_waiting()
    }

    /// No owner's terminal is there any more; `head` is the end of the output.
    #[must_use]
    pub fn handle_gone(&mut self, head: Out) -> Vec<ModelReply> {
        if let Watching::From(from) = self.owner {
            self.settled = self.last.to;
            self.last = Span { from, to: head.max(from) };
        }
        self.owner = Watching::Nobody;
        self.judge_waiting()
    }

    /// The model would reply. The reply if it is to be given now.
    #[must_use]
    pub fn handle_reply(&mut self, reply: ModelReply) -> Option<ModelReply> {
        match self.owner {
            Watching::Arriving if reply.asked_at >= self.last.to => {
                if self.waiting.len() < MAX_WAITING_REPLIES {
                    self.waiting.push(reply);
                }
                None
            }
            Watching::Nobody | Watching::Arriving | Watching::From(_) => {
                self.is_models(reply.asked_at).then_some(reply)
            }
        }
    }

    fn judge_waiting(&mut self) -> Vec<ModelReply> {
        let mut waiting = core::mem::take(&mut self.waiting);
        waiting.retain(|reply| self.is_models(reply.asked_at));
        waiting
    }

    fn is_models(&self, asked_at: Out) -> bool {
        let lasts = asked_at >= self.last.from && asked_at < self.last.to;
        let owners = matches!(self.owner, Watching::From(from) if asked_at >= from);
        asked_at >= self.settled && !lasts && !owners
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(at: u64) -> ModelReply {
        ModelReply { asked_at: Out(at), bytes: alloc::vec![b'r'] }
    }

    fn gives(answerer: &mut Answerer, at: u64) -> bool {
        answerer.handle_reply(reply(at)).is_some()
    }

    #[test]
    fn the_model_answers_while_nobody_watches() {
        let mut answerer = Answerer::new(Out(10));
        assert!(!gives(&mut answerer, 9), "of before this relay");
        assert!(gives(&mut answerer, 10));
    }

    #[test]
    fn the_model_answers_what_came_before_the_owners_live_bytes_however_late_it_is() {
        let mut answerer = Answerer::default();
        answerer.handle_arriving();
        assert!(!gives(&mut answerer, 5), "it waits");
        assert!(!gives(&mut answerer, 20), "it waits");
        assert_eq!(answerer.handle_live(Out(12)), [reply(5)]);
        assert!(gives(&mut answerer, 11));
        assert!(!gives(&mut answerer, 12));
    }

    #[test]
    fn an_owner_that_does_not_arrive_leaves_the_questions_to_the_model() {
        let mut answerer = Answerer::default();
        answerer.handle_arriving();
        assert!(!gives(&mut answerer, 5));
        assert_eq!(answerer.handle_gone(Out(30)), [reply(5)]);
        assert!(gives(&mut answerer, 30));
    }

    #[test]
    fn a_late_reply_to_what_a_gone_owner_was_shown_is_dropped() {
        let mut answerer = Answerer::default();
        answerer.handle_arriving();
        assert!(answerer.handle_live(Out(10)).is_empty());
        assert!(answerer.handle_gone(Out(20)).is_empty());
        assert!(gives(&mut answerer, 9));
        assert!(!gives(&mut answerer, 19));
        assert!(gives(&mut answerer, 20));
        answerer.handle_arriving();
        assert!(!gives(&mut answerer, 19));
        assert!(answerer.handle_live(Out(40)).is_empty());
        assert!(gives(&mut answerer, 25), "between two owners");
        assert!(answerer.handle_gone(Out(50)).is_empty());
        assert!(!gives(&mut answerer, 12), "two owners ago");
        assert!(gives(&mut answerer, 25));
    }

    #[test]
    fn a_second_attachment_of_the_owner_changes_nothing() {
        let mut answerer = Answerer::default();
        answerer.handle_arriving();
        assert!(answerer.handle_live(Out(10)).is_empty());
        answerer.handle_arriving();
        assert!(answerer.handle_live(Out(90)).is_empty());
        assert!(!gives(&mut answerer, 50));
    }

    #[test]
    fn waiting_replies_are_bounded() {
        let mut answerer = Answerer::default();
        answerer.handle_arriving();
        for at in 0..2 * MAX_WAITING_REPLIES as u64 {
            assert!(!gives(&mut answerer, at));
        }
        assert_eq!(answerer.handle_live(Out(u64::MAX)).len(), MAX_WAITING_REPLIES);
    }
}
