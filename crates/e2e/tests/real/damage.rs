//! Files that are torn, flipped, full, read-only or from another time; processes that die. What is lost
//! is said with its size, everything else is as it was, and another session does not notice.

mod disk;
mod logs;
mod retention;
mod state;

use std::path::Path;

use quarterdeck_e2e::{
    harness::{
        client::Way,
        instance::{Instance, program_binary},
    },
    processes,
};
use quarterdeck_protocol::{ids::SessionId, method::SessionListResult, session::SessionInfo};
use rustix::process::Signal;

/// Starts a session with the test program.
async fn start(way: &Way, steps: &[&str]) -> SessionId {
    let program = program_binary().display().to_string();
    let words = std::iter::once(program.as_str()).chain(steps.iter().copied());
    way.connect("starter").await.create(words).await.session
}

/// The process that holds a session: the only one beside the relay that has its lock open.
fn holder_of(session_directory: &Path) -> u32 {
    let holders = processes::naming(&session_directory.join("lock"));
    assert_eq!(holders.len(), 1, "a session has one holder: {holders:?}");
    holders[0]
}

/// Kills a session's holder and waits until it is gone.
async fn kill_holder(session_directory: &Path) {
    let holder = holder_of(session_directory);
    processes::signal(holder, Signal::KILL).expect("the holder lives");
    processes::until_gone(holder).await.expect("can be waited for");
}

/// A session as `qd ls` lists it, if it does.
async fn listed(instance: &Instance, session: SessionId) -> Option<SessionInfo> {
    let list: SessionListResult = instance.qd(["ls", "--json"]).await.ok().json();
    list.sessions.into_iter().find(|info| info.session == session)
}
