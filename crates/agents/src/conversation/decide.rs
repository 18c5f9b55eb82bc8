//! What may be written to the agent now. Nothing here changes the fold: an [`Operation`] takes effect
//! when its records come back.

use alloc::{boxed::Box, format, string::String, vec::Vec};

use bytes::Bytes;
use quarterdeck_protocol::{
    agent::{
        AgentCommand, AnswerRecord, Answered, Ask, CommandRecord, ContentBlock, Delivery,
        DueRecord, OptionKind, Origin, PromptAnswer, PromptId, PromptState, topic,
    },
    ids::{ClientId, Principal},
    record::{Answer, Fact, Note, RawJson},
};
use serde::Serialize;
use serde_json::Value;

use super::{Conversation, messages};
use crate::{
    adapter::{Message, Reply},
    form::{self, FormError},
    json,
    limits::{MAX_INPUT_BYTES, MAX_KEY_CHARS, MAX_MESSAGE_BYTES},
    wire_id::wire_id,
};

/// One operation of the holder: if the key is new, record the fact, then each line, and write the
/// lines; if it is not, do nothing and say so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// What the compare-and-set is on.
    pub key: String,
    /// What is recorded before the lines.
    pub fact: Fact,
    /// Lines to the agent, without line feeds; each is recorded as `vendor_in`. May be none.
    pub lines: Vec<Bytes>,
}

/// Who answers a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answerer {
    /// The person or script.
    pub by: Principal,
    /// From which client.
    pub from: Option<ClientId>,
    /// What that client calls itself, for people.
    pub from_name: Option<String>,
    /// The client's own id of this answer; a retry carries the same.
    pub answer_id: String,
}

/// What comes of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerDecision {
    /// It is the first: this is to be done.
    Write(Operation),
    /// It is a retry of the answer that stands.
    Repeated {
        /// The answer that stands.
        answered: Box<Answered>,
        /// Where the prompt is.
        state: PromptState,
    },
}

/// Why an answer was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerRefusal {
    /// There is no such prompt, or it was settled long ago.
    #[error("there is no prompt {0}")]
    NoSuchPrompt(PromptId),
    /// Somebody was first.
    #[error("{} has answered already", answered.by.name())]
    Answered {
        /// Who, when and what.
        answered: Box<Answered>,
    },
    /// It can no longer be answered.
    #[error("{}", settled_words(state))]
    Settled {
        /// Why.
        state: PromptState,
    },
    /// The answer was not offered.
    #[error("this prompt does not offer that answer")]
    NotOffered,
    /// The answer does not fit its form.
    #[error(transparent)]
    Form(#[from] FormError),
}

/// Why a command was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommandRefusal {
    /// It was taken before; what became of it is in the events.
    #[error("this command was taken already")]
    Repeated,
    /// The agent's program does not run.
    #[error("the agent does not run")]
    NotRunning,
    /// The agent has not opened its conversation yet.
    #[error("the agent is not ready yet")]
    NotReady,
    /// No turn runs.
    #[error("no turn runs")]
    NoTurn,
    /// This agent has no such thing.
    #[error("this agent cannot do that")]
    Unsupported,
    /// Too many messages wait, or too large ones.
    #[error("too many messages wait already")]
    QueueFull,
    /// The message is too large.
    #[error("the message is above {MAX_MESSAGE_BYTES} bytes")]
    TooLarge,
    /// The message is empty.
    #[error("the message is empty")]
    Empty,
    /// No such message waits.
    #[error("no such message waits")]
    NoSuchMessage,
    /// The command's key is empty or too long.
    #[error("the command's key is not valid")]
    BadKey,
}

impl Conversation {
    /// What must be written now without anybody asking: the introduction, refusals of what the agent
    /// wants and nobody can give, the next message that waits. To be asked after each record until
    /// there is nothing; the same operation comes again until its records have been applied.
    #[must_use]
    pub fn poll_due(&self) -> Option<Operation> {
        let start = self.start.as_ref().filter(|_| self.alive)?;
        let protocol = self.adapter.protocol();
        let (what, lines) = match protocol.poll_due(start) {
            Some(due) => (due.key, due.lines),
            None if self.turn.is_some() || !protocol.is_ready() => return None,
            None => {
                let (key, message) = self.messages.front()?;
                (format!("message:{key}"), protocol.message(&message, start))
            }
        };
        // the number makes it a new operation when the same is due once more, as when an agent uses
        // the id of a refused request again
        let key = format!("due:{}:{what}", self.dues);
        Some(operation(key.clone(), note(topic::DUE, &DueRecord { key })?, &lines))
    }

    /// What a command comes to. Scopes, lease and ceiling are the caller's to check before.
    ///
    /// # Errors
    /// When the command cannot be carried out now.
    pub fn command(
        &self,
        key: &str,
        command: &AgentCommand,
        origin: &Origin,
    ) -> Result<Operation, CommandRefusal> {
        if key.is_empty() || key.chars().count() > MAX_KEY_CHARS {
            return Err(CommandRefusal::BadKey);
        }
        if self.messages.knows_key(key) {
            return Err(CommandRefusal::Repeated);
        }
        if !self.alive {
            return Err(CommandRefusal::NotRunning);
        }
        let lines = self.command_lines(key, command, origin)?;
        let record = CommandRecord {
            key: key.into(),
            origin: origin.clone(),
            command: self.effective(command),
        };
        let fact = note(topic::COMMAND, &record).ok_or(CommandRefusal::Unsupported)?;
        Ok(operation(format!("command:{key}"), fact, &lines))
    }

    /// The command as it is carried out: without a turn, nothing can be steered or interrupted, and a
    /// message that cannot be written yet waits like any other.
    fn effective(&self, command: &AgentCommand) -> AgentCommand {
        match command {
            AgentCommand::Prompt { content, delivery: _ } if self.turn.is_none() => {
                AgentCommand::Prompt { content: content.clone(), delivery: Delivery::Queue }
            }
            AgentCommand::Prompt { .. }
            | AgentCommand::Interrupt
            | AgentCommand::SetMode { .. }
            | AgentCommand::SetModel { .. }
            | AgentCommand::Withdraw { .. }
            | AgentCommand::Unknown => command.clone(),
        }
    }

    fn command_lines(
        &self,
        key: &str,
        command: &AgentCommand,
        origin: &Origin,
    ) -> Result<Vec<Value>, CommandRefusal> {
        let protocol = self.adapter.protocol();
        let wire_id = wire_id(self.session, key);
        match command {
            AgentCommand::Prompt { content, delivery } => {
                self.prompt_lines(&Message { wire_id: &wire_id, content, origin }, *delivery)
            }
            AgentCommand::Interrupt if self.turn.is_none() => Err(CommandRefusal::NoTurn),
            AgentCommand::Interrupt => protocol.interrupt(&wire_id).ok_or(CommandRefusal::NotReady),
            AgentCommand::SetMode { .. } | AgentCommand::SetModel { .. }
                if !protocol.is_ready() && self.turn.is_none() =>
            {
                Err(CommandRefusal::NotReady)
            }
            AgentCommand::SetMode { mode } => {
                protocol.set_mode(&wire_id, mode).ok_or(CommandRefusal::Unsupported)
            }
            AgentCommand::SetModel { model } => {
                protocol.set_model(&wire_id, model).ok_or(CommandRefusal::Unsupported)
            }
            AgentCommand::Withdraw { message_id } if self.messages.waits(message_id) => {
                Ok(Vec::new())
            }
            AgentCommand::Withdraw { .. } => Err(CommandRefusal::NoSuchMessage),
            AgentCommand::Unknown => Err(CommandRefusal::Unsupported),
        }
    }

    /// A message's own line is written at once only where nothing stands before it.
    fn prompt_lines(
        &self,
        message: &Message<'_>,
        delivery: Delivery,
    ) -> Result<Vec<Value>, CommandRefusal> {
        check_message(message.content)?;
        if !self.messages.has_room(messages::size(message.content)) {
            return Err(CommandRefusal::QueueFull);
        }
        let protocol = self.adapter.protocol();
        if self.turn.is_none() {
            let start = self.start.as_ref().filter(|_| protocol.is_ready());
            return Ok(match start {
                Some(start) if self.messages.is_empty() => protocol.message(message, start),
                Some(_) | None => Vec::new(),
            });
        }
        match delivery {
            Delivery::Queue => Ok(Vec::new()),
            Delivery::Interrupt => {
                protocol.interrupt(message.wire_id).ok_or(CommandRefusal::NotReady)
            }
            Delivery::Steer => {
                let can = protocol.features().steer;
                let refusal =
                    if can { CommandRefusal::NotReady } else { CommandRefusal::Unsupported };
                protocol.steer(message).ok_or(refusal)
            }
        }
    }

    /// What an answer comes to. Scopes are the caller's to check before, by
    /// [`PromptAnswer::needed_scope`].
    ///
    /// # Errors
    /// When it is not the first, or not one that was offered.
    pub fn answer(
        &self,
        id: PromptId,
        answer: &PromptAnswer,
        who: &Answerer,
    ) -> Result<AnswerDecision, AnswerRefusal> {
        let entry = self.ledger.entry(id);
        let state = entry.map(|entry| &entry.prompt.state).or_else(|| self.ledger.settled(id));
        let state = state.ok_or(AnswerRefusal::NoSuchPrompt(id))?;
        let Some(entry) = entry.filter(|_| *state == PromptState::Open) else {
            return repeated_or_refused(state, who);
        };
        let ask = &entry.prompt.ask;
        check_offered(ask, answer)?;
        let reply = Reply { vendor_id: &entry.asker.vendor_id, kept: &entry.asker.reply, answer };
        let line = self.adapter.protocol().reply(&reply).ok_or(AnswerRefusal::NotOffered)?;
        let record = AnswerRecord {
            prompt: id,
            by: who.by.clone(),
            from: who.from,
            from_name: who.from_name.clone(),
            answer_id: who.answer_id.clone(),
            answer: answer.clone(),
        };
        let body = RawJson::from_value(&record).map_err(|_| AnswerRefusal::NotOffered)?;
        let key = format!("prompt:{id}");
        let fact = Fact::Answer(Answer { key: key.clone(), body });
        Ok(AnswerDecision::Write(operation(key, fact, &[line])))
    }
}

fn repeated_or_refused(
    state: &PromptState,
    who: &Answerer,
) -> Result<AnswerDecision, AnswerRefusal> {
    let state = state.clone();
    match state.answered().cloned().map(Box::new) {
        Some(answered) if answered.answer_id == who.answer_id && answered.by == who.by => {
            Ok(AnswerDecision::Repeated { answered, state })
        }
        Some(answered) => Err(AnswerRefusal::Answered { answered }),
        None => Err(AnswerRefusal::Settled { state }),
    }
}

/// Why a prompt cannot be answered any more.
fn settled_words(state: &PromptState) -> &'static str {
    match state {
        PromptState::AnsweredElsewhere => "the prompt was answered at the agent itself",
        PromptState::Withdrawn => "the agent has withdrawn the prompt",
        PromptState::Expired => "nobody answered the prompt in time",
        PromptState::Lost { .. } => "the prompt was lost with its agent",
        PromptState::Open
        | PromptState::Answered { .. }
        | PromptState::Applied { .. }
        | PromptState::Unknown => "the prompt can no longer be answered",
    }
}

/// Whether the prompt offers this answer.
fn check_offered(ask: &Ask, answer: &PromptAnswer) -> Result<(), AnswerRefusal> {
    let offered = match (ask, answer) {
        (Ask::Permission { .. } | Ask::Plan { .. }, PromptAnswer::Option { option_id }) => {
            ask.option(option_id).is_some()
        }
        (
            Ask::Permission { can_edit_input, .. },
            PromptAnswer::EditedInput { option_id, input },
        ) => {
            let kind = ask.option(option_id).map(|option| option.kind);
            let fits = input.is_object() && json::fits(input, MAX_INPUT_BYTES);
            *can_edit_input && fits && kind == Some(OptionKind::AllowOnce)
        }
        (
            Ask::Permission { can_deny_with_message, .. }
            | Ask::Question { can_deny_with_message, .. }
            | Ask::Plan { can_deny_with_message, .. },
            PromptAnswer::Deny { message },
        ) => *can_deny_with_message && message.len() <= MAX_INPUT_BYTES,
        (Ask::Question { form, .. }, PromptAnswer::Form { values }) => {
            form::check(form, values)?;
            true
        }
        (Ask::Question { .. }, PromptAnswer::Decline) => true,
        (
            Ask::Permission { .. } | Ask::Question { .. } | Ask::Plan { .. } | Ask::Unknown,
            PromptAnswer::Option { .. }
            | PromptAnswer::EditedInput { .. }
            | PromptAnswer::Deny { .. }
            | PromptAnswer::Form { .. }
            | PromptAnswer::Decline,
        ) => false,
    };
    if offered { Ok(()) } else { Err(AnswerRefusal::NotOffered) }
}

fn check_message(content: &[ContentBlock]) -> Result<(), CommandRefusal> {
    match messages::size(content) {
        0 => Err(CommandRefusal::Empty),
        1..=MAX_MESSAGE_BYTES => Ok(()),
        _ => Err(CommandRefusal::TooLarge),
    }
}

fn operation(key: String, fact: Fact, lines: &[Value]) -> Operation {
    Operation { key, fact, lines: lines.iter().map(json::line).collect() }
}

/// A note; `None` never comes in practice, since all bodies have a JSON form.
fn note<T: Serialize>(topic: &str, body: &T) -> Option<Fact> {
    let body = RawJson::from_value(body).ok()?;
    Some(Fact::Note(Note { topic: topic.into(), body }))
}
