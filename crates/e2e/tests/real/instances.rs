//! Several instances on one machine: each owns its directory, one relay lives in it, all are found.

use std::{fs, process::Stdio};

use quarterdeck_e2e::harness::{
    instance::{Instance, Ran},
    ordinary_or_long,
    terminal::Terminal,
    within,
};
use quarterdeck_protocol::method::{
    InstanceInfo, InstanceListResult, InstanceState, RelayStatusResult,
};
use rustix::process::Signal;

/// Exit code of a start where another relay runs.
const ALREADY_RUNNING: i32 = 8;
/// Exit code of words that cannot be meant.
const USAGE: i32 = 2;

async fn listed(instance: &Instance, words: &[&str]) -> Vec<InstanceInfo> {
    let words = ["instances", "--json"].iter().chain(words);
    let ran = instance.qd(words).await.ok();
    let listed: InstanceListResult = serde_json::from_slice(&ran.stdout).expect("is a list");
    listed.instances
}

#[tokio::test]
async fn of_fifty_that_start_one_instance_one_wins_and_the_others_say_who() {
    let instance = Instance::new();
    for round in 0..ordinary_or_long(2, 200) {
        let start = |_| {
            let mut command = instance.command(["relay", "--json"]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().expect("starts")
        };
        let mut started: Vec<_> = (0..50).map(start).collect();
        let mut losers = Vec::new();
        // the winner serves until it is killed, so it is the one that is left
        while started.len() > 1 {
            let waits = started.iter_mut().map(|child| Box::pin(child.wait()));
            let any = futures_util::future::select_all(waits);
            let (status, index, _) = within("one of the losers ends", any).await;
            assert_eq!(status.expect("is a child").code(), Some(ALREADY_RUNNING), "round {round}");
            losers.push(started.swap_remove(index));
        }
        let mut winner = started.pop().expect("one is left");
        let pid = winner.id().expect("it runs");
        for loser in losers {
            let output = loser.wait_with_output().await.expect("is readable");
            let words = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(words.contains(&pid.to_string()), "names the winner's pid {pid}: {words}");
        }
        assert_eq!(listed(&instance, &[]).await[0].pid, Some(pid));
        winner.kill().await.expect("is killed");
    }
    let ended = listed(&instance, &[]).await;
    assert_eq!(ended[0].state, InstanceState::Stopped, "a killed relay's record is not believed");
}

#[tokio::test]
async fn two_instances_never_see_each_others_sessions() {
    let instance = Instance::new();
    let run = |name: &'static str, label: &'static str| {
        instance.qd([
            "--instance",
            name,
            "run",
            "--detach",
            "--label",
            label,
            "--",
            "sleep",
            "9999",
        ])
    };
    run("one", "mine").await.ok();
    run("two", "yours").await.ok();
    for (name, own, other) in [("one", "mine", "yours"), ("two", "yours", "mine")] {
        let seen = instance.qd(["--instance", name, "ls"]).await.ok().text();
        assert!(seen.contains(own) && !seen.contains(other), "{name}: {seen}");
        let reached = instance.qd(["--instance", name, "stop", other]).await;
        assert_eq!(reached.code(), Some(3), "{reached:?}");
    }
    let all = listed(&instance, &[]).await;
    let names: Vec<_> = all.iter().map(|it| (it.name.as_str(), it.sessions)).collect();
    assert_eq!(names, [("one", 1), ("two", 1)]);
    for name in ["one", "two"] {
        instance.qd(["--instance", name, "down"]).await.ok();
    }
    let all = listed(&instance, &[]).await;
    assert!(all.iter().all(|it| it.state == InstanceState::Stopped && it.sessions == 1), "{all:?}");
}

#[tokio::test]
async fn instances_of_other_base_directories_are_found_and_one_that_was_deleted_is_forgotten() {
    let instance = Instance::new();
    let elsewhere = instance.path("elsewhere");
    let base = elsewhere.to_str().expect("is text");
    instance.qd(["--base-dir", base, "relay", "--background"]).await.ok();
    let relay = instance.start_relay(&["--listen", "127.0.0.1:0"]).await;
    let all = listed(&instance, &[]).await;
    assert_eq!(all.len(), 2, "{all:?}");
    let (other, own) = (&all[0], &all[1]);
    assert_eq!((other.base_dir.as_str(), &other.state), (base, &InstanceState::Running));
    assert_eq!(own.port, Some(relay.address().port()));
    assert_eq!(own.host.as_deref(), Some("127.0.0.1"));
    assert_eq!(own.id, Some(relay.status.relay_id));
    assert_eq!(own.cwd.as_deref(), instance.home().to_str());
    assert_eq!(other.cwd.as_deref(), instance.home().to_str(), "where its starter was");
    instance.qd(["--base-dir", base, "down"]).await.ok();
    fs::remove_dir_all(&elsewhere).expect("is deleted");
    assert_eq!(listed(&instance, &[]).await.len(), 1);
}

#[tokio::test]
async fn announcements_that_cannot_be_written_stop_no_relay() {
    let instance = Instance::new();
    fs::create_dir_all(instance.path(".local/state/quarterdeck")).expect("is made");
    fs::write(instance.path(".local/state/quarterdeck/instances"), "in the way").expect("writes");
    let relay = instance.start_relay(&[]).await;
    assert_eq!(listed(&instance, &[]).await[0].pid, Some(relay.pid()));
    assert!(relay.diagnostics().contains("will not find this instance"));
}

/// What a name that is none is answered: nothing is started, nothing is made.
async fn refused(instance: &Instance, name: &str) -> Ran {
    let ran = instance.qd(["--instance", name, "run", "--detach", "--", "true"]).await;
    assert_eq!(ran.code(), Some(USAGE), "{name:?}: {ran:?}");
    assert!(listed(instance, &[]).await.is_empty(), "{name:?} is no instance");
    ran
}

#[tokio::test]
async fn a_blank_name_never_falls_back_to_the_shared_root() {
    let instance = Instance::new();
    for name in ["", "  ", "!!!", "..", "/", "\u{1b}[2J"] {
        let ran = refused(&instance, name).await;
        assert!(!ran.stderr.contains('\u{1b}'), "{:?}", ran.stderr);
    }
}

#[tokio::test]
async fn names_that_look_alike_are_never_mapped_to_one_directory() {
    let instance = Instance::new();
    for name in ["My App", "my app", "MY-APP", "my?app"] {
        let ran = refused(&instance, name).await;
        assert!(ran.stderr.contains("--instance my-app"), "the hint is the spelling: {ran:?}");
    }
    instance.qd(["--instance", "my-app", "run", "--detach", "--", "true"]).await.ok();
    instance.qd(["--instance", "my_app", "run", "--detach", "--", "true"]).await.ok();
    assert_eq!(listed(&instance, &[]).await.len(), 2);
}

#[tokio::test]
async fn a_second_start_is_told_who_runs_and_a_client_is_connected_to_it() {
    let instance = Instance::new();
    let relay = instance.start_relay(&["--listen", "127.0.0.1:0"]).await;
    let second = instance.qd(["relay"]).await;
    assert_eq!(second.code(), Some(ALREADY_RUNNING), "{second:?}");
    let (pid, address) = (relay.pid().to_string(), relay.address().to_string());
    assert!(second.stderr.contains(&pid) && second.stderr.contains(&address), "{second:?}");
    // where a client was meant, it is one
    instance.qd(["run", "--detach", "--", "sleep", "9999"]).await.ok();
    assert_eq!(listed(&instance, &[]).await[0].sessions, 1);
}

#[tokio::test]
async fn a_record_of_a_newer_version_or_a_damaged_one_is_shown_and_not_deleted() {
    let instance = Instance::new();
    let directory = instance.state().join("instances/newer");
    fs::create_dir_all(&directory).expect("is made");
    let record = directory.join("relay.json");
    for text in [r#"{"schema":99,"pids":[1]}"#, "{", "\0\0"] {
        fs::write(&record, text).expect("writes");
        let all = listed(&instance, &[]).await;
        assert!(matches!(all[0].state, InstanceState::Unknown { .. }), "{all:?}");
        assert_eq!(fs::read_to_string(&record).expect("is there"), text);
    }
    // an older program does not stand in the way of a newer relay's directory either
    let shown = instance.qd(["instances"]).await.ok().text();
    assert!(shown.contains("newer") && shown.contains("damaged"), "{shown}");
}

#[tokio::test]
async fn who_is_suspended_keeps_its_lock_and_nobody_else_becomes_owner() {
    let instance = Instance::new();
    let relay = instance.start_relay(&[]).await;
    relay.signal(Signal::STOP);
    let refused = instance.try_start_relay(&[]).await.expect_err("one relay at a time");
    assert_eq!(refused.code(), Some(ALREADY_RUNNING), "{refused:?}");
    assert_eq!(listed(&instance, &[]).await[0].pid, Some(relay.pid()));
    relay.signal(Signal::CONT);
    instance.qd(["run", "--detach", "--", "sleep", "9999"]).await.ok();
    assert_eq!(listed(&instance, &[]).await[0].sessions, 1);
}

#[tokio::test]
async fn a_reused_pid_does_not_make_a_dead_instance_live() {
    let instance = Instance::new();
    let relay = instance.start_relay(&[]).await;
    relay.kill().await;
    let record = instance.directory().join("relay.json");
    let mut text: serde_json::Value =
        serde_json::from_slice(&fs::read(&record).expect("was left")).expect("is JSON");
    text["pid"] = std::process::id().into();
    fs::write(&record, text.to_string()).expect("writes");
    let all = listed(&instance, &[]).await;
    assert_eq!((&all[0].state, all[0].pid), (&InstanceState::Stopped, None));
    // and it is no obstacle
    let relay = instance.start_relay(&[]).await;
    assert_eq!(listed(&instance, &[]).await[0].pid, Some(relay.pid()));
}

#[tokio::test]
async fn a_port_that_is_asked_for_is_bound_or_the_start_fails_and_a_free_one_is_told() {
    let instance = Instance::new();
    let first = instance.start_relay(&["--listen", "127.0.0.1:0"]).await;
    let taken = first.address().to_string();
    let second = instance.qd(["--instance", "two", "relay", "--listen", &taken]).await;
    assert_ne!(second.code(), Some(0));
    assert!(second.stderr.contains(&taken), "{second:?}");
    assert_ne!(first.address().port(), 0, "the port that was bound is told");
}

#[tokio::test]
async fn an_instance_is_chosen_by_flag_before_environment_before_default() {
    let instance = Instance::new();
    let created = |words: &[&str], variable: Option<(&str, String)>| {
        let mut command = instance.command(words);
        command.envs(variable);
        Ran::of(command)
    };
    let start = ["run", "--detach", "--", "true"];
    created(&start, None).await.ok();
    created(&start, Some(("QD_INSTANCE", "exported".into()))).await.ok();
    let flagged = ["--instance", "flagged", "run", "--detach", "--", "true"];
    created(&flagged, Some(("QD_INSTANCE", "exported-too".into()))).await.ok();
    let home = instance.path("other-home").display().to_string();
    created(&start, Some(("QD_HOME", home.clone()))).await.ok();
    let base = instance.path("base").display().to_string();
    let based = ["--base-dir", &base, "run", "--detach", "--", "true"];
    created(&based, Some(("QD_HOME", home.clone()))).await.ok();
    let mut found: Vec<_> = listed(&instance, &[])
        .await
        .into_iter()
        .map(|it| (it.base_dir.rsplit('/').next().unwrap_or_default().to_owned(), it.name))
        .collect();
    found.sort();
    let expected = [
        ("base", "default"),
        ("other-home", "default"),
        ("state", "default"),
        ("state", "exported"),
        ("state", "flagged"),
    ];
    assert_eq!(found, expected.map(|(base, name)| (base.to_owned(), name.to_owned())));
}

#[tokio::test]
async fn a_relay_that_replaces_another_has_its_address_its_sessions_and_its_clients() {
    let instance = Instance::new();
    let before = instance.start_relay(&["--listen", "127.0.0.1:0"]).await;
    instance.qd(["run", "--detach", "--label", "cat", "--", "cat"]).await.ok();
    let mut terminal = Terminal::qd(&instance, &["attach", "cat"]);
    terminal.type_keys(b"one\r").await;
    terminal.until_text("one\none").await;
    let ran = instance.qd(["relay", "--replace", "--background", "--json"]).await.ok();
    let after: RelayStatusResult = serde_json::from_slice(&ran.stdout).expect("is a status");
    assert_ne!(after.pid, before.pid());
    assert_eq!(after.listening, before.status.listening);
    assert!(after.generation > before.status.generation);
    // what is typed while it was away, or after, arrives once and is seen
    terminal.type_keys(b"two\r").await;
    terminal.until_text("two\ntwo").await;
    terminal.type_keys(b"\x1dd").await;
    assert!(terminal.until_ended().await.success());
    // and a second time: the flags are handed on
    let ran = instance.qd(["relay", "--replace", "--background", "--json"]).await.ok();
    let third: RelayStatusResult = serde_json::from_slice(&ran.stdout).expect("is a status");
    assert_eq!(third.listening, after.listening);
    assert_eq!(listed(&instance, &[]).await[0].sessions, 1);
}

#[tokio::test]
async fn replacing_where_none_runs_is_a_start() {
    let instance = Instance::new();
    instance.qd(["relay", "--replace", "--background"]).await.ok();
    assert_eq!(listed(&instance, &[]).await[0].state, InstanceState::Running);
}
