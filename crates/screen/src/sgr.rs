//! Styles as bytes: the SGR, DECSCA and OSC 8 sequences that take a pen from one style to another.

use alacritty_terminal::term::cell::{Cell, Flags, Hyperlink};
use alacritty_terminal::vte::ansi::{Color, Rgb};

use crate::cells;
use crate::style::{self, Mark, Style};

/// The flags that have an SGR number of their own.
const FLAG_CODES: [(Flags, &str); 11] = [
    (Flags::BOLD, ";1"),
    (Flags::DIM, ";2"),
    (Flags::ITALIC, ";3"),
    (Flags::INVERSE, ";7"),
    (Flags::HIDDEN, ";8"),
    (Flags::STRIKEOUT, ";9"),
    (Flags::UNDERLINE, ";4"),
    (Flags::DOUBLE_UNDERLINE, ";4:2"),
    (Flags::UNDERCURL, ";4:3"),
    (Flags::DOTTED_UNDERLINE, ";4:4"),
    (Flags::DASHED_UNDERLINE, ";4:5"),
];

/// Adds the SGR parameters of `style`, each with a `;` before it.
pub(crate) fn push_attributes(codes: &mut String, style: &Style) {
    for (flag, code) in FLAG_CODES {
        if style.flags.contains(flag) {
            codes.push_str(code);
        }
    }
    for (mark, code) in [(Mark::Blink, ";5"), (Mark::Overline, ";53")] {
        if style.marks.has(mark) {
            codes.push_str(code);
        }
    }
    push_color(codes, style.foreground, 30);
    push_color(codes, style.background, 40);
    // With colons: a terminal that does not know underline colours skips them as one.
    match style.underline_color {
        None | Some(Color::Named(_)) => {}
        Some(Color::Indexed(index)) => codes.push_str(&format!(";58:5:{index}")),
        Some(Color::Spec(Rgb { r, g, b })) => codes.push_str(&format!(";58:2::{r}:{g}:{b}")),
    }
}

/// Adds one colour; `base` is 30 for text and 40 for what is behind it.
fn push_color(codes: &mut String, color: Color, base: usize) {
    let extended = base + 8;
    match color {
        Color::Named(name) => match name as usize {
            index @ 0..=7 => codes.push_str(&format!(";{}", base + index)),
            index @ 8..=15 => codes.push_str(&format!(";{}", base + 60 + index - 8)),
            // The terminal's own colours.
            _ => {}
        },
        Color::Indexed(index) => codes.push_str(&format!(";{extended};5;{index}")),
        Color::Spec(Rgb { r, g, b }) => codes.push_str(&format!(";{extended};2;{r};{g};{b}")),
    }
}

/// How links are named that the program left without a name, each with its own number, so that the
/// parts of one stay together and two stay apart.
pub(crate) const GIVEN_LINK_NAME: &str = "qd-";

/// The pen of whoever reads the bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ink {
    style: Style,
    naming: Naming,
}

/// What becomes of given link names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Naming {
    /// They stay, so that lines written at different times agree.
    #[default]
    Kept,
    /// They are numbered in the order in which these links appear, so that what is written depends
    /// only on what is there, not on what was there before.
    Anew(Vec<Hyperlink>),
}

impl Ink {
    /// Ink that numbers given link names anew.
    pub(crate) fn renaming() -> Self {
        Self { naming: Naming::Anew(Vec::new()), ..Self::default() }
    }

    /// The reader's pen became plain by other means.
    pub(crate) fn assume_plain(&mut self) {
        self.style = Style::default();
    }

    /// Writes what makes the reader's pen `style`.
    pub(crate) fn change(&mut self, out: &mut Vec<u8>, style: Style) {
        if style == self.style {
            return;
        }
        let protected = style.marks.has(Mark::Protected);
        let mut was_protected = self.style.marks.has(Mark::Protected);
        if attributes(&style) != attributes(&self.style) {
            if was_protected {
                // Some terminals end the protection with SGR 0, others do not.
                out.extend_from_slice(b"\x1b[0\"q");
                was_protected = false;
            }
            write_sgr(out, &self.style, &style);
        }
        if protected != was_protected {
            out.extend_from_slice(if protected { b"\x1b[1\"q" } else { b"\x1b[0\"q" });
        }
        if self.style.link != style.link {
            self.write_link(out, style.link.as_ref());
        }
        self.style = style;
    }

    fn write_link(&mut self, out: &mut Vec<u8>, link: Option<&Hyperlink>) {
        match link {
            None => out.extend_from_slice(b"\x1b]8;;"),
            Some(link) => {
                let name = self.link_name(link);
                out.extend_from_slice(format!("\x1b]8;id={name};{}", link.uri()).as_bytes());
            }
        }
        out.extend_from_slice(b"\x1b\\");
    }

    fn link_name(&mut self, link: &Hyperlink) -> String {
        let Naming::Anew(seen) = &mut self.naming else { return link.id().to_owned() };
        if !link.id().starts_with(GIVEN_LINK_NAME) {
            return link.id().to_owned();
        }
        let known = seen.iter().position(|known| known == link);
        let index = known.unwrap_or_else(|| {
            seen.push(link.clone());
            seen.len() - 1
        });
        format!("{GIVEN_LINK_NAME}{}", index + 1)
    }
}

/// What SGR can set.
fn attributes(style: &Style) -> Style {
    let mut style = Style { link: None, ..style.clone() };
    style.marks.remove(Mark::Protected);
    style
}

fn write_sgr(out: &mut Vec<u8>, from: &Style, to: &Style) {
    let mut codes = String::new();
    push_attributes(&mut codes, to);
    let is_fresh = attributes(from) == Style::default();
    let codes = if is_fresh { codes.strip_prefix(';').unwrap_or("") } else { codes.as_str() };
    out.extend_from_slice(b"\x1b[");
    out.extend_from_slice(codes.as_bytes());
    out.push(b'm');
}

/// Writes the text of a cell; an empty one is a space, the right half of a wide character nothing.
pub(crate) fn write_text(out: &mut Vec<u8>, cell: &Cell) {
    if cells::is_tail(cell) {
        return;
    }
    if cell.c.is_ascii() && cell.extra.is_none() {
        out.push(cell.c as u8);
        return;
    }
    for char in std::iter::once(cell.c).chain(style::combining(cell)) {
        out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

/// Writes cells as a line of their own: it begins and ends with a plain pen.
pub(crate) fn write_line(out: &mut Vec<u8>, cells: &[Cell]) {
    let end = cells.iter().rposition(|cell| {
        // A wide character that went to the next row left this cell: it is no text.
        let is_gap = cell.flags.contains(Flags::LEADING_WIDE_CHAR_SPACER);
        !is_gap && !style::is_plain_blank(cell)
    });
    let mut ink = Ink::default();
    let mut before: Option<&Cell> = None;
    for cell in &cells[..end.map_or(0, |last| last + 1)] {
        if !before.is_some_and(|before| style::look_alike(before, cell)) {
            ink.change(out, Style::of(cell));
        }
        write_text(out, cell);
        before = Some(cell);
    }
    ink.change(out, Style::default());
}

#[cfg(test)]
mod tests {
    use alacritty_terminal::vte::ansi::NamedColor;

    use super::*;

    fn write(styles: &[Style]) -> String {
        let mut ink = Ink::default();
        let mut out = Vec::new();
        for style in styles {
            ink.change(&mut out, style.clone());
        }
        String::from_utf8(out).unwrap()
    }

    fn foreground(color: Color) -> Style {
        Style { foreground: color, ..Style::default() }
    }

    #[test]
    fn a_style_is_written_once_and_from_a_plain_pen_without_reset() {
        let red = Style { flags: Flags::BOLD, ..foreground(Color::Named(NamedColor::Red)) };
        assert_eq!(write(&[red.clone(), red.clone()]), "\x1b[1;31m");
        assert_eq!(write(&[red, Style::default()]), "\x1b[1;31m\x1b[m");
    }

    #[test]
    fn another_style_starts_from_a_reset() {
        let red = foreground(Color::Named(NamedColor::BrightRed));
        let sky = foreground(Color::Spec(Rgb { r: 1, g: 2, b: 3 }));
        assert_eq!(write(&[red, sky]), "\x1b[91m\x1b[;38;2;1;2;3m");
    }

    #[test]
    fn protection_has_a_sequence_of_its_own() {
        let mut kept = Style::default();
        kept.marks.insert(Mark::Protected);
        let bold = Style { flags: Flags::BOLD, ..kept.clone() };
        assert_eq!(
            write(&[kept, bold, Style::default()]),
            "\x1b[1\"q\x1b[0\"q\x1b[1m\x1b[1\"q\x1b[0\"q\x1b[m"
        );
    }

    #[test]
    fn given_link_names_are_numbered_in_their_order() {
        let linked = |name: &str| Style {
            link: Some(Hyperlink::new(Some(name), "u".into())),
            ..Style::default()
        };
        let mut ink = Ink::renaming();
        let mut out = Vec::new();
        for name in ["qd-9", "own", "qd-4", "qd-9"] {
            ink.change(&mut out, linked(name));
        }
        let out = String::from_utf8(out).unwrap();
        let names: Vec<_> =
            out.split("id=").skip(1).map(|part| &part[..part.find(';').unwrap()]).collect();
        assert_eq!(names, ["qd-1", "own", "qd-2", "qd-1"]);
    }

    #[test]
    fn a_link_is_opened_and_closed() {
        let link = Some(Hyperlink::new(Some("a"), "http://b".into()));
        let linked = Style { link, ..Style::default() };
        assert_eq!(write(&[linked, Style::default()]), "\x1b]8;id=a;http://b\x1b\\\x1b]8;;\x1b\\");
    }
}
