//! A daemon in the background: this binary again, in a session of its own, with its words in
//! `relay.log` or `hub.log`. The starter waits until it says on a pipe that it serves, or why it does not.
//!
//! Two starters at a time are no trouble: the kernel lock lets one relay live, and the other's starter
//! connects to it.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    process::Stdio,
    time::Duration,
};

use quarterdeck_protocol::method::RelayStatusResult;
use quarterdeck_transport::reconnect::{Connected, Dialer as _, RelayDialer};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::Command,
    time::{Instant, sleep, timeout},
};

use crate::{
    config::Settings,
    connection::{dial_failed, is_absent},
    error::{CliError, Kind},
};

/// How long a relay may take to serve: it adopts every session first.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// How long a relay that somebody else has just started may take to accept a connection.
const FIRST_DIAL_LIMIT: Duration = Duration::from_secs(15);
/// Pause between two tries of that.
const FIRST_DIAL_PAUSE: Duration = Duration::from_millis(50);
/// Bytes of the readiness line: a status with its addresses.
const MAX_LINE_BYTES: u64 = 64 * 1024;
/// A `relay.log` larger than this is put aside before it is written to again.
pub(crate) const MAX_LOG_BYTES: u64 = 4 * 1024 * 1024;

/// What a starting daemon tells its starter, in one line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Report<S> {
    /// It serves.
    Ready(Box<S>),
    /// Another one does.
    AlreadyRunning,
    /// It cannot.
    Failed {
        /// What failed.
        message: String,
        /// Why.
        causes: Vec<String>,
        /// What to do.
        hints: Vec<String>,
    },
}

/// What became of a start.
#[derive(Debug)]
pub(crate) enum Started<S> {
    /// It serves.
    Ready(Box<S>),
    /// Another one was there first.
    AlreadyRunning,
}

/// Starts the instance's relay and waits until it serves. `flags` are further flags of `qd relay`.
pub(crate) async fn start(
    settings: &Settings,
    flags: &[String],
) -> Result<Started<RelayStatusResult>, CliError> {
    let mut flags = flags.to_vec();
    // where it was asked for, as `qd instances` tells it; a path that is no text is left out
    let here = settings.environment.current_dir().and_then(Path::to_str);
    flags.extend(here.into_iter().flat_map(|here| ["--started-in".to_owned(), here.to_owned()]));
    start_daemon(settings, "relay", &settings.directory.diagnostics(), &flags).await
}

/// Starts a daemon of the instance, by the word of its command, and waits until it serves.
pub(crate) async fn start_daemon<S: DeserializeOwned>(
    settings: &Settings,
    word: &str,
    diagnostics: &Path,
    flags: &[String],
) -> Result<Started<S>, CliError> {
    let failed = |error: io::Error| {
        CliError::new(Kind::Failed, format!("cannot start a {word} in the background"))
            .caused_by(&error)
            .hint("see what is wrong: qd doctor")
    };
    quarterdeck_access::files::private_directory(settings.directory.path()).map_err(|error| {
        CliError::new(Kind::Failed, "the instance's directory cannot be used").caused_by(&error)
    })?;
    let log = open_log(diagnostics).map_err(failed)?;
    let mut command = Command::new(std::env::current_exe().map_err(failed)?);
    command
        .args([word, "--as-daemon", "--instance", settings.directory.name().as_str()])
        .arg("--base-dir")
        .arg(&settings.base)
        .args(flags)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log);
    for name in settings.environment.own_names() {
        command.env_remove(name);
    }
    let mut child = command.spawn().map_err(failed)?;
    let Some(stdout) = child.stdout.take() else {
        return Err(failed(io::ErrorKind::BrokenPipe.into()));
    };
    let mut line = String::new();
    let mut reader = BufReader::new(stdout.take(MAX_LINE_BYTES));
    match timeout(READY_LIMIT, reader.read_line(&mut line)).await {
        Ok(Ok(_)) => read_report(&line, word, diagnostics),
        Ok(Err(error)) => Err(failed(error)),
        Err(_) => Err(CliError::new(Kind::Timeout, format!("the {word} does not get ready"))
            .hint(format!("see {}", diagnostics.display()))),
    }
}

fn read_report<S: DeserializeOwned>(
    line: &str,
    word: &str,
    diagnostics: &Path,
) -> Result<Started<S>, CliError> {
    match serde_json::from_str(line) {
        Ok(Report::Ready(status)) => Ok(Started::Ready(status)),
        Ok(Report::AlreadyRunning) => Ok(Started::AlreadyRunning),
        Ok(Report::Failed { message, causes, hints }) => {
            let mut failure = CliError::new(Kind::Failed, message);
            (failure.causes, failure.hints) = (causes, hints);
            Err(failure)
        }
        Err(_) => Err(CliError::new(Kind::Failed, format!("the {word} ended before it was ready"))
            .hint(format!("see {}", diagnostics.display()))),
    }
}

/// Connects to a relay that has just been started, by us or by somebody at the same time.
pub(crate) async fn first_dial(
    dialer: &RelayDialer,
    settings: &Settings,
) -> Result<Connected, CliError> {
    let deadline = Instant::now() + FIRST_DIAL_LIMIT;
    loop {
        match dialer.dial(None).await {
            Ok(connected) => return Ok(connected),
            Err(error) if is_absent(&error) && Instant::now() < deadline => {
                sleep(FIRST_DIAL_PAUSE).await;
            }
            Err(error) => return Err(dial_failed(&error, settings)),
        }
    }
}

/// Opens the diagnostics' file to write at its end; a long one is put aside first.
pub(crate) fn open_log(path: &Path) -> io::Result<File> {
    if path.metadata().is_ok_and(|file| file.len() > MAX_LOG_BYTES) {
        std::fs::rename(path, path.with_extension("log.old"))?;
    }
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_log_is_private_and_a_large_one_is_put_aside() {
        let home = tempfile::tempdir().expect("temporary directory");
        let mode = |path: &Path| path.metadata().expect("exists").permissions().mode() & 0o777;
        let path = home.path().join("relay.log");
        let log = open_log(&path).expect("opens");
        assert_eq!(mode(&path), 0o600);
        log.set_len(MAX_LOG_BYTES + 1).expect("grows");
        let fresh = open_log(&path).expect("opens");
        assert_eq!(fresh.metadata().expect("exists").len(), 0);
        assert!(home.path().join("relay.log.old").exists());
    }

    #[test]
    fn a_report_is_one_line() {
        let (causes, hints) = (vec!["a\nb".into()], Vec::new());
        let report: Report<RelayStatusResult> =
            Report::Failed { message: "no".into(), causes, hints };
        let line = serde_json::to_string(&report).expect("serialises");
        assert!(!line.contains('\n'));
        let read = serde_json::from_str::<Report<RelayStatusResult>>(&line);
        assert!(matches!(read, Ok(Report::Failed { .. })));
    }
}
