//! Looks at the process table: who descends from whom, and who is still there.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
};

use quarterdeck_protocol::record::LeftProcess;
use rustix::{
    io::Errno,
    process::{Pid, PidfdFlags, Signal},
};

/// A line of the process table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    /// Its process group.
    pub(crate) group: i32,
    /// The kernel's name for it: at most 15 bytes, set by the program's file name or by itself.
    pub(crate) name: Vec<u8>,
    /// It has ended and waits to be collected.
    pub(crate) zombie: bool,
}

/// Parses `/proc/PID/stat`. The name stands in parentheses and may contain anything, so the fields
/// after it are counted from the last one.
fn parse_stat(stat: &[u8]) -> Option<Process> {
    let open = stat.iter().position(|byte| *byte == b'(')?;
    let close = stat.iter().rposition(|byte| *byte == b')')?;
    let pid = std::str::from_utf8(stat.get(..open)?).ok()?.trim().parse().ok()?;
    let rest = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    let name = stat.get(open + 1..close)?.to_vec();
    Some(Process { pid, parent, group, name, zombie: matches!(state, "Z" | "X") })
}

fn look_up(pid: i32) -> Option<Process> {
    parse_stat(&fs::read(format!("/proc/{pid}/stat")).ok()?)
}

/// A process and all above it, itself first. `None` when it is gone.
pub(crate) fn ancestors(pid: Pid) -> Option<Vec<Process>> {
    let mut line = vec![look_up(pid.as_raw_nonzero().get())?];
    // a parent that ends while we walk is replaced by its subreaper; a loop cannot arise, but a
    // bound costs nothing
    while let Some(last) = line.last().filter(|last| last.parent > 0 && line.len() < 4096) {
        let Some(parent) = look_up(last.parent) else { break };
        line.push(parent);
    }
    Some(line)
}

/// Names of Quarterdeck's own daemons. A person's program may well begin as they do.
const OWN_DAEMONS: [&[u8]; 5] =
    [b"qd-relay", b"qd-hub", b"qd-zygote", b"qd-holder", b"qd-agent-holder"];

/// Whether some descendants are not counted as such.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spare {
    /// All count. So it is below an agent: a name, which anything can give itself, must not be a way
    /// out.
    Nobody,
    /// A relay that was first started from inside a session is not part of it, and neither are the
    /// sessions that it started: ending one session must not end them.
    Daemons,
}

/// Every living descendant of `root`, without `root` itself. Orphans are among them where `root` is a
/// subreaper.
pub(crate) fn descendants(root: i32, spare: Spare) -> io::Result<Vec<Process>> {
    let mut children: BTreeMap<i32, Vec<Process>> = BTreeMap::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        if let Some(process) = look_up(pid) {
            children.entry(process.parent).or_default().push(process);
        }
    }
    let mut found = Vec::new();
    let mut seen = BTreeSet::from([root]);
    let mut ahead = vec![root];
    while let Some(parent) = ahead.pop() {
        for child in children.remove(&parent).unwrap_or_default() {
            let own = OWN_DAEMONS.contains(&child.name.as_slice());
            if !(spare == Spare::Daemons && own) && seen.insert(child.pid) {
                ahead.push(child.pid);
                found.push(child);
            }
        }
    }
    found.retain(|process| !process.zombie);
    Ok(found)
}

/// Sends `signal` to each descendant of `root`. Safe against reused pids: the
/// process is pinned by a pidfd first and looked up again after, where the kernel can do that.
pub(crate) fn signal_descendants(root: i32, signal: Signal, spare: Spare) -> io::Result<()> {
    for process in descendants(root, spare)? {
        let Some(pid) = Pid::from_raw(process.pid) else { continue };
        let pinned = rustix::process::pidfd_open(pid, PidfdFlags::empty());
        let still = ancestors(pid).is_some_and(|line| line.iter().any(|p| p.pid == root));
        if !still {
            continue;
        }
        // it may have ended meanwhile, which is what the signal is for
        let _ = match pinned {
            Ok(pinned) => rustix::process::pidfd_send_signal(&pinned, signal),
            // kernels before 5.3 cannot pin
            Err(Errno::NOSYS) => rustix::process::kill_process(pid, signal),
            Err(gone) => Err(gone),
        };
    }
    Ok(())
}

/// What is said of processes that stay behind: their names, for people.
pub(crate) fn left(processes: &[Process], limit: usize) -> Vec<LeftProcess> {
    let as_left = |process: &Process| LeftProcess {
        pid: process.pid.unsigned_abs(),
        command: String::from_utf8_lossy(&process.name).into_owned(),
    };
    processes.iter().take(limit).map(as_left).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_is_read_whole() {
        let process = parse_stat(b"42 (a) b (c) S 7 41 40 0 -1").expect("parses");
        let expected =
            Process { pid: 42, parent: 7, group: 41, name: b"a) b (c".to_vec(), zombie: false };
        assert_eq!(process, expected);
        assert!(parse_stat(b"42 (x) Z 7 1").expect("parses").zombie);
        for damaged in [&b""[..], b"42", b"42 (x", b") 42 (", b"x (y) S 1 1"] {
            assert_eq!(parse_stat(damaged), None);
        }
    }

    #[test]
    fn a_child_is_found_below_this_process_knows_its_ancestors_and_can_be_reached() {
        use std::io::{BufRead as _, BufReader};
        let mut child = std::process::Command::new("sh")
            .args(["-c", "sleep 1000 & echo $!; wait"])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("a shell starts");
        let mut line = String::new();
        let output = child.stdout.as_mut().expect("piped");
        BufReader::new(output).read_line(&mut line).expect("a line");
        let grandchild: i32 = line.trim().parse().expect("a pid");
        let own = i32::try_from(std::process::id()).expect("fits");
        let pid = i32::try_from(child.id()).expect("fits");
        let below = descendants(own, Spare::Nobody).expect("scan");
        assert!(below.iter().any(|process| process.pid == pid), "{below:?}");
        let line = ancestors(Pid::from_raw(pid).expect("nonzero")).expect("alive");
        assert_eq!((line[0].pid, line[1].pid), (pid, own));

        // other tests have children too, so the signal goes to the child's own descendants
        signal_descendants(pid, Signal::KILL, Spare::Nobody).expect("signals");
        // the shell waits for it, and ends after it
        child.wait().expect("it ends");
        assert_eq!(look_up(grandchild), None);
        assert!(descendants(own, Spare::Nobody).expect("scan").iter().all(|p| p.pid != pid));
    }

    #[test]
    fn only_our_own_daemons_are_passed_over_not_programs_that_begin_like_them() {
        let directory = tempfile::tempdir().expect("a directory");
        let own = i32::try_from(std::process::id()).expect("fits");
        for (name, found) in [("qd-mine", true), ("qd-relay", false)] {
            let link = directory.path().join(name);
            std::os::unix::fs::symlink("/bin/cat", &link).expect("links");
            let mut command = std::process::Command::new(&link);
            let mut child = command.stdin(std::process::Stdio::piped()).spawn().expect("starts");
            let pid = i32::try_from(child.id()).expect("fits");
            let below = descendants(own, Spare::Daemons).expect("scan");
            assert_eq!(below.iter().any(|process| process.pid == pid), found, "{name}");
            child.kill().expect("is killed");
            child.wait().expect("ends");
        }
    }
}
