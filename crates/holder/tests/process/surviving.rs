//! What surrounds a session and may fail it: the disk, the memory, the service manager.
//!
//! These need a file system, a control group or a scope of their own. Where this user may not make
//! one, the test says so and ends.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use quarterdeck_protocol::{
    frame::InputState,
    holder::{Stalled, StopRequest, op},
    record::{ExitStatus, Fact, GapCause},
};

use crate::harness::{House, Session, eventually, output_of, request, wait_gone, zygote_command};

/// Says why a test cannot be run here.
fn not_here(what: &str) {
    // the test harness shows it with `--nocapture`
    std::io::Write::write_all(&mut std::io::stderr(), format!("skipped: {what}\n").as_bytes())
        .expect("standard error");
}

// ---- a full disk ----

/// A house whose zygote has a small file system of its own, and that file system seen from here.
fn small_house(size: &str) -> Option<(House, PathBuf)> {
    let may = Command::new("unshare").args(["-rm", "true"]).stderr(Stdio::null()).status();
    if !may.is_ok_and(|status| status.success()) {
        not_here("no mount namespace for this user");
        return None;
    }
    let place = tempfile::tempdir().expect("a directory").keep();
    let mount = "mount -t tmpfs -o size=$1 none $2 && mkdir $2/session && exec $3";
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", mount, "sh", size]).arg(&place);
    command.arg(zygote_command().get_program());
    let house = House::with_zygote(command);
    let inside = place.strip_prefix("/").expect("absolute").to_owned();
    let seen = Path::new("/proc").join(house.zygote.pid().to_string()).join("root").join(inside);
    Some((house, seen))
}

#[test]
fn a_full_disk_blocks_no_program_and_leaves_a_gap_of_the_right_size() {
    let Some((house, seen)) = small_house("1m") else { return };
    let inside = Path::new("/").join(seen.components().skip(4).collect::<PathBuf>());
    let script = "stty raw -echo; echo ready; read go; \
        head -c 3000000 /dev/zero | tr '\\0' x; printf END; read go; printf MORE; read go";
    let mut session = house.launch(&request(&inside.join("session"), &["sh", "-c", script]));
    session.directory = seen.join("session");
    let filler = seen.join("filler");
    let mut driver = session.drive(1);
    driver.wait_output("ready");
    fs::write(&filler, vec![0; 400_000]).expect("room for the filler");

    driver.type_ahead(1, 0, b"\n");
    let stalled = driver.hear_until(|heard| heard.op == op::STALLED);
    let stalled: Stalled = serde_json::from_slice(&stalled.body).expect("json");
    assert_eq!(stalled.why, "disk_full");
    // the program writes all of its output, and the driver sees its end
    let end = driver.hear_until(|h| h.op == op::UNRECORDED && h.body.ends_with(b"END"));
    let from = u64::from_le_bytes(*end.body.first_chunk().expect("an offset"));
    let total = from + end.body.len() as u64 - 8;

    fs::remove_file(&filler).expect("room again");
    let over = driver.hear_until(|heard| heard.op == op::STALLED);
    let over: Stalled = serde_json::from_slice(&over.body).expect("json");
    assert_eq!(over.why, "", "it is over by itself");
    driver.type_ahead(2, 0, b"\n");
    driver.wait_output("MORE");
    let facts = session.facts();
    let lost = lost_bytes(&facts);
    assert!(lost > 0, "it was not full");
    let output = output_of(&facts);
    assert!(output.ends_with(b"ENDMORE"));
    assert_eq!(output.len() as u64 + lost, total + 4);

    driver.type_ahead(3, 0, b"\n");
    session.wait_end();
}

#[test]
fn an_exit_is_recorded_on_a_full_disk() {
    let Some((house, seen)) = small_house("1m") else { return };
    let inside = Path::new("/").join(seen.components().skip(4).collect::<PathBuf>());
    let script = "stty raw -echo; head -c 3000000 /dev/zero; read go; exit 9";
    let mut session = house.launch(&request(&inside.join("session"), &["sh", "-c", script]));
    session.directory = seen.join("session");
    let mut driver = session.drive(1);
    if driver.hello.as_ref().is_some_and(|hello| hello.stalled.is_none()) {
        driver.hear_until(|heard| heard.op == op::STALLED);
    }
    driver.type_ahead(1, 0, b"\n");
    session.wait_end();
    let facts = session.facts();
    let [.., Fact::Gap(_), Fact::Exit(exit)] = &facts[..] else { panic!("{:?}", facts.last()) };
    assert_eq!(exit.status, ExitStatus::Code { code: 9 });
    assert_eq!(output_of(&facts).len() as u64 + lost_bytes(&facts), 3_000_000);
}

/// What the log's gaps add up to.
fn lost_bytes(facts: &[Fact]) -> u64 {
    let gaps = facts.iter().filter_map(|fact| {
        let Fact::Gap(gap) = fact else { return None };
        Some(gap)
    });
    gaps.inspect(|gap| assert_eq!(gap.why, GapCause::DiskFull)).map(|g| g.to.0 - g.from.0).sum()
}

// ---- a disk that does not answer ----

/// A file system that is frozen and thawed from here. Thawed when it goes.
struct Freezer(PathBuf);

impl Freezer {
    fn set(&self, state: &str) {
        let done = Command::new("fsfreeze").arg(state).arg(&self.0).stderr(Stdio::null()).status();
        assert!(done.is_ok_and(|status| status.success()), "fsfreeze {state}");
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        let _ = Command::new("fsfreeze").arg("-u").arg(&self.0).stderr(Stdio::null()).status();
    }
}

/// A house whose sessions live on a file system of their own that can be frozen.
fn freezable_house() -> Option<(House, PathBuf, Freezer)> {
    let place = tempfile::tempdir().expect("a directory").keep();
    let image = place.join("image");
    let made = Command::new("sh")
        .args([
            "-c",
            "truncate -s 16M $1 && mkfs.ext4 -q $1 && unshare -m mount -o loop $1 /mnt",
            "sh",
        ])
        .arg(&image)
        .stderr(Stdio::null())
        .status();
    if !made.is_ok_and(|status| status.success()) {
        not_here("no file system that this user may freeze");
        return None;
    }
    let mount = "mount -o loop $1/image $1 && mkdir $1/session && exec $2";
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", mount, "sh"]).arg(&place);
    command.arg(zygote_command().get_program());
    let house = House::with_zygote(command);
    let inside = place.strip_prefix("/").expect("absolute").to_owned();
    let seen = Path::new("/proc").join(house.zygote.pid().to_string()).join("root").join(inside);
    Some((house, seen.clone(), Freezer(seen)))
}

/// A thread of the holder waits for the disk.
fn waits_for_the_disk(session: &Session) -> bool {
    let tasks = format!("/proc/{}/task", session.holder.as_raw_nonzero());
    let mut tasks = fs::read_dir(tasks).expect("a holder");
    tasks.any(|task| {
        let stat = fs::read_to_string(task.expect("a thread").path().join("stat"));
        stat.is_ok_and(|stat| stat.contains(") D "))
    })
}

#[test]
fn an_interrupt_does_not_wait_for_a_frozen_file_system() {
    let Some((house, seen, freezer)) = freezable_house() else { return };
    let inside = Path::new("/").join(seen.components().skip(4).collect::<PathBuf>());
    let script = "trap 'kill 0' INT; echo ready; while :; do read line; done";
    let mut session = house.launch(&request(&inside.join("session"), &["sh", "-c", script]));
    session.directory = seen.join("session");
    let mut driver = session.drive(1);
    driver.wait_output("ready");
    freezer.set("-f");
    driver.type_in(1, 0, b"stuck\r");
    eventually("a write that waits", || waits_for_the_disk(&session).then_some(()));
    assert_eq!(driver.type_in(2, 0, b"\x03").state, InputState::Applied);
    wait_gone(session.program);
    assert!(waits_for_the_disk(&session), "the disk answered in between");

    freezer.set("-u");
    session.wait_end();
    let Some(Fact::Exit(exit)) = session.facts().pop() else { panic!("an exit") };
    assert_eq!(exit.status, ExitStatus::Signal { signal: libc::SIGTERM, core: false });
}

// ---- too little memory ----

/// A control group with a memory limit, removed with the value.
struct SmallGroup(PathBuf);

impl SmallGroup {
    fn new(limit_bytes: u64) -> Option<Self> {
        let name = format!("qd-test-{}", std::process::id());
        let forms = [("memory", "memory.limit_in_bytes"), ("", "memory.max")];
        forms.into_iter().find_map(|(hierarchy, limit)| {
            let group = Path::new("/sys/fs/cgroup").join(hierarchy).join(&name);
            fs::create_dir(&group).ok()?;
            let group = Self(group);
            fs::write(group.0.join(limit), limit_bytes.to_string()).ok()?;
            Some(group)
        })
    }
}

impl Drop for SmallGroup {
    fn drop(&mut self) {
        // fails when something still lives in it; nothing of the test depends on it
        let _ = fs::remove_dir(&self.0);
    }
}

/// A zygote that first moves itself into this control group.
fn zygote_in(group: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "echo $$ > $0/cgroup.procs && exec \"$@\""]).arg(group);
    command.arg(zygote_command().get_program());
    command
}

#[test]
fn a_program_that_the_kernel_kills_for_memory_has_an_oom_exit() {
    let Some(group) = SmallGroup::new(48 * 1024 * 1024) else {
        return not_here("no control group with a memory limit for this user");
    };
    let house = House::with_zygote(zygote_in(&group.0));
    // keeps the last lines of what has none
    let session = house.launch(&request(&house.directory("s"), &["tail", "/dev/zero"]));
    session.wait_end();
    let Some(Fact::Exit(exit)) = session.facts().pop() else { panic!("an exit") };
    assert_eq!(exit.status, ExitStatus::Oom);
}

// ---- a scope of its own ----

const MOVING: &str = r#"#!/bin/sh
while [ "$1" != StartTransientUnit ]; do shift; done
scope=$3 pid=
while [ $# -gt 0 ]; do
    if [ "$1" = PIDs ]; then pid=$4; fi
    shift
done
mkdir "$(dirname "$0")/group/$scope" && echo "$pid" > "$(dirname "$0")/group/$scope/cgroup.procs"
"#;

#[test]
fn a_holder_and_its_program_move_into_a_scope_of_their_own() {
    let hierarchies = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].map(Path::new);
    let unified = hierarchies.into_iter().find(|path| path.join("cgroup.procs").exists());
    let Some(hierarchy) = unified else { return not_here("no unified control groups") };
    // the path of a user's service manager: where a scope makes a holder live longer
    let parent = hierarchy.join(format!("qd-test-{}-scope", std::process::id()));
    let group = parent.join("user@0.service");
    if fs::create_dir_all(&group).is_err() {
        return not_here("no control group for this user");
    }
    let tools = tempfile::tempdir().expect("a directory");
    let runtime = tools.path().join("run");
    fs::create_dir_all(runtime.join("systemd")).expect("a directory");
    fs::write(runtime.join("systemd/private"), "").expect("written");
    std::os::unix::fs::symlink(&group, tools.path().join("group")).expect("linked");
    let busctl = tools.path().join("busctl");
    // written by another process: while this one has it open, a test that forks keeps it busy
    let write = "printf '%s' \"$1\" > \"$2\" && chmod 700 \"$2\"";
    let written = Command::new("sh").args(["-c", write, "sh", MOVING]).arg(&busctl).status();
    assert!(written.is_ok_and(|status| status.success()));

    let mut command = zygote_in(&group);
    command.arg(&runtime).arg(&busctl);
    let house = House::with_zygote(command);
    let session = house.launch(&request(&house.directory("s"), &["cat"]));
    let scope = "user@0.service/qd-s_07070707070707070707.scope";
    for (process, below) in [(session.holder, ""), (session.program, "/program")] {
        let path = format!("/proc/{}/cgroup", process.as_raw_nonzero());
        let groups = fs::read_to_string(path).expect("alive");
        let expected = format!("{scope}{below}");
        assert!(groups.lines().any(|line| line.ends_with(&expected)), "{groups}");
    }
    assert!(!has_note(&session), "it moved and says that it did not");

    // no descendant of the holder, so only a kill of the whole group reaches it
    let own = group.join("qd-s_07070707070707070707.scope/program");
    let mut guest = Command::new("sleep").arg("1000").spawn().expect("sleep starts");
    fs::write(own.join("cgroup.procs"), guest.id().to_string()).expect("moved");
    let stop = StopRequest { rung_ms: 0, now: true };
    session.drive(1).ask(op::STOP, &stop).expect("accepted");
    assert!(!guest.wait().expect("it ends").success());
    session.wait_end();
    drop(house);
    let scope = group.join("qd-s_07070707070707070707.scope");
    for directory in [&own, &scope, &group, &parent] {
        let removed = || !directory.exists() || fs::remove_dir(directory).is_ok();
        // processes that end leave their group a moment later
        eventually("an empty group", || removed().then_some(()));
    }
}

fn has_note(session: &Session) -> bool {
    session.facts().iter().any(|fact| matches!(fact, Fact::Note(note) if note.topic == "scope"))
}
