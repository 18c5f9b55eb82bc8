//! How a machine is dialled.

use quarterdeck_crypto::{PairingCode, ParsePinError, PinSet, Token};
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    method::HelloParams,
};
use quarterdeck_transport::{
    DialOptions, Endpoint,
    dial::LinkKey,
    reconnect::RelayDialer,
    tls::{ClientTls, ServerTrust},
};

use crate::{
    context::Context,
    store::{Access, BadChange},
};

/// What ssh runs. Shells that nobody logs in to often do not look where `qd machine add --install` puts it.
const REMOTE_COMMAND: &str = r#"PATH="$PATH:$HOME/.local/bin" exec qd relay --stdio"#;

/// Why a machine cannot be dialled as it was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WayError {
    /// The address.
    #[error(transparent)]
    Address(#[from] quarterdeck_transport::endpoint::ParseEndpointError),
    /// The pin.
    #[error("{0}")]
    Pin(ParsePinError),
    /// The token.
    #[error(transparent)]
    Token(#[from] quarterdeck_crypto::ParseTokenError),
    /// The address is of another kind.
    #[error("this needs an address that begins with {0}")]
    Kind(&'static str),
}

impl BadChange {
    pub(crate) fn to_rpc(&self) -> RpcError {
        RpcError::new(ErrorCode::InvalidParams, self.to_string())
    }
}

impl WayError {
    pub(crate) fn to_rpc(&self) -> RpcError {
        RpcError::new(ErrorCode::InvalidParams, self.to_string())
    }
}

/// What dials a machine; none for one that dials the hub.
///
/// # Errors
/// When what is known of it leads nowhere.
pub(crate) fn dialer(
    context: &Context,
    access: &Access,
    code: Option<PairingCode>,
) -> Result<Option<RelayDialer>, WayError> {
    let options = DialOptions { proxy: context.options.proxy.clone(), ..DialOptions::default() };
    let (endpoint, options) = match access {
        Access::Joined => return Ok(None),
        Access::Local => (Endpoint::Unix { path: context.directory().socket() }, options),
        Access::Ssh { url } => (ssh(url)?, options),
        Access::Key { address, pin } => {
            let tls = ClientTls { trust: pinned(pin)?, identity: None };
            let key = Some(LinkKey::of_hub(context.key.clone(), code));
            (format!("wss://{address}").parse()?, DialOptions { tls, key, ..options })
        }
        Access::Token { url, token, pin } => {
            let endpoint: Endpoint = url.parse()?;
            if !matches!(endpoint, Endpoint::Tcp { .. }) {
                return Err(WayError::Kind("wss://"));
            }
            let trust = match (pin, &context.options.authorities) {
                (Some(pin), _) => pinned(pin)?,
                (None, Some(file)) => ServerTrust::File(file.clone()),
                (None, None) => ServerTrust::System,
            };
            let tls = ClientTls { trust, identity: None };
            (endpoint, DialOptions { tls, token: Some(Token::parse(token)?), ..options })
        }
    };
    let hello = hello(context);
    Ok(Some(RelayDialer::new(endpoint, options, hello)))
}

/// What the hub says of itself.
pub(crate) fn hello(context: &Context) -> HelloParams {
    HelloParams {
        name: format!("hub on {}", context.machine),
        ticket: None,
        watch: true,
        machine: None,
        hub: Some(context.hub),
        hooks: !context.hooks.is_empty(),
    }
}

fn pinned(pins: &str) -> Result<ServerTrust, WayError> {
    let pins = pins.split(',').map(|pin| pin.trim().parse()).collect::<Result<Vec<_>, _>>();
    pins.and_then(PinSet::new).map(ServerTrust::Pins).map_err(WayError::Pin)
}

fn ssh(url: &str) -> Result<Endpoint, WayError> {
    let endpoint: Endpoint = url.parse()?;
    let Endpoint::Ssh(mut ssh) = endpoint else { return Err(WayError::Kind("ssh://")) };
    ssh.command = ["sh", "-c", REMOTE_COMMAND].map(str::to_owned).into();
    Ok(Endpoint::Ssh(ssh))
}
