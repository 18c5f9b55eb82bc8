use quarterdeck_holder::log::{Append, Class, Entry, LogLock, LogOptions, LogWriter, NewLog};
use quarterdeck_protocol::{
    ids::{LogId, SessionId},
    limits::{MAX_SHARED_FRAME_BYTES, MAX_VIEWER_LAG_BYTES},
    method::Behind,
    record::{Fact, Position, RecordHeader, Resize, SessionKind, TerminalSize},
};

use super::*;

const SIZE: TerminalSize = TerminalSize { cols: 80, rows: 24, xpixel: 0, ypixel: 0 };
const WINDOW: u64 = 64 * 1024;

/// A session's log being written, and the handle that viewers have.
struct Stage {
    log: LogWriter,
    session: Arc<SessionHandle>,
    _directory: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let lock = LogLock::try_acquire(directory.path()).expect("a lock").expect("it is free");
        let (log_id, session) = (LogId::from_bytes([1; 8]), SessionId::from_bytes([2; 10]));
        let new = NewLog { log_id, session, kind: SessionKind::Terminal, size: SIZE };
        let log = LogWriter::create(lock, &new, LogOptions::default(), 1).expect("a log");
        let session = SessionHandle::for_test(directory.path(), log.state());
        Self { log, session, _directory: directory }
    }

    /// Records what the program wrote, and lets live viewers see it.
    fn output(&mut self, bytes: &[u8]) {
        self.record(RecordKind::Output, bytes);
    }

    fn resize(&mut self) {
        let (kind, payload) = Fact::Resize(Resize { size: SIZE, by: None }).encode();
        self.record(kind, &payload);
    }

    fn record(&mut self, kind: RecordKind, payload: &[u8]) {
        let entry = Entry { kind, payload, class: Class::Bulk };
        let Ok(Append::Done(at)) = self.log.append(entry, 7) else { panic!("there is room") };
        let header = RecordHeader { kind, flags: 0, time_micros: 7, at };
        let record = Record { header, payload: Bytes::copy_from_slice(payload) };
        self.session.tail.publish([record].into_iter());
    }

    fn head(&self) -> Position {
        self.session.tail.head()
    }

    /// A viewer that begins at the head.
    fn viewer(&self, behind: Behind) -> ChannelStream {
        let Position { seq, out } = self.head();
        self.viewer_at(seq, out, behind)
    }

    fn viewer_at(&self, seq: Seq, out: Out, behind: Behind) -> ChannelStream {
        self.session.tail.subscribe(Channel(1), Arc::default());
        let head = self.head().out;
        let start = Start { seq, out, head, gap: None, snapshot: None };
        ChannelStream::new(Channel(1), Arc::clone(&self.session), start, Some(WINDOW), behind)
    }
}

/// What a viewer gets, in words.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Out(u64, Vec<u8>),
    Replay(u64, Vec<u8>),
    Snap(u64, Vec<u8>),
    Gap(u64, u64),
    Event(String),
    NeedsSnapshot,
}

fn pull_all(stream: &mut ChannelStream) -> Vec<Seen> {
    let mut seen = Vec::new();
    loop {
        seen.push(match stream.pull(MAX_SHARED_FRAME_BYTES) {
            Pulled::Later | Pulled::Nothing => return seen,
            Pulled::NeedsSnapshot => Seen::NeedsSnapshot,
            Pulled::Failed(error) => panic!("the log can be read: {error}"),
            Pulled::Text(text) => {
                let event: serde_json::Value = serde_json::from_str(&text).expect("JSON");
                Seen::Event(event["params"]["event"].as_str().expect("a name").to_owned())
            }
            Pulled::Frame(bytes) => match Frame::parse(&bytes).expect("a frame").body {
                Body::Out { out, flags, bytes } if flags.has(Flags::REPLAY) => {
                    Seen::Replay(out.0, bytes.to_vec())
                }
                Body::Out { out, bytes, .. } => Seen::Out(out.0, bytes.to_vec()),
                Body::Snap { out, bytes, .. } => Seen::Snap(out.0, bytes.to_vec()),
                Body::Gap { from, to } => Seen::Gap(from.0, to.0),
                other @ (Body::In { .. } | Body::InAck { .. } | Body::Credit { .. }) => {
                    panic!("a relay does not send {other:?}")
                }
            },
        });
    }
}

fn total(seen: &[Seen]) -> usize {
    let bytes = |seen: &Seen| match seen {
        Seen::Out(_, bytes) | Seen::Replay(_, bytes) => bytes.len(),
        Seen::Snap(..) | Seen::Gap(..) | Seen::Event(_) | Seen::NeedsSnapshot => 0,
    };
    seen.iter().map(bytes).sum()
}

#[test]
fn output_and_events_keep_their_order_and_adjacent_output_is_one_frame() {
    let mut stage = Stage::new();
    let mut viewer = stage.viewer(Behind::Skip);
    stage.output(b"ab");
    stage.output(b"cd");
    stage.resize();
    stage.output(b"e");
    let expected =
        [Seen::Out(0, b"abcd".to_vec()), Seen::Event("resize".into()), Seen::Out(4, b"e".to_vec())];
    assert_eq!(pull_all(&mut viewer), expected);
}

#[test]
fn a_viewer_that_begins_earlier_reads_the_log_and_then_lives_on() {
    let mut stage = Stage::new();
    stage.output(b"early ");
    stage.output(b"bird");
    let mut viewer = stage.viewer_at(Seq(0), Out(3), Behind::Skip);
    assert_eq!(pull_all(&mut viewer), [Seen::Replay(3, b"ly bird".to_vec())]);
    stage.output(b"!");
    assert_eq!(pull_all(&mut viewer), [Seen::Out(10, b"!".to_vec())]);
}

#[test]
fn a_viewer_whose_place_was_dropped_is_told_the_gap_and_gets_the_rest() {
    let mut stage = Stage::new();
    stage.output(&vec![b'x'; 2 * WINDOW as usize]);
    let Position { seq, out } = stage.head();
    stage.output(b"what is kept");
    stage.session.tail.subscribe(Channel(1), Arc::default());
    let (from, head) = (Out(3), stage.head().out);
    let start = Start { seq, out: from, head, gap: Some((from, out)), snapshot: None };
    let session = Arc::clone(&stage.session);
    let mut viewer = ChannelStream::new(Channel(1), session, start, Some(WINDOW), Behind::Replay);
    let expected = [Seen::Gap(3, out.0), Seen::Replay(out.0, b"what is kept".to_vec())];
    assert_eq!(pull_all(&mut viewer), expected);
    stage.output(b"!");
    assert_eq!(pull_all(&mut viewer), [Seen::Out(head.0, b"!".to_vec())]);
}

#[test]
fn replay_and_live_output_never_share_a_frame() {
    let mut stage = Stage::new();
    stage.output(b"old");
    let mut viewer = stage.viewer_at(Seq(0), Out(0), Behind::Skip);
    stage.output(b"new");
    let expected = [Seen::Replay(0, b"old".to_vec()), Seen::Out(3, b"new".to_vec())];
    assert_eq!(pull_all(&mut viewer), expected);
}

#[test]
fn a_frame_beside_other_channels_is_small_and_credit_is_a_bound() {
    let mut stage = Stage::new();
    let mut viewer = stage.viewer(Behind::Replay);
    let flood = vec![b'x'; 60_000];
    stage.output(&flood);
    stage.output(&flood);
    let seen = pull_all(&mut viewer);
    assert!(
        seen.iter()
            .all(|seen| matches!(seen, Seen::Out(_, b) if b.len() <= MAX_SHARED_FRAME_BYTES))
    );
    assert_eq!(total(&seen) as u64, WINDOW);
    viewer.handle_credit(Out(1000));
    assert_eq!(total(&pull_all(&mut viewer)), 1000);
}

#[test]
fn a_viewer_that_fell_behind_gets_a_gap_and_a_screen_and_goes_on() {
    let mut stage = Stage::new();
    let mut viewer = stage.viewer(Behind::Skip);
    let flood = vec![b'x'; 64 * 1024];
    while stage.head().out.0 < WINDOW + 2 * MAX_VIEWER_LAG_BYTES {
        stage.output(&flood);
    }
    assert_eq!(total(&pull_all(&mut viewer)) as u64, WINDOW);
    viewer.handle_credit(Out(WINDOW));
    assert_eq!(pull_all(&mut viewer), [Seen::NeedsSnapshot]);
    stage.output(b"while it waits");
    assert_eq!(pull_all(&mut viewer), []);
    let (at, bytes) = (stage.head(), Bytes::from_static(b"screen"));
    viewer.handle_snapshot(SnapshotAt { at, bytes, exact: Exactness::Exact });
    stage.output(b"after");
    let expected = [
        Seen::Gap(WINDOW, at.out.0),
        Seen::Snap(at.out.0, b"screen".to_vec()),
        Seen::Out(at.out.0, b"after".to_vec()),
    ];
    assert_eq!(pull_all(&mut viewer), expected);
}

#[test]
fn a_recorder_that_fell_behind_gets_every_byte() {
    let mut stage = Stage::new();
    let mut viewer = stage.viewer(Behind::Replay);
    let flood = vec![b'x'; 64 * 1024];
    while stage.head().out.0 < 8 * MAX_VIEWER_LAG_BYTES {
        stage.output(&flood);
    }
    let (mut got, mut at) = (0, 0);
    while got < stage.head().out.0 {
        for seen in pull_all(&mut viewer) {
            let Seen::Out(out, bytes) = seen else { panic!("only output, not {seen:?}") };
            assert_eq!(out, at);
            at += bytes.len() as u64;
            got += bytes.len() as u64;
        }
        viewer.handle_credit(Out(at));
    }
    assert_eq!(got, stage.head().out.0);
}

#[test]
fn output_that_a_full_disk_keeps_out_of_the_log_is_shown_once() {
    let mut stage = Stage::new();
    let mut viewer = stage.viewer(Behind::Skip);
    stage.session.tail.show_unrecorded(Out(0), Bytes::from_static(b"not yet"));
    assert_eq!(pull_all(&mut viewer), [Seen::Out(0, b"not yet".to_vec())]);
    stage.output(b"not yet, now");
    assert_eq!(pull_all(&mut viewer), [Seen::Out(7, b", now".to_vec())]);
}

#[test]
fn a_large_screen_comes_in_parts() {
    let stage = Stage::new();
    let mut viewer = stage.viewer(Behind::Skip);
    let bytes = Bytes::from(vec![b's'; MAX_SHARED_FRAME_BYTES + 1]);
    viewer.handle_snapshot(SnapshotAt { at: stage.head(), bytes, exact: Exactness::Inexact });
    let flags = |pulled: Pulled| {
        let Pulled::Frame(bytes) = pulled else { panic!("a frame, not {pulled:?}") };
        let body = Frame::parse(&bytes).expect("a frame").body;
        let Body::Snap { flags, bytes, .. } = body else { panic!("a screen, not {body:?}") };
        (flags, bytes.len())
    };
    let first = flags(viewer.pull(MAX_SHARED_FRAME_BYTES));
    assert_eq!(first, (Flags::INEXACT.with(Flags::MORE), MAX_SHARED_FRAME_BYTES));
    assert_eq!(flags(viewer.pull(MAX_SHARED_FRAME_BYTES)), (Flags::INEXACT, 1));
}
