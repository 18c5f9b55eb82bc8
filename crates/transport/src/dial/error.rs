//! Why a dial failed.

use std::{fmt, io, path::PathBuf, time::Duration};

use quarterdeck_core::link::{DialFailure, Refusal};

use quarterdeck_crypto::PairingRefusal;

use super::ProxyError;
use crate::tls::{TlsFailure, TlsSetupError};

/// A step of a dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DialStep {
    /// Name, TCP and proxy; or the Unix socket.
    Connect,
    /// The TLS handshake.
    Tls,
    /// The WebSocket upgrade.
    Upgrade,
    /// ssh, up to the upgrade's answer.
    Ssh,
    /// The answer to `hello`.
    Hello,
}

impl fmt::Display for DialStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting",
            Self::Tls => "the TLS handshake",
            Self::Upgrade => "the WebSocket upgrade",
            Self::Ssh => "ssh",
            Self::Hello => "the hello",
        })
    }
}

/// Why a dial failed, typed by what a person can do about it.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The machine answers, and nothing listens there.
    #[error("nothing listens there")]
    Refused,
    /// No answer in time.
    #[error("no answer in time from {step}")]
    Timeout {
        /// What was going on.
        step: DialStep,
    },
    /// The name leads to no address.
    #[error("the name \"{host}\" has no address: {source}")]
    Dns {
        /// The name.
        host: String,
        /// What the resolver says.
        source: io::Error,
    },
    /// The name cannot stand in a certificate.
    #[error("\"{host}\" cannot be the name of a TLS server")]
    Name {
        /// The name.
        host: String,
    },
    /// `ws://` to another machine.
    #[error("ws:// does not protect what is sent; use wss://, ssh://, or allow it explicitly")]
    PlainOffLoopback,
    /// The peer's certificate, ours, or the protocol.
    #[error(transparent)]
    Tls(#[from] TlsFailure),
    /// Files of ours.
    #[error(transparent)]
    Setup(#[from] TlsSetupError),
    /// 401: no credential, or a wrong, expired or revoked one.
    #[error("the relay does not accept the credential")]
    BadCredential,
    /// The key or the pairing code.
    #[error("{0}")]
    Pairing(PairingRefusal),
    /// What answered did not prove a key of its own.
    #[error("what answers there does not prove its key; it is no hub or relay, or not itself")]
    Unproved,
    /// Keys are proved over TLS 1.3 only.
    #[error("keys are proved over TLS 1.3 only, which this connection does not have")]
    Unbound,
    /// 403: it knows the credential, and does not let it in from here.
    #[error("the relay does not allow this caller to connect")]
    Forbidden,
    /// 429: too many wrong credentials from this address.
    #[error("the relay has locked this address out for {} s", .retry_after.as_secs())]
    LockedOut {
        /// As the relay says.
        retry_after: Duration,
    },
    /// 503: it is starting, stopping, or full.
    #[error("the relay takes no connection just now")]
    Busy {
        /// If the relay says so.
        retry_after: Option<Duration>,
    },
    /// What answered is no relay or hub.
    #[error("what answers there is no relay{}", .status.map_or_else(String::new, |s| format!(" (HTTP {s})")))]
    NotARelay {
        /// Its HTTP status; none if it speaks no HTTP.
        status: Option<u16>,
    },
    /// It is a relay that speaks no version of the protocol that this one speaks.
    #[error("the relay speaks another version of the protocol")]
    Version,
    /// ssh is not there.
    #[error("cannot start {program}: {source}", program = .program.display())]
    SshStart {
        /// Which program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// ssh ended, or what it started did.
    #[error("ssh failed{}: {said}", .status.map_or_else(String::new, |s| format!(" ({s})")))]
    Ssh {
        /// Its exit status; 255 is ssh's own failure, 127 a missing `qd` on the other side.
        status: Option<i32>,
        /// Its last words, made printable.
        said: String,
    },
    /// ssh carries something else than the relay's bytes.
    #[error(
        "the remote shell prints text of its own before the relay; its start files must be silent"
    )]
    SshNoise,
    /// The way out of this network.
    #[error("proxy: {0}")]
    Proxy(#[from] ProxyError),
    /// The network or the machine on the other end.
    #[error("connection failed: {0}")]
    Io(#[source] io::Error),
}

impl DialError {
    /// Classifies what a connecting socket says.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "foreign kinds: all others mean the same to a person"
    )]
    pub(super) fn of_connect(error: io::Error) -> Self {
        match error.kind() {
            // a socket file without its relay is the same news as a closed port
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => Self::Refused,
            io::ErrorKind::TimedOut => Self::Timeout { step: DialStep::Connect },
            _ => Self::Io(error),
        }
    }

    /// What follows for the link.
    ///
    /// ssh has one exit status for all its failures. The two that no retry mends are told by its words, so
    /// that a link does not knock with a wrong key until the machine bans its address.
    #[must_use]
    pub fn failure(&self) -> DialFailure {
        let refused = DialFailure::Refused;
        match self {
            Self::BadCredential | Self::Pairing(_) => refused(Refusal::BadCredential),
            Self::Forbidden => refused(Refusal::Forbidden),
            Self::Version => refused(Refusal::Version),
            Self::PlainOffLoopback | Self::Name { .. } => refused(Refusal::Address),
            Self::Tls(TlsFailure::PinMismatch { seen }) => {
                refused(Refusal::PinMismatch { seen: *seen })
            }
            Self::Tls(
                TlsFailure::Untrusted { .. }
                | TlsFailure::WrongName { .. }
                | TlsFailure::NotValidNow { .. },
            )
            | Self::Unproved
            | Self::Unbound => refused(Refusal::Untrusted),
            Self::Tls(TlsFailure::ClientCertificate) => refused(Refusal::ClientCertificate),
            Self::LockedOut { retry_after } | Self::Busy { retry_after: Some(retry_after) } => {
                DialFailure::RetryNotBefore(*retry_after)
            }
            Self::Ssh { status: Some(255), said } if said.contains("Permission denied") => {
                refused(Refusal::BadCredential)
            }
            Self::Ssh { status: Some(255), said } if said.contains("Host key verification") => {
                refused(Refusal::Untrusted)
            }
            Self::Tls(TlsFailure::NotTls | TlsFailure::Other(_))
            | Self::Refused
            | Self::Timeout { .. }
            | Self::Dns { .. }
            | Self::Setup(_)
            | Self::Busy { retry_after: None }
            | Self::NotARelay { .. }
            | Self::SshStart { .. }
            | Self::Ssh { .. }
            | Self::SshNoise
            | Self::Proxy(_)
            | Self::Io(_) => DialFailure::Retry,
        }
    }
}
