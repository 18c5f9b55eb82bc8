//! The relay is killed at every step of a turn, and the agent in the middle of one.

use quarterdeck_e2e::{
    harness::{
        agent::{self, Watcher, option_of},
        files::WholeLog,
        ordinary_or_long, within,
    },
    processes,
    streams::mix,
};
use quarterdeck_protocol::{
    agent::{AgentState, OptionKind, PromptState, StopReason, Update},
    error::ErrorCode,
    method::{AgentPrompt, AgentPromptParams, PromptAnswerMethod, ResumeParams, SessionResume},
    record::{RecordKind, Start},
};
use quarterdeck_transport::CallError;
use rustix::process::Signal;

use super::Stage;

/// The agent's own process.
fn program_pid(stage: &Stage) -> u32 {
    let log = WholeLog::read(&stage.instance.session_directory(&stage.session));
    let start = log.records.iter().rev().find(|it| it.header.kind == RecordKind::Start);
    let start = start.expect("it was started");
    serde_json::from_slice::<Start>(&start.payload).expect("a start").pid
}

/// The one end of each turn.
fn ends(watcher: &Watcher) -> Vec<StopReason> {
    let end = |event: &quarterdeck_protocol::agent::AgentEvent| {
        let Update::TurnEnded { stop_reason, .. } = event.update else { return None };
        Some(stop_reason)
    };
    watcher.events.iter().filter_map(end).collect()
}

#[tokio::test]
async fn a_prompt_stays_open_while_the_relay_is_dead_and_is_answered_afterwards() {
    let mut stage = Stage::new().await;
    let mut watcher = Watcher::start(&stage.way, &stage.session).await;
    stage.say("say before; ask a; say after").await;
    let prompt = watcher.prompt(0).await;
    stage = stage.restart().await;
    watcher.again(&stage.way).await;
    let view = agent::view(&stage.peer, &stage.session).await;
    assert_eq!(view.state, AgentState::Waiting);
    assert_eq!(view.prompts, std::slice::from_ref(&prompt));
    let once = option_of(&prompt, OptionKind::AllowOnce);
    agent::answer(&stage.peer, prompt.id, &once, None).await.expect("answers");
    watcher.turns(1).await;
    assert_eq!((watcher.text().as_str(), stage.times("ran a")), ("beforeafter", 1));
    assert_eq!(ends(&watcher), [StopReason::EndTurn]);
}

#[tokio::test]
async fn an_answer_whose_relay_died_is_sent_again_and_applied_once() {
    let mut stage = Stage::new().await;
    let mut watcher = Watcher::start(&stage.way, &stage.session).await;
    for round in 0..ordinary_or_long(8, 60) {
        stage.say(&format!("ask {round}")).await;
        let prompt = watcher.prompt(round).await;
        let once = option_of(&prompt, OptionKind::AllowOnce);
        let id = format!("answer-{round}");
        {
            // the relay dies somewhere between reading the answer and telling that it is applied
            let params = agent::option_answer(prompt.id, &once, Some(&id));
            let answering = stage.peer.client.call::<PromptAnswerMethod>(&params);
            let dying = async {
                for _ in 0..mix(round as u64) % 40 {
                    tokio::task::yield_now().await;
                }
                stage.relay.signal(Signal::KILL);
            };
            // a broken link says nothing, but the relay never says that somebody was first
            if let (Err(CallError::Rpc(error)), ()) = tokio::join!(answering, dying) {
                panic!("round {round}: {error:?}");
            }
        }
        stage = stage.restart().await;
        watcher.again(&stage.way).await;
        agent::answer(&stage.peer, prompt.id, &once, Some(&id)).await.expect("the same answer");
        watcher.turns(round + 1).await;
        assert_eq!(stage.times(&format!("ran {round}")), 1, "round {round}");
    }
    assert_eq!(stage.times("an answer that nobody waits for"), 0);
    assert!(ends(&watcher).iter().all(|end| *end == StopReason::EndTurn));
}

#[tokio::test]
async fn a_message_whose_relay_died_is_sent_again_and_begins_one_turn() {
    let mut stage = Stage::new().await;
    let mut watcher = Watcher::start(&stage.way, &stage.session).await;
    for round in 0..ordinary_or_long(8, 60) {
        let message = AgentPromptParams {
            message_id: Some(format!("message-{round}")),
            ..agent::message(&stage.session, &format!("stream {}", 1 + mix(round) % 300))
        };
        {
            let sending = stage.peer.client.call::<AgentPrompt>(&message);
            let dying = async {
                for _ in 0..mix(round + 500) % 40 {
                    tokio::task::yield_now().await;
                }
                stage.relay.signal(Signal::KILL);
            };
            if let (Err(CallError::Rpc(error)), ()) = tokio::join!(sending, dying) {
                panic!("round {round}: {error:?}");
            }
        }
        stage = stage.restart().await;
        watcher.again(&stage.way).await;
        stage.peer.call::<AgentPrompt>(&message).await;
        watcher.turns(usize::try_from(round).expect("small") + 1).await;
    }
    let messages = agent::journal(&stage.instance);
    let messages = messages.iter().filter(|line| line.starts_with("message ")).count() as u64;
    assert_eq!(messages, ordinary_or_long(8, 60));
    assert_eq!(stage.times("initialize"), 1);
    // what a new client is told is what this one was told across all the relays
    let mut late = Watcher::start(&stage.way, &stage.session).await;
    late.turns(ends(&watcher).len()).await;
    assert_eq!(late.events, watcher.events);
}

#[tokio::test]
async fn a_stream_goes_on_without_a_relay_and_nothing_of_it_is_missing() {
    let mut stage = Stage::new().await;
    let mut watcher = Watcher::start(&stage.way, &stage.session).await;
    stage.say("stream 20000").await;
    watcher.until("the stream flows", |events| (events.len() > 500).then_some(())).await;
    stage = stage.restart().await;
    watcher.again(&stage.way).await;
    watcher.turns(1).await;
    let expected: String = (0..20000).map(|n| format!("{n} ")).collect();
    assert_eq!(watcher.text(), expected);
    assert_eq!(ends(&watcher), [StopReason::EndTurn]);
}

#[tokio::test]
async fn a_killed_agent_loses_its_prompt_and_is_resumed_with_its_own_conversation() {
    let stage = Stage::new().await;
    let mut watcher = Watcher::start(&stage.way, &stage.session).await;
    // before its first turn has ended a vendor may have nothing to go on with
    stage.say("say before ").await;
    watcher.turns(1).await;
    stage.say("ask a").await;
    let prompt = watcher.prompt(0).await;
    let vendor_session =
        agent::view(&stage.peer, &stage.session).await.vendor_session.expect("is known");
    processes::signal(program_pid(&stage), Signal::KILL).expect("the agent runs");
    watcher.turns(2).await;
    assert_eq!(ends(&watcher), [StopReason::EndTurn, StopReason::AgentExit]);
    let lost = watcher
        .until("the prompt is lost", |events| {
            events.iter().find_map(|event| {
                let Update::PromptUpdate { prompt: id, state } = &event.update else { return None };
                (*id == prompt.id).then(|| state.clone())
            })
        })
        .await;
    assert_eq!(lost, PromptState::Lost { answered: None });
    let once = option_of(&prompt, OptionKind::AllowOnce);
    let late = agent::answer(&stage.peer, prompt.id, &once, None).await;
    assert_eq!(late.map_err(|error| error.code()), Err(ErrorCode::PromptSettled));

    let resume = ResumeParams {
        session: stage.session.clone(),
        client_env: std::collections::BTreeMap::new(),
        size: None,
    };
    let resumed = async {
        loop {
            // the holder ends a moment after its program
            match stage.peer.try_call::<SessionResume>(&resume).await {
                Ok(_) => return,
                Err(error) => assert_eq!(error.code(), ErrorCode::StillRunning, "{error:?}"),
            }
        }
    };
    within("the session is resumed", resumed).await;
    stage.say("say again").await;
    watcher.turns(3).await;
    assert_eq!(watcher.text(), "beforeagain");
    assert_eq!(stage.times(&format!("resumed {vendor_session}")), 1);
}
