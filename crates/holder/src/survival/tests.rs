use super::*;

const UID: u32 = 1000;

/// A machine made of files.
struct Machine(tempfile::TempDir);

impl Machine {
    fn new(cgroup: &str) -> Self {
        let machine = Self(tempfile::tempdir().expect("a directory"));
        machine.with("proc/self/cgroup", &format!("0::{cgroup}\n"))
    }
    fn with(self, file: &str, text: &str) -> Self {
        let path = self.0.path().join(file);
        fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
        fs::write(path, text).expect("written");
        self
    }
    fn user(self) -> Self {
        self.with("etc/passwd", "root:x:0:0::/:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\n")
    }
    fn manager(self) -> Self {
        self.with("run/user/1000/systemd/private", "")
    }
    fn survival(&self) -> Survival {
        let runtime_directory = Some(self.0.path().join("run/user/1000"));
        let surroundings = Surroundings { runtime_directory, ..Surroundings::default() };
        report_below(self.0.path(), UID, &surroundings)
    }
    fn check(&self, event: Event, expected: &str) {
        let verdict = self.survival().at(event);
        let found = match &verdict {
            Verdict::Survive => "survive",
            Verdict::End { .. } => "end",
            Verdict::NotHere => "not here",
            Verdict::Unknown { .. } => "unknown",
        };
        assert_eq!(found, expected, "{verdict:?} of {:?}", self.survival());
    }
}

const LOGIN: &str = "/user.slice/user-1000.slice/session-3.scope";
const USER_SERVICE: &str =
    "/user.slice/user-1000.slice/user@1000.service/app.slice/quarterdeck.service";
const SYSTEM_SERVICE: &str = "/system.slice/quarterdeck.service";

#[test]
fn a_login_session_ends_what_it_started_only_where_logind_is_told_to() {
    let conf = "etc/systemd/logind.conf";
    let login = || Machine::new(LOGIN).user();
    login().check(Event::Logout, "unknown");
    login().with(conf, "[Login]\n#KillUserProcesses=yes\n").check(Event::Logout, "unknown");
    login().with(conf, "[Login]\nKillUserProcesses=no\n").check(Event::Logout, "survive");
    let killed = login().with(conf, "[Login]\nKillUserProcesses=no\n");
    let killed =
        killed.with("etc/systemd/logind.conf.d/9.conf", "[Login]\nKillUserProcesses=yes\n");
    killed.check(Event::Logout, "end");
    killed.check(Event::ServiceStop, "not here");
}

#[test]
fn a_lingering_user_loses_nothing_at_logout() {
    let machine = || Machine::new(USER_SERVICE).user().manager();
    machine().check(Event::Logout, "end");
    let lingering = machine().with("var/lib/systemd/linger/ada", "");
    lingering.check(Event::Logout, "survive");
    // the name may be known to logind only
    let directory = Machine::new(USER_SERVICE).manager();
    directory.check(Event::Logout, "unknown");
    let directory = directory.with("run/systemd/users/1000", "NAME=eve\nSTATE=active\n");
    directory.with("var/lib/systemd/linger/eve", "").check(Event::Logout, "survive");
}

#[test]
fn a_scope_of_its_own_is_asked_for_only_where_it_lives_longer() {
    let helps = |machine: Machine| machine.survival().scope_helps();
    assert!(helps(Machine::new(USER_SERVICE).user().manager()));
    assert!(!helps(Machine::new(USER_SERVICE).user()), "there is nobody to ask");
    // the manager ends at the logout; a login session's processes may not
    assert!(!helps(Machine::new(LOGIN).user().manager()));
    let lingering = Machine::new(LOGIN).user().manager();
    assert!(helps(lingering.with("var/lib/systemd/linger/ada", "")));
}

#[test]
fn a_service_stop_ends_what_is_in_its_group() {
    Machine::new(SYSTEM_SERVICE).user().check(Event::ServiceStop, "end");
    Machine::new(USER_SERVICE).user().check(Event::ServiceStop, "end");
    Machine::new(USER_SERVICE).user().manager().check(Event::ServiceStop, "survive");
    Machine::new(SYSTEM_SERVICE).user().check(Event::Logout, "survive");
}

#[test]
fn a_container_ends_what_is_in_it() {
    Machine::new("/").check(Event::ContainerStop, "not here");
    Machine::new("/").with(".dockerenv", "").check(Event::ContainerStop, "end");
    let named = Machine::new("/").with("run/systemd/container", "lxc\n").survival();
    assert_eq!(named.container.as_deref(), Some("lxc"));
}
