//! What Claude Code asks a human.

use quarterdeck_agents::AnswerRefusal;
use quarterdeck_protocol::agent::{
    AgentState, Ask, Caution, FieldKind, FormValue, OptionKind, PromptAnswer, PromptState,
    RuleLifetime, ToolStatus, Update,
};
use serde_json::{Value, json};

use crate::harness::option;

use super::{asking, can_use_tool, ready, response, result, tool_result, tool_use};

#[test]
fn a_permission_is_asked_answered_and_applied() {
    let mut session = asking();
    assert_eq!(session.state(), AgentState::Waiting);
    let prompt = session.open_prompt();
    assert_eq!(prompt.title, "touch a");
    let lines = session.answer(prompt.id, &option("allow_once"), "ada").expect("is taken");
    let answer = &lines[0]["response"];
    assert_eq!(answer["request_id"], "r1");
    assert_eq!(answer["response"]["behavior"], "allow");
    assert_eq!(answer["response"]["updatedInput"]["command"], "touch a");
    assert!(matches!(session.prompt_state(prompt.id), PromptState::Answered { .. }));
    // the agent echoes the answer
    session.out(lines[0].clone());
    let PromptState::Applied { answered } = session.prompt_state(prompt.id) else {
        panic!("is applied")
    };
    assert_eq!(answered.by.name(), "ada");
    session.out(tool_result("t1", "", Some("accept")));
    session.out(result());
    assert_eq!(
        session.statuses("t1"),
        [
            ToolStatus::InProgress,
            ToolStatus::Waiting,
            ToolStatus::InProgress,
            ToolStatus::Completed,
        ]
    );
    session.check();
}

#[test]
fn always_options_say_exactly_what_they_allow() {
    let mut session = asking();
    let prompt = session.open_prompt();
    let rules: Vec<_> = prompt
        .ask
        .options()
        .iter()
        .filter(|option| option.kind == OptionKind::AllowAlways)
        .flat_map(|option| option.rules.clone())
        .map(|rule| (rule.text, rule.lifetime))
        .collect();
    assert_eq!(
        rules,
        [
            ("Bash(touch *)".into(), RuleLifetime::Project),
            ("directory /project".into(), RuleLifetime::Session),
        ]
    );
    let lines = session.answer(prompt.id, &option("allow_always:0"), "ada").expect("is taken");
    let given = &lines[0]["response"]["response"]["updatedPermissions"];
    assert_eq!(given.as_array().map(Vec::len), Some(1));
    assert_eq!(given[0]["rules"][0]["ruleContent"], "touch *");
    session.check();
}

#[test]
fn a_denial_carries_its_reason_and_declines_the_tool() {
    let mut session = asking();
    let prompt = session.open_prompt();
    let answer = PromptAnswer::Deny { message: "use another file".into() };
    let lines = session.answer(prompt.id, &answer, "ada").expect("is taken");
    let body = &lines[0]["response"]["response"];
    assert_eq!((&body["behavior"], &body["message"]), (&json!("deny"), &json!("use another file")));
    session.out(lines[0].clone());
    session.out(tool_result("t1", "User said no", Some("reject")));
    session.out(result());
    assert_eq!(session.statuses("t1").last(), Some(&ToolStatus::Declined));
    session.check();
}

#[test]
fn an_edited_input_replaces_the_asked_one() {
    let mut session = asking();
    let prompt = session.open_prompt();
    let input = json!({ "command": "touch b", "description": "make" });
    let answer = PromptAnswer::EditedInput { option_id: "allow_once".into(), input };
    let lines = session.answer(prompt.id, &answer, "ada").expect("is taken");
    assert_eq!(lines[0]["response"]["response"]["updatedInput"]["command"], "touch b");
    let answer = PromptAnswer::EditedInput { option_id: "reject_once".into(), input: json!({}) };
    assert!(session.answer(prompt.id, &answer, "bob").is_err());
    session.check();
}

#[test]
fn questions_are_a_form_and_their_answers_go_by_their_texts() {
    let mut session = ready();
    session.prompt("ask me");
    let questions = json!([
        { "question": "Which colour?", "header": "Colour", "multiSelect": false,
          "options": [{ "label": "Red", "description": "r" }, { "label": "Blue" }] },
        { "question": "Which sizes?", "header": "Size", "multiSelect": true,
          "options": [{ "label": "S" }, { "label": "L" }] },
    ]);
    session.out(json!({
        "type": "control_request", "request_id": "q1",
        "request": {
            "subtype": "can_use_tool", "tool_name": "AskUserQuestion", "tool_use_id": "t9",
            "input": { "questions": questions }, "requires_user_interaction": true,
        },
    }));
    let prompt = session.open_prompt();
    assert_eq!(prompt.cautions, [Caution::NeedsPerson]);
    let Ask::Question { form, .. } = &prompt.ask else { panic!("{prompt:?}") };
    assert!(matches!(form.fields[0].kind, FieldKind::Select { other: true, .. }));
    assert!(matches!(form.fields[1].kind, FieldKind::MultiSelect { .. }));
    let half =
        PromptAnswer::Form { values: [("q0".to_owned(), FormValue::Text("Blue".into()))].into() };
    assert!(matches!(session.answer(prompt.id, &half, "ada"), Err(AnswerRefusal::Form(_))));
    let values = [
        ("q0".to_owned(), FormValue::Text("Blue".into())),
        ("q1".to_owned(), FormValue::Many(vec!["S".into(), "L".into()])),
    ];
    let whole = PromptAnswer::Form { values: values.into() };
    let lines = session.answer(prompt.id, &whole, "ada").expect("is taken");
    let input = &lines[0]["response"]["response"]["updatedInput"];
    assert_eq!(input["answers"], json!({ "Which colour?": "Blue", "Which sizes?": "S, L" }));
    assert_eq!(input["questions"], questions);
    session.check();
}

#[test]
fn a_plan_is_shown_and_its_approval_may_also_change_the_mode() {
    let mut session = ready();
    session.prompt("plan it");
    session.out(tool_use("t2", "ExitPlanMode", json!({ "plan": "1. do it" })));
    session.out(json!({
        "type": "control_request", "request_id": "p1",
        "request": {
            "subtype": "can_use_tool", "tool_name": "ExitPlanMode", "input": {},
            "tool_use_id": "t2", "requires_user_interaction": true,
        },
    }));
    let prompt = session.open_prompt();
    let Ask::Plan { plan, .. } = &prompt.ask else { panic!("{prompt:?}") };
    assert_eq!(plan.as_deref(), Some("1. do it"));
    let lines = session.answer(prompt.id, &option("allow_always:0"), "ada").expect("is taken");
    let change = &lines[0]["response"]["response"]["updatedPermissions"][0];
    assert_eq!((&change["type"], &change["mode"]), (&json!("setMode"), &json!("acceptEdits")));
    session.out(json!({ "type": "system", "subtype": "status", "permissionMode": "acceptEdits" }));
    assert_eq!(session.view().mode.as_deref(), Some("acceptEdits"));
    session.check();
}

#[test]
fn an_elicitation_is_a_form_that_can_be_declined() {
    let mut session = ready();
    session.prompt("go");
    session.out(json!({
        "type": "control_request", "request_id": "e1",
        "request": {
            "subtype": "elicitation", "mcp_server_name": "deploy", "message": "Where?",
            "requested_schema": { "type": "object", "properties": { "to": { "enum": ["eu"] } } },
        },
    }));
    let prompt = session.open_prompt();
    let lines = session.answer(prompt.id, &PromptAnswer::Decline, "ada").expect("is taken");
    assert_eq!(lines[0]["response"]["response"]["action"], "decline");
    session.check();
}

#[test]
fn a_prompt_that_is_announced_again_is_the_same_one() {
    let mut session = asking();
    let prompt = session.open_prompt();
    session.out(can_use_tool("r1", "t1"));
    assert_eq!(session.open_prompt().id, prompt.id);
    assert_eq!(session.count(|it| matches!(it, Update::PromptOpened { .. })), 1);
    session.check();
}

#[test]
fn two_answers_leave_one_and_tell_the_other_by_whom() {
    let mut session = asking();
    let id = session.open_prompt().id;
    // both are computed before either is recorded
    let [first, second] = ["ada", "bob"].map(|name| {
        session.fold.answer(id, &option("allow_once"), &crate::harness::answerer(name))
    });
    let operation = |decision| match decision {
        Ok(quarterdeck_agents::AnswerDecision::Write(operation)) => operation,
        other => panic!("{other:?}"),
    };
    assert_eq!(session.perform(&operation(first)).len(), 1);
    assert_eq!(session.perform(&operation(second)), Vec::<Value>::new());
    let Err(AnswerRefusal::Answered { answered }) =
        session.answer(id, &option("allow_once"), "bob")
    else {
        panic!("somebody was first")
    };
    assert_eq!(answered.by.name(), "ada");
    // a retry of the first is told what stands
    assert_eq!(session.answer(id, &option("allow_once"), "ada"), Ok(Vec::new()));
    session.check();
}

#[test]
fn an_answer_given_at_the_agent_itself_is_known_as_such() {
    let mut session = asking();
    let id = session.open_prompt().id;
    session.out(response(&json!("r1"), json!({ "behavior": "allow" })));
    assert_eq!(session.prompt_state(id), PromptState::AnsweredElsewhere);
    session.check();
}

#[test]
fn only_offered_answers_are_taken() {
    let mut session = asking();
    let id = session.open_prompt().id;
    for answer in [
        option("allow_always:7"),
        option("bypass"),
        PromptAnswer::Decline,
        PromptAnswer::Form { values: [].into() },
        PromptAnswer::EditedInput { option_id: "allow_once".into(), input: json!("text") },
    ] {
        let refused = session.answer(id, &answer, "ada");
        assert_eq!(refused, Err(AnswerRefusal::NotOffered), "{answer:?}");
    }
    session.check();
}

#[test]
fn what_a_human_reads_hides_nothing() {
    let mut session = ready();
    session.prompt("go");
    let mut ask = can_use_tool("r1", "t1");
    ask["request"]["input"]["command"] = json!("rm \u{202e}txt.a\u{1b}[8m ; true");
    session.out(ask);
    let prompt = session.open_prompt();
    assert_eq!(prompt.title, "rm txt.a ; true");
    assert!(prompt.cautions.contains(&Caution::HiddenCharacters));
    session.check();
}

#[test]
fn requests_without_an_answer_are_refused_once() {
    let mut session = ready();
    session.out(json!({
        "type": "control_request", "request_id": "h1", "request": { "subtype": "hook_callback" },
    }));
    let lines = session.settle();
    assert_eq!(lines[0]["response"]["subtype"], "error");
    assert_eq!(lines[0]["response"]["request_id"], "h1");
    assert!(session.settle().is_empty());
    session.check();
}

#[test]
fn a_large_input_is_allowed_as_it_is_and_cannot_be_edited() {
    let mut session = ready();
    session.prompt("go");
    let mut ask = can_use_tool("r1", "t1");
    ask["request"]["input"] = json!({ "file_path": "/a", "content": "x".repeat(1 << 20) });
    session.out(ask);
    let prompt = session.open_prompt();
    assert!(prompt.cautions.contains(&Caution::Shortened));
    let checkpoint = session.fold.checkpoint().expect("is JSON");
    assert!(checkpoint.as_str().len() < 1 << 19, "the input is not kept");
    let edited = PromptAnswer::EditedInput { option_id: "allow_once".into(), input: json!({}) };
    assert_eq!(session.answer(prompt.id, &edited, "ada"), Err(AnswerRefusal::NotOffered));
    let lines = session.answer(prompt.id, &option("allow_once"), "ada").expect("is taken");
    assert_eq!(lines[0]["response"]["response"]["updatedInput"], Value::Null);
    session.check();
}
