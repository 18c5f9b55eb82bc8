//! Pages of the guide, as a new user would follow them: each command is run in order, and each line below it
//! must be a part of what it prints.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use quarterdeck_e2e::harness::{
    agent,
    hub::Fleet,
    instance::{Instance, Ran, qd_binary},
    look_again, within,
};
use quarterdeck_protocol::method::{MailContactsResult, MailWhoamiResult};
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
    /// What stands before the `$`: on whose machine it is typed.
    host: &'p str,
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
            match (typed(line), steps.last_mut()) {
                (Some((host, command)), _) => {
                    steps.push(Step { host, command, shown: Vec::new() });
                }
                (None, Some(step)) => step.shown.push(line),
                (None, None) => panic!("{line:?} stands before any command"),
            }
        }
    }
    steps
}

fn typed(line: &str) -> Option<(&str, &str)> {
    let (host, command) = line.split_once("$ ")?;
    host.bytes().all(|b| b.is_ascii_lowercase()).then_some((host, command))
}

/// Words with one space between them: columns are as wide as a page needs.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Where a page's commands are typed.
struct Desk<'i> {
    instance: &'i Instance,
    search: String,
    directory: PathBuf,
}

impl<'i> Desk<'i> {
    fn new(instance: &'i Instance, programs: &[(&str, &str)]) -> Self {
        let bin = instance.path("bin");
        fs::create_dir(&bin).expect("makes a directory");
        fs::create_dir(instance.path("project")).expect("makes a directory");
        std::os::unix::fs::symlink(qd_binary(), bin.join("qd")).expect("links");
        for (name, text) in programs {
            fs::write(bin.join(name), text).expect("writes");
            let mode = fs::Permissions::from_mode(0o755);
            fs::set_permissions(bin.join(name), mode).expect("can be run");
        }
        // a session has what a login shell has
        let search = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
        fs::write(instance.path(".profile"), format!("PATH='{search}'\n")).expect("writes");
        Self { instance, search, directory: instance.home().to_owned() }
    }

    /// What a command prints.
    async fn ran(&self, command: &str) -> String {
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).env_clear().envs(self.instance.environment());
        shell.env("PATH", &self.search).current_dir(&self.directory).kill_on_drop(true);
        let ran = Ran::of(shell).await;
        assert!(ran.status.success(), "{command}: {ran:?}");
        words(&format!("{} {}", ran.text(), ran.stderr))
    }

    /// Runs a command and checks what it prints. What only looks is run until it shows that.
    async fn follow(&mut self, command: &str, shown: &[&str]) {
        if let Some(place) = command.strip_prefix("cd ") {
            self.directory.push(place);
            return;
        }
        let looks = ["qd msg contacts", "qd msg inbox", "qd msg status"];
        if looks.iter().any(|look| command.starts_with(look)) {
            let looking = async {
                loop {
                    let printed = self.ran(command).await;
                    if shown.iter().all(|part| printed.contains(&words(part))) {
                        return;
                    }
                    look_again().await;
                }
            };
            return within(&format!("{command} shows {shown:?}"), looking).await;
        }
        let printed = self.ran(command).await;
        for part in shown {
            assert!(printed.contains(&words(part)), "{command}: {part:?} is not in {printed}");
        }
    }
}

async fn follow(page: &str, programs: &[(&str, &str)]) {
    let instance = Instance::new();
    let mut desk = Desk::new(&instance, programs);
    let steps = steps(page);
    assert!(!steps.is_empty(), "the page has commands");
    for Step { host, command, shown } in steps {
        assert_eq!(host, "", "the page has one machine");
        desk.follow(command, &shown).await;
    }
}

/// The lines of a page's `toml` blocks.
fn configuration(page: &str) -> String {
    let blocks = page.split("```toml\n").skip(1);
    blocks.filter_map(|rest| rest.split_once("```")).map(|(block, _)| block).collect()
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

/// `ADDRESS` is what the other one's `whoami` says, `NAME` the one who asks.
#[tokio::test]
async fn the_guide_to_messaging_is_true() {
    let page = include_str!("../../../../docs/guide/messaging.md");
    let agents = |it: &Instance| {
        let claude = agent::configuration(it);
        let codex = claude.replace("agents.claude", "agents.codex");
        let codex = codex.replace("[agents.codex]\n", "[agents.codex]\nvendor = \"claude\"\n");
        it.configure(&[claude, codex, configuration(page)].concat());
    };
    let fleet = Fleet::start_with(agents).await;
    let (mut yours, mut theirs) = (Desk::new(&fleet.here, &[]), Desk::new(&fleet.there, &[]));
    for Step { host, command, shown } in steps(page) {
        let found = fleet.there.qd(["msg", "whoami", "--json"]).await.ok();
        let address = found.json::<MailWhoamiResult>().address;
        let known = fleet.there.qd(["msg", "contacts", "--json"]).await.ok();
        let known = known.json::<MailContactsResult>().contacts;
        let name = known.first().map_or("NAME", |contact| contact.name.as_str());
        let command = command.replace("ADDRESS", &address).replace("NAME", name);
        let desk = if host == "theirs" { &mut theirs } else { &mut yours };
        desk.follow(&command, &shown).await;
    }
}

#[test]
fn commands_and_what_they_show_are_told_apart() {
    let page = "# P\n```console\n$ a b\nc  d\nbob$ e\n```\n```toml\n$ no\n```\n";
    let expected = [
        Step { host: "", command: "a b", shown: vec!["c  d"] },
        Step { host: "bob", command: "e", shown: vec![] },
    ];
    assert_eq!(steps(page), expected);
    assert_eq!(configuration(page), "$ no\n");
}
