//! Cuts what a terminal sends into keys, pastes, and answers that no human typed.
//!
//! A chunk may end inside an escape sequence. The incomplete part is held until the next chunk, or
//! until [`Splitter::flush`] says that nothing followed in time: then it was typed by hand, as
//! `Alt-[` is. Only an escape that stands alone at the end of a chunk is let through at once for
//! someone who types, so that the Escape key has no delay.

/// Held bytes after which a sequence counts as whatever it is so far.
const MAX_HELD_BYTES: usize = 4096;
/// How a terminal ends a bracketed paste.
const PASTE_END: &[u8] = b"\x1b[201~";
const ESC: u8 = 0x1b;

/// What a piece of terminal input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PieceKind {
    /// Printable text, at least one byte; may end inside a character.
    Text,
    /// One control byte.
    Control(u8),
    /// A key spelled out by its number (kitty or xterm `modifyOtherKeys`).
    Key(Key),
    /// Any other sequence that a key makes, such as an arrow.
    Sequence,
    /// Part of a bracketed paste, brackets included.
    Paste,
    /// An answer of the terminal to a query.
    Reply,
    /// A mouse or focus report.
    Report,
}

/// A key that was spelled out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    /// Unicode number of the key, of the key with shift, and of the key on a US keyboard; 0 = not
    /// said.
    pub(crate) codes: [u32; 3],
    /// Shift 1, alt 2, ctrl 4, super 8, hyper 16, meta 32; locks are left out.
    pub(crate) modifiers: u8,
    /// Whether it went down or up.
    pub(crate) motion: Motion,
}

/// Modifier bit of the control key.
pub(crate) const CTRL: u8 = 4;

/// What a key did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Motion {
    /// It went down, or repeats.
    Press,
    /// It went up.
    Release,
}

/// A piece and its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    /// What it is.
    pub(crate) kind: PieceKind,
    /// Exactly as the terminal sent it.
    pub(crate) bytes: Vec<u8>,
}

/// What to do with an escape at the end of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoneEscape {
    /// It is the Escape key.
    Pass,
    /// Wait whether it begins a sequence.
    Hold,
}

/// Cuts terminal input into pieces.
#[derive(Debug, Default)]
pub(crate) struct Splitter {
    state: State,
    held: Vec<u8>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    Escape,
    Csi,
    /// One more byte of `ESC O x`.
    Ss3,
    /// Bytes of an old mouse report that are still to come.
    Mouse {
        left: u8,
    },
    /// A control string: ends with BEL, or with `ESC \`.
    String {
        after_escape: bool,
    },
    /// Inside a bracketed paste.
    Paste,
}

impl Splitter {
    /// Takes a chunk and appends its pieces.
    pub(crate) fn feed(&mut self, chunk: &[u8], lone: LoneEscape, pieces: &mut Vec<Piece>) {
        for &byte in chunk {
            self.take(byte, pieces);
        }
        let escape_key = self.state == State::Escape && lone == LoneEscape::Pass;
        if matches!(self.state, State::Ground | State::Paste) || escape_key {
            self.flush(pieces);
        }
    }
    /// Whether something is held that only time can decide.
    pub(crate) fn is_waiting(&self) -> bool {
        // the end of a paste comes from the terminal, however late
        !self.held.is_empty() && self.state != State::Paste
    }
    /// Nothing followed in time: what is held was typed by hand.
    pub(crate) fn flush(&mut self, pieces: &mut Vec<Piece>) {
        let kind = match self.state {
            State::Ground => PieceKind::Text,
            State::Paste => return self.emit_paste(pieces),
            State::Escape if self.held.len() == 1 => PieceKind::Control(ESC),
            State::Mouse { .. } => PieceKind::Report,
            State::String { .. } if self.held.len() > 2 => PieceKind::Reply,
            State::Escape | State::Csi | State::Ss3 | State::String { .. } => PieceKind::Sequence,
        };
        self.finish(kind, pieces);
    }

    fn take(&mut self, byte: u8, pieces: &mut Vec<Piece>) {
        match self.state {
            State::Ground => self.take_ground(byte, pieces),
            State::Escape => self.take_escape(byte, pieces),
            State::Csi => self.take_csi(byte, pieces),
            State::Ss3 => {
                self.held.push(byte);
                self.finish(PieceKind::Sequence, pieces);
            }
            State::Mouse { left } => {
                self.held.push(byte);
                self.state = State::Mouse { left: left.saturating_sub(1) };
                if left <= 1 {
                    self.finish(PieceKind::Report, pieces);
                }
            }
            State::String { after_escape } => self.take_string(byte, after_escape, pieces),
            State::Paste => {
                self.held.push(byte);
                if self.held.ends_with(PASTE_END) {
                    self.finish(PieceKind::Paste, pieces);
                }
            }
        }
        if self.held.len() >= MAX_HELD_BYTES {
            self.let_go(pieces);
        }
    }

    fn take_ground(&mut self, byte: u8, pieces: &mut Vec<Piece>) {
        if byte == ESC {
            self.emit(PieceKind::Text, pieces);
            self.held.push(byte);
            self.state = State::Escape;
        } else if byte < 0x20 || byte == 0x7f {
            self.emit(PieceKind::Text, pieces);
            self.held.push(byte);
            self.emit(PieceKind::Control(byte), pieces);
        } else {
            self.held.push(byte);
        }
    }

    fn take_escape(&mut self, byte: u8, pieces: &mut Vec<Piece>) {
        if byte == ESC {
            // two escapes: the first was the key
            self.finish(PieceKind::Control(ESC), pieces);
            return self.take_ground(byte, pieces);
        }
        self.held.push(byte);
        match byte {
            b'[' => self.state = State::Csi,
            b'O' => self.state = State::Ss3,
            b'P' | b']' | b'X' | b'^' | b'_' => self.state = State::String { after_escape: false },
            _ => self.finish(PieceKind::Sequence, pieces),
        }
    }

    fn take_csi(&mut self, byte: u8, pieces: &mut Vec<Piece>) {
        self.held.push(byte);
        match byte {
            // parameters and intermediates
            0x20..=0x3f => {}
            b'M' if self.held.len() == 3 => self.state = State::Mouse { left: 3 },
            b'~' if self.held == b"\x1b[200~" => self.state = State::Paste,
            0x40..=0x7e => self.finish(csi_kind(&self.held), pieces),
            // not a sequence after all
            _ => self.finish(PieceKind::Sequence, pieces),
        }
    }

    fn take_string(&mut self, byte: u8, after_escape: bool, pieces: &mut Vec<Piece>) {
        self.held.push(byte);
        if byte == 0x07 || (after_escape && byte == b'\\') {
            return self.finish(PieceKind::Reply, pieces);
        }
        self.state = State::String { after_escape: byte == ESC };
    }

    /// Enough is held: a long string or paste goes on in the next piece.
    fn let_go(&mut self, pieces: &mut Vec<Piece>) {
        match self.state {
            State::String { .. } => self.emit(PieceKind::Reply, pieces),
            State::Paste => self.emit_paste(pieces),
            State::Ground => self.emit(PieceKind::Text, pieces),
            State::Escape | State::Csi | State::Ss3 | State::Mouse { .. } => {
                self.finish(PieceKind::Sequence, pieces);
            }
        }
    }

    /// Emits a paste so far, but keeps what may be the beginning of its end.
    fn emit_paste(&mut self, pieces: &mut Vec<Piece>) {
        let longest = PASTE_END.len().min(self.held.len());
        let begun = (1..=longest).rev().find(|&len| self.held.ends_with(&PASTE_END[..len]));
        let keep = self.held.split_off(self.held.len() - begun.unwrap_or(0));
        self.emit(PieceKind::Paste, pieces);
        self.held = keep;
    }

    fn finish(&mut self, kind: PieceKind, pieces: &mut Vec<Piece>) {
        self.emit(kind, pieces);
        self.state = State::Ground;
    }

    fn emit(&mut self, kind: PieceKind, pieces: &mut Vec<Piece>) {
        if !self.held.is_empty() {
            pieces.push(Piece { kind, bytes: std::mem::take(&mut self.held) });
        }
    }
}

/// What a complete control sequence is.
fn csi_kind(sequence: &[u8]) -> PieceKind {
    let Some(([_, _, parameters @ ..], last)) = sequence.split_last().map(|(l, rest)| (rest, *l))
    else {
        return PieceKind::Sequence;
    };
    let private = parameters.first().is_some_and(|first| matches!(first, b'?' | b'>' | b'='));
    match last {
        b'M' | b'm' if parameters.first() == Some(&b'<') => PieceKind::Report,
        b'M' if parameters.contains(&b';') => PieceKind::Report,
        b'I' | b'O' if parameters.is_empty() => PieceKind::Report,
        b'u' if !private => parse_key(parameters).map_or(PieceKind::Sequence, PieceKind::Key),
        b'~' if parameters.starts_with(b"27;") => {
            parse_other_key(&parameters[3..]).map_or(PieceKind::Sequence, PieceKind::Key)
        }
        // device attributes, positions, status, modes and window reports
        b'R' | b'n' | b'y' | b't' => PieceKind::Reply,
        _ if private => PieceKind::Reply,
        _ => PieceKind::Sequence,
    }
}

/// `code:shifted:base ; modifiers:event ; text`, as in kitty's keyboard protocol.
fn parse_key(parameters: &[u8]) -> Option<Key> {
    let text = std::str::from_utf8(parameters).ok()?;
    let mut fields = text.split(';');
    let mut codes = [0; 3];
    for (code, field) in codes.iter_mut().zip(fields.next()?.split(':')) {
        *code = if field.is_empty() { 0 } else { field.parse().ok()? };
    }
    let mut state = fields.next().unwrap_or("1").split(':');
    let modifiers = parse_modifiers(state.next().unwrap_or("1"))?;
    let motion = if state.next() == Some("3") { Motion::Release } else { Motion::Press };
    Some(Key { codes, modifiers, motion })
}

/// `modifiers ; code`, as in xterm's `modifyOtherKeys`.
fn parse_other_key(parameters: &[u8]) -> Option<Key> {
    let (modifiers, code) = std::str::from_utf8(parameters).ok()?.split_once(';')?;
    let modifiers = parse_modifiers(modifiers)?;
    Some(Key { codes: [code.parse().ok()?, 0, 0], modifiers, motion: Motion::Press })
}

/// One more than the sum of the bits; caps and num lock do not make another key.
fn parse_modifiers(text: &str) -> Option<u8> {
    let value: u16 = if text.is_empty() { 1 } else { text.parse().ok()? };
    u8::try_from(value.saturating_sub(1) & 0x3f).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use PieceKind::{Control, Key as Spelled, Paste, Reply, Report, Sequence, Text};

    fn split(chunks: &[&[u8]]) -> Vec<(PieceKind, Vec<u8>)> {
        let mut splitter = Splitter::default();
        let mut pieces = Vec::new();
        for chunk in chunks {
            splitter.feed(chunk, LoneEscape::Hold, &mut pieces);
        }
        splitter.flush(&mut pieces);
        pieces.into_iter().map(|piece| (piece.kind, piece.bytes)).collect()
    }

    fn kinds(input: &[u8]) -> Vec<PieceKind> {
        split(&[input]).into_iter().map(|(kind, _)| kind).collect()
    }

    #[test]
    fn text_comes_in_runs_and_control_bytes_alone() {
        let pieces = split(&["né\x03b".as_bytes()]);
        assert_eq!(pieces.len(), 3);
        assert_eq!(pieces[0], (Text, "né".into()));
        assert_eq!(pieces[1], (Control(3), vec![3]));
        assert_eq!(pieces[2], (Text, b"b".to_vec()));
    }

    #[test]
    fn answers_and_reports_are_no_key_presses() {
        for reply in [
            b"\x1b[?62;22c".as_slice(),
            b"\x1b[>41;354;0c",
            b"\x1b[12;40R",
            b"\x1b[0n",
            b"\x1b[?2026;2$y",
            b"\x1b[8;24;80t",
            b"\x1b[?1u",
            b"\x1b]11;rgb:0000/0000/0000\x1b\\",
            b"\x1b]52;c;aGk=\x07",
            b"\x1bP1+r544e=787465726d\x1b\\",
            b"\x1b_Gi=31;OK\x1b\\",
        ] {
            assert_eq!(kinds(reply), [Reply], "{:?}", String::from_utf8_lossy(reply));
        }
        for report in [b"\x1b[I".as_slice(), b"\x1b[O", b"\x1b[<0;3;4M", b"\x1b[M\x20\x21\x22"] {
            assert_eq!(kinds(report), [Report], "{:?}", String::from_utf8_lossy(report));
        }
    }

    #[test]
    fn keys_are_key_presses() {
        for key in [b"\x1b[A".as_slice(), b"\x1bOP", b"\x1b[3~", b"\x1b[1;5C", b"\x1bx", b"\x1b[Z"]
        {
            assert_eq!(kinds(key), [Sequence], "{:?}", String::from_utf8_lossy(key));
        }
    }

    #[test]
    fn spelled_out_keys_are_read_in_both_dialects() {
        let key = |codes, modifiers, motion| [Spelled(Key { codes, modifiers, motion })];
        assert_eq!(kinds(b"\x1b[93;5u"), key([93, 0, 0], CTRL, Motion::Press));
        assert_eq!(kinds(b"\x1b[252::93;69:3u"), key([252, 0, 93], CTRL, Motion::Release));
        assert_eq!(kinds(b"\x1b[27;5;93~"), key([93, 0, 0], CTRL, Motion::Press));
        assert_eq!(kinds(b"\x1b[13u"), key([13, 0, 0], 0, Motion::Press));
    }

    #[test]
    fn a_sequence_cut_anywhere_is_the_same_piece() {
        let whole: &[u8] = b"a\x1b[93;5u\x1b]11;rgb:0/0/0\x1b\\\x1b[Mabc\x1b[200~x\x1b[201~z";
        let expected = split(&[whole]);
        for cut in 0..=whole.len() {
            let (head, tail) = whole.split_at(cut);
            let pieces = split(&[head, tail]);
            let joined: Vec<u8> = pieces.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
            assert_eq!(joined, whole);
            let kinds = |pieces: &[(PieceKind, Vec<u8>)]| {
                let mut kinds: Vec<_> = pieces.iter().map(|(kind, _)| *kind).collect();
                kinds.dedup();
                kinds
            };
            assert_eq!(kinds(&pieces), kinds(&expected), "cut at {cut}");
        }
    }

    #[test]
    fn the_escape_key_passes_at_once_only_when_asked() {
        let feed = |lone| {
            let mut splitter = Splitter::default();
            let mut pieces = Vec::new();
            splitter.feed(b"\x1b", lone, &mut pieces);
            (pieces.len(), splitter.is_waiting())
        };
        assert_eq!(feed(LoneEscape::Pass), (1, false));
        assert_eq!(feed(LoneEscape::Hold), (0, true));
    }

    #[test]
    fn an_unfinished_sequence_was_typed_by_hand() {
        assert_eq!(kinds(b"\x1b["), [Sequence]);
        assert_eq!(kinds(b"\x1bP"), [Sequence]);
        assert_eq!(kinds(b"\x1b\x1b"), [Control(ESC), Control(ESC)]);
    }

    #[test]
    fn a_paste_is_paste_from_bracket_to_bracket_however_long() {
        let mut input = b"\x1b[200~".to_vec();
        input.extend(std::iter::repeat_n(0x1d, 3 * MAX_HELD_BYTES));
        input.extend_from_slice(b"\x1b[201~after");
        let pieces = split(&[&input]);
        let (last, pasted) = pieces.split_last().expect("pieces");
        assert_eq!(last, &(Text, b"after".to_vec()));
        assert!(pasted.iter().all(|(kind, _)| *kind == Paste));
        let held: usize = pasted.iter().map(|(_, bytes)| bytes.len()).max().expect("pieces");
        assert!(held <= MAX_HELD_BYTES);
    }
}
