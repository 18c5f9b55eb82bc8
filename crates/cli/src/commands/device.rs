//! `qd device`: the browsers that the hub knows.

use quarterdeck_protocol::{
    method::{DeviceInfo, DeviceList, DeviceParams, DeviceRevoke, Empty},
    scope::Scope,
};

use crate::{
    Exit,
    addressing::only_here,
    config::{Settings, Target},
    connection::{Connection, Missing},
    error::CliError,
    output::{
        escape::plain,
        style::Styles,
        table::Table,
        time::{ago, now_micros, utc},
    },
};

/// What to do about browsers.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum DeviceCommand {
    /// List the browsers that logged in by a link
    Ls,
    /// Log one out for good, at once
    Revoke {
        /// Its name, or its id
        device: String,
    },
}

/// Lists or revokes browsers.
pub(crate) async fn run(settings: &Settings, command: DeviceCommand) -> Result<Exit, CliError> {
    only_here(settings, "qd device")?;
    let hub = match settings.target {
        Target::Local | Target::Hub => Connection::open(&settings.at_hub(), Missing::Fail).await?,
        Target::Remote(_) => Connection::open(settings, Missing::Fail).await?,
    };
    match command {
        DeviceCommand::Ls => {
            let listed = hub.call::<DeviceList>(&Empty {}, None).await?;
            let now = now_micros();
            settings.output.result(&listed, |styles| table(&listed.devices, now, styles))?;
        }
        DeviceCommand::Revoke { device } => {
            hub.call::<DeviceRevoke>(&DeviceParams { device }, None).await?;
            settings.output.result(&Empty {}, |_| String::new())?;
        }
    }
    Ok(Exit::OK)
}

fn table(devices: &[DeviceInfo], now: u64, styles: Styles) -> String {
    if devices.is_empty() {
        return String::new();
    }
    let mut table = Table::new(["NAME", "DEVICE", "PRINCIPAL", "SCOPES", "EXPIRES", "LAST USED"]);
    let micros = |at: u64| at.saturating_mul(1_000_000);
    for device in devices {
        let scopes: Vec<_> = device.scopes.iter().map(Scope::word).collect();
        let used = device.last_used_at.map(|at| ago(micros(at), now));
        table.push([
            plain(&device.name).into(),
            device.device.to_string().into(),
            plain(device.principal.name()).into(),
            scopes.join(",").into(),
            device.expires_at.map_or_else(|| "never".to_owned(), utc).into(),
            used.unwrap_or_else(|| "never".to_owned()).into(),
        ]);
    }
    table.render(None, styles)
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarterdeck_protocol::{
        ids::{DeviceId, Principal},
        scope::Scopes,
    };

    #[test]
    fn the_table_says_who_came_in_and_when_last() {
        let phone = DeviceInfo {
            device: DeviceId::from_bytes([7; 12]),
            name: "phone\u{1b}[2J".into(),
            principal: Principal::new("h_00", "ada").expect("valid"),
            scopes: [Scope::Read, Scope::Answer].into_iter().collect(),
            created_at: 1_700_000_000,
            last_used_at: Some(1_700_000_000),
            expires_at: None,
            current: false,
        };
        let desk = DeviceInfo {
            name: "Firefox on Linux".into(),
            scopes: Scopes::ALL,
            last_used_at: None,
            expires_at: Some(1_800_000_000),
            ..phone.clone()
        };
        insta::assert_snapshot!(table(&[phone, desk], 1_700_000_300_000_000, Styles::PLAIN), @r"
        NAME              DEVICE                      PRINCIPAL  SCOPES                          EXPIRES               LAST USED
        phone\u{1b}[2J    d_070707070707070707070707  ada        read,answer                     never                 5m
        Firefox on Linux  d_070707070707070707070707  ada        read,answer,create,drive,admin  2027-01-15 08:00:00Z  never
        ");
        assert_eq!(table(&[], 0, Styles::PLAIN), "");
    }
}
