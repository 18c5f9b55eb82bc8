//! Agents that somebody started outside Quarterdeck: real `qd mcp` processes, their labels and their mail.

use quarterdeck_e2e::{
    harness::{
        agent::{self, Watcher},
        client::{Peer, Way},
        files::{WholeLog, until_file},
        instance::{Instance, Relay, qd_binary},
        look_again,
        mcp::McpAgent,
        ordinary_or_long,
        terminal::Terminal,
        within,
    },
    streams::mix,
};
use quarterdeck_protocol::{
    error::ErrorCode,
    mail::{MAIL_TOPIC, MailNote},
    method::{
        Empty, MailClaim, MailClaimAgain, MailClaimParams, MailClaimResult, MailIdentityParams,
        MailLeave, MailSend, MailSendParams, MailStatus, MailStatusParams, MailWhoami, SessionList,
        SessionResult, SpeakerKind,
    },
    record::{Note, RecordKind},
};
use quarterdeck_transport::CallError;
use rustix::process::Signal;
use serde_json::json;

/// Processes that claim labels at once.
const CLAIMERS: usize = 50;

/// A relay that starts the scripted agent as `claude`.
async fn scene() -> (Instance, Relay, Peer) {
    let instance = Instance::new();
    instance.configure(&agent::configuration(&instance));
    let relay = instance.start_relay(&[]).await;
    let peer = Way::unix(&instance).connect("person").await;
    (instance, relay, peer)
}

fn to(session: &str, body: &str) -> MailSendParams {
    MailSendParams {
        to_session: Some(session.parse().expect("a label")),
        body: body.to_owned(),
        ..MailSendParams::default()
    }
}

async fn labels(peer: &Peer) -> Vec<(String, SpeakerKind)> {
    let told = peer.call::<MailWhoami>(&MailIdentityParams::default()).await;
    told.sessions.into_iter().map(|it| (it.label.to_string(), it.kind)).collect()
}

async fn until_labels(peer: &Peer, expected: &[(&str, SpeakerKind)]) {
    let expected: Vec<_> = expected.iter().map(|(label, kind)| ((*label).into(), *kind)).collect();
    within(&format!("the labels are {expected:?}"), async {
        while labels(peer).await != expected {
            look_again().await;
        }
    })
    .await;
}

/// How far what a person sent came.
async fn state(peer: &Peer, id: &str) -> String {
    let params = MailStatusParams { id: Some(id.to_owned()), identity: None };
    peer.call::<MailStatus>(&params).await.jobs[0].state.state.clone()
}

async fn until_ready(terminal: &mut Terminal) {
    terminal.type_keys(b"echo shell-$((1+1))-runs\r").await;
    terminal.until_text("shell-2-runs").await;
}

#[tokio::test]
async fn agents_outside_have_labels_of_their_own_and_write_to_each_other_and_to_sessions() {
    let (instance, _relay, peer) = scene().await;
    let session = agent::start(&peer).await;
    let mut watcher = Watcher::start(&Way::unix(&instance), &session).await;
    let mut claude = McpAgent::start(&instance, "claude-code").await;
    let mut codex = McpAgent::start(&instance, "codex-mcp-client").await;
    let mut other = McpAgent::start(&instance, "../..").await;
    assert_eq!(claude.label().await, "claude:2", "claude:1 is the session");
    assert_eq!(codex.label().await, "codex:1");
    assert_eq!(other.label().await, "agent:1");
    let listed = [
        ("agent:1", SpeakerKind::Outside),
        ("claude:1", SpeakerKind::Agent),
        ("claude:2", SpeakerKind::Outside),
        ("codex:1", SpeakerKind::Outside),
    ];
    until_labels(&peer, &listed).await;

    let asked = json!({ "to_session": "claude:2", "body": "is it done?" });
    codex.done("send", asked).await;
    assert_eq!(claude.inbox().await, ["is it done?"]);
    assert_eq!(claude.inbox().await, Vec::<String>::new(), "it is read");
    assert_eq!(other.inbox().await, Vec::<String>::new(), "it is somebody else's");
    claude.done("reply", json!({ "in_reply_to": "#1", "body": "it is" })).await;
    let reply = codex.done("await_reply", json!({ "timeout_seconds": 20 })).await;
    assert_eq!(reply["reply"]["text"], "it is");
    assert_eq!(reply["reply"]["from_session"], "claude:2");

    // a session of ours gets it as a message to its agent, and answers from its label
    let qd = qd_binary().display().to_string();
    // what stands behind the semicolon the scripted agent does
    let question = format!("and you?;sh {qd} msg reply '#3' from-a-session");
    let ask = json!({ "to_session": "claude:1", "body": question, "timeout_seconds": 30 });
    let answer = claude.done("send_and_wait", ask).await;
    assert_eq!(answer["reply"]["text"], "from-a-session", "{answer}");
    watcher.turns(1).await;

    let sent = peer.call::<MailSend>(&to("codex:1", "from a person")).await;
    assert_eq!(state(&peer, &sent.id).await, "sent");
    let shown = instance.qd(["msg", "inbox", "codex:1", "--peek"]).await.ok().text();
    assert!(shown.contains("held: inbox") && shown.contains("from a person"), "{shown}");
    assert_eq!(codex.inbox().await, ["from a person"]);
    assert_eq!(state(&peer, &sent.id).await, "read");
}

#[tokio::test]
async fn a_relay_that_is_killed_and_comes_back_keeps_the_label_and_the_mail() {
    let (instance, mut relay, mut peer) = scene().await;
    let mut claude = McpAgent::start(&instance, "claude-code").await;
    let mut codex = McpAgent::start(&instance, "codex").await;
    assert_eq!(
        (claude.label().await.as_str(), codex.label().await.as_str()),
        ("claude:1", "codex:1")
    );
    let rounds = ordinary_or_long(3, 200);
    for round in 0..rounds {
        let text = format!("round-{round}");
        let sending = claude.done("send", json!({ "to_session": "codex:1", "body": text }));
        let dying = async {
            for _ in 0..mix(round) % 60 {
                tokio::task::yield_now().await;
            }
            relay.signal(Signal::KILL);
            relay.until_gone().await;
            let relay = instance.start_relay(&[]).await;
            // who comes while the others are away gets none of their labels
            let peer = Way::unix(&instance).connect("person").await;
            let stranger = Way::unix(&instance).connect("stranger").await;
            let params = MailClaimParams { client: "claude".into(), cwd: None, again: None };
            let given = stranger.call::<MailClaim>(&params).await.label;
            assert_eq!(given.as_str(), "claude:2");
            stranger.call::<MailLeave>(&Empty {}).await;
            (relay, peer)
        };
        let (_, again) = tokio::join!(sending, dying);
        (relay, peer) = again;
        assert_eq!(codex.label().await, "codex:1");
        assert_eq!(claude.label().await, "claude:1");
        assert_eq!(codex.inbox().await, [text], "once, whatever was answered");
    }
    drop(peer);
}

#[tokio::test]
async fn many_processes_that_claim_labels_at_once_get_distinct_ones() {
    let (instance, _relay, peer) = scene().await;
    for _ in 0..ordinary_or_long(3, 200) {
        let mut agents = Vec::new();
        for starting in 0..CLAIMERS {
            let name = if starting % 2 == 0 { "claude-code" } else { "codex" };
            agents.push(McpAgent::start(&instance, name));
        }
        let mut agents = futures_util::future::join_all(agents).await;
        let asked = agents.iter_mut().map(McpAgent::label);
        let mut found = futures_util::future::join_all(asked).await;
        found.sort_unstable();
        let numbers = 1..=CLAIMERS / 2;
        let mut expected: Vec<String> =
            numbers.flat_map(|n| [format!("claude:{n}"), format!("codex:{n}")]).collect();
        expected.sort_unstable();
        assert_eq!(found, expected, "the lowest there are, each once");
        // who leaves gives the label up at once
        futures_util::future::join_all(agents.into_iter().map(McpAgent::leave)).await;
        until_labels(&peer, &[]).await;
    }
}

#[tokio::test]
async fn nobody_gets_a_label_that_somebody_else_has() {
    let (instance, _relay, peer) = scene().await;
    let way = Way::unix(&instance);
    let claim = |again| MailClaimParams { client: "claude-code".into(), cwd: None, again };
    let first = way.connect("first").await;
    let given = first.call::<MailClaim>(&claim(None)).await;
    let MailClaimResult { label, kind: SpeakerKind::Outside, secret: Some(secret) } = given else {
        panic!("{given:?}");
    };
    assert_eq!(label.as_str(), "claude:1");

    // by another's secret, or by none of its own
    let second = way.connect("second").await;
    let own = second.call::<MailClaim>(&claim(None)).await;
    assert_eq!(own.label.as_str(), "claude:2");
    let wrong = MailClaimAgain { label: label.clone(), secret: own.secret.expect("a secret") };
    let third = way.connect("third").await;
    assert_eq!(third.call::<MailClaim>(&claim(Some(wrong))).await.label.as_str(), "claude:3");
    let session =
        instance.qd(["run", "--detach", "--label", "claude:1", "--", "sleep", "99"]).await;
    assert!(session.stderr.contains("claude:1"), "{session:?}");
    instance.qd(["run", "--detach", "--label", "mine:1", "--", "sleep", "99"]).await.ok();
    let wanted =
        MailClaimAgain { label: "mine:1".parse().expect("a label"), secret: secret.clone() };
    let fourth = way.connect("fourth").await;
    assert_eq!(fourth.call::<MailClaim>(&claim(Some(wanted))).await.label.as_str(), "claude:4");

    // by the right one, while the first connection is not known to be broken
    let again = MailClaimAgain { label: label.clone(), secret };
    let fifth = way.connect("fifth").await;
    assert_eq!(fifth.call::<MailClaim>(&claim(Some(again))).await.label, label);
    drop(first);
    fourth.call::<MailLeave>(&Empty {}).await;
    let told = fifth.call::<MailWhoami>(&MailIdentityParams::default()).await;
    assert_eq!(told.label, Some(label));

    // an agent with a label decides nothing
    let refused = fifth.try_call::<SessionList>(&Empty {}).await.expect_err("is refused");
    assert_eq!(refused.code(), ErrorCode::OwnSession);
    let _ = peer;
}

#[tokio::test]
async fn an_agent_that_listens_to_channels_is_shown_its_mail_as_somebody_elses_words() {
    let (instance, relay, peer) = scene().await;
    let words = ["--channels", "server:quarterdeck"];
    let mut claude = McpAgent::start_below(&instance, "claude-code", &words).await;
    let mut plain = McpAgent::start_below(&instance, "claude-code", &["--resume", "x"]).await;
    assert_eq!(
        (claude.label().await.as_str(), plain.label().await.as_str()),
        ("claude:1", "claude:2")
    );
    let sent = peer.call::<MailSend>(&to("claude:1", "yes, do it")).await;
    peer.call::<MailSend>(&to("claude:2", "not shown")).await;
    let told = claude.notification().await;
    assert_eq!(told["method"], "notifications/claude/channel");
    let content = told["params"]["content"].as_str().expect("a text");
    assert!(
        content.contains("gives no permission") && content.ends_with("\n\nyes, do it"),
        "{content}"
    );
    assert_eq!(told["params"]["meta"]["from_session"], "person");
    within("the sender is told", async {
        while state(&peer, &sent.id).await != "delivered" {
            look_again().await;
        }
    })
    .await;

    // another relay does not show it again, and goes on
    relay.kill().await;
    let _relay = instance.start_relay(&[]).await;
    let peer = Way::unix(&instance).connect("person").await;
    peer.call::<MailSend>(&to("claude:1", "second")).await;
    let told = claude.notification().await;
    assert!(told["params"]["content"].as_str().expect("a text").ends_with("\n\nsecond"), "{told}");
    assert_eq!(claude.inbox().await, ["yes, do it", "second"], "what was shown is not read");
    assert_eq!(plain.inbox().await, ["not shown"]);
    assert_eq!((claude.told().len(), plain.told().len()), (0, 0));
}

#[tokio::test]
async fn mail_for_a_terminal_is_told_to_whoever_is_attached_and_read_in_the_inbox() {
    let (instance, relay, peer) = scene().await;
    let mut owner = Terminal::qd(&instance, &["run", "--label", "build", "--", "sh"]);
    until_ready(&mut owner).await;
    let mut follower = Terminal::qd(&instance, &["attach", "build"]);
    follower.until_text("shell-2-runs").await;
    let sent = peer.call::<MailSend>(&to("build", "the-secret-plan")).await;
    for terminal in [&mut owner, &mut follower] {
        terminal.until_text("mail from").await;
        terminal.until_text("qd msg inbox build").await;
        assert!(!String::from_utf8_lossy(&terminal.raw).contains("secret-plan"));
    }
    assert_eq!(state(&peer, &sent.id).await, "delivered");
    let inbox = instance.qd(["msg", "inbox", "build"]).await.ok().text();
    assert!(inbox.contains("the-secret-plan"), "{inbox}");
    assert_eq!(state(&peer, &sent.id).await, "read");
    // the program saw nothing of it
    owner.type_keys(b"echo still-$((1+1))-here\r").await;
    owner.until_text("still-2-here").await;

    let log = instance.qd(["logs", "build"]).await.ok().text();
    assert!(!log.contains("mail from") && !log.contains("secret-plan"), "{log}");
    relay.kill().await;
    let _relay = instance.start_relay(&[]).await;
    let peer = Way::unix(&instance).connect("person").await;
    peer.call::<MailSend>(&to("build", "another")).await;
    owner.until_text("qd msg inbox build").await;
}

#[tokio::test]
async fn a_notice_whose_relay_is_killed_stands_in_the_log_once() {
    let (instance, mut relay, mut peer) = scene().await;
    let run = ["run", "--detach", "--json", "--label", "build", "--", "sleep", "999"];
    let started = instance.qd(run).await.ok().json::<SessionResult>();
    let directory = instance.session_directory(started.session.session);
    let rounds = ordinary_or_long(5, 200);
    for round in 0..rounds {
        let params = MailSendParams {
            request_id: Some(format!("request-{round}")),
            ..to("build", &format!("round-{round}"))
        };
        {
            let sending = peer.client.call::<MailSend>(&params);
            let dying = async {
                for _ in 0..mix(round) % 60 {
                    tokio::task::yield_now().await;
                }
                relay.signal(Signal::KILL);
            };
            if let (Err(CallError::Rpc(error)), ()) = tokio::join!(sending, dying) {
                panic!("round {round}: {error:?}");
            }
        }
        relay.until_gone().await;
        relay = instance.start_relay(&[]).await;
        peer = Way::unix(&instance).connect("person").await;
        let sent = peer.call::<MailSend>(&params).await;
        within("the sender is told", async {
            while state(&peer, &sent.id).await != "delivered" {
                look_again().await;
            }
        })
        .await;
    }
    let log = WholeLog::read(&directory);
    let notes = log.records.iter().filter(|record| record.header.kind == RecordKind::Note);
    let notes = notes.filter_map(|it| serde_json::from_slice::<Note>(&it.payload).ok());
    let mails = notes.filter(|note| note.topic == MAIL_TOPIC);
    let numbers: Vec<i64> =
        mails.map(|note| note.body.read::<MailNote>().expect("is one").number).collect();
    let expected = 1..=i64::try_from(rounds).expect("few");
    assert_eq!(numbers, expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn an_agent_started_by_hand_in_a_terminal_is_that_terminal() {
    let (instance, _relay, peer) = scene().await;
    let mut terminal = Terminal::qd(&instance, &["run", "--label", "desk", "--", "sh"]);
    until_ready(&mut terminal).await;
    let out = instance.path("out");
    let qd = qd_binary().display().to_string();
    let lines = [
        json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {},
            "clientInfo": { "name": "claude-code", "version": "1" } } }),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {
            "name": "send", "arguments": { "to_session": "person", "body": "from the desk" } } }),
    ];
    let input = instance.path("in");
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(&input, text).expect("writes");
    let (input, file) = (input.display(), out.display());
    let typed = format!("(cat {input}; sleep 3) | {qd} mcp >{file}.part; mv {file}.part {file}\r");
    terminal.type_keys(typed.as_bytes()).await;
    let said = String::from_utf8(until_file(&out, |_| true).await).expect("text");
    assert!(said.contains("\"from_session\":\"desk\""), "{said}");
    until_labels(&peer, &[("desk", SpeakerKind::Terminal)]).await;
    let inbox = instance.qd(["msg", "inbox"]).await.ok().text();
    assert!(inbox.contains("/desk") && inbox.contains("from the desk"), "{inbox}");
}
