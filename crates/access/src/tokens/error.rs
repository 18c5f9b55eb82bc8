//! Why a token is not accepted, and why one is not made.

use std::path::PathBuf;

use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    ids::ParseIdError,
    scope::Scope,
};

use super::{MAX_TOKEN_NAME_CHARS, file};
use crate::files::FileError;

/// Why a presented credential was not accepted. The peer is told no more than "wrong", or "expired" if
/// it knew the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthFailure {
    /// It does not look like a token at all.
    #[error("that is not a token")]
    Malformed,
    /// No token has this secret.
    #[error("the token is wrong")]
    Wrong,
    /// The secret is a token's for another wire.
    #[error("the token is for another listener of this relay")]
    OtherWire,
    /// The secret was right, and its time is over.
    #[error("the token has expired")]
    Expired {
        /// Which token.
        name: String,
    },
}

/// Why a token could not be made, changed or ended.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is of a newer version of the program, which an older one must not touch.
    #[error(
        "{path} has version {found}; this program knows {known}. Use the newer program",
        path = path.display(),
        known = file::VERSION
    )]
    NewerVersion {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: u64,
    },
    /// The file is not what this program writes. It is left alone: see [`set_aside`](super::set_aside).
    #[error(
        "{path} cannot be read as a list of tokens; repair it, or set it aside and make new tokens",
        path = path.display()
    )]
    Corrupt {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// The name cannot be one.
    #[error("a token's name has 1 to {MAX_TOKEN_NAME_CHARS} characters of A-Z a-z 0-9 . _ -")]
    Name,
    /// The principal's name cannot be one.
    #[error("the principal's name cannot be used")]
    Principal(#[from] ParseIdError),
    /// The name belongs to another token.
    #[error("token \"{0}\" exists")]
    Exists(String),
    /// There is no such token.
    #[error("token \"{0}\" not found")]
    NotFound(String),
    /// The token has ended.
    #[error("token \"{0}\" has expired")]
    Expired(String),
    /// The token would do nothing.
    #[error("a token needs at least one scope")]
    NoScope,
    /// Nobody gives what they do not have.
    #[error("the caller has no scope \"{0}\" to give")]
    ScopeNotHeld(Scope),
    /// Nobody opens what is closed to them.
    #[error("the caller is limited to sessions and cannot give more")]
    SessionsNotHeld,
    /// One of the bounds of this module.
    #[error("{what} is limited to {limit}")]
    TooMany {
        /// What there would be too much of.
        what: &'static str,
        /// How much there may be.
        limit: u64,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Random(#[source] getrandom::Error),
}

impl TokenError {
    /// The error for the caller; internal causes stay here.
    #[must_use]
    pub fn to_rpc(&self) -> RpcError {
        let text = self.to_string();
        match self {
            Self::File(_) | Self::NewerVersion { .. } | Self::Corrupt { .. } => {
                RpcError::new(ErrorCode::Storage, "the relay cannot use its list of tokens")
                    .hint("the relay's log says why")
            }
            Self::Random(_) => RpcError::new(ErrorCode::Internal, text),
            Self::Name | Self::Principal(_) | Self::NoScope | Self::TooMany { .. } => {
                RpcError::new(ErrorCode::InvalidParams, text)
            }
            Self::Exists(_) => RpcError::new(ErrorCode::InvalidParams, text)
                .hint("rotate it for a new secret, or revoke it first"),
            Self::Expired(_) => {
                RpcError::new(ErrorCode::InvalidParams, text).hint("revoke it and make a new one")
            }
            Self::NotFound(_) => RpcError::new(ErrorCode::NotFound, text),
            Self::ScopeNotHeld(_) | Self::SessionsNotHeld => {
                RpcError::new(ErrorCode::Forbidden, text)
            }
        }
    }
}
