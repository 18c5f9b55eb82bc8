//! `qd rename`: another label for a session.

use quarterdeck_protocol::{
    ids::Label,
    method::{RenameParams, SessionRename},
};

use crate::{
    Exit,
    config::Settings,
    connection::{Connection, Missing},
    error::CliError,
};

/// Flags of `qd rename`.
#[derive(Debug, clap::Args)]
pub(crate) struct RenameArgs {
    /// Which session
    pub(crate) session: String,
    /// Its new label
    label: Label,
}

/// Renames a session.
pub(crate) async fn run(settings: &Settings, args: RenameArgs) -> Result<Exit, CliError> {
    let RenameArgs { session, label } = args;
    let connection = Connection::open(settings, Missing::StartForSessions).await?;
    let params = RenameParams { session: session.clone(), label };
    let renamed = connection.call::<SessionRename>(&params, Some(&session)).await?;
    settings.output.result(&renamed, |_| format!("{}\n", renamed.session.label))?;
    Ok(Exit::OK)
}
