//! How a session ends: by itself, by being stopped, or by the end of its holder.

use std::time::Instant;

use quarterdeck_holder::log::{self, LogLock, scan_state};
use quarterdeck_protocol::{
    holder::{HolderErrorCode, ResizeRequest, StopRequest, op},
    record::{Ended, Exit, ExitStatus, Fact, SessionKind, TerminalSize},
};
use rustix::process::Signal;

use crate::harness::{Driver, House, Session, eventually, is_alive, pid, wait_gone};

fn exit_of(session: &Session) -> Exit {
    let exits = session.facts().into_iter().filter_map(|fact| {
        let Fact::Exit(exit) = fact else { return None };
        Some(exit)
    });
    let exits: Vec<_> = exits.collect();
    assert_eq!(exits.len(), 1, "not one exit: {exits:?}");
    assert!(matches!(session.facts().last(), Some(Fact::Exit(_))), "the exit is not the last");
    exits.into_iter().next().expect("one")
}

/// A number that the session's output contains behind `name`.
fn number(output: &str, name: &str) -> u32 {
    let (_, rest) = output.split_once(name).expect("the name");
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().expect("a number")
}

fn check_exit(script: &str, expected: &ExitStatus) {
    let house = House::new();
    let session = house.run(script);
    session.wait_end();
    assert_eq!(exit_of(&session), Exit { status: expected.clone(), left: Vec::new() });
    assert!(!log::is_held(&session.directory).expect("probed"));
    assert!(!session.directory.join("ctl.sock").exists());
}

#[test]
fn an_exit_has_its_code_or_its_signal() {
    check_exit("exit 0", &ExitStatus::Code { code: 0 });
    check_exit("exit 42", &ExitStatus::Code { code: 42 });
    check_exit("kill -TERM $$", &ExitStatus::Signal { signal: libc::SIGTERM, core: false });
    // killed, but not by the kernel for want of memory
    check_exit("kill -KILL $$", &ExitStatus::Signal { signal: libc::SIGKILL, core: false });
}

#[test]
fn everything_that_was_written_stands_before_the_exit() {
    let house = House::new();
    let session = house.run("seq 1 200000; printf last");
    session.wait_end();
    let output = session.output();
    assert!(output.ends_with("200000\r\nlast"), "{:?}", &output[output.len().saturating_sub(40)..]);
    assert_eq!(output.lines().count(), 200_001);
    exit_of(&session);
}

#[test]
fn the_driver_is_told_the_end_before_the_holder_closes() {
    let house = House::new();
    let session = house.run("read line; exit 3");
    let mut driver = session.drive(1);
    driver.type_in(1, 0, b"\r");
    driver.hear_the_end();
    assert!(!log::is_held(&session.directory).expect("probed"), "it closed before it was done");
    let told = driver.passed.iter().rfind(|heard| heard.op == op::HEAD);
    let told = quarterdeck_protocol::record::Position::parse(&told.expect("a head").body);
    let head = scan_state(&session.directory).expect("a log").state.next();
    assert_eq!(told.expect("a head"), head);
    assert_eq!(exit_of(&session).status, ExitStatus::Code { code: 3 });
}

#[test]
fn what_stays_behind_is_listed_by_name() {
    let house = House::new();
    let session = house.run("trap '' HUP; setsid -f sleep 1000 </dev/null >/dev/null 2>&1; exit 0");
    session.wait_end();
    let exit = exit_of(&session);
    assert_eq!(exit.status, ExitStatus::Code { code: 0 });
    let names: Vec<_> = exit.left.iter().map(|left| left.command.as_str()).collect();
    assert_eq!(names, ["sleep"]);
    let left = pid(exit.left[0].pid);
    assert!(is_alive(left));
    rustix::process::kill_process(left, Signal::KILL).expect("it lives");
}

#[test]
fn a_stop_is_polite_first() {
    let house = House::new();
    let session =
        house.run("trap 'echo hung up; exit 7' HUP; echo ready; while :; do sleep 0.01; done");
    let mut driver = session.drive(1);
    driver.wait_output("ready");
    let began = Instant::now();
    driver.ask(op::STOP, &StopRequest { rung_ms: 20_000, now: false }).expect("accepted");
    session.wait_end();
    assert!(began.elapsed().as_secs() < 15, "it waited for a rung that was not needed");
    assert!(session.output().contains("hung up"));
    assert_eq!(exit_of(&session), Exit { status: ExitStatus::Code { code: 7 }, left: Vec::new() });
}

/// Ignores every polite signal and has a child that ran away from its session and its parent.
const STUBBORN: &str = "trap '' HUP TERM; \
    setsid sh -c 'trap \"\" HUP TERM; (while :; do sleep 0.01; done) & echo daemon=$!; exit' & \
    wait; echo self=$$; while :; do sleep 0.01; done";

#[test]
fn a_stop_ends_what_ignores_signals_and_what_ran_away() {
    let house = House::new();
    let session = house.run(STUBBORN);
    let mut driver = session.drive(1);
    let output = driver.wait_output("self=");
    let daemon = pid(number(&output, "daemon="));
    assert!(is_alive(daemon));
    driver.ask(op::STOP, &StopRequest { rung_ms: 100, now: false }).expect("accepted");
    session.wait_end();
    let status = ExitStatus::Signal { signal: libc::SIGKILL, core: false };
    assert_eq!(exit_of(&session), Exit { status, left: Vec::new() });
    wait_gone(daemon);
    assert!(!is_alive(session.program));
}

#[test]
fn a_stop_goes_on_for_what_outlives_the_program() {
    let house = House::new();
    let session = house.run(
        "setsid sh -c 'trap \"\" HUP TERM; (while :; do sleep 0.01; done) & echo daemon=$!; exit'; \
         echo ready; exec cat",
    );
    let mut driver = session.drive(1);
    let output = driver.wait_output("ready");
    let daemon = pid(number(&output, "daemon="));
    driver.ask(op::STOP, &StopRequest { rung_ms: 100, now: false }).expect("accepted");
    session.wait_end();
    let exit = exit_of(&session);
    let hung_up = ExitStatus::Signal { signal: libc::SIGHUP, core: false };
    assert_eq!((exit.status, exit.left), (hung_up, Vec::new()));
    assert!(!is_alive(daemon));
}

#[test]
fn a_stop_now_does_not_ask() {
    let house = House::new();
    let session = house.run(STUBBORN);
    let mut driver = session.drive(1);
    driver.wait_output("self=");
    driver.ask(op::STOP, &StopRequest { rung_ms: 60_000, now: true }).expect("accepted");
    session.wait_end();
    exit_of(&session);
}

#[test]
fn a_holder_that_is_told_to_end_stops_its_program_and_records_it() {
    let house = House::new();
    let session = house.run("echo ready; exec sleep 1000");
    session.drive(1).wait_output("ready");
    session.kill(Signal::TERM);
    session.wait_end();
    let status = ExitStatus::Signal { signal: libc::SIGHUP, core: false };
    assert_eq!(exit_of(&session).status, status);
}

#[test]
fn a_killed_holder_leaves_a_free_lock_a_readable_log_and_no_program() {
    let house = House::new();
    let session = house.run("echo ready; while :; do echo more; done");
    session.drive(1).wait_output("ready");
    session.kill(Signal::KILL);
    session.wait_end();
    wait_gone(session.program);
    assert!(!log::is_held(&session.directory).expect("probed"));
    let lock = LogLock::try_acquire(&session.directory).expect("no error");
    assert!(lock.is_some());
    assert_eq!(scan_state(&session.directory).expect("a log").state.facts().ended, None);
}

#[test]
fn a_session_whose_holder_was_killed_can_be_resumed() {
    let house = House::new();
    let session = house.run("while :; do echo more; done");
    session.drive(1).wait_output("more");
    session.kill(Signal::KILL);
    session.wait_end();
    // what a power failure leaves: half a record
    let segment = std::fs::read_dir(session.directory.join("log")).expect("segments");
    let segment = segment.map(|file| file.expect("a file").path()).max().expect("a segment");
    let bytes = std::fs::read(&segment).expect("readable");
    std::fs::write(&segment, [&bytes[..], &[9, 0, 0, 0, 1, 2]].concat()).expect("written");

    let mut again =
        crate::harness::request(&session.directory, &["sh", "-c", "echo again; exit 5"]);
    again.incarnation = quarterdeck_protocol::ids::Incarnation(2);
    let second = house.launch(&again);
    second.wait_end();
    let facts = second.facts();
    let lost = facts.iter().position(|fact| matches!(fact, Fact::Lost(_))).expect("one end each");
    assert!(matches!(facts[lost + 1], Fact::Start(_)));
    assert!(second.output().ends_with("again\r\n"));
    let ended = scan_state(&second.directory).expect("a log").state.facts().ended.clone();
    assert!(matches!(ended, Some(Ended::Exited { status: ExitStatus::Code { code: 5 }, .. })));
}

#[test]
fn after_the_program_has_ended_requests_say_so() {
    let house = House::new();
    // what is left keeps the holder for a moment longer than the program
    let session =
        house.run("trap '' HUP; setsid -f sleep 1000 </dev/null >/dev/null 2>&1; read line");
    let mut driver = session.drive(1);
    driver.type_in(1, 0, b"\r");
    wait_gone(session.program);
    let size = TerminalSize { cols: 10, rows: 10, xpixel: 0, ypixel: 0 };
    let refused = driver.ask(op::RESIZE, &ResizeRequest { size, by: None });
    assert_eq!(refused, Err(HolderErrorCode::Ended));
    session.wait_end();
    let left = exit_of(&session).left;
    rustix::process::kill_process(pid(left[0].pid), Signal::KILL).expect("it lives");
}

#[test]
fn orphans_are_collected_while_the_program_runs() {
    let house = House::new();
    let script = "for i in 1 2 3 4 5; do setsid -f true; done; echo ready; exec cat";
    let session = house.run(script);
    let mut driver: Driver = session.drive(1);
    driver.wait_output("ready");
    let holder = session.holder.as_raw_nonzero().get();
    eventually("the collection of orphans", || {
        let below = std::process::Command::new("ps")
            .args(["--ppid", &holder.to_string(), "-o", "stat="])
            .output()
            .expect("ps");
        let below = String::from_utf8_lossy(&below.stdout).into_owned();
        (!below.contains('Z')).then_some(())
    });
}

/// A session whose program starts something that bears the name of one of our daemons.
fn stopped_with_a_daemon(kind: SessionKind) -> bool {
    let house = House::new();
    let daemon = house.directory("bin").join("qd-relay");
    std::os::unix::fs::symlink("/bin/sleep", &daemon).expect("linked");
    let script = format!("setsid -f {} 1000; exec cat", daemon.display());
    let mut asked = crate::harness::request(&house.directory("s"), &["sh", "-c", &script]);
    asked.kind = kind;
    let session = house.launch(&asked);
    let find = || {
        let mut found = std::process::Command::new("pgrep");
        let found = found.args(["-f", &daemon.display().to_string()]).output().expect("pgrep");
        let own = |pid: &u32| {
            std::fs::read_to_string(format!("/proc/{pid}/comm"))
                .is_ok_and(|name| name == "qd-relay\n")
        };
        String::from_utf8_lossy(&found.stdout).lines().filter_map(|l| l.parse().ok()).find(own)
    };
    let daemon = pid(eventually("the daemon", find));
    session.drive(1).ask(op::STOP, &StopRequest { rung_ms: 0, now: true }).expect("accepted");
    session.wait_end();
    let lives = is_alive(daemon);
    if lives {
        rustix::process::kill_process(daemon, Signal::KILL).expect("it lives");
    }
    lives
}

#[test]
fn a_relay_that_was_started_inside_a_terminal_outlives_it_but_nothing_outlives_an_agent_by_name() {
    assert!(stopped_with_a_daemon(SessionKind::Terminal));
    assert!(!stopped_with_a_daemon(SessionKind::Agent));
}
