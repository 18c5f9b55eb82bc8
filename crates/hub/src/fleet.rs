//! All machines with their last known sessions, and the number of this view.
//!
//! Watchers are woken without data: each compares the number it has sent with the one there is, so a slow
//! watcher skips states and misses no change.

mod changes;
mod machine;
mod prompts;
mod resolve;
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use quarterdeck_access::clock;
use quarterdeck_core::news::News;
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    ids::{MachineId, MachineLabel, RelayId, Rev, SessionId, fits_label_rule},
    method::{MachineInfo, MachineState, MailChanged, PromptInfo},
    session::{LeaseView, OnMachine, SessionInfo},
};

use tokio::sync::watch;

pub(crate) use changes::{Change, Changes, Gone};
use machine::{Entry, Machine, unreachable};
pub(crate) use resolve::Place;

use crate::{
    client::outbox::Outbox,
    limits::{MAX_IDENTITIES_PER_MACHINE, MAX_MACHINES, MAX_SESSIONS_PER_MACHINE},
    store::{Access, MachineRow},
    switch::Linked,
};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Fleet {
    inner: Mutex<Inner>,
    /// Raised at every change of a machine, for who waits for one.
    turns: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Inner {
    rev: Rev,
    machines: BTreeMap<MachineId, Machine>,
    tombstones: VecDeque<(Rev, Gone)>,
    /// Of all machines; an entry's session says which.
    news: News<Box<PromptInfo>>,
    watchers: Vec<Weak<Outbox>>,
}

impl Fleet {
    /// A machine that was kept, or is new.
    ///
    /// # Errors
    /// When there are too many.
    pub(crate) fn add(&self, row: MachineRow, sessions: Vec<SessionInfo>) -> Result<(), RpcError> {
        let mut inner = self.lock();
        if inner.machines.len() >= MAX_MACHINES {
            let message = format!("a hub has at most {MAX_MACHINES} machines");
            return Err(RpcError::new(ErrorCode::Overloaded, message));
        }
        let rev = inner.raise();
        let entry =
            |info: SessionInfo| (info.session, Entry { info, changed: rev, lease_changed: rev });
        let state = match row.access {
            Access::Joined => MachineState::Awaited,
            Access::Local | Access::Key { .. } | Access::Ssh { .. } | Access::Token { .. } => {
                MachineState::Disconnected
            }
        };
        let machine = Machine {
            unreachable_since: row.last_seen_at,
            row,
            state,
            sessions: sessions.into_iter().map(entry).collect(),
            changed: rev,
            mail: None,
            link: None,
            dirty: BTreeSet::new(),
        };
        inner.machines.insert(machine.row.machine, machine);
        inner.wake();
        Ok(())
    }

    /// Forgets a machine.
    pub(crate) fn remove(&self, machine: MachineId) {
        let mut inner = self.lock();
        let Some(gone) = inner.machines.remove(&machine) else { return };
        for session in gone.sessions.into_keys() {
            inner.news.forget(session);
            inner.bury(Gone::Session(session));
        }
        inner.bury(Gone::Machine(machine));
        inner.wake();
    }

    /// Changes what is kept of a machine; everyone who watches learns it. The row as it is then.
    pub(crate) fn edit(
        &self,
        machine: MachineId,
        edit: impl FnOnce(&mut MachineRow),
    ) -> Option<MachineRow> {
        self.change(machine, |it| {
            let before = it.row.label.clone();
            edit(&mut it.row);
            let renamed = it.row.label != before;
            (it.row.clone(), if renamed { Touched::All } else { Touched::Machine })
        })
    }

    /// The link is somewhere else now, and does not stand.
    pub(crate) fn set_state(&self, machine: MachineId, state: MachineState) {
        self.change(machine, |it| {
            let had_link = it.link.take().is_some();
            if had_link {
                it.unreachable_since = Some(clock::wall_micros());
                it.row.last_seen_at = it.unreachable_since;
            }
            it.state = state;
            ((), if had_link { Touched::All } else { Touched::Machine })
        });
    }

    /// The link stands.
    pub(crate) fn set_linked(&self, machine: MachineId, link: Arc<Linked>) {
        self.change(machine, |it| {
            it.state = MachineState::Connected;
            it.link = Some(link);
            it.unreachable_since = None;
            ((), Touched::All)
        });
    }

    /// All sessions of a machine, as its relay says.
    pub(crate) fn replace_sessions(&self, machine: MachineId, sessions: Vec<SessionInfo>) {
        let mut inner = self.lock();
        let rev = inner.raise();
        let Some(it) = inner.machines.get_mut(&machine) else { return };
        let mut gone: Vec<_> = it.sessions.keys().copied().collect();
        for info in sessions.into_iter().take(MAX_SESSIONS_PER_MACHINE) {
            gone.retain(|session| *session != info.session);
            it.put(info, rev);
        }
        for session in &gone {
            it.sessions.remove(session);
            it.dirty.insert(*session);
        }
        it.changed = rev;
        for session in gone {
            inner.news.forget(session);
            inner.bury(Gone::Session(session));
        }
        inner.wake();
    }

    /// A machine's mail has changed.
    pub(crate) fn put_mail(&self, machine: MachineId, mail: MailChanged) {
        let mut inner = self.lock();
        let rev = inner.raise();
        let Some(it) = inner.machines.get_mut(&machine) else { return };
        let MailChanged { rev: _, machine: _, change, mut identities } = mail;
        identities.retain(|it| fits_label_rule(&it.identity));
        identities.truncate(MAX_IDENTITIES_PER_MACHINE);
        it.mail = Some(MailChanged { rev, machine: Some(machine), change, identities });
        inner.wake();
    }

    /// How much mail waits, of one machine or of all.
    pub(crate) fn mail(&self, of: Option<MachineId>) -> Vec<MailChanged> {
        let inner = self.lock();
        let wanted = inner.machines.values().filter(|it| of.is_none_or(|id| id == it.row.machine));
        wanted.filter_map(|it| it.mail.clone()).collect()
    }

    /// A session is new or changed.
    pub(crate) fn put_session(&self, machine: MachineId, info: SessionInfo) {
        let mut inner = self.lock();
        let rev = inner.raise();
        let Some(it) = inner.machines.get_mut(&machine) else { return };
        let known = it.sessions.contains_key(&info.session);
        if !known && it.sessions.len() >= MAX_SESSIONS_PER_MACHINE {
            return;
        }
        let before = it.counts();
        it.put(info, rev);
        if it.counts() != before {
            it.changed = rev;
        }
        inner.wake();
    }

    /// A session's lease changed.
    pub(crate) fn put_lease(&self, machine: MachineId, session: SessionId, lease: LeaseView) {
        let mut inner = self.lock();
        let rev = inner.raise();
        let found = inner.machines.get_mut(&machine).and_then(|it| it.sessions.get_mut(&session));
        let Some(entry) = found else { return };
        entry.info.lease = lease;
        (entry.changed, entry.lease_changed) = (rev, rev);
        inner.wake();
    }

    /// A session is gone from its machine.
    pub(crate) fn remove_session(&self, machine: MachineId, session: SessionId) {
        let mut inner = self.lock();
        let rev = inner.raise();
        let Some(it) = inner.machines.get_mut(&machine) else { return };
        if it.sessions.remove(&session).is_some() {
            it.dirty.insert(session);
            it.changed = rev;
            inner.news.forget(session);
            inner.bury(Gone::Session(session));
        }
        inner.wake();
    }

    /// All machines: the hub's own first, then by label.
    pub(crate) fn machines(&self) -> Vec<MachineInfo> {
        let inner = self.lock();
        let mut all: Vec<_> = inner.machines.values().map(Machine::info).collect();
        all.sort_by(|a, b| b.local.cmp(&a.local).then_with(|| a.label.cmp(&b.label)));
        all
    }

    /// One of them.
    pub(crate) fn machine(&self, machine: MachineId) -> Option<MachineInfo> {
        self.lock().machines.get(&machine).map(Machine::info)
    }

    /// What is kept of one of them.
    pub(crate) fn row(&self, machine: MachineId) -> Option<MachineRow> {
        self.lock().machines.get(&machine).map(|it| it.row.clone())
    }

    /// The machine of a relay.
    pub(crate) fn of_relay(&self, relay: RelayId) -> Option<MachineRow> {
        let inner = self.lock();
        let found = inner.machines.values().find(|it| it.row.relay_id == Some(relay));
        found.map(|it| it.row.clone())
    }

    /// A label like this that no machine has.
    pub(crate) fn free_label(&self, wanted: &MachineLabel) -> MachineLabel {
        let inner = self.lock();
        let taken = |label: &MachineLabel| inner.machines.values().any(|it| it.row.label == *label);
        let numbered = (2..).map(|n| MachineLabel::near(&format!("{wanted:.28}-{n}")));
        std::iter::once(wanted.clone())
            .chain(numbered)
            .find(|label| !taken(label))
            .unwrap_or_else(|| wanted.clone())
    }

    /// Sessions of one machine or of all, newest first.
    pub(crate) fn sessions(&self, of: Option<MachineId>) -> Vec<SessionInfo> {
        let inner = self.lock();
        let of_machine = |it: &Machine| {
            it.sessions.values().map(|entry| it.view(&entry.info)).collect::<Vec<_>>()
        };
        let wanted = inner.machines.values().filter(|it| of.is_none_or(|id| id == it.row.machine));
        let mut all: Vec<_> = wanted.flat_map(of_machine).collect();
        all.sort_by_key(|info| std::cmp::Reverse(info.created_at));
        all
    }

    /// Where a session's machine is, for people.
    pub(crate) fn on(&self, machine: MachineId) -> Option<OnMachine> {
        self.lock().machines.get(&machine).map(Machine::on)
    }

    /// The link of a machine.
    ///
    /// # Errors
    /// `unreachable`, with since when.
    pub(crate) fn link(&self, machine: MachineId) -> Result<Arc<Linked>, RpcError> {
        let inner = self.lock();
        let gone = || RpcError::new(ErrorCode::NotFound, "this machine was removed");
        let it = inner.machines.get(&machine).ok_or_else(gone)?;
        it.link.clone().ok_or_else(|| unreachable(&it.info()))
    }

    /// Links that stand.
    pub(crate) fn links(&self) -> Vec<(MachineId, Arc<Linked>)> {
        let inner = self.lock();
        let links = inner.machines.iter();
        links.filter_map(|(id, it)| it.link.clone().map(|link| (*id, link))).collect()
    }

    /// What the store does not know yet: changed sessions and removed ones, by machine.
    pub(crate) fn take_dirty(&self) -> Vec<(MachineId, Vec<SessionInfo>, Vec<SessionId>)> {
        let mut inner = self.lock();
        let mut all = Vec::new();
        for (id, it) in &mut inner.machines {
            let dirty = std::mem::take(&mut it.dirty);
            if dirty.is_empty() {
                continue;
            }
            let (there, gone): (Vec<_>, Vec<_>) =
                dirty.into_iter().partition(|session| it.sessions.contains_key(session));
            let infos = there.iter().filter_map(|session| it.sessions.get(session));
            all.push((*id, infos.map(|entry| entry.info.clone()).collect(), gone));
        }
        all
    }

    /// Waits until a machine is as it should be, or until the time is over; as it is then.
    pub(crate) async fn wait_until(
        &self,
        machine: MachineId,
        is_so: impl Fn(&MachineInfo) -> bool,
        limit: Duration,
    ) -> Option<MachineInfo> {
        let mut turns = self.turns.subscribe();
        let wait = async {
            while self.machine(machine).is_some_and(|it| !is_so(&it)) {
                // the sender lives as long as the fleet
                if turns.changed().await.is_err() {
                    return;
                }
            }
        };
        // what it is when time is over is told as well
        let _ = tokio::time::timeout(limit, wait).await;
        self.machine(machine)
    }

    /// Changes one machine, and tells the watchers.
    fn change<T>(
        &self,
        machine: MachineId,
        change: impl FnOnce(&mut Machine) -> (T, Touched),
    ) -> Option<T> {
        let mut inner = self.lock();
        let rev = inner.raise();
        let it = inner.machines.get_mut(&machine)?;
        let (result, touched) = change(it);
        it.changed = rev;
        if touched == Touched::All {
            it.sessions.values_mut().for_each(|entry| entry.changed = rev);
        }
        inner.wake();
        drop(inner);
        self.turns.send_modify(|turn| *turn += 1);
        Some(result)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What of a machine looks different.
#[derive(PartialEq, Eq)]
enum Touched {
    /// Only the machine itself.
    Machine,
    /// Its sessions too.
    All,
}
