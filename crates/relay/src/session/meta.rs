//! What a session's directory says about it beside its log: the label and the command line, which
//! are needed before a program runs and after it ended.

use std::path::Path;

use quarterdeck_protocol::{
    agent::Vendor,
    ids::{Label, Principal, SessionId},
    record::SessionKind,
    remote_control::RemoteParams,
};
use serde::{Deserialize, Serialize};

use crate::files::{self, FileError};

/// Version of `meta.json`; a newer one is shown as far as it can be read and never rewritten.
pub(crate) const META_SCHEMA: u32 = 1;
/// Bytes of a `meta.json`: a command line of the largest size and some.
const MAX_META_BYTES: u64 = 2 * 1024 * 1024;

/// `meta.json` of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SessionMeta {
    /// [`META_SCHEMA`].
    pub schema: u32,
    /// The session.
    pub session: SessionId,
    /// Its routable name.
    pub label: Label,
    /// What kind of session.
    pub kind: SessionKind,
    /// Command line as it was asked for; empty = a login shell.
    pub argv: Vec<String>,
    /// Command line as it runs.
    pub command: Vec<String>,
    /// Where it starts.
    pub cwd: String,
    /// Where a kept shell was when it was last looked at, if that is somewhere else: there it is started
    /// again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_cwd: Option<String>,
    /// The top of the git repository that this is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// When it was created, in microseconds since 1970.
    pub created_at: u64,
    /// Who created it.
    pub created_by: Option<Principal>,
    /// The creator's request id: a retry gets this session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Whether typed input is recorded.
    #[serde(default)]
    pub record_input: bool,
    /// Which agent, in an agent's session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentMeta>,
    /// What Remote Control was started with, in such a session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_control: Option<RemoteParams>,
    /// Whether it is started again when the machine has been restarted.
    #[serde(default, skip_serializing_if = "Keep::is_no")]
    pub keep: Keep,
}

/// Whether a session is started again when the machine has been restarted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Keep {
    /// No.
    #[default]
    No,
    /// Yes.
    Yes,
    /// It was asked for, and then somebody stopped the session; until it is resumed.
    Stopped,
}

impl Keep {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
    const fn is_no(&self) -> bool {
        matches!(self, Self::No)
    }
}

/// What a session's directory says about its agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AgentMeta {
    /// As it was asked for.
    pub name: String,
    /// Which protocol it speaks.
    pub vendor: Vendor,
    /// Its model, as it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Its mode, as it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
}

impl SessionMeta {
    /// The directory that the program was last known to be in.
    pub(crate) fn last_directory(&self) -> &str {
        self.last_cwd.as_deref().unwrap_or(&self.cwd)
    }

    /// Reads a session's `meta.json`.
    ///
    /// # Errors
    /// When it is not there or cannot be understood.
    pub(crate) fn read(session_directory: &Path) -> Result<Self, MetaError> {
        let text = files::read_private(&session_directory.join("meta.json"), MAX_META_BYTES)?;
        Ok(serde_json::from_slice(&text.ok_or(MetaError::Missing)?)?)
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub(crate) fn write(&self, session_directory: &Path) -> Result<(), MetaError> {
        let text = serde_json::to_vec_pretty(self)?;
        Ok(files::write_private(&session_directory.join("meta.json"), &text)?)
    }
}

/// Why a `meta.json` could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MetaError {
    /// There is none.
    #[error("meta.json is missing")]
    Missing,
    /// The file.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its text.
    #[error("meta.json cannot be understood")]
    Json(#[from] serde_json::Error),
}
