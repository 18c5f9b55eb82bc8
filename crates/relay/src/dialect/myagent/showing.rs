//! Which sessions a connection is shown: all that clients of this protocol have made and its token reaches.

use std::sync::Arc;

use axum::extract::ws::Message;
use futures_util::{FutureExt as _, stream::FuturesUnordered};
use quarterdeck_protocol::{
    agent::{EventId, PromptState},
    dialect::myagent::Event,
    error::RpcError,
    ids::{Channel, Seq, SessionId},
    limits::MAX_CHANNELS_PER_CONNECTION,
    record::LeaseState,
    scope::Scope,
};
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

use super::{
    Client,
    story::{KEY_PREFIX, Story},
    text_of,
};
use crate::{
    connection::{channel::agent::Stepped, sending::Work},
    session::{Command as Ask, LeaseChange, SessionHandle},
    watch::{AgentWatch, From, Past, read_past},
};

/// Bytes of records that one turn of the writer takes from one session.
const STEP_BYTES: usize = 128 * 1024;
/// What a record costs beside its payload.
const RECORD_COST_BYTES: usize = 64;
/// The time in a session's name.
const NAME_TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[year][month][day][hour][minute][second]");

/// What of a session is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tell {
    /// Everything.
    All,
    /// What comes behind this.
    After(EventId),
    /// What happens from this record on, and first what is true there.
    Now(Seq),
    /// Whatever comes.
    Live,
}

/// A session that is shown.
pub(super) struct Shown {
    watch: AgentWatch,
    story: Story,
    tell: Tell,
    /// Nothing is told while a reply has to come first.
    holds: usize,
}

impl Shown {
    pub(super) const fn channel(&self) -> Channel {
        self.watch.channel()
    }

    /// What comes next; none when nothing does. Empty when there may be more later.
    fn pull(&mut self) -> Option<Vec<Event>> {
        if self.holds > 0 {
            return None;
        }
        let mut bytes = 0;
        while bytes < STEP_BYTES {
            if let Tell::Now(from) = self.tell
                && self.watch.next() >= from
            {
                self.tell = Tell::Live;
                let told = self.what_is_true();
                if !told.is_empty() {
                    return Some(told);
                }
            }
            match self.watch.step() {
                Ok(Stepped::Record(record, events)) => {
                    bytes += record.payload.len() + RECORD_COST_BYTES;
                    let told = self.story.handle(&record, &events);
                    let at = EventId { seq: record.header.at.seq, index: 0 };
                    let told = self.select(told, at);
                    if !told.is_empty() {
                        return Some(told);
                    }
                }
                // what is missing shows in `seq`
                Ok(Stepped::Gap { .. }) => {}
                Ok(Stepped::AtHead) => return None,
                Err(error) => {
                    tracing::warn!(%error, "session not shown: its log cannot be read");
                    return None;
                }
            }
        }
        Some(Vec::new())
    }

    fn what_is_true(&mut self) -> Vec<Event> {
        if !self.story.is_running() {
            return Vec::new();
        }
        let mut told = vec![self.story.metadata()];
        let Some(conversation) = self.watch.conversation() else { return told };
        let open = conversation.prompts().filter(|prompt| prompt.state == PromptState::Open);
        told.extend(open.map(|prompt| self.story.ask(prompt)));
        told
    }

    /// What of it the client is told.
    fn select(&self, told: Vec<Event>, at: EventId) -> Vec<Event> {
        match self.tell {
            Tell::All | Tell::Live => told,
            Tell::Now(_) => Vec::new(),
            Tell::After(after) if at.seq < after.seq => Vec::new(),
            Tell::After(after) => {
                let news = |event: &Event| seq_of(event).unwrap_or(at) > after;
                told.into_iter().filter(news).collect()
            }
        }
    }
}

fn seq_of(event: &Event) -> Option<EventId> {
    match event {
        Event::AgentStdout { seq, .. }
        | Event::AgentStderr { seq, .. }
        | Event::PermissionRequest { seq, .. }
        | Event::PermissionResolved { seq, .. }
        | Event::TerminalState { seq, .. } => Some(*seq),
        Event::Ready { .. }
        | Event::Role { .. }
        | Event::Ack { .. }
        | Event::SessionMetadata { .. }
        | Event::Pong { .. }
        | Event::Error { .. } => None,
    }
}

/// The name that clients know a session by: when it was made, and how its id begins.
pub(super) fn remote_id(session: &SessionHandle) -> String {
    let created = i128::from(session.published().created_at) * 1000;
    let created = OffsetDateTime::from_unix_timestamp_nanos(created);
    let time = created.ok().and_then(|time| time.format(NAME_TIME).ok()).unwrap_or_default();
    let id = session.id.to_string();
    let digits: String = id.chars().skip(SessionId::PREFIX.len()).take(8).collect();
    format!("remote_{time}_{digits}")
}

impl Client {
    /// Sessions that clients of this protocol have made and this one may see.
    pub(super) fn sessions(&self) -> Vec<Arc<SessionHandle>> {
        let is_ours = |session: &Arc<SessionHandle>| {
            let made_here =
                session.request_id.as_ref().is_some_and(|id| id.starts_with(KEY_PREFIX));
            made_here && self.caller.sees(session.id)
        };
        self.context.registry.all().into_iter().filter(is_ours).collect()
    }

    /// Shows what there is and what comes; what was there when the connection began only from now on.
    pub(super) async fn show_all(self: Arc<Self>) {
        for session in self.sessions().iter().filter(|it| it.published().state.is_live()) {
            self.show(session).await;
        }
    }

    /// Shows a session, unless it is shown already.
    pub(super) async fn show(&self, session: &Arc<SessionHandle>) {
        if self.shown().contains_key(&session.id) {
            return;
        }
        let tell = match self.old.contains(&session.id) {
            true => Tell::Now(session.tail.head().seq),
            false => Tell::All,
        };
        let Some(begun) = self.begin_showing(session, tell).await else { return };
        let channel = begun.channel();
        let beaten = {
            let mut shown = self.shown();
            let beaten = shown.contains_key(&session.id);
            if !beaten {
                shown.insert(session.id, begun);
            }
            beaten
        };
        if beaten {
            return self.detach(session, channel);
        }
        self.outbox.wake_channel(channel);
    }

    /// Shows a session anew, from another place.
    pub(super) async fn show_again(&self, session: &Arc<SessionHandle>, tell: Tell) {
        let Some(begun) = self.begin_showing(session, tell).await else { return };
        let channel = begun.channel();
        let before = self.shown().insert(session.id, begun);
        if let Some(before) = before {
            self.detach(session, before.channel());
        }
        self.outbox.wake_channel(channel);
    }

    async fn begin_showing(&self, session: &Arc<SessionHandle>, tell: Tell) -> Option<Shown> {
        let room = self.shown().len() < MAX_CHANNELS_PER_CONNECTION;
        if !room || !self.caller.grant.scopes.has(Scope::Read) {
            return None;
        }
        let channel = self.allocate_channel();
        let (caller, outbox) = (self.lease_caller(), Arc::clone(&self.outbox));
        match AgentWatch::begin(session, caller, channel, outbox, From::Beginning).await {
            Ok(watch) => {
                let view = session.published();
                let story = Story::new(remote_id(session), view.cwd.clone(), view.created_at);
                Some(Shown { watch, story, tell, holds: 0 })
            }
            Err(error) => {
                tracing::debug!(session = %session.id, error = %error.message, "not shown");
                self.detach(session, channel);
                None
            }
        }
    }

    fn detach(&self, session: &Arc<SessionHandle>, channel: Channel) {
        let (client, outbox) = (self.me.client, Arc::clone(&self.outbox));
        session.try_tell(Ask::Detach { client, channel, outbox });
    }

    /// Holds a session's messages back until [`Self::release`].
    pub(super) fn hold(&self, session: SessionId) {
        if let Some(shown) = self.shown().get_mut(&session) {
            shown.holds += 1;
        }
    }

    pub(super) fn release(&self, session: SessionId) {
        let mut all = self.shown();
        let Some(shown) = all.get_mut(&session) else { return };
        shown.holds = shown.holds.saturating_sub(1);
        let channel = shown.channel();
        drop(all);
        self.outbox.wake_channel(channel);
    }

    pub(super) fn pull(&self, channel: Channel, work: &mut FuturesUnordered<Work>) -> Vec<Message> {
        let mut all = self.shown();
        let shown = all.values_mut().find(|shown| shown.channel() == channel);
        let Some(events) = shown.and_then(Shown::pull) else { return Vec::new() };
        drop(all);
        let outbox = Arc::clone(&self.outbox);
        if events.is_empty() {
            let later = async move {
                tokio::task::yield_now().await;
                outbox.wake_channel(channel);
            };
            work.push(later.boxed());
        } else {
            outbox.wake_channel(channel);
        }
        events.iter().filter_map(text_of).map(|text| Message::Text(text.into())).collect()
    }

    /// The connection is over: its leases are free at once, its sessions go on.
    pub(super) async fn hide_all(&self) {
        let shown = std::mem::take(&mut *self.shown());
        for shown in shown.into_values() {
            let (session, channel) = (Arc::clone(shown.watch.session()), shown.channel());
            let (client, outbox) = (self.me.client, Arc::clone(&self.outbox));
            let owns = match &session.published().lease.state {
                LeaseState::Held { owner } => owner.client == client,
                LeaseState::Free | LeaseState::Grace { .. } | LeaseState::Unknown => false,
            };
            if owns {
                let (caller, change) = (self.lease_caller(), LeaseChange::Release);
                // one that cannot be released ends with its grace
                let _ = session.ask(|reply| Ask::Lease { caller, change, reply }).await;
            }
            let _ = session.tell(Ask::Detach { client, channel, outbox }).await;
        }
    }
}

/// A session's story so far, from its log alone.
pub(super) async fn story_of(session: &Arc<SessionHandle>) -> Result<Story, RpcError> {
    let view = session.published();
    let story = Story::new(remote_id(session), view.cwd.clone(), view.created_at);
    read_past(session, story, |story, past| match past {
        Past::Event(event) => story.note(&event),
        Past::Missing => {}
    })
    .await
}
