use super::*;

use std::{
    collections::BTreeMap,
    os::unix::fs::{PermissionsExt, symlink},
};

use quarterdeck_protocol::error::{ErrorCode, ErrorDetail};

struct Machine {
    directory: tempfile::TempDir,
    account: Account,
    base: Variables,
}

impl Machine {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let root = fs::canonicalize(directory.path()).expect("exists");
        for name in ["home", "work/deep", "other", "bin"] {
            fs::create_dir_all(root.join(name)).expect("makes it");
        }
        let (user, home) = ("ada".to_owned(), root.join("home"));
        let account = Account { user, home, shell: "/bin/sh".into() };
        let path = format!("{}:/usr/bin:/bin", root.join("bin").display());
        let base = Variables::from([("PATH".to_owned(), path)]);
        Self { directory, account, base }
    }
    fn path(&self, name: &str) -> String {
        let root = fs::canonicalize(self.directory.path()).expect("exists");
        root.join(name).to_str().expect("is text").to_owned()
    }
    fn link(&self, name: &str, target: &str) -> String {
        symlink(target, self.path(name)).expect("links");
        self.path(name)
    }
    const fn around(&self) -> Surroundings<'_> {
        let (account, base) = (&self.account, &self.base);
        Surroundings { account, base, live_sessions: 0, caller: Caller::Local }
    }
    fn check(&self, ceiling: &Ceiling, params: &CreateParams) -> Result<Launch, Refusal> {
        let checked = CheckedCeiling::new(ceiling).expect("a good ceiling");
        checked.check_terminal(params, self.around())
    }
}

fn run(words: &[&str]) -> CreateParams {
    let argv = words.iter().map(|word| (*word).to_owned()).collect();
    CreateParams { argv, ..CreateParams::default() }
}

fn within(cwd: &str) -> CreateParams {
    CreateParams { cwd: Some(cwd.to_owned()), ..run(&["true"]) }
}

fn listing(commands: &[&str]) -> Ceiling {
    let commands = commands.iter().map(|entry| (*entry).to_owned()).collect();
    Ceiling { commands, ..Ceiling::default() }
}

#[test]
fn without_a_ceiling_a_request_passes_as_it_is() {
    let machine = Machine::new();
    let size = TerminalSize { cols: 1, rows: MAX_TERMINAL_CELLS_PER_SIDE, xpixel: 0, ypixel: 0 };
    let params = CreateParams { size: Some(size), ..run(&["./build", "--all"]) };
    let launch = machine.check(&Ceiling::default(), &params).expect("is allowed");
    let home = machine.path("home");
    let argv = vec!["./build".to_owned(), "--all".to_owned()];
    let expected = Launch { argv, argv0: None, cwd: home.clone(), project: None, pwd: home, size };
    assert_eq!(launch, expected);
}

#[test]
fn no_words_start_the_login_shell_and_a_remote_callers_shell_is_not_asked_for() {
    let machine = Machine::new();
    let client_env = BTreeMap::from([("SHELL".to_owned(), "/usr/bin/env".to_owned())]);
    let params = CreateParams { client_env, ..CreateParams::default() };
    let launch = machine.check(&Ceiling::default(), &params).expect("is allowed");
    assert_eq!(
        (launch.argv, launch.argv0),
        (vec!["/usr/bin/env".to_owned()], Some("-env".to_owned()))
    );
    assert_eq!(launch.size, DEFAULT_SIZE);
    let checked = CheckedCeiling::new(&Ceiling::default()).expect("a good ceiling");
    let around = Surroundings { caller: Caller::Remote, ..machine.around() };
    let launch = checked.check_terminal(&params, around).expect("is allowed");
    assert_eq!((launch.argv, launch.argv0), (vec!["/bin/sh".to_owned()], Some("-sh".to_owned())));
}

#[test]
fn only_listed_commands_run_and_they_are_the_ones_of_the_base_path() {
    let machine = Machine::new();
    let tool = machine.link("bin/tool", "/bin/sh");
    let ceiling = || listing(&["tool", "/usr/bin/env"]);
    for word in ["tool", tool.as_str()] {
        let launch = machine.check(&ceiling(), &run(&[word, "-c", "x"])).expect("is listed");
        assert_eq!(launch.argv, [tool.as_str(), "-c", "x"]);
        assert_eq!(launch.argv0, (word == "tool").then(|| "tool".to_owned()));
    }
    machine.check(&ceiling(), &run(&["env"])).expect("a name may stand for a listed path");
    for word in ["sh", "/bin/sh", "./tool", "../bin/sh", "bin/tool", "tool ", "nowhere"] {
        let refused = machine.check(&ceiling(), &run(&[word])).expect_err(word);
        assert_eq!(refused, Refusal::Command { command: word.to_owned() });
    }
    let shell = machine.check(&ceiling(), &CreateParams::default());
    assert!(matches!(shell, Err(Refusal::Command { .. })), "the login shell is a command as well");
}

#[test]
fn a_links_own_name_counts_so_that_multi_call_programs_stay_apart() {
    let machine = Machine::new();
    let multi = "/bin/sh";
    machine.link("bin/ls", multi);
    let other = machine.link("bin/sh2", multi);
    let elsewhere = machine.link("other/ls", "/bin/cat");
    let outside = machine.link("work/way", &machine.path("bin"));
    for word in [other.as_str(), "sh2", elsewhere.as_str(), multi] {
        assert!(machine.check(&listing(&["ls"]), &run(&[word])).is_err(), "{word}");
    }
    let through_a_link = format!("{outside}/ls");
    let launch =
        machine.check(&listing(&["ls"]), &run(&[&through_a_link])).expect("is the same file");
    assert_eq!(launch.argv, [machine.path("bin/ls")]);
}

#[test]
fn relative_directories_of_the_search_path_mean_nothing() {
    let mut machine = Machine::new();
    let tool = machine.link("work/tool", "/bin/sh");
    // one that leads there from the session's directory, and one from this process's
    let here = std::env::current_dir().expect("is somewhere");
    let up = "../".repeat(here.components().count());
    let from_here = format!("{up}{}", machine.path("work").trim_start_matches('/'));
    assert!(Path::new(&from_here).join("tool").exists());
    machine.base.insert("PATH".to_owned(), format!(":.:{from_here}"));
    let params = CreateParams { cwd: Some(machine.path("work")), ..run(&["tool"]) };
    assert!(machine.check(&listing(&["tool"]), &params).is_err());
    let by_path = CreateParams { argv: vec![tool.clone()], ..params };
    assert!(machine.check(&listing(&[&tool]), &by_path).is_ok());
}

#[test]
fn a_session_starts_only_under_a_root_whatever_links_say() {
    let machine = Machine::new();
    let out = machine.link("work/out", &machine.path("other"));
    let into = machine.link("other/into", &machine.path("work/deep"));
    let root = machine.link("root", &machine.path("work"));
    let roots = |root: &str| Ceiling { cwd_roots: vec![root.into()], ..Ceiling::default() };
    for root in [machine.path("work"), root] {
        for inside in [machine.path("work"), machine.path("work/deep"), into.clone()] {
            let launch = machine.check(&roots(&root), &within(&inside)).expect("is inside");
            assert_eq!(launch.pwd, inside);
            assert_eq!(fs::canonicalize(&inside).expect("exists"), Path::new(&launch.cwd));
        }
        let dots = format!("{}/../other", machine.path("work"));
        let beside = machine.path("workshop");
        let _ = fs::create_dir(&beside);
        for outside in [machine.path("other"), out.clone(), dots, beside] {
            let refused = machine.check(&roots(&root), &within(&outside)).expect_err("is outside");
            assert_eq!(refused, Refusal::OutsideRoots { asked: outside });
        }
        assert!(machine.check(&roots(&root), &run(&["true"])).is_err(), "home is outside as well");
    }
    let absent = roots(&machine.path("absent"));
    assert!(machine.check(&absent, &within(&machine.path("work"))).is_err());
}

#[test]
fn a_directory_is_absolute_and_exists() {
    let machine = Machine::new();
    let check =
        |cwd: &str| machine.check(&Ceiling::default(), &within(cwd)).expect_err("is refused");
    for tilde in ["~", "~/src", "~root"] {
        assert_eq!(check(tilde), Refusal::HomeShorthand);
    }
    for relative in ["", ".", "src", "./x"] {
        assert_eq!(check(relative), Refusal::RelativeDirectory { asked: relative.to_owned() });
    }
    for absent in [machine.path("absent"), "/etc/passwd".to_owned(), "/etc/passwd/x".to_owned()] {
        assert!(matches!(check(&absent), Refusal::Directory { .. }), "{absent}");
    }
    assert_eq!(check("/tmp/\0"), Refusal::Nul);
    assert!(matches!(check(&format!("/{}", "x".repeat(5000))), Refusal::TooLong { .. }));
}

#[test]
fn the_number_of_live_sessions_is_bounded_by_the_ceiling_and_by_the_product() {
    let machine = Machine::new();
    let passes = |sessions: usize, live_sessions: usize| {
        let ceiling = Ceiling { sessions, ..Ceiling::default() };
        let checked = CheckedCeiling::new(&ceiling).expect("a good ceiling");
        let around = Surroundings { live_sessions, ..machine.around() };
        checked.check_terminal(&run(&["true"]), around).is_ok()
    };
    assert!(passes(2, 1) && !passes(2, 2) && !passes(0, 0));
    assert!(passes(usize::MAX, MAX_SESSIONS - 1) && !passes(usize::MAX, MAX_SESSIONS));
}

#[test]
fn a_relay_without_terminals_starts_none() {
    let machine = Machine::new();
    let none = Ceiling { terminals: false, ..Ceiling::default() };
    assert_eq!(machine.check(&none, &run(&["true"])), Err(Refusal::TerminalsOff));
}

#[test]
fn words_and_variables_are_bounded_and_well_formed() {
    let machine = Machine::new();
    let check = |params: &CreateParams| machine.check(&Ceiling::default(), params);
    let env = |name: &str, value: &str| {
        let env = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        CreateParams { env, ..run(&["true"]) }
    };
    assert_eq!(check(&run(&[""])), Err(Refusal::EmptyCommand));
    assert_eq!(check(&run(&["a", "b\0c"])), Err(Refusal::Nul));
    assert_eq!(check(&env("A", "\0")), Err(Refusal::Nul));
    assert_eq!(check(&env("A\0", "")), Err(Refusal::Nul));
    for bad in ["", "A=B", "="] {
        assert_eq!(check(&env(bad, "x")), Err(Refusal::VariableName));
    }
    for own in ["QD_TOKEN", "QD_SESSION", "QD_"] {
        assert_eq!(check(&env(own, "x")), Err(Refusal::OwnVariable { name: own.to_owned() }));
    }
    let long = "x".repeat(MAX_STRING_BYTES);
    assert!(check(&run(&["true", &long])).is_ok());
    let words = vec!["x".to_owned(); MAX_ARGV_WORDS + 1];
    let many: Vec<_> =
        (0..5).map(|n| (format!("V{n}"), "x".repeat(MAX_ARGV_ENV_BYTES / 5))).collect();
    for too_long in [
        run(&["true", &format!("{long}x")]),
        env("A", &long),
        CreateParams { argv: words, ..CreateParams::default() },
        CreateParams { env: many.iter().cloned().collect(), ..run(&["true"]) },
        CreateParams { client_env: many.into_iter().collect(), ..run(&["true"]) },
        CreateParams { request_id: Some("x".repeat(129)), ..run(&["true"]) },
    ] {
        assert!(matches!(check(&too_long), Err(Refusal::TooLong { .. })));
    }
}

#[test]
fn a_terminal_has_at_least_one_cell_and_no_more_than_a_screen() {
    let sized = |cols, rows| check_size(TerminalSize { cols, rows, xpixel: 0, ypixel: 0 });
    let most = MAX_TERMINAL_CELLS_PER_SIDE;
    assert!(sized(1, 1).is_ok() && sized(most, most).is_ok());
    for (cols, rows) in [(0, 24), (80, 0), (most + 1, 1), (1, u16::MAX)] {
        assert_eq!(sized(cols, rows), Err(Refusal::Size { cols, rows }));
        let size = TerminalSize { cols, rows, xpixel: 0, ypixel: 0 };
        let params = CreateParams { size: Some(size), ..run(&["true"]) };
        let refused = Machine::new().check(&Ceiling::default(), &params);
        assert_eq!(refused, Err(Refusal::Size { cols, rows }));
    }
}

#[test]
fn a_ceiling_that_cannot_be_meant_is_no_ceiling_to_start_with() {
    let ceiling = Ceiling::default;
    for bad in ["", "bin/x", "./x", "../x", "/usr/bin/"] {
        let refused = CheckedCeiling::new(&listing(&[bad])).expect_err(bad);
        assert_eq!(refused, BadCeiling::Command(bad.to_owned()));
    }
    for bad in ["", "A=B", "A*B", "**", "*_TOKEN"] {
        let refused = CheckedCeiling::new(&Ceiling { env_deny: vec![bad.to_owned()], ..ceiling() });
        assert_eq!(refused.expect_err(bad), BadCeiling::Variable(bad.to_owned()));
    }
    for bad in ["", "src", "~/src"] {
        let refused = CheckedCeiling::new(&Ceiling { cwd_roots: vec![bad.into()], ..ceiling() });
        assert_eq!(refused.expect_err(bad), BadCeiling::Root(bad.into()));
    }
}

#[test]
fn a_directory_that_may_not_be_entered_is_told_as_the_system_tells_it() {
    let machine = Machine::new();
    let closed = machine.path("other/closed/inner");
    fs::create_dir_all(&closed).expect("makes it");
    let parent = machine.path("other/closed");
    fs::set_permissions(&parent, fs::Permissions::from_mode(0o000)).expect("closes it");
    let outcome = machine.check(&Ceiling::default(), &within(&closed));
    fs::set_permissions(&parent, fs::Permissions::from_mode(0o700)).expect("opens it");
    let may_enter = rustix::process::geteuid().is_root();
    assert_eq!(outcome.is_ok(), may_enter, "{outcome:?}");
}

#[test]
fn refusals_are_errors_with_a_code_and_a_hint_and_cannot_act_on_a_terminal() {
    let code = |refusal: Refusal| refusal.to_rpc().code();
    assert_eq!(code(Refusal::TerminalsOff), ErrorCode::Ceiling);
    assert_eq!(code(Refusal::TooManySessions { limit: 1 }), ErrorCode::Ceiling);
    assert_eq!(code(Refusal::HomeShorthand), ErrorCode::InvalidParams);
    let nasty = Refusal::Command { command: "\u{1b}[2J\u{202e}\n".to_owned() }.to_rpc();
    assert!(matches!(nasty.detail(), Some(ErrorDetail::Hint { .. })));
    assert!(nasty.message.is_ascii() && !nasty.message.contains(char::is_control), "{nasty}");
}

#[test]
fn a_variable_must_pass_both_of_two_ceilings() {
    let ceiling = |commands: &[&str], deny: &[&str]| {
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect();
        let config =
            Ceiling { commands: words(commands), env_deny: words(deny), ..Ceiling::default() };
        CheckedCeiling::new(&config).expect("can be used").filter().clone()
    };
    let wide = ceiling(&[], &["AWS_*"]);
    let narrow = ceiling(&["cat"], &["LANG"]);
    for both in [wide.and(&narrow), narrow.and(&wide)] {
        assert!(!both.allows("AWS_KEY") && !both.allows("LANG") && both.allows("PATH"));
        assert!(!both.allows_from_callers("LD_PRELOAD"));
    }
    assert!(wide.and(&wide).allows_from_callers("LD_PRELOAD"));
}
