//! What an entry of a table of recognised lines is.

use quarterdeck_protocol::remote_control::RemoteMode;

/// A line that a vendor's program is known to print.
#[derive(Debug)]
pub(super) struct Line {
    /// Its text, or the part that never changes.
    pub text: &'static str,
    /// Where in the line the text stands.
    pub stands: Stands,
    /// In which modes it is printed.
    pub modes: Modes,
    /// What it says.
    pub means: Means,
    /// Whether the address of the session follows it.
    pub has_url: bool,
    /// How it is known.
    pub source: Source,
}

/// Where in a line a text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stands {
    /// At its beginning.
    First,
    /// After a mark of one character and some spaces, as a spinner or a bullet.
    AfterMark,
    /// Anywhere: for sentences that are part of longer ones.
    Anywhere,
}

/// In which modes a line is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Modes {
    /// By a server.
    Server,
    /// Below a conversation.
    Interactive,
    /// By both.
    Both,
}

impl Modes {
    pub(super) const fn has(self, mode: RemoteMode) -> bool {
        match (self, mode) {
            (Self::Both, _)
            | (Self::Server, RemoteMode::Server)
            | (Self::Interactive, RemoteMode::Interactive) => true,
            (Self::Server | Self::Interactive, _) => false,
        }
    }
}

/// What a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Means {
    /// It connects for the first time.
    Starting,
    /// It runs; whether an app has joined is not said.
    Up,
    /// It can be reached, and no app has joined.
    Waiting,
    /// An app has joined.
    Connected,
    /// It lost the vendor's servers and tries again.
    Reconnecting,
    /// It waits for an answer on the terminal.
    Asks,
    /// A code for the app follows.
    Code,
    /// The same start would fail again.
    Refuses {
        /// What to type; may be empty where the line itself says it.
        advice: &'static str,
    },
    /// It ended for a reason that may pass.
    GivesUp {
        /// What to type.
        advice: &'static str,
    },
}

/// How a line is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The program printed it in a test.
    Printed(&'static str),
    /// It stands in the program's own text; without an account it cannot be made to print it.
    InProgram(&'static str),
}

impl Source {
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Printed(words) | Self::InProgram(words) => words,
        }
    }
}

impl Line {
    /// What follows the text in a line that has it.
    pub(super) fn rest_of<'a>(&self, line: &'a str) -> Option<&'a str> {
        match self.stands {
            Stands::First => line.strip_prefix(self.text),
            Stands::AfterMark => {
                let unmarked = line.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
                unmarked.strip_prefix(self.text)
            }
            Stands::Anywhere => line.split_once(self.text).map(|(_, rest)| rest),
        }
    }
}
