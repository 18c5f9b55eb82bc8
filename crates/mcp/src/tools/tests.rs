use std::sync::Mutex;

use quarterdeck_protocol::method::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use super::*;

/// A relay that answers from a list and keeps what it was asked.
struct Scripted {
    answers: Mutex<Vec<Result<Value, CallFailed>>>,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

impl RelayCalls for Scripted {
    fn begin(&self, client: &str) {
        assert_eq!(client, "test", "as it introduced itself");
    }

    async fn end(&self) {}

    async fn call<M: Method>(&self, params: M::Params) -> Result<M::Result, CallFailed>
    where
        M::Params: Send + Sync,
        M::Result: Send,
    {
        let params = serde_json::to_value(params).expect("serialises");
        self.asked.lock().expect("not poisoned").push((M::NAME.to_owned(), params));
        let answer = self.answers.lock().expect("not poisoned").remove(0)?;
        Ok(serde_json::from_value(answer).expect("is the method's result"))
    }
}

/// One session of the protocol over a pipe: each request's result, and what the relay was asked.
async fn talk(
    answers: Vec<Result<Value, CallFailed>>,
    requests: &[Value],
) -> (Vec<Value>, Vec<(String, Value)>) {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let asked = Arc::new(Mutex::new(Vec::new()));
    let calls = Scripted { answers: Mutex::new(answers), asked: Arc::clone(&asked) };
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(crate::serve(calls, Showing::Nothing, tokio::io::split(theirs)));
    let (read, mut write) = tokio::io::split(ours);
    let mut lines = BufReader::new(read).lines();
    let begin = json!({
        "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {},
            "clientInfo": { "name": "test", "version": "1" },
        },
    });
    let began = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let mut results = Vec::new();
    for message in [&begin, &began].into_iter().chain(requests) {
        write.write_all(format!("{message}\n").as_bytes()).await.expect("writes");
        if message.get("id").is_some() {
            let line = lines.next_line().await.expect("reads").expect("an answer");
            let answer: Value = serde_json::from_str(&line).expect("is JSON");
            results.push(answer["result"].clone());
        }
    }
    drop(write);
    drop(lines);
    tasks.join_next().await.expect("serves").expect("no panic").expect("ends well");
    results.remove(0);
    let asked = asked.lock().expect("not poisoned").clone();
    (results, asked)
}

fn call(name: &str, arguments: &Value) -> Value {
    let params = json!({ "name": name, "arguments": arguments });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params })
}

fn job() -> Value {
    json!({ "id": "msg-1", "to": "ADDRESS", "to_session": "claude:2", "from_session": "claude:1",
        "at": 1, "state": "sent" })
}

fn message(text: &str) -> Value {
    json!({ "id": "msg-2", "from": "ADDRESS", "from_session": "claude:2", "in_reply_to": "msg-1",
        "role": "agent", "text": text, "at": 2, "state": "delivered", "number": 12 })
}

#[tokio::test]
async fn the_tools_are_listed_with_their_inputs() {
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let (results, _) = talk(Vec::new(), &[list]).await;
    let tools = results[0]["tools"].as_array().expect("a list").clone();
    let mut names: Vec<&str> = tools.iter().filter_map(|tool| tool["name"].as_str()).collect();
    names.sort_unstable();
    let expected = [
        "auto_reply",
        "autorespond",
        "await_reply",
        "check_reply",
        "contact_accept",
        "contact_add",
        "contacts",
        "inbox",
        "notify_when_idle",
        "reply",
        "reset_session",
        "send",
        "send_and_wait",
        "sessions",
        "set_status",
        "status",
        "whoami",
    ];
    assert_eq!(names, expected);
    let wait = tools.iter().find(|tool| tool["name"] == "send_and_wait").expect("is there");
    for field in ["to", "to_session", "role", "in_reply_to", "timeout_seconds", "body"] {
        assert!(wait["inputSchema"]["properties"][field].is_object(), "{field}: {wait}");
    }
}

#[tokio::test]
async fn send_and_wait_takes_all_that_send_takes_and_waits_for_its_own_reply() {
    let answers = vec![Ok(job()), Ok(json!({ "message": message("yes") }))];
    let arguments = json!({ "to_session": "claude:2", "body": "done?", "role": "user" });
    let (results, asked) = talk(answers, &[call("send_and_wait", &arguments)]).await;
    assert_eq!(results[0]["structuredContent"]["reply"]["text"], "yes");
    assert_eq!(asked[0].0, "mail.send");
    assert!(asked[0].1["request_id"].is_string(), "it can be sent again: {asked:?}");
    assert_eq!(
        (&asked[0].1["role"], &asked[0].1["to_session"]),
        (&json!("user"), &json!("claude:2"))
    );
    assert_eq!(asked[1].0, "mail.wait");
    let wait = &asked[1].1;
    assert_eq!((&wait["in_reply_to"], &wait["from"]), (&json!("msg-1"), &json!("ADDRESS")));
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_at_its_time_and_says_so() {
    let answers = vec![Ok(json!({}))];
    let arguments = json!({ "in_reply_to": "msg-1", "timeout_seconds": 0 });
    let (results, _) = talk(answers, &[call("await_reply", &arguments)]).await;
    let said = &results[0]["structuredContent"];
    assert_eq!((&said["reply"], &said["timedOut"]), (&Value::Null, &json!(true)));
}

#[tokio::test]
async fn a_reply_finds_its_way_by_number_or_by_id() {
    let inbox = json!({ "messages": [message("asked")], "more": false });
    let answers = vec![Ok(job()), Ok(inbox), Ok(job())];
    let requests = [
        call("reply", &json!({ "in_reply_to": "#12", "body": "yes" })),
        call("reply", &json!({ "in_reply_to": "msg-2", "body": "yes" })),
    ];
    let (_, asked) = talk(answers, &requests).await;
    assert_eq!(asked[0].1["in_reply_to"], "#12");
    assert_eq!(
        (&asked[2].1["to"], &asked[2].1["to_session"]),
        (&json!("ADDRESS"), &json!("claude:2"))
    );
}

#[tokio::test]
async fn a_refusal_is_a_result_that_the_agent_can_read() {
    let failed = CallFailed {
        code: "not_found".into(),
        message: "contact \"x\" not found".into(),
        hint: Some("look at the contacts".into()),
    };
    let requests = [
        call("send", &json!({ "to": "x", "body": "hi" })),
        call("send", &json!({ "to_session": "..", "body": "hi" })),
    ];
    let (results, asked) = talk(vec![Err(failed)], &requests).await;
    assert_eq!(results[0]["isError"], true);
    assert_eq!(results[0]["structuredContent"]["error"], "not_found");
    assert_eq!(results[1]["structuredContent"]["error"], "invalid_params");
    assert_eq!(asked.len(), 1, "a label that is none is not sent");
}
