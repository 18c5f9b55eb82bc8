//! Every maximum of the terminal model, each with its reason.

/// Columns or rows of a screen: a larger grid is an attack on memory, not a screen. Sizes beyond it
/// are clamped.
pub const MAX_SIDE: u16 = 2000;

/// Bytes of an unfinished sequence that a snapshot can repeat. Longer ones are images or garbage:
/// the snapshot repeats their head, so that the rest is still swallowed, and says `exact: false`.
pub(crate) const MAX_PENDING_BYTES: usize = 64 * 1024;

/// Bytes of an OSC or DCS string that the model interprets; more than the longest real link.
pub(crate) const MAX_STRING_BYTES: usize = 16 * 1024;

/// Bytes of a window title or icon name; a longer one is cut.
pub(crate) const MAX_TITLE_BYTES: usize = 1024;

/// Titles that `CSI 22 t` can stack, as in xterm.js.
pub(crate) const MAX_TITLE_STACK: usize = 10;

/// Bytes of a link's target or of its name; more than terminals agree on (2083), and cells that share
/// a link share its memory.
pub(crate) const MAX_LINK_BYTES: usize = 4 * 1024;

/// Combining marks of one cell. Text has a handful; more is a prank that costs memory in every cell.
pub(crate) const MAX_COMBINING: usize = 16;

/// Entries of one screen's stack of keyboard modes; the oldest goes, as the protocol allows.
pub(crate) const MAX_KEYBOARD_STACK: usize = 16;

/// Bytes of answers that wait to be taken; a program that asks more before anybody reads it gets
/// no more answers.
pub(crate) const MAX_REPLY_BYTES: usize = 4 * 1024;

/// Bytes of captured history lines that wait to be taken; the oldest lines go and are counted.
pub(crate) const MAX_SCROLLED_BYTES: usize = 4 * 1024 * 1024;

/// Bytes of one sequence that the replay filter holds back while it cannot tell yet whether the
/// sequence is harmless. A longer one of a kind that may ask something is dropped.
pub(crate) const MAX_HELD_BYTES: usize = 4 * 1024;
