//! What a server shows, and whom it lets in.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use quarterdeck_crypto::Pin;
use rustls::{
    ServerConfig,
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};

use super::{
    ALPN, TlsSetupError, VERSIONS, own_cert, pin_of_certificate, provider, read_authorities,
    read_certificates, read_key,
};

/// Where a server's certificate and key are.
#[derive(Debug, Clone)]
pub enum ServerIdentity {
    /// Files that somebody else keeps.
    Files {
        /// PEM: the certificate, then its intermediates.
        certificate: PathBuf,
        /// PEM: its key.
        key: PathBuf,
    },
    /// This instance's own certificate, made at the first start and kept for ever: see [`own_cert`].
    Own {
        /// The one file with both.
        path: PathBuf,
    },
}

/// Whether clients show a certificate. One that is shown must be signed by an authority of the file.
#[derive(Debug, Clone, Default)]
pub enum ClientAuth {
    /// Clients are not asked.
    #[default]
    None,
    /// Clients may.
    Optional {
        /// PEM file of the authorities.
        authorities: PathBuf,
    },
    /// Clients must; the handshake fails without.
    Required {
        /// PEM file of the authorities.
        authorities: PathBuf,
    },
}

/// A server's TLS, ready to accept.
#[derive(Clone)]
pub struct ServerTls {
    pub(crate) config: Arc<ServerConfig>,
    pin: Pin,
}

impl ServerTls {
    /// Reads the files, or makes the instance's own certificate.
    ///
    /// # Errors
    /// When a file cannot be used.
    pub fn load(identity: &ServerIdentity, clients: &ClientAuth) -> Result<Self, TlsSetupError> {
        let (certificate, key) = match identity {
            ServerIdentity::Files { certificate, key } => (certificate, key),
            ServerIdentity::Own { path } => {
                own_cert::ensure(path)?;
                (path, path)
            }
        };
        let (chain, key) = (read_certificates(certificate)?, read_key(key)?);
        let unusable = |source| TlsSetupError::Unusable { path: certificate.clone(), source };
        let pin = pin_of_certificate(&chain[0]).map_err(unusable)?;
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&VERSIONS)
            .map_err(unusable)?;
        let builder = match clients {
            ClientAuth::None => builder.with_no_client_auth(),
            ClientAuth::Optional { authorities } => {
                builder.with_client_cert_verifier(verifier(authorities, Demand::Optional)?)
            }
            ClientAuth::Required { authorities } => {
                builder.with_client_cert_verifier(verifier(authorities, Demand::Required)?)
            }
        };
        let mut config = builder.with_single_cert(chain, key).map_err(unusable)?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Self { config: Arc::new(config), pin })
    }

    /// The same pin with a server's behaviour that only a test wants.
    #[cfg(test)]
    pub(crate) fn with_config(self, config: ServerConfig) -> Self {
        Self { config: Arc::new(config), pin: self.pin }
    }

    /// The pin of the certificate that it shows.
    #[must_use]
    pub const fn pin(&self) -> Pin {
        self.pin
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("pin", &self.pin).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy)]
enum Demand {
    Optional,
    Required,
}

fn verifier(
    authorities: &Path,
    demand: Demand,
) -> Result<Arc<dyn ClientCertVerifier>, TlsSetupError> {
    let roots = Arc::new(read_authorities(authorities)?);
    let builder = WebPkiClientVerifier::builder_with_provider(roots, provider());
    let builder = match demand {
        Demand::Optional => builder.allow_unauthenticated(),
        Demand::Required => builder,
    };
    let path = authorities.to_owned();
    builder.build().map_err(|_| TlsSetupError::NoItem { path, what: "certificate" })
}
