//! An agent must not approve itself: what its tools start gets nothing but a status.

use quarterdeck_e2e::harness::{
    agent::{self, Watcher},
    files::until_file,
    instance::qd_binary,
};
use quarterdeck_protocol::agent::AgentState;

use super::Stage;

/// Runs a command inside the agent's session, as a tool of the agent would; what it printed.
async fn inside(stage: &Stage, name: &str, script: &str) -> String {
    let out = stage.instance.path(name);
    let file = out.display();
    stage.say(&format!("sh ({script}) >{file}.part 2>&1; mv {file}.part {file}")).await;
    let bytes = until_file(&out, |_| true).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn a_process_inside_an_agents_session_answers_no_prompt_and_sees_no_session() {
    let stage = Stage::new().await;
    let mut watcher = Watcher::start(&stage.way, &stage.session).await;
    let qd = qd_binary().display().to_string();
    // another agent waits for an answer
    let other = agent::start(&stage.peer).await;
    agent::say(&stage.peer, &other, "ask b").await;
    let mut of_other = Watcher::start(&stage.way, &other).await;
    let prompt = of_other.prompt(0).await;
    let commands = [
        format!("{qd} prompts allow {}", prompt.id),
        format!("{qd} prompts ls"),
        format!("{qd} ls"),
        format!("{qd} send {other} hello"),
        format!("{qd} stop --now {other}"),
        format!("{qd} token create mine --scope admin"),
        // away from its parents, as a daemon goes
        format!("setsid sh -c \"{qd} prompts allow {} & wait\"", prompt.id),
    ];
    for (n, command) in commands.iter().enumerate() {
        let said = inside(&stage, &format!("out-{n}"), &format!("{command}; echo code $?")).await;
        assert!(said.contains("inside an agent's session"), "{command}: {said}");
    }
    watcher.turns(commands.len()).await;
    let view = agent::view(&stage.peer, &other).await;
    assert_eq!((view.state, view.prompts.len()), (AgentState::Waiting, 1));
    assert_eq!(stage.times("ran b"), 0);
}
