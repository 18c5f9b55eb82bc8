//! How long a connection is served, on whatever wire, and how it ends.

use std::sync::atomic::AtomicU64;

use axum::extract::ws::{CloseFrame, Message};
use futures_util::stream::{FuturesUnordered, SplitSink};
use quarterdeck_access::{clock, http};

use super::{
    Socket,
    outbox::{Control, Outbox, Turn},
    sending::{self, Work},
};
use crate::{
    caller::{Caller, Delegation, Via},
    context::Context,
};

/// Close codes of RFC 6455.
pub(crate) mod close {
    pub(crate) const GOING_AWAY: u16 = 1001;
    pub(crate) const PROTOCOL: u16 = 1002;
    pub(crate) const INVALID: u16 = 1007;
    pub(crate) const POLICY: u16 = 1008;
    pub(crate) const TOO_LARGE: u16 = 1009;
}

/// Why a connection ended.
#[derive(Debug)]
pub(crate) enum End {
    /// The peer closed it, or the link broke.
    Peer,
    /// The relay does; the code and reason of the close.
    Closed(u16, &'static str),
    /// No sign of life.
    Dead,
}

/// A connection that is served: to whom, and what is to be sent.
pub(crate) struct Served<'a> {
    context: &'a Context,
    caller: &'a Caller,
    outbox: &'a Outbox,
}

impl<'a> Served<'a> {
    pub(crate) const fn new(context: &'a Context, caller: &'a Caller, outbox: &'a Outbox) -> Self {
        Self { context, caller, outbox }
    }

    /// Sends what waits and lets `reading` go on until there is a reason to end: the first of the peer's,
    /// the credential's and the relay's. `moved` counts signs of life.
    pub(crate) async fn until_end(
        &self,
        moved: &AtomicU64,
        sink: &mut SplitSink<impl Socket, Message>,
        reading: impl Future<Output = End>,
        messages_of: impl FnMut(Turn, &mut FuturesUnordered<Work>) -> Vec<Message>,
    ) -> End {
        let end = tokio::select! {
            biased;
            () = self.context.shutdown.cancelled() => {
                End::Closed(close::GOING_AWAY, "the relay stops")
            }
            end = reading => end,
            () = sending::send_turns(self.outbox, moved, sink, messages_of) => End::Peer,
            () = http::keep_alive(moved, || self.outbox.push(Control::Ping)) => End::Dead,
            () = credential_ended(self.context, self.caller) => {
                End::Closed(close::POLICY, "the credential has ended")
            }
        };
        tracing::debug!(?end, "connection ended");
        end
    }

    /// Tells a peer that is still there why its connection ends.
    pub(crate) async fn close(&self, end: End, sink: &mut SplitSink<impl Socket, Message>) {
        if let End::Closed(code, reason) = end {
            let frame = CloseFrame { code, reason: reason.into() };
            sending::close(self.outbox, sink, frame).await;
        }
    }
}

/// Returns when the caller's credential was revoked, replaced or has expired.
pub(crate) async fn credential_ended(context: &Context, caller: &Caller) {
    let remaining = || match caller.via {
        Via::Hub { hub, delegate } => {
            let paired = context.pairings.find(hub)?;
            // other terms are for another link
            let same = paired.scopes == caller.grant.scopes
                && paired.delegate == (delegate == Delegation::Granted);
            same.then_some(u64::MAX)
        }
        Via::Local { .. } | Via::Network | Via::Delegated { .. } => {
            context.door.tokens.remaining_s(&caller.grant, clock::wall_seconds())
        }
    };
    context.door.until_ended(remaining).await;
}
