//! One owner, any number of followers.

use quarterdeck_e2e::harness::{
    agent,
    client::Way,
    myagent::{self, Client},
};
use quarterdeck_protocol::{
    method::{Empty, SessionList},
    record::LeaseState,
};
use serde_json::{Value, json};

use super::Stage;

const READ_ONLY: &str =
    "read-only follower: only the session owner can submit prompts or answer permission requests";

#[tokio::test]
async fn the_first_connection_is_the_owner_and_later_ones_are_followers() {
    let stage = Stage::set().await;
    let _owner = stage.owner().await;
    let _second = stage.follower().await;
    let _third = stage.follower().await;
}

#[tokio::test]
async fn a_followers_user_message_is_rejected_and_the_owners_is_accepted() {
    let stage = Stage::set().await;
    let mut owner = stage.owner().await;
    let mut follower = stage.follower().await;
    follower.tell("f1", "say no", None).await;
    let refused = follower.next().await;
    assert_eq!(refused, json!({ "type": "error", "id": "f1", "message": READ_ONLY }));
    owner.tell("m1", "say yes", None).await;
    let ack = owner.next().await;
    assert_eq!(
        (&ack["type"], &ack["id"], &ack["duplicate"]),
        (&json!("ack"), &json!("m1"), &json!(false))
    );
    owner.until_done("m1").await;
    assert_eq!(agent::times(&stage.instance, "message say no"), 0);
}

#[tokio::test]
async fn a_followers_permission_decision_is_rejected() {
    let stage = Stage::set().await;
    let mut owner = stage.owner().await;
    let mut follower = stage.follower().await;
    owner.tell("m1", "ask touch x", None).await;
    let request = follower.until(|event| event["type"] == "permission_request").await;
    let decision = |id: &str| {
        json!({
            "type": "permission_decision", "id": id,
            "permissionRequestId": request["permissionRequestId"],
            "decision": { "kind": "allow" },
        })
    };
    follower.send(decision("f1")).await;
    let refused = follower.until(|event| event["type"] == "error").await;
    assert_eq!(refused, json!({ "type": "error", "id": "f1", "message": READ_ONLY }));
    owner.send(decision("d1")).await;
    owner.until_done("m1").await;
    // everyone learns who answered, and what
    let resolved = follower.until(|event| event["type"] == "permission_resolved").await;
    assert_eq!(resolved["permissionRequestId"], request["permissionRequestId"]);
    assert_eq!(resolved["decision"], json!({ "kind": "allow" }));
    assert!(resolved["by"].as_str().is_some_and(|by| by.contains('/')), "{resolved}");
    follower.until_done("m1").await;
}

#[tokio::test]
async fn a_turn_is_broadcast_to_all_with_its_terminal_state() {
    let stage = Stage::set().await;
    let mut owner = stage.owner().await;
    let mut follower = stage.follower().await;
    owner.tell("m1", "say hello", None).await;
    owner.until_done("m1").await;
    follower.until_done("m1").await;
    let turn = |client: &Client| -> Vec<Value> {
        let of_all = |event: &&Value| event["type"] != "ready" && event["type"] != "role";
        client.events.iter().filter(of_all).filter(|it| it["type"] != "ack").cloned().collect()
    };
    assert_eq!(turn(&owner), turn(&follower));
    let types = follower.types_from(2);
    let expected =
        ["session_metadata", "agent_stdout", "agent_stdout", "terminal_state", "session_metadata"];
    assert_eq!(types, expected, "{:#?}", follower.events);
}

#[tokio::test]
async fn the_next_new_connection_is_the_owner_after_the_owner_has_gone() {
    let stage = Stage::set().await;
    let mut owner = stage.owner().await;
    owner.tell("m1", "ask touch x", None).await;
    let request = owner.until(|event| event["type"] == "permission_request").await;
    drop(owner);
    let mut next = loop {
        // the relay may not have seen the end yet
        let (client, role) = stage.connect().await;
        if role == "owner" {
            break client;
        }
    };
    // the turn is the session's: it waits, and the new owner is told and answers
    let metadata = next.next().await;
    assert_eq!(
        (&metadata["type"], &metadata["session"]["state"]),
        (&json!("session_metadata"), &json!("running"))
    );
    let again = next.next().await;
    assert_eq!(again["permissionRequestId"], request["permissionRequestId"], "{again}");
    assert_eq!((&again["id"], &again["request"]), (&json!("m1"), &request["request"]));
    next.send(json!({
        "type": "permission_decision", "id": "d1",
        "permissionRequestId": again["permissionRequestId"],
        "decision": { "kind": "deny", "reason": "not now" },
    }))
    .await;
    next.until_done("m1").await;
    assert_eq!(agent::times(&stage.instance, "denied touch x: not now"), 1);
}

#[tokio::test]
async fn a_follower_is_not_promoted_when_the_owner_goes() {
    let stage = Stage::set().await;
    let mut owner = stage.owner().await;
    let mut follower = stage.follower().await;
    owner.tell("m1", "say one", None).await;
    follower.until_done("m1").await;
    drop(owner);
    let native = Way::unix(&stage.instance).connect("person").await;
    // without a grace: the session is free as soon as the relay has seen the end
    loop {
        let sessions = native.call::<SessionList>(&Empty {}).await.sessions;
        if sessions[0].lease.state == LeaseState::Free {
            break;
        }
        assert!(!matches!(sessions[0].lease.state, LeaseState::Grace { .. }), "{sessions:?}");
    }
    follower.tell("f1", "say no", None).await;
    let refused = follower.until(|event| event["type"] == "error").await;
    assert_eq!(refused["message"], READ_ONLY);
    // but may say that it wants to be
    follower.send(json!({ "type": "claim", "id": "c1" })).await;
    let role = follower.next().await;
    assert_eq!(role, json!({ "type": "role", "role": "owner", "epoch": 2 }));
    follower.tell("f2", "say two", None).await;
    follower.until_done("f2").await;
    let mut late = stage.follower().await;
    late.send(json!({ "type": "claim", "id": "c2" })).await;
    assert_eq!(late.until(|event| event["id"] == "c2").await["type"], "error");
}

#[tokio::test]
async fn a_token_that_may_not_drive_is_never_the_owner() {
    let stage = Stage::set().await;
    let reader = myagent::token(&stage.instance, "reader", "read").await;
    let to = myagent::address(&stage.relay);
    let (_reader, role) = Client::connect(to, &reader).await;
    assert_eq!(role, "follower");
    stage.owner().await;
}
