//! The project that a directory belongs to, by looking for `.git` upwards. Git is not run: it is asked at
//! each start of a session, and only to put sessions together.

use std::{
    fs,
    io::Read as _,
    path::{Component, Path, PathBuf},
};

/// Directories that are looked into: deeper ones are no project's.
const MAX_STEPS: usize = 64;
/// Bytes of a `.git` that is a file; it holds one path.
const MAX_LINK_BYTES: u64 = 8 * 1024;

/// The top of the repository's first working tree; for each other working tree of it the same.
pub(crate) fn of(directory: &Path) -> Option<String> {
    directory.ancestors().take(MAX_STEPS).find_map(project_at)?.to_str().map(str::to_owned)
}

/// Whether a directory is the top of a working tree.
pub(crate) fn is_top(directory: &Path) -> bool {
    directory.join(".git").symlink_metadata().is_ok()
}

fn project_at(directory: &Path) -> Option<PathBuf> {
    let git = directory.join(".git");
    let kind = fs::symlink_metadata(&git).ok()?;
    let elsewhere = kind.is_file().then(|| first_tree(&git)).flatten();
    Some(elsewhere.unwrap_or_else(|| directory.to_owned()))
}

/// Of a further working tree the first one: its `.git` says `gitdir: TOP/.git/worktrees/NAME`. Anything
/// else there, a submodule's for one, means the directory itself.
fn first_tree(link: &Path) -> Option<PathBuf> {
    let mut text = String::new();
    fs::File::open(link).ok()?.take(MAX_LINK_BYTES).read_to_string(&mut text).ok()?;
    let target = Path::new(text.strip_prefix("gitdir:")?.trim());
    let git = target.parent().filter(|it| it.ends_with(".git/worktrees"))?.parent()?;
    let is_plain = git.components().all(|it| !matches!(it, Component::ParentDir));
    // it says so, and an agent may have written it: only what is a repository counts
    let known = git.is_absolute() && is_plain && git.join("HEAD").is_file();
    git.parent().filter(|_| known).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().expect("a parent")).expect("makes directories");
        fs::write(path, text).expect("writes");
    }

    #[test]
    fn a_directory_belongs_to_the_nearest_repository_above_it() {
        let home = tempfile::tempdir().expect("a directory");
        let top = home.path().join("project");
        fs::create_dir_all(top.join("src/deep")).expect("makes directories");
        write(&top.join(".git/HEAD"), "ref: refs/heads/main\n");
        let expected = Some(top.to_str().expect("text").to_owned());
        assert_eq!(of(&top.join("src/deep")), expected);
        assert_eq!(of(&top), expected);
        assert!(is_top(&top) && !is_top(&top.join("src")));
    }

    #[test]
    fn all_working_trees_of_a_repository_are_one_project() {
        let home = tempfile::tempdir().expect("a directory");
        let top = home.path().join("project");
        write(&top.join(".git/HEAD"), "ref: refs/heads/main\n");
        let tree = home.path().join("project-tree");
        let link = format!("gitdir: {}/.git/worktrees/tree\n", top.display());
        write(&tree.join(".git"), &link);
        assert_eq!(of(&tree), top.to_str().map(str::to_owned));
    }

    #[test]
    fn a_link_that_leads_to_no_repository_means_the_directory_itself() {
        let home = tempfile::tempdir().expect("a directory");
        for link in ["gitdir: /nowhere/.git/worktrees/x", "gitdir: ../.git/modules/x", "", "\u{1b}"]
        {
            let tree = home.path().join("tree");
            write(&tree.join(".git"), link);
            assert_eq!(of(&tree), tree.to_str().map(str::to_owned), "{link}");
        }
    }
}
