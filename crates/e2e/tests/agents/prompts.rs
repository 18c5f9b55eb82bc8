//! What agents ask, beyond yes and no.

use std::collections::BTreeMap;

use quarterdeck_agents::AnswerRefusal;
use quarterdeck_e2e::{
    harness::{
        agents::{Agent, AgentHome},
        conversation::Talk,
    },
    models::{FakeModels, Reply},
};
use quarterdeck_protocol::agent::{
    Ask, Caution, FormValue, OptionKind, Prompt, PromptAnswer, PromptState, RuleLifetime,
    StopReason, ToolContent,
};
use serde_json::json;

use crate::scene::{Scene, run};

for_every_agent!(a_command_with_hidden_characters_says_so, the_second_answer_is_told_of_the_first);

fn form(values: &[(&str, &str)]) -> PromptAnswer {
    let value = |(id, text): &(&str, &str)| ((*id).to_owned(), FormValue::Text((*text).to_owned()));
    PromptAnswer::Form { values: values.iter().map(value).collect::<BTreeMap<_, _>>() }
}

fn deny(message: &str) -> PromptAnswer {
    PromptAnswer::Deny { message: message.to_owned() }
}

fn edited(prompt: &Prompt, input: serde_json::Value) -> PromptAnswer {
    let allow = prompt.ask.options().iter().find(|it| it.kind == OptionKind::AllowOnce);
    let option_id = allow.expect("can be allowed").option_id.clone();
    PromptAnswer::EditedInput { option_id, input }
}

async fn a_command_with_hidden_characters_says_so(agent: Agent) {
    // shown as it stands, a terminal would hide what is between
    let command = "echo \u{202e}safe\u{202c} > made.txt";
    let mut script = vec![run(agent, command)];
    if agent != Agent::Opencode {
        script.push(Reply::say("As you wish."));
    }
    let Some(mut scene) = Scene::start(agent, script).await else { return };
    let prompt = scene.ask("Do it").await;
    assert!(prompt.cautions.contains(&Caution::HiddenCharacters), "{prompt:#?}");
    assert!(!prompt.title.contains(['\u{202e}', '\u{202c}']), "{prompt:#?}");
    scene.talk.choose(&prompt, OptionKind::RejectOnce).await;
    scene.talk.until_turn(1).await;
    scene.check();
}

async fn the_second_answer_is_told_of_the_first(agent: Agent) {
    let script = [run(agent, "echo made > made.txt"), Reply::say("Done.")];
    let Some(mut scene) = Scene::start(agent, script).await else { return };
    let prompt = scene.ask("Do it").await;
    scene.talk.choose(&prompt, OptionKind::AllowOnce).await;
    let no = prompt.ask.options().iter().find(|it| it.kind == OptionKind::RejectOnce);
    let no = PromptAnswer::Option { option_id: no.expect("can be denied").option_id.clone() };
    let refusal = scene.talk.try_answer_as("bob", prompt.id, &no).await;
    let Err(AnswerRefusal::Answered { answered }) = refusal else { panic!("{refusal:?}") };
    assert_eq!(answered.by.name(), "ada");
    scene.talk.until_turn(1).await;
    assert_eq!(scene.file("made.txt").as_deref(), Some("made\n"));
    scene.check();
}

#[tokio::test]
async fn claude_is_told_why_it_was_denied() {
    let script = [run(Agent::Claude, "echo made > made.txt"), Reply::say("As you wish.")];
    let Some(mut scene) = Scene::start(Agent::Claude, script).await else { return };
    let prompt = scene.ask("Make the file").await;
    scene.talk.answer(prompt.id, &deny("Not on a Saturday.")).await;
    assert_eq!(scene.talk.until_turn(1).await, StopReason::EndTurn);
    assert!(scene.models.last_request().last_tool_result().contains("Not on a Saturday."));
    assert_eq!(scene.file("made.txt"), None);
    scene.check();
}

#[tokio::test]
async fn claude_runs_the_input_that_a_person_has_changed() {
    let script = [run(Agent::Claude, "echo one > made.txt"), Reply::say("Done.")];
    let Some(mut scene) = Scene::start(Agent::Claude, script).await else { return };
    let prompt = scene.ask("Make the file").await;
    let input = json!({ "command": "echo two > made.txt", "description": "Do it" });
    scene.talk.answer(prompt.id, &edited(&prompt, input)).await;
    assert_eq!(scene.talk.until_turn(1).await, StopReason::EndTurn);
    assert_eq!(scene.file("made.txt").as_deref(), Some("two\n"));
    scene.check();
}

#[tokio::test]
async fn claude_can_be_denied_and_stopped_at_once() {
    let script = [run(Agent::Claude, "echo one > made.txt")];
    let Some(mut scene) = Scene::start(Agent::Claude, script).await else { return };
    let prompt = scene.ask("Make the file").await;
    let stop = prompt.ask.options().iter().find(|option| option.ends_turn);
    let option_id = stop.expect("is offered").option_id.clone();
    scene.talk.answer(prompt.id, &PromptAnswer::Option { option_id }).await;
    assert_eq!(scene.talk.until_turn(1).await, StopReason::Cancelled);
    scene.check();
}

#[tokio::test]
async fn claude_keeps_a_rule_that_was_always_allowed_and_says_what_it_is() {
    let script =
        [run(Agent::Claude, "touch one"), run(Agent::Claude, "touch one two"), Reply::say("Done.")];
    let Some(mut scene) = Scene::start(Agent::Claude, script).await else { return };
    let prompt = scene.ask("Make files").await;
    let always: Vec<_> =
        prompt.ask.options().iter().filter(|it| it.kind == OptionKind::AllowAlways).collect();
    assert!(!always.is_empty() && always.iter().all(|it| !it.rules.is_empty()), "{prompt:#?}");
    let rule = always.iter().find(|it| it.rules[0].text.contains("Bash(touch one"));
    let rule = rule.unwrap_or_else(|| panic!("{prompt:#?}"));
    assert_eq!(rule.rules[0].lifetime, RuleLifetime::Project);
    let answer = PromptAnswer::Option { option_id: rule.option_id.clone() };
    scene.talk.answer(prompt.id, &answer).await;
    assert_eq!(scene.talk.until_turn(1).await, StopReason::EndTurn);
    assert!(scene.file("two").is_some(), "the second was not asked about");
    let settings = scene.file(".claude/settings.local.json").expect("the rule is kept");
    assert!(settings.contains("Bash(touch one"), "{settings}");
    scene.check();
}

#[tokio::test]
async fn claude_shows_an_edit_as_a_diff_and_asks_about_it() {
    let input = json!({ "file_path": "PROJECT/note.txt", "content": "new\n" });
    let Some(mut scene) = Scene::start(Agent::Claude, []).await else { return };
    let path = scene.home.project().join("note.txt").display().to_string();
    let input = serde_json::from_str(&input.to_string().replace("PROJECT/note.txt", &path));
    let write = Reply::call("Write", input.expect("is JSON"));
    scene.models.script([write, Reply::say("Written.")]);
    let prompt = scene.ask("Write a note").await;
    let Ask::Permission { tool_call, .. } = &prompt.ask else { panic!("{prompt:#?}") };
    let diff = tool_call.content.iter().any(
        |content| matches!(content, ToolContent::Diff { new_text, .. } if new_text == "new\n"),
    );
    assert!(diff, "{tool_call:#?}");
    scene.talk.choose(&prompt, OptionKind::AllowOnce).await;
    assert_eq!(scene.talk.until_turn(1).await, StopReason::EndTurn);
    assert_eq!(scene.file("note.txt").as_deref(), Some("new\n"));
    scene.check();
}

#[tokio::test]
async fn claude_asks_a_question_and_gets_its_answer() {
    let question = json!({ "questions": [{
        "question": "Which colour?", "header": "Colour", "multiSelect": false,
        "options": [
            { "label": "Red", "description": "Warm" }, { "label": "Blue", "description": "Cold" },
        ],
    }] });
    let script = [Reply::call("AskUserQuestion", question), Reply::say("Blue it is.")];
    let Some(mut scene) = Scene::start(Agent::Claude, script).await else { return };
    let prompt = scene.ask("Paint it").await;
    let Ask::Question { form: asked, .. } = &prompt.ask else { panic!("{prompt:#?}") };
    assert_eq!(asked.fields[0].text, "Which colour?");
    assert!(prompt.cautions.contains(&Caution::NeedsPerson));
    scene.talk.answer(prompt.id, &form(&[(&asked.fields[0].id, "Blue")])).await;
    assert_eq!(scene.talk.until_turn(1).await, StopReason::EndTurn);
    let told = scene.models.last_request().last_tool_result();
    assert!(told.contains("Which colour?") && told.contains("Blue"), "{told}");
    scene.check();
}

#[tokio::test]
async fn claude_asks_for_a_plan_and_leaves_plan_mode_when_it_is_approved() {
    let plan = json!({ "plan": "1. Paint it blue." });
    let script = [
        Reply::call("ExitPlanMode", plan.clone()),
        Reply::call("ExitPlanMode", plan),
        Reply::say("I begin."),
    ];
    let Some(mut scene) = Scene::start_in_mode(Agent::Claude, "plan", script).await else { return };
    let first = scene.ask("Plan it").await;
    let Ask::Plan { plan, .. } = &first.ask else { panic!("{first:#?}") };
    assert!(plan.as_deref().is_some_and(|plan| plan.contains("Paint it blue")), "{first:#?}");
    scene.talk.answer(first.id, &deny("Greener.")).await;
    let second = scene.talk.until_prompt().await;
    assert!(scene.models.last_request().last_tool_result().contains("Greener."));
    scene.talk.choose(&second, OptionKind::AllowOnce).await;
    assert_eq!(scene.talk.until_turn(1).await, StopReason::EndTurn);
    assert_eq!(scene.talk.view().mode.as_deref(), Some("default"));
    scene.check();
}

#[tokio::test]
async fn codex_and_opencode_take_neither_changed_inputs_nor_reasons() {
    for agent in [Agent::Codex, Agent::Opencode] {
        let Some(mut scene) = Scene::start(agent, [run(agent, "echo a > made.txt")]).await else {
            continue;
        };
        let prompt = scene.ask("Do it").await;
        let change = edited(&prompt, json!({ "command": "echo b > made.txt" }));
        for answer in [change, deny("No.")] {
            let refusal = scene.talk.try_answer(prompt.id, &answer).await;
            assert_eq!(refusal, Err(AnswerRefusal::NotOffered), "{agent:?} {answer:?}");
        }
        assert_eq!(scene.talk.prompt_state(prompt.id), PromptState::Open);
        let features = scene.talk.view().features;
        assert!(!features.edit_input && !features.deny_with_message);
        scene.check();
    }
}

#[tokio::test]
async fn codex_keeps_a_rule_that_was_always_allowed_and_says_what_it_is() {
    let script =
        [run(Agent::Codex, "mkdir one"), run(Agent::Codex, "mkdir one two"), Reply::say("Done.")];
    let Some(mut scene) = Scene::start(Agent::Codex, script).await else { return };
    let prompt = scene.ask("Make directories").await;
    let always = prompt.ask.options().iter().find(|it| it.kind == OptionKind::AllowAlways);
    let always = always.unwrap_or_else(|| panic!("{prompt:#?}"));
    assert!(always.rules[0].text.contains("mkdir one"), "{prompt:#?}");
    let answer = PromptAnswer::Option { option_id: always.option_id.clone() };
    scene.talk.answer(prompt.id, &answer).await;
    assert_eq!(scene.talk.until_turn(1).await, StopReason::EndTurn);
    assert!(scene.home.project().join("two").is_dir(), "the second was not asked about");
    scene.check();
}

#[tokio::test]
async fn codex_shows_the_patch_that_it_asks_about() {
    let patch = "*** Begin Patch\n*** Add File: note.txt\n+new\n*** End Patch\n";
    let script = [Reply::call("apply_patch", json!(patch)), Reply::say("Written.")];
    let Some(mut scene) = Scene::start(Agent::Codex, script).await else { return };
    let prompt = scene.ask("Write a note").await;
    let Ask::Permission { tool_call, .. } = &prompt.ask else { panic!("{prompt:#?}") };
    assert!(!tool_call.content.is_empty(), "{prompt:#?}");
    assert!(prompt.title.contains("note.txt"), "{prompt:#?}");
    scene.talk.choose(&prompt, OptionKind::AllowOnce).await;
    assert_eq!(scene.talk.until_turn(1).await, StopReason::EndTurn);
    assert_eq!(scene.file("note.txt").as_deref(), Some("new\n"));
    scene.check();
}

#[tokio::test]
async fn codex_can_be_denied_and_stopped_at_once() {
    let script = [run(Agent::Codex, "echo one > made.txt")];
    let Some(mut scene) = Scene::start(Agent::Codex, script).await else { return };
    let prompt = scene.ask("Make the file").await;
    let stop = prompt.ask.options().iter().find(|option| option.ends_turn);
    let option_id = stop.expect("is offered").option_id.clone();
    scene.talk.answer(prompt.id, &PromptAnswer::Option { option_id }).await;
    assert_eq!(scene.talk.until_turn(1).await, StopReason::Cancelled);
    scene.check();
}

#[tokio::test]
async fn codex_asks_a_question_and_gets_its_answer() {
    let question = json!({ "questions": [{
        "id": "colour", "header": "Colour", "question": "Which colour?",
        "options": [
            { "label": "Red", "description": "Warm" }, { "label": "Blue", "description": "Cold" },
        ],
    }] });
    let script = [Reply::call("request_user_input", question), Reply::say("Blue it is.")];
    let Some(mut scene) = Scene::start(Agent::Codex, script).await else { return };
    let prompt = scene.ask("Paint it").await;
    let Ask::Question { form: asked, .. } = &prompt.ask else { panic!("{prompt:#?}") };
    assert_eq!(asked.fields[0].text, "Which colour?");
    scene.talk.answer(prompt.id, &form(&[("colour", "Blue")])).await;
    assert_eq!(scene.talk.until_turn(1).await, StopReason::EndTurn);
    let told = scene.models.last_request().last_tool_result();
    assert!(told.contains("Blue"), "{told}");
    scene.check();
}

#[tokio::test]
async fn opencode_keeps_a_rule_that_was_always_allowed() {
    let script = [
        run(Agent::Opencode, "mkdir one"),
        run(Agent::Opencode, "mkdir one/two"),
        Reply::say("Done."),
    ];
    let Some(mut scene) = Scene::start(Agent::Opencode, script).await else { return };
    let prompt = scene.ask("Make directories").await;
    let always = prompt.ask.options().iter().find(|it| it.kind == OptionKind::AllowAlways);
    assert_eq!(always.expect("is offered").rules[0].lifetime, RuleLifetime::Unknown);
    scene.talk.choose(&prompt, OptionKind::AllowAlways).await;
    assert_eq!(scene.talk.until_turn(1).await, StopReason::EndTurn);
    assert!(scene.home.project().join("one/two").is_dir(), "the second was not asked about");
    scene.check();
}

/// An agent with a tool of an MCP server that asks its user.
async fn with_asker(agent: Agent, tool: &str) -> Option<Scene> {
    let models = FakeModels::start().await;
    models.script([Reply::call(tool, json!({})), Reply::say("Blue it is.")]);
    let home = AgentHome::new(agent, &models)?;
    home.add_asker();
    let talk = Talk::start(&home).await;
    Some(Scene { models, home, talk })
}

#[tokio::test]
async fn claude_hands_on_the_question_of_a_tool() {
    let Some(mut scene) = with_asker(Agent::Claude, "mcp__asker__paint").await else { return };
    let permission = scene.ask("Paint it").await;
    scene.talk.choose(&permission, OptionKind::AllowOnce).await;
    let prompt = scene.talk.until_prompt().await;
    let Ask::Question { form: asked, .. } = &prompt.ask else { panic!("{prompt:#?}") };
    assert_eq!(asked.message.as_deref(), Some("Which colour?"), "{prompt:#?}");
    assert_eq!(asked.fields[0].id, "colour");
    scene.talk.answer(prompt.id, &form(&[("colour", "blue")])).await;
    assert_eq!(scene.talk.until_turn(1).await, StopReason::EndTurn);
    let told = scene.models.last_request().last_tool_result();
    assert!(told.contains("accept") && told.contains("blue"), "{told}");
    scene.check();
}

#[tokio::test]
async fn opencode_has_no_questions() {
    let Some(mut scene) = with_asker(Agent::Opencode, "asker_paint").await else { return };
    assert_eq!(scene.talk.turn("Paint it").await, StopReason::EndTurn);
    // the tool's question was refused by the agent itself, and its model has no tool that asks
    let request = scene.models.last_request();
    assert_eq!(request.last_tool_result(), "the answer was null");
    assert!(!request.tools.iter().any(|tool| tool.contains("question")), "{:?}", request.tools);
    assert!(scene.talk.view().prompts.is_empty());
    scene.check();
}
