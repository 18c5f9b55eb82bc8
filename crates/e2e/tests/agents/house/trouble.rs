//! What goes wrong outside: a person reads why, the session says where it is, others notice nothing.

use quarterdeck_e2e::{
    harness::{
        agent,
        agents::{Agent, AgentHome},
        canary::Canary,
        house::House,
        is_long,
    },
    models::{FakeModels, Refusing, Reply},
};
use quarterdeck_protocol::agent::{AgentState, StopReason};

for_every_agent!(
    a_refusing_service_is_told_of_and_the_session_goes_on,
    a_cut_stream_is_got_over,
    a_service_that_nobody_serves_is_told_of,
    a_line_of_five_megabytes_holds_up_nobody,
);

async fn a_refusing_service_is_told_of_and_the_session_goes_on(agent: Agent) {
    let Some(mut house) = House::open(agent, []).await else { return };
    let mut canary = Canary::start(&house.way).await;
    let statuses = [401, 429, 529];
    // opencode never gives up on the other two
    let count = if agent == Agent::Opencode { 1 } else { statuses.len() };
    for status in statuses.into_iter().take(count) {
        house.models.script([Reply::error(status).endless()]);
        let ran = house.qd(&["send", &house.session, "Are you there?", "--wait"]).await;
        assert_eq!(ran.code(), Some(1), "{status}: {ran:?} {}", ran.text());
        assert!(ran.text().contains("error"), "{status}: {}", ran.text());
        house.models.clear_script();
        let view = agent::view(&house.peer, &house.session).await;
        assert_eq!(view.state, AgentState::Idle);
        canary.sings().await;
    }
    house.models.script([Reply::say("I am.")]);
    let ran = house.qd(&["send", &house.session, "And now?", "--wait"]).await.ok();
    assert!(ran.text().contains("I am."), "{}", ran.text());
    house.watcher.turns(count + 1).await;
    house.check().await;
}

async fn a_cut_stream_is_got_over(agent: Agent) {
    let script = [Reply::say("Once upon ").then_cut(), Reply::say("a time.")];
    let Some(mut house) = House::open(agent, script).await else { return };
    let ran = house.qd(&["send", &house.session, "Tell a story", "--wait"]).await.ok();
    assert!(ran.text().contains("a time."), "{}", ran.text());
    house.watcher.turns(1).await;
    assert_eq!(house.endings(), [StopReason::EndTurn]);
    house.check().await;
}

async fn a_service_that_nobody_serves_is_told_of(agent: Agent) {
    if agent == Agent::Opencode && !is_long() {
        // it says nothing for a minute, until it gives up
        return;
    }
    let nowhere = Refusing::reserve();
    let Some(home) = AgentHome::with_base_url(agent, &nowhere.url()) else { return };
    let mut house = House::open_home(FakeModels::start().await, home, &["Are you there?"]).await;
    if agent == Agent::Codex {
        // it waits for the network for ever, and says so
        house.until_written("econnecting").await;
        house.qd(&["send", &house.session, "--interrupt", "Never mind"]).await.ok();
        house.watcher.turns(1).await;
        assert_eq!(house.endings(), [StopReason::Cancelled]);
    } else {
        house.watcher.turns(1).await;
        assert_eq!(house.endings(), [StopReason::Error]);
        let logs = house.qd(&["logs", &house.session]).await.ok().text();
        assert!(logs.to_lowercase().contains("connect"), "{logs}");
    }
    house.stop().await;
    house.check().await;
}

async fn a_line_of_five_megabytes_holds_up_nobody(agent: Agent) {
    let long = "0123456789abcde ".repeat(5 * 1024 * 1024 / 16);
    let Some(mut house) = House::open(agent, [Reply::say(&long), Reply::say("Short.")]).await
    else {
        return;
    };
    let mut canary = Canary::start(&house.way).await;
    house.say("Say much").await;
    canary.sings().await;
    house.watcher.turns(1).await;
    canary.sings().await;
    let largest = house.log().records.iter().map(|it| it.payload.len()).max();
    assert!(largest > Some(5 * 1024 * 1024), "the agent wrote it as one line: {largest:?}");
    house.say("Say little").await;
    house.watcher.turns(2).await;
    assert!(house.watcher.text().ends_with("Short."));
    house.check().await;
}

#[tokio::test]
async fn an_agent_without_a_key_says_so() {
    for (agent, variable) in [(Agent::Claude, "ANTHROPIC_API_KEY"), (Agent::Codex, "CODEX_API_KEY")]
    {
        let models = FakeModels::start().await;
        let Some(home) = AgentHome::new(agent, &models) else { continue };
        let house = House::open_home(models, home.with_env(variable, ""), &[]).await;
        let ran = house.qd(&["send", &house.session, "Are you there?", "--wait"]).await;
        assert_eq!(ran.code(), Some(1), "{agent:?}: {ran:?} {}", ran.text());
        assert!(ran.text().contains("secret_file"), "{agent:?}: {}", ran.text());
        assert_eq!(house.models.requests().len(), 0);
        let view = agent::view(&house.peer, &house.session).await;
        assert_eq!(view.state, AgentState::Idle, "{agent:?}");
    }
}
