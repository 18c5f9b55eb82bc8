//! Vendors' own Remote Control: the command line, what must be so before it can work, and what its
//! screen says.
//!
//! This is the only place that reads meaning off a screen. [`Screen`] takes output bytes, makes lines of
//! them (`lines`) and looks each up in its vendor's table (`claude`, `codex`), where every entry names
//! its source. A line that no table knows changes nothing: then the state stays
//! [`RemoteState::Running`] at most, never a guess. [`preflight`] decides over facts that the relay has
//! gathered and [`evidence`] has read, [`command`] makes the argument vector.

mod claude;
mod codex;
pub mod command;
pub mod evidence;
mod lines;
pub mod preflight;
mod table;
#[cfg(test)]
mod tests;

use alloc::{borrow::ToOwned, format, string::String};

use quarterdeck_protocol::{
    record::ExitStatus,
    remote_control::{RemoteMode, RemoteState, RemoteVendor},
};

use crate::plain;
use lines::LineReader;
use table::{Line, Means};

/// What a Remote Control program's screen has said so far. A fold of its output: the same bytes give
/// the same state.
#[derive(Debug, Clone)]
pub struct Screen {
    vendor: RemoteVendor,
    mode: RemoteMode,
    lines: LineReader,
    state: RemoteState,
    url: Option<String>,
    code: Option<String>,
}

impl Screen {
    /// A program that has just been started.
    #[must_use]
    pub fn new(vendor: RemoteVendor, mode: RemoteMode) -> Self {
        let lines = LineReader::default();
        Self { vendor, mode, lines, state: RemoteState::Starting, url: None, code: None }
    }

    /// How far it is.
    #[must_use]
    pub const fn state(&self) -> &RemoteState {
        &self.state
    }
    /// Where the app is opened.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }
    /// The code that the app asks for.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// Takes output.
    pub fn handle_output(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if let Some(line) = self.lines.handle_byte(*byte) {
                self.handle_line(&line, Whole::Yes);
            }
        }
        // a question waits on a line that has not ended
        if let Some(line) = self.lines.unfinished() {
            self.handle_line(&line, Whole::No);
        }
    }

    /// The program is gone.
    pub fn handle_exit(&mut self, status: &ExitStatus) {
        if let Some(line) = self.lines.unfinished() {
            self.handle_line(&line, Whole::Yes);
        }
        if matches!(self.state, RemoteState::Failed { .. }) {
            return;
        }
        self.state = match status {
            ExitStatus::Code { code: 0 } => RemoteState::Ended,
            ExitStatus::Code { code } => failed(format!("it ended with code {code}")),
            ExitStatus::Signal { signal, .. } => failed(format!("it was ended by signal {signal}")),
            ExitStatus::Oom => failed("the kernel ended it for want of memory".to_owned()),
            ExitStatus::Unknown => failed("it ended".to_owned()),
        };
    }

    /// Nobody recorded how it ended.
    pub fn handle_loss(&mut self) {
        if !matches!(self.state, RemoteState::Failed { .. }) {
            self.state = failed("its holder died".to_owned());
        }
    }

    const fn has_refused(&self) -> bool {
        matches!(self.state, RemoteState::Failed { refused: true, .. })
    }

    fn handle_line(&mut self, line: &str, whole: Whole) {
        let line = line.trim();
        let Some((entry, rest)) = self.table().iter().find_map(|entry| {
            let fits = entry.modes.has(self.mode);
            fits.then(|| entry.rest_of(line)).flatten().map(|rest| (entry, rest))
        }) else {
            return;
        };
        self.apply(entry, line, rest, whole);
    }

    fn apply(&mut self, entry: &Line, line: &str, rest: &str, whole: Whole) {
        let reason = || plain::title(line.trim_start_matches("Error: "));
        match entry.means {
            Means::Starting => self.state = RemoteState::Starting,
            Means::Up => {
                if self.state != RemoteState::Connected {
                    self.state = RemoteState::Running;
                }
            }
            Means::Waiting => self.state = RemoteState::WaitingForPairing,
            Means::Connected => self.state = RemoteState::Connected,
            Means::Reconnecting => self.state = RemoteState::Reconnecting,
            Means::Asks => self.state = RemoteState::Asking { question: plain::title(line) },
            Means::Code if whole == Whole::Yes => self.code = first_word(rest),
            Means::Code => {}
            Means::Refuses { .. } | Means::GivesUp { .. } if whole == Whole::No => {}
            // what it says first is why; what follows explains
            Means::Refuses { .. } | Means::GivesUp { .. } if self.has_refused() => {}
            Means::Refuses { advice } | Means::GivesUp { advice } => {
                let refused = matches!(entry.means, Means::Refuses { .. });
                let advice = Some(advice.to_owned()).filter(|advice| !advice.is_empty());
                self.state = RemoteState::Failed { reason: reason(), advice, refused };
            }
        }
        if whole == Whole::Yes
            && entry.has_url
            && (self.url.is_none() || self.mode == RemoteMode::Server)
        {
            // a conversation on the same screen could print another one later
            self.url = claude::url(rest).map(str::to_owned).or_else(|| self.url.take());
        }
    }

    const fn table(&self) -> &'static [Line] {
        match self.vendor {
            RemoteVendor::Claude => claude::LINES,
            RemoteVendor::Codex => codex::LINES,
            RemoteVendor::Unknown => &[],
        }
    }
}

/// Whether a line has ended: of one that has not, addresses and codes may be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whole {
    Yes,
    No,
}

fn failed(reason: String) -> RemoteState {
    RemoteState::Failed { reason, advice: None, refused: false }
}

fn first_word(text: &str) -> Option<String> {
    text.split_whitespace().next().map(plain::title).filter(|word| !word.is_empty())
}

/// The recognised lines of a vendor with their sources, for the docs and for tests that print them.
pub fn recognised(vendor: RemoteVendor) -> impl Iterator<Item = (&'static str, &'static str)> {
    let table = match vendor {
        RemoteVendor::Claude => claude::LINES,
        RemoteVendor::Codex => codex::LINES,
        RemoteVendor::Unknown => &[],
    };
    table.iter().map(|line| (line.text, line.source.words()))
}
