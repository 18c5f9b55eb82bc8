//! What a session has behind it costs nobody who comes later: counted in bytes, because times are the
//! benchmark's. And many sessions, and more output than the terminal model takes.

use std::fs;

use quarterdeck_e2e::{
    harness::{
        client::{Attachment, Way, watching},
        files::until_changed,
        instance::{Instance, program_binary},
        is_long, ordinary_or_long,
    },
    streams::{KnownStream, StreamKind},
};
use quarterdeck_protocol::{
    limits::{SCREEN_CACHE_INTERVAL_BYTES, SEGMENT_BYTES},
    method::{AttachRole, Empty, SessionList},
    session::SessionState,
};
use quarterdeck_screen::{Screen, Size, Snapshot};

const SIZE: Size = Size { cols: 80, rows: 24 };

/// Lines of 66 bytes.
const LINES_PER_MEGABYTE: u64 = 15_151;
/// Output that is asked for at a time.
const PIECE_MEGABYTES: u64 = 10;
/// Bytes that a relay reads at most of a log to know its session again, or to draw it: some segments,
/// however many there are.
const MOST_READ: u64 = 4 * SEGMENT_BYTES;

/// The command line of the test program with these steps.
fn program(steps: &[&str]) -> Vec<String> {
    let program = program_binary().display().to_string();
    std::iter::once(program).chain(steps.iter().map(|step| (*step).to_owned())).collect()
}

/// What a process has read so far, from files and from connections.
fn bytes_read(pid: u32) -> u64 {
    let io = fs::read_to_string(format!("/proc/{pid}/io")).expect("runs");
    let read = io.lines().find_map(|line| line.strip_prefix("rchar: ")).expect("is counted");
    read.parse().expect("is a number")
}

/// Attaches as one who only looks, and waits for the screen.
async fn look(way: &Way, session: &str) -> Attachment {
    let looker = way.connect("looker").await;
    let mut looker = looker.attach(&watching(session, AttachRole::Follow)).await;
    looker.until("the screen", |it| it.snapshots > 0).await;
    looker
}

/// A screen as it was sent.
fn shown(looker: &Attachment) -> Screen {
    let bytes = looker.text.clone();
    Screen::restore(&Snapshot { size: SIZE, bytes, exact: looker.inexact == 0 })
}

#[tokio::test]
async fn an_attach_reads_and_sends_the_same_whatever_came_before() {
    let sizes: &[u64] = if is_long() { &[1, 10, 100, 1000] } else { &[1, 10] };
    for megabytes in sizes {
        let instance = Instance::new();
        let relay = instance.start_relay(&[]).await;
        let way = Way::unix(&instance);
        let pieces = megabytes.div_ceil(PIECE_MEGABYTES);
        let piece = megabytes.min(&PIECE_MEGABYTES) * LINES_PER_MEGABYTE * 66;
        let emit = format!("emit:lines:4:{piece}");
        let mut steps = vec!["raw"];
        steps.extend((0..pieces).flat_map(|_| ["line", emit.as_str()]));
        steps.extend(["print:the-end", "wait"]);
        let session =
            way.connect("starter").await.create(program(&steps)).await.session.to_string();
        let owner = way.connect("owner").await;
        let mut owner = owner.attach(&watching(&session, AttachRole::Take)).await;
        for number in 1..=pieces {
            // what a model must skip makes it inexact for good; a slow machine has a slow one
            owner.text.clear();
            owner.try_type(b"\n").await.expect("types");
            owner.until("a piece more", |it| it.out.0 >= number * piece).await;
            until_caught_up(&instance, &session, number * piece).await;
        }
        owner.until_text("the-end").await;
        let end = owner.out.0;
        // the first one waits for the model, which may still read the last few hundred kilobytes
        check_attach(&look(&way, &session).await, end);
        let before = bytes_read(relay.pid());
        let again = look(&way, &session).await;
        let read = bytes_read(relay.pid()) - before;
        assert!(read < 64 * 1024, "{megabytes} MB before: {read} bytes are read for an attach");
        check_attach(&again, end);

        drop(owner);
        relay.kill().await;
        let relay = instance.start_relay(&[]).await;
        let at_start = bytes_read(relay.pid());
        assert!(at_start < MOST_READ, "{megabytes} MB before: {at_start} bytes read at the start");
        let revived = look(&way, &session).await;
        let read = bytes_read(relay.pid()) - at_start;
        assert!(read < MOST_READ, "{megabytes} MB before: {read} bytes read for the first attach");
        check_attach(&revived, end);
    }
}

/// Waits until the terminal model has taken all but a little of a session's output: it stores its
/// screens beside the log. Asking it again and again would be what keeps it from its work.
async fn until_caught_up(instance: &Instance, session: &str, out: u64) {
    let directory = instance.session_directory(session);
    let screens = directory.join("screens");
    until_changed(&directory, "a stored screen", || screens.is_dir().then_some(())).await;
    let near = |name: String| {
        let at = u64::from_str_radix(&name, 16).ok()?;
        (at + 2 * SCREEN_CACHE_INTERVAL_BYTES >= out).then_some(())
    };
    let look = || {
        let entries = fs::read_dir(&screens).ok()?;
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).find_map(near)
    };
    until_changed(&screens, "a stored screen near the end", look).await;
}

fn check_attach(looker: &Attachment, end: u64) {
    assert_eq!(looker.inexact, 0, "the screen is the very screen");
    assert_eq!(looker.out.0, end, "the screen is that of the end");
    assert!(looker.text.len() <= 64 * 1024, "{} bytes of screen", looker.text.len());
    let text = shown(looker).text();
    assert!(text.trim_end().ends_with("the-end"), "{text}");
    assert_eq!(
        text.lines().filter(|line| line.contains("the deck is swept")).count(),
        23,
        "{text}"
    );
}

#[tokio::test]
async fn a_relay_that_starts_again_has_all_its_sessions_with_their_screens() {
    let instance = Instance::new();
    let relay = instance.start_relay(&[]).await;
    let way = Way::unix(&instance);
    let count = ordinary_or_long(30, 200);
    let starter = way.connect("starter").await;
    let mut sessions = Vec::new();
    for number in 0..count {
        let screen = format!("print:\\e[1;32mscreen {number}.\\e[5;7H");
        let words = program(&["raw", &screen, "echo", "wait"]);
        sessions.push(starter.create(words).await.session.to_string());
    }
    // all of them have drawn before the relay dies
    for (number, session) in sessions.iter().enumerate() {
        look(&way, session).await.until_text(&format!("screen {number}.")).await;
    }
    relay.kill().await;
    let _relay = instance.start_relay(&[]).await;
    let list = way.connect("lister").await.call::<SessionList>(&Empty {}).await;
    assert_eq!(list.sessions.len(), count);
    for info in &list.sessions {
        assert!(matches!(info.state, SessionState::Running), "{info:?}");
    }
    for (number, session) in sessions.iter().enumerate() {
        let peer = way.connect("owner").await;
        let mut owner = peer.attach(&watching(session, AttachRole::Take)).await;
        owner.until("the screen", |it| it.snapshots > 0).await;
        let screen = shown(&owner);
        assert_eq!(screen.text().trim_end(), format!("screen {number}."));
        assert_eq!((screen.cursor().col, screen.cursor().row), (6, 4));
        assert!(screen.lines()[0].starts_with(b"\x1b[1;32m"), "its colours are there");
        owner.text.clear();
        owner.type_applied(b"still here").await;
        owner.until_text("still here").await;
    }
}

#[tokio::test]
async fn a_flood_that_outruns_the_model_flows_on_and_no_screen_claims_too_much() {
    let instance = Instance::new();
    let _relay = instance.start_relay(&[]).await;
    let way = Way::unix(&instance);
    let stream = KnownStream::new(StreamKind::ShortLines, 9);
    let bytes = ordinary_or_long(32_000_000, 48_000_000);
    let emit = format!("emit:short:9:{bytes}");
    let words = program(&["raw", "line", &emit, "wait"]);
    let session = way.connect("starter").await.create(words).await.session.to_string();
    let owner = way.connect("owner").await;
    let mut owner = owner.attach(&watching(&session, AttachRole::Take)).await;
    owner.known = Some(stream);
    owner.try_type(b"\n").await.expect("types");
    for step in 1..=8 {
        let looker = look(&way, &session).await;
        check_lines(&looker, &stream);
        owner.until("an eighth more", |it| it.out.0 >= step * bytes / 8).await;
    }
    // the model catches up when the flood is over
    until_caught_up(&instance, &session, bytes).await;
    let looker = look(&way, &session).await;
    assert_eq!(
        (looker.out.0, looker.inexact),
        (bytes, 0),
        "all of it came, and is the very screen"
    );
    check_lines(&looker, &stream);
}

/// Checks that a screen is that of the stream where it claims to stand.
fn check_lines(looker: &Attachment, stream: &KnownStream) {
    let end = looker.out.0;
    // what stands on the screen was written by the last few lines
    let line = stream.kind.record_bytes() as u64;
    let from = (end / line).saturating_sub(30) * line;
    let mut expected = Screen::new(SIZE);
    expected.feed(&stream.bytes(from..end));
    let screen = shown(looker);
    assert_eq!(screen.text(), expected.text(), "exact: {}, at {end}", looker.inexact == 0);
    assert_eq!(screen.cursor(), expected.cursor());
}
