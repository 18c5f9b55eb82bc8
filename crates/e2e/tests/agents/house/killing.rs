//! The relay is killed at every step of a turn of a real agent.

use quarterdeck_e2e::{
    harness::{agent, agents::Agent, house::House},
    models::{Gate, Reply},
};
use quarterdeck_protocol::agent::{AgentState, OptionKind, PromptState, StopReason};

use crate::scene::run;

for_every_agent!(the_relay_is_killed_at_each_step_of_a_turn, an_agent_works_on_without_a_relay,);

async fn the_relay_is_killed_at_each_step_of_a_turn(agent: Agent) {
    let (before, during) = (Gate::closed(), Gate::closed());
    let script = [
        Reply::wait(&before).followed_by(run(agent, "echo made >> made.txt")),
        Reply::say("Half, ").then_wait(&during).then_say("and the rest."),
    ];
    let Some(mut house) = House::open(agent, script).await else { return };
    let message = house.say("Make the file").await;
    house.reached(&before).await;
    house.restart_relay().await;
    // who sends it again is told that it is there
    let again = quarterdeck_protocol::method::AgentPromptParams {
        message_id: Some(message),
        ..agent::message(&house.session, "Make the file")
    };
    let again = house.peer.call::<quarterdeck_protocol::method::AgentPrompt>(&again).await;
    assert!(again.repeated);
    before.open();

    let prompt = house.watcher.prompt(0).await;
    house.restart_relay().await;
    let view = agent::view(&house.peer, &house.session).await;
    assert_eq!((view.state, view.prompts), (AgentState::Waiting, vec![prompt.clone()]));
    assert_eq!(house.file("made.txt"), None);

    let once = agent::option_of(&prompt, OptionKind::AllowOnce);
    agent::answer(&house.peer, prompt.id, &once, Some("mine")).await.expect("is taken");
    house.restart_relay().await;
    agent::answer(&house.peer, prompt.id, &once, Some("mine")).await.expect("the same result");

    house.said("Half, ").await;
    house.restart_relay().await;
    during.open();
    house.watcher.turns(1).await;
    assert_eq!(house.watcher.text(), "Half, and the rest.");
    assert_eq!(house.file("made.txt").as_deref(), Some("made\n"));
    assert!(matches!(house.prompt_state(&prompt), PromptState::Applied { .. }));
    assert_eq!(house.endings(), [StopReason::EndTurn]);
    house.check().await;
}

async fn an_agent_works_on_without_a_relay(agent: Agent) {
    let (first, second) = (Gate::closed(), Gate::closed());
    let script = [
        Reply::wait(&first).followed_by(run(agent, "echo made >> made.txt")),
        Reply::wait(&second).then_say("Done."),
    ];
    let Some(mut house) = House::open(agent, script).await else { return };
    house.say("Make the file").await;
    house.reached(&first).await;
    house.kill_relay().await;
    // it comes to ask while nobody is there
    first.open();
    house.until_written(asking(agent)).await;
    house.start_relay().await;
    let prompt = house.watcher.prompt(0).await;
    house.choose(&prompt, OptionKind::AllowOnce).await;
    house.reached(&second).await;
    house.kill_relay().await;
    // and it ends its turn while nobody is there
    second.open();
    house.until_written("Done.").await;
    house.start_relay().await;
    house.watcher.turns(1).await;
    assert_eq!(house.watcher.text(), "Done.");
    assert_eq!(house.file("made.txt").as_deref(), Some("made\n"));
    assert_eq!(house.endings(), [StopReason::EndTurn]);
    house.check().await;
}

/// What stands in the line by which an agent asks for a permission.
const fn asking(agent: Agent) -> &'static str {
    match agent {
        Agent::Claude => "can_use_tool",
        Agent::Codex => "requestApproval",
        Agent::Opencode => "session/request_permission",
    }
}
