//! An agent that does what its messages say. It speaks Claude Code's stream-json, so that the whole way
//! from a client to an agent and back can be tested without a model.
//!
//! A message is a script, its steps separated by `;`: `say TEXT`, `ask COMMAND` (a permission),
//! `question TEXT` (a choice of yes and no), `stream N` (N pieces of text), `clock N` (N
//! messages with the time), `big BYTES` (one long line),
//! `garbage`, `errors TEXT` (to standard error), `hang` (until it is interrupted), `exit CODE`; or
//! `sh COMMAND` alone.
//!
//! What it gets and does is appended to the file `SCRIPT_JOURNAL`, one line each: what a test compares
//! with what was sent.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, BufRead, StdinLock, Write},
    process::{Command, Stdio},
};

use serde_json::{Value, json};

/// Pause between two messages of `clock`: nothing of the last one is under way any more.
const CLOCK_PAUSE: std::time::Duration = std::time::Duration::from_millis(3);

/// A clock that all processes of this machine share.
#[must_use]
pub fn monotonic_nanos() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let (secs, nanos) = (u64::try_from(now.tv_sec), u64::try_from(now.tv_nsec));
    secs.unwrap_or_default() * 1_000_000_000 + nanos.unwrap_or_default()
}

/// How a run of steps ended.
enum Ended {
    Done,
    Interrupted,
    InputClosed,
    /// With this exit code.
    Exit(u8),
}

/// The agent.
pub struct Scripted {
    input: StdinLock<'static>,
    journal: Option<File>,
    session: String,
    /// Messages that came while a script ran.
    messages: VecDeque<Value>,
    requests: u64,
    cost: f64,
}

impl Scripted {
    /// An agent that was started with these words.
    ///
    /// # Errors
    /// When the journal cannot be opened.
    pub fn new(words: &[String]) -> io::Result<Self> {
        let after = |flag: &str| {
            let at = words.iter().position(|word| word == flag)?;
            words.get(at + 1).cloned()
        };
        let session = after("--resume").or_else(|| after("--session-id")).unwrap_or_default();
        let journal = match std::env::var_os("SCRIPT_JOURNAL") {
            Some(path) => Some(File::options().create(true).append(true).open(path)?),
            None => None,
        };
        let mut agent = Self {
            input: io::stdin().lock(),
            journal,
            session,
            messages: VecDeque::new(),
            requests: 0,
            cost: 0.0,
        };
        let how = if words.iter().any(|word| word == "--resume") { "resumed" } else { "began" };
        agent.note(&format!("{how} {}", agent.session))?;
        Ok(agent)
    }

    /// Runs until the input ends or a message says so; the exit code.
    ///
    /// # Errors
    /// When a stream is broken.
    pub fn run(mut self) -> io::Result<u8> {
        loop {
            let message = match self.messages.pop_front() {
                Some(message) => message,
                None => match self.read()? {
                    Some(message) => message,
                    None => return Ok(0),
                },
            };
            match message["type"].as_str() {
                Some("user") => {
                    if let Some(code) = self.turn(&message)? {
                        return Ok(code);
                    }
                }
                Some("control_request") => {
                    self.control(&message)?;
                }
                _ => {}
            }
        }
    }

    fn read(&mut self) -> io::Result<Option<Value>> {
        let mut line = String::new();
        if self.input.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        Ok(serde_json::from_str(&line).ok().or(Some(Value::Null)))
    }

    fn tell(&mut self, message: &Value) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{message}")?;
        out.flush()
    }

    fn note(&mut self, text: &str) -> io::Result<()> {
        match &mut self.journal {
            Some(journal) => writeln!(journal, "{text}"),
            None => Ok(()),
        }
    }

    /// Answers a request of the host; whether it stops the turn.
    fn control(&mut self, message: &Value) -> io::Result<bool> {
        let request = &message["request"];
        let subtype = request["subtype"].as_str().unwrap_or_default().to_owned();
        let body = match subtype.as_str() {
            "initialize" => json!({
                "commands": [], "models": [{ "value": "big", "displayName": "Big" }],
                "current_permission_mode": "default",
            }),
            "set_permission_mode" => json!({ "mode": request["mode"] }),
            _ => json!({}),
        };
        let words = match subtype.as_str() {
            "set_permission_mode" => format!("mode {}", request["mode"]),
            "set_model" => format!("model {}", request["model"]),
            other => other.to_owned(),
        };
        self.note(&words)?;
        let id = &message["request_id"];
        self.tell(&json!({
            "type": "control_response",
            "response": { "subtype": "success", "request_id": id, "response": body },
        }))?;
        if subtype == "set_permission_mode" {
            let mode = &request["mode"];
            self.tell(&json!({ "type": "system", "subtype": "status", "permissionMode": mode }))?;
        }
        Ok(subtype == "interrupt")
    }

    /// One turn; an exit code where it is the last one.
    fn turn(&mut self, message: &Value) -> io::Result<Option<u8>> {
        let text = message["message"]["content"][0]["text"].as_str().unwrap_or_default().to_owned();
        self.note(&format!("message {text}"))?;
        self.tell(&json!({
            "type": "user", "isReplay": true, "uuid": message["uuid"], "message": message["message"],
            "session_id": self.session,
        }))?;
        self.tell(&json!({
            "type": "system", "subtype": "init", "session_id": self.session, "cwd": "/",
            "model": "big", "permissionMode": "default", "tools": ["Bash"],
        }))?;
        // a shell has its own use for semicolons
        let steps = match text.strip_prefix("sh ") {
            Some(_) => vec![text.as_str()],
            None => text.split(';').map(str::trim).collect(),
        };
        for step in steps {
            match self.step(step)? {
                Ended::Done => {}
                Ended::Interrupted => {
                    self.finish("error_during_execution")?;
                    return Ok(None);
                }
                Ended::InputClosed => return Ok(Some(0)),
                Ended::Exit(code) => return Ok(Some(code)),
            }
        }
        self.finish("success")?;
        Ok(None)
    }

    fn finish(&mut self, subtype: &str) -> io::Result<()> {
        let interrupted = subtype != "success";
        self.note(if interrupted { "interrupted turn" } else { "turn" })?;
        self.cost += 0.25;
        let reason = if interrupted { "aborted_tools" } else { "completed" };
        self.tell(&json!({
            "type": "result", "subtype": subtype, "is_error": interrupted, "result": "done",
            "stop_reason": "end_turn", "terminal_reason": reason, "total_cost_usd": self.cost,
            "usage": { "input_tokens": 10, "output_tokens": 5 }, "session_id": self.session,
            "modelUsage": { "big": { "contextWindow": 200_000 } },
        }))
    }

    fn step(&mut self, step: &str) -> io::Result<Ended> {
        let (word, rest) = step.split_once(' ').unwrap_or((step, ""));
        match word {
            "say" => self.say(rest)?,
            "ask" => return self.ask(rest),
            "question" => return self.question(rest),
            "stream" => self.stream(rest.parse().unwrap_or(10))?,
            "clock" => self.clock(rest.parse().unwrap_or(10))?,
            "big" => self.say(&"x".repeat(rest.parse().unwrap_or(0)))?,
            "garbage" => {
                let mut out = io::stdout().lock();
                out.write_all(b"\x1b[2Jno json \xff\xfe{{{\n")?;
                out.flush()?;
            }
            "errors" => {
                let mut out = io::stderr().lock();
                writeln!(out, "{rest}")?;
            }
            "hang" => {
                return Ok(match self.wait(|_| None::<()>)? {
                    Waited::Interrupted => Ended::Interrupted,
                    Waited::Found(()) | Waited::Closed => Ended::InputClosed,
                });
            }
            "sh" => {
                let output =
                    Command::new("sh").arg("-c").arg(rest).stdin(Stdio::null()).output()?;
                self.note(&format!("sh {:?}", output.status.code()))?;
            }
            "exit" => return Ok(Ended::Exit(rest.parse().unwrap_or(0))),
            _ => self.say(&format!("You said: {step}"))?,
        }
        Ok(Ended::Done)
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        self.requests += 1;
        let id = format!("m{}", self.requests);
        self.assistant(&id, &json!({ "type": "text", "text": text }))
    }

    fn assistant(&mut self, id: &str, block: &Value) -> io::Result<()> {
        self.tell(&json!({
            "type": "assistant", "message": { "id": id, "content": [block] },
            "parent_tool_use_id": null, "session_id": self.session,
        }))
    }

    /// Messages that say when they were written, with a pause after each.
    fn clock(&mut self, count: u64) -> io::Result<()> {
        for _ in 0..count {
            self.say(&monotonic_nanos().to_string())?;
            std::thread::sleep(CLOCK_PAUSE);
        }
        Ok(())
    }

    fn stream(&mut self, pieces: u64) -> io::Result<()> {
        self.requests += 1;
        let id = format!("m{}", self.requests);
        let event = |event: &Value| json!({ "type": "stream_event", "event": event, "parent_tool_use_id": null });
        self.tell(&event(&json!({ "type": "message_start", "message": { "id": id } })))?;
        let block = json!({ "type": "text" });
        self.tell(&event(
            &json!({ "type": "content_block_start", "index": 0, "content_block": block }),
        ))?;
        let mut text = String::new();
        for n in 0..pieces {
            let piece = format!("{n} ");
            text.push_str(&piece);
            let delta = json!({ "type": "text_delta", "text": piece });
            self.tell(&event(
                &json!({ "type": "content_block_delta", "index": 0, "delta": delta }),
            ))?;
        }
        self.assistant(&id, &json!({ "type": "text", "text": text }))?;
        self.tell(&event(&json!({ "type": "content_block_stop", "index": 0 })))
    }

    /// Asks for a permission, and does what it was about if it gets it.
    fn ask(&mut self, command: &str) -> io::Result<Ended> {
        let input = json!({ "command": command });
        let rules = json!([{
            "type": "addRules", "behavior": "allow", "destination": "session",
            "rules": [{ "toolName": "Bash", "ruleContent": "touch *" }],
        }]);
        let Some(answer) = self.request("Bash", &input, &rules)? else {
            return Ok(Ended::Interrupted);
        };
        let (tool, answer) = answer;
        if answer.is_null() {
            return Ok(Ended::InputClosed);
        }
        let allowed = answer["behavior"] == "allow";
        let ran = answer["updatedInput"]["command"].as_str().unwrap_or(command);
        let always = if answer["updatedPermissions"].is_array() { " always" } else { "" };
        let words = if allowed {
            format!("ran{always} {ran}")
        } else {
            format!("denied {command}: {}", answer["message"].as_str().unwrap_or_default())
        };
        self.note(&words)?;
        self.tool_result(&tool, &words, allowed)?;
        Ok(if answer["interrupt"] == true { Ended::Interrupted } else { Ended::Done })
    }

    fn question(&mut self, text: &str) -> io::Result<Ended> {
        let options = json!([{ "label": "yes", "description": "do it" },
            { "label": "no", "description": "leave it" }]);
        let input = json!({ "questions": [{
            "question": text, "header": "Choice", "multiSelect": false, "options": options,
        }] });
        let Some((tool, answer)) = self.request("AskUserQuestion", &input, &json!([]))? else {
            return Ok(Ended::Interrupted);
        };
        if answer.is_null() {
            return Ok(Ended::InputClosed);
        }
        let words = format!("answers {}", answer["updatedInput"]["answers"]);
        self.note(&words)?;
        self.tool_result(&tool, &words, answer["behavior"] == "allow")?;
        Ok(Ended::Done)
    }

    fn tool_result(&mut self, tool: &str, text: &str, accepted: bool) -> io::Result<()> {
        let decision = if accepted { "accept" } else { "reject" };
        self.tell(&json!({
            "type": "user",
            "message": { "role": "user", "content": [{
                "type": "tool_result", "tool_use_id": tool, "content": text,
            }] },
            "parent_tool_use_id": null,
            "tool_result_meta": [{ "id": tool, "permission_decision": {
                "decision": decision, "source": "user_temporary",
            } }],
        }))
    }

    /// Asks the host; its answer, null when the input ended, none when the turn is stopped.
    fn request(
        &mut self,
        name: &str,
        input: &Value,
        rules: &Value,
    ) -> io::Result<Option<(String, Value)>> {
        self.requests += 1;
        let (tool, id) = (format!("t{}", self.requests), format!("r{}", self.requests));
        let block = json!({ "type": "tool_use", "id": tool, "name": name, "input": input });
        self.assistant(&format!("m{}", self.requests), &block)?;
        self.note(&format!("asked {id}"))?;
        let needs_person = name == "AskUserQuestion";
        self.tell(&json!({
            "type": "control_request", "request_id": id,
            "request": {
                "subtype": "can_use_tool", "tool_name": name, "display_name": name,
                "input": input, "permission_suggestions": rules, "tool_use_id": tool,
                "requires_user_interaction": needs_person,
            },
        }))?;
        let answers = |message: &Value| {
            let response = &message["response"];
            (response["request_id"] == id.as_str()).then(|| message.clone())
        };
        match self.wait(answers)? {
            Waited::Found(message) => {
                self.note(&format!("answered {id}"))?;
                // as with --replay-user-messages
                self.tell(&message)?;
                Ok(Some((tool, message["response"]["response"].clone())))
            }
            Waited::Interrupted => {
                self.tell(&json!({ "type": "control_cancel_request", "request_id": id }))?;
                Ok(None)
            }
            Waited::Closed => Ok(Some((tool, Value::Null))),
        }
    }

    /// Reads until something is found; what else comes meanwhile is served or kept.
    fn wait<T>(&mut self, find: impl Fn(&Value) -> Option<T>) -> io::Result<Waited<T>> {
        loop {
            let Some(message) = self.read()? else { return Ok(Waited::Closed) };
            match message["type"].as_str() {
                Some("control_response") => match find(&message) {
                    Some(found) => return Ok(Waited::Found(found)),
                    None => self.note("an answer that nobody waits for")?,
                },
                Some("control_request") if self.control(&message)? => {
                    return Ok(Waited::Interrupted);
                }
                Some("user") => self.messages.push_back(message),
                _ => {}
            }
        }
    }
}

/// What a wait brought.
enum Waited<T> {
    Found(T),
    Interrupted,
    Closed,
}
