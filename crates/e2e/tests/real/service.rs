//! The daemons as services, and sessions that come back after everything was ended. The service manager
//! is a script: it notes what it is asked, and starts and stops what the unit says.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use quarterdeck_e2e::{
    harness::{
        client::Way,
        files::until_changed,
        instance::{Instance, Ran},
        overview::Overview,
        tools,
    },
    processes,
};
use quarterdeck_protocol::{
    method::{RelayStatusResult, SessionListResult, SessionResult},
    session::{SessionInfo, SessionState},
};
use serde_json::Value;

const NOT_FOUND: i32 = 3;
const UNIT: &str = "config/systemd/user/qd-relay-default.service";

/// Enough of systemctl: it runs a unit's command, and ends only its main process.
pub(crate) const SYSTEMCTL: &str = r#"#!/bin/sh
echo "$*" >> "$HOME/asked"
shift
start() {
    line=$(sed -n 's/^ExecStart=//p' "$XDG_CONFIG_HOME/systemd/user/$1")
    (cd / && eval "exec setsid $line" > "$HOME/$1.log" 2>&1 < /dev/null & echo $! > "$HOME/$1.pid")
}
stop() { [ -e "$HOME/$1.pid" ] && kill "$(cat "$HOME/$1.pid")" 2> /dev/null; rm -f "$HOME/$1.pid"; }
case "$1" in
    restart) stop "$2"; start "$2" ;;
    disable) stop "$3" ;;
    show)
        if [ -e "$HOME/$2.pid" ]; then echo "MainPID=$(cat "$HOME/$2.pid")"; echo ActiveState=active
            echo SubState=running
        else echo ActiveState=inactive; echo SubState=dead; fi ;;
esac
exit 0
"#;

struct Machine {
    instance: Instance,
}

impl Machine {
    fn new() -> Self {
        let instance = Instance::new();
        let bin = instance.path("bin");
        fs::create_dir(&bin).expect("makes a directory");
        for (name, text) in [
            ("systemctl", SYSTEMCTL),
            ("journalctl", "#!/bin/sh\necho \"$*\" >> \"$HOME/asked\"\necho the log\n"),
        ] {
            fs::write(bin.join(name), text).expect("writes");
            let mode = fs::Permissions::from_mode(0o755);
            fs::set_permissions(bin.join(name), mode).expect("can be run");
        }
        Self { instance }
    }

    async fn qd(&self, words: &[&str]) -> Ran {
        let mut command = self.instance.command(words);
        let search = std::env::var("PATH").unwrap_or_default();
        let bin = self.instance.path("bin");
        command.env("PATH", format!("{}:{search}", bin.display())).env("USER", "nobody-at-all");
        Ran::of(command).await
    }

    fn asked(&self) -> String {
        fs::read_to_string(self.instance.path("asked")).unwrap_or_default()
    }

    fn unit(&self) -> PathBuf {
        self.instance.path(UNIT)
    }

    /// systemd itself reads a unit. It ends well whatever it has found, but says it.
    async fn systemd_finds_nothing_wrong(&self, unit: &Path) {
        let Some(systemd) = tools::require("systemd-analyze") else { return };
        let mut command = self.instance.program(&systemd);
        command.args(["--user", "--no-pager", "verify"]).arg(unit);
        command.env_clear().envs(self.instance.environment());
        let ran = Ran::of(command).await.ok();
        assert_eq!((ran.text().trim(), ran.stderr.trim()), ("", ""));
    }

    /// The relay that serves; an installed service has one.
    async fn relay(&self) -> RelayStatusResult {
        self.qd(&["status", "--json"]).await.ok().json()
    }

    async fn sessions(&self) -> Vec<SessionInfo> {
        let listed: SessionListResult = self.qd(&["ls", "--json"]).await.ok().json();
        listed.sessions
    }

    async fn run(&self, words: &[&str]) -> SessionInfo {
        let words = [&["run", "--detach", "--json"], words].concat();
        let created: SessionResult = self.qd(&words).await.ok().json();
        created.session
    }
}

#[tokio::test]
async fn a_service_is_installed_shown_read_and_removed() {
    let machine = Machine::new();
    let none = machine.qd(&["service", "status"]).await;
    assert_eq!(none.code(), Some(NOT_FOUND), "{none:?}");
    let printed = machine.qd(&["service", "install", "--print"]).await.ok().text();
    assert!(printed.contains("KillMode=process") && !machine.unit().exists(), "{printed}");
    let installed = machine.qd(&["service", "install"]).await.ok();
    assert!(installed.stderr.contains("loginctl enable-linger"), "{installed:?}");
    assert_eq!(fs::read_to_string(machine.unit()).expect("is written"), printed);
    machine.systemd_finds_nothing_wrong(&machine.unit()).await;
    for words in ["--user daemon-reload", "--user enable qd-relay", "--user restart qd-relay"] {
        assert!(machine.asked().contains(words), "{}", machine.asked());
    }
    let serves = machine.relay().await;
    let status: Value = machine.qd(&["service", "status", "--json"]).await.ok().json();
    assert_eq!(status["services"][0]["state"], "active (running)");
    assert_eq!(status["services"][0]["pid"], serves.pid);
    let logs = machine.qd(&["service", "logs", "-n", "5"]).await.ok();
    assert_eq!(logs.text(), "the log\n");
    assert!(machine.asked().contains("-u qd-relay-default.service -n 5"), "{}", machine.asked());
    let session = machine.run(&["--", "sleep", "9999"]).await;
    machine.qd(&["service", "uninstall"]).await.ok();
    assert!(!machine.unit().exists());
    // any command starts a relay again; what ran runs on
    let after = machine.sessions().await;
    assert_eq!((after[0].session, after[0].incarnation), (session.session, session.incarnation));
    assert!(after[0].state.is_live(), "{after:?}");
}

#[tokio::test]
async fn systemd_reads_the_units_of_a_strange_directory_and_of_the_hub() {
    let machine = Machine::new();
    let base = machine.instance.path("a b %n $HOME; \"quoted\" 'x'");
    let words = ["--base-dir", base.to_str().expect("is text"), "service", "install", "--print"];
    let words = [&words[..], &["--json", "--hub", "--", "--listen", "127.0.0.1:0"]].concat();
    let units: Vec<String> = machine.qd(&words).await.ok().json();
    for (text, name) in units.iter().zip(["qd-relay-default.service", "qd-hub-default.service"]) {
        let unit = machine.instance.path(name);
        fs::write(&unit, text).expect("writes");
        machine.systemd_finds_nothing_wrong(&unit).await;
    }
    // and it would have said what is wrong
    let broken = units[0].replace("KillMode=process", "KillMode=proces");
    let unit = machine.instance.path("broken.service");
    fs::write(&unit, broken).expect("writes");
    let Some(systemd) = tools::require("systemd-analyze") else { return };
    let mut command = machine.instance.program(&systemd);
    command.args(["--user", "verify"]).arg(&unit);
    command.env_clear().envs(machine.instance.environment());
    let said = Ran::of(command).await.stderr;
    assert!(said.contains("kill mode"), "{said}");
}

#[tokio::test]
async fn holders_survive_a_restart_of_the_service_and_a_relay_that_ran_before_it() {
    let machine = Machine::new();
    let session = machine.run(&["--label", "work", "--", "sleep", "9999"]).await;
    machine.qd(&["service", "install"]).await.ok();
    let first = machine.relay().await;
    machine.qd(&["service", "install"]).await.ok();
    assert_ne!(machine.relay().await.pid, first.pid);
    let after = machine.sessions().await.remove(0);
    assert_eq!((after.session, after.incarnation), (session.session, session.incarnation));
    assert!(after.state.is_live(), "{after:?}");
}

/// Waits until the relay has noted where a kept shell is.
async fn until_noted(machine: &Machine, session: &SessionInfo, place: &Path) {
    let directory = machine.instance.session_directory(session.session);
    until_changed(&directory, "the relay notes where the shell is", || {
        let text = fs::read_to_string(directory.join("meta.json")).expect("a session has one");
        let meta: Value = serde_json::from_str(&text).expect("is whole");
        (meta["last_cwd"] == place.to_str().expect("is text")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_kept_shell_starts_again_where_it_last_was_and_else_where_it_began() {
    let machine = Machine::new();
    let (first, second) = (machine.instance.path("first"), machine.instance.path("second"));
    fs::create_dir(&first).expect("makes a directory");
    fs::create_dir(&second).expect("makes a directory");
    let text = |path: &Path| path.to_str().expect("is text").to_owned();
    let cwd = ["--cwd", &text(&first)];
    let (stays, goes) = (
        machine.run(&[&["--keep", "--label", "stays"], &cwd[..]].concat()).await,
        machine.run(&[&["--keep", "--label", "goes"], &cwd[..]].concat()).await,
    );
    let gone = machine.instance.path("gone");
    fs::create_dir(&gone).expect("makes a directory");
    for (session, to) in [(&stays, &second), (&goes, &gone)] {
        let line = format!("cd {}", to.display());
        let words = ["send", session.label.as_str(), &line, "--enter", "--wait", "idle"];
        machine.qd(&words).await.ok();
        until_noted(&machine, session, to).await;
    }
    processes::kill_naming(machine.instance.home());
    fs::remove_dir(&gone).expect("is empty");

    // any command starts a relay again
    machine.sessions().await;
    let mut overview = Overview::start(&Way::unix(&machine.instance)).await;
    for (session, place) in [(&stays, &second), (&goes, &first)] {
        let again = |info: &SessionInfo| info.incarnation.0 == 2 && info.state.is_live();
        overview.until(session.session, "it runs again", again).await;
        let file = machine.instance.path(session.label.as_str());
        let line = format!("pwd > {}", file.display());
        let words = ["send", session.label.as_str(), &line, "--enter", "--wait", "idle"];
        machine.qd(&words).await.ok();
        let said = fs::read_to_string(&file).expect("it ran");
        assert_eq!(said.trim(), text(place), "{}", session.label);
    }
}

#[tokio::test]
async fn kept_sessions_are_there_again_after_everything_was_killed() {
    let machine = Machine::new();
    let project = machine.instance.path("project");
    fs::create_dir(&project).expect("makes a directory");
    let directory = project.to_str().expect("is text");
    machine.qd(&["service", "install"]).await.ok();
    let kept = machine.run(&["--keep", "--label", "kept", "--cwd", directory]).await;
    machine.run(&["--label", "gone", "--", "sleep", "9999"]).await;
    let stopped = machine.run(&["--keep", "--label", "ended", "--", "sleep", "9999"]).await;
    assert!(kept.keep && stopped.keep);
    let line = ["send", "kept", "echo before-the-end", "--enter", "--wait", "idle"];
    machine.qd(&line).await.ok();
    machine.qd(&["stop", "ended"]).await.ok();
    machine.qd(&["wait", "ended", "--for", "exit", "--timeout", "20s"]).await;

    processes::kill_naming(machine.instance.home());
    machine.qd(&["service", "install"]).await.ok();
    let mut overview = Overview::start(&Way::unix(&machine.instance)).await;
    let back = overview.until(kept.session, "it runs again", |info| {
        info.incarnation.0 == 2 && info.state.is_live()
    });
    let back = back.await;
    assert_eq!((back.cwd.as_str(), back.log_id), (directory, kept.log_id));
    let history = machine.qd(&["logs", "kept"]).await.ok().text();
    assert!(history.contains("before-the-end"), "the old scrollback: {history}");
    let sessions = machine.sessions().await;
    let state = |label: &str| {
        let found = sessions.iter().find(|info| info.label.as_str() == label);
        found.map(|info| info.state.clone()).expect("it is listed")
    };
    assert!(matches!(state("gone"), SessionState::Lost { .. }), "{:?}", state("gone"));
    assert!(!state("ended").is_live(), "somebody ended it: {:?}", state("ended"));
}

#[tokio::test]
async fn a_credential_of_the_service_manager_seals_the_keys_of_mail() {
    let credentials = tempfile::tempdir().expect("a directory");
    let sealed = Instance::new();
    sealed.set("CREDENTIALS_DIRECTORY", &credentials.path().display().to_string());
    let stored = |word: &[u8]| {
        let files = fs::read_dir(sealed.directory()).expect("is readable");
        let files = files.map(|it| it.expect("an entry").path()).filter(|it| it.is_file());
        let bytes = files.map(|it| fs::read(it).expect("is readable"));
        bytes.filter(|bytes| processes::contains(bytes, word)).count()
    };
    let address = async || sealed.qd(["msg", "whoami"]).await.ok().text();
    let relay = sealed.start_relay(&[]).await;
    let before = address().await;
    assert_eq!(stored(b"signing_key"), 1, "there was no credential");
    relay.kill().await;

    let file = credentials.path().join("quarterdeck.mail-key");
    fs::write(&file, [7; 32]).expect("writes");
    let relay = sealed.start_relay(&[]).await;
    assert_eq!(address().await, before);
    assert_eq!(stored(b"signing_key"), 0);
    sealed.qd(["run", "--detach", "--label", "env", "--", "env"]).await.ok();
    sealed.qd(["wait", "env", "--for", "exit"]).await.ok();
    let shown = sealed.qd(["logs", "env"]).await.ok().text();
    assert!(shown.contains("QD_SESSION"), "{shown}");
    assert!(!shown.contains("CREDENTIALS_DIRECTORY"), "{shown}");
    relay.kill().await;

    fs::remove_file(&file).expect("is removed");
    let refused = sealed.try_start_relay(&[]).await.expect_err("the key is not there");
    assert!(refused.stderr.contains("quarterdeck.mail-key"), "{refused:?}");
    fs::write(&file, [7; 31]).expect("writes");
    let refused = sealed.try_start_relay(&[]).await.expect_err("this is no key");
    assert!(refused.stderr.contains("exactly 32 bytes"), "{refused:?}");
}
