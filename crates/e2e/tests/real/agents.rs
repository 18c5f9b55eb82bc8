//! Agents: from a client's message to the agent and back, through whatever dies on the way.

mod basics;
mod commands;
mod git;
mod inside;
mod killing;
mod mail;
mod prompts;
mod revival;
mod storage;
mod trouble;

use quarterdeck_e2e::harness::{
    agent,
    client::{Peer, Way},
    instance::{Instance, Relay},
};

/// A relay that starts the scripted agent as `claude`, and one such agent.
struct Stage {
    instance: Instance,
    relay: Relay,
    way: Way,
    peer: Peer,
    session: String,
}

impl Stage {
    async fn new() -> Self {
        Self::on(Instance::new()).await
    }

    async fn on(instance: Instance) -> Self {
        instance.configure(&agent::configuration(&instance));
        let relay = instance.start_relay(&["--listen", "127.0.0.1:0", "--insecure"]).await;
        let way = Way::unix(&instance);
        let peer = way.connect("person").await;
        let session = agent::start(&peer).await;
        Self { instance, relay, way, peer, session }
    }

    /// Kills the relay and starts another one.
    async fn restart(self) -> Self {
        let Self { instance, relay, way, peer, session } = self;
        relay.kill().await;
        let relay = instance.start_relay(&["--listen", "127.0.0.1:0", "--insecure"]).await;
        let peer = way.connect_again("person", &peer.hello.ticket).await;
        Self { instance, relay, way, peer, session }
    }

    async fn say(&self, text: &str) -> String {
        agent::say(&self.peer, &self.session, text).await
    }

    fn times(&self, line: &str) -> usize {
        agent::times(&self.instance, line)
    }
}
