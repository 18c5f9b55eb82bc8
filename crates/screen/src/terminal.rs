//! The state of the terminal and what changes it.
//!
//! The library's `Term` keeps the cells of both screens, prints, scrolls and lays out anew on resize.
//! Beside it stands what it keeps to itself or has no place for: margins, tab stops and saved cursor
//! of each screen, modes, titles, keyboard flags, colours. Where terminals differ, this does as
//! xterm.js does, because that is what most viewers run.

mod cursor;
mod dispatch;
mod edit;
mod mode_switch;
mod osc;
mod pen;
mod print;
mod report;
mod resize;
mod scroll;

use std::ops::RangeInclusive;

use alacritty_terminal::event::VoidListener;
use alacritty_terminal::grid::{Dimensions, Grid};
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::cell::Cell;
use alacritty_terminal::term::{Config, Term};
use alacritty_terminal::vte::ansi::Handler;

use crate::charset::{Charset, Charsets};
use crate::keyboard::{KeyModifiers, KeyboardFlags};
use crate::modes::Modes;
use crate::palette::Palette;
use crate::scrolled::Scrollback;
use crate::style::Style;
use crate::tabs::Tabs;
use crate::titles::Titles;

pub(crate) use print::LastPrint;
pub(crate) use report::Replies;

/// The library's terminal, without anybody who listens to it.
type Library = Term<VoidListener>;

/// Everything about the terminal that outlives a sequence.
pub(crate) struct Terminal {
    term: Library,
    pub(crate) primary: Side,
    pub(crate) alternate: Side,
    pub(crate) shown: Shown,
    /// Always agrees with the library's template cell.
    pub(crate) pen: Style,
    pub(crate) charsets: Charsets,
    pub(crate) modes: Modes,
    pub(crate) key_modifiers: KeyModifiers,
    /// The number of DECSCUSR; 0 is the viewer's own style.
    pub(crate) cursor_style: u8,
    pub(crate) window_title: Titles,
    pub(crate) icon_name: Titles,
    pub(crate) palette: Palette,
    /// The last character, as long as nothing but characters came after it: combining marks join
    /// it and REP repeats it.
    pub(crate) last: Option<LastPrint>,
    /// Links that were opened without a name.
    links_opened: u64,
    pub(crate) replies: Replies,
    pub(crate) scrolled: Scrollback,
    /// Something was dropped because a limit was reached, and a viewer without that limit shows it.
    pub(crate) is_lossy: bool,
}

/// Which screen is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    Primary,
    Alternate,
}

/// What each screen has for itself, beside its cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Side {
    /// The rows that scroll, first and last. The library has a copy for the screen that is shown.
    pub(crate) top: usize,
    pub(crate) bottom: usize,
    pub(crate) tabs: Tabs,
    pub(crate) saved: SavedCursor,
    pub(crate) keyboard: KeyboardFlags,
}

/// What DECSC keeps.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct SavedCursor {
    pub(crate) x: usize,
    pub(crate) y: usize,
    /// The pen without its link.
    pub(crate) style: Style,
    pub(crate) charset: Charset,
}

/// A size in the library's terms.
struct Dims {
    columns: usize,
    rows: usize,
}

impl Dimensions for Dims {
    fn total_lines(&self) -> usize {
        self.rows
    }
    fn screen_lines(&self) -> usize {
        self.rows
    }
    fn columns(&self) -> usize {
        self.columns
    }
}

impl Side {
    fn new(columns: usize, rows: usize) -> Self {
        Self {
            top: 0,
            bottom: rows - 1,
            tabs: Tabs::new(columns),
            saved: SavedCursor::default(),
            keyboard: KeyboardFlags::default(),
        }
    }
}

impl Terminal {
    pub(crate) fn new(columns: usize, rows: usize) -> Self {
        let config = Config { scrolling_history: 0, ..Config::default() };
        Self {
            term: Term::new(config, &Dims { columns, rows }, VoidListener),
            primary: Side::new(columns, rows),
            alternate: Side::new(columns, rows),
            shown: Shown::Primary,
            pen: Style::default(),
            charsets: Charsets::default(),
            modes: Modes::default(),
            key_modifiers: KeyModifiers::default(),
            cursor_style: 0,
            window_title: Titles::default(),
            icon_name: Titles::default(),
            palette: Palette::default(),
            last: None,
            links_opened: 0,
            replies: Replies::default(),
            scrolled: Scrollback::default(),
            is_lossy: false,
        }
    }

    pub(crate) fn columns(&self) -> usize {
        self.term.columns()
    }

    pub(crate) fn rows(&self) -> usize {
        self.term.screen_lines()
    }

    /// The cells of the screen that is shown.
    pub(crate) fn grid(&self) -> &Grid<Cell> {
        self.term.grid()
    }

    /// Shows the primary screen's cells to `read`, also while the alternate screen is shown.
    pub(crate) fn with_primary<R>(&mut self, read: impl FnOnce(&mut Grid<Cell>) -> R) -> R {
        if self.shown == Shown::Primary {
            return read(self.term.grid_mut());
        }
        // The library lends out only the cells that are shown, and blanks the alternate ones when
        // they come back.
        let alternate = self.term.grid().clone();
        self.term.swap_alt();
        let result = read(self.term.grid_mut());
        self.term.swap_alt();
        *self.term.grid_mut() = alternate;
        result
    }

    pub(crate) fn side(&self) -> &Side {
        match self.shown {
            Shown::Primary => &self.primary,
            Shown::Alternate => &self.alternate,
        }
    }

    fn side_mut(&mut self) -> &mut Side {
        match self.shown {
            Shown::Primary => &mut self.primary,
            Shown::Alternate => &mut self.alternate,
        }
    }

    /// Column of the cursor. One beyond the last means that the last column was just printed: the
    /// next character wraps.
    pub(crate) fn x(&self) -> usize {
        let cursor = &self.term.grid().cursor;
        cursor.point.column.0 + usize::from(cursor.input_needs_wrap)
    }

    pub(crate) fn y(&self) -> usize {
        // The cursor never leaves the screen.
        self.term.grid().cursor.point.line.0 as usize
    }

    fn set_x(&mut self, x: usize) {
        let last = self.columns() - 1;
        let cursor = &mut self.term.grid_mut().cursor;
        cursor.point.column = Column(x.min(last));
        cursor.input_needs_wrap = x > last;
    }

    fn set_y(&mut self, y: usize) {
        self.term.grid_mut().cursor.point.line = Line(y as i32);
    }

    fn region(&self) -> RangeInclusive<usize> {
        let side = self.side();
        side.top..=side.bottom
    }

    /// One row of the screen that is shown.
    fn cells_mut(&mut self, y: usize) -> &mut [Cell] {
        &mut self.term.grid_mut()[Line(y as i32)][..]
    }

    /// What erasing leaves behind.
    fn blank(&self) -> Cell {
        Cell { bg: self.pen.background, ..Cell::default() }
    }

    /// Tells the library the margins of the screen that is shown; the cursor stays.
    fn hand_on_margins(&mut self) {
        let (x, y) = (self.x(), self.y());
        let (top, bottom) = (self.side().top + 1, self.side().bottom + 1);
        if top == bottom {
            // Only a screen of one row has such a region, and there the library agrees by default.
            return;
        }
        self.term.set_scrolling_region(top, Some(bottom));
        self.set_x(x);
        self.set_y(y);
    }

    /// RIS. Titles and colours stay, as in xterm.js; its other leftovers (line feed mode, hidden
    /// cursor) are its mistakes.
    fn reset(&mut self) {
        let fresh = Self::new(self.columns(), self.rows());
        let old = std::mem::replace(self, fresh);
        self.window_title = old.window_title;
        self.icon_name = old.icon_name;
        self.palette = old.palette;
        self.links_opened = old.links_opened;
        self.replies = old.replies;
        self.scrolled = old.scrolled;
    }

    /// DECSTR.
    fn soft_reset(&mut self) {
        self.set_pen(Style::default());
        self.charsets = Charsets::default();
        self.modes.soft_reset();
        self.cursor_style = 0;
        let rows = self.rows();
        let side = self.side_mut();
        side.top = 0;
        side.bottom = rows - 1;
        side.saved = SavedCursor::default();
        self.hand_on_margins();
    }
}
