//! From an agent's log to what clients of `myagent` are told of it.

use std::collections::BTreeMap;

use quarterdeck_protocol::{
    agent::{
        AgentEvent, Ask, ContentBlock, ErrorClass, EventId, MessageState, OptionKind, Prompt,
        PromptAnswer, PromptId, PromptState, StopReason, Update,
    },
    dialect::myagent::{Asked, Decision, Event, MAX_WRITE_IDS, Metadata, PERMISSION_PREFIX, State},
    ids::Seq,
    record::{ExitStatus, Record, RecordKind},
};
use serde_json::{Value, json};

use crate::http::rfc3339;

/// How keys of this dialect's messages begin; what follows the second colon is the client's id.
pub(super) const KEY_PREFIX: &str = "myagent:";

/// One session as it has been told, or would have been.
#[derive(Debug)]
pub(super) struct Story {
    metadata: Metadata,
    /// The message that began the turn that runs.
    run: Option<String>,
    /// The record in which the program's end ended a turn.
    ended_with: Option<Seq>,
    /// Prompts that were told and not yet resolved.
    prompts: BTreeMap<PromptId, Open>,
}

#[derive(Debug)]
struct Open {
    /// The message of its turn.
    id: String,
    /// Options that say no.
    rejections: Vec<String>,
}

/// The key of a message; `mark` tells this client's ids from others'.
pub(super) fn message_key(mark: &str, id: &str) -> String {
    format!("{KEY_PREFIX}{mark}:{id}")
}

/// The client's id of a message; others have their key.
fn id_of(key: &str) -> &str {
    let own = key.strip_prefix(KEY_PREFIX).and_then(|rest| rest.split_once(':'));
    own.map_or(key, |(_, id)| id)
}

impl Story {
    pub(super) fn new(session_id: String, cwd: String, created_at_micros: u64) -> Self {
        let created_at = rfc3339(created_at_micros);
        let metadata = Metadata {
            version: 1,
            session_id,
            cwd,
            updated_at: created_at.clone(),
            created_at,
            state: State::Idle,
            write_ids: Vec::new(),
            agent_session_id: None,
            last_request_id: None,
            last_exit_code: None,
            last_error: None,
        };
        Self { metadata, run: None, ended_with: None, prompts: BTreeMap::new() }
    }

    /// Where the session is.
    pub(super) fn metadata(&self) -> Event {
        Event::SessionMetadata { session: self.metadata.clone() }
    }

    /// Whether a turn runs.
    pub(super) const fn is_running(&self) -> bool {
        self.run.is_some()
    }

    /// What a record adds.
    pub(super) fn handle(&mut self, record: &Record, events: &[AgentEvent]) -> Vec<Event> {
        let mut told = Vec::new();
        let status = events.iter().find_map(|event| {
            let Update::AgentExited { status } = &event.update else { return None };
            status.clone()
        });
        for event in events {
            self.metadata.updated_at = rfc3339(event.at_micros);
            self.hear(event, status.as_ref(), &mut told);
        }
        if record.header.kind == RecordKind::VendorErr
            && let Some(id) = self.run.clone()
        {
            let seq = EventId { seq: record.header.at.seq, index: 0 };
            let chunk = String::from_utf8_lossy(&record.payload).into_owned();
            told.push(Event::AgentStderr { id, chunk, seq });
        }
        told
    }

    /// Adds an event of the past.
    pub(super) fn note(&mut self, event: &AgentEvent) {
        self.metadata.updated_at = rfc3339(event.at_micros);
        self.hear(event, None, &mut Vec::new());
    }

    /// A prompt that is open, for who comes late.
    pub(super) fn ask(&mut self, prompt: &Prompt) -> Event {
        let seq = EventId { seq: prompt.id.seq, index: prompt.id.index };
        self.open(prompt, seq)
    }

    fn open(&mut self, prompt: &Prompt, seq: EventId) -> Event {
        let id = self.run.clone().unwrap_or_default();
        let says_no = |kind| matches!(kind, OptionKind::RejectOnce | OptionKind::RejectAlways);
        let rejections = prompt.ask.options().iter().filter(|option| says_no(option.kind));
        let rejections = rejections.map(|option| option.option_id.clone()).collect();
        self.prompts.insert(prompt.id, Open { id: id.clone(), rejections });
        Event::PermissionRequest {
            id,
            permission_request_id: format!("{PERMISSION_PREFIX}{}", prompt.id),
            request: asked(prompt),
            seq,
        }
    }

    fn hear(&mut self, event: &AgentEvent, status: Option<&ExitStatus>, told: &mut Vec<Event>) {
        let seq = event.id;
        if let Update::SessionInfoUpdate { vendor_session: Some(vendor_session), .. } =
            &event.update
        {
            self.metadata.agent_session_id = Some(vendor_session.clone());
        }
        if let Update::MessageUpdate { message_id, state } = &event.update {
            self.hear_message(message_id, *state, seq, told);
        }
        if let Update::UserMessageChunk { message_id, .. } = &event.update {
            self.note_write(message_id);
        }
        if let Update::TurnStarted { message_id, .. } = &event.update {
            let id = message_id.as_deref().map_or_else(|| seq.to_string(), |key| id_of(key).into());
            self.metadata.state = State::Running;
            self.metadata.last_request_id = Some(id.clone());
            self.run = Some(id);
            told.push(self.metadata());
        }
        if let Update::PromptOpened { prompt } = &event.update {
            told.push(self.open(prompt, seq));
        }
        if let Update::PromptUpdate { prompt, state } = &event.update {
            told.extend(self.resolve(*prompt, state, seq));
        }
        if let Update::TurnEnded { stop_reason, error, .. } = &event.update {
            let error = error.as_ref().filter(|_| *stop_reason != StopReason::Cancelled);
            let error = error.map(|error| (error.class, error.message.as_str()));
            let by_exit = *stop_reason == StopReason::AgentExit;
            self.ended_with = Some(seq.seq).filter(|_| by_exit && self.run.is_some());
            self.end(exit_code(*stop_reason, status), error, seq, told);
        }
        if let Update::AgentExited { status } = &event.update
            && self.ended_with == Some(seq.seq)
        {
            let code = exit_code(StopReason::AgentExit, status.as_ref());
            self.metadata.last_exit_code = Some(code);
        }
        if let Some(id) = self.run.clone() {
            told.extend(said(&event.update, id, seq));
        }
    }

    /// A message that the agent will never begin ends as a turn would.
    fn hear_message(
        &mut self,
        key: &str,
        state: MessageState,
        seq: EventId,
        told: &mut Vec<Event>,
    ) {
        self.note_write(key);
        let lost = matches!(state, MessageState::Rejected | MessageState::Indeterminate);
        let id = id_of(key);
        if lost && self.run.as_deref() != Some(id) {
            let message = "the message did not reach the agent, or nobody knows whether it did";
            let (id, message) = (id.to_owned(), message.to_owned());
            told.push(Event::Error { id: Some(id.clone()), message, code: None });
            told.push(self.terminal_state(id, 1, seq));
        }
    }

    fn note_write(&mut self, key: &str) {
        if !key.starts_with(KEY_PREFIX) {
            return;
        }
        let (id, ids) = (id_of(key), &mut self.metadata.write_ids);
        if !ids.iter().any(|known| known == id) {
            ids.push(id.to_owned());
            if ids.len() > MAX_WRITE_IDS {
                ids.remove(0);
            }
        }
    }

    fn resolve(&mut self, prompt: PromptId, state: &PromptState, seq: EventId) -> Option<Event> {
        if *state == PromptState::Open {
            return None;
        }
        // once, at the first thing that became of it
        let Open { id, rejections } = self.prompts.remove(&prompt)?;
        let answered = state.answered();
        let decision = match answered {
            Some(answered) => decision(&answered.answer, &rejections),
            None => Decision { kind: "cancelled".into(), reason: None },
        };
        Some(Event::PermissionResolved {
            id,
            permission_request_id: format!("{PERMISSION_PREFIX}{prompt}"),
            by: answered.map(|answered| answered.by.to_string()),
            decision,
            seq,
        })
    }

    fn end(
        &mut self,
        code: i32,
        error: Option<(ErrorClass, &str)>,
        seq: EventId,
        told: &mut Vec<Event>,
    ) {
        let Some(id) = self.run.take() else { return };
        self.metadata.state = if code == 0 { State::Completed } else { State::Failed };
        self.metadata.last_exit_code = Some(code);
        self.metadata.last_error = error.map(|(_, message)| message.to_owned());
        if let Some((_, message)) = error {
            let (id, message) = (Some(id.clone()), message.to_owned());
            told.push(Event::Error { id, message, code: None });
        }
        told.push(self.terminal_state(id, code, seq));
        told.push(self.metadata());
    }

    fn terminal_state(&self, id: String, exit_code: i32, seq: EventId) -> Event {
        let Metadata { session_id, agent_session_id, .. } = self.metadata.clone();
        Event::TerminalState { id, session_id, agent_session_id, exit_code, seq }
    }
}

/// What a turn has said.
fn said(update: &Update, id: String, seq: EventId) -> Option<Event> {
    if let Update::AgentMessageChunk { content: ContentBlock::Text { text }, .. } = update {
        return Some(Event::AgentStdout { id, chunk: text.clone(), seq });
    }
    if let Update::MessageEnded { .. } = update {
        return Some(Event::AgentStdout { id, chunk: "\n".into(), seq });
    }
    let complaint = if let Update::Retry(retry) = update {
        format!("{}: it is tried again\n", retry.error.message)
    } else if let Update::Error { error } = update {
        format!("{}\n", error.message)
    } else if let Update::Notice { text } = update {
        format!("{text}\n")
    } else {
        return None;
    };
    Some(Event::AgentStderr { id, chunk: complaint, seq })
}

fn asked(prompt: &Prompt) -> Asked {
    let (tool_name, input) = match &prompt.ask {
        Ask::Permission { tool_call, input, .. } => {
            let name = tool_call.name.clone().or_else(|| tool_call.title.clone());
            (name.unwrap_or_default(), input.clone().or_else(|| tool_call.raw_input.clone()))
        }
        Ask::Question { form, .. } => ("AskUserQuestion".to_owned(), Some(json!(form))),
        Ask::Plan { plan, .. } => ("ExitPlanMode".to_owned(), Some(json!({ "plan": plan }))),
        Ask::Unknown => (String::new(), None),
    };
    let reason = prompt.reason.clone().unwrap_or_else(|| prompt.title.clone());
    Asked { tool_name, input: input.unwrap_or(Value::Null), reason }
}

/// An answer in the words that clients know.
fn decision(answer: &PromptAnswer, rejections: &[String]) -> Decision {
    let (kind, reason) = match answer {
        PromptAnswer::Option { option_id } if rejections.contains(option_id) => ("deny", None),
        PromptAnswer::Option { .. }
        | PromptAnswer::EditedInput { .. }
        | PromptAnswer::Form { .. } => ("allow", None),
        PromptAnswer::Deny { message } => ("deny", Some(message.clone())),
        PromptAnswer::Decline => ("deny", None),
    };
    Decision { kind: kind.into(), reason }
}

fn exit_code(reason: StopReason, status: Option<&ExitStatus>) -> i32 {
    match reason {
        StopReason::EndTurn
        | StopReason::MaxTokens
        | StopReason::MaxTurnRequests
        | StopReason::Refusal => 0,
        StopReason::Cancelled => 130,
        StopReason::Error | StopReason::Unknown => 1,
        StopReason::AgentExit => match status {
            Some(ExitStatus::Code { code }) if *code != 0 => *code,
            Some(ExitStatus::Signal { signal, .. }) => 128 + signal,
            Some(ExitStatus::Code { .. } | ExitStatus::Oom | ExitStatus::Unknown) | None => 1,
        },
    }
}
