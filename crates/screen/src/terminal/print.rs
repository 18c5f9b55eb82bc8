//! Characters onto the screen: wrapping, wide characters, combining marks, insert mode, REP.

use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::cell::{Cell, Flags};
use alacritty_terminal::vte::ansi::Handler;
use unicode_width::UnicodeWidthChar;

use crate::cells;
use crate::charset::Charset;
use crate::limits::MAX_COMBINING;
use crate::modes::Mode;
use crate::style;
use crate::terminal::Terminal;
use crate::width::char_width;

/// The character that was printed last, if nothing happened since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LastPrint {
    /// The character before the character set was applied.
    pub(crate) char: char,
    /// Its columns, 1 or 2.
    pub(crate) width: u8,
}

impl Terminal {
    /// Prints ASCII. The common case (plain set, no insert mode) writes whole stretches.
    pub(super) fn print_run(&mut self, run: &[u8]) {
        let Some(&last) = run.last() else { return };
        if self.charsets.active != Charset::Ascii || self.modes.has(Mode::Insert) {
            for &byte in run {
                self.put(char::from(byte));
            }
            return;
        }
        let columns = self.columns();
        let mut rest = run;
        while !rest.is_empty() {
            if self.x() >= columns {
                if self.modes.has(Mode::Autowrap) {
                    self.wrap();
                } else {
                    // Each character overwrites the one before it in the last column.
                    self.set_x(columns - 1);
                    rest = std::slice::from_ref(&last);
                }
            }
            let room = columns - self.x();
            let (stretch, later) = rest.split_at(rest.len().min(room));
            self.print_stretch(stretch);
            rest = later;
        }
        self.last = Some(LastPrint { char: char::from(last), width: 1 });
    }

    /// Writes ASCII that fits into the row.
    fn print_stretch(&mut self, stretch: &[u8]) {
        let start = self.x();
        let end = start + stretch.len();
        let blank = self.pen_blank();
        let line = Line(self.y() as i32);
        let row = &mut self.term.grid_mut()[line];
        if start > 0 && cells::is_tail(&row[Column(start)]) {
            cells::cut(&mut row[..], start, &blank);
        }
        let cuts_right = end < row.len() && cells::is_tail(&row[Column(end)]);
        if cuts_right {
            cells::cut(&mut row[..], end, &blank);
        }
        let target = &mut row[Column(start)..Column(end)];
        let wraps = cells::is_wrapped(target);
        for (cell, &byte) in target.iter_mut().zip(stretch) {
            *cell = Cell { c: char::from(byte), ..blank.clone() };
        }
        if wraps && let Some(last) = target.last_mut() {
            last.flags.insert(Flags::WRAPLINE);
        }
        self.set_x(end);
    }

    /// An empty cell with everything that the pen has.
    fn pen_blank(&self) -> Cell {
        self.term.grid().cursor.template.clone()
    }

    /// Prints one character.
    pub(super) fn put(&mut self, char: char) {
        let shown = if char.is_ascii() { self.charsets.active.map(char as u8) } else { char };
        match (char_width(shown), self.last) {
            (0, Some(last)) => self.join(shown, last),
            (0, None) => self.put_lone_mark(shown),
            (width, _) => {
                let found_room = self.put_glyph(shown, width);
                self.last = found_room.then_some(LastPrint { char, width });
            }
        }
    }

    /// Prints a character that takes columns. Says whether it found room.
    fn put_glyph(&mut self, char: char, width: u8) -> bool {
        let columns = self.columns();
        let wide = usize::from(width);
        if wide > columns {
            return false;
        }
        if self.x() + wide > columns {
            if self.modes.has(Mode::Autowrap) {
                self.wrap();
            } else {
                self.set_x(columns - 1);
                if width == 2 {
                    return false;
                }
            }
        }
        let (x, y) = (self.x(), self.y());
        let blank = self.pen_blank();
        let inserts = self.modes.has(Mode::Insert);
        let row = self.cells_mut(y);
        if inserts {
            cells::insert(row, x, wide, &blank);
        }
        cells::cut(row, x, &blank);
        cells::cut(row, x + wide, &blank);
        let wraps = x + wide == columns && cells::is_wrapped(row);
        if char.width() == Some(wide) {
            self.term.input(char);
        } else {
            self.put_by_hand(char, wide);
        }
        if wraps {
            self.cells_mut(y)[columns - 1].flags.insert(Flags::WRAPLINE);
        }
        true
    }

    /// Writes a character whose width the library sees otherwise.
    fn put_by_hand(&mut self, char: char, wide: usize) {
        let (x, y) = (self.x(), self.y());
        let mut cell = Cell { c: char, ..self.pen_blank() };
        if wide == 2 {
            let mut tail = self.pen_blank();
            tail.flags.insert(Flags::WIDE_CHAR_SPACER);
            self.cells_mut(y)[x + 1] = tail;
            cell.flags.insert(Flags::WIDE_CHAR);
        }
        self.cells_mut(y)[x] = cell;
        self.set_x(x + wide);
    }

    /// A combining mark with nothing to combine with takes a cell of its own, as in xterm.js.
    fn put_lone_mark(&mut self, mark: char) {
        let (x, y) = (self.x(), self.y());
        if x >= self.columns() {
            return;
        }
        let blank = self.pen_blank();
        let row = self.cells_mut(y);
        cells::cut(row, x, &blank);
        cells::cut(row, x + 1, &blank);
        cells::keep_wrap(row, |row| row[x] = Cell { c: mark, ..blank });
        self.set_x(x + 1);
    }

    /// Adds a combining mark to the character before the cursor.
    fn join(&mut self, mark: char, last: LastPrint) {
        let Some(x) = self.x().checked_sub(usize::from(last.width)) else { return };
        let y = self.y();
        let cell = &mut self.cells_mut(y)[x];
        if style::combining(cell).count() < MAX_COMBINING {
            cell.push_zerowidth(mark);
        } else {
            self.is_lossy = true;
        }
    }

    /// Goes to the start of the next row, which continues this one.
    fn wrap(&mut self) {
        let (x, y) = (self.x(), self.y());
        let last = self.columns() - 1;
        let mut blank = self.pen_blank();
        let row = self.cells_mut(y);
        if x <= last {
            // A wide character does not fit into the last column and leaves it empty.
            cells::cut(row, x, &blank);
            blank.flags.insert(Flags::LEADING_WIDE_CHAR_SPACER);
            row[last] = blank;
        }
        self.set_x(0);
        if y == self.side().bottom {
            self.scroll();
        } else if y + 1 < self.rows() {
            self.set_y(y + 1);
        }
        self.set_continuation(self.y(), true);
    }

    /// REP: prints the text of the last cell `count` times more.
    pub(super) fn repeat(&mut self, count: usize) {
        let Some(last) = self.last else { return };
        let Some(x) = self.x().checked_sub(usize::from(last.width)) else { return };
        let cell = &self.term.grid()[Line(self.y() as i32)][Column(x)];
        let text: String = std::iter::once(cell.c).chain(style::combining(cell)).collect();
        let per_row = (self.columns() / usize::from(last.width)).max(1);
        for _ in 0..bounded_repeats(count, per_row, self.rows()) {
            for char in text.chars() {
                self.put(char);
            }
        }
    }
}

/// As few repeats as give the same screen: once it is full, whole rows make no difference.
fn bounded_repeats(count: usize, per_row: usize, rows: usize) -> usize {
    let full = per_row * (rows + 1);
    if count <= full { count } else { full + (count - full) % per_row }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endless_repeats_are_cut_to_what_fills_the_screen() {
        assert_eq!(bounded_repeats(5, 80, 24), 5);
        assert_eq!(bounded_repeats(80 * 25 + 7, 80, 24), 80 * 25 + 7);
        assert_eq!(bounded_repeats(80 * 1000 + 7, 80, 24), 80 * 25 + 7);
        assert_eq!(bounded_repeats(usize::MAX, 1, 1), 2);
    }
}
