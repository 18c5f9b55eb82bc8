//! Clients of `myagent remote`: every message, its fields and order, who may write, and none of the
//! defects of the first server of this protocol.

mod auth;
mod ownership;
mod remote;

use quarterdeck_e2e::harness::{
    agent,
    instance::{Instance, Relay},
    myagent::{self, Client},
};

/// A relay that serves the dialect and starts the scripted agent, and a token for it.
struct Stage {
    relay: Relay,
    token: String,
    instance: Instance,
}

const SERVE: [&str; 2] = ["--dialect", "myagent=127.0.0.1:0"];

impl Stage {
    async fn set() -> Self {
        let instance = Instance::new();
        instance.configure(&agent::configuration(&instance));
        let relay = instance.start_relay(&SERVE).await;
        let token = myagent::token(&instance, "remote", "read,answer,create,drive").await;
        Self { relay, token, instance }
    }
    async fn connect(&self) -> (Client, String) {
        Client::connect(myagent::address(&self.relay), &self.token).await
    }
    async fn owner(&self) -> Client {
        let (client, role) = self.connect().await;
        assert_eq!(role, "owner");
        client
    }
    async fn follower(&self) -> Client {
        let (client, role) = self.connect().await;
        assert_eq!(role, "follower");
        client
    }
    async fn restart(&mut self) {
        self.relay.signal(rustix::process::Signal::KILL);
        self.relay.until_gone().await;
        self.relay = self.instance.start_relay(&SERVE).await;
    }
}
