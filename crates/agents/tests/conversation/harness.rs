//! A session in memory: a log, a holder that compares and sets, a relay that folds.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use quarterdeck_agents::{
    AnswerDecision, AnswerRefusal, Answerer, CommandRefusal, Conversation, Operation,
};
use quarterdeck_protocol::{
    agent::{
        AgentCommand, AgentEvent, AgentStart, AgentState, ContentBlock, ConversationView, Delivery,
        MessageState, Origin, Prompt, PromptAnswer, PromptId, PromptState, Resume, StopReason,
        ToolStatus, Update, Vendor, topic,
    },
    ids::{ClientId, Incarnation, Out, Principal, Seq, SessionId},
    record::{
        Exit, ExitStatus, Fact, Lost, Note, Position, RawJson, Record, RecordHeader, SessionKind,
        Start, TerminalSize,
    },
};
use serde_json::Value;

/// A session in memory.
pub(crate) struct Session {
    vendor: Vendor,
    pub(crate) log: Vec<Record>,
    pub(crate) fold: Conversation,
    pub(crate) events: Vec<AgentEvent>,
    /// Keys that the holder has seen.
    keys: BTreeSet<String>,
    incarnation: u32,
    commands: u32,
    /// Keys of messages that were taken.
    pub(crate) messages: Vec<String>,
}

pub(crate) fn session_id() -> SessionId {
    SessionId::from_bytes([9; 10])
}

pub(crate) fn principal(name: &str) -> Principal {
    Principal::new("r_00", name).expect("is valid")
}

pub(crate) fn person(name: &str) -> Origin {
    Origin::Person { principal: principal(name), client: None }
}

pub(crate) fn text(text: &str) -> Vec<ContentBlock> {
    vec![ContentBlock::Text { text: text.into() }]
}

pub(crate) fn say(words: &str, delivery: Delivery) -> AgentCommand {
    AgentCommand::Prompt { content: text(words), delivery }
}

pub(crate) fn option(option_id: &str) -> PromptAnswer {
    PromptAnswer::Option { option_id: option_id.into() }
}

pub(crate) fn start(vendor: Vendor) -> AgentStart {
    AgentStart {
        vendor,
        cwd: "/project".into(),
        model: None,
        mode: None,
        resume: Resume::New,
        vendor_session: None,
        provider: None,
        mail_tools: Vec::new(),
    }
}

impl Session {
    /// A session whose agent was just started.
    pub(crate) fn started(vendor: Vendor) -> Self {
        let mut session = Self {
            vendor,
            log: Vec::new(),
            fold: Conversation::new(session_id(), vendor),
            events: Vec::new(),
            keys: BTreeSet::new(),
            incarnation: 0,
            commands: 0,
            messages: Vec::new(),
        };
        session.start(start(vendor));
        session
    }

    /// The program is started, again or for the first time.
    pub(crate) fn start(&mut self, how: AgentStart) {
        self.incarnation += 1;
        self.record(&Fact::Start(Box::new(Start {
            incarnation: Incarnation(self.incarnation),
            session: session_id(),
            argv: vec!["agent".into()],
            cwd: how.cwd.clone(),
            env_names: Vec::new(),
            size: TerminalSize::default(),
            kind: SessionKind::Agent,
            pid: 1,
            started_by: None,
            boot_id: "boot".into(),
        })));
        let body = RawJson::from_value(&how).expect("is JSON");
        self.record(&Fact::Note(Note { topic: topic::START.into(), body }));
    }

    pub(crate) fn resume(&mut self, vendor_session: &str) {
        let resume = Resume::Resume { vendor_session: vendor_session.into() };
        self.start(AgentStart { resume, ..start(self.vendor) });
    }

    pub(crate) fn exit(&mut self, code: i32) {
        let status = ExitStatus::Code { code };
        self.record(&Fact::Exit(Exit { status, left: Vec::new() }));
    }

    pub(crate) fn lost(&mut self) {
        self.record(&Fact::Lost(Lost { why: "killed".into() }));
    }

    pub(crate) fn record(&mut self, fact: &Fact) {
        let (kind, payload) = fact.encode();
        let seq = Seq(self.log.len() as u64);
        let at = Position { seq, out: Out(0) };
        let header = RecordHeader { kind, flags: 0, time_micros: 1_000 * (seq.0 + 1), at };
        let record = Record { header, payload };
        self.fold.apply_record(&record);
        self.events.extend(std::iter::from_fn(|| self.fold.poll_event()));
        self.log.push(record);
    }

    /// A line from the agent.
    pub(crate) fn out(&mut self, line: Value) {
        self.out_raw(line.to_string().as_bytes());
    }

    pub(crate) fn out_raw(&mut self, line: &[u8]) {
        self.record(&Fact::VendorOut(Bytes::copy_from_slice(line)));
    }

    /// The holder: once per key. The lines that were written.
    pub(crate) fn perform(&mut self, operation: &Operation) -> Vec<Value> {
        if !self.keys.insert(operation.key.clone()) {
            return Vec::new();
        }
        self.record(&operation.fact);
        for line in &operation.lines {
            assert!(!line.contains(&b'\n'), "a line is one line");
            self.record(&Fact::VendorIn(line.clone()));
        }
        let line = |line: &Bytes| serde_json::from_slice(line).expect("is JSON");
        operation.lines.iter().map(line).collect()
    }

    /// Everything that is due, performed. The lines that were written.
    pub(crate) fn settle(&mut self) -> Vec<Value> {
        let mut lines = Vec::new();
        for round in 0.. {
            let Some(operation) = self.fold.poll_due() else { break };
            assert!(round < 100, "it is due for ever: {}", operation.key);
            assert!(!self.keys.contains(&operation.key), "due twice: {}", operation.key);
            lines.extend(self.perform(&operation));
        }
        lines
    }

    pub(crate) fn command(&mut self, command: &AgentCommand) -> Result<Vec<Value>, CommandRefusal> {
        self.command_from(command, &person("ada"))
    }

    pub(crate) fn command_from(
        &mut self,
        command: &AgentCommand,
        origin: &Origin,
    ) -> Result<Vec<Value>, CommandRefusal> {
        self.commands += 1;
        let key = format!("k{}", self.commands);
        let operation = self.fold.command(&key, command, origin)?;
        if matches!(command, AgentCommand::Prompt { .. }) {
            self.messages.push(key);
        }
        Ok(self.perform(&operation))
    }

    /// What was told of a message last.
    pub(crate) fn message_state(&self, key: &str) -> Option<MessageState> {
        let state = |event: &AgentEvent| match &event.update {
            Update::MessageUpdate { message_id, state } if message_id == key => Some(*state),
            _ => None,
        };
        self.events.iter().rev().find_map(state)
    }

    /// A message that begins a turn.
    pub(crate) fn prompt(&mut self, words: &str) -> Vec<Value> {
        self.command(&say(words, Delivery::Queue)).expect("is taken")
    }

    pub(crate) fn answer(
        &mut self,
        id: PromptId,
        answer: &PromptAnswer,
        name: &str,
    ) -> Result<Vec<Value>, AnswerRefusal> {
        match self.fold.answer(id, answer, &answerer(name))? {
            AnswerDecision::Write(operation) => Ok(self.perform(&operation)),
            AnswerDecision::Repeated { .. } => Ok(Vec::new()),
        }
    }

    /// The only prompt that is open.
    pub(crate) fn open_prompt(&self) -> Prompt {
        let prompts = self.fold.view().prompts;
        let open: Vec<Prompt> =
            prompts.into_iter().filter(|it| it.state == PromptState::Open).collect();
        assert_eq!(open.len(), 1, "{open:#?}");
        open.into_iter().next().expect("is one")
    }

    pub(crate) fn view(&self) -> ConversationView {
        self.fold.view()
    }

    pub(crate) fn state(&self) -> AgentState {
        self.fold.state()
    }

    /// The latest state of a prompt that was told.
    pub(crate) fn prompt_state(&self, id: PromptId) -> PromptState {
        let state = |event: &AgentEvent| match &event.update {
            Update::PromptOpened { prompt } if prompt.id == id => Some(prompt.state.clone()),
            Update::PromptUpdate { prompt, state } if *prompt == id => Some(state.clone()),
            _ => None,
        };
        self.events.iter().rev().find_map(state).expect("was told")
    }

    /// All that the agent said.
    pub(crate) fn said(&self) -> String {
        let text = |event: &AgentEvent| match &event.update {
            Update::AgentMessageChunk { content: ContentBlock::Text { text }, .. } => {
                Some(text.clone())
            }
            _ => None,
        };
        self.events.iter().filter_map(text).collect()
    }

    pub(crate) fn thought(&self) -> String {
        let text = |event: &AgentEvent| match &event.update {
            Update::AgentThoughtChunk { content: ContentBlock::Text { text }, .. } => {
                Some(text.clone())
            }
            _ => None,
        };
        self.events.iter().filter_map(text).collect()
    }

    /// How the turns ended, in order.
    pub(crate) fn endings(&self) -> Vec<StopReason> {
        let ending = |event: &AgentEvent| match event.update {
            Update::TurnEnded { stop_reason, .. } => Some(stop_reason),
            _ => None,
        };
        self.events.iter().filter_map(ending).collect()
    }

    pub(crate) fn last_error(&self) -> quarterdeck_protocol::agent::AgentError {
        let error = |event: &AgentEvent| match &event.update {
            Update::TurnEnded { error: Some(error), .. } | Update::Error { error } => {
                Some(error.clone())
            }
            _ => None,
        };
        self.events.iter().rev().find_map(error).expect("there was one")
    }

    /// Every status that was told of a tool call.
    pub(crate) fn statuses(&self, id: &str) -> Vec<ToolStatus> {
        let status = |event: &AgentEvent| match &event.update {
            Update::ToolCall(call) | Update::ToolCallUpdate(call) if call.tool_call_id == id => {
                call.status
            }
            _ => None,
        };
        self.events.iter().filter_map(status).collect()
    }

    pub(crate) fn count(&self, wanted: impl Fn(&Update) -> bool) -> usize {
        self.events.iter().filter(|event| wanted(&event.update)).count()
    }

    /// What must hold of every log: folding it again gives the same, from the beginning and from each
    /// checkpoint; ids rise; each turn ends once.
    pub(crate) fn check(&self) {
        let (again, events) = fold(Conversation::new(session_id(), self.vendor), &self.log);
        assert_eq!(again.checkpoint().expect("is JSON"), self.fold.checkpoint().expect("is JSON"));
        assert_eq!(events, self.events);
        assert!(events.is_sorted_by(|a, b| a.id < b.id), "ids rise");
        self.check_checkpoints();
        check_turns(&events);
    }

    fn check_checkpoints(&self) {
        let mut fold_once = Conversation::new(session_id(), self.vendor);
        for (at, record) in self.log.iter().enumerate() {
            let checkpoint = fold_once.checkpoint().expect("is JSON");
            let from = Conversation::from_checkpoint(&checkpoint).expect("is read");
            let (from, events) = fold(from, &self.log[at..]);
            let rest = self.events.iter().filter(|event| event.id.seq.0 >= at as u64);
            assert!(rest.eq(events.iter()), "from record {at}");
            assert_eq!(from.view(), self.fold.view());
            fold_once.apply_record(record);
        }
    }
}

pub(crate) fn answerer(name: &str) -> Answerer {
    Answerer {
        by: principal(name),
        from: Some(ClientId::from_bytes([1; 16])),
        from_name: None,
        answer_id: format!("{name}'s answer"),
    }
}

pub(crate) fn fold(mut fold: Conversation, log: &[Record]) -> (Conversation, Vec<AgentEvent>) {
    let mut events = Vec::new();
    for record in log {
        fold.apply_record(record);
        events.extend(std::iter::from_fn(|| fold.poll_event()));
    }
    (fold, events)
}

/// Each turn begins once, ends at most once and after its beginning, and only the last may run.
pub(crate) fn check_turns(events: &[AgentEvent]) {
    let mut ends: BTreeMap<u64, u32> = BTreeMap::new();
    for event in events {
        match event.update {
            Update::TurnStarted { .. } => {
                assert!(ends.values().all(|ends| *ends == 1), "a turn begins while one runs");
                let number = event.turn.expect("a turn's events name it").0;
                assert_eq!(ends.insert(number, 0), None, "turn {number} begins once");
            }
            Update::TurnEnded { .. } => {
                let number = event.turn.expect("a turn's events name it").0;
                *ends.get_mut(&number).expect("began before") += 1;
            }
            _ => {}
        }
    }
    assert!(ends.values().all(|ends| *ends <= 1), "{ends:?}");
}
