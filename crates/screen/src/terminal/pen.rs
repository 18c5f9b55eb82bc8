//! The pen: SGR, DECSCA, the open link, and saving all that with the cursor.

use alacritty_terminal::term::cell::{Flags, Hyperlink};
use alacritty_terminal::vte::ansi::{Color, NamedColor, Rgb};

use crate::params::Params;
use crate::style::{Mark, Style};
use crate::terminal::{SavedCursor, Terminal};

/// The colours that have SGR numbers of their own, in their order.
const BASIC: [NamedColor; 16] = [
    NamedColor::Black,
    NamedColor::Red,
    NamedColor::Green,
    NamedColor::Yellow,
    NamedColor::Blue,
    NamedColor::Magenta,
    NamedColor::Cyan,
    NamedColor::White,
    NamedColor::BrightBlack,
    NamedColor::BrightRed,
    NamedColor::BrightGreen,
    NamedColor::BrightYellow,
    NamedColor::BrightBlue,
    NamedColor::BrightMagenta,
    NamedColor::BrightCyan,
    NamedColor::BrightWhite,
];

impl Style {
    /// SGR 0: everything but the link.
    fn reset(&mut self) {
        *self = Self { link: self.link.take(), ..Self::default() };
    }

    /// Underlines with the style that has this number in `CSI 4 : n m`.
    fn underline(&mut self, number: i32) {
        self.flags.remove(Flags::ALL_UNDERLINES);
        self.flags.insert(match number {
            0 => Flags::empty(),
            2 => Flags::DOUBLE_UNDERLINE,
            3 => Flags::UNDERCURL,
            4 => Flags::DOTTED_UNDERLINE,
            5 => Flags::DASHED_UNDERLINE,
            _ => Flags::UNDERLINE,
        });
    }

    /// Applies the SGR parameter at `index`; returns how many further ones it used up.
    fn apply(&mut self, params: &Params, index: usize) -> usize {
        match params.value(index) {
            0 => self.reset(),
            1 => self.flags.insert(Flags::BOLD),
            2 => self.flags.insert(Flags::DIM),
            3 => self.flags.insert(Flags::ITALIC),
            4 => self.underline(params.parts(index).first().copied().unwrap_or(1)),
            5 => self.marks.insert(Mark::Blink),
            7 => self.flags.insert(Flags::INVERSE),
            8 => self.flags.insert(Flags::HIDDEN),
            9 => self.flags.insert(Flags::STRIKEOUT),
            21 => self.underline(2),
            22 => self.flags.remove(Flags::BOLD | Flags::DIM),
            23 => self.flags.remove(Flags::ITALIC),
            24 => self.underline(0),
            25 => self.marks.remove(Mark::Blink),
            27 => self.flags.remove(Flags::INVERSE),
            28 => self.flags.remove(Flags::HIDDEN),
            29 => self.flags.remove(Flags::STRIKEOUT),
            53 => self.marks.insert(Mark::Overline),
            55 => self.marks.remove(Mark::Overline),
            39 => self.foreground = Self::default().foreground,
            49 => self.background = Self::default().background,
            59 => self.underline_color = None,
            code @ 30..=37 => self.foreground = basic(code - 30),
            code @ 40..=47 => self.background = basic(code - 40),
            code @ 90..=97 => self.foreground = basic(code - 90 + 8),
            code @ 100..=107 => self.background = basic(code - 100 + 8),
            code @ (38 | 48 | 58) => return self.apply_color(code, params, index),
            _ => {}
        }
        0
    }

    fn apply_color(&mut self, code: i32, params: &Params, index: usize) -> usize {
        let (color, used) = extended_color(params, index);
        if let Some(color) = color {
            match code {
                38 => self.foreground = color,
                48 => self.background = color,
                _ => self.underline_color = Some(color),
            }
        }
        used
    }
}

fn basic(index: i32) -> Color {
    Color::Named(BASIC[index as usize])
}

/// Reads the colour after 38, 48 or 58, with colons or with semicolons, and says how many further
/// parameters it took.
fn extended_color(params: &Params, index: usize) -> (Option<Color>, usize) {
    let byte = |value: &i32| (*value).max(0) as u8;
    let rgb = |r: u8, g: u8, b: u8| Some(Color::Spec(Rgb { r, g, b }));
    match params.parts(index) {
        [5, palette, ..] => return (Some(Color::Indexed(byte(palette))), 0),
        [2, red, green, blue] | [2, _, red, green, blue, ..] => {
            return (rgb(byte(red), byte(green), byte(blue)), 0);
        }
        [_, ..] => return (None, 0),
        [] => {}
    }
    let value = |offset: usize| params.value(index + offset) as u8;
    match params.value(index + 1) {
        5 => (Some(Color::Indexed(value(2))), 2),
        2 => (rgb(value(2), value(3), value(4)), 4),
        _ => (None, 5),
    }
}

impl Terminal {
    /// Takes another pen.
    pub(super) fn set_pen(&mut self, pen: Style) {
        self.term.grid_mut().cursor.template = pen.cell();
        self.pen = pen;
    }

    /// SGR.
    pub(super) fn select_graphic_rendition(&mut self, params: &Params) {
        let mut pen = std::mem::take(&mut self.pen);
        let mut index = 0;
        while index < params.values().len() {
            index += 1 + pen.apply(params, index);
        }
        self.set_pen(pen);
    }

    /// DECSCA.
    pub(super) fn select_protection(&mut self, params: &Params) {
        let mut pen = self.pen.clone();
        match params.value(0) {
            1 => pen.marks.insert(Mark::Protected),
            0 | 2 => pen.marks.remove(Mark::Protected),
            _ => {}
        }
        self.set_pen(pen);
    }

    /// Opens a link, or closes the one that is open.
    pub(super) fn set_link(&mut self, link: Option<Hyperlink>) {
        let pen = Style { link, ..std::mem::take(&mut self.pen) };
        self.set_pen(pen);
    }

    /// DECSC.
    pub(super) fn save_cursor(&mut self) {
        let saved = SavedCursor {
            x: self.x().min(self.columns() - 1),
            y: self.y(),
            style: Style { link: None, ..self.pen.clone() },
            charset: self.charsets.active,
        };
        self.side_mut().saved = saved;
    }

    /// DECRC. The link stays as it is: xterm.js does not save it.
    pub(super) fn restore_cursor(&mut self) {
        let saved = self.side().saved.clone();
        self.set_x(saved.x);
        self.set_y(saved.y);
        let link = self.pen.link.take();
        self.set_pen(Style { link, ..saved.style });
        self.charsets.active = saved.charset;
        self.confine_cursor();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pen(sgr: &str) -> Style {
        let mut params = Params::default();
        sgr.bytes().for_each(|byte| params.push(byte));
        let mut terminal = Terminal::new(2, 1);
        terminal.select_graphic_rendition(&params);
        terminal.pen
    }

    #[test]
    fn colours_are_read_in_every_notation() {
        let rgb = Color::Spec(Rgb { r: 1, g: 2, b: 3 });
        for (sgr, color) in [
            ("31", basic(1)),
            ("94", basic(12)),
            ("38;5;200", Color::Indexed(200)),
            ("38:5:200", Color::Indexed(200)),
            ("38;2;1;2;3", rgb),
            ("38:2:1:2:3", rgb),
            ("38:2::1:2:3", rgb),
            ("38;2;1", Color::Spec(Rgb { r: 1, g: 0, b: 0 })),
            ("38", Style::default().foreground),
            ("31;39", Style::default().foreground),
            ("31;38;9;1;1;1;1", basic(1)),
        ] {
            assert_eq!(pen(sgr).foreground, color, "{sgr}");
        }
    }

    #[test]
    fn a_colour_takes_only_its_own_parameters() {
        let pen = pen("38;5;7;48;2;1;2;3;1;58:5:9;4:3");
        assert_eq!(pen.background, Color::Spec(Rgb { r: 1, g: 2, b: 3 }));
        assert_eq!(pen.flags, Flags::BOLD | Flags::UNDERCURL);
        assert_eq!(pen.underline_color, Some(Color::Indexed(9)));
    }

    #[test]
    fn bold_and_dim_stand_together_and_go_together() {
        assert_eq!(pen("1;2").flags, Flags::BOLD | Flags::DIM);
        assert_eq!(pen("1;2;22").flags, Flags::empty());
        assert_eq!(pen("1;3;4;5;7;8;9;53;31;41;58;5;1;0"), Style::default());
    }
}
