//! `qd open`: a one-time link by which a browser logs in to the hub's page.

mod browser;

use std::{io::IsTerminal, time::Duration};

use quarterdeck_protocol::{
    method::{DeviceInvite, DeviceInviteParams, DeviceInviteResult},
    scope::Scope,
};

use crate::{
    Exit,
    addressing::only_here,
    config::{Settings, Target},
    connection::{Connection, Missing},
    error::CliError,
    output::{
        Format,
        escape::plain,
        qr,
        style::{Styles, paint},
        time::parse_duration,
    },
};

/// Flags of `qd open`.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct OpenArgs {
    /// Print the link as a QR code, for a phone
    #[arg(long)]
    qr: bool,
    /// The link is for another device, which is called this in lists
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// What the browser may do: read, answer, create, drive, admin [default: what you may]
    #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',')]
    scopes: Vec<Scope>,
    /// Who is behind it [default: you]
    #[arg(long, value_name = "NAME")]
    principal: Option<String>,
    /// When the browser has to log in again [default: never]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    expires: Option<Duration>,
    /// Only print the link
    #[arg(long)]
    no_open: bool,
}

/// Makes a link, prints it, and opens a browser where there is one and the link is for it.
pub(crate) async fn run(settings: &Settings, args: OpenArgs) -> Result<Exit, CliError> {
    only_here(settings, "qd open")?;
    let OpenArgs { qr, device, scopes, principal, expires, no_open } = args;
    let elsewhere = qr || device.is_some();
    let params = DeviceInviteParams {
        name: device,
        principal,
        scopes: (!scopes.is_empty()).then(|| scopes.into_iter().collect()),
        device_expires_in_s: expires.map(|time| time.as_secs()),
    };
    let link = invite(settings, &params).await?;
    settings.output.result(&link, |styles| {
        let code = if qr { qr::text(&link.url, styles) } else { Ok(String::new()) };
        code.unwrap_or_default() + &words(&link, styles)
    })?;
    if elsewhere && !link.reachable {
        settings.output.note(
            "only this machine reaches that address. For others: qd down, then qd up --listen 0.0.0.0:7718, \
             or a tunnel and qd up --public-url https://HOST",
        );
    }
    if !elsewhere && !no_open {
        show(settings, &link);
    }
    Ok(Exit::OK)
}

/// Asks the hub for a link.
pub(crate) async fn invite(
    settings: &Settings,
    params: &DeviceInviteParams,
) -> Result<DeviceInviteResult, CliError> {
    let hub = match settings.target {
        Target::Local | Target::Hub => Connection::open(&settings.at_hub(), Missing::Fail).await?,
        Target::Remote(_) => Connection::open(settings, Missing::Fail).await?,
    };
    hub.call::<DeviceInvite>(params, None).await
}

/// The link, and how long it works.
pub(crate) fn words(link: &DeviceInviteResult, styles: Styles) -> String {
    let minutes = link.expires_in_s.div_ceil(60);
    format!(
        "{}\n  this link logs one browser in, once, within {minutes} minutes\n",
        paint(styles.good, &plain(&link.url))
    )
}

/// Opens a browser, where somebody sits before one: a terminal that is not a remote one, and a display.
pub(crate) fn show(settings: &Settings, link: &DeviceInviteResult) {
    let looks = settings.output.format() == Format::Text && std::io::stdout().is_terminal();
    if !looks || !browser::has_display(&settings.environment) {
        return;
    }
    if let Err(error) = browser::open(settings, &link.url) {
        settings
            .output
            .note(&format!("no browser could be opened ({error}); open the link yourself"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_stands_alone_on_its_line() {
        let url = "http://127.0.0.1:7718/#login=AAAA".to_owned();
        let link = DeviceInviteResult { url, expires_in_s: 300, reachable: false };
        insta::assert_snapshot!(words(&link, Styles::PLAIN), @r"
        http://127.0.0.1:7718/#login=AAAA
          this link logs one browser in, once, within 5 minutes
        ");
        assert!(!format!("{link:?}").contains("AAAA"), "a link is a secret");
    }
}
