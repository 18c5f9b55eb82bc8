//! Two real agents of different vendors on two relays: one asks the other and uses the answer, by the tools
//! that Quarterdeck gave both.

use std::collections::BTreeMap;

use quarterdeck_e2e::{
    harness::{
        agent::{self, Watcher, option_of},
        agents::{Agent, AgentHome},
        client::{Peer, Way},
        conversation::AGENT_PATIENCE,
        house::profile,
        hub::Fleet,
        instance::Instance,
        look_again,
        mail::{introduce, person},
        ordinary_or_long, within_time,
    },
    models::{FakeModels, Gate, Reply},
    streams::mix,
};
use quarterdeck_protocol::{
    agent::{Ask, OptionKind, PromptAnswer},
    method::{
        MailSend, MailSendParams, MailStatus, MailStatusParams, PromptAnswerMethod,
        PromptAnswerParams, PromptInfo, PromptList, PromptListParams, SessionResult,
    },
};
use serde_json::json;

/// An agent with its relay.
struct Side {
    models: FakeModels,
    home: AgentHome,
}

impl Side {
    async fn new(agent: Agent, script: impl IntoIterator<Item = Reply>) -> Option<Self> {
        let models = FakeModels::start().await;
        models.script(script);
        let home = AgentHome::new(agent, &models)?;
        Some(Self { models, home })
    }

    async fn start(&self, instance: &Instance) -> String {
        let project = self.home.project().display().to_string();
        let name = self.home.agent().name();
        let run = ["run", "--json", "--detach", "--agent", name, "--cwd", &project];
        let started = instance.qd(run).await.ok();
        started.json::<SessionResult>().session.session.to_string()
    }

    /// Until a model was told this.
    async fn until_told(&self, text: &str) {
        while !self.models.requests().iter().any(|it| it.user_said(text)) {
            look_again().await;
        }
    }

    /// The rounds that the last conversation had, in its order, however often.
    fn heard(&self) -> Vec<u64> {
        let request = self.models.last_request();
        let number =
            |text: &&str| text.rsplit_once("This is round ")?.1.split('.').next()?.parse().ok();
        request.user_texts().iter().filter_map(number).collect()
    }
}

/// Two relays that know each other, either of which can start both agents.
async fn both(
    claude: impl IntoIterator<Item = Reply>,
    codex: impl IntoIterator<Item = Reply>,
) -> Option<(Side, Side, Fleet)> {
    let claude = Side::new(Agent::Claude, claude).await?;
    let codex = Side::new(Agent::Codex, codex).await?;
    let profiles = [profile("claude", &claude.home), profile("codex", &codex.home)].concat();
    let fleet = Fleet::start_with(|it| it.configure(&profiles)).await;
    introduce(&fleet.here, &fleet.there, None).await;
    Some((claude, codex, fleet))
}

/// Allows whatever an agent wants to do, once each: that it writes is its user's to allow.
async fn allow_all(peer: &Peer) {
    loop {
        let listed = peer.call::<PromptList>(&PromptListParams::default()).await;
        for PromptInfo { prompt, .. } in listed.prompts {
            let answer = match &prompt.ask {
                Ask::Permission { .. } | Ask::Plan { .. } => {
                    PromptAnswer::Option { option_id: option_of(&prompt, OptionKind::AllowOnce) }
                }
                // codex asks with a form that has nothing to fill in
                Ask::Question { .. } | Ask::Unknown => {
                    PromptAnswer::Form { values: BTreeMap::new() }
                }
            };
            let params = PromptAnswerParams { prompt: prompt.id, answer, answer_id: None };
            // one that was answered just now is refused
            let _ = peer.try_call::<PromptAnswerMethod>(&params).await;
        }
        look_again().await;
    }
}

#[tokio::test]
async fn claude_asks_codex_on_another_machine_while_the_hub_dies() {
    let gate = Gate::closed();
    let question = json!({
        "to": "far", "to_session": "codex:1", "body": "Is main green?", "timeout_seconds": 300,
    });
    let asks = [
        Reply::call("mcp__quarterdeck__send_and_wait", question),
        Reply::say("I was told: it is."),
    ];
    let answer = json!({ "in_reply_to": "#1", "body": "main is green" });
    let answers =
        [Reply::wait(&gate).then_call("mcp__quarterdeck__reply", answer), Reply::say("Answered.")];
    let Some((claude, codex, fleet)) = both(asks, answers).await else { return };
    let Fleet { hub, near: _near, far: _far, here, there } = fleet;
    let (near, far) = (person(&here).await, person(&there).await);
    codex.start(&there).await;
    let asking = claude.start(&here).await;
    let mut watcher = Watcher::start(&Way::unix(&here), &asking).await;
    let course = async {
        here.qd(["send", &asking, "Ask codex:1 of far whether main is green."]).await.ok();
        within_time(AGENT_PATIENCE, "the other one is asked", gate.reached()).await;
        // the hub dies between question and answer, and comes back when the answer waits for it
        hub.kill().await;
        gate.open();
        let answered = async {
            while far.call::<MailStatus>(&MailStatusParams::default()).await.jobs.is_empty() {
                look_again().await;
            }
        };
        within_time(AGENT_PATIENCE, "the answer waits for the hub", answered).await;
        let hub = here.start_hub(&[]).await;
        watcher.turns(1).await;
        drop(hub);
    };
    tokio::select! {
        () = course => {}
        () = allow_all(&near) => {}
        () = allow_all(&far) => {}
    }
    assert!(
        codex.models.requests()[0].user_said("Is main green?"),
        "{:?}",
        codex.models.requests()
    );
    let told = claude.models.last_request().last_tool_result();
    assert!(told.contains("main is green"), "{told}");
    assert_eq!(claude.models.left(), 0);
}

#[tokio::test]
async fn of_four_agents_the_one_that_is_asked_is_told_and_its_answer_returns_to_who_asked() {
    let question = json!({
        "to": "far", "to_session": "claude:2", "body": "Is main green?", "timeout_seconds": 300,
    });
    let asks =
        [Reply::call("mcp__quarterdeck__send_and_wait", question), Reply::say("So it is green.")];
    let answer = json!({ "in_reply_to": "#1", "body": "main is green" });
    let answers = [Reply::call("mcp__quarterdeck__reply", answer), Reply::say("Answered.")];
    let Some((claude, codex, fleet)) = both(answers, asks).await else { return };
    let (near, far) = (person(&fleet.here).await, person(&fleet.there).await);
    let asking = codex.start(&fleet.here).await;
    let others =
        [(&near, codex.start(&fleet.here).await), (&far, claude.start(&fleet.there).await)];
    claude.start(&fleet.there).await;
    let mut watcher = Watcher::start(&Way::unix(&fleet.here), &asking).await;
    let course = async {
        fleet.here.qd(["send", &asking, "Ask claude:2 of far whether main is green."]).await.ok();
        watcher.turns(1).await;
        let all_said = async {
            while claude.models.left() > 0 {
                look_again().await;
            }
        };
        within_time(AGENT_PATIENCE, "who answered goes on", all_said).await;
    };
    tokio::select! {
        () = course => {}
        () = allow_all(&near) => {}
        () = allow_all(&far) => {}
    }
    let told = codex.models.last_request().last_tool_result();
    assert!(told.contains("main is green"), "{told}");
    assert_eq!((claude.models.left(), codex.models.left()), (0, 0));
    assert!(claude.models.requests()[0].user_said("Is main green?"));
    for (peer, session) in others {
        assert_eq!(agent::view(peer, &session).await.turns, 0, "{session} was not meant");
    }
}

#[tokio::test]
async fn whoever_dies_real_agents_have_each_message_once_and_in_order() {
    let rounds = ordinary_or_long(3, 100);
    let says = || (0..rounds).map(|_| Reply::say("Noted."));
    let Some((claude, codex, mut fleet)) = both(says(), says()).await else { return };
    for side in [&claude, &claude, &codex, &codex] {
        side.start(&fleet.there).await;
    }
    for round in 0..rounds {
        let sent = [("claude:2", &claude), ("codex:1", &codex)].map(|(session, side)| {
            let params = MailSendParams {
                to: Some("far".to_owned()),
                to_session: Some(session.parse().expect("a label")),
                body: text_of(round),
                request_id: Some(format!("{session} {round}")),
                ..MailSendParams::default()
            };
            (params, side)
        });
        let peer = person(&fleet.here).await;
        let dying = async {
            for _ in 0..mix(round) % 200 {
                tokio::task::yield_now().await;
            }
            fleet.strike(round);
        };
        // one whose relay dies is sent again under the same id
        let sending = sent.iter().map(|(params, _)| peer.client.call::<MailSend>(params));
        tokio::join!(futures_util::future::join_all(sending), dying);
        fleet = fleet.struck(round).await;
        for (params, side) in &sent {
            person(&fleet.here).await.call::<MailSend>(params).await;
            within_time(AGENT_PATIENCE, "the agent is told", side.until_told(&text_of(round)))
                .await;
        }
    }
    let expected: Vec<u64> = (0..rounds).collect();
    for side in [claude, codex] {
        assert_eq!(side.heard(), expected, "{:?}", side.home.agent());
    }
}

fn text_of(round: u64) -> String {
    format!("This is round {round}.")
}
