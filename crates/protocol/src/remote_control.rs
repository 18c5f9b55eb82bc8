//! Vendors' own Remote Control: their apps steer an agent on this machine through the vendor's servers.
//!
//! Such a session is a terminal below its holder. What is known of it beyond that is read off its
//! screen by a table of lines, the only place where meaning is; a line that the table does not know
//! means nothing.

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use serde::{Deserialize, Serialize};

/// Whose Remote Control.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RemoteVendor {
    /// `claude remote-control`.
    #[default]
    Claude,
    /// `codex remote-control`.
    Codex,
    /// One of a newer version.
    #[serde(other)]
    Unknown,
}

impl RemoteVendor {
    /// The name on the wire, which is also the name of its built-in agent.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Codex => "codex",
            Self::Unknown => "unknown",
        }
    }
}

/// What the vendor's program does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RemoteMode {
    /// It waits for the app, which starts sessions.
    #[default]
    Server,
    /// One conversation on the terminal, which the app joins.
    Interactive,
    /// One of a newer version.
    #[serde(other)]
    Unknown,
}

/// Where a server starts the sessions that the app asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum RemoteSpawn {
    /// All in its own directory.
    SameDir,
    /// Each in a git working tree of its own.
    Worktree,
    /// One session, with which it ends.
    Session,
}

impl RemoteSpawn {
    /// As the vendor's command line has it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::SameDir => "same-dir",
            Self::Worktree => "worktree",
            Self::Session => "session",
        }
    }
}

/// Whether the program is started again when it ends by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RemoteRestart {
    /// Never.
    #[default]
    Never,
    /// When it failed, but not when it refused: a refusal needs a human.
    OnFailure,
    /// One of a newer version; never.
    #[serde(other)]
    Unknown,
}

/// What a Remote Control session is to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RemoteParams {
    /// Whose.
    #[serde(default)]
    pub vendor: RemoteVendor,
    /// What the program does.
    #[serde(default)]
    pub mode: RemoteMode,
    /// A profile of the relay's configuration, by its name; none = the vendor's built-in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The vendor's configuration directory on the relay's machine, absolute: another account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// What the app calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where sessions start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spawn: Option<RemoteSpawn>,
    /// Sessions at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u32>,
    /// Further words for the vendor's program.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Variables that the program is not to see.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strip: Vec<String>,
    /// Whether it is started again.
    #[serde(default)]
    pub restart: RemoteRestart,
    /// Start although the preflight says that it cannot work.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub anyway: bool,
}

/// How far Remote Control is, as far as the table of lines can tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum RemoteState {
    /// Nothing was printed yet that the table knows.
    Starting,
    /// The program runs; whether an app has joined cannot be told.
    Running,
    /// It asks something on its terminal, which somebody must answer there.
    Asking {
        /// What it asks.
        question: String,
    },
    /// It can be reached, and no app has joined.
    WaitingForPairing,
    /// An app has joined.
    Connected,
    /// The vendor's servers cannot be reached; the program tries again by itself.
    Reconnecting,
    /// It refused or gave up.
    Failed {
        /// The vendor's sentence.
        reason: String,
        /// What to type.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        advice: Option<String>,
        /// Whether the same start would fail again until somebody changed something.
        #[serde(default)]
        refused: bool,
    },
    /// It ended without a failure.
    Ended,
    /// One of a newer version.
    #[serde(other)]
    Unknown,
}

impl RemoteState {
    /// The word on the wire and in listings.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Asking { .. } => "asking",
            Self::WaitingForPairing => "waiting_for_pairing",
            Self::Connected => "connected",
            Self::Reconnecting => "reconnecting",
            Self::Failed { .. } => "failed",
            Self::Ended => "ended",
            Self::Unknown => "unknown",
        }
    }
}

/// What listings show of a Remote Control session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RemoteInfo {
    /// Whose.
    pub vendor: RemoteVendor,
    /// What the program does.
    pub mode: RemoteMode,
    /// The profile it was started with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The account's directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// How far it is.
    #[serde(flatten)]
    pub state: RemoteState,
    /// Where to open it; also what a QR code is made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// A code that the app asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// How often it was started again by itself.
    #[serde(default)]
    pub restarts: u32,
}

/// `remote.preflight`: can it work?
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RemotePreflightParams {
    /// One start; none = every profile, in server mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<RemoteParams>,
    /// Where it would start; none = the relay user's home, whose trust is not asked about then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// The local client's environment; ignored from callers that are not local.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub client_env: BTreeMap<String, String>,
}

/// `remote.preflight`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RemotePreflightResult {
    /// One for each start that was looked at.
    pub reports: Vec<RemoteReport>,
}

/// What a preflight found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RemoteReport {
    /// Whose.
    pub vendor: RemoteVendor,
    /// Which profile.
    pub profile: String,
    /// Whether nothing stands in the way, as far as can be known before.
    pub ready: bool,
    /// One for each thing that was looked at, in the order in which they matter.
    pub findings: Vec<RemoteFinding>,
}

impl RemoteReport {
    /// The first thing that stands in the way.
    #[must_use]
    pub fn blocker(&self) -> Option<&RemoteFinding> {
        self.findings.iter().find(|finding| finding.level == RemoteLevel::Blocked)
    }
}

/// One thing that a preflight looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RemoteFinding {
    /// What.
    pub check: RemoteCheck,
    /// How it is.
    pub level: RemoteLevel,
    /// A sentence for people.
    pub message: String,
    /// What to type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

/// What a preflight looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RemoteCheck {
    /// Whether the program is there.
    Binary,
    /// Whether it is new enough.
    Version,
    /// What of the environment keeps it from working.
    Environment,
    /// How its user is logged in.
    Login,
    /// What an organisation allows.
    Policy,
    /// Whether the directory is trusted.
    Trust,
    /// One of a newer version.
    #[serde(other)]
    Unknown,
}

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RemoteLevel {
    /// As it must be.
    Fine,
    /// It may get in the way, or cannot be known before.
    Doubtful,
    /// It cannot work so.
    Blocked,
    /// One of a newer version.
    #[serde(other)]
    Unknown,
}
