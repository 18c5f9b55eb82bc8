//! The instances of a hub's machine, as its page has them: listed, made, and opened by a link.

use std::net::SocketAddr;

use quarterdeck_e2e::harness::{
    browser::{Browser, Page},
    client::Way,
    hub::Hub,
    instance::Instance,
};
use quarterdeck_protocol::{
    error::ErrorCode,
    method::{
        DeviceInviteResult, InstanceOpen, InstanceOpenParams, TokenCreate, TokenCreateParams,
    },
    scope::Scope,
};
use serde_json::{Value, json};

fn address(hub: &Hub) -> SocketAddr {
    hub.address().parse().expect("an address")
}

/// A page at the hub of the instance `default`.
async fn page(here: &Instance, hub: &Hub, words: &[&str]) -> Page {
    let made = here.qd([&["open", "--json", "--no-open"], words].concat()).await.ok();
    let mut browser = Browser::at(address(hub));
    browser.log_in(&made.json::<DeviceInviteResult>().url).await.ok();
    browser.come_in().await
}

/// Opens a link in a browser that is known nowhere.
async fn follow(url: &Value) -> (Browser, Page) {
    let url = url.as_str().expect("a link");
    let at = url.strip_prefix("http://").and_then(|it| it.split_once("/#")).expect("a link").0;
    let mut browser = Browser::at(at.parse().expect("an address"));
    browser.log_in(url).await.ok();
    let page = browser.come_in().await;
    (browser, page)
}

async fn instance_of(page: &mut Page) -> Value {
    page.call("hub.status", &json!({})).await.expect("may ask")["instance"].take()
}

fn word(error: &Value) -> &Value {
    &error["data"]["error"]
}

/// What a page's journal has of one event, newest first.
async fn journal(page: &mut Page, event: &str) -> Vec<Value> {
    let said = page.call("audit.list", &json!({})).await.expect("may ask");
    let entries = said["entries"].as_array().expect("entries").iter();
    entries.filter(|entry| entry["event"] == event).cloned().collect()
}

#[tokio::test]
async fn an_instance_is_made_listed_and_opened_by_a_link_that_logs_in() {
    let here = Instance::new();
    let hub = here.start_hub(&[]).await;
    let mut page = page(&here, &hub, &[]).await;
    let made = page.call("instance.create", &json!({ "name": "work" })).await.expect("is made");
    assert_eq!(made["instance"]["name"], "work");
    assert_eq!(made["instance"]["state"]["is"], "running");
    let listed = page.call("instance.list", &json!({})).await.expect("may list");
    assert_eq!(listed["own"], json!(here.directory()));
    let all = listed["instances"].as_array().expect("instances");
    let names: Vec<_> = all.iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["default", "work"]);
    assert_eq!(all[0]["hub"]["pid"], hub.status.pid);
    assert!(all[1]["hub"]["pid"].is_u64(), "its hub runs too: {all:?}");

    let again =
        page.call("instance.create", &json!({ "name": "work" })).await.expect_err("is there");
    assert_eq!(word(&again), "instance_exists");
    let link = page.call("instance.open", &json!({ "name": "work" })).await.expect("is opened");
    let (mut browser, mut other) = follow(&link["url"]).await;
    assert_eq!(instance_of(&mut other).await, "work");
    let used = browser.log_in(link["url"].as_str().expect("a link")).await;
    assert_eq!(used.status, 401, "it works once");

    let ours = journal(&mut page, "instance").await;
    let what: Vec<_> = ours.iter().map(|entry| &entry["what"]).collect();
    assert_eq!(what, ["open", "create"]);
    let theirs = journal(&mut other, "device_invited").await;
    assert_eq!(theirs.len(), 1, "{theirs:?}");
}

#[tokio::test]
async fn an_instance_that_does_not_run_is_started_when_it_is_opened() {
    let here = Instance::new();
    let hub = here.start_hub(&[]).await;
    let mut page = page(&here, &hub, &[]).await;
    page.call("instance.create", &json!({ "name": "work" })).await.expect("is made");
    here.qd(["--instance", "work", "down"]).await.ok();
    let listed = page.call("instance.list", &json!({})).await.expect("may list");
    let work = &listed["instances"][1];
    assert_eq!((&work["state"]["is"], &work["hub"]), (&json!("stopped"), &Value::Null));
    let params = json!({ "name": "work", "base_dir": here.state() });
    let link = page.call("instance.open", &params).await.expect("is started");
    let (_, mut other) = follow(&link["url"]).await;
    assert_eq!(instance_of(&mut other).await, "work");
}

#[tokio::test]
async fn without_admin_instances_are_seen_and_neither_made_nor_opened() {
    let here = Instance::new();
    let hub = here.start_hub(&[]).await;
    let words = ["--scope", "read,answer,create,drive"];
    let mut page = page(&here, &hub, &words).await;
    page.call("instance.list", &json!({})).await.expect("may list");
    for method in ["instance.create", "instance.open"] {
        let refused = page.call(method, &json!({ "name": "work" })).await.expect_err("may not");
        assert_eq!(word(&refused), "forbidden", "{method}");
        assert_eq!(refused["data"]["detail"]["needed"], "admin", "{method}");
    }
    assert!(!here.state().join("instances/work").exists());
}

#[tokio::test]
async fn names_that_are_none_are_refused_with_the_right_one_and_nothing_is_made() {
    let here = Instance::new();
    let hub = here.start_hub(&[]).await;
    let mut page = page(&here, &hub, &[]).await;
    for (name, hint) in [("My App", json!("did you mean: my-app")), ("..", Value::Null)] {
        for method in ["instance.create", "instance.open"] {
            let refused =
                page.call(method, &json!({ "name": name })).await.expect_err("is no name");
            assert_eq!(word(&refused), "invalid_params", "{method} {name}");
            assert_eq!(refused["data"]["detail"]["hint"], hint, "{method} {name}");
        }
    }
    let elsewhere = here.path("elsewhere");
    for params in [json!({ "name": "work" }), json!({ "name": "work", "base_dir": elsewhere })] {
        let refused = page.call("instance.open", &params).await.expect_err("is not there");
        assert_eq!(word(&refused), "not_found", "{params}");
    }
    assert!(!elsewhere.exists());
    let left = std::fs::read_dir(here.state().join("instances")).expect("is there").count();
    assert_eq!(left, 1, "only the hub's own");
}

#[tokio::test]
async fn a_link_gives_no_more_than_its_maker_has() {
    let here = Instance::new();
    let hub = here.start_hub(&[]).await;
    let admin = Way::hub(&here).connect("admin").await;
    let params = TokenCreateParams {
        name: "ada".to_owned(),
        principal: Some("ada".to_owned()),
        scopes: [Scope::Read, Scope::Admin].into_iter().collect(),
        sessions: Vec::new(),
        expires_in_s: Some(3600),
        dialect: None,
    };
    let token = admin.call::<TokenCreate>(&params).await.token;
    let peer = Way::ws(address(&hub), &token).connect("ada").await;
    let own = InstanceOpenParams { name: "default".to_owned(), base_dir: None };
    let link = peer.call::<InstanceOpen>(&own).await;
    let (_, mut page) = follow(&json!(link.url)).await;
    let listed = page.call("device.list", &json!({})).await.expect("may list");
    let device = &listed["devices"][0];
    assert_eq!(device["scopes"], json!(["read", "admin"]));
    assert!(device["principal"].as_str().is_some_and(|it| it.ends_with("/ada")), "{device}");
    assert!(device["expires_at"].is_u64(), "{device}");
}

#[tokio::test]
async fn who_may_come_from_elsewhere_opens_no_other_instance() {
    let here = Instance::new();
    let hub = here.start_hub(&["--public-url", "https://deck.example.org"]).await;
    let own = InstanceOpenParams { name: "default".to_owned(), base_dir: None };
    let local = Way::hub(&here).connect("admin").await;
    let token = local.token("ada", Scope::ALL.into_iter().collect()).await;
    // on this address a proxy may stand, and behind it anybody
    let peer = Way::ws(address(&hub), &token).connect("ada").await;
    let refused = peer.try_call::<InstanceOpen>(&own).await.expect_err("may be elsewhere");
    assert_eq!(refused.code(), ErrorCode::Forbidden);
    local.call::<InstanceOpen>(&own).await;
}
