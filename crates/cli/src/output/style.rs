//! Colours by meaning. Plain output has none at all.

use anstyle::{AnsiColor, Style};

/// One style per meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Styles {
    /// Column heads and names of sections.
    pub(crate) head: Style,
    /// What is well or runs.
    pub(crate) good: Style,
    /// What a human should look at.
    pub(crate) warn: Style,
    /// What failed.
    pub(crate) error: Style,
    /// What to type next.
    pub(crate) hint: Style,
    /// What matters less.
    pub(crate) dim: Style,
}

impl Styles {
    /// No colours.
    pub(crate) const PLAIN: Self = Self {
        head: Style::new(),
        good: Style::new(),
        warn: Style::new(),
        error: Style::new(),
        hint: Style::new(),
        dim: Style::new(),
    };
    /// The eight colours that every terminal has.
    pub(crate) const COLORED: Self = Self {
        head: Style::new().bold(),
        good: AnsiColor::Green.on_default(),
        warn: AnsiColor::Yellow.on_default(),
        error: AnsiColor::Red.on_default().bold(),
        hint: AnsiColor::Cyan.on_default(),
        dim: Style::new().dimmed(),
    };
}

/// The text in a style; the text itself when the style is plain.
pub(crate) fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}
