//! Edits of one row of cells. A wide character that an edit would cut loses both halves.

use std::ops::Range;

use alacritty_terminal::term::cell::{Cell, Flags};

use crate::style::is_protected;

/// What selective erasure (DECSED, DECSEL) does to protected cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protection {
    /// Plain erasure: they go too.
    Ignored,
    /// They stay.
    Respected,
}

/// Whether `cell` is the second half of a wide character.
pub(crate) fn is_tail(cell: &Cell) -> bool {
    cell.flags.contains(Flags::WIDE_CHAR_SPACER)
}

/// Whether `cell` is the first half of a wide character.
pub(crate) fn is_lead(cell: &Cell) -> bool {
    cell.flags.contains(Flags::WIDE_CHAR)
}

/// Blanks the wide character that a cut before `x` would go through.
pub(crate) fn cut(cells: &mut [Cell], x: usize, blank: &Cell) {
    if x > 0 && cells.get(x).is_some_and(is_tail) {
        cells[x - 1] = blank.clone();
        cells[x] = blank.clone();
    }
}

/// Replaces a range.
pub(crate) fn erase(cells: &mut [Cell], range: Range<usize>, blank: &Cell, protection: Protection) {
    let range = range.start.min(cells.len())..range.end.min(cells.len());
    keep_wrap(cells, |cells| {
        if protection == Protection::Ignored {
            cut(cells, range.start, blank);
            cut(cells, range.end, blank);
            cells[range].fill(blank.clone());
            return;
        }
        for x in range {
            if !is_protected(&cells[x]) {
                cut(cells, x, blank);
                cut(cells, x + 1, blank);
                cells[x] = blank.clone();
            }
        }
    });
}

/// Shifts the cells from `x` to the right; those beyond the edge are lost.
pub(crate) fn insert(cells: &mut [Cell], x: usize, count: usize, blank: &Cell) {
    let count = count.min(cells.len() - x);
    keep_wrap(cells, |cells| {
        cut(cells, x, blank);
        cut(cells, cells.len() - count, blank);
        cells[x..].rotate_right(count);
        cells[x..x + count].fill(blank.clone());
    });
}

/// Removes cells at `x`; those to the right move in.
pub(crate) fn delete(cells: &mut [Cell], x: usize, count: usize, blank: &Cell) {
    let count = count.min(cells.len() - x);
    keep_wrap(cells, |cells| {
        cut(cells, x, blank);
        cut(cells, x + count, blank);
        cells[x..].rotate_left(count);
        let kept = cells.len() - count;
        cells[kept..].fill(blank.clone());
    });
}

/// Whether the text of this row goes on in the next.
pub(crate) fn is_wrapped(cells: &[Cell]) -> bool {
    cells.last().is_some_and(|cell| cell.flags.contains(Flags::WRAPLINE))
}

/// Edits cells without ending the wrap into the next row, which the library notes in the last cell.
pub(crate) fn keep_wrap(cells: &mut [Cell], edit: impl FnOnce(&mut [Cell])) {
    let wrapped = is_wrapped(cells);
    set_wrapped(cells, false);
    edit(cells);
    if wrapped {
        set_wrapped(cells, true);
    }
}

fn set_wrapped(cells: &mut [Cell], wrapped: bool) {
    if let Some(last) = cells.last_mut() {
        last.flags.set(Flags::WRAPLINE, wrapped);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row from text: `漢>` is a wide character, `.` a blank.
    fn row(text: &str) -> Vec<Cell> {
        let cell = |char| {
            let (c, flags) = match char {
                '漢' => ('漢', Flags::WIDE_CHAR),
                '>' => (' ', Flags::WIDE_CHAR_SPACER),
                '.' => (' ', Flags::empty()),
                char => (char, Flags::empty()),
            };
            Cell { c, flags, ..Cell::default() }
        };
        text.chars().map(cell).collect()
    }

    fn check(before: &str, edit: impl Fn(&mut [Cell], &Cell), after: &str) {
        let mut cells = row(before);
        edit(&mut cells, &Cell::default());
        assert_eq!(cells, row(after), "from {before}, wanted {after}");
    }

    #[test]
    fn inserting_shifts_right_and_loses_the_end() {
        check("abcdef", |cells, blank| insert(cells, 1, 2, blank), "a..bcd");
        check("abcdef", |cells, blank| insert(cells, 4, 9, blank), "abcd..");
    }

    #[test]
    fn deleting_shifts_left_and_fills_the_end() {
        check("abcdef", |cells, blank| delete(cells, 1, 2, blank), "adef..");
        check("abcdef", |cells, blank| delete(cells, 1, 99, blank), "a.....");
    }

    #[test]
    fn no_edit_leaves_half_a_wide_character() {
        check("漢>漢>漢>", |cells, blank| insert(cells, 1, 1, blank), "...漢>.");
        check("a漢>漢>.", |cells, blank| insert(cells, 0, 1, blank), ".a漢>漢>");
        check("ab漢>漢>", |cells, blank| insert(cells, 0, 1, blank), ".ab漢>.");
        check("漢>漢>漢>", |cells, blank| delete(cells, 0, 1, blank), ".漢>漢>.");
        let plain =
            |cells: &mut [Cell], blank: &Cell| erase(cells, 1..3, blank, Protection::Ignored);
        check("漢>漢>漢>", plain, "....漢>");
        let selective =
            |cells: &mut [Cell], blank: &Cell| erase(cells, 1..2, blank, Protection::Respected);
        check("漢>漢>漢>", selective, "..漢>漢>");
    }

    #[test]
    fn edits_keep_the_wrap_where_it_was() {
        let mut cells = row("abcd");
        set_wrapped(&mut cells, true);
        let blank = Cell::default();
        delete(&mut cells, 0, 1, &blank);
        insert(&mut cells, 0, 2, &blank);
        erase(&mut cells, 0..9, &blank, Protection::Ignored);
        assert!(is_wrapped(&cells));
        set_wrapped(&mut cells, false);
        assert_eq!(cells, row("...."));
    }
}
