//! The log as its users see it: real files, real locks, full disks.

#[path = "log/concurrent.rs"]
mod concurrent;
#[path = "log/damage.rs"]
mod damage;
#[path = "log/disk.rs"]
mod disk;
#[path = "log/model.rs"]
mod model;
#[path = "log/reading.rs"]
mod reading;
#[path = "log/recovery.rs"]
mod recovery;
#[path = "log/retention.rs"]
mod retention;
#[path = "log/support.rs"]
mod support;
#[path = "log/writing.rs"]
mod writing;
