//! `qd stop`: end programs by the stop ladder.

use std::time::Duration;

use quarterdeck_protocol::method::{Empty, SessionStop, StopParams};

use crate::{
    Exit,
    config::Settings,
    connection::{Connection, Missing},
    error::CliError,
    output::time::parse_duration,
};

/// Flags of `qd stop`.
#[derive(Debug, clap::Args)]
pub(crate) struct StopArgs {
    /// Which sessions
    #[arg(required = true)]
    pub(crate) sessions: Vec<String>,
    /// Kill at once, without asking the program to end
    #[arg(long)]
    now: bool,
    /// Time between hanging up, SIGTERM and SIGKILL [default: 3s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, conflicts_with = "now")]
    patience: Option<Duration>,
    /// Why; needed to stop a session that somebody else owns
    #[arg(long)]
    reason: Option<String>,
}

/// Ends programs, one after the other; stops at the first that it may not end.
pub(crate) async fn run(settings: &Settings, args: &StopArgs) -> Result<Exit, CliError> {
    let connection = Connection::open(settings, Missing::StartForSessions).await?;
    let rung_ms = args.patience.map(|time| u32::try_from(time.as_millis()).unwrap_or(u32::MAX));
    for session in &args.sessions {
        let params = StopParams {
            session: session.clone(),
            rung_ms,
            now: args.now,
            reason: args.reason.clone(),
        };
        connection.call::<SessionStop>(&params, Some(session)).await?;
        settings.output.result(&Empty {}, |_| String::new())?;
    }
    Ok(Exit::OK)
}
