//! A session in the local terminal.
//!
//! Pure: [`pieces`] and [`keys`] (what the keyboard says), [`modes`] (what must be undone),
//! [`typing`] (what has not reached the program), [`view`] (what to do about all of it), [`history`]
//! (the lines above the screen), [`notice`] (the line on the last row), [`stream`] (frames in order),
//! [`letterbox`] (a session of another size).
//! With I/O: [`terminal`] (raw mode, keyboard, screen), [`outbox`] (what goes to the relay), `live`
//! (the loop that connects them).

mod history;
pub(crate) mod keys;
mod letterbox;
mod live;
pub(crate) mod modes;
mod notice;
mod outbox;
mod pieces;
mod stream;
pub(crate) mod terminal;
mod typing;
pub(crate) mod view;

use quarterdeck_protocol::{method::AttachRole, record::ExitStatus};

use crate::{
    Exit,
    commands::wait::exit_of,
    config::Settings,
    error::{CliError, Kind},
    output::escape::plain,
};
pub(crate) use pieces::{LoneEscape, Piece, PieceKind, Splitter};

/// What to attach to, and how.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    /// Which session.
    pub(crate) session: String,
    /// Which role.
    pub(crate) role: AttachRole,
    /// Why, to take it from another principal.
    pub(crate) reason: Option<String>,
    /// Lines of history to fetch before the first screen.
    pub(crate) history: u32,
    /// Whether its program was started for this.
    pub(crate) program: Program,
}

impl Wish {
    /// Whether it wants to take without saying why.
    fn lacks_reason(&self) -> bool {
        self.role == AttachRole::Take && self.reason.is_none()
    }
}

/// Whether an attachment comes with its program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// It was just started: that it ended quickly is no surprise.
    JustStarted,
    /// It ran before.
    RanBefore,
}

/// How an attachment ended that did not fail.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Left {
    /// The user left; the session lives on.
    Detached,
    /// The program ended while it was watched.
    Exited(ExitStatus),
    /// It had ended before.
    HadEnded(ExitStatus),
    /// Its holder was lost.
    Lost(String),
    /// It was deleted.
    Removed,
    /// The local terminal is gone, or a signal asked to end.
    Asked(i32),
}

/// Attaches until the user leaves or the session ends.
pub(crate) async fn run(settings: &Settings, wish: Wish) -> Result<Exit, CliError> {
    let ended = live::run(settings, wish).await;
    // whatever happened, the terminal is as it was before anything is said
    terminal::restore();
    let (left, label) = ended?;
    // the name by which it is found again
    let label = match &settings.machine {
        Some(machine) => format!("{}/{label}", plain(machine)),
        None => label,
    };
    match left {
        Left::Detached => {
            settings.output.note(&format!("detached; back with: qd attach {label}"));
            Ok(Exit::OK)
        }
        Left::Exited(status) => {
            settings.output.note(&format!("{label} {}", view::exit_words(&status)));
            Ok(exit_of(&status))
        }
        Left::HadEnded(status) => {
            let message = format!("session {label} {}", view::exit_words(&status));
            Err(CliError::new(Kind::Ended, message).hint(again(&label)))
        }
        Left::Lost(why) => {
            let message = format!("session {label} was lost: {}", plain(&why));
            Err(CliError::new(Kind::Ended, message).hint(again(&label)))
        }
        Left::Removed => Err(CliError::new(Kind::NotFound, format!("session {label} was deleted"))),
        Left::Asked(signal) => Ok(exit_of(&ExitStatus::Signal { signal, core: false })),
    }
}

fn again(label: &str) -> String {
    format!("start it again: qd resume --attach {label}")
}

/// A terminal that would show itself.
pub(crate) fn own_session(name: &str) -> CliError {
    CliError::usage(format!("this terminal runs inside session {}", plain(name)))
        .hint("attach from another terminal; to leave this one: its prefix key, then d")
}
