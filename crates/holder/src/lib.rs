//! A session's log on disk and the small process that holds its PTY.

pub mod log;
