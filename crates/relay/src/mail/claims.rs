//! Which connection speaks for which agent outside, and how long a label waits for its agent.
//!
//! A label is given by the same allocator as those of sessions, under the same lock. It is stored before
//! its agent is told, so a relay that was killed keeps it; how long an agent is away is counted anew by
//! each relay. The secret that comes with a label lets the same agent have it again; of it only the hash
//! is kept.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use quarterdeck_core::names;
use quarterdeck_crypto::{Token, TokenHash};
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    ids::{Label, SessionId},
    method::{ClaimSecret, MailClaimAgain, MailClaimParams},
};
use tokio::{sync::Notify, time::Instant};

use super::Ask;
use crate::{
    context::Context,
    registry::{LabelWish, Registry},
};

/// Agents outside that have a label, of one relay.
pub(crate) const MAX_OUTSIDE: usize = 256;
/// How long a label waits for its agent: longer than a relay needs to come back and be dialled again.
const GRACE: Duration = Duration::from_secs(60);
/// Bytes of the directory in which an agent works.
const MAX_CWD_BYTES: usize = 4096;
/// Pause before the owner is told again that an agent is gone.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// An agent that Quarterdeck did not start, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OutsideAgent {
    /// What it is to the owner, which knows sessions by such ids. No session has it.
    pub id: SessionId,
    /// Its label.
    pub label: Label,
    /// What shows that it is the same agent.
    pub secret: TokenHash,
    /// Where it works, as it says.
    pub cwd: String,
}

/// All agents outside.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    inner: Mutex<Inner>,
    /// Somebody went away.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    claims: BTreeMap<SessionId, Claim>,
    last_hold: u64,
}

#[derive(Debug)]
struct Claim {
    agent: OutsideAgent,
    holder: Holder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    /// The connection that made this hold.
    Connection(u64),
    /// None; the label is free then.
    Away { until: Instant },
}

/// A connection's hold of a label. Dropping it begins the grace.
pub(crate) struct Hold {
    context: Arc<Context>,
    id: SessionId,
    number: u64,
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hold").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Hold {
    /// The agent's id.
    pub(crate) const fn id(&self) -> SessionId {
        self.id
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.context.claims.handle_away(self.id, self.number, Instant::now());
    }
}

/// What an agent gets.
pub(crate) struct Claimed {
    /// While it is kept, the label is the agent's.
    pub hold: Hold,
    /// The label.
    pub label: Label,
    /// What to show to get it again.
    pub secret: ClaimSecret,
}

/// Gives an agent a label: the one that it had, if it shows so, or the lowest free number.
///
/// # Errors
/// When there are too many, or it could not be stored.
pub(crate) async fn claim(context: &Arc<Context>, p: MailClaimParams) -> Result<Claimed, RpcError> {
    let cwd = p.cwd.unwrap_or_else(|| "/".to_owned());
    if cwd.len() > MAX_CWD_BYTES || !cwd.starts_with('/') {
        return Err(RpcError::new(ErrorCode::InvalidParams, "a directory is an absolute path"));
    }
    if let Some(again) = &p.again
        && let Some((id, number)) = context.claims.try_come_back(again)
    {
        let hold = Hold { context: Arc::clone(context), id, number };
        return Ok(Claimed { hold, label: again.label.clone(), secret: again.secret.clone() });
    }
    let (secret, hash) = new_secret()?;
    let name = names::outside_name(&p.client);
    let prior = p.again.map(|again| again.label).filter(|label| is_of_name(label, &name));
    let agent = context.claims.begin(&context.registry, &name, prior.as_ref(), |label| {
        crate::api::random_session_id().map(|id| OutsideAgent { id, label, secret: hash, cwd })
    });
    let (agent, number) = agent?;
    let (id, label) = (agent.id, agent.label.clone());
    let hold = Hold { context: Arc::clone(context), id, number };
    let stored = context.mail.ask(|reply| Ask::Claimed(agent, reply)).await;
    if let Err(error) = stored {
        context.claims.end(&context.registry, id);
        return Err(error);
    }
    Ok(Claimed { hold, label, secret })
}

/// An agent gives its label up.
///
/// # Errors
/// When that could not be stored; the label is free after the grace.
pub(crate) async fn leave(context: &Context, hold: Hold) -> Result<(), RpcError> {
    context.mail.ask(|reply| Ask::Left(hold.id, Some(reply))).await?;
    context.claims.end(&context.registry, hold.id);
    Ok(())
}

/// Frees the labels of agents that stay away, until the relay stops.
pub(crate) async fn run(context: Arc<Context>) {
    loop {
        let due = context.claims.poll_timeout();
        tokio::select! {
            () = context.shutdown.cancelled() => return,
            () = context.claims.changed.notified() => {}
            () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
        }
        for id in context.claims.overdue(Instant::now()) {
            // the owner forgets the agent before somebody else can have its label
            if context.mail.tell(Ask::Left(id, None)).is_err() {
                tokio::time::sleep(RETRY_PAUSE).await;
                break;
            }
            context.claims.end(&context.registry, id);
        }
    }
}

impl Claims {
    /// Those that an earlier relay gave: their agents have the grace to come back.
    pub(crate) fn resumed(agents: Vec<OutsideAgent>, registry: &Registry) -> Self {
        let holder = Holder::Away { until: Instant::now() + GRACE };
        let kept = agents.into_iter().map(|agent| {
            registry.keep_outside(agent.label.clone());
            (agent.id, Claim { agent, holder })
        });
        let inner = Inner { claims: kept.collect(), last_hold: 0 };
        Self { inner: Mutex::new(inner), changed: Notify::new() }
    }

    /// Whether an agent outside has this label.
    pub(crate) fn has(&self, label: &str) -> bool {
        self.lock().claims.values().any(|claim| claim.agent.label.as_str() == label)
    }

    /// The agent that had a label has it again: which it is, and the number of the new hold.
    fn try_come_back(&self, again: &MailClaimAgain) -> Option<(SessionId, u64)> {
        let shown = Token::parse(&again.secret.0).ok()?.hash();
        let mut inner = self.lock();
        let number = inner.next_hold();
        let is_it =
            |claim: &&mut Claim| claim.agent.label == again.label && claim.agent.secret == shown;
        let claim = inner.claims.values_mut().find(is_it)?;
        // a connection that is not known to be broken yet has it no more
        claim.holder = Holder::Connection(number);
        Some((claim.agent.id, number))
    }

    /// Holds a label for a new agent.
    fn begin(
        &self,
        registry: &Registry,
        name: &str,
        prior: Option<&Label>,
        make: impl FnOnce(Label) -> Result<OutsideAgent, RpcError>,
    ) -> Result<(OutsideAgent, u64), RpcError> {
        let mut inner = self.lock();
        if inner.claims.len() >= MAX_OUTSIDE {
            let message = format!("{MAX_OUTSIDE} agents outside have labels already");
            return Err(RpcError::new(ErrorCode::Overloaded, message));
        }
        let wish = prior.map_or(LabelWish::Lowest { name }, LabelWish::Again);
        let reserved = registry.reserve_label(wish)?;
        let agent = make(reserved.label.clone())?;
        reserved.give_outside();
        let number = inner.next_hold();
        let holder = Holder::Connection(number);
        inner.claims.insert(agent.id, Claim { agent: agent.clone(), holder });
        Ok((agent, number))
    }

    /// A connection is over. One that another has followed changes nothing.
    fn handle_away(&self, id: SessionId, number: u64, now: Instant) {
        let mut inner = self.lock();
        let Some(claim) = inner.claims.get_mut(&id) else { return };
        if claim.holder == Holder::Connection(number) {
            claim.holder = Holder::Away { until: now + GRACE };
            self.changed.notify_one();
        }
    }

    /// An agent is gone for good.
    fn end(&self, registry: &Registry, id: SessionId) {
        if let Some(claim) = self.lock().claims.remove(&id) {
            registry.free_outside(&claim.agent.label);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.lock().claims.values().filter_map(Claim::until).min()
    }

    fn overdue(&self, now: Instant) -> Vec<SessionId> {
        let inner = self.lock();
        let overdue = inner.claims.iter().filter(|(_, it)| it.until().is_some_and(|at| at <= now));
        overdue.map(|(id, _)| *id).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    const fn next_hold(&mut self) -> u64 {
        self.last_hold += 1;
        self.last_hold
    }
}

impl Claim {
    const fn until(&self) -> Option<Instant> {
        match self.holder {
            Holder::Connection(_) => None,
            Holder::Away { until } => Some(until),
        }
    }
}

/// Whether a label is this name with a number: without its secret an agent gets no other one.
fn is_of_name(label: &Label, name: &str) -> bool {
    let number = label.as_str().strip_prefix(name).and_then(|rest| rest.strip_prefix(':'));
    number.is_some_and(|it| !it.is_empty() && it.bytes().all(|b| b.is_ascii_digit()))
}

/// A secret in the form of a token, of which only the hash is kept. It opens nothing else.
fn new_secret() -> Result<(ClaimSecret, TokenHash), RpcError> {
    let mut bytes = [0; 32];
    let failed = |_| RpcError::new(ErrorCode::Internal, "the system gives no random bytes");
    getrandom::fill(&mut bytes).map_err(failed)?;
    let token = Token::from_bytes(bytes);
    Ok((ClaimSecret(token.to_text().to_string()), token.hash()))
}

#[cfg(test)]
mod tests;
