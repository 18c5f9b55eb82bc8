//! `qd join`: this machine cannot be reached from the hub, so its relay dials.

use quarterdeck_protocol::method::{PairingJoin, PairingJoinParams};

use crate::{
    Exit,
    addressing::only_here,
    commands::{line, relay::TermsArgs},
    config::Settings,
    connection::{Connection, Missing},
    error::CliError,
    output::escape::plain,
};

/// Flags of `qd join`.
#[derive(Debug, clap::Args)]
pub(crate) struct JoinArgs {
    #[command(flatten)]
    terms: TermsArgs,
}

/// Reads the hub's line, and pairs.
pub(crate) async fn run(settings: &Settings, args: JoinArgs) -> Result<Exit, CliError> {
    only_here(settings, "qd join")?;
    let line = line::read("the line that qd machine invite printed on the hub")?;
    let connection = Connection::open(settings, Missing::Start).await?;
    let params = PairingJoinParams { line, terms: args.terms.terms() };
    let hub = connection.call::<PairingJoin>(&params, None).await?;
    settings.output.result(&hub, |_| {
        let at = hub.dial.as_deref().map(plain).unwrap_or_default();
        format!("joined the hub at {at} as {}\n", plain(&hub.name))
    })?;
    Ok(Exit::OK)
}
