//! The file with the keys of what was told, so that the next daemon does not tell it again.

use std::path::{Path, PathBuf};

use quarterdeck_access::files;

/// Bytes of the file: the keys that `core` remembers, each far shorter than this allows.
const MAX_FILE_BYTES: u64 = 512 * 1024;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Ledger(PathBuf);

impl Ledger {
    pub(crate) fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }
    /// The keys, oldest first. A file that cannot be read is left alone: then something is told twice.
    pub(crate) fn load(&self) -> Vec<String> {
        match files::read_private(&self.0, MAX_FILE_BYTES) {
            Ok(Some(bytes)) => String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect(),
            Ok(None) => Vec::new(),
            Err(error) => {
                tracing::warn!(%error, "what hooks were told is not known");
                Vec::new()
            }
        }
    }
    /// Writes the keys. Blocks.
    pub(crate) fn save(&self, keys: &[String]) {
        let text = keys.iter().map(|key| format!("{key}\n")).collect::<String>();
        if let Err(error) = files::write_private(&self.0, text.as_bytes()) {
            tracing::warn!(%error, "what hooks were told is not kept");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_there_again_in_their_order() {
        let directory = tempfile::tempdir().expect("a directory");
        let ledger = Ledger::at(&directory.path().join("told"));
        assert!(ledger.load().is_empty());
        let keys = ["prompt:b".to_owned(), "prompt:a".to_owned()];
        ledger.save(&keys);
        assert_eq!(ledger.load(), keys);
    }
}
