//! The only place that prints. Results go to standard output, everything said about them to
//! standard error; with `--json` both are JSON, one value per line.

pub(crate) mod escape;
pub(crate) mod qr;
pub(crate) mod style;
pub(crate) mod table;
pub(crate) mod time;

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::error::{CliError, ErrorReport, Kind};
use style::{Styles, paint};

/// What results look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs: the protocol's own types.
    Json,
}

/// When colours are used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Where a command prints.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    format: Format,
    stdout: Styles,
    stderr: Styles,
}

impl Output {
    /// An output; `plain` is set by `NO_COLOR` or a dumb terminal.
    pub(crate) fn new(format: Format, color: ColorChoice, surroundings: Surroundings) -> Self {
        let styles = |is_terminal: bool| match (color, surroundings) {
            (ColorChoice::Always, _) => Styles::COLORED,
            (ColorChoice::Auto, Surroundings::Capable) if is_terminal => Styles::COLORED,
            (ColorChoice::Auto | ColorChoice::Never, _) => Styles::PLAIN,
        };
        Self {
            format,
            stdout: styles(io::stdout().is_terminal()),
            stderr: styles(io::stderr().is_terminal()),
        }
    }
    /// Whether results are text or JSON.
    pub(crate) const fn format(self) -> Format {
        self.format
    }
    /// How text on standard output may look.
    pub(crate) const fn styles(self) -> Styles {
        self.stdout
    }

    /// Prints a result: `text` for people, `value` for programs.
    pub(crate) fn result<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce(Styles) -> String,
    ) -> Result<(), CliError> {
        match self.format {
            Format::Json => self.json(value),
            Format::Text => self.bytes(text(self.stdout).as_bytes()),
        }
    }
    /// Prints one line of JSON.
    pub(crate) fn json<T: Serialize>(self, value: &T) -> Result<(), CliError> {
        let mut line = serde_json::to_vec(value).map_err(|error| {
            CliError::new(Kind::Failed, "the answer has no JSON form").caused_by(&error)
        })?;
        line.push(b'\n');
        self.bytes(&line)
    }
    /// Writes bytes to standard output as they are.
    #[expect(clippy::unused_self, reason = "printing is the output's alone")]
    pub(crate) fn bytes(self, bytes: &[u8]) -> Result<(), CliError> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| {
            let reader_gone = error.kind() == io::ErrorKind::BrokenPipe;
            let kind = if reader_gone { Kind::ReaderGone } else { Kind::Failed };
            CliError::new(kind, "cannot write to standard output").caused_by(&error)
        })
    }
    /// Says something about the result to whoever looks; silent with `--json`.
    pub(crate) fn note(self, text: &str) {
        if self.format == Format::Text {
            to_stderr(&format!("{text}\n"));
        }
    }
    /// Prints an error on standard error.
    pub(crate) fn error(self, error: &CliError) {
        if error.kind == Kind::ReaderGone {
            return;
        }
        to_stderr(&match self.format {
            Format::Text => error_text(error, self.stderr),
            Format::Json => {
                let line = serde_json::to_string(&ErrorReport::from(error));
                line.map_or_else(|_| error_text(error, Styles::PLAIN), |line| line + "\n")
            }
        });
    }
}

/// What the environment says about colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Surroundings {
    /// Nothing against them.
    Capable,
    /// `NO_COLOR` is set or the terminal is dumb.
    Plain,
}

/// Standard error may be closed; there is nobody left to tell then.
fn to_stderr(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes());
    let _ = stderr.flush();
}

/// `error: …`, its causes and its hints.
fn error_text(error: &CliError, styles: Styles) -> String {
    let mut text = format!("{} {}\n", paint(styles.error, "error:"), error.message);
    for cause in &error.causes {
        text += &format!("  {} {cause}\n", paint(styles.dim, "because:"));
    }
    for hint in &error.hints {
        text += &format!("  {} {hint}\n", paint(styles.hint, "hint:"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> CliError {
        let cause = io::Error::other("No such file or directory");
        CliError::new(Kind::Unreachable, "no relay runs for instance default")
            .caused_by(&cause)
            .hint("start one: qd relay --background")
    }

    #[test]
    fn an_error_is_kind_cause_and_hint() {
        insta::assert_snapshot!(error_text(&sample(), Styles::PLAIN), @r"
        error: no relay runs for instance default
          because: No such file or directory
          hint: start one: qd relay --background
        ");
    }

    #[test]
    fn colours_surround_the_words_and_nothing_else() {
        let colored = error_text(&sample(), Styles::COLORED);
        assert!(colored.starts_with("\u{1b}["), "{colored:?}");
        let mut plain = String::new();
        let mut rest = colored.as_str();
        while let Some((before, after)) = rest.split_once('\u{1b}') {
            plain += before;
            rest = after.split_once('m').map_or("", |(_, rest)| rest);
        }
        assert_eq!(plain + rest, error_text(&sample(), Styles::PLAIN));
    }

    #[test]
    fn colour_is_only_automatic_where_a_terminal_can_show_it() {
        // the tests' own standard output is no terminal
        let styles = |color, around| Output::new(Format::Text, color, around).styles();
        assert_eq!(styles(ColorChoice::Auto, Surroundings::Capable), styles_of_stdout());
        assert_eq!(styles(ColorChoice::Auto, Surroundings::Plain), Styles::PLAIN);
        assert_eq!(styles(ColorChoice::Never, Surroundings::Capable), Styles::PLAIN);
        assert_eq!(styles(ColorChoice::Always, Surroundings::Plain), Styles::COLORED);
    }

    fn styles_of_stdout() -> Styles {
        if io::stdout().is_terminal() { Styles::COLORED } else { Styles::PLAIN }
    }
}
