use super::*;

use std::net::Ipv4Addr;

use axum::http::HeaderValue;
use quarterdeck_core::lockout::WRONG_BEFORE_LOCKOUT;
use quarterdeck_protocol::{ids::RelayId, method::TokenCreateParams, scope::Scope};
use serde_json::Value;

const FAR: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

struct Fixture {
    door: Door,
    directory: tempfile::TempDir,
}

fn fixture() -> Fixture {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| directory.path().join(name);
    let tokens = TokenStore::open(&at("tokens.json"), RelayId::from_bytes([7; 16])).expect("opens");
    let door = Door::new(tokens, Journal::new(&at("journal.jsonl")), []);
    Fixture { door, directory }
}

impl Fixture {
    fn token(&self, name: &str) -> String {
        let params = TokenCreateParams {
            name: name.into(),
            principal: None,
            scopes: [Scope::Read].into_iter().collect(),
            sessions: Vec::new(),
            expires_in_s: None,
            dialect: None,
        };
        let maker = Grant::unlimited("unix", Principal::new("r_00", "ada").expect("valid"));
        self.door.tokens.create(&params, &maker, clock::wall_seconds()).expect("is made").token
    }
    fn journal(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.directory.path().join("journal.jsonl"));
        let text = text.unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("is JSON")).collect()
    }
    async fn present(&self, credential: &str) -> Result<Grant, Refusal> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(credential).expect("a value"));
        self.door.by_token(None, FAR, &headers).await
    }
}

#[tokio::test]
async fn who_shows_a_token_comes_in_and_is_written_down() {
    let fixture = fixture();
    let secret = fixture.token("laptop");
    let grant = fixture.present(&format!("Bearer {secret}")).await.expect("comes in");
    assert_eq!(grant.name, "laptop");
    let told = &fixture.journal()[0];
    assert_eq!((&told["event"], &told["peer"]), (&"login_ok".into(), &"192.0.2.7".into()));
    assert!(!told.to_string().contains(&secret), "{told}");
}

#[tokio::test]
async fn who_shows_nothing_is_no_guesser() {
    let fixture = fixture();
    let refused = fixture.door.by_token(None, FAR, &HeaderMap::new()).await.expect_err("is not in");
    assert_eq!(refused, Refusal::Unauthorized("a bearer token is needed".into()));
    assert_eq!(fixture.door.refused.credentials.value(), 0);
    assert_eq!(fixture.journal(), Vec::<Value>::new());
}

#[tokio::test]
async fn whoever_guesses_is_locked_out_and_a_right_token_comes_in_all_the_same() {
    let fixture = fixture();
    let secret = fixture.token("laptop");
    let mut last = None;
    for _ in 0..=WRONG_BEFORE_LOCKOUT {
        last = fixture.present("Bearer qd_guess").await.err();
    }
    assert!(matches!(last, Some(Refusal::LockedOut { seconds: 1.. })), "{last:?}");
    assert!(fixture.door.refused.lockouts.value() >= 1);
    assert_eq!(fixture.door.refused.credentials.value(), u64::from(WRONG_BEFORE_LOCKOUT) + 1);
    assert!(fixture.journal().iter().any(|event| event["event"] == "lockout"));
    fixture.present(&format!("Bearer {secret}")).await.expect("is right");
}

#[tokio::test]
async fn a_refusal_names_its_reason_unless_the_caller_is_locked_out() {
    let fixture = fixture();
    let why = PairingRefusal::Unknown;
    let told = fixture.door.refuse_key(FAR, why).await;
    assert_eq!(told.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(told.headers()[REFUSAL_HEADER], why.word());
    for _ in 0..WRONG_BEFORE_LOCKOUT {
        fixture.door.refuse_key(FAR, why).await;
    }
    let told = fixture.door.refuse_key(FAR, why).await;
    assert_eq!(told.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(told.headers().contains_key(header::RETRY_AFTER));
    assert!(!told.headers().contains_key(REFUSAL_HEADER));
}

#[tokio::test]
async fn another_user_of_this_machine_is_refused_and_written_down() {
    let fixture = fixture();
    let me = rustix::process::geteuid().as_raw();
    assert_eq!(fixture.door.by_user(me, Some(7)), Ok(7));
    let refused = fixture.door.by_user(me + 1, Some(7)).expect_err("is somebody else");
    assert!(matches!(refused, Refusal::Forbidden(_)), "{refused:?}");
    assert_eq!(fixture.journal()[0]["peer"], "unix");
}

#[tokio::test]
async fn a_connection_ends_as_soon_as_its_credential_does() {
    let fixture = fixture();
    let held = std::sync::atomic::AtomicBool::new(true);
    let remaining = || held.load(std::sync::atomic::Ordering::Relaxed).then_some(3600);
    let ended = fixture.door.until_ended(remaining);
    tokio::pin!(ended);
    tokio::select! {
        biased;
        () = &mut ended => panic!("it holds still"),
        () = std::future::ready(()) => {}
    }
    held.store(false, std::sync::atomic::Ordering::Relaxed);
    fixture.door.credentials_changed();
    tokio::time::timeout(Duration::from_secs(10), ended).await.expect("it has ended");
}
