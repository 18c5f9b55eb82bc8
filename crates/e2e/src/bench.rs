//! Keystroke echo and bulk output of Quarterdeck beside raw limits and other systems.
//!
//! The rules of measuring: all systems in one run, in rounds that go round all of them, with the same
//! programs and the same client; a figure is the median of the rounds with its quartiles; what counts is
//! the ratio to `ref-ws` of the same round, because the machine's mood is in both.
//!
//! - [`line`]: a terminal seen by a client that reads and writes bytes and does nothing else;
//! - [`systems`]: how each system starts a program and gives such a line;
//! - [`reference`]: the servers that stand for the least a system can do;
//! - [`measure`]: one round of echo or bulk on one line;
//! - [`rounds`]: which system is measured when;
//! - [`stats`], [`report`]: what the rounds add up to, and the table.

pub mod line;
pub mod measure;
pub mod quarterdeck;
pub mod reference;
pub mod report;
pub mod rounds;
pub mod stats;
pub mod systems;
