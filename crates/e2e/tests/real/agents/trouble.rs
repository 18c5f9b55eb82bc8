//! Agents that are missing, break, or say what nobody understands: the session says so, and others
//! notice nothing.

use quarterdeck_e2e::harness::{
    agent::{self, Watcher},
    canary::Canary,
    client::Way,
    files::until_file,
    instance::Instance,
};
use quarterdeck_protocol::{
    agent::{AgentEvent, AgentState, Delivery, StopReason, Update},
    error::ErrorCode,
    method::{AgentPrompt, SessionStop, StopParams},
};

use super::Stage;

#[tokio::test]
async fn an_agent_that_is_not_there_is_an_error_that_names_it() {
    let instance = Instance::new();
    instance.configure("[agents.claude]\ncommand = [\"/nonexistent/claude\"]\n");
    let _relay = instance.start_relay(&[]).await;
    let peer = Way::unix(&instance).connect("person").await;
    let missing = agent::try_start(&peer, "claude").await.expect_err("is not there");
    assert_eq!(missing.code(), ErrorCode::StartFailed);
    assert!(missing.message.contains("/nonexistent/claude"), "{missing:?}");
    let unknown = agent::try_start(&peer, "cloud").await.expect_err("no such agent");
    assert_eq!(unknown.code(), ErrorCode::InvalidParams);
    assert!(unknown.message.contains("cloud"), "{unknown:?}");
}

#[tokio::test]
async fn whatever_an_agent_says_its_session_stays_usable_and_others_echo() {
    let stage = Stage::new().await;
    let mut canary = Canary::start(&stage.way).await;
    let mut watcher = Watcher::start(&stage.way, &stage.session).await;
    stage.say("garbage; errors oh no; big 5000000; say fine").await;
    canary.sings().await;
    watcher.turns(1).await;
    canary.sings().await;
    let text = watcher.text();
    assert!(text.ends_with("fine"), "{}", text.len());
    let garbage = watcher.events.iter().find_map(|event| {
        let Update::Garbage { text } = &event.update else { return None };
        Some(text.clone())
    });
    let garbage = garbage.expect("it is shown");
    assert!(garbage.contains("no json") && !garbage.contains('\u{1b}'), "{garbage:?}");
    stage.say("say still here").await;
    watcher.turns(2).await;
    assert!(watcher.text().ends_with("still here"));
}

#[tokio::test]
async fn an_agent_that_exits_ends_its_turn_once_and_says_how() {
    let stage = Stage::new().await;
    let mut canary = Canary::start(&stage.way).await;
    let mut watcher = Watcher::start(&stage.way, &stage.session).await;
    stage.say("say going; exit 7").await;
    let error = watcher
        .until("the end", |events| {
            events.iter().find_map(|event| {
                let Update::TurnEnded { stop_reason, error, .. } = &event.update else {
                    return None;
                };
                assert_eq!(*stop_reason, StopReason::AgentExit);
                Some(error.clone().expect("an error"))
            })
        })
        .await;
    assert!(error.message.contains("exit code 7"), "{error:?}");
    let view = agent::view(&stage.peer, &stage.session).await;
    assert_eq!((view.state, view.turns), (AgentState::Exited, 1));
    canary.sings().await;
    let message = agent::message(&stage.session, "say anything");
    let told = stage.peer.try_call::<AgentPrompt>(&message).await;
    assert_eq!(told.map_err(|error| error.code()), Err(ErrorCode::Ended));
}

#[tokio::test]
async fn an_agent_that_never_says_a_word_is_starting_until_it_ends() {
    let instance = Instance::new();
    instance.configure("[agents.claude]\ncommand = [\"/bin/false\"]\n");
    let _relay = instance.start_relay(&[]).await;
    let way = Way::unix(&instance);
    let peer = way.connect("person").await;
    let session = agent::start(&peer).await;
    let mut watcher = Watcher::start(&way, &session).await;
    watcher
        .until("its end", |events| {
            let ended = |update: &Update| matches!(update, Update::AgentExited { .. });
            events.iter().any(|event| ended(&event.update)).then_some(())
        })
        .await;
    assert_eq!(agent::view(&peer, &session).await.turns, 0);
}

#[tokio::test]
async fn an_agent_whose_input_is_closed_takes_nothing_more_and_that_is_said_at_once() {
    let stage = Stage::new().await;
    let mut watcher = Watcher::start(&stage.way, &stage.session).await;
    let started = stage.instance.path("started");
    stage.say(&format!("sh touch {}; sleep 600", started.display())).await;
    until_file(&started, |_| true).await;
    let queued = stage.say("say later").await;
    // the first rung closes its input; the next one is far away
    let stop = |now| StopParams {
        session: stage.session.clone(),
        rung_ms: Some(600_000),
        now,
        reason: None,
    };
    stage.peer.call::<SessionStop>(&stop(false)).await;
    for _ in 0..3 {
        let message = quarterdeck_protocol::method::AgentPromptParams {
            delivery: Delivery::Steer,
            ..agent::message(&stage.session, "say anything")
        };
        let refused = stage.peer.try_call::<AgentPrompt>(&message).await;
        assert_eq!(refused.map_err(|error| error.code()), Err(ErrorCode::Ended));
    }
    stage.peer.call::<SessionStop>(&stop(true)).await;
    let ended = |event: &AgentEvent| matches!(event.update, Update::AgentExited { .. });
    watcher.until("its end", |events| events.iter().any(ended).then_some(())).await;
    // what waited for the end of the turn waits for the next start
    let queue = agent::view(&stage.peer, &stage.session).await.queue;
    assert_eq!(queue.iter().map(|it| it.message_id.as_str()).collect::<Vec<_>>(), [queued]);
}
