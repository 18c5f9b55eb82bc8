use super::*;

use std::{
    cell::{Cell, RefCell},
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

const S1: SessionId = SessionId::from_bytes([1; 10]);
const S2: SessionId = SessionId::from_bytes([2; 10]);

/// Processes by pid, and what happens to them after a number of looks.
#[derive(Default)]
struct Table {
    processes: RefCell<BTreeMap<u32, Process>>,
    looks: Cell<usize>,
    changes: Vec<(usize, u32, Option<Process>)>,
}

impl Table {
    fn new(rows: &[(u32, u32, u64)]) -> Self {
        let rows = rows
            .iter()
            .map(|(pid, parent, started)| (*pid, Process { parent: *parent, started: *started }));
        Self { processes: RefCell::new(rows.collect()), ..Self::default() }
    }
    fn then(mut self, look: usize, pid: u32, becomes: Option<(u32, u64)>) -> Self {
        let becomes = becomes.map(|(parent, started)| Process { parent, started });
        self.changes.push((look, pid, becomes));
        self
    }
}

impl Processes for Table {
    fn look_at(&self, pid: u32) -> Option<Process> {
        let look = self.looks.replace(self.looks.get() + 1);
        for (at, pid, becomes) in &self.changes {
            if *at == look {
                match becomes {
                    Some(process) => self.processes.borrow_mut().insert(*pid, *process),
                    None => self.processes.borrow_mut().remove(pid),
                };
            }
        }
        self.processes.borrow().get(&pid).copied()
    }
}

fn holders(rows: &[(u32, SessionId)]) -> BTreeMap<u32, SessionId> {
    rows.iter().copied().collect()
}

#[test]
fn the_nearest_holder_above_a_process_is_its_session() {
    let table = Table::new(&[(1, 0, 0), (10, 1, 5), (20, 10, 6), (30, 20, 7), (40, 30, 8)]);
    let nested = holders(&[(10, S1), (30, S2)]);
    assert_eq!(origin_among(&table, 40, &nested), Origin::Inside(S2));
    assert_eq!(origin_among(&table, 30, &nested), Origin::Inside(S2));
    assert_eq!(origin_among(&table, 20, &nested), Origin::Inside(S1));
    assert_eq!(origin_among(&table, 1, &nested), Origin::Outside);
    assert_eq!(origin_among(&table, 40, &holders(&[])), Origin::Outside);
}

#[test]
fn a_process_that_is_gone_is_not_taken_for_one_outside() {
    let table = Table::new(&[(1, 0, 0)]);
    assert_eq!(origin_among(&table, 7, &holders(&[])), Origin::Unknown);
    assert_eq!(origin_among(&table, 0, &holders(&[])), Origin::Unknown);
}

#[test]
fn a_pid_that_is_given_to_another_process_during_the_walk_is_not_believed() {
    // 40 ends after the first look and the number goes to a child of init
    let table = Table::new(&[(1, 0, 0), (10, 1, 5), (40, 10, 8)]).then(1, 40, Some((1, 99)));
    assert_eq!(origin_among(&table, 40, &holders(&[(10, S1)])), Origin::Unknown);
}

#[test]
fn a_parent_that_ends_during_the_walk_hands_the_child_to_the_holder() {
    // looks: 40 (begin), 40 (walk), 20; then 20 is gone and 40 is the subreaper's
    let table = Table::new(&[(1, 0, 0), (10, 1, 5), (20, 10, 6), (40, 20, 8)])
        .then(2, 20, None)
        .then(2, 40, Some((10, 8)));
    assert_eq!(origin_among(&table, 40, &holders(&[(10, S1)])), Origin::Inside(S1));
}

#[test]
fn a_parent_number_that_was_given_to_a_later_process_is_not_climbed() {
    // 20 ended and a process outside got its number: it is younger than its "child"
    let table = Table::new(&[(1, 0, 0), (20, 1, 50), (40, 20, 8)]);
    assert_eq!(origin_among(&table, 40, &holders(&[])), Origin::Unknown);
}

#[test]
fn a_parent_that_is_hidden_from_this_user_is_outside() {
    let table = Table::new(&[(40, 20, 8)]);
    assert_eq!(origin_among(&table, 40, &holders(&[])), Origin::Outside);
    assert_eq!(origin_among(&table, 40, &holders(&[(40, S1)])), Origin::Inside(S1));
}

#[test]
fn a_chain_without_end_ends_the_walk() {
    let rows: Vec<_> = (1..3000).map(|pid| (pid, pid + 1, 0)).collect();
    assert_eq!(origin_among(&Table::new(&rows), 1, &holders(&[])), Origin::Unknown);
    let ring = Table::new(&[(2, 3, 0), (3, 2, 0)]);
    assert_eq!(origin_among(&ring, 2, &holders(&[])), Origin::Unknown);
}

#[test]
fn a_command_cannot_forge_the_fields_of_its_stat_line() {
    let line = b"42 (a) 1 2 3 \xff (b) S 17 42 42 0 -1 4 1 0 0 0 0 0 0 0 20 0 1 0 987 1 2 3\n";
    assert_eq!(parse_stat(line), Some(Process { parent: 17, started: 987 }));
    for broken in [&b""[..], b"42 (a", b"42 (a) S", b"42 (a) S x", b"42 (a) S 1 2 3"] {
        assert_eq!(parse_stat(broken), None);
    }
}

#[tokio::test]
async fn only_the_relays_own_user_is_served() {
    let (here, _there) = UnixStream::pair().expect("a pair");
    let peer = Peer::of_stream(&here).expect("has credentials");
    assert_eq!(peer.pid, std::process::id());
    assert_eq!(peer.check_user(), Ok(()));
    for ours in [peer.uid + 1, peer.uid + 1000] {
        let refused = ForeignPeer { ours, theirs: peer.uid };
        assert_eq!(peer.check_user_is(ours), Err(refused));
    }
    let root = Peer { pid: 1, uid: 0 };
    assert!(root.check_user_is(1000).is_err());
}

/// A shell that prints a pid, and everything that it left running ends with this.
struct Shell {
    child: Child,
    printed: u32,
}

impl Shell {
    fn run(script: &str) -> Self {
        let mut child = Command::new("/bin/sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts a shell");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("is piped");
        BufReader::new(stdout).read_line(&mut line).expect("prints");
        Self { printed: line.trim().parse().expect("a pid"), child }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // processes of these tests live until their standard input ends
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

#[test]
fn a_real_descendant_of_a_holder_is_inside_and_a_stranger_is_not() {
    let shell = Shell::run("sh -c 'echo $$; read line'; :");
    let holder = holders(&[(std::process::id(), S1)]);
    assert_eq!(origin(shell.child.id(), &holder), Origin::Inside(S1));
    assert_eq!(ancestry(shell.printed, &holder), Some(S1));
    let stranger = holders(&[(shell.child.id(), S2)]);
    assert_eq!(origin(std::process::id(), &stranger), Origin::Outside);
    assert_eq!(origin(1, &holder), Origin::Outside);
}

#[test]
fn a_double_fork_does_not_get_out_of_a_subreapers_session() {
    let this = rustix::process::Pid::from_raw(1);
    rustix::process::set_child_subreaper(this).expect("becomes a subreaper");
    // the middle shell has ended when its output is printed; `cat` stays with the test's pipe
    let shell = Shell::run("exec 3<&0; echo $(sh -c 'cat <&3 >/dev/null & echo $!'); read line");
    let orphan = ProcFs.look_at(shell.printed).expect("lives");
    assert_eq!(orphan.parent, std::process::id(), "reparented to the subreaper");
    let holder = holders(&[(std::process::id(), S1)]);
    assert_eq!(origin(shell.printed, &holder), Origin::Inside(S1));
    assert_eq!(origin(shell.printed, &holders(&[(shell.child.id(), S2)])), Origin::Outside);
}

#[test]
fn a_process_that_has_ended_and_was_waited_for_is_unknown() {
    let shell = Shell::run("echo $$");
    let pid = shell.child.id();
    drop(shell);
    let holder = holders(&[(std::process::id(), S1)]);
    assert_eq!(origin(pid, &holder), Origin::Unknown);
}
