//! Where an instance keeps everything it owns. One place knows these names.
//!
//! ```text
//! <base>/instances/<name>/
//!   relay.lock        held for life by the one live relay (kernel lock)
//!   generation        number of the relay's life, raised and synced under the lock
//!   relay.json        pid and addresses of the running relay; a hint, the lock is the truth
//!   relay.sock        the relay's Unix socket, 0600
//!   relay.key         Ed25519 seed; the relay id is its public key's hash
//!   tls/              own certificate and key
//!   tokens.json       hashes of bearer tokens
//!   config.toml       the relay's ceiling and limits
//!   journal.jsonl     logins, tokens, takes
//!   mail.sqlite       identities with their keys, and their mail
//!   relay.log         diagnostics of a relay started in the background
//!   hubs.json         hubs that are paired with the relay
//!   hub.lock          held for life by the one live hub
//!   hub.json          pid and addresses of the running hub
//!   hub.sock          the hub's Unix socket, 0600
//!   hub.key           the hub's Ed25519 seed
//!   hub.db            its machines and their last known sessions (SQLite)
//!   hub-tls/          its own certificate and key
//!   hub-tokens.json   hashes of its bearer tokens
//!   hub-journal.jsonl its logins, tokens, machines
//!   hub.log           diagnostics of a hub started in the background
//!   sessions/<id>/    lock, ctl.sock, log/, screens, meta.json, agent.sock
//! ```

pub mod record;

use std::path::{Path, PathBuf};

use quarterdeck_protocol::ids::SessionId;

pub use record::{BadRecord, RelayRecord};

/// An instance's name: `[a-z0-9][a-z0-9._-]{0,31}`, never mapped, never empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct InstanceName(String);

/// Longest instance name.
pub const MAX_INSTANCE_NAME_CHARS: usize = 32;

/// A name that is not canonical.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "instance name {given:?} is not canonical: 1 to 32 of a-z 0-9 . _ -, first a letter or digit"
)]
pub struct BadInstanceName {
    /// What was given.
    pub given: String,
    /// The nearest canonical spelling, if there is one.
    pub canonical: Option<String>,
}

impl InstanceName {
    /// The instance that is meant when none is named.
    #[must_use]
    pub fn default_instance() -> Self {
        Self("default".to_owned())
    }
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for InstanceName {
    type Err = BadInstanceName;
    fn from_str(text: &str) -> Result<Self, BadInstanceName> {
        if is_canonical(text) {
            return Ok(Self(text.to_owned()));
        }
        let folded: String = text
            .trim()
            .to_ascii_lowercase()
            .chars()
            .map(|c| if is_name_char(c) { c } else { '-' })
            .collect();
        let folded = folded.trim_matches(['-', '_', '.']);
        let folded: String = folded.chars().take(MAX_INSTANCE_NAME_CHARS).collect();
        let canonical = Some(folded).filter(|name| is_canonical(name));
        Err(BadInstanceName { given: text.to_owned(), canonical })
    }
}

impl std::fmt::Display for InstanceName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-')
}

fn is_canonical(text: &str) -> bool {
    text.len() <= MAX_INSTANCE_NAME_CHARS
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text.chars().all(is_name_char)
}

/// The directory of one instance, with the name of everything in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceDir {
    name: InstanceName,
    base: PathBuf,
    path: PathBuf,
}

impl InstanceDir {
    /// The directory of `name` under a base directory; nothing is created.
    #[must_use]
    pub fn new(base: &Path, name: InstanceName) -> Self {
        let path = base.join("instances").join(name.as_str());
        Self { name, base: base.to_owned(), path }
    }
    /// The instance whose directory this is; none where no instance can be.
    #[must_use]
    pub fn at(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.parse().ok()?;
        let parent = path.parent().filter(|parent| parent.ends_with("instances"))?;
        Some(Self::new(parent.parent()?, name))
    }
    /// The base directory that it is in.
    #[must_use]
    pub fn base(&self) -> &Path {
        &self.base
    }
    /// The instance's name.
    #[must_use]
    pub const fn name(&self) -> &InstanceName {
        &self.name
    }
    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
    /// Kernel lock of the one live relay.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.path.join("relay.lock")
    }
    /// Number of the relay's life.
    #[must_use]
    pub fn generation(&self) -> PathBuf {
        self.path.join("generation")
    }
    /// Pid and addresses of the running relay.
    #[must_use]
    pub fn record(&self) -> PathBuf {
        self.path.join("relay.json")
    }
    /// The relay's Unix socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.path.join("relay.sock")
    }
    /// Seed of the relay's key.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.path.join("relay.key")
    }
    /// Directory of the relay's own certificate.
    #[must_use]
    pub fn tls(&self) -> PathBuf {
        self.path.join("tls")
    }
    /// Identities and their mail.
    #[must_use]
    pub fn mail(&self) -> PathBuf {
        self.path.join("mail.sqlite")
    }
    /// Hashes of bearer tokens.
    #[must_use]
    pub fn tokens(&self) -> PathBuf {
        self.path.join("tokens.json")
    }
    /// The relay's ceiling and limits.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.path.join("config.toml")
    }
    /// Logins, tokens, takes.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.path.join("journal.jsonl")
    }
    /// Diagnostics of a relay started in the background.
    #[must_use]
    pub fn diagnostics(&self) -> PathBuf {
        self.path.join("relay.log")
    }
    /// Hubs that are paired with the relay.
    #[must_use]
    pub fn hubs(&self) -> PathBuf {
        self.path.join("hubs.json")
    }
    /// What hooks were told by the relay.
    #[must_use]
    pub fn hooks_told(&self) -> PathBuf {
        self.path().join("hooks-told")
    }
    /// What hooks were told by the hub.
    #[must_use]
    pub fn hub_hooks_told(&self) -> PathBuf {
        self.path().join("hub-hooks-told")
    }
    /// Kernel lock of the one live hub.
    #[must_use]
    pub fn hub_lock(&self) -> PathBuf {
        self.path.join("hub.lock")
    }
    /// Pid and addresses of the running hub.
    #[must_use]
    pub fn hub_record(&self) -> PathBuf {
        self.path.join("hub.json")
    }
    /// The hub's Unix socket.
    #[must_use]
    pub fn hub_socket(&self) -> PathBuf {
        self.path.join("hub.sock")
    }
    /// Seed of the hub's key.
    #[must_use]
    pub fn hub_key(&self) -> PathBuf {
        self.path.join("hub.key")
    }
    /// The hub's machines and their last known sessions.
    #[must_use]
    pub fn hub_database(&self) -> PathBuf {
        self.path.join("hub.db")
    }
    /// Directory of the hub's own certificate.
    #[must_use]
    pub fn hub_tls(&self) -> PathBuf {
        self.path.join("hub-tls")
    }
    /// Hashes of the hub's bearer tokens.
    #[must_use]
    pub fn hub_tokens(&self) -> PathBuf {
        self.path.join("hub-tokens.json")
    }
    /// The hub's logins, tokens and machines.
    #[must_use]
    pub fn hub_journal(&self) -> PathBuf {
        self.path.join("hub-journal.jsonl")
    }
    /// Diagnostics of a hub started in the background.
    #[must_use]
    pub fn hub_diagnostics(&self) -> PathBuf {
        self.path.join("hub.log")
    }
    /// All sessions.
    #[must_use]
    pub fn sessions(&self) -> PathBuf {
        self.path.join("sessions")
    }
    /// For git directories that stand in for a repository's own, for the time of a call.
    #[must_use]
    pub fn git(&self) -> PathBuf {
        self.path().join("git")
    }
    /// One session.
    #[must_use]
    pub fn session(&self, session: SessionId) -> PathBuf {
        self.sessions().join(session.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_names_are_instances_and_the_hint_is_the_canonical_one() {
        for good in ["default", "a", "my-app.2", "0_x"] {
            assert!(good.parse::<InstanceName>().is_ok(), "{good}");
        }
        let hint = |text: &str| text.parse::<InstanceName>().err().and_then(|e| e.canonical);
        assert_eq!(hint("My App"), Some("my-app".to_owned()));
        for bad in ["", "  ", "!!!", "..", "\u{1b}[2J"] {
            assert!(bad.parse::<InstanceName>().is_err(), "{bad}");
        }
        assert_eq!(hint("!!!"), None);
    }
}
