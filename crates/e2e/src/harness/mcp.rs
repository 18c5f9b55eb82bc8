//! An agent that somebody started outside Quarterdeck, as its MCP server sees it: requests on the standard
//! input of `qd mcp`, answers and notifications on its output.

use std::process::Stdio;

use quarterdeck_protocol::method::MailWhoamiResult;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use super::{instance::Instance, within};

/// A `qd mcp` with the agent that speaks to it. Dropping it kills the process.
#[derive(Debug)]
pub struct McpAgent {
    child: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    last_id: u64,
    /// Notifications that came before an answer.
    told: Vec<Value>,
}

impl McpAgent {
    /// An agent that calls itself this.
    pub async fn start(instance: &Instance, client: &str) -> Self {
        Self::of(instance.command(["mcp"]), client).await
    }

    /// The same, started by a program with these words on its command line.
    pub async fn start_below(instance: &Instance, client: &str, words: &[&str]) -> Self {
        let mut command = instance.program("sh".as_ref());
        let qd = super::instance::qd_binary().display().to_string();
        // the shell stays: what follows the program is its last command
        command.args(["-c", &format!("'{qd}' mcp; exit $?"), client]).args(words);
        command.env_clear().envs(instance.environment()).current_dir(instance.home());
        command.kill_on_drop(true);
        Self::of(command, client).await
    }

    /// The same with a `qd mcp` that is made ready already.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn of(mut command: Command, client: &str) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the server starts");
        let input = child.stdin.take().expect("is piped");
        let lines = BufReader::new(child.stdout.take().expect("is piped")).lines();
        let mut agent = Self { child, input, lines, last_id: 0, told: Vec::new() };
        let params = json!({
            "protocolVersion": "2025-06-18", "capabilities": {},
            "clientInfo": { "name": client, "version": "1" },
        });
        agent.ask("initialize", &params).await;
        agent.say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
        agent
    }

    /// The server's process id.
    ///
    /// # Panics
    /// When it has ended.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// What a tool gives; a refusal is a result too.
    ///
    /// # Panics
    /// When it gives none.
    pub async fn tool(&mut self, name: &str, arguments: Value) -> Value {
        let params = json!({ "name": name, "arguments": arguments });
        let mut result = self.ask("tools/call", &params).await;
        let content = result["structuredContent"].take();
        assert!(content.is_object(), "{name}: {result}");
        content
    }

    /// What a tool gives that is not refused.
    ///
    /// # Panics
    /// When it is.
    pub async fn done(&mut self, name: &str, arguments: Value) -> Value {
        let given = self.tool(name, arguments).await;
        assert!(given["error"].is_null(), "{name}: {given}");
        given
    }

    /// Who it is to its relay.
    ///
    /// # Panics
    /// When the relay does not say.
    pub async fn whoami(&mut self) -> MailWhoamiResult {
        let told = self.done("whoami", json!({})).await;
        serde_json::from_value(told).expect("is who it is")
    }

    /// Its label.
    ///
    /// # Panics
    /// When it has none.
    pub async fn label(&mut self) -> String {
        self.whoami().await.label.expect("it has a label").to_string()
    }

    /// The texts of its unread mail.
    ///
    /// # Panics
    /// When the inbox cannot be read.
    pub async fn inbox(&mut self) -> Vec<String> {
        let inbox = self.done("inbox", json!({})).await;
        let messages = inbox["messages"].as_array().expect("messages").clone();
        let text = |it: &Value| it["text"].as_str().expect("a text").to_owned();
        messages.iter().map(text).collect()
    }

    /// The next notification.
    ///
    /// # Panics
    /// When none comes.
    pub async fn notification(&mut self) -> Value {
        if !self.told.is_empty() {
            return self.told.remove(0);
        }
        within("a notification", self.next_line()).await
    }

    /// Notifications that came so far.
    #[must_use]
    pub fn told(&self) -> &[Value] {
        &self.told
    }

    /// Its user ends it.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn leave(self) {
        let Self { mut child, input, .. } = self;
        drop(input);
        let status = within("the server ends", child.wait()).await.expect("is a child");
        assert!(status.success(), "{status}");
    }

    /// It is killed.
    ///
    /// # Panics
    /// When it does not die.
    pub async fn kill(mut self) {
        self.child.start_kill().expect("it runs");
        within("the server is gone", self.child.wait()).await.expect("is a child");
    }

    async fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.last_id += 1;
        let id = self.last_id;
        self.say(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })).await;
        let answered = async {
            loop {
                let mut line = self.next_line().await;
                if line["id"] == id {
                    assert!(line["error"].is_null(), "{method}: {line}");
                    return line["result"].take();
                }
                self.told.push(line);
            }
        };
        super::within_time(super::conversation::AGENT_PATIENCE, method, answered).await
    }

    async fn say(&mut self, message: &Value) {
        self.input.write_all(format!("{message}\n").as_bytes()).await.expect("it reads");
    }

    async fn next_line(&mut self) -> Value {
        let line = self.lines.next_line().await.expect("is readable").expect("it goes on");
        serde_json::from_str(&line).expect("is JSON")
    }
}
