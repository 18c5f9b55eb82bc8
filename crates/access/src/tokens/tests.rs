use super::*;

use std::fs;

use crate::files::{self, FileError};
use quarterdeck_protocol::{
    error::ErrorCode,
    ids::{RelayId, SessionId},
    scope::Scope,
};

const ISSUER: RelayId = RelayId::from_bytes([7; 16]);
const NOW: u64 = 1_800_000_000;
const S1: SessionId = SessionId::from_bytes([1; 10]);
const S2: SessionId = SessionId::from_bytes([2; 10]);

struct Fixture {
    directory: tempfile::TempDir,
    store: TokenStore,
    owner: Grant,
}

impl Fixture {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let store = TokenStore::open(&directory.path().join("tokens.json"), ISSUER).expect("opens");
        let principal = Principal::new(&ISSUER.to_string(), "ada").expect("valid");
        Self { directory, store, owner: Grant::unlimited("local", principal) }
    }
    fn path(&self) -> PathBuf {
        self.directory.path().join("tokens.json")
    }
    fn reopen(&mut self) {
        self.store = TokenStore::open(&self.path(), ISSUER).expect("opens");
    }
    fn create(&self, params: &TokenCreateParams) -> Result<String, TokenError> {
        self.store.create(params, &self.owner, NOW).map(|secret| secret.token)
    }
    fn rotate(&self, name: &str, overlap_s: Option<u64>, now: u64) -> Result<String, TokenError> {
        let params = TokenRotateParams { name: name.to_owned(), overlap_s };
        self.store.rotate(&params, &self.owner, now).map(|secret| secret.token)
    }
    fn text(&self) -> String {
        fs::read_to_string(self.path()).expect("reads")
    }
}

fn asked(name: &str) -> TokenCreateParams {
    TokenCreateParams {
        name: name.to_owned(),
        principal: None,
        scopes: [Scope::Read, Scope::Drive].into_iter().collect(),
        sessions: Vec::new(),
        expires_in_s: None,
        dialect: None,
    }
}

fn expired(name: &str) -> Result<Grant, AuthFailure> {
    Err(AuthFailure::Expired { name: name.to_owned() })
}

#[test]
fn a_new_token_opens_the_store_also_after_a_restart() {
    let mut fixture = Fixture::new();
    let params = TokenCreateParams { sessions: vec![S1], ..asked("phone") };
    let secret = fixture.create(&params).expect("creates");
    for _ in 0..2 {
        let grant = fixture.store.authenticate(&secret, NOW).expect("is right");
        assert_eq!((grant.name.as_str(), grant.principal.name()), ("phone", "ada"));
        assert_eq!(grant.scopes, params.scopes);
        assert!(grant.sessions.allows(S1) && !grant.sessions.allows(S2));
        fixture.reopen();
    }
}

#[test]
fn neither_the_file_nor_debug_output_holds_a_secret() {
    let fixture = Fixture::new();
    let secret = fixture.create(&asked("phone")).expect("creates");
    let body = secret.strip_prefix("qdt_").expect("has the prefix");
    let grant = fixture.store.authenticate(&secret, NOW).expect("is right");
    for shown in [fixture.text(), format!("{:?} {grant:?}", fixture.store)] {
        assert!(!shown.contains(body), "{shown}");
    }
}

#[test]
fn a_wrong_secret_is_wrong_and_a_strange_one_is_malformed() {
    let fixture = Fixture::new();
    fixture.create(&asked("phone")).expect("creates");
    let other = draw_token().expect("random").to_text();
    assert_eq!(fixture.store.authenticate(&other, NOW), Err(AuthFailure::Wrong));
    for strange in ["", "qdt_", "hunter2", "qdt_\u{0}"] {
        assert_eq!(fixture.store.authenticate(strange, NOW), Err(AuthFailure::Malformed));
    }
}

#[test]
fn a_token_ends_at_its_time_and_a_clock_that_jumps_back_does_not_revive_it() {
    let fixture = Fixture::new();
    let params = TokenCreateParams { expires_in_s: Some(60), ..asked("ci") };
    let secret = fixture.create(&params).expect("creates");
    let grant = fixture.store.authenticate(&secret, NOW + 59).expect("is right");
    assert_eq!(grant.expires_at, Some(NOW + 60));
    assert!(fixture.store.remaining_s(&grant, NOW + 59).is_some());
    assert_eq!(fixture.store.authenticate(&secret, NOW + 60), expired("ci"));
    assert_eq!(fixture.store.authenticate(&secret, NOW), expired("ci"));
    assert!(fixture.store.remaining_s(&grant, NOW).is_none());
}

#[test]
fn rotation_lets_the_old_secret_work_for_the_overlap_and_no_older_one() {
    let fixture = Fixture::new();
    let first = fixture.create(&asked("ci")).expect("creates");
    let second = fixture.rotate("ci", None, NOW).expect("rotates");
    for secret in [&first, &second] {
        assert!(fixture.store.authenticate(secret, NOW + DEFAULT_OVERLAP_S - 1).is_ok());
    }
    let listed = fixture.store.list(NOW);
    assert_eq!(listed[0].overlap_until, Some(NOW + DEFAULT_OVERLAP_S));
    let third = fixture.rotate("ci", Some(0), NOW + 10).expect("rotates");
    let later = NOW + DEFAULT_OVERLAP_S;
    assert_eq!(fixture.store.authenticate(&first, later), Err(AuthFailure::Wrong));
    assert_eq!(fixture.store.authenticate(&second, later), expired("ci"));
    assert!(fixture.store.authenticate(&third, later).is_ok());
    assert_eq!(fixture.store.list(later)[0].overlap_until, None);
}

#[test]
fn a_connection_by_the_old_secret_ends_with_the_overlap() {
    let fixture = Fixture::new();
    let first = fixture.create(&asked("ci")).expect("creates");
    let grant = fixture.store.authenticate(&first, NOW).expect("is right");
    fixture.rotate("ci", Some(30), NOW).expect("rotates");
    assert_eq!(fixture.store.remaining_s(&grant, NOW + 29), Some(1));
    assert_eq!(fixture.store.remaining_s(&grant, NOW + 30), None);
}

#[test]
fn revocation_is_at_once_and_a_new_token_of_the_name_does_not_bring_old_grants_back() {
    let mut fixture = Fixture::new();
    let secret = fixture.create(&asked("phone")).expect("creates");
    let grant = fixture.store.authenticate(&secret, NOW).expect("is right");
    fixture.store.revoke("phone", NOW).expect("revokes");
    assert_eq!(fixture.store.authenticate(&secret, NOW), Err(AuthFailure::Wrong));
    fixture.create(&asked("phone")).expect("creates");
    assert!(fixture.store.remaining_s(&grant, NOW).is_none());
    fixture.reopen();
    assert_eq!(fixture.store.authenticate(&secret, NOW), Err(AuthFailure::Wrong));
    assert!(matches!(fixture.store.revoke("tablet", NOW), Err(TokenError::NotFound(_))));
    assert!(
        fixture.store.remaining_s(&fixture.owner, NOW).is_some(),
        "the local user needs no token"
    );
}

#[test]
fn names_are_unique_plain_and_short() {
    let fixture = Fixture::new();
    fixture.create(&asked("ci.deploy_2-x")).expect("creates");
    let again = fixture.create(&asked("ci.deploy_2-x"));
    assert!(matches!(again, Err(TokenError::Exists(_))));
    for bad in ["", "a b", "a/b", "\u{e9}", "a\n", "\u{202e}x", &"x".repeat(65)] {
        assert!(matches!(fixture.create(&asked(bad)), Err(TokenError::Name)), "{bad:?}");
    }
    for bad in ["", "r_other/ada", "a b", &"x".repeat(200)] {
        let params = TokenCreateParams { principal: Some(bad.to_owned()), ..asked("x") };
        assert!(matches!(fixture.create(&params), Err(TokenError::Principal(_))), "{bad:?}");
    }
}

#[test]
fn nobody_gives_more_than_they_have() {
    let fixture = Fixture::new();
    let scopes = [Scope::Read, Scope::Admin].into_iter().collect();
    let sessions = SessionLimit::from_list(&[S1]);
    let expires_at = Some(NOW + 5);
    let caller = Grant { scopes, sessions, expires_at, ..fixture.owner.clone() };
    let try_to = |scopes: &[Scope], sessions: &[SessionId]| {
        let scopes = scopes.iter().copied().collect();
        let params = TokenCreateParams { scopes, sessions: sessions.to_vec(), ..asked("x") };
        fixture.store.create(&params, &caller, NOW)
    };
    let refused = try_to(&[Scope::Read, Scope::Drive], &[S1]);
    assert!(matches!(refused, Err(TokenError::ScopeNotHeld(Scope::Drive))));
    for wider in [&[][..], &[S1, S2], &[S2]] {
        let refused = try_to(&[Scope::Read], wider);
        assert!(matches!(refused, Err(TokenError::SessionsNotHeld)), "{wider:?}");
    }
    assert!(matches!(try_to(&[], &[S1]), Err(TokenError::NoScope)));
    let given = try_to(&[Scope::Read], &[S1]).expect("is within");
    assert_eq!(given.expires_at, Some(NOW + 5), "it does not outlive who gave it");
    fixture.create(&asked("wide")).expect("creates");
    let params = TokenRotateParams { name: "wide".to_owned(), overlap_s: None };
    let refused = fixture.store.rotate(&params, &caller, NOW);
    assert!(matches!(refused, Err(TokenError::ScopeNotHeld(Scope::Drive))));
}

#[test]
fn every_count_and_time_has_a_bound() {
    let mut fixture = Fixture::new();
    let sessions = vec![S1; MAX_SESSIONS_PER_TOKEN + 1];
    let too_many = TokenCreateParams { sessions, ..asked("x") };
    let too_long = TokenCreateParams { expires_in_s: Some(u64::MAX), ..asked("x") };
    for params in [too_many, too_long] {
        assert!(matches!(fixture.create(&params), Err(TokenError::TooMany { .. })));
    }
    fixture.create(&asked("t0")).expect("creates");
    let mut full: serde_json::Value = serde_json::from_str(&fixture.text()).expect("is JSON");
    let tokens = full["tokens"].as_array_mut().expect("is a list");
    for number in 1..MAX_TOKENS {
        let mut another = tokens[0].clone();
        another["name"] = format!("t{number}").into();
        tokens.push(another);
    }
    files::write_private(&fixture.path(), full.to_string().as_bytes()).expect("writes");
    fixture.reopen();
    assert!(matches!(fixture.create(&asked("x")), Err(TokenError::TooMany { .. })));
    let refused = fixture.rotate("t0", Some(MAX_OVERLAP_S + 1), NOW);
    assert!(matches!(refused, Err(TokenError::TooMany { .. })));
    assert_eq!(fixture.store.list(NOW).len(), MAX_TOKENS);
}

#[test]
fn last_use_is_listed_at_once_and_written_once_a_minute() {
    let mut fixture = Fixture::new();
    let secret = fixture.create(&asked("phone")).expect("creates");
    assert_eq!(fixture.store.list(NOW)[0].last_used_at, None);
    fixture.store.authenticate(&secret, NOW + 1).expect("is right");
    assert_eq!(fixture.store.list(NOW)[0].last_used_at, Some(NOW + 1));
    assert!(fixture.store.save_last_used(NOW + 2).expect("writes"));
    fixture.store.authenticate(&secret, NOW + 3).expect("is right");
    assert!(!fixture.store.save_last_used(NOW + 61).expect("waits"));
    assert!(fixture.store.save_last_used(NOW + 62).expect("writes"));
    assert!(!fixture.store.save_last_used(NOW + 500).expect("has nothing to write"));
    fixture.reopen();
    assert_eq!(fixture.store.list(NOW)[0].last_used_at, Some(NOW + 3));
}

#[test]
fn members_of_another_version_are_kept() {
    let mut fixture = Fixture::new();
    let secret = fixture.create(&asked("phone")).expect("creates");
    let richer = fixture
        .text()
        .replacen("\"version\"", "\"colour\": {\"sea\": [1, 2]}, \"version\"", 1)
        .replacen("\"name\"", "\"note\": \"kept\", \"name\"", 1)
        .replacen("\"hash\"", "\"algorithm\": 9, \"hash\"", 1);
    files::write_private(&fixture.path(), richer.as_bytes()).expect("writes");
    fixture.reopen();
    assert!(fixture.store.authenticate(&secret, NOW).is_ok());
    fixture.create(&asked("tablet")).expect("creates");
    let value: serde_json::Value = serde_json::from_str(&fixture.text()).expect("is JSON");
    assert_eq!(value["colour"]["sea"][1], 2);
    assert_eq!(value["tokens"][0]["note"], "kept");
    assert_eq!(value["tokens"][0]["secrets"][0]["algorithm"], 9);
}

#[test]
fn a_token_opens_only_the_wire_that_it_was_made_for() {
    let mut fixture = Fixture::new();
    let agor = Some(Dialect::Agor);
    let foreign =
        fixture.create(&TokenCreateParams { dialect: agor, ..asked("tower") }).expect("creates");
    let native = fixture.create(&asked("phone")).expect("creates");
    for _ in 0..2 {
        let on = |wire, secret: &str| fixture.store.authenticate_on(wire, secret, NOW);
        assert_eq!(on(agor, &foreign).expect("is right").dialect, agor);
        assert_eq!(on(None, &foreign), Err(AuthFailure::OtherWire));
        assert_eq!(on(None, &native).expect("is right").dialect, None);
        assert_eq!(on(agor, &native), Err(AuthFailure::OtherWire));
        fixture.reopen();
    }
}

#[test]
fn a_file_with_tokens_for_dialects_is_too_new_for_programs_that_know_none() {
    let fixture = Fixture::new();
    fixture.create(&asked("phone")).expect("creates");
    assert!(fixture.text().contains("\"version\": 1"), "{}", fixture.text());
    let params = TokenCreateParams { dialect: Some(Dialect::Agor), ..asked("tower") };
    fixture.create(&params).expect("creates");
    assert!(fixture.text().contains("\"version\": 2"), "{}", fixture.text());
    fixture.store.revoke("tower", NOW).expect("revokes");
    assert!(fixture.text().contains("\"version\": 1"), "{}", fixture.text());
}

#[test]
fn a_newer_file_is_refused_and_left_as_it_is() {
    let fixture = Fixture::new();
    let newer = br#"{"version": 3, "tokens": "in another form"}"#;
    files::write_private(&fixture.path(), newer).expect("writes");
    let refused = TokenStore::open(&fixture.path(), ISSUER).expect_err("is newer");
    assert!(matches!(refused, TokenError::NewerVersion { found: 3, .. }), "{refused}");
    assert_eq!(fs::read(fixture.path()).expect("reads"), newer);
}

#[test]
fn a_corrupt_file_is_an_error_that_says_so_and_is_set_aside_only_on_request() {
    let fixture = Fixture::new();
    for corrupt in ["", "{", "[]", r#"{"version":1}"#, r#"{"version":1,"tokens":[{"name":"x"}]}"#] {
        files::write_private(&fixture.path(), corrupt.as_bytes()).expect("writes");
        let refused = TokenStore::open(&fixture.path(), ISSUER).expect_err("is corrupt");
        assert!(matches!(refused, TokenError::Corrupt { .. }), "{refused}");
        assert_eq!(fixture.text(), corrupt);
    }
    let first = set_aside(&fixture.path()).expect("renames");
    files::write_private(&fixture.path(), b"again").expect("writes");
    let second = set_aside(&fixture.path()).expect("renames");
    assert_ne!(first, second);
    assert_eq!(fs::read(&second).expect("reads"), b"again");
    assert_eq!(TokenStore::open(&fixture.path(), ISSUER).expect("opens").list(NOW), []);
}

#[test]
fn a_list_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let fixture = Fixture::new();
    fixture.create(&asked("phone")).expect("creates");
    fs::set_permissions(fixture.path(), fs::Permissions::from_mode(0o644)).expect("opens it");
    let refused = TokenStore::open(&fixture.path(), ISSUER).expect_err("is exposed");
    assert!(matches!(refused, TokenError::File(FileError::Exposed { .. })), "{refused}");
}

#[test]
fn a_change_that_cannot_be_written_is_not_in_force() {
    let fixture = Fixture::new();
    let secret = fixture.create(&asked("phone")).expect("creates");
    fs::remove_file(fixture.path()).expect("removes");
    fs::create_dir_all(fixture.path().join("in the way")).expect("makes");
    assert!(matches!(fixture.create(&asked("tablet")), Err(TokenError::File(_))));
    assert!(matches!(fixture.store.revoke("phone", NOW), Err(TokenError::File(_))));
    assert!(fixture.rotate("phone", Some(0), NOW).is_err());
    assert!(fixture.store.authenticate(&secret, NOW + 1).is_ok());
    assert_eq!(fixture.store.list(NOW).len(), 1);
}

#[test]
fn errors_on_the_wire_have_a_code_and_name_no_file() {
    let fixture = Fixture::new();
    fixture.create(&asked("phone")).expect("creates");
    let exists = fixture.create(&asked("phone")).expect_err("exists").to_rpc();
    assert_eq!(exists.code(), ErrorCode::InvalidParams);
    assert!(exists.detail().is_some());
    assert_eq!(TokenError::NotFound("x".to_owned()).to_rpc().code(), ErrorCode::NotFound);
    assert_eq!(TokenError::ScopeNotHeld(Scope::Drive).to_rpc().code(), ErrorCode::Forbidden);
    let newer = TokenError::NewerVersion { path: fixture.path(), found: 2 }.to_rpc();
    assert_eq!(newer.code(), ErrorCode::Storage);
    assert!(!newer.message.contains("tokens.json"));
}
