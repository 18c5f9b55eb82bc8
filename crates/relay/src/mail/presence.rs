//! What sessions say of themselves, and who waits for one that has nothing to do. Nothing of it is stored:
//! it is about the present.

use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    ids::{Label, SessionId},
    method::{Empty, MailSendParams, MailSetStatusParams},
};

use super::{LiveSession, Who, owner::Owner};

/// Characters of what a session says that it does.
const MAX_STATUS_CHARS: usize = 200;
/// Sessions that wait for another one.
const MAX_AWAITED: usize = 1024;

/// A session that is told when another one has nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AwaitedRest {
    tell: SessionId,
    of: SessionId,
}

impl Owner {
    /// These sessions live.
    pub(super) fn handle_live(&mut self, live: Vec<LiveSession>) {
        self.live = live;
        self.knows_live = true;
        let (live, outside) = (&self.live, &self.outside);
        let lives = |id: &SessionId| {
            live.iter().any(|it| it.id == *id) || outside.iter().any(|it| it.id == *id)
        };
        self.statuses.retain(|id, _| lives(id));
        self.awaited_rest.retain(|it| lives(&it.tell) && lives(&it.of));
        self.spread_live();
        self.tell_resting();
        // for what messages wait may be another reason now, although nothing that is stored has changed
        self.changed.send_modify(|_| ());
    }

    /// A session says what it does.
    pub(super) fn handle_set_status(
        &mut self,
        who: &Who,
        p: &MailSetStatusParams,
    ) -> Result<Empty, RpcError> {
        let own = own_session(who)?;
        let status: String =
            p.status.chars().filter(|c| !c.is_control()).take(MAX_STATUS_CHARS).collect();
        if status.is_empty() {
            self.statuses.remove(&own);
        } else {
            self.statuses.insert(own, status);
        }
        Ok(Empty {})
    }

    /// A session wants to know when another one has nothing to do.
    pub(super) fn handle_notify(&mut self, who: &Who, of: &Label) -> Result<Empty, RpcError> {
        let tell = own_session(who)?;
        if self.is_outside(of.as_str()) {
            let message = format!("nobody knows what {of} does: it was started outside");
            return Err(RpcError::new(ErrorCode::InvalidParams, message));
        }
        let found = self.live.iter().find(|live| live.label == *of).map(|live| live.id);
        let unknown = || RpcError::new(ErrorCode::NotFound, format!("session {of} not found"));
        let of = found.ok_or_else(unknown)?;
        if of == tell {
            let message = "a session does not wait for itself";
            return Err(RpcError::new(ErrorCode::InvalidParams, message));
        }
        let awaited = AwaitedRest { tell, of };
        if !self.awaited_rest.contains(&awaited) {
            if self.awaited_rest.len() >= MAX_AWAITED {
                let message = "too many sessions wait for others";
                return Err(RpcError::new(ErrorCode::Overloaded, message));
            }
            self.awaited_rest.push(awaited);
        }
        self.tell_resting();
        Ok(Empty {})
    }

    fn tell_resting(&mut self) {
        let is_idle = |id: SessionId| self.live.iter().any(|live| live.id == id && live.is_idle);
        let (due, waits): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.awaited_rest).into_iter().partition(|it| is_idle(it.of));
        self.awaited_rest = waits;
        for AwaitedRest { tell, of } in due {
            let label = |id| self.speaker(id).map(|(label, _)| label.clone());
            let (Ok(to), Ok(rests)) = (label(tell), label(of)) else { continue };
            let body = format!("{rests} has nothing to do now.");
            let to_session = Some(to);
            let p = MailSendParams { to_session, body, auto: true, ..MailSendParams::default() };
            let who = Who { session: Some(of), identity: None, label: None };
            if let Err(error) = self.handle_send(&who, p) {
                tracing::debug!(%error, "rest not told");
            }
        }
    }
}

fn own_session(who: &Who) -> Result<SessionId, RpcError> {
    let outside = || RpcError::new(ErrorCode::OwnSession, "only an agent's session has this");
    who.session.ok_or_else(outside)
}
