//! What an agent's session does when nothing goes wrong.

use quarterdeck_e2e::harness::agent::{self, Watcher};
use quarterdeck_protocol::{
    agent::{AgentState, Delivery, MessageState, Origin, StopReason, Update},
    error::ErrorCode,
    method::{
        AgentInterrupt, AgentInterruptParams, AgentPrompt, AgentPromptParams, AgentSetMode,
        AgentSetModeParams, AgentSetModel, AgentSetModelParams, AgentWithdraw, AgentWithdrawParams,
        Empty, InputParams, SessionInput, SessionList,
    },
    record::SessionKind,
    session::SessionState,
};

use super::Stage;

#[tokio::test]
async fn a_message_begins_a_turn_and_everyone_sees_it_to_its_end() {
    let stage = Stage::new().await;
    let mut watcher = Watcher::start(&stage.way, &stage.session).await;
    let id = stage.say("say hello").await;
    watcher.turns(1).await;
    assert_eq!(watcher.text(), "hello");
    let started = watcher.events.iter().find_map(|event| {
        let Update::TurnStarted { origin, message_id } = &event.update else { return None };
        Some((origin.clone(), message_id.clone()))
    });
    let (origin, message_id) = started.expect("a turn began");
    assert_eq!(message_id, Some(id));
    let Origin::Person { principal, client } = origin else { panic!("{origin:?}") };
    assert_eq!(principal, stage.peer.hello.principal);
    assert_eq!(client, Some(stage.peer.hello.client_id));

    let view = agent::view(&stage.peer, &stage.session).await;
    assert_eq!((view.state, view.turns), (AgentState::Idle, 1));
    let listed = stage.peer.call::<SessionList>(&Empty {}).await.sessions;
    assert_eq!((listed[0].kind, &listed[0].state), (SessionKind::Agent, &SessionState::Idle));
    let info = listed[0].agent.as_ref().expect("an agent");
    assert_eq!((info.name.as_str(), info.turns, info.prompts), ("claude", 1, 0));
    assert!(listed[0].label.as_str().starts_with("claude:"), "{}", listed[0].label);
}

#[tokio::test]
async fn who_comes_late_sees_the_same_events_with_the_same_ids() {
    let stage = Stage::new().await;
    let mut first = Watcher::start(&stage.way, &stage.session).await;
    for n in 1..=5 {
        stage.say(&format!("say {n}; stream 50; errors careful")).await;
        first.turns(n).await;
    }
    let mut late = Watcher::start(&stage.way, &stage.session).await;
    late.turns(5).await;
    assert_eq!(first.events, late.events);
    // and who comes back only what it has not seen
    let seen = late.events.split_off(late.events.len() / 2);
    late.again(&stage.way).await;
    late.turns(5).await;
    assert_eq!(late.events[first.events.len() / 2..], seen);
}

#[tokio::test]
async fn messages_to_a_busy_agent_queue_interrupt_and_can_be_taken_back() {
    let stage = Stage::new().await;
    let mut watcher = Watcher::start(&stage.way, &stage.session).await;
    stage.say("hang").await;
    agent::until_state(&mut watcher, AgentState::Running).await;
    let second = stage.say("say second").await;
    let third = stage.say("say third").await;
    let view = agent::view(&stage.peer, &stage.session).await;
    let queued: Vec<&str> = view.queue.iter().map(|it| it.message_id.as_str()).collect();
    assert_eq!(queued, [&second, &third]);
    let params = AgentWithdrawParams { session: stage.session.clone(), message_id: third.clone() };
    stage.peer.call::<AgentWithdraw>(&params).await;

    let urgent = AgentPromptParams {
        delivery: Delivery::Interrupt,
        ..agent::message(&stage.session, "say urgent")
    };
    stage.peer.call::<AgentPrompt>(&urgent).await;
    watcher.turns(3).await;
    assert_eq!(watcher.text(), "urgentsecond");
    assert_eq!(stage.times("message say third"), 0);
    let ends: Vec<StopReason> = watcher
        .events
        .iter()
        .filter_map(|event| {
            let Update::TurnEnded { stop_reason, .. } = event.update else { return None };
            Some(stop_reason)
        })
        .collect();
    assert_eq!(ends, [StopReason::Cancelled, StopReason::EndTurn, StopReason::EndTurn]);
    let rejected = watcher.events.iter().any(|event| {
        matches!(&event.update, Update::MessageUpdate { message_id, state }
            if *message_id == third && *state == MessageState::Rejected)
    });
    assert!(rejected);
}

#[tokio::test]
async fn a_turn_can_be_interrupted_and_mode_and_model_changed() {
    let stage = Stage::new().await;
    let mut watcher = Watcher::start(&stage.way, &stage.session).await;
    let session = || stage.session.clone();
    let interrupt = AgentInterruptParams { session: session(), command_id: None };
    stage.say("hang").await;
    agent::until_state(&mut watcher, AgentState::Running).await;
    stage.peer.call::<AgentInterrupt>(&interrupt).await;
    watcher.turns(1).await;
    let idle = stage.peer.try_call::<AgentInterrupt>(&interrupt).await;
    assert_eq!(idle.map_err(|error| error.code()), Err(ErrorCode::AgentNotReady));

    let mode = AgentSetModeParams { session: session(), mode: "plan".to_owned(), command_id: None };
    stage.peer.call::<AgentSetMode>(&mode).await;
    let model =
        AgentSetModelParams { session: session(), model: "big".to_owned(), command_id: None };
    stage.peer.call::<AgentSetModel>(&model).await;
    stage.say("say done").await;
    watcher.turns(2).await;
    assert_eq!((stage.times("mode \"plan\""), stage.times("model \"big\"")), (1, 1));

    let bypass = AgentSetModeParams { mode: "bypassPermissions".to_owned(), ..mode };
    let refused = stage.peer.try_call::<AgentSetMode>(&bypass).await;
    assert_eq!(refused.map_err(|error| error.code()), Err(ErrorCode::Ceiling));
}

#[tokio::test]
async fn the_same_message_is_taken_once_however_often_it_is_sent() {
    let stage = Stage::new().await;
    let mut watcher = Watcher::start(&stage.way, &stage.session).await;
    let message = AgentPromptParams {
        message_id: Some("mine".to_owned()),
        ..agent::message(&stage.session, "say once")
    };
    let first = stage.peer.call::<AgentPrompt>(&message).await;
    let again = stage.peer.call::<AgentPrompt>(&message).await;
    assert_eq!((first.repeated, again.repeated), (false, true));
    assert_eq!((first.id.as_str(), again.id.as_str()), ("mine", "mine"));
    stage.say("say next").await;
    watcher.turns(2).await;
    assert_eq!(watcher.text(), "oncenext");
}

#[tokio::test]
async fn an_agent_is_not_typed_to_and_a_terminal_is_no_agent() {
    let stage = Stage::new().await;
    let input = InputParams { session: stage.session.clone(), text: "x".to_owned(), n: None };
    let refused = stage.peer.try_call::<SessionInput>(&input).await;
    assert_eq!(refused.map_err(|error| error.code()), Err(ErrorCode::WrongKind));
    let terminal = stage.peer.create(["/bin/cat"]).await.session.to_string();
    let told = stage.peer.try_call::<AgentPrompt>(&agent::message(&terminal, "hello")).await;
    assert_eq!(told.map_err(|error| error.code()), Err(ErrorCode::WrongKind));
}
