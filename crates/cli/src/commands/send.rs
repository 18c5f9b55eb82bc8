//! `qd send`: type text into a session without attaching.

use std::{
    io::{self, Read},
    time::Duration,
};

use quarterdeck_protocol::{
    agent::Delivery,
    ids::{Out, SessionId},
    limits::MAX_INPUT_BYTES,
    method::{AgentPrompt, Empty, InputParams, InputResult, SessionInput, SessionList},
    record::SessionKind,
};

use crate::{
    Exit,
    agent::follow,
    commands::wait::{self, Goal, WaitFor},
    config::Settings,
    connection::{Connection, Missing, call_failed},
    error::{CliError, Kind},
    output::time::parse_duration,
    watch::{Seen, SessionWatch, find},
};

/// Text that is taken from standard input; more is a file, not typing.
const MAX_TEXT_BYTES: u64 = 1024 * 1024;

/// Flags of `qd send`.
#[derive(Debug, clap::Args)]
pub(crate) struct SendArgs {
    /// Which session
    pub(crate) session: String,
    /// What to type; - reads it from standard input
    #[arg(allow_hyphen_values = true)]
    text: String,
    /// Press Enter after it
    #[arg(long)]
    enter: bool,
    /// To a busy agent: begin the next turn with it [the default]
    #[arg(long)]
    queue: bool,
    /// To a busy agent: put it into the running turn
    #[arg(long, conflicts_with_all = ["queue", "interrupt", "enter"])]
    steer: bool,
    /// To a busy agent: stop the running turn for it
    #[arg(long, conflicts_with_all = ["queue", "steer", "enter"])]
    interrupt: bool,
    /// Then wait until the session is idle, or its program has ended; for an agent's turn by default,
    /// whose result is the exit code
    #[arg(long, value_enum, value_name = "STATE", num_args = 0..=1, default_missing_value = "idle")]
    wait: Option<WaitFor>,
    /// Give up waiting after this time (exit code 9)
    #[arg(long, value_name = "TIME", value_parser = parse_duration, requires = "wait")]
    timeout: Option<Duration>,
}

/// Types.
pub(crate) async fn run(settings: &Settings, args: SendArgs) -> Result<Exit, CliError> {
    let SendArgs { session, text, enter, queue: _, steer, interrupt, wait: what, timeout } = args;
    let mut text = if text == "-" { read_stdin()? } else { text };
    let delivery = match (steer, interrupt) {
        (true, _) => Delivery::Steer,
        (false, true) => Delivery::Interrupt,
        (false, false) => Delivery::Queue,
    };
    let connection = Connection::open(settings, Missing::StartForSessions).await?;
    let sessions = connection.call::<SessionList>(&Empty {}, None).await?.sessions;
    let found = find(&session, &sessions)?;
    if sessions.iter().any(|info| info.session == found && info.kind == SessionKind::Agent) {
        return tell_agent(settings, &connection, found, &text, Told { delivery, what, timeout })
            .await;
    }
    if delivery != Delivery::Queue {
        return Err(CliError::usage("--steer and --interrupt are for agents"));
    }
    if enter {
        text.push('\r');
    }
    let Some(what) = what else {
        let mut last = None;
        for piece in pieces(&text) {
            let params = input(&session, piece);
            last = Some(connection.call::<SessionInput>(&params, Some(&session)).await?);
        }
        return print(settings, last);
    };
    // watching begins before typing, so that no change is missed
    let mut watch = SessionWatch::start(settings, Some(&session)).await?;
    if watch.next().await? == Seen::Gone {
        return Err(CliError::new(Kind::NotFound, "the session was deleted"));
    }
    let mut after = Out(0);
    for piece in pieces(&text) {
        let Some(client) = watch.client() else {
            return Err(CliError::new(Kind::Unreachable, "the connection to the relay was lost"));
        };
        let typed = client.call::<SessionInput>(&input(&session, piece)).await;
        after = typed.map_err(|error| call_failed(error, Some(&session)))?.out;
    }
    wait::wait(settings, &mut watch, Goal { what, after }, timeout).await
}

/// How an agent is told something.
struct Told {
    delivery: Delivery,
    what: Option<WaitFor>,
    timeout: Option<Duration>,
}

async fn tell_agent(
    settings: &Settings,
    connection: &Connection,
    session: SessionId,
    text: &str,
    told: Told,
) -> Result<Exit, CliError> {
    let Told { delivery, what, timeout } = told;
    let message = follow::message(session, text, delivery)?;
    match what {
        Some(WaitFor::Idle) => {
            let after = follow::before(follow::view(connection, session).await?.next);
            follow::turn(settings, session, after, message, timeout).await
        }
        Some(what @ (WaitFor::Exit | WaitFor::Prompt)) => {
            let name = session.to_string();
            connection.call::<AgentPrompt>(&message, Some(&name)).await?;
            let mut watch = SessionWatch::start(settings, Some(&name)).await?;
            wait::wait(settings, &mut watch, Goal { what, after: Out(0) }, timeout).await
        }
        None => {
            let sent = connection.call::<AgentPrompt>(&message, Some(&session.to_string())).await?;
            settings.output.result(&sent, |_| String::new())?;
            Ok(Exit::OK)
        }
    }
}

fn print(settings: &Settings, last: Option<InputResult>) -> Result<Exit, CliError> {
    if let Some(last) = last {
        settings.output.result(&last, |_| String::new())?;
    }
    Ok(Exit::OK)
}

fn input(session: &str, text: &str) -> InputParams {
    InputParams { session: session.to_owned(), text: text.to_owned(), n: None }
}

/// Pieces that fit into one input each, cut between characters.
fn pieces(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let (piece, rest) = text.split_at(text.floor_char_boundary(MAX_INPUT_BYTES));
        text = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

fn read_stdin() -> Result<String, CliError> {
    let mut text = String::new();
    let read = io::stdin().take(MAX_TEXT_BYTES + 1).read_to_string(&mut text);
    read.map_err(|error| {
        CliError::usage("standard input is not text").caused_by(&error).hint("it must be UTF-8")
    })?;
    if text.len() as u64 > MAX_TEXT_BYTES {
        return Err(CliError::usage(format!("more than {MAX_TEXT_BYTES} bytes are not typed"))
            .hint("let the session read the file itself"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_between_characters() {
        let text = "é".repeat(MAX_INPUT_BYTES);
        let all: Vec<&str> = pieces(&text).collect();
        assert!(all.iter().all(|piece| piece.len() <= MAX_INPUT_BYTES));
        assert_eq!(all.concat(), text);
        assert_eq!(all.len(), 2);
        assert_eq!(pieces("").count(), 0);
    }
}
