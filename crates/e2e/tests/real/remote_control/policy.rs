//! An organisation that forbids Remote Control: known before the start where the program has heard of
//! it, and by the program's own words where it has not.

use std::fs;

use quarterdeck_protocol::remote_control::{RemoteCheck, RemotePreflightResult};

use super::{FAILED, Scripted, blocked};

const ASK: &str = "ask whoever administers your organisation at claude.ai/admin-settings";

#[tokio::test]
async fn an_organisations_policy_that_forbids_rc_is_named_before_the_start() {
    let scripted = Scripted::serving();
    let kept = scripted.instance.path(".claude");
    fs::create_dir(&kept).expect("makes a directory");
    let limits = |allowed: bool| {
        let text =
            format!(r#"{{"restrictions":{{"allow_remote_control":{{"allowed":{allowed}}}}}}}"#);
        fs::write(kept.join("policy-limits.json"), text).expect("writes");
    };
    limits(true);
    scripted.qd(&["rc", "--check"]).await.ok();
    limits(false);
    let checked = scripted.qd(&["rc", "--check", "--json"]).await;
    assert_eq!(checked.code(), Some(FAILED), "{checked:?}");
    let result: RemotePreflightResult = checked.json();
    let found = blocked(&result.reports[0]);
    let advice = format!("{ASK}; once it is allowed: qd rc --anyway");
    assert_eq!(found, [(RemoteCheck::Policy, Some(advice.as_str()))]);
    let refused = scripted.qd(&["rc"]).await;
    assert_eq!(refused.code(), Some(FAILED), "{refused:?}");
    assert!(refused.stderr.contains("your organisation's policy forbids it"), "{refused:?}");
    assert!(refused.stderr.contains("policy-limits.json"), "{refused:?}");
    assert!(refused.stderr.contains(ASK), "{refused:?}");
    assert!(scripted.sessions().await.is_empty());
    scripted.qd(&["rc", "--anyway"]).await.ok();
}

#[tokio::test]
async fn an_organisations_policy_is_explained_when_only_the_program_knows_of_it() {
    for said in [
        "Error: Remote Control is disabled by your organization's policy. Contact your organization \
         admin for access.",
        "Error: Remote Control is disabled by your organization's policy (managed setting \
         `disableRemoteControl`).",
    ] {
        let scripted = Scripted::new(&format!("echo \"{}\"; exit 1", said.replace('`', "'")));
        let refused = scripted.qd(&["rc", "--label", "phone", "--restart"]).await;
        assert_eq!(refused.code(), Some(FAILED), "{refused:?}");
        assert!(refused.stderr.contains("disabled by your organization's policy"), "{refused:?}");
        assert!(refused.stderr.contains(&format!("type: {ASK}")), "{refused:?}");
        // asking again would not help
        let session = scripted.sessions().await.remove(0);
        assert_eq!(session.incarnation.0, 1, "{session:?}");
    }
}
