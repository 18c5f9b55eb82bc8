//! Tells those who watch the relay that its mail has changed: numbers, and no word of it.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time};

use super::Ask;
use crate::context::Context;

/// Shortest time between two looks: whatever comes within it is told as one.
const PAUSE: Duration = Duration::from_millis(250);

/// Runs until the relay stops.
pub(crate) async fn run(context: Arc<Context>, mut changes: watch::Receiver<u64>) {
    loop {
        let change = *changes.borrow_and_update();
        match context.mail.ask(Ask::Counts).await {
            Ok(identities) => context.registry.handle_mail(change, identities),
            // the next change is told
            Err(error) => tracing::debug!(%error, "mail not counted"),
        }
        tokio::select! {
            () = context.shutdown.cancelled() => return,
            () = time::sleep(PAUSE) => {}
        }
        tokio::select! {
            () = context.shutdown.cancelled() => return,
            changed = changes.changed() => if changed.is_err() { return },
        }
    }
}
