//! Which operations were done, and what still waits for the agent to read: the part of "nothing
//! twice" that must outlive a relay. Pure.

use std::collections::{BTreeMap, VecDeque};

use quarterdeck_protocol::{
    ids::Seq,
    limits::{MAX_OPERATION_KEYS, MAX_PENDING_LINES_BYTES},
};

/// What a line costs beside its bytes, so that many tiny ones stay bounded too.
const LINE_COST_BYTES: usize = 64;

/// Keys of operations, and the records of their facts.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    facts: BTreeMap<String, Seq>,
    /// The latest last.
    order: VecDeque<String>,
}

impl Keys {
    /// The fact that stands under this key.
    pub(crate) fn fact(&self, key: &str) -> Option<Seq> {
        self.facts.get(key).copied()
    }

    /// Notes an operation that was recorded; the oldest of too many is forgotten.
    pub(crate) fn note(&mut self, key: &str, fact: Seq) {
        if self.order.len() >= MAX_OPERATION_KEYS
            && let Some(oldest) = self.order.pop_front()
        {
            self.facts.remove(&oldest);
        }
        self.order.push_back(key.to_owned());
        self.facts.insert(key.to_owned(), fact);
    }
}

/// Lines that are recorded and wait for the agent to read.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    lines: VecDeque<Vec<u8>>,
    /// Bytes of the first line that are written.
    written: usize,
    cost: usize,
}

impl Pending {
    /// Whether lines with so many bytes in all may wait too.
    pub(crate) fn has_room(&self, lines: usize, bytes: usize) -> bool {
        self.cost + bytes + lines * LINE_COST_BYTES <= MAX_PENDING_LINES_BYTES
    }

    /// Adds a line; its line feed is added here.
    pub(crate) fn push(&mut self, line: &[u8]) {
        self.cost += line.len() + LINE_COST_BYTES;
        let mut bytes = Vec::with_capacity(line.len() + 1);
        bytes.extend_from_slice(line);
        bytes.push(b'\n');
        self.lines.push_back(bytes);
    }

    /// What is to be written next.
    pub(crate) fn poll_write(&self) -> Option<&[u8]> {
        self.lines.front().map(|line| &line[self.written..])
    }

    /// So many of these bytes were written.
    pub(crate) fn handle_written(&mut self, count: usize) {
        self.written += count;
        if let Some(line) = self.lines.front()
            && self.written >= line.len()
        {
            self.cost -= line.len() - 1 + LINE_COST_BYTES;
            self.lines.pop_front();
            self.written = 0;
        }
    }

    /// Nobody will read them.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_leads_to_its_fact_until_it_is_very_old() {
        let mut keys = Keys::default();
        keys.note("first", Seq(1));
        assert_eq!((keys.fact("first"), keys.fact("second")), (Some(Seq(1)), None));
        for n in 0..MAX_OPERATION_KEYS as u64 {
            keys.note(&format!("k{n}"), Seq(n));
        }
        assert_eq!(keys.fact("first"), None);
        assert_eq!(keys.fact("k0"), Some(Seq(0)));
        assert_eq!(keys.facts.len(), MAX_OPERATION_KEYS);
    }

    #[test]
    fn lines_are_written_whole_and_in_order_whatever_the_pipe_takes() {
        for step in 1..9 {
            let mut pending = Pending::default();
            pending.push(b"one");
            pending.push(b"");
            pending.push(b"three");
            let mut written = Vec::new();
            while let Some(bytes) = pending.poll_write() {
                let count = bytes.len().min(step);
                written.extend_from_slice(&bytes[..count]);
                pending.handle_written(count);
            }
            assert_eq!(written, b"one\n\nthree\n");
            assert_eq!(pending.cost, 0);
        }
    }

    #[test]
    fn what_waits_for_an_agent_that_does_not_read_is_bounded() {
        let mut pending = Pending::default();
        let line = vec![b'x'; 1024 * 1024];
        let mut taken = 0;
        while pending.has_room(1, line.len()) {
            pending.push(&line);
            taken += 1;
        }
        assert_eq!(taken, 31);
        pending.clear();
        assert!(pending.has_room(1, line.len()));
    }
}
