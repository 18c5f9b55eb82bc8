//! Input: what is typed arrives once, in order, and is never kept waiting.

use quarterdeck_protocol::{
    frame::InputState,
    holder::{InputRefusal, ResizeRequest, SignalRequest, SignalTarget, op},
    ids::{Epoch, InputNumber},
    record::{Fact, Foreground, LeaseCause, LeaseRecord, LeaseState, Owner, TerminalSize},
};

use crate::harness::{House, client, output_of, request};

fn size(cols: u16, rows: u16) -> TerminalSize {
    TerminalSize { cols, rows, xpixel: 0, ypixel: 0 }
}

fn lease(epoch: u64, state: LeaseState) -> LeaseRecord {
    LeaseRecord { epoch: Epoch(epoch), state, why: LeaseCause::Attach, by: None }
}

fn owner() -> Owner {
    let principal = "r_00/ada".parse().expect("a principal");
    Owner { client: client(1), principal, name: "laptop".to_owned() }
}

#[test]
fn what_is_typed_is_echoed_into_the_log_and_acknowledged() {
    let house = House::new();
    let session = house.run("exec cat");
    let mut driver = session.drive(1);
    let ack = driver.type_in(1, 0, b"hello\r");
    assert_eq!((ack.state, ack.n), (InputState::Applied, InputNumber(1)));
    let output = driver.wait_output("hello\r\nhello\r\n");
    assert_eq!(output, "hello\r\nhello\r\n");
}

#[test]
fn a_resend_is_applied_once_even_by_another_relay() {
    let house = House::new();
    let session = house.run("stty -echo; echo ready; exec cat");
    let mut first = session.drive(1);
    first.wait_output("ready");
    first.type_in(1, 0, b"one\r");
    first.type_ahead(2, 0, b"two\r");
    drop(first);

    let mut second = session.drive(2);
    for (n, bytes) in [(1, &b"one\r"[..]), (2, b"two\r"), (3, b"three\r"), (2, b"two\r")] {
        assert_eq!(second.type_in(n, 0, bytes).state, InputState::Applied);
    }
    second.wait_output("three\r\n");
    assert_eq!(session.output(), "ready\r\none\r\ntwo\r\nthree\r\n");
    drop(second);
    let third = session.drive(3);
    let table = &third.hello.as_ref().expect("hello").inputs;
    assert_eq!(table.iter().map(|entry| entry.n).collect::<Vec<_>>(), [InputNumber(3)]);
}

#[test]
fn input_of_another_epoch_than_the_recorded_one_is_rejected() {
    let house = House::new();
    let session = house.run("exec cat");
    let mut driver = session.drive(1);
    driver.ask(op::LEASE, &lease(4, LeaseState::Held { owner: owner() })).expect("recorded");
    let stale = driver.type_in(1, 3, b"old\r");
    assert_eq!((stale.state, stale.refusal), (InputState::Rejected, InputRefusal::StaleEpoch));
    assert_eq!(driver.type_in(2, 4, b"new\r").state, InputState::Applied);
    driver.wait_output("new\r\nnew\r\n");
    assert!(!session.output().contains("old"));

    let falls = driver.ask(op::LEASE, &lease(3, LeaseState::Free));
    assert!(falls.is_err(), "an epoch fell");
    let leases = session.facts().into_iter().filter(|fact| matches!(fact, Fact::Lease(_)));
    assert_eq!(leases.count(), 1);
}

#[test]
fn a_program_that_does_not_read_gets_a_bounded_queue() {
    let house = House::new();
    let session = house.run("stty raw -echo; echo ready; exec sleep 1000");
    let mut driver = session.drive(1);
    driver.wait_output("ready");
    let chunk = [b'x'; 16 * 1024];
    let requests: Vec<_> = (1..=40).map(|n| driver.type_ahead(n, 0, &chunk)).collect();
    let last = driver.acknowledgement(requests[39]);
    assert_eq!((last.state, last.refusal), (InputState::Rejected, InputRefusal::Full));
    // and the rest of the holder goes on
    driver.ask(op::RESIZE, &ResizeRequest { size: size(99, 9), by: None }).expect("resized");
}

#[test]
fn a_reply_of_the_model_is_typed_whoever_owns_for_its_relay_decides() {
    let house = House::new();
    let session = house.run("stty -echo; echo ready; exec cat");
    let mut driver = session.drive(1);
    driver.wait_output("ready");
    driver.send(op::REPLY, b"free\r");
    driver.wait_output("free\r\n");
    driver.ask(op::LEASE, &lease(1, LeaseState::Held { owner: owner() })).expect("recorded");
    driver.send(op::REPLY, b"owned\r");
    driver.type_in(1, 1, b"typed\r");
    driver.wait_output("typed\r\n");
    assert_eq!(session.output(), "ready\r\nfree\r\nowned\r\ntyped\r\n");
}

#[test]
fn a_new_size_is_recorded_before_what_is_drawn_for_it() {
    let house = House::new();
    let script = "trap 'stty size' WINCH; echo ready; while :; do read -r line || :; done";
    let session = house.run(script);
    let mut driver = session.drive(1);
    driver.wait_output("ready");
    let by = Some(client(1));
    driver.ask(op::RESIZE, &ResizeRequest { size: size(132, 43), by }).expect("resized");
    driver.type_in(1, 0, b"\r");
    driver.wait_output("43 132");
    let facts = session.facts();
    let resized = facts.iter().position(|fact| matches!(fact, Fact::Resize(_))).expect("recorded");
    let before = String::from_utf8_lossy(&output_of(&facts[..resized])).into_owned();
    assert!(!before.contains("43 132"), "{before}");
    let Fact::Resize(resize) = &facts[resized] else { panic!("a resize") };
    assert_eq!((resize.size, resize.by), (size(132, 43), by));

    // the same size again is no news
    driver.ask(op::RESIZE, &ResizeRequest { size: size(132, 43), by }).expect("accepted");
    driver.ask(op::RESIZE, &ResizeRequest { size: size(0, 43), by }).expect_err("no column");
    let resizes = session.facts().into_iter().filter(|fact| matches!(fact, Fact::Resize(_)));
    assert_eq!(resizes.count(), 1);
}

#[test]
fn a_signal_reaches_the_foreground_job_and_not_the_shell() {
    let house = House::new();
    let session = house.launch(&request(&house.directory("s"), &["bash", "--norc", "-i"]));
    let mut driver = session.drive(1);
    driver.type_in(
        1,
        0,
        b"sh -c 'trap \"echo caught; exit\" USR1; echo in''side; while :; do sleep 0.01; done'\r",
    );
    driver.wait_output("inside");
    let signal = SignalRequest { signal: libc::SIGUSR1, to: SignalTarget::Foreground };
    driver.ask(op::SIGNAL, &signal).expect("sent");
    driver.wait_output("caught");
    driver.type_in(2, 0, b"echo still''here\r");
    driver.wait_output("stillhere");
    driver.ask(op::SIGNAL, &SignalRequest { signal: 0, ..signal }).expect_err("no signal");
}

#[test]
fn a_password_prompt_is_seen_in_the_log() {
    let house = House::new();
    let session = house.run("echo begin; stty -echo; read secret; stty echo; echo end");
    let mut driver = session.drive(1);
    driver.wait_output("begin");
    driver.type_in(1, 0, b"x");
    let hidden = |facts: &[Fact]| {
        let find = |fact: &Fact| {
            let Fact::Termios(termios) = fact else { return None };
            (!termios.echo).then_some(*termios)
        };
        facts.iter().find_map(find)
    };
    // the shell may not be there yet; a key press makes the holder look again
    let mut n = 2;
    let termios = loop {
        if let Some(termios) = hidden(&session.facts()) {
            break termios;
        }
        driver.type_in(n, 0, b"x");
        n += 1;
    };
    assert_eq!((termios.canonical, termios.foreground), (true, Foreground::Leader));
    driver.type_in(n, 0, b"\r");
    driver.wait_output("end");
}

#[test]
fn recorded_input_stands_in_the_log_where_it_was_asked_for() {
    let house = House::new();
    let mut asked = request(&house.directory("s"), &["cat"]);
    asked.record_input = true;
    let session = house.launch(&asked);
    let mut driver = session.drive(1);
    driver.type_in(1, 0, b"abc\r");
    let input = driver.wait_facts(|facts| {
        facts.iter().find_map(|fact| {
            let Fact::Input(input) = fact else { return None };
            Some(input.clone())
        })
    });
    assert_eq!(
        (input.client, input.n, &input.bytes[..]),
        (client(1), InputNumber(1), &b"abc\r"[..])
    );
}
