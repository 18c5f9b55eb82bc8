//! A session's stable path to its owner's SSH agent.
//!
//! A program keeps the `SSH_AUTH_SOCK` that it was started with, but the socket behind it changes with
//! every login of the owner. So the program gets a link in the session's directory, and each attach of
//! an owner points it to the socket that the owner has now.

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt, MetadataExt, symlink},
    path::{Path, PathBuf},
};

use crate::files::{self, FileError};

/// Name of the link in a session's directory.
const LINK_NAME: &str = "agent.sock";

/// Why a link was not pointed to a socket; it still points where it did.
#[derive(Debug, thiserror::Error)]
pub enum AgentRefused {
    /// The path is relative, or leads nowhere.
    #[error("there is no socket at {0:?}")]
    Missing(PathBuf),
    /// Something else is there.
    #[error("{0:?} is not a socket")]
    NotASocket(PathBuf),
    /// The socket could be anyone's.
    #[error("the socket {path:?} belongs to user {owner}")]
    Foreign {
        /// Where it is.
        path: PathBuf,
        /// Its owner's uid.
        owner: u32,
    },
    /// The link could not be made.
    #[error(transparent)]
    File(#[from] FileError),
}

/// The link of the session in `session_directory`, whether it exists or not.
#[must_use]
pub fn link(session_directory: &Path) -> PathBuf {
    session_directory.join(LINK_NAME)
}

/// Points the session's link to the agent at `target`, at once: whoever opens it gets the old socket or
/// the new one.
///
/// Links on the way are resolved now, so that links of sessions never point at each other in a ring,
/// and nobody who owns one of them can turn it later.
///
/// # Errors
/// When `target` is no socket of this user, or the link cannot be made.
pub fn point(session_directory: &Path, target: &Path) -> Result<(), AgentRefused> {
    point_for(rustix::process::geteuid().as_raw(), session_directory, target)
}

fn point_for(user: u32, session_directory: &Path, target: &Path) -> Result<(), AgentRefused> {
    let missing = || AgentRefused::Missing(target.to_owned());
    if !target.is_absolute() {
        return Err(missing());
    }
    let real = fs::canonicalize(target).map_err(|_| missing())?;
    let metadata = fs::symlink_metadata(&real).map_err(|_| missing())?;
    if !metadata.file_type().is_socket() {
        return Err(AgentRefused::NotASocket(real));
    }
    let owner = metadata.uid();
    if owner != user {
        return Err(AgentRefused::Foreign { path: real, owner });
    }
    replace_link(&link(session_directory), &real)?;
    Ok(())
}

fn replace_link(link: &Path, target: &Path) -> Result<(), FileError> {
    let failed = |source: io::Error| FileError::Io {
        path: link.to_owned(),
        action: "make the link",
        source,
    };
    let temporary = files::temporary_beside(link)?;
    symlink(target, &temporary).map_err(failed)?;
    fs::rename(&temporary, link).map_err(|error| {
        // what cannot be removed either is swept at the next start
        let _ = fs::remove_file(&temporary);
        failed(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::{UnixListener, UnixStream};

    struct Fixture {
        directory: tempfile::TempDir,
        session: PathBuf,
    }

    impl Fixture {
        fn new() -> Self {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let session = directory.path().join("session");
            fs::create_dir(&session).expect("makes it");
            Self { directory, session }
        }
        fn listen(&self, name: &str) -> (PathBuf, UnixListener) {
            let path = self.directory.path().join(name);
            let listener = UnixListener::bind(&path).expect("listens");
            (path, listener)
        }
        fn reaches(&self, listener: &UnixListener) {
            let _client = UnixStream::connect(link(&self.session)).expect("connects");
            listener.set_nonblocking(true).expect("sets");
            listener.accept().expect("was reached");
        }
    }

    #[test]
    fn each_owner_points_the_same_link_to_their_own_agent() {
        let fixture = Fixture::new();
        let (first, at_first) = fixture.listen("first");
        let (second, at_second) = fixture.listen("second");
        point(&fixture.session, &first).expect("points");
        fixture.reaches(&at_first);
        point(&fixture.session, &second).expect("points again");
        fixture.reaches(&at_second);
        assert_eq!(fs::read_dir(&fixture.session).expect("lists").count(), 1);
    }

    #[test]
    fn what_is_not_a_socket_of_ours_is_refused_and_the_link_stays() {
        let fixture = Fixture::new();
        let (good, listener) = fixture.listen("good");
        point(&fixture.session, &good).expect("points");
        let file = fixture.directory.path().join("file");
        fs::write(&file, "x").expect("writes");
        assert!(matches!(point(&fixture.session, &file), Err(AgentRefused::NotASocket(_))));
        for missing in ["relative", "", "/nowhere/at/all"] {
            let refused = point(&fixture.session, Path::new(missing));
            assert!(matches!(refused, Err(AgentRefused::Missing(_))), "{missing}");
        }
        fixture.reaches(&listener);
    }

    #[test]
    fn another_users_socket_is_refused() {
        let fixture = Fixture::new();
        let (theirs, _listener) = fixture.listen("theirs");
        let owner = rustix::process::geteuid().as_raw();
        let refused = point_for(owner + 1, &fixture.session, &theirs).expect_err("is foreign");
        assert!(matches!(refused, AgentRefused::Foreign { owner: found, .. } if found == owner));
        assert!(!link(&fixture.session).exists());
    }

    #[test]
    fn a_link_of_another_session_is_resolved_so_that_no_ring_can_be() {
        let fixture = Fixture::new();
        let other = fixture.directory.path().join("other");
        fs::create_dir(&other).expect("makes it");
        let (agent, listener) = fixture.listen("agent");
        point(&other, &agent).expect("points");
        point(&fixture.session, &link(&other)).expect("points");
        point(&other, &link(&fixture.session)).expect("points back");
        point(&fixture.session, &link(&fixture.session)).expect("points to itself");
        fixture.reaches(&listener);
        assert_eq!(
            fs::read_link(link(&other)).expect("is a link"),
            fs::canonicalize(agent).expect("real")
        );
    }
}
