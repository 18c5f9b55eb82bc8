//! Who is let in.

use quarterdeck_e2e::harness::{
    http::Http,
    myagent::{self, Client},
};
use serde_json::json;

use super::Stage;

async fn check_refused(stage: &Stage, authorization: Option<&str>) {
    let refused = Client::try_connect(myagent::address(&stage.relay), authorization).await;
    let refused = refused.expect_err("is refused");
    assert_eq!(refused.status(), 401, "{authorization:?}");
    assert_eq!(refused.headers()["www-authenticate"], "Bearer realm=\"myagent-remote\"");
}

#[tokio::test]
async fn a_connection_without_a_header_is_refused_with_401() {
    check_refused(&Stage::set().await, None).await;
}

#[tokio::test]
async fn a_wrong_token_is_refused_with_401() {
    let stage = Stage::set().await;
    check_refused(&stage, Some("Bearer wrong")).await;
    let other = stage.instance.qd(["token", "create", "other", "--scope", "drive"]).await.ok();
    let other = format!("Bearer {}", other.text().trim());
    check_refused(&stage, Some(&other)).await;
}

#[tokio::test]
async fn basic_credentials_are_refused_with_401() {
    let stage = Stage::set().await;
    check_refused(&stage, Some(&format!("Basic {}", stage.token))).await;
}

#[tokio::test]
async fn the_right_token_is_answered_with_ready() {
    let stage = Stage::set().await;
    let bearer = format!("Bearer {}", stage.token);
    let to = myagent::address(&stage.relay);
    let mut client = Client::try_connect(to, Some(&bearer)).await.expect("is let in");
    assert_eq!(client.next().await, json!({ "type": "ready", "protocolVersion": 1 }));
    assert_eq!(client.next().await, json!({ "type": "role", "role": "owner", "epoch": 1 }));
}

#[tokio::test]
async fn a_token_is_made_once_and_used_again_after_a_restart() {
    let mut stage = Stage::set().await;
    stage.owner().await;
    stage.restart().await;
    stage.owner().await;
    stage.instance.qd(["token", "revoke", "remote"]).await.ok();
    check_refused(&stage, Some(&format!("Bearer {}", stage.token))).await;
}

#[tokio::test]
async fn sessions_are_listed_without_any_token() {
    let stage = Stage::set().await;
    let empty = stage.instance.qd(["ls", "--json"]).await.ok();
    assert_eq!(empty.json::<serde_json::Value>()["sessions"], json!([]));
    let mut owner = stage.owner().await;
    owner.tell("m1", "say hi", None).await;
    owner.until_done("m1").await;
    let listed = stage.instance.qd(["ls"]).await.ok().text();
    assert!(listed.contains("claude:1"), "{listed}");
}

#[tokio::test]
async fn what_is_no_websocket_is_told_so() {
    let stage = Stage::set().await;
    let http = Http { to: myagent::address(&stage.relay), token: None };
    let answer = http.get("/any/path").await;
    assert_eq!((answer.status, answer.body.as_str()), (404, "myagent remote websocket endpoint"));
    let half = Http { token: Some(stage.token.clone()), ..http };
    let answer = half.send("GET", "/", &["upgrade: websocket", "connection: upgrade"], b"").await;
    assert_eq!(answer.status, 400, "{answer:?}");
}
