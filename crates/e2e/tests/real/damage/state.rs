//! Damage to the files beside the logs: it is said, and nothing is deleted.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use quarterdeck_e2e::harness::{canary::Canary, client::Way, instance::Instance};
use quarterdeck_protocol::session::SessionState;

use super::{listed, start};

#[tokio::test]
async fn a_session_whose_meta_is_damaged_is_named_and_left_as_it_is() {
    let instance = Instance::new();
    let relay = instance.start_relay(&[]).await;
    let way = Way::unix(&instance);
    let canary = Canary::start(&way).await;
    let session = start(&way, &["raw", "print:alive", "wait"]).await;
    let meta = instance.session_directory(session).join("meta.json");
    let good = fs::read(&meta).expect("is readable");
    relay.kill().await;
    fs::write(&meta, &good[..good.len() / 2]).expect("is writable");

    let relay = instance.start_relay(&[]).await;
    let said = relay.diagnostics();
    let line = said.lines().find(|line| line.contains(&session.to_string()));
    let line = line.unwrap_or_else(|| panic!("the relay names the session: {said}"));
    assert!(line.contains("meta.json cannot be understood"), "{line}");
    assert_eq!(listed(&instance, session).await, None);
    let found = fs::read(&meta).expect("it is still there");
    assert_eq!(found, good[..good.len() / 2], "nothing is changed");
    let mut canary = canary.revived(&way).await;
    canary.sings().await;

    relay.kill().await;
    fs::write(&meta, &good).expect("is writable");
    let _relay = instance.start_relay(&[]).await;
    let info = listed(&instance, session).await.expect("repaired, it is listed again");
    assert_eq!(info.state, SessionState::Running, "its program never ended");
    canary.revived(&way).await.sings().await;
}

#[tokio::test]
async fn a_session_of_a_newer_version_is_shown_and_not_rewritten() {
    let instance = Instance::new();
    let relay = instance.start_relay(&[]).await;
    let way = Way::unix(&instance);
    let canary = Canary::start(&way).await;
    let session = start(&way, &["raw", "print:alive", "echo", "wait"]).await;
    let meta = instance.session_directory(session).join("meta.json");
    relay.kill().await;
    let text = fs::read(&meta).expect("is readable");
    let mut newer: serde_json::Value = serde_json::from_slice(&text).expect("is JSON");
    newer["schema"] = 2.into();
    newer["of_tomorrow"] = "keep me".into();
    let newer = serde_json::to_vec_pretty(&newer).expect("is JSON");
    fs::write(&meta, &newer).expect("is writable");

    let _relay = instance.start_relay(&[]).await;
    let info = listed(&instance, session).await.expect("is listed");
    assert_eq!(info.state, SessionState::Running);
    let name = session.to_string();
    let refused = instance.qd(["rename", &name, "other"]).await;
    assert_eq!(refused.code(), Some(1), "{refused:?}");
    assert!(refused.stderr.contains("newer version"), "{refused:?}");
    assert!(refused.stderr.contains("hint"), "{refused:?}");
    assert_eq!(fs::read(&meta).expect("is readable"), newer, "every member is still there");
    instance.qd(["send", &name, "typed"]).await.ok();
    canary.revived(&way).await.sings().await;
}

/// Starts a relay with something wrong in one of its files; gives what it says.
async fn refused(instance: &Instance, file: &Path, content: &[u8]) -> String {
    fs::write(file, content).expect("is writable");
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).expect("is ours");
    let refused = instance.try_start_relay(&[]).await.expect_err("it does not start");
    assert_eq!(fs::read(file).expect("is still there"), content, "nothing is changed");
    assert_eq!(refused.code(), Some(1), "{refused:?}");
    let error: serde_json::Value = serde_json::from_str(&refused.stderr).expect("is JSON");
    assert!(error["error"]["hints"][0].is_string(), "it says what to do: {error}");
    error["error"]["causes"].to_string()
}

#[tokio::test]
async fn a_relay_does_not_start_on_tokens_or_numbers_that_it_does_not_understand() {
    let instance = Instance::new();
    let relay = instance.start_relay(&[]).await;
    let way = Way::unix(&instance);
    let canary = Canary::start(&way).await;
    instance.qd(["token", "create", "phone", "--scope", "read"]).await.ok();
    relay.kill().await;

    let tokens = instance.directory().join("tokens.json");
    let good = fs::read(&tokens).expect("there are tokens");
    let causes = refused(&instance, &tokens, &good[..good.len() - 5]).await;
    assert!(causes.contains("tokens.json") && causes.contains("repair it"), "{causes}");
    let newer = br#"{"version":99,"tokens":"of another form"}"#;
    let causes = refused(&instance, &tokens, newer).await;
    assert!(causes.contains("version 99") && causes.contains("newer program"), "{causes}");
    fs::write(&tokens, &good).expect("is writable");

    let generation = instance.directory().join("generation");
    let number = fs::read(&generation).expect("there is a number");
    let causes = refused(&instance, &generation, b"many\n").await;
    assert!(causes.contains("generation"), "{causes}");
    fs::write(&generation, &number).expect("is writable");

    let _relay = instance.start_relay(&[]).await;
    let list = instance.qd(["token", "ls", "--json"]).await.ok().text();
    assert!(list.contains("phone"), "{list}");
    canary.revived(&way).await.sings().await;
}
