//! Agents outside as the owner sees them: their labels, and the mail that they are shown.
//!
//! Mail for such a label waits in the router as for a session that does not live, so that it is taken by
//! reading it or by being shown. It is shown by the agent's own way, at most once by one process: what was
//! shown is named with the next request and is delivered then.

use std::time::Duration;

use quarterdeck_core::mail::{MailNumber, routing::Waits};
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    ids::{Label, SessionId},
    method::{MailNextParams, MailNextResult, MailToShow},
    record::SessionKind,
};

use super::{
    LiveSession, OutsideAgent, Reply, Who,
    framing::frame,
    listing::MAX_WAIT_MS,
    mailbox::now,
    owner::{Owner, storage},
    receiving::Told,
    store::{self, InboundRow, StoreError},
};

/// Agents that may wait for a message to be shown.
const MAX_SHOWING: usize = 1024;

/// An agent that waits for a message to be shown.
#[derive(Debug)]
pub(super) struct Showing {
    agent: SessionId,
    after: MailNumber,
    pub(super) until: Duration,
    reply: Reply<MailNextResult>,
}

impl Owner {
    /// An agent has a label from now on.
    pub(super) fn handle_claimed_label(&mut self, agent: OutsideAgent) -> Result<(), RpcError> {
        let stored = self.store.atomically(|c| store::add_outside(c, &agent));
        stored.map_err(|error| storage(&error))?;
        self.outside.retain(|it| it.id != agent.id);
        self.outside.push(agent);
        Ok(())
    }

    /// An agent is gone.
    pub(super) fn handle_left(&mut self, id: SessionId) -> Result<(), RpcError> {
        let removed = self.store.atomically(|c| store::remove_outside(c, id));
        removed.map_err(|error| storage(&error))?;
        self.outside.retain(|it| it.id != id);
        self.statuses.remove(&id);
        Ok(())
    }

    /// The label and the directory of whoever has this id: a session that lives, or an agent outside.
    pub(super) fn speaker(&self, id: SessionId) -> Result<(&Label, &str), RpcError> {
        let live = self.live.iter().find(|it| it.id == id).map(|it| (&it.label, it.cwd.as_str()));
        let outside = || self.outside.iter().find(|it| it.id == id);
        let found = live.or_else(|| outside().map(|it| (&it.label, it.cwd.as_str())));
        found.ok_or_else(|| RpcError::new(ErrorCode::Ended, "the session has ended"))
    }

    /// Whether an agent outside has this label.
    pub(super) fn is_outside(&self, label: &str) -> bool {
        self.outside.iter().any(|it| it.label.as_str() == label)
    }

    /// What was shown is delivered; the next message, when there is one.
    pub(super) fn handle_next(
        &mut self,
        who: &Who,
        p: MailNextParams,
        reply: Reply<MailNextResult>,
    ) {
        let outcome = self.begin_showing(who, p);
        let (agent, found) = match outcome {
            Ok(begun) => begun,
            Err(error) => return self.answer(reply, Err(error)),
        };
        if found.message.is_some() || p.wait_ms == 0 {
            return self.answer(reply, Ok(found));
        }
        if self.showing.len() >= MAX_SHOWING {
            let error = RpcError::new(ErrorCode::Overloaded, "too many wait to be shown mail");
            return self.answer(reply, Err(error));
        }
        let until = now() + Duration::from_millis(u64::from(p.wait_ms.min(MAX_WAIT_MS)));
        self.showing.push(Showing { agent, after: MailNumber(p.shown), until, reply });
    }

    fn begin_showing(
        &mut self,
        who: &Who,
        p: MailNextParams,
    ) -> Result<(SessionId, MailNextResult), RpcError> {
        let nobody = || RpcError::new(ErrorCode::OwnSession, "only an agent is shown messages");
        let agent = who.session.ok_or_else(nobody)?;
        let is_put = |it: &LiveSession| it.id == agent && it.kind == SessionKind::Agent;
        if self.live.iter().any(is_put) {
            let message = "messages are put to this agent: it needs to be shown none";
            return Err(RpcError::new(ErrorCode::OwnSession, message));
        }
        let label = self.speaker(agent)?.0.clone();
        let shown = MailNumber(p.shown);
        let noted = self.note_shown(&label, shown).and_then(|()| self.next_to_show(agent, shown));
        Ok((agent, noted.map_err(|error| storage(&error))?))
    }

    /// Answers those for whom something came, and those who have waited long enough.
    pub(super) fn serve_showing(&mut self, now: Duration) {
        let due = std::mem::take(&mut self.showing_due);
        for at in (0..self.showing.len()).rev() {
            let Showing { agent, after, until, .. } = self.showing[at];
            let is_over = until <= now || self.showing[at].reply.is_closed();
            let found = match self.next_to_show(agent, after) {
                _ if !due => MailNextResult::default(),
                Ok(found) => found,
                Err(error) => return self.fail(error),
            };
            if is_over || found.message.is_some() {
                let reply = self.showing.swap_remove(at).reply;
                self.answer(reply, Ok(found));
            }
        }
    }

    fn note_shown(&mut self, label: &Label, number: MailNumber) -> Result<(), StoreError> {
        let row = store::inbound(self.store.read(), number)?;
        let Some(row) = row.filter(|it| it.to.as_deref() == Some(label.as_str())) else {
            return Ok(());
        };
        let mailbox = self.mailboxes.get_mut(&row.identity);
        let waited = row.state == "waiting"
            && mailbox.is_some_and(|mailbox| mailbox.router.try_take(row.number));
        if !waited {
            return Ok(());
        }
        self.store.atomically(|c| store::set_inbound(c, row.number, "done", None))?;
        self.tell_sender(&row, Told::Delivered)
    }

    fn next_to_show(
        &self,
        agent: SessionId,
        after: MailNumber,
    ) -> Result<MailNextResult, StoreError> {
        let Ok((label, cwd)) = self.speaker(agent) else { return Ok(MailNextResult::default()) };
        let id = self.identity_of(agent, cwd);
        let is_outside = self.is_outside(label.as_str());
        // what was shown to an earlier agent of an outside label is in its inbox, if it was not read
        let is_new = |row: &&InboundRow| !is_outside || row.state == "waiting";
        let rows = store::next_to_show(self.store.read(), id, label, after)?;
        let row = rows.iter().filter(is_new).find(|row| !self.waits_for_person(row));
        let name = |row: &InboundRow| {
            self.mailboxes.get(&id).map(|mailbox| mailbox.name_of(&row.peer)).unwrap_or_default()
        };
        let message = row.map(|row| MailToShow {
            number: row.number.0,
            id: row.peer_id.clone(),
            from: name(row),
            from_session: row.from.clone(),
            text: frame(row, &name(row)),
        });
        Ok(MailNextResult { message })
    }

    /// Whether a person has to let a message through first.
    pub(super) fn waits_for_person(&self, row: &InboundRow) -> bool {
        let mailbox = self.mailboxes.get(&row.identity);
        mailbox.is_some_and(|it| it.router.waits_for(row.number) == Some(Waits::ForContact))
    }
}
