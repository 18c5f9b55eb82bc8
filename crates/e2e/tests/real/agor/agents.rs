//! Agents of a controller: queries, stops and restarts, and the runner's messages that it is told.

use quarterdeck_e2e::harness::{
    agent,
    agor::{self, Controller},
    client::{Way, watching},
    instance::{Instance, Relay},
};
use quarterdeck_protocol::{
    agent::OptionKind,
    method::{AttachRole, Empty, PromptList, PromptListParams, SessionAttach, SessionList},
};
use serde_json::{Value, json};

use super::{SERVE, Stage};

/// A relay that serves the dialect and starts the scripted agent as `claude`.
async fn stage() -> Stage {
    stage_with("").await
}

async fn stage_with(more: &str) -> Stage {
    let instance = Instance::new();
    instance.configure(&format!("{}\n{more}", agent::configuration(&instance)));
    let relay: Relay = instance.start_relay(&SERVE).await;
    let token = agor::token(&instance, "tower", None).await;
    Stage { relay, token, instance }
}

fn query(name: &str, prompt: &str) -> Value {
    json!({ "session_id": name, "prompt": prompt })
}

/// The runner's messages of one conversation so far.
fn messages(peer: &Controller, name: &str) -> Vec<Value> {
    let all = peer.events.iter().filter(|event| event["type"] == "sidecar_message");
    let own = all.map(|event| event["payload"].clone());
    own.filter(|message| message["sessionId"] == name).collect()
}

/// Their types, with the type of the frame in an `agent_event`.
fn kinds(peer: &Controller, name: &str) -> Vec<String> {
    let kind = |message: &Value| {
        let kind = message["type"].as_str().expect("has a type").to_owned();
        match message["event"]["type"].as_str() {
            Some(frame) => format!("{kind}:{frame}"),
            None => kind,
        }
    };
    messages(peer, name).iter().map(kind).collect()
}

fn count(peer: &Controller, name: &str, kind: &str) -> usize {
    messages(peer, name).iter().filter(|message| message["type"] == kind).count()
}

/// Takes events until a conversation's queries have stopped so often; the last stop.
async fn until_stopped(peer: &mut Controller, name: &str, times: usize) -> Value {
    while count(peer, name, "agent_stopped") < times {
        peer.next().await;
    }
    let stop = |message: &Value| message["type"] == "agent_stopped";
    let mut stops = messages(peer, name).into_iter().rev();
    stops.find(stop).expect("it has stopped")
}

async fn until_started(peer: &mut Controller, name: &str, times: usize) {
    while count(peer, name, "agent_started") < times {
        peer.next().await;
    }
}

fn texts(peer: &Controller, name: &str) -> Vec<String> {
    let blocks = messages(peer, name).into_iter().filter_map(|message| {
        let block = &message["event"]["message"]["content"][0];
        (block["type"] == "text").then(|| block["text"].as_str().expect("text").to_owned())
    });
    blocks.collect()
}

#[tokio::test]
async fn a_query_is_acknowledged_and_told_as_its_runner_would_tell_it() {
    let stage = stage().await;
    let mut peer = stage.controller().await;
    let before = peer.events.len();
    let id = peer.send("agent_query", query("talk-1", "say hello")).await;
    let stopped = until_stopped(&mut peer, "talk-1", 1).await;
    let ended =
        json!({ "type": "agent_stopped", "sessionId": "talk-1", "exitCode": 0, "signal": null });
    assert_eq!(stopped, ended);

    let ack = json!({ "type": "ack", "sessionId": "talk-1", "payload": { "commandId": id } });
    assert_eq!(peer.events[before], ack, "the reply comes first: {:?}", &peer.events[before..]);
    let expected = [
        "agent_started",
        "agent_event:system",
        "agent_event:assistant",
        "agent_event:result",
        "agent_stopped",
    ];
    assert_eq!(kinds(&peer, "talk-1"), expected);
    let told = messages(&peer, "talk-1");
    assert_eq!(told[0], json!({ "type": "agent_started", "sessionId": "talk-1" }));
    assert_eq!(told[1]["event"]["subtype"], "init");
    assert_eq!(texts(&peer, "talk-1"), ["hello"]);
    assert_eq!(told[3]["event"]["total_cost_usd"], 0.25, "{}", told[3]);
    // the envelope names no conversation: the runner's message does
    let envelope = peer.until(|event| event["type"] == "sidecar_message").await;
    assert_eq!(envelope.as_object().map(|it| it.len()), Some(2), "{envelope}");

    let sync = peer.ask("state_sync", json!({})).await;
    assert_eq!(sync["payload"]["activeSessions"], json!(["talk-1"]));
    assert_eq!(sync["payload"]["activePtys"], json!([]));
}

#[tokio::test]
async fn later_queries_go_on_in_the_conversation_one_after_the_other() {
    let stage = stage().await;
    let mut peer = stage.controller().await;
    for n in 1..=3 {
        peer.ask("agent_query", query("talk", &format!("say {n}"))).await;
    }
    until_stopped(&mut peer, "talk", 3).await;
    assert_eq!(texts(&peer, "talk"), ["1", "2", "3"]);
    assert_eq!(count(&peer, "talk", "agent_started"), 3);
    let began = agent::journal(&stage.instance).iter().filter(|it| it.starts_with("began")).count();
    assert_eq!(began, 1);

    // a query that names only the vendor's conversation goes on in it, under its own name
    let frames = messages(&peer, "talk");
    let vendor = frames[1]["event"]["session_id"].as_str().expect("a conversation").to_owned();
    let mut more = query("other", "say 4");
    more["resume_session_id"] = json!(vendor);
    let reply = peer.ask("agent_query", more).await;
    assert_eq!((&reply["type"], &reply["sessionId"]), (&json!("ack"), &json!("other")), "{reply}");
    until_stopped(&mut peer, "other", 1).await;
    assert_eq!(texts(&peer, "other"), ["4"]);
    assert_eq!(count(&peer, "talk", "agent_started"), 3);
}

#[tokio::test]
async fn a_stop_ends_the_query_and_another_one_the_idle_program() {
    let stage = stage().await;
    let mut peer = stage.controller().await;
    peer.ask("agent_query", query("talk", "hang")).await;
    until_started(&mut peer, "talk", 1).await;
    peer.ask("agent_query", query("talk", "say never")).await;
    let stop = json!({ "sessionId": "talk" });
    let reply = peer.ask("agent_stop", stop.clone()).await;
    assert_eq!((&reply["type"], &reply["sessionId"]), (&json!("ack"), &json!("talk")), "{reply}");
    let stopped = until_stopped(&mut peer, "talk", 1).await;
    assert_eq!((&stopped["exitCode"], &stopped["signal"]), (&Value::Null, &json!("SIGTERM")));
    assert!(agent::journal(&stage.instance).contains(&"interrupted turn".to_owned()));
    let withdrawn = peer.until(|event| event["payload"]["type"] == "agent_error").await;
    assert_eq!(withdrawn["payload"]["sessionId"], "talk", "{withdrawn}");

    let reply = peer.ask("agent_stop", stop.clone()).await;
    assert_eq!(reply["type"], "ack", "{reply}");
    loop {
        let sync = peer.ask("state_sync", json!({})).await;
        if sync["payload"]["activeSessions"] == json!([]) {
            break;
        }
    }
    let reply = peer.ask("agent_stop", stop).await;
    assert_eq!(reply["payload"]["code"], "ended", "{reply}");

    // the next query starts it again, in the same conversation
    peer.ask("agent_query", query("talk", "say back")).await;
    until_stopped(&mut peer, "talk", 2).await;
    assert_eq!(texts(&peer, "talk"), ["back"]);
    let exits = peer.events.iter().filter(|event| event["type"] == "sidecar_exited").count();
    assert_eq!(exits, 0, "what was asked for is no news: {:?}", peer.events);
    let journal = agent::journal(&stage.instance);
    assert_eq!(journal.iter().filter(|it| it.starts_with("resumed")).count(), 1, "{journal:?}");
    assert_eq!(agent::times(&stage.instance, "message say never"), 0);
}

#[tokio::test]
async fn a_program_that_ends_by_itself_is_told_with_how_it_ended() {
    let stage = stage().await;
    let mut peer = stage.controller().await;
    peer.ask("agent_query", query("talk", "exit 3")).await;
    let stopped = until_stopped(&mut peer, "talk", 1).await;
    assert_eq!((&stopped["exitCode"], &stopped["signal"]), (&json!(3), &Value::Null));
    let exited = peer.until(|event| event["type"] == "sidecar_exited").await;
    let expected = json!({
        "type": "sidecar_exited", "sessionId": "talk", "payload": { "provider": "claude" },
    });
    assert_eq!(exited, expected);
    // another conversation is not touched, and this one goes on with its next query
    peer.ask("agent_query", query("other", "say here")).await;
    until_stopped(&mut peer, "other", 1).await;
    peer.ask("agent_query", query("talk", "say again")).await;
    until_stopped(&mut peer, "talk", 2).await;
    assert_eq!(texts(&peer, "talk"), ["again"]);
}

#[tokio::test]
async fn a_restart_ends_every_program_and_keeps_every_conversation() {
    let stage = stage().await;
    let mut peer = stage.controller().await;
    for name in ["one", "two"] {
        peer.ask("agent_query", query(name, "hang")).await;
        until_started(&mut peer, name, 1).await;
    }
    let reply = peer.ask("sidecar_restart", json!({})).await;
    assert_eq!(reply["type"], "ack", "{reply}");
    for name in ["one", "two"] {
        until_stopped(&mut peer, name, 1).await;
        peer.ask("agent_query", query(name, &format!("say {name}"))).await;
        until_stopped(&mut peer, name, 2).await;
        assert_eq!(texts(&peer, name), [name]);
    }
    // their vendor had written nothing down yet: they are begun again, under the id that they had
    let journal = agent::journal(&stage.instance);
    let mut begun: Vec<_> = journal.iter().filter(|it| it.starts_with("began ")).collect();
    begun.sort();
    assert_eq!(begun.len(), 4, "{journal:?}");
    assert!(begun[0] == begun[1] && begun[2] == begun[3] && begun[0] != begun[2], "{journal:?}");
}

#[tokio::test]
async fn a_permission_is_told_and_answered_elsewhere() {
    let stage = stage().await;
    let mut peer = stage.controller().await;
    peer.ask("agent_query", query("talk", "ask touch x")).await;
    let log = peer.until(|event| event["payload"]["type"] == "agent_log").await;
    assert_eq!(log["payload"]["sessionId"], "talk");

    let native = Way::unix(&stage.instance).connect("person").await;
    let waiting = native.call::<PromptList>(&PromptListParams { session: None }).await.prompts;
    let prompt = &waiting[0].prompt;
    let told = log["payload"]["message"].as_str().expect("text");
    assert!(told.contains(&prompt.id.to_string()), "{told}");
    let option = agent::option_of(prompt, OptionKind::AllowOnce);
    agent::answer(&native, prompt.id, &option, None).await.expect("is taken");
    let stopped = until_stopped(&mut peer, "talk", 1).await;
    assert_eq!(stopped["exitCode"], 0);
    let results = messages(&peer, "talk").into_iter().filter(|it| it["event"]["type"] == "user");
    let results: Vec<Value> = results.collect();
    assert_eq!(results.len(), 1, "{results:?}");
    assert_eq!(results[0]["event"]["message"]["content"][0]["content"], "ran touch x");
}

#[tokio::test]
async fn queries_that_cannot_be_done_say_why() {
    let stage = stage_with("[dialects.agor.ceiling]\nagents = [\"claude\", \"codex\"]\n").await;
    let mut peer = stage.controller().await;
    let with = |member: &str, value: Value| {
        let mut query = query("talk", "say no");
        query[member] = value;
        query
    };
    let cases = [
        (with("session_id", json!("")), "invalid_params"),
        (with("session_id", json!("x".repeat(65))), "invalid_params"),
        (with("provider", json!("nobody")), "invalid_params"),
        (with("provider", json!("gemini")), "ceiling"),
        (with("permission_mode", json!("bypassPermissions")), "ceiling"),
        (with("cwd", json!("/nonexistent")), "invalid_params"),
        (with("max_budget_usd", json!(1.5)), "not_offered"),
        (with("worktree_name", json!("w")), "not_offered"),
        (with("extra_env", json!({ "QD_TOKEN": "x" })), "invalid_params"),
        (with("prompt", json!("")), "invalid_params"),
    ];
    for (payload, code) in cases {
        let reply = peer.ask("agent_query", payload.clone()).await;
        let seen = (&reply["type"], &reply["payload"]["code"]);
        assert_eq!(seen, (&json!("error"), &json!(code)), "{payload}: {reply}");
    }
    let reply = peer.ask("agent_stop", json!({ "sessionId": "nobody" })).await;
    assert_eq!(reply["payload"]["code"], "not_found", "{reply}");
    assert_eq!(reply["sessionId"], "nobody", "an error says which conversation it is about");

    // what changes nothing but comfort is left out, and said to be
    let reply = peer.ask("agent_query", with("max_turns", json!(50))).await;
    assert_eq!(reply["type"], "ack", "{reply}");
    let log = peer.until(|event| event["payload"]["type"] == "agent_log").await;
    assert!(log["payload"]["message"].as_str().is_some_and(|it| it.contains("max_turns")), "{log}");
}

#[tokio::test]
async fn a_controller_that_comes_back_is_told_what_it_missed_and_a_query_counts_once() {
    let mut stage = stage().await;
    let mut peer = stage.controller().await;
    peer.ask("agent_query", query("talk", "hang")).await;
    until_started(&mut peer, "talk", 1).await;
    drop(peer);

    let mut peer = stage.controller().await;
    until_started(&mut peer, "talk", 1).await;
    peer.ask("agent_stop", json!({ "sessionId": "talk" })).await;
    until_stopped(&mut peer, "talk", 1).await;
    // a query whose reply was lost with the relay is sent again under its id
    let text = json!({
        "id": "retry", "type": "agent_query", "payload": query("talk", "say once; ask touch x"),
    });
    peer.say(&text.to_string()).await;
    until_started(&mut peer, "talk", 2).await;
    peer.until(|event| event["payload"]["type"] == "agent_log").await;
    drop(peer);
    stage.restart().await;

    let mut peer = stage.controller().await;
    peer.say(&text.to_string()).await;
    let reply = peer.reply("retry").await;
    assert_eq!(reply["type"], "ack", "{reply}");
    let again = peer.until(|event| event["payload"]["type"] == "agent_log").await;
    assert!(again["payload"]["message"].as_str().is_some_and(|it| it.contains("told before")));
    until_started(&mut peer, "talk", 1).await;
    let native = Way::unix(&stage.instance).connect("person").await;
    let prompts = native.call::<PromptList>(&PromptListParams { session: None }).await.prompts;
    let option = agent::option_of(&prompts[0].prompt, OptionKind::AllowOnce);
    agent::answer(&native, prompts[0].prompt.id, &option, None).await.expect("is taken");
    until_stopped(&mut peer, "talk", 1).await;
    assert_eq!(texts(&peer, "talk"), ["once"]);
    assert_eq!(count(&peer, "talk", "agent_started"), 1, "only the latest turn is told again");
    assert_eq!(agent::times(&stage.instance, "message say once; ask touch x"), 1);
    assert_eq!(native.call::<SessionList>(&Empty {}).await.sessions.len(), 1);
}

#[tokio::test]
async fn agents_of_others_are_steered_by_their_id_as_far_as_leases_allow() {
    let stage = stage().await;
    let native = Way::unix(&stage.instance).connect("person").await;
    let session = agent::start(&native).await;
    let mut peer = stage.controller().await;
    let sync = peer.ask("state_sync", json!({})).await;
    assert_eq!(sync["payload"]["activeSessions"], json!([session]));
    peer.ask("agent_query", query(&session, "say both")).await;
    until_stopped(&mut peer, &session, 1).await;
    assert_eq!(texts(&peer, &session), ["both"]);

    let stranger = agor::token(&stage.instance, "other", Some("eve")).await;
    let mut other = Controller::connect(agor::address(&stage.relay), &stranger).await;
    native.call::<SessionAttach>(&watching(&session, AttachRole::Take)).await;
    let reply = other.ask("agent_query", query(&session, "say no")).await;
    assert_eq!(reply["payload"]["code"], "not_owner", "{reply}");
}
