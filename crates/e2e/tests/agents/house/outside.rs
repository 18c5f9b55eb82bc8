//! Real agents that a person starts outside Quarterdeck, with the tools that `qd mcp install` gave them.

use std::{path::Path, process::Stdio};

use quarterdeck_e2e::{
    harness::{
        agents::{Agent, AgentHome},
        client::Way,
        conversation::AGENT_PATIENCE,
        instance::{Instance, Ran},
        look_again, within_time,
    },
    models::{FakeModels, Reply},
};
use quarterdeck_protocol::method::{
    MailIdentityParams, MailSend, MailSendParams, MailWait, MailWaitParams, MailWhoami, SpeakerKind,
};
use serde_json::json;
use tokio::process::Command;

/// What the agent is asked to do by its user, as each vendor's program takes it without a terminal.
fn command(home: &AgentHome) -> Command {
    let mut command = Command::new(&home.command()[0]);
    match home.agent() {
        Agent::Claude => {
            let tools = "mcp__quarterdeck__await_reply,mcp__quarterdeck__reply";
            command.args(["-p", "Wait for a message and answer it.", "--allowedTools", tools]);
        }
        Agent::Codex => {
            let free = "--dangerously-bypass-approvals-and-sandbox";
            command.args(["exec", free, "Wait for a message and answer it."]);
        }
        Agent::Opencode => panic!("`qd mcp install` does not know it"),
    }
    command.env_clear().envs(home.env()).current_dir(home.project());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Gives the tools to the agent by its own command, as its user would.
async fn install(instance: &Instance, home: &AgentHome) {
    let program = home.command()[0].clone();
    let directory = Path::new(&program).parent().expect("a program is in a directory");
    let mut install = instance.command(["mcp", "install", home.agent().name()]);
    install.envs(home.env()).env("PATH", format!("{}:/usr/bin:/bin", directory.display()));
    Ran::of(install).await.ok();
}

async fn is_written_to_and_answers(agent: Agent) {
    let models = FakeModels::start().await;
    models.script([
        Reply::call("mcp__quarterdeck__await_reply", json!({ "timeout_seconds": 100 })),
        Reply::call("mcp__quarterdeck__reply", json!({ "in_reply_to": "#1", "body": "it is" })),
        Reply::say("Answered."),
    ]);
    let Some(home) = AgentHome::new(agent, &models) else { return };
    let instance = Instance::new();
    let _relay = instance.start_relay(&[]).await;
    let peer = Way::unix(&instance).connect("person").await;
    install(&instance, &home).await;
    let course = async {
        let label = loop {
            let told = peer.call::<MailWhoami>(&MailIdentityParams::default()).await;
            if let Some(found) = told.sessions.into_iter().next() {
                assert_eq!(found.kind, SpeakerKind::Outside);
                break found.label;
            }
            look_again().await;
        };
        assert_eq!(label.as_str(), format!("{}:1", agent.name()));
        let ask = MailSendParams {
            to_session: Some(label.clone()),
            body: "Is main green?".to_owned(),
            ..MailSendParams::default()
        };
        let sent = peer.call::<MailSend>(&ask).await;
        let wait = MailWaitParams {
            in_reply_to: Some(sent.id),
            wait_ms: 20_000,
            ..MailWaitParams::default()
        };
        loop {
            if let Some(reply) = peer.call::<MailWait>(&wait).await.message {
                assert_eq!(reply.from_session.as_deref(), Some(label.as_str()));
                return reply.text;
            }
        }
    };
    let answered = within_time(AGENT_PATIENCE, "it answers", course);
    let (text, ran) = tokio::join!(answered, Ran::of(command(&home)));
    assert_eq!(text, "it is", "{ran:?}");
    let told = models.requests()[1].last_tool_result();
    assert!(told.contains("Is main green?"), "{told}");
    assert_eq!(models.left(), 0);
}

#[tokio::test]
async fn claude_outside_a_session_is_written_to_and_answers() {
    is_written_to_and_answers(Agent::Claude).await;
}

#[tokio::test]
async fn codex_outside_a_session_is_written_to_and_answers() {
    is_written_to_and_answers(Agent::Codex).await;
}
