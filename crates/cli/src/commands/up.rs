//! `qd up`: this machine's relay and hub, each of which may run already, and a link to the page.

use quarterdeck_protocol::method::{DeviceInviteParams, DeviceInviteResult, HubStatusResult};
use serde::Serialize;
use tokio::sync::oneshot;

use crate::{
    Exit,
    addressing::only_here,
    background,
    commands::{
        hub::{self, Mode, NetworkArgs},
        open,
    },
    config::{Settings, Target},
    error::CliError,
};

/// Flags of `qd up`.
#[derive(Debug, clap::Args)]
pub(crate) struct UpArgs {
    #[command(flatten)]
    network: NetworkArgs,
    /// Open no browser
    #[arg(long)]
    no_open: bool,
    /// Stay, and be the hub
    #[arg(long)]
    foreground: bool,
}

/// What runs now, and the way in.
#[derive(Debug, Serialize)]
struct Up {
    #[serde(flatten)]
    status: HubStatusResult,
    #[serde(skip_serializing_if = "Option::is_none")]
    login: Option<DeviceInviteResult>,
}

/// Starts what does not run, says where the hub is, and opens its page.
pub(crate) async fn run(settings: &Settings, args: UpArgs) -> Result<Exit, CliError> {
    only_here(settings, "qd up")?;
    if matches!(settings.target, Target::Remote(_)) {
        return Err(CliError::usage(
            "qd up starts this machine's daemons; --url names another one",
        ));
    }
    background::start(settings, &[]).await?;
    if args.foreground {
        return stay(settings, args).await;
    }
    let status = hub::start(settings, &args.network).await?;
    let up = Up { status, login: login_link(settings).await };
    settings.output.result(&up, |styles| {
        let link = up.login.as_ref().map(|it| format!("\n{}", open::words(it, styles)));
        hub::words(&up.status, styles) + &link.unwrap_or_default()
    })?;
    if let Some(link) = up.login.filter(|_| !args.no_open) {
        open::show(settings, &link);
    }
    Ok(Exit::OK)
}

/// Is the hub, and gives the link once it serves.
async fn stay(settings: &Settings, args: UpArgs) -> Result<Exit, CliError> {
    let (ready, is_ready) = oneshot::channel();
    let serving = hub::serve(settings, args.network, Mode::Foreground, Some(ready));
    let announcing = async {
        // a hub that does not start says so itself
        let Ok(()) = is_ready.await else { return Ok(()) };
        let Some(link) = login_link(settings).await else { return Ok(()) };
        settings.output.result(&link, |styles| open::words(&link, styles))?;
        if !args.no_open {
            open::show(settings, &link);
        }
        Ok::<_, CliError>(())
    };
    let (served, announced) = tokio::join!(serving, announcing);
    announced.and(served)
}

/// A link to the page. A hub without one serves all the same, and says why.
async fn login_link(settings: &Settings) -> Option<DeviceInviteResult> {
    match open::invite(settings, &DeviceInviteParams::default()).await {
        Ok(link) => Some(link),
        Err(error) => {
            settings.output.note(&format!("no login link: {}", error.message));
            None
        }
    }
}
