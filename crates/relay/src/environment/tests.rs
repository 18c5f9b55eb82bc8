use super::*;

use std::{
    fs::{self, File, OpenOptions},
    io::Read,
    os::{fd::AsFd, unix::fs::OpenOptionsExt},
    path::PathBuf,
    time::Duration,
};

use proptest::prelude::*;

use super::capture::parse_answer;
use crate::{ceiling::CheckedCeiling, config::Ceiling};

const SESSION: SessionId = SessionId::from_bytes([3; 10]);
/// Far longer than any profile of these tests takes.
const AMPLE: Duration = Duration::from_secs(60);

fn vars(pairs: &[(&str, &str)]) -> Variables {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn filter(ceiling: &Ceiling) -> EnvFilter {
    CheckedCeiling::new(ceiling).expect("a good ceiling").filter().clone()
}

fn composed(
    base: &[(&str, &str)],
    client: Option<&[(&str, &str)]>,
    request: &[(&str, &str)],
    filter: &EnvFilter,
) -> Variables {
    let (base, client, request) = (vars(base), client.map(vars), vars(request));
    let layers = Layers { base: &base, client: client.as_ref(), request: &request };
    let name = "work".parse().expect("a name");
    let instance = InstanceDir::new(Path::new("/base"), name);
    let agent_link = Path::new("/session/agent.sock");
    let facts =
        SessionFacts { session: SESSION, instance: &instance, pwd: "/home/ada", agent_link };
    compose(layers, facts, filter)
}

fn open() -> EnvFilter {
    filter(&Ceiling::default())
}

#[test]
fn the_request_wins_over_the_client_and_the_client_over_the_base() {
    let base = [("A", "base"), ("B", "base"), ("C", "base")];
    let client = [("B", "client"), ("C", "client")];
    let all = composed(&base, Some(&client), &[("C", "request")], &open());
    let of = |name: &str| all[name].as_str();
    assert_eq!((of("A"), of("B"), of("C")), ("base", "client", "request"));
}

#[test]
fn a_session_knows_its_session_its_instance_and_its_directory() {
    let all = composed(&[("PWD", "/elsewhere")], None, &[("PWD", "/wrong")], &open());
    let expected = vars(&[
        ("PWD", "/home/ada"),
        ("QD_HOME", "/base"),
        ("QD_INSTANCE", "work"),
        ("QD_SESSION", "s_03030303030303030303"),
        ("TERM", DEFAULT_TERM),
    ]);
    assert_eq!(all, expected);
}

#[test]
fn what_the_clients_shell_terminal_or_agent_says_of_itself_is_left_behind() {
    let left_behind = [
        "SHLVL",
        "OLDPWD",
        "_",
        "TMUX",
        "TMUX_PANE",
        "STY",
        "TERM_PROGRAM",
        "KITTY_WINDOW_ID",
        "ZELLIJ",
        "ZELLIJ_SESSION_NAME",
        "LINES",
        "COLUMNS",
        "SSH_TTY",
        "CLAUDECODE",
        "CLAUDE_CODE_SESSION_ID",
        "CLAUDE_CODE_MESSAGING_TOKEN",
        "CODEX_SANDBOX",
        "NOTIFY_SOCKET",
    ];
    let stays =
        ["SHELL", "TMUX_TMPDIR", "COLORTERM", "SSH_CONNECTION", "DISPLAY", "CLAUDE_CONFIG_DIR"];
    let pairs: Vec<_> = left_behind.iter().chain(&stays).map(|name| (*name, "x")).collect();
    for all in [composed(&[], Some(&pairs), &[], &open()), composed(&pairs, None, &[], &open())] {
        assert!(left_behind.iter().all(|name| !all.contains_key(*name)), "{all:?}");
        assert!(stays.iter().all(|name| all.contains_key(*name)), "{all:?}");
    }
    let asked = composed(&[], Some(&pairs), &[("TERM_PROGRAM", "mine")], &open());
    assert_eq!(asked["TERM_PROGRAM"], "mine", "what is asked for by name is not an accident");
}

#[test]
fn no_variable_of_quarterdeck_passes_from_any_layer() {
    let own =
        [("QD_TOKEN", "qdt_secret"), ("QD_SESSION", "s_other"), ("QD_", ""), ("QD_HOME", "/x")];
    let all = composed(&own, Some(&own), &own, &open());
    let mut names = all.keys().filter(|name| is_own(name));
    assert!(names.by_ref().eq(["QD_HOME", "QD_INSTANCE", "QD_SESSION"]));
    assert_eq!(all["QD_SESSION"], SESSION.to_string());
    assert_eq!(all["QD_HOME"], "/base");
}

#[test]
fn the_terminal_type_is_the_clients_if_it_has_a_full_terminal() {
    let term = |client: Option<&[(&str, &str)]>, request: &[(&str, &str)]| {
        composed(&[("TERM", "dumb")], client, request, &open())["TERM"].clone()
    };
    assert_eq!(term(Some(&[("TERM", "foot")]), &[]), "foot");
    for poor in ["", "dumb", "unknown"] {
        assert_eq!(term(Some(&[("TERM", poor)]), &[]), DEFAULT_TERM);
    }
    assert_eq!(term(None, &[]), DEFAULT_TERM);
    assert_eq!(term(Some(&[("TERM", "foot")]), &[("TERM", "dumb")]), "dumb");
}

#[test]
fn the_agents_socket_becomes_the_sessions_link_where_one_is_known() {
    let socket =
        |base: &[(&str, &str)], client: Option<&[(&str, &str)]>, request: &[(&str, &str)]| {
            composed(base, client, request, &open()).get(AGENT_SOCKET).cloned()
        };
    let [theirs, mine] = [[(AGENT_SOCKET, "/tmp/a")], [(AGENT_SOCKET, "/mine")]];
    let link = Some("/session/agent.sock".to_owned());
    assert_eq!(socket(&[], None, &[]), None);
    assert_eq!(socket(&[], Some(&[(AGENT_SOCKET, "")]), &[]), None);
    assert_eq!(socket(&theirs, None, &[]), link);
    assert_eq!(socket(&[], Some(&theirs), &[]), link);
    assert_eq!(socket(&[], Some(&theirs), &mine), Some("/mine".to_owned()));
    let (base, client, request) = (vars(&theirs), vars(&mine), vars(&[]));
    let layers = Layers { base: &base, client: Some(&client), request: &request };
    assert_eq!(known_agent(layers), Some("/mine"));
    assert_eq!(known_agent(Layers { client: Some(&request), ..layers }), Some("/tmp/a"));
}

#[test]
fn the_ceiling_filters_last_and_keeps_only_the_markers_of_the_session() {
    let deny = |patterns: &[&str]| {
        let env_deny = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        filter(&Ceiling { env_deny, ..Ceiling::default() })
    };
    let secret = [("AWS_KEY", "x"), ("AWS", "x"), ("NPM_TOKEN", "x")];
    let all = composed(&secret, Some(&secret), &secret, &deny(&["AWS_*", "NPM_TOKEN"]));
    assert!(!all.contains_key("AWS_KEY") && !all.contains_key("NPM_TOKEN"));
    assert!(all.contains_key("AWS"));
    let nothing = composed(&secret, Some(&secret), &secret, &deny(&["*"]));
    assert!(nothing.keys().eq(["QD_HOME", "QD_INSTANCE", "QD_SESSION"]));
}

#[test]
fn where_commands_are_listed_callers_cannot_bring_code_in_by_variables() {
    let carriers = [("LD_PRELOAD", "/x.so"), ("BASH_ENV", "/x"), ("GLIBC_TUNABLES", "x")];
    let listed = Ceiling { commands: vec!["vim".to_owned()], ..Ceiling::default() };
    let all = composed(&[], Some(&carriers), &carriers, &filter(&listed));
    assert!(carriers.iter().all(|(name, _)| !all.contains_key(*name)));
    let of_the_user = composed(&carriers, None, &[], &filter(&listed));
    assert!(carriers.iter().all(|(name, _)| of_the_user.contains_key(*name)));
    let unlisted = composed(&[], Some(&carriers), &[], &open());
    assert!(carriers.iter().all(|(name, _)| unlisted.contains_key(*name)));
}

struct Home {
    directory: tempfile::TempDir,
    account: Account,
}

impl Home {
    /// A home whose login shell runs `profile`.
    fn with(profile: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        fs::write(directory.path().join(".profile"), profile).expect("writes");
        let (user, home) = ("ada".to_owned(), directory.path().to_owned());
        Self { account: Account { user, home, shell: "/bin/sh".into() }, directory }
    }
    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
    fn fifo(&self) -> PathBuf {
        let (path, mode) = (self.path("fifo"), rustix::fs::Mode::RWXU);
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &path, kind, mode, 0).expect("makes a FIFO");
        path
    }
    async fn capture(&self, limit: Duration) -> BaseEnvironment {
        BaseEnvironment::capture(&self.account, &vars(&[("LC_ALL", "C")]), limit).await
    }
}

#[tokio::test]
async fn a_login_shells_variables_are_found_between_a_profiles_noise() {
    let home = Home::with(
        "echo welcome; printf 'A=not a variable\\0'\n\
         export FROM_PROFILE=yes LINES_OF='a\nB=2\nc' EMPTY= BYTES=$(printf 'x\\377')\nprintf tail",
    );
    let base = home.capture(AMPLE).await;
    assert!(base.note.is_none(), "{base:?}");
    assert_eq!(base.vars["FROM_PROFILE"], "yes");
    assert_eq!(base.vars["LINES_OF"], "a\nB=2\nc");
    assert_eq!(base.vars["EMPTY"], "");
    assert_eq!(base.vars["HOME"], home.account.home.to_string_lossy());
    assert_eq!((base.vars["USER"].as_str(), base.vars["LC_ALL"].as_str()), ("ada", "C"));
    for absent in ["A", "B", "BYTES", "TERM"] {
        assert!(!base.vars.contains_key(absent), "{absent}");
    }
    let shown = format!("{base:?}");
    assert!(shown.contains("FROM_PROFILE") && !shown.contains("yes"), "{shown}");
}

#[tokio::test]
async fn the_relays_own_variables_are_not_the_sessions() {
    let home = Home::with("");
    let own = vars(&[("QD_TOKEN", "qdt_x"), ("SECRET", "x"), ("TMUX", "x"), ("TZ", "UTC")]);
    let base = BaseEnvironment::capture(&home.account, &own, AMPLE).await;
    assert_eq!(base.vars["TZ"], "UTC");
    // those of the build tool stand for whatever else this process has
    let of_this_process = own_environment().into_keys().filter(|name| name.starts_with("CARGO"));
    for absent in
        ["QD_TOKEN", "SECRET", "TMUX"].map(str::to_owned).into_iter().chain(of_this_process)
    {
        assert!(!base.vars.contains_key(&absent), "{absent}");
    }
}

#[tokio::test]
async fn a_profile_that_waits_is_ended_with_its_children_and_a_small_environment_stands_in() {
    let home = Home::with("exec 3>\"$HOME/fifo\"; (sleep 1000); sleep 1000");
    let fifo = home.fifo();
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).expect("fits");
    let mut held =
        OpenOptions::new().read(true).custom_flags(nonblocking).open(fifo).expect("opens");
    let limit = Duration::from_millis(300);
    let base = home.capture(limit).await;
    assert!(matches!(base.note, Some(CaptureError::TooSlow { .. })), "{base:?}");
    assert_eq!(base.vars["HOME"], home.account.home.to_string_lossy());
    assert!(base.vars["PATH"].contains("/usr/bin"));
    // the end of the FIFO comes when the last process of the profile is gone
    let mut polled =
        [rustix::event::PollFd::from_borrowed_fd(held.as_fd(), rustix::event::PollFlags::IN)];
    let ten_seconds = rustix::event::Timespec { tv_sec: 10, tv_nsec: 0 };
    // the shell's end is a signal to this process
    let ended = || rustix::event::poll(&mut polled, Some(&ten_seconds));
    rustix::io::retry_on_intr(ended).expect("polls");
    assert_eq!(held.read(&mut [0]).ok(), Some(0), "a process of the profile lives on");
}

#[tokio::test]
async fn what_a_profile_leaves_running_does_not_hold_up_the_answer() {
    let home = Home::with("export READY=1; cat \"$HOME/fifo\" &");
    let fifo = home.fifo();
    let base = home.capture(AMPLE).await;
    assert_eq!(base.vars["READY"], "1");
    // waits until `cat` has opened its end, and lets it end
    drop(File::options().write(true).open(fifo).expect("opens"));
}

#[tokio::test]
async fn a_profile_that_prints_without_end_or_ends_early_is_told_apart() {
    let endless = Home::with("exec yes").capture(AMPLE).await;
    assert!(matches!(endless.note, Some(CaptureError::TooLong)), "{endless:?}");
    let early = Home::with("exit 3").capture(AMPLE).await;
    let Some(CaptureError::NoAnswer { status }) = early.note else { panic!("{early:?}") };
    assert_eq!(status.code(), Some(3));
    let mut absent = Home::with("");
    absent.account.shell = absent.path("no-such-shell");
    let absent = absent.capture(AMPLE).await;
    assert!(matches!(absent.note, Some(CaptureError::Start { .. })), "{absent:?}");
    assert_eq!(absent.vars["USER"], "ada");
}

proptest! {
    #[test]
    fn an_answer_is_read_whatever_stands_around_it(
        before in proptest::collection::vec(any::<u8>(), 0..60),
        pairs in proptest::collection::btree_map("[A-Z_]{1,8}", "[^\\x00]{0,20}", 0..6),
        after in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let marker = "0123456789abcdef";
        let mut answer = before;
        answer.extend(format!("{marker}\n").bytes());
        for (name, value) in &pairs {
            answer.extend(format!("{name}={value}\0").bytes());
        }
        prop_assert_eq!(parse_answer(&answer, marker), None);
        answer.extend(format!("{marker}\n").bytes());
        answer.extend(after);
        let mut expected = pairs;
        expected.remove("TERM");
        prop_assert_eq!(parse_answer(&answer, marker), Some(expected));
    }
}

#[test]
fn accounts_are_found_by_uid_in_a_table_with_odd_lines() {
    let table = "# comment\nroot:x:0:0:root:/root:/bin/bash\n+::::::\nbad line\n\
                 ada:x:1000:1000:Ada,,,:/home/ada:/usr/bin/zsh\nbot:x:1001:1:::\n";
    let ada = Account::find(table, 1000).expect("is there");
    assert_eq!((ada.user.as_str(), ada.home.as_path()), ("ada", Path::new("/home/ada")));
    assert_eq!(ada.shell, Path::new("/usr/bin/zsh"));
    assert_eq!(Account::find(table, 1001).expect("is there").shell, Path::new("/bin/sh"));
    assert_eq!(Account::find(table, 77), None);
}

#[tokio::test]
async fn home_and_shell_of_the_relays_environment_win_over_the_table() {
    let inherited = vars(&[("HOME", "/somewhere"), ("SHELL", "/bin/sh")]);
    let account = Account::of_this_user(&inherited).await;
    assert_eq!(
        (account.home.as_path(), account.shell.as_path()),
        (Path::new("/somewhere"), Path::new("/bin/sh"))
    );
    let strange = vars(&[("HOME", "relative"), ("SHELL", "/no/such/shell")]);
    let account = Account::of_this_user(&strange).await;
    assert!(account.home.is_absolute() && account.shell != Path::new("/no/such/shell"));
}

#[test]
fn the_login_shell_is_the_first_that_can_be_run_with_a_dash_before_its_name() {
    let account =
        |shell: &str| Account { user: "ada".to_owned(), home: "/".into(), shell: shell.into() };
    let client = |shell: &str| vars(&[("SHELL", shell)]);
    let check = |client: Option<&Variables>, of_account: &str, program: &str, argv0: &str| {
        let expected = LoginShell { program: program.to_owned(), argv0: argv0.to_owned() };
        assert_eq!(login_shell(client, &account(of_account)), expected);
    };
    check(Some(&client("/usr/bin/env")), "/bin/sh", "/usr/bin/env", "-env");
    for unfit in ["", "sh", "./sh", "/no/such/shell", "/etc/passwd", "/bin"] {
        check(Some(&client(unfit)), "/usr/bin/env", "/usr/bin/env", "-env");
    }
    check(None, "/usr/bin/env", "/usr/bin/env", "-env");
    check(None, "/no/such/shell", "/bin/sh", "-sh");
}
