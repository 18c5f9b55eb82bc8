//! Old output without its side effects.
//!
//! Replaying a log to a terminal must not make it answer questions that were answered long ago, beep,
//! notify or touch the clipboard. The filter walks the same state machine as the model and holds a
//! sequence back until it knows what it is.

mod csi;
mod strings;

use crate::limits::MAX_HELD_BYTES;
use crate::machine::{self, Action, State};
use crate::utf8::{Decoded, Decoder};
use crate::width::char_width;

use strings::Verdict;

/// First byte of the C1 controls, among others.
const C1_LEAD: u8 = 0xc2;

/// What ends a string; written also where the string was ended by another sequence.
const STRING_END: &[u8] = b"\x1b\\";

/// Removes from an output stream everything that would make a terminal answer, beep, notify, print
/// on paper or touch the clipboard. Used for replayed bytes and for followers.
///
/// Everything else passes byte for byte, also bytes that are not UTF-8. Exceptions: sequences that
/// are malformed or endless and have no effect are dropped, because terminals disagree on where they
/// end; a colour query is cut out of a string that also sets colours; an image transfer is told not
/// to report its success. A sequence may be cut anywhere: how the stream is cut into calls makes no
/// difference to the bytes that come out in the end.
///
/// Tunnels to an outer multiplexer (`DCS tmux;`) are dropped: what they carry cannot be judged.
#[derive(Debug, Default)]
pub struct ReplayFilter {
    decoder: Decoder,
    state: State,
    /// Bytes of the unfinished sequence or character that were not written yet.
    held: Vec<u8>,
    /// Where in `held` the current character begins.
    char_start: usize,
    fate: Fate,
    /// The string before this `ESC` has its end already, or has none: `ESC \` is not wanted.
    end_is_written: bool,
    /// The last bytes written are the beginning of a character that something else interrupted. If
    /// that is dropped, the next bytes must not complete the character.
    is_dangling: bool,
    /// Something was dropped after the last bytes written.
    has_gap: bool,
}

/// What becomes of the sequence that arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Fate {
    /// Not known yet.
    #[default]
    Held,
    /// It is a harmless string: its bytes go through as they come.
    Passed,
    /// It is dropped.
    Dropped,
}

impl ReplayFilter {
    /// A filter at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Filters `bytes` and appends what is left to `out`. An unfinished sequence stays behind.
    pub fn filter(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.state == State::Ground && self.decoder.is_idle() {
                let plain = self.plain_length(rest);
                self.write(&rest[..plain], out);
                rest = &rest[plain..];
            }
            let params = self.take_params(rest);
            rest = &rest[params..];
            if let Some((&byte, tail)) = rest.split_first() {
                self.push(byte, out);
                rest = tail;
            }
        }
    }

    /// Ends the filter where the stream goes on unfiltered: appends what was held back, so that the
    /// next bytes complete it. After the dropped part of a string comes the head of a meaningless
    /// one, so that the rest of the string does not show up as text.
    pub fn finish(self, out: &mut Vec<u8>) {
        if self.fate == Fate::Dropped {
            out.extend_from_slice(match self.state {
                State::OscString => b"\x1b]9999;".as_slice(),
                State::DcsEntry
                | State::DcsParam
                | State::DcsIntermediate
                | State::DcsIgnore
                | State::DcsPassthrough => b"\x1bP9999~",
                State::OpaqueString => b"\x1b_",
                State::CsiEntry | State::CsiParam | State::CsiIntermediate | State::CsiIgnore => {
                    b"\x1b[0?"
                }
                State::Ground | State::Escape | State::EscapeIntermediate => b"",
            });
        }
        out.extend_from_slice(&self.held);
    }

    /// Bytes at the start that pass between sequences without a second look.
    fn plain_length(&self, bytes: &[u8]) -> usize {
        let is_special = |&byte: &u8| matches!(byte, 0x05 | 0x07 | 0x1b | C1_LEAD);
        let end = bytes.iter().position(is_special).unwrap_or(bytes.len());
        if self.has_gap && bytes.first().is_some_and(|byte| !byte.is_ascii()) {
            return 0;
        }
        match std::str::from_utf8(&bytes[..end]) {
            Ok(text) => text.len(),
            Err(error) => error.valid_up_to(),
        }
    }

    /// Holds the parameters that `bytes` begin with, if a CSI sequence wants some.
    fn take_params(&mut self, bytes: &[u8]) -> usize {
        let wants_params = self.state.takes_csi_params() && self.fate == Fate::Held;
        if !wants_params || !self.decoder.is_idle() {
            return 0;
        }
        let room = MAX_HELD_BYTES.saturating_sub(self.held.len());
        let count = machine::count_params(&bytes[..bytes.len().min(room)]);
        if count > 0 {
            self.held.extend_from_slice(&bytes[..count]);
            self.state = State::CsiParam;
        }
        count
    }

    fn push(&mut self, byte: u8, out: &mut Vec<u8>) {
        if self.decoder.is_idle() {
            self.char_start = self.held.len();
        }
        match self.decoder.push(byte) {
            Decoded::Partial => self.held.push(byte),
            Decoded::Retry => {
                self.release_invalid(out);
                self.push(byte, out);
            }
            Decoded::Invalid => {
                self.held.push(byte);
                self.release_invalid(out);
            }
            Decoded::Char(char) => {
                self.held.push(byte);
                self.handle(char, out);
            }
        }
    }

    /// Bytes that are no character are nobody's part of a sequence; between sequences they pass.
    fn release_invalid(&mut self, out: &mut Vec<u8>) {
        let invalid = self.held.split_off(self.char_start);
        if self.state == State::Ground {
            self.write(&invalid, out);
            self.is_dangling = true;
        }
    }

    fn write(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if !bytes.is_empty() {
            out.extend_from_slice(bytes);
            self.is_dangling = false;
            self.has_gap = false;
        }
    }

    /// Notes that something is dropped, and keeps what is on both sides of it apart.
    fn leave_gap(&mut self, out: &mut Vec<u8>) {
        if self.is_dangling {
            self.write(b"\0", out);
        }
        self.has_gap = true;
    }

    fn handle(&mut self, char: char, out: &mut Vec<u8>) {
        let code = u32::from(char);
        let (action, next) = machine::step(self.state, code);
        let before = self.state;
        self.state = next;
        match action {
            Action::OscEnd | Action::DcsUnhook => self.end_string(before, char, out),
            _ if machine::is_introducer(code) => {
                if before == State::OpaqueString {
                    self.end_string(before, char, out);
                } else {
                    self.abandon(before, out);
                }
            }
            Action::Execute => self.execute(before, code, out),
            Action::EscDispatch => self.dispatch_escape(char, out),
            Action::CsiDispatch => {
                let is_query = csi::is_query(&self.held);
                self.settle(is_query, out);
            }
            Action::DcsHook => self.judge_dcs(out),
            Action::Print => self.flush(out),
            // DEL within a sequence is nothing at all; left in, it would hide what the sequence is
            Action::Ignore if code == 0x7f && next != State::Ground => {
                self.held.truncate(self.char_start);
            }
            Action::Ignore if before == State::OpaqueString && next == State::Ground => {
                self.end_string(before, char, out);
            }
            Action::Broken | Action::Ignore if next == State::Ground => {
                self.end_without_effect(before, out);
            }
            Action::Broken
            | Action::Ignore
            | Action::Clear
            | Action::Param
            | Action::Collect
            | Action::OscStart
            | Action::OscPut
            | Action::DcsPut => self.go_on(out),
        }
    }

    /// Writes what is held.
    fn flush(&mut self, out: &mut Vec<u8>) {
        if self.held.is_empty() {
            return;
        }
        if self.has_gap && refers_to_last_character(&self.held) {
            // What was dropped stood between the character and this.
            out.push(0);
        }
        out.append(&mut self.held);
        self.is_dangling = false;
        self.has_gap = false;
    }

    /// A sequence is complete: passes it or drops it.
    fn settle(&mut self, is_query: bool, out: &mut Vec<u8>) {
        if is_query || self.fate == Fate::Dropped {
            self.drop_held(State::Ground, out);
        } else {
            self.flush(out);
        }
        self.fate = Fate::Held;
    }

    /// Drops what is held. Controls take effect where they stand, but not in a string.
    fn drop_held(&mut self, state: State, out: &mut Vec<u8>) {
        if self.held.is_empty() {
            return;
        }
        self.leave_gap(out);
        if !state.is_string() {
            let controls = self.held.iter().filter(|&&byte| byte < 0x20 && byte != 0x1b);
            out.extend(controls);
        }
        self.held.clear();
    }

    /// A new sequence begins before the one that is held was complete.
    fn abandon(&mut self, before: State, out: &mut Vec<u8>) {
        if self.fate == Fate::Passed {
            out.push(0x18);
        }
        // Usually nothing but the introducer is held.
        if self.char_start > 0 {
            let introducer = self.held.split_off(self.char_start);
            self.drop_held(before, out);
            self.held = introducer;
        }
        self.fate = Fate::Held;
        self.end_is_written = false;
    }

    /// A control between sequences or inside one.
    fn execute(&mut self, before: State, code: u32, out: &mut Vec<u8>) {
        let is_noise = matches!(code, 0x05 | 0x07 | 0x9a);
        let control = self.held.split_off(self.char_start);
        if self.state == State::Ground && before != State::Ground {
            if self.fate == Fate::Passed && !matches!(code, 0x18 | 0x1a) {
                out.push(0x18);
            }
            self.drop_held(before, out);
            self.fate = Fate::Held;
        }
        if is_noise {
            self.leave_gap(out);
            return;
        }
        // Terminals act on it at once, so it may stand before an `ESC` that has no letter yet: what is
        // held then begins with a whole introducer, wherever it is judged.
        if matches!(self.state, State::Ground | State::Escape) || self.fate == Fate::Dropped {
            self.write(&control, out);
        } else {
            self.held.extend_from_slice(&control);
        }
    }

    fn dispatch_escape(&mut self, last: char, out: &mut Vec<u8>) {
        let is_end = std::mem::take(&mut self.end_is_written) && last == '\\';
        // DECID asks who is there; with an intermediate byte the letter means something else.
        let is_query = last == 'Z' && self.held.iter().filter(|&&byte| byte >= 0x20).count() == 1;
        self.settle(is_end || is_query, out);
    }

    /// A character that fits nowhere, or the end of a malformed sequence.
    fn end_without_effect(&mut self, before: State, out: &mut Vec<u8>) {
        if before == State::Ground || self.fate == Fate::Passed {
            self.flush(out);
        } else {
            self.drop_held(before, out);
        }
        self.fate = Fate::Held;
    }

    /// More of a sequence whose end is not in sight.
    fn go_on(&mut self, out: &mut Vec<u8>) {
        if self.state == State::OscString {
            self.judge_osc(out);
        } else if self.state == State::OpaqueString {
            self.judge_opaque(out, End::Open);
        } else if self.state == State::DcsIgnore {
            self.fate = Fate::Dropped;
        }
        match self.fate {
            Fate::Passed => self.flush(out),
            Fate::Dropped => self.drop_held(self.state, out),
            Fate::Held if self.held.len() > MAX_HELD_BYTES => {
                self.fate = Fate::Dropped;
                self.drop_held(self.state, out);
            }
            Fate::Held => {}
        }
    }

    fn judge_osc(&mut self, out: &mut Vec<u8>) {
        if self.fate == Fate::Held {
            self.apply(strings::judge_osc_head(&body(&self.held)), out);
        }
    }

    fn judge_dcs(&mut self, out: &mut Vec<u8>) {
        self.apply(strings::judge_dcs(&body(&self.held)), out);
        self.go_on(out);
    }

    fn judge_opaque(&mut self, out: &mut Vec<u8>, end: End) {
        if self.fate == Fate::Held {
            let is_command = matches!(self.held.as_slice(), [0x1b, b'_', ..] | [0xc2, 0x9f, ..]);
            let verdict = match end {
                _ if !is_command => Verdict::Pass,
                End::Open => strings::judge_command_head(&body(&self.held)),
                End::Reached => strings::judge_command(&body(&self.held)),
            };
            self.apply(verdict, out);
        }
    }

    fn apply(&mut self, verdict: Verdict, out: &mut Vec<u8>) {
        match verdict {
            Verdict::Open => {}
            Verdict::Pass => self.fate = Fate::Passed,
            Verdict::Drop => self.fate = Fate::Dropped,
            Verdict::Rewrite(text) => {
                out.extend_from_slice(&self.held[..introducer_length(&self.held)]);
                out.extend_from_slice(text.as_bytes());
                self.held.clear();
                self.fate = Fate::Passed;
            }
        }
    }

    /// A string ends with `end`, which is the last character held.
    fn end_string(&mut self, before: State, end: char, out: &mut Vec<u8>) {
        let end_bytes = self.held.split_off(self.char_start);
        if self.fate == Fate::Held {
            if before == State::OscString {
                self.apply(strings::judge_osc(&body(&self.held)), out);
            } else if before == State::OpaqueString {
                self.judge_opaque(out, End::Reached);
            } else {
                self.fate = Fate::Dropped;
            }
        }
        let passes = self.fate == Fate::Passed;
        if passes {
            self.flush(out);
        } else {
            self.leave_gap(out);
        }
        self.held.clear();
        self.fate = Fate::Held;
        if machine::is_introducer(u32::from(end)) {
            // The next sequence may be dropped, so the string is ended right here.
            if passes {
                out.extend_from_slice(STRING_END);
            }
            self.held = end_bytes;
            self.end_is_written = true;
        } else if passes {
            out.extend_from_slice(&end_bytes);
        }
    }
}

/// Whether a string is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    Reached,
}

/// Whether this is a combining mark, or REP: both mean the character right before them.
fn refers_to_last_character(held: &[u8]) -> bool {
    let char = std::str::from_utf8(held).ok().and_then(|text| text.chars().next());
    let is_mark = char.is_some_and(|char| char >= '\u{a0}' && char_width(char) == 0);
    is_mark || matches!(held, [0x1b, b'[', .., b'b'] | [0xc2, 0x9b, .., b'b'])
}

/// Bytes of the introducer: `ESC` and a letter, or a C1 control.
fn introducer_length(held: &[u8]) -> usize {
    held.len().min(2)
}

/// The text of a held sequence without introducer and controls; a terminal ignores DEL too.
fn body(held: &[u8]) -> String {
    let text = String::from_utf8_lossy(&held[introducer_length(held)..]);
    text.chars().filter(|&char| char >= ' ' && char != '\u{7f}').collect()
}

#[cfg(test)]
mod tests;
