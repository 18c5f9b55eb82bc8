//! Whether the peer of a connection still lives.
//!
//! A ping every [`PING_INTERVAL`]; when two went by and nothing moved since, the peer is dead. A byte that
//! arrives counts as movement, and so does a send queue that was stuck and goes on. A busy or slow peer is
//! never hung up on while something moves.

use alloc::collections::VecDeque;
use core::time::Duration;

/// Time between two pings.
pub const PING_INTERVAL: Duration = Duration::from_secs(15);
/// Pings without a sign of life after which the peer is dead.
pub const MISSED_PINGS: u8 = 2;

/// What the driver must do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeartbeatEffect {
    /// Send a ping.
    Ping,
    /// Close the connection; nothing follows.
    Dead,
}

/// The heartbeat of one connection.
#[derive(Debug)]
pub struct Heartbeat {
    interval: Duration,
    /// `None` once the peer is dead.
    next_ping: Option<Duration>,
    /// Pings sent since the last sign of life.
    unanswered: u8,
    effects: VecDeque<HeartbeatEffect>,
}

impl Heartbeat {
    /// The heartbeat of a connection that is made now.
    #[must_use]
    pub fn new(now: Duration) -> Self {
        Self::every(PING_INTERVAL, now)
    }

    /// The same at another interval.
    #[must_use]
    pub fn every(interval: Duration, now: Duration) -> Self {
        let next_ping = Some(now + interval);
        Self { interval, next_ping, unanswered: 0, effects: VecDeque::new() }
    }

    /// Bytes arrived, or a send queue that was stuck went on.
    pub fn handle_movement(&mut self) {
        self.unanswered = 0;
    }

    /// The time has come, or has not: calling early does nothing. Movement since the last call must have
    /// been reported before.
    pub fn handle_timeout(&mut self, now: Duration) {
        if self.next_ping.is_none_or(|at| now < at) {
            return;
        }
        if self.unanswered >= MISSED_PINGS {
            self.next_ping = None;
            self.effects.push_back(HeartbeatEffect::Dead);
        } else {
            // from now, not from when it was due: a process that slept must not find itself dead
            self.next_ping = Some(now + self.interval);
            self.unanswered += 1;
            self.effects.push_back(HeartbeatEffect::Ping);
        }
    }

    /// What to do next.
    pub fn poll_effect(&mut self) -> Option<HeartbeatEffect> {
        self.effects.pop_front()
    }

    /// When [`Heartbeat::handle_timeout`] wants to be called.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Duration> {
        self.next_ping
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// Runs to `end`; the peer shows life at each second of `life`. Gives what happened, and when.
    fn run(life: &[u64], end: u64) -> Vec<(u64, HeartbeatEffect)> {
        let mut heartbeat = Heartbeat::new(Duration::ZERO);
        let mut seen = Vec::new();
        for second in 0..=end {
            if life.contains(&second) {
                heartbeat.handle_movement();
            }
            heartbeat.handle_timeout(Duration::from_secs(second));
            while let Some(effect) = heartbeat.poll_effect() {
                seen.push((second, effect));
            }
        }
        seen
    }

    #[test]
    fn a_peer_that_answers_is_pinged_for_ever() {
        let seen = run(&[15, 16, 31, 46, 61], 75);
        let pings: Vec<_> = [15, 30, 45, 60, 75].map(|at| (at, HeartbeatEffect::Ping)).into();
        assert_eq!(seen, pings);
    }

    #[test]
    fn a_silent_peer_is_dead_after_two_missed_pings_and_not_before() {
        let expected =
            [(15, HeartbeatEffect::Ping), (30, HeartbeatEffect::Ping), (45, HeartbeatEffect::Dead)];
        assert_eq!(run(&[], 300), expected);
    }

    #[test]
    fn anything_that_moves_is_life_however_late() {
        let seen = run(&[44], 90);
        assert_eq!(seen.last(), Some(&(75, HeartbeatEffect::Dead)));
        assert_eq!(seen.len(), 5);
    }

    #[test]
    fn a_process_that_slept_gives_the_peer_a_chance_to_answer() {
        let mut heartbeat = Heartbeat::new(Duration::ZERO);
        heartbeat.handle_timeout(Duration::from_secs(15));
        heartbeat.handle_timeout(Duration::from_secs(4000));
        assert_eq!(heartbeat.poll_effect(), Some(HeartbeatEffect::Ping));
        assert_eq!(heartbeat.poll_effect(), Some(HeartbeatEffect::Ping));
        assert_eq!(heartbeat.poll_effect(), None);
        assert_eq!(heartbeat.poll_timeout(), Some(Duration::from_secs(4015)));
    }
}
