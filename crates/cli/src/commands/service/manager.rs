//! The user's service manager, through its own commands.

use std::{path::Path, path::PathBuf, process::Stdio, time::Duration};

use serde::Serialize;
use tokio::{process::Command, time::timeout};

use super::unit::Service;
use crate::{
    Exit,
    config::Settings,
    error::{CliError, Kind},
};

/// How long a service manager may take: a start waits for the daemon, which adopts its sessions.
const PATIENCE: Duration = Duration::from_secs(90);

/// Which service manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Manager {
    /// systemd's manager of the user's own services
    Systemd,
    /// launchd, on macOS
    Launchd,
}

/// How a service is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct State {
    /// In the manager's words.
    pub(super) state: String,
    /// Its process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pid: Option<u32>,
}

/// What of a log is wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// Lines from its end.
    pub(super) lines: u32,
    /// And what follows.
    pub(super) follow: bool,
}

impl Manager {
    /// The one that this system has.
    pub(super) const OF_SYSTEM: Self =
        if cfg!(target_os = "macos") { Self::Launchd } else { Self::Systemd };

    /// The text of a service's file.
    pub(super) fn text(self, service: &Service) -> String {
        match self {
            Self::Systemd => service.systemd(),
            Self::Launchd => service.launchd(),
        }
    }

    /// Where the file belongs.
    pub(super) fn file(self, settings: &Settings, service: &Service) -> Result<PathBuf, CliError> {
        let environment = &settings.environment;
        let found = match self {
            Self::Systemd => environment
                .xdg("XDG_CONFIG_HOME", ".config")
                .map(|config| config.join("systemd/user").join(service.name() + ".service")),
            Self::Launchd => environment.var("HOME").map(|home| {
                let agents = Path::new(home).join("Library/LaunchAgents");
                agents.join(service.launchd_label() + ".plist")
            }),
        };
        found.ok_or_else(|| CliError::new(Kind::Failed, "HOME is not set"))
    }

    /// Starts a service now and at every start of the manager. One that runs is started anew.
    pub(super) async fn enable(
        self,
        settings: &Settings,
        service: &Service,
        file: &Path,
    ) -> Result<(), CliError> {
        match self {
            Self::Systemd => {
                let unit = service.name() + ".service";
                self.run(settings, &["--user", "daemon-reload"]).await?;
                self.run(settings, &["--user", "enable", &unit]).await?;
                self.run(settings, &["--user", "restart", &unit]).await?;
            }
            Self::Launchd => {
                let file = file.display().to_string();
                // one that was not loaded is refused, which is as it should be
                let _ = self.run(settings, &["unload", &file]).await;
                self.run(settings, &["load", "-w", &file]).await?;
            }
        }
        Ok(())
    }

    /// Stops a service for good.
    pub(super) async fn disable(
        self,
        settings: &Settings,
        service: &Service,
        file: &Path,
    ) -> Result<(), CliError> {
        match self {
            Self::Systemd => {
                let unit = service.name() + ".service";
                self.run(settings, &["--user", "disable", "--now", &unit]).await?;
            }
            Self::Launchd => {
                let file = file.display().to_string();
                self.run(settings, &["unload", "-w", &file]).await?;
            }
        }
        Ok(())
    }

    /// Tells the manager that files have changed.
    pub(super) async fn reload(self, settings: &Settings) -> Result<(), CliError> {
        match self {
            Self::Systemd => self.run(settings, &["--user", "daemon-reload"]).await.map(|_| ()),
            Self::Launchd => Ok(()),
        }
    }

    /// How a service is.
    pub(super) async fn state(
        self,
        settings: &Settings,
        service: &Service,
    ) -> Result<State, CliError> {
        match self {
            Self::Systemd => {
                let unit = service.name() + ".service";
                let words = ["--user", "show", &unit, "--property=ActiveState,SubState,MainPID"];
                Ok(systemd_state(&self.run(settings, &words).await?))
            }
            Self::Launchd => {
                let label = service.launchd_label();
                let printed = self.run(settings, &["list", &label]).await;
                Ok(printed.map_or_else(
                    |_| State { state: "not loaded".to_owned(), pid: None },
                    |printed| launchd_state(&printed),
                ))
            }
        }
    }

    /// Whether the user's services run without a login.
    pub(super) fn linger(self, settings: &Settings) -> Option<bool> {
        let environment = &settings.environment;
        let user = environment.text("USER").or_else(|| environment.text("LOGNAME"));
        match self {
            Self::Systemd => Some(
                user.is_some_and(|user| Path::new("/var/lib/systemd/linger").join(user).exists()),
            ),
            Self::Launchd => None,
        }
    }

    /// Prints a service's log: the manager's, or the file that it writes.
    pub(super) async fn logs(
        self,
        settings: &Settings,
        service: &Service,
        wanted: Wanted,
    ) -> Result<Exit, CliError> {
        let lines = wanted.lines.to_string();
        let unit = service.name() + ".service";
        let (program, mut words) = match self {
            Self::Systemd => {
                ("journalctl", vec!["--user", "--no-pager", "-u", &unit, "-n", &lines])
            }
            Self::Launchd => ("tail", vec!["-n", &lines]),
        };
        if wanted.follow {
            words.push("-f");
        }
        if self == Self::Launchd {
            words.push(&service.log);
        }
        let mut command = own(settings, program);
        let status =
            command.args(words).status().await.map_err(|error| missing(program, &error))?;
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        Ok(code.map_or(Exit::code(Kind::Failed.exit_code()), Exit::code))
    }

    async fn run(self, settings: &Settings, words: &[&str]) -> Result<String, CliError> {
        let program = match self {
            Self::Systemd => "systemctl",
            Self::Launchd => "launchctl",
        };
        let mut command = own(settings, program);
        command.args(words).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().map_err(|error| missing(program, &error))?;
        let ended = timeout(PATIENCE, child.wait_with_output()).await.map_err(|_| {
            CliError::new(Kind::Timeout, format!("{program} {} does not end", words.join(" ")))
        })?;
        let output = ended.map_err(|error| missing(program, &error))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said = crate::output::escape::plain(said.trim());
        let message = format!("{program} {} failed: {said}", words.join(" "));
        Err(CliError::new(Kind::Failed, message)
            .hint("it must be called from a session that has a service manager of the user's own")
            .hint("without one: qd relay --background, or qd service install --print"))
    }
}

/// A command without Quarterdeck's own variables.
fn own(settings: &Settings, program: &str) -> Command {
    let mut command = Command::new(program);
    settings.environment.own_names().for_each(|name| {
        command.env_remove(name);
    });
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

fn missing(program: &str, error: &std::io::Error) -> CliError {
    CliError::new(Kind::Failed, format!("{program} cannot be run"))
        .caused_by(error)
        .hint("qd service install --print shows the file; qd relay --background needs no service")
}

/// `NAME=VALUE` lines.
fn systemd_state(printed: &str) -> State {
    let of = |name: &str| {
        let mut pairs = printed.lines().filter_map(|line| line.split_once('='));
        pairs.find(|(key, _)| *key == name).map_or("", |(_, value)| value)
    };
    let state = match (of("ActiveState"), of("SubState")) {
        ("", _) => "unknown".to_owned(),
        (active, "") => active.to_owned(),
        (active, sub) => format!("{active} ({sub})"),
    };
    State { state, pid: of("MainPID").parse().ok().filter(|pid| *pid != 0) }
}

/// A property list in the older form: `"PID" = 123;`.
fn launchd_state(printed: &str) -> State {
    let pid = printed.lines().find_map(|line| {
        let value = line.trim().strip_prefix("\"PID\" = ")?;
        value.trim_end_matches(';').parse().ok()
    });
    State { state: if pid.is_some() { "running" } else { "loaded" }.to_owned(), pid }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_managers_words_become_a_state() {
        let running = systemd_state("MainPID=42\nActiveState=active\nSubState=running\n");
        assert_eq!((running.state.as_str(), running.pid), ("active (running)", Some(42)));
        let stopped = systemd_state("MainPID=0\nActiveState=inactive\nSubState=dead\n");
        assert_eq!((stopped.state.as_str(), stopped.pid), ("inactive (dead)", None));
        assert_eq!(systemd_state("").state, "unknown");
        assert_eq!(launchd_state("{\n\t\"PID\" = 7;\n};\n").pid, Some(7));
        assert_eq!(launchd_state("{ };").state, "loaded");
    }
}
