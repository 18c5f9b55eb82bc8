//! What a session would survive on this machine, and what a holder can do about it. Facts are read,
//! never guessed; what cannot be read is said to be unknown.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::launch::Surroundings;

/// Something that ends processes of a user by the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The user's last login session ends.
    Logout,
    /// The service that the relay runs in is stopped or restarted.
    ServiceStop,
    /// The container is stopped.
    ContainerStop,
}

/// What becomes of sessions at an [`Event`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// They go on.
    Survive,
    /// They end.
    End {
        /// What ends them, and what would help.
        why: String,
    },
    /// The event cannot happen here.
    NotHere,
    /// It cannot be told from here.
    Unknown {
        /// What could not be read.
        why: String,
    },
}

/// A setting of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// It is on.
    On,
    /// It is off.
    Off,
    /// It cannot be read, or nobody has set it and its default differs between distributions.
    Unknown,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survival {
    /// The control group of this process, as the service manager sees it.
    pub cgroup: String,
    /// The user's own service manager can be asked for a scope.
    pub user_manager: Setting,
    /// The user's service manager goes on after the last logout.
    pub linger: Setting,
    /// Processes of a login session are killed at its end.
    pub kill_at_logout: Setting,
    /// What kind of container this is, if it is one.
    pub container: Option<String>,
}

/// Looks at the machine as it is for this process.
#[must_use]
pub fn report(surroundings: &Surroundings) -> Survival {
    report_below(Path::new("/"), rustix::process::getuid().as_raw(), surroundings)
}

pub(crate) fn report_below(root: &Path, uid: u32, surroundings: &Surroundings) -> Survival {
    let runtime = surroundings.runtime_directory.as_deref();
    let offered = runtime.is_some_and(|runtime| runtime.join("systemd/private").exists());
    Survival {
        cgroup: cgroup(root),
        user_manager: if offered { Setting::On } else { Setting::Off },
        linger: linger(root, uid),
        kill_at_logout: kill_at_logout(root),
        container: container(root),
    }
}

impl Survival {
    /// Whether a holder gains by a scope of its own under the user's service manager: that manager,
    /// and everything below it, ends at the last logout unless the user lingers. A process in a login
    /// session may well live longer than that.
    #[must_use]
    pub fn scope_helps(&self) -> bool {
        let below_manager = self.cgroup.split('/').any(is_user_manager);
        self.user_manager == Setting::On && (self.linger == Setting::On || below_manager)
    }

    /// What becomes of sessions that are started now.
    #[must_use]
    pub fn at(&self, event: Event) -> Verdict {
        match event {
            Event::Logout => self.at_logout(),
            Event::ServiceStop => self.at_service_stop(),
            Event::ContainerStop => match &self.container {
                Some(kind) => end(format!("everything in this container ({kind}) ends with it")),
                None => Verdict::NotHere,
            },
        }
    }

    fn at_logout(&self) -> Verdict {
        let in_manager = self.scope_helps() || self.cgroup.split('/').any(is_user_manager);
        if in_manager {
            let hint = "the user's service manager ends at the last logout; \
                        `loginctl enable-linger` keeps it";
            return match self.linger {
                Setting::On => Verdict::Survive,
                Setting::Off => end(hint.to_owned()),
                Setting::Unknown => unknown("whether this user lingers"),
            };
        }
        if !self.cgroup.contains("/session-") {
            return Verdict::Survive;
        }
        let hint = "logind kills what a login session leaves (KillUserProcesses); \
                    `loginctl enable-linger` and a relay as a user service help";
        match self.kill_at_logout {
            Setting::On => end(hint.to_owned()),
            Setting::Off => Verdict::Survive,
            Setting::Unknown => unknown("KillUserProcesses of logind"),
        }
    }

    fn at_service_stop(&self) -> Verdict {
        let is_service = |unit: &&str| unit.ends_with(".service") && !is_user_manager(unit);
        let Some(service) = self.cgroup.split('/').rfind(is_service) else {
            return Verdict::NotHere;
        };
        if self.scope_helps() {
            return Verdict::Survive;
        }
        end(format!(
            "stopping {service} kills its whole control group; \
             KillMode=process in the unit, or a relay as a user service, helps"
        ))
    }
}

fn is_user_manager(unit: &str) -> bool {
    unit.starts_with("user@") && unit.ends_with(".service")
}

fn end(why: String) -> Verdict {
    Verdict::End { why }
}

fn unknown(what: &str) -> Verdict {
    Verdict::Unknown { why: format!("{what} cannot be read") }
}

/// The path in the unified hierarchy, or in the one that systemd kept for itself before there was one.
fn cgroup(root: &Path) -> String {
    let lines = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let path = |name: &str| {
        let of = |line: &str| line.split_once(name).map(|(_, path)| path.to_owned());
        lines.lines().find_map(of)
    };
    let unified = path("0::").filter(|path| path != "/");
    unified.or_else(|| path(":name=systemd:")).unwrap_or_else(|| "/".to_owned())
}

fn linger(root: &Path, uid: u32) -> Setting {
    let Some(name) = user_name(root, uid) else { return Setting::Unknown };
    match fs::exists(root.join("var/lib/systemd/linger").join(name)) {
        Ok(true) => Setting::On,
        Ok(false) => Setting::Off,
        Err(_) => Setting::Unknown,
    }
}

/// As logind knows the user, else as the local user file does.
fn user_name(root: &Path, uid: u32) -> Option<String> {
    let known = fs::read_to_string(root.join(format!("run/systemd/users/{uid}")));
    let logind = known.unwrap_or_default();
    let by_logind = logind.lines().find_map(|line| line.strip_prefix("NAME="));
    if let Some(name) = by_logind {
        return Some(name.to_owned());
    }
    let users = fs::read_to_string(root.join("etc/passwd")).ok()?;
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

/// The last `KillUserProcesses=` of logind's configuration, in the order in which logind reads it.
fn kill_at_logout(root: &Path) -> Setting {
    let mut files = vec![root.join("etc/systemd/logind.conf")];
    for directory in
        ["usr/lib/systemd/logind.conf.d", "run/systemd/logind.conf.d", "etc/systemd/logind.conf.d"]
    {
        let mut parts = list(&root.join(directory));
        parts.sort();
        files.extend(parts);
    }
    let mut settings = files.iter().filter_map(|file| {
        let text = fs::read_to_string(file).ok()?;
        let mut values =
            text.lines().filter_map(|line| line.trim().strip_prefix("KillUserProcesses="));
        values.next_back().map(|value| value.trim().to_ascii_lowercase())
    });
    match settings.next_back().as_deref() {
        Some("yes" | "true" | "on" | "1") => Setting::On,
        Some("no" | "false" | "off" | "0") => Setting::Off,
        Some(_) | None => Setting::Unknown,
    }
}

fn list(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect()
}

fn container(root: &Path) -> Option<String> {
    if let Ok(kind) = fs::read_to_string(root.join("run/systemd/container")) {
        return Some(kind.trim().to_owned());
    }
    let marks = [(".dockerenv", "docker"), ("run/.containerenv", "podman")];
    let found = marks.into_iter().find(|(file, _)| root.join(file).exists());
    found.map(|(_, kind)| kind.to_owned())
}

#[cfg(test)]
mod tests;
