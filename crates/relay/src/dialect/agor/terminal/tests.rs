use bytes::Bytes;
use quarterdeck_holder::log::{Append, Class, Entry, LogLock, LogOptions, LogWriter, NewLog};
use quarterdeck_protocol::{
    ids::{Epoch, LogId, Principal},
    method::Behind,
    record::{
        Fact, Gap, GapCause, LeaseCause, Owner, Position, Record, RecordHeader, RecordKind,
        SessionKind, TerminalSize,
    },
};

use super::*;
use crate::{connection::channel::Start, screens::Exactness};

const SIZE: TerminalSize = TerminalSize { cols: 80, rows: 24, xpixel: 0, ypixel: 0 };
const ME: ClientId = ClientId::from_bytes([1; 16]);
const OTHER: ClientId = ClientId::from_bytes([2; 16]);

/// A session's log being written, and a controller's view of it from its beginning on.
struct Stage {
    log: LogWriter,
    session: Arc<SessionHandle>,
    terminal: Terminal,
    _directory: tempfile::TempDir,
}

impl Stage {
    fn new(owns: bool) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let lock = LogLock::try_acquire(directory.path()).expect("a lock").expect("it is free");
        let (log_id, session) = (LogId::from_bytes([1; 8]), SessionId::from_bytes([2; 10]));
        let new = NewLog { log_id, session, kind: SessionKind::Terminal, size: SIZE };
        let log = LogWriter::create(lock, &new, LogOptions::default(), 1).expect("a log");
        let session = SessionHandle::for_test(directory.path(), log.state());
        session.tail.subscribe(Channel(1), Arc::default());
        let Position { seq, out } = session.tail.head();
        let start = Start { seq, out, head: out, gap: None, snapshot: None };
        let handle = Arc::clone(&session);
        let stream = ChannelStream::new(Channel(1), handle, start, None, Behind::Skip);
        Self { log, session, terminal: Terminal::new(stream, ME, owns), _directory: directory }
    }

    fn output(&mut self, bytes: &[u8]) {
        self.record(RecordKind::Output, bytes);
    }

    fn fact(&mut self, fact: &Fact) {
        let (kind, payload) = fact.encode();
        self.record(kind, &payload);
    }

    fn lease(&mut self, client: ClientId, why: LeaseCause) {
        let principal = Principal::new("r_00", "ada").expect("valid");
        let owner = Owner { client, principal, name: "x".into() };
        let state = LeaseState::Held { owner };
        let lease = LeaseRecord { epoch: Epoch(1), state, why, by: None };
        self.fact(&Fact::Lease(Box::new(lease)));
    }

    fn record(&mut self, kind: RecordKind, payload: &[u8]) {
        let entry = Entry { kind, payload, class: Class::Bulk };
        let Ok(Append::Done(at)) = self.log.append(entry, 7) else { panic!("there is room") };
        let header = RecordHeader { kind, flags: 0, time_micros: 7, at };
        let record = Record { header, payload: Bytes::copy_from_slice(payload) };
        self.session.tail.publish([record].into_iter());
    }

    /// Everything that the controller is told now, its output joined.
    fn told(&mut self) -> Vec<String> {
        let mut told: Vec<String> = Vec::new();
        loop {
            let (events, ended) = match self.terminal.pull() {
                Told::Events(events) => (events, false),
                Told::Ended(events) => (events, true),
                Told::Nothing => return told,
                Told::NeedsSnapshot => (Vec::new(), true),
            };
            for event in events {
                let line = event.to_text().expect("serialises");
                let Event::PtyData { text, .. } = event else {
                    told.push(line);
                    continue;
                };
                match told.last_mut() {
                    Some(last) if last.starts_with('"') => last.push_str(&text),
                    Some(_) | None => told.push(format!("\"{text}")),
                }
            }
            if ended {
                return told;
            }
        }
    }

    fn draw(&mut self, bytes: &'static [u8]) {
        let (at, bytes) = (self.session.tail.head(), Bytes::from_static(bytes));
        self.terminal.handle_snapshot(SnapshotAt { at, bytes, exact: Exactness::Exact });
    }
}

#[test]
fn a_character_that_two_records_share_arrives_whole_and_an_unfinished_one_ends_with_the_program() {
    let mut stage = Stage::new(true);
    stage.output(b"a\xe2");
    assert_eq!(stage.told(), ["\"a"]);
    stage.output(b"\x82\xac\xff\xf0\x9f");
    assert_eq!(stage.told(), ["\"€\u{fffd}"]);
    let status = ExitStatus::Signal { signal: 15, core: false };
    stage.fact(&Fact::Exit(Exit { status, left: Vec::new() }));
    let id = stage.session.id;
    let exit = format!(
        r#"{{"type":"pty_exit","sessionId":"{id}","payload":{{"exitCode":null,"signal":"SIGTERM"}}}}"#
    );
    assert_eq!(stage.told(), ["\"\u{fffd}", &exit]);
}

#[test]
fn questions_bells_and_the_clipboard_are_for_the_owner_only() {
    let loud = b"x\x1b[cy\x07z\x1b]52;c;aGk=\x07.";
    let mut stage = Stage::new(true);
    stage.output(loud);
    assert_eq!(stage.told(), ["\"x\u{1b}[cy\u{7}z\u{1b}]52;c;aGk=\u{7}."]);
    stage.lease(OTHER, LeaseCause::Takeover);
    stage.output(loud);
    assert_eq!(stage.told(), ["\"xyz."]);
    // typing once makes nobody the owner, neither this controller nor another client
    stage.lease(ME, LeaseCause::Borrow);
    stage.output(loud);
    assert_eq!(stage.told(), ["\"xyz."]);
    stage.lease(ME, LeaseCause::Takeover);
    stage.lease(OTHER, LeaseCause::Borrow);
    stage.output(b"\x1b[c");
    assert_eq!(stage.told(), ["\"\u{1b}[c"]);
}

#[test]
fn a_controller_far_behind_is_told_the_gap_and_gets_the_screen_on_a_new_terminal() {
    let mut stage = Stage::new(true);
    stage.output(b"a\xe2");
    assert_eq!(stage.told(), ["\"a"]);
    let part = vec![b'x'; 60_000];
    for _ in 0..=MAX_LAG_BYTES / 60_000 {
        stage.output(&part);
    }
    assert!(matches!(stage.terminal.pull(), Told::NeedsSnapshot));
    assert!(matches!(stage.terminal.pull(), Told::Nothing), "nothing overtakes the screen");
    let (id, head) = (stage.session.id, stage.session.tail.head().out);
    stage.draw(b"screen");
    stage.output(b"after");
    let gap = format!(
        r#"{{"type":"pty_gap","sessionId":"{id}","payload":{{"from":2,"to":{}}}}}"#,
        head.0
    );
    assert_eq!(stage.told(), ["\"\u{fffd}", &gap, "\"\u{1b}cscreenafter"]);
}

#[test]
fn a_gap_without_a_screen_is_told_in_the_terminal_too() {
    let mut stage = Stage::new(true);
    stage.output(b"before");
    assert_eq!(stage.told(), ["\"before"]);
    let id = stage.session.id;
    let from = stage.session.tail.head().out;
    let gap = Gap { from, to: Out(from.0 + 10), why: GapCause::DiskFull };
    stage.fact(&Fact::Gap(gap));
    stage.output(b"after");
    let event = format!(
        r#"{{"type":"pty_gap","sessionId":"{id}","payload":{{"from":{},"to":{}}}}}"#,
        from.0,
        from.0 + 10
    );
    let text = "\"\r\n[10 bytes of output are missing here]\r\n";
    let told = stage.told();
    assert_eq!(told[0], event);
    assert!(told[1].starts_with(text), "{told:?}");
}

#[test]
fn every_way_to_end_has_its_words() {
    let check = |status: ExitStatus, line: &str| {
        assert_eq!(serde_json::to_string(&end_of(&status)).expect("serialises"), line);
    };
    check(ExitStatus::Code { code: 3 }, r#"{"exitCode":3,"signal":null}"#);
    let killed = ExitStatus::Signal { signal: 9, core: false };
    check(killed, r#"{"exitCode":null,"signal":"SIGKILL"}"#);
    let strange = ExitStatus::Signal { signal: 63, core: true };
    check(strange, r#"{"exitCode":null,"signal":"signal 63"}"#);
    check(ExitStatus::Oom, r#"{"exitCode":null,"signal":"SIGKILL","why":"out of memory"}"#);
    let lost = serde_json::to_string(&lost("the holder died")).expect("serialises");
    assert_eq!(lost, r#"{"exitCode":null,"signal":null,"why":"the holder died"}"#);
}

#[test]
fn a_session_that_is_removed_ends_its_terminal() {
    let mut stage = Stage::new(true);
    stage.output(b"a\xe2");
    assert_eq!(stage.told(), ["\"a"]);
    let events = stage.terminal.end_without_exit("removed");
    assert!(matches!(&events[..], [Event::PtyData { .. }, Event::PtyExit { .. }]), "{events:?}");
}
