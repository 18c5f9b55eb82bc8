//! The terminal models of all sessions, on one thread of their own, off the path of the bytes.
//!
//! A model follows its session's log by itself and is never the truth: it can be dropped and made
//! again from a cached screen and the log. It exists while something happens; an idle session has
//! only its cached screen on disk.

mod cache;
pub(crate) mod history;
mod model;

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use bytes::Bytes;
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    ids::{Out, SessionId},
    record::Position,
};
use tokio::sync::oneshot;

use crate::session::SessionHandle;
use model::Model;

/// A model that nothing was asked of for so long is dropped; its cached screen stays.
const MODEL_IDLE: Duration = Duration::from_secs(30);
/// Output bytes that a model takes before another session has its turn.
const TURN_BYTES: u64 = 256 * 1024;
/// Snapshots that may wait at a time.
const MAX_WAITING_SNAPSHOTS: usize = 1024;

/// The handle to the models' thread.
#[derive(Debug)]
pub(crate) struct Screens {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    /// Sessions whose log has grown.
    grown: BTreeMap<SessionId, Grown>,
    snapshots: VecDeque<SnapshotJob>,
    stopping: bool,
}

#[derive(Debug)]
struct Grown {
    session: Weak<SessionHandle>,
}

#[derive(Debug)]
struct SnapshotJob {
    session: Arc<SessionHandle>,
    reply: oneshot::Sender<Result<SnapshotAt, RpcError>>,
}

/// A screen and where in the log it stands.
#[derive(Debug, Clone)]
pub(crate) struct SnapshotAt {
    /// The record that follows.
    pub at: Position,
    /// What draws it on a reset terminal.
    pub bytes: Bytes,
    /// Whether it is the very screen.
    pub exact: Exactness,
}

/// Whether a screen is the very screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exactness {
    /// It is.
    Exact,
    /// It may differ: the model started in the middle of the log.
    Inexact,
}

impl Screens {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start() -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let mut worker = Worker { shared: Arc::clone(&shared), models: BTreeMap::new() };
        let thread = std::thread::Builder::new().name("screens".into()).spawn(move || {
            be_nice();
            worker.run();
        })?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// The session's log has grown. A session that has printed nothing needs no model yet: it costs more
    /// than all else of an idle session.
    pub(crate) fn advance(&self, session: &Arc<SessionHandle>) {
        if session.tail.head().out == Out(0) {
            return;
        }
        let mut queue = self.shared.lock();
        let grown = Grown { session: Arc::downgrade(session) };
        queue.grown.insert(session.id, grown);
        drop(queue);
        self.shared.wake.notify_one();
    }

    /// The screen of a session as it is now.
    ///
    /// # Errors
    /// When the log cannot be read or too many wait.
    pub(crate) async fn snapshot(
        &self,
        session: &Arc<SessionHandle>,
    ) -> Result<SnapshotAt, RpcError> {
        let (reply, answer) = oneshot::channel();
        {
            let mut queue = self.shared.lock();
            if queue.snapshots.len() >= MAX_WAITING_SNAPSHOTS || queue.stopping {
                return Err(RpcError::new(ErrorCode::Overloaded, "too many screens are asked for"));
            }
            queue.snapshots.push_back(SnapshotJob { session: Arc::clone(session), reply });
        }
        self.shared.wake.notify_one();
        answer.await.map_err(|_| RpcError::new(ErrorCode::ShuttingDown, "the relay stops"))?
    }

    /// Caches all screens and ends the thread.
    pub(crate) fn stop(&self) {
        self.shared.lock().stopping = true;
        self.shared.wake.notify_one();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread of the terminal models panicked");
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Viewers and programs come before models.
fn be_nice() {
    let thread = rustix::thread::gettid();
    // a model at normal priority is only less polite
    let _ = rustix::process::setpriority_process(Some(thread), 10);
}

struct Worker {
    shared: Arc<Shared>,
    models: BTreeMap<SessionId, Model>,
}

/// What the worker does next.
enum Work {
    Snapshot(SnapshotJob),
    Grown(SessionId, Grown),
    DropIdle,
    Stop,
}

impl Worker {
    fn run(&mut self) {
        loop {
            match self.next_work() {
                Work::Snapshot(SnapshotJob { session, reply }) => {
                    let outcome = self.guarded(&session, |model| model.snapshot(&session));
                    // a viewer that has gone away needs no screen
                    let _ = reply.send(outcome);
                    self.catch_up(&session);
                }
                Work::Grown(id, grown) => self.advance(id, grown),
                Work::DropIdle => self.drop_idle(MODEL_IDLE),
                Work::Stop => return self.drop_idle(Duration::ZERO),
            }
        }
    }

    fn next_work(&self) -> Work {
        let mut queue = self.shared.lock();
        loop {
            if queue.stopping {
                return Work::Stop;
            }
            if let Some(job) = queue.snapshots.pop_front() {
                return Work::Snapshot(job);
            }
            if let Some((id, grown)) = queue.grown.pop_first() {
                return Work::Grown(id, grown);
            }
            if self.models.is_empty() {
                queue = self.shared.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let waited = self.shared.wake.wait_timeout(queue, MODEL_IDLE);
            let (next, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            queue = next;
            if timeout.timed_out() {
                return Work::DropIdle;
            }
        }
    }

    fn advance(&mut self, id: SessionId, grown: Grown) {
        let Some(session) = grown.session.upgrade() else {
            self.models.remove(&id);
            return;
        };
        let advanced = self.guarded(&session, |model| model.advance(&session, TURN_BYTES));
        if matches!(advanced, Ok(model::Progress::Behind)) {
            let mut queue = self.shared.lock();
            queue.grown.entry(id).or_insert(grown);
        }
    }

    /// Lets a model that was too far behind for a snapshot go on: a session that is silent now would
    /// never make it, and its screen would stay inexact.
    fn catch_up(&mut self, session: &Arc<SessionHandle>) {
        if self.models.get(&session.id).is_some_and(|model| model.is_behind(session)) {
            let grown = Grown { session: Arc::downgrade(session) };
            self.shared.lock().grown.entry(session.id).or_insert(grown);
        }
    }

    /// Runs work on a session's model. A panic of the terminal library costs that model only.
    fn guarded<T>(
        &mut self,
        session: &Arc<SessionHandle>,
        work: impl FnOnce(&mut Model) -> Result<T, RpcError>,
    ) -> Result<T, RpcError> {
        let mut model = match self.models.remove(&session.id) {
            Some(model) => model,
            None => Model::open(session)?,
        };
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let outcome = work(&mut model);
            (model, outcome)
        }));
        match outcome {
            Ok((model, outcome)) => {
                self.models.insert(session.id, model);
                outcome
            }
            Err(_) => {
                tracing::error!(session = %session.id, "terminal model panicked");
                Err(RpcError::new(ErrorCode::Internal, "the screen could not be drawn"))
            }
        }
    }

    fn drop_idle(&mut self, idle: Duration) {
        let (now, before) = (Instant::now(), self.models.len());
        self.models.retain(|_, model| {
            let keep = now.duration_since(model.used) < idle;
            if !keep {
                model.cache();
            }
            keep
        });
        if self.models.len() < before {
            // a screen is most of what a session costs; the allocator would keep it for the next ones
            quarterdeck_holder::return_free_memory();
        }
    }
}
