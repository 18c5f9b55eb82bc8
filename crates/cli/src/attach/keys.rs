//! The prefix key: what is typed for the program, and what is a command to this client.

use std::{fmt, str::FromStr};

use super::pieces::{CTRL, Key, LoneEscape, Motion, Piece, PieceKind, Splitter};

/// A control key that begins a command; pressed twice it is typed once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PrefixKey(u8);

impl Default for PrefixKey {
    fn default() -> Self {
        Self(0x1d)
    }
}

impl PrefixKey {
    /// The character on the key, in lower case.
    fn letter(self) -> char {
        char::from(self.0 | 0x40).to_ascii_lowercase()
    }
    fn is(self, key: &Key) -> bool {
        key.modifiers & !1 == CTRL && key.codes.contains(&u32::from(self.letter()))
    }
}

impl fmt::Display for PrefixKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ctrl-{}", self.letter())
    }
}

/// A text that names no key that can be a prefix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a prefix key is ctrl- and a letter or one of \\ ] ^ _, but not i, j or m")]
pub(crate) struct BadPrefixKey;

impl FromStr for PrefixKey {
    type Err = BadPrefixKey;
    fn from_str(text: &str) -> Result<Self, BadPrefixKey> {
        let folded = text.to_ascii_lowercase();
        let name = ["ctrl-", "ctrl+", "c-", "^"].iter().find_map(|p| folded.strip_prefix(p));
        let &[letter] = name.ok_or(BadPrefixKey)?.as_bytes() else { return Err(BadPrefixKey) };
        match letter {
            // Tab, line feed and Enter
            b'i' | b'j' | b'm' => Err(BadPrefixKey),
            b'a'..=b'z' | b'\\' | b']' | b'^' | b'_' => Ok(Self(letter & 0x1f)),
            _ => Err(BadPrefixKey),
        }
    }
}

impl<'de> serde::Deserialize<'de> for PrefixKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What follows the prefix key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    /// Leave; the session lives on.
    Detach,
    /// Take the lease.
    Take,
    /// Let go of the lease; without a link, try again now.
    ReleaseOrRetry,
    /// Hand the lease to who asked for it.
    Offer,
    /// Give the session the size of this screen.
    Fit,
    /// End the program, once it is confirmed.
    Kill,
    /// Draw the screen anew.
    Redraw,
    /// Show the commands.
    Help,
}

impl Command {
    /// Every command with its key and what it does.
    pub(crate) const TABLE: [(Self, char, &'static str); 8] = [
        (Self::Detach, 'd', "detach"),
        (Self::Take, 't', "take over"),
        (Self::ReleaseOrRetry, 'r', "release, or retry now"),
        (Self::Offer, 'o', "offer to who asked"),
        (Self::Fit, 'f', "fit to my screen"),
        (Self::Kill, 'k', "kill the program"),
        (Self::Redraw, 'l', "redraw"),
        (Self::Help, '?', "help"),
    ];

    fn of(letter: char) -> Option<Self> {
        let letter = letter.to_ascii_lowercase();
        Self::TABLE.iter().find(|(_, key, _)| *key == letter).map(|(command, _, _)| *command)
    }
}

/// The commands in one line.
pub(crate) fn help_line(prefix: PrefixKey) -> String {
    let commands = Command::TABLE.map(|(_, key, what)| format!("{key} {what}"));
    format!("{prefix} then: {} \u{b7} {prefix} types it", commands.join(" \u{b7} "))
}

/// What the keyboard or the terminal said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// Keys and pastes for the program.
    Typed(Vec<u8>),
    /// What the terminal itself said: answers, mouse, focus.
    Terminal(Vec<u8>),
    /// A command to this client.
    Command(Command),
    /// The prefix was followed by a key that means nothing.
    UnknownCommand,
}

/// Finds the prefix key in what a terminal sends.
#[derive(Debug)]
pub(crate) struct KeyMachine {
    prefix: PrefixKey,
    splitter: Splitter,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Keys go to the program.
    Typing,
    /// The prefix was pressed.
    Prefixed,
    /// A spelled-out key was a command: its release must not reach the program.
    Releasing(u32),
}

impl KeyMachine {
    /// A machine for this prefix.
    pub(crate) fn new(prefix: PrefixKey) -> Self {
        Self { prefix, splitter: Splitter::default(), state: State::Typing }
    }
    /// Takes what was read.
    pub(crate) fn feed(&mut self, chunk: &[u8], lone: LoneEscape) -> Vec<Event> {
        let mut pieces = Vec::new();
        self.splitter.feed(chunk, lone, &mut pieces);
        self.sort(pieces)
    }
    /// Whether [`KeyMachine::flush`] should be called soon.
    pub(crate) fn is_waiting(&self) -> bool {
        self.splitter.is_waiting()
    }
    /// Nothing followed in time.
    pub(crate) fn flush(&mut self) -> Vec<Event> {
        let mut pieces = Vec::new();
        self.splitter.flush(&mut pieces);
        self.sort(pieces)
    }

    fn sort(&mut self, pieces: Vec<Piece>) -> Vec<Event> {
        let mut events = Vec::new();
        for piece in pieces {
            match piece.kind {
                PieceKind::Reply | PieceKind::Report => {
                    events.push(Event::Terminal(piece.bytes));
                }
                PieceKind::Paste => type_bytes(piece.bytes, &mut events),
                PieceKind::Text => self.take_text(piece.bytes, &mut events),
                PieceKind::Control(byte) => self.take_control(byte, &mut events),
                PieceKind::Key(key) => self.take_key(&key, piece.bytes, &mut events),
                PieceKind::Sequence => self.take_other(piece.bytes, &mut events),
            }
        }
        events
    }

    fn take_text(&mut self, bytes: Vec<u8>, events: &mut Vec<Event>) {
        if self.state != State::Prefixed {
            return type_bytes(bytes, events);
        }
        self.state = State::Typing;
        let letter = bytes.utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next());
        events.push(command_event(letter));
        let rest = bytes.get(letter.map_or(1, char::len_utf8)..).unwrap_or_default().to_vec();
        type_bytes(rest, events);
    }

    fn take_control(&mut self, byte: u8, events: &mut Vec<Event>) {
        let is_prefix = byte == self.prefix.0;
        match self.state {
            State::Prefixed => {
                self.state = State::Typing;
                if is_prefix {
                    type_bytes(vec![byte], events);
                } else {
                    events.push(Event::UnknownCommand);
                }
            }
            State::Typing | State::Releasing(_) if is_prefix => self.state = State::Prefixed,
            State::Typing | State::Releasing(_) => type_bytes(vec![byte], events),
        }
    }

    fn take_key(&mut self, key: &Key, bytes: Vec<u8>, events: &mut Vec<Event>) {
        let is_prefix = self.prefix.is(key);
        match (self.state, key.motion) {
            (State::Releasing(code), Motion::Release) if code == key.codes[0] => {
                self.state = State::Typing;
            }
            // letting go of the prefix key, or of a modifier, decides nothing
            (State::Prefixed, Motion::Release) => {}
            (_, Motion::Release) if is_prefix => {}
            (State::Prefixed, Motion::Press) if is_modifier_key(key) => {}
            (State::Prefixed, Motion::Press) => {
                self.state = State::Releasing(key.codes[0]);
                if is_prefix {
                    return type_bytes(bytes, events);
                }
                let shifted = Some(key.codes[1]).filter(|code| *code != 0);
                let code = shifted.unwrap_or(key.codes[0]);
                events.push(command_event(char::from_u32(code)));
            }
            (_, Motion::Press) if is_prefix => self.state = State::Prefixed,
            (_, Motion::Press | Motion::Release) => type_bytes(bytes, events),
        }
    }

    fn take_other(&mut self, bytes: Vec<u8>, events: &mut Vec<Event>) {
        if self.state == State::Prefixed {
            self.state = State::Typing;
            return events.push(Event::UnknownCommand);
        }
        type_bytes(bytes, events);
    }
}

/// Kitty numbers shift, control and the other modifiers from 57441 on.
fn is_modifier_key(key: &Key) -> bool {
    (57_441..=57_454).contains(&key.codes[0])
}

fn command_event(letter: Option<char>) -> Event {
    letter.and_then(Command::of).map_or(Event::UnknownCommand, Event::Command)
}

/// Keys that follow each other are one piece of input.
fn type_bytes(bytes: Vec<u8>, events: &mut Vec<Event>) {
    if bytes.is_empty() {
        return;
    }
    if let Some(Event::Typed(typed)) = events.last_mut() {
        typed.extend(bytes);
    } else {
        events.push(Event::Typed(bytes));
    }
}

/// Whether what was typed is the Enter key alone.
pub(crate) fn is_enter(typed: &[u8]) -> bool {
    matches!(typed, b"\r" | b"\n" | b"\x1b[13u" | b"\x1b[13;1u" | b"\x1b[13;1:1u")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(chunks: &[&[u8]]) -> Vec<Event> {
        let mut machine = KeyMachine::new(PrefixKey::default());
        let mut events = Vec::new();
        for chunk in chunks {
            events.extend(machine.feed(chunk, LoneEscape::Pass));
        }
        events.extend(machine.flush());
        events
    }

    fn typed(bytes: &[u8]) -> Event {
        Event::Typed(bytes.to_vec())
    }

    #[test]
    fn what_is_typed_goes_on_as_one_piece() {
        assert_eq!(feed(&[b"ls\r\x1b[A\x03"]), [typed(b"ls\r\x1b[A\x03")]);
    }

    #[test]
    fn the_prefix_and_a_letter_is_a_command_and_the_rest_is_typed() {
        let expected = [typed(b"a"), Event::Command(Command::Take), typed(b"b")];
        assert_eq!(feed(&[b"a\x1dtb"]), expected);
        assert_eq!(feed(&[b"a", b"\x1d", b"T", b"b"]), expected);
    }

    #[test]
    fn the_prefix_pressed_twice_is_typed_once() {
        assert_eq!(feed(&[b"\x1d\x1dd"]), [typed(b"\x1dd")]);
        assert_eq!(feed(&[b"\x1b[93;5u\x1b[93;5ud"]), [typed(b"\x1b[93;5ud")]);
    }

    #[test]
    fn a_program_that_asks_for_spelled_out_keys_does_not_hide_the_prefix() {
        let detach = [Event::Command(Command::Detach)];
        assert_eq!(feed(&[b"\x1b[93;5u\x1b[100u"]), detach);
        assert_eq!(feed(&[b"\x1b[27;5;93~d"]), detach);
        // with event types, every key also goes up, and the control key goes down first
        let all: &[u8] = b"\x1b[57442;5:1u\x1b[93;5:1u\x1b[93;5:3u\x1b[57442;1:3u\
            \x1b[100;1:1u\x1b[100;1:3u";
        assert_eq!(feed(&[all]), [typed(b"\x1b[57442;5:1u"), Event::Command(Command::Detach)]);
    }

    #[test]
    fn the_prefix_inside_a_paste_is_text() {
        let paste = b"\x1b[200~a\x1dd\x1b[201~";
        assert_eq!(feed(&[paste]), [typed(paste)]);
    }

    #[test]
    fn an_unknown_command_is_said_and_not_typed() {
        for key in [b"\x1dz".as_slice(), b"\x1d\x1b[A", b"\x1d\r", "\x1d\u{e9}".as_bytes()] {
            assert_eq!(feed(&[key]), [Event::UnknownCommand], "{key:?}");
        }
    }

    #[test]
    fn answers_of_the_terminal_neither_end_a_command_nor_are_typed() {
        let events = feed(&[b"\x1d\x1b[?62cd"]);
        let reply = Event::Terminal(b"\x1b[?62c".to_vec());
        assert_eq!(events, [reply, Event::Command(Command::Detach)]);
    }

    #[test]
    fn prefix_keys_are_control_keys_that_mean_nothing_else() {
        let parse = |text: &str| text.parse::<PrefixKey>().map(|key| key.to_string());
        for (given, shown) in
            [("ctrl-]", "Ctrl-]"), ("Ctrl-A", "Ctrl-a"), ("^b", "Ctrl-b"), ("C-\\", "Ctrl-\\")]
        {
            assert_eq!(parse(given).as_deref(), Ok(shown));
        }
        for bad in ["", "a", "ctrl-", "ctrl-m", "ctrl-[", "ctrl-aa", "ctrl-\u{e9}", "^I"] {
            assert_eq!(parse(bad), Err(BadPrefixKey), "{bad}");
        }
    }

    #[test]
    fn every_command_has_a_key_of_its_own_and_stands_in_the_help() {
        let help = help_line(PrefixKey::default());
        for (command, key, what) in Command::TABLE {
            assert_eq!(Command::of(key), Some(command));
            assert!(help.contains(what), "{what}");
        }
    }
}
