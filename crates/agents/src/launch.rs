//! How each vendor's program is started, as data.

use alloc::{
    borrow::ToOwned,
    format,
    string::{String, ToString as _},
    vec,
    vec::Vec,
};

use quarterdeck_protocol::agent::{AgentStart, Resume, Vendor};
use serde_json::json;

/// What agents call the server whose tools they write to others with.
pub(crate) const MAIL_SERVER: &str = "quarterdeck";

/// The start of a vendor's program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// Its command line.
    pub argv: Vec<String>,
    /// Names of variables that it may take from the environment or a profile.
    pub env_names: &'static [&'static str],
    /// Variables that are always set: no updates and no telemetry of a program that nobody watches.
    pub env: &'static [(&'static str, &'static str)],
    /// Where the vendor keeps conversations, for the lock that keeps two programs from opening one.
    pub home: Home,
}

/// Where a vendor keeps its conversations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Home {
    /// The variable that moves it.
    pub variable: Option<&'static str>,
    /// Where it is without the variable, below the user's home; absent when nobody knows.
    pub below_home: Option<&'static str>,
}

const CLAUDE_ENV: [&str; 14] = [
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "ANTHROPIC_BASE_URL",
    "ANTHROPIC_MODEL",
    "ANTHROPIC_CUSTOM_HEADERS",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_VERTEX",
    "CLAUDE_CODE_MAX_RETRIES",
    "CLAUDE_CONFIG_DIR",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "NODE_EXTRA_CA_CERTS",
];
const CODEX_ENV: [&str; 8] = [
    "CODEX_API_KEY",
    "CODEX_HOME",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
];
const OTHER_ENV: [&str; 4] = ["HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "NODE_EXTRA_CA_CERTS"];

/// The variables that a vendor's program may have of the client that starts it.
#[must_use]
pub const fn variables(vendor: Vendor) -> &'static [&'static str] {
    match vendor {
        Vendor::Claude => &CLAUDE_ENV,
        Vendor::Codex => &CODEX_ENV,
        Vendor::Acp | Vendor::Sidecar | Vendor::Unknown => &OTHER_ENV,
    }
}

/// The start of an agent. `command` is the program and what always follows it: `claude`, `codex`, or
/// an agent of the Agent Client Protocol or a runner with its arguments.
#[must_use]
pub fn launch(start: &AgentStart, command: &[String]) -> Launch {
    let mut argv = command.to_vec();
    match start.vendor {
        Vendor::Claude => argv.extend(claude(start)),
        Vendor::Codex => {
            argv.push("app-server".to_owned());
            argv.extend(codex_mail_tools(start));
        }
        Vendor::Acp | Vendor::Sidecar | Vendor::Unknown => {}
    }
    let (env_names, env, home): (&[&str], &[(&str, &str)], Home) = match start.vendor {
        Vendor::Claude => (
            &CLAUDE_ENV,
            &[("DISABLE_AUTOUPDATER", "1"), ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")],
            Home { variable: Some("CLAUDE_CONFIG_DIR"), below_home: Some(".claude") },
        ),
        Vendor::Codex => {
            (&CODEX_ENV, &[], Home { variable: Some("CODEX_HOME"), below_home: Some(".codex") })
        }
        Vendor::Acp | Vendor::Sidecar | Vendor::Unknown => {
            (&OTHER_ENV, &[], Home { variable: None, below_home: None })
        }
    };
    Launch { argv, env_names, env, home }
}

fn claude(start: &AgentStart) -> Vec<String> {
    let mut argv = vec![
        "-p",
        "--input-format",
        "stream-json",
        "--output-format",
        "stream-json",
        "--verbose",
        "--include-partial-messages",
        "--replay-user-messages",
        "--permission-prompt-tool",
        "stdio",
        "--permission-mode",
        start.mode.as_deref().unwrap_or("default"),
    ];
    if let Some(model) = &start.model {
        argv.extend(["--model", model]);
    }
    match (&start.resume, &start.vendor_session) {
        (Resume::New, Some(id)) => argv.extend(["--session-id", id]),
        (Resume::New, None) => {}
        (Resume::Resume { vendor_session }, _) => argv.extend(["--resume", vendor_session]),
        (Resume::Fork { vendor_session }, _) => {
            argv.extend(["--resume", vendor_session, "--fork-session"]);
        }
    }
    let mut argv: Vec<String> = argv.into_iter().map(ToOwned::to_owned).collect();
    if let [program, args @ ..] = &start.mail_tools[..] {
        let servers =
            json!({ "mcpServers": { MAIL_SERVER: { "command": program, "args": args } } });
        argv.extend(["--mcp-config".to_owned(), servers.to_string()]);
    }
    argv
}

/// Overrides of its configuration; their values are TOML, whose strings and lists JSON's are as well.
fn codex_mail_tools(start: &AgentStart) -> Vec<String> {
    let [program, args @ ..] = &start.mail_tools[..] else { return Vec::new() };
    let set = |name: &str, value: serde_json::Value| {
        ["-c".to_owned(), format!("mcp_servers.{MAIL_SERVER}.{name}={value}")]
    };
    [set("command", json!(program)), set("args", json!(args))].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(vendor: Vendor, resume: Resume) -> AgentStart {
        AgentStart {
            vendor,
            cwd: "/project".into(),
            model: Some("big".into()),
            mode: None,
            resume,
            vendor_session: Some("new".into()),
            provider: None,
            mail_tools: Vec::new(),
        }
    }

    fn argv(start: &AgentStart, command: &[&str]) -> String {
        let command: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
        launch(start, &command).argv.join(" ")
    }

    #[test]
    fn claude_is_supervised_by_default_and_resumed_or_forked_by_its_id() {
        let old = || "old".to_owned();
        for (resume, words) in [
            (Resume::New, "--session-id new"),
            (Resume::Resume { vendor_session: old() }, "--resume old"),
            (Resume::Fork { vendor_session: old() }, "--resume old --fork-session"),
        ] {
            let argv = argv(&start(Vendor::Claude, resume), &["claude"]);
            assert!(argv.ends_with(&["--model big ", words].concat()), "{argv}");
            assert!(argv.contains("--permission-mode default"), "{argv}");
        }
    }

    #[test]
    fn the_other_vendors_are_started_as_they_are_told() {
        let new = || Resume::New;
        assert_eq!(argv(&start(Vendor::Codex, new()), &["codex"]), "codex app-server");
        let acp = argv(&start(Vendor::Acp, new()), &["opencode", "acp"]);
        assert_eq!(acp, "opencode acp");
    }

    #[test]
    fn an_agent_is_given_the_tools_to_write_to_others_in_its_own_way() {
        let with_tools = |vendor: Vendor, command: &[&str]| {
            let mail_tools = vec!["/bin/qd".to_owned(), "a b".to_owned(), "mcp".to_owned()];
            argv(&AgentStart { mail_tools, ..start(vendor, Resume::New) }, command)
        };
        let claude = with_tools(Vendor::Claude, &["claude"]);
        let config = r#"--mcp-config {"mcpServers":{"quarterdeck":{"args":["a b","mcp"],"command":"/bin/qd"}}}"#;
        assert!(claude.ends_with(config), "{claude}");
        let codex = with_tools(Vendor::Codex, &["codex"]);
        let expected = "codex app-server -c mcp_servers.quarterdeck.command=\"/bin/qd\" \
             -c mcp_servers.quarterdeck.args=[\"a b\",\"mcp\"]";
        assert_eq!(codex, expected);
    }

    #[test]
    fn secrets_are_named_and_never_on_the_command_line() {
        let launch = launch(&start(Vendor::Claude, Resume::New), &["claude".to_owned()]);
        assert!(launch.env_names.contains(&"ANTHROPIC_API_KEY"));
        assert!(launch.env.iter().all(|(name, _)| !launch.env_names.contains(name)));
        assert!(!launch.argv.iter().any(|word| word.contains("KEY")));
    }
}
