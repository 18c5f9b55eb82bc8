//! Git, read-only, of the directory in which a session works; and working trees of their own for agents.
//!
//! An agent may have written whatever it likes into its repository: a filter, a hook, a file-system monitor, a
//! submodule. Git would run them, and run by the relay they would count as outside of the agent's session. So
//! what looks at files runs with a git directory of the relay's own, which has the repository's objects, a copy
//! of its index and none of its configuration ([`Bare`]); what needs the repository's own directory neither
//! looks at files nor runs hooks.
//!
//! - [`Repository`]: where things are; [`Bare`]: the git directory that stands in;
//! - [`status`]: what changed, as `git status` and `git diff` say it; [`worktree`]: another working tree;
//! - [`project`]: which repository a directory belongs to, without git;
//! - [`run`]: one git command, with its limits.

mod bare;
pub(crate) mod project;
mod repository;
mod run;
pub(crate) mod status;
pub(crate) mod worktree;

use std::{io, time::Duration};

use quarterdeck_protocol::error::{ErrorCode, RpcError};
use tokio::sync::{Semaphore, SemaphorePermit};

pub(crate) use self::{bare::Bare, repository::Repository};

/// How long one git command may take: a large repository on a slow disk.
const COMMAND_LIMIT: Duration = Duration::from_secs(20);
/// How long one caller waits for the others.
const TURN_LIMIT: Duration = Duration::from_secs(30);

/// Why git does not say it, or does not do it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GitError {
    /// No git here.
    #[error("git is not installed on this machine")]
    Missing,
    /// It cannot be started or read.
    #[error("git cannot be run")]
    Io(#[from] io::Error),
    /// It hangs.
    #[error("git took longer than {} s", COMMAND_LIMIT.as_secs())]
    TooSlow,
    /// Too many ask at the same time.
    #[error("others are asking git; try again")]
    Busy,
    /// The directory belongs to no repository.
    #[error("{0:?} is in no git repository")]
    NoRepository(String),
    /// A repository without a commit.
    #[error("the repository has no commit yet, so there is nothing to begin from")]
    NoCommit,
    /// A name that cannot be a directory's and a branch's.
    #[error(
        "a worktree's name has 1 to {} letters, digits, dots, dashes and underscores, and begins with a letter or digit",
        worktree::MAX_NAME_CHARS
    )]
    BadName,
    /// There is something else.
    #[error("{0:?} is there and is no worktree of this repository")]
    Taken(String),
    /// Git refused.
    #[error("git {what}: {said}")]
    Failed {
        /// The subcommand.
        what: String,
        /// The first lines of what it said.
        said: String,
    },
}

impl GitError {
    /// What the caller is told.
    pub(crate) fn to_rpc(&self) -> RpcError {
        let code = match self {
            Self::NoRepository(_) | Self::NoCommit => ErrorCode::NotFound,
            Self::BadName | Self::Taken(_) => ErrorCode::InvalidParams,
            Self::Busy | Self::TooSlow => ErrorCode::Overloaded,
            Self::Missing | Self::Io(_) | Self::Failed { .. } => ErrorCode::Storage,
        };
        let error = RpcError::new(code, self.to_string());
        match self {
            Self::NoRepository(_) => error.hint("make one: git init"),
            Self::NoCommit => error.hint("make a first one: git commit --allow-empty"),
            Self::BadName => error.hint("a task comes before --worktree, or after its name"),
            Self::Missing
            | Self::Io(_)
            | Self::TooSlow
            | Self::Busy
            | Self::Taken(_)
            | Self::Failed { .. } => error,
        }
    }
}

/// One at a time: git reads a whole working tree, and the machine has other things to do.
static TURNS: Semaphore = Semaphore::const_new(1);

/// Waits for this caller's turn.
async fn turn() -> Result<SemaphorePermit<'static>, GitError> {
    let turn = tokio::time::timeout(TURN_LIMIT, TURNS.acquire()).await;
    turn.map_err(|_| GitError::Busy)?.map_err(|_| GitError::Busy)
}
