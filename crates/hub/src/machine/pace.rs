//! When links are dialled: one after the other, a moment apart.
//!
//! A hub that starts, or whose network comes back, has all its machines to dial. All at once would be a
//! burst of handshakes on a small machine, and for whatever lies between; and links that begin together
//! are lost together.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use quarterdeck_core::link::Probe;
use quarterdeck_transport::reconnect::{Connected, Dialer, ReconnectError, RelayDialer};
use tokio::time::{Instant, sleep_until};

use crate::limits::DIAL_SPACING;

/// The order of the dials of one hub.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// When the next dial may begin.
    next: Mutex<Option<Instant>>,
}

impl Pace {
    /// Waits for a turn. One that is given up is lost, which costs the next ones a moment.
    async fn turn(&self) {
        let now = Instant::now();
        let at = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let at = next.map_or(now, |next| next.max(now));
            *next = Some(at + DIAL_SPACING);
            at
        };
        if at > now {
            sleep_until(at).await;
        }
    }
}

/// Dials a relay when it is its turn.
#[derive(Debug)]
pub(crate) struct PacedDialer {
    /// What dials.
    pub(crate) dialer: RelayDialer,
    /// The hub's order; none for a relay on this machine, which costs nothing to dial.
    pub(crate) pace: Option<Arc<Pace>>,
}

impl Dialer for PacedDialer {
    async fn probe(&self, limit: Duration) -> Probe {
        self.dialer.probe(limit).await
    }

    async fn dial(&self, ticket: Option<String>) -> Result<Connected, ReconnectError> {
        if let Some(pace) = &self.pace {
            pace.turn().await;
        }
        self.dialer.dial(ticket).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn dials_that_are_due_together_begin_one_after_the_other() {
        let pace = Pace::default();
        let start = Instant::now();
        pace.turn().await;
        assert_eq!(start.elapsed(), Duration::ZERO, "the first one at once");
        let both = tokio::join!(pace.turn(), pace.turn());
        assert_eq!((both, start.elapsed()), (((), ()), 2 * DIAL_SPACING));
        // after a pause nobody waits
        tokio::time::advance(10 * DIAL_SPACING).await;
        let later = Instant::now();
        pace.turn().await;
        assert_eq!(later.elapsed(), Duration::ZERO);
    }
}
