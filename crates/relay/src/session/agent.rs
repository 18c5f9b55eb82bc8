//! The agent of a session: the fold of its log, and what is to be done by its holder.
//!
//! Operations go to the holder one after the other. The next one is computed only when the fold has
//! everything that the holder has told of, and nothing beyond: a fact whose lines are still being
//! recorded must not look like one without lines. So what a relay computes does not depend on when
//! it was started.

use std::{collections::VecDeque, sync::Arc};

use quarterdeck_agents::{
    AnswerDecision, AnswerRefusal, Answerer, CommandRefusal, Conversation, Operation,
};
use quarterdeck_protocol::{
    agent::{AgentCommand, AgentState, Origin, PromptAnswer, PromptId, PromptState, Update},
    error::{ErrorCode, ErrorDetail, RpcError},
    holder::{self, ExtraRequest, op},
    ids::{Seq, SessionId},
    method::{AgentCommandResult, PromptAnswerResult},
    record::Record,
    scope::{Scope, Scopes},
    session::{AgentInfo, SessionState},
};
use tokio::time::{Duration, Instant};

use super::{
    LeaseCaller, Reply,
    actor::Session,
    driving::{HolderState, Then, answer, ended, holder_silent},
    ownership::IntoRpc as _,
};
use crate::registry::AgentNews;

/// Requests that may wait for one agent; one more is refused.
const MAX_WAITING: usize = 256;
/// How long a caller waits for a holder. The operation may still be done: a retry finds out.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause after an operation that the holder could not do.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// Bytes of records between two folds that are kept for the log's checkpoints.
const BYTES_PER_EXTRA: usize = 1024 * 1024;

/// What is asked of an agent.
#[derive(Debug)]
pub(crate) enum AgentAsk {
    /// Tell it something.
    Command {
        /// The command's id.
        key: String,
        /// The command.
        command: AgentCommand,
        /// Who gives it.
        origin: Origin,
        /// The same as far as the lease goes; none for mail, which its receiver's policy let through.
        caller: Option<LeaseCaller>,
        /// Answered when it is recorded.
        reply: Reply<AgentCommandResult>,
    },
    /// Answer a prompt.
    Answer {
        /// Which.
        prompt: PromptId,
        /// The answer.
        answer: PromptAnswer,
        /// Who answers.
        who: Answerer,
        /// What they may do.
        scopes: Scopes,
        /// Answered when it is recorded.
        reply: Reply<PromptAnswerResult>,
    },
}

/// An operation that the holder has.
#[derive(Debug)]
struct InFlight {
    /// The request's number.
    request: u32,
    /// Who asked for it; none when it was due, or the caller was told that it takes too long.
    ask: Option<AgentAsk>,
    deadline: Instant,
}

/// The agent of a session.
#[derive(Debug)]
pub(super) struct Agent {
    session: SessionId,
    name: String,
    pub(super) conversation: Box<Conversation>,
    /// The record after the last one that the holder told of.
    told: Option<Seq>,
    in_flight: Option<InFlight>,
    waiting: VecDeque<AgentAsk>,
    /// Nothing is tried before.
    paused_until: Option<Instant>,
    /// Bytes of records since the fold was last kept.
    since_extra: usize,
    input: Input,
    /// For those who watch all sessions.
    pub(super) news: Vec<AgentNews>,
}

/// Whether the program can be told anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Input {
    /// As far as is known.
    Open,
    /// Its input was closed, by it or by a stop: it will end, and takes nothing more until it is started again.
    Closed,
}

impl Agent {
    pub(super) fn new(session: SessionId, name: String, conversation: Box<Conversation>) -> Self {
        let open = conversation.prompts().filter(|prompt| prompt.state == PromptState::Open);
        let news = open.map(|prompt| AgentNews::Opened(Arc::new(prompt.clone()))).collect();
        Self {
            session,
            name,
            conversation,
            told: None,
            in_flight: None,
            waiting: VecDeque::new(),
            paused_until: None,
            since_extra: 0,
            input: Input::Open,
            news,
        }
    }

    /// Adds a record; whether listings change by it.
    pub(super) fn apply(&mut self, record: &Record) -> bool {
        let before = self.conversation.state();
        self.conversation.apply_record(record);
        self.since_extra += record.payload.len();
        let mut changed = before != self.conversation.state();
        while let Some(event) = self.conversation.poll_event() {
            changed |= is_listed(&event.update);
            let turns = self.conversation.turns();
            self.news.extend(AgentNews::of(self.session, turns, &event.update));
        }
        changed
    }

    /// What listings show.
    pub(super) fn info(&self) -> AgentInfo {
        info(&self.name, &self.conversation)
    }

    /// Where the agent is, as far as its program runs.
    pub(super) fn session_state(&self) -> SessionState {
        match self.conversation.state() {
            AgentState::Starting => SessionState::Starting,
            AgentState::Waiting => SessionState::Waiting,
            AgentState::Idle => SessionState::Idle,
            AgentState::Stalled => SessionState::Stalled { why: "agent".to_owned() },
            AgentState::Running | AgentState::Exited | AgentState::Unknown => SessionState::Running,
        }
    }

    /// When [`Session::handle_agent_deadline`] wants to be called.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let silent = self.in_flight.as_ref().filter(|it| it.ask.is_some()).map(|it| it.deadline);
        silent.into_iter().chain(self.paused_until).min()
    }

    /// The fold has what the holder told of, and nothing else.
    fn is_level(&self) -> bool {
        self.told == Some(self.conversation.next())
    }
}

/// What listings show of a conversation.
pub(super) fn info(name: &str, conversation: &Conversation) -> AgentInfo {
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    AgentInfo {
        name: name.to_owned(),
        vendor: conversation.vendor(),
        model: conversation.model().map(str::to_owned),
        mode: conversation.mode().map(str::to_owned),
        vendor_session: conversation.vendor_session().map(str::to_owned),
        turns: conversation.turns(),
        prompts: count(conversation.open_prompts()),
        queued: count(conversation.queued()),
    }
}

impl Session {
    /// The holder told how far its log is.
    pub(super) fn note_told(&mut self, head: Seq) {
        if let Some(agent) = &mut self.agent {
            agent.told = agent.told.max(Some(head));
        }
    }

    pub(super) fn handle_agent_ask(&mut self, ask: AgentAsk) {
        let Some(agent) = &mut self.agent else { return fail(ask, &no_agent()) };
        if matches!(self.holder, HolderState::Ended) || agent.input == Input::Closed {
            return self.refuse_after_end(ask);
        }
        if agent.waiting.len() >= MAX_WAITING {
            let error = RpcError::new(ErrorCode::Overloaded, "too much waits for this agent");
            return fail(ask, &error);
        }
        agent.waiting.push_back(ask);
        self.drive_agent();
    }

    /// After the end nothing is written; who is late with an answer still learns who was first.
    fn refuse_after_end(&self, ask: AgentAsk) {
        let Some(agent) = &self.agent else { return fail(ask, &no_agent()) };
        match ask {
            AgentAsk::Answer { prompt, answer: given, who, scopes: _, reply } => {
                let decided = agent.conversation.answer(prompt, &given, &who);
                answer(reply, settled(prompt, decided));
            }
            // a message that was taken before the end was taken: who asks again must learn that
            AgentAsk::Command { key, command, origin, reply, .. } => {
                let next = agent.conversation.next();
                match agent.conversation.command(&key, &command, &origin) {
                    Err(CommandRefusal::Repeated) => {
                        answer(reply, Ok(AgentCommandResult { id: key, repeated: true, next }));
                    }
                    Ok(_) | Err(_) if matches!(self.holder, HolderState::Ended) => {
                        answer(reply, Err(ended()));
                    }
                    Ok(_) | Err(_) => answer(reply, Err(input_closed())),
                }
            }
        }
    }

    /// Hands the next operation to the holder, if it is time for one.
    pub(super) fn drive_agent(&mut self) {
        loop {
            let Some(agent) = &mut self.agent else { return };
            let busy = agent.in_flight.is_some() || agent.paused_until.is_some();
            let closed = agent.input == Input::Closed;
            if busy || closed || !agent.is_level() || !matches!(self.holder, HolderState::Linked(_))
            {
                return;
            }
            let next = match agent.waiting.pop_front() {
                Some(ask) => self.decide(ask),
                None => agent.conversation.poll_due().map(|operation| (operation, None)),
            };
            match next {
                Some((operation, ask)) => self.send_operation(&operation, ask),
                None if self.agent.as_ref().is_some_and(|agent| agent.waiting.is_empty()) => {
                    return self.keep_fold();
                }
                None => {}
            }
        }
    }

    /// What an ask comes to; it is answered at once when it comes to nothing.
    fn decide(&mut self, ask: AgentAsk) -> Option<(Operation, Option<AgentAsk>)> {
        let agent = self.agent.as_ref()?;
        let conversation = &agent.conversation;
        match ask {
            AgentAsk::Command { key, command, origin, caller, reply } => {
                if let Some(caller) = &caller
                    && let Err(error) = self.may_command(caller)
                {
                    answer(reply, Err(error));
                    return None;
                }
                match conversation.command(&key, &command, &origin) {
                    Ok(operation) => {
                        let ask = AgentAsk::Command { key, command, origin, caller, reply };
                        Some((operation, Some(ask)))
                    }
                    Err(CommandRefusal::Repeated) => {
                        let next = conversation.next();
                        let result = AgentCommandResult { id: key, repeated: true, next };
                        answer(reply, Ok(result));
                        None
                    }
                    Err(refusal) => {
                        answer(reply, Err(command_error(refusal)));
                        None
                    }
                }
            }
            AgentAsk::Answer { prompt, answer: given, who, scopes, reply } => {
                let asked = conversation.prompts().find(|known| known.id == prompt);
                let needed = asked.map_or(Scope::Answer, |asked| given.needed_scope(&asked.ask));
                if !scopes.has(needed) {
                    let message = format!("this answer needs the scope \"{needed}\"");
                    let error = RpcError::new(ErrorCode::Forbidden, message);
                    answer(reply, Err(error.with(ErrorDetail::Scope { needed })));
                    return None;
                }
                match conversation.answer(prompt, &given, &who) {
                    Ok(AnswerDecision::Write(operation)) => {
                        let ask = AgentAsk::Answer { prompt, answer: given, who, scopes, reply };
                        Some((operation, Some(ask)))
                    }
                    decided @ (Ok(AnswerDecision::Repeated { .. }) | Err(_)) => {
                        answer(reply, settled(prompt, decided));
                        None
                    }
                }
            }
        }
    }

    /// Whoever may borrow the lease of a terminal may tell an agent something: what it is told is
    /// recorded with its origin, so nothing needs to change hands.
    fn may_command(&self, caller: &LeaseCaller) -> Result<(), RpcError> {
        match self.lease.owner() {
            Some(owner)
                if owner.client != caller.client.client
                    && owner.principal != caller.client.principal =>
            {
                let refused = self.lease.require_owner(caller.client.client);
                refused.map(|_| ()).map_err(|refusal| refusal.into_rpc())
            }
            Some(_) | None => Ok(()),
        }
    }

    fn send_operation(&mut self, operation: &Operation, ask: Option<AgentAsk>) {
        let Operation { key, fact, lines } = operation;
        let (kind, payload) = fact.encode();
        let lines = lines.iter().map(|line| &line[..]).collect();
        let mut body = Vec::new();
        holder::Operation { key, kind, fact: &payload, lines }.encode(&mut body);
        let HolderState::Linked(link) = &mut self.holder else { return };
        match link.send(op::OPERATION, &body) {
            Ok(request) => {
                let deadline = Instant::now() + PATIENCE;
                if let Some(agent) = &mut self.agent {
                    agent.in_flight = Some(InFlight { request, ask, deadline });
                }
            }
            Err(error) => {
                tracing::debug!(session = %self.handle.id, %error, "link to the holder ended");
                if let (Some(agent), Some(ask)) = (&mut self.agent, ask) {
                    agent.waiting.push_front(ask);
                }
                self.handle_holder_gone();
            }
        }
    }

    /// Whether this answers the operation that the holder had.
    pub(super) fn handle_operation_answer(
        &mut self,
        request: u32,
        outcome: &Result<(), RpcError>,
    ) -> bool {
        let Some(agent) = &mut self.agent else { return false };
        let Some(done) = agent.in_flight.take_if(|it| it.request == request) else { return false };
        match outcome {
            // what waits will not be done either, and is not tried again each second
            Err(error) if error.code() == ErrorCode::Ended => agent.input = Input::Closed,
            Err(_) => agent.paused_until = Some(Instant::now() + RETRY_PAUSE),
            Ok(()) => {}
        }
        let closed = agent.input == Input::Closed;
        // the records are in the log: the fold learns of them before the caller does
        self.read_log(None);
        if let Some(ask) = done.ask {
            match outcome {
                Ok(()) => self.answer_ask(ask),
                Err(error) => fail(ask, error),
            }
        }
        if closed {
            self.handle_agent_ended();
        }
        self.drive_agent();
        true
    }

    fn answer_ask(&self, ask: AgentAsk) {
        let Some(agent) = &self.agent else { return fail(ask, &no_agent()) };
        match ask {
            AgentAsk::Command { key, reply, .. } => {
                let next = agent.conversation.next();
                answer(reply, Ok(AgentCommandResult { id: key, repeated: false, next }));
            }
            // the key may have been taken by another relay's answer: what stands is told
            AgentAsk::Answer { prompt, answer: given, who, scopes: _, reply } => {
                let decided = agent.conversation.answer(prompt, &given, &who);
                answer(reply, settled(prompt, decided));
            }
        }
    }

    pub(super) fn handle_agent_deadline(&mut self) {
        let Some(agent) = &mut self.agent else { return };
        let now = Instant::now();
        agent.paused_until.take_if(|until| *until <= now);
        let late = agent.in_flight.as_mut().filter(|it| it.deadline <= now);
        if let Some(ask) = late.and_then(|it| it.ask.take()) {
            fail(ask, &holder_silent());
        }
        self.drive_agent();
    }

    /// The link to the holder is gone: what it had may or may not have been done, and the log says so
    /// when it is back.
    pub(super) fn handle_agent_unlinked(&mut self) {
        let Some(agent) = &mut self.agent else { return };
        agent.told = None;
        agent.paused_until = None;
        agent.input = Input::Open;
        if let Some(ask) = agent.in_flight.take().and_then(|it| it.ask) {
            agent.waiting.push_front(ask);
        }
    }

    /// The agent's program has ended, or takes no more input: nothing that waits will be done.
    pub(super) fn handle_agent_ended(&mut self) {
        let waiting = self.agent.as_mut().map(|agent| std::mem::take(&mut agent.waiting));
        for ask in waiting.unwrap_or_default() {
            self.refuse_after_end(ask);
        }
    }

    /// Has the holder keep the fold for the next checkpoint, so that old segments can go.
    fn keep_fold(&mut self) {
        let Some(agent) = self.agent.as_mut().filter(|it| it.since_extra >= BYTES_PER_EXTRA) else {
            return;
        };
        agent.since_extra = 0;
        let next = agent.conversation.next();
        match agent.conversation.checkpoint() {
            Ok(extra) => {
                self.ask_holder(op::EXTRA, &ExtraRequest { extra, next }, Then::Ignore);
            }
            Err(error) => tracing::warn!(session = %self.handle.id, %error, "fold not kept"),
        }
    }
}

/// What is told of an answer that is no longer to be written.
fn settled(
    prompt: PromptId,
    decided: Result<AnswerDecision, AnswerRefusal>,
) -> Result<PromptAnswerResult, RpcError> {
    match decided {
        Ok(AnswerDecision::Repeated { answered: _, state }) => {
            Ok(PromptAnswerResult { prompt, state })
        }
        // it was recorded, and the log cannot be read, or the program has ended without a trace of it
        Ok(AnswerDecision::Write(_)) => Err(holder_silent()),
        Err(refusal) => Err(answer_error(refusal)),
    }
}

fn answer_error(refusal: AnswerRefusal) -> RpcError {
    let message = refusal.to_string();
    match refusal {
        AnswerRefusal::NoSuchPrompt(_) => RpcError::new(ErrorCode::NotFound, message),
        AnswerRefusal::Answered { answered } => RpcError::new(ErrorCode::PromptAnswered, message)
            .with(ErrorDetail::Answered { answered }),
        AnswerRefusal::Settled { state } => RpcError::new(ErrorCode::PromptSettled, message)
            .with(ErrorDetail::Prompt { state: Box::new(state) }),
        AnswerRefusal::NotOffered => RpcError::new(ErrorCode::NotOffered, message),
        AnswerRefusal::Form(_) => RpcError::new(ErrorCode::InvalidParams, message),
    }
}

fn command_error(refusal: CommandRefusal) -> RpcError {
    let code = match refusal {
        CommandRefusal::NotRunning => return ended(),
        CommandRefusal::NotReady | CommandRefusal::NoTurn | CommandRefusal::Repeated => {
            ErrorCode::AgentNotReady
        }
        CommandRefusal::Unsupported => ErrorCode::NotOffered,
        CommandRefusal::QueueFull => ErrorCode::Overloaded,
        CommandRefusal::NoSuchMessage => ErrorCode::NotFound,
        CommandRefusal::TooLarge | CommandRefusal::Empty | CommandRefusal::BadKey => {
            ErrorCode::InvalidParams
        }
    };
    RpcError::new(code, refusal.to_string())
}

fn fail(ask: AgentAsk, error: &RpcError) {
    match ask {
        AgentAsk::Command { reply, .. } => answer(reply, Err(error.clone())),
        AgentAsk::Answer { reply, .. } => answer(reply, Err(error.clone())),
    }
}

fn input_closed() -> RpcError {
    RpcError::new(ErrorCode::Ended, "the agent takes no more input, and will end")
        .hint("start it again with `qd resume` then")
}

pub(crate) fn no_agent() -> RpcError {
    RpcError::new(ErrorCode::WrongKind, "the session is a terminal, not an agent")
}

/// Whether an event changes what listings show.
const fn is_listed(update: &Update) -> bool {
    match update {
        Update::AgentStarted { .. }
        | Update::AgentExited { .. }
        | Update::SessionInfoUpdate { .. }
        | Update::TurnStarted { .. }
        | Update::TurnEnded { .. }
        | Update::MessageUpdate { .. }
        | Update::CurrentModeUpdate { .. }
        | Update::CurrentModelUpdate { .. }
        | Update::PromptOpened { .. }
        | Update::PromptUpdate { .. } => true,
        Update::UserMessageChunk { .. }
        | Update::AgentMessageChunk { .. }
        | Update::AgentThoughtChunk { .. }
        | Update::MessageEnded { .. }
        | Update::ToolCall(_)
        | Update::ToolCallUpdate(_)
        | Update::ToolCallOutput { .. }
        | Update::TaskUpdate(_)
        | Update::TurnDiff { .. }
        | Update::Plan { .. }
        | Update::UsageUpdate(_)
        | Update::RateLimitUpdate { .. }
        | Update::ConfigOptionUpdate { .. }
        | Update::AvailableCommandsUpdate { .. }
        | Update::Retry(_)
        | Update::Error { .. }
        | Update::Notice { .. }
        | Update::Oversized { .. }
        | Update::Garbage { .. }
        | Update::Raw { .. }
        | Update::Unknown => false,
    }
}
