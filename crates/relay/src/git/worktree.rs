//! A working tree of its own, so that an agent and others do not step on each other's files.
//!
//! It stands in `.quarterdeck/worktrees/NAME` of the repository, on the branch `qd/NAME`. It is never deleted here:
//! what an agent has made is its user's. `git worktree remove` does that.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    Bare, GitError, Repository,
    bare::{Index, blocking},
    run::Git,
    turn,
};

/// Characters of a name: it is a part of a path and of a branch's name.
pub(super) const MAX_NAME_CHARS: usize = 64;
/// Where working trees stand, below the repository's.
const PLACE: &str = ".quarterdeck/worktrees";
/// What keeps them out of the repository's own changes.
const EXCLUDED: &str = "/.quarterdeck/";

/// The name of a working tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WorktreeName(String);

impl WorktreeName {
    /// Takes a name that is one part of a path and of a branch.
    pub(crate) fn parse(name: &str) -> Result<Self, GitError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
        let fits = name.len() <= MAX_NAME_CHARS && name.chars().all(plain) && begins;
        // what git refuses in the name of a branch
        let refused = name.contains("..") || name.ends_with('.') || name.ends_with(".lock");
        if fits && !refused { Ok(Self(name.to_owned())) } else { Err(GitError::BadName) }
    }
}

/// Makes the working tree of this name for the repository of a directory, or finds it; gives the same
/// directory in it. `place` is a directory for the time of the call.
pub(crate) async fn enter(
    search: &str,
    directory: &Path,
    place: &Path,
    name: &WorktreeName,
) -> Result<PathBuf, GitError> {
    let _turn = turn().await?;
    let repository = Repository::find(search, directory).await?;
    let head = repository.head.clone().ok_or(GitError::NoCommit)?;
    let tree = repository.top.join(PLACE).join(&name.0);
    if is_there(&tree).await {
        let found = Repository::find(search, &tree).await?;
        if found.top != tree || found.common != repository.common {
            return Err(GitError::Taken(tree.display().to_string()));
        }
    } else {
        make(&repository, &tree, &name.0, &head).await?;
        fill(&repository, &tree, place).await?;
    }
    let below = directory.strip_prefix(&repository.top).unwrap_or(Path::new(""));
    // a directory that no commit has yet is not in a new working tree
    let same = tree.join(below);
    Ok(if is_there(&same).await { same } else { tree })
}

async fn is_there(path: &Path) -> bool {
    tokio::fs::symlink_metadata(path).await.is_ok()
}

/// Adds the working tree, with nothing in it.
async fn make(
    repository: &Repository,
    tree: &Path,
    name: &str,
    head: &str,
) -> Result<(), GitError> {
    let common = repository.common.clone();
    blocking(move || Ok(exclude(&common)?)).await?;
    let git = |what| Git::new(&repository.search, &repository.top, what);
    let branch = format!("qd/{name}");
    let known = format!("refs/heads/{branch}");
    let known = git("rev-parse").args(["--verify", "--quiet", &known]).ask().await?.is_some();
    let add = git("worktree").args(["add", "--quiet", "--no-checkout"]);
    let add = if known {
        add.arg_path(tree).args([&branch])
    } else {
        add.args(["-b", &branch]).arg_path(tree).args([head])
    };
    add.run().await.map(drop)
}

/// Checks its commit out. Filters of the repository are not run: files of Git LFS are its pointers, until
/// somebody runs `git lfs pull`.
async fn fill(repository: &Repository, tree: &Path, place: &Path) -> Result<(), GitError> {
    let made = Repository::find(&repository.search, tree).await?;
    let head = made.head.clone().ok_or(GitError::NoCommit)?;
    let bare = Bare::make(&made, place, Index::Empty).await?;
    let index = made.own.join("index");
    let read = bare.git(tree, tree, "read-tree").env("GIT_INDEX_FILE", &index);
    let filled = read.args(["--reset", "-u", &head]).run().await;
    bare.remove().await?;
    filled.map(drop)
}

/// Keeps working trees out of what the repository shows as new.
fn exclude(common: &Path) -> io::Result<()> {
    let file = common.join("info/exclude");
    let mut text = match fs::read_to_string(&file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        read => read.unwrap_or_default(),
    };
    if text.lines().any(|line| line.trim() == EXCLUDED) {
        return Ok(());
    }
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(EXCLUDED);
    text.push('\n');
    fs::create_dir_all(common.join("info"))?;
    fs::write(&file, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_part_of_a_path_and_of_a_branch() {
        for good in ["a", "fix-1", "v1.2_x", "0"] {
            assert!(WorktreeName::parse(good).is_ok(), "{good}");
        }
        let long = "x".repeat(MAX_NAME_CHARS + 1);
        for bad in ["", ".", "..", "a/b", "-b", "a..b", "a.", "a.lock", "a b", "é", "a\0", &long] {
            assert!(WorktreeName::parse(bad).is_err(), "{bad}");
        }
    }
}
