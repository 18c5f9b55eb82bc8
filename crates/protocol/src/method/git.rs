//! Git of a session's directory, read-only.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use super::SessionName;
#[expect(unused_imports, reason = "the docs lead to them")]
use super::{SessionCreate, SessionGit};

/// [`SessionGit`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GitParams {
    /// Which session.
    pub session: SessionName,
    /// The changes themselves as well, not only which files have some.
    #[serde(default)]
    pub diff: bool,
}

/// [`SessionGit`]: what changed in a session's directory since the last commit there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GitResult {
    /// The working tree that the directory is in; paths are below it.
    pub root: String,
    /// The commit that is checked out; none before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// The branch that is checked out; none for a commit alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Files with changes, those that git ignores left out.
    pub files: Vec<GitFile>,
    /// There are more files than are listed.
    #[serde(default)]
    pub more: bool,
    /// The changes, where they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<GitDiff>,
}

/// A file with changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GitFile {
    /// Its path below the working tree; a directory of new files ends in `/`.
    pub path: String,
    /// What happened to it.
    pub change: GitChange,
    /// Its path before, if it was renamed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum GitChange {
    /// It has another content or mode.
    Modified,
    /// It is new, and the next commit has it.
    Added,
    /// It is gone.
    Deleted,
    /// It has another path.
    Renamed,
    /// It is new, and git does not know it.
    Untracked,
    /// Two sides of a merge changed it.
    Conflicted,
    /// Of a newer version.
    #[serde(other)]
    Unknown,
}

/// Changes as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GitDiff {
    /// A unified diff, new files included; what is not UTF-8 is replaced.
    pub text: String,
    /// It is longer than this.
    #[serde(default)]
    pub more: bool,
}

/// [`SessionCreate`] in a git working tree of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WorktreeParams {
    /// Its name: one that is there is used again. None = the session's label, or a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}
