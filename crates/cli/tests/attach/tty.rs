//! A terminal for tests: `qd` on the one end, the test on the other.

use std::{
    fs::File,
    io::{Read, Write},
    os::fd::{AsFd, OwnedFd},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fs::{Mode, OFlags},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};
use tempfile::TempDir;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A base directory of its own, with a relay that ends with the test.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("temporary directory"))
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_qd"));
        command
            .args(words)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("TERM", "xterm-256color")
            .env("HOME", self.0.path())
            .env("QD_HOME", self.0.path().join("state"))
            .env("PS1", "ready>")
            .current_dir(self.0.path());
        command
    }

    /// Runs a command to its end, without a terminal.
    pub(crate) fn qd(&self, words: &[&str]) -> Output {
        self.command(words).stdin(Stdio::null()).output().expect("qd runs")
    }

    /// Starts a command on a terminal of its own, of the usual size.
    pub(crate) fn start(&self, words: &[&str]) -> Tty {
        self.start_sized(words, (80, 24))
    }

    /// Starts a command on a terminal of its own, of this many columns and rows.
    pub(crate) fn start_sized(&self, words: &[&str], (cols, rows): (u16, u16)) -> Tty {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("a terminal");
        let name = ptsname(&master, Vec::new()).expect("its name");
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let terminal = rustix::fs::open(name, flags, Mode::empty()).expect("its other end");
        let size = Winsize { ws_row: rows, ws_col: cols, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&terminal, size).expect("its size");
        let end = || Stdio::from(terminal.try_clone().expect("a descriptor"));
        let mut command = self.command(words);
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().expect("qd runs");
        Tty::new(master, terminal, child)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let listed = self.qd(&["ls", "--json"]);
        let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap_or_default();
        for session in listed["sessions"].as_array().into_iter().flatten() {
            if session["state"] != "exited" {
                let id = session["session"].as_str().unwrap_or_default();
                self.qd(&["stop", "--now", id]);
            }
        }
        self.qd(&["down"]);
    }
}

/// A terminal with `qd` on it.
pub(crate) struct Tty {
    master: OwnedFd,
    terminal: OwnedFd,
    child: Mutex<Child>,
    shown: Arc<(Mutex<Vec<u8>>, Condvar)>,
}

impl Tty {
    fn new(master: OwnedFd, terminal: OwnedFd, child: Child) -> Self {
        let shown = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let mut from = File::from(master.try_clone().expect("a descriptor"));
        let to = Arc::clone(&shown);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count) = from.read(&mut buffer) {
                if count == 0 {
                    break;
                }
                to.0.lock().expect("no panic").extend_from_slice(&buffer[..count]);
                to.1.notify_all();
            }
        });
        Self { master, terminal, child: Mutex::new(child), shown }
    }

    /// The end that `qd` has.
    pub(crate) fn terminal(&self) -> impl AsFd + '_ {
        &self.terminal
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.lock().expect("no panic").id()
    }

    pub(crate) fn type_text(&self, text: &str) {
        let mut master = File::from(self.master.try_clone().expect("a descriptor"));
        master.write_all(text.as_bytes()).expect("types");
    }

    /// Waits until the text was shown.
    pub(crate) fn wait_for(&self, text: &str) {
        let (shown, changed) = &*self.shown;
        let deadline = Instant::now() + PATIENCE;
        let mut shown = shown.lock().expect("no panic");
        while !String::from_utf8_lossy(&shown).contains(text) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{text:?} is not in {:?}", String::from_utf8_lossy(&shown));
            shown = changed.wait_timeout(shown, left).expect("no panic").0;
        }
    }

    /// Waits for the end of `qd`; its exit code, or none when a signal ended it.
    pub(crate) fn wait(&self) -> Option<i32> {
        self.child.lock().expect("no panic").wait().expect("a child").code()
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        let mut child = self.child.lock().expect("no panic");
        let _ = child.kill();
        let _ = child.wait();
    }
}
