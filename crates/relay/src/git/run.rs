//! One git command: its environment, its limits.

use std::{
    ffi::OsStr,
    io,
    path::Path,
    process::{ExitStatus, Stdio},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::{Child, Command},
};

use super::{COMMAND_LIMIT, GitError};

/// Bytes of an error message that are read.
const MAX_SAID_BYTES: usize = 4096;
/// Lines of it that are told.
const SAID_LINES: usize = 3;
const READ_BYTES: usize = 16 * 1024;

/// A git command that is not started yet.
#[derive(Debug)]
pub(super) struct Git {
    command: Command,
    what: String,
    max_bytes: usize,
}

/// What it printed, up to its limit.
#[derive(Debug)]
pub(super) struct Printed {
    pub(super) bytes: Vec<u8>,
    /// There was more.
    pub(super) cut: bool,
}

impl Printed {
    /// The lines of an answer.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        String::from_utf8_lossy(&self.bytes)
            .lines()
            .map(str::to_owned)
            .collect::<Vec<_>>()
            .into_iter()
    }
}

impl Git {
    /// A subcommand in a directory; `search` is the `PATH` to find git and its parts on.
    pub(super) fn new(search: &str, directory: &Path, what: &str) -> Self {
        let mut command = Command::new("git");
        command
            .current_dir(directory)
            .env_clear()
            .env("PATH", search)
            .env("LC_ALL", "C")
            // nobody's settings but those of this command line and of the git directory
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_NO_LAZY_FETCH", "1")
            .args(["--no-pager", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"])
            .arg(what)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        Self { command, what: what.to_owned(), max_bytes: READ_BYTES }
    }

    pub(super) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(super) fn args<S: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = S>) -> Self {
        self.command.args(words);
        self
    }

    pub(super) fn arg_path(mut self, path: &Path) -> Self {
        self.command.arg(path);
        self
    }

    /// Takes so much of its output; the rest is not waited for.
    pub(super) const fn at_most(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Runs it; an exit code other than 0 is an error.
    pub(super) async fn run(self) -> Result<Printed, GitError> {
        let what = self.what.clone();
        let (status, printed, said) = self.end().await?;
        if status.success() || printed.cut {
            return Ok(printed);
        }
        let said = String::from_utf8_lossy(&said);
        let lines: Vec<&str> = said.lines().take(SAID_LINES).collect();
        Err(GitError::Failed { what, said: lines.join("; ") })
    }

    /// Runs it; `None` where it says no by its exit code.
    pub(super) async fn ask(self) -> Result<Option<Printed>, GitError> {
        let (status, printed, _) = self.end().await?;
        Ok(status.success().then_some(printed))
    }

    async fn end(mut self) -> Result<(ExitStatus, Printed, Vec<u8>), GitError> {
        let mut child = self.command.spawn().map_err(|error| {
            let missing = error.kind() == io::ErrorKind::NotFound;
            if missing { GitError::Missing } else { GitError::Io(error) }
        })?;
        let group = Group::of(&child);
        let reading = read(&mut child, self.max_bytes, &group);
        match tokio::time::timeout(COMMAND_LIMIT, reading).await {
            Ok(ended) => ended.map_err(GitError::Io),
            Err(_) => {
                group.kill();
                Err(GitError::TooSlow)
            }
        }
    }
}

async fn read(
    child: &mut Child,
    max_bytes: usize,
    group: &Group,
) -> io::Result<(ExitStatus, Printed, Vec<u8>)> {
    let closed = || io::Error::from(io::ErrorKind::BrokenPipe);
    let stdout = child.stdout.take().ok_or_else(closed)?;
    let stderr = child.stderr.take().ok_or_else(closed)?;
    let printing = async {
        let printed = read_up_to(stdout, max_bytes).await?;
        if printed.cut {
            group.kill();
        }
        Ok::<Printed, io::Error>(printed)
    };
    let (printed, said) = tokio::try_join!(printing, read_up_to(stderr, MAX_SAID_BYTES))?;
    Ok((child.wait().await?, printed, said.bytes))
}

/// Reads to the end, or to the limit; closes the pipe then.
async fn read_up_to(mut pipe: impl AsyncRead + Unpin, max: usize) -> io::Result<Printed> {
    let mut bytes = Vec::new();
    // not in the future itself: it is a part of many others
    let mut chunk = vec![0; READ_BYTES];
    loop {
        let count = pipe.read(&mut chunk).await?;
        bytes.extend_from_slice(&chunk[..count]);
        if bytes.len() > max {
            bytes.truncate(max);
            return Ok(Printed { bytes, cut: true });
        }
        if count == 0 {
            return Ok(Printed { bytes, cut: false });
        }
    }
}

/// A command with all that it has started.
struct Group(Option<rustix::process::Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        Self(pid.and_then(rustix::process::Pid::from_raw))
    }

    fn kill(&self) {
        if let Some(group) = self.0 {
            // it may have ended by itself meanwhile
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}
