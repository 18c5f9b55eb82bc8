//! The hub tells hooks for the relays that it is linked to, and each relay what was told: what is not
//! confirmed when the link ends, a relay with hooks of its own tells itself.

use std::sync::Arc;

use quarterdeck_hooks::key;
use quarterdeck_protocol::method::{HookTold, HookToldParams};

use crate::{context::Context, limits::FORWARD_LIMIT};

/// Confirms events to the relays that they are from, until the hub stops.
pub(crate) async fn confirm(context: Arc<Context>) {
    loop {
        let told = tokio::select! {
            biased;
            () = context.shutdown.cancelled() => return,
            told = context.hooks.over() => told,
        };
        let machine = key::session(&told).and_then(|it| context.fleet.machine_of(it).ok());
        // without a link the relay tells it again, or nobody does
        let Some(link) = machine.and_then(|machine| context.fleet.link(machine).ok()) else {
            continue;
        };
        context.tasks.spawn(async move {
            let params = HookToldParams { key: told };
            let said = link.client.call_within::<HookTold>(&params, FORWARD_LIMIT).await;
            if let Err(error) = said {
                tracing::debug!(%error, "a relay does not know what hooks were told");
            }
        });
    }
}
