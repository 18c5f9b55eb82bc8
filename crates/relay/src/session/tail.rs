//! The newest records of a session in memory, and who is to be woken when there are more.
//!
//! Wake-ups carry no data: a woken viewer compares its cursor with the head, so none can be lost.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use quarterdeck_protocol::{
    ids::{Channel, Out, Seq},
    limits::{FULL_DISK_RING_BYTES, LIVE_TAIL_BYTES},
    record::{Position, Record},
};

use crate::connection::outbox::Outbox;

/// The newest records, shared by the session's task (the only writer) and its viewers.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    head: Position,
    /// Consecutive; the last one ends at `head`.
    records: VecDeque<Record>,
    bytes: usize,
    /// Output after `head` that a full disk keeps out of the log; it ends up there or in a gap.
    unrecorded: VecDeque<(Out, Bytes)>,
    viewers: Vec<ViewerWake>,
}

#[derive(Debug)]
struct ViewerWake {
    channel: Channel,
    outbox: Arc<Outbox>,
}

/// What a viewer finds at its cursor.
#[derive(Debug)]
pub(crate) enum TailRead {
    /// The record at the cursor.
    Record(Record),
    /// Nothing is there yet.
    AtHead,
    /// It is older than what is kept here: read the log.
    Older,
}

impl Tail {
    /// Where the next record will stand.
    pub(crate) fn head(&self) -> Position {
        self.lock().head
    }

    /// Sets the head without records, when a log is opened.
    pub(crate) fn set_head(&self, head: Position) {
        let mut inner = self.lock();
        inner.head = head;
        inner.records.clear();
        inner.bytes = 0;
    }

    /// Adds records, which must follow the head, and wakes all viewers.
    pub(crate) fn publish(&self, records: impl Iterator<Item = Record>) {
        let mut inner = self.lock();
        for record in records {
            inner.head = record.next();
            inner.bytes += record.payload.len();
            inner.records.push_back(record);
        }
        let head = inner.head.out;
        inner.unrecorded.retain(|(out, bytes)| out.0 + bytes.len() as u64 > head.0);
        let keep = if inner.viewers.is_empty() { 0 } else { LIVE_TAIL_BYTES };
        while inner.bytes > keep || (keep == 0 && !inner.records.is_empty()) {
            let Some(oldest) = inner.records.pop_front() else { break };
            inner.bytes -= oldest.payload.len();
        }
        if keep == 0 {
            inner.records.shrink_to_fit();
        }
        for viewer in &inner.viewers {
            viewer.outbox.wake_channel(viewer.channel);
        }
    }

    /// Adds output that is not in the log yet, and wakes all viewers.
    pub(crate) fn show_unrecorded(&self, out: Out, bytes: Bytes) {
        let mut inner = self.lock();
        if inner.viewers.is_empty() || out < inner.head.out {
            return;
        }
        inner.unrecorded.push_back((out, bytes));
        let mut kept: usize = inner.unrecorded.iter().map(|(_, bytes)| bytes.len()).sum();
        while kept > FULL_DISK_RING_BYTES {
            let Some((_, dropped)) = inner.unrecorded.pop_front() else { break };
            kept -= dropped.len();
        }
        for viewer in &inner.viewers {
            viewer.outbox.wake_channel(viewer.channel);
        }
    }

    /// Unrecorded output from `out` on, or from the first byte after it that is kept.
    pub(crate) fn read_unrecorded(&self, out: Out) -> Option<(Out, Bytes)> {
        let inner = self.lock();
        let end = |(from, bytes): &&(Out, Bytes)| from.0 + bytes.len() as u64;
        let (from, bytes) = inner.unrecorded.iter().find(|chunk| end(chunk) > out.0)?;
        let skip = usize::try_from(out.0.saturating_sub(from.0)).unwrap_or(0);
        Some((Out(from.0.max(out.0)), bytes.slice(skip..)))
    }

    /// The record at `seq`.
    pub(crate) fn read(&self, seq: Seq) -> TailRead {
        let inner = self.lock();
        if seq >= inner.head.seq {
            return TailRead::AtHead;
        }
        let oldest = inner.records.front().map(|record| record.header.at.seq);
        let index = oldest.and_then(|oldest| seq.0.checked_sub(oldest.0));
        let index = index.and_then(|index| usize::try_from(index).ok());
        match index.and_then(|index| inner.records.get(index)) {
            Some(record) => TailRead::Record(record.clone()),
            None => TailRead::Older,
        }
    }

    /// Wakes this channel from now on.
    pub(crate) fn subscribe(&self, channel: Channel, outbox: Arc<Outbox>) {
        self.lock().viewers.push(ViewerWake { channel, outbox });
    }

    /// Wakes it no more.
    pub(crate) fn unsubscribe(&self, channel: Channel, outbox: &Arc<Outbox>) {
        let mut inner = self.lock();
        inner.viewers.retain(|v| v.channel != channel || !Arc::ptr_eq(&v.outbox, outbox));
        if inner.viewers.is_empty() {
            inner.records = VecDeque::new();
            inner.bytes = 0;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarterdeck_protocol::record::{RecordHeader, RecordKind};

    fn record(seq: u64, out: u64, len: usize) -> Record {
        let at = Position { seq: Seq(seq), out: Out(out) };
        let header = RecordHeader { kind: RecordKind::Output, flags: 0, time_micros: 0, at };
        Record { header, payload: Bytes::from(vec![b'x'; len]) }
    }

    #[test]
    fn without_viewers_nothing_is_kept_but_the_head() {
        let tail = Tail::default();
        tail.publish([record(0, 0, 10)].into_iter());
        assert_eq!(tail.head(), Position { seq: Seq(1), out: Out(10) });
        assert!(matches!(tail.read(Seq(0)), TailRead::Older));
        assert!(matches!(tail.read(Seq(1)), TailRead::AtHead));
    }

    #[test]
    fn with_viewers_the_newest_records_are_kept_up_to_the_bound() {
        let tail = Tail::default();
        tail.subscribe(Channel(1), Arc::default());
        let len = LIVE_TAIL_BYTES / 2;
        for n in 0..4u64 {
            tail.publish([record(n, n * len as u64, len)].into_iter());
        }
        assert!(matches!(tail.read(Seq(1)), TailRead::Older));
        for n in 2u64..4 {
            let TailRead::Record(found) = tail.read(Seq(n)) else { panic!("record {n} is kept") };
            assert_eq!(found.header.at.seq, Seq(n));
        }
    }

    #[test]
    fn unrecorded_output_is_shown_until_the_log_has_it() {
        let tail = Tail::default();
        tail.subscribe(Channel(1), Arc::default());
        tail.show_unrecorded(Out(0), Bytes::from_static(b"abc"));
        tail.show_unrecorded(Out(3), Bytes::from_static(b"def"));
        assert_eq!(tail.read_unrecorded(Out(1)), Some((Out(1), Bytes::from_static(b"bc"))));
        assert_eq!(tail.read_unrecorded(Out(3)), Some((Out(3), Bytes::from_static(b"def"))));
        assert_eq!(tail.read_unrecorded(Out(6)), None);
        tail.publish([record(0, 0, 6)].into_iter());
        assert_eq!(tail.read_unrecorded(Out(0)), None);
    }
}
