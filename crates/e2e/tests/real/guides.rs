//! Pages of the guide, as a new user would follow them: each command is run in order, and each line below it
//! must be a part of what it prints.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use quarterdeck_e2e::harness::instance::{Instance, Ran, qd_binary};
use tokio::process::Command;

use crate::service::SYSTEMCTL;

/// A Claude that is logged in, and waits for its app.
const CLAUDE: &str = r#"#!/bin/sh
case "$1 $2" in
    '--version '*) echo '2.1.329 (Claude Code)' ;;
    'auth status') echo '{"loggedIn":true,"authMethod":"claude.ai","subscriptionType":"max"}' ;;
    *)
        printf 'Code anywhere with the Claude mobile app or '
        printf 'https://claude.ai/code?environment=env_01ABC\r\n'
        exec sleep 9999 ;;
esac
"#;

/// A command of a page, and what it shows.
#[derive(Debug, PartialEq, Eq)]
struct Step<'p> {
    command: &'p str,
    shown: Vec<&'p str>,
}

/// The commands of a page's `console` blocks, in order.
fn steps(page: &str) -> Vec<Step<'_>> {
    let mut steps: Vec<Step<'_>> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        if let Some(language) = line.strip_prefix("```") {
            inside = language == "console";
        } else if inside {
            match (line.strip_prefix("$ "), steps.last_mut()) {
                (Some(command), _) => steps.push(Step { command, shown: Vec::new() }),
                (None, Some(step)) => step.shown.push(line),
                (None, None) => panic!("{line:?} stands before any command"),
            }
        }
    }
    steps
}

/// Words with one space between them: columns are as wide as a page needs.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

async fn follow(page: &str, programs: &[(&str, &str)]) {
    let instance = Instance::new();
    let bin = instance.path("bin");
    fs::create_dir(&bin).expect("makes a directory");
    fs::create_dir(instance.path("project")).expect("makes a directory");
    std::os::unix::fs::symlink(qd_binary(), bin.join("qd")).expect("links");
    for (name, text) in programs {
        fs::write(bin.join(name), text).expect("writes");
        fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).expect("can be run");
    }
    // a session has what a login shell has
    let search = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    fs::write(instance.path(".profile"), format!("PATH='{search}'\n")).expect("writes");
    let mut directory: PathBuf = instance.home().to_owned();
    let steps = steps(page);
    assert!(!steps.is_empty(), "the page has commands");
    for Step { command, shown } in steps {
        if let Some(place) = command.strip_prefix("cd ") {
            directory.push(place);
            continue;
        }
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).env_clear().envs(instance.environment());
        shell.env("PATH", &search).current_dir(&directory).kill_on_drop(true);
        let ran = Ran::of(shell).await;
        assert!(ran.status.success(), "{command}: {ran:?}");
        let printed = words(&format!("{} {}", ran.text(), ran.stderr));
        for part in shown {
            assert!(printed.contains(&words(part)), "{command}: {part:?} is not in {printed}");
        }
    }
}

#[tokio::test]
async fn the_guide_to_instances_is_true() {
    follow(include_str!("../../../../docs/guide/instances.md"), &[]).await;
}

#[tokio::test]
async fn the_guide_to_remote_control_is_true() {
    let page = include_str!("../../../../docs/guide/remote-control.md");
    follow(page, &[("claude", CLAUDE)]).await;
}

#[tokio::test]
async fn the_guide_to_services_is_true() {
    let page = include_str!("../../../../docs/guide/service.md");
    let journal = "#!/bin/sh\necho the log\n";
    follow(page, &[("systemctl", SYSTEMCTL), ("journalctl", journal)]).await;
}

#[test]
fn commands_and_what_they_show_are_told_apart() {
    let page = "# P\n```console\n$ a b\nc  d\n```\n```toml\n$ no\n```\n";
    assert_eq!(steps(page), [Step { command: "a b", shown: vec!["c  d"] }]);
}
