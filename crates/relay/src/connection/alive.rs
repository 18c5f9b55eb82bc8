//! When a connection ends although its peer has not closed it.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use super::outbox::{Control, Outbox};
use crate::{
    caller::{Caller, Delegation, Via},
    clock,
    context::Context,
};

/// A server pings so often.
const PING_INTERVAL: Duration = Duration::from_secs(15);
/// So many pings without any sign of life, while nothing can be sent either, end the connection.
const MISSED_PINGS: u32 = 2;

/// Pings, and returns when the peer is dead: no sign of life, as `moved` counts them, for
/// [`MISSED_PINGS`] intervals in which nothing could be sent either.
pub(crate) async fn keep_alive(moved: &AtomicU64, outbox: &Outbox) {
    let mut missed = 0;
    let mut before = moved.load(Ordering::Relaxed);
    loop {
        tokio::time::sleep(PING_INTERVAL).await;
        let now = moved.load(Ordering::Relaxed);
        missed = if now == before { missed + 1 } else { 0 };
        before = now;
        if missed >= MISSED_PINGS {
            return;
        }
        outbox.push(Control::Ping);
    }
}

/// Returns when the caller's credential was revoked, replaced or has expired.
pub(crate) async fn credential_ended(context: &Context, caller: &Caller) {
    let mut changed = context.credentials.subscribe();
    let remaining = || match caller.via {
        Via::Hub { hub, delegate } => {
            let paired = context.pairings.find(hub)?;
            // other terms are for another link
            let same = paired.scopes == caller.grant.scopes
                && paired.delegate == (delegate == Delegation::Granted);
            same.then_some(u64::MAX)
        }
        Via::Local { .. } | Via::Network | Via::Delegated { .. } => {
            context.tokens.remaining_s(&caller.grant, clock::wall_seconds())
        }
    };
    while let Some(left) = remaining() {
        // not all at once: the clock may be set meanwhile
        let pause = PING_INTERVAL.min(Duration::from_secs(left));
        tokio::select! {
            _ = changed.changed() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}
