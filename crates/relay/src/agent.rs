//! Agents as this relay starts them: by name, with what its configuration says about them.
//!
//! How a session talks to one is in [`crate::session`], what a vendor's lines mean in
//! `quarterdeck-agents`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use quarterdeck_agents::launch::{self, Home};
use quarterdeck_protocol::{
    agent::{AgentStart, Resume, Vendor, topic},
    error::{ErrorCode, RpcError},
    method::AgentParams,
    record::{Note, RawJson},
};

use crate::{
    ceiling::Refusal,
    config::AgentProfile,
    environment::{Variables, fits},
    files,
};

/// Bytes of a file with an agent's keys.
const MAX_SECRET_FILE_BYTES: u64 = 64 * 1024;
/// Characters of a vendor's id that become a part of a lock's name.
const MAX_LOCK_ID_CHARS: usize = 128;
/// What every agent may have of the environment of the client that starts it.
const COMMON_VARIABLES: [&str; 6] = ["LANG", "LC_*", "PATH", "TZ", "XDG_CONFIG_HOME", "TERM"];
/// Modes in which an agent asks nobody; see `ceiling.unsupervised`.
const UNSUPERVISED_MODES: [&str; 6] =
    ["bypassPermissions", "dontAsk", "auto", "full-access", "yolo", "never"];

/// Agents that need no configuration.
const BUILT_IN: [(&str, Vendor, &[&str]); 4] = [
    ("claude", Vendor::Claude, &["claude"]),
    ("codex", Vendor::Codex, &["codex"]),
    ("opencode", Vendor::Acp, &["opencode", "acp"]),
    ("gemini", Vendor::Acp, &["gemini", "--acp"]),
];

/// An agent that was found by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Agent {
    /// As it was asked for.
    pub name: String,
    /// Which protocol it speaks.
    pub vendor: Vendor,
    /// Its program and what always follows it.
    pub command: Vec<String>,
    /// Who chose the command.
    pub chosen_by: ChosenBy,
    /// What the configuration says besides.
    pub profile: AgentProfile,
}

/// Who chose a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChosenBy {
    /// This relay: by a built-in name or its configuration.
    Relay,
    /// Whoever asks; the ceiling's commands bind it.
    Caller,
}

/// Finds the agent of a name.
///
/// # Errors
/// When there is none.
pub(crate) fn find(
    name: &str,
    profiles: &BTreeMap<String, AgentProfile>,
) -> Result<Agent, Refusal> {
    let unknown = || Refusal::UnknownAgent { name: name.to_owned() };
    let of_caller = |vendor, command: &str| {
        let command: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        let profile = AgentProfile::default();
        let chosen_by = ChosenBy::Caller;
        Agent { name: name.to_owned(), vendor, command, chosen_by, profile }
    };
    if let Some(command) = name.strip_prefix("acp:") {
        return Some(of_caller(Vendor::Acp, command))
            .filter(|agent| !agent.command.is_empty())
            .ok_or_else(unknown);
    }
    if let Some(command) = name.strip_prefix("sidecar:") {
        return Some(of_caller(Vendor::Sidecar, command))
            .filter(|agent| !agent.command.is_empty())
            .ok_or_else(unknown);
    }
    let built_in = BUILT_IN.iter().find(|(known, _, _)| *known == name);
    let profile = profiles.get(name).cloned();
    if built_in.is_none() && profile.is_none() {
        return Err(unknown());
    }
    let profile = profile.unwrap_or_default();
    let vendor = profile.vendor.or(built_in.map(|(_, vendor, _)| *vendor)).ok_or_else(unknown)?;
    let command = if profile.command.is_empty() {
        let words = built_in.map(|(_, _, command)| *command).ok_or_else(unknown)?;
        words.iter().map(|word| (*word).to_owned()).collect()
    } else {
        profile.command.clone()
    };
    let chosen_by = ChosenBy::Relay;
    Ok(Agent { name: name.to_owned(), vendor, command, chosen_by, profile })
}

/// Whether an agent in this mode acts without asking.
pub(crate) fn is_unsupervised(mode: &str) -> bool {
    UNSUPERVISED_MODES.contains(&mode)
}

/// Everything that a launch of an agent needs beside its directory.
#[derive(Debug)]
pub(crate) struct AgentLaunch {
    /// The command line.
    pub argv: Vec<String>,
    /// What the log says about the start.
    pub note: Note,
    /// Variables that may come from the client.
    pub allowed: Vec<&'static str>,
    /// Variables that are set where nobody else sets them.
    pub defaults: Variables,
    home: Home,
    start: AgentStart,
}

/// Prepares a launch in a directory. `command` is the agent's, after the ceiling has seen it.
///
/// # Errors
/// When its file of keys cannot be read.
pub(crate) fn prepare(
    agent: &Agent,
    asked: &AgentParams,
    command: &[String],
    cwd: &str,
    mail_tools: &[String],
) -> Result<AgentLaunch, RpcError> {
    let profile = &agent.profile;
    let start = AgentStart {
        vendor: agent.vendor,
        cwd: cwd.to_owned(),
        model: asked.model.clone().or_else(|| profile.model.clone()),
        mode: asked.mode.clone().or_else(|| profile.mode.clone()),
        resume: asked.resume.clone(),
        vendor_session: new_vendor_session(agent.vendor, &asked.resume)?,
        provider: profile.provider.clone(),
        mail_tools: if profile.without_mail { Vec::new() } else { mail_tools.to_vec() },
    };
    let launch::Launch { argv, env_names, env, home } = launch::launch(&start, command);
    let note = note(&start)?;
    let mut defaults: Variables =
        env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    defaults.extend(profile_variables(profile)?);
    Ok(AgentLaunch {
        argv,
        note,
        allowed: [env_names, &COMMON_VARIABLES[..]].concat(),
        defaults,
        home,
        start,
    })
}

/// What a profile sets, its keys included.
///
/// # Errors
/// When its file of keys cannot be read.
pub(crate) fn profile_variables(profile: &AgentProfile) -> Result<Variables, RpcError> {
    let mut variables = profile.env.clone();
    if let Some(file) = &profile.secret_file {
        variables.extend(secrets(file)?);
    }
    Ok(variables)
}

/// What of a client's environment a program of this vendor may have, whatever it is started for.
pub(crate) fn of_client(vendor: Vendor, client: &Variables) -> Variables {
    let lists = [launch::variables(vendor), &COMMON_VARIABLES[..]];
    let allowed = |name: &str| lists.iter().any(|list| list.iter().any(|it| fits(it, name)));
    let passing = client.iter().filter(|(name, _)| allowed(name));
    passing.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn note(start: &AgentStart) -> Result<Note, RpcError> {
    let body = RawJson::from_value(start).map_err(|_| internal())?;
    Ok(Note { topic: topic::START.to_owned(), body })
}

/// Whether the vendor has anything of a conversation that is to be resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum History {
    /// It has, or whoever asks for it says so.
    Written,
    /// No turn of it has ended: its program may have been killed before it wrote anything down.
    Doubtful,
}

impl AgentLaunch {
    /// A conversation of which nothing was written down cannot be resumed: it is begun, under the same id.
    pub(crate) async fn begin_unwritten(
        mut self,
        env: &Variables,
        command: &[String],
    ) -> Result<Self, RpcError> {
        let Resume::Resume { vendor_session } = &self.start.resume else { return Ok(self) };
        let (id, home) = (vendor_session.clone(), env.get("HOME").map(PathBuf::from));
        let moved = self.home.variable.and_then(|name| env.get(name)).map(PathBuf::from);
        let below = home.zip(self.home.below_home).map(|(home, below)| home.join(below));
        let (Vendor::Claude, Some(place)) = (self.start.vendor, moved.or(below)) else {
            return Ok(self);
        };
        let looked = tokio::task::spawn_blocking(move || claude_has(&place, &id)).await;
        if looked.map_err(|_| internal())? {
            return Ok(self);
        }
        self.start.vendor_session = self.vendor_session().map(str::to_owned);
        self.start.resume = Resume::New;
        self.argv = launch::launch(&self.start, command).argv;
        self.note = note(&self.start)?;
        Ok(self)
    }

    /// What of a client's environment the agent may have.
    pub(crate) fn of_client(&self, client: &Variables) -> Variables {
        let allowed = |name: &str| self.allowed.iter().any(|pattern| fits(pattern, name));
        let passing = client.iter().filter(|(name, _)| allowed(name));
        passing.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// The vendor's own id of the conversation that is opened, as far as it is known before.
    pub(crate) fn vendor_session(&self) -> Option<&str> {
        match &self.start.resume {
            Resume::New => self.start.vendor_session.as_deref(),
            Resume::Resume { vendor_session } => Some(vendor_session),
            Resume::Fork { .. } => None,
        }
    }

    /// The file that keeps others from opening the same conversation, in a directory that all
    /// instances share.
    pub(crate) fn lock(&self, shared: &Path, env: &Variables) -> Result<Option<String>, RpcError> {
        let Some(id) = self.vendor_session() else { return Ok(None) };
        let directory = shared.join("conversations");
        files::private_directory(&directory).map_err(|error| {
            tracing::warn!(%error, "no directory for locks");
            RpcError::new(ErrorCode::Storage, "the conversation cannot be locked")
        })?;
        // one home per vendor is the rule; another one has conversations of its own
        let moved = self.home.variable.and_then(|name| env.get(name)).map(|home| plain_id(home));
        let vendor = format!("{:?}", self.start.vendor).to_lowercase();
        let home = moved.map_or_else(String::new, |home| format!("@{home}"));
        let name = format!("{vendor}-{}{home}", plain_id(id));
        let name: String = name.chars().take(240).collect();
        Ok(directory.join(name).to_str().map(str::to_owned))
    }
}

/// An id for a new conversation, where the vendor lets us choose: so it is known, and locked, from its
/// first moment.
fn new_vendor_session(vendor: Vendor, resume: &Resume) -> Result<Option<String>, RpcError> {
    match (vendor, resume) {
        (Vendor::Claude, Resume::New) => random_uuid().map(Some),
        (Vendor::Claude, Resume::Resume { .. } | Resume::Fork { .. })
        | (Vendor::Codex | Vendor::Acp | Vendor::Sidecar | Vendor::Unknown, _) => Ok(None),
    }
}

/// A random UUID (RFC 9562, version 4).
pub(crate) fn random_uuid() -> Result<String, RpcError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| internal())?;
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    Ok(text)
}

/// Whether Claude Code has a conversation: a file named by it, below a directory per project.
fn claude_has(home: &Path, id: &str) -> bool {
    let projects = fs::read_dir(home.join("projects")).into_iter().flatten().flatten();
    let file = format!("{}.jsonl", plain_id(id));
    projects.map(|project| project.path().join(&file)).any(|file| file.is_file())
}

/// An id as a part of a path.
fn plain_id(text: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    text.chars().take(MAX_LOCK_ID_CHARS).map(fits).collect()
}

/// `NAME=VALUE` lines of a private file; read at each start, recorded nowhere.
fn secrets(file: &Path) -> Result<Variables, RpcError> {
    let unreadable = || {
        let message = "the file with the agent's keys cannot be read";
        RpcError::new(ErrorCode::StartFailed, message)
            .hint("it must be a private file (mode 0600) with NAME=VALUE lines")
    };
    let bytes = files::read_private(file, MAX_SECRET_FILE_BYTES).map_err(|error| {
        tracing::warn!(%error, "secret file");
        unreadable()
    })?;
    let text = String::from_utf8(bytes.ok_or_else(unreadable)?).map_err(|_| unreadable())?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let pairs = lines.filter(|line| !line.starts_with('#')).map(|line| {
        let (name, value) = line.split_once('=').ok_or_else(unreadable)?;
        Ok((name.trim().to_owned(), value.trim().to_owned()))
    });
    pairs.collect()
}

fn internal() -> RpcError {
    RpcError::new(ErrorCode::Internal, "the agent could not be prepared")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profiles(text: &str) -> BTreeMap<String, AgentProfile> {
        toml::from_str(text).expect("profiles")
    }

    #[test]
    fn an_agent_is_found_by_its_name_by_the_configuration_or_by_its_command() {
        let none = BTreeMap::new();
        let claude = find("claude", &none).expect("built in");
        assert_eq!((claude.vendor, claude.command), (Vendor::Claude, vec!["claude".to_owned()]));
        let own = find("acp:my-agent --stdio", &none).expect("a command");
        assert_eq!(own.command, ["my-agent", "--stdio"]);
        assert_eq!((own.vendor, own.chosen_by), (Vendor::Acp, ChosenBy::Caller));
        for unknown in ["cloud", "acp:", "sidecar: ", ""] {
            let refused = find(unknown, &none).expect_err(unknown);
            assert_eq!(refused, Refusal::UnknownAgent { name: unknown.to_owned() });
        }

        let configured = profiles(
            "[claude]\ncommand = [\"/opt/claude\"]\nmodel = \"big\"\n\
             [mine]\nvendor = \"acp\"\ncommand = [\"mine\"]\n[half]\nmodel = \"x\"\n",
        );
        let claude = find("claude", &configured).expect("configured");
        assert_eq!(
            (claude.vendor, claude.command),
            (Vendor::Claude, vec!["/opt/claude".to_owned()])
        );
        assert_eq!(find("mine", &configured).expect("configured").vendor, Vendor::Acp);
        assert!(find("half", &configured).is_err());
    }

    #[test]
    fn an_agent_gets_only_listed_variables_of_the_client() {
        let agent = find("claude", &BTreeMap::new()).expect("built in");
        let asked = AgentParams { name: "claude".into(), ..AgentParams::default() };
        let launch = prepare(&agent, &asked, &agent.command, "/", &[]).expect("prepared");
        let client =
            ["ANTHROPIC_API_KEY", "LC_ALL", "AWS_SECRET_ACCESS_KEY", "QD_TOKEN", "DISPLAY"];
        let client = client.iter().map(|name| ((*name).to_owned(), "x".to_owned())).collect();
        let passing = launch.of_client(&client);
        assert_eq!(passing.into_keys().collect::<Vec<_>>(), ["ANTHROPIC_API_KEY", "LC_ALL"]);
        assert_eq!(launch.defaults.get("DISABLE_AUTOUPDATER").map(String::as_str), Some("1"));
    }

    #[test]
    fn one_conversation_has_one_lock_whoever_opens_it() {
        let shared = tempfile::tempdir().expect("a directory");
        let agent = find("claude", &BTreeMap::new()).expect("built in");
        let lock = |id: &str, home: Option<&str>| {
            let resume = Resume::Resume { vendor_session: id.to_owned() };
            let asked = AgentParams { name: "claude".into(), resume, ..AgentParams::default() };
            let launch = prepare(&agent, &asked, &agent.command, "/", &[]).expect("prepared");
            let env = home.map(|home| ("CLAUDE_CONFIG_DIR".to_owned(), home.to_owned()));
            launch.lock(shared.path(), &env.into_iter().collect()).expect("a lock").expect("a path")
        };
        assert_eq!(lock("a", None), lock("a", None));
        assert_ne!(lock("a", None), lock("b", None));
        assert_ne!(lock("a", None), lock("a", Some("/elsewhere")));
        let strange = lock("../../etc/passwd", None);
        assert!(strange.starts_with(shared.path().to_str().expect("utf-8")), "{strange}");
        assert!(!strange.contains(".."), "{strange}");
    }

    #[test]
    fn a_uuid_has_the_form_that_vendors_check() {
        let uuid = random_uuid().expect("random");
        let lengths: Vec<usize> = uuid.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert_eq!(uuid.as_bytes()[14], b'4');
    }
}
