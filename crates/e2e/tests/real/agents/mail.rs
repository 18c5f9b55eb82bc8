//! Agents that write to each other: by what they start themselves, and while the relay dies.

use std::fs;

use quarterdeck_e2e::{
    harness::{
        agent::{self, Watcher},
        files::until_file,
        instance::{Instance, qd_binary},
        ordinary_or_long,
    },
    streams::mix,
};
use quarterdeck_protocol::method::{
    AgentParams, CreateParams, MailIdentityParams, MailSend, MailSendParams, MailSession,
    MailStatus, MailStatusParams, MailWhoami, SessionCreate,
};
use quarterdeck_transport::CallError;
use rustix::process::Signal;

use super::Stage;

/// Messages with this text that agents of the instance got.
fn got(stage: &Stage, text: &str) -> usize {
    agent::times(&stage.instance, text)
}

#[tokio::test]
async fn an_agent_asks_another_one_and_its_answer_returns() {
    let stage = Stage::new().await;
    let other = agent::start(&stage.peer).await;
    let third = agent::start(&stage.peer).await;
    let mut of_other = Watcher::start(&stage.way, &other).await;
    let qd = qd_binary().display().to_string();
    // what stands behind the semicolon the other agent does, as one of its tools
    let question = format!("done?;sh {qd} msg reply '#1' yes-it-is");
    let out = stage.instance.path("out");
    let file = out.display();
    let ask = format!("{qd} msg send --wait claude:2 \"{question}\"");
    stage.say(&format!("sh ({ask}) >{file}.part 2>&1; mv {file}.part {file}")).await;
    let said = String::from_utf8(until_file(&out, |_| true).await).expect("text");
    assert!(said.contains("yes-it-is") && said.contains("claude:2"), "{said}");
    of_other.turns(1).await;
    assert_eq!(got(&stage, &question), 1, "{:?}", agent::journal(&stage.instance));
    assert_eq!(agent::view(&stage.peer, &third).await.turns, 0, "nobody else was asked");
    let sent = stage.peer.call::<MailStatus>(&MailStatusParams::default()).await;
    let states: Vec<&str> = sent.jobs.iter().map(|job| job.state.state.as_str()).collect();
    assert_eq!(states, ["read", "read"]);
}

#[tokio::test]
async fn an_agents_process_is_its_session_whatever_it_says() {
    let stage = Stage::new().await;
    agent::start(&stage.peer).await;
    let qd = qd_binary().display().to_string();
    let out = stage.instance.path("out");
    let file = out.display();
    let ask = format!(
        "{qd} --json msg whoami; QD_SESSION=claude:2 {qd} msg inbox claude:2; {qd} msg identity ls"
    );
    stage.say(&format!("sh ({ask}) >{file}.part 2>&1; mv {file}.part {file}")).await;
    let said = String::from_utf8(until_file(&out, |_| true).await).expect("text");
    assert!(said.contains("\"label\":\"claude:1\""), "{said}");
    assert!(said.contains("inside an agent's session"), "identities are not its to see: {said}");
    let outside = stage.peer.call::<MailWhoami>(&MailIdentityParams::default()).await;
    assert_eq!((outside.label, outside.sessions.len()), (None, 2));
}

#[tokio::test]
async fn a_session_speaks_for_the_identity_that_a_person_gave_it() {
    let stage = Stage::new().await;
    let instance = &stage.instance;
    instance.qd(["msg", "identity", "add", "bob"]).await.ok();
    let agent = Some(AgentParams { name: "claude".to_owned(), ..AgentParams::default() });
    let params = CreateParams { agent, identity: Some("bob".into()), ..CreateParams::default() };
    let other = stage.peer.call::<SessionCreate>(&params).await.session.session.to_string();
    let of = async |label: &str| {
        let found = stage.peer.call::<MailWhoami>(&MailIdentityParams::default()).await;
        let is_it = |it: &&MailSession| it.label.as_str() == label;
        found.sessions.iter().find(is_it).expect("lives").identity.clone()
    };
    assert_eq!((of("claude:1").await, of("claude:2").await), ("default".into(), "bob".into()));
    let listed = instance.qd(["msg", "identity", "ls"]).await.ok().text();
    assert!(listed.contains("claude:2"), "{listed}");

    // what is for it is for its identity: it has it, and the other one's sessions do not see it
    let mut watcher = Watcher::start(&stage.way, &other).await;
    instance.qd(["msg", "send", "bob/claude:2", "say for-bob"]).await.ok();
    watcher.turns(1).await;
    assert_eq!(got(&stage, "say for-bob"), 1);

    let qd = qd_binary().display().to_string();
    let out = instance.path("out");
    let file = out.display();
    let escape =
        format!("{qd} run -d --identity bob -- true; {qd} msg identity use bob --session claude:1");
    stage.say(&format!("sh ({escape}) >{file}.part 2>&1; mv {file}.part {file}")).await;
    let said = String::from_utf8(until_file(&out, |_| true).await).expect("text");
    assert_eq!(
        said.matches("inside an agent's session").count(),
        2,
        "neither is its to do: {said}"
    );
    assert_eq!(of("claude:1").await, "default");

    instance.qd(["msg", "identity", "use", "--none", "--session", "claude:2"]).await.ok();
    assert_eq!(of("claude:2").await, "default");
    let unknown = instance.qd(["run", "-d", "--identity", "nobody", "--", "true"]).await;
    assert!(unknown.code() != Some(0) && unknown.stderr.contains("nobody"), "{unknown:?}");
    let left = instance.qd(["ls"]).await.ok().text();
    assert!(!left.contains("true:1"), "nothing of it is left: {left}");
}

#[tokio::test]
async fn a_message_whose_relay_is_killed_is_delivered_once_and_in_order() {
    let mut stage = Stage::new().await;
    let mut watcher = Watcher::start(&stage.way, &stage.session).await;
    let rounds = ordinary_or_long(8, 100);
    for round in 0..rounds {
        let params = MailSendParams {
            to_session: Some("claude:1".parse().expect("a label")),
            body: format!("say round-{round}"),
            request_id: Some(format!("request-{round}")),
            ..MailSendParams::default()
        };
        {
            // the relay dies between reading the request and whatever comes after its answer
            let sending = stage.peer.client.call::<MailSend>(&params);
            let dying = async {
                for _ in 0..mix(round) % 60 {
                    tokio::task::yield_now().await;
                }
                stage.relay.signal(Signal::KILL);
            };
            if let (Err(CallError::Rpc(error)), ()) = tokio::join!(sending, dying) {
                panic!("round {round}: {error:?}");
            }
        }
        stage = stage.restart().await;
        watcher.again(&stage.way).await;
        stage.peer.call::<MailSend>(&params).await;
        watcher.turns(usize::try_from(round).expect("small") + 1).await;
    }
    let journal = agent::journal(&stage.instance);
    let bodies: Vec<&String> =
        journal.iter().filter(|line| line.starts_with("say round-")).collect();
    let expected: Vec<String> = (0..rounds).map(|round| format!("say round-{round}")).collect();
    assert_eq!(bodies, expected.iter().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_program_answers_for_a_session_that_does_not_live_as_often_as_it_may() {
    let instance = Instance::new();
    let told = instance.path("told");
    let script = format!("cat >>'{}'; echo it is green", told.display());
    let command = format!("command = [\"sh\", \"-c\", {script:?}]");
    instance
        .configure(&format!("[mail.responder]\n{command}\nallow = [\"default\"]\nin_a_row = 2\n"));
    let relay = instance.start_relay(&[]).await;
    instance.qd(["msg", "identity", "add", "bob"]).await.ok();
    instance.qd(["msg", "--identity", "bob", "autorespond", "on"]).await.ok();
    for question in ["Is main green?", "Still green?"] {
        let ask = ["msg", "send", "--wait", "bob/claude:9", question];
        let said = instance.qd(ask).await.ok().text();
        assert!(said.contains("bob/claude:9") && said.contains("it is green"), "{said}");
    }
    relay.kill().await;
    let _relay = instance.start_relay(&[]).await;
    instance.qd(["msg", "send", "bob/claude:9", "And now?"]).await.ok();
    let inbox = ["msg", "--identity", "bob", "inbox", "--peek"];
    let held = instance.qd(inbox).await.ok().text();
    assert!(held.contains("held: no_session") && held.contains("And now?"), "{held}");
    let told = fs::read_to_string(told).expect("was told");
    assert!(told.contains("Still green?") && !told.contains("And now?"), "{told}");
}
