//! Controllers of BTerminal and agor: what they say and hear, word for word, and native clients beside
//! them on the same sessions.

mod agents;
mod beside;
mod replies;
mod talk;

use quarterdeck_e2e::harness::{
    agor::{self, Controller},
    instance::{Instance, Relay},
};

/// A relay that serves the dialect, and a token for it.
struct Stage {
    relay: Relay,
    token: String,
    instance: Instance,
}

impl Stage {
    async fn set() -> Self {
        let instance = Instance::new();
        let relay = instance.start_relay(&SERVE).await;
        let token = agor::token(&instance, "tower", None).await;
        Self { relay, token, instance }
    }
    async fn controller(&self) -> Controller {
        Controller::connect(agor::address(&self.relay), &self.token).await
    }
    async fn restart(&mut self) {
        self.relay.signal(rustix::process::Signal::KILL);
        self.relay.until_gone().await;
        self.relay = self.instance.start_relay(&SERVE).await;
    }
}

const SERVE: [&str; 2] = ["--dialect", "agor=127.0.0.1:0"];
