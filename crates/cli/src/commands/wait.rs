//! `qd wait`: until a session's program has ended, or a shell shows its prompt again.

use std::time::Duration;

use quarterdeck_protocol::{
    ids::Out,
    method::SessionResult,
    record::ExitStatus,
    session::{SessionInfo, SessionState},
};
use tokio::time::{Instant, sleep_until, timeout};

use crate::{
    Exit,
    attach::view::exit_words,
    config::Settings,
    error::{CliError, Kind},
    output::{escape::plain, time::parse_duration},
    watch::{Seen, SessionWatch},
};

/// A session counts as idle when it has been for this long: a shell is idle for a moment between the
/// Enter key and the command that it starts.
const IDLE_FOR: Duration = Duration::from_millis(300);
/// The same when nothing shows yet that what was typed has been read: it may never show.
const IDLE_WITHOUT_ECHO_FOR: Duration = Duration::from_secs(1);

/// Flags of `qd wait`.
#[derive(Debug, clap::Args)]
pub(crate) struct WaitArgs {
    /// Which session [default: the running one with the newest activity]
    pub(crate) session: Option<String>,
    /// For what
    #[arg(long = "for", value_enum)]
    what: WaitFor,
    /// Give up after this time (exit code 9)
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    timeout: Option<Duration>,
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum WaitFor {
    /// The program's end; its exit code becomes this command's
    Exit,
    /// A shell that shows its prompt, or an agent without a turn
    Idle,
    /// An agent that asks something
    Prompt,
}

/// Waits.
pub(crate) async fn run(settings: &Settings, args: &WaitArgs) -> Result<Exit, CliError> {
    let mut watch = SessionWatch::start(settings, args.session.as_deref()).await?;
    wait(settings, &mut watch, Goal { what: args.what, after: Out(0) }, args.timeout).await
}

/// What a wait is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Goal {
    /// The state.
    pub(crate) what: WaitFor,
    /// Output beyond this shows that what was typed has been read.
    pub(crate) after: Out,
}

/// Waits on a watched session and prints what it has come to.
pub(crate) async fn wait(
    settings: &Settings,
    watch: &mut SessionWatch<'_>,
    goal: Goal,
    limit: Option<Duration>,
) -> Result<Exit, CliError> {
    let waiting = until(watch, goal);
    let session = match limit {
        None => waiting.await?,
        Some(limit) => timeout(limit, waiting).await.unwrap_or_else(|_| Err(timed_out(goal)))?,
    };
    let result = SessionResult { session };
    let words = state_line(&result.session);
    settings.output.result(&result, |_| words)?;
    match (&result.session.state, goal.what) {
        (SessionState::Exited { status, .. }, WaitFor::Exit) => Ok(exit_of(status)),
        (_, WaitFor::Exit | WaitFor::Idle | WaitFor::Prompt) => Ok(Exit::OK),
    }
}

async fn until(watch: &mut SessionWatch<'_>, goal: Goal) -> Result<SessionInfo, CliError> {
    let mut idle: Option<(SessionInfo, Instant)> = None;
    loop {
        let due = idle.as_ref().map(|(_, due)| *due);
        let seen = tokio::select! {
            seen = watch.next() => seen?,
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                match idle.take() {
                    Some((session, _)) => return Ok(session),
                    None => continue,
                }
            }
        };
        let session = match seen {
            Seen::Now(session) => *session,
            Seen::Gone => return Err(CliError::new(Kind::NotFound, "the session was deleted")),
        };
        match judge(&session, goal) {
            Verdict::Done => return Ok(session),
            Verdict::IdleFor(time) => {
                let due = Instant::now() + time;
                let due = idle.map_or(due, |(_, before)| before.min(due));
                idle = Some((session, due));
            }
            Verdict::NotYet => idle = None,
            Verdict::Never => {
                return Err(over(&session));
            }
        }
    }
}

/// What a state means for a wait.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// It is over.
    Done,
    /// It is over if nothing changes for this long.
    IdleFor(Duration),
    /// Wait on.
    NotYet,
    /// What is waited for cannot come any more.
    Never,
}

fn judge(session: &SessionInfo, goal: Goal) -> Verdict {
    match (&session.state, goal.what) {
        (SessionState::Exited { .. }, WaitFor::Exit) => Verdict::Done,
        (SessionState::Waiting, WaitFor::Prompt) => Verdict::Done,
        (SessionState::Lost { .. }, _)
        | (SessionState::Exited { .. }, WaitFor::Idle | WaitFor::Prompt) => Verdict::Never,
        (SessionState::Idle, WaitFor::Idle) => {
            let read = session.out > goal.after || goal.after == Out(0);
            Verdict::IdleFor(if read { IDLE_FOR } else { IDLE_WITHOUT_ECHO_FOR })
        }
        (
            SessionState::Starting
            | SessionState::Running
            | SessionState::Waiting
            | SessionState::Stalled { .. }
            | SessionState::Unreachable { .. },
            WaitFor::Exit | WaitFor::Idle | WaitFor::Prompt,
        )
        | (SessionState::Idle, WaitFor::Exit | WaitFor::Prompt) => Verdict::NotYet,
    }
}

fn timed_out(goal: Goal) -> CliError {
    let what = match goal.what {
        WaitFor::Exit => "ended",
        WaitFor::Idle => "become idle",
        WaitFor::Prompt => "asked anything",
    };
    CliError::new(Kind::Timeout, format!("the session has not {what} in time"))
}

/// What was waited for cannot come any more.
fn over(session: &SessionInfo) -> CliError {
    let label = &session.label;
    let words = match &session.state {
        SessionState::Lost { why, .. } => format!("was lost: {}", plain(why)),
        SessionState::Exited { status, .. } => exit_words(status),
        SessionState::Starting
        | SessionState::Running
        | SessionState::Waiting
        | SessionState::Idle
        | SessionState::Stalled { .. }
        | SessionState::Unreachable { .. } => format!("is {}", session.state.word()),
    };
    CliError::new(Kind::Ended, format!("session {label} {words}"))
        .hint(format!("start it again: qd resume {label}"))
}

/// The exit code that a shell would give: the program's own, or 128 and the signal.
pub(crate) fn exit_of(status: &ExitStatus) -> Exit {
    let low_byte = |number: i32| number.to_le_bytes()[0];
    match status {
        ExitStatus::Code { code } => Exit::code(low_byte(*code)),
        ExitStatus::Signal { signal, .. } => Exit::code(low_byte(signal.saturating_add(128))),
        // what the kernel's SIGKILL would have given
        ExitStatus::Oom => Exit::code(137),
        ExitStatus::Unknown => Exit::code(Kind::Failed.exit_code()),
    }
}

fn state_line(session: &SessionInfo) -> String {
    if let SessionState::Exited { status, .. } = &session.state {
        return format!("{} {}\n", session.label, exit_words(status));
    }
    format!("{} is {}\n", session.label, super::ls::state_words(&session.state))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::ls::tests::session;

    fn verdict(state: SessionState, out: u64, what: WaitFor, after: u64) -> Verdict {
        let mut info = session(1, "a", state, &[]);
        info.out = Out(out);
        judge(&info, Goal { what, after: Out(after) })
    }
    fn exited() -> SessionState {
        let status = ExitStatus::Code { code: 3 };
        SessionState::Exited { status, left: Vec::new(), at: 0 }
    }
    fn lost_state() -> SessionState {
        SessionState::Lost { why: "killed".into(), at: 0 }
    }

    #[test]
    fn idle_must_last_longer_when_nothing_shows_that_what_was_typed_was_read() {
        let idle = |out, after| verdict(SessionState::Idle, out, WaitFor::Idle, after);
        assert_eq!(idle(10, 10), Verdict::IdleFor(IDLE_WITHOUT_ECHO_FOR));
        assert_eq!(idle(11, 10), Verdict::IdleFor(IDLE_FOR));
        assert_eq!(idle(0, 0), Verdict::IdleFor(IDLE_FOR));
        assert_eq!(verdict(SessionState::Running, 99, WaitFor::Idle, 0), Verdict::NotYet);
        assert_eq!(verdict(SessionState::Idle, 99, WaitFor::Exit, 0), Verdict::NotYet);
    }

    #[test]
    fn a_wait_ends_when_what_it_waits_for_cannot_come_any_more() {
        assert_eq!(verdict(exited(), 0, WaitFor::Exit, 0), Verdict::Done);
        assert_eq!(verdict(exited(), 0, WaitFor::Idle, 0), Verdict::Never);
        assert_eq!(verdict(lost_state(), 0, WaitFor::Exit, 0), Verdict::Never);
        let error = over(&session(1, "a", lost_state(), &[]));
        assert_eq!(
            (error.kind, error.message.as_str()),
            (Kind::Ended, "session a was lost: killed")
        );
    }

    #[test]
    fn exit_codes_are_the_programs_own_or_128_and_the_signal() {
        let signal = ExitStatus::Signal { signal: 15, core: false };
        let codes =
            [ExitStatus::Code { code: 7 }, ExitStatus::Code { code: 256 }, signal, ExitStatus::Oom];
        assert_eq!(codes.map(|status| exit_of(&status)), [7, 0, 143, 137].map(Exit::code));
    }
}
