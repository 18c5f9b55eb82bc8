//! What the tools need of a relay.

use std::future::Future;

use quarterdeck_protocol::method::Method;

/// A call that gave no result, in words for an agent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CallFailed {
    /// The stable word of the error.
    pub code: String,
    /// What went wrong.
    pub message: String,
    /// What can be done about it.
    pub hint: Option<String>,
}

/// Typed calls of one relay.
pub trait RelayCalls: Send + Sync + 'static {
    /// The agent has said what it is called. Calls that are made before wait for it.
    fn begin(&self, client: &str);

    /// The agent is gone.
    fn end(&self) -> impl Future<Output = ()> + Send;

    /// Asks, and waits for the answer.
    fn call<M: Method>(
        &self,
        params: M::Params,
    ) -> impl Future<Output = Result<M::Result, CallFailed>> + Send
    where
        M::Params: Send + Sync,
        M::Result: Send;
}
