//! From a request to a running program, and every way in which that fails.

use std::{fs::File, io::Read as _, os::unix::net::UnixStream, time::Duration};

use quarterdeck_holder::{log, zygote::LaunchError};
use quarterdeck_protocol::{
    holder::{LaunchAnswer, LaunchErrorCode, LaunchRequest},
    ids::Incarnation,
    record::{Fact, TerminalSize},
};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::harness::{House, LIMIT, is_alive, pid, request, wait_gone};

fn failure(house: &House, request: &LaunchRequest) -> (LaunchErrorCode, String) {
    match house.zygote.launch(request, LIMIT).expect("an answer") {
        LaunchAnswer::Failed { code, message } => (code, message),
        LaunchAnswer::Started { .. } => panic!("it runs"),
    }
}

#[test]
fn a_program_gets_exactly_its_environment_directory_size_and_name() {
    let house = House::new();
    let directory = house.directory("s");
    let mut asked = request(&directory, &["sh", "-c", "pwd; stty size; echo $0; env | sort"]);
    asked.argv0 = Some("-login".to_owned());
    asked.cwd = "/usr".to_owned();
    asked.size = TerminalSize { cols: 100, rows: 30, xpixel: 0, ypixel: 0 };
    asked.env.insert("SECRET".to_owned(), "s3cr3t".to_owned());
    let session = house.launch(&asked);
    session.wait_end();
    let output = session.output().replace('\r', "");
    let mut lines = output.lines();
    assert_eq!(lines.next(), Some("/usr"));
    assert_eq!(lines.next(), Some("30 100"));
    assert_eq!(lines.next(), Some("-login"));
    let names = lines.filter_map(|line| line.split_once('=')).map(|(name, _)| name);
    let names: Vec<_> = names.filter(|name| !matches!(*name, "_" | "SHLVL" | "OLDPWD")).collect();
    assert_eq!(names, ["LANG", "PATH", "PWD", "SECRET", "TERM"]);

    let Some(Fact::Start(start)) = session.facts().into_iter().next() else { panic!("a start") };
    assert_eq!(start.env_names, ["LANG", "PATH", "SECRET", "TERM"]);
    assert_eq!((start.argv, start.cwd), (asked.argv, asked.cwd));
    let mut bytes = Vec::new();
    for file in std::fs::read_dir(directory.join("log")).expect("segments") {
        bytes.extend(std::fs::read(file.expect("a file").path()).expect("readable"));
    }
    let before_output = bytes.windows(6).take_while(|window| *window != b"/usr\r\n");
    assert!(before_output.into_iter().all(|window| window != b"s3cr3t"), "the log has a secret");
}

#[test]
fn a_program_inherits_no_descriptor_and_no_signal_setting() {
    let house = House::new();
    let session =
        house.run("ls -l /proc/self/fd; grep -E 'Sig(Blk|Ign)' /proc/self/status; ps -o tty= $$");
    session.wait_end();
    let output = session.output().replace('\r', "");
    let open: Vec<_> = output.lines().filter_map(|line| line.split_once(" -> ")).collect();
    let terminals = open.iter().filter(|(_, to)| to.starts_with("/dev/pts/")).count();
    // the three standard ones, and the directory that `ls` reads
    assert_eq!((open.len(), terminals), (4, 3), "{output}");
    for set in ["SigBlk:\t0000000000000000", "SigIgn:\t0000000000000000"] {
        assert!(output.contains(set), "{output}");
    }
    assert!(output.lines().any(|line| line.starts_with("pts/")), "{output}");
}

#[test]
fn a_holder_keeps_only_its_own_descriptors() {
    let house = House::new();
    let session = house.run("exec cat");
    // who is welcomed knows that the launch is over
    let _driver = session.drive(1);
    let fds = std::fs::read_dir(format!("/proc/{}/fd", session.holder.as_raw_nonzero()));
    let open: Vec<_> = fds
        .expect("a holder")
        .filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok())
        .map(|to| to.to_string_lossy().into_owned())
        .collect();
    let count = |what: &str| open.iter().filter(|to| to.starts_with(what)).count();
    assert_eq!(count("/dev/null"), 3, "{open:?}");
    // the one it listens on, and the driver's, once for each direction
    assert_eq!(count("socket:"), 3, "{open:?}");
    assert_eq!(count("pipe:"), 0, "{open:?}");
    assert!(open.len() < 16, "{open:?}");
}

#[test]
fn what_cannot_run_is_said_in_a_sentence() {
    let house = House::new();
    let directory = |name: &str| house.directory(name);
    let (code, message) = failure(&house, &request(&directory("a"), &["no-such-command"]));
    assert_eq!(code, LaunchErrorCode::Command);
    assert!(message.contains("\"no-such-command\" was not found"), "{message}");

    let (code, message) = failure(&house, &request(&directory("b"), &["/etc/passwd"]));
    assert_eq!(code, LaunchErrorCode::Command);
    assert!(message.contains("may not be executed"), "{message}");

    let mut lost = request(&directory("c"), &["sh"]);
    lost.cwd = "/no/such/place".to_owned();
    let (code, message) = failure(&house, &lost);
    assert_eq!(code, LaunchErrorCode::Cwd);
    assert!(message.contains("\"/no/such/place\""), "{message}");

    assert_eq!(failure(&house, &request(&directory("d"), &[])).0, LaunchErrorCode::Command);
    let nowhere = request(&directory("e").join("missing"), &["sh"]);
    assert_eq!(failure(&house, &nowhere).0, LaunchErrorCode::Storage);
}

#[test]
fn a_failed_launch_leaves_nothing_that_a_retry_would_trip_over() {
    let house = House::new();
    let directory = house.directory("s");
    failure(&house, &request(&directory, &["no-such-command"]));
    assert!(!log::is_held(&directory).expect("probed"));
    let session = house.launch(&request(&directory, &["true"]));
    session.wait_end();
}

#[test]
fn a_session_has_one_holder() {
    let house = House::new();
    let session = house.run("exec cat");
    let again = request(&session.directory, &["sh"]);
    assert_eq!(failure(&house, &again).0, LaunchErrorCode::Locked);
    assert!(is_alive(session.holder));
    assert!(log::is_held(&session.directory).expect("probed"));
}

#[test]
fn a_launch_that_hangs_holds_up_nobody_and_starts_nothing_when_its_asker_has_gone() {
    let house = House::new();
    // a lock that takes for ever to open
    let directory = house.directory("stuck");
    let (fifo, mode) = (FileType::Fifo, Mode::from_raw_mode(0o600));
    mknodat(CWD, directory.join("lock"), fifo, mode, 0).expect("a fifo");
    let marker = directory.join("it-ran");
    let stuck = request(&directory, &["touch", marker.to_str().expect("utf-8")]);
    let started = std::thread::scope(|scope| {
        let stuck = scope.spawn(|| house.zygote.launch(&stuck, Duration::from_millis(300)));
        let session = house.launch(&request(&house.directory("s"), &["true"]));
        session.wait_end();
        stuck.join().expect("no panic")
    });
    assert!(matches!(started, Err(LaunchError::TimedOut)), "{started:?}");

    let mut other_end = File::open(directory.join("lock")).expect("the launch goes on");
    // until the process has closed it
    other_end.read_to_end(&mut Vec::new()).expect("read");
    assert!(!marker.exists());
}

#[test]
fn holders_outlive_their_zygote() {
    let house = House::new();
    let session = house.run("exec cat");
    let zygote = pid(house.zygote.pid());
    rustix::process::kill_process(zygote, rustix::process::Signal::KILL).expect("killed");
    wait_gone(zygote);
    let mut driver = session.drive(1);
    driver.type_in(1, 0, b"alive\r");
    driver.wait_output("alive\r\nalive");
    let gone = house.zygote.launch(&request(&house.directory("t"), &["true"]), LIMIT);
    assert!(matches!(gone, Err(LaunchError::ZygoteGone)), "{gone:?}");
}

#[test]
fn a_zygote_ends_with_its_relay_and_its_holders_do_not() {
    let house = House::new();
    let session = house.run("exec cat");
    let zygote = pid(house.zygote.pid());
    drop(house.zygote);
    assert!(!is_alive(zygote));
    let mut driver = session.drive(1);
    driver.type_in(1, 0, b"alive\r");
    driver.wait_output("alive\r\nalive");
}

#[test]
fn a_session_below_a_very_long_path_can_be_reached() {
    let house = House::new();
    let directory = house.directory(&format!("{}/{}", "d".repeat(200), "e".repeat(200)));
    let session = house.launch(&request(&directory, &["cat"]));
    assert!(UnixStream::connect(directory.join("ctl.sock")).is_err(), "the path is not long");
    session.drive(1).type_in(1, 0, b"x");
}

#[test]
fn a_resumed_session_goes_on_in_its_log() {
    let house = House::new();
    let session = house.run("echo first; exec cat");
    let mut driver = session.drive(1);
    driver.wait_output("first");
    driver.type_in(5, 0, b"\r");
    drop(driver);
    session.kill(rustix::process::Signal::TERM);
    session.wait_end();

    let mut again = request(&session.directory, &["sh", "-c", "echo second; exec cat"]);
    let stale = request(&session.directory, &["true"]);
    assert_eq!(failure(&house, &stale).0, LaunchErrorCode::Storage);
    again.incarnation = Incarnation(2);
    let second = house.launch(&again);
    let mut driver = second.drive(1);
    driver.wait_output("second");
    assert!(second.output().contains("first"));
    let starts = second.facts().into_iter().filter_map(|fact| {
        let Fact::Start(start) = fact else { return None };
        Some(start.incarnation)
    });
    assert_eq!(starts.collect::<Vec<_>>(), [Incarnation(1), Incarnation(2)]);
    assert_eq!(driver.hello.as_ref().expect("hello").incarnation, Incarnation(2));
}
