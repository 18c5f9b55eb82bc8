//! Whom a client believes.
//!
//! The certificate is judged inside the handshake that carries the data, never on another connection.
//! With pins, the key decides alone: chain, name and dates say nothing that a pin does not say better. The
//! signature of the handshake is verified in every case, so a copied certificate without its key is
//! worth nothing.

use std::{path::PathBuf, sync::Arc};

use quarterdeck_crypto::PinSet;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore,
    SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

use super::{
    ALPN, TlsFailure, TlsSetupError, VERSIONS, pin_of_certificate, provider, read_authorities,
    read_certificates, read_key,
};

/// Whom a client believes, and what it shows.
#[derive(Debug, Clone, Default)]
pub struct ClientTls {
    /// Whom it believes.
    pub trust: ServerTrust,
    /// What it shows a server that asks for a client certificate.
    pub identity: Option<ClientIdentity>,
}

/// By what a server is believed.
#[derive(Debug, Clone, Default)]
pub enum ServerTrust {
    /// The system's certificate authorities.
    #[default]
    System,
    /// The authorities in this PEM file, and no others.
    File(PathBuf),
    /// The server's key is one of these. An empty set believes nobody.
    Pins(PinSet),
}

/// A client certificate with its key, in PEM files.
#[derive(Debug, Clone)]
pub struct ClientIdentity {
    /// The certificate, then its intermediates.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl ClientTls {
    /// Reads the files. Called for each dial, so that replaced files count at once; it takes a few
    /// milliseconds of reading and belongs on a thread that may block.
    ///
    /// # Errors
    /// When a file cannot be used.
    pub fn load(&self) -> Result<Arc<ClientConfig>, TlsSetupError> {
        let provider = provider();
        let judge = match &self.trust {
            ServerTrust::System => Judge::Authorities(web_pki(system_authorities()?, &provider)?),
            ServerTrust::File(path) => {
                Judge::Authorities(web_pki(read_authorities(path)?, &provider)?)
            }
            ServerTrust::Pins(pins) => Judge::Pins(pins.clone()),
        };
        let verifier = Arc::new(Verifier { judge, provider: provider.clone() });
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&VERSIONS)
            .map_err(|source| TlsSetupError::Unusable { path: PathBuf::new(), source })?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(ClientIdentity { certificate, key }) => {
                let (chain, key) = (read_certificates(certificate)?, read_key(key)?);
                builder.with_client_auth_cert(chain, key).map_err(|source| {
                    TlsSetupError::Unusable { path: certificate.clone(), source }
                })?
            }
        };
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Arc::new(config))
    }
}

/// A broken certificate among the system's does not matter; none at all does.
fn system_authorities() -> Result<RootCertStore, TlsSetupError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { Err(TlsSetupError::NoAuthorities) } else { Ok(roots) }
}

fn web_pki(
    roots: RootCertStore,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, TlsSetupError> {
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(|_| TlsSetupError::NoAuthorities)
}

#[derive(Debug)]
enum Judge {
    Authorities(Arc<WebPkiServerVerifier>),
    Pins(PinSet),
}

#[derive(Debug)]
struct Verifier {
    judge: Judge,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let seen = pin_of_certificate(end_entity)?;
        let failure = match &self.judge {
            Judge::Pins(pins) if pins.contains(&seen) => return Ok(ServerCertVerified::assertion()),
            Judge::Pins(_) => TlsFailure::PinMismatch { seen },
            Judge::Authorities(verifier) => {
                let verdict = verifier.verify_server_cert(
                    end_entity,
                    intermediates,
                    server_name,
                    ocsp_response,
                    now,
                );
                match verdict {
                    Ok(verified) => return Ok(verified),
                    Err(Error::InvalidCertificate(
                        CertificateError::NotValidForName
                        | CertificateError::NotValidForNameContext { .. },
                    )) => TlsFailure::WrongName { seen },
                    Err(Error::InvalidCertificate(
                        CertificateError::Expired
                        | CertificateError::ExpiredContext { .. }
                        | CertificateError::NotValidYet
                        | CertificateError::NotValidYetContext { .. },
                    )) => TlsFailure::NotValidNow { seen },
                    Err(_) => TlsFailure::Untrusted { seen },
                }
            }
        };
        // the pin travels to the caller inside the error: a person may want to compare it
        Err(Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(failure)))))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
