//! What an agent's session costs: `cargo run --release -p quarterdeck-e2e --example agent_figures`, after
//! `cargo build --release --bins -p quarterdeck-cli -p quarterdeck-e2e`.
//!
//! Prints the table that stands in `docs/performance.md` under "Agents". The agent is the scripted one, so
//! that nothing but Quarterdeck takes time.

use std::time::{Duration, Instant};

use quarterdeck_agents::Conversation;
use quarterdeck_e2e::{
    bench::stats::Spread,
    harness::{
        agent::{self, Watcher},
        client::{Peer, Way, watching},
        files::WholeLog,
        instance::{Instance, Relay},
    },
    scripted::monotonic_nanos,
};
use quarterdeck_protocol::{
    agent::{AgentEvent, ContentBlock, Update, Vendor},
    ids::SessionId,
    method::{AttachRole, SessionAttach},
    record::RecordKind,
};

/// Lines whose way to the client is timed.
const LINES: usize = 2000;
/// Pieces of text in the long session; with what surrounds them its events are a few more.
const LONG_EVENTS: usize = 10_000;
/// How often each attach is measured.
const ROUNDS: usize = 15;
/// Sessions whose memory is counted.
const SESSIONS: usize = 24;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let instance = Instance::new();
    instance.configure(&agent::configuration(&instance));
    let relay = instance.start_relay(&[]).await;
    let way = Way::unix(&instance);
    let peer = way.connect("figures").await;
    // first: what a relay has used once it keeps for later
    let memory = memory(&relay, &way, &peer).await;
    let mut rows = vec![line_to_event(&way, &peer).await];
    rows.extend(long_session(&instance, &way, &peer).await);
    rows.push(memory);
    show(&rows);
}

/// What was measured, the figure, and its goal.
type Row = (String, String, &'static str);

#[expect(clippy::print_stdout, reason = "the figures are what the example is for")]
fn show(rows: &[Row]) {
    println!("| what | here | goal |\n|---|---|---|");
    for (what, figure, goal) in rows {
        println!("| {what} | {figure} | {goal} |");
    }
}

fn spread(values: &[f64], unit: &str, digits: usize) -> String {
    let Spread { low, median, high } = Spread::of(values);
    format!("{median:.digits$} {unit} [{low:.digits$}-{high:.digits$}]")
}

/// The agent writes the time into each line; the client compares it with its own when it has the event.
async fn line_to_event(way: &Way, peer: &Peer) -> Row {
    let session = agent::start(peer).await;
    let mut watcher = Watcher::start(way, &session).await;
    agent::say(peer, &session, &format!("clock {LINES}")).await;
    let (mut seen, mut millis) = (0, Vec::new());
    watcher
        .until("all lines", |events: &[AgentEvent]| {
            let now = monotonic_nanos();
            for event in &events[seen..] {
                let written = written_at(event);
                millis.extend(written.map(|at| now.saturating_sub(at) as f64 / 1e6));
            }
            seen = events.len();
            (millis.len() >= LINES).then_some(())
        })
        .await;
    let what = format!("a line of the agent until its event is at a client, {LINES} lines");
    (what, spread(&millis, "ms", 2), "median 1 ms")
}

fn written_at(event: &AgentEvent) -> Option<u64> {
    let Update::AgentMessageChunk { content: ContentBlock::Text { text }, .. } = &event.update
    else {
        return None;
    };
    text.trim().parse().ok()
}

/// A session of many events: attaching to it, and folding its log.
async fn long_session(instance: &Instance, way: &Way, peer: &Peer) -> Vec<Row> {
    let session = agent::start(peer).await;
    let mut watcher = Watcher::start(way, &session).await;
    agent::say(peer, &session, &format!("stream {LONG_EVENTS}")).await;
    watcher.turns(1).await;
    let last = watcher.events.last().expect("something happened").id;
    let (mut all, mut now) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let mut late = Watcher::start(way, &session).await;
        let has = |events: &[AgentEvent]| events.iter().any(|it| it.id == last).then_some(());
        late.until("all events", has).await;
        all.push(millis(begun.elapsed()));
        let begun = Instant::now();
        let late = way.connect("now").await;
        late.call::<SessionAttach>(&watching(&session, AttachRole::Follow)).await;
        now.push(millis(begun.elapsed()));
    }
    let count = watcher.events.len();
    vec![
        (
            format!("attach to a session of {count} events, until it has all of them"),
            spread(&all, "ms", 0),
            "200 ms",
        ),
        (
            "the same, until it has the conversation as it is".into(),
            spread(&now, "ms", 1),
            "200 ms",
        ),
        fold(instance, &session),
    ]
}

fn millis(took: Duration) -> f64 {
    took.as_secs_f64() * 1e3
}

fn fold(instance: &Instance, session: &str) -> Row {
    let log = WholeLog::read(&instance.session_directory(session));
    let id: SessionId = session.parse().expect("is an id");
    let lines = log.records.iter().filter(|it| it.header.kind == RecordKind::VendorOut);
    let bytes: usize = lines.map(|it| it.payload.len()).sum();
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let mut conversation = Conversation::new(id, Vendor::Claude);
        for record in &log.records {
            conversation.apply_record(record);
            while let Some(event) = conversation.poll_event() {
                std::hint::black_box(&event);
            }
        }
        rates.push(bytes as f64 / 1e6 / begun.elapsed().as_secs_f64());
    }
    ("its log as events: the smallest deltas".into(), spread(&rates, "MB/s", 0), "50 MB/s")
}

/// What the relay needs for one more session that has had a turn.
async fn memory(relay: &Relay, way: &Way, peer: &Peer) -> Row {
    let first = agent::start(peer).await;
    let mut watcher = Watcher::start(way, &first).await;
    agent::say(peer, &first, "stream 100").await;
    watcher.turns(1).await;
    let before = resident_kib(relay.pid());
    for _ in 0..SESSIONS {
        let session = agent::start(peer).await;
        agent::say(peer, &session, "stream 100").await;
        let mut watcher = Watcher::start(way, &session).await;
        watcher.turns(1).await;
    }
    let each = resident_kib(relay.pid()).saturating_sub(before) as f64 / SESSIONS as f64;
    let what = format!("memory of the relay for one more session, of {SESSIONS}");
    (what, format!("{each:.0} KiB"), "1 MiB beyond the cached view")
}

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse().ok());
    kib.expect("the kernel says it")
}
