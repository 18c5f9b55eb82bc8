//! Counters that daemons show. Every value is one relaxed atomic: a reader may see two of them from
//! different moments, which is what a scrape means anyway.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn increment(&self) {
        self.add(1);
    }
    /// `amount` more.
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Relaxed);
    }
    /// How many by now.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// It is `value` now.
    pub fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }
    /// What it is.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
    /// One more, until the returned guard is dropped.
    #[must_use]
    pub fn enter(&self) -> Entered<'_> {
        self.0.fetch_add(1, Relaxed);
        Entered(self)
    }
}

/// One of what a [`Gauge`] counts.
#[derive(Debug)]
pub struct Entered<'a>(&'a Gauge);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Relaxed);
    }
}
