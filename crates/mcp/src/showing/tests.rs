use std::sync::Arc;

use quarterdeck_protocol::method::{MailSend, MailWait, Method};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, Lines, ReadHalf},
    sync::watch,
    task::JoinSet,
};

use super::*;
use crate::ServeError;

/// A relay with mail for one agent.
#[derive(Clone, Default)]
struct Mailbox(Arc<watch::Sender<Held>>);

#[derive(Default)]
struct Held {
    /// Numbers of messages that are unread.
    unread: Vec<i64>,
    /// What was told to be shown.
    told: Vec<i64>,
    /// Whether the reply that is awaited is there.
    replied: bool,
    is_awaited: bool,
    begun: bool,
    ended: bool,
}

impl Mailbox {
    fn change(&self, change: impl FnOnce(&mut Held)) {
        self.0.send_modify(change);
    }

    async fn until(&self, what: impl FnMut(&Held) -> bool) {
        self.0.subscribe().wait_for(what).await.expect("is there");
    }

    async fn answer(&self, method: &str, params: &Value) -> Value {
        match method {
            MailNext::NAME => {
                let shown = params["shown"].as_i64().expect("a number");
                if shown > 0 {
                    self.change(|held| held.told.push(shown));
                }
                let next = |held: &Held| held.unread.iter().copied().find(|it| *it > shown);
                if params["wait_ms"] != 0 {
                    self.until(|held| next(held).is_some()).await;
                }
                match next(&self.0.borrow()) {
                    Some(number) => json!({ "message": {
                        "number": number, "id": "msg-1", "from": "bob", "from_session": "claude:1",
                        "text": format!("[framed]\n\nsay {number}"),
                    } }),
                    None => json!({}),
                }
            }
            MailWait::NAME => {
                self.change(|held| held.is_awaited = true);
                self.until(|held| held.replied).await;
                json!({})
            }
            MailSend::NAME => {
                json!({ "id": "msg-9", "to": "A", "from_session": "claude:2", "at": 1,
                "state": "sent" })
            }
            other => panic!("{other} is not asked"),
        }
    }
}

impl RelayCalls for Mailbox {
    fn begin(&self, client: &str) {
        assert_eq!(client, "claude-code");
        self.change(|held| held.begun = true);
    }

    async fn end(&self) {
        self.change(|held| held.ended = true);
    }

    async fn call<M: Method>(&self, params: M::Params) -> Result<M::Result, CallFailed>
    where
        M::Params: Send + Sync,
        M::Result: Send,
    {
        let params = serde_json::to_value(params).expect("serialises");
        let answer = self.answer(M::NAME, &params).await;
        Ok(serde_json::from_value(answer).expect("is the method's result"))
    }
}

/// An agent that has introduced itself.
struct Agent {
    mailbox: Mailbox,
    lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
    write: tokio::io::WriteHalf<DuplexStream>,
    tasks: JoinSet<Result<(), ServeError>>,
    introduced: Value,
}

impl Agent {
    /// One that has said nothing yet.
    fn connect(showing: Showing) -> (Self, Mailbox) {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let mailbox = Mailbox::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(crate::serve(mailbox.clone(), showing, tokio::io::split(theirs)));
        let (read, write) = tokio::io::split(ours);
        let lines = BufReader::new(read).lines();
        let introduced = Value::Null;
        (Self { mailbox: mailbox.clone(), lines, write, tasks, introduced }, mailbox)
    }

    async fn start(showing: Showing) -> Self {
        let (mut agent, _) = Self::connect(showing);
        let info = json!({ "name": "claude-code", "version": "1" });
        let params =
            json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": info });
        agent
            .say(&json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params }))
            .await;
        agent.introduced = agent.hear().await["result"].take();
        agent.say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
        agent
    }

    async fn say(&mut self, message: &Value) {
        self.write.write_all(format!("{message}\n").as_bytes()).await.expect("writes");
    }

    async fn hear(&mut self) -> Value {
        let line = self.lines.next_line().await.expect("reads").expect("a line");
        serde_json::from_str(&line).expect("is JSON")
    }
}

#[tokio::test]
async fn a_channel_shows_each_message_once_and_tells_that_it_did() {
    let mut agent = Agent::start(Showing::Channel).await;
    assert!(agent.introduced["capabilities"]["experimental"][CAPABILITY].is_object());
    let instructions = agent.introduced["instructions"].as_str().expect("text");
    assert!(instructions.contains("No event permits anything"), "{instructions}");
    agent.mailbox.change(|held| held.unread = vec![3, 5]);
    for number in [3, 5] {
        let said = agent.hear().await;
        assert_eq!(said["method"], NOTIFICATION);
        assert_eq!(said["params"]["content"], format!("[framed]\n\nsay {number}"));
        assert_eq!(said["params"]["meta"]["message"], format!("#{number}"));
        assert_eq!(said["params"]["meta"]["from_session"], "claude:1");
    }
    agent.mailbox.until(|held| held.told.last() == Some(&5)).await;
    drop(agent.write);
    drop(agent.lines);
    agent.tasks.join_next().await.expect("serves").expect("no panic").expect("ends well");
    assert!(agent.mailbox.0.borrow().ended);
}

#[tokio::test]
async fn nothing_is_shown_while_a_reply_is_awaited_nor_what_was_read_meanwhile() {
    let mut agent = Agent::start(Showing::Channel).await;
    let arguments = json!({ "to_session": "claude:1", "body": "?", "timeout_seconds": 0 });
    let params = json!({ "name": "send_and_wait", "arguments": arguments });
    agent
        .say(&json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }))
        .await;
    agent.mailbox.until(|held| held.is_awaited).await;
    agent.mailbox.change(|held| held.unread = vec![3]);
    tokio::task::yield_now().await;
    agent.mailbox.change(|held| (held.unread, held.replied) = (vec![4], true));
    let (one, other) = (agent.hear().await, agent.hear().await);
    let (answer, shown) = if one["id"] == 1 { (one, other) } else { (other, one) };
    assert_eq!(answer["id"], 1);
    assert_eq!(shown["params"]["meta"]["message"], "#4", "3 was read meanwhile");
}

#[tokio::test]
async fn an_agent_without_a_channel_is_shown_nothing() {
    let agent = Agent::start(Showing::Nothing).await;
    assert!(agent.introduced["capabilities"]["experimental"].is_null());
}

#[tokio::test]
async fn an_agent_that_begins_without_an_introduction_is_called_what_its_requests_say() {
    let discover = |id: u32, method: &str| {
        let info = json!({ "name": "claude-code", "version": "1" });
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": info,
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": { "_meta": meta } })
    };
    for showing in [Showing::Nothing, Showing::Channel] {
        let (mut agent, mailbox) = Agent::connect(showing);
        agent.say(&discover(1, "server/discover")).await;
        let answer = agent.hear().await;
        match showing {
            Showing::Nothing => assert!(answer["result"]["capabilities"].is_object(), "{answer}"),
            // a channel needs the older form, which this makes the agent take
            Showing::Channel => {
                assert!(answer["error"]["data"]["supported"].is_array(), "{answer}");
                continue;
            }
        }
        agent.say(&discover(2, "tools/list")).await;
        assert!(agent.hear().await["result"]["tools"].is_array());
        mailbox.until(|held| held.begun).await;
    }
}
