//! The public model.

use alacritty_terminal::index::Line;

use crate::limits::MAX_SIDE;
use crate::modes::Mode;
use crate::parser::Parser;
use crate::scrolled::{Scrolled, ScrolledCapture};
use crate::sgr;
use crate::snapshot::{self, Snapshot};
use crate::terminal::Terminal;

/// Columns and rows of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Size {
    /// Columns, at least 1.
    pub cols: u16,
    /// Rows, at least 1.
    pub rows: u16,
}

impl Size {
    /// The nearest size that the model supports.
    fn clamped(self) -> Self {
        Self { cols: self.cols.clamp(1, MAX_SIDE), rows: self.rows.clamp(1, MAX_SIDE) }
    }
}

/// The cursor, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Its column.
    pub col: u16,
    /// Its row.
    pub row: u16,
    /// Whether the program shows it.
    pub is_visible: bool,
}

/// A terminal without picture, clock or history: bytes in, at any time an exact [`Snapshot`] out.
///
/// How the bytes are cut into calls of [`feed`](Self::feed) makes no difference.
pub struct Screen {
    parser: Parser,
    terminal: Terminal,
}

impl Screen {
    /// A fresh terminal. Sizes of 0 or beyond [`MAX_SIDE`](crate::MAX_SIDE) are clamped.
    pub fn new(size: Size) -> Self {
        let size = size.clamped();
        let terminal = Terminal::new(usize::from(size.cols), usize::from(size.rows));
        Self { parser: Parser::default(), terminal }
    }

    /// The terminal that a snapshot was taken of. It owes no answers and captures no lines.
    pub fn restore(snapshot: &Snapshot) -> Self {
        let mut screen = Self::new(snapshot.size);
        screen.feed(&snapshot.bytes);
        screen.terminal.is_lossy |= !snapshot.exact;
        screen
    }

    /// Takes output of the program.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.parser.advance(bytes, &mut self.terminal);
    }

    /// Changes the size as terminals do: wrapped lines of the primary screen are laid out anew, the
    /// line with the cursor and the alternate screen are not. Margins go.
    pub fn resize(&mut self, size: Size) {
        let size = size.clamped();
        if size != self.size() {
            self.terminal.resize(usize::from(size.cols), usize::from(size.rows));
        }
    }

    /// The size in use.
    pub fn size(&self) -> Size {
        // Both were made from `u16` and clamped.
        Size { cols: self.terminal.columns() as u16, rows: self.terminal.rows() as u16 }
    }

    /// Bytes that bring a fresh terminal of the same size into the state of this one.
    pub fn snapshot(&mut self) -> Snapshot {
        let size = self.size();
        let (bytes, exact) = snapshot::write(&mut self.terminal, &self.parser);
        Snapshot { size, bytes, exact }
    }

    /// The window title, unless it is empty.
    pub fn title(&self) -> Option<&str> {
        Some(self.terminal.window_title.current.as_str()).filter(|title| !title.is_empty())
    }

    /// Answers to queries since the last call. At most a few kilobytes wait; what a program asks
    /// beyond that is not answered.
    pub fn take_replies(&mut self) -> Vec<u8> {
        self.terminal.replies.take()
    }

    /// Starts or stops keeping the rows that leave the primary screen at the top.
    pub fn set_scrolled_capture(&mut self, capture: ScrolledCapture) {
        self.terminal.scrolled.set_capture(capture);
    }

    /// The rows that left the primary screen since the last call.
    pub fn take_scrolled(&mut self) -> Scrolled {
        self.terminal.scrolled.take()
    }

    /// The visible screen as plain text: rows joined by line feeds, without trailing blanks.
    pub fn text(&self) -> String {
        let grid = self.terminal.grid();
        let mut text = Vec::new();
        for y in 0..self.terminal.rows() {
            if y > 0 {
                text.push(b'\n');
            }
            let start = text.len();
            for cell in &grid[Line(y as i32)] {
                sgr::write_text(&mut text, cell);
            }
            let blanks = text[start..].iter().rev().take_while(|&&byte| byte == b' ').count();
            text.truncate(text.len() - blanks);
        }
        // Only whole characters were written.
        String::from_utf8(text).unwrap_or_default()
    }

    /// The visible rows, as bytes that draw each on a line of its own: text with SGR and link
    /// sequences, beginning and ending with a plain pen. For viewers that show only a part.
    pub fn lines(&self) -> Vec<Vec<u8>> {
        let grid = self.terminal.grid();
        let line = |y: usize| {
            let mut bytes = Vec::new();
            sgr::write_line(&mut bytes, &grid[Line(y as i32)][..]);
            bytes
        };
        (0..self.terminal.rows()).map(line).collect()
    }

    /// Where the cursor is, and whether it is shown.
    pub fn cursor(&self) -> Cursor {
        let last = self.terminal.columns().saturating_sub(1);
        Cursor {
            // Both are on the screen, whose sides were made from `u16`.
            col: self.terminal.x().min(last) as u16,
            row: self.terminal.y() as u16,
            is_visible: self.terminal.modes.has(Mode::CursorVisible),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_with_their_colours_and_the_cursor_with_its_place() {
        let mut screen = Screen::new(Size { cols: 10, rows: 3 });
        screen.feed(b"one\r\n\x1b[31mtwo\x1b[m\x1b[?25l");
        let lines = screen.lines();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0], b"one");
        assert!(lines[1].starts_with(b"\x1b[") && lines[1].ends_with(b"m"), "{:?}", lines[1]);
        assert_eq!(screen.cursor(), Cursor { col: 3, row: 1, is_visible: false });
        // a wrap that is still to come leaves the cursor on the last column
        screen.feed(b"\x1b[?25h\x1b[3;1H0123456789");
        assert_eq!(screen.cursor(), Cursor { col: 9, row: 2, is_visible: true });
    }
}
