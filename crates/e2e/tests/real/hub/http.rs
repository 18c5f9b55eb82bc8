//! The hub over plain HTTP: agents of every machine in AgentAPI's shape, as their relay has it, with the
//! hub's credentials.

use quarterdeck_e2e::harness::{
    agent::{self, option_of},
    client::Way,
    http::Http,
    hub::Fleet,
    news::News,
    within,
};
use quarterdeck_protocol::{
    agent::OptionKind,
    http::operations,
    ids::SessionId,
    method::{TokenCreate, TokenCreateParams, TokenNameParams, TokenRevoke},
    scope::{Scope, Scopes},
};
use serde_json::{Value, json};

const MACHINES: [&str; 2] = [Fleet::NEAR, Fleet::FAR];

async fn fleet() -> Fleet {
    Fleet::start_with(|instance| instance.configure(&agent::configuration(instance))).await
}

async fn http(fleet: &Fleet, name: &str, scopes: Scopes, sessions: Vec<SessionId>) -> Http {
    let admin = Way::hub(&fleet.here).connect("admin").await;
    let params = TokenCreateParams {
        name: name.into(),
        principal: Some(name.into()),
        scopes,
        sessions,
        expires_in_s: None,
        dialect: None,
    };
    let token = Some(admin.call::<TokenCreate>(&params).await.token);
    Http { to: fleet.hub.address().parse().expect("an address"), token }
}

/// The base path of an agent's session on a machine.
async fn start(fleet: &Fleet, machine: &str) -> (SessionId, String) {
    let peer = fleet.way(machine).connect("starter").await;
    let session = agent::try_start(&peer, "claude").await.expect("starts").session;
    (session, format!("/v1/machines/{machine}/sessions/{session}"))
}

fn texts(messages: &Value) -> String {
    messages["messages"].to_string()
}

#[tokio::test]
async fn an_agent_of_any_machine_is_spoken_to_by_http_at_the_hub() {
    let fleet = fleet().await;
    let http = http(&fleet, "robot", Scopes::ALL, Vec::new()).await;
    for machine in MACHINES {
        let (session, base) = start(&fleet, machine).await;
        let body = json!({ "content": "say hello", "type": "user" });
        let posted = http.post(&format!("{base}/message"), &body).await.ok().json();
        assert_eq!(posted["ok"], true);
        // without a machine the session's id is enough
        let mut events = http.events(&session.to_string(), None).await.expect("streams");
        let said = |event: &quarterdeck_e2e::harness::http::SseEvent| {
            event.data.to_string().contains("hello") && event.data["role"] == "agent"
        };
        events.until(said).await;
        events.until(|event| event.data["status"] == "stable").await;
        let last = events.last_id().expect("has ids");
        drop(events);
        let body = json!({ "content": "say again", "type": "user" });
        http.post(&format!("{base}/message"), &body).await.ok();
        let mut events = http.events(&session.to_string(), Some(&last)).await.expect("streams");
        let again = |event: &quarterdeck_e2e::harness::http::SseEvent| {
            event.data.to_string().contains("again") && event.data["role"] == "agent"
        };
        events.until(again).await;
        let twice = events.seen.iter().any(said);
        assert!(!twice, "it goes on behind the last one: {:?}", events.seen);
        let messages = http.get(&format!("{base}/messages")).await.ok().json();
        assert!(texts(&messages).contains("hello"), "{messages}");
        // more than a frame, and more than a window
        let file = vec![b'x'; 3 * 1024 * 1024];
        let uploaded = http.upload(&format!("{base}/upload"), "big.txt", &file).await.ok().json();
        let path = uploaded["filePath"].as_str().expect("a path").to_owned();
        assert_eq!(std::fs::read(path).expect("is there"), file);
        let status = http.get(&format!("{base}/status")).await.ok().json();
        assert_eq!(status["agent_type"], "claude");
    }
    let all = http.get("/v1/sessions").await.ok().json();
    assert_eq!(all["sessions"].as_array().expect("a list").len(), 2);
    assert!(all.to_string().contains("\"label\":\"far\""), "{all}");
}

#[tokio::test]
async fn a_prompt_of_any_machine_is_listed_and_answered_by_http() {
    let fleet = fleet().await;
    let http =
        http(&fleet, "phone", [Scope::Read, Scope::Answer].into_iter().collect(), Vec::new());
    let http = http.await;
    let mut news = News::watch(&Way::hub(&fleet.here)).await;
    for machine in MACHINES {
        let (session, _) = start(&fleet, machine).await;
        let peer = fleet.way(machine).connect("starter").await;
        agent::say(&peer, &session.to_string(), "ask 1").await;
        let prompt = news.opened().await.prompt;
        let listed = http.get("/v1/prompts").await.ok().json();
        assert_eq!(listed["prompts"][0]["id"], prompt.id.to_string());
        assert_eq!(listed["prompts"][0]["on"]["label"], machine);
        let allow = option_of(&prompt, OptionKind::AllowOnce);
        let path = format!("/v1/prompts/{}", prompt.id);
        let body = json!({ "answer": "option", "option_id": allow });
        http.post(&path, &body).await.ok();
        let by = news.settled().await.state.answered().map(|it| it.by.name().to_owned());
        assert_eq!(by.as_deref(), Some("phone"));
        let late = http.post(&path, &body).await;
        assert_eq!((late.status, late.word().as_str()), (409, "prompt_answered"));
    }
}

#[tokio::test]
async fn scopes_and_limits_count_over_http_through_the_hub() {
    let fleet = fleet().await;
    for machine in MACHINES {
        let (own, base) = start(&fleet, machine).await;
        let (other, hidden) = start(&fleet, machine).await;
        let name = format!("guest-{machine}");
        let guest = http(&fleet, &name, Scopes::ALL, vec![own]).await;
        let listed = guest.get("/v1/sessions").await.ok().json();
        assert_eq!(listed["sessions"].as_array().expect("a list").len(), 1);
        guest.get(&format!("{base}/status")).await.ok();
        for path in [format!("{hidden}/status"), format!("/v1/sessions/{other}/messages")] {
            let refused = guest.get(&path).await;
            assert_eq!((refused.status, refused.word().as_str()), (404, "not_found"), "{path}");
        }
        let (name, read) = (format!("looker-{machine}"), [Scope::Read].into_iter().collect());
        let looker = http(&fleet, &name, read, Vec::new()).await;
        looker.get(&format!("{base}/status")).await.ok();
        let body = json!({ "content": "say no", "type": "user" });
        let refused = looker.post(&format!("{base}/message"), &body).await;
        assert_eq!((refused.status, refused.word().as_str()), (403, "forbidden"));
        // a token that is revoked ends what it began
        let mut events = looker.events(&own.to_string(), None).await.expect("streams");
        let admin = Way::hub(&fleet.here).connect("admin").await;
        let name = TokenNameParams { name: format!("looker-{machine}") };
        admin.call::<TokenRevoke>(&name).await;
        within("the stream ends", async { while events.next().await.is_some() {} }).await;
    }
}

#[tokio::test]
async fn what_cannot_be_done_over_http_at_the_hub_says_why() {
    let fleet = fleet().await;
    let http = http(&fleet, "robot", Scopes::ALL, Vec::new()).await;
    let (session, base) = start(&fleet, Fleet::FAR).await;
    fleet.here.qd(["machine", "disconnect", Fleet::FAR]).await.ok();
    let away = http.get(&format!("{base}/status")).await;
    assert_eq!((away.status, away.word().as_str()), (503, "unreachable"));
    assert!(away.json()["message"].as_str().expect("a sentence").contains("is not connected"));
    let mars = http.get(&format!("/v1/machines/mars/sessions/{session}/status")).await;
    assert_eq!((mars.status, mars.word().as_str()), (404, "not_found"));
    let garbage = http.post_text("/v1/machines", "{").await;
    assert_eq!((garbage.status, garbage.word().as_str()), (400, "parse_error"));
    let page = http.send("GET", "/v1/machines", &["origin: http://127.0.0.1"], b"").await;
    assert_eq!((page.status, page.word().as_str()), (403, "forbidden"));
    let nobody = Http { token: None, ..http.clone() };
    let refused = nobody.get("/v1/machines").await;
    assert_eq!((refused.status, refused.word().as_str()), (401, "unauthenticated"));
    let described = nobody.get("/openapi.json").await.ok().json();
    for operation in operations() {
        let it = &described["paths"][operation.path][operation.verb];
        assert_eq!(it["x-method"], operation.method.word(), "{operation:?}");
    }
}
