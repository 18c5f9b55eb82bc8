//! When a connection ends although its peer has not closed it.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use axum::extract::ws::Message;
use quarterdeck_access::tokens::Grant;

use super::outbox::Outbox;
use crate::{context::Context, limits::PING_INTERVAL};

/// So many pings without any sign of life, while nothing can be sent either, end the connection.
const MISSED_PINGS: u32 = 2;

/// Pings, and returns when the peer is dead: no sign of life, as `moved` counts them.
pub(super) async fn keep_alive(moved: &AtomicU64, outbox: &Outbox) {
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
        outbox.push(Message::Ping(bytes::Bytes::new()));
    }
}

/// Returns when the credential was revoked, replaced or has expired.
pub(crate) async fn credential_ended(context: &Context, grant: &Grant) {
    let mut changed = context.credentials.subscribe();
    while let Some(left) = context.remaining_s(grant) {
        // not all at once: the clock may be set meanwhile
        let pause = PING_INTERVAL.min(Duration::from_secs(left));
        tokio::select! {
            _ = changed.changed() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}
