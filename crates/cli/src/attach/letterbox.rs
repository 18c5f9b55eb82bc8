//! A session's screen in a terminal of another size: a model of the session's terminal, and as much of
//! it as fits, in the top left corner, with a line around the rest. Nothing wraps or scrolls that does
//! not in the session.

use std::collections::BTreeSet;

use quarterdeck_protocol::record::TerminalSize;
use quarterdeck_screen::{Screen, Size};
use unicode_width::UnicodeWidthChar;

use super::modes::ModeTracker;
use crate::output::escape::shortened;

const ESC: u8 = 0x1b;

/// The session's screen, and what of it is drawn.
pub(super) struct Letterbox {
    model: Screen,
    local: TerminalSize,
    /// Rows as they are on the local screen; a row that is not there yet is drawn.
    drawn: Vec<Vec<u8>>,
    /// What the program has set, to know how its keys, mouse and pastes should come.
    modes: ModeTracker,
    set_here: BTreeSet<u16>,
}

/// Whether keys, mouse and pastes go to the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hands {
    /// They do: the local terminal reports as the program asked.
    On,
    /// They do not.
    Off,
}

impl Letterbox {
    /// An empty screen of the session's size, shown on one of the local size.
    pub(super) fn new(session: TerminalSize, local: TerminalSize) -> Self {
        Self {
            model: Screen::new(Size { cols: session.cols, rows: session.rows }),
            local,
            drawn: Vec::new(),
            modes: ModeTracker::default(),
            set_here: BTreeSet::new(),
        }
    }
    /// Takes output of the session. What the program asked its terminal is answered by the model.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.modes.feed(bytes);
        self.model.feed(bytes);
        self.model.take_replies()
    }
    /// Everything must be drawn again.
    pub(super) fn invalidate(&mut self) {
        self.drawn.clear();
    }
    /// Rows of the local screen that are drawn on.
    pub(super) fn rows(&self) -> u16 {
        self.model.size().rows.min(self.local.rows)
    }

    /// The bytes that make the local screen show what the model has.
    pub(super) fn draw(&mut self, caption: &str, hands: Hands) -> Vec<u8> {
        let cursor = self.model.cursor();
        // the row with the cursor stays in sight
        let first = (cursor.row + 1).saturating_sub(self.local.rows);
        let rows = self.compose(first, caption);
        let mut bytes = b"\x1b[?2026h\x1b[?25l".to_vec();
        for (y, row) in rows.iter().enumerate() {
            if self.drawn.get(y) != Some(row) {
                bytes.extend(format!("\x1b[{};1H", y + 1).bytes());
                bytes.extend(row);
                bytes.extend(b"\x1b[K");
                bytes.extend(self.border(y));
            }
        }
        self.drawn = rows;
        bytes.extend(self.switch_modes(hands));
        if cursor.is_visible && cursor.col < self.local.cols {
            let (row, col) = (cursor.row - first + 1, cursor.col + 1);
            bytes.extend(format!("\x1b[{row};{col}H\x1b[?25h").bytes());
        }
        bytes.extend(b"\x1b[?2026l");
        bytes
    }

    /// Every row of the local screen.
    fn compose(&self, first: u16, caption: &str) -> Vec<Vec<u8>> {
        let lines = self.model.lines();
        let width = usize::from(self.local.cols);
        let mut rows: Vec<Vec<u8>> = lines
            .iter()
            .skip(usize::from(first))
            .take(usize::from(self.local.rows))
            .map(|line| cropped(line, width))
            .collect();
        let height = usize::from(self.local.rows);
        if rows.len() < height {
            let line = usize::from(self.model.size().cols).min(width);
            let caption = shortened(caption, line.saturating_sub(4));
            let rest =
                line.saturating_sub(unicode_width::UnicodeWidthStr::width(caption.as_str()) + 4);
            let rule =
                format!("\x1b[2m\u{2500} {caption} \u{2500}{}\x1b[0m", "\u{2500}".repeat(rest));
            rows.push(rule.into_bytes());
        }
        rows.resize(height, Vec::new());
        rows
    }

    /// The line to the right of the session's rows, where there is room.
    fn border(&self, y: usize) -> Vec<u8> {
        let Size { cols, rows } = self.model.size();
        if cols >= self.local.cols || y >= usize::from(rows) {
            return Vec::new();
        }
        format!("\x1b[{};{}H\x1b[2m\u{2502}\x1b[0m", y + 1, cols + 1).into_bytes()
    }

    /// Modes that decide how keys, mouse and pastes come.
    fn switch_modes(&mut self, hands: Hands) -> Vec<u8> {
        let wanted = match hands {
            Hands::On => self.modes.input_modes(),
            Hands::Off => BTreeSet::new(),
        };
        let off = self.set_here.difference(&wanted).map(|mode| format!("\x1b[?{mode}l"));
        let on = wanted.difference(&self.set_here).map(|mode| format!("\x1b[?{mode}h"));
        let bytes: String = off.chain(on).collect();
        self.set_here = wanted;
        bytes.into_bytes()
    }
}

/// At most `width` columns of a line with SGR and link sequences; ends in the default pen.
fn cropped(line: &[u8], width: usize) -> Vec<u8> {
    let text = String::from_utf8_lossy(line);
    let mut kept = Vec::with_capacity(line.len());
    let mut columns = 0;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        if c == char::from(ESC) {
            let end = at + sequence_len(&text.as_bytes()[at..]);
            kept.extend(&text.as_bytes()[at..end]);
            while chars.as_str().len() > text.len() - end {
                chars.next();
            }
            continue;
        }
        columns += c.width().unwrap_or(0);
        if columns > width {
            kept.extend(b"\x1b[0m\x1b]8;;\x1b\\");
            return kept;
        }
        kept.extend(c.encode_utf8(&mut [0; 4]).bytes());
    }
    kept
}

/// Bytes of the sequence at the beginning: a control sequence, or a string up to its end.
fn sequence_len(bytes: &[u8]) -> usize {
    let rest = bytes.get(2..).unwrap_or_default();
    let len = match bytes.get(1) {
        Some(b'[') => rest.iter().position(|b| (0x40..0x7f).contains(b)).map(|end| end + 3),
        Some(b']') => rest.windows(2).position(|end| end == b"\x1b\\").map(|end| end + 4),
        Some(_) | None => Some(2),
    };
    len.unwrap_or(bytes.len()).min(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn size(cols: u16, rows: u16) -> TerminalSize {
        TerminalSize { cols, rows, xpixel: 0, ypixel: 0 }
    }
    /// What a terminal of the local size shows.
    fn shown(letterbox: &mut Letterbox, local: TerminalSize, screen: &mut Screen) -> String {
        let _ = local;
        screen.feed(&letterbox.draw("build", Hands::Off));
        screen.text()
    }

    #[test]
    fn a_small_session_stands_in_the_corner_of_a_large_screen() {
        let local = size(16, 6);
        let mut screen = Screen::new(Size { cols: 16, rows: 6 });
        let mut letterbox = Letterbox::new(size(10, 3), local);
        letterbox.feed(b"one\r\n0123456789wrapped");
        insta::assert_snapshot!(shown(&mut letterbox, local, &mut screen), @r"
        one       │
        0123456789│
        wrapped   │
        ─ build ──
        ");
        assert_eq!((screen.cursor().col, screen.cursor().row), (7, 2));
    }

    #[test]
    fn a_large_session_is_cropped_and_its_cursor_stays_in_sight() {
        let local = size(5, 2);
        let mut screen = Screen::new(Size { cols: 5, rows: 2 });
        let mut letterbox = Letterbox::new(size(10, 4), local);
        letterbox.feed("a\r\nb\r\nc日本語d\r\nd".as_bytes());
        insta::assert_snapshot!(shown(&mut letterbox, local, &mut screen), @r"
        c日本
        d
        ");
        letterbox.feed(b"\x1b[H");
        insta::assert_snapshot!(shown(&mut letterbox, local, &mut screen), @r"
        a
        b
        ");
    }

    #[test]
    fn only_what_changed_is_drawn() {
        let mut letterbox = Letterbox::new(size(10, 3), size(12, 4));
        letterbox.feed(b"one\r\ntwo");
        letterbox.draw("", Hands::Off);
        letterbox.feed(b"!");
        let bytes = letterbox.draw("", Hands::Off);
        let text = String::from_utf8(bytes).expect("text");
        assert!(text.contains("two!") && !text.contains("one"), "{text:?}");
        letterbox.invalidate();
        let text = String::from_utf8(letterbox.draw("", Hands::Off)).expect("text");
        assert!(text.contains("two!") && text.contains("one"), "{text:?}");
    }

    #[test]
    fn colours_and_links_of_a_cropped_line_end_with_it() {
        let line = b"\x1b[31mred\x1b]8;;http://a/\x1b\\link\x1b]8;;\x1b\\\x1b[m";
        assert_eq!(cropped(line, 99), line);
        let short = String::from_utf8(cropped(line, 4)).expect("text");
        assert_eq!(short, "\x1b[31mred\x1b]8;;http://a/\x1b\\l\x1b[0m\x1b]8;;\x1b\\");
    }

    #[test]
    fn a_query_is_answered_by_the_model() {
        let mut letterbox = Letterbox::new(size(10, 3), size(12, 4));
        assert_eq!(letterbox.feed(b"ab\x1b[6n"), b"\x1b[1;3R");
    }

    #[test]
    fn pastes_and_mouse_come_as_the_program_asked_only_to_who_may_type() {
        let mut letterbox = Letterbox::new(size(10, 3), size(12, 4));
        letterbox.feed(b"\x1b[?2004h\x1b[?1000h\x1b[?1049h");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        let on = text(letterbox.draw("", Hands::On));
        assert!(on.contains("\x1b[?1000h\x1b[?2004h") && !on.contains("1049"), "{on:?}");
        assert!(!text(letterbox.draw("", Hands::On)).contains("2004"));
        assert!(text(letterbox.draw("", Hands::Off)).contains("\x1b[?1000l\x1b[?2004l"));
    }
}
