//! The table `hooks` of an instance's `config.toml`.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use hyper::Uri;
use quarterdeck_crypto::{Pin, PinSet};
use quarterdeck_protocol::method::{HookEvent, HookKind};
use quarterdeck_transport::{
    Endpoint,
    endpoint::{Host, Security},
    tls::{ClientTls, ServerTrust},
};
use serde::Deserialize;

/// Hooks of one instance: far more than one person reads.
const MAX_HOOKS: usize = 16;
/// Characters of a hook's name.
const MAX_NAME_CHARS: usize = 64;
/// Bytes of an address.
const MAX_URL_BYTES: usize = 2048;

/// What is told outside. A misspelt key is an error.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HooksConfig {
    /// Where people reach the web interface; notifications lead there.
    pub public_url: Option<String>,
    /// Seconds for which a machine is away before that is told.
    pub unreachable_after_s: u64,
    /// Whom.
    pub to: Vec<HookConfig>,
}

impl Default for HooksConfig {
    fn default() -> Self {
        Self { public_url: None, unreachable_after_s: 30, to: Vec::new() }
    }
}

/// One hook.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookConfig {
    /// Its name, for people.
    pub name: String,
    /// How it is told.
    pub kind: HookKind,
    /// Where; none = the secret file has it. Of ntfy the server, without the topic.
    #[serde(default)]
    pub url: Option<String>,
    /// What it is told; empty = everything.
    #[serde(default)]
    pub on: Vec<HookEvent>,
    /// A private file with `NAME=VALUE` lines: `secret` signs a webhook, `token` and `topic` are ntfy's,
    /// `url` is an address that is a secret itself.
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
    /// Priority of ntfy, 1 to 5; none = by the event.
    #[serde(default)]
    pub priority: Option<u8>,
    /// Authorities (PEM file) instead of the system's.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// The server's certificate has this key, whoever vouches for it.
    #[serde(default)]
    pub pin: Option<String>,
}

/// Why hooks cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HookConfigError {
    /// More than the limit.
    #[error("there are more than {MAX_HOOKS} hooks")]
    TooMany,
    /// A name that cannot be one.
    #[error("a hook's name has 1 to {MAX_NAME_CHARS} characters of A-Z a-z 0-9 . _ -")]
    Name,
    /// Two of one name.
    #[error("two hooks are called \"{0}\"")]
    Twice(String),
    /// An address that cannot be used.
    #[error("hook \"{name}\": {why}")]
    Url {
        /// Which hook.
        name: String,
        /// Why.
        why: UrlError,
    },
    /// It has no address.
    #[error("hook \"{0}\" has neither a url nor a secret_file that may have one")]
    NoUrl(String),
    /// Priority out of range.
    #[error("hook \"{0}\": ntfy's priorities are 1 to 5")]
    Priority(String),
    /// The pin.
    #[error("hook \"{0}\": the pin is sha256: and 43 characters")]
    Pin(String),
    /// `public_url`.
    #[error("public_url: {0}")]
    PublicUrl(UrlError),
}

/// Why an address cannot be used. It is not repeated: it may hold a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It is none.
    #[error("the address is not https://HOST…")]
    Form,
    /// It has a user or password.
    #[error("the address has a user; put a token into the secret file")]
    User,
    /// Plain text to another machine.
    #[error("the address is http:// and not on this machine; use https://")]
    Plain,
}

/// Hooks that were checked.
#[derive(Debug, Clone, Default)]
pub struct CheckedHooks {
    /// Where people reach the web interface, without a slash at its end.
    pub public_url: Option<String>,
    /// How long a machine is away before that is told.
    pub unreachable_after: Duration,
    /// Whom.
    pub to: Vec<CheckedHook>,
}

/// A hook that was checked.
#[derive(Debug, Clone)]
pub struct CheckedHook {
    /// Its name.
    pub name: String,
    /// How it is told.
    pub kind: HookKind,
    /// Where, unless the secret file says.
    pub(crate) url: Option<Target>,
    /// What it is told.
    pub on: BTreeSet<HookEvent>,
    pub(crate) secret_file: Option<PathBuf>,
    pub(crate) priority: Option<u8>,
    pub(crate) tls: ClientTls,
}

/// An address that can be used.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) host: Host,
    pub(crate) port: u16,
    pub(crate) security: Security,
    /// Path and query. May hold a secret.
    pub(crate) path: String,
    /// `host[:port]` as it was written.
    pub(crate) authority: String,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown())
    }
}

impl Target {
    /// Reads `https://…`, or `http://…` of this machine.
    pub(crate) fn parse(text: &str) -> Result<Self, UrlError> {
        if text.len() > MAX_URL_BYTES {
            return Err(UrlError::Form);
        }
        let uri: Uri = text.trim().parse().map_err(|_| UrlError::Form)?;
        let authority = uri.authority().ok_or(UrlError::Form)?.as_str().to_owned();
        if authority.contains('@') {
            return Err(UrlError::User);
        }
        let (security, default_port) = match uri.scheme_str() {
            Some("https") => (Security::Tls, 443),
            Some("http") => (Security::Plain, 80),
            Some(_) | None => return Err(UrlError::Form),
        };
        let port = uri.port_u16().unwrap_or(default_port);
        let endpoint = format!("wss://{}:{port}", uri.host().ok_or(UrlError::Form)?).parse();
        let Ok(Endpoint::Tcp { host, .. }) = endpoint else { return Err(UrlError::Form) };
        if security == Security::Plain && !host.is_loopback() {
            return Err(UrlError::Plain);
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { host, port, security, path, authority })
    }

    /// Scheme and host: the rest may be a secret.
    pub(crate) fn shown(&self) -> String {
        let scheme = match self.security {
            Security::Tls => "https",
            Security::Plain => "http",
        };
        format!("{scheme}://{}", self.authority)
    }
}

impl HooksConfig {
    /// Checks everything that can be checked without asking anyone.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<CheckedHooks, HookConfigError> {
        if self.to.len() > MAX_HOOKS {
            return Err(HookConfigError::TooMany);
        }
        let mut names = BTreeSet::new();
        let mut to = Vec::new();
        for hook in &self.to {
            if !names.insert(&hook.name) {
                return Err(HookConfigError::Twice(hook.name.clone()));
            }
            to.push(hook.check()?);
        }
        let public_url = self.public_url.as_deref().map(public_url).transpose()?;
        let unreachable_after = Duration::from_secs(self.unreachable_after_s);
        Ok(CheckedHooks { public_url, unreachable_after, to })
    }
}

fn public_url(text: &str) -> Result<String, HookConfigError> {
    match Target::parse(text) {
        // a page may be served without TLS inside a tunnel; that is its owner's to know
        Ok(_) | Err(UrlError::Plain) => Ok(text.trim().trim_end_matches('/').to_owned()),
        Err(error) => Err(HookConfigError::PublicUrl(error)),
    }
}

impl HookConfig {
    fn check(&self) -> Result<CheckedHook, HookConfigError> {
        let Self { name, kind, url, on, secret_file, priority, ca, pin } = self;
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if !(1..=MAX_NAME_CHARS).contains(&name.len()) || !name.chars().all(fits) {
            return Err(HookConfigError::Name);
        }
        let url = url.as_deref().map(Target::parse).transpose();
        let url = url.map_err(|why| HookConfigError::Url { name: name.clone(), why })?;
        if url.is_none() && secret_file.is_none() {
            return Err(HookConfigError::NoUrl(name.clone()));
        }
        if priority.is_some_and(|priority| !(1..=5).contains(&priority)) {
            return Err(HookConfigError::Priority(name.clone()));
        }
        let pin = pin.as_deref().map(str::parse::<Pin>).transpose();
        let pin = pin.map_err(|_| HookConfigError::Pin(name.clone()))?;
        let trust = match (pin.map(|pin| PinSet::new([pin])), ca) {
            (Some(Ok(pins)), _) => ServerTrust::Pins(pins),
            (Some(Err(_)), _) => return Err(HookConfigError::Pin(name.clone())),
            (None, Some(file)) => ServerTrust::File(file.clone()),
            (None, None) => ServerTrust::System,
        };
        let all = || HookEvent::ALL.into_iter().collect();
        let on = if on.is_empty() { all() } else { on.iter().copied().collect() };
        Ok(CheckedHook {
            name: name.clone(),
            kind: *kind,
            url,
            on,
            secret_file: secret_file.clone(),
            priority: *priority,
            tls: ClientTls { trust, identity: None },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<CheckedHooks, String> {
        let config: HooksConfig = toml::from_str(text).map_err(|error| error.to_string())?;
        config.check().map_err(|error| error.to_string())
    }

    fn one(line: &str) -> Result<CheckedHooks, String> {
        check(&format!("[[to]]\nname = \"x\"\nkind = \"webhook\"\n{line}\n"))
    }

    #[test]
    fn hooks_are_read_with_what_they_want() {
        let text = r#"
            public_url = "https://desk.example/"
            [[to]]
            name = "phone"
            kind = "ntfy"
            url = "https://ntfy.sh"
            on = ["prompt.opened", "machine.unreachable"]
            secret_file = "/home/ada/ntfy"
            priority = 5
            [[to]]
            name = "log"
            kind = "webhook"
            url = "http://127.0.0.1:8080/in?key=1"
        "#;
        let checked = check(text).expect("is right");
        assert_eq!(checked.public_url.as_deref(), Some("https://desk.example"));
        assert_eq!(checked.unreachable_after, Duration::from_secs(30));
        assert_eq!((checked.to[0].on.len(), checked.to[1].on.len()), (2, 3));
        let target = checked.to[1].url.as_ref().expect("has one");
        assert_eq!(
            (target.shown().as_str(), target.path.as_str()),
            ("http://127.0.0.1:8080", "/in?key=1")
        );
        assert_eq!(format!("{target:?}"), "http://127.0.0.1:8080", "the path may be a secret");
        assert_eq!(checked.to[0].url.as_ref().expect("has one").port, 443);
    }

    #[test]
    fn what_cannot_work_is_named_and_no_address_is_repeated() {
        for (line, sentence) in [
            ("", "hook \"x\" has neither a url nor a secret_file that may have one"),
            ("url = \"ftp://x/s3cret\"", "hook \"x\": the address is not https://HOST…"),
            (
                "url = \"https://me:s3cret@x\"",
                "hook \"x\": the address has a user; put a token into the secret file",
            ),
            (
                "url = \"http://dev/s3cret\"",
                "hook \"x\": the address is http:// and not on this machine; use https://",
            ),
            ("url = \"https://x\"\npriority = 9", "hook \"x\": ntfy's priorities are 1 to 5"),
            (
                "url = \"https://x\"\npin = \"no\"",
                "hook \"x\": the pin is sha256: and 43 characters",
            ),
        ] {
            let error = one(line).expect_err(line);
            assert_eq!(error, sentence);
            assert!(!error.contains("s3cret"));
        }
        assert!(one("url = \"https://x\"\nurll = 1").expect_err("misspelt").contains("urll"));
        let twice = "[[to]]\nname=\"a\"\nkind=\"ntfy\"\nurl=\"https://x\"\n".repeat(2);
        assert_eq!(check(&twice).expect_err("twice"), "two hooks are called \"a\"");
        let bad = "[[to]]\nname=\"a b\"\nkind=\"ntfy\"\nurl=\"https://x\"\n";
        assert!(check(bad).is_err());
        assert!(check("public_url = \"x y\"").is_err());
    }
}
