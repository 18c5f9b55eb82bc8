//! Things that are good once and not for long: login codes, challenges, tickets.
//!
//! What was taken or is over is remembered for a while, so that whoever comes late is told why, and not
//! merely that it is unknown. The table is bounded: the oldest goes first.

use alloc::collections::VecDeque;
use core::time::Duration;

use quarterdeck_crypto::OnceHash;

/// What a table keeps, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct OnceTerms {
    /// How long a thing is good.
    pub life: Duration,
    /// How long it is remembered after that.
    pub memory: Duration,
    /// Things at a time.
    pub limit: usize,
}

/// Why a thing is not to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotOnce {
    /// It was never there, or is forgotten.
    Unknown,
    /// It was taken before.
    Used,
    /// Nobody took it in time.
    Expired,
}

/// Things that are good once.
#[derive(Debug)]
pub struct OnceTable<T> {
    terms: OnceTerms,
    /// Oldest first.
    all: VecDeque<Entry<T>>,
}

#[derive(Debug)]
struct Entry<T> {
    name: OnceHash,
    until: Duration,
    /// None once it was taken.
    thing: Option<T>,
}

impl<T> OnceTable<T> {
    /// An empty table.
    #[must_use]
    pub const fn new(terms: OnceTerms) -> Self {
        Self { terms, all: VecDeque::new() }
    }

    /// Adds a thing. A full table forgets its oldest one.
    pub fn add(&mut self, name: OnceHash, thing: T, now: Duration) {
        while self.all.front().is_some_and(|it| it.until + self.terms.memory <= now) {
            self.all.pop_front();
        }
        if self.all.len() >= self.terms.limit {
            self.all.pop_front();
        }
        self.all.push_back(Entry { name, until: now + self.terms.life, thing: Some(thing) });
    }

    /// Takes a thing; nobody gets it again.
    ///
    /// # Errors
    /// Why there is none.
    pub fn take(&mut self, name: &OnceHash, now: Duration) -> Result<T, NotOnce> {
        // all are compared, so that the time says nothing of which one was near
        let mut found = None;
        for entry in &mut self.all {
            if entry.name == *name {
                found = Some(entry);
            }
        }
        let entry = found.ok_or(NotOnce::Unknown)?;
        match entry.thing.take() {
            Some(_) if now >= entry.until => Err(NotOnce::Expired),
            Some(thing) => Ok(thing),
            None if now >= entry.until => Err(NotOnce::Expired),
            None => Err(NotOnce::Used),
        }
    }

    /// Forgets the things that `is` says yes to, as if they had never been.
    pub fn forget(&mut self, is: impl Fn(&T) -> bool) {
        self.all.retain(|entry| !entry.thing.as_ref().is_some_and(&is));
    }

    /// Things that can still be taken, and those that are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }
    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarterdeck_crypto::{OncePurpose, OnceSecret};

    const TERMS: OnceTerms =
        OnceTerms { life: Duration::from_secs(300), memory: Duration::from_secs(600), limit: 4 };
    const START: Duration = Duration::from_secs(1000);

    fn name(byte: u8) -> OnceHash {
        OnceSecret::from_bytes([byte; 24]).hash(OncePurpose::LoginCode)
    }
    fn table() -> OnceTable<&'static str> {
        let mut table = OnceTable::new(TERMS);
        table.add(name(1), "gift", START);
        table
    }

    #[test]
    fn a_thing_is_taken_once() {
        let mut table = table();
        assert_eq!(table.take(&name(2), START), Err(NotOnce::Unknown));
        assert_eq!(table.take(&name(1), START), Ok("gift"));
        assert_eq!(table.take(&name(1), START), Err(NotOnce::Used));
    }

    #[test]
    fn what_nobody_took_in_time_is_gone_and_says_so() {
        let mut table = table();
        let late = START + TERMS.life;
        assert_eq!(table.take(&name(1), late), Err(NotOnce::Expired));
        assert_eq!(table.take(&name(1), late), Err(NotOnce::Expired));
        table.add(name(2), "other", late + TERMS.memory);
        assert_eq!(table.take(&name(1), late), Err(NotOnce::Unknown), "it was forgotten");
    }

    #[test]
    fn a_full_table_forgets_its_oldest_and_stays_small() {
        let mut table = table();
        for byte in 2..=50 {
            table.add(name(byte), "more", START);
            assert!(table.len() <= TERMS.limit);
        }
        assert_eq!(table.take(&name(1), START), Err(NotOnce::Unknown));
        assert_eq!(table.take(&name(50), START), Ok("more"));
    }

    #[test]
    fn what_is_revoked_can_no_longer_be_taken() {
        let mut table = table();
        table.add(name(2), "other", START);
        table.forget(|thing| *thing == "gift");
        assert_eq!(table.take(&name(1), START), Err(NotOnce::Unknown));
        assert_eq!(table.take(&name(2), START), Ok("other"));
    }
}
