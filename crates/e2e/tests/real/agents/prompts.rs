//! Prompts: answered once, by whoever may, and everyone learns by whom.

use std::collections::BTreeMap;

use quarterdeck_e2e::harness::{
    agent::{self, Watcher, option_of},
    client::{Peer, Way},
    within,
};
use quarterdeck_protocol::{
    agent::{AgentEvent, Ask, FormValue, OptionKind, PromptAnswer, PromptState, Update},
    error::{ErrorCode, ErrorDetail},
    method::{
        AgentPrompt, HelloParams, PromptAnswerMethod, PromptAnswerParams, PromptList,
        PromptListParams,
    },
    scope::Scope,
    session::{PromptOpened, PromptSettled, notify},
};
use quarterdeck_transport::Incoming;
use serde_json::json;

use super::Stage;

#[tokio::test]
async fn of_two_answers_at_the_same_time_one_is_applied_and_the_other_is_told_by_whom() {
    let stage = Stage::new().await;
    let mut watcher = Watcher::start(&stage.way, &stage.session).await;
    let admin = &stage.peer;
    let scopes = || [Scope::Read, Scope::Answer].into_iter().collect();
    let (ada, bob) = (admin.token("ada", scopes()).await, admin.token("bob", scopes()).await);
    let address = stage.relay.address();
    let ada = Way::ws(address, &ada).connect("ada").await;
    let bob = Way::ws(address, &bob).connect("bob").await;
    let mut expected = Vec::new();
    for round in 0..1000 {
        stage.say(&format!("ask {round}")).await;
        let prompt = watcher.prompt(0).await;
        let allow = option_of(&prompt, OptionKind::AllowOnce);
        let reject = option_of(&prompt, OptionKind::RejectOnce);
        let (of_ada, of_bob) = tokio::join!(
            agent::answer(&ada, prompt.id, &allow, None),
            agent::answer(&bob, prompt.id, &reject, None)
        );
        let (winner, loser) = match (&of_ada, &of_bob) {
            (Ok(_), Err(error)) => (&ada, error),
            (Err(error), Ok(_)) => (&bob, error),
            both => panic!("round {round}: {both:?}"),
        };
        assert_eq!(loser.code(), ErrorCode::PromptAnswered, "{loser:?}");
        let Some(ErrorDetail::Answered { answered }) = loser.detail() else {
            panic!("{loser:?}");
        };
        assert_eq!(answered.by, winner.hello.principal);
        // the end of the turn is not kept: the next one is counted from nothing
        watcher.until("the end of the turn", ended).await;
        watcher.forget();
        expected.push(if of_ada.is_ok() {
            format!("ran {round}")
        } else {
            format!("denied {round}:")
        });
    }
    let done = agent::journal(&stage.instance);
    let done = done.iter().filter(|line| line.starts_with("ran ") || line.starts_with("denied "));
    let done: Vec<&String> = done.collect();
    assert_eq!(done.len(), expected.len(), "each was answered once");
    let all = done.iter().zip(&expected);
    all.for_each(|(done, expected)| assert!(done.starts_with(expected), "{done}, not {expected}"));
    assert_eq!(stage.times("an answer that nobody waits for"), 0);
}

/// Whether the last event is the end of a turn that began among the others.
fn ended(events: &[AgentEvent]) -> Option<()> {
    let (last, others) = events.split_last()?;
    let began = others.iter().any(|event| matches!(event.update, Update::TurnStarted { .. }));
    (began && matches!(last.update, Update::TurnEnded { .. })).then_some(())
}

#[tokio::test]
async fn a_follower_who_may_answer_need_not_drive_and_cannot_do_more() {
    let stage = Stage::new().await;
    let mut watcher = Watcher::start(&stage.way, &stage.session).await;
    let scopes = [Scope::Read, Scope::Answer].into_iter().collect();
    let token = stage.peer.token("phone", scopes).await;
    let phone = Way::ws(stage.relay.address(), &token).connect("phone").await;
    let told = phone.try_call::<AgentPrompt>(&agent::message(&stage.session, "say no")).await;
    assert_eq!(told.map_err(|error| error.code()), Err(ErrorCode::Forbidden));

    stage.say("ask a; ask b").await;
    let prompt = watcher.prompt(0).await;
    let always = option_of(&prompt, OptionKind::AllowAlways);
    let refused = agent::answer(&phone, prompt.id, &always, None).await.expect_err("a rule");
    assert_eq!(refused.detail(), Some(&ErrorDetail::Scope { needed: Scope::Drive }));
    let edited = PromptAnswerParams {
        prompt: prompt.id,
        answer: PromptAnswer::EditedInput {
            option_id: option_of(&prompt, OptionKind::AllowOnce),
            input: json!({ "command": "other" }),
        },
        answer_id: None,
    };
    let refused = phone.try_call::<PromptAnswerMethod>(&edited).await.expect_err("an edit");
    assert_eq!(refused.code(), ErrorCode::Forbidden);
    let made_up = agent::answer(&stage.peer, prompt.id, "made-up", None).await;
    assert_eq!(made_up.map_err(|error| error.code()), Err(ErrorCode::NotOffered));

    let listed = phone.call::<PromptList>(&PromptListParams::default()).await.prompts;
    assert_eq!(listed.iter().map(|it| it.prompt.id).collect::<Vec<_>>(), [prompt.id]);
    let once = option_of(&prompt, OptionKind::AllowOnce);
    agent::answer(&phone, prompt.id, &once, None).await.expect("answers");
    // who drives may change what is run
    let prompt = watcher.prompt(1).await;
    let edited = PromptAnswerParams { prompt: prompt.id, ..edited };
    stage.peer.call::<PromptAnswerMethod>(&edited).await;
    watcher.turns(1).await;
    assert_eq!((stage.times("ran a"), stage.times("ran other"), stage.times("ran b")), (1, 1, 0));
}

#[tokio::test]
async fn an_answer_that_is_sent_again_gets_the_first_result() {
    let stage = Stage::new().await;
    let mut watcher = Watcher::start(&stage.way, &stage.session).await;
    stage.say("ask a").await;
    let prompt = watcher.prompt(0).await;
    let once = option_of(&prompt, OptionKind::AllowOnce);
    for _ in 0..3 {
        agent::answer(&stage.peer, prompt.id, &once, Some("mine")).await.expect("the same result");
    }
    watcher.turns(1).await;
    let again = agent::answer(&stage.peer, prompt.id, &once, Some("mine")).await;
    let again = again.expect("long after, too");
    let PromptState::Applied { answered } = again.state else { panic!("{again:?}") };
    assert_eq!(
        (answered.by, answered.answer_id.as_str()),
        (stage.peer.hello.principal.clone(), "mine")
    );
    assert_eq!((stage.times("answered r1"), stage.times("ran a")), (1, 1));
}

#[tokio::test]
async fn denials_carry_their_reason_questions_have_forms_and_rules_say_what_they_allow() {
    let stage = Stage::new().await;
    let mut watcher = Watcher::start(&stage.way, &stage.session).await;
    stage.say("ask rm; question Really; ask touch").await;
    let prompt = watcher.prompt(0).await;
    let answer = |prompt, answer| PromptAnswerParams { prompt, answer, answer_id: None };
    let deny = PromptAnswer::Deny { message: "use trash".to_owned() };
    stage.peer.call::<PromptAnswerMethod>(&answer(prompt.id, deny)).await;

    let prompt = watcher.prompt(1).await;
    let Ask::Question { form, .. } = &prompt.ask else { panic!("{prompt:?}") };
    let field = form.fields[0].id.clone();
    let wrong = BTreeMap::from([(field.clone(), FormValue::Flag(true))]);
    let wrong = answer(prompt.id, PromptAnswer::Form { values: wrong });
    let refused = stage.peer.try_call::<PromptAnswerMethod>(&wrong).await;
    assert_eq!(refused.map_err(|error| error.code()), Err(ErrorCode::InvalidParams));
    let values = BTreeMap::from([(field, FormValue::Text("yes".to_owned()))]);
    stage.peer.call::<PromptAnswerMethod>(&answer(prompt.id, PromptAnswer::Form { values })).await;

    let prompt = watcher.prompt(2).await;
    let always = option_of(&prompt, OptionKind::AllowAlways);
    let option = prompt.ask.option(&always).expect("offered");
    assert!(option.rules.iter().any(|rule| rule.text.contains("touch *")), "{option:?}");
    agent::answer(&stage.peer, prompt.id, &always, None).await.expect("answers");
    watcher.turns(1).await;
    let journal = agent::journal(&stage.instance);
    assert!(journal.iter().any(|line| line == "denied rm: use trash"), "{journal:?}");
    assert!(journal.iter().any(|line| line == r#"answers {"Really":"yes"}"#), "{journal:?}");
    assert!(journal.iter().any(|line| line == "ran always touch"), "{journal:?}");
}

#[tokio::test]
async fn an_interrupted_turn_withdraws_its_prompt() {
    let stage = Stage::new().await;
    let mut watcher = Watcher::start(&stage.way, &stage.session).await;
    stage.say("ask a").await;
    let prompt = watcher.prompt(0).await;
    let params = quarterdeck_protocol::method::AgentInterruptParams {
        session: stage.session.clone(),
        command_id: None,
    };
    stage.peer.call::<quarterdeck_protocol::method::AgentInterrupt>(&params).await;
    watcher.turns(1).await;
    let withdrawn = watcher.events.iter().any(|event| {
        matches!(&event.update, Update::PromptUpdate { prompt: id, state }
            if *id == prompt.id && *state == PromptState::Withdrawn)
    });
    assert!(withdrawn);
    let once = option_of(&prompt, OptionKind::AllowOnce);
    let late = agent::answer(&stage.peer, prompt.id, &once, None).await;
    assert_eq!(late.map_err(|error| error.code()), Err(ErrorCode::PromptSettled));
}

/// What someone who watches all sessions is told next under a name.
async fn told<T: serde::de::DeserializeOwned>(peer: &mut Peer, name: &str) -> T {
    let coming = async {
        loop {
            match peer.events.next().await {
                Some(Incoming::Notification { method, params }) if method == name => {
                    let text = params.as_deref().map_or("null", |params| params.get());
                    return serde_json::from_str(text).expect("is what its name says");
                }
                Some(
                    Incoming::Notification { .. } | Incoming::Answer { .. } | Incoming::Frame(_),
                ) => {}
                Some(Incoming::Closed { .. }) | None => panic!("closed before {name}"),
            }
        }
    };
    within(name, coming).await
}

#[tokio::test]
async fn who_watches_all_sessions_is_told_of_each_prompt_and_what_became_of_it() {
    let mut stage = Stage::new().await;
    let watch = || HelloParams { name: "board".to_owned(), watch: true, ..HelloParams::default() };
    let mut board = stage.way.try_connect(&watch()).await.expect("connects");
    stage.say("ask a; ask b").await;
    let opened: PromptOpened = told(&mut board, notify::PROMPT_OPENED).await;
    assert_eq!(opened.prompt.session.to_string(), stage.session);
    assert!(opened.prompt.label.as_str().starts_with("claude:"), "{:?}", opened.prompt.label);

    // it is open for whoever comes late, and behind another relay
    stage = stage.restart().await;
    let mut board = stage.way.try_connect(&watch()).await.expect("connects");
    let again: PromptOpened = told(&mut board, notify::PROMPT_OPENED).await;
    assert_eq!(again.prompt, opened.prompt);
    let prompt = &opened.prompt.prompt;
    let once = option_of(prompt, OptionKind::AllowOnce);
    agent::answer(&stage.peer, prompt.id, &once, None).await.expect("answers");
    let settled: PromptSettled = told(&mut board, notify::PROMPT_SETTLED).await;
    assert_eq!(settled.prompt, prompt.id);
    assert!(settled.rev > again.rev);
    let answered = settled.state.answered().expect("by somebody");
    assert_eq!(answered.by, stage.peer.hello.principal);
    assert_eq!(answered.from_name.as_deref(), Some("person"));
    let next: PromptOpened = told(&mut board, notify::PROMPT_OPENED).await;
    assert!(next.rev > settled.rev && next.prompt.prompt.id != prompt.id, "{next:?}");
}
