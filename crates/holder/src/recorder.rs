//! Puts facts into the log and tells the driver; knows what to do when the disk says no.
//!
//! First the session's own oldest segments go. When that is not enough, output goes into a bounded
//! ring and straight to the driver; when room returns, what the ring still has is recorded behind a
//! gap of the exact size of what it has not. The program never notices.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use quarterdeck_protocol::record::Position;
use quarterdeck_protocol::{
    holder::{Stalled, op},
    ids::{Out, Seq},
    record::{Exit, Fact, RawJson, RecordKind},
};

use crate::{
    journal::Journal,
    log::{Append, Class, Entry, WriteError},
    overflow::Overflow,
    shared::Shared,
};

/// How often the disk is tried again while output waits in memory and none arrives.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// How often a holder with a full disk tries to record the end, a second apart, before it goes.
const EXIT_TRIES: u32 = 10;

/// Why a fact is not in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotRecorded {
    #[error("the disk is full")]
    DiskFull,
    #[error("the state directory is on a read-only file system")]
    ReadOnly,
    #[error("the log cannot be written")]
    IoError,
    #[error("the record is too large")]
    TooLarge,
}

impl NotRecorded {
    /// The stable word of [`Stalled`].
    fn word(self) -> &'static str {
        match self {
            Self::DiskFull => "disk_full",
            Self::ReadOnly => "read_only",
            Self::IoError | Self::TooLarge => "io_error",
        }
    }
}

impl From<WriteError> for NotRecorded {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::TooLarge(_) => Self::TooLarge,
            WriteError::ReadOnly => Self::ReadOnly,
            WriteError::Io(_) => Self::IoError,
        }
    }
}

/// How much of the log is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retention {
    pub(crate) keep_bytes: u64,
    pub(crate) pinned_from: Option<Seq>,
}

/// What became of several facts.
#[derive(Debug, Default)]
pub(crate) struct Group {
    /// How many are recorded.
    pub(crate) recorded: usize,
    /// Where the first one stands.
    pub(crate) first: Option<Seq>,
    /// Why the next one is not recorded.
    pub(crate) why: Option<NotRecorded>,
}

/// The log's writer with the session's rules.
#[derive(Debug)]
pub(crate) struct Recorder<J> {
    journal: J,
    shared: Arc<Shared>,
    overflow: Overflow,
    retention: Retention,
    stalled: Option<NotRecorded>,
}

impl<J: Journal> Recorder<J> {
    pub(crate) fn new(journal: J, shared: Arc<Shared>, retention: Retention) -> Self {
        let overflow = Overflow::default();
        Self { journal, shared, overflow, retention, stalled: None }
    }

    /// Records what the program wrote, or keeps it until there is room.
    pub(crate) fn record_output(&mut self, bytes: &[u8]) {
        self.retry();
        if self.overflow.is_empty() {
            match self.append(RecordKind::Output, bytes, Class::Bulk) {
                Ok(()) => return self.publish(),
                Err(why) => self.stall(Some(why)),
            }
        }
        let at = Out(self.head().out.0 + self.overflow.len_bytes());
        self.overflow.push(bytes);
        self.tell_output(at, bytes);
    }

    /// Tells a new driver what waits in memory. It may have been told the end of it already.
    pub(crate) fn tell_unrecorded(&self) {
        let (lost_bytes, pieces) = self.overflow.contents();
        let mut at = Out(self.head().out.0 + lost_bytes);
        for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
            self.tell_output(at, piece);
            at.0 += piece.len() as u64;
        }
    }

    fn tell_output(&self, at: Out, bytes: &[u8]) {
        let body = [&at.0.to_le_bytes()[..], bytes].concat();
        self.shared.link.tell_unrecorded(&body);
    }

    /// Records a fact behind the output before it: while that waits for room, so must this.
    pub(crate) fn record(&mut self, fact: &Fact) -> Result<(), NotRecorded> {
        let (kind, payload) = fact.encode();
        self.record_payload(kind, &payload, Class::Bulk)
    }

    /// Records a payload in the form that the relay gave it.
    pub(crate) fn record_payload(
        &mut self,
        kind: RecordKind,
        payload: &[u8],
        class: Class,
    ) -> Result<(), NotRecorded> {
        self.retry();
        if class == Class::Bulk
            && !self.overflow.is_empty()
            && let Some(why) = self.stalled
        {
            return Err(why);
        }
        let recorded = self.append(kind, payload, class);
        match recorded {
            Ok(()) => self.publish(),
            Err(NotRecorded::TooLarge) => {}
            Err(why) => self.stall(Some(why)),
        }
        recorded
    }

    /// Records several facts in order and tells of them once. What finds no room is not recorded, nor
    /// what stands behind it.
    pub(crate) fn record_group(&mut self, entries: &[Entry<'_>]) -> Group {
        let mut group = Group::default();
        for Entry { kind, payload, class } in entries {
            if let Err(why) = self.append(*kind, payload, *class) {
                group.why = Some(why);
                break;
            }
            // the head stands behind it; one that began a segment stands between
            group.first = group.first.or_else(|| self.head().seq.0.checked_sub(1).map(Seq));
            group.recorded += 1;
        }
        self.stall(group.why.filter(|why| *why != NotRecorded::TooLarge));
        self.publish();
        group
    }

    /// Sets what the next checkpoint says for the relay.
    pub(crate) fn set_extra(&mut self, extra: RawJson) {
        self.journal.set_extra(extra);
    }

    /// Makes everything recorded so far survive a power failure.
    pub(crate) fn sync(&mut self) -> Result<(), NotRecorded> {
        Ok(self.journal.sync()?)
    }

    /// Sets what is kept and drops the rest.
    pub(crate) fn retain(&mut self, retention: Retention) -> Result<(), NotRecorded> {
        self.retention = retention;
        self.journal.trim(retention.keep_bytes, retention.pinned_from)?;
        Ok(())
    }

    /// When [`retry`](Self::retry) wants to be called even if nothing happens.
    pub(crate) fn poll_timeout(&self) -> Option<Duration> {
        self.stalled.is_some().then_some(RETRY_INTERVAL)
    }

    /// Tries to record what waits in memory.
    pub(crate) fn retry(&mut self) {
        if self.stalled.is_none() {
            return;
        }
        match self.empty_overflow(Class::Bulk) {
            Ok(()) => self.stall(None),
            Err(why) => self.stall(Some(why)),
        }
    }

    /// Records the end, after everything that waits. The exit is worth more than output: what finds
    /// no room is a gap before it. Tells how long to wait before the next try, if that failed.
    pub(crate) fn record_exit(&mut self, exit: &Exit, attempt: u32) -> Option<Duration> {
        if self.empty_overflow(Class::Bulk).is_err() {
            self.overflow.abandon();
            // without room for the gap the exit still counts: it says where the output ends
            let _ = self.empty_overflow(Class::Vital);
        }
        let (kind, payload) = Fact::Exit(exit.clone()).encode();
        if self.record_payload(kind, &payload, Class::Vital).is_err() {
            return (attempt < EXIT_TRIES).then_some(RETRY_INTERVAL);
        }
        // it is recorded; that it survives a power failure too is only wished for
        let _ = self.sync();
        None
    }

    fn empty_overflow(&mut self, class: Class) -> Result<(), NotRecorded> {
        if let Some(gap) = self.overflow.gap(self.head().out) {
            let (kind, payload) = Fact::Gap(gap).encode();
            self.append(kind, &payload, class)?;
            self.overflow.handle_gap_recorded();
            self.publish();
        }
        // taken out for the loop: a chunk borrows it while the rest of `self` appends
        let mut overflow = std::mem::take(&mut self.overflow);
        let mut outcome = Ok(());
        while let Some(chunk) = overflow.next_chunk() {
            let count = chunk.len();
            outcome = self.append(RecordKind::Output, chunk, class);
            if outcome.is_err() {
                break;
            }
            overflow.handle_recorded(count);
        }
        self.overflow = overflow;
        self.publish();
        outcome
    }

    fn append(
        &mut self,
        kind: RecordKind,
        payload: &[u8],
        class: Class,
    ) -> Result<(), NotRecorded> {
        for entry in self.shared.take_applied() {
            self.journal.remember_input(entry.client, entry.n);
        }
        let entry = Entry { kind, payload, class };
        let expected = self.head().seq;
        let at = loop {
            match self.journal.append(entry, now_micros())? {
                Append::Done(at) => break at,
                Append::DiskFull => self.drop_oldest_segment()?,
            }
        };
        // A record stands before it that begins a segment. Trimmed before the head is told, so that who
        // reads that record finds the oldest segment there is.
        if at.seq != expected {
            // a file that cannot be removed now is tried again a segment later
            let _ = self.retain(self.retention);
        }
        Ok(())
    }

    fn drop_oldest_segment(&mut self) -> Result<(), NotRecorded> {
        let less = self.journal.log_bytes().saturating_sub(1);
        let trimmed = self.journal.trim(less, self.retention.pinned_from)?;
        if trimmed.segments == 0 { Err(NotRecorded::DiskFull) } else { Ok(()) }
    }

    fn head(&self) -> Position {
        self.journal.head()
    }

    fn publish(&self) {
        let head = self.head();
        self.shared.known().head = head;
        self.shared.link.tell_head(head);
    }

    /// Tells the driver when the state of the disk changes.
    fn stall(&mut self, why: Option<NotRecorded>) {
        if self.stalled == why {
            return;
        }
        self.stalled = why;
        let stalled = Stalled { why: why.map_or("", NotRecorded::word).to_owned() };
        if let Ok(body) = serde_json::to_vec(&stalled) {
            self.shared.link.tell(op::STALLED, 0, &body);
        }
        self.shared.known().stalled = why.map(|_| stalled);
    }
}

/// The wall clock; before 1970 it is 1970.
pub(crate) fn now_micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
