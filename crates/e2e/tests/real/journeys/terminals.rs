//! Sessions in terminals: leaving, coming back, two at once, sizes, full-screen programs.

use quarterdeck_e2e::{
    harness::{
        canary::Canary, client::Way, files::until_file, instance::Instance, terminal::Terminal,
    },
    processes::contains,
};

const DETACH: &[u8] = b"\x1dd";

async fn detach(terminal: &mut Terminal) {
    terminal.type_keys(DETACH).await;
    assert!(terminal.until_ended().await.success(), "{}", terminal.text());
}

/// A shell in a session of its own, at its prompt.
async fn shell(instance: &Instance, label: &str) -> Terminal {
    let words = ["run", "--label", label, "--env", "PS1=ready> ", "--", "/bin/sh"];
    let mut terminal = Terminal::qd(instance, &words);
    terminal.until_text("ready>").await;
    terminal
}

#[tokio::test]
async fn a_session_outlives_its_terminal_and_its_relay_with_all_its_lines() {
    let instance = Instance::new();
    let relay = instance.start_relay(&[]).await;
    let canary = Canary::start(&Way::unix(&instance)).await;
    let mut terminal = shell(&instance, "work").await;
    terminal.type_keys(b"for n in $(seq 200); do echo \"line $n.\"; done\r").await;
    terminal.until("the prompt after the last line", at_prompt_after("line 200.")).await;
    let before = terminal.text();
    detach(&mut terminal).await;

    relay.kill().await;
    let _relay = instance.start_relay(&[]).await;
    let mut again = Terminal::qd(&instance, &["attach", "work"]);
    again.until("the same screen", |it| rows(&it.text(), 5) == rows(&before, 5)).await;
    let has = |line: &str| again.history.iter().any(|it| it.trim_end() == line);
    assert!(has("line 1.") && has("line 100."), "earlier lines are above: {:?}", again.history);
    again.type_keys(b"echo $((6*7)) and on\r").await;
    again.until_text("42 and on").await;
    detach(&mut again).await;
    canary.revived(&Way::unix(&instance)).await.sings().await;
}

fn at_prompt_after(line: &'static str) -> impl FnMut(&Terminal) -> bool {
    move |it| {
        let text = it.text();
        let end = text.trim_end();
        text.contains(line) && end.ends_with("ready>")
    }
}

/// The last written rows but the last one of the screen, on which notices stand for a moment.
fn rows(text: &str, count: usize) -> Vec<String> {
    let lines: Vec<&str> = text.trim_end().lines().map(str::trim_end).collect();
    let end = lines.len().saturating_sub(1);
    lines[end.saturating_sub(count)..end].iter().map(|&line| line.to_owned()).collect()
}

#[tokio::test]
async fn a_second_terminal_follows_and_takes_over_with_enter() {
    let instance = Instance::new();
    let mut first = shell(&instance, "shared").await;
    let mut second = Terminal::qd(&instance, &["attach", "shared"]);
    second.until_text("you follow").await;
    second.type_keys(b"x").await;
    second.until_text("press Enter to take over").await;
    second.type_keys(b"\r").await;
    second.until_text("you own this session now").await;
    first.until_text("took over").await;

    first.type_keys(b"echo never\r").await;
    first.until_text("you follow").await;
    second.type_keys(b"echo $((40+2)) mine\r").await;
    second.until_text("42 mine").await;
    let printed = instance.qd(["logs", "shared", "--raw"]).await.ok();
    assert!(!contains(&printed.stdout, b"never"), "a follower's typing is not applied");
    assert!(!contains(&printed.stdout, b"> x"), "nor is the key that offered to take over");
    detach(&mut first).await;
    detach(&mut second).await;
}

#[tokio::test]
async fn a_session_keeps_its_size_until_its_owner_fits_it() {
    let instance = Instance::new();
    let sizes = instance.path("sizes");
    let step = format!("sizes:{}", sizes.display());
    let program = quarterdeck_e2e::harness::instance::program_binary().display().to_string();
    let words = ["run", "--label", "sized", "--", &program, "raw", &step, "print:here", "wait"];
    let mut wide = Terminal::qd_sized(&instance, &words, (100, 30));
    wide.until_text("here").await;
    until_file(&sizes, |bytes| bytes == b"100 30\n").await;

    let mut small = Terminal::qd_sized(&instance, &["attach", "sized"], (60, 20));
    small.until_text("you follow").await;
    detach(&mut wide).await;
    detach(&mut small).await;
    let mut small = Terminal::qd_sized(&instance, &["attach", "sized"], (60, 20));
    small.until_text("100\u{d7}30 \u{b7} Ctrl-] f fits it").await;
    let kept = std::fs::read(&sizes).expect("is readable");
    assert_eq!(kept, b"100 30\n", "attaching changes no size");
    small.type_keys(b"\x1df").await;
    until_file(&sizes, |bytes| bytes == b"100 30\n60 20\n").await;
    detach(&mut small).await;
    let mut wide = Terminal::qd_sized(&instance, &["attach", "sized"], (100, 30));
    wide.until_text("60\u{d7}20").await;
    detach(&mut wide).await;
}

#[tokio::test]
async fn a_full_screen_program_is_left_and_found_again_and_its_modes_are_undone() {
    let instance = Instance::new();
    let program = quarterdeck_e2e::harness::instance::program_binary().display().to_string();
    let draw = "print:\\e[?1049h\\e[?2004h\\e[?1000h\\e[?1006h\\e[2J\\e[3;5Hfull \\e[1mscreen\\e[0m\
                \\e[10;1Hbelow";
    let words = ["run", "--label", "full", "--", &program, "raw", draw, "echo", "wait"];
    let mut terminal = Terminal::qd(&instance, &words);
    terminal.until_text("below").await;
    let screen = terminal.text();
    terminal.raw.clear();
    detach(&mut terminal).await;
    let undone = terminal.raw.clone();
    for mode in ["1049", "2004", "1000"] {
        let off = format!("\u{1b}[?{mode}l");
        let joined = String::from_utf8_lossy(&undone).into_owned();
        assert!(joined.contains(&off), "mode {mode} is undone: {}", undone.escape_ascii());
    }
    assert!(!terminal.text().contains("full screen"), "the ordinary screen is back");

    let mut again = Terminal::qd(&instance, &["attach", "full"]);
    let drawn = screen.lines().take(12).map(str::trim_end).collect::<Vec<_>>();
    again
        .until("the same screen", |it| {
            it.text().lines().take(12).map(str::trim_end).eq(drawn.iter().copied())
        })
        .await;
    let raw = String::from_utf8_lossy(&again.raw).into_owned();
    assert!(raw.contains("\u{1b}[?1049h") && raw.contains("\u{1b}[?2004h"), "its modes are set");
    again.type_keys(b"typed").await;
    again.until_text("typed").await;
    detach(&mut again).await;
}
