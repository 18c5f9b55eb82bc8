//! What is dropped on purpose: old segments, old sessions, removed ones.

use quarterdeck_e2e::{
    harness::{
        canary::Canary,
        client::{Way, recording, watching},
        files::{WholeLog, until_file},
        instance::Instance,
        overview::Overview,
    },
    streams::{KnownStream, StreamKind},
};
use quarterdeck_protocol::{
    ids::Out,
    method::{
        AttachRole, GcParams, GcResult, RelayGc, ScrollbackParams, ScrollbackResult,
        SessionScrollback,
    },
    session::{Detached, SessionInfo, notify},
};

use super::start;

const EMITTED: KnownStream = KnownStream::new(StreamKind::Lines, 31);
const TOTAL: u64 = 40_000_000;

#[tokio::test]
async fn retention_passes_an_owner_and_a_slow_viewer_and_says_what_it_took() {
    let instance = Instance::new();
    instance.configure("[logs]\nsession_bytes = 8388608\n");
    let _relay = instance.start_relay(&[]).await;
    let way = Way::unix(&instance);
    let mut canary = Canary::start(&way).await;
    let ready = instance.path("ready");
    let touch = format!("touch:{}", ready.display());
    let steps = ["raw", &touch, "line", "emit:lines:31:40000000", "echo", "wait"];
    let session = start(&way, &steps).await;
    let name = session.to_string();
    until_file(&ready, |_| true).await;
    let mut owner = way.connect("owner").await.attach(&watching(&name, AttachRole::Auto)).await;
    assert!(owner.owns());
    let mut slow = recording(&name, None);
    slow.role = AttachRole::Follow;
    let mut slow = way.connect("slow").await.attach(&slow).await;
    slow.known = Some(EMITTED);

    owner.type_applied(b"\n").await;
    let epoch = owner.epoch;
    owner.until("all output", |it| it.out.0 >= TOTAL).await;
    canary.sings().await;
    let mut overview = Overview::start(&way).await;
    let moved = |info: &SessionInfo| info.base.0 > TOTAL / 2;
    let info = overview.until(session, "the base moves", moved).await;
    assert!(info.base.0 < TOTAL, "the newest stays");
    let oldest = WholeLog::read(&instance.session_directory(session)).records[0].header.at.out;
    let told = |info: &SessionInfo| info.base == oldest;
    overview.until(session, "the base is that of the oldest segment", told).await;
    owner.type_applied(b"still the owner").await;
    owner.until_text("still the owner").await;
    assert_eq!(owner.epoch, epoch, "nothing happened to the lease");

    // the stream is checked byte by byte up to its end, what was typed afterwards is not of it
    slow.until("the end of the stream", |it| it.out.0 >= TOTAL - 70_000).await;
    let [(from, to)] = slow.gaps[..] else { panic!("one gap: {:?}", slow.gaps) };
    assert!(to.0 - from.0 > TOTAL / 2, "it has its size: {from} to {to}");

    // one who comes back to a place that is gone hears from where to where, and gets all the rest
    let place = (Out(100), slow.place().1);
    let mut late = way.connect("late").await.attach(&recording(&name, Some(place))).await;
    late.known = Some(EMITTED);
    late.until("the end of the stream", |it| it.out.0 >= TOTAL - 70_000).await;
    assert_eq!(late.gaps, [(Out(100), oldest)]);

    let page = scrollback(&overview, &name, Out(TOTAL)).await;
    assert!(page.lines.len() >= 50, "history comes: {}", page.lines.len());
    let (base, _) = WholeLog::read(&instance.session_directory(session)).output();
    let oldest = scrollback(&overview, &name, Out(base + 100_000)).await;
    assert!(!oldest.lines.is_empty(), "also where the log begins");
    for line in page.lines.iter().chain(&oldest.lines).rev().take(20) {
        assert!((60..=64).contains(&line.text.len()), "a line is whole: {line:?}");
    }
    canary.sings().await;
}

async fn scrollback(overview: &Overview, session: &str, before: Out) -> ScrollbackResult {
    let params = ScrollbackParams { session: session.to_owned(), before, lines: 100 };
    overview.peer.call::<SessionScrollback>(&params).await
}

#[tokio::test]
async fn gc_removes_and_trims_what_its_dry_run_said() {
    let instance = Instance::new();
    let relay = instance.start_relay(&[]).await;
    let way = Way::unix(&instance);
    let canary = Canary::start(&way).await;
    let mut ended = Vec::new();
    for seed in 1..=3 {
        let emit = format!("emit:lines:{seed}:1000000");
        let session = start(&way, &["raw", &emit, "exit:0"]).await;
        instance.qd(["wait", &session.to_string(), "--for", "exit"]).await.ok();
        ended.push(session);
    }
    let long = start(&way, &["raw", "emit:lines:31:12000000", "wait"]).await;
    let mut viewer = way.connect("viewer").await.attach(&recording(&long.to_string(), None)).await;
    viewer.known = Some(EMITTED);
    viewer.until("all output", |it| it.out.0 == 12_000_000).await;

    // 15 MB: two ended sessions must go for 14 MiB, the one that ended last may stay
    let words = ["gc", "--quota", "13", "--json"];
    let planned: GcResult = instance.qd(words.into_iter().chain(["--dry-run"])).await.ok().json();
    assert_eq!(planned.removed, ended[..2]);
    assert_eq!(planned.trimmed, []);
    assert!(ended.iter().all(|it| instance.session_directory(it).exists()), "nothing is gone yet");
    let done: GcResult = instance.qd(words).await.ok().json();
    assert_eq!(done, planned);
    assert!(!instance.session_directory(ended[0]).exists());
    assert!(instance.session_directory(ended[2]).exists());

    // a live session loses its oldest records only
    relay.kill().await;
    instance.configure("[logs]\nsession_bytes = 5000000\n");
    let _relay = instance.start_relay(&[]).await;
    let mut canary = canary.revived(&way).await;
    let mut overview = Overview::start(&way).await;
    overview.until(long, "its holder is linked", |info| info.out.0 == 12_000_000).await;
    let params = GcParams { quota_bytes: Some(0), dry_run: true, ended_before_s: None };
    let planned = overview.peer.call::<RelayGc>(&params).await;
    let params = GcParams { dry_run: false, ..params };
    let done = overview.peer.call::<RelayGc>(&params).await;
    assert_eq!((&done.removed, &done.trimmed), (&planned.removed, &planned.trimmed));
    assert_eq!((done.removed, done.trimmed), (vec![ended[2]], vec![long]));
    overview.until_removed(ended[2]).await;
    let short_of = planned.freed_bytes.abs_diff(done.freed_bytes);
    assert!(short_of <= 4 << 20, "whole segments go: {planned:?}");
    canary.sings().await;
}

#[tokio::test]
async fn a_live_session_is_not_removed_and_a_viewer_of_an_ended_one_is_told() {
    let instance = Instance::new();
    let _relay = instance.start_relay(&[]).await;
    let way = Way::unix(&instance);
    let mut canary = Canary::start(&way).await;
    let session = start(&way, &["raw", "print:ready", "wait"]).await;
    let name = session.to_string();
    let mut viewer = way.connect("viewer").await.attach(&watching(&name, AttachRole::Follow)).await;
    let refused = instance.qd(["rm", &name]).await;
    assert_eq!(refused.code(), Some(8), "{refused:?}");
    assert!(refused.stderr.contains("still running"), "{refused:?}");
    assert!(refused.stderr.contains("qd stop"), "{refused:?}");

    instance.qd(["stop", "--now", &name]).await.ok();
    viewer.until("it ends", |it| it.events.iter().any(|event| event.event == "exit")).await;
    instance.qd(["rm", &name]).await.ok();
    viewer.until("it is told", |it| !it.notifications.is_empty()).await;
    let (method, text) = &viewer.notifications[0];
    assert_eq!(method, notify::SESSION_DETACHED);
    let detached: Detached = serde_json::from_str(text).expect("is a notification");
    assert_eq!((detached.channel, detached.why.as_str()), (viewer.channel(), "removed"));
    assert!(!instance.session_directory(session).exists());
    assert_eq!(instance.qd(["logs", &name]).await.code(), Some(3));
    canary.sings().await;
}
