//! Commands without a terminal: what they print, and their exit codes.

use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A base directory of its own, in which nothing runs yet.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("temporary directory"))
    }
    fn qd(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_qd"));
        command
            .args(words)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.0.path())
            .env("QD_HOME", self.0.path().join("state"))
            .env("QD_TOKEN", "qdt_secret_of_the_caller")
            .current_dir(self.0.path());
        command.stdin(Stdio::null()).output().expect("qd runs")
    }
    /// Exit code, standard output and standard error.
    fn shown(&self, words: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.qd(words);
        let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        let code = status.code().map_or_else(|| "signal".to_owned(), |code| code.to_string());
        format!("{code}\n{stdout}--\n{stderr}")
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.qd(&["down"]);
    }
}

#[test]
fn without_a_relay_there_is_nothing_to_list_and_nothing_to_act_on() {
    let home = Home::new();
    insta::assert_snapshot!(home.shown(&["ls"]), @r"
    0
    --
    no relay runs for instance default; qd run starts one with the first session; qd relay --background starts it alone
    ");
    insta::assert_snapshot!(home.shown(&["ls", "--json"]), @r#"
    0
    {"sessions":[]}
    --
    "#);
    insta::assert_snapshot!(home.shown(&["stop", "build"]), @r"
    7
    --
    error: no relay runs for instance default
      hint: qd run starts one with the first session; qd relay --background starts it alone
    ");
    insta::assert_snapshot!(home.shown(&["stop", "build", "--json"]), @r#"
    7
    --
    {"error":{"kind":"unreachable","exit_code":7,"message":"no relay runs for instance default","hints":["qd run starts one with the first session; qd relay --background starts it alone"]}}
    "#);
    insta::assert_snapshot!(home.shown(&["down"]), @r"
    0
    --
    no relay runs for instance default
    ");
}

#[test]
fn without_a_terminal_the_error_says_what_to_type_instead() {
    let home = Home::new();
    insta::assert_snapshot!(home.shown(&["run", "--", "vi"]), @r"
    2
    --
    error: an attached run needs a terminal
      hint: without one: qd run --detach …
    ");
    insta::assert_snapshot!(home.shown(&["attach", "build"]), @r"
    2
    --
    error: attach needs a terminal
      hint: without one: qd logs SESSION --follow, qd send SESSION TEXT
    ");
    insta::assert_snapshot!(home.shown(&["attach", "--json"]), @r#"
    2
    --
    {"error":{"kind":"usage","exit_code":2,"message":"attach has no JSON form","hints":["read a session's records: qd logs SESSION --json --follow"]}}
    "#);
    assert!(home.shown(&[]).starts_with("2\nTerminals and coding agents"));
}

#[test]
fn a_session_is_run_typed_into_waited_for_read_and_deleted() {
    let home = Home::new();
    let script = "read line; echo \"<$line>\"; exit 5";
    let ran = home.shown(&["run", "-d", "-l", "job", "--", "/bin/sh", "-c", script]);
    assert!(ran.starts_with("0\njob s_"), "{ran}");
    assert_eq!(home.shown(&["signal", "job", "WINCH"]), "0\n--\n");
    insta::assert_snapshot!(home.shown(&["rm", "job"]), @r"
    8
    --
    error: the session is still running
      hint: end it first with `qd stop`
    ");
    assert!(home.shown(&["logs", "nope"]).starts_with("3\n--\nerror: session \"nope\" not found"));
    assert_eq!(home.shown(&["rename", "job", "task"]), "0\ntask\n--\n");
    assert_eq!(
        home.shown(&["wait", "task", "--for", "exit", "--timeout", "50ms"]).lines().next(),
        Some("9")
    );
    assert_eq!(home.shown(&["stop", "--now", "task"]), "0\n--\n");
    insta::assert_snapshot!(home.shown(&["wait", "task", "--for", "exit"]), @r"
    137
    task was ended by signal 9
    --
    ");
    assert_eq!(home.shown(&["resume", "task"]).lines().next(), Some("0"));
    home.qd(&["stop", "--now", "task"]);
    home.qd(&["wait", "task", "--for", "exit"]);
    assert_eq!(home.shown(&["rm", "task"]), "0\n--\n");
}

#[test]
fn a_secret_of_the_caller_reaches_no_session() {
    let home = Home::new();
    let script = "env; echo end";
    home.qd(&["run", "-d", "-l", "env", "--", "/bin/sh", "-c", script]);
    assert_eq!(home.qd(&["wait", "env", "--for", "exit"]).status.code(), Some(0));
    let printed = home.shown(&["logs", "env"]);
    assert!(printed.contains("QD_SESSION=s_") && printed.contains("end"), "{printed}");
    assert!(!printed.contains("secret"), "{printed}");
    let status = home.shown(&["status"]);
    assert!(status.contains("0 running, 1 ended"), "{status}");
}
