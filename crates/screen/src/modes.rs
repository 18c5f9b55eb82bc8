//! The switches that `CSI h` and `CSI l` set, with and without `?`.

/// A switch that the model acts upon, or that a viewer acts upon and the model answers for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// IRM: printing shifts the row right.
    Insert,
    /// LNM: a line feed also returns the carriage.
    LineFeedReturns,
    /// DECCKM: cursor keys send application codes.
    CursorKeys,
    /// DECSCNM: the screen is inverted.
    ReverseScreen,
    /// DECOM: cursor addresses count from the margins.
    Origin,
    /// DECAWM: text wraps.
    Autowrap,
    /// The cursor blinks, unless its style says otherwise.
    CursorBlink,
    /// DECTCEM: the cursor is visible.
    CursorVisible,
    /// A backspace in the first column goes back over a wrap.
    ReverseWrap,
    /// DECNKM: the keypad sends application codes.
    Keypad,
    /// Focus changes are reported.
    FocusReports,
    /// Pasted text is bracketed.
    BracketedPaste,
    /// The viewer holds its picture still. The model looks through it: its screen is always what
    /// the bytes so far say.
    SynchronizedOutput,
}

/// Which mouse events are reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum MouseEvents {
    /// None.
    #[default]
    Off,
    /// Presses, as X10 did.
    Press,
    /// Presses and releases.
    Click,
    /// Also motion while a button is down.
    Drag,
    /// Also all other motion.
    Motion,
}

/// How mouse reports are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum MouseFormat {
    /// One byte per number.
    #[default]
    Bytes,
    /// Decimal numbers.
    Sgr,
    /// Decimal numbers in pixels.
    SgrPixels,
}

/// Modes in the order in which a snapshot sets them. Origin is not among them: it moves the cursor.
pub(crate) const MODES: [Mode; 12] = [
    Mode::Insert,
    Mode::LineFeedReturns,
    Mode::CursorKeys,
    Mode::ReverseScreen,
    Mode::Autowrap,
    Mode::CursorBlink,
    Mode::CursorVisible,
    Mode::ReverseWrap,
    Mode::Keypad,
    Mode::FocusReports,
    Mode::BracketedPaste,
    Mode::SynchronizedOutput,
];

/// Private modes that only some viewers know. The model keeps what the program asked for and hands
/// it on; it answers that it does not know them.
pub(crate) const PASSIVE_MODES: [u16; 12] =
    [1005, 1007, 1015, 1034, 1035, 1036, 1037, 1039, 1042, 2031, 2048, 9001];

impl Mode {
    /// The number, and whether it stands behind a `?`.
    pub(crate) fn number(self) -> (Family, u16) {
        match self {
            Self::Insert => (Family::Ansi, 4),
            Self::LineFeedReturns => (Family::Ansi, 20),
            Self::CursorKeys => (Family::Private, 1),
            Self::ReverseScreen => (Family::Private, 5),
            Self::Origin => (Family::Private, 6),
            Self::Autowrap => (Family::Private, 7),
            Self::CursorBlink => (Family::Private, 12),
            Self::CursorVisible => (Family::Private, 25),
            Self::ReverseWrap => (Family::Private, 45),
            Self::Keypad => (Family::Private, 66),
            Self::FocusReports => (Family::Private, 1004),
            Self::BracketedPaste => (Family::Private, 2004),
            Self::SynchronizedOutput => (Family::Private, 2026),
        }
    }

    /// The mode with this number.
    pub(crate) fn from_number(family: Family, number: i32) -> Option<Self> {
        let mut known = MODES.into_iter().chain([Self::Origin]);
        known.find(|mode| mode.number().0 == family && i32::from(mode.number().1) == number)
    }

    fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// The two families of mode numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// `CSI 4 h`
    Ansi,
    /// `CSI ? 4 h`
    Private,
}

/// What a sequence does to a mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Switch {
    /// `h`
    On,
    /// `l`
    Off,
}

impl Switch {
    /// The final byte of the sequence.
    pub(crate) fn final_byte(self) -> char {
        match self {
            Self::On => 'h',
            Self::Off => 'l',
        }
    }
}

/// The state of all modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Modes {
    bits: u16,
    pub(crate) mouse_events: MouseEvents,
    pub(crate) mouse_format: MouseFormat,
    /// What the program asked of each of [`PASSIVE_MODES`].
    pub(crate) passive: [Option<Switch>; PASSIVE_MODES.len()],
}

impl Default for Modes {
    fn default() -> Self {
        Self {
            bits: Mode::Autowrap.bit() | Mode::CursorVisible.bit(),
            mouse_events: MouseEvents::Off,
            mouse_format: MouseFormat::Bytes,
            passive: [None; PASSIVE_MODES.len()],
        }
    }
}

impl Modes {
    pub(crate) fn has(&self, mode: Mode) -> bool {
        self.bits & mode.bit() != 0
    }

    pub(crate) fn switch(&mut self, mode: Mode, switch: Switch) {
        match switch {
            Switch::On => self.bits |= mode.bit(),
            Switch::Off => self.bits &= !mode.bit(),
        }
    }

    /// What DECSTR does: back to the start, but the mouse and the passive modes stay, and so do
    /// those that xterm.js keeps as options.
    pub(crate) fn soft_reset(&mut self) {
        let kept = [Mode::LineFeedReturns, Mode::CursorBlink, Mode::ReverseScreen];
        let kept_bits = kept.into_iter().map(Mode::bit).fold(0, |bits, bit| bits | bit);
        self.bits = Self::default().bits | self.bits & kept_bits;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_is_found_by_its_number_and_has_its_own_bit() {
        let mut bits = 0;
        for mode in MODES.into_iter().chain([Mode::Origin]) {
            let (family, number) = mode.number();
            assert_eq!(Mode::from_number(family, i32::from(number)), Some(mode));
            assert_eq!(bits & mode.bit(), 0);
            bits |= mode.bit();
        }
        assert_eq!(Mode::from_number(Family::Ansi, 25), None);
    }

    #[test]
    fn a_soft_reset_keeps_the_mouse_and_the_line_feed_mode() {
        let mut modes = Modes { mouse_events: MouseEvents::Drag, ..Modes::default() };
        modes.switch(Mode::LineFeedReturns, Switch::On);
        modes.switch(Mode::BracketedPaste, Switch::On);
        modes.switch(Mode::Autowrap, Switch::Off);
        modes.soft_reset();
        assert_eq!(modes.mouse_events, MouseEvents::Drag);
        assert!(modes.has(Mode::LineFeedReturns) && modes.has(Mode::Autowrap));
        assert!(!modes.has(Mode::BracketedPaste));
    }
}
