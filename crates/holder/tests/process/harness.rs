//! A zygote, sessions in a temporary directory, and a driver that waits for events with a limit.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use quarterdeck_holder::{
    log::{LogReader, Next},
    socket,
    zygote::Zygote,
};
use quarterdeck_protocol::{
    holder::{
        HelloAnswer, HelloRequest, HolderError, HolderErrorCode, Input, InputAck, LaunchAnswer,
        LaunchRequest, Message, op,
    },
    ids::{ClientId, Epoch, Generation, Incarnation, InputNumber, SessionId},
    record::{Fact, SessionKind, TerminalSize},
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, Signal},
};
use serde::{Serialize, de::DeserializeOwned};
use tempfile::TempDir;

/// No event of these tests takes this long on a machine that still answers.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// A zygote and room for sessions.
pub(crate) struct House {
    pub(crate) zygote: Zygote,
    root: TempDir,
}

/// A launched session.
pub(crate) struct Session {
    pub(crate) directory: PathBuf,
    pub(crate) holder: Pid,
    pub(crate) program: Pid,
}

impl House {
    pub(crate) fn new() -> Self {
        Self::with_zygote(zygote_command())
    }

    pub(crate) fn with_zygote(command: Command) -> Self {
        let zygote = Zygote::start(command).expect("the zygote starts");
        Self { zygote, root: tempfile::tempdir().expect("a directory") }
    }

    /// A new directory for a session.
    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        let directory = self.root.path().join(name);
        std::fs::create_dir_all(&directory).expect("a session's directory");
        directory
    }

    /// Runs a shell script as a session.
    pub(crate) fn run(&self, script: &str) -> Session {
        self.launch(&request(&self.directory("session"), &["sh", "-c", script]))
    }

    pub(crate) fn launch(&self, request: &LaunchRequest) -> Session {
        match self.zygote.launch(request, LIMIT).expect("an answer") {
            LaunchAnswer::Started { holder_pid, program_pid } => Session {
                directory: PathBuf::from(&request.directory),
                holder: pid(holder_pid),
                program: pid(program_pid),
            },
            LaunchAnswer::Failed { code, message } => panic!("{code:?}: {message}"),
        }
    }
}

pub(crate) fn zygote_command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_holder-test-zygote"))
}

pub(crate) fn pid(number: u32) -> Pid {
    Pid::from_raw(i32::try_from(number).expect("a pid")).expect("a pid above 0")
}

/// A request for a terminal with a small, fixed environment.
pub(crate) fn request(directory: &Path, argv: &[&str]) -> LaunchRequest {
    let env = [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("LANG", "C.UTF-8"), ("TERM", "dumb")];
    LaunchRequest {
        directory: directory.to_str().expect("utf-8").to_owned(),
        session: SessionId::from_bytes([7; 10]),
        kind: SessionKind::Terminal,
        incarnation: Incarnation(1),
        argv: argv.iter().map(|word| (*word).to_owned()).collect(),
        argv0: None,
        env: env
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect::<BTreeMap<_, _>>(),
        cwd: "/".to_owned(),
        size: TerminalSize { cols: 80, rows: 24, xpixel: 0, ypixel: 0 },
        started_by: None,
        record_input: false,
        keep_bytes: 64 * 1024 * 1024,
        notes: Vec::new(),
        exclusive: None,
    }
}

impl Session {
    /// Connects and says hello.
    pub(crate) fn drive(&self, generation: u64) -> Driver {
        let mut driver = Driver::connect(&self.directory);
        driver.hello = Some(driver.say_hello(generation).expect("a welcome"));
        driver
    }

    /// Waits until the holder has ended.
    pub(crate) fn wait_end(&self) {
        wait_gone(self.holder);
    }

    /// Everything in the log, without checkpoints.
    pub(crate) fn facts(&self) -> Vec<Fact> {
        facts(&self.directory)
    }

    /// All recorded output.
    pub(crate) fn output(&self) -> String {
        String::from_utf8_lossy(&output_of(&self.facts())).into_owned()
    }

    pub(crate) fn kill(&self, signal: Signal) {
        rustix::process::kill_process(self.holder, signal).expect("the holder lives");
    }
}

impl Drop for Session {
    /// A test that fails leaves no process behind.
    fn drop(&mut self) {
        let _ = rustix::process::kill_process_group(self.program, Signal::KILL);
        if std::thread::panicking() {
            let _ = rustix::process::kill_process(self.holder, Signal::KILL);
        }
    }
}

pub(crate) fn facts(directory: &Path) -> Vec<Fact> {
    let mut reader = LogReader::open(directory).expect("a log");
    let mut facts = Vec::new();
    loop {
        match reader.next().expect("readable") {
            Next::Record(record) => {
                let fact = Fact::decode(&record).expect("decodable");
                if !matches!(fact, Fact::Checkpoint(_)) {
                    facts.push(fact);
                }
            }
            Next::Gap(missing) => panic!("a hole in the log: {missing:?}"),
            Next::AwaitMore => return facts,
        }
    }
}

pub(crate) fn output_of(facts: &[Fact]) -> Vec<u8> {
    let bytes = facts.iter().filter_map(|fact| {
        let Fact::Output(bytes) = fact else { return None };
        Some(bytes.to_vec())
    });
    bytes.flatten().collect()
}

pub(crate) fn client(byte: u8) -> ClientId {
    ClientId::from_bytes([byte; 16])
}

/// Waits until a process has ended, whoever collects it.
pub(crate) fn wait_gone(pid: Pid) {
    let Ok(ended) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else { return };
    let limit = Timespec::try_from(LIMIT).expect("a limit");
    let mut polled = [PollFd::new(&ended, PollFlags::IN)];
    assert_eq!(poll(&mut polled, Some(&limit)), Ok(1), "process {pid:?} does not end");
}

pub(crate) fn is_alive(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

/// The first answer of `look` that is something; it is asked again at every message of the holder.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} does not come");
        std::thread::yield_now();
    }
}

/// A message, owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) op: u8,
    pub(crate) request: u32,
    pub(crate) body: Vec<u8>,
}

/// A relay's end of a holder's socket.
pub(crate) struct Driver {
    pub(crate) stream: UnixStream,
    pub(crate) hello: Option<HelloAnswer>,
    directory: PathBuf,
    received: Vec<u8>,
    /// Messages that were passed over while another was waited for.
    pub(crate) passed: Vec<Heard>,
    next_request: u32,
}

impl Driver {
    pub(crate) fn connect(directory: &Path) -> Self {
        let stream = socket::connect(directory).expect("a holder listens");
        stream.set_read_timeout(Some(LIMIT)).expect("a limit");
        Self {
            stream,
            hello: None,
            directory: directory.to_owned(),
            received: Vec::new(),
            passed: Vec::new(),
            next_request: 1,
        }
    }

    pub(crate) fn send(&mut self, op: u8, body: &[u8]) -> u32 {
        let request = self.next_request;
        self.next_request += 1;
        let mut bytes = Vec::new();
        Message { op, request, body }.encode(&mut bytes);
        self.stream.write_all(&bytes).expect("sent");
        request
    }

    /// The next message; `None` when the holder has closed.
    pub(crate) fn hear(&mut self) -> Option<Heard> {
        loop {
            if let Some((message, size)) = Message::parse(&self.received).expect("a length") {
                let Message { op, request, body } = message;
                let heard = Heard { op, request, body: body.to_vec() };
                self.received.drain(..size);
                return Some(heard);
            }
            let mut chunk = [0; 64 * 1024];
            match self.stream.read(&mut chunk) {
                Ok(0) => return None,
                Ok(count) => self.received.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("the holder says nothing: {error}"),
            }
        }
    }

    /// The next message that is wanted; others are kept in `passed`.
    pub(crate) fn hear_until(&mut self, wanted: impl Fn(&Heard) -> bool) -> Heard {
        loop {
            let heard = self.hear().expect("the holder has closed");
            if wanted(&heard) {
                return heard;
            }
            self.passed.push(heard);
        }
    }

    /// Reads until the holder closes.
    pub(crate) fn hear_the_end(&mut self) {
        while let Some(heard) = self.hear() {
            self.passed.push(heard);
        }
    }

    pub(crate) fn answer(&mut self, request: u32) -> Result<Vec<u8>, HolderError> {
        let answers = |heard: &Heard| heard.request == request && heard.op >= op::OK;
        let heard = self.hear_until(answers);
        match heard.op {
            op::OK => Ok(heard.body),
            op::ERROR => Err(serde_json::from_slice(&heard.body).expect("an error")),
            other => panic!("operation {other} is no answer"),
        }
    }

    /// Sends a request with a JSON body and waits for its answer.
    pub(crate) fn ask(&mut self, op: u8, body: &impl Serialize) -> Result<(), HolderErrorCode> {
        let request = self.send(op, &serde_json::to_vec(body).expect("json"));
        self.answer(request).map(|_| ()).map_err(|error| error.code)
    }

    pub(crate) fn ask_for<T: DeserializeOwned>(
        &mut self,
        op: u8,
        body: &impl Serialize,
    ) -> Result<T, HolderErrorCode> {
        let request = self.send(op, &serde_json::to_vec(body).expect("json"));
        let answer = self.answer(request).map_err(|error| error.code)?;
        Ok(serde_json::from_slice(&answer).expect("the answer's form"))
    }

    pub(crate) fn say_hello(&mut self, generation: u64) -> Result<HelloAnswer, HolderErrorCode> {
        let generation = Generation(generation);
        self.ask_for(op::HELLO, &HelloRequest { generation, protocol: 1 })
    }

    /// Sends an input and does not wait.
    pub(crate) fn type_ahead(&mut self, n: u64, epoch: u64, bytes: &[u8]) -> u32 {
        let n = InputNumber(n);
        let input = Input { client: client(1), epoch: Epoch(epoch), n, bytes };
        let mut body = Vec::new();
        input.encode(&mut body);
        self.send(op::INPUT, &body)
    }

    /// Sends an input and waits for its acknowledgement.
    pub(crate) fn type_in(&mut self, n: u64, epoch: u64, bytes: &[u8]) -> InputAck {
        let request = self.type_ahead(n, epoch, bytes);
        self.acknowledgement(request)
    }

    pub(crate) fn acknowledgement(&mut self, request: u32) -> InputAck {
        let heard = self.hear_until(|h| h.op == op::INPUT_ACK && h.request == request);
        InputAck::parse(&heard.body).expect("an acknowledgement")
    }

    /// Waits until the log's output contains `text`; looks again at every new head.
    pub(crate) fn wait_output(&mut self, text: &str) -> String {
        self.wait_facts(|facts| {
            let output = String::from_utf8_lossy(&output_of(facts)).into_owned();
            output.contains(text).then_some(output)
        })
    }

    /// Waits until `look` finds something in the log.
    pub(crate) fn wait_facts<T>(&mut self, look: impl Fn(&[Fact]) -> Option<T>) -> T {
        loop {
            if let Some(found) = look(&facts(&self.directory)) {
                return found;
            }
            let heard = self.hear().expect("the holder has closed");
            if heard.op != op::HEAD {
                self.passed.push(heard);
            }
        }
    }
}
