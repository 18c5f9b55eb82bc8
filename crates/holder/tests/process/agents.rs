//! Agents: programs on pipes, lines as records, and operations that are done once.

use quarterdeck_protocol::{
    agent::topic,
    holder::{
        ExtraRequest, HolderErrorCode, LaunchAnswer, LaunchErrorCode, LaunchRequest, Operation,
        OperationAnswer, StopRequest, op,
    },
    ids::Seq,
    record::{ExitStatus, Fact, Note, RawJson, RecordKind, SessionKind},
};

use crate::harness::{Driver, House, LIMIT, Session, eventually, request, wait_gone};

/// A request for an agent that is a shell script.
fn agent(house: &House, name: &str, script: &str) -> LaunchRequest {
    let directory = house.directory(name);
    let start = Note { topic: topic::START.to_owned(), body: raw(r#"{"vendor":"sidecar"}"#) };
    LaunchRequest {
        kind: SessionKind::Agent,
        notes: vec![start],
        ..request(&directory, &["sh", "-c", script])
    }
}

fn run(house: &House, script: &str) -> Session {
    house.launch(&agent(house, "session", script))
}

fn raw(text: &str) -> RawJson {
    RawJson::parse(text.to_owned()).expect("json")
}

fn operation(driver: &mut Driver, key: &str, lines: &[&[u8]]) -> u32 {
    let fact = format!(r#"{{"topic":"agent.command","body":"{key}"}}"#);
    let fact = fact.as_bytes();
    let mut body = Vec::new();
    Operation { key, kind: RecordKind::Note, fact, lines: lines.to_vec() }.encode(&mut body);
    driver.send(op::OPERATION, &body)
}

fn perform(
    driver: &mut Driver,
    key: &str,
    lines: &[&[u8]],
) -> Result<OperationAnswer, HolderErrorCode> {
    let request = operation(driver, key, lines);
    let answer = driver.answer(request).map_err(|error| error.code)?;
    Ok(serde_json::from_slice(&answer).expect("an answer"))
}

/// Facts in short words.
fn words(facts: &[Fact]) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let word = |fact: &Fact| {
        let (kind, payload) = fact.encode();
        if let Fact::Note(note) = fact {
            return format!("note {}", note.topic);
        }
        if matches!(fact, Fact::Start(_) | Fact::Exit(_)) {
            return kind.to_string();
        }
        format!("{kind} {}", text(&payload)).replacen("vendor_", "", 1)
    };
    facts.iter().map(word).collect()
}

fn wait_word(driver: &mut Driver, wanted: &str) -> Vec<String> {
    driver.wait_facts(|facts| {
        let words = words(facts);
        words.iter().any(|word| word == wanted).then_some(words)
    })
}

#[test]
fn each_line_of_an_agent_is_a_record_and_its_errors_are_records_of_their_own() {
    let house = House::new();
    let script = r#"echo '{"a":1}'; printf '{"b":'; echo oops >&2; echo '2}'; printf tail"#;
    let session = run(&house, script);
    session.wait_end();
    let words = words(&session.facts());
    assert_eq!(words[..2], ["start", "note agent.start"]);
    assert_eq!(words.last().map(String::as_str), Some("exit"));
    let of = |prefix: &str| -> Vec<&str> {
        words.iter().filter_map(|word| word.strip_prefix(prefix)).collect()
    };
    assert_eq!(of("out "), [r#"{"a":1}"#, r#"{"b":2}"#, "tail"]);
    assert_eq!(of("err "), ["oops\n"]);
}

#[test]
fn an_operation_records_its_fact_then_its_lines_and_only_then_the_agent_reads_them() {
    let house = House::new();
    let session = run(&house, "while read -r line; do echo \"got $line\"; done");
    let mut driver = session.drive(1);
    let done = perform(&mut driver, "k1", &[b"one", b"two"]).expect("done");
    assert!(!done.repeated);
    let found = wait_word(&mut driver, "out got two");
    let at = |word: &str| found.iter().position(|w| w == word).expect(word);
    assert!(at("note agent.command") < at("in one"));
    assert!(at("in one") < at("in two"));
    assert!(at("in one") < at("out got one"));

    // the head that was told has all of it
    let again = perform(&mut driver, "k1", &[b"three"]).expect("known");
    assert_eq!(again, OperationAnswer { seq: done.seq, repeated: true });
    perform(&mut driver, "k2", &[b"four"]).expect("done");
    let found = wait_word(&mut driver, "out got four");
    assert!(!found.iter().any(|word| word.contains("three")), "{found:?}");
}

#[test]
fn an_operation_that_a_dead_relay_sent_is_known_to_the_next_one() {
    let house = House::new();
    let session = run(&house, "while read -r line; do echo \"got $line\"; done");
    for generation in 1..=30 {
        let mut dead = session.drive(generation);
        let key = format!("k{generation}");
        operation(&mut dead, &key, &[key.as_bytes()]);
        // gone at once: whether the request was read is anybody's guess
        drop(dead);
        let mut next = session.drive(generation);
        perform(&mut next, &key, &[key.as_bytes()]).expect("done once");
        wait_word(&mut next, &format!("out got {key}"));
    }
    let lines = words(&session.facts()).iter().filter(|word| word.starts_with("out ")).count();
    assert_eq!(lines, 30);
}

#[test]
fn a_long_line_is_one_record_and_a_longer_one_is_told_by_its_length() {
    let house = House::new();
    let script = "head -c 5000000 /dev/zero | tr '\\0' x; echo; \
                  head -c 20000000 /dev/zero | tr '\\0' y; echo; echo end";
    let session = run(&house, script);
    session.wait_end();
    let facts = session.facts();
    let lines: Vec<usize> = facts
        .iter()
        .filter_map(|fact| if let Fact::VendorOut(line) = fact { Some(line.len()) } else { None })
        .collect();
    assert_eq!(lines, [5_000_000, 3]);
    let told = facts.iter().filter_map(|fact| {
        let Fact::Note(note) = fact else { return None };
        (note.topic == topic::OVERSIZED).then(|| note.body.as_str())
    });
    assert_eq!(told.collect::<Vec<_>>(), [r#"{"bytes":20000000}"#]);
}

#[test]
fn an_agent_that_does_not_read_is_refused_more_and_holds_up_nothing() {
    let house = House::new();
    let session = run(&house, "echo ready; sleep 1000");
    let mut driver = session.drive(1);
    let line = vec![b'x'; 900 * 1024];
    let mut taken = 0;
    let refused = loop {
        match perform(&mut driver, &format!("k{taken}"), &[&line]) {
            Ok(_) => taken += 1,
            Err(code) => break code,
        }
    };
    assert_eq!(refused, HolderErrorCode::Full);
    assert!((20..60).contains(&taken), "{taken}");
    driver.ask(op::STOP, &StopRequest { rung_ms: 50, now: false }).expect("stops");
    session.wait_end();
    assert!(matches!(session.facts().last(), Some(Fact::Exit(_))));
}

#[test]
fn a_stop_begins_with_the_end_of_the_agents_input() {
    let house = House::new();
    let session = run(&house, "while read -r line; do :; done; echo bye; exit 3");
    let mut driver = session.drive(1);
    driver.ask(op::STOP, &StopRequest { rung_ms: 600_000, now: false }).expect("stops");
    session.wait_end();
    let facts = session.facts();
    assert!(words(&facts).contains(&"out bye".to_owned()));
    let Some(Fact::Exit(exit)) = facts.last() else { panic!("no exit") };
    assert_eq!(exit.status, ExitStatus::Code { code: 3 });
}

#[test]
fn an_agent_that_ignores_the_end_of_its_input_is_ended_with_all_it_started() {
    let house = House::new();
    let script = "trap '' TERM HUP; (trap '' TERM; sleep 1000) & echo $!; sleep 1000; sleep 1000";
    let session = run(&house, script);
    let mut driver = session.drive(1);
    let child = driver.wait_facts(|facts| {
        let line = words(facts).into_iter().find_map(|w| w.strip_prefix("out ").map(str::to_owned));
        line.map(|line| line.parse::<u32>().expect("a pid"))
    });
    driver.ask(op::STOP, &StopRequest { rung_ms: 50, now: false }).expect("stops");
    session.wait_end();
    wait_gone(crate::harness::pid(child));
}

#[test]
fn an_agent_is_neither_typed_to_nor_resized_and_a_terminal_gets_no_operation() {
    let house = House::new();
    let session = run(&house, "sleep 1000");
    let mut driver = session.drive(1);
    let typed = driver.type_ahead(1, 0, b"x");
    assert_eq!(driver.answer(typed).map_err(|error| error.code), Err(HolderErrorCode::BadRequest));
    let resize = serde_json::json!({"size": {"cols": 10, "rows": 10}, "by": null});
    assert_eq!(driver.ask(op::RESIZE, &resize), Err(HolderErrorCode::BadRequest));
    let lease = driver.send(op::OPERATION, b"\x08\x01\0k\x02\0\0\0{}\0\0");
    assert_eq!(driver.answer(lease).map_err(|error| error.code), Err(HolderErrorCode::BadRequest));

    let terminal = house.launch(&request(&house.directory("terminal"), &["sleep", "1000"]));
    let mut driver = terminal.drive(1);
    assert_eq!(perform(&mut driver, "k", &[b"x"]), Err(HolderErrorCode::BadRequest));
}

#[test]
fn one_conversation_is_open_in_one_holder_at_a_time() {
    let house = House::new();
    let lock = house.directory("locks").join("conversation");
    let exclusive = Some(lock.to_str().expect("utf-8").to_owned());
    let first = LaunchRequest {
        exclusive: exclusive.clone(),
        ..agent(&house, "first", "while read -r line; do :; done")
    };
    let session = house.launch(&first);
    let second = LaunchRequest { exclusive, ..agent(&house, "second", "exit") };
    match house.zygote.launch(&second, LIMIT).expect("an answer") {
        LaunchAnswer::Failed { code, .. } => assert_eq!(code, LaunchErrorCode::InUse),
        LaunchAnswer::Started { .. } => panic!("it is open already"),
    }
    let mut driver = session.drive(1);
    driver.ask(op::STOP, &StopRequest { rung_ms: 1000, now: false }).expect("stops");
    session.wait_end();
    eventually("the lock", || match house.zygote.launch(&second, LIMIT) {
        Ok(LaunchAnswer::Started { .. }) => Some(()),
        Ok(LaunchAnswer::Failed { .. }) | Err(_) => None,
    });
}

#[test]
fn what_the_relay_computed_stands_in_the_next_segments_checkpoint() {
    let house = House::new();
    let script = "read -r line; head -c 5000000 /dev/zero | tr '\\0' x; echo; echo end; \
                  while read -r line; do :; done";
    let session = run(&house, script);
    let mut driver = session.drive(1);
    let extra = ExtraRequest { extra: raw(r#"{"turn":7}"#), next: Seq(2) };
    driver.ask(op::EXTRA, &extra).expect("kept");
    perform(&mut driver, "go", &[b"go"]).expect("done");
    wait_word(&mut driver, "out end");
    let recovered = quarterdeck_holder::log::scan_state(&session.directory).expect("a log");
    let kept = recovered.state.facts().extra.as_ref().map(RawJson::as_str);
    assert_eq!(kept, Some(r#"{"turn":7}"#));
}
