//! Directories of a machine, and files that are put there.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use super::SessionName;
#[expect(unused_imports, reason = "the docs lead to them")]
use super::{RelayDirectories, SessionUpload};
use crate::http::UploadTo;

/// [`RelayDirectories`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DirectoriesParams {
    /// Absolute, or `~` and what is below it; none = the home directory, or the first place where sessions
    /// may start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// Only those whose names begin so, in whichever case. Hidden ones are told if it begins with a dot.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
}

/// [`RelayDirectories`]: where a session could start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DirectoriesResult {
    /// The directory that was looked into, absolute.
    pub directory: String,
    /// The home directory of the relay's user.
    pub home: String,
    /// By name.
    pub directories: Vec<DirectoryEntry>,
    /// There are more than are listed.
    #[serde(default)]
    pub more: bool,
}

/// A directory in another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DirectoryEntry {
    /// Its name.
    pub name: String,
    /// It is the top of a git working tree.
    #[serde(default)]
    pub project: bool,
}

/// [`SessionUpload`]: the next bytes of a file. One request at a time; each may be sent again.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UploadParams {
    /// Which session.
    pub session: SessionName,
    /// The upload: a word that the client chooses, the same for all bytes of one file.
    pub upload: String,
    /// What the file is called; the relay makes a safe name of it.
    pub name: String,
    /// Where it goes.
    #[serde(default)]
    pub to: UploadTo,
    /// Bytes of the file before these; 0 begins it.
    pub offset: u64,
    /// Base64; at most [`MAX_UPLOAD_CHUNK_BYTES`](crate::limits::MAX_UPLOAD_CHUNK_BYTES).
    pub data: String,
    /// The file is complete with these.
    #[serde(default)]
    pub last: bool,
}

impl core::fmt::Debug for UploadParams {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { session, upload, name, to, offset, data, last } = self;
        f.debug_struct("UploadParams")
            .field("session", session)
            .field("upload", upload)
            .field("name", name)
            .field("to", to)
            .field("offset", offset)
            .field("data", &data.len())
            .field("last", last)
            .finish()
    }
}

/// [`SessionUpload`]: how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UploadResult {
    /// Bytes of the file that are there: the next offset.
    pub bytes: u64,
    /// The file, once it is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<UploadedFile>,
}

/// A file that was uploaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UploadedFile {
    /// Its absolute path on the session's machine.
    pub path: String,
    /// What sort of image it is, if it is one that agents take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
}
