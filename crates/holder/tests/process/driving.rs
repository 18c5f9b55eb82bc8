//! One driver at a time: who it is, what it is told, and what happens when it does not listen.

use std::{io::Read as _, time::Duration};

use quarterdeck_protocol::{
    holder::{
        HelloRequest, HolderError, HolderErrorCode, ResizeRequest, StopRequest, TrimRequest, op,
    },
    ids::Generation,
    record::{Fact, Note, RawJson, SessionKind, TerminalSize},
};

use crate::harness::{Driver, House, LIMIT, Session, client, eventually, request};

fn resident_kib(session: &Session) -> u64 {
    let path = format!("/proc/{}/status", session.holder.as_raw_nonzero());
    let status = std::fs::read_to_string(path).expect("a holder");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn hello_says_where_the_session_stands() {
    let house = House::new();
    let session = house.run("printf hello; exec cat");
    session.drive(1).wait_output("hello");
    let driver = session.drive(1);
    let hello = driver.hello.as_ref().expect("hello");
    assert_eq!(hello.out.0, 5);
    assert!(hello.seq.0 >= 2);
    assert_eq!(hello.holder_pid, session.holder.as_raw_nonzero().get().unsigned_abs());
    assert_eq!(hello.program_pid, session.program.as_raw_nonzero().get().unsigned_abs());
    assert_eq!(hello.stalled, None);
}

#[test]
fn a_newer_driver_closes_the_older_one_and_an_older_one_is_refused() {
    let house = House::new();
    let session = house.run("exec cat");
    let mut first = session.drive(5);
    let mut second = session.drive(6);
    first.hear_the_end();
    let mut late = Driver::connect(&session.directory);
    assert!(matches!(late.say_hello(5), Err(HolderErrorCode::Superseded)));
    late.hear_the_end();
    second.type_in(1, 0, b"still driving\r");
    // the same generation again is the same relay on a new socket
    let mut third = session.drive(6);
    second.hear_the_end();
    third.type_in(2, 0, b"x");
}

#[test]
fn unread_requests_of_a_replaced_driver_are_discarded() {
    let house = House::new();
    let session = house.run("stty raw -echo; echo ready; exec sleep 1000");
    let mut first = session.drive(1);
    first.wait_output("ready");
    // the holder reads no requests from a driver whose answers pile up: everything behind the
    // backlog is unread when the next driver comes
    let request = serde_json::to_vec(&StopRequest { rung_ms: 0, now: true }).expect("json");
    first.stream.set_write_timeout(Some(Duration::from_millis(200))).expect("a limit");
    let mut bytes = Vec::new();
    let unknown = |bytes: &mut Vec<u8>| {
        let message = quarterdeck_protocol::holder::Message { op: 77, request: 1, body: &[] };
        message.encode(bytes);
    };
    for _ in 0..20_000 {
        unknown(&mut bytes);
    }
    let message =
        quarterdeck_protocol::holder::Message { op: op::STOP, request: 2, body: &request };
    message.encode(&mut bytes);
    let written = std::io::Write::write_all(&mut first.stream, &bytes);
    let mut second = session.drive(2);
    second.type_in(1, 0, b"x");
    if written.is_ok() {
        assert!(crate::harness::is_alive(session.program), "a fenced request was served");
    }
}

#[test]
fn what_is_no_hello_is_answered_and_closed() {
    let house = House::new();
    let session = house.run("exec cat");
    let mut rude = Driver::connect(&session.directory);
    let size = TerminalSize { cols: 10, rows: 10, xpixel: 0, ypixel: 0 };
    let refused = rude.ask(op::RESIZE, &ResizeRequest { size, by: Some(client(1)) });
    assert_eq!(refused, Err(HolderErrorCode::BadRequest));
    rude.hear_the_end();

    let mut garbage = Driver::connect(&session.directory);
    std::io::Write::write_all(&mut garbage.stream, &[255; 64]).expect("sent");
    garbage.hear_the_end();
    session.drive(1).type_in(1, 0, b"x");
}

#[test]
fn silent_connections_are_bounded_and_do_not_keep_a_driver_out() {
    let house = House::new();
    let session = house.run("exec cat");
    let mut silent: Vec<_> = (0..30).map(|_| Driver::connect(&session.directory)).collect();
    let mut driver = session.drive(1);
    driver.type_in(1, 0, b"x");
    // the oldest were closed to make room
    silent[0].hear_the_end();
}

#[test]
fn a_silent_connection_is_closed_after_a_while() {
    let house = House::new();
    let session = house.run("exec cat");
    Driver::connect(&session.directory).hear_the_end();
}

#[test]
fn an_unknown_operation_is_answered_unsupported() {
    let house = House::new();
    let session = house.run("exec cat");
    let mut driver = session.drive(1);
    let newer = HelloRequest { generation: Generation(1), protocol: 99 };
    assert_eq!(driver.ask(77, &newer), Err(HolderErrorCode::Unsupported));
    driver.type_in(1, 0, b"x");
}

#[test]
fn notes_and_trims_are_answered_when_they_are_done() {
    let house = House::new();
    let session = house.run("exec cat");
    let mut driver = session.drive(1);
    let body = RawJson::parse(r#"{"title":"x","newer":1}"#.to_owned()).expect("json");
    let note = Note { topic: "title".to_owned(), body };
    driver.ask(op::NOTE, &note).expect("recorded");
    assert!(session.facts().contains(&Fact::Note(note)));
    driver.ask(op::TRIM, &TrimRequest { keep_bytes: 1, pinned_from: None }).expect("trimmed");
    assert_eq!(driver.ask(op::NOTE, &"no note"), Err(HolderErrorCode::BadRequest));
}

#[test]
fn a_gone_driver_costs_the_program_nothing() {
    let house = House::new();
    // it waits, so that there is a driver before it ends
    let counts = "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done";
    let session = house.run(&format!("read go; {counts}"));
    let mut driver = session.drive(1);
    driver.type_in(1, 0, b"\n");
    drop(driver);
    session.wait_end();
    assert!(session.output().ends_with("line 1999\r\n"));
}

const FLOOD_BYTES: u64 = 200_000_000;

#[test]
fn a_driver_that_does_not_read_blocks_nobody_and_costs_no_memory() {
    let house = House::new();
    let script =
        format!("stty raw; read go; head -c {FLOOD_BYTES} /dev/zero; printf end; read more");
    let session = house.run(&script);
    let mut stopped = session.drive(1);
    stopped.type_in(1, 0, b"\n");
    let before = resident_kib(&session);
    // nothing is read from `stopped` here
    let watch = |out| {
        let recovered = quarterdeck_holder::log::scan_state(&session.directory).ok()?;
        (recovered.state.next().out.0 >= out).then_some(())
    };
    eventually("the flood's end in the log", || watch(FLOOD_BYTES + 3));
    let grown = resident_kib(&session).saturating_sub(before);
    assert!(grown < 1024, "the holder grew by {grown} KiB");

    // it hears few heads, the last of them the newest
    let mut driver = stopped;
    driver.stream.set_read_timeout(Some(Duration::from_millis(300))).expect("a limit");
    let mut heads = 0;
    let mut chunk = [0; 4096];
    while let Ok(count @ 1..) = driver.stream.read(&mut chunk) {
        heads += count / 25;
    }
    assert!(heads < 2000, "{heads} heads were kept");
    driver.stream.set_read_timeout(Some(LIMIT)).expect("a limit");
    assert_eq!(driver.ask(77, &1), Err(HolderErrorCode::Unsupported));
    let end = session.drive(2);
    assert!(end.hello.as_ref().expect("hello").out.0 >= FLOOD_BYTES + 3);
}

#[test]
fn an_error_is_a_sentence() {
    let house = House::new();
    let session = house.run("exec cat");
    let mut driver = session.drive(1);
    let request = driver.send(op::STOP, b"{}");
    let heard = driver.hear_until(|heard| heard.request == request);
    let error: HolderError = serde_json::from_slice(&heard.body).expect("an error");
    assert_eq!(error.code, HolderErrorCode::BadRequest);
    assert!(error.message.contains("rung_ms"), "{}", error.message);
}

#[test]
fn a_process_below_an_agent_may_not_drive_any_session() {
    let house = House::new();
    let victim = house.run("exec cat");
    let hello = |name: &str, kind: SessionKind| {
        let zygote = env!("CARGO_BIN_EXE_holder-test-zygote");
        let script = format!(
            "{zygote} hello {}; setsid {zygote} hello {}",
            victim.directory.display(),
            victim.directory.display()
        );
        let mut asked = request(&house.directory(name), &["sh", "-c", &script]);
        asked.kind = kind;
        let session = house.launch(&asked);
        session.wait_end();
        let lines = session.facts().into_iter().filter_map(|fact| {
            let Fact::VendorOut(line) = fact else { return None };
            Some(String::from_utf8_lossy(&line).into_owned())
        });
        let lines: Vec<String> = lines.collect();
        (session.output(), lines)
    };
    let refused = ["refused", "refused"].map(str::to_owned).to_vec();
    assert_eq!(hello("agent", SessionKind::Agent), (String::new(), refused));
    let welcomed = "welcomed\r\nwelcomed\r\n".to_owned();
    assert_eq!(hello("terminal", SessionKind::Terminal), (welcomed, Vec::new()));
}
