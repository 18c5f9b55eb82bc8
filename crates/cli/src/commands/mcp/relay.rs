//! The way of an agent to its relay.
//!
//! An agent in a session of ours is known by where it runs: each of its calls has a connection of its own.
//! An agent outside has a label that lives with one connection, so that one is kept, and made again when
//! it breaks.

use std::{convert::Infallible, sync::Arc, time::Duration};

use quarterdeck_mcp::{RelayCalls, calls::CallFailed};
use quarterdeck_protocol::{
    error::{ErrorCode, ErrorDetail, RpcError},
    method::{
        Empty, MailClaim, MailClaimAgain, MailClaimParams, MailClaimResult, MailLeave, Method,
        SpeakerKind,
    },
};
use tokio::{
    sync::{Mutex, watch},
    time::{Instant, sleep, timeout},
};

use crate::{
    config::Settings,
    connection::{Connection, Missing},
    error::{CliError, Kind},
};

/// How long a call waits for a relay that has just gone: one that is started anew is back by then.
const RETURN_LIMIT: Duration = Duration::from_secs(10);
/// Pause before the first try to come back.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause; far below the time for which a label is kept.
const MAX_PAUSE: Duration = Duration::from_secs(5);
/// How long leaving may take: the agent's process waits for this one to end.
const LEAVE_LIMIT: Duration = Duration::from_secs(2);

/// One agent's relay, and what it is there.
pub(super) struct Relay {
    settings: Settings,
    /// What the agent is called, once it has said so.
    client: watch::Sender<Option<String>>,
    place: Mutex<Place>,
}

/// What the agent is to the relay.
enum Place {
    /// Not known yet.
    Unknown,
    /// In a session, or at a relay that gives no labels: nothing is kept.
    Anywhere,
    /// It has a label.
    Labelled {
        /// The connection that it lives with.
        link: Arc<Link>,
        /// Shown to get it again; none for who runs in a terminal of ours.
        again: Option<MailClaimAgain>,
    },
}

/// A connection that says when it is over.
struct Link {
    connection: Connection,
    /// Set once it failed a call, and before it is known to be closed.
    broken: watch::Sender<bool>,
}

impl Relay {
    pub(super) fn new(settings: Settings) -> Self {
        let client = watch::Sender::new(None);
        Self { settings, client, place: Mutex::new(Place::Unknown) }
    }

    /// Keeps the connection that a label lives with, for as long as this runs.
    pub(super) async fn keep(&self) -> Infallible {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.link(Missing::Fail).await {
                Ok(Some(link)) => {
                    pause = FIRST_PAUSE;
                    link.closed().await;
                }
                Ok(None) => std::future::pending().await,
                Err(error) => {
                    tracing::debug!(%error, "no label");
                    sleep(pause).await;
                    pause = (pause * 2).min(MAX_PAUSE);
                }
            }
        }
    }

    /// The connection that the label lives with; none where there is no label.
    async fn link(&self, missing: Missing) -> Result<Option<Arc<Link>>, CliError> {
        let mut place = self.place.lock().await;
        match &*place {
            Place::Anywhere => return Ok(None),
            Place::Labelled { link, .. } if !link.is_over() => return Ok(Some(Arc::clone(link))),
            Place::Labelled { .. } | Place::Unknown => {}
        }
        let client = self.client().await;
        let again = match &*place {
            Place::Labelled { again, .. } => again.clone(),
            Place::Anywhere | Place::Unknown => None,
        };
        let connection = Connection::open(&self.settings, missing).await?;
        let cwd =
            std::env::current_dir().ok().and_then(|path| path.into_os_string().into_string().ok());
        let params = MailClaimParams { client, cwd, again };
        let claimed = connection.call::<MailClaim>(&params, None).await;
        let link = Arc::new(Link { connection, broken: watch::Sender::new(false) });
        *place = match claimed {
            Ok(MailClaimResult { kind: SpeakerKind::Agent, .. }) => Place::Anywhere,
            Ok(MailClaimResult { label, secret, .. }) => {
                let again = secret.map(|secret| MailClaimAgain { label, secret });
                Place::Labelled { link: Arc::clone(&link), again }
            }
            Err(error) if gives_none(&error) => Place::Anywhere,
            Err(error) => return Err(error),
        };
        Ok(matches!(*place, Place::Labelled { .. }).then_some(link))
    }

    async fn client(&self) -> String {
        let mut said = self.client.subscribe();
        let client = said.wait_for(Option::is_some).await;
        client.ok().and_then(|client| client.clone()).unwrap_or_default()
    }

    async fn ask<M: Method>(&self, params: &M::Params) -> Result<M::Result, CliError> {
        let Some(link) = self.link(Missing::StartForSessions).await? else {
            let connection = Connection::open(&self.settings, Missing::StartForSessions).await?;
            return connection.call::<M>(params, None).await;
        };
        let answer = link.connection.call::<M>(params, None).await;
        if answer.as_ref().is_err_and(is_lost) {
            link.broken.send_replace(true);
        }
        answer
    }

    async fn has_label(&self) -> bool {
        matches!(*self.place.lock().await, Place::Labelled { .. })
    }
}

impl Link {
    fn is_over(&self) -> bool {
        *self.broken.borrow() || self.connection.is_over()
    }

    async fn closed(&self) {
        let mut broken = self.broken.subscribe();
        tokio::select! {
            () = self.connection.closed() => {}
            _ = broken.wait_for(|broken| *broken) => {}
        }
    }
}

/// [`Relay`], as the tools call it.
pub(super) struct Calls(pub(super) Arc<Relay>);

impl RelayCalls for Calls {
    fn begin(&self, client: &str) {
        self.0.client.send_replace(Some(client.to_owned()));
    }

    async fn end(&self) {
        let Place::Labelled { link, .. } = &*self.0.place.lock().await else { return };
        // a relay that does not hear it keeps the label a little longer
        let leaving = link.connection.call::<MailLeave>(&Empty {}, None);
        let _ = timeout(LEAVE_LIMIT, leaving).await;
    }

    /// A relay that has just gone is given time to come back: nothing that the tools ask is done twice.
    async fn call<M: Method>(&self, params: M::Params) -> Result<M::Result, CallFailed>
    where
        M::Params: Send + Sync,
        M::Result: Send,
    {
        let until = Instant::now() + RETURN_LIMIT;
        loop {
            let answer = self.0.ask::<M>(&params).await;
            let lost = answer.as_ref().is_err_and(is_lost) && Instant::now() < until;
            if !(lost && self.0.has_label().await) {
                return answer.map_err(|error| failed(&error));
            }
            sleep(FIRST_PAUSE).await;
        }
    }
}

/// Whether nothing was answered: there is no relay, or it went.
fn is_lost(error: &CliError) -> bool {
    error.kind == Kind::Unreachable && error.wire.is_none()
}

/// Whether a relay gives no labels: an older one, one behind a hub, or none for this credential.
fn gives_none(error: &CliError) -> bool {
    let code = error.wire.as_ref().map(RpcError::code);
    matches!(
        code,
        Some(ErrorCode::MethodNotFound | ErrorCode::InvalidParams | ErrorCode::Forbidden)
    )
}

fn failed(error: &CliError) -> CallFailed {
    match error.wire.as_ref() {
        Some(wire) => from_wire(wire),
        None => CallFailed {
            code: "unreachable".to_owned(),
            message: error.message.clone(),
            hint: error.hints.first().cloned(),
        },
    }
}

fn from_wire(error: &RpcError) -> CallFailed {
    let hint = match error.detail() {
        Some(ErrorDetail::Hint { hint }) => Some(hint.clone()),
        Some(
            ErrorDetail::Owner { .. }
            | ErrorDetail::Scope { .. }
            | ErrorDetail::Matches { .. }
            | ErrorDetail::Answered { .. }
            | ErrorDetail::Prompt { .. },
        )
        | None => None,
    };
    CallFailed { code: error.code().word().to_owned(), message: error.message.clone(), hint }
}
