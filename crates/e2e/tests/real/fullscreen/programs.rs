//! What is run, and what is typed.

use std::fs;

use quarterdeck_e2e::harness::instance::Instance;

/// Keys, and what stands on the screen when the program has taken them. No key is an escape character
/// by itself: programs tell that from a longer sequence by the time that passes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) keys: &'static [u8],
    pub(super) shows: &'static [&'static str],
}

/// The name of a file, and what makes its text.
type File = (&'static str, fn() -> String);

/// A program and its keys.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) name: &'static str,
    files: &'static [File],
    /// Words of its command line; `ROOM` stands for a directory of this run.
    words: &'static [&'static str],
    /// Typed before its viewer goes.
    pub(super) before: &'static [Step],
    /// Typed at the moment of going.
    pub(super) meanwhile: Step,
    /// Typed after coming back.
    pub(super) after: &'static [Step],
    /// Typed after its terminal has grown; none where what stands there then depends on the moment.
    pub(super) fitted: Option<&'static [Step]>,
}

const fn step(keys: &'static [u8], shows: &'static [&'static str]) -> Step {
    Step { keys, shows }
}

pub(super) const VIM: Program = Program {
    name: "vim",
    files: &[("text", text), ("vimrc", vimrc)],
    words: &["-u", "vimrc", "text"],
    before: &[
        step(b"\r", &["line 001", "1,1"]),
        step(b"100G", &["100,1"]),
        step(b"/is swept 121\r", &["121,"]),
        step(b"ozwei W\xc3\xb6rter \xe5\xad\x97", &["zwei W\u{f6}rter \u{5b57}", "INSERT"]),
    ],
    meanwhile: step(b"\x1c\x0e:vsplit | split\r50Gzt", &["50,1", "line 057"]),
    after: &[
        step(b":set cursorline list\r", &["set cursorline list"]),
        step(b"VGd", &["fewer lines"]),
        step(b":1\r3lv2j", &["VISUAL", "3,4"]),
    ],
    fitted: Some(&[step(b"\x1c\x0e:12\r", &["12,"])]),
};

pub(super) const LESS: Program = Program {
    name: "less",
    files: &[("text", text)],
    words: &["-R", "text"],
    before: &[step(b"\r", &["line 001"]), step(b"100g", &["line 100", "line 122"])],
    meanwhile: step(b"-N\r150g/swept\r", &["150 ", "line 150"]),
    after: &[step(b"=", &["text lines"]), step(b"\r30g", &["line 030", "line 052"])],
    fitted: Some(&[step(b"60g", &["line 060", "line 088"])]),
};

pub(super) const HTOP: Program = Program {
    name: "htop",
    files: &[],
    words: &["--delay=100"],
    before: &[step(b"\r", &["F10Quit", "PID"]), step(b"h", &["s: trace syscalls with strace"])],
    meanwhile: step(b"qh", &["s: trace syscalls with strace"]),
    after: &[step(b"q", &["F10Quit"]), step(b"h", &["s: trace syscalls with strace"])],
    fitted: None,
};

pub(super) const TMUX: Program = Program {
    name: "tmux",
    files: &[("conf", tmux_conf)],
    words: &["-f", "conf", "-S", "ROOM/socket", "new-session"],
    // a shell must be at its prompt before it is typed into: the echo would stand elsewhere
    before: &[
        step(b"\r", &["%0>", "[0] 0:one"]),
        step(b"seq 90 120; PS1=le'ft> '\r", &["\n120", "left>"]),
        step(b"\x02%", &["\u{2502}%1>"]),
        step(b"printf '\\033[1;35mma\\033[7muve\\033[m\\n'; PS1=ri'ght> '\r", &["mauve", "right>"]),
        step(b"\x02\"", &["\u{251c}", "%2>"]),
    ],
    meanwhile: step(b"seq 200 240; PS1=be'low> '\r", &["240", "below>"]),
    after: &[step(b"\x02o\x02[", &["[0/"])],
    fitted: Some(&[step(b"q\x02c", &["1:two*", "%3>"]), step(b"\x02s", &["(0)", "0: 2 windows"])]),
};

impl Program {
    /// Writes its files into the home.
    pub(super) fn prepare(&self, instance: &Instance) {
        for (name, text) in self.files {
            fs::write(instance.path(name), text()).expect("writes");
        }
    }
    /// Its command line in one of the runs. It waits for a line first, so that the questions that it asks
    /// its terminal at its start have an owner who answers, in both runs.
    pub(super) fn argv(&self, path: &str, instance: &Instance, run: &str) -> Vec<String> {
        let room = instance.path(run);
        fs::create_dir_all(&room).expect("makes a directory");
        let room = room.display().to_string();
        let words = self.words.iter().map(|word| word.replace("ROOM", &room));
        let wait = "printf ready; read line; exec \"$0\" \"$@\"";
        let wait = ["/bin/sh", "-c", wait, path].map(str::to_owned);
        wait.into_iter().chain(words).collect()
    }
}

/// Two hundred lines with colours, wide and combining characters.
fn text() -> String {
    let line = |n: u32| match n % 3 {
        0 => format!("line {n:03} the deck is \u{1b}[1;3{}mswept\u{1b}[m {n}\n", n % 8),
        1 => format!("line {n:03} \u{5b57}\u{1f600}e\u{301} is swept {n}\n"),
        _ => format!("line {n:03}\tand the watch is set\n"),
    };
    (1..=200).map(line).collect()
}

/// Nothing that depends on time.
fn vimrc() -> String {
    "set nocompatible ruler laststatus=2 hlsearch mouse=a encoding=utf-8 number\n\
     set noswapfile viminfo= shortmess+=I noshowcmd nottimeout notimeout\nsyntax on\n"
        .to_owned()
}

fn tmux_conf() -> String {
    "set -g default-command 'PS1=\"$TMUX_PANE> \" exec /bin/sh'\nset -g status-right ''\n\
     set -g status-interval 0\nset -g assume-paste-time 0\nset -g mouse on\nset -g status-left '[0] '\n\
     setw -g automatic-rename off\nset -g allow-rename off\n\
     set-hook -g session-created 'rename-window one'\n\
     set-hook -g after-new-window 'rename-window two'\n"
        .to_owned()
}
