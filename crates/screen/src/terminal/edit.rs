//! Erasing, inserting, deleting and scrolling.

use alacritty_terminal::term::cell::Cell;
use alacritty_terminal::vte::ansi::Handler;

use crate::cells::{self, Protection};
use crate::style::Style;
use crate::terminal::Terminal;

impl Terminal {
    /// ED and DECSED.
    pub(super) fn erase_display(&mut self, which: i32, protection: Protection) {
        self.confine_cursor_rows();
        let (y, rows) = (self.y(), self.rows());
        match which {
            0 => {
                self.erase_line(0, protection);
                self.erase_rows(y + 1, rows, protection);
            }
            1 => {
                self.erase_line(1, protection);
                self.end_wrap_into(y);
                if self.x() + 1 >= self.columns() && y + 1 < rows {
                    self.end_wrap_into(y + 1);
                }
                self.erase_rows(0, y, protection);
            }
            2 => self.erase_rows(0, rows, protection),
            _ => {}
        }
    }

    fn erase_rows(&mut self, start: usize, end: usize, protection: Protection) {
        let blank = self.blank();
        for y in start..end {
            let columns = self.columns();
            cells::erase(self.cells_mut(y), 0..columns, &blank, protection);
            self.end_wrap_into(y);
        }
    }

    /// EL and DECSEL.
    pub(super) fn erase_line(&mut self, which: i32, protection: Protection) {
        self.confine_cursor_rows();
        let (x, y, columns) = (self.x(), self.y(), self.columns());
        let (range, ends_wrap) = match which {
            0 => (x..columns, x == 0),
            1 => (0..x + 1, false),
            2 => (0..columns, true),
            _ => return,
        };
        let blank = self.blank();
        cells::erase(self.cells_mut(y), range, &blank, protection);
        if ends_wrap {
            self.end_wrap_into(y);
        }
    }

    /// ECH.
    pub(super) fn erase_chars(&mut self, count: usize) {
        self.edit_row(|row, x, blank| {
            cells::erase(row, x..x.saturating_add(count), blank, Protection::Ignored);
        });
    }

    /// ICH.
    pub(super) fn insert_chars(&mut self, count: usize) {
        self.edit_row(|row, x, blank| cells::insert(row, x, count, blank));
    }

    /// DCH.
    pub(super) fn delete_chars(&mut self, count: usize) {
        self.edit_row(|row, x, blank| cells::delete(row, x, count, blank));
    }

    fn edit_row(&mut self, edit: impl FnOnce(&mut [Cell], usize, &Cell)) {
        self.confine_cursor();
        let (x, y, blank) = (self.x(), self.y(), self.blank());
        edit(self.cells_mut(y), x, &blank);
    }

    /// IL.
    pub(super) fn insert_lines(&mut self, count: usize) {
        self.confine_cursor();
        if self.region().contains(&self.y()) {
            self.move_rows_down(self.y(), count, |term| term.insert_blank_lines(count));
            self.set_x(0);
        }
    }

    /// DL.
    pub(super) fn delete_lines(&mut self, count: usize) {
        self.confine_cursor();
        if self.region().contains(&self.y()) {
            self.move_rows_up(self.y(), count, |term| term.delete_lines(count));
            self.set_x(0);
        }
    }

    /// SU. What leaves at the top is no history.
    pub(super) fn scroll_up(&mut self, count: usize) {
        self.move_rows_up(self.side().top, count, |term| term.scroll_up(count));
    }

    /// SD. The new rows have no colour.
    pub(super) fn scroll_down(&mut self, count: usize) {
        let pen = std::mem::take(&mut self.term.grid_mut().cursor.template);
        self.move_rows_down(self.side().top, count, |term| term.scroll_down(count));
        self.term.grid_mut().cursor.template = pen;
    }

    /// SR and DECIC: inserts columns at `x` in every row of the region.
    pub(super) fn insert_columns(&mut self, x: usize, count: usize) {
        self.edit_columns(x, |row, x, blank| cells::insert(row, x, count, blank));
    }

    /// SL and DECDC: deletes columns at `x` in every row of the region.
    pub(super) fn delete_columns(&mut self, x: usize, count: usize) {
        self.edit_columns(x, |row, x, blank| cells::delete(row, x, count, blank));
    }

    fn edit_columns(&mut self, x: usize, edit: impl Fn(&mut [Cell], usize, &Cell)) {
        if !self.region().contains(&self.y()) {
            return;
        }
        // With a wrap pending xterm.js starts at the first column.
        let x = x % self.columns();
        let blank = self.blank();
        for y in self.region() {
            edit(self.cells_mut(y), x, &blank);
            self.end_wrap_into(y);
        }
    }

    /// DECALN: fills the screen with the letter E.
    pub(super) fn show_alignment_pattern(&mut self) {
        let letter = Cell { c: 'E', ..Style { link: None, ..self.pen.clone() }.cell() };
        self.move_to(0, 0);
        for y in 0..self.rows() {
            self.cells_mut(y).fill(letter.clone());
        }
    }
}
