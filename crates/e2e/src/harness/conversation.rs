//! A conversation with a real agent's program, as a holder and a relay would lead it: the program is
//! started as [`launch`] says, its lines are recorded and folded, and what the fold wants is written.

mod seen;

use std::{
    collections::{BTreeSet, VecDeque},
    fmt::Write as _,
    fs::OpenOptions,
    io::Write as _,
    os::unix::process::ExitStatusExt as _,
    path::Path,
    pin::pin,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use quarterdeck_agents::{
    AnswerDecision, AnswerRefusal, Answerer, CommandRefusal, Conversation, Operation,
    launch::{Launch, launch},
};
use quarterdeck_protocol::{
    agent::{
        AgentCommand, AgentEvent, AgentStart, AgentState, ContentBlock, Delivery, OptionKind,
        Origin, Prompt, PromptAnswer, PromptId, PromptState, Resume, StopReason, Vendor, topic,
    },
    ids::{ClientId, Incarnation, Out, Principal, Seq, SessionId},
    record::{
        Exit, ExitStatus, Fact, Note, Position, RawJson, Record, RecordHeader, SessionKind, Start,
        TerminalSize,
    },
};
use rustix::process::{Pid, Signal};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, ChildStdin, Command},
    sync::mpsc,
    task::JoinSet,
};

use super::agents::AgentHome;

/// How long an agent may take for anything on a machine that is busy with other tests.
pub const AGENT_PATIENCE: Duration = Duration::from_secs(90);
/// Lines that are read ahead; when it is full the agent waits, as it does for a holder.
const LINES_AHEAD: usize = 1024;
/// Lines that the message of a failing test shows.
const SHOWN_LINES: usize = 30;

/// A conversation, its log, and the program at its other end.
#[derive(Debug)]
pub struct Talk {
    vendor: Vendor,
    fold: Conversation,
    log: Vec<Record>,
    events: Vec<AgentEvent>,
    /// Keys of operations that were performed.
    keys: BTreeSet<String>,
    incarnation: u32,
    commands: u32,
    process: Option<Process>,
    /// The newest lines both ways, for the message of a failing test.
    shown: VecDeque<String>,
    stderr: Arc<Mutex<Vec<u8>>>,
}

#[derive(Debug)]
struct Process {
    child: Child,
    /// Absent once it is closed.
    stdin: Option<ChildStdin>,
    lines: mpsc::Receiver<Vec<u8>>,
    _readers: JoinSet<()>,
}

/// What a test starts an agent with.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// Its mode.
    pub mode: Option<String>,
    /// Its model.
    pub model: Option<String>,
    /// New, resumed or forked.
    pub resume: Resume,
}

impl Talk {
    /// Starts the agent of a home, with a conversation that is new.
    pub async fn start(home: &AgentHome) -> Self {
        Self::start_with(home, &Wishes::default()).await
    }

    /// Starts the agent of a home.
    pub async fn start_with(home: &AgentHome, wishes: &Wishes) -> Self {
        let mut talk = Self::new(home.agent().vendor());
        talk.restart(home, wishes).await;
        talk
    }

    /// A conversation whose program is any command.
    pub async fn start_command(vendor: Vendor, command: &[&str]) -> Self {
        let mut talk = Self::new(vendor);
        let start = agent_start(vendor, "/", &Wishes::default());
        let command: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
        talk.run(&start, &launch(&start, &command), &[]).await;
        talk
    }

    fn new(vendor: Vendor) -> Self {
        Self {
            vendor,
            fold: Conversation::new(session_id(), vendor),
            log: Vec::new(),
            events: Vec::new(),
            keys: BTreeSet::new(),
            incarnation: 0,
            commands: 0,
            process: None,
            shown: VecDeque::new(),
            stderr: Arc::default(),
        }
    }

    /// Starts the program again in the same session.
    pub async fn restart(&mut self, home: &AgentHome, wishes: &Wishes) {
        let project = home.project().display().to_string();
        let start = agent_start(self.vendor, &project, wishes);
        self.run(&start, &launch(&start, &home.command()), &home.env()).await;
    }

    async fn run(&mut self, start: &AgentStart, launch: &Launch, env: &[(String, String)]) {
        self.process = Some(self.spawn(start, launch, env));
        self.incarnation += 1;
        self.record(&Fact::Start(Box::new(Start {
            incarnation: Incarnation(self.incarnation),
            session: session_id(),
            argv: launch.argv.clone(),
            cwd: start.cwd.clone(),
            env_names: Vec::new(),
            size: TerminalSize::default(),
            kind: SessionKind::Agent,
            pid: 1,
            started_by: None,
            boot_id: "boot".into(),
        })));
        let body = RawJson::from_value(start).expect("is JSON");
        self.record(&Fact::Note(Note { topic: topic::START.into(), body }));
        self.settle().await;
    }

    fn spawn(&self, start: &AgentStart, launch: &Launch, env: &[(String, String)]) -> Process {
        let (program, words) = launch.argv.split_first().expect("a command has a program");
        let mut child = Command::new(program)
            .args(words)
            .current_dir(&start.cwd)
            .env_clear()
            .envs(env.iter().cloned())
            .envs(launch.env.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // a group of its own: it is killed with everything that it has started
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        let stdin = child.stdin.take();
        let mut stdout = BufReader::new(child.stdout.take().expect("is a pipe"));
        let mut stderr = child.stderr.take().expect("is a pipe");
        let (sender, lines) = mpsc::channel(LINES_AHEAD);
        let kept = Arc::clone(&self.stderr);
        let mut readers = JoinSet::new();
        readers.spawn(async move {
            let mut line = Vec::new();
            while stdout.read_until(b'\n', &mut line).await.is_ok_and(|count| count > 0) {
                if sender.send(std::mem::take(&mut line)).await.is_err() {
                    return;
                }
            }
        });
        readers.spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = stderr.read(&mut buffer).await {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.extend_from_slice(&buffer[..count]);
            }
        });
        Process { child, stdin, lines, _readers: readers }
    }

    fn record(&mut self, fact: &Fact) {
        let (kind, payload) = fact.encode();
        let seq = Seq(self.log.len() as u64);
        let at = Position { seq, out: Out(0) };
        let header = RecordHeader { kind, flags: 0, time_micros: 1_000 * (seq.0 + 1), at };
        let record = Record { header, payload };
        self.fold.apply_record(&record);
        self.events.extend(std::iter::from_fn(|| self.fold.poll_event()));
        self.log.push(record);
    }

    /// Keeps a line for the message of a failing test; and, for a developer, in a file of `QD_TRANSCRIPTS`.
    fn show(&mut self, way: &str, line: &[u8]) {
        if let Some(directory) = std::env::var_os("QD_TRANSCRIPTS") {
            transcribe(Path::new(&directory), way, line);
        }
        let line = String::from_utf8_lossy(&line[..line.len().min(600)]);
        self.shown.push_back(format!("{way} {}", line.trim_end()));
        if self.shown.len() > SHOWN_LINES {
            self.shown.pop_front();
        }
    }

    /// What a holder does with an operation: once per key, record and write.
    async fn perform(&mut self, operation: &Operation) {
        if !self.keys.insert(operation.key.clone()) {
            return;
        }
        self.record(&operation.fact);
        for line in &operation.lines {
            assert!(!line.contains(&b'\n'), "a line is one line");
            self.show("→", line);
            self.record(&Fact::VendorIn(line.clone()));
            let process = self.process.as_mut();
            let Some(stdin) = process.and_then(|process| process.stdin.as_mut()) else { continue };
            let writing = async {
                stdin.write_all(line).await?;
                stdin.write_all(b"\n").await?;
                stdin.flush().await
            };
            // an agent that has ended reads nothing more; its end is recorded when it is seen
            if tokio::time::timeout(AGENT_PATIENCE, writing).await.is_err() {
                self.fail("the agent reads its input");
            }
        }
    }

    /// Performs what is due until nothing is.
    async fn settle(&mut self) {
        for round in 0.. {
            let Some(operation) = self.fold.poll_due() else { return };
            assert!(round < 100, "it is due for ever: {}", operation.key);
            Box::pin(self.perform(&operation)).await;
        }
    }

    /// Takes the agent's next line in, or its end.
    async fn take_line(&mut self, what: &str) {
        let Some(process) = &mut self.process else { self.fail(what) };
        let Ok(line) = tokio::time::timeout(AGENT_PATIENCE, process.lines.recv()).await else {
            self.fail(what)
        };
        self.handle_line(line, what).await;
    }

    async fn handle_line(&mut self, line: Option<Vec<u8>>, what: &str) {
        let Some(line) = line else { return self.take_end(what).await };
        self.show("←", &line);
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        self.record(&Fact::VendorOut(Bytes::copy_from_slice(line)));
        self.settle().await;
    }

    async fn take_end(&mut self, what: &str) {
        let Some(mut process) = self.process.take() else { self.fail(what) };
        let end = tokio::time::timeout(AGENT_PATIENCE, process.child.wait()).await;
        let Ok(Ok(status)) = end else { self.fail("the agent ends after its output") };
        let status = match (status.code(), status.signal()) {
            (Some(code), _) => ExitStatus::Code { code },
            (None, Some(signal)) => ExitStatus::Signal { signal, core: false },
            (None, None) => ExitStatus::Unknown,
        };
        self.record(&Fact::Exit(Exit { status, left: Vec::new() }));
    }

    /// Takes lines in until something holds.
    ///
    /// # Panics
    /// When it does not come; the message shows the newest lines and what the agent said on stderr.
    pub async fn until<T>(&mut self, what: &str, mut found: impl FnMut(&Self) -> Option<T>) -> T {
        loop {
            if let Some(it) = found(self) {
                return it;
            }
            self.take_line(what).await;
        }
    }

    /// Takes lines in until something has happened elsewhere, as at the model.
    ///
    /// # Panics
    /// As [`Self::until`].
    pub async fn until_elsewhere(&mut self, what: &str, event: impl Future<Output = ()>) {
        let mut event = pin!(event);
        let patience = tokio::time::sleep(AGENT_PATIENCE);
        let mut patience = pin!(patience);
        loop {
            let Some(process) = &mut self.process else { self.fail(what) };
            let line = tokio::select! {
                biased;
                () = &mut event => return,
                line = process.lines.recv() => line,
                () = &mut patience => self.fail(what),
            };
            self.handle_line(line, what).await;
        }
    }

    fn fail(&self, what: &str) -> ! {
        let mut text = format!("nothing for {AGENT_PATIENCE:?}, or the agent has ended: {what}\n");
        let _ = writeln!(text, "state {:?}, events:", self.fold.state());
        for event in self.events.iter().rev().take(12).rev() {
            let event = format!("{:?}", event.update);
            let _ = writeln!(text, "  {}", event.chars().take(300).collect::<String>());
        }
        let _ = writeln!(text, "lines:");
        for line in &self.shown {
            let _ = writeln!(text, "  {line}");
        }
        let stderr = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        let tail = &stderr[stderr.len().saturating_sub(4096)..];
        panic!("{text}stderr: {}", String::from_utf8_lossy(tail));
    }

    // what a client does

    /// Gives a command.
    ///
    /// # Errors
    /// When the fold refuses it.
    pub async fn command(&mut self, command: &AgentCommand) -> Result<String, CommandRefusal> {
        self.commands += 1;
        let key = format!("k{}", self.commands);
        let operation = self.fold.command(&key, command, &person())?;
        self.perform(&operation).await;
        self.settle().await;
        Ok(key)
    }

    /// Sends a message; its key.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn say(&mut self, words: &str, delivery: Delivery) -> String {
        let content = vec![ContentBlock::Text { text: words.to_owned() }];
        let sent = self.command(&AgentCommand::Prompt { content, delivery }).await;
        sent.unwrap_or_else(|refusal| panic!("{words:?} is refused: {refusal}"))
    }

    /// Sends a message that begins a turn, and waits for the turn's end.
    pub async fn turn(&mut self, words: &str) -> StopReason {
        let before = self.endings().len();
        self.say(words, Delivery::Queue).await;
        self.until_turn(before + 1).await
    }

    /// Waits until so many turns have ended; how the last of them did.
    pub async fn until_turn(&mut self, count: usize) -> StopReason {
        let what = format!("{count} turns have ended");
        self.until(&what, |talk| talk.endings().get(count - 1).copied()).await
    }

    /// Waits for an open prompt.
    pub async fn until_prompt(&mut self) -> Prompt {
        let open = |talk: &Self| {
            let prompts = talk.fold.view().prompts;
            prompts.into_iter().find(|prompt| prompt.state == PromptState::Open)
        };
        self.until("a prompt is open", open).await
    }

    /// Waits for a state.
    pub async fn until_state(&mut self, state: AgentState) {
        let what = format!("the agent is {state:?}");
        self.until(&what, |talk| (talk.fold.state() == state).then_some(())).await;
    }

    /// Answers a prompt.
    ///
    /// # Errors
    /// When the fold refuses the answer.
    pub async fn try_answer(
        &mut self,
        prompt: PromptId,
        answer: &PromptAnswer,
    ) -> Result<(), AnswerRefusal> {
        self.try_answer_as(PERSON, prompt, answer).await
    }

    /// Answers a prompt in somebody else's name.
    ///
    /// # Errors
    /// When the fold refuses the answer.
    pub async fn try_answer_as(
        &mut self,
        name: &str,
        prompt: PromptId,
        answer: &PromptAnswer,
    ) -> Result<(), AnswerRefusal> {
        let who = Answerer {
            by: principal(name),
            from: Some(ClientId::from_bytes([1; 16])),
            from_name: None,
            answer_id: format!("answer to {prompt}"),
        };
        if let AnswerDecision::Write(operation) = self.fold.answer(prompt, answer, &who)? {
            self.perform(&operation).await;
        }
        Ok(())
    }

    /// Answers a prompt.
    ///
    /// # Panics
    /// When the answer is refused.
    pub async fn answer(&mut self, prompt: PromptId, answer: &PromptAnswer) {
        let answered = self.try_answer(prompt, answer).await;
        answered.unwrap_or_else(|refusal| panic!("{answer:?} is refused: {refusal}"));
    }

    /// Answers a prompt with its first option of a kind.
    ///
    /// # Panics
    /// When there is none.
    pub async fn choose(&mut self, prompt: &Prompt, kind: OptionKind) {
        let option = prompt.ask.options().iter().find(|option| option.kind == kind);
        let option = option.unwrap_or_else(|| panic!("{kind:?} is not offered: {prompt:#?}"));
        let answer = PromptAnswer::Option { option_id: option.option_id.clone() };
        self.answer(prompt.id, &answer).await;
    }

    /// Kills the program as a crash would, and takes in everything that it had said.
    ///
    /// # Panics
    /// When no program runs.
    pub async fn kill(&mut self) {
        let process = self.process.as_ref().expect("a program runs");
        kill_group(&process.child);
        self.until_state(AgentState::Exited).await;
    }

    /// Closes the program's input and waits for its end.
    ///
    /// # Panics
    /// When no program runs.
    pub async fn close(&mut self) {
        self.process.as_mut().expect("a program runs").stdin = None;
        self.until_state(AgentState::Exited).await;
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        if let Some(process) = &self.process {
            kill_group(&process.child);
        }
    }
}

/// Kills a child with everything in its group, unless it has been waited for.
fn kill_group(child: &Child) {
    let pid = child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    if let Some(pid) = pid {
        let _ = rustix::process::kill_process_group(pid, Signal::KILL);
    }
}

fn transcribe(directory: &Path, way: &str, line: &[u8]) {
    let test = std::thread::current();
    let test = test.name().unwrap_or("test").replace("::", ".");
    let file = OpenOptions::new().create(true).append(true).open(directory.join(test));
    let mut text = format!("{way} ").into_bytes();
    text.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(line));
    text.push(b'\n');
    file.and_then(|mut file| file.write_all(&text)).expect("the transcript is written");
}

fn session_id() -> SessionId {
    SessionId::from_bytes([9; 10])
}

/// Who does everything that a test does in nobody's name.
const PERSON: &str = "ada";

fn principal(name: &str) -> Principal {
    Principal::new("r_00", name).expect("is valid")
}

fn person() -> Origin {
    Origin::Person { principal: principal(PERSON), client: None }
}

fn agent_start(vendor: Vendor, cwd: &str, wishes: &Wishes) -> AgentStart {
    AgentStart {
        vendor,
        cwd: cwd.to_owned(),
        model: wishes.model.clone(),
        mode: wishes.mode.clone(),
        resume: wishes.resume.clone(),
        vendor_session: None,
        provider: None,
        mail_tools: Vec::new(),
    }
}
