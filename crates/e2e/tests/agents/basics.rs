//! What every agent must do, whatever it is.

use quarterdeck_e2e::{
    harness::{
        agents::{Agent, AgentHome},
        conversation::Talk,
    },
    models::{FakeModels, Reply},
};
use quarterdeck_protocol::agent::StopReason;

async fn plain_turn(agent: Agent) {
    let models = FakeModels::start().await;
    let Some(home) = AgentHome::new(agent, &models) else { return };
    models.script([Reply::think("They greet me.").then_say("Hello, ").then_say("Ada.")]);
    let mut talk = Talk::start(&home).await;
    assert_eq!(talk.turn("Good morning").await, StopReason::EndTurn);
    assert_eq!(talk.said(), "Hello, Ada.");
    assert_eq!(talk.thought(), "They greet me.");
    assert!(models.last_request().user_said("Good morning"));
    talk.check();
}

#[tokio::test]
async fn claude_a_plain_turn() {
    plain_turn(Agent::Claude).await;
}
#[tokio::test]
async fn codex_a_plain_turn() {
    plain_turn(Agent::Codex).await;
}
#[tokio::test]
async fn opencode_a_plain_turn() {
    plain_turn(Agent::Opencode).await;
}
