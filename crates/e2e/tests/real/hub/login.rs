//! Browsers at a hub: how one comes in, and everything that must not let one in.

use std::net::{SocketAddr, TcpListener};

use quarterdeck_e2e::harness::{
    browser::Browser,
    client::Way,
    http::{Answer, Http},
    hub::{Fleet, Hub},
    instance::Instance,
};
use quarterdeck_protocol::{method::DeviceInviteResult, scope::Scope};
use serde_json::{Value, json};

fn address(hub: &Hub) -> SocketAddr {
    hub.address().parse().expect("an address")
}

/// A login link, by the command line.
async fn link(here: &Instance, words: &[&str]) -> String {
    let made = here.qd([&["open", "--json", "--no-open"], words].concat()).await.ok();
    made.json::<DeviceInviteResult>().url
}

/// A browser that logged in.
async fn known(here: &Instance, hub: &Hub, words: &[&str]) -> Browser {
    let mut browser = Browser::at(address(hub));
    browser.log_in(&link(here, words).await).await.ok();
    browser
}

/// A ticket for one WebSocket.
async fn ticket(browser: &Browser) -> String {
    let given = browser.ticket().await.ok().json();
    given["ticket"].as_str().expect("a ticket").to_owned()
}

fn check_refused(answer: &Answer, status: u16, sentence: &str) {
    assert_eq!((answer.status, answer.body.trim()), (status, sentence), "{answer:?}");
}

#[tokio::test]
async fn a_browser_comes_in_by_its_link_and_by_its_key_ever_after() {
    let here = Instance::new();
    let hub = here.start_hub(&[]).await;
    let browser = known(&here, &hub, &["--device", "phone"]).await;
    let mut page = browser.come_in().await;
    let listed = page.call("device.list", &json!({})).await.expect("may list");
    assert_eq!(listed["devices"][0]["name"], "phone");
    assert_eq!(listed["devices"][0]["current"], true);
    // a hub that was killed knows it again, and needs no new link
    let at = address(&hub).to_string();
    hub.kill().await;
    assert_eq!(page.ended().await, None);
    let _hub = here.start_hub(&["--listen", &at]).await;
    browser.come_in().await;
    let said = here.qd(["device", "ls"]).await.ok().text();
    assert!(said.contains("phone") && !said.contains("never  never"), "{said}");
}

#[tokio::test]
async fn a_link_that_was_used_is_refused_with_what_to_do() {
    let here = Instance::new();
    let hub = here.start_hub(&[]).await;
    let url = link(&here, &[]).await;
    let (mut first, mut second) = (Browser::at(address(&hub)), Browser::at(address(&hub)));
    first.log_in(&url).await.ok();
    let sentence = "this login link was used already; make a new one: qd open";
    check_refused(&second.log_in(&url).await, 401, sentence);
    let unknown = url.rsplit_once('=').expect("a code").0.to_owned() + "=" + &"A".repeat(32);
    let sentence = "this login link is not known here; make a new one: qd open";
    check_refused(&second.log_in(&unknown).await, 401, sentence);
    // the first one is not disturbed by any of that
    first.come_in().await;
}

#[tokio::test]
async fn a_ticket_is_good_once_and_a_challenge_too() {
    let here = Instance::new();
    let hub = here.start_hub(&[]).await;
    let browser = known(&here, &hub, &[]).await;
    let ticket = ticket(&browser).await;
    let _page = browser.connect(&ticket).await.expect("is good");
    let refused = browser.connect(&ticket).await.err().expect("was used");
    assert_eq!((refused.0, refused.1.trim()), (401, "this ticket was used already"));
    let device = browser.device.clone().expect("is known");
    let challenged = browser.post("challenge", &json!({ "device": device })).await.ok().json();
    let challenge = challenged["challenge"].as_str().expect("a challenge").to_owned();
    let signature = browser.sign(&challenge);
    let body = json!({ "device": device, "challenge": challenge, "signature": signature });
    browser.post("ticket", &body).await.ok();
    check_refused(&browser.post("ticket", &body).await, 409, "the login took too long; try again");
}

#[tokio::test]
async fn only_the_hubs_own_page_under_one_of_its_names_comes_in() {
    let here = Instance::new();
    let hub = here.start_hub(&["--public-url", "https://deck.example.org"]).await;
    let mut browser = known(&here, &hub, &[]).await;
    let ticket = ticket(&browser).await;
    // another page on this machine, on another port, has everything but the origin
    browser.origin = "http://127.0.0.1:1".to_owned();
    let sentence = "connections from web pages of http://127.0.0.1:1 are not accepted; open the hub's own page";
    check_refused(&browser.ticket().await, 403, sentence);
    let refused = browser.connect(&ticket).await.err().expect("is foreign");
    assert_eq!((refused.0, refused.1.trim()), (403, sentence));
    browser.origin = "https://deck.example.org".to_owned();
    browser
        .connect(&ticket)
        .await
        .expect("the ticket was not used up, and this is a name of the hub");
    // a name that was made to lead here
    let http = Http { to: browser.to, token: None };
    let sentence = "this hub does not answer to the name \"evil.example\". Open it by its address, or give \
                    it that name: qd up --public-url https://evil.example";
    let rebound = "host: evil.example";
    let origin = "origin: http://evil.example";
    let json = "content-type: application/json";
    check_refused(&http.send_as("GET", "/", &[rebound], b"").await, 403, sentence);
    let login = http.send_as("POST", "/v1/web/login", &[rebound, origin, json], b"{}").await;
    check_refused(&login, 403, sentence);
    // a form can be sent from anywhere without asking, so nothing is taken from one
    let own = format!("host: {}", browser.to);
    let form = "content-type: text/plain";
    let sent = http.send_as("POST", "/v1/web/login", &[&own, form], b"{}").await;
    check_refused(&sent, 415, "application/json is expected");
}

#[tokio::test]
async fn a_browser_may_do_what_its_link_gave_and_no_more() {
    let here = Instance::new();
    let _relay = here.start_relay(&[]).await;
    let hub = here.start_hub(&[]).await;
    let browser = known(&here, &hub, &["--scope", "read", "--principal", "bob"]).await;
    let mut page = browser.come_in().await;
    let refused = page.call("session.create", &json!({ "argv": ["true"] })).await;
    assert_eq!(refused.expect_err("is not given")["data"]["error"], "forbidden");
    let ticket = ticket(&browser).await;
    let mut again = browser.connect(&ticket).await.expect("is good");
    let hello = again.call("hello", &json!({ "name": "page" })).await;
    let hello = hello.expect("hello");
    assert!(hello["principal"].as_str().is_some_and(|it| it.ends_with("/bob")), "{hello}");
    assert_eq!(hello["scopes"], json!(["read"]));
    // and nobody gives what they do not have
    let admin = Way::hub(&here).connect("admin").await;
    let token = admin.token("boss", [Scope::Admin].into_iter().collect()).await;
    let boss = Way::ws(address(&hub), &token).connect("boss").await;
    let params = quarterdeck_protocol::method::DeviceInviteParams {
        scopes: Some([Scope::Drive].into_iter().collect()),
        ..Default::default()
    };
    let refused = boss.try_call::<quarterdeck_protocol::method::DeviceInvite>(&params).await;
    let refused = refused.expect_err("has no drive to give");
    assert_eq!(refused.to_string(), "the caller has no scope \"drive\" to give");
}

#[tokio::test]
async fn a_revoked_browser_is_thrown_out_and_told_so() {
    let here = Instance::new();
    let hub = here.start_hub(&[]).await;
    let browser = known(&here, &hub, &["--device", "lost phone"]).await;
    let other = known(&here, &hub, &["--device", "desk"]).await;
    let (mut page, mut desk) = (browser.come_in().await, other.come_in().await);
    here.qd(["device", "revoke", "lost phone"]).await.ok();
    assert_eq!(page.ended().await.as_deref(), Some("the credential has ended"));
    let sentence = "this browser is not known here any more; make a login link: qd open";
    check_refused(&browser.ticket().await, 401, sentence);
    desk.call("session.list", &json!({})).await.expect("the other one stays");
    let missing = here.qd(["device", "revoke", "lost phone"]).await;
    assert_eq!(missing.code(), Some(3), "{missing:?}");
}

#[tokio::test]
async fn everyone_who_came_and_went_stands_in_the_journals() {
    let fleet = Fleet::start().await;
    let browser = known(&fleet.here, &fleet.hub, &["--device", "phone"]).await;
    let mut page = browser.come_in().await;
    browser.post("login", &json!({ "code": "x", "key": "y", "name": "" })).await;
    let events = |page: &Value| -> Vec<String> {
        let entries = page["entries"].as_array().cloned().unwrap_or_default();
        entries.iter().map(|it| it["event"].as_str().unwrap_or_default().to_owned()).collect()
    };
    let all = page.call("audit.list", &json!({ "limit": 500 })).await.expect("may read");
    let seen = events(&all);
    for event in ["device_invited", "device_added", "login_ok", "machine", "started"] {
        assert!(seen.iter().any(|it| it == event), "{event}: {seen:?}");
    }
    assert_eq!(seen.last().map(String::as_str), Some("started"), "newest first");
    assert!(!all.to_string().contains("login="), "no secret");
    let first = page.call("audit.list", &json!({ "limit": 1 })).await.expect("may read");
    let next = page.call("audit.list", &json!({ "limit": 1, "before": first["next"] })).await;
    assert_eq!([events(&first), events(&next.expect("reads on"))].concat(), seen[..2]);
    let near = page.call("audit.list", &json!({ "machine": Fleet::NEAR })).await.expect("may read");
    assert!(!events(&near).contains(&"device_added".to_owned()), "a journal of its own: {near}");
    // that machine did not give the hub so much
    let far = page.call("audit.list", &json!({ "machine": Fleet::FAR })).await;
    assert_eq!(far.expect_err("is refused")["data"]["error"], "forbidden");
    let said = fleet.here.qd(["audit", "--hub", "-n", "3"]).await.ok().text();
    assert_eq!(said.lines().count(), 3, "{said}");
}

#[tokio::test]
async fn the_page_is_served_packed_and_guarded_and_its_files_are_kept() {
    let here = Instance::new();
    let hub = here.start_hub(&[]).await;
    let http = Http { to: address(&hub), token: None };
    let page = http.get("/").await.ok();
    assert_eq!(page.header("cache-control"), Some("no-cache"));
    let policy = page.header("content-security-policy").expect("a policy").to_owned();
    assert!(policy.contains("script-src 'self';"), "{policy}");
    for (name, value) in [
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        assert_eq!(page.header(name), Some(value));
    }
    let script = page.body.split("src=\"").nth(1).and_then(|it| it.split('"').next());
    let script = script.expect("a script").to_owned();
    let plain = http.get(&script).await.ok();
    assert_eq!(plain.header("cache-control"), Some("public, max-age=31536000, immutable"));
    let tag = plain.header("etag").expect("a tag").to_owned();
    let again = http.send("GET", &script, &[&format!("if-none-match: {tag}")], b"").await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!(http.get("/../../etc/passwd").await.status, 404);
    assert_eq!(http.get("/v1/web/login").await.status, 405);
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_with_what_to_do() {
    let here = Instance::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = taken.local_addr().expect("an address").to_string();
    let failed = here.qd(["up", "--no-open", "--listen", &address]).await;
    assert_eq!(failed.code(), Some(1), "{failed:?}");
    assert!(failed.stderr.contains(&format!("cannot listen on {address}")), "{failed:?}");
    assert!(failed.stderr.contains("--listen ADDR, or port 0"), "{failed:?}");
    here.qd(["down"]).await.ok();
}

#[tokio::test]
async fn up_gives_a_link_that_works_and_opens_nothing_where_nobody_looks() {
    let here = Instance::new();
    let said = here.qd(["up", "--listen", "127.0.0.1:0"]).await.ok();
    let text = said.text();
    let url = text.lines().find(|line| line.contains("/#login=")).expect("a link").to_owned();
    let to = url.split('/').nth(2).and_then(|it| it.parse().ok()).expect("an address");
    let mut browser = Browser::at(to);
    browser.log_in(url.trim()).await.ok();
    browser.come_in().await;
    let coded = here.qd(["open", "--qr"]).await.ok();
    assert!(
        coded.text().contains("█▀▀▀▀▀█") || coded.text().contains("▄▄▄▄▄▄▄"),
        "{}",
        coded.text()
    );
    assert!(coded.stderr.contains("--listen 0.0.0.0:7718"), "{coded:?}");
    assert!(!here.directory().join("open.html").exists());
    here.qd(["down"]).await.ok();
}
