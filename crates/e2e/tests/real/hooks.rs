//! What programs outside are told: by the relay, by the hub in its place, and what servers do to it.

use std::{fs, os::unix::fs::PermissionsExt as _};

use quarterdeck_e2e::harness::{
    agent::{self, option_of},
    client::Way,
    hub::{Fleet, add_by_line, until_machine},
    instance::{Instance, Relay},
    news::News,
    nowhere::Nowhere,
    receiver::{Reaction, Receiver, Told},
};
use quarterdeck_protocol::{
    agent::OptionKind,
    method::{
        Empty, HookInfo, HookList, HookListResult, HookTest, HookTestParams, MachineInfo,
        MachineState,
    },
};

/// An instance with the scripted agent and these hooks.
fn configure(instance: &Instance, hooks: &str) {
    instance.configure(&format!("{}\n{hooks}\n", agent::configuration(instance)));
}

fn webhook(receiver: &Receiver, more: &str) -> String {
    let url = receiver.url("/in?key=s3cret");
    format!("[[hooks.to]]\nname = \"log\"\nkind = \"webhook\"\nurl = \"{url}\"\n{more}\n")
}

fn secret_file(instance: &Instance, text: &str) -> String {
    let path = instance.path("hook.secret");
    fs::write(&path, text).expect("writes");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("closes it");
    format!("secret_file = {:?}", path.display().to_string())
}

async fn relay(instance: &Instance) -> Relay {
    instance.start_relay(&["--listen", "127.0.0.1:0"]).await
}

async fn hooks(way: &Way) -> HookListResult {
    way.connect("asker").await.call::<HookList>(&Empty {}).await
}

/// Waits for a state of the only hook.
async fn until(way: &Way, what: &str, holds: impl Fn(&HookInfo) -> bool) -> HookInfo {
    let asker = way.connect("asker").await;
    quarterdeck_e2e::harness::within(what, async {
        loop {
            // each answer gives the relay its turn
            let hook = asker.call::<HookList>(&Empty {}).await.hooks.remove(0);
            if holds(&hook) {
                return hook;
            }
        }
    })
    .await
}

/// Asks by an agent; the session and the id of the prompt.
async fn ask(way: &Way) -> (String, quarterdeck_protocol::agent::Prompt) {
    let mut news = News::watch(way).await;
    let peer = way.connect("starter").await;
    let session = agent::start(&peer).await;
    agent::say(&peer, &session, "ask rm -rf /tmp/x").await;
    loop {
        // others may be open
        let opened = news.opened().await;
        if opened.session.to_string() == session {
            return (session, opened.prompt);
        }
    }
}

fn event(told: &Told) -> String {
    told.json()["event"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_relay_alone_tells_prompts_and_ends_of_turns_signed_and_once() {
    let mut receiver = Receiver::start().await;
    let instance = Instance::new();
    let secret = secret_file(&instance, "# mine\nsecret = k3y\n");
    let page = "[hooks]\npublic_url = \"https://desk.example/\"\n";
    configure(&instance, &format!("{page}{}", webhook(&receiver, &secret)));
    let relay = relay(&instance).await;
    let way = Way::unix(&instance);
    let (session, prompt) = ask(&way).await;
    let told = receiver.next().await;
    assert_eq!(told.line, "POST /in?key=s3cret HTTP/1.1");
    let body = told.json();
    assert_eq!(body["event"], "prompt.opened");
    assert_eq!(body["id"], format!("prompt:{}", prompt.id));
    assert_eq!(told.header("quarterdeck-id"), body["id"].as_str());
    assert_eq!(body["session"]["id"], session);
    assert_eq!(body["prompt"]["title"], prompt.title);
    assert_eq!(body["url"], format!("https://desk.example/#session={session}"));
    let signed = openssl_hmac("k3y", &told.body).await;
    assert_eq!(told.header("quarterdeck-signature"), Some(format!("sha256={signed}").as_str()));
    // a relay that comes next knows what was told, and tells only what is new
    relay.kill().await;
    let _relay = self::relay(&instance).await;
    let peer = way.connect("person").await;
    let allow = option_of(&prompt, OptionKind::AllowOnce);
    agent::answer(&peer, prompt.id, &allow, None).await.expect("answers");
    let told = receiver.next().await;
    assert_eq!(event(&told), "turn.ended");
    assert_eq!(told.json()["turn"]["stop_reason"], "end_turn");
    let hook = until(&way, "it is counted", |hook| hook.sent == 1).await;
    assert_eq!(hook.to, receiver.url(""), "no path is shown");
    assert_eq!(receiver.all().len(), 2);
}

/// The same by another program.
async fn openssl_hmac(key: &str, text: &str) -> String {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("body");
    fs::write(&file, text).expect("writes");
    let mut command = tokio::process::Command::new("openssl");
    command.args(["dgst", "-sha256", "-hmac", key, "-r"]).arg(&file);
    let ended = quarterdeck_e2e::harness::instance::Ran::of(command).await;
    ended.ok().text().split_whitespace().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn ntfy_gets_topic_token_and_priority_and_no_control_characters() {
    let mut receiver = Receiver::start().await;
    let instance = Instance::new();
    let secret = secret_file(&instance, "topic = alarms\ntoken = tk_abc\n");
    let url = receiver.url("");
    configure(
        &instance,
        &format!(
            "[[hooks.to]]\nname = \"phone\"\nkind = \"ntfy\"\nurl = \"{url}\"\npriority = 5\n\
             on = [\"prompt.opened\"]\n{secret}"
        ),
    );
    let relay = relay(&instance).await;
    let way = Way::unix(&instance);
    let peer = way.connect("starter").await;
    let session = agent::start(&peer).await;
    agent::say(&peer, &session, "ask a\u{1b}[31mb\u{202e}c").await;
    let told = receiver.next().await;
    assert_eq!(told.line, "POST / HTTP/1.1", "the topic is in no address");
    assert_eq!(told.header("authorization"), Some("Bearer tk_abc"));
    let body = told.json();
    assert_eq!((&body["topic"], &body["priority"]), (&"alarms".into(), &5.into()));
    let message = body["message"].as_str().expect("has one").to_owned();
    assert!(message.contains("abc"), "{message:?}");
    assert!(!message.chars().any(|c| c.is_control() || c == '\u{202e}'), "{message:?}");
    // nothing of it is in the log
    let log = relay.diagnostics();
    assert!(!log.contains("tk_abc") && !log.contains("alarms"), "{log}");
}

#[tokio::test]
async fn a_server_that_fails_or_breaks_off_is_told_again_and_one_that_redirects_is_not_followed() {
    let mut receiver = Receiver::start().await;
    let mut elsewhere = Receiver::start().await;
    receiver.react([
        Reaction::Answer(503, "Retry-After: 1\r\n".into()),
        Reaction::Break,
        Reaction::Answer(204, String::new()),
        Reaction::Answer(307, format!("Location: {}\r\n", elsewhere.url("/stolen"))),
    ]);
    let instance = Instance::new();
    configure(&instance, &webhook(&receiver, "on = [\"prompt.opened\"]"));
    let relay = relay(&instance).await;
    let way = Way::unix(&instance);
    ask(&way).await;
    let first = receiver.next().await;
    let bodies = [receiver.next().await.body, receiver.next().await.body];
    assert_eq!(bodies, [first.body.clone(), first.body], "the same each time");
    let hook = until(&way, "it is told", |hook| hook.sent == 1).await;
    assert_eq!((hook.failed, hook.dropped, hook.error), (2, 0, None));
    ask(&way).await;
    let sentence = "it answers 307, a redirect; that is not followed: write the address that it \
                    leads to";
    let hook = until(&way, "it is given up", |hook| hook.dropped == 1).await;
    assert_eq!(hook.error.as_deref(), Some(sentence));
    assert_eq!(hook.waiting, 0);
    assert!(elsewhere.all().is_empty());
    let log = relay.diagnostics();
    assert!(log.contains(sentence) && !log.contains("s3cret"), "{log}");
    // whoever looks is told what to do
    let doctor = instance.qd(["doctor"]).await.text();
    assert!(doctor.contains(sentence) && doctor.contains("qd hooks test log"), "{doctor}");
    let tried = instance.qd(["hooks", "test", "log"]).await.ok().text();
    assert!(tried.starts_with("\"log\" was told in "), "{tried}");
    let listed = instance.qd(["hooks"]).await.ok().text();
    assert!(listed.contains("log") && !listed.contains("s3cret"), "{listed}");
    let unknown = instance.qd(["hooks", "test", "nobody"]).await;
    assert_eq!(unknown.code(), Some(3), "{unknown:?}");
    drop(elsewhere.next());
}

#[tokio::test]
async fn a_server_that_never_answers_holds_up_no_agent_and_no_other_hook() {
    let stalling = Receiver::start().await;
    stalling.react([Reaction::Stall, Reaction::Stall, Reaction::Stall]);
    let mut receiver = Receiver::start().await;
    let instance = Instance::new();
    let other = webhook(&stalling, "").replace("\"log\"", "\"stalls\"");
    configure(&instance, &format!("{other}{}", webhook(&receiver, "")));
    let _relay = relay(&instance).await;
    let way = Way::unix(&instance);
    let (_, prompt) = ask(&way).await;
    assert_eq!(event(&receiver.next().await), "prompt.opened");
    let peer = way.connect("person").await;
    let allow = option_of(&prompt, OptionKind::AllowOnce);
    agent::answer(&peer, prompt.id, &allow, None).await.expect("answers");
    assert_eq!(event(&receiver.next().await), "turn.ended");
    let stalled = hooks(&way).await.hooks.remove(0);
    assert_eq!((stalled.sent, stalled.waiting), (0, 2));
    let params = HookTestParams { name: "stalls".into() };
    let refused = peer.client.call_within::<HookTest>(&params, std::time::Duration::from_secs(25));
    let refused = refused.await.expect_err("it never answers").to_string();
    assert!(refused.contains("no answer within 15 s"), "{refused}");
}

#[tokio::test]
async fn a_certificate_is_checked_and_a_pin_counts_instead() {
    let server = Instance::new();
    let relay = relay(&server).await;
    let url = format!("https://{}/", relay.address());
    let pin = relay.status.pin.clone().expect("has a pin");
    let other = "sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let instance = Instance::new();
    let hook = |name: &str, more: &str| {
        format!("[[hooks.to]]\nname = \"{name}\"\nkind = \"webhook\"\nurl = \"{url}\"\n{more}\n")
    };
    let pinned = hook("pinned", &format!("pin = \"{pin}\""));
    let wrong = hook("wrong", &format!("pin = \"{other}\""));
    configure(&instance, &[hook("plain", ""), pinned, wrong].concat());
    let _relay = self::relay(&instance).await;
    let peer = Way::unix(&instance).connect("person").await;
    let mut said = Vec::new();
    for name in ["plain", "pinned", "wrong"] {
        let params = HookTestParams { name: name.into() };
        said.push(peer.try_call::<HookTest>(&params).await.expect_err("is no hook").message);
    }
    assert!(said[0].contains("certificate"), "{said:?}");
    assert_eq!(said[1], "not told: it answers 404", "only then it is asked at all");
    assert!(said[2].contains(&pin), "{said:?}");
}

#[tokio::test]
async fn a_proxy_is_asked_for_the_way_out() {
    let proxy = Nowhere::start();
    let instance = Instance::new();
    instance.set("HTTPS_PROXY", &proxy.url());
    let hook = "[[hooks.to]]\nname = \"out\"\nkind = \"webhook\"\nurl = \"https://h.invalid/x\"\n";
    configure(&instance, hook);
    let _relay = relay(&instance).await;
    let peer = Way::unix(&instance).connect("person").await;
    let params = HookTestParams { name: "out".into() };
    let refused = peer.try_call::<HookTest>(&params).await.expect_err("it leads nowhere").message;
    assert!(refused.starts_with("not told: proxy: "), "{refused}");
    assert_eq!(proxy.wanted(), ["CONNECT h.invalid:443 HTTP/1.1"]);
}

#[tokio::test]
async fn a_secret_that_others_can_read_is_not_used() {
    let receiver = Receiver::start().await;
    let instance = Instance::new();
    let secret = secret_file(&instance, "secret = k3y\n");
    let open = fs::Permissions::from_mode(0o644);
    fs::set_permissions(instance.path("hook.secret"), open).expect("opens it");
    configure(&instance, &webhook(&receiver, &secret));
    let _relay = relay(&instance).await;
    let peer = Way::unix(&instance).connect("person").await;
    let params = HookTestParams { name: "log".into() };
    let refused = peer.try_call::<HookTest>(&params).await.expect_err("is not used").message;
    assert!(refused.contains("is open to other users") && refused.contains("chmod"), "{refused}");
    assert!(receiver.all().is_empty());
}

#[tokio::test]
async fn hooks_that_cannot_work_stop_a_start_with_a_sentence() {
    let instance = Instance::new();
    let hook = "[[hooks.to]]\nname = \"x\"\nkind = \"webhook\"\nurl = \"http://dev/s3cret\"\n";
    configure(&instance, hook);
    let ran = instance.try_start_relay(&[]).await.expect_err("is not valid");
    let sentence = "the address is http:// and not on this machine; use https://";
    assert!(ran.stderr.contains(sentence) && !ran.stderr.contains("s3cret"), "{ran:?}");
    let ran = instance.try_start_hub(&[]).await.map(drop).expect_err("is not valid");
    assert!(ran.stderr.contains(sentence), "{ran:?}");
}

/// A hub and two machines; the far one has hooks of its own.
async fn fleet(hub: &Receiver, far: &Receiver) -> Fleet {
    let (hub, far) = (webhook(hub, ""), webhook(far, ""));
    let number = std::sync::atomic::AtomicU32::new(0);
    let quick = "[hooks]\nunreachable_after_s = 1\n";
    Fleet::start_with(|instance| match number.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
        0 => configure(instance, &format!("{quick}{hub}")),
        _ => configure(instance, &far),
    })
    .await
}

#[tokio::test]
async fn while_a_hub_with_hooks_is_linked_it_tells_alone_and_the_relay_does_when_it_goes() {
    let (mut at_hub, mut at_far) = (Receiver::start().await, Receiver::start().await);
    let mut fleet = fleet(&at_hub, &at_far).await;
    let far = Way::unix(&fleet.there);
    assert!(hooks(&far).await.rests);
    let (_, prompt) = ask(&far).await;
    let told = at_hub.next().await.json();
    assert_eq!(told["id"], format!("prompt:{}", prompt.id));
    assert_eq!(told["machine"]["label"], Fleet::FAR);
    let peer = far.connect("person").await;
    let allow = option_of(&prompt, OptionKind::AllowOnce);
    agent::answer(&peer, prompt.id, &allow, None).await.expect("answers");
    assert_eq!(event(&at_hub.next().await), "turn.ended");
    // the hub's own machine reads the same configuration, and rests as well
    let near = Way::unix(&fleet.here);
    ask(&near).await;
    assert_eq!(at_hub.next().await.json()["machine"]["label"], Fleet::NEAR);
    // an event that is open when the hub dies is told once: the hub has confirmed it
    until_confirmed(&fleet).await;
    let address = fleet.hub.address();
    fleet.hub.kill().await;
    let (_, alone) = ask(&far).await;
    let told = at_far.next().await.json();
    assert_eq!(told["id"], format!("prompt:{}", alone.id), "and nothing before it");
    // and a hub that comes back does not tell it again
    fleet.hub = fleet.here.start_hub(&["--listen", &address]).await;
    let linked = |it: &MachineInfo| it.state == MachineState::Connected;
    until_machine(&Way::hub(&fleet.here), Fleet::FAR, "it is linked again", linked).await;
    let (_, last) = ask(&far).await;
    let told = at_hub.next().await.json();
    assert_eq!(told["id"], format!("prompt:{}", last.id));
    assert_eq!((at_hub.all().len(), at_far.all().len()), (4, 1));
}

/// The hub is through with what it told: its relays say that they were told.
async fn until_confirmed(fleet: &Fleet) {
    for instance in [&fleet.here, &fleet.there] {
        let ledger = instance.directory().join("hooks-told");
        quarterdeck_e2e::harness::files::until_file(&ledger, |text| {
            String::from_utf8_lossy(text).contains("prompt:")
        })
        .await;
    }
}

#[tokio::test]
async fn what_the_hub_could_not_tell_before_it_died_the_relay_tells() {
    let (mut at_hub, mut at_far) = (Receiver::start().await, Receiver::start().await);
    at_hub.react([Reaction::Stall]);
    let fleet = fleet(&at_hub, &at_far).await;
    let far = Way::unix(&fleet.there);
    let (_, prompt) = ask(&far).await;
    at_hub.next().await;
    assert!(at_far.all().is_empty());
    fleet.hub.kill().await;
    let told = at_far.next().await.json();
    assert_eq!(told["id"], format!("prompt:{}", prompt.id));
}

#[tokio::test]
async fn a_machine_that_stays_away_is_told_once_and_again_only_after_it_came_back() {
    let (mut at_hub, at_far) = (Receiver::start().await, Receiver::start().await);
    let mut fleet = fleet(&at_hub, &at_far).await;
    let address = fleet.far.address().to_string();
    fleet.far.kill().await;
    let told = at_hub.next().await;
    assert_eq!(event(&told), "machine.unreachable");
    assert_eq!(told.json()["machine"]["label"], Fleet::FAR);
    // a new hub knows that it was told
    let hub_address = fleet.hub.address();
    assert!(fleet.hub.terminate().await.success());
    fleet.hub = fleet.here.start_hub(&["--listen", &hub_address]).await;
    let way = Way::hub(&fleet.here);
    let away = |it: &MachineInfo| matches!(it.state, MachineState::Reconnecting { .. });
    until_machine(&way, Fleet::FAR, "it is away", away).await;
    fleet.far = fleet.there.start_relay(&["--listen", &address]).await;
    fleet.here.qd(["machine", "connect", Fleet::FAR]).await.ok();
    let linked = |it: &MachineInfo| it.state == MachineState::Connected;
    until_machine(&way, Fleet::FAR, "it is back", linked).await;
    fleet.far.kill().await;
    assert_eq!(event(&at_hub.next().await), "machine.unreachable");
    assert_eq!(at_hub.all().len(), 2);
    // one that somebody disconnects is not missed
    fleet.here.qd(["machine", "disconnect", Fleet::FAR]).await.ok();
    let other = Instance::new();
    let _other = relay(&other).await;
    add_by_line(&fleet.here, &other, "third").await;
    fleet.here.qd(["machine", "disconnect", "third"]).await.ok();
    assert_eq!(at_hub.all().len(), 2);
}
