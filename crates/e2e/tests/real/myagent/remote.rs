//! Turns, retries, resumption, permissions, and what the first server died of.

use quarterdeck_e2e::harness::{
    agent,
    client::Way,
    myagent::{self, Client},
};
use quarterdeck_protocol::method::{Empty, SessionList};
use serde_json::{Value, json};

use super::Stage;

fn session_of(ack: &Value) -> String {
    assert_eq!(ack["type"], "ack", "{ack}");
    ack["sessionId"].as_str().expect("text").to_owned()
}

async fn ack(client: &mut Client, id: &str) -> Value {
    client.until(|event| event["type"] == "ack" && event["id"] == id).await
}

#[tokio::test]
async fn a_turn_is_streamed_and_a_retry_counts_once_and_resume_gives_the_metadata() {
    let stage = Stage::set().await;
    let mut owner = stage.owner().await;
    owner.tell("m1", "say hello", None).await;
    let terminal = owner.until_done("m1").await;
    let types = owner.types_from(2);
    let expected = [
        "ack",
        "session_metadata",
        "agent_stdout",
        "agent_stdout",
        "terminal_state",
        "session_metadata",
    ];
    assert_eq!(types, expected, "{:#?}", owner.events);
    let first = owner.events[2].clone();
    let session = session_of(&first);
    let name = session.strip_prefix("remote_").expect("its form");
    let (time, digits) = name.split_once('_').expect("its form");
    assert_eq!((time.len(), digits.len()), (14, 8), "{session}");
    assert!(name.chars().all(|c| c == '_' || c.is_ascii_hexdigit()), "{session}");

    let running = &owner.events[3]["session"];
    assert_eq!((&running["version"], &running["state"]), (&json!(1), &json!("running")));
    assert_eq!((&running["writeIds"], &running["lastRequestId"]), (&json!(["m1"]), &json!("m1")));
    assert_eq!((&running["sessionId"], running.get("lastExitCode")), (&json!(session), None));
    assert!(running["createdAt"].as_str().is_some_and(|it| it.ends_with('Z')), "{running}");
    assert_eq!(
        (&owner.events[4]["id"], &owner.events[4]["chunk"]),
        (&json!("m1"), &json!("hello"))
    );
    assert_eq!((&terminal["exitCode"], &terminal["sessionId"]), (&json!(0), &json!(session)));
    assert!(terminal["agentSessionId"].is_string(), "{terminal}");
    let completed = owner.events[7]["session"].clone();
    assert_eq!((&completed["state"], &completed["lastExitCode"]), (&json!("completed"), &json!(0)));

    // the most common retry: the first message, without a session, under its id
    let before = owner.events.len();
    owner.tell("m1", "say hello", None).await;
    let again = owner.next().await;
    let expected = json!({ "type": "ack", "id": "m1", "sessionId": session, "duplicate": true });
    assert_eq!(again, expected);
    assert_eq!(owner.next().await["session"], completed);
    owner.tell("m1", "say hello", Some(&session)).await;
    assert_eq!(owner.next().await, expected);
    assert_eq!(owner.next().await["session"], completed);
    owner.ping("p1").await;
    assert_eq!(
        owner.types_from(before),
        ["ack", "session_metadata", "ack", "session_metadata", "pong"]
    );
    assert_eq!(agent::times(&stage.instance, "message say hello"), 1);

    check_resume(&stage, &session, &owner.events, &completed).await;
}

async fn check_resume(stage: &Stage, session: &str, told: &[Value], completed: &Value) {
    // anyone may ask where a session is
    let mut follower = stage.follower().await;
    follower.send(json!({ "type": "resume", "id": "r1", "sessionId": session })).await;
    assert_eq!(
        follower.next().await,
        json!({ "type": "ack", "id": "r1", "sessionId": session, "duplicate": false })
    );
    assert_eq!(follower.next().await, json!({ "type": "session_metadata", "session": completed }));
    // and be told again what it has missed
    let after = told[4]["seq"].clone();
    follower
        .send(json!({ "type": "resume", "id": "r2", "sessionId": session, "after": after }))
        .await;
    let end = follower.until(|event| event["type"] == "terminal_state").await;
    let terminal = told.iter().find(|event| event["type"] == "terminal_state");
    assert_eq!(Some(&end), terminal);
    let chunks: Vec<&Value> =
        follower.events.iter().filter(|event| event["type"] == "agent_stdout").collect();
    assert_eq!(chunks, [&told[5]], "only what came after it");
}

#[tokio::test]
async fn a_permission_makes_the_round_trip() {
    let stage = Stage::set().await;
    let mut owner = stage.owner().await;
    owner.tell("m1", "ask touch x; ask touch y", None).await;
    for (n, kind) in ["allow", "deny"].into_iter().enumerate() {
        let requests = |events: &[Value]| -> Vec<Value> {
            let all = events.iter().filter(|event| event["type"] == "permission_request");
            all.cloned().collect()
        };
        while requests(&owner.events).len() <= n {
            owner.next().await;
        }
        let request = requests(&owner.events).remove(n);
        assert_eq!(
            (&request["id"], &request["request"]["toolName"]),
            (&json!("m1"), &json!("Bash"))
        );
        assert!(request["request"]["input"]["command"].is_string(), "{request}");
        assert!(request["request"]["reason"].is_string(), "{request}");
        let name = request["permissionRequestId"].as_str().expect("text").to_owned();
        assert!(name.starts_with("perm_"), "{name}");
        let decide = |kind: &str, id: &str| {
            json!({
                "type": "permission_decision", "id": id, "permissionRequestId": name,
                "decision": { "kind": kind, "reason": "why not" },
            })
        };
        // what is neither yes nor no, and what is no decision, answers nothing
        owner.send(decide("ask", &format!("bad{n}"))).await;
        let bad = owner.until(|event| event["id"] == format!("bad{n}")).await;
        assert_eq!((&bad["type"], &bad["code"]), (&json!("error"), &json!("invalid_params")));
        owner.send(decide(kind, &format!("d{n}"))).await;
        ack(&mut owner, &format!("d{n}")).await;
        let resolved = owner
            .until(|event| {
                event["type"] == "permission_resolved" && event["permissionRequestId"] == name
            })
            .await;
        assert_eq!(resolved["decision"]["kind"], kind);
        // a second answer is told that there is nothing to answer
        owner.send(decide(kind, &format!("late{n}"))).await;
        let late = owner.until(|event| event["id"] == format!("late{n}")).await;
        assert_eq!(late["message"], format!("Unknown permission request: {name}"));
    }
    owner.until_done("m1").await;
    for note in ["ran touch x", "denied touch y: why not"] {
        assert_eq!(agent::times(&stage.instance, note), 1, "{note}");
    }
}

#[tokio::test]
async fn the_list_of_sessions_is_the_relays_own_and_empty_at_first() {
    let stage = Stage::set().await;
    let native = Way::unix(&stage.instance).connect("person").await;
    assert!(native.call::<SessionList>(&Empty {}).await.sessions.is_empty());
    let mut owner = stage.owner().await;
    owner.tell("m1", "say one", None).await;
    owner.tell("m2", "say two", None).await;
    let first = session_of(&ack(&mut owner, "m1").await);
    let second = session_of(&ack(&mut owner, "m2").await);
    assert_ne!(first, second, "without a session each new message begins one");
    let sessions = native.call::<SessionList>(&Empty {}).await.sessions;
    assert_eq!(sessions.len(), 2);
    let help = stage.instance.qd(["relay", "--help"]).await.ok().text();
    assert!(help.contains("--dialect"), "{help}");
}

#[tokio::test]
async fn two_messages_to_one_session_run_one_after_the_other_and_each_ends_once() {
    let stage = Stage::set().await;
    let mut owner = stage.owner().await;
    owner.tell("m1", "ask touch x", None).await;
    let session = session_of(&ack(&mut owner, "m1").await);
    owner.tell("m2", "say second", Some(&session)).await;
    ack(&mut owner, "m2").await;
    let request = owner.until(|event| event["type"] == "permission_request").await;
    owner
        .send(json!({
            "type": "permission_decision", "id": "d", "decision": { "kind": "allow" },
            "permissionRequestId": request["permissionRequestId"],
        }))
        .await;
    owner.until_done("m2").await;
    let ends: Vec<&Value> = owner
        .events
        .iter()
        .filter(|event| event["type"] == "terminal_state")
        .map(|event| &event["id"])
        .collect();
    assert_eq!(ends, [&json!("m1"), &json!("m2")]);
}

#[tokio::test]
async fn a_turn_that_fails_has_an_error_one_terminal_state_and_failed_metadata() {
    let stage = Stage::set().await;
    let mut owner = stage.owner().await;
    owner.tell("m1", "exit 3", None).await;
    let terminal = owner.until_done("m1").await;
    assert_eq!(terminal["exitCode"], 3);
    let session = session_of(&ack(&mut owner, "m1").await);
    let types = owner.types_from(2);
    assert_eq!(types, ["ack", "session_metadata", "error", "terminal_state", "session_metadata"]);
    let failed = owner.events.last().expect("some")["session"].clone();
    assert_eq!((&failed["state"], &failed["lastExitCode"]), (&json!("failed"), &json!(3)));
    assert!(failed["lastError"].is_string(), "{failed}");
    owner.send(json!({ "type": "resume", "id": "r", "sessionId": session })).await;
    owner.until(|event| event["id"] == "r").await;
    assert_eq!(owner.next().await["session"]["lastExitCode"], 3);
    // the next message starts the agent again in its conversation
    owner.tell("m2", "say back", Some(&session)).await;
    assert_eq!(owner.until_done("m2").await["exitCode"], 0);
}

#[tokio::test]
async fn a_turn_outlives_its_owner_and_the_relay() {
    let mut stage = Stage::set().await;
    let mut owner = stage.owner().await;
    owner.tell("m1", "ask touch x", None).await;
    let session = session_of(&ack(&mut owner, "m1").await);
    owner.until(|event| event["type"] == "permission_request").await;
    drop(owner);
    stage.restart().await;
    let mut owner = stage.owner().await;
    let request = owner.until(|event| event["type"] == "permission_request").await;
    assert_eq!(request["id"], "m1");
    owner.tell("m1", "ask touch x", None).await;
    let again = ack(&mut owner, "m1").await;
    assert_eq!((session_of(&again), &again["duplicate"]), (session, &json!(true)));
    owner
        .send(json!({
            "type": "permission_decision", "id": "d", "decision": { "kind": "allow" },
            "permissionRequestId": request["permissionRequestId"],
        }))
        .await;
    owner.until_done("m1").await;
    assert_eq!(agent::times(&stage.instance, "ran touch x"), 1);
    assert_eq!(agent::times(&stage.instance, "message ask touch x"), 1);
}

#[tokio::test]
async fn garbage_gets_an_error_and_kills_nothing() {
    let stage = Stage::set().await;
    let mut owner = stage.owner().await;
    let mut follower = stage.follower().await;
    let deep = "[".repeat(100_000);
    for (text, message) in [
        ("{", "Invalid JSON remote message"),
        (deep.as_str(), "Invalid JSON remote message"),
        ("null", "Unknown remote message type"),
        ("7", "Unknown remote message type"),
        (r#"{"type":"fly","id":"x"}"#, "Unknown remote message type"),
        (r#"{"type":"user_message","id":"x"}"#, "user_message requires id and prompt"),
        (r#"{"type":"resume","id":"x","sessionId":"../etc"}"#, "Invalid remote session id"),
        (
            r#"{"type":"resume","id":"x","sessionId":"remote_1"}"#,
            "Unknown remote session: remote_1",
        ),
    ] {
        follower.say(text).await;
        let error = follower.next().await;
        assert_eq!(
            (&error["type"], &error["message"]),
            (&json!("error"), &json!(message)),
            "{error}"
        );
    }
    owner
        .send(json!({
            "type": "permission_decision", "id": "d", "permissionRequestId": "perm_none",
            "decision": { "kind": "allow" },
        }))
        .await;
    assert_eq!(owner.next().await["message"], "Unknown permission request: perm_none");
    owner.tell("m0", "say no", Some("remote_1")).await;
    assert_eq!(owner.next().await["message"], "Unknown remote session: remote_1");
    owner.send(json!({
        "type": "user_message", "id": "m1", "prompt": "say no", "permissionMode": "bypassPermissions",
    }))
    .await;
    let bypass = owner.next().await;
    assert_eq!((&bypass["id"], &bypass["code"]), (&json!("m1"), &json!("ceiling")), "{bypass}");

    // a message above the limit closes its own connection
    let (mut large, _) = Client::connect(myagent::address(&stage.relay), &stage.token).await;
    large.say(&json!({ "type": "ping", "id": "x".repeat(1_000_001) }).to_string()).await;
    assert_eq!(large.try_next().await, None);
    assert!(matches!(large.closed, Some(1009) | None), "{:?}", large.closed);
    owner.tell("m2", "say fine", None).await;
    owner.until_done("m2").await;
    follower.until_done("m2").await;
}
