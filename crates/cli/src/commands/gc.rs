//! `qd gc`: remove old logs.

use std::time::Duration;

use quarterdeck_protocol::method::{GcParams, GcResult, RelayGc};

use crate::{
    Exit,
    config::Settings,
    connection::{Connection, Missing},
    error::CliError,
    output::time::{bytes, parse_duration},
};

/// Flags of `qd gc`.
#[derive(Debug, clap::Args)]
pub(crate) struct GcArgs {
    /// Remove sessions that ended longer ago than this
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    ended_before: Option<Duration>,
    /// MiB that all logs may take [default: the configured quota]
    #[arg(long, value_name = "MIB")]
    quota: Option<u64>,
    /// Only say what would go
    #[arg(long)]
    dry_run: bool,
}

/// Removes old logs.
pub(crate) async fn run(settings: &Settings, args: &GcArgs) -> Result<Exit, CliError> {
    let connection = Connection::open(settings, Missing::StartForSessions).await?;
    let params = GcParams {
        ended_before_s: args.ended_before.map(|time| time.as_secs()),
        quota_bytes: args.quota.map(|mib| mib.saturating_mul(1024 * 1024)),
        dry_run: args.dry_run,
    };
    let result = connection.call::<RelayGc>(&params, None).await?;
    settings.output.result(&result, |_| gc_text(&result, args.dry_run))?;
    Ok(Exit::OK)
}

fn gc_text(result: &GcResult, dry_run: bool) -> String {
    let verb = if dry_run { "would go" } else { "removed" };
    let mut text = String::new();
    for session in &result.removed {
        text += &format!("{verb}: {session}\n");
    }
    for session in &result.trimmed {
        text += &format!("{verb}: oldest records of {session}\n");
    }
    let freed = if dry_run { "would be free" } else { "freed" };
    text +=
        &format!("{} {freed}, {} of logs\n", bytes(result.freed_bytes), bytes(result.log_bytes));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarterdeck_protocol::ids::SessionId;

    #[test]
    fn a_dry_run_says_what_would_go() {
        let result = GcResult {
            removed: vec![SessionId::from_bytes([1; 10])],
            trimmed: vec![SessionId::from_bytes([2; 10])],
            freed_bytes: 2048,
            log_bytes: 4096,
        };
        insta::assert_snapshot!(gc_text(&result, true), @r"
        would go: s_01010101010101010101
        would go: oldest records of s_02020202020202020202
        2.0 KiB would be free, 4.0 KiB of logs
        ");
        assert!(gc_text(&result, false).starts_with("removed: s_01"));
    }
}
