//! An instance under test: home, binary, relay.

use std::{
    ffi::OsStr,
    fs,
    net::SocketAddr,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use quarterdeck_protocol::method::RelayStatusResult;
use rustix::process::Signal;
use serde::de::DeserializeOwned;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use super::within;
use crate::processes;

/// The `qd` under test: `QD_TEST_BINARY`, or the one that belongs to the running test.
///
/// # Panics
/// When it cannot be built.
#[must_use]
pub fn qd_binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os("QD_TEST_BINARY") {
        Some(given) => PathBuf::from(given),
        None => {
            build();
            binary_directory().join("qd")
        }
    })
}

/// The program of [`crate::program`].
#[must_use]
pub fn program_binary() -> PathBuf {
    binary_directory().join("e2e-program")
}

/// The program of [`crate::simulated`].
#[must_use]
pub fn simulated_relays_binary() -> PathBuf {
    // built together with the other one
    let _ = qd_binary();
    binary_directory().join("qd-simulated-relays")
}

/// Where cargo puts binaries of the profile of this test: beside `deps`.
fn binary_directory() -> PathBuf {
    let me = std::env::current_exe().expect("a process knows its file");
    let mut directory = me.parent().expect("a file is in a directory");
    if directory.ends_with("deps") || directory.ends_with("examples") {
        directory = directory.parent().expect("deps is in a directory");
    }
    directory.to_owned()
}

/// Both packages at once, so that cargo chooses the same features as it did for the test.
fn build() {
    let directory = binary_directory();
    let target = directory.parent().expect("a profile is in the target directory");
    let mut command = std::process::Command::new(env!("CARGO"));
    command.args(["build", "--quiet", "-p", "quarterdeck-cli", "-p", "quarterdeck-e2e", "--bins"]);
    command.arg("--target-dir").arg(target).current_dir(env!("CARGO_MANIFEST_DIR"));
    if directory.ends_with("release") {
        command.arg("--release");
    }
    let status = command.status().expect("cargo runs");
    assert!(status.success(), "qd cannot be built");
}

/// A home with nothing in it, and what runs there. Dropping it kills every process that belongs to it.
#[derive(Debug)]
pub struct Instance {
    home: TempDir,
    /// The network namespace in which everything runs; none = that of the test.
    namespace: Option<String>,
    relays: AtomicU32,
    /// Beside those that every process has.
    variables: Mutex<Vec<(&'static str, String)>>,
}

impl Default for Instance {
    fn default() -> Self {
        Self::new()
    }
}

impl Instance {
    /// Makes the home.
    ///
    /// # Panics
    /// When there is no temporary directory.
    #[must_use]
    pub fn new() -> Self {
        Self::in_namespace(None)
    }
    /// The same, on a machine of a [`Network`](super::network::Network).
    pub(super) fn inside(namespace: &str) -> Self {
        Self::in_namespace(Some(namespace.to_owned()))
    }

    fn in_namespace(namespace: Option<String>) -> Self {
        // a short path: socket names have a limit, and some tests make it longer on purpose
        let home = tempfile::Builder::new().prefix("qd-").tempdir().expect("makes a home");
        for directory in ["tmp", "state", "config", "run"] {
            fs::create_dir(home.path().join(directory)).expect("makes a directory");
        }
        Self { home, namespace, relays: AtomicU32::new(0), variables: Mutex::default() }
    }
    /// The home directory of everything in this test.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.home.path()
    }
    /// A path in the home.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.home().join(name)
    }
    /// The base directory of instances.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.path("state")
    }
    /// The directory of the instance `default`.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        self.state().join("instances/default")
    }
    /// The directory of a session.
    #[must_use]
    pub fn session_directory(&self, session: impl std::fmt::Display) -> PathBuf {
        self.directory().join("sessions").join(session.to_string())
    }
    /// Writes the relay's configuration, for its next start.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn configure(&self, toml: &str) {
        let directory = self.directory();
        let mut private = fs::DirBuilder::new();
        private.recursive(true).mode(0o700).create(&directory).expect("makes the directory");
        fs::write(directory.join("config.toml"), toml).expect("writes the configuration");
    }
    /// Gives every process that is started from now on a variable.
    pub fn set(&self, name: &'static str, value: &str) {
        let mut variables = self.variables.lock().unwrap_or_else(PoisonError::into_inner);
        variables.push((name, value.to_owned()));
    }
    /// The whole environment of a process of this test: nothing is inherited.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let path = |name: &str| self.path(name).display().to_string();
        let search = std::env::var("PATH").unwrap_or_else(|_| "/usr/bin:/bin".to_owned());
        let more = self.variables.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut all = vec![
            ("HOME", self.home().display().to_string()),
            ("PATH", search),
            ("SHELL", "/bin/sh".to_owned()),
            ("LANG", "C.UTF-8".to_owned()),
            ("TERM", "xterm-256color".to_owned()),
            ("TMPDIR", path("tmp")),
            ("XDG_DATA_HOME", path("data")),
            ("XDG_CONFIG_HOME", path("config")),
            ("XDG_RUNTIME_DIR", path("run")),
            ("QD_HOME", path("state")),
        ];
        all.extend(more);
        all
    }
    /// `qd` with these words, not started yet.
    pub fn command<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, words: I) -> Command {
        let mut command = self.program(qd_binary());
        command.args(words).env_clear().envs(self.environment()).current_dir(self.home());
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }
    /// A program where everything of this instance runs, not started yet.
    ///
    /// # Panics
    /// When it is to run in a namespace and `ip` is gone.
    pub fn program(&self, program: &Path) -> Command {
        let Some(namespace) = &self.namespace else { return Command::new(program) };
        let ip = super::tools::find_program("ip").expect("the namespace was made by it");
        // it becomes the program: the process is the same
        let mut command = Command::new(ip);
        command.args(["netns", "exec", namespace]).arg(program);
        command
    }
    /// Runs `qd` with these words to its end.
    pub async fn qd<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, words: I) -> Ran {
        Ran::of(self.command(words)).await
    }
    /// Starts the relay in the foreground with these further words, and waits until it serves.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_relay(&self, words: &[&str]) -> Relay {
        match self.try_start_relay(words).await {
            Ok(relay) => relay,
            Err(ran) => panic!(
                "the relay does not start: {ran:?}; there are {:?}",
                processes::describe(self.home())
            ),
        }
    }
    /// The same where it may fail: how it ended.
    ///
    /// # Errors
    /// When it ends before it serves.
    ///
    /// # Panics
    /// When it does neither.
    pub async fn try_start_relay(&self, words: &[&str]) -> Result<Relay, Ran> {
        let (child, status, log) = self.serve("relay", words).await?;
        Ok(Relay { child, status, log })
    }
    /// Starts a daemon in the foreground, and waits until it says that it serves.
    pub(super) async fn serve<S: DeserializeOwned>(
        &self,
        word: &str,
        words: &[&str],
    ) -> Result<(Child, S, PathBuf), Ran> {
        let number = self.relays.fetch_add(1, Ordering::Relaxed);
        let log = self.path(&format!("{word}-{number}.log"));
        let mut command = self.command([word, "--json"]);
        command.args(words).stdout(Stdio::piped());
        command.stderr(fs::File::create(&log).expect("makes the daemon's log"));
        let mut child = command.spawn().expect("the daemon starts");
        let stdout = child.stdout.take().expect("its output is piped");
        let mut lines = BufReader::new(stdout).lines();
        let ready = within("the daemon serves", lines.next_line()).await.expect("is readable");
        let Some(ready) = ready else {
            let status = within("the daemon ends", child.wait()).await.expect("is a child");
            let stderr = fs::read_to_string(&log).unwrap_or_default();
            return Err(Ran { status, stdout: Vec::new(), stderr });
        };
        let status = serde_json::from_str(&ready);
        Ok((child, status.expect("the ready line is the status"), log))
    }
    /// Runs `qd` with these words to its end; this is its standard input.
    ///
    /// # Panics
    /// When it cannot be started or does not end.
    pub async fn qd_reading<I, S>(&self, words: I, input: &str) -> Ran
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let file = self.path("standard-input");
        fs::write(&file, input).expect("writes");
        let mut command = self.command(words);
        command.stdin(fs::File::open(&file).expect("opens"));
        Ran::of(command).await
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        processes::kill_naming(self.home.path());
    }
}

/// A relay in the foreground; killed when it is dropped, as its sessions are not.
#[derive(Debug)]
pub struct Relay {
    child: Child,
    /// What it said when it was ready.
    pub status: RelayStatusResult,
    log: PathBuf,
}

impl Relay {
    /// Its process id.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.status.pid
    }
    /// Its network address.
    ///
    /// # Panics
    /// When it has none: start it with `--listen`.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        let network = |url: &String| url.split_once("://").and_then(|(_, rest)| rest.parse().ok());
        self.status.listening.iter().find_map(network).expect("the relay listens on the network")
    }
    /// Sends it a signal.
    ///
    /// # Panics
    /// When it is gone.
    pub fn signal(&self, signal: Signal) {
        processes::signal(self.pid(), signal).expect("the relay runs");
    }
    /// Waits until it is gone, so that its locks are free.
    ///
    /// # Panics
    /// When it does not go.
    pub async fn until_gone(&mut self) {
        within("the relay is gone", self.child.wait()).await.expect("is a child");
    }
    /// Kills it and waits until it is gone, so that its locks are free.
    ///
    /// # Panics
    /// When it does not die.
    pub async fn kill(mut self) {
        self.child.start_kill().expect("the relay can be killed");
        within("the killed relay is gone", self.child.wait()).await.expect("is a child");
    }
    /// Asks it to end, and gives how it did.
    ///
    /// # Panics
    /// When it does not.
    pub async fn terminate(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        within("the relay ends", self.child.wait()).await.expect("is a child")
    }
    /// What it has logged.
    ///
    /// # Panics
    /// When the log cannot be read.
    #[must_use]
    pub fn diagnostics(&self) -> String {
        fs::read_to_string(&self.log).expect("the relay's log is readable")
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let text = fs::read_to_string(&self.log).unwrap_or_default();
            let start = text.floor_char_boundary(text.len().saturating_sub(3000));
            show(&format!("the relay's last words:\n{}", &text[start..]));
        }
    }
}

/// Prints where the test's output goes.
#[expect(clippy::print_stderr, reason = "a failing test says what it saw")]
fn show(text: &str) {
    eprintln!("{text}");
}

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    /// How.
    pub status: ExitStatus,
    /// What it printed.
    pub stdout: Vec<u8>,
    /// What it said.
    pub stderr: String,
}

impl Ran {
    /// Runs a command to its end.
    ///
    /// # Panics
    /// When it cannot be started or does not end.
    pub async fn of(command: Command) -> Self {
        Self::within(command, super::PATIENCE).await
    }
    /// The same for a command that may take longer.
    ///
    /// # Panics
    /// When it cannot be started or does not end.
    pub async fn within(mut command: Command, limit: Duration) -> Self {
        let what = format!("{:?} ends", command.as_std());
        let ended = super::within_time(limit, &what, command.output()).await;
        let output = ended.expect("the command runs");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Self { status: output.status, stdout: output.stdout, stderr }
    }
    /// Its exit code; none when a signal ended it.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }
    /// Itself, if it succeeded.
    ///
    /// # Panics
    /// When it failed.
    pub fn ok(self) -> Self {
        assert!(self.status.success(), "{self:?} {}", self.text());
        self
    }
    /// What it printed, as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
    /// What it printed, as one JSON value.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        let parsed = serde_json::from_slice(&self.stdout);
        parsed.unwrap_or_else(|error| panic!("{error}: {self:?} {}", self.text()))
    }
}
