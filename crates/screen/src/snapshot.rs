//! The state of the terminal as bytes.
//!
//! Everything is drawn on a fresh terminal whose modes are still at their start, then hidden state is
//! set up in an order in which nothing disturbs what came before: rows, tab stops and margins of the
//! primary screen, the same for the alternate screen, saved cursor and character sets, modes, and
//! last the cursor. Where the next character depends on the one before it (a pending wrap, a
//! combining mark, REP), the last thing written is that character again.

mod finish;
mod rows;
mod settings;

use crate::charset::Charset;
use crate::keyboard::KeyboardFlags;
use crate::parser::{Extent, Parser};
use crate::screen::Size;
use crate::sgr::Ink;
use crate::style::Style;
use crate::tabs::Tabs;
use crate::terminal::{SavedCursor, Shown, Side, Terminal};

/// The state of a [`Screen`](crate::Screen) at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The size that the reading terminal must have.
    pub size: Size,
    /// What to feed to a fresh terminal. A used one must be reset first (`ESC c`).
    pub bytes: Vec<u8>,
    /// Whether the bytes give the same visible and hidden state. They do not if a limit of this
    /// crate was exceeded, or in the few corners that no sequence can express.
    pub exact: bool,
}

/// Writes the snapshot's bytes, and says whether they are exact.
pub(crate) fn write(terminal: &mut Terminal, parser: &Parser) -> (Vec<u8>, bool) {
    let mut writer = Writer {
        out: Vec::new(),
        ink: Ink::renaming(),
        at: Some((0, 0)),
        is_exact: !terminal.is_lossy,
    };
    writer.write_titles(terminal);
    writer.write_palette(terminal);
    if terminal.shown == Shown::Primary {
        writer.write_hidden_alternate(&terminal.alternate);
    }
    terminal.with_primary(|grid| rows::write(&mut writer, grid));
    writer.write_side(&terminal.primary, terminal);
    if terminal.shown == Shown::Alternate {
        writer.enter_alternate(&terminal.primary.saved);
        rows::write(&mut writer, terminal.grid());
        writer.write_side(&terminal.alternate, terminal);
    }
    writer.finish(terminal);
    let (pending, extent) = parser.pending();
    writer.out.extend_from_slice(pending);
    (writer.out, writer.is_exact && extent == Extent::Whole)
}

/// What has been written, and where it leaves the reader.
struct Writer {
    out: Vec<u8>,
    ink: Ink,
    /// The reader's cursor, if it is known; its column is beyond the last when a wrap is pending.
    at: Option<(usize, usize)>,
    is_exact: bool,
}

impl Writer {
    fn put(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn take_pen(&mut self, style: Style) {
        self.ink.change(&mut self.out, style);
    }

    /// CUP to a column and row of the screen. Wanted also where the cursor stands already, because
    /// it ends a pending wrap and separates a combining mark from what is before it.
    fn jump(&mut self, x: usize, y: usize) {
        match (x, y) {
            (0, 0) => self.put("\x1b[H"),
            (0, y) => self.put(&format!("\x1b[{}H", y + 1)),
            (x, y) => self.put(&format!("\x1b[{};{}H", y + 1, x + 1)),
        }
        self.at = Some((x, y));
    }

    /// What one screen has beside its rows: tab stops, keyboard flags, margins.
    fn write_side(&mut self, side: &Side, terminal: &Terminal) {
        if side.tabs != Tabs::new(terminal.columns()) {
            self.put("\x1b[3g");
            for x in side.tabs.stops() {
                self.jump(x, 0);
                self.put("\x1bH");
            }
        }
        self.write_keyboard(&side.keyboard);
        if side.top > 0 || side.bottom + 1 < terminal.rows() {
            self.put(&format!("\x1b[{};{}r", side.top + 1, side.bottom + 1));
            self.at = Some((0, 0));
        }
    }

    /// Puts the reader's cursor, pen and character set where they were when the cursor was saved,
    /// and writes the sequence that saves them.
    fn write_saved_cursor(&mut self, saved: &SavedCursor, save: &str) {
        self.take_pen(saved.style.clone());
        self.designate(0, saved.charset);
        self.jump(saved.x, saved.y);
        self.put(save);
        if saved.charset != Charset::Ascii {
            self.put("\x1b(B");
        }
    }

    /// What the alternate screen keeps while it is not shown.
    fn write_hidden_alternate(&mut self, hidden: &Side) {
        let nothing_saved = hidden.saved == SavedCursor::default();
        if nothing_saved && hidden.keyboard == KeyboardFlags::default() {
            return;
        }
        self.put("\x1b[?1049h");
        self.write_saved_cursor(&hidden.saved, "\x1b7");
        self.write_keyboard(&hidden.keyboard);
        // This also brings back the plain pen that was saved on the way in.
        self.put("\x1b[?1049l");
        self.ink.assume_plain();
        self.at = Some((0, 0));
    }

    /// Shows the alternate screen. Mode 1049 saves the cursor on the way, so that this is also how
    /// the primary screen's saved cursor is written.
    fn enter_alternate(&mut self, saved: &SavedCursor) {
        self.write_saved_cursor(saved, "\x1b[?1049h");
        if saved.style.background != Style::default().background {
            // The screen came up in that colour.
            self.take_pen(Style::default());
            self.put("\x1b[2J");
        }
    }
}
