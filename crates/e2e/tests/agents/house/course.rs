//! What a person does with an agent, on the command line and from another client.

use quarterdeck_e2e::{
    harness::{agent, agents::Agent, house::House},
    models::{Gate, Reply},
};
use quarterdeck_protocol::{
    agent::{AgentEvent, MessageState, OptionKind, PromptState, StopReason, Update},
    method::{
        AgentSetMode, AgentSetModeParams, AgentSetModel, AgentSetModelParams, PromptListResult,
        SessionResult,
    },
    record::{RecordKind, Start},
    session::SessionState,
};
use serde_json::json;

use crate::scene::run;

for_every_agent!(
    a_prompt_is_denied_and_allowed_from_another_terminal,
    a_message_is_queued_and_another_interrupts,
    mode_and_model_are_changed,
    a_prompt_that_is_lost_is_asked_again_after_a_resume,
    an_agent_that_was_killed_in_its_first_turn_is_resumed,
    a_conversation_is_forked_and_continued_and_never_open_twice,
);

async fn a_prompt_is_denied_and_allowed_from_another_terminal(agent: Agent) {
    let mut script = vec![run(agent, "echo one > made.txt")];
    // a denial ends the turn of opencode; the others' models hear of it
    if agent != Agent::Opencode {
        script.push(Reply::say("As you wish."));
    }
    script.extend([run(agent, "echo two > made.txt"), Reply::say("It is there.")]);
    let Some(mut house) = House::open(agent, script).await else { return };
    let session = house.session.clone();
    house.qd(&["send", &session, "Make the file"]).await.ok();
    house.qd(&["wait", &session, "--for", "prompt"]).await.ok();
    let listed: PromptListResult = house.qd(&["prompts", "--json"]).await.ok().json();
    let first = listed.prompts[0].prompt.clone();
    assert!(first.title.contains("made.txt"), "{first:#?}");
    let reason: &[&str] = if agent == Agent::Claude { &["use", "two"] } else { &[] };
    let deny = ["prompts", "deny", &session];
    house.qd(&[&deny[..], reason].concat()).await.ok();
    house.watcher.turns(1).await;
    if agent == Agent::Claude {
        assert!(house.models.last_request().last_tool_result().contains("use two"));
    }
    // whoever is second is told who was first, and from where
    let late = house.qd(&["prompts", "allow", &first.id.to_string()]).await;
    assert_eq!(late.code(), Some(10), "{late:?}");
    assert!(late.stderr.contains("answered from qd"), "{late:?}");

    house.qd(&["send", &session, "Make it two"]).await.ok();
    let second = house.watcher.prompt(1).await;
    assert_eq!(house.file("made.txt"), None);
    house.qd(&["prompts", "allow", &second.id.to_string()]).await.ok();
    house.watcher.turns(2).await;
    assert_eq!(house.file("made.txt").as_deref(), Some("two\n"));
    for prompt in [&first, &second] {
        let state = house.prompt_state(prompt);
        assert!(matches!(state, PromptState::Applied { .. }), "{state:?}");
    }
    assert_eq!(house.endings(), [StopReason::EndTurn; 2]);
    let logs = house.qd(&["logs", &session]).await.ok().text();
    assert!(logs.contains("It is there.") && logs.contains("Make it two"), "{logs}");
    house.check().await;
}

async fn a_message_is_queued_and_another_interrupts(agent: Agent) {
    let gates = [Gate::closed(), Gate::closed()];
    let script = [
        Reply::wait(&gates[0]).then_say("One."),
        Reply::say("Two").then_wait(&gates[1]),
        Reply::say("Three."),
    ];
    let Some(mut house) = House::open(agent, script).await else { return };
    let session = house.session.clone();
    house.say("first").await;
    house.reached(&gates[0]).await;
    house.qd(&["send", &session, "--queue", "second"]).await.ok();
    assert_eq!(agent::view(&house.peer, &session).await.queue.len(), 1);
    gates[0].open();
    house.said("One.Two").await;
    house.qd(&["send", &session, "--interrupt", "third"]).await.ok();
    house.watcher.turns(3).await;
    assert_eq!(house.endings(), [StopReason::EndTurn, StopReason::Cancelled, StopReason::EndTurn]);
    assert!(house.watcher.text().ends_with("Three."), "{}", house.watcher.text());
    let requests = house.models.requests();
    assert!(!requests[0].user_said("second") && requests[1].user_said("second"));
    assert!(requests[2].user_said("third"));
    house.check().await;
}

/// A mode and a model of this agent that are not those it begins with; the model as its API is asked for it.
const fn others(agent: Agent) -> [&'static str; 3] {
    match agent {
        Agent::Claude => ["acceptEdits", "claude-other-9", "claude-other-9"],
        Agent::Codex => ["read-only", "gpt-5.4", "gpt-5.4"],
        Agent::Opencode => ["plan", "fake/other-model", "other-model"],
    }
}

async fn mode_and_model_are_changed(agent: Agent) {
    let Some(mut house) = House::open(agent, [Reply::say("One."), Reply::say("Two.")]).await else {
        return;
    };
    house.say("first").await;
    house.watcher.turns(1).await;
    let [mode, model, asked_for] = others(agent);
    assert_ne!(house.models.last_request().model, asked_for);
    let session = house.session.clone();
    let set = AgentSetModeParams { session, mode: mode.to_owned(), command_id: None };
    house.peer.call::<AgentSetMode>(&set).await;
    let session = house.session.clone();
    let set = AgentSetModelParams { session, model: model.to_owned(), command_id: None };
    house.peer.call::<AgentSetModel>(&set).await;
    let is_set = |events: &[AgentEvent]| {
        let has = |wanted: fn(&Update) -> Option<&str>, value| {
            events.iter().any(|event| wanted(&event.update) == Some(value))
        };
        (has(new_mode, mode) && has(new_model, model)).then_some(())
    };
    house.watcher.until("both are changed", is_set).await;
    house.say("second").await;
    house.watcher.turns(2).await;
    assert_eq!(house.models.last_request().model, asked_for);
    let listed: SessionResult =
        house.qd(&["wait", &house.session, "--for", "idle", "--json"]).await.ok().json();
    let agent = listed.session.agent.expect("an agent");
    assert_eq!((agent.mode.as_deref(), agent.model.as_deref()), (Some(mode), Some(model)));
    house.check().await;
}

fn new_mode(update: &Update) -> Option<&str> {
    let Update::CurrentModeUpdate { mode } = update else { return None };
    Some(mode)
}

fn new_model(update: &Update) -> Option<&str> {
    let Update::CurrentModelUpdate { model } = update else { return None };
    Some(model)
}

async fn a_prompt_that_is_lost_is_asked_again_after_a_resume(agent: Agent) {
    let command = "echo made >> made.txt";
    let script =
        [Reply::say("Hello."), run(agent, command), run(agent, command), Reply::say("Done.")];
    let Some(mut house) = House::open(agent, script).await else { return };
    let session = house.session.clone();
    house.say("The colour is blue").await;
    house.watcher.turns(1).await;
    let prompt = house.ask("Make the file", 0).await;
    house.kill_agent().await;
    assert_eq!(house.prompt_state(&prompt), PromptState::Lost { answered: None });
    assert_eq!(house.endings(), [StopReason::EndTurn, StopReason::AgentExit]);
    let late = house.qd(&["prompts", "allow", &prompt.id.to_string()]).await;
    assert!(late.stderr.contains("lost") && late.stderr.contains("qd resume"), "{late:?}");

    let resumed: SessionResult = house.qd(&["resume", &session, "--json"]).await.ok().json();
    assert!(resumed.session.state.is_live(), "{:?}", resumed.session.state);
    let again = house.ask("Ask me again", 1).await;
    assert_ne!(again.id, prompt.id);
    assert_eq!(house.file("made.txt"), None);
    house.choose(&again, OptionKind::AllowOnce).await;
    house.watcher.turns(3).await;
    assert_eq!(house.file("made.txt").as_deref(), Some("made\n"));
    let request = house.models.last_request();
    assert!(request.user_said("The colour is blue"), "{:?}", request.user_texts());
    house.stop().await;
    house.check().await;
}

async fn an_agent_that_was_killed_in_its_first_turn_is_resumed(agent: Agent) {
    let gate = Gate::closed();
    let script = [Reply::wait(&gate), Reply::say("Here again.")];
    let Some(mut house) = House::open(agent, script).await else { return };
    house.say("The colour is blue").await;
    house.reached(&gate).await;
    let session = house.session.clone();
    let known = agent::view(&house.peer, &session).await.vendor_session;
    house.kill_agent().await;
    house.qd(&["resume", &session]).await.ok();
    house.say("Are you there?").await;
    house.watcher.turns(2).await;
    assert_eq!(house.endings(), [StopReason::AgentExit, StopReason::EndTurn]);
    assert_eq!(house.watcher.text(), "Here again.");
    if agent == Agent::Claude {
        assert_eq!(agent::view(&house.peer, &session).await.vendor_session, known);
    }
    house.check().await;
}

async fn a_conversation_is_forked_and_continued_and_never_open_twice(agent: Agent) {
    let script = [Reply::say("One."), Reply::say("Two."), Reply::say("Three.")];
    let Some(mut house) = House::open(agent, script).await else { return };
    house.say("first").await;
    house.watcher.turns(1).await;
    let view = agent::view(&house.peer, &house.session).await;
    let id = view.vendor_session.expect("is known");
    let project = house.home.project().display().to_string();
    let run = ["run", "--wait", "--agent", agent.name(), "--cwd", &project];
    let forked = house.qd(&[&run[..], &["--fork", &id, "second"]].concat()).await.ok();
    assert!(forked.text().contains("Two."), "{}", forked.text());
    let request = house.models.last_request();
    assert!(request.user_said("first") && request.user_said("second"));

    let again = [&run[..], &["--continue", &id, "third"]].concat();
    let open = house.qd(&again).await;
    assert_eq!(open.code(), Some(8), "{open:?}");
    house.qd(&["stop", &house.session]).await.ok();
    house.qd(&["wait", &house.session, "--for", "exit"]).await;
    let continued = house.qd(&again).await.ok();
    assert!(continued.text().contains("Three."), "{}", continued.text());
    let request = house.models.last_request();
    assert!(request.user_said("first") && !request.user_said("second"));
    house.check().await;
}

#[tokio::test]
async fn claude_runs_a_changed_command_and_keeps_a_rule_from_the_command_line() {
    let agent = Agent::Claude;
    let script = [
        run(agent, "echo one > made.txt"),
        run(agent, "touch one"),
        run(agent, "touch one two"),
        Reply::say("Done."),
    ];
    let Some(mut house) = House::open(agent, script).await else { return };
    let session = house.session.clone();
    house.ask("Make files", 0).await;
    let input = r#"{"command":"echo two > made.txt","description":"Do it"}"#;
    house.qd(&["prompts", "allow", &session, "--input", input]).await.ok();
    house.watcher.prompt(1).await;
    assert_eq!(house.file("made.txt").as_deref(), Some("two\n"));
    let shown = house.qd(&["prompts"]).await.ok().text();
    assert!(shown.contains("allows Bash(touch one"), "{shown}");
    house.qd(&["prompts", "allow", &session, "--always"]).await.ok();
    house.watcher.turns(1).await;
    assert!(house.file("two").is_some(), "the second was not asked about");
    house.check().await;
}

#[tokio::test]
async fn a_plan_of_claude_is_approved_from_the_command_line() {
    let plan = json!({ "plan": "1. Paint it blue." });
    let script = [
        Reply::call("ExitPlanMode", plan.clone()),
        Reply::call("ExitPlanMode", plan),
        Reply::say("I begin."),
    ];
    let Some(mut house) = House::open(Agent::Claude, script).await else { return };
    let session = house.session.clone();
    house.qd(&["wait", &session, "--for", "idle"]).await.ok();
    let mode =
        AgentSetModeParams { session: session.clone(), mode: "plan".to_owned(), command_id: None };
    house.peer.call::<AgentSetMode>(&mode).await;
    house.ask("Plan it", 0).await;
    let shown = house.qd(&["prompts"]).await.ok().text();
    assert!(shown.contains("Paint it blue"), "{shown}");
    house.qd(&["prompts", "deny", &session, "Greener."]).await.ok();
    house.watcher.prompt(1).await;
    assert!(house.models.last_request().last_tool_result().contains("Greener."));
    house.qd(&["prompts", "allow", &session]).await.ok();
    house.watcher.turns(1).await;
    assert_eq!(house.endings(), [StopReason::EndTurn]);
    house.check().await;
}

#[tokio::test]
async fn claude_is_begun_again_under_its_id_where_it_had_written_nothing_down() {
    let Some(mut house) = House::open(Agent::Claude, [Reply::say("Here I am.")]).await else {
        return;
    };
    let session = house.session.clone();
    house.qd(&["wait", &session, "--for", "idle"]).await.ok();
    house.kill_agent().await;
    house.qd(&["resume", &session]).await.ok();
    house.say("Are you there?").await;
    house.watcher.turns(1).await;
    assert_eq!(house.watcher.text(), "Here I am.");
    let first = house.log().records.into_iter().find(|it| it.header.kind == RecordKind::Start);
    let first: Start = serde_json::from_slice(&first.expect("it was started").payload)
        .expect("is the record of a start");
    let id = first.argv.iter().position(|word| word == "--session-id").map(|at| at + 1);
    let id = id.and_then(|at| first.argv.get(at)).cloned();
    assert_eq!(agent::view(&house.peer, &session).await.vendor_session, id);
    house.check().await;
}

/// A turn of two requests: a message that is steered into it comes with the second.
async fn steered(agent: Agent) {
    let gate = Gate::closed();
    // codex goes on by itself when there is a message; claude's shell asks nobody about `pwd`
    let first = if agent == Agent::Codex { Reply::say("One") } else { run(agent, "pwd") };
    let script = [first.then_wait(&gate), Reply::say("Both, then.")];
    let Some(mut house) = House::open(agent, script).await else { return };
    house.say("first").await;
    house.reached(&gate).await;
    if agent == Agent::Codex {
        // before its turn has an id nothing can be steered into it
        house.said("One").await;
    }
    let session = house.session.clone();
    house.qd(&["send", &session, "--steer", "Mind the gap"]).await.ok();
    // before the agent has it, the turn must not go on
    let (receipt, count) = match agent {
        Agent::Claude => ("\"state\":\"queued\"", 2),
        Agent::Codex | Agent::Opencode => ("\"id\":\"qd-steer", 1),
    };
    house.until_lines(receipt, count).await;
    gate.open();
    house.watcher.turns(1).await;
    assert_eq!(house.endings(), [StopReason::EndTurn]);
    let delivered = |event: &AgentEvent| {
        matches!(event.update, Update::MessageUpdate { state: MessageState::Delivered, .. })
    };
    assert_eq!(house.watcher.events.iter().filter(|event| delivered(event)).count(), 2);
    let requests = house.models.requests();
    assert!(!requests[0].was_told("Mind the gap") && requests[1].was_told("Mind the gap"));
    house.check().await;
}

#[tokio::test]
async fn claude_is_steered_from_the_command_line() {
    steered(Agent::Claude).await;
}

#[tokio::test]
async fn codex_is_steered_from_the_command_line() {
    steered(Agent::Codex).await;
}

#[tokio::test]
async fn opencode_cannot_be_steered_and_the_command_line_says_so() {
    let gate = Gate::closed();
    let script = [Reply::say("One").then_wait(&gate)];
    let Some(mut house) = House::open(Agent::Opencode, script).await else { return };
    house.say("first").await;
    house.said("One").await;
    let refused = house.qd(&["send", &house.session, "--steer", "second"]).await;
    assert!(!refused.status.success() && refused.stderr.contains("cannot"), "{refused:?}");
    gate.open();
    house.watcher.turns(1).await;
    house.check().await;
}

/// A question is answered by the words of one of its choices.
async fn questioned(agent: Agent, tool: &str, question: serde_json::Value) {
    let script = [Reply::call(tool, question), Reply::say("Blue it is.")];
    let Some(mut house) = House::open(agent, script).await else { return };
    house.ask("Paint it", 0).await;
    let shown = house.qd(&["prompts"]).await.ok().text();
    assert!(shown.contains("Which colour?") && shown.contains("Blue"), "{shown}");
    house.qd(&["prompts", "answer", &house.session, "Blue"]).await.ok();
    house.watcher.turns(1).await;
    let told = house.models.last_request().last_tool_result();
    assert!(told.contains("Blue"), "{told}");
    house.check().await;
}

#[tokio::test]
async fn a_question_of_claude_is_answered_from_the_command_line() {
    let choices = json!([
        { "label": "Red", "description": "Warm" }, { "label": "Blue", "description": "Cold" },
    ]);
    let question = json!({ "questions": [{
        "question": "Which colour?", "header": "Colour", "multiSelect": false, "options": choices,
    }] });
    questioned(Agent::Claude, "AskUserQuestion", question).await;
}

#[tokio::test]
async fn a_question_of_codex_is_answered_from_the_command_line() {
    let choices = json!([
        { "label": "Red", "description": "Warm" }, { "label": "Blue", "description": "Cold" },
    ]);
    let question = json!({ "questions": [{
        "id": "colour", "header": "Colour", "question": "Which colour?", "options": choices,
    }] });
    questioned(Agent::Codex, "request_user_input", question).await;
}

#[tokio::test]
async fn an_agent_of_any_name_is_an_acp_command() {
    use quarterdeck_e2e::{
        harness::{agents::AgentHome, house::house_env, instance::Instance},
        models::FakeModels,
    };
    let models = FakeModels::start().await;
    models.script([Reply::say("Here I am.")]);
    let Some(home) = AgentHome::new(Agent::Opencode, &models) else { return };
    let instance = Instance::new();
    let name = format!("acp:{}", home.command().join(" "));
    let project = home.project().display().to_string();
    let mut words = vec!["run".to_owned(), "--wait".into(), "--cwd".into(), project];
    for (variable, value) in house_env(&home) {
        words.extend(["--env".to_owned(), format!("{variable}={value}")]);
    }
    words.extend(["--agent".to_owned(), name, "Are you there?".to_owned()]);
    let command = instance.command(&words);
    let patience = quarterdeck_e2e::harness::conversation::AGENT_PATIENCE;
    let ran = quarterdeck_e2e::harness::instance::Ran::within(command, patience).await.ok();
    assert!(ran.text().contains("Here I am."), "{}", ran.text());
    let state = |session: &quarterdeck_protocol::session::SessionInfo| session.state.clone();
    let listed: quarterdeck_protocol::method::SessionListResult =
        instance.qd(["ls", "--json"]).await.ok().json();
    assert_eq!(listed.sessions.iter().map(state).collect::<Vec<_>>(), [SessionState::Idle]);
}
