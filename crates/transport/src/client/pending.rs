//! Requests that wait for their answer.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use quarterdeck_protocol::error::RpcError;
use serde_json::value::RawValue;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::ClosedWhy;

/// What the relay answered.
pub(super) type Outcome = Result<Box<RawValue>, RpcError>;

/// Number of a request on its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallId(pub(super) u64);

/// Who gets an answer.
pub(super) enum Waiter {
    /// A future; it holds its place among the requests in flight itself.
    Caller(oneshot::Sender<Outcome>),
    /// The stream of events; the place is free again when the answer is there.
    Stream(OwnedSemaphorePermit),
}

/// The table of one connection. Bounded by the places among the requests in flight.
#[derive(Default)]
pub(super) struct Pending(Mutex<State>);

enum State {
    Open { last_id: u64, waiting: BTreeMap<CallId, Waiter> },
    Closed(ClosedWhy),
}

impl Default for State {
    fn default() -> Self {
        Self::Open { last_id: 0, waiting: BTreeMap::new() }
    }
}

impl Pending {
    pub(super) fn register(&self, waiter: Waiter) -> Result<Ticket<'_>, ClosedWhy> {
        match &mut *self.lock() {
            State::Open { last_id, waiting } => {
                *last_id += 1;
                let id = CallId(*last_id);
                waiting.insert(id, waiter);
                Ok(Ticket { pending: self, id: Some(id) })
            }
            State::Closed(why) => Err(why.clone()),
        }
    }

    /// The waiter of an answer; none for an answer that nobody waits for (any more).
    pub(super) fn take(&self, id: CallId) -> Option<Waiter> {
        match &mut *self.lock() {
            State::Open { waiting, .. } => waiting.remove(&id),
            State::Closed(_) => None,
        }
    }

    /// Ends all that wait, and all that come.
    pub(super) fn close(&self, why: ClosedWhy) {
        *self.lock() = State::Closed(why);
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        matches!(&*self.lock(), State::Open { waiting, .. } if waiting.is_empty())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the table, given back on drop: a caller that went away leaves nothing behind.
pub(super) struct Ticket<'a> {
    pending: &'a Pending,
    id: Option<CallId>,
}

impl Ticket<'_> {
    pub(super) const fn id(&self) -> CallId {
        match self.id {
            Some(id) => id,
            None => CallId(0),
        }
    }
    /// Leaves the entry in the table until its answer comes.
    pub(super) fn keep(mut self) -> CallId {
        let id = self.id();
        self.id = None;
        id
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.pending.take(id);
        }
    }
}
