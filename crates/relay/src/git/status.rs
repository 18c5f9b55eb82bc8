//! What changed in a directory since its last commit.

use std::path::Path;

use quarterdeck_protocol::method::{GitChange, GitDiff, GitFile, GitResult};

use super::{Bare, GitError, Repository, bare::Index, turn};

/// Bytes of `git status` that are read: some ten thousand files.
const MAX_STATUS_BYTES: usize = 256 * 1024;
/// Bytes of a diff; with what JSON adds it fits a frame of the wire.
const MAX_DIFF_BYTES: usize = 384 * 1024;

/// What is wanted beside the list of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Nothing.
    Files,
    /// The changes themselves.
    Diff,
}

/// What changed below a directory. `place` is a directory for the time of the call.
pub(crate) async fn status(
    search: &str,
    directory: &Path,
    place: &Path,
    wanted: Wanted,
) -> Result<GitResult, GitError> {
    let _turn = turn().await?;
    let repository = Repository::find(search, directory).await?;
    let bare = Bare::make(&repository, place, Index::Copied).await?;
    let looked = look(&bare, &repository, directory, wanted).await;
    bare.remove().await?;
    looked
}

async fn look(
    bare: &Bare,
    repository: &Repository,
    directory: &Path,
    wanted: Wanted,
) -> Result<GitResult, GitError> {
    let git = |what| bare.git(&repository.top, directory, what);
    let all = ["--porcelain=v1", "-z", "--untracked-files=normal", "--ignore-submodules=all"];
    let listed = git("status").args(all).args(["--", "."]).at_most(MAX_STATUS_BYTES).run().await?;
    let files = parse(&String::from_utf8_lossy(&listed.bytes));
    let diff = match wanted {
        Wanted::Files => None,
        Wanted::Diff => Some(diff(bare, repository, directory).await?),
    };
    Ok(GitResult {
        root: repository.top.display().to_string(),
        head: repository.head.clone(),
        branch: repository.branch.clone(),
        files,
        more: listed.cut,
        diff,
    })
}

async fn diff(bare: &Bare, repository: &Repository, directory: &Path) -> Result<GitDiff, GitError> {
    let git = |what| bare.git(&repository.top, directory, what);
    // new files are named in the copied index only, so that their text is shown
    git("add").args(["--intent-to-add", "--", "."]).run().await?;
    let plain = ["--no-ext-diff", "--no-textconv", "--no-color", "--find-renames"];
    let mut asked = git("diff").args(plain).args(["--ignore-submodules=all"]);
    if repository.head.is_some() {
        asked = asked.args(["HEAD"]);
    }
    let printed = asked.args(["--", "."]).at_most(MAX_DIFF_BYTES).run().await?;
    let text = String::from_utf8_lossy(&printed.bytes).into_owned();
    Ok(GitDiff { text, more: printed.cut })
}

/// `XY path`, each ended by a NUL; a renamed one is followed by its old path.
fn parse(listed: &str) -> Vec<GitFile> {
    let mut files = Vec::new();
    let mut entries = listed.split('\0');
    while let Some(entry) = entries.next() {
        let (Some(state), Some(path)) = (entry.get(..2), entry.get(3..)) else { continue };
        let change = change(state);
        let from = match change {
            GitChange::Renamed => entries.next().map(str::to_owned),
            GitChange::Modified
            | GitChange::Added
            | GitChange::Deleted
            | GitChange::Untracked
            | GitChange::Conflicted
            | GitChange::Unknown => None,
        };
        files.push(GitFile { path: path.to_owned(), change, from });
    }
    files
}

fn change(state: &str) -> GitChange {
    match state {
        "??" => GitChange::Untracked,
        "DD" | "AA" => GitChange::Conflicted,
        _ if state.contains('U') => GitChange::Conflicted,
        _ if state.contains(['R', 'C']) => GitChange::Renamed,
        _ if state.contains('D') => GitChange::Deleted,
        _ if state.contains('A') => GitChange::Added,
        _ => GitChange::Modified,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_told_with_its_path_and_a_renamed_file_with_both() {
        let listed = " M a b\0A  new\0 D gone\0R  to\0from\0?? dir/\0UU both\0AA twice\0";
        let files = parse(listed);
        let told: Vec<_> = files.iter().map(|it| (it.path.as_str(), it.change)).collect();
        assert_eq!(
            told,
            [
                ("a b", GitChange::Modified),
                ("new", GitChange::Added),
                ("gone", GitChange::Deleted),
                ("to", GitChange::Renamed),
                ("dir/", GitChange::Untracked),
                ("both", GitChange::Conflicted),
                ("twice", GitChange::Conflicted),
            ]
        );
        assert_eq!(files[3].from.as_deref(), Some("from"));
        assert_eq!(parse(" M cut").len(), 1);
        assert_eq!(parse("").len() + parse(" ").len(), 0);
    }
}
