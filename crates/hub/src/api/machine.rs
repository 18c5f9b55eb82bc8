//! `machine.*`.

use crate::{
    client::Asker,
    context::{Context, random_bytes},
    limits::LINK_PATIENCE,
    machine::{self, Command},
    store::{Access, MachineRow, StoreError},
    way,
};
use quarterdeck_access::clock;
use quarterdeck_core::invitations::INVITATION_LIFE;
use quarterdeck_crypto::{PairingCode, PairingLine, Pin, pairing::CODE_LETTERS};
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    ids::MachineId,
    method::{
        Empty, MachineAddParams, MachineInfo, MachineInviteParams, MachineListResult,
        MachineParams, MachineRenameParams, MachineResult, MachineState, MachineUpdateParams,
        PairingInviteResult,
    },
};

pub(super) fn list(asker: &Asker) -> MachineListResult {
    MachineListResult { machines: asker.context.fleet.machines() }
}

pub(super) async fn add(asker: &Asker, p: MachineAddParams) -> Result<MachineResult, RpcError> {
    let machine = machine::add(&asker.context, p).await?;
    asker.context.record_machine(machine, "added", Some(asker.principal()), None);
    result(&asker.context, machine, settled).await
}

pub(super) async fn remove(asker: &Asker, p: &MachineParams) -> Result<Empty, RpcError> {
    let context = &asker.context;
    let machine = context.fleet.resolve_machine(&p.machine)?;
    if context.fleet.row(machine).is_some_and(|row| row.access == Access::Local) {
        let message = "the hub's own machine stays; disconnect it instead";
        return Err(RpcError::new(ErrorCode::InvalidParams, message)
            .hint("qd machine disconnect keeps the hub from using it"));
    }
    context.store.remove_machine(machine).await.map_err(|error| storage(&error))?;
    context.record_machine(machine, "removed", Some(asker.principal()), None);
    context.machines.stop(machine);
    context.fleet.remove(machine);
    Ok(Empty {})
}

pub(super) async fn rename(
    asker: &Asker,
    p: MachineRenameParams,
) -> Result<MachineResult, RpcError> {
    let context = &asker.context;
    let machine = context.fleet.resolve_machine(&p.machine)?;
    let taken = context.fleet.resolve_machine(p.label.as_str());
    if taken.is_ok_and(|other| other != machine) {
        let message = format!("another machine is called \"{}\"", p.label);
        return Err(RpcError::new(ErrorCode::MachineExists, message));
    }
    let missing = || RpcError::new(ErrorCode::NotFound, "this machine was removed");
    let mut row = context.fleet.row(machine).ok_or_else(missing)?;
    row.label = p.label.clone();
    context.store.put_machine(row).await.map_err(|error| storage(&error))?;
    context.fleet.edit(machine, |row| row.label = p.label);
    context.record_machine(machine, "renamed", Some(asker.principal()), None);
    result(context, machine, |_| true).await
}

/// Changes how a machine is reached. With another pin or token it is dialled anew; a refusal is forgotten.
pub(super) async fn update(
    asker: &Asker,
    p: MachineUpdateParams,
) -> Result<MachineResult, RpcError> {
    let context = &asker.context;
    let machine = context.fleet.resolve_machine(&p.machine)?;
    let missing = || RpcError::new(ErrorCode::NotFound, "this machine was removed");
    let before = context.fleet.row(machine).ok_or_else(missing)?;
    let access = before.access.changed(p.pin, p.token).map_err(|error| error.to_rpc())?;
    way::dialer(context, &access, None).map_err(|error| error.to_rpc())?;
    let auto_connect = p.auto_connect.unwrap_or(before.auto_connect);
    let row = MachineRow { access: access.clone(), auto_connect, ..before.clone() };
    context.store.put_machine(row).await.map_err(|error| storage(&error))?;
    let redial = access != before.access;
    context.fleet.edit(machine, |row| (row.access, row.auto_connect) = (access, auto_connect));
    context.record_machine(machine, "changed", Some(asker.principal()), None);
    let now = context.fleet.machine(machine);
    let is_wanted = now.is_some_and(|it| it.state != MachineState::Disconnected);
    if redial && is_wanted {
        context.fleet.set_state(machine, MachineState::Connecting);
        context.machines.tell(machine, Command::Changed).await;
        return result(context, machine, settled).await;
    }
    result(context, machine, |_| true).await
}

/// Links or unlinks a machine, now and after the next start.
pub(super) async fn steer(
    asker: &Asker,
    p: &MachineParams,
    command: Command,
) -> Result<MachineResult, RpcError> {
    let context = &asker.context;
    let machine = context.fleet.resolve_machine(&p.machine)?;
    let auto_connect = matches!(command, Command::Connect);
    let missing = || RpcError::new(ErrorCode::NotFound, "this machine was removed");
    let mut row = context.fleet.row(machine).ok_or_else(missing)?;
    if row.auto_connect != auto_connect {
        row.auto_connect = auto_connect;
        context.store.put_machine(row).await.map_err(|error| storage(&error))?;
        context.fleet.edit(machine, |row| row.auto_connect = auto_connect);
    }
    let what = if auto_connect { "connect" } else { "disconnect" };
    context.record_machine(machine, what, Some(asker.principal()), None);
    let linked = context.fleet.link(machine).is_ok();
    if auto_connect && !linked {
        // whoever waits for the link does not take an old refusal for its answer
        context.fleet.set_state(machine, MachineState::Connecting);
    }
    context.machines.tell(machine, command).await;
    let wanted = if auto_connect { settled } else { unlinked };
    result(context, machine, wanted).await
}

pub(super) fn invite(
    asker: &Asker,
    p: MachineInviteParams,
) -> Result<PairingInviteResult, RpcError> {
    let context = &asker.context;
    let no_network = || {
        let message = "this hub listens on no network address with TLS, so no machine can dial it";
        let hint = "start it with --listen ADDR and --tls, or add the machine from here";
        RpcError::new(ErrorCode::PairingFailed, message).hint(hint)
    };
    let pin: Option<Pin> = context.pin.as_deref().and_then(|pin| pin.parse().ok());
    let pin = pin.ok_or_else(no_network)?;
    let address = p.address.or_else(|| own_address(context)).ok_or_else(no_network)?;
    let code = PairingCode::from_random(random_bytes::<CODE_LETTERS>()?);
    let line = PairingLine { address, pin, code };
    let text = line.to_text();
    text.parse::<PairingLine>()
        .map_err(|error| RpcError::new(ErrorCode::InvalidParams, error.to_string()))?;
    context.invitations().add(line.code.hash(), p.label, clock::boot());
    Ok(PairingInviteResult {
        line: text.as_str().to_owned(),
        expires_in_s: INVITATION_LIFE.as_secs(),
    })
}

/// `host:port` by which machines reach this hub.
fn own_address(context: &Context) -> Option<String> {
    if let Some(public) = &context.options.public_address {
        return Some(public.clone());
    }
    let address = context.listening.iter().find_map(|url| url.strip_prefix("wss://"))?;
    let socket: std::net::SocketAddr = address.parse().ok()?;
    if socket.ip().is_unspecified() {
        // every address of the machine: its name leads to one of them
        return Some(format!("{}:{}", context.machine, socket.port()));
    }
    Some(address.to_owned())
}

/// A link that was asked for stands, or it is known why not.
const fn settled(machine: &MachineInfo) -> bool {
    !matches!(machine.state, MachineState::Connecting | MachineState::Disconnected)
}

const fn unlinked(machine: &MachineInfo) -> bool {
    matches!(machine.state, MachineState::Disconnected)
}

/// The machine, once it is as it should be, but without waiting for ever.
async fn result(
    context: &Context,
    machine: MachineId,
    is_so: impl Fn(&MachineInfo) -> bool,
) -> Result<MachineResult, RpcError> {
    let missing = || RpcError::new(ErrorCode::NotFound, "this machine was removed");
    let found = context.fleet.wait_until(machine, is_so, LINK_PATIENCE).await;
    Ok(MachineResult { machine: found.ok_or_else(missing)? })
}

/// What a failed write means to a client.
pub(crate) fn storage(error: &StoreError) -> RpcError {
    tracing::warn!(%error, "the database cannot be written");
    RpcError::new(ErrorCode::Storage, "the hub cannot write its database")
        .hint("the hub's log says why")
}
