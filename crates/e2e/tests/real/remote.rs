//! The same commands from another machine: over TLS with a pin, and over ssh. The other machine is another
//! home with a base directory of its own.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use pty_process::blocking;
use quarterdeck_e2e::{
    harness::{
        client::Way,
        instance::{Instance, Ran, Relay, qd_binary},
        terminal::Terminal,
        tools,
    },
    pty::USUAL_SIZE,
};
use quarterdeck_protocol::{
    method::SessionListResult,
    scope::{Scope, Scopes},
};

/// Writes a file that only its owner reads.
fn write_private(path: &Path, text: &str) {
    fs::write(path, text).expect("writes");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("protects");
}

/// A relay with TLS, a token for it in a file of another home, and the flags that lead there.
struct Stage {
    here: Instance,
    url: String,
    pin: String,
    token: String,
    relay: Relay,
    there: Instance,
}

impl Stage {
    async fn set() -> Self {
        let (here, there) = (Instance::new(), Instance::new());
        let relay = there.start_relay(&["--listen", "127.0.0.1:0"]).await;
        let token = Way::unix(&there).connect("admin").await.token("ada", Scopes::ALL).await;
        let file = here.path("token");
        write_private(&file, &token);
        let pin = relay.status.pin.clone().expect("a relay with TLS has a pin");
        let url = format!("wss://{}", relay.address());
        Self { here, url, pin, token: file.display().to_string(), relay, there }
    }
    fn flags(&self) -> Vec<&str> {
        vec!["--url", &self.url, "--pin", &self.pin, "--token-file", &self.token]
    }
    async fn qd(&self, words: &[&str]) -> Ran {
        self.here.qd([&self.flags()[..], words].concat()).await
    }
}

#[tokio::test]
async fn a_session_elsewhere_is_run_seen_and_attached_over_tls() {
    let stage = Stage::set().await;
    stage.qd(&["run", "--detach", "--label", "far", "--", "/bin/sh"]).await.ok();
    let list: SessionListResult = stage.qd(&["ls", "--json"]).await.ok().json();
    assert_eq!(list.sessions.len(), 1);
    assert_eq!(list.sessions[0].cwd, stage.there.home().display().to_string(), "it starts at home");
    let words = [&stage.flags()[..], &["attach", "far"]].concat();
    let mut terminal = Terminal::qd(&stage.here, &words);
    terminal.until_text("#").await;
    terminal.type_keys(b"echo $((6*7))\r").await;
    terminal.until_text("\n42").await;
    terminal.type_keys(b"\x1dd").await;
    assert!(terminal.until_ended().await.success());
    // nothing was started or kept on this side
    assert!(!stage.here.directory().join("sessions").exists());
    drop(stage.relay);
}

#[tokio::test]
async fn a_wrong_pin_and_a_wrong_token_say_what_to_do() {
    let stage = Stage::set().await;
    let wrong = format!("sha256:{}", "A".repeat(43));
    let words = ["--url", &stage.url, "--pin", &wrong, "--token-file", &stage.token, "ls"];
    let refused = stage.here.qd(words).await;
    assert!(!refused.status.success());
    assert!(refused.stderr.contains(&stage.pin), "names the key that was seen: {refused:?}");
    assert!(refused.stderr.contains("hint"), "{refused:?}");
    // without a pin the relay's own certificate is nobody's
    let words = ["--url", &stage.url, "--token-file", &stage.token, "ls"];
    let refused = stage.here.qd(words).await;
    assert!(!refused.status.success());
    assert!(refused.stderr.contains("--pin"), "says what to give: {refused:?}");
    let bad = stage.here.path("bad-token");
    write_private(&bad, &format!("qdt_{}", "A".repeat(43)));
    let bad = bad.display().to_string();
    let words = ["--url", &stage.url, "--pin", &stage.pin, "--token-file", &bad, "--json", "ls"];
    let refused = stage.here.qd(words).await;
    assert_eq!(refused.code(), Some(6), "{refused:?}");
    assert!(refused.stderr.contains("hints"), "{refused:?}");
    let words = ["--url", &stage.url, "--pin", &stage.pin, "--token-file", "/nonexistent", "ls"];
    let refused = stage.here.qd(words).await;
    assert!(refused.stderr.contains("/nonexistent"), "{refused:?}");
}

#[tokio::test]
async fn a_token_that_may_only_look_is_told_what_it_lacks() {
    let stage = Stage::set().await;
    let admin = Way::unix(&stage.there).connect("admin").await;
    let looker = admin.token("looker", [Scope::Read].into_iter().collect()).await;
    write_private(Path::new(&stage.token), &looker);
    stage.qd(&["ls"]).await.ok();
    let refused = stage.qd(&["run", "--detach", "--", "/bin/cat"]).await;
    assert_eq!(refused.code(), Some(6), "{refused:?}");
    assert!(refused.stderr.contains("create"), "names the scope: {refused:?}");
}

#[tokio::test]
async fn plain_text_is_not_served_off_loopback_by_accident() {
    let instance = Instance::new();
    let relay = instance.start_relay(&["--listen", "0.0.0.0:0"]).await;
    assert!(relay.status.pin.is_some());
    assert!(
        relay.status.listening.iter().all(|url| !url.starts_with("ws://")),
        "{:?}",
        relay.status
    );
}

/// A directory with a program called `ssh`, before everything else in `PATH`.
pub(crate) fn with_ssh(instance: &Instance, script: &str) -> String {
    let directory = instance.path("bin");
    fs::create_dir_all(&directory).expect("makes the directory");
    let ssh = directory.join("ssh");
    fs::write(&ssh, script).expect("writes the script");
    fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).expect("makes it a program");
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{}:{path}", directory.display())
}

/// The environment in which a command of the other machine runs.
pub(crate) fn remote_environment(there: &Instance) -> String {
    let binaries = qd_binary().parent().expect("is in a directory").display();
    let set = |(name, value): (&str, String)| match name {
        "PATH" => format!("PATH={binaries}:/usr/bin:/bin"),
        _ => format!("{name}={value}"),
    };
    there.environment().into_iter().map(set).collect::<Vec<_>>().join(" ")
}

/// `qd` with another `PATH`.
pub(crate) async fn qd_with(instance: &Instance, path: &str, words: &[&str]) -> Ran {
    let mut command = instance.command(words);
    command.env("PATH", path);
    Ran::of(command).await
}

#[tokio::test]
async fn over_ssh_a_relay_is_started_where_none_runs_and_reached() {
    let (here, there) = (Instance::new(), Instance::new());
    // what ssh does: its options, `--`, the destination, and the rest to the user's shell over there
    let script = format!(
        "#!/bin/sh\nwhile [ \"$1\" != -- ]; do shift; done\nshift 2\nexec env -i {} /bin/sh -c \"$*\"\n",
        remote_environment(&there)
    );
    let path = with_ssh(&here, &script);
    let url = ["--url", "ssh://elsewhere"];
    let run = ["run", "--detach", "--label", "far", "--", "/bin/cat"];
    qd_with(&here, &path, &[&url[..], &run].concat()).await.ok();
    let ls = qd_with(&here, &path, &[&url[..], &["ls"]].concat()).await.ok();
    assert!(ls.text().contains("far"), "{}", ls.text());
    let there_ls = there.qd(["ls"]).await.ok();
    assert!(there_ls.text().contains("far"), "it is that machine's session: {}", there_ls.text());
}

#[tokio::test]
async fn an_ssh_that_fails_is_quoted_and_hinted() {
    let here = Instance::new();
    let path = with_ssh(&here, "#!/bin/sh\necho 'Permission denied (publickey).' >&2\nexit 255\n");
    let refused = qd_with(&here, &path, &["--url", "ssh://elsewhere", "ls"]).await;
    assert_eq!(refused.code(), Some(7), "{refused:?}");
    assert!(refused.stderr.contains("Permission denied (publickey)"), "{refused:?}");
    let path = with_ssh(&here, "#!/bin/sh\necho 'sh: qd: not found' >&2\nexit 127\n");
    let refused = qd_with(&here, &path, &["--url", "ssh://elsewhere", "ls"]).await;
    assert!(refused.stderr.contains("hint"), "says that qd is missing over there: {refused:?}");
}

/// A real ssh server, one process per connection and without a port: ssh talks to it as to a proxy.
fn real_ssh(here: &Instance, there: &Instance) -> Option<String> {
    let (Some(ssh), Some(_), Some(server)) = (
        tools::require("ssh"),
        tools::require("ssh-keygen"),
        Some(PathBuf::from("/usr/sbin/sshd")).filter(|path| path.is_file()),
    ) else {
        tools::not_checked("openssh-server is not installed; scripts/test.sh installs it");
        return None;
    };
    if !rustix::process::getuid().is_root() {
        tools::not_checked("an ssh server of our own needs root");
        return None;
    }
    // where it puts its child that may do nothing; made by the service otherwise
    fs::create_dir_all("/run/sshd").expect("root may");
    let directory = here.path("ssh");
    fs::create_dir(&directory).expect("makes the directory");
    for key in ["host", "user"] {
        let mut keygen = std::process::Command::new("ssh-keygen");
        let made = keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(directory.join(key));
        assert!(made.status().expect("runs").success());
    }
    let at = |name: &str| directory.join(name).display().to_string();
    let environment = remote_environment(there);
    write_private(
        &directory.join("server"),
        &format!(
            "HostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n\
             PasswordAuthentication no\nSetEnv {environment}\n",
            at("host"),
            at("user.pub"),
        ),
    );
    let known = fs::read_to_string(directory.join("host.pub")).expect("was made");
    fs::write(directory.join("known"), format!("elsewhere {known}")).expect("writes");
    write_private(
        &directory.join("client"),
        &format!(
            "Host *\n IdentityFile {}\n IdentitiesOnly yes\n UserKnownHostsFile {}\n \
             GlobalKnownHostsFile /dev/null\n HostKeyAlias elsewhere\n User root\n \
             ProxyCommand {} -i -f {}\n",
            at("user"),
            at("known"),
            server.display(),
            at("server"),
        ),
    );
    let script = format!("#!/bin/sh\nexec {} -F {} \"$@\"\n", ssh.display(), at("client"));
    Some(with_ssh(here, &script))
}

#[tokio::test]
async fn over_a_real_ssh_a_session_is_run_attached_and_survives_the_link() {
    let (here, there) = (Instance::new(), Instance::new());
    let Some(path) = real_ssh(&here, &there) else { return };
    let url = ["--url", "ssh://localhost"];
    let run = ["run", "--detach", "--label", "far", "--", "/bin/sh"];
    qd_with(&here, &path, &[&url[..], &run].concat()).await.ok();
    let attach = || {
        let words = [&url[..], &["attach", "far"]].concat();
        let command = blocking::Command::new("/usr/bin/env");
        let command = command.arg(format!("PATH={path}")).arg(qd_binary()).args(words);
        Terminal::start(&here, command, USUAL_SIZE)
    };
    let mut terminal = attach();
    terminal.until_text("#").await;
    terminal.type_keys(b"echo $((6*7))\r").await;
    terminal.until_text("\n42").await;
    // the terminal and its link go without a word
    drop(terminal);
    let mut again = attach();
    again.until_text("\n42").await;
    let there_ls = there.qd(["ls"]).await.ok();
    assert!(there_ls.text().contains("far"), "{}", there_ls.text());
}
