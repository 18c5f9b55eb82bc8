//! What an adapter reads off a vendor's line; [`crate::Conversation`] gives it ids, turns and a place
//! in the ledger.

use alloc::{boxed::Box, string::String, vec::Vec};

use quarterdeck_protocol::agent::{
    AgentError, Ask, Caution, Cost, StopReason, TokenUsage, ToolCall, Update,
};
use serde_json::Value;

/// One thing that a line says.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// A message to the agent stands in the log as a line, under this wire id.
    Sent {
        /// The message.
        wire_id: String,
    },
    /// A message was taken by the agent for good: it need not be kept any longer.
    Taken {
        /// The message.
        wire_id: String,
    },
    /// A message that was steered into a turn was not taken; it waits again.
    NotTaken {
        /// The message.
        wire_id: String,
    },
    /// A turn begins. Ignored while one runs.
    TurnStarted {
        /// The message that began it; none when the agent did.
        wire_id: Option<String>,
    },
    /// The turn ended. Without a running turn only its error is told.
    TurnEnded {
        /// Why.
        stop_reason: StopReason,
        /// What went wrong.
        error: Option<AgentError>,
    },
    /// An event as it is.
    Update(Update),
    /// What is known of a tool call; the first one of its id is told as `tool_call`.
    Tool(Box<ToolCall>),
    /// A human is asked.
    Asked(Box<Question>),
    /// A question is settled.
    Resolved {
        /// The vendor's id of the request.
        vendor_id: String,
        /// In which way.
        how: Resolution,
    },
    /// Tokens used since the last such step.
    Used(TokenUsage),
    /// Money used since the program was started.
    CostSoFar(Cost),
    /// The context window.
    Context {
        /// Tokens in it.
        used: Option<u64>,
        /// Its size.
        size: Option<u64>,
    },
}

/// A prompt before it has an id.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// The vendor's id of the request, unique while the program lives.
    pub(crate) vendor_id: String,
    /// One line for people.
    pub(crate) title: String,
    /// Why it is asked.
    pub(crate) reason: Option<String>,
    /// What people should know.
    pub(crate) cautions: Vec<Caution>,
    /// What is asked.
    pub(crate) ask: Ask,
    /// What the adapter needs to write an answer.
    pub(crate) reply: Value,
}

/// How a question was settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resolution {
    /// A line that answers it was written; the vendor will confirm it.
    Written,
    /// A line that answers it was written, and this vendor confirms nothing.
    WrittenForGood,
    /// The vendor has an answer.
    Confirmed,
    /// The vendor wants none any more.
    Withdrawn,
}

/// The steps of one line, in order.
#[derive(Debug, Default)]
pub(crate) struct Steps(pub(crate) Vec<Step>);

impl Steps {
    pub(crate) fn push(&mut self, step: Step) {
        self.0.push(step);
    }
    pub(crate) fn update(&mut self, update: Update) {
        self.0.push(Step::Update(update));
    }
    pub(crate) fn tool(&mut self, call: ToolCall) {
        self.0.push(Step::Tool(Box::new(call)));
    }
    pub(crate) fn raw(&mut self, kind: &str, line: &str) {
        let head = &line[..crate::plain::floor(line, crate::limits::MAX_RAW_BYTES)];
        let text = crate::plain::text(head);
        self.update(Update::Raw { kind: crate::plain::title(kind), text });
    }
}
