//! Whether a vendor's Remote Control can work: decided over facts that somebody else has gathered.

use alloc::{borrow::ToOwned, format, string::String, vec::Vec};

use quarterdeck_protocol::remote_control::{
    RemoteCheck as Check, RemoteFinding as Finding, RemoteLevel as Level, RemoteReport,
    RemoteVendor,
};

use crate::plain;

/// The first version of Claude Code that has it, by the vendor's documentation.
const CLAUDE_SINCE: [u32; 3] = [2, 1, 51];
/// The first version of Codex whose lines are known here.
const CODEX_SINCE: [u32; 3] = [0, 169, 0];

/// Variables with which `claude remote-control` refuses, by the vendor's documentation and the program's
/// own text (2.1.329).
const CLAUDE_BLOCKING: [&str; 12] = [
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "ANTHROPIC_BASE_URL",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_FOUNDRY",
    "CLAUDE_CODE_USE_VERTEX",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
    "DISABLE_GROWTHBOOK",
    "DISABLE_TELEMETRY",
    "DO_NOT_TRACK",
    "CLAUDE_CODE_REMOTE",
];
/// Variables with which Codex would log in otherwise than by an account.
const CODEX_BLOCKING: [&str; 2] =
    ["CODEX_API_KEY", "CODEX_INTERNAL_APP_SERVER_REMOTE_CONTROL_DISABLED"];

/// The variables of a vendor that stand in the way; asked of the environment of a start.
#[must_use]
pub const fn blocking_variables(vendor: RemoteVendor) -> &'static [&'static str] {
    match vendor {
        RemoteVendor::Claude => &CLAUDE_BLOCKING,
        RemoteVendor::Codex => &CODEX_BLOCKING,
        RemoteVendor::Unknown => &[],
    }
}

/// Whether a variable with this value stands in the way.
#[must_use]
pub fn is_blocking(name: &str, value: &str) -> bool {
    let off = matches!(value.trim(), "" | "0" | "false");
    match name {
        "ANTHROPIC_BASE_URL" => {
            let host = value.trim().trim_end_matches('/');
            !host.is_empty() && host != "https://api.anthropic.com"
        }
        _ => !off,
    }
}

/// What is known before a start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Whose.
    pub vendor: RemoteVendor,
    /// Which profile.
    pub profile: String,
    /// The program as it would be run, for sentences.
    pub program: String,
    /// What it says of its version; none = it cannot be run.
    pub version: Option<String>,
    /// Variables that stand in the way and were not stripped.
    pub blocking: Vec<String>,
    /// How its user is logged in.
    pub login: Login,
    /// Whether somebody who administers the machine or the organisation has switched it off.
    pub policy: Policy,
    /// Whether the directory is trusted.
    pub trust: Trust,
    /// The directory, for sentences; none = it was not asked about.
    pub cwd: Option<String>,
    /// The account's directory where it is not the usual one: what must be set to log in there.
    pub account: Option<String>,
}

/// How the vendor's program is logged in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Login {
    /// The program could not be asked.
    #[default]
    Unknown,
    /// Not at all.
    None,
    /// With the vendor's account for people.
    Account {
        /// Its plan, as the vendor calls it.
        plan: Option<String>,
    },
    /// With a key or a token that is not enough.
    Other {
        /// What the vendor calls it.
        method: String,
    },
}

/// What the machine's administrator and the account's organisation say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Policy {
    /// Nothing is said here; the organisation's own answer comes at the start.
    #[default]
    Silent,
    /// It is switched off on this machine.
    Off {
        /// The file that says so.
        file: String,
    },
    /// The organisation forbids it, by what the vendor's program last heard of its servers.
    Forbidden {
        /// The file in which the program keeps that.
        file: String,
    },
}

/// Whether the vendor's program was told that a directory is trusted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Trust {
    /// Nobody asked, or it cannot be known.
    #[default]
    Unknown,
    /// It was.
    Given,
    /// It was not.
    Missing,
    /// It never can be: a home directory's trust is not kept.
    Never,
}

/// Decides.
#[must_use]
pub fn decide(facts: &Facts) -> RemoteReport {
    let mut findings = Vec::new();
    findings.push(binary(facts));
    if facts.version.is_some() {
        findings.push(version(facts));
        environment(facts, &mut findings);
        findings.push(login(facts));
        findings.push(policy(facts));
        findings.extend(trust(facts));
    }
    let ready = findings.iter().all(|finding| finding.level != Level::Blocked);
    RemoteReport { vendor: facts.vendor, profile: facts.profile.clone(), ready, findings }
}

fn finding(check: Check, level: Level, message: &str, advice: Option<String>) -> Finding {
    Finding { check, level, message: plain::title(message), advice }
}

fn binary(facts: &Facts) -> Finding {
    let program = &facts.program;
    if facts.version.is_some() {
        return finding(Check::Binary, Level::Fine, &format!("{program} is there"), None);
    }
    let package = match facts.vendor {
        RemoteVendor::Claude => "@anthropic-ai/claude-code",
        RemoteVendor::Codex => "@openai/codex",
        RemoteVendor::Unknown => "its package",
    };
    let message = format!("{program} is not installed, or cannot be run");
    finding(Check::Binary, Level::Blocked, &message, Some(format!("npm install -g {package}")))
}

fn version(facts: &Facts) -> Finding {
    let said = facts.version.as_deref().unwrap_or_default();
    let (since, update) = match facts.vendor {
        RemoteVendor::Claude => (CLAUDE_SINCE, "claude update"),
        RemoteVendor::Codex => (CODEX_SINCE, "codex update"),
        RemoteVendor::Unknown => ([0; 3], "an update"),
    };
    let [major, minor, patch] = since;
    match parse_version(said) {
        Some(found) if found >= since => {
            finding(Check::Version, Level::Fine, &format!("version {said}"), None)
        }
        Some(_) => {
            let message =
                format!("version {said} is too old: it needs {major}.{minor}.{patch} or newer");
            finding(Check::Version, Level::Blocked, &message, Some(update.to_owned()))
        }
        None => {
            let message = format!("its version cannot be understood: {said}");
            finding(Check::Version, Level::Doubtful, &message, None)
        }
    }
}

/// The first three numbers with dots between them: `2.1.329 (Claude Code)`, `codex-cli 0.169.0`.
fn parse_version(text: &str) -> Option<[u32; 3]> {
    text.split_whitespace().find_map(|word| {
        let mut parts = word.trim_start_matches('v').splitn(3, '.');
        let major = parts.next()?.parse().ok()?;
        let minor = parts.next()?.parse().ok()?;
        let digits: String = parts.next()?.chars().take_while(char::is_ascii_digit).collect();
        Some([major, minor, digits.parse().ok()?])
    })
}

fn environment(facts: &Facts, findings: &mut Vec<Finding>) {
    if facts.blocking.is_empty() {
        let message = "no variable stands in the way".to_owned();
        findings.push(finding(Check::Environment, Level::Fine, &message, None));
    }
    for name in &facts.blocking {
        let message = format!("{name} is set; with it Remote Control refuses");
        let advice = format!("qd rc --strip {name}");
        findings.push(finding(Check::Environment, Level::Blocked, &message, Some(advice)));
    }
}

fn login(facts: &Facts) -> Finding {
    let (what, bare) = match facts.vendor {
        RemoteVendor::Claude => ("a claude.ai subscription", "claude auth login"),
        RemoteVendor::Codex => ("a ChatGPT account", "codex login"),
        RemoteVendor::Unknown => ("an account", "its login"),
    };
    let variable = match facts.vendor {
        RemoteVendor::Codex => "CODEX_HOME",
        RemoteVendor::Claude | RemoteVendor::Unknown => "CLAUDE_CONFIG_DIR",
    };
    let type_this = match &facts.account {
        Some(directory) => format!("{variable}={directory} {bare}"),
        None => bare.to_owned(),
    };
    match &facts.login {
        Login::Unknown => {
            let message = "how it is logged in could not be found out".to_owned();
            finding(Check::Login, Level::Doubtful, &message, Some(type_this))
        }
        Login::None => {
            let message = format!("not logged in; it needs {what}");
            finding(Check::Login, Level::Blocked, &message, Some(type_this))
        }
        Login::Other { method } => {
            let message = format!("logged in by {method}; it needs {what}");
            finding(Check::Login, Level::Blocked, &message, Some(type_this))
        }
        Login::Account { plan: Some(plan) } => {
            finding(Check::Login, Level::Fine, &format!("logged in to {what} ({plan})"), None)
        }
        Login::Account { plan: None } => {
            finding(Check::Login, Level::Fine, &format!("logged in to {what}"), None)
        }
    }
}

fn policy(facts: &Facts) -> Finding {
    match &facts.policy {
        Policy::Silent => {
            let message =
                "nothing on this machine forbids it; an organisation answers at the start";
            finding(Check::Policy, Level::Fine, message, None)
        }
        Policy::Off { file } => {
            let message = format!("the machine's administrator has switched it off in {file}");
            let advice = "ask whoever administers this machine".to_owned();
            finding(Check::Policy, Level::Blocked, &message, Some(advice))
        }
        Policy::Forbidden { file } => {
            let message = format!("your organisation's policy forbids it, as noted in {file}");
            // the note is as old as the program's last start
            let advice = "ask whoever administers your organisation at claude.ai/admin-settings; \
                          once it is allowed: qd rc --anyway";
            finding(Check::Policy, Level::Blocked, &message, Some(advice.to_owned()))
        }
    }
}

fn trust(facts: &Facts) -> Option<Finding> {
    let cwd = facts.cwd.as_deref()?;
    let program = &facts.program;
    let finding = match facts.trust {
        Trust::Unknown => return None,
        Trust::Given => finding(Check::Trust, Level::Fine, &format!("{cwd} is trusted"), None),
        Trust::Missing => {
            let message = format!("{cwd} is not trusted yet; it will ask on its terminal");
            let advice = format!("qd attach, and answer; or once: cd {cwd} && {program}");
            finding(Check::Trust, Level::Doubtful, &message, Some(advice))
        }
        Trust::Never => {
            let message = format!("{cwd} is a home directory, whose trust is never kept");
            let advice = "qd rc --cwd DIR, with a project's directory".to_owned();
            finding(Check::Trust, Level::Doubtful, &message, Some(advice))
        }
    };
    Some(finding)
}
