//! Why a relay does not start or does not go on.

use std::{io, path::PathBuf};

use quarterdeck_access::{
    files::FileError, instance::InstanceName, keys::KeyError, lock::LockError,
    pairings::PairingError, tokens::TokenError,
};
use quarterdeck_transport::server::ListenError;

/// Why a relay ended other than by request.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The instance's lock is held by another relay.
    #[error("{}", running(instance, *pid, listening))]
    AlreadyRunning {
        /// Which instance.
        instance: InstanceName,
        /// Pid from its record.
        pid: Option<u32>,
        /// Where it listens, from its record.
        listening: Vec<String>,
    },
    /// The network address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A file or directory of the instance could not be read or written.
    #[error("cannot use {path}", path = path.display())]
    Storage {
        /// Which.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// A file or directory of the instance is not as it must be.
    #[error(transparent)]
    Files(Box<FileError>),
    /// The tokens cannot be read.
    #[error(transparent)]
    Tokens(Box<TokenError>),
    /// The list of paired hubs cannot be used.
    #[error(transparent)]
    Pairings(Box<PairingError>),
    /// The configuration cannot mean what it says.
    #[error("the configuration cannot be used: {0}")]
    Config(String),
    /// The process that starts holders could not be started.
    #[error("cannot start the holders' zygote")]
    Zygote(#[source] io::Error),
}

fn running(instance: &InstanceName, pid: Option<u32>, listening: &[String]) -> String {
    let pid = pid.map_or_else(String::new, |pid| format!(" with pid {pid}"));
    let at =
        if listening.is_empty() { String::new() } else { format!(" at {}", listening.join(", ")) };
    format!("a relay{pid} serves instance {instance}{at}")
}

impl From<FileError> for RelayError {
    fn from(error: FileError) -> Self {
        let path = error.path().to_owned();
        match error {
            FileError::Io { source, .. } => Self::Storage { path, source },
            refused @ (FileError::Foreign { .. }
            | FileError::Exposed { .. }
            | FileError::WrongKind { .. }
            | FileError::TooLarge { .. }) => {
                Self::Storage { path, source: io::Error::other(refused) }
            }
        }
    }
}

impl From<KeyError> for RelayError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::File(error) => Self::Files(Box::new(error)),
            KeyError::Unusable { path, why } => {
                Self::Storage { path, source: io::Error::other(why) }
            }
        }
    }
}

impl RelayError {
    /// What a lock that cannot be had means for an instance.
    pub(crate) fn of_lock(error: LockError, instance: &InstanceName) -> Self {
        match error {
            LockError::Held { pid, listening } => {
                Self::AlreadyRunning { instance: instance.clone(), pid, listening }
            }
            LockError::Storage { path, source } => Self::Storage { path, source },
            LockError::Files(error) => Self::Files(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarterdeck_access::files::private_directory;
    use std::{fs, os::unix::fs::PermissionsExt as _};

    #[test]
    fn a_refusal_keeps_its_sentence_as_a_relay_error() {
        let directory = tempfile::tempdir().expect("a directory");
        let set_mode = |mode| {
            fs::set_permissions(directory.path(), fs::Permissions::from_mode(mode)).expect("sets");
        };
        set_mode(0o777);
        let refused = private_directory(directory.path()).expect_err("is open");
        let RelayError::Storage { path, source } = refused.into() else { panic!("storage") };
        assert_eq!(path, directory.path());
        assert!(source.to_string().contains("is open to other users"), "{source}");
        set_mode(0o700);
    }
}
