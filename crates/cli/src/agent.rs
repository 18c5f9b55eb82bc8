//! Agents in the local terminal: their events as text, their prompts, and what is typed to them.
//!
//! - [`stream`]: an agent's events, over every loss of the link;
//! - [`readable`]: events as text; [`question`]: prompts as text, and answers from what is typed;
//! - [`open`]: prompts that are open, and the lines that answer them;
//! - [`follow`]: one turn from a message to its end; [`talk`]: a conversation line by line.

pub(crate) mod follow;
mod open;
pub(crate) mod question;
pub(crate) mod readable;
pub(crate) mod stream;
pub(crate) mod talk;
