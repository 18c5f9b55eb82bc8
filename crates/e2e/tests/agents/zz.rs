use crate::scene::Scene;
use quarterdeck_e2e::{harness::agents::Agent, models::Reply};
for_every_agent!(tools);
async fn tools(agent: Agent) {
    let Some(mut scene) = Scene::start(agent, [Reply::say("x")]).await else { return };
    scene.talk.turn("hi").await;
    let r = scene.models.last_request();
    eprintln!("{agent:?} {:?} model {} sys {}", r.tools, r.model, r.system.len());
    eprintln!(
        "{:?} side {}",
        r.user_texts().iter().map(|t| t.chars().take(80).collect::<String>()).collect::<Vec<_>>(),
        scene.models.side_requests().len()
    );
    if agent == Agent::Codex {
        eprintln!("{:#}", r.body["tools"]);
    }
}
