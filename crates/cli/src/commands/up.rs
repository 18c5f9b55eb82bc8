//! `qd up`: this machine's relay and hub, each of which may run already.

use crate::{
    Exit,
    addressing::only_here,
    background,
    commands::hub::{self, Mode, NetworkArgs},
    config::{Settings, Target},
    error::CliError,
};

/// Flags of `qd up`.
#[derive(Debug, clap::Args)]
pub(crate) struct UpArgs {
    #[command(flatten)]
    network: NetworkArgs,
    /// Stay, and be the hub
    #[arg(long)]
    foreground: bool,
}

/// Starts what does not run, and says where the hub is.
pub(crate) async fn run(settings: &Settings, args: UpArgs) -> Result<Exit, CliError> {
    only_here(settings, "qd up")?;
    if matches!(settings.target, Target::Remote(_)) {
        return Err(CliError::usage(
            "qd up starts this machine's daemons; --url names another one",
        ));
    }
    background::start(settings, &[]).await?;
    if args.foreground {
        return hub::serve(settings, args.network, Mode::Foreground).await;
    }
    let status = hub::start(settings, &args.network).await?;
    settings.output.result(&status, |styles| hub::words(&status, styles))?;
    Ok(Exit::OK)
}
