//! `qd instances`: what runs on this machine, of every base directory. No daemon is needed for it.

use quarterdeck_protocol::method::{InstanceInfo, InstanceListResult, InstanceState};
use quarterdeck_relay::catalogue;

use crate::{
    Exit,
    config::Settings,
    error::CliError,
    output::{
        escape::plain,
        style::Styles,
        table::{Cell, Table},
        time::{ago, now_micros},
    },
};

/// Flags of `qd instances`.
#[derive(Debug, clap::Args)]
pub(crate) struct InstancesArgs {}

/// Lists the instances.
pub(crate) fn run(settings: &Settings) -> Result<Exit, CliError> {
    if !settings.is_local() {
        return Err(CliError::usage("instances are this machine's; --url names another one")
            .hint("list them there: ssh HOST qd instances"));
    }
    let instances = catalogue::list(&settings.base, settings.announcements.as_deref());
    if instances.is_empty() {
        settings.output.note("no instances; the first one is made by: qd run");
    }
    let listed = InstanceListResult { instances, own: None };
    let (now, width) = (now_micros(), crate::attach::terminal::size().map(|s| s.cols.into()));
    settings.output.result(&listed, |styles| match listed.instances.is_empty() {
        true => String::new(),
        false => table(&listed.instances, now, styles).render(width, styles),
    })?;
    Ok(Exit::OK)
}

fn table(instances: &[InstanceInfo], now: u64, styles: Styles) -> Table<8> {
    let head = ["NAME", "STATE", "PID", "ADDRESS", "HUB", "SESSIONS", "STARTED", "DIRECTORY"];
    let mut table = Table::new(head);
    for instance in instances {
        table.push([
            plain(&instance.name).into(),
            state(&instance.state, styles),
            instance.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string()).into(),
            address(instance).into(),
            hub(instance).into(),
            instance.sessions.to_string().into(),
            instance.started_at.map_or_else(|| "-".to_owned(), |at| ago(at, now)).into(),
            plain(&instance.directory).into(),
        ]);
    }
    table
}

fn state(state: &InstanceState, styles: Styles) -> Cell {
    match state {
        InstanceState::Running => Cell::styled("running".to_owned(), styles.good),
        InstanceState::Stopped => Cell::styled("stopped".to_owned(), styles.dim),
        InstanceState::Unknown { why } => {
            Cell::styled(format!("unknown: {}", plain(why)), styles.warn)
        }
    }
}

fn address(instance: &InstanceInfo) -> String {
    match (&instance.host, instance.port) {
        (Some(host), Some(port)) if host.contains(':') => format!("[{}]:{port}", plain(host)),
        (Some(host), Some(port)) => format!("{}:{port}", plain(host)),
        (None, _) | (_, None) => "-".to_owned(),
    }
}

/// Where its page is.
fn hub(instance: &InstanceInfo) -> String {
    let Some(hub) = &instance.hub else { return "-".to_owned() };
    let network = |url: &String| {
        let (scheme, address) = url.split_once("://")?;
        scheme.starts_with("ws").then(|| plain(address))
    };
    hub.listening.iter().find_map(network).unwrap_or_else(|| "running".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarterdeck_protocol::method::InstanceHub;

    fn instance(name: &str, state: InstanceState) -> InstanceInfo {
        InstanceInfo {
            id: None,
            name: name.to_owned(),
            directory: format!("/data/instances/{name}"),
            base_dir: "/data".to_owned(),
            state,
            pid: None,
            host: None,
            port: None,
            listening: Vec::new(),
            hub: None,
            cwd: None,
            started_at: None,
            schema_version: None,
            product_version: None,
            sessions: 0,
        }
    }

    #[test]
    fn instances_are_listed_with_what_is_known_of_them() {
        let running = InstanceInfo {
            pid: Some(4711),
            host: Some("::1".to_owned()),
            port: Some(7717),
            started_at: Some(1_700_000_000_000_000),
            sessions: 3,
            hub: Some(InstanceHub {
                pid: Some(4712),
                listening: vec!["unix:/data/hub.sock".into(), "ws://127.0.0.1:7718".into()],
            }),
            ..instance("default", InstanceState::Running)
        };
        let newer =
            InstanceState::Unknown { why: "its record is of a newer version (9)\u{1b}[2J".into() };
        let all = [running, instance("old", InstanceState::Stopped), instance("x", newer)];
        let text = table(&all, 1_700_000_300_000_000, Styles::PLAIN).render(None, Styles::PLAIN);
        insta::assert_snapshot!(text, @r"
        NAME     STATE                                                   PID   ADDRESS     HUB             SESSIONS  STARTED  DIRECTORY
        default  running                                                 4711  [::1]:7717  127.0.0.1:7718  3         5m       /data/instances/default
        old      stopped                                                 -     -           -               0         -        /data/instances/old
        x        unknown: its record is of a newer version (9)\u{1b}[2J  -     -           -               0         -        /data/instances/x
        ");
    }
}
