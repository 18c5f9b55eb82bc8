//! The fold of an agent session's log.

mod decide;
mod ledger;
mod messages;
mod records;
mod steps;
mod summary;
mod tools;
mod usage;

use alloc::{
    borrow::ToOwned as _,
    boxed::Box,
    collections::{BTreeMap, VecDeque},
    string::String,
    vec::Vec,
};

use quarterdeck_protocol::{
    agent::{
        AgentEvent, AgentStart, AgentState, CommandInfo, ConversationView, EventId, ModeInfo,
        Origin, PlanEntry, RateWindow, TurnNumber, TurnView, Update, Vendor,
    },
    ids::{Incarnation, Seq, SessionId},
    record::RawJson,
};
use serde::{Deserialize, Serialize};

pub use self::decide::{AnswerDecision, AnswerRefusal, Answerer, CommandRefusal, Operation};
use self::{ledger::Ledger, messages::Messages, tools::Tools, usage::Totals};
use crate::adapter::Adapter;

/// A checkpoint that this version cannot go on from.
#[derive(Debug, thiserror::Error)]
#[error("the checkpoint of the conversation cannot be read")]
pub struct CheckpointError(#[source] serde_json::Error);

/// A conversation with an agent: a pure fold of its session's log.
///
/// Its state is a function of the records that were applied, so two folds of one log agree, whoever
/// made them and from whichever checkpoint they began. It changes by [`Self::apply`] alone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Conversation {
    session: SessionId,
    /// The record that comes next; older ones change nothing.
    next: Seq,
    incarnation: Incarnation,
    /// The agent's program runs.
    alive: bool,
    adapter: Adapter,
    /// How the running program was started; what a previous one was started with is gone.
    start: Option<AgentStart>,
    turn: Option<Turn>,
    turns: u64,
    /// Whether a turn has ended by itself; before that a vendor may have written nothing down.
    #[serde(default)]
    has_finished_turn: bool,
    /// Operations that were due and are recorded.
    dues: u64,
    ledger: Ledger,
    messages: Messages,
    tools: Tools,
    totals: Totals,
    known: Known,
    /// Position of the record that is being read.
    #[serde(skip)]
    reading: Reading,
    #[serde(skip)]
    events: VecDeque<AgentEvent>,
}

/// The turn that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Turn {
    number: TurnNumber,
    origin: Origin,
    started_at_micros: u64,
    usage: usage::TurnUsage,
}

/// What was told and stays true until it is told otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    vendor_session: Option<String>,
    /// The id that was chosen for it at its start, which the vendor has not told yet.
    #[serde(default)]
    chosen_session: Option<String>,
    title: Option<String>,
    mode: Option<String>,
    modes: Vec<ModeInfo>,
    model: Option<String>,
    models: Vec<ModeInfo>,
    commands: Vec<CommandInfo>,
    plan: Vec<PlanEntry>,
    rate_windows: BTreeMap<String, RateWindow>,
}

/// Where events of the record that is being read get their ids and times from.
#[derive(Debug, Clone, Copy, Default)]
struct Reading {
    seq: Seq,
    time_micros: u64,
    events: u32,
    prompts: u32,
}

impl Conversation {
    /// The conversation of a session whose log is empty.
    #[must_use]
    pub fn new(session: SessionId, vendor: Vendor) -> Self {
        Self {
            session,
            next: Seq(0),
            incarnation: Incarnation(0),
            alive: false,
            adapter: Adapter::new(vendor),
            start: None,
            turn: None,
            turns: 0,
            has_finished_turn: false,
            dues: 0,
            ledger: Ledger::default(),
            messages: Messages::default(),
            tools: Tools::default(),
            totals: Totals::default(),
            known: Known::default(),
            reading: Reading::default(),
            events: VecDeque::new(),
        }
    }

    /// Everything that a later fold needs to go on from here, but for events not yet taken.
    ///
    /// # Errors
    /// Never in practice: all keys are texts.
    pub fn checkpoint(&self) -> Result<RawJson, CheckpointError> {
        RawJson::from_value(self).map_err(CheckpointError)
    }

    /// The conversation as a checkpoint knew it.
    ///
    /// # Errors
    /// When the checkpoint is none, or of a version that this one cannot go on from. The log can
    /// still be folded from its beginning.
    pub fn from_checkpoint(checkpoint: &RawJson) -> Result<Self, CheckpointError> {
        checkpoint.read().map_err(CheckpointError)
    }

    /// The record that comes next.
    #[must_use]
    pub const fn next(&self) -> Seq {
        self.next
    }

    /// The next event, oldest first.
    pub fn poll_event(&mut self) -> Option<AgentEvent> {
        self.events.pop_front()
    }

    /// Where the agent is.
    #[must_use]
    pub fn state(&self) -> AgentState {
        let protocol = self.adapter.protocol();
        if !self.alive {
            AgentState::Exited
        } else if self.ledger.waits() {
            AgentState::Waiting
        } else if self.turn.is_some() {
            AgentState::Running
        } else if protocol.is_stalled() {
            AgentState::Stalled
        } else if !protocol.is_ready() {
            AgentState::Starting
        } else if self.messages.is_empty() {
            AgentState::Idle
        } else {
            AgentState::Running
        }
    }

    /// What the conversation adds up to.
    #[must_use]
    pub fn view(&self) -> ConversationView {
        let known = self.known.clone();
        let turn = self.turn.as_ref().map(|turn| TurnView {
            number: turn.number,
            origin: turn.origin.clone(),
            started_at_micros: turn.started_at_micros,
        });
        ConversationView {
            next: self.next,
            vendor: self.adapter.vendor(),
            state: self.state(),
            vendor_session: known.vendor_session,
            title: known.title,
            turn,
            turns: self.turns,
            prompts: self.ledger.prompts().cloned().collect(),
            queue: self.messages.view(),
            usage: self.totals.usage(),
            rate_windows: known.rate_windows.into_values().collect(),
            mode: known.mode,
            modes: known.modes,
            model: known.model,
            models: known.models,
            commands: known.commands,
            plan: known.plan,
            features: self.adapter.protocol().features(),
        }
    }

    /// Queues an event of the record that is being read.
    fn tell(&mut self, update: Update) {
        let index = self.reading.events;
        self.reading.events += 1;
        self.events.push_back(AgentEvent {
            id: EventId { seq: self.reading.seq, index },
            at_micros: self.reading.time_micros,
            turn: self.turn.as_ref().map(|turn| turn.number),
            update,
        });
    }

    /// Remembers what an event says of the whole conversation.
    fn learn(&mut self, update: &Update) {
        match update {
            Update::SessionInfoUpdate { vendor_session, title, .. } => {
                let known = &mut self.known;
                known.vendor_session =
                    vendor_session.clone().or_else(|| known.vendor_session.take());
                known.title = title.clone().or_else(|| known.title.take());
            }
            Update::CurrentModeUpdate { mode } => self.known.mode = Some(mode.clone()),
            Update::CurrentModelUpdate { model } => self.known.model = Some(model.clone()),
            Update::ConfigOptionUpdate { modes, models } => {
                self.known.modes.clone_from(modes);
                if !models.is_empty() {
                    self.known.models.clone_from(models);
                }
            }
            Update::AvailableCommandsUpdate { commands } => {
                self.known.commands.clone_from(commands);
            }
            Update::Plan { entries } => self.known.plan.clone_from(entries),
            Update::RateLimitUpdate { windows } => {
                for window in windows {
                    self.known.rate_windows.insert(window.name.clone(), window.clone());
                    if self.known.rate_windows.len() > crate::limits::MAX_LIST {
                        self.known.rate_windows.pop_first();
                    }
                }
            }
            Update::TaskUpdate(task) => self.tools.learn_task(task),
            Update::AgentStarted { .. }
            | Update::AgentExited { .. }
            | Update::TurnStarted { .. }
            | Update::TurnEnded { .. }
            | Update::MessageUpdate { .. }
            | Update::UserMessageChunk { .. }
            | Update::AgentMessageChunk { .. }
            | Update::AgentThoughtChunk { .. }
            | Update::MessageEnded { .. }
            | Update::ToolCall(_)
            | Update::ToolCallUpdate(_)
            | Update::ToolCallOutput { .. }
            | Update::TurnDiff { .. }
            | Update::UsageUpdate(_)
            | Update::Retry(_)
            | Update::Error { .. }
            | Update::Notice { .. }
            | Update::PromptOpened { .. }
            | Update::PromptUpdate { .. }
            | Update::Oversized { .. }
            | Update::Garbage { .. }
            | Update::Raw { .. }
            | Update::Unknown => {}
        }
    }

    /// Tells a status of a tool call that no line told.
    fn tell_tool_status(
        &mut self,
        tool_call_id: &str,
        status: quarterdeck_protocol::agent::ToolStatus,
    ) {
        let call = quarterdeck_protocol::agent::ToolCall {
            tool_call_id: tool_call_id.to_owned(),
            status: Some(status),
            ..quarterdeck_protocol::agent::ToolCall::default()
        };
        self.tell(Update::ToolCallUpdate(Box::new(call)));
    }
}
