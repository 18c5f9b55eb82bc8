//! What would end sessions other than their own programs: a logout, the end of a service, the end of a
//! container.

use std::path::Path;

use super::Check;
use crate::config::Environment;

/// The facts that decide it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Facts {
    /// The user's service manager can be asked for scopes.
    user_manager: bool,
    /// Its sessions stay after the last logout.
    linger: bool,
    /// logind ends all processes of a user who logs out.
    kills_at_logout: bool,
    /// systemd runs this machine.
    systemd: bool,
    /// This is a container.
    container: bool,
    /// `busctl` is there to ask the service manager with.
    busctl: bool,
}

/// Looks and judges.
pub(super) fn checks(environment: &Environment) -> Vec<Check> {
    judge(&look(environment))
}

fn look(environment: &Environment) -> Facts {
    let exists = |path: &str| Path::new(path).exists();
    let user = environment.text("USER").or_else(|| environment.text("LOGNAME"));
    let runtime = environment.var("XDG_RUNTIME_DIR").map(Path::new);
    let logind = std::fs::read_to_string("/etc/systemd/logind.conf").unwrap_or_default();
    Facts {
        user_manager: runtime.is_some_and(|runtime| runtime.join("systemd/private").exists()),
        linger: user.is_some_and(|user| Path::new("/var/lib/systemd/linger").join(user).exists()),
        kills_at_logout: logind.lines().any(|line| line.trim() == "KillUserProcesses=yes"),
        systemd: exists("/run/systemd/system"),
        container: exists("/.dockerenv") || exists("/run/.containerenv"),
        busctl: environment.var("PATH").is_some_and(|path| {
            std::env::split_paths(path).any(|directory| directory.join("busctl").exists())
        }),
    }
}

fn judge(facts: &Facts) -> Vec<Check> {
    let mut checks = vec![scope(facts)];
    checks.push(logout(facts));
    if facts.container {
        checks.push(Check::warn(
            "container",
            "this is one: sessions end with it",
            "keep it running; logs outlive it if the base directory is on a volume",
        ));
    }
    checks
}

/// Whether a session outlives the service that started its relay.
fn scope(facts: &Facts) -> Check {
    const NAME: &str = "own scope";
    match facts {
        Facts { systemd: false, .. } => {
            Check::ok(NAME, "no systemd here: nothing ends a session with its relay")
        }
        Facts { user_manager: true, busctl: true, .. } => {
            Check::ok(NAME, "each session gets one from the user's service manager")
        }
        Facts { user_manager: true, busctl: false, .. } => Check::warn(
            NAME,
            "busctl is missing: sessions stay in their relay's control group",
            "install systemd's tools, or do not run the relay as a service",
        ),
        Facts { user_manager: false, .. } => Check::warn(
            NAME,
            "no user service manager here: sessions stay in their relay's control group",
            "log in by a way that starts one (ssh, console), or: loginctl enable-linger",
        ),
    }
}

/// Whether a session outlives a logout.
fn logout(facts: &Facts) -> Check {
    const NAME: &str = "logout";
    match facts {
        Facts { systemd: false, .. } => Check::ok(NAME, "no systemd here: sessions live on"),
        Facts { linger: true, .. } => Check::ok(NAME, "sessions live on (linger is on)"),
        Facts { user_manager: true, .. } => Check::warn(
            NAME,
            "sessions in scopes of the user's service manager end with the last logout",
            "loginctl enable-linger",
        ),
        Facts { kills_at_logout: true, .. } => Check::warn(
            NAME,
            "KillUserProcesses=yes: sessions end at logout",
            "loginctl enable-linger",
        ),
        Facts { .. } => Check::ok(NAME, "sessions live on"),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Level, *};

    const DESKTOP: Facts = Facts {
        user_manager: true,
        linger: true,
        kills_at_logout: false,
        systemd: true,
        container: false,
        busctl: true,
    };

    fn levels(facts: &Facts) -> Vec<(&'static str, Level)> {
        judge(facts).into_iter().map(|check| (check.name, check.level)).collect()
    }

    #[test]
    fn with_linger_and_a_service_manager_everything_survives() {
        assert_eq!(levels(&DESKTOP), [("own scope", Level::Ok), ("logout", Level::Ok)]);
    }

    #[test]
    fn without_linger_a_logout_is_warned_of() {
        let facts = Facts { linger: false, ..DESKTOP };
        assert_eq!(levels(&facts)[1], ("logout", Level::Warn));
        let facts = Facts { user_manager: false, kills_at_logout: true, ..facts };
        assert_eq!(levels(&facts), [("own scope", Level::Warn), ("logout", Level::Warn)]);
    }

    #[test]
    fn a_container_is_said() {
        let facts = Facts {
            container: true,
            systemd: false,
            user_manager: false,
            linger: false,
            ..DESKTOP
        };
        assert_eq!(levels(&facts).last(), Some(&("container", Level::Warn)));
    }
}
