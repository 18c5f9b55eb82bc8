//! Moving rows up and down.
//!
//! Whether a row continues the one above is noted by the library in the last cell of the row above,
//! by xterm.js in the row itself. Where only some rows move, the notes are put right afterwards.

use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::cell::Flags;
use alacritty_terminal::vte::ansi::Handler;

use crate::cells;
use crate::terminal::{Shown, Terminal};

impl Terminal {
    /// Whether the text of row `y` continues the row above.
    pub(super) fn is_continuation(&self, y: usize) -> bool {
        let row_above = y.checked_sub(1).filter(|_| y < self.rows());
        row_above.is_some_and(|y| cells::is_wrapped(&self.grid()[Line(y as i32)][..]))
    }

    /// Notes whether the text of row `y` continues the row above.
    pub(super) fn set_continuation(&mut self, y: usize, continues: bool) {
        if self.is_continuation(y) != continues && (1..self.rows()).contains(&y) {
            let last = Column(self.columns() - 1);
            let above = &mut self.term.grid_mut()[Line(y as i32 - 1)];
            above[last].flags.set(Flags::WRAPLINE, continues);
        }
    }

    /// The text of row `y` no longer continues the row above.
    pub(super) fn end_wrap_into(&mut self, y: usize) {
        self.set_continuation(y, false);
    }

    /// Scrolls the region up by one row. A row that leaves the primary screen at the top becomes
    /// history.
    pub(super) fn scroll(&mut self) {
        if self.shown == Shown::Primary && self.primary.top == 0 {
            self.scrolled.push(&self.term.grid()[Line(0)][..]);
        }
        self.move_rows_up(self.side().top, 1, |term| term.scroll_up(1));
    }

    /// Removes `count` rows at `first`; those up to the margin move up. `scroll` does it.
    pub(super) fn move_rows_up(
        &mut self,
        first: usize,
        count: usize,
        scroll: impl FnOnce(&mut super::Library),
    ) {
        let bottom = self.side().bottom;
        let count = count.min(bottom + 1 - first);
        let (moved, below) = (first + count, bottom + 1);
        let first_continues = moved <= bottom && self.is_continuation(moved);
        let below_continues = self.is_continuation(below);
        scroll(&mut self.term);
        self.set_continuation(first, first_continues);
        // The first of the new rows, unless it is the first of all.
        if below - count > first {
            self.end_wrap_into(below - count);
        }
        self.set_continuation(below, below_continues);
    }

    /// Inserts `count` rows at `first`; those up to the margin move down. `scroll` does it.
    pub(super) fn move_rows_down(
        &mut self,
        first: usize,
        count: usize,
        scroll: impl FnOnce(&mut super::Library),
    ) {
        let bottom = self.side().bottom;
        let count = count.min(bottom + 1 - first);
        let (moved, below) = (first + count, bottom + 1);
        let first_continues = self.is_continuation(first);
        let below_continues = self.is_continuation(below);
        scroll(&mut self.term);
        self.end_wrap_into(first);
        if moved <= bottom {
            self.set_continuation(moved, first_continues);
        }
        self.set_continuation(below, below_continues);
    }
}
