//! An address to listen on with how it is protected, as flags and files say it.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use quarterdeck_crypto::Pin;

use super::{BindError, ListenSecurity, Listener};
use crate::tls::{ClientAuth, ServerIdentity, ServerTls};

/// A network address and how it is protected.
#[derive(Debug, Clone)]
pub struct Listen {
    /// Where to bind; port 0 = a free one.
    pub address: SocketAddr,
    /// How.
    pub security: Security,
}

/// How a network address is protected.
#[derive(Debug, Clone)]
pub enum Security {
    /// TLS with the daemon's own certificate, made at first start.
    OwnCertificate {
        /// Only clients with a certificate of these authorities (PEM file).
        client_ca: Option<PathBuf>,
    },
    /// TLS with a certificate from files (PEM).
    Certificate {
        /// The chain, leaf first.
        cert: PathBuf,
        /// The private key.
        key: PathBuf,
        /// Only clients with a certificate of these authorities (PEM file).
        client_ca: Option<PathBuf>,
    },
    /// No TLS, and only for this machine: a browser here needs none, and a dialect's clients may know no
    /// pins.
    PlainLoopback,
    /// No TLS: said in so many words by `--insecure`.
    Insecure,
}

/// Why an address is not listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// It could not be bound.
    #[error("cannot listen on {address}")]
    Bind {
        /// Which address.
        address: SocketAddr,
        /// Cause.
        source: io::Error,
    },
    /// Plain text off loopback without `--insecure`.
    #[error("refusing to serve {0} without TLS")]
    PlainOffLoopback(SocketAddr),
    /// The certificate or key could not be used.
    #[error("cannot set up TLS: {0}")]
    Tls(String),
}

/// What is listened on.
pub struct Listening {
    /// Gives the connections.
    pub listener: Listener,
    /// `ws://` or `wss://` and the address, with the port that the system chose.
    pub url: String,
    /// Pin of the certificate, if there is one.
    pub pin: Option<Pin>,
}

impl Listen {
    /// Whether the daemon's own certificate is used.
    #[must_use]
    pub const fn uses_own_certificate(&self) -> bool {
        matches!(self.security, Security::OwnCertificate { .. })
    }

    /// Listens. The daemon's own certificate is, or will be, the file `own` in a private directory.
    ///
    /// # Errors
    /// When the address is taken, would be plain off loopback, or a certificate cannot be used.
    pub async fn bind(&self, own: &Path) -> Result<Listening, ListenError> {
        let (scheme, security) = match (self.tls(own)?, &self.security) {
            (Some(tls), _) => ("wss", ListenSecurity::Tls(tls)),
            (None, Security::Insecure) => ("ws", ListenSecurity::PlainInsecure),
            (None, _) => ("ws", ListenSecurity::PlainLoopback),
        };
        let address = self.address;
        let listener =
            Listener::bind_tcp(address, &security).await.map_err(|error| match error {
                BindError::Io(source) => ListenError::Bind { address, source },
                BindError::PlainOffLoopback(_) => ListenError::PlainOffLoopback(address),
                other @ (BindError::InTheWay(_) | BindError::OpenDirectory(_)) => {
                    ListenError::Bind { address, source: io::Error::other(other) }
                }
            })?;
        let pin = match &security {
            ListenSecurity::Tls(tls) => Some(tls.pin()),
            ListenSecurity::PlainLoopback | ListenSecurity::PlainInsecure => None,
        };
        let address = listener.local_address().unwrap_or(address);
        Ok(Listening { listener, url: format!("{scheme}://{address}"), pin })
    }

    fn tls(&self, own: &Path) -> Result<Option<ServerTls>, ListenError> {
        let (identity, client_ca) = match &self.security {
            Security::Insecure | Security::PlainLoopback => return Ok(None),
            Security::OwnCertificate { client_ca } => {
                (ServerIdentity::Own { path: own.to_owned() }, client_ca)
            }
            Security::Certificate { cert, key, client_ca } => {
                (ServerIdentity::Files { certificate: cert.clone(), key: key.clone() }, client_ca)
            }
        };
        let clients = match client_ca {
            None => ClientAuth::None,
            Some(file) => ClientAuth::Required { authorities: file.clone() },
        };
        let tls = ServerTls::load(&identity, &clients);
        tls.map(Some).map_err(|error| ListenError::Tls(error.to_string()))
    }
}
