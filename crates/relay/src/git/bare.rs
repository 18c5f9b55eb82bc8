//! A git directory that stands in for a repository's own: its objects, and nothing that it configures.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{GitError, Repository, run::Git};
use crate::{agent::random_uuid, files};

/// Bytes of an index that is copied: a million files.
const MAX_INDEX_BYTES: u64 = 256 * 1024 * 1024;
/// Bytes of the repository's own list of files that are not looked at.
const MAX_EXCLUDE_BYTES: u64 = 256 * 1024;

/// The directory. One that was not deleted is deleted before the next is made.
#[derive(Debug)]
pub(crate) struct Bare {
    repository: Repository,
    place: PathBuf,
}

/// Which files are known already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Index {
    /// Those of the repository's own index, which is left as it is.
    Copied,
    /// None.
    Empty,
}

impl Bare {
    /// Makes it below a directory that is for nothing else.
    pub(super) async fn make(
        repository: &Repository,
        below: &Path,
        index: Index,
    ) -> Result<Self, GitError> {
        let name = random_uuid().map_err(|_| io::Error::other("no random numbers"))?;
        let bare = Self { repository: repository.clone(), place: below.join(name) };
        let below = below.to_owned();
        blocking(move || {
            remove(&below)?;
            bare.fill(index).map(|()| bare)
        })
        .await
    }

    fn fill(&self, index: Index) -> Result<(), GitError> {
        let Self { repository, place } = self;
        for directory in ["objects", "refs", "info"] {
            files::private_directory(&place.join(directory)).map_err(io::Error::other)?;
        }
        let head = repository.head.as_deref().unwrap_or("ref: refs/heads/none");
        fs::write(place.join("HEAD"), format!("{head}\n"))?;
        let version = if repository.format == "sha1" { "0" } else { "1" };
        let mut config = format!("[core]\nrepositoryformatversion = {version}\nbare = false\n");
        if version == "1" {
            config.push_str(&format!("[extensions]\nobjectformat = {}\n", repository.format));
        }
        fs::write(place.join("config"), config)?;
        copy(
            &repository.common.join("info/exclude"),
            &place.join("info/exclude"),
            MAX_EXCLUDE_BYTES,
        )?;
        if index == Index::Copied {
            copy(&repository.own.join("index"), &place.join("index"), MAX_INDEX_BYTES)?;
        }
        Ok(())
    }

    /// Deletes it.
    pub(super) async fn remove(self) -> Result<(), GitError> {
        blocking(move || Ok(remove(&self.place)?)).await
    }

    /// A command on a working tree of the repository.
    pub(super) fn git(&self, tree: &Path, directory: &Path, what: &str) -> Git {
        Git::new(&self.repository.search, directory, what)
            .env("GIT_DIR", &self.place)
            .env("GIT_WORK_TREE", tree)
            .env("GIT_OBJECT_DIRECTORY", self.repository.common.join("objects"))
    }
}

/// File work, where it may wait for a disk.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, GitError> + Send + 'static,
) -> Result<T, GitError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(io::Error::other(error).into()))
}

fn remove(place: &Path) -> io::Result<()> {
    match fs::remove_dir_all(place) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Copies a file, if there is one.
fn copy(from: &Path, to: &Path, max_bytes: u64) -> Result<(), GitError> {
    let metadata = match fs::metadata(from) {
        Ok(metadata) if metadata.is_file() => metadata,
        Ok(_) | Err(_) => return Ok(()),
    };
    if metadata.len() > max_bytes {
        let said = format!("{} is larger than is looked at", from.display());
        return Err(GitError::Failed { what: "index".to_owned(), said });
    }
    fs::copy(from, to)?;
    // git looks into files that were changed in the moment in which the index was written, which it knows by this
    fs::File::options().write(true).open(to)?.set_modified(metadata.modified()?)?;
    Ok(())
}
