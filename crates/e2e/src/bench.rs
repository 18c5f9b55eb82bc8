//! Quarterdeck measured beside raw limits and other systems.
//!
//! The rules of measuring: all systems in one run, in rounds that go round all of them, with the same
//! programs and the same client; a figure is the median of the rounds with its quartiles; what counts is
//! the ratio to `ref-ws` of the same round, because the machine's mood is in both.
//!
//! - [`line`]: a terminal seen by a client that reads and writes bytes and does nothing else;
//! - [`systems`], [`reference`]: the raw limits, and servers that do the least that can be done;
//! - [`relay`], [`client`], [`quarterdeck`], [`holder`], [`trust`]: Quarterdeck, whole and in part;
//! - [`others`], [`sshd`], [`ttyd`]: what else is installed;
//! - [`measure`]: one round of echo or bulk on one line; [`rounds`]: which system is measured when;
//! - [`goals`]: what Quarterdeck is to reach, and what it does; [`wan`]: over a link that is slow;
//! - [`stats`], [`report`]: what the rounds add up to, and the tables.

pub mod client;
pub mod goals;
pub mod holder;
pub mod line;
pub mod measure;
pub mod others;
pub mod quarterdeck;
pub mod reference;
pub mod relay;
pub mod report;
pub mod rounds;
pub mod sshd;
pub mod sshx;
pub mod stats;
pub mod systems;
pub mod trust;
pub mod ttyd;
pub mod wan;
