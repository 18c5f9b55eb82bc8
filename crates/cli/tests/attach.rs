//! A whole `qd` on a real terminal: what is typed arrives, what is left behind is in order.

#[path = "attach/tty.rs"]
mod tty;

use std::{os::fd::AsFd, process::Command};

use rustix::termios::{LocalModes, tcgetattr};
use tty::{Home, Tty};

/// A shell whose prompt is known.
const SHELL: [&str; 4] = ["run", "--", "/bin/sh", "-i"];

fn shell(home: &Home) -> Tty {
    let tty = home.start(&SHELL);
    // the first prompt: from here on what is typed is echoed once
    tty.wait_for("ready>");
    tty
}

fn relay_pid(home: &Home) -> String {
    let status = home.qd(&["status", "--json"]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).expect("JSON");
    status["pid"].to_string()
}

#[test]
fn a_session_outlives_its_terminal_and_gives_its_exit_code_to_the_next() {
    let home = Home::new();
    let first = shell(&home);
    first.type_text("echo $((6*7))one\r");
    first.wait_for("42one");
    first.type_text("\x1dd");
    first.wait_for("detached; back with: qd attach sh:1");
    assert_eq!(first.wait(), Some(0));

    let second = home.start(&["attach"]);
    // what was on the screen is there again
    second.wait_for("42one");
    second.type_text("echo $((6*7))two\r");
    second.wait_for("42two");
    second.type_text("exit 7\r");
    second.wait_for("ended with code 7");
    assert_eq!(second.wait(), Some(7));
}

#[test]
fn the_terminal_is_as_it_was_however_the_attachment_ends() {
    let home = Home::new();
    let shell = shell(&home);
    let raw = |tty: &Tty| {
        let modes = tcgetattr(tty.terminal().as_fd()).expect("settings").local_modes;
        !modes.contains(LocalModes::ICANON | LocalModes::ECHO)
    };
    assert!(raw(&shell), "attached");
    // modes that would trouble the next shell
    shell.type_text("printf '\\033[?1003h\\033[?2004h\\033[?1049h'; echo $((6*7))set\r");
    shell.wait_for("42set");
    let pid = shell.pid().to_string();
    let killed = Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs");
    assert!(killed.success());
    assert_eq!(shell.wait(), Some(128 + 15));
    assert!(!raw(&shell), "left");
    for undo in ["\x1b[?1049l", "\x1b[?1003l", "\x1b[?2004l"] {
        shell.wait_for(undo);
    }
}

#[test]
fn an_attached_terminal_survives_the_death_of_its_relay() {
    let home = Home::new();
    let shell = shell(&home);
    let pid = relay_pid(&home);
    let killed = Command::new("kill").args(["-KILL", &pid]).status().expect("kill runs");
    assert!(killed.success());
    shell.wait_for("reconnecting");
    shell.type_text("echo $((6*7))three\r");
    shell.wait_for("nothing missed");
    shell.wait_for("42three");
    assert_ne!(relay_pid(&home), pid);
    shell.type_text("exit\r");
    assert_eq!(shell.wait(), Some(0));
}

#[test]
fn a_session_cannot_show_itself() {
    let home = Home::new();
    let shell = shell(&home);
    shell.type_text(&format!("{} attach sh:1; echo rc$?\r", env!("CARGO_BIN_EXE_qd")));
    shell.wait_for("this terminal runs inside session sh:1");
    shell.wait_for("rc2");
    shell.type_text("exit\r");
    assert_eq!(shell.wait(), Some(0));
}

#[test]
fn a_follower_on_another_screen_sees_all_and_types_only_after_taking_over() {
    let home = Home::new();
    let owner = shell(&home);
    let follower = home.start_sized(&["attach", "sh:1"], (100, 30));
    follower.wait_for("you follow");
    follower.wait_for("sh:1 80\u{d7}24 \u{b7} following");
    follower.type_text("x");
    follower.wait_for("press Enter to take over");
    follower.type_text("\r");
    owner.wait_for("took over");
    follower.wait_for("you own this session now");
    follower.type_text("echo $((6*7))four\r");
    owner.wait_for("42four");
    // the key of the follower was not typed
    follower.type_text("exit\r");
    assert_eq!(follower.wait(), Some(0));
    assert_eq!(owner.wait(), Some(0));
}

#[test]
fn a_program_that_ends_at_once_is_shown_and_gives_its_exit_code() {
    let home = Home::new();
    for code in [0, 3, 200] {
        let script = format!("echo $((6*7))five; exit {code}");
        let program = home.start(&["run", "--", "/bin/sh", "-c", &script]);
        program.wait_for("42five");
        assert_eq!(program.wait(), Some(code));
    }
}
