//! Viewers that are killed, many, or replay what was asked long ago.

use std::time::Duration;

use quarterdeck_e2e::{
    harness::{
        canary::Canary,
        client::{Way, recording, watching},
        files::{WholeLog, until_file},
        instance::{Instance, program_binary},
        ordinary_or_long,
        steady::Steady,
        terminal::Terminal,
    },
    processes::{self, resident_bytes},
    streams::{KnownStream, StreamKind, mix},
};
use quarterdeck_protocol::{
    method::{AttachRole, Empty, RelayStatus},
    record::RecordKind,
};
use rustix::process::Signal;

/// The command line of the test program with these steps.
fn program(steps: &[&str]) -> Vec<String> {
    let program = program_binary().display().to_string();
    std::iter::once(program).chain(steps.iter().map(|step| (*step).to_owned())).collect()
}

#[tokio::test]
async fn a_killed_terminal_leaves_a_session_that_the_next_one_goes_on_with() {
    let instance = Instance::new();
    let _relay = instance.start_relay(&[]).await;
    let local = Way::unix(&instance);
    let mut canary = Canary::start(&local).await;
    let file = instance.path("typed");
    let record = format!("record:{}", file.display());
    let words = program(&["raw", &record, "print:ready", "wait"]);
    let session = local.connect("starter").await.create(words).await.session.to_string();
    let typed = KnownStream::new(StreamKind::Typed, 5);
    let mut expected = 0;
    for round in 0..ordinary_or_long(5, 50) {
        let mut terminal = Terminal::qd(&instance, &["attach", &session, "--take"]);
        terminal.until_text("ready").await;
        let from = until_file(&file, |_| true).await.len() as u64;
        assert!(from <= expected, "nothing is typed twice");
        let keys = typed.bytes(from..from + 16 * (1 + mix(round) % 40));
        terminal.type_keys(&keys).await;
        // killed with some of it on the way
        let some = from + mix(round + 50) % keys.len() as u64;
        until_file(&file, |bytes| bytes.len() as u64 >= some).await;
        processes::signal(terminal.id(), Signal::KILL).expect("runs");
        assert!(!terminal.until_ended().await.success());
        expected = from + keys.len() as u64;
        canary.sings().await;
        let seen = std::fs::read(&file).expect("reads");
        typed.verify(0, &seen).expect("what arrived is a beginning of what was typed");
    }
    let _ = terminal_is_usable(&instance, &session).await;
}

/// Attaches once more and leaves as one should.
async fn terminal_is_usable(instance: &Instance, session: &str) -> String {
    let mut terminal = Terminal::qd(instance, &["attach", session, "--take"]);
    terminal.until_text("ready").await;
    terminal.type_keys(b"\x1dd").await;
    assert!(terminal.until_ended().await.success());
    terminal.text()
}

#[tokio::test]
async fn old_questions_are_not_answered_again_by_whoever_comes_later() {
    let instance = Instance::new();
    let _relay = instance.start_relay(&[]).await;
    let file = instance.path("typed");
    let record = format!("record:{}", file.display());
    // who are you, where is the cursor, which colour, which version; one of them in disguise
    let questions = "print:\\e[c\\e[6n\\e]11;?\\e\\\\\\e[>q\\e\\x00[c\\eP$qm\\e\\\\asked";
    let go = instance.path("go");
    rustix::fs::mkfifoat(rustix::fs::CWD, &go, rustix::fs::Mode::from(0o600)).expect("a fifo");
    let gate = format!("gate:{}", go.display());
    let words = program(&["raw", &record, "print:ready", &gate, questions, "wait"]);
    let local = Way::unix(&instance);
    let session = local.connect("starter").await.create(words).await.session.to_string();
    let mut owner = Terminal::qd(&instance, &["attach", &session]);
    owner.until_text("ready").await;
    std::fs::OpenOptions::new().write(true).open(&go).expect("the program waits at the gate");
    owner.until_text("asked").await;
    // the owner's terminal answers for everyone, once; a key typed behind its answers closes them off
    owner.type_keys(b"~").await;
    let first = until_file(&file, |bytes| bytes.ends_with(b"~")).await;
    assert!(first.windows(4).any(|it| it == b"\x1bP>|"), "answers: {}", first.escape_ascii());
    owner.type_keys(b"\x1dd").await;
    owner.until_ended().await;
    for role in [AttachRole::Take, AttachRole::Follow] {
        let flag = if role == AttachRole::Take { "--take" } else { "--follow" };
        let mut again = Terminal::qd(&instance, &["attach", &session, flag]);
        again.until_text("asked").await;
        again.type_keys(b"\x1dd").await;
        again.until_ended().await;
    }
    // a mark behind whatever might have been typed
    let mut last = local.connect("last").await.attach(&watching(&session, AttachRole::Take)).await;
    last.type_applied(b"<end>").await;
    let all = until_file(&file, |bytes| bytes.ends_with(b"<end>")).await;
    let rest = all.strip_prefix(&first[..]).expect("the first answers stand first");
    assert_eq!(rest.escape_ascii().to_string(), "<end>", "nothing was answered again");
}

#[tokio::test]
async fn what_a_program_asks_while_its_owner_arrives_is_answered_once() {
    let instance = Instance::new();
    let _relay = instance.start_relay(&[]).await;
    for round in 0..ordinary_or_long(8, 200) {
        let file = instance.path(&format!("typed-{round}"));
        let record = format!("record:{}", file.display());
        let words = program(&["raw", &record, "print:\\e[casked", "wait"]);
        let argv = ["run", "--"].into_iter().chain(words.iter().map(String::as_str));
        let mut owner = Terminal::qd(&instance, &argv.collect::<Vec<_>>());
        owner.until_text("asked").await;
        // by the owner's terminal or, where the question came before it, by the relay's model
        until_file(&file, |bytes| bytes.ends_with(b"c")).await;
        owner.type_keys(b"~").await;
        let typed = until_file(&file, |bytes| bytes.ends_with(b"~")).await;
        let answers = typed.windows(3).filter(|it| it == b"\x1b[?").count();
        assert_eq!(answers, 1, "round {round}: {}", typed.escape_ascii());
        owner.type_keys(b"\x1dd").await;
        owner.until_ended().await;
    }
}

#[tokio::test]
async fn thousands_of_attaches_leave_nothing_behind() {
    let instance = Instance::new();
    let relay = instance.start_relay(&[]).await;
    let local = Way::unix(&instance);
    let mut canary = Canary::start(&local).await;
    let words = program(&["raw", "emit:lines:1:200000", "wait"]);
    let session = local.connect("starter").await.create(words).await.session.to_string();
    let mut first = local.connect("first").await.attach(&recording(&session, None)).await;
    first.until("all of it", |it| it.out.0 == 200_000).await;
    // what the first ones need is there for good: pools, tables, threads
    let settled_after = 100;
    let mut before = 0;
    let attaches = ordinary_or_long(1_000, 10_000);
    let peer = local.connect("again").await;
    let mut attachment = peer.attach(&watching(&session, AttachRole::Follow)).await;
    for number in 0..attaches {
        // half of them on one connection, half on a new one that is dropped without a word
        let peer = if number % 2 == 0 { attachment.peer } else { local.connect("new").await };
        attachment = peer.attach(&watching(&session, AttachRole::Follow)).await;
        attachment.until("the screen", |it| it.snapshots > 0).await;
        if number == settled_after {
            before = resident_bytes(relay.pid());
        }
        if number % 200 == 0 {
            canary.sings().await;
        }
    }
    canary.sings().await;
    drop(attachment);
    let looker = local.connect("looker").await;
    let gone = async {
        while looker.call::<RelayStatus>(&Empty {}).await.clients > 3 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.expect("closed links are gone");
    let grown = resident_bytes(relay.pid()).saturating_sub(before);
    assert!(grown < 4 << 20, "the relay has grown by {grown} bytes over {attaches} attaches");
    let log = WholeLog::read(&instance.session_directory(&session));
    assert!(log.count(RecordKind::Lease) < 10, "followers leave no record");
}

#[tokio::test]
async fn twenty_viewers_of_a_flood_see_the_same_end() {
    let instance = Instance::new();
    let _relay = instance.start_relay(&[]).await;
    let local = Way::unix(&instance);
    let mut canary = Canary::start(&local).await;
    let bytes = ordinary_or_long(20_000_000, 60_000_000);
    let emit = format!("emit:lines:3:{bytes}");
    let words = program(&["raw", "line", &emit, "print:the-end", "wait"]);
    let session = local.connect("starter").await.create(words).await.session.to_string();
    let mut viewers = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let mut viewer =
            local.connect("v").await.attach(&watching(&session, AttachRole::Follow)).await;
        viewers.spawn(async move {
            viewer.until_text("the-end").await;
            viewer.out
        });
    }
    let mut owner = local.connect("o").await.attach(&watching(&session, AttachRole::Take)).await;
    owner.try_type(b"\n").await.expect("types");
    owner.until_text("the-end").await;
    canary.sings().await;
    let ends = tokio::time::timeout(Duration::from_secs(60), viewers.join_all()).await;
    let ends = ends.expect("all viewers see the end");
    assert!(ends.iter().all(|out| out.0 >= bytes), "{ends:?}");
}

#[tokio::test]
async fn what_qd_logs_prints_is_what_the_program_wrote() {
    let instance = Instance::new();
    let _relay = instance.start_relay(&[]).await;
    let peer = Way::unix(&instance).connect("starter").await;
    let steady = Steady::start(&instance, &peer, 61, 2_000_000).await;
    let mut watcher = peer.attach(&recording(&steady.session, None)).await;
    watcher.until("a million", |it| it.out.0 > 1_000_000).await;
    instance.qd(["stop", &steady.session, "--now"]).await.ok();
    instance.qd(["wait", &steady.session, "--for", "exit"]).await;
    let raw = instance.qd(["logs", &steady.session, "--raw"]).await.ok();
    let total = steady.check_log(watcher.out);
    assert_eq!(raw.stdout.len() as u64, total);
    steady.emits.verify(0, &raw.stdout).expect("every byte, in order");
}
