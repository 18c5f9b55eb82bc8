//! The view of all sessions that a connection watches: `sync` first, then what changed.

use quarterdeck_core::news::TurnEnd;
use quarterdeck_hooks::key;
use quarterdeck_protocol::{
    ids::Rev,
    limits::MAX_SESSIONS_PER_SYNC_PART,
    rpc,
    scope::Scope,
    session::{
        LeaseChanged, PromptOpened, PromptSettled, SessionChanged, SessionRemoved, Sync, TurnEnded,
        notify,
    },
};
use serde::Serialize;

use super::Connection;
use crate::{
    registry::{Change, Changes},
    tokens::SessionLimit,
};

/// What a connection has been told.
#[derive(Debug, Default)]
pub(super) struct View {
    /// The number up to which; none = it does not watch.
    told: Option<Rev>,
}

impl Connection {
    /// Begins to watch: the whole view is sent next.
    pub(super) fn watch(&self) {
        self.context.registry.watch(&self.outbox);
        for text in self.sync() {
            self.outbox.push(super::Control::Text(text));
        }
    }

    /// The notifications about what changed since the last ones.
    pub(super) fn view_messages(&self) -> Vec<String> {
        let Some(told) = self.view().told else { return Vec::new() };
        match self.context.registry.changes_since(told) {
            Changes::Everything => self.sync(),
            Changes::Since(rev, changes) => {
                self.view().told = Some(rev);
                changes.into_iter().flat_map(|change| self.texts_of(change)).collect()
            }
        }
    }

    fn texts_of(&self, change: Change) -> Vec<String> {
        match change {
            Change::Session { info, .. } if !self.caller.sees(info.session) => Vec::new(),
            Change::Session { rev, info, lease } => {
                let changed = lease.then(|| {
                    let (session, lease) = (info.session, info.lease.clone());
                    text(notify::LEASE_CHANGED, &LeaseChanged { rev, session, lease })
                });
                let session =
                    text(notify::SESSION_CHANGED, &SessionChanged { rev, session: *info });
                [changed.flatten(), session].into_iter().flatten().collect()
            }
            Change::Removed { rev, session } if self.caller.sees(session) => {
                text(notify::SESSION_REMOVED, &SessionRemoved { rev, session })
                    .into_iter()
                    .collect()
            }
            Change::Removed { .. } => Vec::new(),
            Change::PromptOpened { rev, prompt } if self.caller.sees(prompt.session) => {
                let announced = self.context.hooks.has_told(&key::prompt(prompt.prompt.id));
                let opened = PromptOpened { rev, prompt: *prompt, announced };
                text(notify::PROMPT_OPENED, &opened).into_iter().collect()
            }
            Change::PromptSettled { rev, prompt, state } if self.caller.sees(prompt.session) => {
                let settled = PromptSettled { rev, prompt, state };
                text(notify::PROMPT_SETTLED, &settled).into_iter().collect()
            }
            Change::TurnEnded { rev, end } if self.caller.sees(end.session) => {
                let TurnEnd { session, turn, stop_reason, at } = end;
                let ended = TurnEnded { rev, session, turn, stop_reason, at };
                text(notify::TURN_ENDED, &ended).into_iter().collect()
            }
            Change::Mail(mail) if self.may_count_mail() => {
                text(notify::MAIL_CHANGED, &mail).into_iter().collect()
            }
            Change::Mail(_)
            | Change::PromptOpened { .. }
            | Change::PromptSettled { .. }
            | Change::TurnEnded { .. } => Vec::new(),
        }
    }

    fn sync(&self) -> Vec<String> {
        let context = &self.context;
        let rev = context.registry.rev();
        self.view().told = Some(rev);
        let sessions = context.registry.all().into_iter().filter(|s| self.caller.sees(s.id));
        let sessions: Vec<_> = sessions.map(|session| session.view()).collect();
        let parts: Vec<_> = sessions.chunks(MAX_SESSIONS_PER_SYNC_PART).collect();
        let parts = if parts.is_empty() { vec![&[][..]] } else { parts };
        let count = parts.len();
        let tell = |changes: Vec<Change>| changes.into_iter().flat_map(|it| self.texts_of(it));
        let open: Vec<String> = tell(context.registry.open_prompts()).collect();
        let prompts = u32::try_from(open.len()).unwrap_or(u32::MAX);
        let mail = context.registry.mail().filter(|_| self.may_count_mail());
        let sync = |(part, sessions): (usize, &[_])| {
            let sync = Sync {
                relay_id: context.relay_id,
                generation: context.generation,
                rev,
                part: u32::try_from(part).unwrap_or(u32::MAX),
                last: part + 1 == count,
                sessions: sessions.to_vec(),
                machines: Vec::new(),
                mail: mail.iter().filter(|_| part == 0).cloned().collect(),
                prompts: if part + 1 == count { prompts } else { 0 },
            };
            text(notify::SYNC, &sync)
        };
        // who comes back may know a prompt that was answered meanwhile: it learns first by whom
        let mut texts: Vec<String> = tell(context.registry.settled_prompts()).collect();
        texts.extend(parts.into_iter().enumerate().filter_map(sync));
        texts.extend(open);
        texts
    }

    /// Whether it may read the mail, so that it may know how much there is.
    fn may_count_mail(&self) -> bool {
        let grant = &self.caller.grant;
        grant.scopes.has(Scope::Drive) && matches!(grant.sessions, SessionLimit::All)
    }

    fn view(&self) -> std::sync::MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn text(method: &str, params: &impl Serialize) -> Option<String> {
    rpc::notification(method, params).ok()
}
