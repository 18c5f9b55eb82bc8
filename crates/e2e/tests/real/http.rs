//! Agents over plain HTTP: messages, status, events, uploads; who may, and what is refused.

use std::fs;

use quarterdeck_e2e::harness::{
    agent,
    client::{Peer, Way},
    http::{Events, Http, SseEvent},
    instance::{Instance, Relay},
};
use quarterdeck_protocol::{
    agent::OptionKind,
    http::{AGENT_OPERATIONS, PLAIN_OPERATIONS, operations},
    method::{CreateParams, PromptList, PromptListParams, SessionCreate},
    scope::{Scope, Scopes},
};
use serde_json::{Value, json};

/// A relay that starts the scripted agent as `claude`, one such agent, and a program with a token.
struct Stage {
    instance: Instance,
    relay: Relay,
    peer: Peer,
    session: String,
    http: Http,
}

const LISTEN: [&str; 3] = ["--listen", "127.0.0.1:0", "--insecure"];

impl Stage {
    async fn new() -> Self {
        Self::configured("").await
    }

    async fn configured(more: &str) -> Self {
        let instance = Instance::new();
        instance.configure(&format!("{more}\n{}", agent::configuration(&instance)));
        let relay = instance.start_relay(&LISTEN).await;
        let peer = Way::unix(&instance).connect("person").await;
        let session = agent::start(&peer).await;
        let http = Http::new(&relay, &peer.token("ada", Scopes::ALL).await);
        Self { instance, relay, peer, session, http }
    }

    async fn restart(&mut self) {
        self.relay.signal(rustix::process::Signal::KILL);
        self.relay.until_gone().await;
        self.relay = self.instance.start_relay(&LISTEN).await;
        self.peer = Way::unix(&self.instance).connect("person").await;
        self.http = self.http.at(&self.relay);
    }

    fn path(&self, what: &str) -> String {
        format!("/v1/sessions/{}/{what}", self.session)
    }

    async fn say(&self, text: &str) -> Value {
        let body = json!({ "content": text, "type": "user" });
        self.http.post(&self.path("message"), &body).await.ok().json()
    }

    async fn events(&self, last: Option<&str>) -> Events {
        self.http.events(&self.session, last).await.expect("a stream")
    }

    async fn allow(&self) {
        let prompts = self.peer.call::<PromptList>(&PromptListParams { session: None }).await;
        let prompt = &prompts.prompts[0].prompt;
        let option = agent::option_of(prompt, OptionKind::AllowOnce);
        agent::answer(&self.peer, prompt.id, &option, None).await.expect("is taken");
    }
}

fn is_message(event: &SseEvent, text: &str) -> bool {
    event.name == "message_update" && event.data["message"] == text
}

fn is_status(event: &SseEvent, status: &str, state: &str) -> bool {
    event.name == "status_change" && event.data["status"] == status && event.data["state"] == state
}

async fn until_message(events: &mut Events, text: &str) -> SseEvent {
    events.until(|event| is_message(event, text)).await
}

/// Waits until the agent is idle after it said this.
async fn until_idle_after(events: &mut Events, text: &str) {
    until_message(events, text).await;
    while !events.seen.last().is_some_and(|event| is_status(event, "stable", "idle")) {
        events.next().await.expect("goes on");
    }
}

#[tokio::test]
async fn a_message_goes_to_the_agent_and_its_answer_comes_back() {
    let stage = Stage::new().await;
    let mut events = stage.events(None).await;
    let posted = stage.say("say hello").await;
    assert_eq!((&posted["ok"], &posted["repeated"]), (&json!(true), &json!(false)));
    until_idle_after(&mut events, "hello").await;

    let messages = stage.http.get(&stage.path("messages")).await.ok().json();
    let list = messages["messages"].as_array().expect("a list");
    let said: Vec<(&Value, &Value)> = list.iter().map(|it| (&it["role"], &it["content"])).collect();
    let expected = [(&json!("user"), &json!("say hello")), (&json!("agent"), &json!("hello"))];
    assert_eq!(said, expected);
    assert!(list[0]["id"].as_u64() < list[1]["id"].as_u64(), "{list:?}");
    let members: Vec<&String> = list[0].as_object().expect("an object").keys().collect();
    assert_eq!(members, ["content", "id", "role", "time"]);
    assert!(list[0]["time"].as_str().is_some_and(|time| time.starts_with("20")), "{list:?}");
    assert_eq!(messages.get("earlier"), None);

    let status = stage.http.get(&stage.path("status")).await.ok().json();
    let expected =
        json!({ "status": "stable", "agent_type": "claude", "state": "idle", "prompts": 0 });
    assert_eq!(status, expected);
    // the stream names messages as the list does
    let update = until_message(&mut events, "hello").await;
    assert_eq!(update.data["id"], list[1]["id"]);
    assert_eq!(update.data["role"], "agent");

    let listed = stage.http.get("/v1/sessions").await.ok().json();
    assert_eq!(listed["sessions"][0]["session"], stage.session.as_str());
    // by its label too
    let label = listed["sessions"][0]["label"].as_str().expect("a label");
    stage.http.get(&format!("/v1/sessions/{label}/status")).await.ok();
}

#[tokio::test]
async fn a_retry_is_taken_once_and_keys_that_stop_stop_the_turn() {
    let stage = Stage::new().await;
    let mut events = stage.events(None).await;
    let body = json!({ "content": "hang", "type": "user", "message_id": "mine" });
    let first = stage.http.post(&stage.path("message"), &body).await.ok().json();
    let again = stage.http.post(&stage.path("message"), &body).await.ok().json();
    assert_eq!((&first["message_id"], &first["repeated"]), (&json!("mine"), &json!(false)));
    assert_eq!((&again["message_id"], &again["repeated"]), (&json!("mine"), &json!(true)));
    events.until(|event| is_status(event, "running", "running")).await;
    let busy = stage.http.get(&stage.path("status")).await.ok().json();
    assert_eq!(busy["status"], "running");

    let keys = json!({ "content": "\u{1b}", "type": "raw" });
    stage.http.post(&stage.path("message"), &keys).await.ok();
    until_message(&mut events, "hang").await;
    while agent::times(&stage.instance, "interrupted turn") == 0 {
        events.next().await.expect("goes on");
    }
    let other = json!({ "content": "y", "type": "raw" });
    let refused = stage.http.post(&stage.path("message"), &other).await;
    assert_eq!((refused.status, refused.word().as_str()), (422, "not_offered"));
    assert_eq!(agent::times(&stage.instance, "message hang"), 1);
}

#[tokio::test]
async fn a_stream_goes_on_exactly_where_it_was_when_the_relay_was_killed() {
    let mut stage = Stage::new().await;
    let mut first = stage.events(None).await;
    stage.say("say one").await;
    until_idle_after(&mut first, "one").await;
    stage.say("say two; ask touch x; say three; stream 200").await;
    let opened = first.until(|event| event.name == "prompt_opened").await;
    let mut seen = first.seen.clone();
    stage.restart().await;
    while first.next().await.is_some() {}
    seen.extend(first.seen.drain(seen.len()..).filter(|event| event.name != "error"));

    // from the last event, and from every one before it: what follows is the same
    let last = seen.last().expect("some").id.clone();
    let mut rest = stage.events(Some(&last)).await;
    stage.allow().await;
    let until_end: String = (0..200).map(|n| format!("{n} ")).collect();
    until_idle_after(&mut rest, &until_end).await;
    let mut whole = seen.clone();
    whole.extend(rest.seen.clone());
    let ids: Vec<_> = whole.iter().map(|event| place(&event.id)).collect();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "in order, none twice: {whole:#?}");
    for text in ["say one", "one", "two", "three", "ran touch x"] {
        let times = whole.iter().filter(|event| is_message(event, text)).count();
        // what a tool did is no message
        assert_eq!(times, usize::from(text != "ran touch x"), "{text}: {whole:#?}");
    }
    let prompt = opened.data["prompt"]["id"].clone();
    let about: Vec<_> = whole
        .iter()
        .filter(|event| event.data["prompt"]["id"] == prompt || event.data["prompt"] == prompt)
        .map(|event| (event.name.as_str(), event.data["state"].as_str().unwrap_or("")))
        .collect();
    assert_eq!(
        about,
        [("prompt_opened", ""), ("prompt_update", "answered"), ("prompt_update", "applied")]
    );
    for event in &whole {
        let mut again = stage.events(Some(&event.id)).await;
        if event.id == whole.last().expect("some").id {
            break;
        }
        let after: Vec<_> = whole.iter().filter(|it| place(&it.id) > place(&event.id)).collect();
        let end = after.last().expect("some").id.clone();
        again.until(|it| it.id == end).await;
        let texts = |events: &[&SseEvent]| -> Vec<Value> {
            // of a message that grew, the end is what counts
            let settled = |event: &&&SseEvent| {
                event.name != "message_update"
                    || !events.iter().any(|later| {
                        later.data["id"] == event.data["id"] && place(&later.id) > place(&event.id)
                    })
            };
            events.iter().filter(settled).map(|event| event.data.clone()).collect()
        };
        assert_eq!(texts(&again.seen.iter().collect::<Vec<_>>()), texts(&after), "{}", event.id);
    }
}

/// Ids are ordered as numbers, not as text.
fn place(id: &str) -> (u64, u64) {
    let (seq, index) = id.split_once('.').expect("two numbers");
    (seq.parse().expect("a number"), index.parse().expect("a number"))
}

#[tokio::test]
async fn who_comes_late_is_told_what_is_true_and_not_what_was() {
    let stage = Stage::new().await;
    let mut first = stage.events(None).await;
    stage.say("say one; ask touch x").await;
    first.until(|event| event.name == "prompt_opened").await;
    stage.allow().await;
    first.until(|event| is_status(event, "running", "running")).await;
    while !first.seen.last().is_some_and(|event| is_status(event, "stable", "idle")) {
        first.next().await;
    }
    stage.say("say two; question sure?").await;
    first.until(|event| event.data["prompt"]["ask"]["ask"] == "question").await;

    let mut late = stage.events(None).await;
    let status = late.until(|event| event.name == "status_change").await;
    assert_eq!((&status.data["state"], &status.data["prompts"]), (&json!("waiting"), &json!(1)));
    let names: Vec<&str> = late.seen.iter().map(|event| event.name.as_str()).collect();
    let messages = ["message_update"; 4];
    assert_eq!(names, [&messages[..], &["prompt_opened", "status_change"]].concat(), "{late:#?}");
}

#[tokio::test]
async fn a_gap_in_the_log_is_told_and_a_wrong_id_is_refused() {
    let stage = Stage::configured("[logs]\nsession_bytes = 1").await;
    let mut first = stage.events(None).await;
    stage.say("say one").await;
    let one = until_message(&mut first, "one").await;
    for n in 0..3 {
        stage.say(&format!("big 3000000; say after {n}")).await;
        until_message(&mut first, &format!("after {n}")).await;
    }
    stage.instance.qd(["gc"]).await.ok();
    let mut again = stage.events(Some(&one.id)).await;
    let gap = again.next().await.expect("an event");
    assert_eq!(gap.name, "gap", "{gap:?}");
    assert!(place(gap.data["from"].as_str().expect("an id")) > place(&one.id));
    until_message(&mut again, "after 2").await;
    let messages = stage.http.get(&stage.path("messages")).await.ok().json();
    assert_eq!(messages["earlier"], true);

    for wrong in ["99999999.0", "x", "1", "-1.0", "1.0.0"] {
        let refused = stage.http.events(&stage.session, Some(wrong)).await.expect_err(wrong);
        assert_eq!((refused.status, refused.word().as_str()), (400, "invalid_params"), "{wrong}");
    }
}

#[tokio::test]
async fn every_operation_needs_its_scope_and_a_token() {
    let stage = Stage::new().await;
    for operation in PLAIN_OPERATIONS.into_iter().chain(AGENT_OPERATIONS) {
        let path = operation.path.replace("{session}", &stage.session);
        let path = path.replace("{prompt}", "s_00000000000000000000.1");
        let verb = operation.verb.to_uppercase();
        let needed = match operation.method.access() {
            quarterdeck_protocol::method::Access::Needs(scope) => scope,
            quarterdeck_protocol::method::Access::Open => panic!("{path} is open"),
        };
        for scope in Scope::ALL {
            let token = stage.peer.token(scope.word(), [scope].into_iter().collect()).await;
            let http = Http::new(&stage.relay, &token);
            if scope == needed {
                continue;
            }
            let refused = http.send(&verb, &path, &[], b"").await;
            assert_eq!(
                (refused.status, refused.word()),
                (403, "forbidden".into()),
                "{path} {scope}"
            );
            let named = refused.json()["data"]["detail"]["needed"].clone();
            assert_eq!(named, json!(needed), "{path} {scope}");
        }
        let nobody = Http { token: None, ..stage.http.clone() };
        let refused = nobody.send(&verb, &path, &[], b"").await;
        assert_eq!((refused.status, refused.word()), (401, "unauthenticated".into()), "{path}");
        assert!(refused.header("www-authenticate").is_some(), "{refused:?}");
        // each wrong one makes the next answer later
        if AGENT_OPERATIONS.contains(&operation) {
            let wrong = Http { token: Some("qdt_wrong".into()), ..stage.http.clone() };
            assert_eq!(wrong.send(&verb, &path, &[], b"").await.status, 401, "{path}");
        }
        let page = stage.http.send(&verb, &path, &["origin: http://127.0.0.1"], b"").await;
        assert_eq!((page.status, page.word()), (403, "forbidden".into()), "{path}");
    }
    let reader = stage.peer.token("reader", [Scope::Read].into_iter().collect()).await;
    let reader = Http::new(&stage.relay, &reader);
    for what in ["messages", "status"] {
        reader.get(&stage.path(what)).await.ok();
    }
}

#[tokio::test]
async fn a_token_that_ends_ends_its_stream() {
    let stage = Stage::new().await;
    let made = stage.instance.qd(["token", "create", "tower", "--scope", "read"]).await.ok();
    let http = Http::new(&stage.relay, made.text().trim());
    let mut events = http.events(&stage.session, None).await.expect("a stream");
    events.until(|event| event.name == "status_change").await;
    stage.instance.qd(["token", "revoke", "tower"]).await.ok();
    let end = events.until(|event| event.name == "error").await;
    assert_eq!(end.data["data"]["error"], "unauthenticated");
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_with_a_code_and_a_sentence() {
    let stage = Stage::new().await;
    let argv = vec!["/bin/cat".to_owned()];
    let terminal = CreateParams { argv, ..CreateParams::default() };
    let terminal = stage.peer.call::<SessionCreate>(&terminal).await.session.session.to_string();
    for what in ["messages", "status", "events"] {
        let path = format!("/v1/sessions/{terminal}/{what}");
        let refused = stage.http.send("GET", &path, &[], b"").await;
        assert_eq!((refused.status, refused.word().as_str()), (409, "wrong_kind"), "{what}");
        assert!(refused.json()["message"].as_str().is_some_and(|it| it.contains("terminal")));
        let nobody = stage.http.send("GET", &format!("/v1/sessions/nobody/{what}"), &[], b"").await;
        assert_eq!((nobody.status, nobody.word().as_str()), (404, "not_found"), "{what}");
    }
    let message = stage.path("message");
    let deep = format!("{{\"content\":{}", "[".repeat(100_000));
    let bodies = ["", "{", "null", "[]", "{}", r#"{"content":7}"#, deep.as_str()];
    let unfit = [r#"{"content":"x","type":"keys"}"#, r#"{"content":"x","delivery":"now"}"#];
    let attached = [
        r#"{"content":"x","attachments":["/etc/passwd"]}"#,
        r#"{"content":"x","attachments":["../x"]}"#,
    ];
    for body in bodies.into_iter().chain(unfit).chain(attached).chain([r#"{"content":""}"#]) {
        let refused = stage.http.post_text(&message, body).await;
        let shown = &body[..body.len().min(60)];
        assert_eq!((refused.status, refused.word().as_str()), (400, "invalid_params"), "{shown}");
    }
    let large = json!({ "content": "x".repeat(1024 * 1024), "type": "user" });
    let refused = stage.http.post(&message, &large).await;
    assert_eq!((refused.status, refused.word().as_str()), (413, "invalid_request"));
    let wrong_verb = stage.http.get(&message).await;
    assert_eq!((wrong_verb.status, wrong_verb.word().as_str()), (405, "unsupported"));
    assert_eq!(stage.http.get("/v1/sessions/x/y").await.status, 404);
    // and after all that it works
    stage.say("say fine").await;
    until_message(&mut stage.events(None).await, "fine").await;
}

#[tokio::test]
async fn an_image_is_uploaded_and_shown_to_the_agent_with_a_message() {
    let stage = Stage::new().await;
    let png = [b"\x89PNG\r\n\x1a\n".as_slice(), &[7; 1000]].concat();
    let upload = stage.path("upload");
    let image = stage.http.upload(&upload, "../../shot.png", &png).await.ok().json();
    assert_eq!((&image["ok"], &image["mime_type"]), (&json!(true), &json!("image/png")));
    let path = image["filePath"].as_str().expect("a path");
    assert!(path.ends_with("/uploads/shot.png"), "{path}");
    assert!(
        path.starts_with(&stage.instance.session_directory(&stage.session).display().to_string())
    );
    assert_eq!(fs::read(path).expect("is there"), png);
    let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(path).expect("is there"));
    assert_eq!(mode & 0o777, 0o600);
    let again = stage.http.upload(&upload, "shot.png", b"other").await.ok().json();
    assert!(again["filePath"].as_str().is_some_and(|it| it.ends_with("/shot-2.png")), "{again}");

    let text = stage.http.upload(&upload, "notes.txt", b"notes").await.ok().json();
    let body = json!({
        "content": "say seen", "type": "user", "attachments": [path, text["filePath"]],
    });
    stage.http.post(&stage.path("message"), &body).await.ok();
    let mut events = stage.events(None).await;
    until_message(&mut events, "seen").await;
    let shown = events.until(|event| event.data["role"] == "user").await;
    let shown = shown.data["message"].as_str().expect("text").to_owned();
    assert!(shown.starts_with("say seen\n[image/png]\n[file:///"), "{shown}");
    // the line that the agent got has the whole image
    let data = base64_of(&png);
    let log = stage.instance.session_directory(&stage.session).join("log");
    let has_it = |bytes: Vec<u8>| bytes.windows(data.len()).any(|it| it == data.as_bytes());
    let segments = fs::read_dir(log).expect("lists").map(|entry| entry.expect("lists").path());
    assert!(segments.map(|path| fs::read(path).expect("is readable")).any(has_it));

    let there = format!("{upload}?to=directory");
    let placed = stage.http.upload(&there, "plan.md", b"plan").await.ok().json();
    let home = fs::canonicalize(stage.instance.home()).expect("is there");
    assert_eq!(placed["filePath"], home.join("plan.md").display().to_string());
    let beside = stage.http.upload(&there, "plan.md", b"new").await.ok().json();
    assert_eq!(beside["filePath"], home.join("plan-2.md").display().to_string());
    assert_eq!(fs::read(home.join("plan.md")).expect("is there"), b"plan", "nothing is replaced");
}

fn base64_of(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[tokio::test]
async fn uploads_that_cannot_be_taken_leave_nothing() {
    let stage = Stage::new().await;
    let upload = stage.path("upload");
    let large = vec![b'x'; 10 * 1024 * 1024 + 1];
    let refused = stage.http.upload(&upload, "large.bin", &large).await;
    assert_eq!((refused.status, refused.word().as_str()), (413, "invalid_request"));
    let no_form = stage.http.post(&upload, &json!({})).await;
    assert_eq!((no_form.status, no_form.word().as_str()), (400, "invalid_request"));
    let form = ["content-type: multipart/form-data; boundary=edge"];
    let empty = stage.http.send("POST", &upload, &form, b"--edge--\r\n").await;
    assert_eq!((empty.status, empty.word().as_str()), (400, "invalid_params"));
    let cut = b"--edge\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nabc";
    let cut = stage.http.send("POST", &upload, &form, cut).await;
    assert_eq!((cut.status, cut.word().as_str()), (400, "invalid_request"));
    let elsewhere = stage.http.upload(&format!("{upload}?to=/etc"), "a", b"x").await;
    assert_eq!((elsewhere.status, elsewhere.word().as_str()), (400, "invalid_params"));
    let directory = stage.instance.session_directory(&stage.session).join("uploads");
    assert_eq!(fs::read_dir(directory).expect("lists").count(), 0);
}

#[tokio::test]
async fn the_description_is_served_to_anyone_and_names_every_operation() {
    let stage = Stage::new().await;
    let nobody = Http { token: None, ..stage.http.clone() };
    let described = nobody.get("/openapi.json").await.ok().json();
    assert_eq!(described["openapi"], "3.1.0");
    for operation in operations() {
        let it = &described["paths"][operation.path][operation.verb];
        assert_eq!(it["x-method"], operation.method.word(), "{operation:?}");
    }
}

#[tokio::test]
async fn a_process_inside_an_agents_session_has_no_http_either() {
    let stage = Stage::new().await;
    let socket = stage.instance.directory().join("relay.sock").display().to_string();
    let ask =
        format!("sh curl --silent --unix-socket {socket} http://localhost/v1/sessions >answer");
    stage.say(&ask).await;
    let mut events = stage.events(None).await;
    until_message(&mut events, &ask).await;
    while !events.seen.last().is_some_and(|event| is_status(event, "stable", "idle")) {
        events.next().await.expect("goes on");
    }
    let answer = fs::read_to_string(stage.instance.path("answer")).expect("curl has run");
    let answer: Value = serde_json::from_str(&answer).expect("is JSON");
    assert_eq!(answer["data"]["error"], "own_session", "{answer}");
}
