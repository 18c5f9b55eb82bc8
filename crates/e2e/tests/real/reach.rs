//! Who may come in from the network: client certificates, tokens that end, secrets that are replaced.

use std::{fs, os::unix::fs::PermissionsExt};

use quarterdeck_e2e::harness::{
    canary::Canary,
    client::{Attachment, ConnectError, Peer, Way, watching},
    instance::{Instance, Ran, Relay},
    within,
};
use quarterdeck_protocol::{
    method::{
        AttachRole, HelloParams, TokenCreate, TokenCreateParams, TokenRotate, TokenRotateParams,
    },
    scope::{Scope, Scopes},
};
use quarterdeck_transport::{ClosedWhy, DialError};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};

/// How long a token lives that a test sees through to its end: long enough to attach on a loaded machine.
const SHORT_LIFE_S: u64 = 5;

/// Writes a file that only its owner reads, and gives its path as a word of a command line.
fn private(instance: &Instance, name: &str, text: &str) -> String {
    let path = instance.path(name);
    fs::write(&path, text).expect("writes");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("protects");
    path.display().to_string()
}

fn pin(relay: &Relay) -> String {
    relay.status.pin.clone().expect("a relay with TLS has a pin")
}

/// Files of an authority and of a client certificate that it signed.
struct Certified {
    authority: String,
    certificate: String,
    key: String,
}

impl Certified {
    fn by_authority(instance: &Instance, name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key"));
        let issuer = issuer.expect("an authority");
        let mut params = CertificateParams::new([name.to_owned()]).expect("parameters");
        params.insert_extended_key_usage(ExtendedKeyUsagePurpose::ClientAuth);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &issuer).expect("a certificate");
        let write = |kind: &str, text: &str| private(instance, &format!("{name}.{kind}"), text);
        Self {
            authority: write("ca", &issuer.pem()),
            certificate: write("pem", &certificate.pem()),
            key: write("key", &key.serialize_pem()),
        }
    }
    fn flags(&self) -> [&str; 4] {
        ["--client-cert", &self.certificate, "--client-key", &self.key]
    }
}

#[tokio::test]
async fn where_client_certificates_are_asked_for_nobody_comes_in_without_a_right_one() {
    let (here, there) = (Instance::new(), Instance::new());
    let [known, stranger] = ["known", "stranger"].map(|it| Certified::by_authority(&here, it));
    let asks = ["--listen", "127.0.0.1:0", "--client-ca", &known.authority];
    let relay = there.start_relay(&asks).await;
    let local = Way::unix(&there);
    let mut canary = Canary::start(&local).await;
    let secret = local.connect("admin").await.token("ada", Scopes::ALL).await;
    let (url, pin) = (format!("wss://{}", relay.address()), pin(&relay));
    let token = private(&here, "token", &secret);
    let way = ["--url", &url, "--pin", &pin, "--token-file", &token];
    let run = async |words: &[&str]| here.qd([&way[..], words].concat()).await;

    run(&[&known.flags()[..], &["ls"]].concat()).await.ok();
    let create = ["run", "--detach", "--label", "far", "--", "/bin/cat"];
    run(&[&known.flags()[..], &create].concat()).await.ok();
    for flags in [&[][..], &stranger.flags()] {
        let refused = run(&[flags, &["ls"]].concat()).await;
        check_failure(&refused, 6, "--client-cert FILE --client-key FILE");
        let refused = run(&[flags, &["run", "--detach", "--", "/bin/cat"]].concat()).await;
        assert_eq!(refused.code(), Some(6), "{refused:?}");
        canary.sings().await;
    }
    // one half of an identity is none, and a file that is not there is named
    let half = run(&["--client-cert", &known.certificate, "ls"]).await;
    assert_eq!(half.code(), Some(2), "{half:?}");
    assert!(half.stderr.contains("--client-key"), "{half:?}");
    let nothing = here.path("nothing.pem").display().to_string();
    let missing = run(&["--client-cert", &nothing, "--client-key", &known.key, "ls"]).await;
    assert_eq!(missing.code(), Some(2), "{missing:?}");
    assert!(missing.stderr.contains(&nothing), "{missing:?}");
    // a certificate opens the door, and is no login
    let wrong = private(&here, "wrong", &format!("qdt_{}", "A".repeat(43)));
    let words = [&["--url", &url, "--pin", &pin, "--token-file", &wrong][..], &known.flags()];
    let refused = here.qd([&words.concat()[..], &["ls"]].concat()).await;
    check_failure(&refused, 6, "--token-file FILE");
    let list = there.qd(["ls"]).await.ok().text();
    assert_eq!(list.matches("running").count(), 2, "the canary and one more: {list}");
    canary.sings().await;
}

fn check_failure(ran: &Ran, code: i32, hint: &str) {
    assert_eq!(ran.code(), Some(code), "{ran:?}");
    assert!(ran.stderr.contains("hint") && ran.stderr.contains(hint), "{hint}: {ran:?}");
    assert!(!ran.stderr.contains("qdt_"), "no token is printed: {ran:?}");
}

/// A relay on the network whose only user so far is its administrator.
struct Stage {
    admin: Peer,
    canary: Canary,
    relay: Relay,
    here: Instance,
    _there: Instance,
}

impl Stage {
    async fn set() -> Self {
        let (here, there) = (Instance::new(), Instance::new());
        let relay = there.start_relay(&["--listen", "127.0.0.1:0"]).await;
        let local = Way::unix(&there);
        let canary = Canary::start(&local).await;
        Self { admin: local.connect("admin").await, canary, relay, here, _there: there }
    }
    fn way(&self, secret: &str) -> Way {
        Way::wss(self.relay.address(), secret, &pin(&self.relay))
    }
    async fn create(&self, name: &str, expires_in_s: Option<u64>) -> String {
        let params = TokenCreateParams {
            name: name.to_owned(),
            principal: None,
            scopes: [Scope::Read, Scope::Drive].into_iter().collect(),
            sessions: Vec::new(),
            expires_in_s,
            dialect: None,
        };
        self.admin.call::<TokenCreate>(&params).await.token
    }
    async fn rotate(&self, name: &str, overlap_s: u64) -> String {
        let params = TokenRotateParams { name: name.to_owned(), overlap_s: Some(overlap_s) };
        self.admin.call::<TokenRotate>(&params).await.token
    }
    /// Attaches to a new session with this secret, and types.
    async fn drives(&self, secret: &str) -> Attachment {
        let session = self.admin.create(["/bin/cat"]).await.session.to_string();
        let peer = self.way(secret).connect("device").await;
        let mut attachment = peer.attach(&watching(&session, AttachRole::Auto)).await;
        assert!(attachment.owns());
        attachment.type_applied(b"hello\r").await;
        attachment
    }
    async fn is_refused(&self, secret: &str) {
        let hello = HelloParams { name: "late".to_owned(), ..HelloParams::default() };
        let outcome = within("an answer", self.way(secret).try_connect(&hello)).await;
        let expected = matches!(outcome, Err(ConnectError::Dial(DialError::BadCredential)));
        assert!(expected, "{outcome:?}");
    }
    async fn qd_is_refused(&self, secret: &str) {
        let token = private(&self.here, "token", secret);
        let (url, pin) = (format!("wss://{}", self.relay.address()), pin(&self.relay));
        let words = ["--url", &url, "--pin", &pin, "--token-file", &token, "ls"];
        check_failure(&self.here.qd(words).await, 6, "qd token create");
    }
}

async fn is_ended_by_its_credential(mut attachment: Attachment) {
    let closed = within("the connection ends", attachment.until_closed()).await;
    let ClosedWhy::Peer { code: 1008, reason } = closed else { panic!("{closed:?}") };
    assert_eq!(reason, "the credential has ended");
}

#[tokio::test]
async fn a_token_of_a_short_life_ends_its_open_connection_and_is_refused_from_then_on() {
    let mut stage = Stage::set().await;
    let short = stage.create("short", Some(SHORT_LIFE_S)).await;
    let lasting = stage.create("lasting", None).await;
    let attachment = stage.drives(&short).await;
    let mut other = stage.drives(&lasting).await;
    is_ended_by_its_credential(attachment).await;
    stage.is_refused(&short).await;
    stage.qd_is_refused(&short).await;
    other.type_applied(b"nobody else is concerned\r").await;
    stage.canary.sings().await;
}

#[tokio::test]
async fn a_replaced_secret_works_for_its_overlap_and_its_open_connection_no_longer() {
    let mut stage = Stage::set().await;
    let first = stage.create("phone", None).await;
    let opened_before = stage.drives(&first).await;
    let second = stage.rotate("phone", SHORT_LIFE_S).await;
    assert_ne!(first, second);
    for secret in [&first, &second] {
        stage.way(secret).connect("during the overlap").await;
    }
    let mut lasting = stage.drives(&second).await;
    is_ended_by_its_credential(opened_before).await;
    stage.is_refused(&first).await;
    stage.qd_is_refused(&first).await;
    lasting.type_applied(b"the new one works on\r").await;
    stage.way(&second).connect("after the overlap").await;
    stage.canary.sings().await;
}
