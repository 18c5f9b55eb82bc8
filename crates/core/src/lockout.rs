//! Who presented wrong credentials too often: the bound on guessing.
//!
//! Only a credential that was *presented and wrong* counts: a TCP probe, a broken handshake or a request
//! without a credential does not. The caller checks the credential first and asks here only when it was
//! wrong, so a right one passes whatever stands in the table. Right ones do not clear the count either:
//! else an attacker with a credential of his own could guess for ever beside it.

use alloc::{collections::BTreeMap, vec::Vec};
use core::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

/// Wrong credentials from one source after which it is locked out.
pub const WRONG_BEFORE_LOCKOUT: u32 = 10;
/// How long a lockout lasts, and how long a source must be quiet for its count to be forgotten.
pub const LOCKOUT: Duration = Duration::from_secs(5 * 60);
/// The first delay of a source that is slowed; it doubles with each further wrong credential.
pub const FIRST_SLOW_DELAY: Duration = Duration::from_millis(250);
/// The longest delay: an honest user behind the same proxy still gets an answer.
pub const MAX_SLOW_DELAY: Duration = Duration::from_secs(4);
/// Sources in the table: about 200 KiB, and more than a botnet needs to be noticed.
pub const MAX_SOURCES: usize = 4096;

/// How a wrong credential is to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrongCredential {
    /// Say that it is wrong.
    Refuse,
    /// Say that it is wrong, after this time: the source stands for many (loopback, a proxy).
    RefuseAfter(Duration),
    /// Say that the source is locked out.
    LockedOut {
        /// Until the lockout ends.
        retry_after: Duration,
    },
}

/// One address of IPv4, or one /64 of IPv6, which is what one subscriber has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    V4(Ipv4Addr),
    V6Prefix([u16; 4]),
}

impl Source {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self::V6Prefix([a, b, c, d])
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    wrong: u32,
    last: Duration,
    locked_until: Option<Duration>,
}

impl Entry {
    fn is_over(&self, now: Duration) -> bool {
        let until = self.locked_until.unwrap_or(self.last + LOCKOUT);
        until <= now
    }
}

/// The table of one relay.
#[derive(Debug)]
pub struct Lockout {
    /// Addresses that stand for many clients.
    proxies: Vec<IpAddr>,
    entries: BTreeMap<Source, Entry>,
}

impl Lockout {
    /// An empty table. `proxies` are the addresses of reverse proxies in front of the relay.
    #[must_use]
    pub fn new(proxies: impl IntoIterator<Item = IpAddr>) -> Self {
        let proxies = proxies.into_iter().map(|address| address.to_canonical()).collect();
        Self { proxies, entries: BTreeMap::new() }
    }

    /// A credential was presented from `address` and it is wrong.
    pub fn handle_wrong(&mut self, address: IpAddr, now: Duration) -> WrongCredential {
        let address = address.to_canonical();
        let source = Source::of(address);
        if self.entries.get(&source).is_some_and(|entry| entry.is_over(now)) {
            self.entries.remove(&source);
        }
        if !self.entries.contains_key(&source) {
            self.make_room(now);
        }
        let fresh = Entry { wrong: 0, last: now, locked_until: None };
        let entry = self.entries.entry(source).or_insert(fresh);
        if let Some(until) = entry.locked_until {
            // not prolonged: a script with an old token must not lock its whole office out for ever
            return WrongCredential::LockedOut { retry_after: until.saturating_sub(now) };
        }
        entry.wrong = entry.wrong.saturating_add(1);
        entry.last = now;
        if entry.wrong < WRONG_BEFORE_LOCKOUT {
            return WrongCredential::Refuse;
        }
        if address.is_loopback() || self.proxies.contains(&address) {
            return WrongCredential::RefuseAfter(slow_delay(entry.wrong));
        }
        entry.locked_until = Some(now + LOCKOUT);
        WrongCredential::LockedOut { retry_after: LOCKOUT }
    }

    /// Sources in the table.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }
    /// Whether nobody is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Drops what is over; then, if the table is still full, the entry that matters least: the one that
    /// has been quiet longest, where a locked one counts as heard until its lockout ends. So a flood from
    /// many addresses does not free the one that was caught.
    fn make_room(&mut self, now: Duration) {
        if self.entries.len() < MAX_SOURCES {
            return;
        }
        self.entries.retain(|_, entry| !entry.is_over(now));
        if self.entries.len() < MAX_SOURCES {
            return;
        }
        let heard = |entry: &Entry| entry.locked_until.unwrap_or(entry.last);
        let least = self.entries.iter().min_by_key(|(_, entry)| heard(entry));
        if let Some(source) = least.map(|(source, _)| *source) {
            self.entries.remove(&source);
        }
    }
}

fn slow_delay(wrong: u32) -> Duration {
    let doublings = wrong.saturating_sub(WRONG_BEFORE_LOCKOUT).min(16);
    (FIRST_SLOW_DELAY * (1 << doublings)).min(MAX_SLOW_DELAY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }
    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Presents `count` wrong credentials at `now` and gives the last answer.
    fn wrong(lockout: &mut Lockout, address: &str, count: u32, now: Duration) -> WrongCredential {
        let mut last = WrongCredential::Refuse;
        for _ in 0..count {
            last = lockout.handle_wrong(ip(address), now);
        }
        last
    }

    const LOCKED: WrongCredential = WrongCredential::LockedOut { retry_after: LOCKOUT };

    #[test]
    fn the_tenth_wrong_credential_locks_its_source_for_five_minutes() {
        let mut lockout = Lockout::new([]);
        assert_eq!(wrong(&mut lockout, "192.0.2.1", 9, at(0)), WrongCredential::Refuse);
        assert_eq!(wrong(&mut lockout, "192.0.2.1", 1, at(10)), LOCKED);
        let later = WrongCredential::LockedOut { retry_after: at(200) };
        assert_eq!(wrong(&mut lockout, "192.0.2.1", 5, at(110)), later);
        assert_eq!(wrong(&mut lockout, "192.0.2.1", 1, at(310)), WrongCredential::Refuse);
    }

    #[test]
    fn the_port_does_not_matter_and_neither_does_the_neighbour() {
        let mut lockout = Lockout::new([]);
        wrong(&mut lockout, "192.0.2.1", 10, at(0));
        assert_eq!(wrong(&mut lockout, "192.0.2.2", 1, at(0)), WrongCredential::Refuse);
        assert_eq!(wrong(&mut lockout, "::ffff:192.0.2.1", 1, at(0)), LOCKED);
    }

    #[test]
    fn an_ipv6_subscriber_is_one_source_whatever_address_he_takes() {
        let mut lockout = Lockout::new([]);
        for host in 1..10 {
            wrong(&mut lockout, &std::format!("2001:db8:0:7:{host}::1"), 1, at(0));
        }
        assert_eq!(wrong(&mut lockout, "2001:db8:0:7::ffff", 1, at(0)), LOCKED);
        assert_eq!(wrong(&mut lockout, "2001:db8:0:8::1", 1, at(0)), WrongCredential::Refuse);
    }

    #[test]
    fn a_source_that_was_quiet_begins_anew() {
        let mut lockout = Lockout::new([]);
        wrong(&mut lockout, "192.0.2.1", 9, at(0));
        assert_eq!(wrong(&mut lockout, "192.0.2.1", 9, at(300)), WrongCredential::Refuse);
        assert_eq!(wrong(&mut lockout, "192.0.2.1", 1, at(599)), LOCKED);
    }

    #[test]
    fn loopback_and_proxies_are_slowed_and_never_locked_out() {
        let mut lockout = Lockout::new([ip("198.51.100.7")]);
        for address in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "198.51.100.7"] {
            let mut lockout = Lockout::new(lockout.proxies.clone());
            assert_eq!(wrong(&mut lockout, address, 9, at(0)), WrongCredential::Refuse);
            let delays: Vec<_> = (0..7).map(|_| lockout.handle_wrong(ip(address), at(0))).collect();
            let expected = [250, 500, 1000, 2000, 4000, 4000, 4000];
            let expected =
                expected.map(|ms| WrongCredential::RefuseAfter(Duration::from_millis(ms)));
            assert_eq!(delays, expected, "{address}");
        }
        assert_eq!(wrong(&mut lockout, "198.51.100.8", 10, at(0)), LOCKED);
    }

    #[test]
    fn a_flood_from_many_addresses_is_bounded_and_frees_nobody() {
        let mut lockout = Lockout::new([]);
        wrong(&mut lockout, "192.0.2.1", 10, at(0));
        for n in 0..2 * u32::try_from(MAX_SOURCES).expect("small") {
            lockout.handle_wrong(IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + n)), at(1));
            assert!(lockout.len() <= MAX_SOURCES);
        }
        let still = WrongCredential::LockedOut { retry_after: at(298) };
        assert_eq!(wrong(&mut lockout, "192.0.2.1", 1, at(2)), still);
        // when all is over, one more source sweeps the table
        lockout.handle_wrong(ip("192.0.2.9"), at(10_000));
        assert_eq!(lockout.len(), 1);
    }

    proptest! {
        #[test]
        fn nobody_is_locked_out_for_longer_than_it_says(
            times in proptest::collection::vec(0u64..1000, 1..100),
        ) {
            let mut lockout = Lockout::new([]);
            let mut now = 0;
            for step in times {
                now += step % 40;
                if let WrongCredential::LockedOut { retry_after } =
                    lockout.handle_wrong(ip("203.0.113.5"), at(now))
                {
                    prop_assert!(retry_after > Duration::ZERO && retry_after <= LOCKOUT);
                    let free = at(now) + retry_after;
                    let mut later = Lockout { proxies: vec![], entries: lockout.entries.clone() };
                    prop_assert_eq!(later.handle_wrong(ip("203.0.113.5"), free), WrongCredential::Refuse);
                }
            }
        }
    }
}
