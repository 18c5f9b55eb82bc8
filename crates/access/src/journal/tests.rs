use super::*;

use std::os::unix::fs::{MetadataExt, symlink};

use quarterdeck_protocol::{
    ids::{Generation, Principal, SessionId},
    method::MethodName,
    scope::Scopes,
};
use serde_json::Value;

const NOW: Duration = Duration::from_secs(1_800_000_000);

fn scratch() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("journal.jsonl");
    (directory, path)
}

fn ada() -> Principal {
    Principal::new("r_00", "ada").expect("valid")
}

fn stopped(why: &str) -> Event {
    Event::Stopped { why: why.into() }
}

fn wrong(peer: &str) -> Event {
    Event::LoginFailed { peer: peer.into(), token: None, why: "the token is wrong".into() }
}

fn events(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("reads");
    text.lines().map(|line| serde_json::from_str(line).expect("is JSON")).collect()
}

fn names(path: &Path) -> Vec<String> {
    let name = |event: &Value| event["event"].as_str().unwrap_or_default().to_owned();
    events(path).iter().map(name).collect()
}

#[test]
fn an_event_is_one_line_with_its_time_name_and_fields() {
    let (_directory, path) = scratch();
    let journal = Journal::new(&path);
    let expiry = Expiry { expires_at: Some(5) };
    let session = SessionId::from_bytes([1; 10]);
    let token = Text::from("phone");
    for event in [
        Event::Started { generation: Generation(3), pid: 9, version: "0.1.0".into() },
        Event::LoginOk {
            peer: "unix".into(),
            principal: ada(),
            token: None,
            device: None,
            name: None,
        },
        Event::TokenCreated { token, by: ada(), principal: ada(), scopes: Scopes::ALL, expiry },
        Event::LeaseTaken { session, by: ada(), from: ada(), reason: "on call".into() },
        Event::Refused { by: ada(), method: MethodName::TokenCreate, why: "inside".into() },
    ] {
        journal.record(&event, NOW);
    }
    let text = fs::read_to_string(&path).expect("reads");
    let golden = [
        r#"{"at":1800000000000000,"event":"started","generation":3,"pid":9,"version":"0.1.0"}"#,
        r#"{"at":1800000000000000,"event":"login_ok","peer":"unix","principal":"r_00/ada"}"#,
        r#"{"at":1800000000000000,"event":"token_created","token":"phone","by":"r_00/ada","principal":"r_00/ada","scopes":["read","answer","create","drive","admin"],"expires_at":5}"#,
        r#"{"at":1800000000000000,"event":"lease_taken","session":"s_01010101010101010101","by":"r_00/ada","from":"r_00/ada","reason":"on call"}"#,
        r#"{"at":1800000000000000,"event":"refused","by":"r_00/ada","method":"token.create","why":"inside"}"#,
    ];
    assert_eq!(text.lines().collect::<Vec<_>>(), golden);
    assert_eq!(fs::metadata(&path).expect("exists").mode() & 0o777, 0o600);
}

#[test]
fn text_from_outside_is_bounded_and_cannot_act_on_a_terminal_or_forge_a_line() {
    let (_directory, path) = scratch();
    let journal = Journal::new(&path);
    let nasty =
        "\u{1b}[2J\r\n{\"event\":\"x\"}\u{9b}31m\u{7f}\u{202e}\u{2066}\u{200b}\u{e0041}\u{e9}";
    journal.record(&stopped(nasty), NOW);
    journal.record(&stopped(&"\u{e9}".repeat(1000)), NOW);
    let text = fs::read_to_string(&path).expect("reads");
    assert_eq!(text.lines().count(), 2);
    assert!(text.chars().all(|c| c == '\n' || c == '\u{e9}' || (' '..='~').contains(&c)), "{text}");
    let events = events(&path);
    assert_eq!(events[0]["why"], nasty, "nothing is lost");
    assert_eq!(events[1]["why"].as_str().map(str::len), Some(512));
}

#[test]
fn two_files_take_turns_and_the_newest_events_stay() {
    let (directory, path) = scratch();
    let journal = Journal::with_limit(&path, 300);
    for number in 0..50 {
        journal.record(&stopped(&format!("{number:03}")), NOW);
    }
    let mut all = events(&journal.previous_path());
    all.extend(events(&path));
    let last: Vec<_> = (50 - all.len()..50).map(|number| format!("{number:03}")).collect();
    let found: Vec<_> = all.iter().map(|event| event["why"].as_str().unwrap_or("")).collect();
    assert_eq!(found, last);
    assert!(all.len() >= 5);
    for file in [&path, &journal.previous_path()] {
        assert!(fs::metadata(file).expect("exists").len() <= 300);
    }
    assert_eq!(fs::read_dir(directory.path()).expect("lists").count(), 2);
}

#[test]
fn a_journal_goes_on_after_a_restart_and_after_a_torn_line() {
    let (_directory, path) = scratch();
    Journal::new(&path).record(&stopped("one"), NOW);
    Journal::new(&path).record(&stopped("two"), NOW);
    let mut torn = fs::read(&path).expect("reads");
    torn.extend(b"{\"at\":1,\"ev");
    fs::write(&path, &torn).expect("writes");
    Journal::new(&path).record(&stopped("three"), NOW);
    let text = fs::read_to_string(&path).expect("reads");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 4);
    assert!(lines[3].contains("three"), "{text}");
}

#[test]
fn what_cannot_be_written_is_counted_and_told_when_it_can() {
    let (directory, _) = scratch();
    let path = directory.path().join("absent/journal.jsonl");
    let journal = Journal::new(&path);
    for _ in 0..3 {
        journal.record(&stopped("lost"), NOW);
    }
    assert_eq!(journal.dropped(), 3);
    fs::create_dir(directory.path().join("absent")).expect("makes room");
    journal.record(&stopped("kept"), NOW);
    assert_eq!(journal.dropped(), 0);
    assert_eq!(names(&path), ["dropped", "stopped"]);
    assert_eq!(events(&path)[0]["count"], 3);
}

#[test]
fn a_full_disk_stops_nobody_and_leaves_no_torn_line() {
    let (_directory, path) = scratch();
    // every write to it fails with ENOSPC
    let full = OpenOptions::new().append(true).open("/dev/full").expect("Linux has it");
    let journal = Journal::new(&path);
    journal.record(&stopped("before"), NOW);
    let bytes = fs::metadata(&path).expect("exists").len();
    journal.inner().open = Some(Open { file: full, bytes });
    journal.record(&stopped("lost"), NOW);
    assert_eq!(journal.dropped(), 1);
    journal.record(&stopped("after"), NOW);
    assert_eq!(names(&path), ["stopped", "dropped", "stopped"]);
}

#[test]
fn guesses_are_written_up_to_a_rate_and_then_counted() {
    let (_directory, path) = scratch();
    let journal = Journal::new(&path);
    let limit = u64::from(MAX_FAILED_LOGINS_PER_MINUTE);
    for number in 0..limit + 5 {
        journal.record(&wrong(&format!("10.0.0.{number}")), NOW);
    }
    journal.record(&stopped("is not suppressed"), NOW + MINUTE / 2);
    assert_eq!(names(&path).len() as u64, limit + 1);
    journal.record(&wrong("10.0.0.1"), NOW + MINUTE);
    let written = events(&path);
    let [.., told, last] = &written[..] else { panic!("events") };
    assert_eq!((&told["event"], &told["count"]), (&"logins_suppressed".into(), &5.into()));
    assert_eq!(last["event"], "login_failed");
    journal.record(&wrong("10.0.0.1"), NOW - MINUTE);
    assert_eq!(events(&path).len(), written.len() + 1, "a clock that jumped back is a new minute");
}

#[test]
fn a_link_in_the_journals_place_is_not_written_through() {
    let (directory, path) = scratch();
    let victim = directory.path().join("victim");
    fs::write(&victim, "precious\n").expect("writes");
    symlink(&victim, &path).expect("links");
    let journal = Journal::new(&path);
    journal.record(&stopped("x"), NOW);
    assert_eq!(fs::read_to_string(&victim).expect("reads"), "precious\n");
    assert_eq!(journal.dropped(), 1);
}
