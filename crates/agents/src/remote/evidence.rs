//! What vendors' programs and files say about themselves, as facts of a preflight.

use alloc::{borrow::ToOwned, string::String};

use serde::Deserialize;
use serde_json::Value;

use super::preflight::{Login, Trust};

/// `claude auth status`, which prints JSON.
#[must_use]
pub fn claude_login(printed: &str) -> Login {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Status {
        logged_in: bool,
        #[serde(default)]
        auth_method: Option<String>,
        #[serde(default)]
        subscription_type: Option<String>,
    }
    let Ok(status) = serde_json::from_str::<Status>(printed) else { return Login::Unknown };
    match (status.logged_in, status.auth_method.as_deref()) {
        (false, _) => Login::None,
        (true, Some("claude.ai")) => Login::Account { plan: status.subscription_type },
        (true, Some("api_key")) => Login::Other { method: "an API key".to_owned() },
        (true, Some("oauth_token")) => Login::Other { method: "a long-lived token".to_owned() },
        (true, Some("third_party")) => Login::Other { method: "another provider".to_owned() },
        (true, Some(other)) => Login::Other { method: other.to_owned() },
        (true, None) => Login::Unknown,
    }
}

/// `codex login status`, which prints a sentence.
#[must_use]
pub fn codex_login(printed: &str) -> Login {
    let has = |words: &str| printed.lines().any(|line| line.contains(words));
    if has("Not logged in") {
        Login::None
    } else if has("Logged in using ChatGPT") {
        Login::Account { plan: None }
    } else if has("Logged in using an API key") {
        Login::Other { method: "an API key".to_owned() }
    } else {
        Login::Unknown
    }
}

/// Claude's file of projects. `places` are the directory and those above it, nearest first.
#[must_use]
pub fn claude_trust<'a>(file: &str, mut places: impl Iterator<Item = &'a str>) -> Trust {
    let Ok(file) = serde_json::from_str::<Value>(file) else { return Trust::Unknown };
    let Some(projects) = file.get("projects").and_then(Value::as_object) else {
        return Trust::Missing;
    };
    let trusted = |place: &str| {
        let accepted = projects.get(place).and_then(|it| it.get("hasTrustDialogAccepted"));
        accepted.and_then(Value::as_bool) == Some(true)
    };
    if places.any(trusted) { Trust::Given } else { Trust::Missing }
}

/// Claude's settings that an administrator or an organisation manages, whether they switch it off
/// (`disableRemoteControl`, by the program's own text, 2.1.329).
#[must_use]
pub fn claude_settings_forbid(settings: &str) -> bool {
    let settings = serde_json::from_str::<Value>(settings).ok();
    let off = settings.as_ref().and_then(|it| it.get("disableRemoteControl")?.as_bool());
    off == Some(true)
}

/// What Claude keeps of its organisation's limits (`policy-limits.json`, by the program's own text,
/// 2.1.329), whether they forbid it.
#[must_use]
pub fn claude_limits_forbid(limits: &str) -> bool {
    let limits = serde_json::from_str::<Value>(limits).ok();
    let allowed = limits.as_ref().and_then(|it| {
        it.get("restrictions")?.get("allow_remote_control")?.get("allowed")?.as_bool()
    });
    allowed == Some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_what_the_program_says_it_is() {
        let claude = |method: &str| {
            let text = std::format!(r#"{{"loggedIn":true,"authMethod":"{method}"}}"#);
            claude_login(&text)
        };
        assert_eq!(claude_login(r#"{"loggedIn":false,"authMethod":"none"}"#), Login::None);
        assert_eq!(claude("claude.ai"), Login::Account { plan: None });
        assert!(matches!(claude("api_key"), Login::Other { .. }));
        assert!(matches!(claude("something new"), Login::Other { .. }));
        assert_eq!(claude_login("usage: …"), Login::Unknown);
        assert_eq!(codex_login("WARNING: x\nNot logged in\n"), Login::None);
        assert_eq!(codex_login("Logged in using ChatGPT\n"), Login::Account { plan: None });
        assert!(matches!(codex_login("Logged in using an API key - sk-…\n"), Login::Other { .. }));
        assert_eq!(codex_login(""), Login::Unknown);
    }

    #[test]
    fn trust_of_a_directory_above_counts_and_damage_says_nothing() {
        let file = r#"{"projects":{"/src":{"hasTrustDialogAccepted":true},"/x":{}}}"#;
        let trust = |places: &[&'static str]| claude_trust(file, places.iter().copied());
        assert_eq!(trust(&["/src/deep", "/src", "/"]), Trust::Given);
        assert_eq!(trust(&["/x", "/"]), Trust::Missing);
        assert_eq!(claude_trust("{", ["/src"].into_iter()), Trust::Unknown);
    }

    #[test]
    fn an_administrators_settings_forbid_it_and_damage_says_nothing() {
        assert!(claude_settings_forbid(r#"{"model":"x","disableRemoteControl":true}"#));
        for silent in [r#"{"disableRemoteControl":false}"#, "{}", "", "[1]", "{"] {
            assert!(!claude_settings_forbid(silent), "{silent}");
        }
    }

    #[test]
    fn an_organisations_limits_forbid_it_and_damage_says_nothing() {
        let limits = |name: &str, allowed: bool| {
            std::format!(r#"{{"restrictions":{{"{name}":{{"allowed":{allowed}}}}}}}"#)
        };
        assert!(claude_limits_forbid(&limits("allow_remote_control", false)));
        for silent in [
            &limits("allow_remote_control", true)[..],
            &limits("allow_product_feedback", false),
            r#"{"restrictions":{}}"#,
            "",
            "{",
        ] {
            assert!(!claude_limits_forbid(silent), "{silent}");
        }
    }
}
