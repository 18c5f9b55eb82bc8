//! How a cell looks: what the library's cell holds, and three attributes that it has no place for.

use std::sync::Arc;

use alacritty_terminal::term::cell::{Cell, Flags, Hyperlink};
use alacritty_terminal::vte::ansi::{Color, NamedColor};

use crate::width::char_width;

/// Text and screen colour that the program did not choose.
const FOREGROUND: Color = Color::Named(NamedColor::Foreground);
const BACKGROUND: Color = Color::Named(NamedColor::Background);

/// The flags that are attributes; the others say how cells belong together.
const ATTRIBUTES: Flags = Flags::INVERSE
    .union(Flags::BOLD)
    .union(Flags::DIM)
    .union(Flags::ITALIC)
    .union(Flags::HIDDEN)
    .union(Flags::STRIKEOUT)
    .union(Flags::ALL_UNDERLINES);

/// Attributes that the library's cell does not know. In a cell they stand among its combining marks,
/// as private characters: those are never combining, so they cannot be meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    Blink,
    Overline,
    /// DECSCA: selective erasure spares the cell.
    Protected,
}

impl Mark {
    const ALL: [Self; 3] = [Self::Blink, Self::Overline, Self::Protected];

    fn char(self) -> char {
        match self {
            Self::Blink => '\u{10fff0}',
            Self::Overline => '\u{10fff1}',
            Self::Protected => '\u{10fff2}',
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of [`Mark`]s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Marks(u8);

impl Marks {
    pub(crate) fn has(self, mark: Mark) -> bool {
        self.0 & mark.bit() != 0
    }

    pub(crate) fn insert(&mut self, mark: Mark) {
        self.0 |= mark.bit();
    }

    pub(crate) fn remove(&mut self, mark: Mark) {
        self.0 &= !mark.bit();
    }
}

/// Everything about a cell but its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Style {
    pub(crate) foreground: Color,
    pub(crate) background: Color,
    /// Only those that are attributes.
    pub(crate) flags: Flags,
    pub(crate) marks: Marks,
    /// The pen has it before anything is underlined, a cell only when it is.
    pub(crate) underline_color: Option<Color>,
    pub(crate) link: Option<Hyperlink>,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            foreground: FOREGROUND,
            background: BACKGROUND,
            flags: Flags::empty(),
            marks: Marks::default(),
            underline_color: None,
            link: None,
        }
    }
}

impl Style {
    /// How `cell` looks.
    pub(crate) fn of(cell: &Cell) -> Self {
        let mut style = Self {
            foreground: cell.fg,
            background: cell.bg,
            flags: cell.flags & ATTRIBUTES,
            ..Self::default()
        };
        if cell.extra.is_some() {
            style.underline_color = cell.underline_color();
            style.link = cell.hyperlink();
            for mark in Mark::ALL {
                if zero_width(cell).contains(&mark.char()) {
                    style.marks.insert(mark);
                }
            }
        }
        style
    }

    /// An empty cell that looks so: what the library copies for each character it prints.
    pub(crate) fn cell(&self) -> Cell {
        let mut cell = Cell { fg: self.foreground, bg: self.background, ..Cell::default() };
        cell.flags = self.flags;
        if self.flags.intersects(Flags::ALL_UNDERLINES) {
            cell.set_underline_color(self.underline_color);
        }
        cell.set_hyperlink(self.link.clone());
        for mark in Mark::ALL {
            if self.marks.has(mark) {
                cell.push_zerowidth(mark.char());
            }
        }
        cell
    }

    /// Whether this is what erasing leaves behind: a background colour and nothing else.
    pub(crate) fn is_erased(&self) -> bool {
        *self == Self { background: self.background, ..Self::default() }
    }
}

/// Whether two cells look the same. It may say no where they do: this is the short way.
pub(crate) fn look_alike(one: &Cell, two: &Cell) -> bool {
    let same_extra = match (&one.extra, &two.extra) {
        (None, None) => true,
        (Some(one), Some(two)) => Arc::ptr_eq(one, two),
        (None, Some(_)) | (Some(_), None) => false,
    };
    same_extra
        && one.fg == two.fg
        && one.bg == two.bg
        && one.flags & ATTRIBUTES == two.flags & ATTRIBUTES
}

/// Whether `cell` is as a fresh screen has it.
pub(crate) fn is_plain_blank(cell: &Cell) -> bool {
    cell.c == ' '
        && cell.extra.is_none()
        && cell.fg == FOREGROUND
        && cell.bg == BACKGROUND
        && !cell.flags.intersects(ATTRIBUTES | Flags::WIDE_CHAR_SPACER)
}

/// Whether selective erasure spares `cell`.
pub(crate) fn is_protected(cell: &Cell) -> bool {
    zero_width(cell).contains(&Mark::Protected.char())
}

/// The combining marks of `cell`.
pub(crate) fn combining(cell: &Cell) -> impl Iterator<Item = char> {
    zero_width(cell).iter().copied().filter(|&char| char_width(char) == 0)
}

/// Whether `cell` shows no text.
pub(crate) fn is_empty(cell: &Cell) -> bool {
    cell.c == ' ' && combining(cell).next().is_none()
}

fn zero_width(cell: &Cell) -> &[char] {
    cell.zerowidth().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_gives_back_the_style_it_was_made_of() {
        let mut style = Style { flags: Flags::BOLD | Flags::UNDERCURL, ..Style::default() };
        style.foreground = Color::Indexed(9);
        style.underline_color = Some(Color::Indexed(3));
        style.link = Some(Hyperlink::new(Some("a"), "b".into()));
        for mark in Mark::ALL {
            style.marks.insert(mark);
        }
        let mut cell = style.cell();
        assert_eq!(Style::of(&cell), style);
        assert!(is_empty(&cell) && is_protected(&cell));
        cell.push_zerowidth('\u{301}');
        assert_eq!(combining(&cell).collect::<String>(), "\u{301}");
        assert_eq!(Style::of(&cell), style);
    }

    #[test]
    fn a_plain_style_makes_a_plain_cell() {
        assert_eq!(Style::default().cell(), Cell::default());
        assert!(Style::default().is_erased());
        assert!(!Style { flags: Flags::BOLD, ..Style::default() }.is_erased());
    }
}
