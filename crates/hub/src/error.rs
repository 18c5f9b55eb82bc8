//! Why a hub does not start.

use std::{io, path::PathBuf};

use quarterdeck_access::{files::FileError, keys::KeyError, lock::LockError, tokens::TokenError};
use quarterdeck_transport::server::ListenError;

pub use crate::store::StoreError;

/// Why a hub ended other than by request.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The instance has a running hub, or its directory cannot be used.
    #[error("the instance's hub: {0}")]
    Lock(#[from] LockError),
    /// The network address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The Unix socket could not be opened.
    #[error("cannot use {path}", path = path.display())]
    Socket {
        /// Which.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// A file or directory is not as it must be.
    #[error(transparent)]
    Files(#[from] FileError),
    /// The hub's key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The tokens cannot be read.
    #[error(transparent)]
    Tokens(#[from] TokenError),
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}
