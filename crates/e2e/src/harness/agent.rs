//! Agents under test: the scripted one, those who watch it, and its journal.

use std::{fs, path::PathBuf};

use quarterdeck_protocol::{
    agent::{
        AgentEvent, AgentState, Ask, ContentBlock, ConversationView, Delivery, EventId, Prompt,
        PromptAnswer, PromptId, Update,
    },
    error::RpcError,
    method::{
        AgentParams, AgentPrompt, AgentPromptParams, AgentView, AttachFrom, AttachParams,
        AttachRole, CreateParams, PromptAnswerMethod, PromptAnswerParams, PromptAnswerResult,
        SessionCreate, SessionParams,
    },
    session::{AgentEvents, SessionInfo, notify},
};
use quarterdeck_transport::Incoming;

use super::{
    client::{Peer, Way, watching},
    conversation::AGENT_PATIENCE,
    instance::{Instance, qd_binary},
    within_time,
};

/// The scripted agent of [`crate::scripted`].
#[must_use]
pub fn scripted_agent() -> PathBuf {
    let directory = super::instance::program_binary();
    // both binaries are built with `qd`
    let _ = qd_binary();
    directory.with_file_name("qd-scripted-agent")
}

/// What makes an instance start the scripted agent in Claude's place.
#[must_use]
pub fn configuration(instance: &Instance) -> String {
    format!(
        "[agents.claude]\ncommand = [{:?}]\n[agents.claude.env]\nSCRIPT_JOURNAL = {:?}\n",
        scripted_agent().display().to_string(),
        journal_path(instance).display().to_string(),
    )
}

fn journal_path(instance: &Instance) -> PathBuf {
    instance.path("journal")
}

/// What the scripted agents of an instance did, line by line.
#[must_use]
pub fn journal(instance: &Instance) -> Vec<String> {
    let text = fs::read_to_string(journal_path(instance)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// How often a line stands in the journal.
#[must_use]
pub fn times(instance: &Instance, line: &str) -> usize {
    journal(instance).iter().filter(|it| *it == line).count()
}

/// Starts an agent.
///
/// # Errors
/// The relay's.
pub async fn try_start(peer: &Peer, name: &str) -> Result<SessionInfo, RpcError> {
    let agent = AgentParams { name: name.to_owned(), ..AgentParams::default() };
    let params = CreateParams { agent: Some(agent), ..CreateParams::default() };
    Ok(peer.try_call::<SessionCreate>(&params).await?.session)
}

/// Starts the scripted agent.
///
/// # Panics
/// When it does not start.
pub async fn start(peer: &Peer) -> String {
    try_start(peer, "claude").await.expect("the agent starts").session.to_string()
}

/// A message with this text.
#[must_use]
pub fn message(session: &str, text: &str) -> AgentPromptParams {
    AgentPromptParams {
        session: session.to_owned(),
        content: vec![ContentBlock::Text { text: text.to_owned() }],
        delivery: Delivery::Queue,
        message_id: None,
        script: false,
        attachments: Vec::new(),
    }
}

/// Sends a message; its id.
pub async fn say(peer: &Peer, session: &str, text: &str) -> String {
    peer.call::<AgentPrompt>(&message(session, text)).await.id
}

/// What a conversation adds up to now.
pub async fn view(peer: &Peer, session: &str) -> ConversationView {
    peer.call::<AgentView>(&SessionParams { session: session.to_owned() }).await.view
}

/// Answers a prompt with an option.
///
/// # Errors
/// The relay's.
pub async fn answer(
    peer: &Peer,
    prompt: PromptId,
    option: &str,
    answer_id: Option<&str>,
) -> Result<PromptAnswerResult, RpcError> {
    peer.try_call::<PromptAnswerMethod>(&option_answer(prompt, option, answer_id)).await
}

/// An answer with an option.
#[must_use]
pub fn option_answer(
    prompt: PromptId,
    option: &str,
    answer_id: Option<&str>,
) -> PromptAnswerParams {
    PromptAnswerParams {
        prompt,
        answer: PromptAnswer::Option { option_id: option.to_owned() },
        answer_id: answer_id.map(str::to_owned),
    }
}

/// The id of the first option of a kind.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn option_of(prompt: &Prompt, kind: quarterdeck_protocol::agent::OptionKind) -> String {
    let options = match &prompt.ask {
        Ask::Permission { options, .. } | Ask::Plan { options, .. } => options,
        Ask::Question { .. } | Ask::Unknown => panic!("no options: {prompt:?}"),
    };
    let found = options.iter().find(|option| option.kind == kind);
    found.map(|option| option.option_id.clone()).expect("an option of that kind")
}

/// A client that watches an agent: its events so far, each once and in order.
#[derive(Debug)]
pub struct Watcher {
    /// The connection.
    pub peer: Peer,
    session: String,
    /// Everything that happened, as far as it was told.
    pub events: Vec<AgentEvent>,
}

impl Watcher {
    /// Watches from the first event on.
    pub async fn start(way: &Way, session: &str) -> Self {
        let peer = way.connect("watcher").await;
        let mut watcher = Self { peer, session: session.to_owned(), events: Vec::new() };
        watcher.attach().await;
        watcher
    }

    /// Goes on over another connection, as after the relay was killed.
    pub async fn again(&mut self, way: &Way) {
        self.peer = way.connect_again("watcher", &self.peer.hello.ticket).await;
        self.attach().await;
    }

    async fn attach(&mut self) {
        let after: Option<EventId> = self.events.last().map(|event| event.id);
        let params = AttachParams {
            from: AttachFrom::Events { after },
            ..watching(&self.session, AttachRole::Follow)
        };
        self.peer.call::<quarterdeck_protocol::method::SessionAttach>(&params).await;
    }

    /// Takes what comes in until something holds; gives what it found.
    ///
    /// # Panics
    /// When the connection ends, an event comes twice or out of order, or nothing comes any more.
    pub async fn until<T>(
        &mut self,
        what: &str,
        mut find: impl FnMut(&[AgentEvent]) -> Option<T>,
    ) -> T {
        loop {
            if let Some(found) = find(&self.events) {
                return found;
            }
            let coming = self.peer.events.next();
            let Ok(incoming) = tokio::time::timeout(AGENT_PATIENCE, coming).await else {
                let last: Vec<_> = self.events.iter().rev().take(8).collect();
                panic!("nothing: {what}; the last events: {last:#?}");
            };
            match incoming {
                Some(Incoming::Notification { method, params })
                    if method == notify::AGENT_EVENTS =>
                {
                    let text = params.as_deref().map_or("null", |params| params.get());
                    let more: AgentEvents = serde_json::from_str(text).expect("events");
                    for event in more.events {
                        let last = self.events.last().map(|last| last.id);
                        assert!(last < Some(event.id), "{last:?} before {event:?}");
                        self.events.push(event);
                    }
                }
                Some(
                    Incoming::Notification { .. } | Incoming::Answer { .. } | Incoming::Frame(_),
                ) => {}
                Some(Incoming::Closed { why }) => panic!("closed ({why}) before {what}"),
                None => panic!("closed before {what}"),
            }
        }
    }

    /// Forgets all events but the last, so that what comes next is counted from nothing.
    pub fn forget(&mut self) {
        let all_but_last = self.events.len().saturating_sub(1);
        self.events.drain(..all_but_last);
    }

    /// Waits for the next open prompt after `seen` ones.
    pub async fn prompt(&mut self, seen: usize) -> Prompt {
        self.until("a prompt", |events| {
            let opened = events.iter().filter_map(|event| {
                let Update::PromptOpened { prompt } = &event.update else { return None };
                Some((**prompt).clone())
            });
            opened.skip(seen).last()
        })
        .await
    }

    /// Waits until so many turns have ended.
    pub async fn turns(&mut self, count: usize) {
        let ended = |events: &[AgentEvent]| {
            let ended = events.iter().filter(|it| matches!(it.update, Update::TurnEnded { .. }));
            (ended.count() >= count).then_some(())
        };
        self.until("the end of a turn", ended).await;
    }

    /// All text of the agent so far.
    #[must_use]
    pub fn text(&self) -> String {
        text_of(&self.events)
    }
}

/// All text of the agent in these events.
#[must_use]
pub fn text_of(events: &[AgentEvent]) -> String {
    let texts = events.iter().filter_map(|event| {
        let Update::AgentMessageChunk { content: ContentBlock::Text { text }, .. } = &event.update
        else {
            return None;
        };
        Some(text.as_str())
    });
    texts.collect()
}

/// Waits until an agent is in a state, by looking at every change of the view.
///
/// # Panics
/// When it does not get there.
pub async fn until_state(watcher: &mut Watcher, wanted: AgentState) {
    let reached = async {
        while view(&watcher.peer, &watcher.session).await.state != wanted {
            // the next event, or what is said beside it, may have changed it
            let _ = watcher.peer.events.next().await;
        }
    };
    within_time(AGENT_PATIENCE, "the agent's state", reached).await;
}
