//! What most tests begin with: a model, a home, an agent that runs; and what the agents' shells are called.

use quarterdeck_e2e::{
    harness::{
        agents::{Agent, AgentHome},
        conversation::{Talk, Wishes},
    },
    models::{FakeModels, Reply},
};
use quarterdeck_protocol::agent::{Delivery, Prompt};
use serde_json::{Value, json};

/// A model, a home that uses it, and the agent in it.
pub(crate) struct Scene {
    pub(crate) models: FakeModels,
    pub(crate) home: AgentHome,
    pub(crate) talk: Talk,
}

impl Scene {
    /// Starts everything with a script; `None` where the agent is not installed.
    pub(crate) async fn start(
        agent: Agent,
        script: impl IntoIterator<Item = Reply>,
    ) -> Option<Self> {
        Self::start_with(agent, &Wishes::default(), script).await
    }

    /// Starts everything in a mode of the agent's.
    pub(crate) async fn start_in_mode(
        agent: Agent,
        mode: &str,
        script: impl IntoIterator<Item = Reply>,
    ) -> Option<Self> {
        let wishes = Wishes { mode: Some(mode.to_owned()), ..Wishes::default() };
        Self::start_with(agent, &wishes, script).await
    }

    async fn start_with(
        agent: Agent,
        wishes: &Wishes,
        script: impl IntoIterator<Item = Reply>,
    ) -> Option<Self> {
        let models = FakeModels::start().await;
        models.script(script);
        let home = AgentHome::new(agent, &models)?;
        let talk = Talk::start_with(&home, wishes).await;
        Some(Self { models, home, talk })
    }

    /// Gives a message and waits for the prompt that comes of it.
    pub(crate) async fn ask(&mut self, words: &str) -> Prompt {
        self.talk.say(words, Delivery::Queue).await;
        self.talk.until_prompt().await
    }

    /// What must hold at the end of a test: the log folds, and the whole script was played.
    pub(crate) fn check(&self) {
        self.talk.check();
        assert_eq!(self.models.left(), 0, "the model was asked for all of the script");
    }

    /// What stands in a file of the project.
    pub(crate) fn file(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.home.project().join(name)).ok()
    }
}

/// The call of an agent's shell with a command.
pub(crate) fn shell(agent: Agent, command: &str) -> (&'static str, Value) {
    match agent {
        Agent::Claude => ("Bash", json!({ "command": command, "description": "Do it" })),
        Agent::Codex => ("exec_command", json!({ "cmd": command })),
        Agent::Opencode => ("bash", json!({ "command": command, "description": "Do it" })),
    }
}

/// An answer that calls an agent's shell.
pub(crate) fn run(agent: Agent, command: &str) -> Reply {
    let (name, input) = shell(agent, command);
    Reply::call(name, input)
}
