//! Rows that left the primary screen at the top: the stuff of history, for whoever keeps one.

use std::collections::VecDeque;

use alacritty_terminal::term::cell::Cell;

use crate::limits::MAX_SCROLLED_BYTES;
use crate::{cells, sgr};

/// Whether rows that leave the screen are kept until they are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ScrolledCapture {
    /// They are dropped.
    #[default]
    Off,
    /// They are kept, at most this many; beyond it (or beyond some megabytes) the oldest go.
    Last(usize),
}

/// A row that left the primary screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Text with SGR and link sequences; it begins and ends with a plain pen and has no line end.
    pub bytes: Vec<u8>,
    /// Whether the text of the line before goes on here.
    pub wrapped: bool,
}

/// What was captured since it was last taken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scrolled {
    /// Oldest first.
    pub lines: Vec<Line>,
    /// Lines before the first that were dropped because nobody took them in time.
    pub dropped: u64,
}

/// Lines that wait to be taken.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scrollback {
    capture: ScrolledCapture,
    lines: VecDeque<Line>,
    bytes: usize,
    dropped: u64,
    /// Whether the row that left last goes on in the next.
    goes_on: bool,
}

impl Scrollback {
    pub(crate) fn set_capture(&mut self, capture: ScrolledCapture) {
        self.capture = capture;
        self.drop_excess();
    }

    /// Keeps a row, if rows are kept.
    pub(crate) fn push(&mut self, row: &[Cell]) {
        let wrapped = std::mem::replace(&mut self.goes_on, cells::is_wrapped(row));
        if self.capture == ScrolledCapture::Off {
            return;
        }
        let mut bytes = Vec::new();
        sgr::write_line(&mut bytes, row);
        self.bytes += bytes.len();
        self.lines.push_back(Line { bytes, wrapped });
        self.drop_excess();
    }

    fn drop_excess(&mut self) {
        let most = match self.capture {
            ScrolledCapture::Off => 0,
            ScrolledCapture::Last(lines) => lines,
        };
        while self.lines.len() > most || self.bytes > MAX_SCROLLED_BYTES {
            let Some(line) = self.lines.pop_front() else { break };
            self.bytes -= line.bytes.len();
            self.dropped += 1;
        }
    }

    pub(crate) fn take(&mut self) -> Scrolled {
        self.bytes = 0;
        let lines = std::mem::take(&mut self.lines).into();
        Scrolled { lines, dropped: std::mem::take(&mut self.dropped) }
    }
}
