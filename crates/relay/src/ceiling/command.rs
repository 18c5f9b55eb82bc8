//! Which programs requests may start.
//!
//! Programs are compared by the directory they are in (without links) and their own name. The name
//! itself is not followed where it is a link: with a multi-call binary `ls` and `sh` lead to one file,
//! and allowing one must not allow the other.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{BadCeiling, Refusal};
use crate::environment::can_be_run;

/// The commands of a ceiling.
#[derive(Debug)]
pub(super) enum Allowed {
    /// Any.
    Any,
    /// These: names, looked up in the base environment's `PATH`, or absolute paths.
    Listed(Vec<String>),
}

impl Allowed {
    pub(super) fn parse(commands: &[String]) -> Result<Self, BadCeiling> {
        let strange = |entry: &&String| {
            let ends = entry.is_empty() || entry.ends_with('/') || entry.contains('\0');
            ends || (entry.contains('/') && !entry.starts_with('/'))
        };
        if let Some(bad) = commands.iter().find(strange) {
            return Err(BadCeiling::Command(bad.clone()));
        }
        if commands.is_empty() { Ok(Self::Any) } else { Ok(Self::Listed(commands.to_vec())) }
    }

    /// What is to be run for `command`. Where commands are listed it is the listed program's path, so
    /// that the `PATH` of the session cannot give the name another meaning.
    pub(super) fn resolve(
        &self,
        command: &str,
        cwd: &Path,
        search: &str,
    ) -> Result<String, Refusal> {
        let Self::Listed(listed) = self else { return Ok(command.to_owned()) };
        let refused = || Refusal::Command { command: command.to_owned() };
        let wanted = place(command, cwd, search).ok_or_else(refused)?;
        let found = listed.iter().any(|entry| place(entry, cwd, search).as_ref() == Some(&wanted));
        if !found {
            return Err(refused());
        }
        wanted.to_str().map(ToOwned::to_owned).ok_or_else(refused)
    }
}

/// Where a command is: its directory without links, and its own name.
fn place(command: &str, cwd: &Path, search: &str) -> Option<PathBuf> {
    if command.contains('/') {
        return real_place(&cwd.join(command));
    }
    // a relative entry of PATH would mean another program in every directory
    let directories = search.split(':').filter(|directory| directory.starts_with('/'));
    directories
        .map(|directory| Path::new(directory).join(command))
        .find_map(|path| if can_be_run(&path) { real_place(&path) } else { None })
}

fn real_place(path: &Path) -> Option<PathBuf> {
    let directory = fs::canonicalize(path.parent()?).ok()?;
    Some(directory.join(path.file_name()?))
}
