//! What a session's program sees of its surroundings, and what nobody sees of them.

use std::{
    fs::{self, File},
    os::unix::net::UnixListener,
};

use quarterdeck_e2e::{
    harness::{
        client::{Way, watching},
        files::until_file,
        instance::{Instance, Ran, program_binary, qd_binary},
        terminal::Terminal,
        within,
    },
    processes::{self, contains},
};
use quarterdeck_protocol::{
    method::{AttachRole, RelayStatusResult, SessionListResult, SessionResult, TokenSecret},
    session::SessionState,
};

#[tokio::test]
async fn a_program_knows_its_session_and_no_holder_knows_a_secret() {
    let instance = Instance::new();
    let made = instance.qd(["relay", "--background"]).await;
    made.ok();
    let words = ["token", "create", "script", "--scope", "read", "--json"];
    let TokenSecret { token, .. } = instance.qd(words).await.ok().json();
    let file = instance.path("env");
    let (program, env) = (program_binary(), format!("env:{}", file.display()));
    let mut run = instance.command(["run", "--detach", "--json", "--env", "GIVEN=by-name-1234"]);
    run.arg("--").arg(program).args([env.as_str(), "wait"]);
    run.env("QD_TOKEN", &token).env("SECRET_OF_A_CLIENT", "hidden-5678");
    let created: SessionResult = Ran::of(run).await.ok().json();
    let session = created.session.session;
    let seen = until_file(&file, |bytes| contains(bytes, b"argv: ")).await;
    let seen = String::from_utf8(seen).expect("is text");
    let own = format!("QD_SESSION={session}");
    assert!(seen.lines().any(|line| line == own), "{seen}");
    assert!(seen.lines().any(|line| line == "GIVEN=by-name-1234"), "{seen}");
    assert!(!seen.contains("QD_TOKEN") && !seen.contains(&token), "{seen}");

    let directory = instance.session_directory(session);
    let holders = processes::naming(&directory.join("lock"));
    assert_eq!(holders.len(), 1, "{holders:?}");
    for file in ["environ", "cmdline"] {
        let public = fs::read(format!("/proc/{}/{file}", holders[0])).expect("is readable");
        for secret in [token.as_str(), "hidden-5678", "by-name-1234"] {
            assert!(!contains(&public, secret.as_bytes()), "{file} of the holder has {secret}");
        }
    }
}

#[tokio::test]
async fn the_agent_socket_of_a_session_is_one_path_that_follows_its_owner() {
    let instance = Instance::new();
    let _relay = instance.start_relay(&[]).await;
    let agent = |name: &str| {
        let path = instance.path(name);
        (UnixListener::bind(&path).expect("listens"), path)
    };
    let ((_first, at_first), (_second, at_second)) = (agent("first"), agent("second"));
    let file = instance.path("env");
    let env = format!("env:{}", file.display());
    let mut run = instance.command(["run", "--detach", "--json", "--"]);
    run.arg(program_binary()).args([env.as_str(), "wait"]).env("SSH_AUTH_SOCK", &at_first);
    let created: SessionResult = Ran::of(run).await.ok().json();
    let session = created.session.session;
    let link = instance.session_directory(session).join("agent.sock");
    let seen = until_file(&file, |bytes| contains(bytes, b"argv: ")).await;
    let seen = String::from_utf8(seen).expect("is text");
    let wanted = format!("SSH_AUTH_SOCK={}", link.display());
    assert!(seen.lines().any(|line| line == wanted), "{seen}");
    let target = || fs::read_link(&link).expect("is a link");
    assert_eq!(target(), fs::canonicalize(&at_first).expect("is there"));

    let mut params = watching(&session.to_string(), AttachRole::Follow);
    params.ssh_auth_sock = Some(at_second.display().to_string());
    let way = Way::unix(&instance);
    let _follower = way.connect("follower").await.attach(&params).await;
    assert_eq!(
        target(),
        fs::canonicalize(&at_first).expect("is there"),
        "a follower's is not used"
    );
    params.role = AttachRole::Auto;
    let owner = way.connect("owner").await.attach(&params).await;
    assert!(owner.owns());
    assert_eq!(target(), fs::canonicalize(&at_second).expect("is there"));
}

#[tokio::test]
async fn a_session_is_not_shown_inside_itself() {
    let instance = Instance::new();
    let words = ["run", "--label", "mirror", "--env", "PS1=ready> ", "--", "/bin/sh"];
    let mut terminal = Terminal::qd_sized(&instance, &words, (120, 30));
    terminal.until_text("ready>").await;
    let qd = qd_binary().display();
    terminal.type_keys(format!("{qd} attach mirror; echo code=$?\r").as_bytes()).await;
    terminal.until_text("\ncode=2").await;
    assert!(terminal.text().contains("runs inside session"), "{}", terminal.text());
    assert!(terminal.text().contains("attach from another terminal"), "{}", terminal.text());
    // also where the marker is gone: the relay knows the process
    terminal.type_keys(b"clear\r").await;
    terminal.until("a clean screen", |it| !it.text().contains("code=2")).await;
    let words = format!("env -u QD_SESSION {qd} attach mirror; echo code=$?\r");
    terminal.type_keys(words.as_bytes()).await;
    terminal.until_text("\ncode=2").await;
    assert!(terminal.text().contains("attach a session to itself"), "{}", terminal.text());
    assert!(terminal.text().contains("outside the session"), "{}", terminal.text());
}

#[tokio::test]
async fn a_relay_that_is_started_inside_a_session_outlives_it() {
    let instance = Instance::new();
    let relay = instance.start_relay(&[]).await;
    let (gate, out) = (instance.path("gate"), instance.path("out"));
    let made = std::process::Command::new("mkfifo").arg(&gate).status();
    assert!(made.is_ok_and(|status| status.success()));
    let script = format!(
        "cat '{}' >/dev/null; '{}' run --detach --label inner -- /bin/cat >'{}' 2>&1; exec cat",
        gate.display(),
        qd_binary().display(),
        out.display()
    );
    let words = ["run", "--detach", "--label", "outer", "--", "/bin/sh", "-c", &script];
    instance.qd(words).await.ok();
    relay.kill().await;
    let opened = tokio::task::spawn_blocking(move || File::create(gate));
    drop(within("the session waits at the gate", opened).await);
    let said = until_file(&out, |bytes| bytes.ends_with(b"\n")).await;
    assert!(said.starts_with(b"inner s_"), "{}", said.escape_ascii());

    let status: RelayStatusResult = instance.qd(["status", "--json"]).await.ok().json();
    instance.qd(["stop", "--now", "outer"]).await.ok();
    assert_eq!(instance.qd(["wait", "outer", "--for", "exit"]).await.code(), Some(137));
    let after: RelayStatusResult = instance.qd(["status", "--json"]).await.ok().json();
    assert_eq!((after.pid, after.generation), (status.pid, status.generation));
    let list: SessionListResult = instance.qd(["ls", "--json"]).await.ok().json();
    let inner = list.sessions.iter().find(|info| info.label.to_string() == "inner");
    assert_eq!(inner.map(|info| &info.state), Some(&SessionState::Running));
}
