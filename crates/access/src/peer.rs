//! Who is at the other end of the Unix socket: which user, and whether from inside a session.
//!
//! A program in a session runs as the same user as its owner, so the socket's mode keeps nothing from
//! it. What does is its ancestry: every process that a session's program starts stays below the
//! session's holder (a subreaper, so a double fork does not get away), and the holder is found by
//! walking up `/proc`.
//!
//! The walk looks at processes that live and die meanwhile. A pid names the same process as before only
//! if its start time is the same; a parent is believed only if it was started no later than its child
//! and the child still has it after it was looked at.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
};

use quarterdeck_protocol::ids::SessionId;
use tokio::net::UnixStream;

/// Longest chain of parents: beyond it someone is building one to be lost in.
const MAX_GENERATIONS: usize = 1024;
/// How often a walk begins anew because a process on its way ended.
const MAX_RESTARTS: usize = 16;
/// Bytes of `/proc/<pid>/stat`; the kernel writes below 1 KiB.
const MAX_STAT_BYTES: u64 = 4096;

/// The process that connected, as the kernel recorded it at that moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its pid; may have ended since.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
}

/// A peer of another user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this daemon serves user {ours} only; the caller is user {theirs}")]
pub struct ForeignPeer {
    /// The daemon's uid.
    pub ours: u32,
    /// The peer's uid.
    pub theirs: u32,
}

impl Peer {
    /// The peer of a connected Unix socket.
    ///
    /// # Errors
    /// When the system does not say, which it always does for a connected Unix socket.
    pub fn of_stream(stream: &UnixStream) -> io::Result<Self> {
        let credentials = stream.peer_cred()?;
        // 0, which no process has, for one in a namespace that cannot be seen from here
        let pid = credentials.pid().and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0);
        Ok(Self { pid, uid: credentials.uid() })
    }

    /// Refuses everyone but the relay's own user. Root is refused too: it can become this user, and
    /// then it is clear in whose name it acts.
    ///
    /// # Errors
    /// When the peer is another user.
    pub fn check_user(self) -> Result<(), ForeignPeer> {
        self.check_user_is(rustix::process::geteuid().as_raw())
    }

    const fn check_user_is(self, ours: u32) -> Result<(), ForeignPeer> {
        if self.uid == ours { Ok(()) } else { Err(ForeignPeer { ours, theirs: self.uid }) }
    }
}

/// Where a process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Below none of the holders.
    Outside,
    /// Below this session's holder, which is the nearest one.
    Inside(SessionId),
    /// It ended before it could be looked at, or cannot be seen from here. A session's program can
    /// bring this about, so it must be trusted no more than one inside.
    Unknown,
}

/// Where the process `pid` runs; `holders` are the live holders by pid.
#[must_use]
pub fn origin(pid: u32, holders: &BTreeMap<u32, SessionId>) -> Origin {
    origin_among(&ProcFs, pid, holders)
}

/// The session that the process `pid` runs in, if it certainly runs in one. Where a wrong "no" does
/// harm, ask [`origin`].
#[must_use]
pub fn ancestry(pid: u32, holders: &BTreeMap<u32, SessionId>) -> Option<SessionId> {
    match origin(pid, holders) {
        Origin::Inside(session) => Some(session),
        Origin::Outside | Origin::Unknown => None,
    }
}

/// Name of the processes that hold agents, as the kernel knows it. A descendant cannot change its
/// ancestor's.
const AGENT_HOLDER: &[u8] = b"qd-agent-holder";

/// Whether a process runs inside an agent's session of whatever relay of this user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentsProcess {
    /// It does not.
    No,
    /// It does.
    Yes,
    /// It ended before it could be looked at; it must be trusted no more than one inside.
    Unknown,
}

/// Whether the process `pid` is an agent's, for who does not know the holders by pid.
#[must_use]
pub fn is_agents(pid: u32) -> AgentsProcess {
    let mut holders = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let number = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
        let Some(number) = number else { continue };
        let name = std::fs::read(entry.path().join("comm")).unwrap_or_default();
        if name.trim_ascii_end() == AGENT_HOLDER {
            // which session it is does not matter here
            holders.insert(number, SessionId::from_bytes([0; 10]));
        }
    }
    match origin(pid, &holders) {
        Origin::Outside => AgentsProcess::No,
        Origin::Inside(_) => AgentsProcess::Yes,
        Origin::Unknown => AgentsProcess::Unknown,
    }
}

/// What the walk needs to know of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Process {
    parent: u32,
    /// Ticks since boot; together with the pid it names a process for good.
    started: u64,
}

/// The living processes; a table in tests.
trait Processes {
    fn look_at(&self, pid: u32) -> Option<Process>;
}

fn origin_among(
    processes: &impl Processes,
    pid: u32,
    holders: &BTreeMap<u32, SessionId>,
) -> Origin {
    let Some(start) = processes.look_at(pid) else { return Origin::Unknown };
    for _ in 0..MAX_RESTARTS {
        match walk_up(processes, pid, start, holders) {
            Walk::Done(origin) => return origin,
            Walk::Disturbed => {}
        }
    }
    Origin::Unknown
}

enum Walk {
    Done(Origin),
    /// A process on the way ended, and its children have another parent now.
    Disturbed,
}

fn walk_up(
    processes: &impl Processes,
    first_pid: u32,
    first: Process,
    holders: &BTreeMap<u32, SessionId>,
) -> Walk {
    let mut pid = first_pid;
    let Some(mut process) = processes.look_at(pid) else { return Walk::Done(Origin::Unknown) };
    if process.started != first.started {
        return Walk::Done(Origin::Unknown);
    }
    for _ in 0..MAX_GENERATIONS {
        if let Some(session) = holders.get(&pid) {
            return Walk::Done(Origin::Inside(*session));
        }
        // 0: the parent is outside this pid namespace, or there is none
        if process.parent == 0 {
            return Walk::Done(Origin::Outside);
        }
        let parent = processes.look_at(process.parent);
        // only now is it certain that the number meant that process
        if processes.look_at(pid) != Some(process) {
            return Walk::Disturbed;
        }
        match parent {
            Some(parent) if parent.started <= process.started => {
                pid = process.parent;
                process = parent;
            }
            Some(_) => return Walk::Disturbed,
            // a parent that ended would have passed its child on before it left the table: this one
            // belongs to a user whose processes are hidden from this one, and holders do not
            None => return Walk::Done(Origin::Outside),
        }
    }
    Walk::Done(Origin::Unknown)
}

struct ProcFs;

impl Processes for ProcFs {
    fn look_at(&self, pid: u32) -> Option<Process> {
        let file = File::open(format!("/proc/{pid}/stat")).ok()?;
        let mut text = Vec::new();
        file.take(MAX_STAT_BYTES).read_to_end(&mut text).ok()?;
        parse_stat(&text)
    }
}

/// Fields 4 (parent) and 22 (start time) of proc(5)'s `stat`. The command in field 2 may hold any
/// bytes, so fields are counted from its last closing bracket.
fn parse_stat(text: &[u8]) -> Option<Process> {
    let after_command = text.iter().rposition(|byte| *byte == b')')? + 1;
    let rest = std::str::from_utf8(&text[after_command..]).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let parent = fields.nth(1)?.parse().ok()?;
    let started = fields.nth(17)?.parse().ok()?;
    Some(Process { parent, started })
}

#[cfg(test)]
mod tests;
