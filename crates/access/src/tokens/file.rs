//! `tokens.json`: its form, and how it is read and replaced.
//!
//! ```json
//! {"version":1,"tokens":[{"name":"phone","principal":"r_…/ada","scopes":["read"],"sessions":[],
//!  "created_at":1,"expires_at":null,"last_used_at":null,"secrets":[{"hash":"…","until":null}]}]}
//! ```
//!
//! Members that this version does not know are kept. A member whose loss would give more rights than
//! its writer meant comes with a higher version, which this one refuses to read.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use quarterdeck_crypto::{Token, TokenHash};
use quarterdeck_protocol::{
    dialect::Dialect,
    ids::{Principal, SessionId},
    method::{TokenInfo, TokenSecret},
    scope::Scopes,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Grant, SessionLimit, TokenError};
use crate::files::{self, FileError};

/// Newest version of the file that this program reads and writes.
pub(super) const VERSION: u64 = 2;
/// Version that is written while no token is for a dialect: earlier programs read it too.
const VERSION_WITHOUT_DIALECTS: u64 = 1;
/// Bytes of the file: all tokens with all their sessions, and room for members of newer versions.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;
/// Files that were set aside and still stand; more is not an accident.
const MAX_SET_ASIDE: u32 = 100;

/// The whole file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct TokenFile {
    version: u64,
    /// In the order in which they were made; names are unique.
    pub(super) tokens: Vec<StoredToken>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

/// One token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct StoredToken {
    pub(super) name: String,
    pub(super) principal: Principal,
    pub(super) scopes: Scopes,
    /// Empty = all.
    pub(super) sessions: Vec<SessionId>,
    /// An earlier program would take such a token for one of the native wire: hence a version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) dialect: Option<Dialect>,
    pub(super) created_at: u64,
    pub(super) expires_at: Option<u64>,
    pub(super) last_used_at: Option<u64>,
    /// At most two: the one before the last rotation, and the one that stays.
    pub(super) secrets: Vec<Secret>,
    #[serde(flatten)]
    pub(super) unknown: Map<String, Value>,
}

/// One secret of a token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Secret {
    hash: TokenHash,
    /// Set on a secret that was rotated away: when it stops working.
    pub(super) until: Option<u64>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

/// Only what must be readable in every version.
#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

impl TokenFile {
    fn empty() -> Self {
        Self { version: VERSION_WITHOUT_DIALECTS, tokens: Vec::new(), unknown: Map::new() }
    }

    pub(super) fn load(path: &Path) -> Result<Self, TokenError> {
        let Some(bytes) = files::read_private(path, MAX_FILE_BYTES)? else {
            return Ok(Self::empty());
        };
        let corrupt = |source| TokenError::Corrupt { path: path.to_owned(), source };
        let Versioned { version } = serde_json::from_slice(&bytes).map_err(corrupt)?;
        if version > VERSION {
            return Err(TokenError::NewerVersion { path: path.to_owned(), found: version });
        }
        serde_json::from_slice(&bytes).map_err(corrupt)
    }

    pub(super) fn save(&self, path: &Path) -> Result<(), TokenError> {
        let dialects = self.tokens.iter().any(|token| token.dialect.is_some());
        let version = if dialects { VERSION } else { VERSION_WITHOUT_DIALECTS };
        let file = Self { version, ..self.clone() };
        let mut bytes = serde_json::to_vec_pretty(&file)
            .map_err(|source| TokenError::Corrupt { path: path.to_owned(), source })?;
        bytes.push(b'\n');
        Ok(files::write_private(path, &bytes)?)
    }

    pub(super) fn named(&mut self, name: &str) -> Result<&mut StoredToken, TokenError> {
        let found = self.tokens.iter_mut().find(|token| token.name == name);
        found.ok_or_else(|| TokenError::NotFound(name.to_owned()))
    }

    /// The token with this secret. Walks over all of them, each compared in constant time, so that
    /// the time says nothing of which one was near.
    pub(super) fn find(&self, hash: &TokenHash) -> Option<(&StoredToken, &Secret)> {
        let all = self
            .tokens
            .iter()
            .flat_map(|token| token.secrets.iter().map(move |secret| (token, secret)));
        all.fold(
            None,
            |found, (token, secret)| {
                if secret.hash == *hash { Some((token, secret)) } else { found }
            },
        )
    }
}

impl StoredToken {
    pub(super) fn is_over(&self, now: u64) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    pub(super) fn grant(&self, secret: TokenHash) -> Grant {
        Grant {
            name: self.name.clone(),
            principal: self.principal.clone(),
            scopes: self.scopes,
            sessions: SessionLimit::from_list(&self.sessions),
            dialect: self.dialect,
            expires_at: self.expires_at,
            device: None,
            secret: Some(secret),
        }
    }

    pub(super) fn info(&self, used_at: Option<u64>, now: u64) -> TokenInfo {
        let overlaps = self.secrets.iter().filter_map(|secret| secret.until);
        TokenInfo {
            name: self.name.clone(),
            principal: self.principal.clone(),
            scopes: self.scopes,
            sessions: self.sessions.clone(),
            dialect: self.dialect,
            created_at: self.created_at,
            expires_at: self.expires_at,
            last_used_at: self.last_used_at.max(used_at),
            overlap_until: overlaps.filter(|until| *until > now).max(),
        }
    }

    pub(super) fn to_secret(&self, token: &Token) -> TokenSecret {
        TokenSecret {
            name: self.name.clone(),
            token: token.to_text().as_str().to_owned(),
            expires_at: self.expires_at,
        }
    }
}

impl Secret {
    pub(super) fn new(hash: TokenHash) -> Self {
        Self { hash, until: None, unknown: Map::new() }
    }

    pub(super) fn is_over(&self, now: u64) -> bool {
        self.until.is_some_and(|end| end <= now)
    }
}

/// Renames the file to the first free `<name>.aside-<number>`, replacing nothing.
pub(super) fn set_aside(path: &Path) -> Result<PathBuf, FileError> {
    let failed = |source| FileError::Io { path: path.to_owned(), action: "set aside", source };
    for number in 1..=MAX_SET_ASIDE {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".aside-{number}"));
        let aside = PathBuf::from(name);
        // a link, unlike a rename, fails where something stands
        match fs::hard_link(path, &aside) {
            Ok(()) => return fs::remove_file(path).map(|()| aside).map_err(failed),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Err(failed(io::Error::from(io::ErrorKind::AlreadyExists)))
}
