//! Output that the disk has no room for: the newest of it is kept, the rest is counted. Pure.

use std::collections::VecDeque;

use quarterdeck_protocol::{
    ids::Out,
    limits::{FULL_DISK_RING_BYTES, MAX_OUTPUT_RECORD_BYTES},
    record::{Gap, GapCause},
};

/// Output behind the head of the log: first what is lost, then what is still here.
#[derive(Debug, Default)]
pub(crate) struct Overflow {
    lost_bytes: u64,
    ring: VecDeque<u8>,
}

impl Overflow {
    /// Nothing is missing from the log.
    pub(crate) fn is_empty(&self) -> bool {
        self.lost_bytes == 0 && self.ring.is_empty()
    }

    /// Output bytes that the log does not have.
    pub(crate) fn len_bytes(&self) -> u64 {
        self.lost_bytes + self.ring.len() as u64
    }

    /// Keeps output; the oldest goes when there is too much.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let kept = &bytes[bytes.len().saturating_sub(FULL_DISK_RING_BYTES)..];
        let room = FULL_DISK_RING_BYTES - kept.len();
        let drop = self.ring.len().saturating_sub(room);
        self.ring.drain(..drop);
        self.ring.extend(kept);
        self.lost_bytes += (drop + bytes.len() - kept.len()) as u64;
    }

    /// The hole to record before what is still here, in a log that ends at `head`.
    pub(crate) fn gap(&self, head: Out) -> Option<Gap> {
        let to = Out(head.0 + self.lost_bytes);
        (to > head).then_some(Gap { from: head, to, why: GapCause::DiskFull })
    }

    /// The hole is recorded.
    pub(crate) fn handle_gap_recorded(&mut self) {
        self.lost_bytes = 0;
    }

    /// The next record's worth of what is still here.
    pub(crate) fn next_chunk(&mut self) -> Option<&[u8]> {
        let bytes = &*self.ring.make_contiguous();
        (!bytes.is_empty()).then(|| &bytes[..bytes.len().min(MAX_OUTPUT_RECORD_BYTES)])
    }

    /// How much is lost, and what is still here behind it.
    pub(crate) fn contents(&self) -> (u64, [&[u8]; 2]) {
        let (first, second) = self.ring.as_slices();
        (self.lost_bytes, [first, second])
    }

    /// So many bytes of [`next_chunk`](Self::next_chunk) are recorded.
    pub(crate) fn handle_recorded(&mut self, count: usize) {
        self.ring.drain(..count);
        if self.ring.is_empty() {
            // a bad hour on the disk must not cost memory for ever
            self.ring = VecDeque::new();
        }
    }

    /// Gives up what is still here: there is no more time to wait for room.
    pub(crate) fn abandon(&mut self) {
        self.lost_bytes = self.len_bytes();
        self.ring = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn drained(overflow: &mut Overflow) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(chunk) = overflow.next_chunk() {
            let count = chunk.len();
            all.extend_from_slice(chunk);
            overflow.handle_recorded(count);
        }
        all
    }

    #[test]
    fn what_fits_is_kept_and_leaves_no_gap() {
        let mut overflow = Overflow::default();
        overflow.push(b"ab");
        overflow.push(b"c");
        assert_eq!(overflow.gap(Out(10)), None);
        assert_eq!(drained(&mut overflow), b"abc");
        assert!(overflow.is_empty());
    }

    #[test]
    fn an_abandoned_ring_is_one_gap() {
        let mut overflow = Overflow::default();
        overflow.push(b"abc");
        overflow.abandon();
        let gap = Gap { from: Out(10), to: Out(13), why: GapCause::DiskFull };
        assert_eq!(overflow.gap(Out(10)), Some(gap));
        assert_eq!(overflow.next_chunk(), None);
        overflow.handle_gap_recorded();
        assert!(overflow.is_empty());
    }

    proptest! {
        /// Lost and kept bytes always add up, and what is kept is the newest.
        #[test]
        fn nothing_is_lost_uncounted(sizes in proptest::collection::vec(0_usize..400_000, 0..8)) {
            let mut overflow = Overflow::default();
            let mut all = Vec::new();
            for (index, size) in sizes.into_iter().enumerate() {
                let bytes = vec![u8::try_from(index).expect("few"); size];
                overflow.push(&bytes);
                all.extend_from_slice(&bytes);
            }
            prop_assert_eq!(overflow.len_bytes(), all.len() as u64);
            let lost = overflow.gap(Out(0)).map_or(0, |gap| gap.to.0);
            let kept = drained(&mut overflow);
            prop_assert!(kept.len() <= FULL_DISK_RING_BYTES);
            prop_assert_eq!(lost + kept.len() as u64, all.len() as u64);
            prop_assert_eq!(&all[all.len() - kept.len()..], &kept[..]);
        }
    }
}
