//! Adding a machine: it is reached first, so that what is added works, and is not there already.

use std::sync::Arc;

use quarterdeck_access::clock;
use quarterdeck_crypto::{PairingCode, PairingLine};
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    ids::{MachineId, MachineLabel},
    method::{HelloResult, MachineAccess, MachineAddParams, MachineState},
};
use quarterdeck_transport::{
    DialError,
    reconnect::{Dialer as _, ReconnectError},
};

use super::{Command, start};
use crate::{
    api::storage,
    context::{Context, random_bytes},
    store::{Access, MachineRow},
    way,
};

/// What to do about a certificate that is not the expected one.
const COMPARE: &str = "compare the pin with what the machine prints: qd status; a proxy that opens \
                       TLS shows one of its own";

/// Adds a machine, links it, and gives its id. A pairing line of a relay that is known already renews its
/// pairing.
///
/// # Errors
/// When it cannot be reached, is there already, or cannot be kept.
pub(crate) async fn add(
    context: &Arc<Context>,
    p: MachineAddParams,
) -> Result<MachineId, RpcError> {
    if let Some(label) = &p.label
        && context.fleet.resolve_machine(label.as_str()).is_ok()
    {
        let message = format!("another machine is called \"{label}\"");
        return Err(RpcError::new(ErrorCode::MachineExists, message).hint("name it: --label"));
    }
    let (access, code) = access(p.access)?;
    let is_line = code.is_some();
    let hello = match reach(context, &access, code).await {
        Ok(hello) => Some(hello),
        Err(error) if p.offline && !is_line && may_come_later(&error) => None,
        Err(error) => return Err(not_reached(&error)),
    };
    let relay_id = hello.as_ref().map(|hello| hello.relay_id);
    if let Some(known) = relay_id.and_then(|relay| context.fleet.of_relay(relay)) {
        if is_line && context.fleet.link(known.machine).is_err() {
            return renew(context, known, access).await;
        }
        let message = format!("this machine is here already, as \"{}\"", known.label);
        return Err(RpcError::new(ErrorCode::MachineExists, message)
            .hint("give it another name: qd machine rename"));
    }
    let wanted = p.label.unwrap_or_else(|| label_of(hello.as_ref(), &access));
    let row = MachineRow {
        machine: MachineId::from_bytes(random_bytes()?),
        label: context.fleet.free_label(&wanted),
        access,
        relay_id,
        auto_connect: true,
        relay: None,
        ticket: hello.map(|hello| hello.ticket),
        last_seen_at: None,
        created_at: clock::wall_micros(),
    };
    keep(context, row).await
}

/// Keeps a new machine and begins its task.
///
/// # Errors
/// When it cannot be kept.
pub(crate) async fn keep(context: &Arc<Context>, row: MachineRow) -> Result<MachineId, RpcError> {
    let machine = row.machine;
    context.store.put_machine(row.clone()).await.map_err(|error| storage(&error))?;
    context.fleet.add(row, Vec::new())?;
    start(context, machine);
    Ok(machine)
}

async fn renew(
    context: &Arc<Context>,
    known: MachineRow,
    access: Access,
) -> Result<MachineId, RpcError> {
    let machine = known.machine;
    let row = MachineRow { access, auto_connect: true, ..known };
    context.store.put_machine(row.clone()).await.map_err(|error| storage(&error))?;
    context.fleet.edit(machine, |it| *it = row);
    // whoever waits for the link does not take the old refusal for its answer
    context.fleet.set_state(machine, MachineState::Connecting);
    context.machines.tell(machine, Command::Changed).await;
    Ok(machine)
}

fn access(given: MachineAccess) -> Result<(Access, Option<PairingCode>), RpcError> {
    match given {
        MachineAccess::Line { line } => {
            let line: PairingLine =
                line.parse().map_err(|error: quarterdeck_crypto::pairing::ParseLineError| {
                    RpcError::new(ErrorCode::PairingFailed, error.to_string())
                        .hint("have the machine print a new one: qd relay pair")
                })?;
            let access = Access::Key { address: line.address, pin: line.pin.to_string() };
            Ok((access, Some(line.code)))
        }
        MachineAccess::Ssh { url } => Ok((Access::Ssh { url }, None)),
        MachineAccess::Token { url, token, pin } => Ok((Access::Token { url, token, pin }, None)),
    }
}

/// Dials once, up to an answered `hello`; with a code this pairs.
async fn reach(
    context: &Context,
    access: &Access,
    code: Option<PairingCode>,
) -> Result<HelloResult, ReachError> {
    let dialer = way::dialer(context, access, code)?;
    // only machines that dial the hub have none, and those are not added by dialling
    let dialer = dialer.ok_or(way::WayError::Kind("wss:// or ssh://"))?;
    let (client, _, hello) = dialer.dial(None).await?;
    client.close(1000, "").await;
    Ok(hello)
}

/// Why a machine was not reached.
#[derive(Debug, thiserror::Error)]
enum ReachError {
    #[error(transparent)]
    Way(#[from] way::WayError),
    #[error(transparent)]
    Dial(#[from] ReconnectError),
}

fn may_come_later(error: &ReachError) -> bool {
    use quarterdeck_core::link::DialFailure;
    match error {
        ReachError::Way(_) => false,
        ReachError::Dial(error) => !matches!(error.failure(), DialFailure::Refused(_)),
    }
}

fn not_reached(error: &ReachError) -> RpcError {
    let text = format!("the machine was not added: {error}");
    match error {
        ReachError::Way(error) => error.to_rpc(),
        ReachError::Dial(ReconnectError::Dial(DialError::Pairing(_) | DialError::Unproved)) => {
            RpcError::new(ErrorCode::PairingFailed, text)
                .hint("have the machine print a new line: qd relay pair")
        }
        ReachError::Dial(ReconnectError::Dial(DialError::Tls(_))) => {
            RpcError::new(ErrorCode::PairingFailed, text).hint(COMPARE)
        }
        ReachError::Dial(error) if is_other_version(error) => {
            RpcError::new(ErrorCode::Forbidden, text)
                .hint("install the same version there and here: qd --version")
        }
        ReachError::Dial(error) if error_is_refusal(error) => {
            RpcError::new(ErrorCode::Forbidden, text).hint("see there: qd token list")
        }
        ReachError::Dial(_) => {
            RpcError::new(ErrorCode::Unreachable, text).hint("keep it all the same: --offline")
        }
    }
}

fn is_other_version(error: &ReconnectError) -> bool {
    use quarterdeck_core::link::{DialFailure, Refusal};
    error.failure() == DialFailure::Refused(Refusal::Version)
}

fn error_is_refusal(error: &ReconnectError) -> bool {
    matches!(error.failure(), quarterdeck_core::link::DialFailure::Refused(_))
}

fn label_of(hello: Option<&HelloResult>, access: &Access) -> MachineLabel {
    if let Some(hello) = hello {
        let plain = hello.instance == "default";
        let full = format!("{}:{}", hello.machine, hello.instance);
        return MachineLabel::near(if plain { &hello.machine } else { &full });
    }
    let url = match access {
        Access::Key { address, .. } => address,
        Access::Ssh { url } | Access::Token { url, .. } => url,
        Access::Local | Access::Joined => "machine",
    };
    let host = url.rsplit("//").next().unwrap_or(url);
    let host = host.rsplit('@').next().unwrap_or(host);
    MachineLabel::near(host.split(':').next().unwrap_or(host))
}
