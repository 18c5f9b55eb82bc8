//! TLS on both ends: rustls over ring, versions 1.2 and 1.3, ALPN `http/1.1`.
//!
//! - [`client`]: whom a client believes: authorities, or pins;
//! - [`server`]: what a server shows, and whom it lets in;
//! - [`own_cert`]: the certificate that an instance makes for itself at its first start.
//!
//! Everything that can be wrong with files is a [`TlsSetupError`]; everything that can go wrong with a
//! peer is a [`TlsFailure`], typed by what a person can do about it.

pub mod client;
pub mod own_cert;
pub mod server;
#[cfg(test)]
mod tests;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use quarterdeck_crypto::{ChannelBinding, Pin, pairing::EXPORTER_LABEL};
use rustls::{
    AlertDescription, CertificateError, ConnectionCommon, Error, ProtocolVersion, RootCertStore,
    SupportedProtocolVersion,
    crypto::{CryptoProvider, ring},
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
};

pub use client::{ClientIdentity, ClientTls, ServerTrust};
pub use server::{ClientAuth, ServerIdentity, ServerTls};

/// The only protocol that is spoken over TLS here.
const ALPN: &[u8] = b"http/1.1";
/// Nothing older than 1.2.
static VERSIONS: [&SupportedProtocolVersion; 2] =
    [&rustls::version::TLS13, &rustls::version::TLS12];

/// Why TLS cannot be set up from the given files.
#[derive(Debug, thiserror::Error)]
pub enum TlsSetupError {
    /// A file cannot be read or written.
    #[error("{path}: {source}", path = .path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file has no certificate or key in PEM form.
    #[error("{path}: no {what} in PEM form", path = .path.display())]
    NoItem {
        /// Which file.
        path: PathBuf,
        /// `certificate` or `private key`.
        what: &'static str,
    },
    /// The certificate and the key do not work, or not together.
    #[error("{path}: certificate or key cannot be used: {source}", path = .path.display())]
    Unusable {
        /// The certificate's file.
        path: PathBuf,
        /// What is wrong.
        source: Error,
    },
    /// A key that others on this machine can read.
    #[error("{path}: others can read this key; make it private with chmod 600", path = .path.display())]
    Exposed {
        /// Which file.
        path: PathBuf,
    },
    /// The system has no certificate authorities, so nobody could be believed.
    #[error("this system has no certificate authorities; name the relay's pin or a CA file")]
    NoAuthorities,
    /// A certificate could not be made.
    #[error("cannot make a certificate: {0}")]
    Generate(#[from] rcgen::Error),
}

/// Why a TLS connection failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TlsFailure {
    /// Another key than the pinned one.
    #[error("the peer's key has the pin {seen}, which is not the expected one")]
    PinMismatch {
        /// What a person compares with the relay's own output.
        seen: Pin,
    },
    /// No known authority vouches for the certificate.
    #[error("no known authority vouches for the certificate; its pin is {seen}")]
    Untrusted {
        /// What a person can pin after comparing it.
        seen: Pin,
    },
    /// The certificate is for another name.
    #[error("the certificate is for another name; its pin is {seen}")]
    WrongName {
        /// What a person can pin after comparing it.
        seen: Pin,
    },
    /// The certificate is not valid now.
    #[error("the certificate is expired or not valid yet; its pin is {seen}")]
    NotValidNow {
        /// What a person can pin after comparing it.
        seen: Pin,
    },
    /// The server wants a client certificate, or another one.
    #[error("the server does not accept the client certificate, or wants one")]
    ClientCertificate,
    /// What answered speaks no TLS.
    #[error("the peer speaks no TLS")]
    NotTls,
    /// Anything else.
    #[error("TLS: {0}")]
    Other(Error),
}

impl TlsFailure {
    /// The TLS failure inside an I/O error, if there is one.
    pub(crate) fn of(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref::<Error>().map(Self::of_rustls)
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "foreign errors: all others mean the same to a person"
    )]
    fn of_rustls(error: &Error) -> Self {
        use AlertDescription as Alert;
        match error {
            Error::InvalidCertificate(CertificateError::Other(other)) => {
                let ours = other.0.downcast_ref::<Self>();
                ours.cloned().unwrap_or_else(|| Self::Other(error.clone()))
            }
            Error::AlertReceived(
                Alert::CertificateRequired
                | Alert::BadCertificate
                | Alert::UnsupportedCertificate
                | Alert::CertificateRevoked
                | Alert::CertificateExpired
                | Alert::CertificateUnknown
                | Alert::UnknownCA
                | Alert::AccessDenied
                // signed by another authority that has the known one's name
                | Alert::DecryptError,
            ) => Self::ClientCertificate,
            Error::InvalidMessage(_) => Self::NotTls,
            _ => Self::Other(error.clone()),
        }
    }
}

/// The pin of a certificate: the hash of its public key.
///
/// # Errors
/// When the bytes are no X.509 certificate of version 3.
pub fn pin_of_certificate(certificate: &CertificateDer<'_>) -> Result<Pin, Error> {
    let parsed = webpki::EndEntityCert::try_from(certificate)
        .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
    Ok(Pin::of_spki(parsed.subject_public_key_info().as_ref()))
}

/// The pin of the first certificate of a PEM file, to be shown to people.
///
/// # Errors
/// When the file has none that can be read.
pub fn pin_of_file(path: &Path) -> Result<Pin, TlsSetupError> {
    let certificates = read_certificates(path)?;
    pin_of_certificate(&certificates[0])
        .map_err(|source| TlsSetupError::Unusable { path: path.to_owned(), source })
}

/// What a proof of a key is bound to on this connection. Only with TLS 1.3: in older versions two
/// connections can be made to share it.
pub(crate) fn binding_of<D>(connection: &ConnectionCommon<D>) -> Option<ChannelBinding> {
    if connection.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
        return None;
    }
    let exported = connection.export_keying_material([0; 32], EXPORTER_LABEL, None);
    exported.ok().map(ChannelBinding::from_exporter)
}

/// The one provider of cryptography; see docs/adr/004.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsSetupError> {
    let all = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let all = all.map_err(|error| file_error(path, error, "certificate"))?;
    if all.is_empty() {
        return Err(TlsSetupError::NoItem { path: path.to_owned(), what: "certificate" });
    }
    Ok(all)
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsSetupError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| file_error(path, error, "private key"))
}

fn read_authorities(path: &Path) -> Result<RootCertStore, TlsSetupError> {
    let mut roots = RootCertStore::empty();
    for certificate in read_certificates(path)? {
        let added = roots.add(certificate);
        added.map_err(|source| TlsSetupError::Unusable { path: path.to_owned(), source })?;
    }
    Ok(roots)
}

fn file_error(path: &Path, error: pem::Error, what: &'static str) -> TlsSetupError {
    let path = path.to_owned();
    if let pem::Error::Io(source) = error {
        return TlsSetupError::File { path, source };
    }
    TlsSetupError::NoItem { path, what }
}
