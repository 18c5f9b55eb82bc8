//! The certificate that an instance makes for itself at its first start.
//!
//! ECDSA P-256, self-signed, for `localhost`, the loopback addresses and the host's name, in one private
//! PEM file with its key. It is kept for ever: people pin its key, so a new one would look like an attack.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair};

use super::TlsSetupError;
use crate::sys;

/// Makes the file unless it is there. A file that is there is never replaced, even a broken one.
///
/// The caller holds the instance's lock, so nobody else makes one at the same time.
///
/// # Errors
/// When it cannot be read or written, or others can read it.
pub fn ensure(path: &Path) -> Result<(), TlsSetupError> {
    let failed = |source| TlsSetupError::File { path: path.to_owned(), source };
    match fs::metadata(path) {
        Ok(found) if found.permissions().mode() & 0o077 == 0 => Ok(()),
        Ok(_) => Err(TlsSetupError::Exposed { path: path.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let host = rustix::system::uname();
            let pem = generate(&host.nodename().to_string_lossy())?;
            write_private(path, pem.as_bytes()).map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}

/// Certificate and key in PEM form.
fn generate(host: &str) -> Result<String, TlsSetupError> {
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    let is_name =
        !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    if is_name && host != "localhost" {
        names.push(host.to_owned());
    }
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Quarterdeck");
    params.insert_extended_key_usage(ExtendedKeyUsagePurpose::ServerAuth);
    let certificate = params.self_signed(&key)?;
    Ok(format!("{}{}", certificate.pem(), key.serialize_pem()))
}

/// Temp, sync, rename, sync: after a crash there is the whole file or none.
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (directory, name) = sys::split(path)?;
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let suffix = u64::from_le_bytes(random);
    let temporary = directory.join(format!(".{}.{suffix:016x}", name.to_string_lossy()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if let Err(error) = written.and_then(|()| fs::rename(&temporary, path)) {
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    File::open(directory)?.sync_all()
}
