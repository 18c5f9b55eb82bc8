//! What every agent must do, whatever it is.

use quarterdeck_e2e::{
    harness::agents::Agent,
    models::{Gate, Reply, Tokens},
};
use quarterdeck_protocol::agent::{
    AgentCommand, AgentState, Delivery, MessageState, OptionKind, PromptState, StopReason,
    ToolStatus,
};

use crate::scene::{Scene, run};

for_every_agent!(
    a_turn_has_thoughts_text_and_usage,
    an_allowed_tool_runs,
    a_denied_tool_does_not_run,
    an_interrupt_ends_a_turn_that_streams,
    an_interrupt_withdraws_an_open_prompt,
    a_queued_message_begins_the_next_turn,
    a_message_may_interrupt,
);

async fn a_turn_has_thoughts_text_and_usage(agent: Agent) {
    let tokens = Tokens { input: 70, output: 30, cached_read: 500 };
    let reply = Reply::think("They greet me.").then_say("Hello, ").then_say("Ada.").using(tokens);
    let Some(mut scene) = Scene::start(agent, [reply]).await else { return };
    assert_eq!(scene.talk.turn("Good morning").await, StopReason::EndTurn);
    assert_eq!(scene.talk.said(), "Hello, Ada.");
    assert_eq!(scene.talk.thought(), "They greet me.");
    assert!(scene.models.last_request().user_said("Good morning"));
    let used = scene.talk.view().usage.tokens.expect("tokens are counted");
    assert_eq!((used.input, used.output, used.cached_read), (70, 30, 500));
    assert_eq!(scene.talk.view().state, AgentState::Idle);
    // opencode has no switch against looking for its plugin's package; it goes on without
    let is_known =
        |wish: &String| agent == Agent::Opencode && wish.contains(" registry.npmjs.org:");
    let wishes = scene.home.wanted_outside();
    assert!(wishes.iter().all(is_known), "it talks to its model and nobody else: {wishes:?}");
    scene.check();
}

async fn an_allowed_tool_runs(agent: Agent) {
    let script = [run(agent, "echo made > made.txt && cat made.txt"), Reply::say("It is there.")];
    let Some(mut scene) = Scene::start(agent, script).await else { return };
    scene.talk.say("Make the file", Delivery::Queue).await;
    let prompt = scene.talk.until_prompt().await;
    assert_eq!(scene.talk.view().state, AgentState::Waiting);
    assert!(prompt.title.contains("made.txt"), "{prompt:#?}");
    assert_eq!(scene.file("made.txt"), None, "nothing runs before it is allowed");
    scene.talk.choose(&prompt, OptionKind::AllowOnce).await;
    assert_eq!(scene.talk.until_turn(1).await, StopReason::EndTurn);
    assert_eq!(scene.file("made.txt").as_deref(), Some("made\n"));
    assert!(scene.models.last_request().last_tool_result().contains("made"));
    assert!(matches!(scene.talk.prompt_state(prompt.id), PromptState::Applied { .. }));
    let call = scene.talk.tool_calls().remove(0).tool_call_id;
    let statuses = scene.talk.statuses(&call);
    assert!(statuses.contains(&ToolStatus::Waiting), "{statuses:?}");
    assert_eq!(statuses.last(), Some(&ToolStatus::Completed), "{statuses:?}");
    assert_eq!(scene.talk.said(), "It is there.");
    scene.check();
}

async fn a_denied_tool_does_not_run(agent: Agent) {
    let mut script = vec![run(agent, "echo made > made.txt")];
    // a denial ends the turn of opencode; the others' models hear of it
    if agent != Agent::Opencode {
        script.push(Reply::say("As you wish."));
    }
    let Some(mut scene) = Scene::start(agent, script).await else { return };
    scene.talk.say("Make the file", Delivery::Queue).await;
    let prompt = scene.talk.until_prompt().await;
    scene.talk.choose(&prompt, OptionKind::RejectOnce).await;
    assert_eq!(scene.talk.until_turn(1).await, StopReason::EndTurn);
    assert_eq!(scene.file("made.txt"), None);
    assert!(matches!(scene.talk.prompt_state(prompt.id), PromptState::Applied { .. }));
    let call = scene.talk.tool_calls().remove(0).tool_call_id;
    assert_eq!(scene.talk.statuses(&call).last(), Some(&ToolStatus::Declined));
    scene.check();
}

async fn an_interrupt_ends_a_turn_that_streams(agent: Agent) {
    let gate = Gate::closed();
    let script = [Reply::say("Once upon ").then_wait(&gate), Reply::say("Yes?")];
    let Some(mut scene) = Scene::start(agent, script).await else { return };
    scene.talk.say("Tell a story", Delivery::Queue).await;
    scene.talk.until("the story begins", |talk| (talk.said() == "Once upon ").then_some(())).await;
    scene.talk.command(&AgentCommand::Interrupt).await.expect("a turn runs");
    assert_eq!(scene.talk.until_turn(1).await, StopReason::Cancelled);
    assert_eq!(scene.talk.turn("Still there?").await, StopReason::EndTurn);
    assert!(scene.talk.said().ends_with("Yes?"), "{}", scene.talk.said());
    scene.check();
}

async fn an_interrupt_withdraws_an_open_prompt(agent: Agent) {
    let script = [run(agent, "echo made > made.txt"), Reply::say("Yes?")];
    let Some(mut scene) = Scene::start(agent, script).await else { return };
    scene.talk.say("Make the file", Delivery::Queue).await;
    let prompt = scene.talk.until_prompt().await;
    scene.talk.command(&AgentCommand::Interrupt).await.expect("a turn runs");
    assert_eq!(scene.talk.until_turn(1).await, StopReason::Cancelled);
    assert_eq!(scene.talk.prompt_state(prompt.id), PromptState::Withdrawn);
    assert_eq!(scene.talk.turn("Still there?").await, StopReason::EndTurn);
    assert_eq!(scene.file("made.txt"), None);
    scene.check();
}

async fn a_queued_message_begins_the_next_turn(agent: Agent) {
    let gate = Gate::closed();
    let script = [Reply::wait(&gate).then_say("One."), Reply::say("Two.")];
    let Some(mut scene) = Scene::start(agent, script).await else { return };
    scene.talk.say("first", Delivery::Queue).await;
    scene.talk.until_elsewhere("the model is asked", gate.reached()).await;
    let second = scene.talk.say("second", Delivery::Queue).await;
    assert_eq!(scene.talk.message_state(&second), Some(MessageState::Queued));
    assert_eq!(scene.talk.view().queue.len(), 1);
    gate.open();
    scene.talk.until_turn(2).await;
    assert_eq!(scene.talk.endings(), [StopReason::EndTurn; 2]);
    assert_eq!(scene.talk.said(), "One.Two.");
    assert_eq!(scene.talk.message_state(&second), Some(MessageState::Delivered));
    let requests = scene.models.requests();
    assert!(!requests[0].user_said("second") && requests[1].user_said("second"));
    scene.check();
}

async fn a_message_may_interrupt(agent: Agent) {
    let gate = Gate::closed();
    let script = [Reply::say("One").then_wait(&gate), Reply::say("Two.")];
    let Some(mut scene) = Scene::start(agent, script).await else { return };
    scene.talk.say("first", Delivery::Queue).await;
    scene.talk.until("the answer begins", |talk| (talk.said() == "One").then_some(())).await;
    scene.talk.say("second", Delivery::Interrupt).await;
    scene.talk.until_turn(2).await;
    assert_eq!(scene.talk.endings(), [StopReason::Cancelled, StopReason::EndTurn]);
    assert!(scene.models.last_request().user_said("second"));
    scene.check();
}
