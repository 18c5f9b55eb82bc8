//! The client's side of the WebSocket upgrade, the same over every stream.

use std::time::Duration;

use quarterdeck_crypto::{
    ChannelBinding, KeyCredential, KeyProof, PairingRefusal, PublicKey, Token,
    pairing::{PROOF_HEADER, REFUSAL_HEADER, SCHEME},
};
use quarterdeck_protocol::limits::{MAX_BINARY_FRAME_BYTES, MAX_TEXT_FRAME_BYTES};
use tokio_tungstenite::{
    client_async_with_config,
    tungstenite::{
        Error,
        error::ProtocolError,
        handshake::client::{Request, Response, generate_key},
        http::{HeaderMap, HeaderValue, StatusCode, header, request::Builder},
        protocol::WebSocketConfig,
    },
};

use zeroize::Zeroizing;

use super::{DialError, Dialled, LinkKey};
use crate::{
    limits::{MAX_RETRY_AFTER, READ_BUFFER_BYTES, WRITE_BATCH_BYTES},
    stream::{ByteStream, Counted},
    tls::TlsFailure,
};

/// The version of the protocol that this crate speaks.
pub const SUBPROTOCOL: &str = "quarterdeck.v1";

/// Buffers and limits of every WebSocket of ours. A frame that announces more than the protocol allows is
/// refused when its header is read, before anything is allocated for it.
#[must_use]
pub fn websocket_config() -> WebSocketConfig {
    let largest = MAX_TEXT_FRAME_BYTES.max(MAX_BINARY_FRAME_BYTES);
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BATCH_BYTES)
        .max_write_buffer_size(WRITE_BATCH_BYTES + 2 * largest)
        .max_message_size(Some(largest))
        .max_frame_size(Some(largest))
}

/// What the request says.
pub(super) struct Upgrade<'a> {
    /// `Host` header.
    pub(super) authority: String,
    pub(super) path: &'a str,
    pub(super) credential: Credential<'a>,
}

/// What the caller shows.
#[derive(Clone)]
pub(super) enum Credential<'a> {
    /// Nothing: the system says who it is.
    None,
    /// A bearer token.
    Token(&'a Token),
    /// Its key, proved for this channel.
    Key { key: &'a LinkKey, binding: ChannelBinding },
}

impl Credential<'_> {
    fn to_header(&self) -> Option<Zeroizing<String>> {
        let with_scheme = |scheme: &str, text: &str| {
            let mut header = Zeroizing::new(String::with_capacity(scheme.len() + 1 + text.len()));
            header.push_str(scheme);
            header.push(' ');
            header.push_str(text);
            header
        };
        match self {
            Self::None => None,
            Self::Token(token) => Some(with_scheme("Bearer", &token.to_text())),
            Self::Key { key, binding } => {
                let proof = KeyProof::make(&key.key, key.purpose, binding);
                let shown = KeyCredential { proof, code: key.code.clone() };
                Some(with_scheme(SCHEME, &shown.to_text()))
            }
        }
    }

    /// The key of the other side, which it must prove if we proved ours.
    fn check_answer(&self, headers: &HeaderMap) -> Result<Option<PublicKey>, DialError> {
        let Self::Key { key, binding } = self else { return Ok(None) };
        let shown = headers.get(PROOF_HEADER).and_then(|value| value.to_str().ok());
        let proof = shown.and_then(|text| text.parse::<KeyProof>().ok());
        let holds = proof.filter(|proof| proof.holds(key.other, binding));
        holds.map(|proof| Some(proof.key)).ok_or(DialError::Unproved)
    }
}

pub(super) async fn upgrade(
    stream: ByteStream,
    wanted: &Upgrade<'_>,
) -> Result<Dialled, DialError> {
    let request = request(wanted)?;
    let upgraded =
        client_async_with_config(request, Counted::new(stream), Some(websocket_config())).await;
    match upgraded {
        Ok((stream, response)) => {
            let peer = wanted.credential.check_answer(response.headers())?;
            Ok(Dialled { stream, peer })
        }
        Err(error) => Err(why(error)),
    }
}

fn request(wanted: &Upgrade<'_>) -> Result<Request, DialError> {
    let mut builder = Builder::new()
        .uri(format!("ws://{}{}", wanted.authority, wanted.path))
        .header(header::HOST, &wanted.authority)
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .header(header::SEC_WEBSOCKET_KEY, generate_key())
        .header(header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL)
        .header(header::USER_AGENT, concat!("quarterdeck/", env!("CARGO_PKG_VERSION")));
    let unusable = || DialError::Name { host: wanted.authority.clone() };
    if let Some(text) = wanted.credential.to_header() {
        let mut value = HeaderValue::from_str(&text).map_err(|_| unusable())?;
        value.set_sensitive(true);
        builder = builder.header(header::AUTHORIZATION, value);
    }
    builder.body(()).map_err(|_| unusable())
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "foreign errors: all others mean the same to a person"
)]
fn why(error: Error) -> DialError {
    match error {
        Error::Io(error) => TlsFailure::of(&error).map_or(DialError::Io(error), DialError::Tls),
        Error::Http(response) => why_status(&response),
        Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(_)) => DialError::Version,
        Error::Protocol(ProtocolError::HandshakeIncomplete) => {
            DialError::Io(std::io::ErrorKind::UnexpectedEof.into())
        }
        _ => DialError::NotARelay { status: None },
    }
}

fn why_status(response: &Response) -> DialError {
    let retry_after = retry_after(response.headers());
    let refusal = response.headers().get(REFUSAL_HEADER).and_then(|word| word.to_str().ok());
    if let Some(refusal) = refusal.and_then(PairingRefusal::parse) {
        return DialError::Pairing(refusal);
    }
    match response.status() {
        StatusCode::UNAUTHORIZED => DialError::BadCredential,
        StatusCode::FORBIDDEN => DialError::Forbidden,
        StatusCode::UPGRADE_REQUIRED => DialError::Version,
        StatusCode::SERVICE_UNAVAILABLE => DialError::Busy { retry_after },
        StatusCode::TOO_MANY_REQUESTS => {
            DialError::LockedOut { retry_after: retry_after.unwrap_or_default() }
        }
        status => DialError::NotARelay { status: Some(status.as_u16()) },
    }
}

/// Seconds only: the form with a date would need a clock that both ends agree on.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}

/// The bytes of a request, with a fixed key.
#[cfg(test)]
pub(super) fn golden(wanted: &Upgrade<'_>) -> String {
    let mut request = request(wanted).expect("a request");
    let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
    request.headers_mut().insert(header::SEC_WEBSOCKET_KEY, key);
    let (bytes, _) = tokio_tungstenite::tungstenite::handshake::client::generate_request(request)
        .expect("bytes");
    String::from_utf8(bytes).expect("text")
}
