use alloc::{
    borrow::ToOwned as _,
    string::{String, ToString},
    vec::Vec,
};
use std::vec;

use proptest::prelude::*;
use quarterdeck_protocol::{
    record::ExitStatus,
    remote_control::{
        RemoteCheck, RemoteLevel, RemoteMode, RemoteParams, RemoteSpawn, RemoteState, RemoteVendor,
    },
};

use super::{
    Screen,
    command::{CommandError, argv, unsupervised_word},
    preflight::{Facts, Login, Policy, Trust, decide, is_blocking},
    recognised,
};

fn claude(output: &str) -> Screen {
    let mut screen = Screen::new(RemoteVendor::Claude, RemoteMode::Server);
    screen.handle_output(output.as_bytes());
    screen
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

#[test]
fn a_server_is_followed_from_its_question_to_an_app_that_joined() {
    let mut screen = claude("");
    let mut step = |output: &str, state: &str| {
        screen.handle_output(output.as_bytes());
        assert_eq!(screen.state().word(), state, "{output:?}");
        screen.url().map(str::to_owned)
    };
    step("\x1b[2mTake this session with you\x1b[0m\r\n\r\nEnable Remote Control? (y/n) ", "asking");
    step("y\r\n\x1b[33m\u{b7}|\u{b7}\x1b[0m Connecting \u{b7} repo\r\n", "starting");
    let url = step(
        "\x1b[2A\x1b[JCapacity: 0/32\r\nCode anywhere with the Claude mobile app or \
         https://claude.ai/code?environment=env_01AB-x\r\n",
        "waiting_for_pairing",
    );
    assert_eq!(url.as_deref(), Some("https://claude.ai/code?environment=env_01AB-x"));
    step("\x1b[4A\x1b[J\u{2714} Attached \u{b7} repo\r\n", "connected");
    let url = step(
        "Continue coding in the Claude mobile app or https://claude.ai/code/session_9\r\n",
        "connected",
    );
    assert_eq!(url.as_deref(), Some("https://claude.ai/code/session_9"));
    step("\x1b[2A\x1b[J\u{25d0} Reconnecting \u{b7} retrying in 4s\r\n", "reconnecting");
    step("[12:00:01] Reconnected after 9s\r\n", "reconnecting");
    step("Reconnected after 9s\r\n", "running");
}

#[test]
fn a_refusal_is_explained_and_its_exit_does_not_hide_it() {
    let mut screen = claude(
        "Error: You must be logged in to use Remote Control.\r\n\r\nRemote Control is only available with claude.ai subscriptions. Run `claude auth login` to sign in\r\n",
    );
    screen.handle_exit(&ExitStatus::Code { code: 1 });
    let RemoteState::Failed { reason, advice, refused } = screen.state() else {
        panic!("{screen:?}")
    };
    assert_eq!(reason, "You must be logged in to use Remote Control.");
    assert_eq!((advice.as_deref(), *refused), (Some("claude auth login"), true));
}

#[test]
fn every_line_of_the_tables_is_recognised_in_its_own_words_and_has_a_source() {
    for (vendor, mode) in [
        (RemoteVendor::Claude, RemoteMode::Server),
        (RemoteVendor::Claude, RemoteMode::Interactive),
        (RemoteVendor::Codex, RemoteMode::Server),
    ] {
        let known = recognised(vendor).filter(|(text, source)| {
            assert!(source.contains("0.169.0") || source.contains("2.1.329"), "{source}");
            let mut screen = Screen::new(vendor, mode);
            // so that a line that says "starting" changes something too
            screen.handle_exit(&ExitStatus::Code { code: 0 });
            screen.handle_output(text.as_bytes());
            screen.handle_output(b" rest\r\n");
            *screen.state() != RemoteState::Ended || screen.code().is_some()
        });
        assert!(known.count() > 4, "{vendor:?} {mode:?}");
    }
    let all: Vec<&str> = recognised(RemoteVendor::Claude).map(|(text, _)| text).collect();
    assert!(all.len() > 30);
}

#[test]
fn a_line_that_no_table_knows_changes_nothing() {
    let screen = claude("anything else\r\nhttps://claude.ai/code/session_1\r\n");
    assert_eq!((screen.state(), screen.url()), (&RemoteState::Starting, None));
}

#[test]
fn an_address_of_another_host_or_with_odd_characters_is_not_shown() {
    for odd in [
        "https://claude.ai.example.org/code/session_1",
        "https://claude.ai/code",
        "https://claude.ai/code/session_1\u{202e}gro",
        "https://claude.ai/code/session_<b>",
        "https://claude.ai/code/routines",
        "http://claude.ai/code/session_1",
    ] {
        let line = std::format!("Code anywhere with the Claude mobile app or {odd}\r\n");
        let shown = claude(&line).url().map(str::to_owned);
        assert!(shown.is_none() || shown.as_deref() == Some("https://claude.ai/code/session_1"));
    }
}

#[test]
fn a_conversation_cannot_put_another_address_over_the_first() {
    let mut screen = Screen::new(RemoteVendor::Claude, RemoteMode::Interactive);
    screen.handle_output(b"  /rc active https://claude.ai/code/session_own\r\n");
    screen.handle_output(b"  /rc active https://claude.ai/code/session_other\r\n");
    assert_eq!(screen.url(), Some("https://claude.ai/code/session_own"));
}

#[test]
fn codex_says_when_it_can_be_paired_and_with_which_code() {
    let mut screen = Screen::new(RemoteVendor::Codex, RemoteMode::Server);
    screen.handle_output(b"Starting app-server with remote control enabled...\n");
    assert_eq!(screen.state(), &RemoteState::Starting);
    screen.handle_output(
        b"This machine is available for remote control as vm.\nPairing code: AB12-CD34\n",
    );
    assert_eq!(screen.state(), &RemoteState::WaitingForPairing);
    assert_eq!(screen.code(), Some("AB12-CD34"));
    screen
        .handle_output(b"Error: Remote control is enabled on vm but the connection is errored.\n");
    screen.handle_exit(&ExitStatus::Code { code: 1 });
    let RemoteState::Failed { advice, .. } = screen.state() else { panic!("{screen:?}") };
    assert_eq!(advice.as_deref(), Some("codex login"));
}

#[test]
fn rc_passthrough_words_cannot_become_the_sessions_name() {
    let base = RemoteParams { args: words(&["work", "--verbose"]), ..RemoteParams::default() };
    let claude = words(&["claude"]);
    let of = |params: &RemoteParams| argv(params, &claude).map(|argv| argv.join(" "));
    assert_eq!(of(&base).as_deref(), Ok("claude remote-control work --verbose"));
    let interactive = RemoteParams { mode: RemoteMode::Interactive, ..base.clone() };
    assert_eq!(of(&interactive).as_deref(), Ok("claude work --verbose --remote-control"));
    let named = RemoteParams { name: Some("my work".into()), ..interactive };
    let built = argv(&named, &claude).expect("a command");
    assert_eq!(built.last().map(String::as_str), Some("--remote-control=my work"));
}

#[test]
fn wishes_that_exclude_each_other_are_refused() {
    let refused = |change: fn(&mut RemoteParams)| {
        let mut params = RemoteParams::default();
        change(&mut params);
        argv(&params, &words(&["x"])).expect_err("refused")
    };
    let conflict = |change| matches!(refused(change), CommandError::Conflict(..));
    assert!(conflict(|p| {
        p.mode = RemoteMode::Interactive;
        p.capacity = Some(2);
    }));
    assert!(conflict(|p| {
        p.spawn = Some(RemoteSpawn::Session);
        p.capacity = Some(2);
    }));
    assert!(conflict(|p| {
        p.spawn = Some(RemoteSpawn::Worktree);
        p.args = vec!["--continue".into()];
    }));
    assert!(conflict(|p| {
        p.profile = Some("work".into());
        p.account = Some("/x".into());
    }));
    for name in ["", " ", "--capacity", "a\u{1b}[2J", "a\nb"] {
        let params = RemoteParams { name: Some(name.into()), ..RemoteParams::default() };
        assert!(matches!(argv(&params, &words(&["x"])), Err(CommandError::Name(_))), "{name:?}");
    }
    assert_eq!(refused(|p| p.args = vec!["--".into()]), CommandError::BareDashes);
    assert_eq!(
        refused(|p| p.args = vec!["--name=x".into()]),
        CommandError::OwnFlag("--name".into())
    );
    assert_eq!(refused(|p| p.capacity = Some(0)), CommandError::Capacity);
    let codex = |p: &mut RemoteParams| {
        p.vendor = RemoteVendor::Codex;
        p.name = Some("x".into());
    };
    assert!(matches!(refused(codex), CommandError::Unsupported { .. }));
}

#[test]
fn words_that_switch_supervision_off_are_found() {
    for list in [
        &["--permission-mode", "bypassPermissions"][..],
        &["--permission-mode=auto"],
        &["--dangerously-skip-permissions"],
        &["-c", "approval_policy=\"never\""],
    ] {
        assert!(unsupervised_word(&words(list)).is_some(), "{list:?}");
    }
    assert_eq!(unsupervised_word(&words(&["--permission-mode", "plan", "-v"])), None);
}

fn good() -> Facts {
    Facts {
        vendor: RemoteVendor::Claude,
        profile: "claude".into(),
        program: "claude".into(),
        version: Some("2.1.329 (Claude Code)".into()),
        login: Login::Account { plan: Some("max".into()) },
        trust: Trust::Given,
        cwd: Some("/src".into()),
        ..Facts::default()
    }
}

#[test]
fn a_preflight_names_what_stands_in_the_way_and_what_to_type() {
    assert!(decide(&good()).ready, "{:?}", decide(&good()));
    let check = |facts: Facts, check: RemoteCheck, advice: &str| {
        let report = decide(&facts);
        let blocker = report.blocker().unwrap_or_else(|| panic!("{report:?}"));
        assert_eq!((blocker.check, blocker.advice.as_deref()), (check, Some(advice)));
        assert!(!report.ready);
    };
    let missing = Facts { version: None, ..good() };
    check(missing, RemoteCheck::Binary, "npm install -g @anthropic-ai/claude-code");
    let old = Facts { version: Some("2.1.50 (Claude Code)".into()), ..good() };
    check(old, RemoteCheck::Version, "claude update");
    let key = Facts { blocking: words(&["ANTHROPIC_API_KEY"]), ..good() };
    check(key, RemoteCheck::Environment, "qd rc --strip ANTHROPIC_API_KEY");
    check(Facts { login: Login::None, ..good() }, RemoteCheck::Login, "claude auth login");
    let elsewhere = Facts { login: Login::None, account: Some("/a".into()), ..good() };
    check(elsewhere, RemoteCheck::Login, "CLAUDE_CONFIG_DIR=/a claude auth login");
    let off = Facts { policy: Policy::Off { file: "/etc/x".into() }, ..good() };
    check(off, RemoteCheck::Policy, "ask whoever administers this machine");
    let forbidden = Facts { policy: Policy::Forbidden { file: "/home/x".into() }, ..good() };
    check(
        forbidden,
        RemoteCheck::Policy,
        "ask whoever administers your organisation at claude.ai/admin-settings; once it is \
         allowed: qd rc --anyway",
    );
    // it asks on its terminal, so it does not stand in the way
    let untrusted = decide(&Facts { trust: Trust::Missing, ..good() });
    assert!(untrusted.ready);
    assert!(untrusted.findings.iter().any(|it| it.level == RemoteLevel::Doubtful));
}

#[test]
fn a_variable_that_is_set_to_nothing_stands_in_nobodys_way() {
    assert!(is_blocking("DISABLE_TELEMETRY", "1"));
    assert!(!is_blocking("DISABLE_TELEMETRY", "0"));
    assert!(!is_blocking("ANTHROPIC_API_KEY", ""));
    assert!(is_blocking("ANTHROPIC_BASE_URL", "https://proxy.example"));
    assert!(!is_blocking("ANTHROPIC_BASE_URL", "https://api.anthropic.com/"));
}

proptest! {
    #[test]
    fn any_bytes_in_any_pieces_end_in_a_state(
        bytes in proptest::collection::vec(any::<u8>(), 0..2000), piece in 1_usize..64
    ) {
        let mut whole = claude("");
        whole.handle_output(&bytes);
        let mut pieces = claude("");
        bytes.chunks(piece).for_each(|piece| pieces.handle_output(piece));
        prop_assert_eq!(whole.url(), pieces.url());
    }
}
