//! The protocol of BTerminal's and agor's controllers: one JSON object per WebSocket text message.
//!
//! A command is `{id, type, payload}`, an event `{type, sessionId?, payload?}`; absent members are left
//! out. Spellings, mixed as they are, are those of the existing controllers. What is added to theirs:
//! the events `ack` and `pty_gap`, the command `state_sync`, and members that those controllers ignore
//! (`code`, `exitCode`, `signal`, `why`, `sessionId` of an error, `commandId` where a reply had none).

mod command;
mod event;
#[cfg(test)]
mod tests;

pub use command::{
    AgentQuery, AgentStop, Command, PtyCreate, PtyName, PtyResize, PtyWrite, Request,
};
pub use event::{Event, PtyEnd, StateSync};

/// Bytes of a message that is read at all. One above `limits::MAX_TEXT_FRAME_BYTES` is refused by its id,
/// one above this ends the connection: a controller that pastes too much should hear of it.
pub const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;
/// Characters of a command's id: a UUID and room. Replies repeat it.
pub const MAX_COMMAND_ID_CHARS: usize = 128;
