//! How a conversation is steered, and how it outlives its program.

use quarterdeck_agents::CommandRefusal;
use quarterdeck_e2e::{
    harness::{
        agents::Agent,
        conversation::{Talk, Wishes},
    },
    models::{Gate, Reply},
};
use quarterdeck_protocol::agent::{
    AgentCommand, AgentState, ContentBlock, Delivery, MessageState, OptionKind, Origin,
    PromptState, Resume, StopReason, TaskStatus, ToolStatus, Update,
};

use serde_json::json;

use crate::scene::{Scene, run, shell};

for_every_agent!(
    the_model_can_be_changed,
    a_killed_agent_is_resumed_with_all_that_was_said,
    a_fork_knows_what_was_said_and_leaves_the_first_alone,
    a_prompt_is_lost_with_its_agent_and_can_be_asked_for_again,
);

/// A model of this agent that is not the one it begins with.
const fn other_model(agent: Agent) -> (&'static str, &'static str) {
    match agent {
        Agent::Claude => ("claude-other-9", "claude-other-9"),
        Agent::Codex => ("gpt-5.4", "gpt-5.4"),
        Agent::Opencode => ("fake/other-model", "other-model"),
    }
}

async fn the_model_can_be_changed(agent: Agent) {
    let script = [Reply::say("One."), Reply::say("Two.")];
    let Some(mut scene) = Scene::start(agent, script).await else { return };
    scene.talk.turn("first").await;
    let (model, asked_for) = other_model(agent);
    assert_ne!(scene.models.last_request().model, asked_for);
    let change = AgentCommand::SetModel { model: model.to_owned() };
    scene.talk.command(&change).await.expect("the model can be changed");
    let is_set = |talk: &_| (current_model(talk).as_deref() == Some(model)).then_some(());
    scene.talk.until("the model is changed", is_set).await;
    scene.talk.turn("second").await;
    assert_eq!(scene.models.last_request().model, asked_for);
    scene.check();
}

fn current_model(talk: &Talk) -> Option<String> {
    talk.view().model
}

async fn a_killed_agent_is_resumed_with_all_that_was_said(agent: Agent) {
    let gate = Gate::closed();
    let script = [
        Reply::say("I will remember it."),
        Reply::say("Half a ").then_wait(&gate),
        Reply::say("It was blue."),
    ];
    let Some(mut scene) = Scene::start(agent, script).await else { return };
    scene.talk.turn("The colour is blue").await;
    let said = scene.talk.said();
    scene.talk.say("Say more", Delivery::Queue).await;
    let streams = |talk: &Talk| (talk.said().len() > said.len()).then_some(());
    scene.talk.until("it streams", streams).await;
    scene.talk.kill().await;
    assert_eq!(scene.talk.endings(), [StopReason::EndTurn, StopReason::AgentExit]);
    let vendor_session = scene.talk.view().vendor_session.expect("is known");
    let resume = Resume::Resume { vendor_session: vendor_session.clone() };
    scene.talk.restart(&scene.home, &Wishes { resume, ..Wishes::default() }).await;
    assert_eq!(scene.talk.turn("Which colour?").await, StopReason::EndTurn);
    assert_eq!(scene.talk.view().vendor_session, Some(vendor_session));
    let request = scene.models.last_request();
    assert!(request.user_said("The colour is blue"), "{:?}", request.user_texts());
    assert!(request.model_texts().concat().contains("I will remember it."));
    assert!(scene.talk.said().ends_with("It was blue."), "{}", scene.talk.said());
    scene.check();
}

async fn a_fork_knows_what_was_said_and_leaves_the_first_alone(agent: Agent) {
    let script = [Reply::say("One."), Reply::say("Two."), Reply::say("Three.")];
    let Some(mut scene) = Scene::start(agent, script).await else { return };
    scene.talk.turn("first").await;
    let first = scene.talk.view().vendor_session.expect("is known");
    assert!(scene.talk.view().features.fork, "all three can");
    scene.talk.close().await;
    let resume = Resume::Fork { vendor_session: first.clone() };
    scene.talk.restart(&scene.home, &Wishes { resume, ..Wishes::default() }).await;
    scene.talk.turn("second").await;
    let fork = scene.talk.view().vendor_session.expect("is known");
    assert_ne!(fork, first);
    assert!(scene.models.last_request().user_said("first"));
    scene.talk.close().await;
    let resume = Resume::Resume { vendor_session: first };
    scene.talk.restart(&scene.home, &Wishes { resume, ..Wishes::default() }).await;
    scene.talk.turn("third").await;
    let request = scene.models.last_request();
    assert!(request.user_said("first") && !request.user_said("second"));
    scene.check();
}

async fn a_prompt_is_lost_with_its_agent_and_can_be_asked_for_again(agent: Agent) {
    let command = "echo made > made.txt";
    let script =
        [Reply::say("Hello."), run(agent, command), run(agent, command), Reply::say("Done.")];
    let Some(mut scene) = Scene::start(agent, script).await else { return };
    // what was killed before its first turn ended may have written nothing down
    scene.talk.turn("Good morning").await;
    let prompt = scene.ask("Make the file").await;
    scene.talk.kill().await;
    assert_eq!(scene.talk.prompt_state(prompt.id), PromptState::Lost { answered: None });
    assert_eq!(scene.talk.endings(), [StopReason::EndTurn, StopReason::AgentExit]);
    let call = scene.talk.tool_calls().remove(0).tool_call_id;
    assert_eq!(scene.talk.statuses(&call).last(), Some(&ToolStatus::UnknownOutcome));
    let vendor_session = scene.talk.view().vendor_session.expect("is known");
    let resume = Resume::Resume { vendor_session };
    scene.talk.restart(&scene.home, &Wishes { resume, ..Wishes::default() }).await;
    let again = scene.ask("Ask me again").await;
    assert_ne!(again.id, prompt.id);
    assert_eq!(scene.file("made.txt"), None);
    scene.talk.choose(&again, OptionKind::AllowOnce).await;
    assert_eq!(scene.talk.until_turn(3).await, StopReason::EndTurn);
    assert_eq!(scene.file("made.txt").as_deref(), Some("made\n"));
    scene.check();
}

/// A turn of two requests: a message that is steered into it comes with the second.
async fn steered(agent: Agent) {
    let gate = Gate::closed();
    // codex goes on by itself when there is a message; it may even break off what the model says
    let first = match agent {
        Agent::Claude | Agent::Opencode => run(agent, "pwd"),
        Agent::Codex => Reply::say("One"),
    };
    let first = first.then_wait(&gate);
    let script = [first, Reply::say("Both, then.")];
    let Some(mut scene) = Scene::start(agent, script).await else { return };
    scene.talk.say("first", Delivery::Queue).await;
    scene.talk.until_elsewhere("the model is asked", gate.reached()).await;
    if agent == Agent::Codex {
        // before its turn has an id nothing can be steered into it
        scene.talk.until("it speaks", |talk| (talk.said() == "One").then_some(())).await;
    }
    let key = scene.talk.say("Mind the gap", Delivery::Steer).await;
    // before the agent has it, the turn must not go on
    let (receipt, count) = match agent {
        Agent::Claude => ("\"state\":\"queued\"", 2),
        Agent::Codex | Agent::Opencode => ("\"id\":\"qd-steer", 1),
    };
    let has = |talk: &Talk| (talk.lines_with(receipt) == count).then_some(());
    scene.talk.until("the agent has the second message", has).await;
    gate.open();
    scene.talk.until_turn(1).await;
    assert_eq!(scene.talk.endings(), [StopReason::EndTurn]);
    assert_eq!(scene.talk.message_state(&key), Some(MessageState::Delivered));
    let requests = scene.models.requests();
    assert!(!requests[0].was_told("Mind the gap") && requests[1].was_told("Mind the gap"));
    scene.check();
}

#[tokio::test]
async fn claude_takes_a_message_into_a_running_turn() {
    steered(Agent::Claude).await;
}

#[tokio::test]
async fn codex_takes_a_message_into_a_running_turn() {
    steered(Agent::Codex).await;
}

#[tokio::test]
async fn opencode_cannot_be_steered_and_says_so() {
    let gate = Gate::closed();
    let script = [Reply::say("One").then_wait(&gate)];
    let Some(mut scene) = Scene::start(Agent::Opencode, script).await else { return };
    scene.talk.say("first", Delivery::Queue).await;
    scene.talk.until_elsewhere("the model is asked", gate.reached()).await;
    assert!(!scene.talk.view().features.steer);
    let content = vec![ContentBlock::Text { text: "second".into() }];
    let steer = AgentCommand::Prompt { content, delivery: Delivery::Steer };
    assert_eq!(scene.talk.command(&steer).await, Err(CommandRefusal::Unsupported));
    gate.open();
    scene.talk.until_turn(1).await;
    scene.check();
}

async fn set_mode(scene: &mut Scene, mode: &str) {
    let change = AgentCommand::SetMode { mode: mode.to_owned() };
    scene.talk.command(&change).await.expect("the mode can be changed");
    let what = format!("the mode is {mode}");
    let is_set = |talk: &Talk| (talk.view().mode.as_deref() == Some(mode)).then_some(());
    scene.talk.until(&what, is_set).await;
}

#[tokio::test]
async fn claude_asks_less_in_another_mode_and_never_bypasses() {
    let script = [Reply::say("One.")];
    let Some(mut scene) = Scene::start(Agent::Claude, script).await else { return };
    scene.talk.turn("first").await;
    let path = scene.home.project().join("note.txt").display().to_string();
    let write = json!({ "file_path": path, "content": "new\n" });
    scene.models.script([Reply::call("Write", write), Reply::say("Written.")]);
    set_mode(&mut scene, "acceptEdits").await;
    assert_eq!(scene.talk.turn("Write a note").await, StopReason::EndTurn);
    assert_eq!(scene.file("note.txt").as_deref(), Some("new\n"), "it did not ask");
    let bypass = AgentCommand::SetMode { mode: "bypassPermissions".into() };
    scene.talk.command(&bypass).await.expect("is passed on");
    scene.talk.until("it is refused", |talk| talk.last_error().map(drop)).await;
    assert_eq!(scene.talk.view().mode.as_deref(), Some("acceptEdits"));
    scene.check();
}

#[tokio::test]
async fn codex_asks_less_in_another_mode() {
    let script = [run(Agent::Codex, "echo made > made.txt"), Reply::say("Made.")];
    let Some(mut scene) = Scene::start(Agent::Codex, script).await else { return };
    scene.talk.until_state(AgentState::Idle).await;
    let unknown = AgentCommand::SetMode { mode: "no such mode".into() };
    assert_eq!(scene.talk.command(&unknown).await, Err(CommandRefusal::Unsupported));
    set_mode(&mut scene, "full-access").await;
    assert_eq!(scene.talk.turn("Make the file").await, StopReason::EndTurn);
    assert_eq!(scene.file("made.txt").as_deref(), Some("made\n"), "it did not ask");
    scene.check();
}

#[tokio::test]
async fn opencode_changes_nothing_in_plan_mode() {
    let Some(mut scene) = Scene::start(Agent::Opencode, [Reply::say("A plan.")]).await else {
        return;
    };
    scene.talk.until_state(AgentState::Idle).await;
    let modes = scene.talk.view().modes;
    assert!(modes.iter().any(|mode| mode.id == "plan"), "{modes:?}");
    set_mode(&mut scene, "plan").await;
    scene.talk.turn("Plan it").await;
    let request = scene.models.last_request();
    assert!(request.body.to_string().contains("Plan mode"), "the model is told of it");
    scene.check();
}

#[tokio::test]
async fn claude_begins_a_turn_by_itself_when_its_sub_agent_is_done() {
    let task = json!({
        "description": "Look", "prompt": "Look around you", "subagent_type": "general-purpose",
    });
    // it must not be done before the first turn is: then there would be nothing to begin
    let gate = Gate::closed();
    let script = [
        Reply::call("Agent", task),
        Reply::wait(&gate).then_say("I looked.").only_for("Look around you"),
        Reply::say("It looks."),
        Reply::say("It has looked."),
    ];
    let Some(mut scene) = Scene::start(Agent::Claude, script).await else { return };
    scene.talk.turn("Have a look").await;
    gate.open();
    scene.talk.until_turn(2).await;
    assert_eq!(scene.talk.endings(), [StopReason::EndTurn; 2]);
    let origins = scene.talk.all(|update| {
        let Update::TurnStarted { origin, .. } = update else { return None };
        Some(origin.clone())
    });
    assert!(matches!(origins[0], Origin::Person { .. }), "{origins:?}");
    assert_eq!(origins[1], Origin::SelfStarted);
    let tasks = scene.talk.all(|update| {
        let Update::TaskUpdate(task) = update else { return None };
        Some(task.status)
    });
    assert_eq!(tasks.first(), Some(&TaskStatus::Running), "{tasks:?}");
    assert_eq!(tasks.last(), Some(&TaskStatus::Completed), "{tasks:?}");
    assert!(scene.talk.said().ends_with("It has looked."), "{}", scene.talk.said());
    scene.check();
}

#[tokio::test]
async fn claude_asks_about_one_tool_after_the_other() {
    let (name, first) = shell(Agent::Claude, "echo a > one.txt");
    let (_, second) = shell(Agent::Claude, "echo b > two.txt");
    let script = [Reply::call(name, first).then_call(name, second), Reply::say("Done.")];
    let Some(mut scene) = Scene::start(Agent::Claude, script).await else { return };
    let one = scene.ask("Make both").await;
    scene.talk.choose(&one, OptionKind::AllowOnce).await;
    let two = scene.talk.until_prompt().await;
    assert_ne!(one.id, two.id);
    scene.talk.choose(&two, OptionKind::RejectOnce).await;
    assert_eq!(scene.talk.until_turn(1).await, StopReason::EndTurn);
    let made = [one, two].map(|prompt| prompt.title.contains("one.txt"));
    assert_eq!(scene.file("one.txt").is_some(), made[0]);
    assert_eq!(scene.file("two.txt").is_some(), made[1]);
    assert_eq!(scene.models.last_request().tool_results().len(), 2);
    scene.check();
}
