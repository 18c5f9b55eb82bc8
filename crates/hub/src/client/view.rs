//! The view of all machines and sessions that a connection watches: `sync` first, then what changed.

use std::sync::{Arc, MutexGuard, PoisonError};

use axum::extract::ws::Message;
use quarterdeck_core::news::{Past, TurnEnd};
use quarterdeck_protocol::{
    ids::{RelayId, Rev},
    limits::MAX_SESSIONS_PER_SYNC_PART,
    method::MailChanged,
    rpc,
    scope::Scope,
    session::{
        LeaseChanged, MachineChanged, MachineRemoved, PromptOpened, PromptSettled, SessionChanged,
        SessionRemoved, Sync, TurnEnded, notify,
    },
};
use serde::Serialize;

use super::Asker;
use crate::fleet::{Change, Changes, Gone};

/// What a connection has been told.
#[derive(Debug, Default)]
pub(super) struct View {
    /// The number up to which; none = it does not watch.
    told: Option<Rev>,
}

impl Asker {
    /// Begins to watch: the whole view is sent next.
    pub(crate) fn watch(self: &Arc<Self>) {
        self.context.fleet.watch(&self.outbox);
        for message in self.sync() {
            self.outbox.push(message);
        }
    }

    /// The notifications about what changed since the last ones.
    pub(super) fn view_messages(&self) -> Vec<Message> {
        let Some(told) = self.told().told else { return Vec::new() };
        match self.context.fleet.changes_since(told, self.bound()) {
            Changes::Everything => self.sync(),
            Changes::Since(rev, changes) => {
                self.told().told = Some(rev);
                let seen = changes.into_iter().filter(|change| self.is_told(change));
                seen.flat_map(|change| messages_of(rev, change)).collect()
            }
        }
    }

    fn sync(&self) -> Vec<Message> {
        let context = &self.context;
        let rev = context.fleet.rev();
        self.told().told = Some(rev);
        let mut sessions = context.fleet.sessions(self.bound());
        sessions.retain(|info| self.sees(info.session));
        let opened = context.fleet.open_prompts(self.bound()).into_iter();
        let opened: Vec<_> = opened.filter(|change| self.is_told(change)).collect();
        let prompts = u32::try_from(opened.len()).unwrap_or(u32::MAX);
        let parts: Vec<_> = sessions.chunks(MAX_SESSIONS_PER_SYNC_PART).collect();
        let parts = if parts.is_empty() { vec![&[][..]] } else { parts };
        let count = parts.len();
        let may_count = self.may_count_mail();
        let mail: Vec<_> =
            context.fleet.mail(self.bound()).into_iter().filter(|_| may_count).collect();
        let sync = |(part, sessions): (usize, &[_])| {
            let machines = if part == 0 { context.fleet.machines() } else { Vec::new() };
            let sync = Sync {
                relay_id: RelayId::from_bytes(*context.hub.as_bytes()),
                generation: context.generation(),
                rev,
                part: u32::try_from(part).unwrap_or(u32::MAX),
                last: part + 1 == count,
                sessions: sessions.to_vec(),
                machines,
                mail: mail.iter().filter(|_| part == 0).cloned().collect(),
                prompts: if part + 1 == count { prompts } else { 0 },
            };
            message(notify::SYNC, &sync)
        };
        let parts = parts.into_iter().enumerate().filter_map(sync);
        parts.chain(opened.into_iter().flat_map(|change| messages_of(rev, change))).collect()
    }

    /// Whether a change is about something that the credential reaches.
    fn is_told(&self, change: &Change) -> bool {
        match change {
            Change::Session { info, .. } => self.sees(info.session),
            Change::Gone(Gone::Session(session)) => self.sees(*session),
            Change::PromptOpened(prompt) => self.sees(prompt.session),
            Change::Past(Past::Settled(prompt, _)) => self.sees(prompt.session),
            Change::Past(Past::TurnEnded(end)) => self.sees(end.session),
            Change::Mail(_) => self.may_count_mail(),
            Change::Machine(_) | Change::Gone(Gone::Machine(_)) => true,
        }
    }

    /// Whether it may read the mail, so that it may know how much there is.
    fn may_count_mail(&self) -> bool {
        !self.is_limited() && self.grant.scopes.has(Scope::Drive)
    }

    fn told(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn messages_of(rev: Rev, change: Change) -> Vec<Message> {
    let messages = match change {
        Change::Session { info, lease } => {
            let changed = lease.then(|| {
                let (session, lease) = (info.session, info.lease.clone());
                message(notify::LEASE_CHANGED, &LeaseChanged { rev, session, lease })
            });
            let session = SessionChanged { rev, session: *info };
            [changed.flatten(), message(notify::SESSION_CHANGED, &session)]
        }
        Change::Machine(machine) => {
            let changed = MachineChanged { rev, machine: *machine };
            [message(notify::MACHINE_CHANGED, &changed), None]
        }
        Change::Mail(mail) => [message(notify::MAIL_CHANGED, &MailChanged { rev, ..*mail }), None],
        Change::Gone(Gone::Session(session)) => {
            [message(notify::SESSION_REMOVED, &SessionRemoved { rev, session }), None]
        }
        Change::Gone(Gone::Machine(machine)) => {
            [message(notify::MACHINE_REMOVED, &MachineRemoved { rev, machine }), None]
        }
        Change::PromptOpened(prompt) => {
            let opened = PromptOpened { rev, prompt: *prompt, announced: false };
            [message(notify::PROMPT_OPENED, &opened), None]
        }
        Change::Past(Past::Settled(prompt, state)) => {
            let settled = PromptSettled { rev, prompt, state };
            [message(notify::PROMPT_SETTLED, &settled), None]
        }
        Change::Past(Past::TurnEnded(end)) => {
            let TurnEnd { session, turn, stop_reason, at } = end;
            let ended = TurnEnded { rev, session, turn, stop_reason, at };
            [message(notify::TURN_ENDED, &ended), None]
        }
    };
    messages.into_iter().flatten().collect()
}

fn message(method: &str, params: &impl Serialize) -> Option<Message> {
    rpc::notification(method, params).ok().map(|text| Message::Text(text.into()))
}
