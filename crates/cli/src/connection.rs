//! The way to a relay: the instance's own over its socket, or one that a URL names.

mod failure;
mod link;

use quarterdeck_crypto::PinSet;
use quarterdeck_protocol::{
    method::{HelloParams, HelloResult, Method},
    session::{SessionInfo, Sync, notify},
};
use quarterdeck_transport::{
    CallError, Client, ClosedWhy, DialOptions, Endpoint, Events, Incoming,
    dial::{PlainOffLoopback, SshOptions, SshPrompts},
    limits::CALL_LIMIT,
    reconnect::{Dialer as _, ReconnectError, RelayDialer},
    tls::{ClientIdentity, ClientTls, ServerTrust},
};

use crate::{
    background,
    config::{Remote, Settings, Target},
    error::{CliError, Kind, from_rpc},
};
pub(crate) use failure::{dial_failed, no_hub, no_relay, refused};
pub(crate) use link::Link;

/// What to do when the instance has no running relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Say so.
    Fail,
    /// Start one in the background if there are sessions to serve, else say so. A session outlives its
    /// relay, so whoever asks for one must not have to start the relay first.
    StartForSessions,
    /// Start one in the background.
    Start,
}

impl Missing {
    /// What it comes to for this instance.
    fn resolve(self, settings: &Settings) -> Self {
        match self {
            Self::StartForSessions => {
                let sessions = std::fs::read_dir(settings.directory.sessions());
                let any = sessions.is_ok_and(|mut sessions| sessions.next().is_some());
                if any { Self::Start } else { Self::Fail }
            }
            Self::Start | Self::Fail => self,
        }
    }
}

/// Whether the relay tells of every change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Telling {
    /// Only what is asked for.
    Nothing,
    /// `sync`, and everything that changes after it.
    Changes,
}

/// An open connection that has said hello.
#[derive(Debug)]
pub(crate) struct Connection {
    client: Client,
    /// Kept: whoever drops it ends the connection.
    _events: Events,
    /// What the relay said of itself and of this client.
    pub(crate) hello: HelloResult,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(settings: &Settings, missing: Missing) -> Result<Self, CliError> {
        let dialer = dialer(settings, Telling::Nothing)?;
        let error = match dialer.dial(None).await {
            Ok((client, events, hello)) => return Ok(Self { client, _events: events, hello }),
            Err(error) => error,
        };
        if settings.target == Target::Hub && is_absent(&error) {
            return Err(no_hub(settings));
        }
        if !(settings.is_local() && is_absent(&error)) {
            return Err(dial_failed(&error, settings));
        }
        match missing.resolve(settings) {
            Missing::Fail | Missing::StartForSessions => Err(no_relay(settings)),
            Missing::Start => {
                background::start(settings, &[]).await?;
                let (client, events, hello) = background::first_dial(&dialer, settings).await?;
                Ok(Self { client, _events: events, hello })
            }
        }
    }

    /// Whether it is over.
    pub(crate) fn is_over(&self) -> bool {
        self.client.is_closed()
    }

    /// Waits until it is over.
    pub(crate) async fn closed(&self) {
        self.client.closed().await;
    }

    /// Asks about a session; its name stands in the error's hints.
    pub(crate) async fn call<M: Method>(
        &self,
        params: &M::Params,
        session: Option<&str>,
    ) -> Result<M::Result, CliError> {
        self.client.call::<M>(params).await.map_err(|error| call_failed(error, session))
    }
}

/// All sessions as whoever watches is told: in parts, so that those of any number of machines come through.
pub(crate) async fn whole_view(settings: &Settings) -> Result<Vec<SessionInfo>, CliError> {
    let dialled = dialer(settings, Telling::Changes)?.dial(None).await;
    let (_client, mut events, _) = dialled.map_err(|error| match settings.target {
        Target::Hub if is_absent(&error) => no_hub(settings),
        Target::Hub | Target::Local | Target::Remote(_) => dial_failed(&error, settings),
    })?;
    let mut sessions = Vec::new();
    let told = async {
        loop {
            match events.next().await {
                Some(Incoming::Notification { method, params: Some(params) })
                    if method == notify::SYNC =>
                {
                    let part: Sync = serde_json::from_str(params.get())
                        .map_err(|source| CallError::Unreadable { method: notify::SYNC, source })?;
                    sessions.extend(part.sessions);
                    if part.last {
                        return Ok(());
                    }
                }
                Some(Incoming::Closed { why }) => return Err(CallError::Closed(why)),
                None => return Err(CallError::Closed(ClosedWhy::Here)),
                Some(
                    Incoming::Notification { .. } | Incoming::Frame(_) | Incoming::Answer { .. },
                ) => {}
            }
        }
    };
    let told = tokio::time::timeout(CALL_LIMIT, told).await;
    let told = told.unwrap_or(Err(CallError::Timeout { method: notify::SYNC }));
    told.map_err(|error| call_failed(error, None))?;
    Ok(sessions)
}

/// Nothing listens: the relay is not running.
pub(crate) fn is_absent(error: &ReconnectError) -> bool {
    use quarterdeck_transport::DialError;
    matches!(error, ReconnectError::Dial(DialError::Refused))
}

/// Why a request has no result.
pub(crate) fn call_failed(error: CallError, session: Option<&str>) -> CliError {
    match error {
        CallError::Rpc(error) => from_rpc(error, session),
        CallError::Timeout { .. } => CliError::new(Kind::Timeout, "the relay does not answer")
            .caused_by(&error)
            .hint("it may have done it all the same; see: qd ls"),
        CallError::Closed(_) => {
            CliError::new(Kind::Unreachable, "the connection to the relay was lost")
                .caused_by(&error)
                .hint("it may have done it all the same; see: qd ls")
        }
        CallError::TooLarge { .. } => {
            CliError::new(Kind::Usage, "the request is too large").caused_by(&error)
        }
        CallError::Unreadable { .. } => {
            CliError::new(Kind::Unsupported, "the relay's answer cannot be read")
                .caused_by(&error)
                .hint("compare versions: qd --version, and qd --version on its machine")
        }
    }
}

/// What dials the relay that the settings name.
pub(crate) fn dialer(settings: &Settings, telling: Telling) -> Result<RelayDialer, CliError> {
    let hello = HelloParams {
        name: format!("qd on {}", settings.environment.host_name()),
        ticket: None,
        watch: telling == Telling::Changes,
        machine: settings.machine.clone(),
        hub: None,
        hooks: false,
    };
    let (endpoint, options) = match &settings.target {
        Target::Local => {
            (Endpoint::Unix { path: settings.directory.socket() }, DialOptions::default())
        }
        Target::Hub => {
            (Endpoint::Unix { path: settings.directory.hub_socket() }, DialOptions::default())
        }
        Target::Remote(remote) => (endpoint(remote)?, options(remote, settings)?),
    };
    Ok(RelayDialer::new(endpoint, options, hello))
}

fn endpoint(remote: &Remote) -> Result<Endpoint, CliError> {
    remote.url.parse().map_err(|error| {
        CliError::usage(format!("\"{}\" is no address of a relay", remote.url.escape_debug()))
            .caused_by(&error)
    })
}

fn options(remote: &Remote, settings: &Settings) -> Result<DialOptions, CliError> {
    let plain =
        if settings.insecure { PlainOffLoopback::Insecure } else { PlainOffLoopback::Refused };
    let on_terminal = std::io::IsTerminal::is_terminal(&std::io::stdin());
    let prompts = if on_terminal { SshPrompts::Ask } else { SshPrompts::Never };
    Ok(DialOptions {
        token: remote.token.as_ref().map(crate::config::TokenSource::read).transpose()?,
        tls: ClientTls {
            trust: trust(remote)?,
            identity: remote
                .identity
                .clone()
                .map(|(certificate, key)| ClientIdentity { certificate, key }),
        },
        plain,
        proxy: settings.environment.proxy()?,
        ssh: SshOptions { prompts, ..SshOptions::default() },
        key: None,
    })
}

fn trust(remote: &Remote) -> Result<ServerTrust, CliError> {
    let Some(pin) = &remote.pin else {
        return Ok(remote.ca.clone().map_or(ServerTrust::System, ServerTrust::File));
    };
    if remote.ca.is_some() {
        return Err(CliError::usage("--pin and --ca are two ways to trust; give one"));
    }
    let pins = pin.split(',').map(|pin| pin.trim().parse()).collect::<Result<Vec<_>, _>>();
    let pins = pins.and_then(PinSet::new).map_err(|error| {
        CliError::usage("--pin is not a pin")
            .caused_by(&error)
            .hint("qd relay prints the relay's pin: sha256:…")
    })?;
    Ok(ServerTrust::Pins(pins))
}
