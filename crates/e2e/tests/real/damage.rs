//! Files that are torn, flipped, full, read-only or from another time; processes that die. What is lost
//! is said with its size, everything else is as it was, and another session does not notice.

mod disk;
mod logs;
mod retention;
mod state;

use quarterdeck_e2e::harness::{
    client::Way,
    instance::{Instance, program_binary},
};
use quarterdeck_protocol::{ids::SessionId, method::SessionListResult, session::SessionInfo};

/// Starts a session with the test program.
async fn start(way: &Way, steps: &[&str]) -> SessionId {
    let program = program_binary().display().to_string();
    let words = std::iter::once(program.as_str()).chain(steps.iter().copied());
    way.connect("starter").await.create(words).await.session
}

/// A session as `qd ls` lists it, if it does.
async fn listed(instance: &Instance, session: SessionId) -> Option<SessionInfo> {
    let list: SessionListResult = instance.qd(["ls", "--json"]).await.ok().json();
    list.sessions.into_iter().find(|info| info.session == session)
}
