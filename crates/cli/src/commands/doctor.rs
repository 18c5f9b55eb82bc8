//! `qd doctor`: what is wrong, what would not survive, and what to do about each.

mod checks;
mod hooks;
mod survival;

use serde::Serialize;

use crate::{
    Exit,
    config::Settings,
    error::{CliError, Kind},
    output::style::{Styles, paint},
};

/// Flags of `qd doctor`.
#[derive(Debug, clap::Args)]
pub(crate) struct DoctorArgs {}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Level {
    /// As it should be.
    Ok,
    /// It works, but something will surprise.
    Warn,
    /// It does not work.
    Fail,
}

/// What was found about one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Check {
    /// Stable name.
    name: &'static str,
    level: Level,
    /// What was found.
    finding: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Check {
    fn ok(name: &'static str, finding: impl Into<String>) -> Self {
        Self { name, level: Level::Ok, finding: finding.into(), advice: None }
    }
    fn warn(name: &'static str, finding: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name, level: Level::Warn, finding: finding.into(), advice: Some(advice.into()) }
    }
    fn fail(name: &'static str, finding: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name, level: Level::Fail, finding: finding.into(), advice: Some(advice.into()) }
    }
}

/// Everything that was found.
#[derive(Debug, Serialize)]
struct Report {
    checks: Vec<Check>,
}

/// Looks at everything.
pub(crate) async fn run(settings: &Settings) -> Result<Exit, CliError> {
    let mut checks = vec![checks::version()];
    checks.push(checks::directory(settings));
    checks.push(checks::configuration(settings));
    checks.push(checks::lock(settings));
    checks.push(checks::relay(settings).await);
    checks.extend(hooks::checks(settings).await);
    checks.push(checks::socket_path(settings));
    checks.push(checks::disk(settings));
    checks.push(checks::open_files());
    checks.push(checks::clock());
    checks.push(checks::login_shell().await);
    checks.extend(survival::checks(&settings.environment));
    let report = Report { checks };
    settings.output.result(&report, |styles| text(&report, styles))?;
    let failed = report.checks.iter().any(|check| check.level == Level::Fail);
    Ok(if failed { Exit::code(Kind::Failed.exit_code()) } else { Exit::OK })
}

fn text(report: &Report, styles: Styles) -> String {
    let mut text = String::new();
    for Check { name, level, finding, advice } in &report.checks {
        let (word, style) = match level {
            Level::Ok => ("ok  ", styles.good),
            Level::Warn => ("warn", styles.warn),
            Level::Fail => ("FAIL", styles.error),
        };
        text += &format!("{}  {name:<14} {finding}\n", paint(style, word));
        if let Some(advice) = advice {
            text += &format!("      {:<14} {} {advice}\n", "", paint(styles.hint, "do:"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_finding_is_one_line_and_what_to_do_another() {
        let report = Report {
            checks: vec![
                Check::ok("version", "0.1.0"),
                Check::warn("linger", "off: sessions end at logout", "loginctl enable-linger"),
                Check::fail("directory", "cannot be written", "chmod u+w DIR"),
            ],
        };
        insta::assert_snapshot!(text(&report, Styles::PLAIN), @r"
        ok    version        0.1.0
        warn  linger         off: sessions end at logout
                             do: loginctl enable-linger
        FAIL  directory      cannot be written
                             do: chmod u+w DIR
        ");
        insta::assert_snapshot!(serde_json::to_string(&report.checks[1]).expect("JSON"), @r#"{"name":"linger","level":"warn","finding":"off: sessions end at logout","advice":"loginctl enable-linger"}"#);
    }
}
