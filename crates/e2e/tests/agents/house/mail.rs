//! Two real agents of different vendors on two relays: one asks the other and uses the answer, by the tools
//! that Quarterdeck gave both.

use std::collections::BTreeMap;

use quarterdeck_e2e::{
    harness::{
        agent::{Watcher, option_of},
        agents::{Agent, AgentHome},
        client::{Peer, Way},
        conversation::AGENT_PATIENCE,
        house::profile,
        hub::Fleet,
        instance::Instance,
        look_again, within_time,
    },
    models::{FakeModels, Gate, Reply},
};
use quarterdeck_protocol::{
    agent::{Ask, OptionKind, PromptAnswer},
    method::{
        ContactDecision, MailContactAdd, MailContactAddParams, MailContactDecide,
        MailContactParams, MailContacts, MailIdentityParams, MailStatus, MailStatusParams,
        MailWhoami, PromptAnswerMethod, PromptAnswerParams, PromptInfo, PromptList,
        PromptListParams, SessionResult,
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
}

async fn introduce(near: &Peer, far: &Peer) {
    let params = MailIdentityParams::default();
    let contact = far.call::<MailWhoami>(&params).await.address;
    let name = Some("far".to_owned());
    let ask = MailContactAddParams { contact, name, ..MailContactAddParams::default() };
    let introduced = async {
        while near.try_call::<MailContactAdd>(&ask).await.is_err() {
            look_again().await;
        }
        loop {
            let asking = far.call::<MailContacts>(&params).await.contacts;
            if let Some(asking) = asking.first() {
                let contact = asking.name.clone();
                let decision = ContactDecision::Accept;
                let accept = MailContactParams { identity: None, contact, decision };
                far.call::<MailContactDecide>(&accept).await;
                return;
            }
            look_again().await;
        }
    };
    within_time(AGENT_PATIENCE, "the two know each other", introduced).await;
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
    let Some(claude) = Side::new(Agent::Claude, asks).await else { return };
    let Some(codex) = Side::new(Agent::Codex, answers).await else { return };
    let Fleet { hub, near: _near, far: _far, here, there } = Fleet::start_with(|it| {
        it.configure(&[profile("claude", &claude.home), profile("codex", &codex.home)].concat());
    })
    .await;
    let (near, far) =
        (Way::unix(&here).connect("person").await, Way::unix(&there).connect("person").await);
    introduce(&near, &far).await;
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
