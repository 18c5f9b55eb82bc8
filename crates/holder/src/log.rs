//! A session's log on disk: one writer, any number of readers, no daemon in between.
//!
//! ```text
//! <session>/lock               held by the writer for as long as it lives
//! <session>/reserve            space that vital records may use on a full disk
//! <session>/log/<seq>-<out>.qdl  segments, named by the position of their first record
//! <session>/log/torn-<n>       what recovery cut off, for people
//! ```
//!
//! In the order in which a record travels:
//!
//! - [`LogLock`]: who may write, and the proof that a writer lives;
//! - [`LogWriter`]: appends records, begins segments, survives full disks, drops old segments;
//! - [`segment`]: the bytes of a segment and their recovery, as pure functions;
//! - [`LogReader`]: follows a log while it is written, and reports what is missing;
//! - [`scan_state`]: what a log adds up to, without reading all of it;
//! - [`log_usage`]: what a log takes; which logs shrink is decided by `quarterdeck_core::quota`.
//!
//! What records say, and their bytes, stands in `quarterdeck_protocol::record`. Deliberately not
//! here: when to write what (the holder), who may read (the relay).

mod files;
mod lock;
mod reader;
mod reserve;
mod scan;
pub mod segment;
mod usage;
mod writer;

pub use lock::{LogLock, is_held};
pub use reader::{LogReader, Next, Sought};
pub use scan::{ReadError, Recovered, scan_state};
pub use segment::Missing;
pub use usage::{LogUsage, log_usage};
pub use writer::{
    Append, Batch, Class, Cut, Entry, LogOptions, LogWriter, NewLog, OpenError, Opened, Trimmed,
    WriteError,
};
