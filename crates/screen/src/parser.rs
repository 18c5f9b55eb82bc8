//! The model's parser: bytes in, calls on a [`Sink`] out. It remembers the bytes of an unfinished
//! sequence or character, because a snapshot taken there must repeat them.

use crate::limits::{MAX_PENDING_BYTES, MAX_STRING_BYTES};
use crate::machine::{self, Action, State};
use crate::params::Params;
use crate::utf8::{Decoded, Decoder};

/// Prefix and intermediate bytes kept of one sequence. No known sequence has more than three; one
/// with more matches nothing.
const MAX_COLLECTED: usize = 4;

/// Bytes outside ASCII that are decoded at once.
const TEXT_WINDOW_BYTES: usize = 256;
/// The first printable character outside ASCII: what is before it are C1 controls.
const FIRST_PRINTABLE: char = '\u{a0}';
/// Not text, but a mark of its encoding.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Who carries out what the parser finds.
pub(crate) trait Sink {
    /// Printable ASCII, in bulk.
    fn print_ascii(&mut self, run: &[u8]);
    /// One printable character outside ASCII.
    fn print(&mut self, char: char);
    /// A C0 or C1 control.
    fn execute(&mut self, code: u32);
    /// A CSI sequence.
    fn csi(&mut self, name: Name<'_>, params: &Params);
    /// An escape sequence.
    fn esc(&mut self, name: Name<'_>);
    /// An OSC string without introducer and end.
    fn osc(&mut self, text: &str, extent: Extent);
    /// A DCS string.
    fn dcs(&mut self, name: Name<'_>, text: &str, extent: Extent);
}

/// What distinguishes one sequence from another: prefix and intermediate bytes, and the final byte.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Name<'a> {
    /// Prefix and intermediates in their order.
    pub(crate) lead: &'a [u8],
    /// The final byte.
    pub(crate) last: u8,
}

/// Whether a string is all there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// It is.
    Whole,
    /// It was too long; the rest is lost.
    Cut,
}

/// Parser state. Between sequences it holds no heap memory worth naming.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parser {
    decoder: Decoder,
    state: State,
    params: Params,
    collected: [u8; MAX_COLLECTED],
    collected_length: usize,
    /// Final byte of the DCS sequence whose payload arrives.
    dcs_last: u8,
    text: String,
    text_is_cut: bool,
    /// The bytes since the unfinished sequence or character began, without executed controls.
    pending: Vec<u8>,
    pending_is_cut: bool,
    /// Where in `pending` the current character begins.
    char_start: usize,
}

impl Parser {
    /// The bytes of the unfinished sequence, and whether they are all there.
    pub(crate) fn pending(&self) -> (&[u8], Extent) {
        (&self.pending, if self.pending_is_cut { Extent::Cut } else { Extent::Whole })
    }

    /// Parses `bytes`.
    pub(crate) fn advance(&mut self, bytes: &[u8], sink: &mut impl Sink) {
        let mut rest = bytes;
        while let Some((&byte, tail)) = rest.split_first() {
            let between_sequences = self.state == State::Ground && self.decoder.is_idle();
            let done =
                if between_sequences { print_text(rest, sink) } else { self.take_params(rest) };
            if done > 0 {
                rest = &rest[done..];
            } else if between_sequences && byte < b' ' && byte != 0x1b {
                sink.execute(u32::from(byte));
                rest = tail;
            } else {
                self.push(byte, sink);
                rest = tail;
            }
        }
    }

    /// Takes the parameters that `bytes` begin with, if a CSI sequence wants some.
    fn take_params(&mut self, bytes: &[u8]) -> usize {
        let wants_params = self.state.takes_csi_params() && self.decoder.is_idle();
        let count = if wants_params { machine::count_params(bytes) } else { 0 };
        for &byte in &bytes[..count] {
            self.params.push(byte);
            self.record(byte);
            self.state = State::CsiParam;
        }
        count
    }

    fn push(&mut self, byte: u8, sink: &mut impl Sink) {
        if self.decoder.is_idle() {
            self.char_start = self.pending.len();
            if byte.is_ascii() {
                self.record(byte);
                self.handle(char::from(byte), sink);
                return;
            }
        }
        match self.decoder.push(byte) {
            Decoded::Partial => self.record(byte),
            Decoded::Invalid => self.pending.truncate(self.char_start),
            Decoded::Retry => {
                self.pending.truncate(self.char_start);
                self.push(byte, sink);
            }
            Decoded::Char(char) => {
                self.record(byte);
                self.handle(char, sink);
            }
        }
    }

    fn record(&mut self, byte: u8) {
        if self.pending.len() < MAX_PENDING_BYTES {
            self.pending.push(byte);
        } else {
            self.pending_is_cut = true;
        }
    }

    fn handle(&mut self, char: char, sink: &mut impl Sink) {
        let code = u32::from(char);
        let (action, next) = machine::step(self.state, code);
        self.act(action, char, sink);
        self.state = next;
        if next == State::Ground {
            self.pending.clear();
            self.pending_is_cut = false;
            if self.pending.capacity() > MAX_STRING_BYTES {
                self.pending = Vec::new();
            }
        } else if machine::is_introducer(code) {
            self.pending.clear();
            self.pending.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
            self.pending_is_cut = false;
        }
    }

    fn act(&mut self, action: Action, char: char, sink: &mut impl Sink) {
        // The machine sends only ASCII to the actions that cast to a byte.
        let byte = u32::from(char) as u8;
        match action {
            Action::Ignore | Action::Broken => {}
            Action::Print => sink.print(char),
            Action::Execute => {
                // The sequence goes on after the control; a snapshot must not repeat the control.
                self.pending.truncate(self.char_start);
                sink.execute(u32::from(char));
            }
            Action::Clear => self.clear(),
            Action::Param => self.params.push(byte),
            Action::Collect => self.collect(byte),
            Action::EscDispatch => sink.esc(self.name(byte)),
            Action::CsiDispatch => {
                let name = Name { lead: self.lead(), last: byte };
                sink.csi(name, &self.params);
            }
            Action::OscStart => self.clear_text(),
            Action::OscPut => self.put(char),
            Action::OscEnd => self.end_osc(char, sink),
            Action::DcsHook => {
                self.dcs_last = byte;
                self.clear_text();
            }
            Action::DcsPut => self.put(char),
            Action::DcsUnhook => self.end_dcs(char, sink),
        }
    }

    fn clear(&mut self) {
        self.params.clear();
        self.collected_length = 0;
    }

    fn clear_text(&mut self) {
        self.text.clear();
        self.text_is_cut = false;
        if self.text.capacity() > MAX_STRING_BYTES / 4 {
            self.text = String::new();
        }
    }

    fn collect(&mut self, byte: u8) {
        if let Some(slot) = self.collected.get_mut(self.collected_length) {
            *slot = byte;
            self.collected_length += 1;
        }
    }

    fn put(&mut self, char: char) {
        if self.text.len() + char.len_utf8() > MAX_STRING_BYTES {
            self.text_is_cut = true;
        } else if !self.text_is_cut {
            self.text.push(char);
        }
    }

    fn end_osc(&mut self, end: char, sink: &mut impl Sink) {
        match end {
            // CAN and SUB end a string without effect.
            '\x18' | '\x1a' => sink.execute(u32::from(end)),
            _ => sink.osc(&self.text, self.extent()),
        }
        self.clear();
        self.clear_text();
    }

    fn end_dcs(&mut self, end: char, sink: &mut impl Sink) {
        match end {
            '\x18' | '\x1a' => sink.execute(u32::from(end)),
            _ => sink.dcs(self.name(self.dcs_last), &self.text, self.extent()),
        }
        self.clear();
        self.clear_text();
    }

    fn extent(&self) -> Extent {
        if self.text_is_cut { Extent::Cut } else { Extent::Whole }
    }

    fn lead(&self) -> &[u8] {
        &self.collected[..self.collected_length]
    }

    fn name(&self, last: u8) -> Name<'_> {
        Name { lead: self.lead(), last }
    }
}

/// Prints the text that `bytes` begin with, in bulk, and returns its length. It may be shorter than
/// possible, so that one long chunk is not looked through again and again.
fn print_text(bytes: &[u8], sink: &mut impl Sink) -> usize {
    let ascii = bytes.iter().position(|byte| !matches!(byte, b' '..=b'~')).unwrap_or(bytes.len());
    if ascii > 0 {
        sink.print_ascii(&bytes[..ascii]);
        return ascii;
    }
    let window = &bytes[..bytes.len().min(TEXT_WINDOW_BYTES)];
    let end = window.iter().position(|&byte| byte < 0x80).unwrap_or(window.len());
    let valid = match std::str::from_utf8(&window[..end]) {
        Ok(text) => text,
        // Always valid: that is what the error says.
        Err(error) => std::str::from_utf8(&window[..error.valid_up_to()]).unwrap_or(""),
    };
    let mut done = 0;
    for char in valid.chars() {
        if char < FIRST_PRINTABLE || char == BYTE_ORDER_MARK {
            break;
        }
        sink.print(char);
        done += char.len_utf8();
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes down every call in short.
    #[derive(Default)]
    struct Journal(Vec<String>);

    impl Sink for Journal {
        fn print_ascii(&mut self, run: &[u8]) {
            self.0.push(format!("ascii {}", String::from_utf8_lossy(run)));
        }
        fn print(&mut self, char: char) {
            self.0.push(format!("print {char}"));
        }
        fn execute(&mut self, code: u32) {
            self.0.push(format!("exec {code:x}"));
        }
        fn csi(&mut self, name: Name<'_>, params: &Params) {
            let lead = String::from_utf8_lossy(name.lead);
            self.0.push(format!("csi {lead}{} {:?}", char::from(name.last), params.values()));
        }
        fn esc(&mut self, name: Name<'_>) {
            let lead = String::from_utf8_lossy(name.lead);
            self.0.push(format!("esc {lead}{}", char::from(name.last)));
        }
        fn osc(&mut self, text: &str, extent: Extent) {
            self.0.push(format!("osc {text} {extent:?}"));
        }
        fn dcs(&mut self, name: Name<'_>, text: &str, extent: Extent) {
            let lead = String::from_utf8_lossy(name.lead);
            self.0.push(format!("dcs {lead}{} {text} {extent:?}", char::from(name.last)));
        }
    }

    fn check(bytes: &[u8], calls: &[&str], pending: &[u8]) {
        let mut parser = Parser::default();
        let mut journal = Journal::default();
        parser.advance(bytes, &mut journal);
        assert_eq!(journal.0, calls, "calls of {:?}", String::from_utf8_lossy(bytes));
        assert_eq!(parser.pending().0, pending);
    }

    #[test]
    fn text_controls_and_sequences_become_calls() {
        check(b"ab\r\xc3\xa9", &["ascii ab", "exec d", "print é"], b"");
        check(b"\x1b[?1;2$p\x1b#8", &["csi ?$p [1, 2]", "esc #8"], b"");
        check(b"\x1b]0;t\x07", &["osc 0;t Whole"], b"");
        check(b"\x1bP1$qm\x1b\\", &["dcs $q m Whole", "esc \\"], b"");
    }

    #[test]
    fn an_abandoned_string_has_no_effect() {
        check(b"\x1b]0;t\x18a", &["exec 18", "ascii a"], b"");
        check(b"\x1bP$qm\x1aa", &["exec 1a", "ascii a"], b"");
    }

    #[test]
    fn unfinished_sequences_and_characters_are_remembered() {
        check(b"a\x1b[1;3", &["ascii a"], b"\x1b[1;3");
        check(b"a\xe6\xbc", &["ascii a"], b"\xe6\xbc");
        check(b"\x1b]0;t\xe6\xbc", &[], b"\x1b]0;t\xe6\xbc");
        check(b"\x1b]0;t\x1b", &["osc 0;t Whole"], b"\x1b");
        check(b"\x1b[1\x1b[2", &[], b"\x1b[2");
    }

    #[test]
    fn a_control_inside_a_sequence_is_not_remembered_twice() {
        check(b"\x1b[1\n2", &["exec a"], b"\x1b[12");
    }

    #[test]
    fn an_endless_string_is_cut_but_stays_a_string() {
        let mut parser = Parser::default();
        let mut journal = Journal::default();
        parser.advance(b"\x1b]2;", &mut journal);
        parser.advance(&vec![b'x'; 1 << 20], &mut journal);
        let (pending, extent) = parser.pending();
        assert_eq!((pending.len(), extent), (MAX_PENDING_BYTES, Extent::Cut));
        assert!(pending.starts_with(b"\x1b]2;xxx"));
        parser.advance(b"\x07ok", &mut journal);
        assert_eq!(parser.pending(), (&b""[..], Extent::Whole));
        assert!(journal.0[0].ends_with("Cut"));
        assert_eq!(journal.0[1], "ascii ok");
        assert!(parser.pending.capacity() <= MAX_STRING_BYTES);
    }
}
