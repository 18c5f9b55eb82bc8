//! The state machine of escape sequences: which character means what, in which state. It follows the
//! DEC parser as xterm.js implements it, C1 controls (as characters, never as raw bytes) included.
//! It holds nothing but the state: what a sequence contains is collected by its users, the model's
//! [`Parser`](crate::parser::Parser) and the [`ReplayFilter`](crate::ReplayFilter).

/// Where in a sequence the stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum State {
    /// Between sequences.
    #[default]
    Ground,
    /// After `ESC`.
    Escape,
    /// After `ESC` and intermediate bytes.
    EscapeIntermediate,
    /// Right after `CSI`.
    CsiEntry,
    /// In the parameters of a CSI sequence.
    CsiParam,
    /// In the intermediate bytes of a CSI sequence.
    CsiIntermediate,
    /// In a malformed CSI sequence, up to its final byte.
    CsiIgnore,
    /// In an SOS, PM or APC string.
    OpaqueString,
    /// In an OSC string.
    OscString,
    /// Right after `DCS`.
    DcsEntry,
    /// In the parameters of a DCS sequence.
    DcsParam,
    /// In the intermediate bytes of a DCS sequence.
    DcsIntermediate,
    /// In a malformed DCS sequence, up to its end.
    DcsIgnore,
    /// In the payload of a DCS sequence.
    DcsPassthrough,
}

impl State {
    /// Whether a parameter byte here belongs to a CSI sequence.
    pub(crate) fn takes_csi_params(self) -> bool {
        self == Self::CsiEntry || self == Self::CsiParam
    }

    /// Whether controls have no effect here because they are part of a string.
    pub(crate) fn is_string(self) -> bool {
        match self {
            Self::OpaqueString
            | Self::OscString
            | Self::DcsEntry
            | Self::DcsParam
            | Self::DcsIntermediate
            | Self::DcsIgnore
            | Self::DcsPassthrough => true,
            Self::Ground
            | Self::Escape
            | Self::EscapeIntermediate
            | Self::CsiEntry
            | Self::CsiParam
            | Self::CsiIntermediate
            | Self::CsiIgnore => false,
        }
    }
}

/// What a character asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Nothing.
    Ignore,
    /// The character fits nowhere: it and the sequence it broke have no effect.
    Broken,
    /// A character for the screen.
    Print,
    /// A C0 or C1 control.
    Execute,
    /// A sequence begins: forget what was collected.
    Clear,
    /// One more digit or separator of the parameters.
    Param,
    /// One more prefix or intermediate byte.
    Collect,
    /// An escape sequence is complete.
    EscDispatch,
    /// A CSI sequence is complete.
    CsiDispatch,
    /// An OSC string begins.
    OscStart,
    /// One more character of an OSC string.
    OscPut,
    /// An OSC string ends (is abandoned by CAN and SUB).
    OscEnd,
    /// A DCS payload begins.
    DcsHook,
    /// One more character of a DCS payload.
    DcsPut,
    /// A DCS payload ends (is abandoned by CAN and SUB).
    DcsUnhook,
}

/// The first character outside ASCII and C1.
const FIRST_WIDE_CODE: u32 = 0xa0;

/// Whether `code` starts a new sequence wherever it stands.
pub(crate) fn is_introducer(code: u32) -> bool {
    matches!(code, 0x1b | 0x90 | 0x98 | 0x9b | 0x9d..=0x9f)
}

/// How many parameter bytes of a CSI sequence `bytes` begin with: the part of [`step`] that is worth
/// a short cut.
pub(crate) fn count_params(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| !matches!(byte, b'0'..=b';')).unwrap_or(bytes.len())
}

/// What `code` does in `state`, and the state after it.
pub(crate) fn step(state: State, code: u32) -> (Action, State) {
    let after_string = if code == 0x1b { State::Escape } else { State::Ground };
    match (state, code) {
        (State::OscString, 0x07 | 0x18 | 0x1a | 0x1b | 0x9c) => (Action::OscEnd, after_string),
        (State::DcsPassthrough, 0x18 | 0x1a | 0x1b | 0x9c) => (Action::DcsUnhook, after_string),
        (_, 0x18 | 0x1a | 0x80..=0x8f | 0x91..=0x97 | 0x99 | 0x9a) => {
            (Action::Execute, State::Ground)
        }
        (_, 0x9c) => (Action::Ignore, State::Ground),
        (_, 0x1b) => (Action::Clear, State::Escape),
        (_, 0x9d) => (Action::OscStart, State::OscString),
        (_, 0x98 | 0x9e | 0x9f) => (Action::Ignore, State::OpaqueString),
        (_, 0x9b) => (Action::Clear, State::CsiEntry),
        (_, 0x90) => (Action::Clear, State::DcsEntry),
        (State::Ground, _) => ground(code),
        (State::Escape | State::EscapeIntermediate, _) => escape(state, code),
        (State::CsiEntry | State::CsiParam | State::CsiIntermediate | State::CsiIgnore, _) => {
            csi(state, code)
        }
        (State::OpaqueString, _) if code < 0x80 => (Action::Ignore, state),
        (State::OpaqueString, _) => (Action::Broken, State::Ground),
        (State::OscString, 0x00..=0x1f) => (Action::Ignore, state),
        (State::OscString, _) => (Action::OscPut, state),
        (
            State::DcsEntry
            | State::DcsParam
            | State::DcsIntermediate
            | State::DcsIgnore
            | State::DcsPassthrough,
            _,
        ) => dcs(state, code),
    }
}

fn ground(code: u32) -> (Action, State) {
    match code {
        0x00..=0x1f => (Action::Execute, State::Ground),
        0x7f => (Action::Broken, State::Ground),
        _ => (Action::Print, State::Ground),
    }
}

fn escape(state: State, code: u32) -> (Action, State) {
    match (state, code) {
        (_, 0x00..=0x1f) => (Action::Execute, state),
        (_, 0x7f) => (Action::Ignore, state),
        (_, 0x20..=0x2f) => (Action::Collect, State::EscapeIntermediate),
        (State::Escape, 0x50) => (Action::Clear, State::DcsEntry),
        (State::Escape, 0x58 | 0x5e | 0x5f) => (Action::Ignore, State::OpaqueString),
        (State::Escape, 0x5b) => (Action::Clear, State::CsiEntry),
        (State::Escape, 0x5d) => (Action::OscStart, State::OscString),
        (_, 0x30..=0x7e) => (Action::EscDispatch, State::Ground),
        _ => (Action::Broken, State::Ground),
    }
}

fn csi(state: State, code: u32) -> (Action, State) {
    match (state, code) {
        (_, 0x00..=0x1f) => (Action::Execute, state),
        (_, 0x7f) => (Action::Ignore, state),
        (State::CsiIgnore, 0x40..=0x7e) => (Action::Ignore, State::Ground),
        (State::CsiIgnore, _) => (Action::Ignore, state),
        (_, 0x40..=0x7e) => (Action::CsiDispatch, State::Ground),
        (_, 0x20..=0x2f) => (Action::Collect, State::CsiIntermediate),
        (State::CsiEntry | State::CsiParam, 0x30..=0x3b) => (Action::Param, State::CsiParam),
        (State::CsiEntry, 0x3c..=0x3f) => (Action::Collect, State::CsiParam),
        (_, 0x30..=0x3f) => (Action::Ignore, State::CsiIgnore),
        _ => (Action::Broken, State::Ground),
    }
}

fn dcs(state: State, code: u32) -> (Action, State) {
    match (state, code) {
        (State::DcsPassthrough, 0x7f) => (Action::Ignore, state),
        (State::DcsPassthrough, _) => (Action::DcsPut, state),
        (State::DcsIgnore, _) | (_, 0x00..=0x1f | 0x7f) => (Action::Ignore, state),
        (_, 0x40..=0x7e) => (Action::DcsHook, State::DcsPassthrough),
        (_, 0x20..=0x2f) => (Action::Collect, State::DcsIntermediate),
        (State::DcsEntry | State::DcsParam, 0x30..=0x3b) => (Action::Param, State::DcsParam),
        (State::DcsEntry, 0x3c..=0x3f) => (Action::Collect, State::DcsParam),
        (_, 0x30..=0x3f) => (Action::Ignore, State::DcsIgnore),
        (_, FIRST_WIDE_CODE..) => (Action::Broken, State::Ground),
        _ => (Action::Ignore, state),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str) -> (Action, State) {
        let mut last = (Action::Ignore, State::Ground);
        for char in text.chars() {
            last = step(last.1, u32::from(char));
        }
        last
    }

    #[test]
    fn complete_sequences_end_on_the_ground() {
        assert_eq!(run("\x1b[1;31m"), (Action::CsiDispatch, State::Ground));
        assert_eq!(run("\u{9b}1m"), (Action::CsiDispatch, State::Ground));
        assert_eq!(run("\x1b(0"), (Action::EscDispatch, State::Ground));
        assert_eq!(run("\x1b]0;t\x07"), (Action::OscEnd, State::Ground));
        assert_eq!(run("\x1bPq#0\u{9c}"), (Action::DcsUnhook, State::Ground));
        assert_eq!(run("\x1b_Gx\x1b\\"), (Action::EscDispatch, State::Ground));
    }

    #[test]
    fn the_short_cut_for_parameters_agrees_with_the_machine() {
        for byte in 0..0x80_u8 {
            for state in [State::CsiEntry, State::CsiParam] {
                let is_param = step(state, u32::from(byte)).0 == Action::Param;
                assert_eq!(count_params(&[byte]) == 1, is_param, "{byte:#x} in {state:?}");
            }
        }
    }

    #[test]
    fn an_escape_inside_a_sequence_begins_the_next_one() {
        assert_eq!(run("\x1b[1;\x1b"), (Action::Clear, State::Escape));
        assert_eq!(run("\x1b]0;t\x1b"), (Action::OscEnd, State::Escape));
        assert_eq!(run("\x1bPq\x1b"), (Action::DcsUnhook, State::Escape));
    }

    #[test]
    fn a_character_outside_ascii_breaks_a_csi_sequence() {
        assert_eq!(run("\x1b[1é"), (Action::Broken, State::Ground));
        assert_eq!(run("\x1b[<1;?é"), (Action::Ignore, State::CsiIgnore));
    }

    #[test]
    fn controls_inside_a_sequence_are_executed_in_place() {
        assert_eq!(run("\x1b[1\n"), (Action::Execute, State::CsiParam));
        assert_eq!(run("\x1b[1\x18"), (Action::Execute, State::Ground));
    }
}
