//! Coding agents as everybody sees them: events, prompts, commands; no vendor's words.
//!
//! The names are those of the Agent Client Protocol wherever it has one. An agent session's log holds
//! its vendor's raw lines both ways and the facts around them; [`AgentEvent`]s are computed from it,
//! so an event's id names the record that it was read from.
//!
//! - [`AgentEvent`] and [`Update`]: what happened;
//! - [`ToolCall`], [`Usage`], [`AgentError`]: the larger things in it;
//! - [`Prompt`] and [`PromptAnswer`]: what a human is asked, and what may be answered;
//! - [`AgentCommand`]: what an agent can be told;
//! - [`AgentStart`], [`CommandRecord`], [`AnswerRecord`]: what is recorded beside the vendor's lines;
//! - [`ConversationView`]: what it all adds up to.

mod command;
mod event;
mod id;
mod prompt;
#[cfg(test)]
mod tests;
mod tool;
mod usage;
mod view;

pub use command::{
    AgentCommand, AgentStart, AnswerRecord, CommandRecord, ContentBlock, Delivery, DueRecord,
    ExpiredRecord, OversizedRecord, Resume, Vendor, topic,
};
pub use event::{
    AgentError, AgentEvent, CommandInfo, ErrorClass, MessageState, ModeInfo, Origin, PlanEntry,
    PlanPriority, PlanStatus, Retry, StopReason, TaskInfo, TaskStatus, Update,
};
pub use id::{EventId, ParseAgentIdError, PromptId, TurnNumber};
pub use prompt::{
    Answered, Ask, Caution, Choice, Field, FieldKind, Form, FormValue, OptionKind,
    PermissionOption, Prompt, PromptAnswer, PromptState, Rule, RuleLifetime,
};
pub use tool::{Location, ToolCall, ToolContent, ToolKind, ToolStatus};
pub use usage::{Cost, RateWindow, TokenUsage, Usage};
pub use view::{AgentState, ConversationView, Features, QueuedMessage, TurnView};
