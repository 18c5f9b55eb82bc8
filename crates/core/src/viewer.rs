//! How much a viewer may be sent, and when it is too far behind: credit in rendered bytes.
//!
//! A viewer costs a cursor. Nothing is queued for one that does not render; when its credit returns
//! it either gets every byte that the log still has, or a gap and a snapshot.

use quarterdeck_protocol::{
    ids::Out,
    limits::{CREDIT_WINDOW_RANGE_BYTES, DEFAULT_CREDIT_WINDOW_BYTES, MAX_VIEWER_LAG_BYTES},
    method::Behind,
};

/// What to do for a viewer now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// It has everything, or no credit.
    Wait,
    /// Send at most this many bytes.
    Send(u64),
    /// It fell behind: tell it the gap and draw the screen.
    Skip,
}

/// The cursor and credit of one attachment.
#[derive(Debug, Clone)]
pub struct Viewer {
    window: u64,
    behind: Behind,
    /// First byte that was not sent.
    sent: Out,
    /// First byte that the client has not rendered, as it says.
    rendered: Out,
    /// It was out of credit since the last skip or catch-up.
    starved: bool,
}

impl Viewer {
    /// A viewer whose first byte is `start`.
    #[must_use]
    pub fn new(start: Out, window: Option<u64>, behind: Behind) -> Self {
        let window = window.unwrap_or(DEFAULT_CREDIT_WINDOW_BYTES);
        let window =
            window.clamp(*CREDIT_WINDOW_RANGE_BYTES.start(), *CREDIT_WINDOW_RANGE_BYTES.end());
        Self { window, behind, sent: start, rendered: start, starved: false }
    }

    /// First byte that was not sent.
    #[must_use]
    pub const fn sent(&self) -> Out {
        self.sent
    }

    /// What to do, given the log's head.
    pub fn poll_pace(&mut self, head: Out) -> Pace {
        let waiting = head.0.saturating_sub(self.sent.0);
        if waiting == 0 {
            return Pace::Wait;
        }
        let credit = self.credit();
        if credit == 0 {
            self.starved = true;
            return Pace::Wait;
        }
        if self.behind == Behind::Skip && self.starved && waiting > MAX_VIEWER_LAG_BYTES {
            return Pace::Skip;
        }
        Pace::Send(waiting.min(credit))
    }

    /// Bytes up to `to` were sent.
    pub fn handle_sent(&mut self, to: Out) {
        self.sent = self.sent.max(to);
        if self.credit() > 0 {
            self.starved = false;
        }
    }

    /// There is no output before `to` to be sent: it is told so. That costs no credit, because nobody
    /// renders what is missing.
    pub fn handle_missing(&mut self, to: Out) {
        let missing = to.0.saturating_sub(self.sent.0);
        self.sent = Out(self.sent.0 + missing);
        self.rendered = Out(self.rendered.0 + missing);
    }

    /// The viewer now has the screen at `to`; what lies between is a gap. What it had not rendered is
    /// moot: its credit begins anew.
    pub fn handle_skipped(&mut self, to: Out) {
        self.sent = to;
        self.rendered = to;
        self.starved = false;
    }

    /// The client says that it rendered everything before `out`. More than was sent counts as all
    /// that was sent; less than it said before is ignored.
    pub fn handle_credit(&mut self, out: Out) {
        self.rendered = self.rendered.max(out.min(self.sent));
    }

    const fn credit(&self) -> u64 {
        (self.rendered.0 + self.window).saturating_sub(self.sent.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WINDOW: u64 = 64 * 1024;

    fn viewer(behind: Behind) -> Viewer {
        Viewer::new(Out(0), Some(WINDOW), behind)
    }

    #[test]
    fn a_viewer_gets_at_most_its_window_beyond_what_it_rendered() {
        let mut v = viewer(Behind::Skip);
        assert_eq!(v.poll_pace(Out(10)), Pace::Send(10));
        assert_eq!(v.poll_pace(Out(WINDOW * 2)), Pace::Send(WINDOW));
        v.handle_sent(Out(WINDOW));
        assert_eq!(v.poll_pace(Out(WINDOW * 2)), Pace::Wait);
        v.handle_credit(Out(100));
        assert_eq!(v.poll_pace(Out(WINDOW * 2)), Pace::Send(100));
    }

    #[test]
    fn a_starved_viewer_far_behind_skips_and_a_recorder_does_not() {
        for (behind, expected) in [(Behind::Skip, Pace::Skip), (Behind::Replay, Pace::Send(WINDOW))]
        {
            let mut v = viewer(behind);
            v.handle_sent(Out(WINDOW));
            let head = Out(10 * MAX_VIEWER_LAG_BYTES);
            assert_eq!(v.poll_pace(head), Pace::Wait);
            v.handle_credit(Out(WINDOW));
            assert_eq!(v.poll_pace(head), expected);
        }
    }

    #[test]
    fn a_fast_viewer_that_is_briefly_far_behind_gets_every_byte() {
        let mut v = viewer(Behind::Skip);
        assert_eq!(v.poll_pace(Out(10 * MAX_VIEWER_LAG_BYTES)), Pace::Send(WINDOW));
    }

    #[test]
    fn after_a_skip_the_credit_begins_anew() {
        let mut v = viewer(Behind::Skip);
        v.handle_sent(Out(WINDOW));
        v.handle_skipped(Out(1_000_000));
        assert_eq!(v.poll_pace(Out(1_000_005)), Pace::Send(5));
        v.handle_credit(Out(70_000));
        assert_eq!(v.poll_pace(Out(1_000_005)), Pace::Send(5), "an old credit does no harm");
    }

    #[test]
    fn what_is_missing_costs_no_credit_however_long_it_is() {
        let mut v = viewer(Behind::Skip);
        v.handle_sent(Out(100));
        let to = 100 + 10 * WINDOW;
        v.handle_missing(Out(to));
        assert_eq!(v.sent(), Out(to));
        assert_eq!(v.poll_pace(Out(u64::MAX / 2)), Pace::Send(WINDOW - 100), "100 are under way");
        v.handle_credit(Out(to));
        assert_eq!(v.poll_pace(Out(u64::MAX / 2)), Pace::Send(WINDOW));
        v.handle_missing(Out(5));
        assert_eq!(v.sent(), Out(to), "what was sent is not missing");
    }

    #[test]
    fn a_window_outside_the_range_is_brought_into_it() {
        let mut v = Viewer::new(Out(0), Some(0), Behind::Skip);
        assert_eq!(v.poll_pace(Out(u64::MAX / 2)), Pace::Send(*CREDIT_WINDOW_RANGE_BYTES.start()));
    }

    proptest! {
        #[test]
        fn credit_is_never_exceeded(steps in proptest::collection::vec((0u8..3, 0u64..300_000), 1..60)) {
            let mut v = viewer(Behind::Replay);
            let (mut head, mut rendered) = (0u64, 0u64);
            for (what, n) in steps {
                match what {
                    0 => head += n,
                    1 => { rendered = rendered.max(n.min(v.sent().0)); v.handle_credit(Out(n)); }
                    _ => if let Pace::Send(max) = v.poll_pace(Out(head)) {
                        v.handle_sent(Out(v.sent().0 + max.min(n)));
                    },
                }
                prop_assert!(v.sent().0 <= head);
                prop_assert!(v.sent().0 <= rendered + WINDOW);
            }
        }
    }
}
