//! What `codex remote-control --no-daemon` prints.

use super::table::{
    Line, Means,
    Means::{Code, GivesUp, Refuses, Starting, Up, Waiting},
    Modes,
    Source::{self, InProgram, Printed},
    Stands::{self, Anywhere, First},
};

const PRINTED: Source = Printed("Codex 0.169.0, as printed");
const IN_PROGRAM: Source = InProgram("Codex 0.169.0, in the program's text");

const LOG_IN: &str = "codex login";

/// The lines, more special ones first.
pub(super) const LINES: &[Line] = &[
    line("but the connection is errored", Anywhere, GivesUp { advice: LOG_IN }, PRINTED),
    line("and still connecting", Anywhere, Starting, IN_PROGRAM),
    line("Remote control is disabled on", Anywhere, Refuses { advice: "" }, IN_PROGRAM),
    line(
        "remote control is disabled by managed requirements",
        Anywhere,
        Refuses { advice: "ask whoever administers this machine's Codex" },
        IN_PROGRAM,
    ),
    line(
        "remote control disabled because sqlite state db is unavailable",
        Anywhere,
        Refuses { advice: "make CODEX_HOME writable" },
        IN_PROGRAM,
    ),
    line(
        "foreground app-server exited before remote control became ready",
        Anywhere,
        GivesUp { advice: "" },
        IN_PROGRAM,
    ),
    line("Starting app-server with remote control enabled", First, Starting, PRINTED),
    line("Pairing code:", First, Code, IN_PROGRAM),
    line("This machine is available for remote control as", First, Waiting, IN_PROGRAM),
    line("Remote control is enabled on", First, Up, IN_PROGRAM),
];

const fn line(text: &'static str, stands: Stands, means: Means, source: Source) -> Line {
    Line { text, stands, modes: Modes::Both, means, has_url: false, source }
}
