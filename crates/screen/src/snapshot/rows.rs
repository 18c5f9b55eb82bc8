//! The rows of one screen.

use std::ops::Range;

use alacritty_terminal::grid::{Dimensions, Grid};
use alacritty_terminal::index::Line;
use alacritty_terminal::term::cell::Cell;

use crate::snapshot::Writer;
use crate::style::{self, Style};
use crate::width::char_width;
use crate::{cells, sgr};

/// Draws the rows of `grid` on a blank screen with full margins.
pub(super) fn write(writer: &mut Writer, grid: &Grid<Cell>) {
    let mut rows = Rows { writer, grid };
    for y in 0..grid.screen_lines() {
        rows.write_row(y);
    }
}

/// How the text of one row gets to the next: only printing over the edge notes that it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrap {
    /// It does not.
    None,
    /// The last cell of the row above and the first of this one are printed one after the other.
    Text,
    /// So, but a wide character leaves the last column of the row above empty.
    WideText,
}

struct Rows<'a> {
    writer: &'a mut Writer,
    grid: &'a Grid<Cell>,
}

impl<'a> Rows<'a> {
    fn row(&self, y: usize) -> &'a [Cell] {
        &self.grid[Line(y as i32)][..]
    }

    /// How the reader gets from row `y - 1` to row `y`.
    fn wrap_into(&self, y: usize) -> Wrap {
        if y == 0 || y >= self.grid.screen_lines() || !cells::is_wrapped(self.row(y - 1)) {
            return Wrap::None;
        }
        let (Some(last), Some(first)) = (self.row(y - 1).last(), self.row(y).first()) else {
            return Wrap::None;
        };
        let has_gap = style::is_empty(last) && !cells::is_tail(last);
        let same_style = Style::of(last) == Style::of(first);
        if has_gap && cells::is_lead(first) && same_style { Wrap::WideText } else { Wrap::Text }
    }

    fn write_row(&mut self, y: usize) {
        let row = self.row(y);
        let (into, out_of) = (self.wrap_into(y), self.wrap_into(y + 1));
        // The cells at both ends are printed even if they are empty, where the wrap needs them.
        let first = usize::from(into != Wrap::None);
        let last = row.len() - usize::from(out_of != Wrap::None);
        if into != Wrap::None {
            self.write_first(row, y, into);
        }
        let mut x = if first == 1 { width(&row[0]) } else { 0 };
        while x < last {
            let cell = &row[x];
            if style::is_empty(cell) {
                let run = run_of_empty(row, x..last);
                self.write_empty(x, y, cell, run);
                x += run;
            } else {
                self.write_cell(x, y, cell);
                x += width(cell);
            }
        }
        if out_of == Wrap::Text && x < row.len() {
            self.write_cell(x, y, &row[x]);
        }
    }

    /// The cell that the text of the row above runs into.
    fn write_first(&mut self, row: &[Cell], y: usize, wrap: Wrap) {
        if wrap == Wrap::WideText {
            self.go(row.len() - 1, y - 1);
        }
        if char_width(row[0].c) == 0 {
            // A lone mark would join the row above: something else has to wrap.
            self.writer.put(" ");
            self.write_cell(0, y, &row[0]);
            return;
        }
        self.print(&row[0]);
        self.writer.at = Some((width(&row[0]), y));
    }

    fn write_cell(&mut self, x: usize, y: usize, cell: &Cell) {
        if char_width(cell.c) == 0 {
            // A lone mark must not join the character before it.
            self.writer.jump(x, y);
        } else {
            self.go(x, y);
        }
        self.print(cell);
        self.writer.at = Some((x + width(cell), y));
    }

    fn print(&mut self, cell: &Cell) {
        self.writer.take_pen(Style::of(cell));
        sgr::write_text(&mut self.writer.out, cell);
    }

    /// A run of equal cells without text: nothing if it is plain, erased if it has only a colour,
    /// else blanks.
    fn write_empty(&mut self, x: usize, y: usize, cell: &Cell, run: usize) {
        if style::is_plain_blank(cell) {
            return;
        }
        let style = Style::of(cell);
        self.go(x, y);
        let is_erased = style.is_erased();
        self.writer.take_pen(style);
        if !is_erased {
            self.writer.out.extend(std::iter::repeat_n(b' ', run));
            self.writer.at = Some((x + run, y));
        } else if x + run == self.grid.columns() && x > 0 {
            self.writer.put("\x1b[K");
        } else {
            // Unlike EL, this never ends the wrap into the row.
            self.writer.put(&format!("\x1b[{run}X"));
        }
    }

    /// Moves the cursor in as few bytes as are safe while the margins are full.
    fn go(&mut self, x: usize, y: usize) {
        match self.writer.at {
            Some(at) if at == (x, y) => {}
            Some((from, row)) if row == y && from < x => {
                self.writer.put(&format!("\x1b[{}C", x - from));
                self.writer.at = Some((x, y));
            }
            // A line feed would end the wrap of the row that it reaches.
            Some((_, row)) if row + 1 == y && x == 0 && self.wrap_into(y) == Wrap::None => {
                self.writer.put("\r\n");
                self.writer.at = Some((x, y));
            }
            _ => self.writer.jump(x, y),
        }
    }
}

/// Columns of a cell with its other half.
fn width(cell: &Cell) -> usize {
    if cells::is_lead(cell) { 2 } else { 1 }
}

/// How many cells of `range` from its start are empty and look the same.
fn run_of_empty(row: &[Cell], range: Range<usize>) -> usize {
    let first = &row[range.start];
    let style = Style::of(first);
    let looks_same = |cell: &Cell| style::look_alike(first, cell) || Style::of(cell) == style;
    row[range].iter().take_while(|cell| style::is_empty(cell) && looks_same(cell)).count()
}
