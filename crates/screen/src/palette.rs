//! Colours that the program changed (OSC 4, 10, 11, 12), and what a colour query is told.

use std::collections::BTreeMap;

/// A colour that can be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Slot {
    /// An entry of the palette: OSC 4.
    Indexed(u8),
    /// Text: OSC 10.
    Foreground,
    /// The screen: OSC 11.
    Background,
    /// The cursor: OSC 12.
    Cursor,
}

/// Red, green, blue.
pub(crate) type Rgb = [u8; 3];

impl Slot {
    /// The slot that is `offset` after the text colour, as in `OSC 10 ; text ; screen ; cursor`.
    pub(crate) fn special(offset: usize) -> Option<Self> {
        [Self::Foreground, Self::Background, Self::Cursor].get(offset).copied()
    }

    /// How an OSC string that sets or reports this slot begins.
    pub(crate) fn osc_head(self) -> String {
        match self {
            Self::Indexed(index) => format!("4;{index}"),
            Self::Foreground => "10".into(),
            Self::Background => "11".into(),
            Self::Cursor => "12".into(),
        }
    }

    /// The colour where the program changed nothing: a dark theme, as xterm.js has.
    fn default_rgb(self) -> Rgb {
        const BASE: [Rgb; 16] = [
            [0x2e, 0x34, 0x36],
            [0xcc, 0x00, 0x00],
            [0x4e, 0x9a, 0x06],
            [0xc4, 0xa0, 0x00],
            [0x34, 0x65, 0xa4],
            [0x75, 0x50, 0x7b],
            [0x06, 0x98, 0x9a],
            [0xd3, 0xd7, 0xcf],
            [0x55, 0x57, 0x53],
            [0xef, 0x29, 0x29],
            [0x8a, 0xe2, 0x34],
            [0xfc, 0xe9, 0x4f],
            [0x72, 0x9f, 0xcf],
            [0xad, 0x7f, 0xa8],
            [0x34, 0xe2, 0xe2],
            [0xee, 0xee, 0xec],
        ];
        const CUBE: [u8; 6] = [0x00, 0x5f, 0x87, 0xaf, 0xd7, 0xff];
        match self {
            Self::Indexed(index @ 0..=15) => BASE[usize::from(index)],
            Self::Indexed(index @ 16..=231) => {
                let cube = usize::from(index - 16);
                [CUBE[cube / 36], CUBE[cube / 6 % 6], CUBE[cube % 6]]
            }
            Self::Indexed(index @ 232..=255) => [8 + (index - 232) * 10; 3],
            Self::Foreground | Self::Cursor => [0xff; 3],
            Self::Background => [0; 3],
        }
    }
}

/// The changed colours.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Palette(BTreeMap<Slot, Rgb>);

impl Palette {
    pub(crate) fn set(&mut self, slot: Slot, rgb: Rgb) {
        self.0.insert(slot, rgb);
    }

    pub(crate) fn restore(&mut self, slot: Slot) {
        self.0.remove(&slot);
    }

    /// OSC 104 without a number: the whole palette, but not the special colours.
    pub(crate) fn restore_indexed(&mut self) {
        self.0.retain(|slot, _| !matches!(slot, Slot::Indexed(_)));
    }

    /// What a query for `slot` is told.
    pub(crate) fn rgb(&self, slot: Slot) -> Rgb {
        self.0.get(&slot).copied().unwrap_or_else(|| slot.default_rgb())
    }

    /// The changes, in a fixed order.
    pub(crate) fn changes(&self) -> impl Iterator<Item = (Slot, Rgb)> {
        self.0.iter().map(|(&slot, &rgb)| (slot, rgb))
    }
}

/// Reads `rgb:r/g/b` with one to four digits each, or `#rgb` with as many.
pub(crate) fn parse_rgb(text: &str) -> Option<Rgb> {
    let text = text.to_ascii_lowercase();
    let rgb = if let Some(digits) = text.strip_prefix("rgb:") {
        let mut parts = digits.split('/');
        let [red, green, blue] = [parts.next()?, parts.next()?, parts.next()?];
        let even = red.len() == green.len() && green.len() == blue.len();
        if !even || parts.next().is_some() {
            return None;
        }
        [scale(red)?, scale(green)?, scale(blue)?]
    } else {
        let digits = text.strip_prefix('#').filter(|digits| digits.is_ascii())?;
        let each = match digits.len() {
            length @ (3 | 6 | 9 | 12) => length / 3,
            _ => return None,
        };
        let part = |index: usize| first_byte(&digits[index * each..(index + 1) * each]);
        [part(0)?, part(1)?, part(2)?]
    };
    Some(rgb)
}

/// One to four digits as a share of the largest such number.
fn scale(digits: &str) -> Option<u8> {
    let value = parse_hex(digits)?;
    let largest = match digits.len() {
        length @ 1..=4 => (1_u32 << (4 * length)) - 1,
        _ => return None,
    };
    // Rounded to the nearest of 256 steps; the result is at most 255.
    Some(((value * 255 * 2 + largest) / (largest * 2)) as u8)
}

/// The highest eight bits of one to four digits.
fn first_byte(digits: &str) -> Option<u8> {
    let value = parse_hex(digits)?;
    let byte = match digits.len() {
        1 => value << 4,
        2 => value,
        3 => value >> 4,
        _ => value >> 8,
    };
    Some(byte as u8)
}

fn parse_hex(digits: &str) -> Option<u32> {
    let all_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !all_hex || digits.len() > 4 {
        return None;
    }
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_notations_are_read_at_every_precision() {
        for (text, rgb) in [
            ("rgb:f/0/8", Some([255, 0, 136])),
            ("rgb:FF/00/80", Some([255, 0, 128])),
            ("rgb:ffff/0000/8000", Some([255, 0, 128])),
            ("#f08", Some([240, 0, 128])),
            ("#ff0080", Some([255, 0, 128])),
            ("#fff000800", Some([255, 0, 128])),
            ("#ffff00008000", Some([255, 0, 128])),
            ("rgb:ff/0/80", None),
            ("rgb:ff/00/80/00", None),
            ("#ff00", None),
            ("#éé", None),
            ("rgb:+f/00/00", None),
            ("red", None),
            ("?", None),
        ] {
            assert_eq!(parse_rgb(text), rgb, "{text}");
        }
    }

    #[test]
    fn restoring_forgets_a_change() {
        let mut palette = Palette::default();
        palette.set(Slot::Indexed(1), [1, 2, 3]);
        palette.set(Slot::Background, [4, 5, 6]);
        assert_eq!(palette.rgb(Slot::Indexed(1)), [1, 2, 3]);
        palette.restore_indexed();
        assert_eq!(palette.changes().collect::<Vec<_>>(), [(Slot::Background, [4, 5, 6])]);
        palette.restore(Slot::Background);
        assert_eq!(palette, Palette::default());
    }

    #[test]
    fn unchanged_colours_follow_the_usual_cube() {
        let palette = Palette::default();
        assert_eq!(palette.rgb(Slot::Indexed(16)), [0, 0, 0]);
        assert_eq!(palette.rgb(Slot::Indexed(231)), [255, 255, 255]);
        assert_eq!(palette.rgb(Slot::Indexed(255)), [238, 238, 238]);
    }
}
