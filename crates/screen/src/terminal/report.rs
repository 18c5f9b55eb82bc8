//! Answers to queries. A program is told what a plain xterm.js would tell it, so that it behaves the
//! same whether the model or a viewer answers.

use crate::limits::MAX_REPLY_BYTES;
use crate::modes::{Family, Mode, MouseEvents, MouseFormat};
use crate::palette::Slot;
use crate::params::Params;
use crate::parser::Name;
use crate::style::Mark;
use crate::terminal::{Shown, Terminal};

/// Answers that nobody took yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Replies(Vec<u8>);

impl Replies {
    /// Adds an answer, whole or not at all.
    fn push(&mut self, answer: &str) {
        if self.0.len() + answer.len() <= MAX_REPLY_BYTES {
            self.0.extend_from_slice(answer.as_bytes());
        }
    }

    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

/// What DECRQM says about a mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ModeReport {
    Unknown = 0,
    Set = 1,
    Reset = 2,
    AlwaysSet = 3,
    AlwaysReset = 4,
}

impl From<bool> for ModeReport {
    fn from(is_set: bool) -> Self {
        if is_set { Self::Set } else { Self::Reset }
    }
}

impl Terminal {
    fn answer(&mut self, answer: &str) {
        self.replies.push(answer);
    }

    /// DECID.
    pub(super) fn report_device(&mut self) {
        self.answer("\x1b[?1;2c");
    }

    /// DA1: a VT100 with advanced video.
    pub(super) fn report_device_primary(&mut self, params: &Params) {
        if params.value(0) == 0 {
            self.report_device();
        }
    }

    /// DA2.
    pub(super) fn report_device_secondary(&mut self, params: &Params) {
        if params.value(0) == 0 {
            self.answer("\x1b[>0;276;0c");
        }
    }

    /// DA3.
    pub(super) fn report_device_tertiary(&mut self, params: &Params) {
        if params.value(0) == 0 {
            self.answer("\x1bP!|00000000\x1b\\");
        }
    }

    /// XTVERSION.
    pub(super) fn report_version(&mut self, params: &Params) {
        if params.value(0) == 0 {
            self.answer(concat!("\x1bP>|Quarterdeck(", env!("CARGO_PKG_VERSION"), ")\x1b\\"));
        }
    }

    /// DSR.
    pub(super) fn report_status(&mut self, params: &Params) {
        match params.value(0) {
            5 => self.answer("\x1b[0n"),
            6 => self.report_cursor(""),
            _ => {}
        }
    }

    /// The DEC form of DSR; 996 asks whether the colours are dark (1) or light (2).
    pub(super) fn report_private_status(&mut self, params: &Params) {
        match params.value(0) {
            6 => self.report_cursor("?"),
            996 => {
                let [red, green, blue] = self.palette.rgb(Slot::Background).map(u32::from);
                let scheme = if red + green + blue < 3 * 128 { 1 } else { 2 };
                self.answer(&format!("\x1b[?997;{scheme}n"));
            }
            _ => {}
        }
    }

    fn report_cursor(&mut self, prefix: &str) {
        let (x, y) = (self.x() + 1, self.y() + 1);
        self.answer(&format!("\x1b[{prefix}{y};{x}R"));
    }

    /// Rows and columns, as the answer with this number.
    pub(super) fn report_size(&mut self, number: u8) {
        let (rows, columns) = (self.rows(), self.columns());
        self.answer(&format!("\x1b[{number};{rows};{columns}t"));
    }

    /// The kitty protocol's flags.
    pub(super) fn report_keyboard(&mut self) {
        let flags = self.side().keyboard.current;
        self.answer(&format!("\x1b[?{flags}u"));
    }

    /// OSC 4, 10, 11 and 12 with `?`.
    pub(super) fn report_color(&mut self, slot: Slot) {
        let [red, green, blue] = self.palette.rgb(slot);
        let head = slot.osc_head();
        self.answer(&format!(
            "\x1b]{head};rgb:{red:02x}{red:02x}/{green:02x}{green:02x}/{blue:02x}{blue:02x}\x1b\\"
        ));
    }

    /// DECRQM.
    pub(super) fn report_mode(&mut self, family: Family, params: &Params) {
        let number = params.value(0);
        let report = match (family, number) {
            (Family::Ansi, 2) => ModeReport::AlwaysReset,
            (Family::Ansi, 12) => ModeReport::AlwaysSet,
            (Family::Private, 8) => ModeReport::AlwaysSet,
            (Family::Private, 67 | 1005 | 1015) => ModeReport::AlwaysReset,
            (Family::Private, 9) => (self.modes.mouse_events == MouseEvents::Press).into(),
            (Family::Private, 1000) => (self.modes.mouse_events == MouseEvents::Click).into(),
            (Family::Private, 1002) => (self.modes.mouse_events == MouseEvents::Drag).into(),
            (Family::Private, 1003) => (self.modes.mouse_events == MouseEvents::Motion).into(),
            (Family::Private, 1006) => (self.modes.mouse_format == MouseFormat::Sgr).into(),
            (Family::Private, 1016) => (self.modes.mouse_format == MouseFormat::SgrPixels).into(),
            (Family::Private, 47 | 1047 | 1049) => (self.shown == Shown::Alternate).into(),
            (Family::Private, 1048) => ModeReport::Set,
            _ => match Mode::from_number(family, number) {
                Some(mode) => self.modes.has(mode).into(),
                None => ModeReport::Unknown,
            },
        };
        let prefix = match family {
            Family::Ansi => "",
            Family::Private => "?",
        };
        self.answer(&format!("\x1b[{prefix}{number};{}$y", report as u8));
    }

    /// DECRQSS and XTGETTCAP.
    pub(super) fn answer_dcs(&mut self, name: Name<'_>, text: &str) {
        match (name.lead, name.last) {
            (b"$", b'q') => {
                let setting = self.setting(text);
                let answer = setting.map_or("\x1bP0$r\x1b\\".to_owned(), |setting| {
                    format!("\x1bP1$r{setting}{text}\x1b\\")
                });
                self.answer(&answer);
            }
            // No capability is known: programs fall back on terminfo.
            (b"+", b'q') if text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b';') => {
                self.answer(&format!("\x1bP0+r{text}\x1b\\"));
            }
            _ => {}
        }
    }

    /// The value that DECRQSS wants, without the bytes that name it.
    fn setting(&self, name: &str) -> Option<String> {
        Some(match name {
            "\"q" => u8::from(self.pen.marks.has(Mark::Protected)).to_string(),
            "\"p" => "61;1".into(),
            "r" => format!("{};{}", self.side().top + 1, self.side().bottom + 1),
            " q" => self.cursor_style.max(1).to_string(),
            "m" => self.rendition(),
            _ => return None,
        })
    }

    /// The pen's attributes as SGR parameters.
    fn rendition(&self) -> String {
        let mut codes = String::from("0");
        crate::sgr::push_attributes(&mut codes, &self.pen);
        codes
    }
}
