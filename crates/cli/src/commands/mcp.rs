//! `qd mcp`: the MCP server that an agent starts to write to others.

use quarterdeck_mcp::{RelayCalls, calls::CallFailed};
use quarterdeck_protocol::{
    error::{ErrorDetail, RpcError},
    method::Method,
};

use crate::{
    Exit,
    config::Settings,
    connection::{Connection, Missing},
    error::{CliError, Kind},
};

/// Serves MCP over the standard streams until the agent closes them. The relay knows whose agent it is from
/// where this process runs.
#[derive(Debug, clap::Args)]
pub(crate) struct McpArgs {}

/// Connects anew for each call: a server may outlive many relays.
struct Relay {
    settings: Settings,
}

impl RelayCalls for Relay {
    async fn call<M: Method>(&self, params: M::Params) -> Result<M::Result, CallFailed>
    where
        M::Params: Send + Sync,
        M::Result: Send,
    {
        let failed = |error: CliError| match error.wire.as_ref() {
            Some(wire) => from_wire(wire),
            None => CallFailed {
                code: "unreachable".to_owned(),
                message: error.message.clone(),
                hint: error.hints.first().cloned(),
            },
        };
        let connection = Connection::open(&self.settings, Missing::StartForSessions).await;
        connection.map_err(failed)?.call::<M>(&params, None).await.map_err(failed)
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

/// Serves.
pub(crate) async fn run(settings: Settings, McpArgs {}: McpArgs) -> Result<Exit, CliError> {
    let relay = Relay { settings };
    let served = quarterdeck_mcp::serve(relay, quarterdeck_mcp::standard_streams()).await;
    let failed = |error| CliError::new(Kind::Failed, "MCP ended with an error").caused_by(&error);
    served.map(|()| Exit::OK).map_err(failed)
}
