//! `hook.*`.

use quarterdeck_hooks::{Notice, notice::AtMachine};
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    method::{Empty, HookListResult, HookTestParams, HookTestResult, HookToldParams},
};

use crate::{clock, connection::Connection};

pub(super) fn list(c: &Connection) -> HookListResult {
    c.context.hooks.list()
}

pub(super) async fn test(c: &Connection, p: HookTestParams) -> Result<HookTestResult, RpcError> {
    let machine = AtMachine { machine: None, label: c.context.machine.clone() };
    let notice = Notice::test(machine, clock::wall_micros());
    let took = c.context.hooks.test(&p.name, &notice).await.map_err(|error| error.to_rpc())?;
    Ok(HookTestResult { took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX) })
}

/// Only whoever tells may say that something is told.
pub(super) fn told(c: &Connection, p: &HookToldParams) -> Result<Empty, RpcError> {
    if !c.tells_hooks() {
        let message = "only a hub that tells hooks says what they were told";
        return Err(RpcError::new(ErrorCode::InvalidRequest, message));
    }
    c.context.hooks.handle_told(&p.key);
    Ok(Empty {})
}
