//! The sessions of a relay, and the number of its view of them.
//!
//! Watchers are woken without data: each compares the number it has sent with the one there is, so a
//! slow watcher skips states and misses no change.

mod labels;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use quarterdeck_core::{
    names::{self, Life, Resolved},
    news::{News, Past, TurnEnd},
};
use quarterdeck_protocol::{
    agent::{Prompt, PromptId, PromptState, Update, Vendor},
    error::{ErrorCode, ErrorDetail, RpcError},
    ids::{Label, Rev, SessionId},
    method::{IdentityMail, MailChanged, PromptInfo},
    session::SessionInfo,
};

use tokio::sync::watch;

pub(crate) use labels::LabelWish;

use crate::{clock, connection::outbox::Outbox, session::SessionHandle};

/// Removed sessions that are remembered for watchers; one that is further behind gets a new `sync`.
const MAX_TOMBSTONES: usize = 256;

/// All sessions, live and ended.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    inner: Mutex<Inner>,
    /// The view's number, for who wants to know of changes and not which.
    changes: watch::Sender<Rev>,
}

#[derive(Debug, Default)]
struct Inner {
    rev: Rev,
    sessions: BTreeMap<SessionId, Entry>,
    /// Labels given to sessions that are being created.
    reserved: Vec<Label>,
    /// Labels of agents outside.
    outside: BTreeSet<Label>,
    /// Sessions by their creator's request id.
    requests: BTreeMap<String, SessionId>,
    /// Request ids that are being carried out.
    under_way: BTreeSet<String>,
    tombstones: VecDeque<(Rev, SessionId)>,
    news: News<Arc<Prompt>>,
    /// How much mail waits, once it was counted.
    mail: Option<MailChanged>,
    watchers: Vec<Weak<Outbox>>,
}

#[derive(Debug)]
struct Entry {
    handle: Arc<SessionHandle>,
    changed: Rev,
    lease_changed: Rev,
}

/// What an agent's session tells those who watch all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AgentNews {
    /// A human is asked.
    Opened(Arc<Prompt>),
    /// It cannot be answered any more: somebody has answered, or nobody will.
    Settled(PromptId, PromptState),
    /// A turn has ended.
    TurnEnded(TurnEnd),
}

impl AgentNews {
    /// What an event of a session tells; `turns` is how many there were.
    pub(crate) fn of(session: SessionId, turns: u64, update: &Update) -> Option<Self> {
        if let Update::PromptOpened { prompt } = update {
            return Some(Self::Opened(Arc::new((**prompt).clone())));
        }
        if let Update::TurnEnded { stop_reason, .. } = update {
            let (stop_reason, at) = (*stop_reason, clock::wall_micros());
            return Some(Self::TurnEnded(TurnEnd { session, turn: turns, stop_reason, at }));
        }
        let Update::PromptUpdate { prompt, state } = update else { return None };
        (*state != PromptState::Open).then(|| Self::Settled(*prompt, state.clone()))
    }
}

/// What changed since a rev.
#[derive(Debug)]
pub(crate) enum Changes {
    /// These, oldest first, and the rev they lead to.
    Since(Rev, Vec<Change>),
    /// Too much: send everything.
    Everything,
}

/// One change of the view.
#[derive(Debug)]
pub(crate) enum Change {
    /// A session is new or changed; `lease` when its lease did.
    Session {
        /// The view's number.
        rev: Rev,
        /// The session.
        info: Box<SessionInfo>,
        /// Whether the lease changed.
        lease: bool,
    },
    /// A session is gone.
    Removed {
        /// The view's number.
        rev: Rev,
        /// The session.
        session: SessionId,
    },
    /// An agent asks.
    PromptOpened {
        /// The view's number.
        rev: Rev,
        /// The prompt, and whose it is.
        prompt: Box<PromptInfo>,
    },
    /// A prompt cannot be answered any more.
    PromptSettled {
        /// The view's number.
        rev: Rev,
        /// Which.
        prompt: PromptId,
        /// Why.
        state: PromptState,
    },
    /// An agent's turn has ended.
    TurnEnded {
        /// The view's number.
        rev: Rev,
        /// Which.
        end: TurnEnd,
    },
    /// The mail has changed.
    Mail(MailChanged),
}

impl Change {
    const fn rev(&self) -> Rev {
        match self {
            Self::Session { rev, .. }
            | Self::Removed { rev, .. }
            | Self::PromptOpened { rev, .. }
            | Self::PromptSettled { rev, .. }
            | Self::TurnEnded { rev, .. }
            | Self::Mail(MailChanged { rev, .. }) => *rev,
        }
    }
}

/// What is known of a creator's request id.
#[derive(Debug)]
pub(crate) enum Request<'a> {
    /// It was carried out; this is the session.
    Done(Arc<SessionHandle>),
    /// It is being carried out.
    UnderWay,
    /// It is new; the slot keeps it from being carried out twice.
    New(RequestSlot<'a>),
}

/// A request that is being carried out, until this is dropped.
#[derive(Debug)]
pub(crate) struct RequestSlot<'a> {
    registry: &'a Registry,
    request_id: String,
}

impl Drop for RequestSlot<'_> {
    fn drop(&mut self) {
        self.registry.lock().under_way.remove(&self.request_id);
    }
}

impl Registry {
    /// Looks a creator's request id up, and holds it if it is new.
    pub(crate) fn begin_request(&self, request_id: &str) -> Request<'_> {
        let mut inner = self.lock();
        let done = inner.requests.get(request_id).and_then(|id| inner.sessions.get(id));
        if let Some(entry) = done {
            return Request::Done(Arc::clone(&entry.handle));
        }
        if !inner.under_way.insert(request_id.to_owned()) {
            return Request::UnderWay;
        }
        Request::New(RequestSlot { registry: self, request_id: request_id.to_owned() })
    }

    /// Pids of the live holders, for telling who runs inside which session.
    pub(crate) fn holders(&self) -> BTreeMap<u32, SessionId> {
        let inner = self.lock();
        let sessions = inner.sessions.values().map(|entry| &entry.handle);
        sessions.filter_map(|s| Some((s.holder_pid()?, s.id))).collect()
    }

    /// Adds a session.
    pub(crate) fn insert(&self, handle: Arc<SessionHandle>) {
        let mut inner = self.lock();
        if let Some(request_id) = &handle.request_id {
            inner.requests.insert(request_id.clone(), handle.id);
        }
        let rev = inner.next_rev();
        let entry = Entry { changed: rev, lease_changed: rev, handle };
        inner.sessions.insert(entry.handle.id, entry);
        self.changes.send_replace(inner.rev);
        inner.wake_watchers();
    }

    /// Takes a session out.
    pub(crate) fn remove(&self, session: SessionId) {
        let mut inner = self.lock();
        let Some(entry) = inner.sessions.remove(&session) else { return };
        if let Some(request_id) = &entry.handle.request_id {
            inner.requests.remove(request_id);
        }
        let rev = inner.next_rev();
        inner.news.forget(session);
        inner.tombstones.push_back((rev, session));
        if inner.tombstones.len() > MAX_TOMBSTONES {
            inner.tombstones.pop_front();
        }
        self.changes.send_replace(inner.rev);
        inner.wake_watchers();
    }

    /// A session's published view changed.
    pub(crate) fn changed(&self, session: SessionId, lease: bool) {
        let mut inner = self.lock();
        let rev = inner.next_rev();
        if let Some(entry) = inner.sessions.get_mut(&session) {
            entry.changed = rev;
            if lease {
                entry.lease_changed = rev;
            }
        }
        self.changes.send_replace(inner.rev);
        inner.wake_watchers();
    }

    /// Agents tell something.
    pub(crate) fn handle_news(&self, news: impl IntoIterator<Item = AgentNews>) {
        let mut inner = self.lock();
        for news in news {
            let rev = inner.next_rev();
            match news {
                AgentNews::Opened(prompt) => inner.news.handle_opened(rev, prompt.id, prompt),
                AgentNews::Settled(prompt, state) => {
                    inner.news.handle_settled(rev, prompt, state);
                }
                AgentNews::TurnEnded(end) => inner.news.handle_turn_ended(rev, end),
            }
        }
        inner.wake_watchers();
    }

    /// The mail was counted; watchers are told when it is not as it was.
    pub(crate) fn handle_mail(&self, change: u64, identities: Vec<IdentityMail>) {
        let mut inner = self.lock();
        let told = inner.mail.as_ref();
        if told.is_some_and(|it| it.change == change && it.identities == identities) {
            return;
        }
        let rev = inner.next_rev();
        inner.mail = Some(MailChanged { rev, machine: None, change, identities });
        inner.wake_watchers();
    }

    /// How much mail waits, once it was counted.
    pub(crate) fn mail(&self) -> Option<MailChanged> {
        self.lock().mail.clone()
    }

    /// All open prompts, oldest first, as changes of the view.
    pub(crate) fn open_prompts(&self) -> Vec<Change> {
        self.lock().opened_since(Rev(0))
    }

    /// Prompts that were settled lately: who comes back learns by whom.
    pub(crate) fn settled_prompts(&self) -> Vec<Change> {
        let settled = |change: &Change| matches!(change, Change::PromptSettled { .. });
        self.lock().past_since(Rev(0)).filter(settled).collect()
    }

    /// The session's task failed; its files are untouched, so a new relay will show it again.
    pub(crate) fn mark_broken(&self, session: SessionId) {
        self.remove(session);
    }

    /// One session.
    pub(crate) fn session(&self, id: SessionId) -> Option<Arc<SessionHandle>> {
        self.lock().sessions.get(&id).map(|entry| Arc::clone(&entry.handle))
    }

    /// The label of the session that had this conversation of a vendor last.
    pub(crate) fn label_of_conversation(&self, vendor: Vendor, id: &str) -> Option<Label> {
        let views: Vec<_> = self.all().iter().map(|session| session.published()).collect();
        let has_it = |info: &&Arc<SessionInfo>| {
            let agent = info.agent.as_ref();
            agent.is_some_and(|it| it.vendor == vendor && it.vendor_session.as_deref() == Some(id))
        };
        let last = views.iter().filter(has_it).max_by_key(|info| info.created_at);
        last.map(|info| info.label.clone())
    }

    /// All sessions, oldest id first.
    pub(crate) fn all(&self) -> Vec<Arc<SessionHandle>> {
        self.lock().sessions.values().map(|entry| Arc::clone(&entry.handle)).collect()
    }

    /// The view's number.
    pub(crate) fn rev(&self) -> Rev {
        self.lock().rev
    }

    /// The session that a word names, among those that `visible` lets through.
    ///
    /// # Errors
    /// `not_found` or `ambiguous`.
    pub(crate) fn resolve(
        &self,
        word: &str,
        visible: impl Fn(SessionId) -> bool,
    ) -> Result<Arc<SessionHandle>, RpcError> {
        let sessions: Vec<_> = self.all().into_iter().filter(|s| visible(s.id)).collect();
        let views: Vec<_> = sessions.iter().map(|s| s.published()).collect();
        let named = views.iter().map(|view| {
            let life = if view.state.is_live() { Life::Live } else { Life::Ended };
            (view.session, &view.label, life)
        });
        match names::resolve(word, named) {
            Resolved::One(id) => {
                let found = sessions.into_iter().find(|session| session.id == id);
                found.ok_or_else(|| not_found(word))
            }
            Resolved::None => Err(not_found(word)),
            Resolved::Many(ids) => {
                let matches = ids.iter().map(ToString::to_string).collect();
                let message = format!("{word:?} fits {} sessions", ids.len());
                Err(RpcError::new(ErrorCode::Ambiguous, message)
                    .with(ErrorDetail::Matches { matches }))
            }
        }
    }

    /// Wakes whoever awaits a change.
    pub(crate) fn changes(&self) -> watch::Receiver<Rev> {
        self.changes.subscribe()
    }

    /// Wakes this connection's view from now on.
    pub(crate) fn watch(&self, outbox: &Arc<Outbox>) {
        self.lock().watchers.push(Arc::downgrade(outbox));
    }

    /// What changed after `rev`.
    pub(crate) fn changes_since(&self, rev: Rev) -> Changes {
        let inner = self.lock();
        let forgotten = inner.tombstones.len() == MAX_TOMBSTONES
            && inner.tombstones.front().is_some_and(|(oldest, _)| *oldest > rev);
        if forgotten || inner.news.has_forgotten(rev) {
            return Changes::Everything;
        }
        let mut changes: Vec<_> = inner
            .sessions
            .values()
            .filter(|entry| entry.changed > rev)
            .map(|entry| Change::Session {
                rev: entry.changed,
                info: Box::new(entry.handle.view()),
                lease: entry.lease_changed > rev,
            })
            .collect();
        let removed = inner.tombstones.iter().filter(|(at, _)| *at > rev);
        changes
            .extend(removed.map(|(rev, session)| Change::Removed { rev: *rev, session: *session }));
        changes.extend(inner.opened_since(rev));
        changes.extend(inner.past_since(rev));
        let mail = inner.mail.as_ref().filter(|mail| mail.rev > rev);
        changes.extend(mail.cloned().map(Change::Mail));
        changes.sort_by_key(Change::rev);
        Changes::Since(inner.rev, changes)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn next_rev(&mut self) -> Rev {
        self.rev = self.rev.next();
        self.rev
    }

    fn opened_since(&self, rev: Rev) -> Vec<Change> {
        let opened = self.news.opened_since(rev);
        let told = opened.filter_map(|(rev, prompt)| {
            let session = prompt.id.session;
            // a session is shown before its prompts are
            let label = self.sessions.get(&session)?.handle.published().label.clone();
            let prompt =
                Box::new(PromptInfo { session, label, on: None, prompt: Prompt::clone(prompt) });
            Some(Change::PromptOpened { rev, prompt })
        });
        told.collect()
    }

    fn past_since(&self, rev: Rev) -> impl Iterator<Item = Change> {
        self.news.past_since(rev).map(|(rev, past)| match past {
            Past::Settled(prompt, state) => {
                Change::PromptSettled { rev, prompt: *prompt, state: state.clone() }
            }
            Past::TurnEnded(end) => Change::TurnEnded { rev, end: end.clone() },
        })
    }

    fn wake_watchers(&mut self) {
        self.watchers.retain(|watcher| match watcher.upgrade() {
            Some(outbox) => {
                outbox.wake_view();
                true
            }
            None => false,
        });
    }
}

fn not_found(word: &str) -> RpcError {
    RpcError::new(ErrorCode::NotFound, format!("session {word:?} not found"))
        .hint("`qd ls` lists the sessions")
}
