//! Letters in the order in which they were written.
//!
//! The way may repeat, reorder and lose. What comes ahead of its turn is kept by the caller; what is lost
//! is waited for no longer than the caller likes. A number is taken once, so a letter that comes again by
//! any way is not taken again.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::letter::Stream;

/// Letters that may come ahead of their turn.
pub const MAX_AHEAD: usize = 256;
/// Ended runs that are remembered: what comes of them is old.
const MAX_ENDED: usize = 16;

/// The order of one sender.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sequence {
    stream: Option<Stream>,
    /// The next number in turn.
    next: u64,
    ahead: BTreeSet<u64>,
    ended: VecDeque<Stream>,
}

/// What is to be done with a letter that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// It is in turn, and these that were kept follow it.
    InTurn {
        /// Numbers of kept letters, in order.
        then: Vec<u64>,
    },
    /// It came ahead of its turn: keep it.
    Ahead,
    /// It was taken before.
    Old,
    /// Too many are missing before it: it is not taken.
    TooFar,
}

/// What was waited for in vain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// How many letters are lost.
    pub lost: u64,
    /// Numbers of kept letters that are in turn now.
    pub then: Vec<u64>,
}

impl Sequence {
    /// A letter came.
    pub fn handle_letter(&mut self, stream: Stream, number: u64) -> Arrival {
        if self.stream != Some(stream) {
            if self.ended.contains(&stream) {
                return Arrival::Old;
            }
            self.begin(stream);
        }
        if number < self.next || self.ahead.contains(&number) {
            return Arrival::Old;
        }
        if number == self.next {
            self.next += 1;
            return Arrival::InTurn { then: self.take_following() };
        }
        if self.ahead.len() >= MAX_AHEAD {
            return Arrival::TooFar;
        }
        self.ahead.insert(number);
        Arrival::Ahead
    }

    /// The run that is being read.
    #[must_use]
    pub const fn stream(&self) -> Option<Stream> {
        self.stream
    }

    /// Whether letters are kept that wait for others.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.ahead.is_empty()
    }

    /// Waits no longer for what is missing before the first kept letter.
    pub fn skip(&mut self) -> Option<Skipped> {
        let first = *self.ahead.first()?;
        let lost = first - self.next;
        self.next = first;
        Some(Skipped { lost, then: self.take_following() })
    }

    /// Numbers before 1 do not exist. What was kept of the run before is the caller's to release first:
    /// it is asked for by [`Sequence::is_waiting`] and [`Sequence::skip`].
    fn begin(&mut self, stream: Stream) {
        if let Some(ended) = self.stream.replace(stream) {
            self.ended.push_back(ended);
            if self.ended.len() > MAX_ENDED {
                self.ended.pop_front();
            }
        }
        self.next = 1;
        self.ahead.clear();
    }

    fn take_following(&mut self) -> Vec<u64> {
        let mut then = Vec::new();
        while self.ahead.remove(&self.next) {
            then.push(self.next);
            self.next += 1;
        }
        then
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: Stream = Stream([1; 8]);
    const B: Stream = Stream([2; 8]);

    fn in_turn(then: &[u64]) -> Arrival {
        Arrival::InTurn { then: then.to_vec() }
    }

    #[test]
    fn what_comes_ahead_waits_for_its_turn() {
        let mut sequence = Sequence::default();
        assert_eq!(sequence.handle_letter(A, 1), in_turn(&[]));
        assert_eq!(sequence.handle_letter(A, 4), Arrival::Ahead);
        assert_eq!(sequence.handle_letter(A, 3), Arrival::Ahead);
        assert_eq!(sequence.handle_letter(A, 2), in_turn(&[3, 4]));
        assert!(!sequence.is_waiting());
    }

    #[test]
    fn what_comes_again_is_not_taken_again() {
        let mut sequence = Sequence::default();
        assert_eq!(sequence.handle_letter(A, 2), Arrival::Ahead);
        assert_eq!(sequence.handle_letter(A, 2), Arrival::Old);
        assert_eq!(sequence.handle_letter(A, 1), in_turn(&[2]));
        assert_eq!(sequence.handle_letter(A, 1), Arrival::Old);
        assert_eq!(sequence.handle_letter(A, 0), Arrival::Old);
        assert_eq!(sequence.handle_letter(B, 1), in_turn(&[]));
        assert_eq!(sequence.handle_letter(A, 3), Arrival::Old, "that run has ended");
    }

    #[test]
    fn what_is_lost_is_counted_and_not_waited_for_without_end() {
        let mut sequence = Sequence::default();
        sequence.handle_letter(A, 2_001);
        assert_eq!(sequence.skip(), Some(Skipped { lost: 2_000, then: vec![2_001] }));
        assert_eq!(sequence.skip(), None);
        for number in 0..=u64::try_from(MAX_AHEAD).expect("small") {
            let came = sequence.handle_letter(A, 3_000 + number);
            let full = number == u64::try_from(MAX_AHEAD).expect("small");
            assert_eq!(came, if full { Arrival::TooFar } else { Arrival::Ahead });
        }
    }

    proptest! {
        #[test]
        fn any_order_with_repeats_comes_out_in_order_and_once(
            mut numbers in Just((1..=40u64).collect::<Vec<_>>()).prop_shuffle(),
            repeats in proptest::collection::vec(1..=40u64, 0..40),
        ) {
            numbers.extend(repeats);
            let mut sequence = Sequence::default();
            let mut out = Vec::new();
            for number in numbers {
                if let Arrival::InTurn { then } = sequence.handle_letter(A, number) {
                    out.push(number);
                    out.extend(then);
                }
            }
            prop_assert_eq!(out, (1..=40).collect::<Vec<_>>());
        }
    }
}
