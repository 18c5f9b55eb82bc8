//! The environment of a session's program.
//!
//! Later layers win: what a login shell has (captured once) < the local client's < the request's. Then
//! the relay's own facts are set, and the ceiling filters last.
//!
//! What the client's shell, terminal, multiplexer, agent or service manager put there *about itself* is
//! left behind: it would be false inside the session. Variables of Quarterdeck (`QD_*`) pass from no
//! layer at all, so neither a token nor another session's marker reaches a program; the three that a
//! session has are set here.

mod account;
mod capture;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, os::unix::fs::PermissionsExt, path::Path};

use quarterdeck_protocol::ids::SessionId;

pub use account::Account;
pub use capture::{BaseEnvironment, CAPTURE_LIMIT, CaptureError, own_environment};

use crate::{ceiling::EnvFilter, instance::InstanceDir};

/// Variables by name.
pub type Variables = BTreeMap<String, String>;

/// Terminal type of a session whose client names none that a full terminal has: the model and every
/// modern terminal understand it.
pub const DEFAULT_TERM: &str = "xterm-256color";
/// What every variable of Quarterdeck begins with.
pub const OWN_PREFIX: &str = "QD_";
/// Shell of an account that has none that can be run.
const LAST_RESORT_SHELL: &str = "/bin/sh";
const AGENT_SOCKET: &str = "SSH_AUTH_SOCK";

/// What the shell that started the client says of itself.
const OF_THE_SHELL: [&str; 4] = ["SHLVL", "PWD", "OLDPWD", "_"];
/// What the client's terminal and multiplexer say of themselves. The session has another terminal,
/// which several clients look at.
const OF_THE_TERMINAL: [&str; 26] = [
    "ALACRITTY_*",
    "COLUMNS",
    "GHOSTTY_*",
    "GPG_TTY",
    "ITERM_*",
    "KITTY_*",
    "KONSOLE_*",
    "LC_TERMINAL",
    "LC_TERMINAL_VERSION",
    "LINES",
    "SSH_TTY",
    "STY",
    "TERMCAP",
    "TERM_PROGRAM",
    "TERM_PROGRAM_VERSION",
    "TERM_SESSION_ID",
    "TMUX",
    "TMUX_PANE",
    "VSCODE_INJECTION",
    "VTE_VERSION",
    "WEZTERM_*",
    "WINDOW",
    "WINDOWID",
    "WT_PROFILE_ID",
    "WT_SESSION",
    "ZELLIJ*",
];
/// What an agent or a service manager says of the one process that it started.
const OF_ANOTHER_SESSION: [&str; 15] = [
    "CLAUDECODE",
    "CLAUDE_CODE_ENTRYPOINT",
    "CLAUDE_CODE_MESSAGING_*",
    "CLAUDE_CODE_SESSION_ID",
    "CLAUDE_CODE_SSE_PORT",
    "CODEX_SANDBOX*",
    "CREDENTIALS_DIRECTORY",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    "MAINPID",
    "NOTIFY_SOCKET",
    "WATCHDOG_*",
];

/// Where variables come from, weakest first.
#[derive(Clone, Copy)]
pub struct Layers<'a> {
    /// What a login shell of the relay's user has.
    pub base: &'a Variables,
    /// What the client has; none unless the client is local.
    pub client: Option<&'a Variables>,
    /// What was asked for by name.
    pub request: &'a Variables,
}

/// What the relay itself tells the program.
#[derive(Debug, Clone, Copy)]
pub struct SessionFacts<'a> {
    /// The session.
    pub session: SessionId,
    /// Its instance, so that `qd` inside the session means the same one.
    pub instance: &'a InstanceDir,
    /// The directory as it was asked for; shells keep such a name if it leads to where they are.
    pub pwd: &'a str,
    /// The session's stable link to an SSH agent.
    pub agent_link: &'a Path,
}

/// The program's whole environment.
#[must_use]
pub fn compose(layers: Layers<'_>, facts: SessionFacts<'_>, filter: &EnvFilter) -> Variables {
    let mut vars = Variables::new();
    put_all(&mut vars, layers.base, passes);
    if let Some(client) = layers.client {
        put_all(&mut vars, client, |name| passes(name) && filter.allows_from_callers(name));
    }
    let term = layers.client.and_then(|client| client.get("TERM"));
    let term = term.filter(|term| is_full_terminal(term)).map_or(DEFAULT_TERM, String::as_str);
    vars.insert("TERM".to_owned(), term.to_owned());
    if known_agent(layers).is_some()
        && let Some(link) = facts.agent_link.to_str()
    {
        vars.insert(AGENT_SOCKET.to_owned(), link.to_owned());
    }
    put_all(&mut vars, layers.request, |name| !is_own(name) && filter.allows_from_callers(name));
    vars.insert("PWD".to_owned(), facts.pwd.to_owned());
    vars.retain(|name, _| filter.allows(name));
    // not filtered: `qd` needs them to refuse attaching a session to itself
    put_markers(&mut vars, facts);
    vars
}

/// The agent socket that the session's link is to point to at the start, if one is known.
#[must_use]
pub fn known_agent(layers: Layers<'_>) -> Option<&str> {
    let of = |vars: &'_ Variables| vars.get(AGENT_SOCKET).is_some_and(|path| !path.is_empty());
    let source = layers.client.filter(|client| of(client)).unwrap_or(layers.base);
    source.get(AGENT_SOCKET).filter(|path| !path.is_empty()).map(String::as_str)
}

/// A shell to log in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginShell {
    /// Its path.
    pub program: String,
    /// The first word that it sees: its name with the dash that makes it a login shell.
    pub argv0: String,
}

/// The client's `$SHELL`, else the account's shell, else `/bin/sh`: the first that can be run.
#[must_use]
pub fn login_shell(client: Option<&Variables>, account: &Account) -> LoginShell {
    let of_client = client.and_then(|client| client.get("SHELL")).map(String::as_str);
    let wanted = [of_client, account.shell.to_str()];
    let program = wanted
        .into_iter()
        .flatten()
        .find(|shell| shell.starts_with('/') && can_be_run(Path::new(shell)))
        .unwrap_or(LAST_RESORT_SHELL);
    let name = program.rsplit('/').next().unwrap_or(program);
    LoginShell { program: program.to_owned(), argv0: format!("-{name}") }
}

/// Whether a pattern, which is a name or a prefix that ends in `*`, fits a variable's name.
pub(crate) fn fits(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern,
    }
}

/// Whether a variable belongs to Quarterdeck.
pub(crate) fn is_own(name: &str) -> bool {
    name.starts_with(OWN_PREFIX)
}

/// Whether a program exists at `path`, as far as its mode says.
pub(crate) fn can_be_run(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

fn passes(name: &str) -> bool {
    let left_behind = [&OF_THE_SHELL[..], &OF_THE_TERMINAL, &OF_ANOTHER_SESSION];
    // an agent's socket is known to the program by the session's link alone
    let own = is_own(name) || name == AGENT_SOCKET;
    !own && !left_behind.into_iter().flatten().any(|pattern| fits(pattern, name))
}

/// `dumb` and the like describe an editor's pipe or a job runner, not what the session has.
fn is_full_terminal(term: &str) -> bool {
    !matches!(term, "" | "dumb" | "unknown" | "network")
}

fn put_all(vars: &mut Variables, layer: &Variables, may: impl Fn(&str) -> bool) {
    let passing = layer.iter().filter(|(name, _)| may(name));
    vars.extend(passing.map(|(name, value)| (name.clone(), value.clone())));
}

fn put_markers(vars: &mut Variables, facts: SessionFacts<'_>) {
    let mut put = |name: &str, value: String| vars.insert(format!("{OWN_PREFIX}{name}"), value);
    put("SESSION", facts.session.to_string());
    put("INSTANCE", facts.instance.name().to_string());
    // `<base>/instances/<name>`; see `InstanceDir`
    let base = facts.instance.path().parent().and_then(Path::parent).and_then(Path::to_str);
    if let Some(base) = base {
        put("HOME", base.to_owned());
    }
}
