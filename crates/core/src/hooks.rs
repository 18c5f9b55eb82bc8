//! Hooks: which event is told to whom outside, when, how often, and when nobody tries any more.
//!
//! ```text
//!  event ── known key? ─ yes ─► nothing
//!            │ no
//!            ├─ somebody else tells (a hub is linked) ─► held until that is confirmed, or ours after all
//!            └─ we tell ─► a queue per target ─► one delivery at a time ─► done
//!                             ▲                        │ failed
//!                             └── 1, 2, 4 … 60 s ──────┘ at most MAX_ATTEMPTS, at most MAX_AGE
//! ```
//!
//! An event has a key by which it is told once: `prompt:ID`, `turn:SESSION.N`, `machine:ID`. Its keys are
//! given out to be kept, so that a new daemon does not tell again what its predecessor told.
//!
//! Times are since boot.

#[cfg(test)]
mod tests;

use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    string::String,
    vec::Vec,
};
use core::time::Duration;

use quarterdeck_protocol::method::HookEvent;

/// Waits between the attempts of one delivery; the last one stays.
pub const RETRY_LADDER: [Duration; 7] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
    Duration::from_secs(30),
    Duration::from_secs(60),
];
/// Attempts of one delivery: some four minutes of a server that is away.
pub const MAX_ATTEMPTS: u32 = 10;
/// An event that is older is news to nobody.
pub const MAX_AGE: Duration = Duration::from_secs(10 * 60);
/// Events that wait for one target; the oldest makes room.
pub const MAX_QUEUE: usize = 128;
/// Events that are held while somebody else tells them; the oldest makes room.
pub const MAX_HELD: usize = 256;
/// Keys that are remembered: prompts that can be open at a time, many times over.
pub const MAX_TOLD: usize = 1024;
/// The longest that a target may make us wait.
pub const MAX_WAIT: Duration = Duration::from_secs(120);

/// Something to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<T> {
    /// By which it is told once.
    pub key: String,
    /// What it is.
    pub kind: HookEvent,
    /// What is told.
    pub body: T,
}

/// Who tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// We do.
    Tells,
    /// Somebody else does; events are held until they say so.
    Rests,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The target has it.
    Done,
    /// It may work later, but not before this wait.
    Retry(Duration),
    /// It will not work.
    Never,
}

/// One attempt to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery<T> {
    /// To which target, by its number.
    pub target: usize,
    /// Which event.
    pub key: String,
    /// What it is.
    pub kind: HookEvent,
    /// What is told.
    pub body: T,
    /// The first is 1.
    pub attempt: u32,
}

/// What a target has had.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Told.
    pub sent: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Events that it will never have: too old, too often refused, no room.
    pub dropped: u64,
    /// Events that wait.
    pub waiting: usize,
}

/// See the module.
#[derive(Debug)]
pub struct Hooks<T> {
    targets: Vec<Target<T>>,
    standing: Standing,
    held: VecDeque<(Duration, Event<T>)>,
    /// In the order in which they came; the set has the same.
    told_order: VecDeque<String>,
    told: BTreeSet<String>,
    /// Targets that have an event still to come, by its key.
    open: BTreeMap<String, usize>,
    /// Events with which everybody is through.
    over: VecDeque<String>,
}

#[derive(Debug)]
struct Target<T> {
    wants: BTreeSet<HookEvent>,
    queue: VecDeque<Waiting<T>>,
    /// The one at the head is being delivered.
    busy: bool,
    counts: Counts,
}

#[derive(Debug)]
struct Waiting<T> {
    event: Event<T>,
    since: Duration,
    due: Duration,
    attempts: u32,
}

impl<T: Clone> Hooks<T> {
    /// Hooks to targets that want these kinds; `told` are the keys that were told before.
    #[must_use]
    pub fn new(
        wants: impl IntoIterator<Item = BTreeSet<HookEvent>>,
        told: impl IntoIterator<Item = String>,
    ) -> Self {
        let target = |wants| Target {
            wants,
            queue: VecDeque::new(),
            busy: false,
            counts: Counts::default(),
        };
        let mut hooks = Self {
            targets: wants.into_iter().map(target).collect(),
            standing: Standing::Tells,
            held: VecDeque::new(),
            told_order: VecDeque::new(),
            told: BTreeSet::new(),
            open: BTreeMap::new(),
            over: VecDeque::new(),
        };
        told.into_iter().for_each(|key| hooks.remember(key));
        hooks
    }

    /// Whether there is nobody to tell.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.targets.is_empty()
    }

    /// Whether an event is told, by us or by whom we left it to.
    #[must_use]
    pub fn has_told(&self, key: &str) -> bool {
        self.told.contains(key) && !self.held.iter().any(|(_, event)| event.key == key)
    }

    /// The keys to keep for the next daemon, oldest first.
    pub fn told(&self) -> impl Iterator<Item = &str> {
        self.told_order.iter().map(String::as_str).filter(|key| self.has_told(key))
    }

    /// Something happened. Whether it is new.
    pub fn handle_event(&mut self, event: Event<T>, now: Duration) -> bool {
        if self.told.contains(&event.key) {
            return false;
        }
        if self.standing == Standing::Tells && !self.is_wanted(event.kind) {
            // who comes to tell later may want it
            self.end(event.key);
            return false;
        }
        self.remember(event.key.clone());
        match self.standing {
            Standing::Tells => self.enqueue(&event, now),
            Standing::Rests => {
                if self.held.len() >= MAX_HELD {
                    self.held.pop_front();
                }
                self.held.push_back((now, event));
            }
        }
        true
    }

    /// Somebody else begins or ceases to tell. What they have not confirmed is ours then.
    pub fn handle_standing(&mut self, standing: Standing, now: Duration) {
        self.standing = standing;
        if standing == Standing::Tells {
            for (since, event) in core::mem::take(&mut self.held) {
                if !self.is_wanted(event.kind) {
                    self.handle_forgotten(&event.key);
                } else if now.saturating_sub(since) < MAX_AGE {
                    self.enqueue(&event, now);
                }
            }
        }
    }

    /// An event was told by somebody else.
    pub fn handle_told(&mut self, key: &str) {
        self.held.retain(|(_, event)| event.key != key);
        if !self.told.contains(key) {
            self.remember(key.into());
        }
    }

    /// An event is not true any more: who has not been told need not be.
    pub fn handle_withdrawn(&mut self, key: &str) {
        self.held.retain(|(_, event)| event.key != key);
        for at in 0..self.targets.len() {
            let target = &mut self.targets[at];
            let first = usize::from(target.busy);
            let found = target.queue.iter().skip(first).position(|it| it.event.key == key);
            if let Some(found) = found {
                target.queue.remove(first + found);
                self.finish(key);
            }
        }
    }

    /// An event may happen again under the same key.
    pub fn handle_forgotten(&mut self, key: &str) {
        self.told.remove(key);
        self.told_order.retain(|known| known != key);
    }

    /// The next attempt that is due.
    pub fn poll_delivery(&mut self, now: Duration) -> Option<Delivery<T>> {
        for at in 0..self.targets.len() {
            self.drop_old(at, now);
            let target = &mut self.targets[at];
            if target.busy {
                continue;
            }
            let Some(first) = target.queue.front_mut().filter(|it| it.due <= now) else { continue };
            first.attempts += 1;
            target.busy = true;
            let Event { key, kind, body } = first.event.clone();
            return Some(Delivery { target: at, key, kind, body, attempt: first.attempts });
        }
        None
    }

    /// An attempt ended.
    pub fn handle_outcome(&mut self, target: usize, outcome: Outcome, now: Duration) {
        let Some(it) = self.targets.get_mut(target) else { return };
        it.busy = false;
        let Some(first) = it.queue.front_mut() else { return };
        match outcome {
            Outcome::Done => it.counts.sent += 1,
            Outcome::Retry(least) if first.attempts < MAX_ATTEMPTS => {
                it.counts.failed += 1;
                let rung = usize::try_from(first.attempts).unwrap_or(1).saturating_sub(1);
                let wait = RETRY_LADDER[rung.min(RETRY_LADDER.len() - 1)];
                first.due = now + wait.max(least.min(MAX_WAIT));
                return;
            }
            Outcome::Retry(_) | Outcome::Never => {
                it.counts.failed += 1;
                it.counts.dropped += 1;
            }
        }
        if let Some(gone) = it.queue.pop_front() {
            self.finish(&gone.event.key);
        }
    }

    /// An event with which everybody is through: who left it to us can be told.
    pub fn poll_over(&mut self) -> Option<String> {
        self.over.pop_front()
    }

    /// When [`Self::poll_delivery`] has something next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        let idle = self.targets.iter().filter(|target| !target.busy);
        idle.filter_map(|target| target.queue.front().map(|first| first.due)).min()
    }

    /// What a target has had.
    #[must_use]
    pub fn counts(&self, target: usize) -> Counts {
        let Some(it) = self.targets.get(target) else { return Counts::default() };
        Counts { waiting: it.queue.len(), ..it.counts }
    }

    fn enqueue(&mut self, event: &Event<T>, now: Duration) {
        let mut wanted = 0;
        let mut pushed_out = Vec::new();
        for target in self.targets.iter_mut().filter(|it| it.wants.contains(&event.kind)) {
            wanted += 1;
            if target.queue.len() >= MAX_QUEUE {
                let oldest = usize::from(target.busy);
                target.counts.dropped += 1;
                pushed_out.extend(target.queue.remove(oldest));
            }
            let event = event.clone();
            target.queue.push_back(Waiting { event, since: now, due: now, attempts: 0 });
        }
        self.open.insert(event.key.clone(), wanted);
        pushed_out.iter().for_each(|gone| self.finish(&gone.event.key));
    }

    fn is_wanted(&self, kind: HookEvent) -> bool {
        self.targets.iter().any(|target| target.wants.contains(&kind))
    }

    fn drop_old(&mut self, target: usize, now: Duration) {
        loop {
            let it = &mut self.targets[target];
            let old = |it: &Waiting<T>| now.saturating_sub(it.since) >= MAX_AGE;
            if it.busy || !it.queue.front().is_some_and(old) {
                return;
            }
            it.counts.dropped += 1;
            if let Some(gone) = it.queue.pop_front() {
                self.finish(&gone.event.key);
            }
        }
    }

    fn finish(&mut self, key: &str) {
        let Some(left) = self.open.get_mut(key) else { return };
        *left -= 1;
        if *left == 0 {
            self.open.remove(key);
            self.end(key.into());
        }
    }

    fn end(&mut self, key: String) {
        if self.over.len() >= MAX_TOLD {
            // whoever should have taken them does not
            self.over.pop_front();
        }
        self.over.push_back(key);
    }

    fn remember(&mut self, key: String) {
        if self.told.insert(key.clone()) {
            self.told_order.push_back(key);
        }
        while self.told_order.len() > MAX_TOLD {
            if let Some(oldest) = self.told_order.pop_front() {
                self.told.remove(&oldest);
            }
        }
    }
}
