//! Aligned columns. Cells come escaped; colours do not count as width.

use anstyle::Style;
use unicode_width::UnicodeWidthStr;

use super::{
    escape::shortened,
    style::{Styles, paint},
};

/// Columns between two cells.
const GAP: usize = 2;

/// One cell: what it says and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// A cell in a style.
    pub(crate) fn styled(text: impl Into<String>, style: Style) -> Self {
        Self { text: text.into(), style }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::styled(text, Style::new())
    }
}

/// A table with a head.
#[derive(Debug)]
pub(crate) struct Table<const N: usize> {
    head: [&'static str; N],
    rows: Vec<[Cell; N]>,
}

impl<const N: usize> Table<N> {
    /// A table with no rows yet.
    pub(crate) const fn new(head: [&'static str; N]) -> Self {
        Self { head, rows: Vec::new() }
    }
    /// Adds a row.
    pub(crate) fn push(&mut self, row: [Cell; N]) {
        self.rows.push(row);
    }
    /// The lines of the table; the last column is cut so that no line is wider than `width`.
    pub(crate) fn render(&self, width: Option<usize>, styles: Styles) -> String {
        let mut widths = self.head.map(UnicodeWidthStr::width);
        for row in &self.rows {
            for (widest, cell) in widths.iter_mut().zip(row) {
                *widest = (*widest).max(cell.text.width());
            }
        }
        if let (Some(width), Some((last, others))) = (width, widths.split_last_mut()) {
            let taken: usize = others.iter().map(|width| width + GAP).sum();
            *last = (*last).min(width.saturating_sub(taken).max(8));
        }
        let head = self.head.map(|text| Cell::styled(text, styles.head));
        let mut text = line(&head, &widths);
        for row in &self.rows {
            text += &line(row, &widths);
        }
        text
    }
}

fn line(cells: &[Cell], widths: &[usize]) -> String {
    let mut line = String::new();
    let last = cells.len().saturating_sub(1);
    for (index, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let text = shortened(&cell.text, *width);
        let padding = width.saturating_sub(text.width()) + GAP;
        line += &paint(cell.style, &text);
        if index < last {
            line.extend(std::iter::repeat_n(' ', padding));
        }
    }
    let mut line = line.trim_end().to_owned();
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Table<3> {
        let mut table = Table::new(["LABEL", "STATE", "COMMAND"]);
        table.push(["a".into(), "running".into(), "cargo test --workspace --all".into()]);
        table.push(["日本".into(), "idle".into(), "sh".into()]);
        table
    }

    #[test]
    fn columns_are_aligned_by_what_is_seen() {
        insta::assert_snapshot!(sample().render(None, Styles::PLAIN), @r"
        LABEL  STATE    COMMAND
        a      running  cargo test --workspace --all
        日本   idle     sh
        ");
    }

    #[test]
    fn a_narrow_screen_cuts_the_last_column() {
        insta::assert_snapshot!(sample().render(Some(26), Styles::PLAIN), @r"
        LABEL  STATE    COMMAND
        a      running  cargo tes…
        日本   idle     sh
        ");
    }
}
