//! Where a kept shell is, so that it can be started again there.
//!
//! The system is asked a moment after output has come, and not again before more comes: a shell that is
//! idle costs nothing, and one that never rests is looked at now and then.

use std::{fs, time::Duration};

use tokio::time::Instant;

use super::{
    actor::Session,
    meta::{Keep, META_SCHEMA, SessionMeta},
};

/// From output on until the look: what is typed, done and answered in this time is looked at once.
const LOOK_AFTER: Duration = Duration::from_millis(250);
/// What Linux says after the name of a directory that is gone.
const DELETED: &str = " (deleted)";

/// The shell whose directory is looked at, and when.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// The shell's own process; none = nobody knows yet, or it has ended.
    shell: Option<u32>,
    due: Option<Instant>,
}

impl Place {
    /// The shell's process is known, or known to be gone.
    pub(super) fn set_shell(&mut self, shell: Option<u32>) {
        *self = Self { shell, due: None };
    }

    /// Output has come.
    fn handle_output(&mut self, now: Instant) {
        if self.shell.is_some() {
            self.due.get_or_insert(now + LOOK_AFTER);
        }
    }

    /// When it is to be looked at.
    pub(super) const fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// Whose directory is to be looked at now.
    fn handle_timeout(&mut self, now: Instant) -> Option<u32> {
        self.due.take_if(|due| *due <= now)?;
        self.shell
    }
}

impl Session {
    /// Output has come; a shell that is to be kept may be somewhere else now.
    pub(super) fn note_place_may_change(&mut self) {
        if self.is_shell && self.meta.keep == Keep::Yes && self.meta.schema <= META_SCHEMA {
            self.place.handle_output(Instant::now());
        }
    }

    /// Looks where the shell is, if it is time, and notes it.
    pub(super) fn look_at_place(&mut self) {
        let now = Instant::now();
        let Some(found) = self.place.handle_timeout(now).and_then(directory_of) else { return };
        if self.meta.last_directory() == found {
            return;
        }
        let meta = SessionMeta { last_cwd: Some(found), ..self.meta.clone() };
        match meta.write(&self.handle.directory) {
            Ok(()) => self.meta = meta,
            Err(error) => {
                tracing::warn!(session = %self.handle.id, %error, "cannot write meta.json");
            }
        }
    }
}

/// The directory of a process; none where the system does not say, or it is gone.
fn directory_of(pid: u32) -> Option<String> {
    let link = fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
    link.to_str().filter(|path| !path.ends_with(DELETED)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_is_looked_at_once_after_output_and_an_idle_one_never() {
        let start = Instant::now();
        let mut place = Place::default();
        place.handle_output(start);
        assert_eq!(place.poll_timeout(), None, "nobody knows which process it is");
        place.set_shell(Some(7));
        assert_eq!(place.poll_timeout(), None);
        place.handle_output(start);
        place.handle_output(start + LOOK_AFTER / 2);
        assert_eq!(place.poll_timeout(), Some(start + LOOK_AFTER), "more output delays nothing");
        assert_eq!(place.handle_timeout(start), None);
        assert_eq!(place.handle_timeout(start + LOOK_AFTER), Some(7));
        assert_eq!(place.poll_timeout(), None);
        place.handle_output(start);
        place.set_shell(None);
        assert_eq!(place.poll_timeout(), None, "it has ended");
    }

    #[test]
    fn the_directory_of_a_process_is_what_the_system_says() {
        let here = std::env::current_dir().expect("is somewhere");
        assert_eq!(directory_of(std::process::id()), here.to_str().map(str::to_owned));
        assert_eq!(directory_of(u32::MAX), None);
    }
}
