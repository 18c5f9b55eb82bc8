//! `qd rm`: delete ended sessions with their logs.

use quarterdeck_protocol::method::{Empty, SessionParams, SessionRemove};

use crate::{
    Exit,
    config::Settings,
    connection::{Connection, Missing},
    error::CliError,
};

/// Flags of `qd rm`.
#[derive(Debug, clap::Args)]
pub(crate) struct RmArgs {
    /// Which sessions
    #[arg(required = true)]
    pub(crate) sessions: Vec<String>,
}

/// Deletes sessions, one after the other; stops at the first that cannot be deleted.
pub(crate) async fn run(settings: &Settings, args: &RmArgs) -> Result<Exit, CliError> {
    let connection = Connection::open(settings, Missing::StartForSessions).await?;
    for session in &args.sessions {
        let params = SessionParams { session: session.clone() };
        connection.call::<SessionRemove>(&params, Some(session)).await?;
        settings.output.result(&Empty {}, |_| String::new())?;
    }
    Ok(Exit::OK)
}
