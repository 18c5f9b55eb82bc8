//! A link to a hub that cannot reach this relay: the relay dials, and then serves it like any other.
//! [`quarterdeck_core::link`] decides when.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use quarterdeck_access::pairings::{DialHub, PairedHub, PairingError};
use quarterdeck_core::link::{Attempt, Effect, Link, PROBE_LIMIT, Probe, Status};
use quarterdeck_crypto::{PairingLine, PinSet};
use quarterdeck_protocol::{ids::HubId, method::HubTerms};
use quarterdeck_transport::{
    DialError, DialLimits, DialOptions, Endpoint, WsStream,
    dial::{self, LinkKey},
    endpoint::ParseEndpointError,
    tls::{ClientTls, ServerTrust},
};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{caller, dialled::DialledSocket, id_of, record_pairing};
use crate::{clock, connection, context::Context};

/// Where a hub takes in relays that dial it.
const JOIN_PATH: &str = "/v1/join";

/// Why a relay does not join a hub.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JoinError {
    /// The address in the line.
    #[error(transparent)]
    Address(#[from] ParseEndpointError),
    /// The hub cannot be reached, or does not want it.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The list of hubs.
    #[error(transparent)]
    Pairing(#[from] PairingError),
}

/// The dialling of one hub; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Uplink {
    trouble: Arc<Mutex<Option<String>>>,
    _stop: DropGuard,
}

impl Uplink {
    /// Why it rests or waits.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Begins to dial every hub that wants it.
pub(crate) fn dial_all(context: &Arc<Context>) {
    for paired in context.pairings.all() {
        start(context, &paired, None);
    }
}

/// Pairs with a hub by the line that it made, and dials it from now on.
///
/// # Errors
/// When the hub is not reached, does not take the code, or the pairing cannot be kept.
pub(crate) async fn join(
    context: &Arc<Context>,
    line: &PairingLine,
    terms: &HubTerms,
) -> Result<PairedHub, JoinError> {
    let hub = DialHub { address: line.address.clone(), pin: line.pin };
    let key = LinkKey::of_relay(context.key.clone(), Some(line.code.clone()));
    let (endpoint, options) = way(context, &hub, key)?;
    let dialled = dial::dial(&endpoint, &options, &DialLimits::default()).await?;
    let id = dialled.peer.map(|key| id_of(&key)).ok_or(DialError::Unproved)?;
    let paired = context.pairings.pair(id, terms, Some(hub), clock::wall_seconds())?;
    record_pairing(context, &paired, &line.address);
    context.credentials_changed();
    start(context, &paired, Some(dialled.stream));
    Ok(paired)
}

fn way(
    context: &Context,
    hub: &DialHub,
    key: LinkKey,
) -> Result<(Endpoint, DialOptions), ParseEndpointError> {
    let endpoint = format!("wss://{}{JOIN_PATH}", hub.address).parse()?;
    let pins = PinSet::new([hub.pin]).map_err(|_| ParseEndpointError::Extra)?;
    let tls = ClientTls { trust: ServerTrust::Pins(pins), identity: None };
    let proxy = context.proxy.clone();
    Ok((endpoint, DialOptions { tls, proxy, key: Some(key), ..DialOptions::default() }))
}

fn start(context: &Arc<Context>, paired: &PairedHub, first: Option<WsStream>) {
    let Some(dial) = paired.dial.clone() else { return };
    let stop = CancellationToken::new();
    let trouble = Arc::default();
    let dialler = Dialler {
        context: Arc::clone(context),
        hub: paired.hub,
        dial,
        trouble: Arc::clone(&trouble),
        begun: Instant::now(),
    };
    let uplink = Uplink { trouble, _stop: stop.clone().drop_guard() };
    context.hubs.uplinks().insert(paired.hub, uplink);
    context.tasks.spawn(dialler.run(stop, first));
}

struct Dialler {
    context: Arc<Context>,
    hub: HubId,
    dial: DialHub,
    trouble: Arc<Mutex<Option<String>>>,
    begun: Instant,
}

/// How the one thing that is under way ended.
enum Ended {
    Probed(Attempt, Probe),
    Dialled(Attempt, Box<Result<WsStream, DialError>>),
    Lost(Attempt),
}
type Doing = Pin<Box<dyn Future<Output = Ended> + Send>>;

impl Dialler {
    async fn run(self, stop: CancellationToken, mut first: Option<WsStream>) {
        let mut link = Link::new(getrandom::u64().unwrap_or_default());
        link.handle_connect(self.now());
        let mut doing: Option<Doing> = None;
        loop {
            while let Some(effect) = link.poll_effect() {
                match effect {
                    Effect::Dial(attempt) if first.is_some() => {
                        let stream = first.take().ok_or(DialError::Unproved);
                        let ended = Ended::Dialled(attempt, Box::new(stream));
                        doing = Some(Box::pin(async move { ended }));
                    }
                    Effect::Probe(attempt) => doing = Some(self.probe(attempt)),
                    Effect::Dial(attempt) => doing = Some(self.connect(attempt)),
                    Effect::Abandon(_) => doing = None,
                    Effect::Show(status) => self.show(status),
                }
            }
            let due = link.poll_timeout().map(|at| self.begun + at);
            let ended = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.context.shutdown.cancelled() => return,
                ended = finish(&mut doing) => ended,
                () = sleep_until(due.unwrap_or(self.begun)), if due.is_some() => {
                    link.handle_timeout(self.now());
                    continue;
                }
            };
            match ended {
                Ended::Probed(attempt, found) => link.handle_probed(attempt, found, self.now()),
                Ended::Dialled(attempt, outcome) => match *outcome {
                    Ok(stream) => {
                        link.handle_dialled(attempt, Ok(()), self.now());
                        doing = self.serve(attempt, stream);
                    }
                    Err(error) => {
                        self.say(Some(error.to_string()));
                        link.handle_dialled(attempt, Err(error.failure()), self.now());
                    }
                },
                Ended::Lost(attempt) => link.handle_lost(attempt, self.now()),
            }
        }
    }

    fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    fn probe(&self, attempt: Attempt) -> Doing {
        let way = way(&self.context, &self.dial, LinkKey::of_relay(self.context.key.clone(), None));
        Box::pin(async move {
            let found = match way {
                Ok((endpoint, options)) => dial::probe(&endpoint, &options, PROBE_LIMIT).await,
                Err(_) => Probe::Unreachable,
            };
            Ended::Probed(attempt, found)
        })
    }

    fn connect(&self, attempt: Attempt) -> Doing {
        let way = way(&self.context, &self.dial, LinkKey::of_relay(self.context.key.clone(), None));
        let expected = self.hub;
        Box::pin(async move {
            let dialled = async {
                let (endpoint, options) =
                    way.map_err(|_| DialError::Name { host: String::new() })?;
                let dialled = dial::dial(&endpoint, &options, &DialLimits::default()).await?;
                let same = dialled.peer.is_some_and(|key| id_of(&key) == expected);
                if same { Ok(dialled.stream) } else { Err(DialError::Unproved) }
            };
            Ended::Dialled(attempt, Box::new(dialled.await))
        })
    }

    /// Serves the hub until its link ends.
    fn serve(&self, attempt: Attempt, stream: WsStream) -> Option<Doing> {
        let paired = self.context.pairings.find(self.hub)?;
        self.context.pairings.touch(self.hub, clock::wall_seconds());
        let caller = caller(&paired).ok()?;
        self.say(None);
        let context = Arc::clone(&self.context);
        Some(Box::pin(async move {
            connection::serve(context, caller, DialledSocket(stream)).await;
            Ended::Lost(attempt)
        }))
    }

    fn show(&self, status: Status) {
        match status {
            Status::Refused { why } => self.say(Some(why.to_string())),
            Status::Ready => self.say(None),
            Status::Idle | Status::Connecting | Status::Reconnecting { .. } | Status::Removed => {}
        }
    }

    fn say(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

/// Waits for the end of what is under way; for ever if nothing is.
async fn finish(doing: &mut Option<Doing>) -> Ended {
    match doing {
        Some(running) => {
            let ended = running.await;
            *doing = None;
            ended
        }
        None => std::future::pending().await,
    }
}
