//! Damage to a session's log, and the death of who writes it.

use std::{fs, path::Path};

use quarterdeck_e2e::{
    harness::{
        canary::Canary,
        client::{Way, recording, watching},
        files::{WholeLog, kill_holder, segments},
        instance::Instance,
        overview::Overview,
        within,
    },
    streams::{KnownStream, StreamKind},
};
use quarterdeck_holder::log::segment::SEGMENT_HEADER_BYTES;
use quarterdeck_protocol::{
    ids::{Incarnation, LogId, Out, Seq},
    method::{AttachFrom, AttachParams, AttachRole, AttachStart, Behind, GcResult, LogEntry},
    record::{Decoded, Gap, RECORD_HEADER_BYTES, RecordHeader, RecordKind, decode},
    session::SessionState,
};

use super::{listed, start};

const EMITTED: KnownStream = KnownStream::new(StreamKind::Lines, 21);

#[tokio::test]
async fn a_session_whose_holder_is_killed_is_lost_and_goes_on_in_the_same_log() {
    let instance = Instance::new();
    let _relay = instance.start_relay(&[]).await;
    let way = Way::unix(&instance);
    let mut canary = Canary::start(&way).await;
    let session = start(&way, &["raw", "emit:lines:21:inf:500000"]).await;
    let directory = instance.session_directory(session);
    let name = session.to_string();
    let mut attachment = way.connect("viewer").await.attach(&recording(&name, None)).await;
    attachment.known = Some(EMITTED);
    attachment.until("some output", |it| it.out.0 > 200_000).await;

    kill_holder(&directory).await;
    let mut overview = Overview::start(&way).await;
    let lost = |state: &SessionState| matches!(state, SessionState::Lost { .. });
    let info = overview.until(session, "it is lost", |info| lost(&info.state)).await;
    assert!(matches!(info.state, SessionState::Lost { why, .. } if why == "the holder died"));
    canary.sings().await;
    attachment.until("it hears of it", |it| it.events.iter().any(|e| e.event == "lost")).await;

    let log = WholeLog::read(&directory);
    assert_eq!(log.missing, []);
    let (_, output) = log.output();
    EMITTED.verify(0, &output).expect("the log has the output as it was");
    assert_eq!(output.len() as u64, attachment.out.0, "and the viewer has all of it");
    let printed = instance.qd(["logs", &name, "--raw"]).await.ok();
    assert_eq!(printed.stdout, output);

    instance.qd(["resume", &name]).await.ok();
    let went_on = |info: &quarterdeck_protocol::session::SessionInfo| {
        info.incarnation == Incarnation(2) && info.state.is_live()
    };
    let resumed = overview.until(session, "it runs again", went_on).await;
    assert_eq!(resumed.log_id, info.log_id);
    assert!(resumed.seq > info.seq, "record numbers go on");
    let params = recording(&name, Some(attachment.place()));
    let mut again = way.connect("viewer again").await.attach(&params).await;
    assert_eq!(again.answer.start, AttachStart::Ok);
    let beginning = String::from_utf8(EMITTED.bytes(0..132)).expect("is text");
    again.until_text(&beginning).await;
    canary.sings().await;
}

#[tokio::test]
async fn a_torn_tail_is_cut_and_kept_aside_when_no_relay_ran() {
    let instance = Instance::new();
    let relay = instance.start_relay(&[]).await;
    let way = Way::unix(&instance);
    let canary = Canary::start(&way).await;
    let session = start(&way, &["raw", "emit:lines:21:100000", "wait"]).await;
    let directory = instance.session_directory(session);
    let params = recording(&session.to_string(), None);
    let mut viewer = way.connect("viewer").await.attach(&params).await;
    viewer.until("all output", |it| it.out.0 == 100_000).await;
    drop(viewer);

    relay.kill().await;
    kill_holder(&directory).await;
    let before = WholeLog::read(&directory);
    let last = segments(&directory).pop().expect("there is a segment");
    let half = half_a_record(&before);
    let whole_bytes = fs::read(&last).expect("is readable");
    fs::write(&last, [whole_bytes.as_slice(), &half].concat()).expect("is writable");

    let _relay = instance.start_relay(&[]).await;
    let info = listed(&instance, session).await.expect("the session is listed");
    let why = "the holder died while no relay ran";
    assert!(matches!(&info.state, SessionState::Lost { why: said, .. } if said == why), "{info:?}");
    let after = WholeLog::read(&directory);
    assert_eq!(after.missing, []);
    assert_eq!(after.records[..before.records.len()], before.records, "nothing before is changed");
    assert_eq!(after.records.last().map(|it| it.header.kind), Some(RecordKind::Lost));
    assert_eq!(after.records.len(), before.records.len() + 1);
    let torn = fs::read(directory.join("log/torn-0")).expect("the tail is kept");
    assert_eq!(torn, half);
    canary.revived(&way).await.sings().await;
    instance.qd(["resume", &session.to_string()]).await.ok();
}

/// The first half of the record that would come next.
fn half_a_record(log: &WholeLog) -> Vec<u8> {
    let at = log.records.last().expect("has records").next();
    let payload = [b'x'; 1000];
    let header = RecordHeader { kind: RecordKind::Output, flags: 0, time_micros: 1, at };
    let header = header.encode(&payload).expect("fits");
    [&header[..], &payload[..400]].concat()
}

#[tokio::test]
async fn a_flipped_bit_is_one_gap_with_its_size() {
    const TOTAL: u64 = 6_000_000;
    let instance = Instance::new();
    let _relay = instance.start_relay(&[]).await;
    let way = Way::unix(&instance);
    let mut canary = Canary::start(&way).await;
    let session = start(&way, &["raw", "emit:lines:21:6000000", "wait"]).await;
    let directory = instance.session_directory(session);
    let name = session.to_string();
    let mut viewer = way.connect("viewer").await.attach(&recording(&name, None)).await;
    viewer.known = Some(EMITTED);
    viewer.until("all output", |it| it.out.0 == TOTAL).await;
    assert!(segments(&directory).len() > 1, "the output fills a segment");

    let first = &segments(&directory)[0];
    let mut bytes = fs::read(first).expect("is readable");
    bytes[1_000_000] ^= 0x10;
    fs::write(first, bytes).expect("is writable");

    let log = WholeLog::read(&directory);
    let [missing] = log.missing[..] else { panic!("one hole: {:?}", log.missing) };
    let (from, to) = (missing.from.out, missing.to.out);
    assert!(to > from && to.0 - from.0 <= 64 * 1024, "no more than a record: {missing:?}");

    let printed = instance.qd(["logs", &name, "--raw"]).await.ok();
    let (head, tail) = printed.stdout.split_at(from.0 as usize);
    EMITTED.verify(0, head).expect("all before the hole");
    EMITTED.verify(to.0, tail).expect("all after the hole");
    assert_eq!(to.0 + tail.len() as u64, TOTAL);
    let kib = format!("{:.1} KiB of output", (to.0 - from.0) as f64 / 1024.0);
    assert_eq!(printed.stderr.matches(kib.as_str()).count(), 1, "{}", printed.stderr);
    let gaps = gaps_in_json(&instance, &name).await;
    assert_eq!(gaps, [(from, to)]);

    let log_id = viewer.answer.log_id;
    let mut again = way.connect("again").await.attach(&from_the_beginning(&name, log_id)).await;
    again.known = Some(EMITTED);
    again.until("all output", |it| it.out.0 == TOTAL).await;
    assert_eq!(again.gaps, [(from, to)]);
    canary.sings().await;
}

fn from_the_beginning(session: &str, log_id: LogId) -> AttachParams {
    AttachParams {
        from: AttachFrom::Out { out: Out(0), log_id },
        behind: Behind::Replay,
        ..watching(session, AttachRole::Follow)
    }
}

async fn gaps_in_json(instance: &Instance, session: &str) -> Vec<(Out, Out)> {
    let printed = instance.qd(["logs", session, "--json"]).await.ok().text();
    let entries = printed.lines().map(|line| serde_json::from_str(line).expect("is a record"));
    let gaps = entries.filter(|entry: &LogEntry| entry.kind == "gap").map(|entry| {
        let body = entry.body.expect("a gap has a body");
        let Gap { from, to, .. } = serde_json::from_str(body.get()).expect("is a gap");
        (from, to)
    });
    gaps.collect()
}

#[tokio::test]
async fn a_clock_that_jumps_back_changes_no_order() {
    let instance = Instance::new();
    let relay = instance.start_relay(&[]).await;
    let way = Way::unix(&instance);
    let canary = Canary::start(&way).await;
    let session = start(&way, &["raw", "emit:lines:21:50000", "exit:3"]).await;
    let (directory, name) = (instance.session_directory(session), session.to_string());
    let ended = instance.qd(["wait", &name, "--for", "exit"]).await;
    assert_eq!(ended.code(), Some(3), "{ended:?}");
    relay.kill().await;
    for segment in segments(&directory) {
        move_into_the_future(&segment);
    }
    let before = WholeLog::read(&directory);
    assert_eq!(before.missing, [], "only the times are changed");

    let _relay = instance.start_relay(&[]).await;
    let mut canary = canary.revived(&way).await;
    let info = listed(&instance, session).await.expect("is listed");
    assert!(matches!(info.state, SessionState::Exited { at, .. } if at > FUTURE_MICROS));
    let gc: GcResult =
        instance.qd(["gc", "--ended-before", "1s", "--dry-run", "--json"]).await.ok().json();
    assert_eq!(gc.removed, [], "what ended in the future is not old");

    instance.qd(["resume", &name]).await.ok();
    instance.qd(["wait", &name, "--for", "exit"]).await;
    let after = WholeLog::read(&directory);
    assert_eq!(after.records[..before.records.len()], before.records);
    let seqs: Vec<Seq> = after.records.iter().map(|record| record.header.at.seq).collect();
    assert_eq!(seqs, (0..seqs.len() as u64).map(Seq).collect::<Vec<_>>());
    let newest = after.records.last().expect("has records").header.time_micros;
    assert!(newest < FUTURE_MICROS, "the clock is back in the present");
    let (_, output) = after.output();
    let params = from_the_beginning(&name, info.log_id);
    let mut viewer = way.connect("viewer").await.attach(&params).await;
    viewer.until("all output", |it| it.out.0 == output.len() as u64).await;
    assert!(viewer.text == output, "the viewer sees it in the order of the log");
    let cast = instance.qd(["logs", &name, "--asciicast"]).await.ok().text();
    let times = cast.lines().skip(1).map(event_time);
    assert!(times.into_iter().all(|time| time >= 0.0), "no event is before the one before it");
    within("the canary", canary.sings()).await;
}

/// The year 2100.
const FUTURE_MICROS: u64 = 4_102_444_800_000_000;

/// Gives every record of a segment a time in the future.
fn move_into_the_future(segment: &Path) {
    let bytes = fs::read(segment).expect("is readable");
    let (header, mut rest) = bytes.split_at(SEGMENT_HEADER_BYTES);
    let mut moved = header.to_vec();
    while let Decoded::Record { header, payload } = decode(rest) {
        let header =
            RecordHeader { time_micros: FUTURE_MICROS + header.time_micros % 1_000_000, ..header };
        moved.extend(header.encode(payload).expect("fits"));
        moved.extend_from_slice(payload);
        rest = &rest[RECORD_HEADER_BYTES + payload.len()..];
    }
    assert!(rest.is_empty(), "every record was moved");
    fs::write(segment, moved).expect("is writable");
}

fn event_time(line: &str) -> f64 {
    let event: serde_json::Value = serde_json::from_str(line).expect("is JSON");
    event[0].as_f64().expect("an event begins with its time")
}
