//! One attempt: from an endpoint to an answered `hello`.

use std::{future::Future, time::Duration};

use quarterdeck_core::link::{DialFailure, Probe, Refusal};
use quarterdeck_crypto::PublicKey;
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    ids::RelayId,
    method::{Hello, HelloParams, HelloResult},
};

use super::Connected;
use crate::{
    client::{CallError, Client, ClientOptions},
    dial::{self, DialError, DialLimits, DialOptions, DialStep, WsStream},
    endpoint::Endpoint,
    limits::HELLO_LIMIT,
};

/// What makes the connections of a link.
pub trait Dialer: Send + Sync + 'static {
    /// Whether anything accepts connections there.
    fn probe(&self, limit: Duration) -> impl Future<Output = Probe> + Send;
    /// Connects, up to an answered `hello` with this ticket.
    fn dial(
        &self,
        ticket: Option<String>,
    ) -> impl Future<Output = Result<Connected, ReconnectError>> + Send;
}

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
pub enum ReconnectError {
    /// No WebSocket.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// A WebSocket, and no `hello`.
    #[error(transparent)]
    Hello(#[from] HelloError),
    /// A `hello` of another relay.
    #[error("relay {seen} answers where {expected} was")]
    RelayChanged {
        /// The relay that was there.
        expected: RelayId,
        /// The one that is there.
        seen: RelayId,
    },
}

/// Why a `hello` was not answered well.
#[derive(Debug, thiserror::Error)]
pub enum HelloError {
    /// The relay does not want the caller.
    #[error("the relay refuses the hello: {0}")]
    Refused(RpcError),
    /// No answer, or none that can be read.
    #[error("no good answer to the hello: {0}")]
    Failed(CallError),
}

impl ReconnectError {
    /// What follows for the link.
    #[must_use]
    pub fn failure(&self) -> DialFailure {
        let code = match self {
            Self::Dial(error) => return error.failure(),
            Self::RelayChanged { expected, seen } => {
                let (expected, seen) = (*expected, *seen);
                return DialFailure::Refused(Refusal::RelayChanged { expected, seen });
            }
            Self::Hello(HelloError::Failed(_)) => return DialFailure::Retry,
            Self::Hello(HelloError::Refused(error)) => error.code(),
        };
        if code == ErrorCode::Forbidden {
            return DialFailure::Refused(Refusal::Forbidden);
        }
        // a relay that does not know "hello", or not ours
        if matches!(code, ErrorCode::MethodNotFound | ErrorCode::InvalidParams) {
            return DialFailure::Refused(Refusal::Version);
        }
        DialFailure::Retry
    }
}

/// Dials a relay or hub.
#[derive(Debug, Clone)]
pub struct RelayDialer {
    /// Where it is.
    pub endpoint: Endpoint,
    /// With what.
    pub options: DialOptions,
    /// How long each step may take.
    pub limits: DialLimits,
    /// How the connection is run.
    pub client: ClientOptions,
    /// What the caller says of itself; the link adds the ticket.
    pub hello: HelloParams,
}

impl RelayDialer {
    /// With the usual limits.
    #[must_use]
    pub fn new(endpoint: Endpoint, options: DialOptions, hello: HelloParams) -> Self {
        let (limits, client) = (DialLimits::default(), ClientOptions::default());
        Self { endpoint, options, limits, client, hello }
    }
}

impl Dialer for RelayDialer {
    async fn probe(&self, limit: Duration) -> Probe {
        dial::probe(&self.endpoint, &self.options, limit).await
    }

    async fn dial(&self, ticket: Option<String>) -> Result<Connected, ReconnectError> {
        let dialled = dial::dial(&self.endpoint, &self.options, &self.limits).await?;
        let mut params = self.hello.clone();
        params.ticket = ticket.or(params.ticket);
        let connected = greet(dialled.stream, self.client, &params).await?;
        check_peer(dialled.peer, &connected.2)?;
        Ok(connected)
    }
}

/// Says hello on an open WebSocket, whoever dialled it.
///
/// # Errors
/// When it is not answered well.
pub async fn greet(
    stream: WsStream,
    options: ClientOptions,
    params: &HelloParams,
) -> Result<Connected, ReconnectError> {
    let (client, events) = Client::start(stream, options);
    match client.call_within::<Hello>(params, HELLO_LIMIT).await {
        Ok(hello) => Ok((client, events, hello)),
        Err(CallError::Rpc(error)) => Err(HelloError::Refused(error).into()),
        Err(CallError::Timeout { .. }) => Err(DialError::Timeout { step: DialStep::Hello }.into()),
        Err(error) => Err(HelloError::Failed(error).into()),
    }
}

/// A relay that proved one key and says that it is another relay is lying.
///
/// # Errors
/// When it does.
pub fn check_peer(proved: Option<PublicKey>, hello: &HelloResult) -> Result<(), ReconnectError> {
    match proved.map(|key| RelayId::from_bytes(key.relay_id())) {
        Some(expected) if expected != hello.relay_id => {
            Err(ReconnectError::RelayChanged { expected, seen: hello.relay_id })
        }
        Some(_) | None => Ok(()),
    }
}
