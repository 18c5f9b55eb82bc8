//! Dials over TLS: certificates, pins, authorities.

use super::*;

#[tokio::test]
async fn the_right_pin_opens_the_connection_without_an_authority() {
    let directory = private_directory();
    let tls = own_certificate(&directory);
    let mut relay = relay(ListenSecurity::Tls(tls.clone())).await;
    let other = Pin::of_spki(b"an old key");
    let both = PinSet::new([other, tls.pin()]).expect("two");
    let trust = ServerTrust::Pins(both);
    dial(&wss(relay.address), &with_tls(ClientTls { trust, identity: None })).await.expect("opens");
    assert!(matches!(relay.peers.recv().await, Some(Peer::Tcp { pin: None, .. })));
    // after a restart the certificate is the same
    assert_eq!(own_certificate(&directory).pin(), tls.pin());
}

#[tokio::test]
async fn a_wrong_pin_is_refused_in_the_handshake_and_the_seen_one_is_named() {
    let tls = own_certificate(&private_directory());
    let relay = relay(ListenSecurity::Tls(tls.clone())).await;
    for trust in [pinned(Pin::of_spki(b"another")).trust, ServerTrust::Pins(PinSet::default())] {
        let options = with_tls(ClientTls { trust, identity: None });
        let dialled = dial(&wss(relay.address), &options).await;
        let failure = tls_failure(dialled);
        assert_eq!(failure, TlsFailure::PinMismatch { seen: tls.pin() });
        assert!(failure.to_string().contains(&tls.pin().to_string()));
    }
}

#[tokio::test]
async fn a_copied_certificate_without_its_key_is_worth_nothing() {
    use rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        server::{ClientHello, ResolvesServerCert},
        sign::CertifiedKey,
    };
    #[derive(Debug)]
    struct Impostor(Arc<CertifiedKey>);
    impl ResolvesServerCert for Impostor {
        fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
            Some(Arc::clone(&self.0))
        }
    }
    let (honest, impostor) = (private_directory(), private_directory());
    let pin = own_certificate(&honest).pin();
    own_certificate(&impostor);
    let chain = vec![CertificateDer::from_pem_file(honest.path().join("tls.pem")).expect("one")];
    let key = PrivateKeyDer::from_pem_file(impostor.path().join("tls.pem")).expect("a key");
    let key = ring::sign::any_supported_type(&key).expect("signs");
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let resolver = Impostor(Arc::new(CertifiedKey::new(chain.clone(), Arc::clone(&key))));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[version])
            .expect("a version")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(resolver));
        let tls = own_certificate(&honest).with_config(config);
        let relay = relay(ListenSecurity::Tls(tls)).await;
        let failure = tls_failure(dial(&wss(relay.address), &with_tls(pinned(pin))).await);
        assert!(
            matches!(
                failure,
                TlsFailure::Other(rustls::Error::InvalidCertificate(
                    rustls::CertificateError::BadSignature
                ))
            ),
            "{version:?}: {failure:?}"
        );
    }
}

#[tokio::test]
async fn tls_1_2_is_spoken_with_a_peer_that_knows_no_better() {
    let directory = private_directory();
    let tls = own_certificate(&directory);
    let pin = tls.pin();
    let mut config = (*tls.config).clone();
    config.alpn_protocols = Vec::new();
    let old = rustls::ServerConfig::builder_with_provider(config.crypto_provider().clone())
        .with_protocol_versions(&[&rustls::version::TLS12])
        .expect("a version")
        .with_no_client_auth()
        .with_cert_resolver(config.cert_resolver.clone());
    let relay = relay(ListenSecurity::Tls(tls.with_config(old))).await;
    dial(&wss(relay.address), &with_tls(pinned(pin))).await.expect("opens");
}

#[tokio::test]
async fn a_named_authority_is_believed_for_its_names_and_others_are_not() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let signed = files(ours.sign("localhost", Usage::ServerAuth, |_| {}));
    let tls = ServerTls::load(&signed, &ClientAuth::None).expect("loads");
    let seen = tls.pin();
    let relay = relay(ListenSecurity::Tls(tls)).await;
    let trust = |authority: &Authority| {
        let trust = ServerTrust::File(authority.file());
        with_tls(ClientTls { trust, identity: None })
    };
    let by_name = endpoint(&format!("wss://localhost:{}", relay.address.port()));
    dial(&by_name, &trust(&ours)).await.expect("opens");
    let failure = tls_failure(dial(&by_name, &trust(&theirs)).await);
    assert_eq!(failure, TlsFailure::Untrusted { seen });
    let failure = tls_failure(dial(&wss(relay.address), &trust(&ours)).await);
    assert_eq!(failure, TlsFailure::WrongName { seen });
    // the pin decides alone: the address is not in the certificate
    dial(&wss(relay.address), &with_tls(pinned(seen))).await.expect("opens");
}

#[tokio::test]
async fn an_expired_certificate_is_refused_unless_it_is_pinned() {
    let authority = Authority::new("ours");
    let signed = files(authority.sign("localhost", Usage::ServerAuth, |params| {
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    }));
    let tls = ServerTls::load(&signed, &ClientAuth::None).expect("loads");
    let seen = tls.pin();
    let relay = relay(ListenSecurity::Tls(tls)).await;
    let at = endpoint(&format!("wss://localhost:{}", relay.address.port()));
    let trust = ServerTrust::File(authority.file());
    let failure = tls_failure(dial(&at, &with_tls(ClientTls { trust, identity: None })).await);
    assert_eq!(failure, TlsFailure::NotValidNow { seen });
    dial(&at, &with_tls(pinned(seen))).await.expect("opens");
}

#[tokio::test]
async fn a_client_certificate_lets_in_and_a_missing_or_foreign_one_does_not() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let namesake = Authority::new("ours");
    let identity = |(certificate, key): (PathBuf, PathBuf)| ClientIdentity { certificate, key };
    let good = identity(ours.sign("good", Usage::ClientAuth, |_| {}));
    let foreign = identity(theirs.sign("foreign", Usage::ClientAuth, |_| {}));
    let namesakes = identity(namesake.sign("good", Usage::ClientAuth, |_| {}));
    let directory = private_directory();
    let own = ServerIdentity::Own { path: directory.path().join("tls.pem") };
    let required = ClientAuth::Required { authorities: ours.file() };
    let tls = ServerTls::load(&own, &required).expect("loads");
    let options = |identity: Option<&ClientIdentity>| {
        with_tls(ClientTls { identity: identity.cloned(), ..pinned(tls.pin()) })
    };
    let mut strict = relay(ListenSecurity::Tls(tls.clone())).await;
    dial(&wss(strict.address), &options(Some(&good))).await.expect("opens");
    let pin = crate::tls::pin_of_file(&good.certificate).expect("a pin");
    let seen = strict.peers.recv().await;
    assert!(matches!(seen, Some(Peer::Tcp { pin: Some(shown), .. }) if shown == pin), "{seen:?}");
    for refused in [None, Some(&foreign), Some(&namesakes)] {
        let failure = tls_failure(dial(&wss(strict.address), &options(refused)).await);
        assert_eq!(failure, TlsFailure::ClientCertificate);
    }

    let optional = ClientAuth::Optional { authorities: ours.file() };
    let lenient = ServerTls::load(&own, &optional).expect("loads");
    let mut lenient = relay(ListenSecurity::Tls(lenient)).await;
    dial(&wss(lenient.address), &options(None)).await.expect("opens");
    assert!(matches!(lenient.peers.recv().await, Some(Peer::Tcp { pin: None, .. })));
}
