//! Moving the cursor: relative, absolute, by tabs and by control characters.

use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::vte::ansi::Handler;

use crate::cells;
use crate::modes::Mode;
use crate::style;
use crate::terminal::Terminal;

/// A vertical direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vertical {
    Up,
    Down,
}

impl Terminal {
    /// Brings the cursor back onto the screen, in origin mode between the margins. Also ends a
    /// pending wrap.
    pub(super) fn confine_cursor(&mut self) {
        self.set_x(self.x().min(self.columns() - 1));
        self.confine_cursor_rows();
    }

    /// The same, but a pending wrap stays.
    pub(super) fn confine_cursor_rows(&mut self) {
        self.go_to_row(self.y());
    }

    /// To a row of the screen, or the nearest that the cursor may be in.
    fn go_to_row(&mut self, y: usize) {
        let (top, bottom) = (self.side().top, self.side().bottom);
        let origin = self.modes.has(Mode::Origin);
        self.set_y(if origin { y.clamp(top, bottom) } else { y.min(self.rows() - 1) });
    }

    /// CUP: to a row and column that count from 0, in origin mode from the upper margin.
    pub(super) fn move_to(&mut self, x: usize, y: usize) {
        let origin = self.modes.has(Mode::Origin);
        let top = if origin { self.side().top } else { 0 };
        self.move_to_column(x);
        self.go_to_row(y.saturating_add(top));
    }

    /// VPA.
    pub(super) fn move_to_row(&mut self, y: usize) {
        self.move_to(self.x(), y);
    }

    /// CHA.
    pub(super) fn move_to_column(&mut self, x: usize) {
        self.set_x(x.min(self.columns() - 1));
        self.confine_cursor();
    }

    /// CUF.
    pub(super) fn move_right(&mut self, count: usize) {
        self.confine_cursor();
        self.move_to_column(self.x().saturating_add(count));
    }

    /// CUB.
    pub(super) fn move_left(&mut self, count: usize) {
        self.confine_cursor();
        self.move_to_column(self.x().saturating_sub(count));
    }

    /// CUU and CUD: a margin stops a cursor that comes from inside.
    pub(super) fn move_rows(&mut self, direction: Vertical, count: usize) {
        self.confine_cursor();
        let y = self.y();
        let (top, bottom) = (self.side().top, self.side().bottom);
        self.go_to_row(match direction {
            Vertical::Up if y >= top => y.saturating_sub(count).max(top),
            Vertical::Up => y.saturating_sub(count),
            Vertical::Down if y <= bottom => y.saturating_add(count).min(bottom),
            Vertical::Down => y.saturating_add(count),
        });
    }

    /// VPR: margins do not stop it.
    pub(super) fn move_down_freely(&mut self, count: usize) {
        self.confine_cursor();
        self.go_to_row(self.y().saturating_add(count));
    }

    /// CNL and CPL.
    pub(super) fn move_to_line_start(&mut self, direction: Vertical, count: usize) {
        self.move_rows(direction, count);
        self.set_x(0);
    }

    /// BS.
    pub(super) fn backspace(&mut self) {
        if !self.modes.has(Mode::ReverseWrap) {
            self.move_left(1);
            return;
        }
        self.confine_cursor_rows();
        let (x, y) = (self.x(), self.y());
        if x > 0 {
            self.set_x(x - 1);
        } else if y > self.side().top && y <= self.side().bottom && self.is_continuation(y) {
            self.end_wrap_into(y);
            self.set_y(y - 1);
            let last = self.columns() - 1;
            let cell = &self.grid()[Line(y as i32 - 1)][Column(last)];
            // A wide character that wrapped early left the last column empty.
            let skips = style::is_empty(cell) && !cells::is_tail(cell);
            self.set_x(if skips { last.saturating_sub(1) } else { last });
        }
        self.confine_cursor();
    }

    /// HT and CHT. A pending wrap stays pending.
    pub(super) fn tab(&mut self, count: usize) {
        if self.x() < self.columns() {
            for _ in 0..count.min(self.columns()) {
                self.set_x(self.side().tabs.after(self.x()));
            }
        }
    }

    /// CBT.
    pub(super) fn tab_back(&mut self, count: usize) {
        if self.x() < self.columns() {
            for _ in 0..count.min(self.columns()) {
                self.set_x(self.side().tabs.before(self.x()));
            }
        }
    }

    /// TBC.
    pub(super) fn clear_tabs(&mut self, which: i32) {
        let x = self.x();
        match which {
            0 => self.side_mut().tabs.clear(x),
            3 => self.side_mut().tabs.clear_all(),
            _ => {}
        }
    }

    /// HTS.
    pub(super) fn set_tab(&mut self) {
        let x = self.x();
        self.side_mut().tabs.set(x);
    }

    /// LF, VT and FF.
    pub(super) fn line_feed(&mut self) {
        let y = self.y();
        if self.modes.has(Mode::LineFeedReturns) {
            self.set_x(0);
        }
        if y == self.side().bottom {
            self.scroll();
        } else if y + 1 < self.rows() {
            self.set_y(y + 1);
            self.end_wrap_into(y + 1);
        }
        self.set_x(self.x().min(self.columns() - 1));
    }

    /// IND.
    pub(super) fn index(&mut self) {
        self.confine_cursor();
        if self.y() == self.side().bottom {
            self.scroll();
        } else {
            self.go_to_row(self.y() + 1);
        }
    }

    /// NEL.
    pub(super) fn next_line(&mut self) {
        self.set_x(0);
        self.index();
    }

    /// RI.
    pub(super) fn reverse_index(&mut self) {
        self.confine_cursor();
        let top = self.side().top;
        if self.y() == top {
            self.move_rows_down(top, 1, |term| term.scroll_down(1));
        } else {
            self.go_to_row(self.y().saturating_sub(1));
        }
    }

    /// DECSTBM. A region of less than two rows is refused.
    pub(super) fn set_margins(&mut self, top: usize, bottom: usize) {
        let rows = self.rows();
        let bottom = if bottom == 0 || bottom > rows { rows } else { bottom };
        if bottom > top {
            let side = self.side_mut();
            side.top = top - 1;
            side.bottom = bottom - 1;
            self.hand_on_margins();
            self.move_to(0, 0);
        }
    }
}
