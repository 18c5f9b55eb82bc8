//! What a login shell of this user has in its environment, asked once.
//!
//! Profiles print greetings, start agents, wait for a network that is not there. So the answer stands
//! between two copies of a random marker, the time and the bytes are limited, and when it fails a small
//! environment stands in, with a note of why.

use std::{
    fmt, io,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    io::AsyncReadExt,
    process::{Child, Command},
    time::{Instant, timeout_at},
};

use super::{Account, Variables, fits};

/// How long a profile may take.
pub const CAPTURE_LIMIT: Duration = Duration::from_secs(5);
/// Bytes of a profile's greetings and the environment together.
const MAX_ANSWER_BYTES: usize = 256 * 1024;
const READ_BYTES: usize = 16 * 1024;
/// `PATH` before any profile was read.
const FIRST_PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";
/// What the relay passes on of its own environment: what the system, not a shell or a terminal, gave
/// the user's login.
const INHERITED: [&str; 9] = [
    "DBUS_SESSION_BUS_ADDRESS",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "TMPDIR",
    "TZ",
    "XDG_DATA_HOME",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
];

/// Why a login shell did not tell its environment.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// It could not be started.
    #[error("cannot start the login shell {shell}")]
    Start {
        /// Which shell.
        shell: String,
        /// Cause.
        source: io::Error,
    },
    /// Its profile takes longer than anyone waits for a session.
    #[error("the login shell's profile took longer than {} ms", limit.as_millis())]
    TooSlow {
        /// How long it had.
        limit: Duration,
    },
    /// It prints without end.
    #[error("the login shell's profile printed more than {MAX_ANSWER_BYTES} bytes")]
    TooLong,
    /// It ended before it answered.
    #[error("the login shell ended without an answer ({status})")]
    NoAnswer {
        /// How it ended.
        status: ExitStatus,
    },
    /// Its output could not be read, or no random marker could be drawn.
    #[error("cannot read from the login shell")]
    Read(#[source] io::Error),
}

/// What a login shell has.
pub struct BaseEnvironment {
    /// The variables.
    pub vars: Variables,
    /// Why they are only the few that every program needs.
    pub note: Option<CaptureError>,
}

impl fmt::Debug for BaseEnvironment {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.vars.keys().collect();
        f.debug_struct("BaseEnvironment").field("names", &names).field("note", &self.note).finish()
    }
}

/// The environment of this process, as far as it is UTF-8.
#[must_use]
pub fn own_environment() -> Variables {
    let text = |os: std::ffi::OsString| os.into_string().ok();
    std::env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?))).collect()
}

impl BaseEnvironment {
    /// Asks the account's login shell, for at most `limit`; see [`CAPTURE_LIMIT`].
    pub async fn capture(account: &Account, inherited: &Variables, limit: Duration) -> Self {
        let first = first_environment(account, inherited);
        match ask(account, &first, limit).await {
            Ok(vars) => Self { vars, note: None },
            Err(error) => Self { vars: first, note: Some(error) },
        }
    }
}

fn first_environment(account: &Account, inherited: &Variables) -> Variables {
    let passed_on = |name: &str| INHERITED.iter().any(|pattern| fits(pattern, name));
    let mut vars: Variables = inherited
        .iter()
        .filter(|(name, _)| passed_on(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let mut put = |name: &str, value: &str| vars.insert(name.to_owned(), value.to_owned());
    put("HOME", &account.home.to_string_lossy());
    put("LOGNAME", &account.user);
    put("USER", &account.user);
    put("SHELL", &account.shell.to_string_lossy());
    put("PATH", FIRST_PATH);
    vars
}

async fn ask(
    account: &Account,
    first: &Variables,
    limit: Duration,
) -> Result<Variables, CaptureError> {
    let deadline = Instant::now() + limit;
    let marker = draw_marker()?;
    let mut child = start(account, first, &marker)?;
    let answered = timeout_at(deadline, read_answer(&mut child, &marker)).await;
    match answered {
        Ok(answer) => answer,
        Err(_) => {
            end_with_children(&child);
            Err(CaptureError::TooSlow { limit })
        }
    }
}

fn draw_marker() -> Result<String, CaptureError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| CaptureError::Read(io::Error::other(error)))?;
    Ok(format!("{:032x}", u128::from_le_bytes(random)))
}

fn start(account: &Account, first: &Variables, marker: &str) -> Result<Child, CaptureError> {
    let script = format!("printf '%s\\n' {marker}; /usr/bin/env -0; printf '%s\\n' {marker}");
    let home = if account.home.is_dir() { account.home.as_path() } else { "/".as_ref() };
    Command::new(&account.shell)
        .args(["-l", "-c", &script])
        .env_clear()
        .envs(first)
        // profiles ask it what colours there are
        .env("TERM", "dumb")
        .current_dir(home)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // a group of its own, so that all of it can be ended
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| {
            let shell = account.shell.display().to_string();
            CaptureError::Start { shell, source }
        })
}

/// Reads until the second marker, not to the end: what a profile left running may keep the pipe.
async fn read_answer(child: &mut Child, marker: &str) -> Result<Variables, CaptureError> {
    let closed = || CaptureError::Read(io::ErrorKind::BrokenPipe.into());
    let mut stdout = child.stdout.take().ok_or_else(closed)?;
    let mut answer = Vec::new();
    loop {
        if let Some(vars) = parse_answer(&answer, marker) {
            return Ok(vars);
        }
        if answer.len() >= MAX_ANSWER_BYTES {
            end_with_children(child);
            return Err(CaptureError::TooLong);
        }
        let mut chunk = [0; READ_BYTES];
        match stdout.read(&mut chunk).await.map_err(CaptureError::Read)? {
            0 => {
                let status = child.wait().await.map_err(CaptureError::Read)?;
                return Err(CaptureError::NoAnswer { status });
            }
            count => answer.extend_from_slice(&chunk[..count]),
        }
    }
}

/// The variables between the two markers; `None` while there is only one.
pub(super) fn parse_answer(answer: &[u8], marker: &str) -> Option<Variables> {
    let line = format!("{marker}\n");
    let begin = find(answer, line.as_bytes())? + line.len();
    let inner = &answer[begin..];
    let inner = &inner[..find(inner, line.as_bytes())?];
    let entries = inner.split(|byte| *byte == 0).filter_map(|entry| {
        let (name, value) = std::str::from_utf8(entry).ok()?.split_once('=')?;
        // the shell's own of that moment are not the session's; `compose` drops more of the kind
        let good = !name.is_empty() && name != "TERM" && !name.contains(char::is_whitespace);
        good.then(|| (name.to_owned(), value.to_owned()))
    });
    Some(entries.collect())
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// Ends the shell and what its profile started.
fn end_with_children(child: &Child) {
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
    if let Some(group) = pid.and_then(rustix::process::Pid::from_raw) {
        // it may have ended by itself meanwhile
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}
