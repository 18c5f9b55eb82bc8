//! What an agent says is in the log or is not said: full disks, and holders that die.

use quarterdeck_e2e::harness::{
    agent::{self, Watcher, option_of},
    canary::Canary,
    files::{WholeLog, kill_holder},
    instance::Instance,
    overview::Overview,
    small_disk::SmallDisk,
};
use quarterdeck_protocol::{
    agent::{AgentEvent, OptionKind, PromptState, StopReason, Update},
    error::ErrorCode,
    method::{ResumeParams, SessionResume},
    record::RecordKind,
    session::{SessionInfo, SessionState},
};

use super::Stage;

const MIB: u64 = 1 << 20;

fn ends(watcher: &Watcher) -> Vec<StopReason> {
    let end = |event: &AgentEvent| {
        let Update::TurnEnded { stop_reason, .. } = event.update else { return None };
        Some(stop_reason)
    };
    watcher.events.iter().filter_map(end).collect()
}

#[tokio::test]
async fn on_a_full_disk_an_agent_waits_and_nothing_it_says_is_missing_afterwards() {
    let instance = Instance::new();
    let Some(disk) = SmallDisk::mount(&instance.state(), 16 * MIB) else { return };
    let stage = Stage::on(instance).await;
    // it must be gone before the directory that it covers
    let disk = disk;
    let mut canary = Canary::start(&stage.way).await;
    let mut watcher = Watcher::start(&stage.way, &stage.session).await;
    let mut overview = Overview::start(&stage.way).await;
    stage.say("ask a; stream 20000").await;
    let prompt = watcher.prompt(0).await;
    let once = option_of(&prompt, OptionKind::AllowOnce);
    disk.fill();
    // it may be told that there is no room, and may then come again
    let _ = agent::answer(&stage.peer, prompt.id, &once, Some("mine")).await;
    let session = prompt.id.session;
    canary.sings().await;
    let stalled =
        |info: &SessionInfo| info.state == SessionState::Stalled { why: "disk_full".to_owned() };
    overview.until(session, "it is stalled", stalled).await;
    canary.sings().await;
    disk.empty();
    agent::answer(&stage.peer, prompt.id, &once, Some("mine")).await.expect("is taken, or was");
    watcher.turns(1).await;
    let expected: String = (0..20000).map(|n| format!("{n} ")).collect();
    assert_eq!(watcher.text(), expected);
    assert_eq!((stage.times("ran a"), ends(&watcher)), (1, vec![StopReason::EndTurn]));
    let log = WholeLog::read(&stage.instance.session_directory(&stage.session));
    assert_eq!((log.missing.len(), log.count(RecordKind::Answer)), (0, 1));
    drop(disk);
}

#[tokio::test]
async fn a_killed_holder_loses_its_prompt_ends_its_turn_once_and_is_resumed() {
    let stage = Stage::new().await;
    let mut canary = Canary::start(&stage.way).await;
    let mut watcher = Watcher::start(&stage.way, &stage.session).await;
    stage.say("say before; ask a").await;
    let prompt = watcher.prompt(0).await;
    let directory = stage.instance.session_directory(&stage.session);
    kill_holder(&directory).await;
    watcher.turns(1).await;
    assert_eq!(ends(&watcher), [StopReason::AgentExit]);
    let mut overview = Overview::start(&stage.way).await;
    let lost = |info: &SessionInfo| matches!(info.state, SessionState::Lost { .. });
    overview.until(prompt.id.session, "it is lost", lost).await;
    let once = option_of(&prompt, OptionKind::AllowOnce);
    let late = agent::answer(&stage.peer, prompt.id, &once, None).await;
    assert_eq!(late.map_err(|error| error.code()), Err(ErrorCode::PromptSettled));
    let is_lost = |event: &AgentEvent| {
        let state = PromptState::Lost { answered: None };
        matches!(&event.update, Update::PromptUpdate { prompt: id, state: it }
            if *id == prompt.id && *it == state)
    };
    assert_eq!(watcher.events.iter().filter(|event| is_lost(event)).count(), 1);
    canary.sings().await;

    let resume = ResumeParams {
        session: stage.session.clone(),
        client_env: std::collections::BTreeMap::new(),
        size: None,
    };
    stage.peer.call::<SessionResume>(&resume).await;
    stage.say("say after").await;
    watcher.turns(2).await;
    assert_eq!((watcher.text().as_str(), stage.times("ran a")), ("beforeafter", 0));
    assert_eq!(WholeLog::read(&directory).missing, []);
}
