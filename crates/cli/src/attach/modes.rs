//! Which modes a session has set in the local terminal, and the bytes that undo them.
//!
//! Follows everything that is written to the terminal. It is no model of a screen: it only knows what
//! would outlive the attachment and trouble the shell that comes after it.

use std::collections::BTreeSet;

const ESC: u8 = 0x1b;
/// Bytes of a control sequence's parameters that are kept; longer ones set no mode.
const MAX_PARAMETER_BYTES: usize = 64;
/// Levels of kitty's keyboard stack that are popped; terminals keep fewer.
const KEYBOARD_POPS: u8 = 32;

/// Private modes that are off in a terminal that nobody has touched, each with what turns them off:
/// reverse video, origin, mouse, focus, paste, keypad, colour and size reports.
const USUALLY_OFF: [u16; 20] = [
    1, 5, 6, 9, 66, 69, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1015, 1016, 1035, 2004, 2026,
    2031, 2048,
];
/// Private modes that are on: autowrap and the cursor.
const USUALLY_ON: [u16; 2] = [7, 25];
/// Private modes that switch to the alternate screen.
const ALTERNATE: [u16; 3] = [47, 1047, 1049];

/// The modes that differ from a fresh terminal's.
#[derive(Debug, Default)]
pub(crate) struct ModeTracker {
    parser: Parser,
    private: BTreeSet<u16>,
    ansi: BTreeSet<u16>,
    alternate: Option<u16>,
    keyboard: Keyboard,
    other_keys: bool,
    keypad: bool,
    cursor_style: bool,
    margins: bool,
    charsets: bool,
    colors: bool,
}

/// Whether kitty's keyboard protocol was touched.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Keyboard {
    #[default]
    Untouched,
    Touched,
}

#[derive(Debug, Default)]
enum Parser {
    #[default]
    Ground,
    Escape,
    /// After `ESC (` and the like: the next byte names a character set.
    Charset,
    Csi(Vec<u8>),
    /// An operating system command: only its number matters.
    Osc(Vec<u8>),
    /// Any other string, up to its end.
    String,
    StringEscape,
}

impl ModeTracker {
    /// Follows bytes that are written to the terminal.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(&byte) = rest.first() {
            if matches!(self.parser, Parser::Ground) {
                let next = rest.iter().position(|b| matches!(b, &ESC | 0x0e));
                let Some(next) = next else { return };
                self.charsets |= rest[next] == 0x0e;
                if rest[next] == ESC {
                    self.parser = Parser::Escape;
                }
                rest = &rest[next + 1..];
            } else {
                self.take(byte);
                rest = &rest[1..];
            }
        }
    }

    /// Whether the alternate screen is shown.
    pub(crate) const fn is_alternate(&self) -> bool {
        self.alternate.is_some()
    }

    /// Modes that decide how keys, mouse, focus and pastes come.
    pub(crate) fn input_modes(&self) -> BTreeSet<u16> {
        let reports = |mode: &u16| matches!(mode, 1 | 9 | 66 | 1000..=1006 | 1015 | 1016 | 2004);
        let keypad = self.keypad.then_some(66);
        self.private.iter().copied().filter(reports).chain(keypad).collect()
    }

    /// The bytes that undo everything, and an untouched tracker.
    pub(crate) fn take_undo(&mut self) -> Vec<u8> {
        let undo = self.undo();
        *self = Self::default();
        undo
    }

    fn undo(&self) -> Vec<u8> {
        let mut undo = Vec::new();
        if !matches!(self.parser, Parser::Ground) {
            // CAN ends a sequence that was cut in the middle
            undo.push(0x18);
        }
        if self.private.contains(&2026) {
            undo.extend(b"\x1b[?2026l");
        }
        if self.keyboard == Keyboard::Touched {
            undo.extend(format!("\x1b[<{KEYBOARD_POPS}u").bytes());
        }
        if let Some(mode) = self.alternate {
            undo.extend(format!("\x1b[?{mode}l").bytes());
            if self.keyboard == Keyboard::Touched {
                // the other screen has a stack of its own
                undo.extend(format!("\x1b[<{KEYBOARD_POPS}u").bytes());
            }
        }
        for mode in &self.private {
            let to = if USUALLY_ON.contains(mode) { 'h' } else { 'l' };
            undo.extend(format!("\x1b[?{mode}{to}").bytes());
        }
        for mode in &self.ansi {
            undo.extend(format!("\x1b[{mode}l").bytes());
        }
        let singles: [(bool, &[u8]); 6] = [
            (self.other_keys, b"\x1b[>4m"),
            (self.keypad, b"\x1b>"),
            (self.cursor_style, b"\x1b[0 q"),
            (self.charsets, b"\x1b(B\x1b)B\x0f"),
            (self.colors, b"\x1b]104\x1b\\\x1b]110\x1b\\\x1b]111\x1b\\\x1b]112\x1b\\"),
            // setting margins moves the cursor home
            (self.margins, b"\x1b7\x1b[r\x1b8"),
        ];
        for (set, bytes) in singles {
            if set {
                undo.extend(bytes);
            }
        }
        undo.extend(b"\x1b[0m");
        undo
    }

    fn take(&mut self, byte: u8) {
        // CAN and SUB end everything; an escape begins anew
        if matches!(byte, 0x18 | 0x1a) {
            self.parser = Parser::Ground;
            return;
        }
        self.parser = match std::mem::take(&mut self.parser) {
            Parser::Ground => Parser::Ground,
            Parser::Escape => self.take_escape(byte),
            Parser::Charset => {
                self.charsets |= byte != b'B';
                Parser::Ground
            }
            Parser::Csi(_) if byte == ESC => Parser::Escape,
            Parser::Csi(mut parameters) => match byte {
                0x40..=0x7e => {
                    self.take_csi(&parameters, byte);
                    Parser::Ground
                }
                _ => {
                    if parameters.len() < MAX_PARAMETER_BYTES {
                        parameters.push(byte);
                    }
                    Parser::Csi(parameters)
                }
            },
            Parser::Osc(number) => self.take_osc(number, byte),
            Parser::String | Parser::StringEscape if byte == ESC => Parser::StringEscape,
            Parser::String if byte == 0x07 => Parser::Ground,
            Parser::StringEscape if byte == b'\\' => Parser::Ground,
            Parser::String | Parser::StringEscape => Parser::String,
        };
    }

    fn take_escape(&mut self, byte: u8) -> Parser {
        match byte {
            b'[' => return Parser::Csi(Vec::new()),
            b']' => return Parser::Osc(Vec::new()),
            b'P' | b'X' | b'^' | b'_' => return Parser::String,
            b'(' | b')' | b'*' | b'+' => return Parser::Charset,
            ESC => return Parser::Escape,
            b'=' => self.keypad = true,
            b'>' => self.keypad = false,
            b'n' | b'o' | b'~' | b'}' | b'|' => self.charsets = true,
            b'c' => *self = Self::default(),
            _ => {}
        }
        Parser::Ground
    }

    fn take_osc(&mut self, mut number: Vec<u8>, byte: u8) -> Parser {
        if byte.is_ascii_digit() && number.len() < 4 {
            number.push(byte);
            return Parser::Osc(number);
        }
        self.colors |= matches!(number.as_slice(), b"4" | b"5" | b"10" | b"11" | b"12");
        match byte {
            0x07 => Parser::Ground,
            ESC => Parser::StringEscape,
            _ => Parser::String,
        }
    }

    fn take_csi(&mut self, parameters: &[u8], last: u8) {
        match (parameters, last) {
            ([b'?', modes @ ..], b'h' | b'l') => {
                for mode in numbers(modes) {
                    self.set_private(mode, last == b'h');
                }
            }
            (modes, b'h' | b'l') => {
                for mode in numbers(modes).filter(|mode| matches!(mode, 4 | 20)) {
                    set(&mut self.ansi, mode, last == b'h');
                }
            }
            ([b'>' | b'=', ..], b'u') => self.keyboard = Keyboard::Touched,
            ([b'>', b'4', ..], b'm') => self.other_keys = parameters.len() > 2,
            ([b'!'], b'p') => self.soft_reset(),
            ([.., b' '], b'q') => self.cursor_style = true,
            (margins, b'r') if margins.first() != Some(&b'?') => self.margins = !margins.is_empty(),
            _ => {}
        }
    }

    fn set_private(&mut self, mode: u16, on: bool) {
        if ALTERNATE.contains(&mode) {
            self.alternate = on.then_some(mode);
        } else if USUALLY_OFF.contains(&mode) {
            set(&mut self.private, mode, on);
        } else if USUALLY_ON.contains(&mode) {
            set(&mut self.private, mode, !on);
        }
    }

    /// DECSTR leaves screens, mouse, paste and the keyboard as they are.
    fn soft_reset(&mut self) {
        for mode in [1, 6, 7, 25, 66] {
            self.private.remove(&mode);
        }
        self.ansi.clear();
        (self.keypad, self.margins, self.charsets) = (false, false, false);
    }
}

fn set(modes: &mut BTreeSet<u16>, mode: u16, differs: bool) {
    if differs {
        modes.insert(mode);
    } else {
        modes.remove(&mode);
    }
}

fn numbers(parameters: &[u8]) -> impl Iterator<Item = u16> {
    parameters
        .split(|byte| *byte == b';')
        .filter_map(|digits| std::str::from_utf8(digits).ok()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn undo_of(written: &[u8]) -> String {
        // byte by byte and at once must be the same
        let mut slow = ModeTracker::default();
        for byte in written {
            slow.feed(&[*byte]);
        }
        let mut fast = ModeTracker::default();
        fast.feed(written);
        let undo = fast.take_undo();
        assert_eq!(undo, slow.take_undo());
        String::from_utf8(undo).expect("ascii").replace('\u{1b}', "^")
    }

    #[test]
    fn an_untouched_terminal_only_loses_its_colours() {
        assert_eq!(undo_of(b"hello \x1b[31mworld\r\n\x1b[2J\x1b[5;1H"), "^[0m");
    }

    #[test]
    fn what_an_editor_sets_is_undone() {
        let vim = b"\x1b[?1049h\x1b[22;0;0t\x1b[>4;2m\x1b[?1h\x1b=\x1b[?2004h\x1b[?1002;1006h\
            \x1b[2 q\x1b[?25l";
        assert_eq!(undo_of(vim), "^[?1049l^[?1l^[?25h^[?1002l^[?1006l^[?2004l^[>4m^>^[0 q^[0m");
    }

    #[test]
    fn what_the_program_undid_itself_is_left_alone() {
        assert_eq!(
            undo_of(b"\x1b[?1049h\x1b[?25l\x1b[?25h\x1b[?1049l\x1b[?2004h\x1b[?2004l"),
            "^[0m"
        );
        assert_eq!(undo_of(b"\x1b[?1003h\x1b[?2004h\x1b=\x1bc"), "^[0m");
    }

    #[test]
    fn the_keyboard_stacks_of_both_screens_are_emptied() {
        assert_eq!(undo_of(b"\x1b[>1u\x1b[?1049h"), "^[<32u^[?1049l^[<32u^[0m");
    }

    #[test]
    fn margins_and_colours_and_character_sets_are_restored() {
        assert_eq!(undo_of(b"\x1b[2;10r"), "^7^[r^8^[0m");
        assert_eq!(undo_of(b"\x1b[2;10r\x1b[r"), "^[0m");
        assert!(undo_of(b"\x1b]11;#000000\x07").contains("^]111"));
        assert!(undo_of(b"\x1b(0").contains("^(B"));
        assert_eq!(undo_of(b"\x1b]2;title\x1b\\\x1bPq\x1b[?1h\x1b\\"), "^[0m");
    }

    #[test]
    fn a_sequence_cut_by_the_end_of_the_stream_is_ended() {
        assert_eq!(undo_of(b"\x1b[?104"), "\u{18}^[0m");
        assert_eq!(undo_of(b"\x1b]2;half a tit"), "\u{18}^[0m");
    }
}
