//! Changing the size of both screens.

use alacritty_terminal::grid::{Dimensions, Grid};
use alacritty_terminal::index::Line;
use alacritty_terminal::term::Config;
use alacritty_terminal::term::cell::Cell;

use crate::cells;
use crate::terminal::{Dims, Side, Terminal};

impl Terminal {
    /// Lays out the primary screen anew; the alternate screen is cut or padded. Rows that no longer
    /// fit on the primary screen become history.
    pub(crate) fn resize(&mut self, columns: usize, rows: usize) {
        if columns == 1 {
            // A wide character does not fit at all: the library would look for room forever.
            self.with_primary(blank_wide);
            blank_wide(self.term.grid_mut());
        }
        // Room for the rows that the library pushes out, so that they can be seen.
        let room = self.columns() * self.rows();
        self.term.set_options(Config { scrolling_history: room, ..Config::default() });
        self.term.resize(Dims { columns, rows });
        let lost = self.with_primary(take_history);
        self.with_primary(mend_rows);
        mend_rows(self.term.grid_mut());
        for row in &lost {
            self.scrolled.push(row);
        }
        self.term.set_options(Config { scrolling_history: 0, ..Config::default() });
        for side in [&mut self.primary, &mut self.alternate] {
            side.resize(columns, rows);
        }
        self.last = None;
        self.confine_cursor_rows();
        self.hand_on_margins();
    }
}

impl Side {
    /// Margins go, tab stops are continued, the saved cursor is kept on the screen.
    fn resize(&mut self, columns: usize, rows: usize) {
        self.top = 0;
        self.bottom = rows - 1;
        self.tabs.resize(columns);
        self.saved.x = self.saved.x.min(columns - 1);
        self.saved.y = self.saved.y.min(rows - 1);
    }
}

/// Takes the rows above the screen, oldest first.
fn take_history(grid: &mut Grid<Cell>) -> Vec<Vec<Cell>> {
    let count = grid.history_size() as i32;
    let rows = (-count..0).map(|line| grid[Line(line)][..].to_vec()).collect();
    grid.clear_history();
    rows
}

/// Puts right what the library leaves behind.
fn mend_rows(grid: &mut Grid<Cell>) {
    // It keeps rows for later, and it takes the cells of a row beyond the last used one to be equal.
    // Where coloured rows grew that is no longer so, and they would not be blanked whole.
    grid.truncate();
    for y in 0..grid.screen_lines() as i32 {
        let row = &mut grid[Line(y)][..];
        // Half a wide character cannot stay in the last column.
        if let Some(last) = row.last_mut().filter(|last| cells::is_lead(last)) {
            *last = Cell { bg: last.bg, ..Cell::default() };
        }
    }
    // A wrap that is pending where the screen no longer ends is none.
    let last = grid.last_column();
    let cursor = &mut grid.cursor;
    if cursor.input_needs_wrap && cursor.point.column < last {
        cursor.input_needs_wrap = false;
        cursor.point.column += 1;
    }
}

/// Blanks every wide character.
fn blank_wide(grid: &mut Grid<Cell>) {
    for y in 0..grid.screen_lines() as i32 {
        let row = &mut grid[Line(y)][..];
        for x in 1..row.len() {
            cells::cut(row, x, &Cell::default());
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Screen, ScrolledCapture, Size};

    fn check(from: (u16, u16), text: &str, to: (u16, u16), expected: &str) {
        let mut screen = Screen::new(Size { cols: from.0, rows: from.1 });
        screen.feed(text.as_bytes());
        screen.resize(Size { cols: to.0, rows: to.1 });
        assert_eq!(screen.text(), expected, "{text:?} from {from:?} to {to:?}");
    }

    #[test]
    fn a_narrower_screen_breaks_lines_and_a_wider_one_joins_them() {
        check((8, 4), "w\r\nabcdefgh\r\nx\r\ny", (4, 4), "abcd\nefgh\nx\ny");
        check((4, 4), "abcdefgh\r\nx", (8, 4), "abcdefgh\nx\n\n");
        check((4, 5), "abcdefghij\r\nx", (6, 5), "abcdef\nghij\nx\n\n");
    }

    #[test]
    fn wide_characters_are_not_cut() {
        check((6, 4), "a漢字漢\r\nx", (4, 4), "a漢\n字漢\nx\n");
        check((4, 4), "a漢字漢\r\nx", (6, 4), "a漢字\n漢\nx\n");
        check((4, 2), "漢x\r\ny", (1, 2), "x\ny");
    }

    #[test]
    fn the_alternate_screen_is_cut_and_the_primary_screen_laid_out_beneath_it() {
        let mut screen = Screen::new(Size { cols: 8, rows: 3 });
        screen.feed(b"x\r\nabcdefgh\r\ny\x1b[?1049h\x1b[H12345678");
        screen.resize(Size { cols: 4, rows: 3 });
        assert_eq!(screen.text(), "1234\n\n");
        screen.feed(b"\x1b[?1049l");
        assert_eq!(screen.text(), "abcd\nefgh\ny");
    }

    #[test]
    fn a_coloured_row_that_grew_is_erased_whole() {
        let mut screen = Screen::new(Size { cols: 2, rows: 2 });
        screen.feed(b"\x1b[44m\n\n\x1b[m");
        screen.resize(Size { cols: 6, rows: 2 });
        screen.feed(b"\n\n\n");
        assert_eq!(screen.snapshot().bytes, b"\x1b[2H");
        screen.feed(b"\x1b[44m\x1b[?47h\x1b[2J\x1b[m\x1b[?47l");
        screen.resize(Size { cols: 9, rows: 2 });
        screen.feed(b"\x1b[?47h");
        assert_eq!(screen.snapshot().bytes, b"\x1b[H\x1b[?1049h\x1b[2H");
    }

    #[test]
    fn rows_that_no_longer_fit_become_history() {
        let mut screen = Screen::new(Size { cols: 4, rows: 3 });
        screen.set_scrolled_capture(ScrolledCapture::Last(10));
        screen.feed(b"a\r\nb\r\nc");
        screen.resize(Size { cols: 4, rows: 1 });
        let lines: Vec<_> =
            screen.take_scrolled().lines.into_iter().map(|line| line.bytes).collect();
        assert_eq!((lines, screen.text().as_str()), (vec![b"a".to_vec(), b"b".to_vec()], "c"));
    }
}
