//! Records of the log, kind by kind.

use alloc::{format, string::String};

use quarterdeck_protocol::{
    agent::{
        AgentCommand, AgentStart, AnswerRecord, Answered, CommandRecord, Delivery, ErrorClass,
        ExpiredRecord, MessageState, OversizedRecord, PromptState, StopReason, Update, topic,
    },
    ids::Incarnation,
    record::{
        Answer, Checkpoint, Exit, ExitStatus, Note, RawJson, Record, RecordHeader, RecordKind,
    },
};
use serde::Deserialize;
use serde_json::Value;

use super::{Conversation, Reading, messages::Waiting};
use crate::{
    errors,
    limits::{MAX_LINE_BYTES, MAX_RAW_BYTES},
    plain,
    step::Steps,
    wire_id::wire_id,
};

/// Which way a vendor's line went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    In,
    Out,
}

/// The part of a start record that matters here.
#[derive(Deserialize)]
struct Started {
    incarnation: Incarnation,
}

impl Conversation {
    /// Adds one record. Records that were added before change nothing; payloads that cannot be read
    /// are of a newer version and change nothing either. Never panics, whatever the bytes.
    pub fn apply(&mut self, header: &RecordHeader, payload: &[u8]) {
        if header.at.seq < self.next {
            return;
        }
        if header.kind == RecordKind::Checkpoint && header.flags == 0 {
            self.apply_checkpoint(header, payload);
        }
        self.next = header.at.seq.next();
        if header.flags != 0 {
            return;
        }
        let (seq, time_micros) = (header.at.seq, header.time_micros);
        self.reading = Reading { seq, time_micros, events: 0, prompts: 0 };
        match header.kind {
            RecordKind::Start => {
                if let Ok(Started { incarnation }) = serde_json::from_slice(payload) {
                    self.handle_start(incarnation);
                }
            }
            RecordKind::VendorIn => self.handle_line(Direction::In, payload),
            RecordKind::VendorOut => self.handle_line(Direction::Out, payload),
            RecordKind::Answer => {
                if let Ok(Answer { key: _, body }) = serde_json::from_slice(payload) {
                    self.handle_answer(&body);
                }
            }
            RecordKind::Note => {
                if let Ok(note) = serde_json::from_slice(payload) {
                    self.handle_note(&note);
                }
            }
            RecordKind::Exit => {
                let exit = serde_json::from_slice::<Exit>(payload).ok();
                self.handle_end(exit.map(|exit| exit.status));
            }
            RecordKind::Lost => self.handle_end(None),
            RecordKind::Checkpoint
            | RecordKind::Output
            | RecordKind::Input
            | RecordKind::Resize
            | RecordKind::Termios
            | RecordKind::Lease
            | RecordKind::Gap
            | RecordKind::VendorErr
            | RecordKind::Unknown(_) => {}
        }
    }

    /// Adds one record.
    pub fn apply_record(&mut self, record: &Record) {
        self.apply(&record.header, &record.payload);
    }

    /// Goes on from a checkpoint when the records before it are not there any more.
    fn apply_checkpoint(&mut self, header: &RecordHeader, payload: &[u8]) {
        if header.at.seq == self.next {
            return;
        }
        let checkpoint = serde_json::from_slice::<Checkpoint>(payload);
        let extra = checkpoint.ok().and_then(|checkpoint| checkpoint.extra);
        let known = extra.and_then(|extra| Self::from_checkpoint(&extra).ok());
        if let Some(known) =
            known.filter(|known| known.session == self.session && known.next > self.next)
        {
            let events = core::mem::take(&mut self.events);
            *self = Self { events, ..known };
        }
    }

    fn handle_start(&mut self, incarnation: Incarnation) {
        if self.alive {
            self.end_process(None);
            self.start = None;
        }
        self.incarnation = incarnation;
        self.alive = true;
        self.adapter.protocol_mut().handle_process_start();
        self.totals.handle_process_start();
        self.tell(Update::AgentStarted { incarnation });
    }

    fn handle_line(&mut self, direction: Direction, payload: &[u8]) {
        let line = payload.strip_suffix(b"\n").unwrap_or(payload);
        if line.len() > MAX_LINE_BYTES {
            self.tell(Update::Oversized { bytes: line.len() as u64 });
            return;
        }
        if line.trim_ascii().is_empty() {
            return;
        }
        let message = serde_json::from_slice::<Value>(line).ok().filter(Value::is_object);
        let (Some(message), Ok(text)) = (message, core::str::from_utf8(line)) else {
            if direction == Direction::Out {
                let head = &line[..line.len().min(MAX_RAW_BYTES)];
                let text = plain::text(&String::from_utf8_lossy(head));
                self.tell(Update::Garbage { text });
            }
            return;
        };
        let mut steps = Steps::default();
        let protocol = self.adapter.protocol_mut();
        match direction {
            Direction::In => protocol.handle_in(&message, &mut steps),
            Direction::Out => protocol.handle_out(&message, text, &mut steps),
        }
        self.apply_steps(steps);
    }

    fn handle_answer(&mut self, body: &RawJson) {
        let Ok(record) = body.read::<AnswerRecord>() else { return };
        let AnswerRecord { prompt, by, from, from_name, answer_id, answer } = record;
        let from_name = from_name.map(|name| plain::title(&name));
        let at_micros = self.reading.time_micros;
        let answered = Answered { by, from, from_name, at_micros, answer_id, answer };
        let Some(taken) = self.ledger.answer(prompt, answered) else { return };
        self.tell(Update::PromptUpdate { prompt, state: taken.state });
        let Some(id) = taken.tool_call_id else { return };
        if let Some(status) = self.tools.answered(&id, taken.is_rejection) {
            self.tell_tool_status(&id, status);
        }
    }

    fn handle_note(&mut self, note: &Note) {
        match note.topic.as_str() {
            topic::START => {
                if let Ok(start) = note.body.read::<AgentStart>() {
                    self.known.chosen_session.clone_from(&start.vendor_session);
                    self.start = Some(start);
                }
            }
            topic::COMMAND => {
                if let Ok(record) = note.body.read::<CommandRecord>() {
                    self.handle_command(record);
                }
            }
            topic::DUE => self.dues += 1,
            topic::OVERSIZED => {
                if let Ok(OversizedRecord { bytes }) = note.body.read() {
                    self.tell(Update::Oversized { bytes });
                }
            }
            topic::EXPIRED => {
                if let Ok(ExpiredRecord { prompt }) = note.body.read()
                    && self.ledger.expire(prompt)
                {
                    self.tell(Update::PromptUpdate { prompt, state: PromptState::Expired });
                }
            }
            _ => {}
        }
    }

    fn handle_command(&mut self, record: CommandRecord) {
        let CommandRecord { key, origin, command } = record;
        if !self.messages.take_key(&key) {
            return;
        }
        match command {
            AgentCommand::Prompt { content, delivery } => {
                let wire_id = wire_id(self.session, &key);
                let message = Waiting { key: key.clone(), wire_id, origin, content };
                let waits = self.messages.add(message, delivery);
                if waits && delivery != Delivery::Steer {
                    let state = MessageState::Queued;
                    self.tell(Update::MessageUpdate { message_id: key, state });
                }
            }
            AgentCommand::Withdraw { message_id } => {
                if self.messages.withdraw(&message_id) {
                    let state = MessageState::Rejected;
                    self.tell(Update::MessageUpdate { message_id, state });
                }
            }
            AgentCommand::Interrupt
            | AgentCommand::SetMode { .. }
            | AgentCommand::SetModel { .. }
            | AgentCommand::Unknown => {
                let mut steps = Steps::default();
                self.adapter.protocol_mut().handle_command(&command, &mut steps);
                self.apply_steps(steps);
            }
        }
    }

    fn handle_end(&mut self, status: Option<ExitStatus>) {
        self.end_process(status.as_ref());
        self.alive = false;
        self.start = None;
        self.tell(Update::AgentExited { status });
    }

    /// Settles everything that the program can no longer settle.
    fn end_process(&mut self, status: Option<&ExitStatus>) {
        for (prompt, state) in self.ledger.lose() {
            self.tell(Update::PromptUpdate { prompt, state });
        }
        for message_id in self.messages.handle_process_end() {
            let state = MessageState::Indeterminate;
            self.tell(Update::MessageUpdate { message_id, state });
        }
        let error = errors::error(ErrorClass::AgentExit, &ending(status));
        self.end_turn(StopReason::AgentExit, Some(error));
        for (id, status) in self.tools.close_all() {
            self.tell_tool_status(&id, status);
        }
    }
}

fn ending(status: Option<&ExitStatus>) -> String {
    match status {
        Some(ExitStatus::Code { code }) => format!("the agent ended with exit code {code}"),
        Some(ExitStatus::Signal { signal, .. }) => {
            format!("the agent was ended by signal {signal}")
        }
        Some(ExitStatus::Oom) => "the agent was ended for want of memory".into(),
        Some(ExitStatus::Unknown) | None => "the agent ended".into(),
    }
}
