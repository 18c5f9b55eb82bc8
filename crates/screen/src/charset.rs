//! The national and line drawing character sets that `ESC ( x` and its kin select.

/// A character set for the ASCII range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Charset {
    /// ASCII as it is.
    #[default]
    Ascii,
    /// DEC special graphics: line drawing.
    LineDrawing,
    /// United Kingdom.
    British,
    /// Netherlands.
    Dutch,
    /// Finland.
    Finnish,
    /// France.
    French,
    /// French Canada.
    FrenchCanadian,
    /// Germany.
    German,
    /// Italy.
    Italian,
    /// Norway and Denmark.
    NorwegianDanish,
    /// Spain.
    Spanish,
    /// Sweden.
    Swedish,
    /// Switzerland.
    Swiss,
}

impl Charset {
    /// The set that the final byte of a designation names.
    pub(crate) fn from_designator(byte: u8) -> Option<Self> {
        Some(match byte {
            b'B' => Self::Ascii,
            b'0' => Self::LineDrawing,
            b'A' => Self::British,
            b'4' => Self::Dutch,
            b'C' | b'5' => Self::Finnish,
            b'R' => Self::French,
            b'Q' => Self::FrenchCanadian,
            b'K' => Self::German,
            b'Y' => Self::Italian,
            b'E' | b'6' => Self::NorwegianDanish,
            b'Z' => Self::Spanish,
            b'H' | b'7' => Self::Swedish,
            b'=' => Self::Swiss,
            _ => return None,
        })
    }

    /// A final byte that names this set.
    pub(crate) fn designator(self) -> u8 {
        match self {
            Self::Ascii => b'B',
            Self::LineDrawing => b'0',
            Self::British => b'A',
            Self::Dutch => b'4',
            Self::Finnish => b'C',
            Self::French => b'R',
            Self::FrenchCanadian => b'Q',
            Self::German => b'K',
            Self::Italian => b'Y',
            Self::NorwegianDanish => b'E',
            Self::Spanish => b'Z',
            Self::Swedish => b'H',
            Self::Swiss => b'=',
        }
    }

    /// The character that `byte` shows in this set.
    pub(crate) fn map(self, byte: u8) -> char {
        let (from, to) = self.table();
        match from.bytes().position(|known| known == byte) {
            Some(index) => to.chars().nth(index).unwrap_or(char::from(byte)),
            None => char::from(byte),
        }
    }

    /// The bytes that differ from ASCII, and what they show. Dutch has two ASCII letters where
    /// ligatures belong, because xterm.js does.
    fn table(self) -> (&'static str, &'static str) {
        match self {
            Self::Ascii => ("", ""),
            Self::LineDrawing => {
                ("`abcdefghijklmnopqrstuvwxyz{|}~", "◆▒␉␌␍␊°±␤␋┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·")
            }
            Self::British => ("#", "£"),
            Self::Dutch => ("#@[\\]{|}~", "£¾i½|¨f¼´"),
            Self::Finnish => ("[\\]^`{|}~", "ÄÖÅÜéäöåü"),
            Self::French => ("#@[\\]{|}~", "£à°ç§éùè¨"),
            Self::FrenchCanadian => ("@[\\]^`{|}~", "àâçêîôéùèû"),
            Self::German => ("@[\\]{|}~", "§ÄÖÜäöüß"),
            Self::Italian => ("#@[\\]`{|}~", "£§°çéùàòèì"),
            Self::NorwegianDanish => ("@[\\]^`{|}~", "ÄÆØÅÜäæøåü"),
            Self::Spanish => ("#@[\\]{|}", "£§¡Ñ¿°ñç"),
            Self::Swedish => ("@[\\]^`{|}~", "ÉÄÖÅÜéäöåü"),
            Self::Swiss => ("#@[\\]^_`{|}~", "ùàéçêîèôäöüû"),
        }
    }
}

/// The four designated sets and the one in use.
///
/// As in xterm.js, restoring a saved cursor changes the set in use without touching the designated
/// ones, so `active` need not be one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Charsets {
    pub(crate) designated: [Charset; 4],
    /// Which of the four was shifted in last.
    pub(crate) level: usize,
    pub(crate) active: Charset,
}

impl Charsets {
    pub(crate) fn designate(&mut self, level: usize, charset: Charset) {
        self.designated[level] = charset;
        if self.level == level {
            self.active = charset;
        }
    }

    pub(crate) fn shift(&mut self, level: usize) {
        self.level = level;
        self.active = self.designated[level];
    }

    /// Whether the set in use came from a restored cursor and is not the designated one.
    pub(crate) fn is_detached(&self) -> bool {
        self.active != self.designated[self.level]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DESIGNATORS: &[u8] = b"B0A4C5RQKYE6ZH7=";

    #[test]
    fn every_designator_names_a_set_that_names_it_back() {
        for &byte in DESIGNATORS {
            let charset = Charset::from_designator(byte).unwrap();
            assert_eq!(Charset::from_designator(charset.designator()), Some(charset));
            let (from, to) = charset.table();
            assert_eq!(from.len(), to.chars().count(), "{charset:?}");
        }
        assert_eq!(Charset::from_designator(b'x'), None);
    }

    #[test]
    fn mapping_touches_only_the_bytes_of_the_set() {
        assert_eq!(Charset::LineDrawing.map(b'q'), '─');
        assert_eq!(Charset::LineDrawing.map(b'Q'), 'Q');
        assert_eq!(Charset::German.map(b'~'), 'ß');
        assert_eq!(Charset::Ascii.map(b'~'), '~');
    }

    #[test]
    fn designating_the_shifted_level_takes_effect_at_once() {
        let mut charsets = Charsets::default();
        charsets.designate(1, Charset::LineDrawing);
        assert_eq!(charsets.active, Charset::Ascii);
        charsets.shift(1);
        assert_eq!(charsets.active, Charset::LineDrawing);
        charsets.designate(1, Charset::British);
        assert_eq!(charsets.active, Charset::British);
        assert!(!charsets.is_detached());
    }
}
