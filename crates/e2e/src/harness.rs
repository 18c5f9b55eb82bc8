//! Real processes under test: an instance of its own per test, with everything that a person would use.
//!
//! - [`instance`]: the temporary home, the `qd` binary, its relay; nothing is left when it is dropped;
//! - [`client`]: the native protocol as a program would speak it, over any endpoint;
//! - [`hub`]: a hub, machines for it;
//! - [`simulated`]: as many machines of a hub as one likes;
//! - [`terminal`]: `qd` on a pseudo-terminal, with its screen and keys;
//! - [`agor`]: a controller that speaks the dialect agor, as its users' programs do;
//! - [`myagent`]: a client that speaks the dialect myagent;
//! - [`agents`]: the real coding agents, and a home for each;
//! - [`conversation`]: a conversation with one of them, as a holder and a relay would lead it;
//! - [`house`]: a real agent below a holder, behind a relay, started by `qd`;
//! - [`agent`]: the scripted agent, who watches it, and its journal;
//! - [`canary`]: a second session that must go on while the first one suffers;
//! - [`news`]: what a watching client is told of agents;
//! - [`proxy`]: a proxy that notes what is wanted, and leads nowhere or always to one place;
//! - [`http`]: plain HTTP and server-sent events, as any program would speak them;
//! - [`raw`]: a bare WebSocket, for what no client of ours would say;
//! - [`steady`]: a session and a client whose streams are known, for comparing after faults;
//! - [`overview`]: all sessions as a watching client sees them, to wait for a state;
//! - [`files`]: what programs write into files, and the log on disk;
//! - [`network`]: machines with addresses and cables of their own;
//! - [`receiver`]: a server that is told by hooks, and answers as it is told to;
//! - [`small_disk`]: a file system that can be filled up or closed to writes;
//! - [`tools`]: programs of the system that some tests need.
//!
//! A wait in a test is for an event, and [`within`] is what ends it when the event does not come.

pub mod agent;
pub mod agents;
pub mod agor;
pub mod browser;
pub mod canary;
pub mod client;
pub mod conversation;
pub mod files;
pub mod house;
pub mod http;
pub mod hub;
pub mod instance;
pub mod mail;
pub mod myagent;
pub mod network;
pub mod news;
pub mod overview;
pub mod proxy;
pub mod raw;
pub mod receiver;
pub mod simulated;
pub mod small_disk;
pub mod steady;
pub mod terminal;
pub mod tools;

use std::{future::Future, time::Duration};

/// How long an event may take on a loaded machine. Nothing waits for it when all is well.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for an event.
///
/// # Panics
/// When it does not come in time: the text says what was waited for.
pub async fn within<T>(what: &str, event: impl Future<Output = T>) -> T {
    within_time(PATIENCE, what, event).await
}

/// The same for what takes longer.
///
/// # Panics
/// When it does not come in time: the text says what was waited for.
pub async fn within_time<T>(limit: Duration, what: &str, event: impl Future<Output = T>) -> T {
    let Ok(value) = tokio::time::timeout(limit, event).await else {
        panic!("nothing for {limit:?}: {what}");
    };
    value
}

/// Whether the long versions of tests are asked for.
#[must_use]
pub fn is_long() -> bool {
    std::env::var_os("QD_LONG").is_some_and(|value| value == "1")
}

/// The first of two numbers in an ordinary run, the second in a long one.
#[must_use]
pub fn ordinary_or_long<T>(ordinary: T, long: T) -> T {
    if is_long() { long } else { ordinary }
}

/// Waits a moment before something in another process, which tells nobody, is looked at again.
pub async fn look_again() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}
