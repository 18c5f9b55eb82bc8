//! Where a directory's repository has its parts.

use std::path::{Path, PathBuf};

use super::{GitError, run::Git};

/// The repository that a directory is in.
#[derive(Debug, Clone)]
pub(crate) struct Repository {
    /// The `PATH` on which git is found.
    pub(super) search: String,
    /// The working tree.
    pub(super) top: PathBuf,
    /// Its own git directory.
    pub(super) own: PathBuf,
    /// The one that all its working trees share.
    pub(super) common: PathBuf,
    /// How it names objects: `sha1`, `sha256`.
    pub(super) format: String,
    /// The commit that is checked out.
    pub(super) head: Option<String>,
    /// The branch that is, unless it is none.
    pub(super) branch: Option<String>,
}

impl Repository {
    /// Finds it. Nothing that the repository configures is run: none of these commands looks at files.
    pub(super) async fn find(search: &str, directory: &Path) -> Result<Self, GitError> {
        let git = |what| Git::new(search, directory, what);
        let none = || GitError::NoRepository(directory.display().to_string());
        let asked = ["--path-format=absolute", "--show-toplevel", "--git-dir", "--git-common-dir"];
        let asked = git("rev-parse").args(asked).args(["--show-object-format"]).ask().await?;
        let parts: Vec<String> = asked.ok_or_else(none)?.lines().collect();
        let [top, own, common, format]: [String; 4] = parts.try_into().map_err(|_| none())?;
        // a configured working tree that is elsewhere is none of the session's business
        let (top, own, common) = (PathBuf::from(top), PathBuf::from(own), PathBuf::from(common));
        let inside = |real: PathBuf| real.starts_with(&top);
        if !tokio::fs::canonicalize(directory).await.is_ok_and(inside) {
            return Err(none());
        }
        let one =
            async |git: Git| Ok::<_, GitError>(git.ask().await?.and_then(|it| it.lines().next()));
        let head = one(git("rev-parse").args(["--verify", "--quiet", "HEAD^{commit}"])).await?;
        let branch = one(git("symbolic-ref").args(["--quiet", "--short", "HEAD"])).await?;
        Ok(Self { search: search.to_owned(), top, own, common, format, head, branch })
    }
}
