//! Both threads in this process, on a disk that sticks when the test wants it to.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    thread::JoinHandle,
};

use quarterdeck_protocol::{
    frame::InputState,
    holder::{
        HelloRequest, Input, InputAck, LaunchRequest, Message, ResizeRequest, SignalRequest,
        SignalTarget,
    },
    ids::{ClientId, Epoch, InputNumber},
    record::{Exit, ExitStatus, Note, RawJson, RecordKind, SessionKind},
};
use rustix::process::WaitOptions;
use serde::Serialize;
use tempfile::TempDir;

use super::*;
use crate::{
    journal::fake::{Condition, FakeJournal, output},
    memory::MemoryWatch,
    output::Output,
    processes::Spare,
    recorder::{Recorder, Retention},
    shared::Known,
    socket,
    terminal::Terminal,
};

const LIMIT: Duration = Duration::from_secs(30);
const SIZE: TerminalSize = TerminalSize { cols: 80, rows: 24, xpixel: 0, ypixel: 0 };

/// A holder without a process of its own.
struct Holder {
    disk: FakeJournal,
    shared: Arc<Shared>,
    terminal: Arc<Terminal>,
    threads: Vec<JoinHandle<io::Result<()>>>,
    driver: UnixStream,
    received: Vec<u8>,
    /// Operation, request and body of what was not waited for yet.
    heard: Vec<(u8, u32, Vec<u8>)>,
    _directory: TempDir,
}

fn request(directory: &TempDir, script: &str) -> LaunchRequest {
    LaunchRequest {
        directory: directory.path().to_string_lossy().into_owned(),
        session: SessionId::from_bytes([1; 10]),
        kind: SessionKind::Terminal,
        incarnation: Incarnation(1),
        argv: ["sh", "-c", script].map(str::to_owned).to_vec(),
        argv0: None,
        env: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
        cwd: "/".to_owned(),
        size: SIZE,
        started_by: None,
        record_input: false,
        notes: Vec::new(),
        exclusive: None,
        keep_bytes: u64::MAX,
    }
}

impl Holder {
    fn start(script: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let disk = FakeJournal::new();
        let shared = Arc::new(Shared::new(Known::default()).expect("shared"));
        let terminal = Arc::new(Terminal::start(&request(&directory, script)).expect("starts"));
        let identity = Identity {
            session: SessionId::from_bytes([1; 10]),
            log_id: LogId::from_bytes([1; 8]),
            incarnation: Incarnation(1),
            input_recording: InputRecording::Off,
        };
        let parts = Parts {
            identity,
            shared: Arc::clone(&shared),
            stdio: Stdio::Terminal(Arc::clone(&terminal)),
            size: SIZE,
            listener: socket::listen(directory.path()).expect("listens"),
            // this process has other children: it must not collect them
            signals: SignalFd::block(&[]).expect("an empty set"),
            program: Program::new(terminal.leader(), MemoryWatch::default(), Spare::Nobody),
            inputs: InputLedger::default(),
        };
        let retention = Retention { keep_bytes: u64::MAX, pinned_from: None };
        let recorder = Recorder::new(disk.clone(), Arc::clone(&shared), retention);
        let output = Output::new(Arc::clone(&terminal), Arc::clone(&shared), recorder);
        let threads = vec![
            std::thread::spawn(move || Control::new(parts).run()),
            std::thread::spawn(move || output.run().map(|_| ())),
        ];
        let driver = socket::connect(directory.path()).expect("connects");
        driver.set_read_timeout(Some(LIMIT)).expect("a limit");
        let (received, heard) = (Vec::new(), Vec::new());
        let mut holder = Self {
            disk,
            shared,
            terminal,
            threads,
            driver,
            received,
            heard,
            _directory: directory,
        };
        let hello = HelloRequest { generation: Generation(1), protocol: 1 };
        holder.send(op::HELLO, 1, &json(&hello));
        holder.hear(op::OK, 1);
        holder
    }

    fn send(&mut self, op: u8, request: u32, body: &[u8]) {
        let mut bytes = Vec::new();
        Message { op, request, body }.encode(&mut bytes);
        self.driver.write_all(&bytes).expect("sent");
    }

    fn type_in(&mut self, n: u64, bytes: &[u8]) {
        let (client, n) = (ClientId::from_bytes([1; 16]), InputNumber(n));
        let mut body = Vec::new();
        Input { client, epoch: Epoch(0), n, bytes }.encode(&mut body);
        self.send(op::INPUT, 77, &body);
        let ack = InputAck::parse(&self.hear(op::INPUT_ACK, 77)).expect("an acknowledgement");
        assert_eq!(ack.state, InputState::Applied);
    }

    /// Waits for one message; others are kept for later.
    fn hear(&mut self, op: u8, request: u32) -> Vec<u8> {
        loop {
            let wanted = |heard: &(u8, u32, Vec<u8>)| (heard.0, heard.1) == (op, request);
            if let Some(index) = self.heard.iter().position(wanted) {
                return self.heard.remove(index).2;
            }
            let mut chunk = [0; 4096];
            let count = self.driver.read(&mut chunk).expect("the holder answers in time");
            assert_ne!(count, 0, "the holder has closed");
            self.received.extend_from_slice(&chunk[..count]);
            while let Some((message, size)) = Message::parse(&self.received).expect("a length") {
                self.heard.push((message.op, message.request, message.body.to_vec()));
                self.received.drain(..size);
            }
        }
    }

    fn wait_program(&self) -> Option<i32> {
        let ended = rustix::process::waitpid(Some(self.terminal.leader()), WaitOptions::empty());
        ended.expect("a child").expect("it has ended").1.terminating_signal()
    }

    fn finish(mut self) -> FakeJournal {
        self.shared.inbox.end(Exit { status: ExitStatus::Code { code: 0 }, left: Vec::new() });
        for thread in self.threads.drain(..) {
            thread.join().expect("no panic").expect("no error");
        }
        self.disk.clone()
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("json")
}

#[test]
fn an_interrupt_reaches_the_program_while_a_write_to_the_disk_does_not_return() {
    let mut holder = Holder::start("exec cat");
    holder.type_in(1, b"hello\r");
    holder.hear(op::HEAD, 0);
    holder.disk.set(Condition::Stuck);
    holder.type_in(2, b"stuck\r");
    holder.disk.wait_blocked();

    // everything that needs no disk goes on
    let size = TerminalSize { cols: 100, ..SIZE };
    holder.send(op::RESIZE, 5, &json(&ResizeRequest { size, by: None }));
    holder.hear(op::OK, 5);
    let signal = SignalRequest { signal: libc::SIGCONT, to: SignalTarget::Program };
    holder.send(op::SIGNAL, 6, &json(&signal));
    holder.hear(op::OK, 6);
    let note = Note { topic: "t".to_owned(), body: RawJson::from_value(&1).expect("json") };
    holder.send(op::NOTE, 7, &json(&note));
    holder.type_in(3, b"\x03");
    assert_eq!(holder.wait_program(), Some(libc::SIGINT));
    assert!(holder.disk.disk().blocked, "the disk was not stuck any more");

    // what needs the disk is answered when it is back, and everything is recorded
    holder.disk.set(Condition::Healthy);
    holder.hear(op::OK, 7);
    let disk = holder.finish();
    let disk = disk.disk();
    let text = String::from_utf8_lossy(&output(&disk).0).into_owned();
    // the rest was still in the terminal, which drops it at an interrupt
    assert!(text.starts_with("hello\r\n"), "{text:?}");
    assert!(text.ends_with("^C"), "{text:?}");
    let kinds: Vec<_> = disk.records.iter().map(|(kind, _)| *kind).collect();
    assert!(kinds.contains(&RecordKind::Resize) && kinds.contains(&RecordKind::Note), "{kinds:?}");
    assert_eq!(kinds.last(), Some(&RecordKind::Exit));
}

#[test]
fn requests_beyond_what_may_wait_for_a_stuck_disk_are_refused() {
    let mut holder = Holder::start("exec cat");
    holder.disk.set(Condition::Stuck);
    holder.type_in(1, b"x\r");
    holder.disk.wait_blocked();
    let body = RawJson::from_value(&"x".repeat(200 * 1024)).expect("json");
    let note = json(&Note { topic: "t".to_owned(), body });
    for request in 10..20 {
        holder.send(op::NOTE, request, &note);
    }
    holder.hear(op::ERROR, 19);
    holder.type_in(2, b"\x03");
    assert_eq!(holder.wait_program(), Some(libc::SIGINT));
    holder.disk.set(Condition::Healthy);
    holder.finish();
}
