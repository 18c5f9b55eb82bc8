//! `qd hooks`: what is told to programs outside, and how that fares.

use quarterdeck_protocol::method::{
    Empty, HookEvent, HookInfo, HookList, HookListResult, HookTest, HookTestParams, HookTestResult,
};

use crate::{
    Exit,
    config::Settings,
    connection::{Connection, Missing},
    error::CliError,
    output::{
        escape::plain,
        style::Styles,
        table::{Cell, Table},
        time::{ago, now_micros},
    },
};

/// `qd hooks`.
#[derive(Debug, clap::Args)]
pub(crate) struct HooksArgs {
    #[command(subcommand)]
    command: Option<HooksCommand>,
}

/// What about hooks.
#[derive(Debug, Clone, clap::Subcommand)]
enum HooksCommand {
    /// The hooks and how they fare
    Ls,
    /// Tell a hook something now, and say how that went
    Test {
        /// Its name in the configuration
        name: String,
    },
}

/// Lists or tries.
pub(crate) async fn run(settings: &Settings, args: HooksArgs) -> Result<Exit, CliError> {
    let connection = Connection::open(settings, Missing::Fail).await?;
    match args.command.unwrap_or(HooksCommand::Ls) {
        HooksCommand::Ls => {
            let list = connection.call::<HookList>(&Empty {}, None).await?;
            settings.output.result(&list, |styles| table(&list, now_micros(), styles))?;
        }
        HooksCommand::Test { name } => {
            let params = HookTestParams { name: name.clone() };
            let told = connection.call::<HookTest>(&params, None).await?;
            let HookTestResult { took_ms } = told;
            let text = || format!("\"{}\" was told in {took_ms} ms\n", plain(&name));
            settings.output.result(&told, |_| text())?;
        }
    }
    Ok(Exit::OK)
}

fn table(list: &HookListResult, now: u64, styles: Styles) -> String {
    if list.hooks.is_empty() {
        return "no hooks: write them into config.toml, see docs/hooks.md\n".to_owned();
    }
    let head = ["NAME", "TO", "ON", "SENT", "WAITING", "DROPPED", "LAST"];
    let mut table = Table::new(head);
    for hook in &list.hooks {
        table.push([
            plain(&hook.name).into(),
            plain(&hook.to).into(),
            hook.on.iter().map(|on| HookEvent::word(*on)).collect::<Vec<_>>().join(",").into(),
            hook.sent.to_string().into(),
            hook.waiting.to_string().into(),
            hook.dropped.to_string().into(),
            last(hook, now, styles),
        ]);
    }
    let rests = if list.rests { "a hub that is linked tells; this relay rests\n" } else { "" };
    format!("{}{rests}", table.render(None, styles))
}

/// What happened last.
fn last(hook: &HookInfo, now: u64, styles: Styles) -> Cell {
    match (&hook.error, hook.failed_at, hook.sent_at) {
        (Some(error), Some(at), _) => {
            Cell::styled(format!("{}: {}", since(at, now), plain(error)), styles.warn)
        }
        (_, _, Some(at)) => Cell::styled(format!("told {}", since(at, now)), styles.good),
        (_, _, None) => "-".into(),
    }
}

fn since(at: u64, now: u64) -> String {
    match ago(at, now).as_str() {
        "now" => "just now".to_owned(),
        time => format!("{time} ago"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarterdeck_protocol::method::HookKind;

    #[test]
    fn hooks_are_shown_with_their_last_news() {
        let hook = |name: &str| HookInfo {
            name: name.to_owned(),
            kind: HookKind::Ntfy,
            to: "https://ntfy.sh".to_owned(),
            on: vec![HookEvent::PromptOpened],
            waiting: 0,
            sent: 3,
            failed: 0,
            dropped: 0,
            sent_at: Some(1_000_000),
            failed_at: None,
            error: None,
        };
        let error = Some("it answers 403".to_owned());
        let failing = HookInfo { error, failed_at: Some(2_000_000), dropped: 1, ..hook("log") };
        let list = HookListResult { hooks: vec![hook("phone"), failing], rests: true };
        let text = table(&list, 62_000_000, Styles::PLAIN);
        let lines: Vec<Vec<&str>> =
            text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["NAME", "TO", "ON", "SENT", "WAITING", "DROPPED", "LAST"]);
        assert_eq!(lines[1][..6], ["phone", "https://ntfy.sh", "prompt.opened", "3", "0", "0"]);
        assert_eq!(lines[1][6..], ["told", "61s", "ago"]);
        assert_eq!(lines[2][6..], ["60s", "ago:", "it", "answers", "403"]);
        assert_eq!(lines[3].join(" "), "a hub that is linked tells; this relay rests");
        assert!(table(&HookListResult::default(), 0, Styles::PLAIN).starts_with("no hooks"));
    }
}
