//! The hooks of one daemon: its queues, and the task that empties them.
//!
//! Deciding is `quarterdeck_core::hooks`; here are the clock, the file and the sockets. Telling never waits:
//! it adds to a bounded queue, and the task is woken.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use quarterdeck_access::clock;
use quarterdeck_core::hooks::{self as pure, Delivery, Event, Outcome, Standing};
use quarterdeck_protocol::method::{HookEvent, HookInfo, HookListResult};
use quarterdeck_transport::dial::Proxy;
use tokio::{sync::Notify, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{CheckedHook, CheckedHooks},
    ledger::Ledger,
    notice::Notice,
    send::{self, SendError},
};

/// What hooks need to know from outside.
#[derive(Debug, Clone)]
pub struct HooksOptions {
    /// The file with the keys of what was told.
    pub ledger: PathBuf,
    /// The way out of this network.
    pub proxy: Option<Proxy>,
}

/// The hooks of a daemon.
#[derive(Debug)]
pub struct Hooks {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    hooks: Vec<CheckedHook>,
    public_url: Option<String>,
    proxy: Option<Proxy>,
    ledger: Ledger,
    state: Mutex<State>,
    /// Something is due, or over.
    wake: Notify,
    over: Notify,
}

#[derive(Debug)]
struct State {
    pure: pure::Hooks<Notice>,
    /// Of each hook.
    last: Vec<Last>,
    /// Hubs that tell for this relay.
    resting: u32,
    /// The keys have changed since they were kept.
    dirty: bool,
}

/// How a hook fared last.
#[derive(Debug, Clone, Default)]
struct Last {
    sent_at: Option<u64>,
    failed_at: Option<u64>,
    error: Option<String>,
}

/// While it lives, somebody else tells.
#[derive(Debug)]
pub struct Resting {
    shared: Arc<Shared>,
}

impl Drop for Resting {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.resting -= 1;
        if state.resting == 0 {
            state.pure.handle_standing(Standing::Tells, clock::boot());
        }
        drop(state);
        self.shared.wake.notify_one();
    }
}

impl Hooks {
    /// Hooks that nobody runs yet.
    #[must_use]
    pub fn new(checked: CheckedHooks, options: HooksOptions) -> Self {
        let CheckedHooks { public_url, unreachable_after: _, to } = checked;
        let ledger = Ledger::at(&options.ledger);
        let wants = to.iter().map(|hook| hook.on.clone());
        let pure = pure::Hooks::new(wants, ledger.load());
        let state = State { pure, last: vec![Last::default(); to.len()], resting: 0, dirty: false };
        let shared = Shared {
            hooks: to,
            public_url,
            proxy: options.proxy,
            ledger,
            state: Mutex::new(state),
            wake: Notify::new(),
            over: Notify::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shared.hooks.is_empty()
    }

    /// Something happened.
    pub fn tell(&self, notice: Notice) {
        let Some(kind) = notice.event() else { return };
        let event = Event { key: notice.id.clone(), kind, body: notice };
        self.change(|state| state.dirty |= state.pure.handle_event(event, clock::boot()));
    }

    /// It is not so any more.
    pub fn withdraw(&self, key: &str) {
        self.change(|state| state.pure.handle_withdrawn(key));
    }

    /// Somebody else told it.
    pub fn handle_told(&self, key: &str) {
        self.change(|state| {
            state.pure.handle_told(key);
            state.dirty = true;
        });
    }

    /// It may happen again.
    pub fn forget(&self, key: &str) {
        self.change(|state| {
            state.pure.handle_forgotten(key);
            state.dirty = true;
        });
    }

    /// Whether it is told, or will be.
    #[must_use]
    pub fn has_told(&self, key: &str) -> bool {
        self.shared.lock().pure.has_told(key)
    }

    /// Somebody else tells from now on, until the guard is dropped.
    #[must_use]
    pub fn rest(&self) -> Resting {
        self.change(|state| {
            state.resting += 1;
            state.pure.handle_standing(Standing::Rests, clock::boot());
        });
        Resting { shared: Arc::clone(&self.shared) }
    }

    /// The key of an event with which everybody here is through.
    pub async fn over(&self) -> String {
        loop {
            if let Some(key) = self.shared.lock().pure.poll_over() {
                return key;
            }
            self.shared.over.notified().await;
        }
    }

    /// The hooks and how they fare.
    #[must_use]
    pub fn list(&self) -> HookListResult {
        let state = self.shared.lock();
        let hooks = self.shared.hooks.iter().enumerate().map(|(at, hook)| {
            let (counts, last) = (state.pure.counts(at), &state.last[at]);
            HookInfo {
                name: hook.name.clone(),
                kind: hook.kind,
                to: hook.url.as_ref().map_or_else(|| "(secret_file)".to_owned(), |url| url.shown()),
                on: hook.on.iter().copied().collect::<Vec<HookEvent>>(),
                waiting: u32::try_from(counts.waiting).unwrap_or(u32::MAX),
                sent: counts.sent,
                failed: counts.failed,
                dropped: counts.dropped,
                sent_at: last.sent_at,
                failed_at: last.failed_at,
                error: last.error.clone(),
            }
        });
        HookListResult { hooks: hooks.collect(), rests: state.resting > 0 }
    }

    /// Tells a hook something now, past its queue and once; how long it took.
    ///
    /// # Errors
    /// Why it was not told.
    pub async fn test(&self, name: &str, notice: &Notice) -> Result<Duration, SendError> {
        let shared = &self.shared;
        let found = shared.hooks.iter().position(|hook| hook.name == name);
        let at = found.ok_or_else(|| SendError::Unknown(name.to_owned()))?;
        let begun = Instant::now();
        let sent = shared.send(at, notice).await;
        shared.lock().note(at, &sent);
        sent.map(|()| begun.elapsed())
    }

    /// Tells, until `shutdown`. What waits then is told by whoever comes next, or by nobody.
    pub async fn run(&self, shutdown: CancellationToken) {
        let shared = &self.shared;
        let mut attempts = JoinSet::new();
        loop {
            while let Some(delivery) = shared.next_delivery() {
                let shared = Arc::clone(shared);
                attempts.spawn(async move { shared.deliver(delivery).await });
            }
            shared.keep().await;
            let due = shared.lock().pure.poll_timeout();
            let wait = due.map(|due| due.saturating_sub(clock::boot()));
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = shared.wake.notified() => {}
                Some(ended) = attempts.join_next() => if let Err(error) = ended {
                    tracing::error!(%error, "a hook's attempt");
                },
                () = sleep(wait) => {}
            }
        }
        shared.keep().await;
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.shared.lock());
        self.shared.wake.notify_one();
        self.shared.over.notify_one();
    }
}

async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}

impl Shared {
    fn next_delivery(&self) -> Option<Delivery<Notice>> {
        self.lock().pure.poll_delivery(clock::boot())
    }

    async fn deliver(&self, delivery: Delivery<Notice>) {
        let Delivery { target, body, attempt, .. } = delivery;
        // whatever happens to this attempt, the queue goes on
        let sent = self.send(target, &body).await;
        let outcome = sent.as_ref().err().map_or(Outcome::Done, SendError::outcome);
        if let (Err(error), Some(hook)) = (&sent, self.hooks.get(target)) {
            tracing::warn!(hook = hook.name, attempt, %error, "a hook was not told");
        }
        let mut state = self.lock();
        state.pure.handle_outcome(target, outcome, clock::boot());
        state.note(target, &sent);
        drop(state);
        self.over.notify_one();
    }

    async fn send(&self, at: usize, notice: &Notice) -> Result<(), SendError> {
        let Some(hook) = self.hooks.get(at) else { return Ok(()) };
        send::send(hook, self.proxy.as_ref(), notice, self.public_url.as_deref()).await
    }

    /// Writes the keys, if there are new ones.
    async fn keep(&self) {
        let keys: Vec<String> = {
            let mut state = self.lock();
            if !std::mem::take(&mut state.dirty) {
                return;
            }
            state.pure.told().map(str::to_owned).collect()
        };
        let ledger = self.ledger.clone();
        // a panic there is told where it happens
        let _ = tokio::task::spawn_blocking(move || ledger.save(&keys)).await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn note(&mut self, at: usize, sent: &Result<(), SendError>) {
        let Some(last) = self.last.get_mut(at) else { return };
        let now = Some(clock::wall_micros());
        match sent {
            Ok(()) => *last = Last { sent_at: now, failed_at: last.failed_at, error: None },
            Err(error) => {
                last.failed_at = now;
                last.error = Some(error.to_string());
            }
        }
    }
}
