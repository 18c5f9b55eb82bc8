//! Remote Control on another machine, through the hub: its program, its login, its directories.

use std::fs;

use quarterdeck_e2e::harness::{
    client::Way,
    hub::Fleet,
    instance::{Instance, Ran},
    overview::Overview,
};
use quarterdeck_protocol::{
    method::{SessionListResult, SessionResult},
    record::SessionKind,
    remote_control::RemoteState,
};

use super::{FAILED, URL, install, is_now, remote, serving_script};

async fn fleet() -> Fleet {
    Fleet::start_with(|instance| install(instance, &serving_script())).await
}

/// `qd` on the hub's machine, in a shell that has a key.
async fn with_key(here: &Instance, words: &[&str]) -> Ran {
    let mut command = here.command(words);
    command.env("ANTHROPIC_API_KEY", "sk-of-this-shell");
    Ran::of(command).await
}

#[tokio::test]
async fn rc_on_another_machine_runs_there_and_is_steered_from_here() {
    let fleet = fleet().await;
    let words = ["rc", "--on", Fleet::FAR, "--label", "phone", "--cwd", "~/project"];
    let started = with_key(&fleet.here, &words).await.ok();
    let text = started.text();
    assert!(text.contains(URL) && text.contains("waiting for an app"), "{text}");
    assert!(started.stderr.contains("qd attach far/phone"), "as it is named here: {started:?}");
    let project = fleet.there.path("project");
    let noted = |name: &str| fs::read_to_string(fleet.there.path(name)).expect("it ran there");
    assert_eq!(noted("cwd").trim(), project.to_str().expect("is text"));
    assert!(!noted("env").contains("sk-of-this-shell"), "no key of a shell here goes there");
    assert!(!fleet.here.path("args").exists(), "nothing was started here");

    let mut overview = Overview::start(&Way::hub(&fleet.here)).await;
    let listed: SessionListResult = fleet.here.qd(["ls", "--json"]).await.ok().json();
    let [session] = &listed.sessions[..] else { panic!("one session: {listed:?}") };
    assert_eq!(session.kind, SessionKind::RemoteControl);
    fs::write(project.join("go"), "").expect("writes");
    overview.until(session.session, "an app joined", is_now("connected")).await;
    let shown = fleet.here.qd(["rc", "--show", "far/phone", "--json"]).await.ok();
    let shown: SessionResult = shown.json();
    assert_eq!(remote(&shown.session).state, RemoteState::Connected);
    assert_eq!(remote(&shown.session).url.as_deref(), Some(URL));
    fleet.here.qd(["stop", "far/phone"]).await.ok();
    overview.until(session.session, "it ends", |info| !info.state.is_live()).await;
}

#[tokio::test]
async fn the_preflight_of_rc_on_another_machine_is_of_that_machine() {
    let fleet = fleet().await;
    let login = r#"{"loggedIn":false,"authMethod":"none"}"#;
    fs::write(fleet.there.path("login.json"), login).expect("writes");
    let here = with_key(&fleet.here, &["rc", "--check"]).await;
    assert!(here.text().contains("no ANTHROPIC_API_KEY is set"), "this shell's: {here:?}");
    let far = with_key(&fleet.here, &["remote-control", "--on", Fleet::FAR, "--check"]).await;
    assert_eq!(far.code(), Some(FAILED), "{far:?}");
    let text = far.text();
    assert!(text.contains("no not logged in"), "{text}");
    assert!(text.contains("on far, type: claude auth login"), "{text}");
    assert!(text.contains("ok no variable stands in the way"), "this shell is not there: {text}");

    let refused = with_key(&fleet.here, &["remote-control", "--on", Fleet::FAR]).await;
    assert_eq!(refused.code(), Some(FAILED), "{refused:?}");
    assert!(refused.stderr.contains("not logged in"), "{refused:?}");
    assert!(refused.stderr.contains("on far, type: claude auth login"), "{refused:?}");
    let nowhere = ["rc", "--on", Fleet::FAR, "--cwd", "~/nowhere"];
    let refused = with_key(&fleet.here, &nowhere).await;
    assert!(refused.stderr.contains("nowhere"), "its directories: {refused:?}");
    let listed: SessionListResult = fleet.here.qd(["ls", "--json"]).await.ok().json();
    assert!(listed.sessions.is_empty(), "nothing is left of what was refused: {listed:?}");
    let unknown = with_key(&fleet.here, &["rc", "--on", "mars"]).await;
    assert!(unknown.stderr.contains("mars"), "{unknown:?}");
}
