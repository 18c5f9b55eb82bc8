//! The real coding agents, and a place for each to live in.
//!
//! `scripts/agents.sh` puts them into a cache outside the repository; `scripts/agents.txt` is the one place
//! where their versions stand.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use quarterdeck_protocol::agent::Vendor;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{instance::program_binary, proxy::Proxy};
use crate::{models::FakeModels, processes};

const LIST: &str = include_str!("../../../../scripts/agents.txt");

/// An agent that the tests know how to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agent {
    /// Claude Code.
    Claude,
    /// Codex.
    Codex,
    /// opencode, an agent of the Agent Client Protocol.
    Opencode,
}

impl Agent {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Claude, Self::Codex, Self::Opencode];

    /// Its name in `scripts/agents.txt`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Codex => "codex",
            Self::Opencode => "opencode",
        }
    }

    /// The protocol that it speaks.
    #[must_use]
    pub const fn vendor(self) -> Vendor {
        match self {
            Self::Claude => Vendor::Claude,
            Self::Codex => Vendor::Codex,
            Self::Opencode => Vendor::Acp,
        }
    }

    /// Its program, when it is in the cache. Where it must be (`QD_REQUIRE_AGENTS`), a missing one fails
    /// the test; elsewhere the test says, past any capture, that it is left out.
    ///
    /// # Panics
    /// When it must be there and is not.
    #[must_use]
    pub fn require(self) -> Option<PathBuf> {
        let name = self.name();
        let program = cached(name);
        if program.is_none() {
            let required = std::env::var("QD_REQUIRE_AGENTS").unwrap_or_default();
            let required = required.split(',').any(|it| it.trim() == name);
            assert!(!required, "{name} is not in the cache; scripts/agents.sh installs it");
            let test = std::thread::current();
            let test = test.name().unwrap_or("a test").to_owned();
            let _ = writeln!(std::io::stderr(), "LEFT OUT: {test}: {name} is not installed");
        }
        program
    }
}

/// Where `scripts/agents.sh` has put a program.
fn cached(name: &str) -> Option<PathBuf> {
    let line = LIST.lines().find(|line| line.split_whitespace().next() == Some(name))?;
    let [_, version, _, program] = line.split_whitespace().collect::<Vec<_>>().try_into().ok()?;
    let arch = if cfg!(target_arch = "x86_64") { "x64" } else { "arm64" };
    let program = program.replace("ARCH", arch).replace("CPU", std::env::consts::ARCH);
    let path = cache()?.join(format!("{name}-{version}")).join("node_modules").join(program);
    path.is_file().then_some(path)
}

fn cache() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let below = |base: PathBuf| base.join("quarterdeck-test/agents");
    let cache = || variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
    variable("QD_AGENT_CACHE").or_else(|| cache().map(below))
}

/// A home of an agent's own with a project in it, where it can reach nothing but loopback. Dropping it
/// kills every process that belongs to it.
#[derive(Debug)]
pub struct AgentHome {
    agent: Agent,
    program: PathBuf,
    home: TempDir,
    /// Where everything is sent that is not for loopback.
    nowhere: Proxy,
    base_url: String,
    extra: Vec<(String, String)>,
}

impl AgentHome {
    /// A home whose agent uses this model server; `None` when the agent is not installed.
    #[must_use]
    pub fn new(agent: Agent, models: &FakeModels) -> Option<Self> {
        Self::with_base_url(agent, &models.url())
    }

    /// A home whose agent looks for its model at this address.
    ///
    /// # Panics
    /// When no directory can be made.
    #[must_use]
    pub fn with_base_url(agent: Agent, base_url: &str) -> Option<Self> {
        let program = agent.require()?;
        let home = tempfile::tempdir().expect("makes a directory");
        let home = Self {
            agent,
            program,
            home,
            nowhere: Proxy::to_nowhere(),
            base_url: base_url.to_owned(),
            extra: Vec::new(),
        };
        for directory in [home.project(), home.path().join("tmp")] {
            fs::create_dir(directory).expect("makes a directory");
        }
        home.configure();
        Some(home)
    }

    /// Sets a variable of the agent's, in place of what was there.
    #[must_use]
    pub fn with_env(mut self, name: &str, value: &str) -> Self {
        self.extra.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The agent's own directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.home.path()
    }

    /// Where it works.
    #[must_use]
    pub fn project(&self) -> PathBuf {
        self.home.path().join("project")
    }

    /// What the agent wanted to reach outside loopback; it is refused.
    #[must_use]
    pub fn wanted_outside(&self) -> Vec<String> {
        self.nowhere.wanted()
    }

    /// Which agent lives here.
    #[must_use]
    pub const fn agent(&self) -> Agent {
        self.agent
    }

    /// The command that [`quarterdeck_agents::launch::launch`] begins with.
    #[must_use]
    pub fn command(&self) -> Vec<String> {
        let program = self.program.display().to_string();
        match self.agent {
            Agent::Claude | Agent::Codex => vec![program],
            Agent::Opencode => vec![program, "acp".to_owned()],
        }
    }

    /// The agent's environment, but for what its launch always sets.
    #[must_use]
    pub fn env(&self) -> Vec<(String, String)> {
        let home = self.path().display().to_string();
        let tmp = self.path().join("tmp").display().to_string();
        let nowhere = self.nowhere.url();
        let mut env = vec![
            ("HOME", home.as_str()),
            ("TMPDIR", tmp.as_str()),
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
            ("LANG", "C.UTF-8"),
            ("HTTPS_PROXY", nowhere.as_str()),
            ("HTTP_PROXY", nowhere.as_str()),
            ("NO_PROXY", "127.0.0.1,localhost"),
        ];
        match self.agent {
            Agent::Claude => env.extend([
                ("ANTHROPIC_BASE_URL", self.base_url.as_str()),
                ("ANTHROPIC_API_KEY", "sk-ant-fake"),
                // without it a refusal is tried again for minutes
                ("CLAUDE_CODE_MAX_RETRIES", "1"),
            ]),
            Agent::Codex => env.push(("CODEX_API_KEY", "sk-fake")),
            Agent::Opencode => env.extend([
                ("OPENCODE_DISABLE_AUTOUPDATE", "1"),
                ("OPENCODE_DISABLE_MODELS_FETCH", "1"),
                ("OPENCODE_DISABLE_LSP_DOWNLOAD", "1"),
                ("OPENCODE_DISABLE_DEFAULT_PLUGINS", "1"),
            ]),
        }
        let mut env: Vec<(String, String)> =
            env.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        for (name, value) in &self.extra {
            env.retain(|(other, _)| other != name);
            if !value.is_empty() {
                env.push((name.clone(), value.clone()));
            }
        }
        env
    }

    /// Writes the agent's own configuration: its model, and nothing that calls home.
    fn configure(&self) {
        match self.agent {
            Agent::Claude => {}
            Agent::Codex => self.write(CODEX_CONFIG, &self.codex()),
            Agent::Opencode => self.write(OPENCODE_CONFIG, &self.opencode().to_string()),
        }
    }

    /// Gives the agent a tool that asks its user: [`crate::asker`].
    pub fn add_asker(&self) {
        let program = program_binary().display().to_string();
        match self.agent {
            Agent::Claude => {
                let asker = json!({ "command": program, "args": [ASKER] });
                let config = json!({ "mcpServers": { "asker": asker } });
                self.write(".claude.json", &config.to_string());
            }
            Agent::Codex => {
                let asker =
                    format!("[mcp_servers.asker]\ncommand = \"{program}\"\nargs = [\"{ASKER}\"]\n");
                self.write(CODEX_CONFIG, &[self.codex(), asker].concat());
            }
            Agent::Opencode => {
                let mut config = self.opencode();
                config["mcp"] =
                    json!({ "asker": { "type": "local", "command": [program, ASKER] } });
                self.write(OPENCODE_CONFIG, &config.to_string());
            }
        }
    }

    /// Writes a file below the home.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        let directory = path.parent().expect("a file is in a directory");
        fs::create_dir_all(directory).expect("makes a directory");
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    fn codex(&self) -> String {
        let (url, project) = (&self.base_url, self.project());
        format!(
            r#"
model = "gpt-5.5"
model_provider = "fake"
check_for_update_on_startup = false
suppress_unstable_features_warning = true
[analytics]
enabled = false
[feedback]
enabled = false
[features]
plugins = false
daemon_auto_start = false
default_mode_request_user_input = true
[model_providers.fake]
name = "fake"
base_url = "{url}/v1"
wire_api = "responses"
env_key = "CODEX_API_KEY"
request_max_retries = 1
stream_max_retries = 1
[projects."{}"]
trust_level = "trusted"
"#,
            project.display()
        )
    }

    fn opencode(&self) -> Value {
        let models = json!({
            "fake-model": model("Fake"), "other-model": model("Other"),
        });
        json!({
            "autoupdate": false, "share": "disabled", "model": "fake/fake-model",
            "small_model": "fake/fake-model", "enabled_providers": ["fake"],
            "permission": { "edit": "ask", "bash": "ask" },
            "provider": { "fake": {
                "npm": "@ai-sdk/openai-compatible",
                "options": { "baseURL": format!("{}/v1", self.base_url), "apiKey": "sk-fake" },
                "models": models,
            } },
        })
    }
}

const CODEX_CONFIG: &str = ".codex/config.toml";
const OPENCODE_CONFIG: &str = ".config/opencode/opencode.json";

fn model(name: &str) -> Value {
    json!({
        "name": name, "limit": { "context": 100_000, "output": 8_000 }, "tool_call": true,
        "reasoning": true,
    })
}

/// The step of [`crate::program`] that serves a tool which asks.
const ASKER: &str = "mcp-asker";

impl Drop for AgentHome {
    fn drop(&mut self) {
        processes::kill_naming(self.home.path());
    }
}
