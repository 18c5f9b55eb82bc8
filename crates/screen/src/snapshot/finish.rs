//! The end of a snapshot: saved cursor, character sets, modes, and the cursor with its last
//! character.

use alacritty_terminal::index::Line;
use alacritty_terminal::term::cell::Cell;

use crate::cells;
use crate::modes::Mode;
use crate::sgr;
use crate::snapshot::Writer;
use crate::style::{self, Style};
use crate::terminal::{LastPrint, SavedCursor, Terminal};

impl Writer {
    /// Everything that the two screens share.
    pub(super) fn finish(&mut self, terminal: &Terminal) {
        let charsets = terminal.charsets;
        let saved = &terminal.side().saved;
        if *saved != SavedCursor::default() || charsets.is_detached() {
            self.write_saved_cursor(saved, "\x1b7");
        }
        if charsets.is_detached() {
            self.write_detached_charsets(terminal);
        }
        self.write_modes(terminal);
        if terminal.modes.has(Mode::Origin) {
            self.put("\x1b[?6h");
            let side = terminal.side();
            // Switching screens can leave the cursor outside the margins; no address leads there.
            self.is_exact &= (side.top..=side.bottom).contains(&terminal.y());
        }
        match terminal.last {
            Some(last) => {
                self.write_charsets(terminal);
                self.write_last(terminal, last);
            }
            None if terminal.x() < terminal.columns() => {
                self.write_charsets(terminal);
                self.jump_back(terminal, terminal.x());
                self.take_pen(terminal.pen.clone());
            }
            None => self.write_pending_wrap(terminal),
        }
    }

    /// The designated sets, unless [`Self::write_detached_charsets`] wrote them.
    fn write_charsets(&mut self, terminal: &Terminal) {
        if !terminal.charsets.is_detached() {
            self.designate_all(terminal);
        }
    }

    fn designate_all(&mut self, terminal: &Terminal) {
        for (level, charset) in terminal.charsets.designated.into_iter().enumerate() {
            self.designate(level, charset);
        }
        self.put(match terminal.charsets.level {
            0 => "",
            1 => "\x0e",
            2 => "\x1bn",
            _ => "\x1bo",
        });
    }

    /// A set is in use that is not the designated one: it came back with a saved cursor, so it is
    /// brought back with the saved cursor again.
    fn write_detached_charsets(&mut self, terminal: &Terminal) {
        self.designate_all(terminal);
        let saved = &terminal.side().saved;
        if saved.charset == terminal.charsets.active {
            self.put("\x1b8");
            self.at = Some((saved.x, saved.y));
        } else {
            // It came back with the other screen's cursor, which is out of reach here.
            self.is_exact = false;
        }
    }

    /// CUP to a column of the cursor's row, counted from the margin in origin mode.
    fn jump_back(&mut self, terminal: &Terminal, x: usize) {
        let top = if terminal.modes.has(Mode::Origin) { terminal.side().top } else { 0 };
        self.jump(x, terminal.y().saturating_sub(top));
    }

    /// Prints the last character once more, so that a combining mark or REP finds it.
    fn write_last(&mut self, terminal: &Terminal, last: LastPrint) {
        let width = usize::from(last.width);
        let start = terminal.x().saturating_sub(width);
        self.take_pen(terminal.pen.clone());
        if terminal.modes.has(Mode::Insert) {
            // Printing will push the rest of the row to where it was.
            self.jump_back(terminal, start);
            self.put(&format!("\x1b[{width}P"));
        }
        self.jump_back(terminal, start);
        let marks = style::combining(&cursor_row(terminal)[start]);
        for char in std::iter::once(last.char).chain(marks) {
            self.out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }

    /// The cursor stands behind the last column, but something came after the last character:
    /// prints what is in the last column and takes the pen afterwards.
    fn write_pending_wrap(&mut self, terminal: &Terminal) {
        let row = cursor_row(terminal);
        let last = row.len() - 1;
        let start = if cells::is_tail(&row[last]) { last.saturating_sub(1) } else { last };
        self.jump_back(terminal, start);
        if can_print(terminal, &row[start]) {
            self.take_pen(Style::of(&row[start]));
            sgr::write_text(&mut self.out, &row[start]);
        } else {
            self.is_exact = false;
        }
        let printed = self.out.len();
        self.write_charsets(terminal);
        self.take_pen(terminal.pen.clone());
        if self.out.len() == printed {
            // A sequence without effect, so that a combining mark does not join the character.
            self.put("\x1b\\");
        }
    }
}

fn cursor_row(terminal: &Terminal) -> &[Cell] {
    &terminal.grid()[Line(terminal.y() as i32)][..]
}

/// Whether the reader shows the text of `cell` as it is. Only a detached character set, which is in
/// use before the cursor is placed, can make another character of it.
fn can_print(terminal: &Terminal, cell: &Cell) -> bool {
    let charsets = terminal.charsets;
    !charsets.is_detached() || !cell.c.is_ascii() || charsets.active.map(cell.c as u8) == cell.c
}
