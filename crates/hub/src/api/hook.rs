//! `hook.*` of the hub itself.

use quarterdeck_access::clock;
use quarterdeck_hooks::{Notice, notice::AtMachine};
use quarterdeck_protocol::{
    error::RpcError,
    method::{HookListResult, HookTestParams, HookTestResult},
};

use crate::client::Asker;

pub(super) fn list(asker: &Asker) -> HookListResult {
    asker.context.hooks.list()
}

pub(super) async fn test(asker: &Asker, p: HookTestParams) -> Result<HookTestResult, RpcError> {
    let context = &asker.context;
    let machine = AtMachine { machine: None, label: context.machine.clone() };
    let notice = Notice::test(machine, clock::wall_micros());
    let took = context.hooks.test(&p.name, &notice).await.map_err(|error| error.to_rpc())?;
    Ok(HookTestResult { took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX) })
}
