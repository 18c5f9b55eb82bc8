//! The key that a relay or a hub *is*, in its private file.

use std::path::{Path, PathBuf};

use quarterdeck_crypto::{RelayKey, Seed};

use crate::files::{self, FileError};

/// Bytes that are read of the file: more than a seed, so that a longer one is noticed.
const MAX_FILE_BYTES: u64 = 64;

/// Why a daemon has no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file is not as it must be.
    #[error(transparent)]
    File(#[from] FileError),
    /// What it holds is no key, or none can be made.
    #[error("{path}: {why}", path = path.display())]
    Unusable {
        /// Which file.
        path: PathBuf,
        /// Why.
        why: &'static str,
    },
}

/// Reads the key, or makes one. A file that is there is never replaced: a new key would be another
/// daemon.
///
/// # Errors
/// When the file cannot be used.
pub fn load_or_make(path: &Path) -> Result<RelayKey, KeyError> {
    if let Some(key) = load(path)? {
        return Ok(key);
    }
    let unusable = |why| KeyError::Unusable { path: path.to_owned(), why };
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|_| unusable("the system gives no random bytes"))?;
    files::write_private(path, &seed)?;
    Ok(RelayKey::from_seed(&Seed::from_bytes(seed)))
}

/// Reads the key, if there is one.
///
/// # Errors
/// When the file cannot be used.
pub fn load(path: &Path) -> Result<Option<RelayKey>, KeyError> {
    let Some(bytes) = files::read_private(path, MAX_FILE_BYTES)? else { return Ok(None) };
    let seed: [u8; 32] = bytes.try_into().map_err(|_| KeyError::Unusable {
        path: path.to_owned(),
        why: "the key has not 32 bytes; it was changed",
    })?;
    Ok(Some(RelayKey::from_seed(&Seed::from_bytes(seed))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_a_changed_file_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("hub.key");
        let first = load_or_make(&path).expect("makes").public();
        assert_eq!(load_or_make(&path).expect("reads").public(), first);
        files::write_private(&path, b"short").expect("writes");
        assert!(matches!(load_or_make(&path), Err(KeyError::Unusable { .. })));
        assert_eq!(std::fs::read(&path).expect("reads"), b"short", "it is left alone");
    }
}
