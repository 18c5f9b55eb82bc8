//! The one thing that the output thread needs of a log. A seam: tests put a disk behind it that is
//! slow or full at will.

use quarterdeck_protocol::{
    ids::{ClientId, InputNumber, Seq},
    record::Position,
};

use crate::log::{Append, Entry, LogWriter, Trimmed, WriteError};

/// Where facts are written; see the functions of the same name of [`LogWriter`].
pub(crate) trait Journal: Send {
    fn head(&self) -> Position;
    fn log_bytes(&self) -> u64;
    fn append(&mut self, entry: Entry<'_>, time_micros: u64) -> Result<Append, WriteError>;
    fn remember_input(&mut self, client: ClientId, n: InputNumber);
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
    fn sync(&mut self) -> Result<(), WriteError> {
        self.sync()
    }
    fn trim(&mut self, keep_bytes: u64, pinned_from: Option<Seq>) -> Result<Trimmed, WriteError> {
        self.trim(keep_bytes, pinned_from)
    }
}
