//! `docs/guide/agents.md`, as a new user would follow it: each command is run, each line typed, and what the
//! page shows must be shown. The agents are real, their model is the obliging one.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use pty_process::blocking;
use quarterdeck_e2e::{
    harness::{
        agents::{Agent, AgentHome},
        conversation::AGENT_PATIENCE,
        instance::{Instance, Ran, qd_binary},
        terminal::Terminal,
    },
    models::{FakeModels, Source},
};
use tokio::{net::TcpListener, process::Command};

const PAGE: &str = include_str!("../../../../docs/guide/agents.md");
/// As wide as the page's lines need.
const SIZE: (u16, u16) = (160, 200);

/// A step of the page.
#[derive(Debug, PartialEq, Eq)]
enum Step<'p> {
    /// A command in a terminal.
    Run(char, &'p str),
    /// A line that is typed in it.
    Type(char, &'p str),
    /// What it shows.
    Shown(char, &'p str),
    /// More for the relay's configuration.
    Configure(String),
}

/// How a command ends: as it should, unless the page shows its error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Done,
    Failed,
}

/// The steps of a page's blocks, in order.
fn steps(page: &str) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    let mut block = None;
    for line in page.lines() {
        match (block, line.strip_prefix("```")) {
            (None, Some(language)) => {
                block = Some(language);
                if language == "toml" {
                    steps.push(Step::Configure(String::new()));
                }
            }
            (Some(_), Some(_)) => block = None,
            (Some("console"), None) => steps.push(step(line)),
            (Some(_), None) => {
                let Some(Step::Configure(text)) = steps.last_mut() else { panic!("{line}") };
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    steps
}

fn step(line: &str) -> Step<'_> {
    let terminal = line.chars().next().expect("a line of a block says whose it is");
    let rest = line.get(3..).unwrap_or_default();
    match line.get(1..2) {
        Some("$") => Step::Run(terminal, rest),
        Some(">") => Step::Type(terminal, rest),
        Some("|") => Step::Shown(terminal, rest),
        _ => panic!("{line:?} begins with none of 1$, 1> and 1|"),
    }
}

/// A user with a home, a project, all agents, and a few terminals.
struct User {
    instance: Instance,
    /// Where commands are run; `cd` changes it.
    directory: PathBuf,
    /// Terminals in which `qd` shows a conversation, and how much of it was looked at.
    open: BTreeMap<char, (Terminal, usize)>,
    /// What the last command in a terminal printed.
    printed: BTreeMap<char, Ran>,
    _models: FakeModels,
    _homes: Vec<AgentHome>,
}

impl User {
    /// `None` where an agent is not installed.
    async fn new() -> Option<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let models = FakeModels::serve(listener, Source::Obliging).expect("it has an address");
        let instance = Instance::new();
        let homes: Option<Vec<AgentHome>> =
            Agent::ALL.into_iter().map(|agent| AgentHome::new(agent, &models)).collect();
        let homes = homes?;
        let bin = instance.path("bin");
        fs::create_dir(&bin).expect("makes a directory");
        std::os::unix::fs::symlink(qd_binary(), bin.join("qd")).expect("links");
        let mut profile = String::new();
        for home in &homes {
            let program = &home.command()[0];
            let name = home.agent().name();
            std::os::unix::fs::symlink(program, bin.join(name)).expect("links");
            for (variable, value) in home.env() {
                if !["HOME", "TMPDIR", "PATH", "LANG"].contains(&variable.as_str()) {
                    profile.push_str(&format!("export {variable}='{value}'\n"));
                }
            }
        }
        // where each agent looks for its configuration
        let (codex, opencode) = (homes[1].path(), homes[2].path());
        profile.push_str(&format!("export CODEX_HOME='{}/.codex'\n", codex.display()));
        profile.push_str(&format!("export XDG_CONFIG_HOME='{}/.config'\n", opencode.display()));
        fs::write(instance.path(".profile"), profile).expect("writes the profile");
        fs::write(instance.path(".gitconfig"), "[user]\nname = Ada\nemail = ada@example.org\n")
            .expect("writes git's configuration");
        let directory = instance.path("project");
        fs::create_dir(&directory).expect("makes a directory");
        let (open, printed) = (BTreeMap::new(), BTreeMap::new());
        Some(Self { instance, directory, open, printed, _models: models, _homes: homes })
    }

    /// What a shell of the user has before its first command: a login shell's, and nothing of a test's.
    fn prelude(&self) -> String {
        format!(
            "unset QD_HOME XDG_DATA_HOME XDG_RUNTIME_DIR; . ~/.profile; PATH={}:/usr/bin:/bin; cd {}; ",
            self.instance.path("bin").display(),
            self.directory.display()
        )
    }

    async fn follow(&mut self, step: &Step<'_>, next: Option<&Step<'_>>) {
        match step {
            Step::Run(terminal, command) if is_conversation(command) => {
                let script = format!("{}exec {command}", self.prelude());
                let shell = blocking::Command::new("/bin/sh").args(["-c", &script]);
                let running = Terminal::start(&self.instance, shell, SIZE);
                self.open.insert(*terminal, (running, 0));
            }
            Step::Run(terminal, command) => {
                let fails =
                    matches!(next, Some(Step::Shown(_, text)) if text.starts_with("error:"));
                let expected = if fails { Ending::Failed } else { Ending::Done };
                self.run(*terminal, command, expected).await;
            }
            Step::Type(terminal, line) => {
                let keys = format!("{line}\r");
                let (terminal, _) = self.open.get_mut(terminal).expect("it shows a conversation");
                terminal.type_keys(keys.as_bytes()).await;
            }
            Step::Shown(terminal, text) if self.open.contains_key(terminal) => {
                self.until_shown(*terminal, text).await;
            }
            Step::Shown(terminal, text) => {
                let ran = &self.printed[terminal];
                let shown = [ran.text().as_str(), &ran.stderr].concat();
                assert!(squeezed(&shown).contains(&squeezed(text)), "{text:?} is not in:\n{shown}");
            }
            Step::Configure(text) => self.configure(text),
        }
    }

    /// A command that runs to its end.
    async fn run(&mut self, terminal: char, command: &str, expected: Ending) {
        let script =
            format!("{}{command}\necho \"$?\" >~/status; pwd >~/directory", self.prelude());
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &script]).env_clear().envs(self.instance.environment());
        shell.current_dir(&self.directory).stdin(std::process::Stdio::null()).kill_on_drop(true);
        let ran = Ran::within(shell, AGENT_PATIENCE).await;
        let read = |name| fs::read_to_string(self.instance.path(name)).expect("the shell wrote it");
        self.directory = PathBuf::from(read("directory").trim());
        let (status, shown) = (read("status"), format!("{}{}", ran.text(), ran.stderr));
        let ending = if status.trim() == "0" { Ending::Done } else { Ending::Failed };
        assert_eq!(ending, expected, "{command} ended with {status}: {shown}");
        self.open.remove(&terminal);
        self.printed.insert(terminal, ran);
    }

    /// Waits until a terminal shows a text behind all that was looked for before.
    async fn until_shown(&mut self, terminal: char, text: &str) {
        let (terminal, seen) = self.open.get_mut(&terminal).expect("it shows a conversation");
        let (from, text) = (*seen, text.trim());
        let at = |it: &Terminal| it.written().get(from..).and_then(|new| new.find(text));
        terminal.until_within(AGENT_PATIENCE, text, |it| at(it).is_some()).await;
        *seen = from + at(terminal).expect("it was just there") + text.len();
    }

    fn configure(&self, text: &str) {
        let home = self.instance.home().display().to_string();
        let directory = self.instance.path(".local/share/quarterdeck/instances/default");
        fs::write(directory.join("config.toml"), text.replace("/home/me", &home)).expect("writes");
        let key = self.instance.path("work.key");
        fs::write(&key, "ANTHROPIC_API_KEY=sk-ant-work\n").expect("writes");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("is ours");
    }
}

/// Whether a command shows a conversation on its terminal until it is left.
fn is_conversation(command: &str) -> bool {
    let goes_on = ["qd run --agent", "qd attach"].iter().any(|it| command.starts_with(it));
    goes_on && !["--wait", "--detach"].iter().any(|flag| command.contains(flag))
}

/// Runs of spaces as one: columns of tables are as wide as their widest cell.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn the_guide_does_what_it_says() {
    let Some(mut user) = User::new().await else { return };
    let steps = steps(PAGE);
    assert!(steps.len() > 50, "the page has its walk");
    for (at, step) in steps.iter().enumerate() {
        user.follow(step, steps.get(at + 1)).await;
    }
}
