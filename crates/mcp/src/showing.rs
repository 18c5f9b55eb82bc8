//! Messages that an agent is shown without asking for them, as notifications of a channel.
//!
//! A notification has no answer, so one that was written counts as shown. What is written is named with
//! the next request, again if that request was lost; it is never written twice by one process. While the
//! agent waits for a reply nothing is shown: what it waits for is its answer's to bring.

use std::time::Duration;

use quarterdeck_protocol::method::{MailNext, MailNextParams, MailToShow};
use rmcp::{
    Peer, RoleServer,
    model::{CustomNotification, ServerNotification},
};
use serde_json::json;

use crate::{RelayCalls, Tools, calls::CallFailed, tools::WAIT_STEP_MS};

/// The capability by which Claude Code knows a channel.
pub const CAPABILITY: &str = "claude/channel";
const NOTIFICATION: &str = "notifications/claude/channel";
/// Pause after a request that failed.
const RETRY_PAUSE: Duration = Duration::from_secs(5);

/// Whether the agent takes messages that it did not ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Showing {
    /// As notifications of a channel.
    Channel,
    /// It reads its inbox.
    Nothing,
}

/// Shows messages as they come; for ever, unless the agent is gone.
pub(crate) async fn run<C: RelayCalls>(tools: &Tools<C>, peer: &Peer<RoleServer>) {
    let mut shown = 0;
    loop {
        let Ok(next) = next(tools, shown, WAIT_STEP_MS).await else {
            tokio::time::sleep(RETRY_PAUSE).await;
            continue;
        };
        let Some(found) = next else { continue };
        tools.until_nothing_is_awaited().await;
        // it may have been read or awaited meanwhile
        let Ok(Some(still)) = self::next(tools, shown, 0).await else { continue };
        if still.number != found.number {
            continue;
        }
        if peer.send_notification(notification(&still)).await.is_err() {
            return;
        }
        shown = still.number;
    }
}

async fn next<C: RelayCalls>(
    tools: &Tools<C>,
    shown: i64,
    wait_ms: u32,
) -> Result<Option<MailToShow>, CallFailed> {
    let params = MailNextParams { shown, wait_ms };
    tools.calls().call::<MailNext>(params).await.map(|next| next.message)
}

fn notification(message: &MailToShow) -> ServerNotification {
    let meta = json!({
        "message": format!("#{}", message.number),
        "message_id": message.id,
        "from": message.from,
        "from_session": message.from_session.as_deref().unwrap_or_default(),
    });
    let params = json!({ "content": message.text, "meta": meta });
    ServerNotification::CustomNotification(CustomNotification::new(NOTIFICATION, Some(params)))
}

#[cfg(test)]
mod tests;
