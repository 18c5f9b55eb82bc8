//! The MCP server by which an agent writes to others: tools on one side, calls of a relay on the other.
//!
//! It decides nothing: whose mail it is the relay knows from where the process runs, or by the label that
//! it gave; every tool is one call or a few. It speaks over the standard streams of whoever started it. MCP stands in this crate and
//! nowhere else.
//!
//! - [`calls`]: what it needs of a relay;
//! - [`tools`]: the tools;
//! - [`showing`]: messages that an agent is shown without asking, where it takes them.

pub mod calls;
pub mod showing;
pub mod tools;

use rmcp::{ServiceExt as _, transport::IntoTransport};

pub use calls::RelayCalls;
pub use showing::Showing;
pub use tools::Tools;

/// Why serving ended before the other side did.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The other side did not begin as the protocol wants it.
    #[error("the MCP client did not introduce itself")]
    Begin(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The task that serves failed.
    #[error("serving failed")]
    Task(#[from] tokio::task::JoinError),
}

/// Serves until the other side closes.
///
/// # Errors
/// When it does not begin as it should, or a defect ends it.
pub async fn serve<C: RelayCalls, T, E, A>(
    calls: C,
    showing: Showing,
    transport: T,
) -> Result<(), ServeError>
where
    T: IntoTransport<rmcp::RoleServer, E, A>,
    E: std::error::Error + From<std::io::Error> + Send + Sync + 'static,
{
    let tools = Tools::new(calls, showing);
    let service = tools.clone().serve(transport).await;
    let service = service.map_err(|error| ServeError::Begin(Box::new(error)))?;
    let peer = service.peer().clone();
    let client = peer.peer_info().map(|info| info.client_info.name.clone());
    tools.calls().begin(&client.or_else(|| tools.discovered_by()).unwrap_or_default());
    tokio::select! {
        ended = service.waiting() => ended.map(drop)?,
        () = showing::run(&tools, &peer), if showing == Showing::Channel => {}
    }
    tools.calls().end().await;
    Ok(())
}

/// The standard streams of this process.
#[must_use]
pub fn standard_streams() -> (tokio::io::Stdin, tokio::io::Stdout) {
    rmcp::transport::stdio()
}
