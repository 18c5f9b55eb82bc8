//! Vendors' own Remote Control: the real programs as far as they go without an account, and a script
//! that prints the recognised lines for the rest.

mod elsewhere;
mod policy;

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use quarterdeck_e2e::harness::{
    agents::Agent,
    client::Way,
    instance::{Instance, Ran},
    overview::Overview,
    proxy::Proxy,
};
use quarterdeck_protocol::{
    method::{SessionListResult, SessionResult},
    record::SessionKind,
    remote_control::{
        RemoteCheck, RemoteInfo, RemoteLevel, RemotePreflightResult, RemoteReport, RemoteState,
    },
    session::SessionInfo,
};
use tokio::process::Command;

const FAILED: i32 = 1;
const USAGE: i32 = 2;
const URL: &str = "https://claude.ai/code?environment=env_01TESTABC";

/// A home with a Claude that is a script: it notes how it was started and does what `script` says.
struct Scripted {
    instance: Instance,
}

impl Scripted {
    fn new(script: &str) -> Self {
        let instance = Instance::new();
        install(&instance, script);
        Self { instance }
    }

    /// Prints a screen, and goes on when `project/go` is there.
    fn serving() -> Self {
        Self::new(&serving_script())
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.instance.command(words);
        command.current_dir(self.instance.path("project"));
        command
    }

    async fn qd(&self, words: &[&str]) -> Ran {
        Ran::of(self.command(words)).await
    }

    fn noted(&self, name: &str) -> String {
        fs::read_to_string(self.instance.path(name)).expect("the script notes it")
    }

    async fn sessions(&self) -> Vec<SessionInfo> {
        let listed: SessionListResult = self.qd(&["ls", "--json"]).await.ok().json();
        listed.sessions
    }

    async fn overview(&self) -> Overview {
        Overview::start(&Way::unix(&self.instance)).await
    }
}

/// Puts a script in the place of Claude, which is logged in.
fn install(instance: &Instance, script: &str) {
    let program = instance.path("claude");
    let text = format!(
        "#!/bin/sh\ncase \"$1 $2\" in\n'--version '*) echo '2.1.329 (Claude Code)'; exit;;\n\
         'auth status') cat \"$HOME/login.json\"; exit;;\nesac\n\
         printf '%s\\n' \"$@\" > \"$HOME/args\"; env > \"$HOME/env\"; pwd > \"$HOME/cwd\"\n{script}\n"
    );
    fs::write(&program, text).expect("writes");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("can be run");
    instance.configure(&format!("[agents.claude]\ncommand = [{program:?}]\n"));
    let login = r#"{"loggedIn":true,"authMethod":"claude.ai","subscriptionType":"max"}"#;
    fs::write(instance.path("login.json"), login).expect("writes");
    fs::create_dir(instance.path("project")).expect("makes a directory");
}

fn serving_script() -> String {
    format!(
        "printf '\\033[2mconnecting\\033[0m\\r\\n|\\033[1CConnecting\\r\\n'\n\
     printf 'Capacity: 0/32\\r\\nCode anywhere with the Claude mobile app or {URL}\\r\\n'\n\
     trap 'exit 0' HUP TERM\n\
     while [ ! -e go ]; do sleep 0.05; done\n\
     printf '* Attached\\r\\n'\n\
     while [ ! -e fail ]; do sleep 0.05; done\nrm fail go; exit 3"
    )
}

fn remote(info: &SessionInfo) -> &RemoteInfo {
    info.remote_control.as_ref().expect("it is Remote Control")
}

fn is_now(word: &'static str) -> impl Fn(&SessionInfo) -> bool {
    move |info| info.remote_control.as_ref().is_some_and(|remote| remote.state.word() == word)
}

#[tokio::test]
async fn its_address_and_code_are_shown_and_its_states_are_followed() {
    let scripted = Scripted::serving();
    let started = scripted.qd(&["rc", "--label", "phone", "--name", "my desk"]).await.ok();
    let text = started.text();
    assert!(text.contains(URL) && text.contains("waiting for an app"), "{text}");
    assert!(text.contains('█') || text.contains('▀'), "a QR code: {text}");
    assert_eq!(scripted.noted("args"), "remote-control\n--name\nmy desk\n");
    let mut overview = scripted.overview().await;
    let session = scripted.sessions().await.remove(0);
    assert_eq!(session.kind, SessionKind::RemoteControl);
    fs::write(scripted.instance.path("project/go"), "").expect("writes");
    let seen = overview.until(session.session, "an app joined", is_now("connected")).await;
    assert_eq!(remote(&seen).url.as_deref(), Some(URL));
    // a relay that is killed forgets nothing of it: the log is the truth
    scripted.qd(&["relay", "--replace", "--background"]).await.ok();
    let shown: SessionResult = scripted.qd(&["rc", "--show", "phone", "--json"]).await.ok().json();
    assert_eq!(remote(&shown.session).state, RemoteState::Connected);
    scripted.qd(&["stop", "phone"]).await.ok();
    scripted.qd(&["wait", "phone", "--for", "exit", "--timeout", "20s"]).await;
    let ended = scripted.sessions().await.remove(0);
    assert!(!ended.state.is_live(), "{ended:?}");
}

#[tokio::test]
async fn rc_is_started_again_when_it_fails_and_not_when_it_is_stopped() {
    let scripted = Scripted::serving();
    scripted.qd(&["rc", "--label", "phone", "--restart"]).await.ok();
    let mut overview = scripted.overview().await;
    let session = scripted.sessions().await.remove(0).session;
    for name in ["go", "fail"] {
        fs::write(scripted.instance.path("project").join(name), "").expect("writes");
    }
    let again = overview.until(session, "it runs again", |info| {
        info.incarnation.0 == 2 && is_now("waiting_for_pairing")(info)
    });
    let again = again.await;
    assert_eq!(remote(&again).restarts, 1);
    scripted.qd(&["stop", "phone"]).await.ok();
    let ended = overview.until(session, "it ends", |info| !info.state.is_live()).await;
    assert_eq!(ended.incarnation.0, 2);
}

#[tokio::test]
async fn rc_expands_paths_and_checks_them_before_it_starts() {
    let scripted = Scripted::serving();
    fs::create_dir_all(scripted.instance.path("work/deep")).expect("makes a directory");
    let words = ["rc", "--cwd", "~/work", "--account", "~/work/deep", "--label", "a"];
    scripted.qd(&words).await.ok();
    let home = scripted.instance.home();
    assert_eq!(scripted.noted("cwd").trim(), home.join("work").to_str().expect("is text"));
    let environment = scripted.noted("env");
    let account = format!("CLAUDE_CONFIG_DIR={}", home.join("work/deep").display());
    assert!(environment.lines().any(|line| line == account), "{environment}");
    // so that git and ssh find their own
    let own = format!("HOME={}", home.display());
    assert!(environment.lines().any(|line| line == own), "{environment}");
    for wrong in [["--cwd", "~/nowhere"], ["--cwd", "nowhere"], ["--account", "~/nowhere"]] {
        let refused = scripted.qd(&["rc", wrong[0], wrong[1]]).await;
        assert_ne!(refused.code(), Some(0), "{refused:?}");
        assert!(refused.stderr.contains("nowhere"), "{refused:?}");
    }
    assert_eq!(scripted.sessions().await.len(), 1, "nothing is left of what was refused");
}

#[tokio::test]
async fn rc_refuses_flags_that_conflict_and_names_swallow_no_words() {
    let scripted = Scripted::serving();
    for wrong in [
        &["--server", "--interactive"][..],
        &["--interactive", "--capacity", "3"],
        &["--spawn", "session", "--capacity", "3"],
        &["--account", "work", "--claude-home", "/x"],
        &["--name", ""],
        &["--name=--capacity"],
        &["--agent", "codex", "--name", "x"],
        &["--agent", "codex", "--interactive"],
        &["--", "--name", "other"],
        &["--", "a", "--", "b"],
    ] {
        let refused = scripted.qd(&[&["rc"], wrong].concat()).await;
        assert_eq!(refused.code(), Some(USAGE), "{wrong:?}: {refused:?}");
    }
    let words = ["rc", "--interactive", "--timeout", "1s", "--label", "talk", "--", "first", "-v"];
    scripted.qd(&words).await.ok();
    assert_eq!(scripted.noted("args"), "first\n-v\n--remote-control\n");
    let words = ["rc", "--interactive", "--timeout", "1s", "--name", "desk", "--", "first"];
    scripted.qd(&words).await.ok();
    assert_eq!(scripted.noted("args"), "first\n--remote-control=desk\n");
}

#[tokio::test]
async fn rc_names_each_variable_in_its_way_and_strips_it_only_when_asked() {
    let scripted = Scripted::serving();
    let with_keys = |words: &[&str]| {
        let mut command = scripted.command(words);
        command.env("ANTHROPIC_API_KEY", "sk-test").env("CLAUDE_CODE_OAUTH_TOKEN", "t");
        Ran::of(command)
    };
    let refused = with_keys(&["rc"]).await;
    assert_eq!(refused.code(), Some(FAILED), "{refused:?}");
    for name in ["ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN"] {
        assert!(refused.stderr.contains(&format!("qd rc --strip {name}")), "{refused:?}");
    }
    assert!(scripted.sessions().await.is_empty());
    let strip = ["--strip", "ANTHROPIC_API_KEY", "--strip", "CLAUDE_CODE_OAUTH_TOKEN"];
    with_keys(&[&["rc"], &strip[..]].concat()).await.ok();
    let environment = scripted.noted("env");
    assert!(!environment.contains("sk-test") && !environment.contains("OAUTH"), "{environment}");
    for name in ["DISABLE_TELEMETRY", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC"] {
        assert!(!environment.contains(name), "Remote Control refuses with it: {environment}");
    }
}

#[tokio::test]
async fn a_question_on_its_terminal_is_said_with_how_to_answer_it() {
    let scripted = Scripted::new("printf 'Enable Remote Control? (y/n) '; read answer; sleep 999");
    let asked = scripted.qd(&["rc", "--label", "phone"]).await.ok();
    assert!(asked.text().contains("asks on its terminal"), "{asked:?}");
    assert!(asked.stderr.contains("Enable Remote Control?"), "{asked:?}");
    assert!(asked.stderr.contains("qd attach phone"), "{asked:?}");
    assert_eq!(scripted.sessions().await[0].state.word(), "waiting");
}

#[tokio::test]
async fn a_relay_with_a_list_of_commands_starts_it_only_as_it_is_configured() {
    let scripted = Scripted::serving();
    let config = scripted.instance.directory().join("config.toml");
    let text = fs::read_to_string(&config).expect("is there");
    fs::write(&config, format!("{text}\n[ceiling]\ncommands = [\"ls\"]\n")).expect("writes");
    let forbidden = Some(6);
    let words = scripted.qd(&["rc", "--", "--settings", "/tmp/x"]).await;
    assert_eq!(words.code(), forbidden, "{words:?}");
    let account = scripted.qd(&["rc", "--claude-home", "/tmp"]).await;
    assert_eq!(account.code(), forbidden, "{account:?}");
    let unasked = scripted.qd(&["rc", "--", "--permission-mode", "bypassPermissions"]).await;
    assert_eq!(unasked.code(), forbidden, "{unasked:?}");
    scripted.qd(&["rc"]).await.ok();
}

/// The real program in an empty home; whatever it wants of the network is refused.
struct Real {
    instance: Instance,
    _nowhere: Proxy,
}

impl Real {
    fn new(agent: Agent) -> Option<Self> {
        let program: PathBuf = agent.require()?;
        let (instance, nowhere) = (Instance::new(), Proxy::to_nowhere());
        let (name, url) = (agent.name(), nowhere.url());
        instance.configure(&format!(
            "[agents.{name}]\ncommand = [{program:?}]\n\
             env = {{ HTTPS_PROXY = {url:?}, HTTP_PROXY = {url:?}, DISABLE_AUTOUPDATER = \"1\" }}\n"
        ));
        fs::create_dir(instance.path("project")).expect("makes a directory");
        Some(Self { instance, _nowhere: nowhere })
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.instance.command(words);
        command.current_dir(self.instance.path("project"));
        command
    }

    async fn report(&self, words: &[&str]) -> RemoteReport {
        let words = [&["rc", "--check", "--json"], words].concat();
        let ran = Ran::of(self.command(&words)).await;
        let mut result: RemotePreflightResult = ran.json();
        result.reports.remove(0)
    }
}

fn blocked(report: &RemoteReport) -> Vec<(RemoteCheck, Option<&str>)> {
    let found = report.findings.iter().filter(|it| it.level == RemoteLevel::Blocked);
    found.map(|it| (it.check, it.advice.as_deref())).collect()
}

#[tokio::test]
async fn the_real_claude_without_a_login_is_explained_before_and_after_its_start() {
    let Some(real) = Real::new(Agent::Claude) else { return };
    let report = real.report(&[]).await;
    assert_eq!(blocked(&report), [(RemoteCheck::Login, Some("claude auth login"))], "{report:?}");
    let refused = Ran::of(real.command(&["rc"])).await;
    assert_eq!(refused.code(), Some(FAILED), "{refused:?}");
    assert!(refused.stderr.contains("not logged in"), "{refused:?}");
    assert!(refused.stderr.contains("claude auth login"), "{refused:?}");
    // its own refusal is recognised
    let refused = Ran::of(real.command(&["rc", "--anyway"])).await;
    assert_eq!(refused.code(), Some(FAILED), "{refused:?}");
    assert!(refused.stderr.contains("to use Remote Control"), "{refused:?}");
    assert!(refused.stderr.contains("type: claude auth login"), "{refused:?}");
}

#[tokio::test]
async fn the_real_claude_with_a_subscription_is_held_up_by_a_key_in_the_environment() {
    let Some(real) = Real::new(Agent::Claude) else { return };
    let home = real.instance.path(".claude");
    fs::create_dir(&home).expect("makes a directory");
    let credentials = r#"{"claudeAiOauth":{"accessToken":"sk-ant-oat01-x","refreshToken":"sk-ant-ort01-x",
        "expiresAt":4000000000000,"scopes":["user:inference","user:profile"],"subscriptionType":"max"}}"#;
    fs::write(home.join(".credentials.json"), credentials).expect("writes");
    let ready = real.report(&[]).await;
    assert_eq!(blocked(&ready), [], "{ready:?}");
    let with_key = |words: &[&str]| {
        let mut command = real.command(words);
        command.env("ANTHROPIC_API_KEY", "sk-test");
        Ran::of(command)
    };
    let refused = with_key(&["rc"]).await;
    assert!(refused.stderr.contains("qd rc --strip ANTHROPIC_API_KEY"), "{refused:?}");
    let said = with_key(&["rc", "--anyway"]).await;
    assert!(said.stderr.contains("ANTHROPIC_API_KEY is set"), "its own words: {said:?}");
    let on = with_key(&["rc", "--strip", "ANTHROPIC_API_KEY"]).await;
    assert!(on.stderr.contains("organization"), "it comes further: {on:?}");
}

#[tokio::test]
async fn the_real_codex_without_a_login_is_explained_before_and_after_its_start() {
    let Some(real) = Real::new(Agent::Codex) else { return };
    let report = real.report(&["--agent", "codex"]).await;
    assert_eq!(blocked(&report), [(RemoteCheck::Login, Some("codex login"))], "{report:?}");
    let refused = Ran::of(real.command(&["rc", "--agent", "codex", "--anyway"])).await;
    assert_eq!(refused.code(), Some(FAILED), "{refused:?}");
    assert!(refused.stderr.contains("connection is errored"), "{refused:?}");
    assert!(refused.stderr.contains("type: codex login"), "{refused:?}");
}
