//! The terminal model of Quarterdeck: output bytes in, an exact snapshot out.
//!
//! A session's screen is a view of its log. This crate computes that view: [`Screen`] takes the
//! output of a program and can say at any time, as a byte string, what brings a fresh terminal into
//! the same state: the visible screen, and also everything that later output depends on (the other
//! screen, margins, tab stops, pen, saved cursors, modes, an unfinished sequence). [`ReplayFilter`]
//! takes the questions and noises out of old output, so that replaying it has no side effects.
//!
//! Modules, in the order in which the data flows:
//!
//! - `utf8`, `machine`, `params`, `parser`: bytes to characters to sequences;
//! - `terminal` and the files beneath it: what each sequence does (`dispatch` is the table);
//! - `cells`, `style`, `width`, `tabs`, `charset`: what is on a screen, over the cells of
//!   `alacritty_terminal`;
//! - `modes`, `keyboard`, `palette`, `titles`: the switches and settings beside them;
//! - `sgr`, `snapshot`, `scrolled`: the state as bytes again;
//! - `filter`: the replay filter, on the same machine;
//! - `screen`: the public model; `limits`: every maximum.
//!
//! There is no I/O, no clock and no history here: history comes from the log, helped by
//! [`Screen::take_scrolled`]. Images (sixel and the like) are not modelled. The choices behind all
//! this are in `docs/adr/002-terminal-model.md`.

mod cells;
mod charset;
mod filter;
mod keyboard;
mod limits;
mod machine;
mod modes;
mod palette;
mod params;
mod parser;
mod screen;
mod scrolled;
mod sgr;
mod snapshot;
mod style;
mod tabs;
mod terminal;
mod titles;
mod utf8;
mod width;

pub use filter::ReplayFilter;
pub use limits::MAX_SIDE;
pub use screen::{Cursor, Screen, Size};
pub use scrolled::{Line, Scrolled, ScrolledCapture};
pub use snapshot::Snapshot;
pub use width::width_ranges;
