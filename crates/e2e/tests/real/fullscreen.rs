//! Programs that use the whole screen: after leaving, coming back from elsewhere and a killed relay, a
//! session shows what the same program with the same input shows on a terminal without Quarterdeck.
//!
//! Two comparisons, both by xterm.js: a snapshot at any moment, in the middle of a redraw too, against
//! the bytes that the program had written up to then; and the session at rest against the direct run.

#[path = "fullscreen/programs.rs"]
mod programs;
#[path = "fullscreen/referee.rs"]
mod referee;

use pty_process::blocking;
use quarterdeck_e2e::{
    harness::{
        PATIENCE,
        client::{Way, watching},
        files::WholeLog,
        instance::Instance,
        terminal::Terminal,
        tools,
    },
    pty::USUAL_SIZE,
};
use quarterdeck_protocol::method::AttachRole;
use quarterdeck_screen::{Screen, Size, Snapshot};

use programs::{Program, Step};
use referee::Case;

const DETACH: &[u8] = b"\x1dd";
const FIT: &[u8] = b"\x1df";
const LABEL: &str = "full";
const SMALLER: (u16, u16) = (60, 18);
const LARGER: (u16, u16) = (100, 30);

#[tokio::test]
async fn vim_is_found_again_as_it_was() {
    is_found_again(&programs::VIM).await;
}

#[tokio::test]
async fn less_is_found_again_as_it_was() {
    is_found_again(&programs::LESS).await;
}

#[tokio::test]
async fn htop_is_found_again_as_it_was() {
    is_found_again(&programs::HTOP).await;
}

#[tokio::test]
async fn tmux_in_a_session_is_found_again_as_it_was() {
    is_found_again(&programs::TMUX).await;
}

/// What a viewer got when it attached.
#[derive(Debug)]
struct Seen {
    out: u64,
    size: Size,
    bytes: Vec<u8>,
}

/// The program in a session and beside it, and what is to be judged.
struct Stage {
    instance: Instance,
    way: Way,
    direct: Terminal,
    cases: Vec<Case>,
}

async fn is_found_again(program: &Program) {
    let Some(path) = tools::require(program.name) else { return };
    let mut stage = Stage::set(program, &path.display().to_string()).await;
    let relay = stage.instance.start_relay(&[]).await;
    let argv = program.argv(&path.display().to_string(), &stage.instance, "session");
    let words = ["run", "--label", LABEL, "--"].map(str::to_owned).into_iter().chain(argv);
    let words: Vec<String> = words.collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut owner = Terminal::qd(&stage.instance, &words);
    start(&mut owner, program).await;
    stage.look("before it is left").await;

    let mut follower = Terminal::qd_sized(&stage.instance, &["attach", LABEL, "--follow"], SMALLER);
    until_followed(&mut follower, &mut owner).await;
    detach(&mut follower).await;

    // leaves while the program draws, and the relay dies while it still does
    owner.type_keys(&[program.meanwhile.keys, DETACH].concat()).await;
    assert!(owner.until_ended().await.success(), "{}", owner.text());
    for _ in 0..4 {
        stage.look("while it draws").await;
    }
    relay.kill().await;
    let _relay = stage.instance.start_relay(&[]).await;
    stage.look("after the relay was killed").await;

    let mut owner = Terminal::qd_sized(&stage.instance, &["attach", LABEL, "--take"], LARGER);
    until_shown(&mut owner, &program.meanwhile).await;
    play(&mut owner, program.after).await;
    stage.compare("after all keys").await;
    let drawn = stage.direct.text();
    owner.until("the program in its corner", |it| is_corner(&it.text(), &drawn)).await;
    detach(&mut owner).await;

    let mut owner = Terminal::qd(&stage.instance, &["attach", LABEL, "--take"]);
    owner.until("the program's screen", |it| but_last(&it.text()) == but_last(&drawn)).await;
    detach(&mut owner).await;
    stage.fit(program).await;
    referee::judge(&stage.cases);
}

impl Stage {
    /// Runs the program without Quarterdeck to the end of its keys.
    async fn set(program: &Program, path: &str) -> Self {
        let instance = Instance::new();
        program.prepare(&instance);
        let argv = program.argv(path, &instance, "direct");
        let command = blocking::Command::new(&argv[0]).args(&argv[1..]);
        let mut direct = Terminal::start(&instance, command, USUAL_SIZE);
        start(&mut direct, program).await;
        play(&mut direct, std::slice::from_ref(&program.meanwhile)).await;
        play(&mut direct, program.after).await;
        let way = Way::unix(&instance);
        Self { instance, way, direct, cases: Vec::new() }
    }

    /// Attaches and keeps what comes, to be compared with the log's bytes up to there.
    async fn look(&mut self, when: &str) {
        let seen = self.attach().await;
        let info =
            self.way.connect("asker").await.attach(&watching(LABEL, AttachRole::Follow)).await;
        let session = info.answer.session.session;
        let log = WholeLog::read(&self.instance.session_directory(session));
        assert!(log.missing.is_empty(), "{:?}", log.missing);
        self.cases.push(Case::replayed(when, &log, seen));
    }

    async fn attach(&self) -> Seen {
        let looker = self.way.connect("looker").await;
        let mut looker = looker.attach(&watching(LABEL, AttachRole::Follow)).await;
        looker.until("the screen", |it| it.snapshots > 0).await;
        assert_eq!(looker.inexact, 0, "the screen is the very screen");
        let size = looker.answer.session.size;
        let size = Size { cols: size.cols, rows: size.rows };
        Seen { out: looker.out.0, size, bytes: looker.text }
    }

    /// Waits until the session looks as the direct run does, and keeps a snapshot of it.
    async fn compare(&mut self, when: &str) {
        let viewer = self.way.connect("viewer").await;
        let mut viewer = viewer.attach(&watching(LABEL, AttachRole::Follow)).await;
        viewer.until("the screen", |it| it.snapshots > 0).await;
        let size = viewer.answer.session.size;
        let size = Size { cols: size.cols, rows: size.rows };
        let bytes = std::mem::take(&mut viewer.text);
        let mut screen = Screen::restore(&Snapshot { size, bytes, exact: true });
        let direct = &mut self.direct;
        let coming = async {
            while (screen.lines(), screen.cursor()) != (direct.lines(), direct.cursor()) {
                tokio::select! {
                    more = direct.step() => assert!(more.expect("is read"), "the program runs"),
                    more = viewer.step() => more.expect("the relay runs"),
                }
                screen.feed(&std::mem::take(&mut viewer.text));
            }
        };
        if tokio::time::timeout(PATIENCE, coming).await.is_err() {
            let rows = self.direct.lines().into_iter().zip(screen.lines());
            let differ = rows.filter(|(one, other)| one != other);
            let differ: Vec<_> = differ
                .map(|(one, other)| format!("{}\n{}", one.escape_ascii(), other.escape_ascii()))
                .collect();
            let (text, cursors) = (self.direct.text(), (self.direct.cursor(), screen.cursor()));
            panic!("{when}: {text}\n{cursors:?}, rows that differ: {}", differ.join("\n"));
        }
        let seen = self.attach().await;
        self.cases.push(Case::direct(when, &self.direct, seen));
        self.look(when).await;
    }

    /// An owner with a larger screen fits the session to it; the direct run's terminal grows as well.
    async fn fit(&mut self, program: &Program) {
        let mut owner = Terminal::qd_sized(&self.instance, &["attach", LABEL, "--take"], LARGER);
        let drawn = self.direct.text();
        owner.until("the program in its corner", |it| is_corner(&it.text(), &drawn)).await;
        owner.type_keys(FIT).await;
        self.direct.resize(LARGER);
        let resized = async {
            while self.attach().await.size != (Size { cols: LARGER.0, rows: LARGER.1 }) {}
        };
        tokio::time::timeout(PATIENCE, resized).await.expect("the session is resized");
        let when = "after it was resized";
        match program.fitted {
            Some(steps) => {
                play(&mut owner, steps).await;
                play(&mut self.direct, steps).await;
                self.compare(when).await;
            }
            None => self.look(when).await,
        }
        detach(&mut owner).await;
    }
}

/// Lets the program start, before an owner's eyes, and plays its first keys.
async fn start(terminal: &mut Terminal, program: &Program) {
    terminal.until_text("ready").await;
    play(terminal, program.before).await;
}

async fn play(terminal: &mut Terminal, steps: &[Step]) {
    for step in steps {
        terminal.type_keys(step.keys).await;
        until_shown(terminal, step).await;
    }
}

/// Waits until what the keys of a step bring is on the screen.
async fn until_shown(terminal: &mut Terminal, step: &Step) {
    let all = |text: &str| step.shows.iter().all(|it| text.contains(it));
    terminal.until(&format!("{:?}", step.shows), |it| all(&it.text())).await;
}

/// Waits until a smaller follower shows a part of what its owner sees.
async fn until_followed(follower: &mut Terminal, owner: &mut Terminal) {
    let coming = async {
        while !is_part(&follower.text(), &owner.text()) {
            let more =
                tokio::select! { more = follower.step() => more, more = owner.step() => more };
            assert!(more.expect("is read"), "both go on");
        }
    };
    if tokio::time::timeout(PATIENCE, coming).await.is_err() {
        panic!("{}\nis no part of\n{}", follower.text(), owner.text());
    }
}

async fn detach(terminal: &mut Terminal) {
    terminal.type_keys(DETACH).await;
    assert!(terminal.until_ended().await.success(), "{}", terminal.text());
}

/// All rows but the last, on which notices stand for a moment.
fn but_last(text: &str) -> Vec<&str> {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines[..lines.len().saturating_sub(1)].to_vec()
}

/// Whether a screen shows some rows of another one, cut at its right side.
fn is_part(small: &str, whole: &str) -> bool {
    let cut = |row: &str| row.chars().take(usize::from(SMALLER.0)).collect::<String>();
    let whole: Vec<String> = whole.lines().map(|row| cut(row).trim_end().to_owned()).collect();
    let small = but_last(small);
    small.len() > 1 && whole.windows(small.len()).any(|rows| rows == small)
}

/// Whether a larger screen shows all of another one in its corner, with a line around it.
fn is_corner(large: &str, drawn: &str) -> bool {
    let cut = |row: &str| row.split('\u{2502}').next().unwrap_or_default().trim_end().to_owned();
    let mut rows = large.lines();
    drawn.lines().all(|row| rows.next().is_some_and(|it| cut(it) == cut(row)))
}
