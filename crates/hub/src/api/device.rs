//! `device.*`: browsers, and the links by which they log in.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use quarterdeck_access::{clock, journal::Event};
use quarterdeck_crypto::{OncePurpose, OnceSecret};
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    ids::Principal,
    method::{DeviceInviteParams, DeviceInviteResult, DeviceListResult, DeviceParams, Empty},
    scope::Scopes,
};

use crate::{
    client::Asker,
    context::{Context, random_bytes},
    devices::LoginLink,
    limits::{LOGIN_LINK_LIFE, MAX_DEVICE_NAME_CHARS},
};

/// The longest life of a browser that has an end; a longer one is a mistake in units.
const MAX_LIFE_S: u64 = quarterdeck_access::tokens::MAX_LIFE_S;

pub(super) fn invite(asker: &Asker, p: DeviceInviteParams) -> Result<DeviceInviteResult, RpcError> {
    let context = &asker.context;
    let DeviceInviteParams { name, principal, scopes, device_expires_in_s } = p;
    let invalid = |text: String| RpcError::new(ErrorCode::InvalidParams, text);
    let scopes = scopes.unwrap_or(asker.grant.scopes);
    check_gift(asker, scopes)?;
    if name.as_ref().is_some_and(|name| crate::web::device_name(name) != *name) {
        let text =
            format!("a browser's name has 1 to {MAX_DEVICE_NAME_CHARS} printable characters");
        return Err(invalid(text));
    }
    if device_expires_in_s.is_some_and(|life| life == 0 || life > MAX_LIFE_S) {
        return Err(invalid(format!("a browser's life is 1 to {MAX_LIFE_S} seconds")));
    }
    let by = asker.principal().clone();
    let person = principal.as_deref().unwrap_or_else(|| by.name());
    let principal = Principal::new(&context.hub.to_string(), person);
    let principal = principal.map_err(|error| invalid(error.to_string()))?;
    let (base, reachable) = own_page(context)?;
    let code = OnceSecret::from_bytes(random_bytes()?);
    let link =
        LoginLink { name: name.clone(), principal: principal.clone(), scopes, device_expires_in_s };
    context.devices.invite(code.hash(OncePurpose::LoginCode), link, clock::boot());
    context.record(&Event::DeviceInvited { name: name.map(Into::into), by, principal, scopes });
    Ok(DeviceInviteResult {
        url: format!("{base}/#login={}", code.to_text().as_str()),
        expires_in_s: LOGIN_LINK_LIFE.as_secs(),
        reachable,
    })
}

/// Nobody gives what they do not have.
fn check_gift(asker: &Asker, scopes: Scopes) -> Result<(), RpcError> {
    if scopes == Scopes::NONE {
        return Err(RpcError::new(ErrorCode::InvalidParams, "a browser needs at least one scope"));
    }
    match scopes.iter().find(|scope| !asker.grant.scopes.has(*scope)) {
        Some(missing) => {
            let text = format!("the caller has no scope \"{missing}\" to give");
            Err(RpcError::new(ErrorCode::Forbidden, text))
        }
        None => Ok(()),
    }
}

/// Where the page is opened, and whether other machines can.
fn own_page(context: &Context) -> Result<(String, bool), RpcError> {
    if context.options.assets.is_none() {
        let text = "this build of qd has no page to open";
        return Err(RpcError::new(ErrorCode::NotFound, text).hint(
            "build it with Node 20.19 or newer and the feature \"web\", which is on by default",
        ));
    }
    if let Some(public) = &context.options.public_url {
        return Ok((public.origin().to_owned(), true));
    }
    let found = context.listening.iter().find_map(|url| {
        let (scheme, address) = url.split_once("://")?;
        let scheme = match scheme {
            "ws" => "http",
            "wss" => "https",
            _ => return None,
        };
        Some((scheme, address.parse::<SocketAddr>().ok()?))
    });
    let missing = || {
        RpcError::new(ErrorCode::NotFound, "this hub listens on no network address")
            .hint("start it with --listen ADDR")
    };
    let (scheme, mut address) = found.ok_or_else(missing)?;
    if address.ip().is_unspecified() {
        address.set_ip(outward_address().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }
    Ok((format!("{scheme}://{address}"), !address.ip().to_canonical().is_loopback()))
}

/// The address of this machine that others see: the one from which it would send. Nothing is sent.
fn outward_address() -> Option<IpAddr> {
    // an address for documentation (RFC 5737): it lies behind the default route of every network
    let elsewhere = (Ipv4Addr::new(192, 0, 2, 1), 9);
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(elsewhere).ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_unspecified()).then_some(address)
}

pub(super) fn list(asker: &Asker) -> DeviceListResult {
    DeviceListResult { devices: asker.context.devices.list(asker.grant.device) }
}

pub(super) async fn revoke(asker: &Asker, p: &DeviceParams) -> Result<Empty, RpcError> {
    let context = &asker.context;
    let mut found = context.devices.named(&p.device);
    let Some(row) = found.pop() else {
        let text = format!("browser \"{}\" not found", p.device);
        return Err(RpcError::new(ErrorCode::NotFound, text));
    };
    if !found.is_empty() {
        let text = format!("{} browsers are called \"{}\"", found.len() + 1, p.device);
        return Err(
            RpcError::new(ErrorCode::Ambiguous, text).hint("name it by its id: qd device ls")
        );
    }
    context.store.remove_device(row.device).await.map_err(|error| super::storage(&error))?;
    context.devices.remove(row.device);
    let by = asker.principal().clone();
    context.record(&Event::DeviceRevoked { device: row.device, name: row.name.into(), by });
    context.credentials_changed();
    Ok(Empty {})
}
