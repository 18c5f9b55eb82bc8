//! A new version of the program under what runs.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use quarterdeck_e2e::harness::{
    agent::{self, Watcher, option_of},
    client::Way,
    instance::{Instance, Ran, qd_binary},
    steady::{Steady, Typist},
    terminal::Terminal,
};
use quarterdeck_protocol::{
    agent::OptionKind,
    method::{Empty, PromptList, PromptListParams, RelayStatus, RelayStatusResult},
};
use tokio::process::Command;

/// How long after the new relay serves an attached client may take to be back.
const BACK_WITHIN: Duration = Duration::from_secs(1);
/// What a machine that is busy with other tests may add.
const SLACK: Duration = Duration::from_secs(4);

/// `qd` as somebody has installed it.
struct Installed {
    instance: Instance,
    program: PathBuf,
}

impl Installed {
    fn new() -> Self {
        let instance = Instance::new();
        fs::create_dir(instance.path("bin")).expect("makes a directory");
        let program = instance.path("bin/qd");
        let installed = Self { instance, program };
        installed.install();
        installed
    }

    /// Another file under the same name, as installers do it: the old one runs on without a name.
    fn install(&self) {
        let fresh = self.program.with_extension("new");
        fs::copy(qd_binary(), &fresh).expect("copies");
        fs::rename(&fresh, &self.program).expect("is put into place");
    }

    async fn qd(&self, words: &[&str]) -> Ran {
        let mut command = Command::new(&self.program);
        command.args(words).env_clear().envs(self.instance.environment());
        command.current_dir(self.instance.home()).kill_on_drop(true);
        Ran::of(command).await
    }

    async fn replace(&self) -> RelayStatusResult {
        self.install();
        self.qd(&["relay", "--replace", "--background", "--json"]).await.ok().json()
    }
}

#[tokio::test]
async fn the_binary_is_upgraded_under_a_running_agent_with_an_open_prompt() {
    let installed = Installed::new();
    installed.instance.configure(&agent::configuration(&installed.instance));
    installed.qd(&["relay", "--background"]).await.ok();
    let way = Way::unix(&installed.instance);
    let peer = way.connect("person").await;
    let before = peer.call::<RelayStatus>(&Empty {}).await;
    let session = agent::start(&peer).await;
    let mut watcher = Watcher::start(&way, &session).await;
    agent::say(&peer, &session, "ask make-it").await;
    let prompt = watcher.prompt(0).await;

    let after = installed.replace().await;
    assert_ne!(after.pid, before.pid);
    let peer = way.connect("person").await;
    let open = peer.call::<PromptList>(&PromptListParams::default()).await;
    let ids: Vec<_> = open.prompts.iter().map(|it| it.prompt.id).collect();
    assert_eq!(ids, [prompt.id], "the same prompt, still open");
    let allow = option_of(&prompt, OptionKind::AllowOnce);
    agent::answer(&peer, prompt.id, &allow, None).await.expect("is answered");
    watcher.again(&way).await;
    watcher.turns(1).await;
    assert_eq!(agent::times(&installed.instance, "ran make-it"), 1, "it has heard one answer");
    // and works on under the new relay
    agent::say(&peer, &session, "say still here").await;
    watcher.turns(2).await;
    assert!(watcher.text().contains("still here"), "{}", watcher.text());
    // and the new relay starts sessions too, whose holders are of the new program
    installed.qd(&["run", "--detach", "--", "true"]).await.ok();
}

#[tokio::test]
async fn attached_clients_are_back_within_a_second_of_an_upgrade_and_miss_nothing() {
    let installed = Installed::new();
    installed.qd(&["relay", "--background"]).await.ok();
    let way = Way::unix(&installed.instance);
    let peer = way.connect("starter").await;
    let steady = Steady::start(&installed.instance, &peer, 23, 300_000).await;
    let mut typist = Typist::new(way.clone(), &steady);
    typist.connect().await;
    installed.qd(&["run", "--detach", "--label", "cat", "--", "cat"]).await.ok();
    let mut terminal = Terminal::qd(&installed.instance, &["attach", "cat"]);
    terminal.type_keys(b"one\r").await;
    terminal.until_text("one\none").await;
    for round in 0..3_u64 {
        let settled = typist.settled() + 50;
        typist.work(|typist| typist.settled() >= settled).await.expect("the link is whole");
        installed.replace().await;
        let serves = Instant::now();
        terminal.type_keys(format!("back {round}\r").as_bytes()).await;
        terminal.until_text(&format!("back {round}\nback {round}")).await;
        let took = serves.elapsed();
        assert!(took < BACK_WITHIN + SLACK, "the terminal is back after {took:?}");
        typist.work(|_| false).await.expect_err("the client notices");
        typist.connect().await;
    }
    let settled = typist.settled() + 50;
    typist.work(|typist| typist.settled() >= settled).await.expect("the link is whole");
    let out = typist.out();
    let typed = typist.finish().await;
    steady.check_typed(typed).await;
    steady.check_log(out);
}
