//! The instance's own certificate, and files that cannot be used.

use super::*;
use crate::testing::{Authority, private_directory};
use rcgen::ExtendedKeyUsagePurpose as Usage;
use std::{fs, os::unix::fs::PermissionsExt};

fn own(path: &Path) -> Result<ServerTls, TlsSetupError> {
    ServerTls::load(&ServerIdentity::Own { path: path.to_owned() }, &ClientAuth::None)
}

#[test]
fn the_own_certificate_is_private_and_stays_the_same() {
    let directory = private_directory();
    let path = directory.path().join("tls.pem");
    let first = own(&path).expect("made");
    let bytes = fs::read(&path).expect("reads");
    assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    assert_eq!(own(&path).expect("read").pin(), first.pin());
    assert_eq!(fs::read(&path).expect("reads"), bytes);
    assert_eq!(pin_of_file(&path).expect("a pin"), first.pin());
    // nothing half-written is left beside it
    assert_eq!(fs::read_dir(directory.path()).expect("lists").count(), 1);
    let other = own(&directory.path().join("other.pem")).expect("made");
    assert_ne!(other.pin(), first.pin());
}

#[test]
fn a_broken_own_certificate_is_an_error_and_is_never_replaced() {
    let directory = private_directory();
    let path = directory.path().join("tls.pem");
    own(&path).expect("made");
    let whole = fs::read_to_string(&path).expect("reads");
    for broken in ["", "garbage", &whole[..whole.len() / 2]] {
        fs::write(&path, broken).expect("writes");
        assert!(own(&path).is_err());
        assert_eq!(fs::read_to_string(&path).expect("reads"), broken);
    }
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let directory = private_directory();
    let path = directory.path().join("tls.pem");
    own(&path).expect("made");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("chmod");
    assert!(matches!(own(&path), Err(TlsSetupError::Exposed { .. })));
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let authority = Authority::new("ours");
    let (certificate, key) = authority.sign("a", Usage::ServerAuth, |_| {});
    let (_, foreign) = authority.sign("b", Usage::ServerAuth, |_| {});
    let missing = authority.path("missing.pem");
    let load = |certificate: &Path, key: &Path| {
        let files = (certificate.to_owned(), key.to_owned());
        let identity = ServerIdentity::Files { certificate: files.0, key: files.1 };
        ServerTls::load(&identity, &ClientAuth::None)
    };
    load(&certificate, &key).expect("the right files work");
    let error = |certificate: &Path, key: &Path| load(certificate, key).map(drop).expect_err("bad");
    assert!(matches!(error(&missing, &key), TlsSetupError::File { path, .. } if path == missing));
    assert!(
        matches!(error(&certificate, &missing), TlsSetupError::File { path, .. } if path == missing)
    );
    let error = |certificate: &Path, key: &Path| error(certificate, key).to_string();
    assert!(error(&key, &key).contains("no certificate in PEM form"));
    assert!(error(&certificate, &certificate).contains("no private key in PEM form"));
    assert!(error(&certificate, &foreign).contains("cannot be used"));
}

#[test]
fn without_a_pin_or_file_the_systems_authorities_are_asked() {
    let known = rustls_native_certs::load_native_certs().certs;
    match ClientTls::default().load() {
        Ok(_) => assert!(!known.is_empty()),
        Err(TlsSetupError::NoAuthorities) => assert!(known.is_empty()),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_client_with_unusable_files_says_which() {
    let missing = PathBuf::from("/nonexistent/ca.pem");
    let tls = ClientTls { trust: ServerTrust::File(missing.clone()), identity: None };
    assert!(matches!(tls.load(), Err(TlsSetupError::File { path, .. }) if path == missing));
}
