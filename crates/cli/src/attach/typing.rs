//! What was typed and has not reached the program yet.
//!
//! Wraps the input window, which never sends under one lease what was typed under another, for the
//! one case where it should: a script of the same principal borrows the lease for one input and gives
//! it back at once. What was in flight then is rejected, kept here, and sent again under the epoch
//! that the lease came back with, before anything typed later.

use std::collections::VecDeque;

use quarterdeck_core::input::{Attached, InputWindow, MAX_FRAMES_IN_FLIGHT, Sending};
use quarterdeck_protocol::{
    frame::InputState,
    ids::{Epoch, Incarnation, InputNumber},
    limits::{INPUT_WINDOW_BYTES, MAX_INPUT_BYTES},
};

/// Bytes that wait behind a full window while the link is up: a large paste that the program reads
/// slowly. Keys that are commands must be read meanwhile, so the rest of the paste must be somewhere.
const MAX_BACKLOG_BYTES: usize = 1024 * 1024;

/// What was typed on one session.
#[derive(Debug)]
pub(crate) struct Typing {
    window: InputWindow,
    link: Link,
    loan: Loan,
    /// The epoch under which this client owns the session; none = it follows.
    epoch: Option<Epoch>,
    incarnation: Incarnation,
    /// Typed and not numbered yet; bounded by [`Typing::room`].
    waiting: VecDeque<u8>,
    /// Copies of what is in flight, oldest first.
    sent: VecDeque<Sent>,
    /// Rejected while the lease was lent; at most what was in flight.
    again: Vec<Sent>,
}

/// A copy of an input in flight.
#[derive(Debug)]
struct Sent {
    n: InputNumber,
    epoch: Epoch,
    bytes: Box<[u8]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    Up,
    Down,
}

/// Whether somebody else has the lease for a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loan {
    /// No.
    None,
    /// Yes, or an input was rejected and the reason is still on its way.
    Lent,
    /// It came back; what was sent before is not settled yet.
    Settling(Epoch),
}

/// Whether typed bytes were taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// All of them.
    All,
    /// Only this many; there is no room for the rest.
    Part(usize),
}

impl Typing {
    /// Nothing is typed yet.
    pub(crate) fn new(attached: Attached) -> Self {
        Self {
            window: InputWindow::new(attached),
            link: Link::Up,
            loan: Loan::None,
            epoch: attached.epoch,
            incarnation: attached.incarnation,
            waiting: VecDeque::new(),
            sent: VecDeque::new(),
            again: Vec::new(),
        }
    }
    /// Takes typed bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Taken {
        let taken = bytes.len().min(self.room());
        self.waiting.extend(&bytes[..taken]);
        if taken == bytes.len() { Taken::All } else { Taken::Part(taken) }
    }
    /// How many more bytes can be typed now.
    fn room(&self) -> usize {
        let limit = match self.link {
            Link::Up => MAX_BACKLOG_BYTES,
            Link::Down => INPUT_WINDOW_BYTES,
        };
        limit.saturating_sub(self.unsettled_bytes())
    }
    /// Bytes that were typed and have not reached the program.
    fn unsettled_bytes(&self) -> usize {
        let again: usize = self.again.iter().map(|sent| sent.bytes.len()).sum();
        self.window.unsettled_bytes() + self.waiting.len() + again
    }

    /// The next input to send.
    pub(crate) fn poll_send(&mut self) -> Option<Sending<'_>> {
        if self.link == Link::Down || !self.is_ours() {
            return None;
        }
        // what is resent after a lost link comes first and has its copy already
        let newest = self.sent.back().map(|sent| sent.n);
        self.hand_over();
        let sending = self.window.poll_send()?;
        if newest.is_none_or(|newest| sending.n > newest) {
            let Sending { epoch, n, bytes } = sending;
            self.sent.push_back(Sent { n, epoch, bytes: bytes.into() });
        }
        Some(sending)
    }

    /// An acknowledgement. The bytes that will not reach the program because of it.
    pub(crate) fn handle_ack(&mut self, n: InputNumber, state: InputState) -> usize {
        match state {
            InputState::Accepted | InputState::Delivered => 0,
            InputState::Applied => {
                self.window.handle_ack(n, state);
                while self.sent.front().is_some_and(|sent| sent.n <= n) {
                    self.sent.pop_front();
                }
                0
            }
            // the reason follows; until then it may have been a loan
            InputState::Rejected => {
                self.window.handle_ack(n, state);
                let Some(sent) = self.take_sent(n) else { return 0 };
                if Some(sent.epoch) != self.epoch {
                    return sent.bytes.len();
                }
                self.again.push(sent);
                if self.loan == Loan::None {
                    self.loan = Loan::Lent;
                }
                0
            }
            InputState::Indeterminate => {
                self.window.handle_ack(n, state);
                self.take_sent(n).map_or(0, |sent| sent.bytes.len()) + self.give_up()
            }
        }
    }
    /// An input was rejected for a reason that a loan does not explain. The bytes that are gone; none
    /// when it is known already, as when two attachments are told.
    pub(crate) fn handle_refused(&mut self, n: InputNumber) -> usize {
        if !self.sent.iter().any(|sent| sent.n == n) {
            return 0;
        }
        let older = self.handle_ack(n, InputState::Rejected);
        if self.loan == Loan::Lent {
            self.loan = Loan::None;
        }
        older + self.give_up()
    }

    /// Somebody of the same principal has the lease for a moment.
    pub(crate) const fn handle_lent(&mut self) {
        self.loan = Loan::Lent;
    }
    /// The lease is back under this epoch.
    pub(crate) const fn handle_returned(&mut self, epoch: Epoch) {
        self.loan = Loan::Settling(epoch);
    }
    /// The lease changed in any other way; the epoch if it is ours now. The bytes that are gone.
    pub(crate) fn handle_lease(&mut self, epoch: Option<Epoch>) -> usize {
        if epoch == self.epoch && self.loan == Loan::None {
            return 0;
        }
        self.loan = Loan::None;
        self.epoch = epoch;
        let given_up = self.give_up();
        given_up + self.window.handle_lease(epoch).bytes
    }
    /// The link is gone.
    pub(crate) const fn handle_link_down(&mut self) {
        self.link = Link::Down;
        self.window.handle_link_down();
    }
    /// Attached again. The bytes that are gone: typed under a lease or for a program of before.
    pub(crate) fn handle_attached(&mut self, attached: Attached) -> usize {
        let same_program = attached.incarnation == self.incarnation;
        let owned = self.epoch.is_some() && same_program;
        if let (Link::Up, true, Some(epoch)) = (self.link, owned, attached.epoch) {
            // drawn anew on the same link: every acknowledgement comes, and only a loan changed the epoch
            if Some(epoch) != self.epoch {
                self.handle_returned(epoch);
            }
            return 0;
        }
        self.link = Link::Up;
        self.loan = Loan::None;
        while self.sent.front().is_some_and(|sent| sent.n <= attached.applied) {
            self.sent.pop_front();
        }
        let same = same_program && attached.epoch == self.epoch && self.again.is_empty();
        (self.epoch, self.incarnation) = (attached.epoch, attached.incarnation);
        let discarded = self.window.handle_attached(attached).bytes;
        if same {
            return discarded;
        }
        self.sent.clear();
        discarded + self.give_up()
    }

    /// Whether input may be sent; ends a loan that has settled.
    fn is_ours(&mut self) -> bool {
        match self.loan {
            Loan::None => true,
            Loan::Lent => false,
            Loan::Settling(_) if !self.sent.is_empty() => false,
            Loan::Settling(epoch) => {
                self.epoch = Some(epoch);
                let _ = self.window.handle_lease(Some(epoch));
                self.again.sort_by_key(|sent| sent.n);
                for sent in std::mem::take(&mut self.again).into_iter().rev() {
                    sent.bytes.iter().rev().for_each(|byte| self.waiting.push_front(*byte));
                }
                self.loan = Loan::None;
                true
            }
        }
    }
    /// Gives the window what it can number at once, and no more.
    fn hand_over(&mut self) {
        let room = INPUT_WINDOW_BYTES.saturating_sub(self.window.unsettled_bytes());
        let size = self.waiting.len().min(MAX_INPUT_BYTES).min(room);
        if size > 0 && self.sent.len() < MAX_FRAMES_IN_FLIGHT {
            let bytes: Vec<u8> = self.waiting.drain(..size).collect();
            self.window.push(&bytes);
        }
    }
    fn take_sent(&mut self, n: InputNumber) -> Option<Sent> {
        let index = self.sent.iter().position(|sent| sent.n == n)?;
        self.sent.remove(index)
    }
    /// The rest of a text with a hole is not typed.
    fn give_up(&mut self) -> usize {
        let again: usize = self.again.drain(..).map(|sent| sent.bytes.len()).sum();
        let waiting = self.waiting.len();
        self.waiting.clear();
        again + waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ATTACHED: Attached =
        Attached { applied: InputNumber(0), epoch: Some(Epoch(1)), incarnation: Incarnation(1) };

    type Shown = (u64, u64, String);

    fn drain(typing: &mut Typing) -> Vec<Shown> {
        let mut sent = Vec::new();
        while let Some(Sending { epoch, n, bytes }) = typing.poll_send() {
            sent.push((epoch.0, n.0, String::from_utf8_lossy(bytes).into_owned()));
        }
        sent
    }
    fn sent(epoch: u64, n: u64, text: &str) -> Shown {
        (epoch, n, text.to_owned())
    }

    #[test]
    fn what_is_typed_is_sent_once_and_forgotten_when_applied() {
        let mut typing = Typing::new(ATTACHED);
        assert_eq!(typing.push(b"ls"), Taken::All);
        assert_eq!(drain(&mut typing), [sent(1, 1, "ls")]);
        assert_eq!(drain(&mut typing), []);
        assert_eq!(typing.unsettled_bytes(), 2);
        typing.handle_ack(InputNumber(1), InputState::Applied);
        assert_eq!(typing.unsettled_bytes(), 0);
    }

    #[test]
    fn a_borrowed_lease_delays_typing_and_keeps_its_order() {
        let mut typing = Typing::new(ATTACHED);
        typing.push(b"a");
        drain(&mut typing);
        typing.push(b"b");
        drain(&mut typing);
        // the first was applied before the loan, the second came too late
        typing.handle_ack(InputNumber(1), InputState::Applied);
        typing.handle_lent();
        typing.push(b"c");
        assert_eq!(drain(&mut typing), []);
        typing.handle_returned(Epoch(3));
        assert_eq!(drain(&mut typing), [], "the fate of the second is not known yet");
        assert_eq!(typing.handle_ack(InputNumber(2), InputState::Rejected), 0);
        assert_eq!(drain(&mut typing), [sent(3, 3, "bc")]);
    }

    #[test]
    fn a_rejection_before_the_news_of_the_loan_is_the_same() {
        let mut typing = Typing::new(ATTACHED);
        for key in [b"a", b"b"] {
            typing.push(key);
            drain(&mut typing);
        }
        typing.handle_ack(InputNumber(1), InputState::Rejected);
        typing.push(b"c");
        assert_eq!(drain(&mut typing), []);
        typing.handle_lent();
        typing.handle_ack(InputNumber(2), InputState::Rejected);
        typing.handle_returned(Epoch(3));
        assert_eq!(drain(&mut typing), [sent(3, 3, "abc")]);
    }

    #[test]
    fn a_lease_that_is_lost_for_good_takes_what_was_typed_with_it() {
        let mut typing = Typing::new(ATTACHED);
        typing.push(b"rm");
        drain(&mut typing);
        typing.handle_ack(InputNumber(1), InputState::Rejected);
        typing.push(b" -r");
        assert_eq!(typing.handle_lease(None), 5);
        assert_eq!(typing.handle_lease(Some(Epoch(7))), 0);
        typing.push(b"x");
        assert_eq!(drain(&mut typing), [sent(7, 2, "x")]);
    }

    #[test]
    fn news_of_the_lease_that_we_have_costs_nothing() {
        let mut typing = Typing::new(ATTACHED);
        typing.handle_link_down();
        typing.push(b"kept");
        assert_eq!(typing.handle_lease(ATTACHED.epoch), 0);
        typing.handle_attached(ATTACHED);
        assert_eq!(drain(&mut typing), [sent(1, 1, "kept")]);
    }

    #[test]
    fn a_late_rejection_of_an_older_lease_does_not_hold_up_the_new_one() {
        let mut typing = Typing::new(ATTACHED);
        typing.push(b"rm");
        drain(&mut typing);
        assert_eq!(typing.handle_lease(Some(Epoch(7))), 0);
        assert_eq!(typing.handle_ack(InputNumber(1), InputState::Rejected), 2);
        typing.push(b"x");
        assert_eq!(drain(&mut typing), [sent(7, 2, "x")]);
    }

    #[test]
    fn a_full_program_loses_the_rest_of_the_text_too() {
        let mut typing = Typing::new(ATTACHED);
        typing.push(b"one");
        drain(&mut typing);
        typing.push(b"two");
        assert_eq!(typing.handle_refused(InputNumber(1)), 6);
        typing.push(b"x");
        assert_eq!(typing.handle_refused(InputNumber(1)), 0, "told twice");
        assert_eq!(drain(&mut typing), [sent(1, 2, "x")]);
    }

    #[test]
    fn after_a_lost_link_only_what_was_not_applied_is_resent_with_its_number() {
        let mut typing = Typing::new(ATTACHED);
        for key in [b"a", b"b", b"c"] {
            typing.push(key);
            drain(&mut typing);
        }
        typing.handle_link_down();
        typing.push(b"d");
        assert_eq!(drain(&mut typing), []);
        let back = Attached { applied: InputNumber(1), ..ATTACHED };
        assert_eq!(typing.handle_attached(back), 0);
        assert_eq!(drain(&mut typing), [sent(1, 2, "b"), sent(1, 3, "c"), sent(1, 4, "d")]);
        typing.handle_ack(InputNumber(4), InputState::Applied);
        assert_eq!(typing.unsettled_bytes(), 0);
    }

    #[test]
    fn a_screen_drawn_anew_during_a_loan_costs_nothing() {
        let mut typing = Typing::new(ATTACHED);
        typing.push(b"ab");
        drain(&mut typing);
        typing.push(b"cd");
        drain(&mut typing);
        typing.handle_ack(InputNumber(1), InputState::Rejected);
        // the answer knows of the return before its record is told
        assert_eq!(typing.handle_attached(Attached { epoch: Some(Epoch(3)), ..ATTACHED }), 0);
        typing.push(b"e");
        assert_eq!(drain(&mut typing), [], "what was sent is not settled");
        typing.handle_ack(InputNumber(2), InputState::Rejected);
        assert_eq!(drain(&mut typing), [sent(3, 3, "abcde")]);
    }

    #[test]
    fn a_follower_after_a_lost_link_is_told_what_is_gone() {
        let mut typing = Typing::new(ATTACHED);
        typing.push(b"a");
        drain(&mut typing);
        typing.handle_link_down();
        typing.push(b"bc");
        assert_eq!(typing.handle_attached(Attached { epoch: None, ..ATTACHED }), 3);
        assert_eq!(typing.unsettled_bytes(), 0);
        assert_eq!(drain(&mut typing), []);
    }

    #[test]
    fn without_a_link_there_is_room_for_one_window_and_no_more() {
        let mut typing = Typing::new(ATTACHED);
        typing.handle_link_down();
        assert_eq!(typing.push(&vec![b'x'; INPUT_WINDOW_BYTES]), Taken::All);
        assert_eq!(typing.push(b"yz"), Taken::Part(0));
        typing.handle_attached(ATTACHED);
        assert_eq!(drain(&mut typing).len(), INPUT_WINDOW_BYTES / MAX_INPUT_BYTES);
        typing.handle_ack(InputNumber(1), InputState::Applied);
        assert_eq!(typing.push(b"yz"), Taken::All);
    }
}
