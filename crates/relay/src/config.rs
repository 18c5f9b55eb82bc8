//! What the relay's owner allows and keeps: the ceiling that binds every client, and the limits.
//! The command line reads the file; this is its shape and its defaults.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use quarterdeck_hooks::HooksConfig;
use quarterdeck_protocol::{agent::Vendor, dialect::Dialect, limits};
use serde::Deserialize;

/// `config.toml` of an instance. Unknown keys are an error: a misspelt ceiling must not be none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RelayConfig {
    /// What sessions may be.
    pub ceiling: Ceiling,
    /// How much of the logs is kept.
    pub logs: LogLimits,
    /// How connections are treated.
    pub network: NetworkConfig,
    /// Agents by name: what differs from the built-in ones, and others.
    pub agents: BTreeMap<String, AgentProfile>,
    /// Mail between agents.
    pub mail: MailConfig,
    /// Other programs' protocols.
    pub dialects: BTreeMap<Dialect, DialectConfig>,
    /// What is told to programs outside; the instance's hub reads it too.
    pub hooks: HooksConfig,
}

/// Mail between agents.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MailConfig {
    /// What answers while nobody is there; none = nothing does.
    pub responder: Option<ResponderConfig>,
}

/// What answers messages whose session does not live.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResponderConfig {
    /// A program that reads a message from its standard input and writes one answer: nothing else of it
    /// is looked at.
    pub command: Vec<String>,
    /// Variables for it; of the relay's own it gets little more than `PATH` and `HOME`.
    pub env: BTreeMap<String, String>,
    /// Contacts that are answered; empty = nobody.
    pub allow: Vec<String>,
    /// Answers to everyone in a day.
    pub per_day: u32,
    /// Answers to one contact in an hour.
    pub per_peer_hour: u32,
    /// Answers to one contact in a row, until a session or a person writes to it.
    pub in_a_row: u32,
    /// How long one answer may take, in seconds.
    pub deadline_s: u64,
}

impl Default for ResponderConfig {
    fn default() -> Self {
        Self {
            command: Vec::new(),
            env: BTreeMap::new(),
            allow: Vec::new(),
            per_day: 100,
            per_peer_hour: 12,
            in_a_row: 3,
            deadline_s: 120,
        }
    }
}

/// How an agent is started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AgentProfile {
    /// Which protocol it speaks; needed for a name that is not built in.
    pub vendor: Option<Vendor>,
    /// Its program and what always follows it; empty = the built-in one.
    pub command: Vec<String>,
    /// Its model, unless one is asked for.
    pub model: Option<String>,
    /// Its mode, unless one is asked for.
    pub mode: Option<String>,
    /// Which runner of a sidecar.
    pub provider: Option<String>,
    /// Variables for it: an account's home, an API's address. Not for keys.
    pub env: BTreeMap<String, String>,
    /// A private file with `NAME=VALUE` lines, read at each start: for keys.
    pub secret_file: Option<PathBuf>,
    /// It is not given the tools to write to others.
    pub without_mail: bool,
}

/// How another program's protocol is served.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DialectConfig {
    /// Where, unless a flag says; none = nowhere.
    pub listen: Option<SocketAddr>,
    /// What its clients may start, of what everyone may.
    pub ceiling: Option<Ceiling>,
    /// The agent that is started for clients that cannot name one; none = `claude`.
    pub agent: Option<String>,
    /// Where it works; none = the home directory.
    pub cwd: Option<PathBuf>,
}

/// What sessions may be, whoever asks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ceiling {
    /// Whether terminals may be started at all.
    pub terminals: bool,
    /// Command names or absolute paths that terminals may run; empty = any.
    pub commands: Vec<String>,
    /// Names of agents that may be started; empty = any. Commands of callers (`acp:COMMAND`) are
    /// bound by `commands` too.
    pub agents: Vec<String>,
    /// Models that may be asked for; empty = any.
    pub models: Vec<String>,
    /// Whether agents may be put into modes in which they ask nobody.
    pub unsupervised: bool,
    /// Directories in which sessions may start; empty = any.
    pub cwd_roots: Vec<PathBuf>,
    /// Variables that never reach a program: names, or prefixes ending in `*`.
    pub env_deny: Vec<String>,
    /// Live sessions at a time.
    pub sessions: usize,
}

impl Default for Ceiling {
    fn default() -> Self {
        Self {
            terminals: true,
            commands: Vec::new(),
            agents: Vec::new(),
            models: Vec::new(),
            unsupervised: false,
            cwd_roots: Vec::new(),
            env_deny: Vec::new(),
            sessions: limits::MAX_SESSIONS,
        }
    }
}

/// How much of the logs is kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogLimits {
    /// Bytes of one session's log.
    pub session_bytes: u64,
    /// Bytes of all logs.
    pub instance_bytes: u64,
    /// Days for which ended sessions are kept; `gc` and the relay's daily pass remove older ones.
    pub ended_days: u64,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self {
            session_bytes: limits::DEFAULT_SESSION_LOG_BYTES,
            instance_bytes: limits::DEFAULT_INSTANCE_LOG_BYTES,
            ended_days: 30,
        }
    }
}

/// How connections are treated.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkConfig {
    /// Addresses of reverse proxies: slowed by wrong credentials, not locked out.
    pub proxies: Vec<std::net::IpAddr>,
    /// Values of the `Host` header that are accepted beside the listening address; empty = any.
    pub hosts: Vec<String>,
    /// Seconds for which an owner whose link is gone may come back with its epoch.
    pub lease_grace_s: u64,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self { proxies: Vec::new(), hosts: Vec::new(), lease_grace_s: 120 }
    }
}
