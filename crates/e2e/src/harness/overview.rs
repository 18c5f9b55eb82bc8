//! What a client that watches a relay knows of its sessions: the way to wait for a state without asking
//! again and again.

use std::collections::BTreeMap;

use quarterdeck_protocol::{
    ids::SessionId,
    method::HelloParams,
    session::{LeaseChanged, SessionChanged, SessionInfo, SessionRemoved, Sync, notify},
};
use quarterdeck_transport::Incoming;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::{
    client::{Peer, Way},
    within,
};

/// A watching client and the newest it was told.
#[derive(Debug)]
pub struct Overview {
    /// Its connection, for asking.
    pub peer: Peer,
    sessions: BTreeMap<SessionId, SessionInfo>,
}

impl Overview {
    /// Connects and watches.
    ///
    /// # Panics
    /// When there is no relay.
    pub async fn start(way: &Way) -> Self {
        let name = "overview".to_owned();
        let hello = HelloParams { name, watch: true, ..HelloParams::default() };
        let peer = within("a connection", way.try_connect(&hello)).await.expect("connects");
        Self { peer, sessions: BTreeMap::new() }
    }
    /// Waits until something holds of a session, and gives the session.
    ///
    /// # Panics
    /// When it does not come to hold.
    pub async fn until(
        &mut self,
        session: SessionId,
        what: &str,
        mut holds: impl FnMut(&SessionInfo) -> bool,
    ) -> SessionInfo {
        let coming = async {
            loop {
                if let Some(info) = self.sessions.get(&session).filter(|info| holds(info)) {
                    return info.clone();
                }
                self.step().await;
            }
        };
        if let Ok(info) = tokio::time::timeout(super::PATIENCE, coming).await {
            return info;
        }
        panic!("nothing: {what}; the session: {:?}", self.sessions.get(&session))
    }
    /// Waits until a session is gone.
    ///
    /// # Panics
    /// When it stays.
    pub async fn until_removed(&mut self, session: SessionId) {
        let coming = async {
            while self.sessions.contains_key(&session) {
                self.step().await;
            }
        };
        within("the session is gone", coming).await;
    }

    async fn step(&mut self) {
        match self.peer.events.next().await {
            Some(Incoming::Notification { method, params }) => {
                self.take(&method, params.as_deref());
            }
            Some(Incoming::Frame(_) | Incoming::Answer { .. }) => {}
            Some(Incoming::Closed { why }) => panic!("the connection is over: {why}"),
            None => panic!("the connection is over"),
        }
    }

    fn take(&mut self, method: &str, params: Option<&RawValue>) {
        match method {
            notify::SYNC => {
                let sync: Sync = parse(params);
                if sync.part == 0 {
                    self.sessions.clear();
                }
                self.sessions.extend(sync.sessions.into_iter().map(|info| (info.session, info)));
            }
            notify::SESSION_CHANGED => {
                let SessionChanged { session, .. } = parse(params);
                self.sessions.insert(session.session, session);
            }
            notify::SESSION_REMOVED => {
                let SessionRemoved { session, .. } = parse(params);
                self.sessions.remove(&session);
            }
            notify::LEASE_CHANGED => {
                let LeaseChanged { session, lease, .. } = parse(params);
                if let Some(info) = self.sessions.get_mut(&session) {
                    info.lease = lease;
                }
            }
            _ => {}
        }
    }
}

fn parse<T: DeserializeOwned>(params: Option<&RawValue>) -> T {
    let text = params.map_or("null", RawValue::get);
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
