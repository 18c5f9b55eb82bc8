//! What a watching client is told of agents: prompts that open and are settled, turns that end.

use quarterdeck_protocol::{
    method::{HelloParams, MailChanged, PromptInfo},
    session::{PromptOpened, PromptSettled, TurnEnded, notify},
};
use quarterdeck_transport::Incoming;
use serde::de::DeserializeOwned;

use super::{
    client::{Peer, Way},
    within,
};

/// See the module. What comes in between is passed over.
#[derive(Debug)]
pub struct News {
    /// The connection, for asking.
    pub peer: Peer,
}

impl News {
    /// Connects and watches.
    ///
    /// # Panics
    /// When nothing answers.
    pub async fn watch(way: &Way) -> Self {
        let hello = HelloParams { name: "news".to_owned(), watch: true, ..HelloParams::default() };
        let peer = within("a connection", way.try_connect(&hello)).await.expect("connects");
        Self { peer }
    }
    /// The next prompt that is opened.
    pub async fn opened(&mut self) -> PromptInfo {
        self.next::<PromptOpened>(notify::PROMPT_OPENED).await.prompt
    }
    /// The next that is settled.
    pub async fn settled(&mut self) -> PromptSettled {
        self.next(notify::PROMPT_SETTLED).await
    }
    /// The next change of a relay's mail.
    pub async fn mail(&mut self) -> MailChanged {
        self.next(notify::MAIL_CHANGED).await
    }
    /// Everything that is told from now on until a session is new or changed.
    ///
    /// # Panics
    /// When none is.
    pub async fn until_session_changed(&mut self) -> Vec<(String, String)> {
        let mut told = Vec::new();
        within(notify::SESSION_CHANGED, async {
            loop {
                match self.peer.events.next().await {
                    Some(Incoming::Notification { method, .. })
                        if method == notify::SESSION_CHANGED =>
                    {
                        return;
                    }
                    Some(Incoming::Notification { method, params }) => {
                        let text = params.map(|params| params.get().to_owned());
                        told.push((method, text.unwrap_or_default()));
                    }
                    Some(Incoming::Closed { why }) => panic!("closed: {why}"),
                    Some(_) => {}
                    None => panic!("closed"),
                }
            }
        })
        .await;
        told
    }
    /// The next turn that ends.
    pub async fn turn_ended(&mut self) -> TurnEnded {
        self.next(notify::TURN_ENDED).await
    }

    async fn next<T: DeserializeOwned>(&mut self, wanted: &str) -> T {
        within(wanted, async {
            loop {
                match self.peer.events.next().await {
                    Some(Incoming::Notification { method, params }) if method == wanted => {
                        let text = params.as_deref().map_or("null", |params| params.get());
                        return serde_json::from_str(text)
                            .unwrap_or_else(|error| panic!("{error}: {text}"));
                    }
                    Some(Incoming::Closed { why }) => panic!("closed ({why}) before {wanted}"),
                    Some(_) => {}
                    None => panic!("closed before {wanted}"),
                }
            }
        })
        .await
    }
}
