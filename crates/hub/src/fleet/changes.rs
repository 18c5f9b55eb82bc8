//! What changed of the view since a number of it.

use std::sync::{Arc, Weak};

use quarterdeck_core::news::Past;
use quarterdeck_protocol::{
    ids::{MachineId, Rev, SessionId},
    method::{MachineInfo, MailChanged, PromptInfo},
    session::SessionInfo,
};

use super::{Fleet, Inner};
use crate::{client::outbox::Outbox, limits::MAX_TOMBSTONES};

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
        /// The session.
        info: Box<SessionInfo>,
        /// Whether the lease changed.
        lease: bool,
    },
    /// A machine is new or changed.
    Machine(Box<MachineInfo>),
    /// A machine's mail has changed.
    Mail(Box<MailChanged>),
    /// One of them is gone.
    Gone(Gone),
    /// An agent asks.
    PromptOpened(Box<PromptInfo>),
    /// An agent's prompt is settled, or its turn has ended.
    Past(Past),
}

/// What is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gone {
    /// A session.
    Session(SessionId),
    /// A machine.
    Machine(MachineId),
}

impl Inner {
    pub(super) fn raise(&mut self) -> Rev {
        self.rev = self.rev.next();
        self.rev
    }

    pub(super) fn bury(&mut self, gone: Gone) {
        let rev = self.raise();
        if self.tombstones.len() >= MAX_TOMBSTONES {
            self.tombstones.pop_front();
        }
        self.tombstones.push_back((rev, gone));
    }

    pub(super) fn wake(&mut self) {
        self.watchers.retain(|watcher| match watcher.upgrade() {
            Some(outbox) => {
                outbox.wake_view();
                true
            }
            None => false,
        });
    }
}

impl Fleet {
    /// The view's number.
    pub(crate) fn rev(&self) -> Rev {
        self.lock().rev
    }

    /// Wakes this outbox at every change from now on.
    pub(crate) fn watch(&self, outbox: &Arc<Outbox>) {
        self.lock().watchers.push(Arc::downgrade(outbox) as Weak<Outbox>);
    }

    /// What changed since `told`, of one machine or of all. What is gone is told of all.
    pub(crate) fn changes_since(&self, told: Rev, of: Option<MachineId>) -> Changes {
        let inner = self.lock();
        let oldest = inner.tombstones.front().map(|(rev, _)| *rev);
        let forgotten = inner.tombstones.len() >= MAX_TOMBSTONES;
        let forgotten = forgotten && oldest.is_some_and(|oldest| oldest > told.next());
        if forgotten || inner.news.has_forgotten(told) {
            return Changes::Everything;
        }
        let mut all: Vec<(Rev, Change)> = Vec::new();
        for it in inner.machines.values().filter(|it| of.is_none_or(|id| id == it.row.machine)) {
            if it.changed > told {
                all.push((it.changed, Change::Machine(Box::new(it.info()))));
            }
            let mail = it.mail.as_ref().filter(|mail| mail.rev > told);
            all.extend(mail.map(|mail| (mail.rev, Change::Mail(Box::new(mail.clone())))));
            for entry in it.sessions.values().filter(|entry| entry.changed > told) {
                let info = Box::new(it.view(&entry.info));
                let lease = entry.lease_changed > told;
                all.push((entry.changed, Change::Session { info, lease }));
            }
        }
        let gone = inner.tombstones.iter().filter(|(rev, _)| *rev > told);
        all.extend(gone.map(|(rev, gone)| (*rev, Change::Gone(*gone))));
        // a prompt's rev may be older than its session's: it is told after the session
        let opened = inner.opened_since(told, of).into_iter();
        all.extend(opened.map(|change| (inner.rev, change)));
        let past = inner.news.past_since(told);
        all.extend(past.map(|(rev, past)| (rev, Change::Past(past.clone()))));
        all.sort_by_key(|(rev, _)| *rev);
        Changes::Since(inner.rev, all.into_iter().map(|(_, change)| change).collect())
    }
}
