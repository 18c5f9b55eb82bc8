//! Every limit of this crate, each with its reason.

/// Bytes of a vendor's line that is read; a longer one is shown as oversized.
pub const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;
/// Bytes of one text in an event, so that an event stays well below a text frame's limit.
pub const MAX_TEXT_BYTES: usize = 256 * 1024;
/// Bytes of a one-line text: a title, a name, an option.
pub const MAX_TITLE_BYTES: usize = 400;
/// Bytes of a raw or garbage line that its event shows; the log has the rest.
pub const MAX_RAW_BYTES: usize = 4 * 1024;
/// Bytes of a tool's input that travels with its events and can be edited.
pub const MAX_INPUT_BYTES: usize = 128 * 1024;
/// Messages that wait for an agent.
pub const MAX_QUEUE: usize = 64;
/// Bytes of a message to an agent, images included, and of all messages that wait: they are part of a
/// checkpoint, which is one record.
pub const MAX_MESSAGE_BYTES: usize = 12 * 1024 * 1024;
/// Prompts that are kept after they are settled, so that a late answer learns who was first.
pub const MAX_SETTLED_PROMPTS: usize = 64;
/// Prompts that are open at once; an agent with more is broken, and the oldest is withdrawn.
pub const MAX_OPEN_PROMPTS: usize = 64;
/// Tool calls that run at once; beyond it the oldest is closed with an unknown outcome.
pub const MAX_OPEN_TOOLS: usize = 256;
/// File changes of one agent that are kept until they end, whole diffs included.
pub const MAX_OPEN_CHANGES: usize = 16;
/// Requests to a vendor whose answers are awaited, ids that are remembered, and the like.
pub const MAX_TABLE: usize = 256;
/// Commands, modes, models, options, fields, plan entries of one list.
pub const MAX_LIST: usize = 256;
/// Characters of a command's key: it becomes part of ids.
pub const MAX_KEY_CHARS: usize = 128;
