//! Conversations with agents: whatever lines a vendor writes and whatever is asked of it, folding ends
//! each turn once, loses no prompt, and gives the same from any checkpoint.

use std::collections::BTreeSet;

use bytes::Bytes;
use quarterdeck_agents::{AnswerDecision, Answerer, Conversation, Operation};
use quarterdeck_protocol::{
    agent::{
        AgentCommand, AgentEvent, AgentStart, ContentBlock, Delivery, Origin, PromptAnswer, Resume,
        Update, Vendor, topic,
    },
    ids::{Out, Principal, Seq, SessionId},
    record::{Exit, ExitStatus, Fact, Note, Position, RawJson, Record, RecordHeader, RecordKind},
};

const VENDORS: [Vendor; 4] = [Vendor::Claude, Vendor::Codex, Vendor::Acp, Vendor::Sidecar];
const DELIVERIES: [Delivery; 3] = [Delivery::Queue, Delivery::Steer, Delivery::Interrupt];

/// A log that is written and folded.
struct Session {
    log: Vec<Record>,
    fold: Conversation,
    events: Vec<AgentEvent>,
    keys: BTreeSet<String>,
}

/// The first byte chooses the vendor, each further line is a vendor's line, or by its first byte a
/// command, an answer, what is due, an exit, a start.
///
/// # Panics
/// When the property is broken.
pub fn check(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let vendor = VENDORS[usize::from(*first) % VENDORS.len()];
    let id = SessionId::from_bytes([3; 10]);
    let fold = Conversation::new(id, vendor);
    let mut session = Session { log: Vec::new(), fold, events: Vec::new(), keys: BTreeSet::new() };
    session.start(vendor);
    for (number, line) in rest.split(|byte| *byte == b'\n').enumerate() {
        session.act(vendor, number, line);
    }
    session.record(&Fact::Exit(Exit { status: ExitStatus::Oom, left: Vec::new() }));
    session.check_end();
    let middle = session.log.len() / 2;
    let mut again = Conversation::new(id, vendor);
    session.log[..middle].iter().for_each(|record| again.apply_record(record));
    let checkpoint = again.checkpoint().expect("is JSON");
    let mut again = Conversation::from_checkpoint(&checkpoint).expect("is read");
    session.log[middle..].iter().for_each(|record| again.apply_record(record));
    assert_eq!(again.checkpoint().ok(), session.fold.checkpoint().ok());
}

impl Session {
    fn start(&mut self, vendor: Vendor) {
        let start = br#"{"incarnation":1}"#;
        self.append(RecordKind::Start, Bytes::from_static(start));
        let how = AgentStart {
            vendor,
            cwd: "/".into(),
            model: None,
            mode: None,
            resume: Resume::New,
            vendor_session: None,
            provider: None,
            mail_tools: Vec::new(),
        };
        let body = RawJson::from_value(&how).expect("is JSON");
        self.record(&Fact::Note(Note { topic: topic::START.into(), body }));
    }

    fn act(&mut self, vendor: Vendor, number: usize, line: &[u8]) {
        match line.first() {
            Some(b'!') => {
                let content = vec![ContentBlock::Text { text: "words".into() }];
                let delivery = DELIVERIES[line.len() % DELIVERIES.len()];
                self.command(number, &AgentCommand::Prompt { content, delivery });
            }
            Some(b'#') => self.command(number, &AgentCommand::Interrupt),
            Some(b'?') => self.answer(line.len()),
            Some(b'$') => {
                for _ in 0..8 {
                    let Some(due) = self.fold.poll_due() else { break };
                    self.perform(&due);
                }
            }
            Some(b'^') => self.start(vendor),
            Some(_) | None => self.record(&Fact::VendorOut(Bytes::copy_from_slice(line))),
        }
    }

    fn command(&mut self, number: usize, command: &AgentCommand) {
        if let Ok(operation) = self.fold.command(&number.to_string(), command, &Origin::Unknown) {
            self.perform(&operation);
        }
    }

    fn answer(&mut self, choice: usize) {
        let prompts = self.fold.view().prompts;
        let Some(prompt) = prompts.first() else { return };
        let options = prompt.ask.options();
        let answer = match options.get(choice % (options.len() + 1)) {
            Some(option) => PromptAnswer::Option { option_id: option.option_id.clone() },
            None => PromptAnswer::Deny { message: "no".into() },
        };
        let by = Principal::new("r", "p").expect("is valid");
        let who = Answerer { by, from: None, from_name: None, answer_id: choice.to_string() };
        if let Ok(AnswerDecision::Write(operation)) = self.fold.answer(prompt.id, &answer, &who) {
            self.perform(&operation);
        }
    }

    fn perform(&mut self, operation: &Operation) {
        if self.keys.insert(operation.key.clone()) {
            self.record(&operation.fact);
            for line in &operation.lines {
                assert!(!line.contains(&b'\n'));
                self.record(&Fact::VendorIn(line.clone()));
            }
        }
    }

    fn record(&mut self, fact: &Fact) {
        let (kind, payload) = fact.encode();
        self.append(kind, payload);
    }

    fn append(&mut self, kind: RecordKind, payload: Bytes) {
        let at = Position { seq: Seq(self.log.len() as u64), out: Out(0) };
        let header = RecordHeader { kind, flags: 0, time_micros: 1, at };
        let record = Record { header, payload };
        self.fold.apply_record(&record);
        self.events.extend(std::iter::from_fn(|| self.fold.poll_event()));
        self.log.push(record);
    }

    fn check_end(&self) {
        let (mut turns, mut running, mut open) = (0_u64, false, BTreeSet::new());
        for event in &self.events {
            match &event.update {
                Update::TurnStarted { .. } => {
                    assert!(!running, "a turn begins while one runs");
                    (turns, running) = (turns + 1, true);
                }
                Update::TurnEnded { .. } => {
                    assert!(running, "a turn ends that does not run");
                    running = false;
                }
                Update::PromptOpened { prompt } => assert!(open.insert(prompt.id)),
                Update::PromptUpdate { prompt, state } if state.is_final() => {
                    assert!(open.remove(prompt), "a prompt is settled once");
                }
                _ => {}
            }
        }
        assert!(!running && open.is_empty());
        assert_eq!(self.fold.view().turns, turns);
    }
}

/// A short conversation of each vendor.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    [
        concat!(
            "\0$\n{\"type\":\"control_response\",\"response\":{\"subtype\":\"success\",\"request_id\":\"qd-init\"}}\n",
            "!\n{\"type\":\"control_request\",\"request_id\":\"r\",\"request\":{\"subtype\":\"can_use_tool\",",
            "\"tool_name\":\"Bash\",\"input\":{\"command\":\"ls\"},\"tool_use_id\":\"t\"}}\n?\n",
            "{\"type\":\"result\",\"is_error\":false,\"usage\":{\"input_tokens\":1}}\n^",
        ),
        concat!(
            "\u{1}$\n{\"id\":\"qd-init\",\"result\":{}}\n$\n{\"id\":\"qd-thread\",\"result\":{\"thread\":{\"id\":\"th\"}}}\n!\n",
            "{\"method\":\"turn/started\",\"params\":{\"threadId\":\"th\",\"turn\":{\"id\":\"tu\"}}}\n",
            "{\"method\":\"item/commandExecution/requestApproval\",\"id\":0,\"params\":{\"itemId\":\"c\"}}\n?\n",
            "{\"method\":\"turn/completed\",\"params\":{\"turn\":{\"id\":\"tu\",\"status\":\"completed\"}}}",
        ),
        concat!(
            "\u{2}$\n{\"id\":\"qd-init\",\"result\":{}}\n$\n{\"id\":\"qd-open\",\"result\":{\"sessionId\":\"s\"}}\n!\n",
            "{\"method\":\"session/update\",\"params\":{\"update\":{\"sessionUpdate\":\"agent_message_chunk\",",
            "\"content\":{\"type\":\"text\",\"text\":\"x\"}}}}\n#\n!!",
        ),
        concat!(
            "\u{3}{\"type\":\"ready\"}\n!\n{\"type\":\"agent_event\",\"event\":{\"type\":\"result\"}}\n",
            "{\"type\":\"agent_stopped\",\"exitCode\":0}",
        ),
    ]
    .map(|seed| seed.as_bytes().to_vec())
    .to_vec()
}

/// Words that the vendors' lines are made of.
#[must_use]
pub fn words() -> Vec<Vec<u8>> {
    let words = [
        "type",
        "subtype",
        "request_id",
        "control_cancel_request",
        "stream_event",
        "event",
        "content_block_start",
        "content_block_delta",
        "text_delta",
        "tool_use",
        "tool_result",
        "command_lifecycle",
        "started",
        "task_started",
        "questions",
        "permission_suggestions",
        "method",
        "params",
        "result",
        "error",
        "item/started",
        "item/completed",
        "item",
        "serverRequest/resolved",
        "requestId",
        "session/request_permission",
        "options",
        "optionId",
        "kind",
        "allow_once",
        "toolCall",
        "toolCallId",
        "stopReason",
        "status",
        "agent_error",
    ];
    words.iter().map(|word| format!("\"{word}\"").into_bytes()).collect()
}
