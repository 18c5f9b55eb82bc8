//! A real agent in the whole house: started by `qd run`, below a holder, behind a relay, watched by a
//! client. Its model is the fake one.

use std::{collections::BTreeSet, fmt::Write as _, process::Stdio};

use quarterdeck_protocol::{
    agent::{AgentEvent, OptionKind, Prompt, PromptState, StopReason, Update, Vendor},
    method::{SessionResult, SessionStop, StopParams},
    record::{Answer, RecordKind, Start},
};
use rustix::process::Signal;
use tokio::process::{Child, Command};

use super::{
    agent::{self, Watcher, option_of, text_of},
    agents::{Agent, AgentHome},
    client::{Peer, Way},
    conversation::AGENT_PATIENCE,
    files::{WholeLog, until_changed},
    instance::{Instance, Ran, Relay},
    within_time,
};
use crate::{
    models::{FakeModels, Gate, Reply},
    processes,
};

/// One agent's session with everything around it.
#[derive(Debug)]
pub struct House {
    /// The agent's model.
    pub models: FakeModels,
    /// Where the agent lives.
    pub home: AgentHome,
    /// Where Quarterdeck lives.
    pub instance: Instance,
    relay: Option<Relay>,
    /// How the relay is reached.
    pub way: Way,
    /// A person's client.
    pub peer: Peer,
    /// The session's id.
    pub session: String,
    /// Someone who watches from the first event on, across all relays.
    pub watcher: Watcher,
}

/// What `config.toml` says about the agent of a home, under a name.
#[must_use]
pub fn profile(name: &str, home: &AgentHome) -> String {
    let vendor = match home.agent().vendor() {
        Vendor::Claude => "claude",
        Vendor::Codex => "codex",
        Vendor::Acp => "acp",
        Vendor::Sidecar | Vendor::Unknown => "sidecar",
    };
    let mut text =
        format!("[agents.{name}]\nvendor = \"{vendor}\"\ncommand = {:?}\n", home.command());
    let _ = writeln!(text, "[agents.{name}.env]");
    for (variable, value) in house_env(home) {
        let _ = writeln!(text, "{variable} = {value:?}");
    }
    text
}

/// The agent's environment; its user's directories are all below its home.
#[must_use]
pub fn house_env(home: &AgentHome) -> Vec<(String, String)> {
    let below = |name: &str| home.path().join(name).display().to_string();
    let mut env = home.env();
    env.push(("XDG_CONFIG_HOME".to_owned(), below(".config")));
    env.push(("XDG_DATA_HOME".to_owned(), below(".local/share")));
    env
}

impl House {
    /// A session of this agent whose model answers from a script; `None` where the agent is not installed.
    pub async fn open(agent: Agent, script: impl IntoIterator<Item = Reply>) -> Option<Self> {
        let models = FakeModels::start().await;
        models.script(script);
        let home = AgentHome::new(agent, &models)?;
        Some(Self::open_home(models, home, &[]).await)
    }

    /// The same with an agent's home that was prepared, and further words for `qd run`.
    ///
    /// # Panics
    /// When the session does not start.
    pub async fn open_home(models: FakeModels, home: AgentHome, words: &[&str]) -> Self {
        let instance = Instance::new();
        let name = home.agent().name();
        instance.configure(&profile(name, &home));
        let relay = instance.start_relay(&[]).await;
        let way = Way::unix(&instance);
        let peer = way.connect("person").await;
        let project = home.project().display().to_string();
        let run = ["run", "--json", "--detach", "--agent", name, "--cwd", &project];
        let started = instance.qd(run.iter().chain(words)).await.ok();
        let session = started.json::<SessionResult>().session.session.to_string();
        let watcher = Watcher::start(&way, &session).await;
        Self { models, home, instance, relay: Some(relay), way, peer, session, watcher }
    }

    /// Kills the relay.
    ///
    /// # Panics
    /// When none runs.
    pub async fn kill_relay(&mut self) {
        self.relay.take().expect("a relay runs").kill().await;
    }

    /// Starts a relay where none runs, and comes back to it.
    pub async fn start_relay(&mut self) {
        self.relay = Some(self.instance.start_relay(&[]).await);
        self.peer = self.way.connect_again("person", &self.peer.hello.ticket).await;
        self.watcher.again(&self.way).await;
    }

    /// Kills the relay and starts another one.
    pub async fn restart_relay(&mut self) {
        self.kill_relay().await;
        self.start_relay().await;
    }

    /// Gives the agent a message; its id.
    pub async fn say(&self, text: &str) -> String {
        agent::say(&self.peer, &self.session, text).await
    }

    /// Gives the agent a message and waits for the prompt that comes of it, after `seen` ones.
    pub async fn ask(&mut self, text: &str, seen: usize) -> Prompt {
        self.say(text).await;
        self.watcher.prompt(seen).await
    }

    /// Chooses the first option of a kind.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn choose(&self, prompt: &Prompt, kind: OptionKind) {
        let option = option_of(prompt, kind);
        let answered = agent::answer(&self.peer, prompt.id, &option, None).await;
        answered.expect("the answer is taken");
    }

    /// Waits until the model has come to a gate.
    pub async fn reached(&self, gate: &Gate) {
        within_time(AGENT_PATIENCE, "the model is asked", gate.reached()).await;
    }

    /// Waits until the agent has said exactly this, all turns together.
    pub async fn said(&mut self, text: &str) {
        let said = |events: &[AgentEvent]| (text_of(events) == text).then_some(());
        self.watcher.until(text, said).await;
    }

    /// Waits until a line of the agent with this text stands in the log, whether a relay runs or not.
    pub async fn until_written(&self, text: &str) {
        self.until_lines(text, 1).await;
    }

    /// Waits until so many lines of the agent with this text stand in the log.
    pub async fn until_lines(&self, text: &str, count: usize) {
        let directory = self.instance.session_directory(&self.session).join("log");
        let has = || {
            let log = self.log();
            let lines = log.records.iter().filter(|it| it.header.kind == RecordKind::VendorOut);
            let lines = lines.filter(|it| processes::contains(&it.payload, text.as_bytes()));
            (lines.count() >= count).then_some(())
        };
        until_changed(&directory, text, has).await;
    }

    /// Runs `qd` with these words to its end, which may take as long as agents take.
    pub async fn qd(&self, words: &[&str]) -> Ran {
        Ran::within(self.instance.command(words), AGENT_PATIENCE).await
    }

    /// Starts `qd` with these words, its standard streams being pipes.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn spawn_qd(&self, words: &[&str]) -> Child {
        let mut command: Command = self.instance.command(words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("qd starts")
    }

    /// What stands in a file of the project.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.home.project().join(name)).ok()
    }

    /// The session's log.
    #[must_use]
    pub fn log(&self) -> WholeLog {
        WholeLog::read(&self.instance.session_directory(&self.session))
    }

    /// Kills the agent's own process, and waits until its end is told.
    ///
    /// # Panics
    /// When it does not run.
    pub async fn kill_agent(&mut self) {
        let log = self.log();
        let start = log.records.iter().rev().find(|it| it.header.kind == RecordKind::Start);
        let start: Start = serde_json::from_slice(&start.expect("it was started").payload)
            .expect("is the record of a start");
        let before = count(&self.watcher.events, is_exit);
        processes::signal(start.pid, Signal::KILL).expect("the agent runs");
        let ended = |events: &[AgentEvent]| (count(events, is_exit) > before).then_some(());
        self.watcher.until("the agent's end", ended).await;
    }

    /// Asks for the session's end.
    pub async fn stop(&self) {
        let params =
            StopParams { session: self.session.clone(), rung_ms: None, now: false, reason: None };
        self.peer.call::<SessionStop>(&params).await;
    }

    /// How the turns ended so far.
    #[must_use]
    pub fn endings(&self) -> Vec<StopReason> {
        let ended = |event: &AgentEvent| {
            let Update::TurnEnded { stop_reason, .. } = event.update else { return None };
            Some(stop_reason)
        };
        self.watcher.events.iter().filter_map(ended).collect()
    }

    /// The newest state of a prompt.
    #[must_use]
    pub fn prompt_state(&self, prompt: &Prompt) -> PromptState {
        let of = |event: &AgentEvent| {
            let Update::PromptUpdate { prompt: id, state } = &event.update else { return None };
            (*id == prompt.id).then(|| state.clone())
        };
        self.watcher.events.iter().rev().find_map(of).unwrap_or(PromptState::Open)
    }

    /// What must hold at the end of every test: the log has no hole, each turn has one end, no prompt
    /// has two answers, nothing was written twice, who comes late sees the same, and the whole script was
    /// played.
    ///
    /// # Panics
    /// When it does not.
    pub async fn check(&mut self) {
        self.check_log();
        let mut open = false;
        for event in &self.watcher.events {
            if matches!(event.update, Update::TurnStarted { .. }) {
                assert!(!std::mem::replace(&mut open, true), "a turn begins in a turn: {event:?}");
            }
            if matches!(event.update, Update::TurnEnded { .. }) {
                assert!(std::mem::replace(&mut open, false), "an end without a turn: {event:?}");
            }
        }
        let mut late = Watcher::start(&self.way, &self.session).await;
        let last = self.watcher.events.last().expect("something happened").id;
        let all = |events: &[AgentEvent]| events.iter().any(|event| event.id == last).then_some(());
        late.until("everything that was told", all).await;
        late.events.truncate(self.watcher.events.len());
        assert_eq!(late.events, self.watcher.events);
        assert_eq!(self.models.left(), 0, "the model was asked for all of the script");
    }

    fn check_log(&self) {
        let log = self.log();
        assert!(log.missing.is_empty(), "{:?}", log.missing);
        let (mut answered, mut lines) = (BTreeSet::new(), BTreeSet::new());
        for (number, record) in log.records.iter().enumerate() {
            assert_eq!(record.header.at.seq.0, number as u64, "no number is left out");
            let kind = record.header.kind;
            if kind == RecordKind::Start {
                lines.clear();
            }
            if kind == RecordKind::Answer {
                let answer: Answer = serde_json::from_slice(&record.payload).expect("an answer");
                assert!(answered.insert(answer.key.clone()), "{} is answered twice", answer.key);
            }
            // a line of ours carries an id: of our request, our message, or the prompt it answers
            if kind == RecordKind::VendorIn {
                let line = record.payload.clone();
                assert!(lines.insert(line), "{:?} is written twice", record.payload);
            }
        }
    }
}

fn is_exit(update: &Update) -> bool {
    matches!(update, Update::AgentExited { .. })
}

fn count(events: &[AgentEvent], is: fn(&Update) -> bool) -> usize {
    events.iter().filter(|event| is(&event.update)).count()
}
