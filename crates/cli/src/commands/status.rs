//! `qd status`: what runs, and where it listens.

use quarterdeck_protocol::method::{
    Empty, HubStatus, HubStatusResult, RelayStatus, RelayStatusResult,
};
use serde::Serialize;

use crate::{
    Exit,
    config::{Settings, Target},
    connection::{Connection, Missing},
    error::CliError,
    output::{
        escape::plain,
        style::{Styles, paint},
        time::{ago, bytes, now_micros},
    },
};

/// Flags of `qd status`.
#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {}

/// Shows the relay.
pub(crate) async fn run(settings: &Settings) -> Result<Exit, CliError> {
    if settings.target == Target::Hub && settings.machine.is_none() {
        let connection = Connection::open(settings, Missing::Fail).await?;
        let hub = connection.call::<HubStatus>(&Empty {}, None).await?;
        settings.output.result(&hub, |styles| hub_text(&hub, now_micros(), styles))?;
        return Ok(Exit::OK);
    }
    let connection = Connection::open(settings, Missing::Fail).await?;
    let relay = connection.call::<RelayStatus>(&Empty {}, None).await?;
    let status = Status { hub: hub_of(settings).await, relay };
    settings.output.result(&status, |styles| {
        let now = now_micros();
        let hub = status.hub.as_ref().map(|hub| hub_text(hub, now, styles));
        status_text(&status.relay, now, styles) + &hub.unwrap_or_default()
    })?;
    Ok(Exit::OK)
}

/// What runs: the relay, and the hub beside it.
#[derive(Debug, Serialize)]
struct Status {
    #[serde(flatten)]
    relay: RelayStatusResult,
    #[serde(skip_serializing_if = "Option::is_none")]
    hub: Option<HubStatusResult>,
}

/// The instance's hub, if one runs.
async fn hub_of(settings: &Settings) -> Option<HubStatusResult> {
    if !settings.is_local() || !settings.directory.hub_socket().exists() {
        return None;
    }
    let hub = Connection::open(&settings.at_hub(), Missing::Fail).await.ok()?;
    hub.call::<HubStatus>(&Empty {}, None).await.ok()
}

fn hub_text(hub: &HubStatusResult, now: u64, styles: Styles) -> String {
    let mut lines = vec![
        ("hub", format!("{} on {}", plain(&hub.instance), plain(&hub.machine))),
        ("id", hub.hub.to_string()),
        (
            "process",
            format!(
                "pid {}, version {}, up {}",
                hub.pid,
                plain(&hub.version),
                ago(hub.started_at, now)
            ),
        ),
        ("machines", format!("{}, {} connected", hub.machines, hub.connected)),
        ("clients", hub.clients.to_string()),
    ];
    for address in &hub.listening {
        lines.push(("listens", plain(address)));
    }
    if let Some(pin) = &hub.pin {
        lines.push(("pin", plain(pin)));
    }
    lines_text(lines, styles)
}

fn lines_text(lines: Vec<(&str, String)>, styles: Styles) -> String {
    let line = |(name, value): (&str, String)| {
        format!("{} {value}\n", paint(styles.head, &format!("{name:<9}")))
    };
    lines.into_iter().map(line).collect()
}

/// The status in lines.
pub(crate) fn status_text(status: &RelayStatusResult, now: u64, styles: Styles) -> String {
    let mut lines = vec![
        ("relay", format!("{} on {}", plain(&status.instance), plain(&status.machine))),
        ("id", status.relay_id.to_string()),
        (
            "process",
            format!(
                "pid {}, version {}, life {}, up {}",
                status.pid,
                plain(&status.version),
                status.generation,
                ago(status.started_at, now)
            ),
        ),
        ("sessions", format!("{} running, {} ended", status.live, status.ended)),
        ("clients", status.clients.to_string()),
        ("logs", bytes(status.log_bytes)),
    ];
    for address in &status.listening {
        lines.push(("listens", plain(address)));
    }
    if let Some(pin) = &status.pin {
        lines.push(("pin", plain(pin)));
    }
    lines_text(lines, styles)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use quarterdeck_protocol::ids::{Generation, RelayId};

    pub(crate) fn sample() -> RelayStatusResult {
        RelayStatusResult {
            relay_id: RelayId::from_bytes([0xcd; 16]),
            generation: Generation(3),
            version: "0.1.0".into(),
            instance: "default".into(),
            machine: "desk".into(),
            pid: 4711,
            started_at: 1_700_000_000_000_000,
            listening: vec!["unix:/run/relay.sock".into(), "wss://127.0.0.1:7717".into()],
            pin: Some("sha256:AAAA".into()),
            live: 2,
            ended: 1,
            clients: 4,
            log_bytes: 5_000_000,
        }
    }

    #[test]
    fn the_status_is_one_fact_per_line() {
        let text = status_text(&sample(), 1_700_000_300_000_000, Styles::PLAIN);
        insta::assert_snapshot!(text, @r"
        relay     default on desk
        id        r_cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd
        process   pid 4711, version 0.1.0, life 3, up 5m
        sessions  2 running, 1 ended
        clients   4
        logs      4.8 MiB
        listens   unix:/run/relay.sock
        listens   wss://127.0.0.1:7717
        pin       sha256:AAAA
        ");
    }
}
