//! What the machines' agents ask and do, for those who watch all of them.

use std::collections::BTreeSet;

use quarterdeck_core::news::TurnEnd;
use quarterdeck_protocol::{
    agent::{PromptId, PromptState},
    ids::{Label, MachineId, Rev, SessionId},
    method::PromptInfo,
};

use super::{Change, Fleet, Inner};

impl Fleet {
    /// A machine tells of an open prompt of one of its sessions.
    pub(crate) fn put_prompt(&self, prompt: PromptInfo) {
        let mut inner = self.lock();
        let rev = inner.raise();
        let prompt = PromptInfo { session: prompt.prompt.id.session, on: None, ..prompt };
        inner.news.handle_opened(rev, prompt.prompt.id, Box::new(prompt));
        inner.wake();
    }

    /// What a session of a machine is called; none when the machine does not have it.
    pub(crate) fn name_of(&self, machine: MachineId, session: SessionId) -> Option<Label> {
        let inner = self.lock();
        Some(inner.machines.get(&machine)?.sessions.get(&session)?.info.label.clone())
    }

    /// A machine says what became of a prompt.
    pub(crate) fn settle_prompt(&self, machine: MachineId, prompt: PromptId, state: PromptState) {
        let mut inner = self.lock();
        if inner.has(machine, prompt.session) {
            let rev = inner.raise();
            inner.news.handle_settled(rev, prompt, state);
            inner.wake();
        }
    }

    /// A machine told all its open prompts: no others are open there. What became of those is not known.
    pub(crate) fn keep_prompts(&self, machine: MachineId, open: &BTreeSet<PromptId>) {
        let mut inner = self.lock();
        let known: Vec<_> = inner.news.open().map(|(id, _)| id).collect();
        for id in known {
            if inner.has(machine, id.session) && !open.contains(&id) {
                let rev = inner.raise();
                inner.news.handle_settled(rev, id, PromptState::Unknown);
            }
        }
        inner.wake();
    }

    /// A machine tells of the end of a turn in one of its sessions.
    pub(crate) fn put_turn_end(&self, end: TurnEnd) {
        let mut inner = self.lock();
        let rev = inner.raise();
        inner.news.handle_turn_ended(rev, end);
        inner.wake();
    }

    /// All open prompts of one machine or of all, oldest first.
    pub(crate) fn open_prompts(&self, of: Option<MachineId>) -> Vec<Change> {
        self.lock().opened_since(Rev(0), of)
    }
}

impl Inner {
    fn has(&self, machine: MachineId, session: SessionId) -> bool {
        self.machines.get(&machine).is_some_and(|it| it.sessions.contains_key(&session))
    }

    /// Each with its session's name and machine as they are now.
    pub(super) fn opened_since(&self, rev: Rev, of: Option<MachineId>) -> Vec<Change> {
        let told = self.news.opened_since(rev).filter_map(|(_, prompt)| {
            let found = self.machines.values().find(|it| it.sessions.contains_key(&prompt.session));
            let it = found.filter(|it| of.is_none_or(|id| id == it.row.machine))?;
            let label = it.sessions.get(&prompt.session)?.info.label.clone();
            let prompt = PromptInfo { label, on: Some(it.on()), ..PromptInfo::clone(prompt) };
            Some(Change::PromptOpened(Box::new(prompt)))
        });
        told.collect()
    }
}
