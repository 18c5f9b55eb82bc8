//! The holder's own scope: a control group in which it outlives the service, or the login, that its
//! relay runs in. Asked of the user's service manager, where there is one.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use quarterdeck_protocol::ids::SessionId;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::retry_on_intr,
    process::{Pid, PidfdFlags},
};

use crate::{launch::Surroundings, survival};

/// How long the service manager may take; a session starts without a scope rather than late.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it is looked whether the service manager has done it: nothing announces that.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// Why a holder stays in its relay's control group.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScopeError {
    #[error("busctl cannot be run: {0}")]
    Busctl(io::Error),
    #[error("the service manager refused a scope of its own (busctl ended with {0})")]
    Refused(i32),
    #[error("the service manager did not answer in time")]
    Silent,
}

/// Moves this process into a scope of its own, where that makes it live longer. In it is room for a
/// group of the program's own.
pub(crate) fn enter(
    session: SessionId,
    surroundings: &Surroundings,
) -> Result<Option<ProgramGroup>, ScopeError> {
    let Some(runtime) = &surroundings.runtime_directory else { return Ok(None) };
    if !survival::report(surroundings).scope_helps() {
        return Ok(None);
    }
    let deadline = Instant::now() + PATIENCE;
    let scope = name(session);
    move_into(&scope, runtime, &surroundings.busctl, deadline)?;
    Ok(ProgramGroup::create(&scope))
}

/// A control group below the holder's scope with the program and all that it starts, so that they can
/// be killed at one stroke: a process that forks faster than it is found cannot get away.
#[derive(Debug)]
pub(crate) struct ProgramGroup(PathBuf);

impl ProgramGroup {
    /// Needs the unified hierarchy, in its usual place or beside the older one.
    fn create(scope: &str) -> Option<Self> {
        let cgroups = fs::read_to_string("/proc/self/cgroup").ok()?;
        let own = cgroups.lines().find_map(|line| line.strip_prefix("0::/"))?;
        if !own.ends_with(scope) {
            return None;
        }
        let mounts = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
        let scopes = mounts.into_iter().map(|mount| Path::new(mount).join(own));
        let scope = scopes.into_iter().find(|scope| scope.join("cgroup.kill").exists())?;
        let group = Self(scope.join("program"));
        fs::create_dir(&group.0).ok()?;
        Some(group)
    }

    /// Moves the program in. What it has started before that is found through its ancestors.
    pub(crate) fn adopt(&self, program: Pid) -> io::Result<()> {
        fs::write(self.0.join("cgroup.procs"), program.as_raw_nonzero().to_string())
    }

    /// Kills everything in it.
    pub(crate) fn kill(&self) -> io::Result<()> {
        fs::write(self.0.join("cgroup.kill"), "1")
    }
}

impl Drop for ProgramGroup {
    /// Fails while something is left in it; the service manager removes it with the scope.
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

fn move_into(
    scope: &str,
    runtime: &Path,
    busctl: &Path,
    deadline: Instant,
) -> Result<(), ScopeError> {
    let mut asked = ask(scope, runtime, busctl).map_err(ScopeError::Busctl)?;
    let code = ended_by(&mut asked, deadline)?;
    if code != 0 {
        return Err(ScopeError::Refused(code));
    }
    // the answer means that the job is queued; the move comes a moment later
    while !is_in(scope) {
        if Instant::now() >= deadline {
            return Err(ScopeError::Silent);
        }
        thread::sleep(LOOK_AGAIN);
    }
    Ok(())
}

/// Unit name of a session's scope.
fn name(session: SessionId) -> String {
    format!("qd-{session}.scope")
}

/// Nothing in this command line is a secret: every user of the machine can read it.
fn ask(scope: &str, runtime: &Path, busctl: &Path) -> io::Result<Child> {
    let pid = std::process::id().to_string();
    let call = ["--user", "--quiet", "call", "org.freedesktop.systemd1"];
    let method = ["/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"];
    let description = "A Quarterdeck session";
    Command::new(busctl)
        .args(call)
        .args(method)
        .args(["StartTransientUnit", "ssa(sv)a(sa(sv))", scope, "fail", "4"])
        .args(["PIDs", "au", "1", &pid])
        .args(["Description", "s", description])
        .args(["CollectMode", "s", "inactive-or-failed"])
        .args(["Delegate", "b", "true"])
        .arg("0")
        .env_clear()
        .env("XDG_RUNTIME_DIR", runtime)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

/// The exit code of `child`, which is ended when it takes too long.
fn ended_by(child: &mut Child, deadline: Instant) -> Result<i32, ScopeError> {
    let status = wait_until(child, deadline).map_err(ScopeError::Busctl)?;
    let Some(status) = status else {
        // it is collected below, whether or not the signal still found it
        let _ = child.kill();
        let _ = child.wait();
        return Err(ScopeError::Silent);
    };
    Ok(status.code().unwrap_or(-1))
}

fn wait_until(child: &mut Child, deadline: Instant) -> io::Result<Option<ExitStatus>> {
    let ended = rustix::process::pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    let left = deadline.saturating_duration_since(Instant::now());
    let left = Timespec::try_from(left).map_err(|_| io::ErrorKind::InvalidInput)?;
    retry_on_intr(|| poll(&mut [PollFd::new(&ended, PollFlags::IN)], Some(&left)))?;
    child.try_wait()
}

fn is_in(scope: &str) -> bool {
    let cgroups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    cgroups.lines().any(|line| line.ends_with(scope))
}

#[cfg(test)]
mod tests {
    use super::*;
    /// A service manager that is a shell script; `{0}` in it is its directory.
    fn ask_fake(script: &str, patience: Duration) -> (Result<(), ScopeError>, tempfile::TempDir) {
        let directory = tempfile::tempdir().expect("a directory");
        let busctl = directory.path().join("busctl");
        let script = script.replace("{0}", &directory.path().to_string_lossy());
        // written by another process: while this one has it open, a test that forks keeps it busy
        let write = "printf '#!/bin/sh\n%s\n' \"$1\" > \"$2\" && chmod 700 \"$2\"";
        let mut shell = Command::new("sh");
        let written = shell.args(["-c", write, "sh", &script]).arg(&busctl).status();
        assert!(written.is_ok_and(|status| status.success()));
        let scope = name(SessionId::from_bytes([0xab; 10]));
        let deadline = Instant::now() + patience;
        (move_into(&scope, directory.path(), &busctl, deadline), directory)
    }

    #[test]
    fn the_service_manager_is_asked_for_one_scope_with_this_process() {
        let record = "for word; do echo \"$word\"; done >{0}/asked; env >{0}/env";
        let (moved, directory) = ask_fake(record, Duration::from_millis(500));
        // this one only says that it did
        assert!(matches!(moved, Err(ScopeError::Silent)), "{moved:?}");
        let asked = fs::read_to_string(directory.path().join("asked")).expect("it was asked");
        let own = std::process::id().to_string();
        let expected = [
            "--user",
            "--quiet",
            "call",
            "org.freedesktop.systemd1",
            "/org/freedesktop/systemd1",
            "org.freedesktop.systemd1.Manager",
            "StartTransientUnit",
            "ssa(sv)a(sa(sv))",
            "qd-s_abababababababababab.scope",
            "fail",
            "4",
            "PIDs",
            "au",
            "1",
            &own,
            "Description",
            "s",
            "A Quarterdeck session",
            "CollectMode",
            "s",
            "inactive-or-failed",
            "Delegate",
            "b",
            "true",
            "0",
        ];
        assert_eq!(asked.lines().collect::<Vec<_>>(), expected);
        let env = fs::read_to_string(directory.path().join("env")).expect("its environment");
        assert!(env.contains(&format!("XDG_RUNTIME_DIR={}", directory.path().display())), "{env}");
    }

    #[test]
    fn a_refusal_and_a_silence_are_told_apart_and_neither_takes_long() {
        let (refused, _directory) = ask_fake("exit 3", PATIENCE);
        assert!(matches!(refused, Err(ScopeError::Refused(3))), "{refused:?}");
        let (silent, _directory) = ask_fake("exec sleep 1000", Duration::from_millis(50));
        assert!(matches!(silent, Err(ScopeError::Silent)), "{silent:?}");
        let nobody = move_into("x.scope", Path::new("/"), Path::new("/no/busctl"), Instant::now());
        assert!(matches!(nobody, Err(ScopeError::Busctl(_))), "{nobody:?}");
    }
}
