//! The one thing that the output thread needs of a log. A seam: tests put a disk behind it that is
//! slow or full at will.

use quarterdeck_protocol::{
    ids::{ClientId, InputNumber, Seq},
    record::{Position, RawJson},
};

use crate::log::{Append, Entry, LogWriter, Trimmed, WriteError};

/// Where facts are written; see the functions of the same name of [`LogWriter`].
pub(crate) trait Journal: Send {
    fn head(&self) -> Position;
    fn log_bytes(&self) -> u64;
    fn append(&mut self, entry: Entry<'_>, time_micros: u64) -> Result<Append, WriteError>;
    fn remember_input(&mut self, client: ClientId, n: InputNumber);
    fn set_extra(&mut self, extra: RawJson);
    fn sync(&mut self) -> Result<(), WriteError>;
    fn trim(&mut self, keep_bytes: u64, pinned_from: Option<Seq>) -> Result<Trimmed, WriteError>;
}

impl Journal for LogWriter {
    fn head(&self) -> Position {
        self.head()
    }
    fn log_bytes(&self) -> u64 {
        self.log_bytes()
    }
    fn append(&mut self, entry: Entry<'_>, time_micros: u64) -> Result<Append, WriteError> {
        self.append(entry, time_micros)
    }
    fn remember_input(&mut self, client: ClientId, n: InputNumber) {
        self.remember_input(client, n);
    }
    fn set_extra(&mut self, extra: RawJson) {
        self.set_extra(Some(extra));
    }
    fn sync(&mut self) -> Result<(), WriteError> {
        self.sync()
    }
    fn trim(&mut self, keep_bytes: u64, pinned_from: Option<Seq>) -> Result<Trimmed, WriteError> {
        self.trim(keep_bytes, pinned_from)
    }
}

/// A disk in memory that is full or stuck at the test's will.
#[cfg(test)]
pub(crate) mod fake {
    use super::*;
    use std::sync::{Arc, Condvar, Mutex, MutexGuard};

    use quarterdeck_protocol::{
        ids::{Out, Seq},
        record::{RecordHeader, RecordKind},
    };

    use crate::log::Class;

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum Condition {
        Healthy,
        /// No room for bulk records.
        Full,
        /// No room for anything.
        BrimFull,
        ReadOnly,
        /// Writes do not return.
        Stuck,
    }

    #[derive(Debug)]
    pub(crate) struct Disk {
        pub(crate) condition: Condition,
        pub(crate) records: Vec<(RecordKind, Vec<u8>)>,
        /// A write is waiting.
        pub(crate) blocked: bool,
        /// Old segments that could be dropped.
        pub(crate) old_segments: u32,
        /// The next record comes behind one that begins a segment.
        pub(crate) segment_is_full: bool,
        next: Position,
    }

    /// A handle to the disk; the journal is one, the test keeps another.
    #[derive(Debug, Clone)]
    pub(crate) struct FakeJournal(Arc<(Mutex<Disk>, Condvar)>);

    impl FakeJournal {
        pub(crate) fn new() -> Self {
            let disk = Disk {
                condition: Condition::Healthy,
                records: Vec::new(),
                blocked: false,
                old_segments: 0,
                segment_is_full: false,
                next: Position::default(),
            };
            Self(Arc::new((Mutex::new(disk), Condvar::new())))
        }
        pub(crate) fn disk(&self) -> MutexGuard<'_, Disk> {
            self.0.0.lock().expect("no panic")
        }
        pub(crate) fn set(&self, condition: Condition) {
            self.disk().condition = condition;
            self.0.1.notify_all();
        }
        /// Waits until a write is stuck.
        pub(crate) fn wait_blocked(&self) {
            let waiting = self.0.1.wait_while(self.disk(), |disk| !disk.blocked);
            drop(waiting.expect("no panic"));
        }
    }

    impl Journal for FakeJournal {
        fn head(&self) -> Position {
            self.disk().next
        }
        fn log_bytes(&self) -> u64 {
            1 + u64::from(self.disk().old_segments)
        }
        fn append(&mut self, entry: Entry<'_>, _: u64) -> Result<Append, WriteError> {
            let mut disk = self.disk();
            if disk.condition == Condition::Stuck {
                disk.blocked = true;
                self.0.1.notify_all();
                let stuck = |disk: &mut Disk| disk.condition == Condition::Stuck;
                disk = self.0.1.wait_while(disk, stuck).expect("no panic");
                disk.blocked = false;
            }
            match disk.condition {
                Condition::Healthy | Condition::Stuck => {}
                Condition::Full if entry.class == Class::Vital => {}
                Condition::Full | Condition::BrimFull => return Ok(Append::DiskFull),
                Condition::ReadOnly => return Err(WriteError::ReadOnly),
            }
            if std::mem::take(&mut disk.segment_is_full) {
                disk.next.seq = disk.next.seq.next();
            }
            let at = disk.next;
            let header = RecordHeader { kind: entry.kind, flags: 0, time_micros: 0, at };
            disk.next = header.next(entry.payload);
            disk.records.push((entry.kind, entry.payload.to_vec()));
            Ok(Append::Done(at))
        }
        fn remember_input(&mut self, _: ClientId, _: InputNumber) {}
        fn set_extra(&mut self, _: RawJson) {}
        fn sync(&mut self) -> Result<(), WriteError> {
            Ok(())
        }
        fn trim(&mut self, keep: u64, _: Option<Seq>) -> Result<Trimmed, WriteError> {
            let mut trimmed = Trimmed::default();
            while self.log_bytes() > keep && self.disk().old_segments > 0 {
                let mut disk = self.disk();
                disk.old_segments -= 1;
                disk.condition = Condition::Healthy;
                trimmed.segments += 1;
            }
            Ok(trimmed)
        }
    }

    /// The output bytes among the records.
    pub(crate) fn output(disk: &Disk) -> (Vec<u8>, Out) {
        let bytes = disk.records.iter().filter(|(kind, _)| *kind == RecordKind::Output);
        (bytes.flat_map(|(_, bytes)| bytes.clone()).collect(), disk.next.out)
    }
}
