//! A connection that comes back by itself.

use quarterdeck_core::link::Refusal;
use quarterdeck_transport::reconnect::{
    self, Connected, Known, LinkEvent, LinkEvents, LinkHandle, ReconnectError, RelayDialer,
};

use super::{Missing, Telling, dial_failed, dialer, is_absent, no_hub, no_relay, refused};
use crate::{
    background,
    config::{Settings, Target},
    error::{CliError, Kind},
};

/// A reconnecting link whose first connection was made.
#[derive(Debug)]
pub(crate) struct Link<'s> {
    handle: LinkHandle<RelayDialer>,
    events: LinkEvents,
    settings: &'s Settings,
}

impl<'s> Link<'s> {
    /// Connects. The first connection fails as any other would; only later ones are tried again.
    pub(crate) async fn open(
        settings: &'s Settings,
        missing: Missing,
        telling: Telling,
    ) -> Result<(Self, Connected), CliError> {
        let (handle, mut events) =
            reconnect::start(dialer(settings, telling)?, Known::default(), random_seed());
        let mut start = missing.resolve(settings);
        loop {
            let cause = match events.next().await {
                Some(LinkEvent::Connected { client, events: incoming, hello }) => {
                    let link = Self { handle, events, settings };
                    return Ok((link, (client, incoming, *hello)));
                }
                Some(LinkEvent::Refused { why, cause }) => {
                    return Err(refused(why, cause.as_deref(), settings));
                }
                Some(LinkEvent::Reconnecting { cause, .. }) => cause,
                None => None,
            };
            if settings.target == Target::Hub && cause.as_deref().is_some_and(is_absent) {
                return Err(no_hub(settings));
            }
            let absent = cause.as_deref().is_none_or(is_absent) && settings.is_local();
            match (cause, start) {
                (_, Missing::Start) if absent => {
                    start = Missing::Fail;
                    background::start(settings, &[]).await?;
                    background::first_dial(&dialer(settings, telling)?, settings).await?;
                    handle.connect().await;
                }
                (_, Missing::Fail | Missing::StartForSessions) if absent => {
                    return Err(no_relay(settings));
                }
                (Some(cause), _) => return Err(dial_failed(&cause, settings)),
                (None, _) => return Err(over()),
            }
        }
    }

    /// What happens to the link next. May be dropped and called again.
    pub(crate) async fn next(&mut self) -> Result<LinkEvent, CliError> {
        self.events.next().await.ok_or_else(over)
    }
    /// Tries at once, whatever it waits for.
    pub(crate) async fn retry(&self) {
        self.handle.connect().await;
    }
    /// Why the link will not come back by itself.
    pub(crate) fn refused(&self, why: Refusal, cause: Option<&ReconnectError>) -> CliError {
        refused(why, cause, self.settings)
    }
}

fn over() -> CliError {
    CliError::new(Kind::Unreachable, "the link to the relay is over")
}

/// Spreads the retries of many links over time; any number does where no randomness is to be had.
fn random_seed() -> u64 {
    getrandom::u64().unwrap_or_else(|_| std::process::id().into())
}
