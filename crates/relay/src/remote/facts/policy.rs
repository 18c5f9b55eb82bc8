//! Whether somebody who administers the machine or the organisation forbids Claude's Remote Control.

use std::path::{Path, PathBuf};

use quarterdeck_agents::remote::{evidence, preflight::Policy};

use super::read;

/// Where an administrator's settings of Claude Code stand.
pub(super) const MANAGED: &str = if cfg!(target_os = "macos") {
    "/Library/Application Support/ClaudeCode"
} else {
    "/etc/claude-code"
};
/// Files beside the administrator's main one that are looked at.
const MAX_DROP_INS: usize = 64;

/// Looks through the administrator's directory, and through what the program keeps of its organisation in
/// its account's directory.
pub(super) fn of_claude(managed: &Path, account: &Path) -> Policy {
    let text = |path: &Path| path.display().to_string();
    for file in administrators(managed) {
        if read(&file).is_some_and(|settings| evidence::claude_settings_forbid(&settings)) {
            return Policy::Off { file: text(&file) };
        }
    }
    let (settings, limits) =
        (account.join("remote-settings.json"), account.join("policy-limits.json"));
    if read(&settings).is_some_and(|it| evidence::claude_settings_forbid(&it)) {
        return Policy::Forbidden { file: text(&settings) };
    }
    if read(&limits).is_some_and(|it| evidence::claude_limits_forbid(&it)) {
        return Policy::Forbidden { file: text(&limits) };
    }
    Policy::Silent
}

/// The administrator's files: the main one, and those of its drop-in directory by name.
fn administrators(managed: &Path) -> Vec<PathBuf> {
    let listed = std::fs::read_dir(managed.join("managed-settings.d"));
    let listed = listed.into_iter().flatten().flatten().map(|entry| entry.path());
    let settings = listed.filter(|path| path.extension().is_some_and(|it| it == "json"));
    let mut found: Vec<PathBuf> = settings.take(MAX_DROP_INS).collect();
    found.sort();
    found.insert(0, managed.join("managed-settings.json"));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const OFF: &str = r#"{"disableRemoteControl":true}"#;

    /// What is decided when a file, by its path in the machine's and the account's directory, says so.
    fn check(name: &str, text: &str) -> (Policy, String) {
        let home = tempfile::tempdir().expect("a directory");
        let (managed, account) = (home.path().join("managed"), home.path().join("account"));
        let file = home.path().join(name);
        fs::create_dir_all(file.parent().expect("a directory")).expect("makes a directory");
        fs::write(&file, text).expect("writes");
        (of_claude(&managed, &account), file.display().to_string())
    }

    #[test]
    fn an_administrator_switches_it_off_in_the_main_file_or_in_one_beside_it() {
        for name in ["managed/managed-settings.json", "managed/managed-settings.d/10-remote.json"] {
            let (policy, file) = check(name, OFF);
            assert_eq!(policy, Policy::Off { file });
            assert_eq!(check(name, "{}").0, Policy::Silent);
        }
        assert_eq!(check("managed/managed-settings.d/note.txt", OFF).0, Policy::Silent);
    }

    #[test]
    fn an_organisation_forbids_it_by_its_settings_or_its_limits() {
        let (policy, file) = check("account/remote-settings.json", OFF);
        assert_eq!(policy, Policy::Forbidden { file });
        let limits = r#"{"restrictions":{"allow_remote_control":{"allowed":false}}}"#;
        let (policy, file) = check("account/policy-limits.json", limits);
        assert_eq!(policy, Policy::Forbidden { file });
        assert_eq!(check("account/settings.json", OFF).0, Policy::Silent, "a person's own");
    }
}
