//! `qd audit`: who came in, what was given and taken, as the journal has it.

use quarterdeck_protocol::method::{AuditEntry, AuditList, AuditListParams, AuditListResult};

use crate::{
    Exit,
    config::Settings,
    connection::{Connection, Missing},
    error::CliError,
    output::{
        escape::plain,
        style::{Styles, paint},
        time::utc,
    },
};

/// Flags of `qd audit`.
#[derive(Debug, clap::Args)]
pub(crate) struct AuditArgs {
    /// How many events, newest first
    #[arg(short = 'n', long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    lines: u32,
}

/// Prints the journal of the relay, with --hub of the hub, newest first.
pub(crate) async fn run(settings: &Settings, args: &AuditArgs) -> Result<Exit, CliError> {
    let connection = Connection::open(settings, Missing::Fail).await?;
    let mut all = AuditListResult::default();
    let mut left = args.lines;
    loop {
        let params = AuditListParams { before: all.next.take(), limit: Some(left) };
        let page = connection.call::<AuditList>(&params, None).await?;
        left = left.saturating_sub(u32::try_from(page.entries.len()).unwrap_or(u32::MAX));
        all.entries.extend(page.entries);
        all.next = page.next;
        if left == 0 || all.next.is_none() {
            break;
        }
    }
    settings.output.result(&all, |styles| {
        all.entries.iter().map(|entry| line(entry, styles)).collect::<String>()
    })?;
    Ok(Exit::OK)
}

fn line(entry: &AuditEntry, styles: Styles) -> String {
    let fields = entry.fields.iter().map(|(name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!(" {}={}", plain(name), plain(&value))
    });
    let event = paint(styles.good, &plain(&entry.event));
    format!("{} {event}{}\n", utc(entry.at / 1_000_000), fields.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_a_line_that_cannot_act_on_the_terminal() {
        let json = r#"{"at":1700000000000000,"event":"login_failed","why":"no\u001b[2J","peer":"::1","n":[1]}"#;
        let entry: AuditEntry = serde_json::from_str(json).expect("an event");
        insta::assert_snapshot!(line(&entry, Styles::PLAIN), @r"
        2023-11-14 22:13:20Z login_failed n=[1] peer=::1 why=no\u{1b}[2J
        ");
    }
}
