//! File systems that are full or read-only.

use std::fs;

use quarterdeck_e2e::harness::{
    canary::Canary,
    client::{Attachment, Way, recording},
    files::{WholeLog, segments},
    instance::Instance,
    overview::Overview,
    small_disk::{Immutable, SmallDisk, set_immutable},
};
use quarterdeck_protocol::{
    record::{ExitStatus, Gap, GapCause, RecordKind},
    session::{SessionInfo, SessionState},
};

use super::{listed, start};

const MIB: u64 = 1 << 20;

/// Checks that what a viewer was shown, from the log's first byte on, is in the log, or in a gap; gives
/// the bytes of all gaps.
pub(super) fn check_shown(log: &WholeLog, shown: &[u8]) -> u64 {
    assert_eq!(log.missing, [], "nothing is damaged");
    let (mut at, mut in_gaps) = (0, 0);
    for record in &log.records {
        let from = record.header.at.out.0 as usize;
        assert_eq!(from, at, "the log goes on where it was");
        if record.header.kind == RecordKind::Output {
            let end = at + record.payload.len();
            assert!(record.payload[..] == shown[at..end], "the log has what was shown at {at}");
            at = end;
        } else if record.header.kind == RecordKind::Gap {
            let gap: Gap = serde_json::from_slice(&record.payload).expect("is a gap");
            assert_eq!((gap.from.0 as usize, gap.why), (at, GapCause::DiskFull));
            in_gaps += gap.to.0 - gap.from.0;
            at = gap.to.0 as usize;
        }
    }
    assert_eq!(at, shown.len(), "the log is as long as what was shown");
    in_gaps
}

/// Types so many bytes and waits until all of them are shown.
async fn type_and_see(owner: &mut Attachment, bytes: usize) {
    let mut left = bytes;
    while left > 0 {
        let count = left.min(16 * 1024);
        let shown = owner.text.len();
        let piece: Vec<u8> = (0..count).map(|n| b'a' + ((shown + n) % 26) as u8).collect();
        owner.type_applied(&piece).await;
        owner.until("its echo", |it| it.text.len() >= shown + count).await;
        assert!(owner.text.ends_with(&piece), "the echo is what was typed");
        left -= count;
    }
}

fn is_stalled(info: &SessionInfo) -> bool {
    info.state == SessionState::Stalled { why: "disk_full".to_owned() }
}

#[tokio::test]
async fn a_full_disk_stalls_only_the_log_and_loses_nothing_uncounted() {
    let instance = Instance::new();
    let Some(disk) = SmallDisk::mount(&instance.state(), 16 * MIB) else { return };
    let _relay = instance.start_relay(&[]).await;
    let way = Way::unix(&instance);
    let mut canary = Canary::start(&way).await;
    let session = start(&way, &["raw", "print:ready", "echo", "wait"]).await;
    let (directory, name) = (instance.session_directory(session), session.to_string());
    let mut owner = way.connect("owner").await.attach(&recording(&name, None)).await;
    owner.until_text("ready").await;
    let mut overview = Overview::start(&way).await;
    let runs = |info: &SessionInfo| info.state == SessionState::Running;

    // a short one costs nothing
    disk.fill();
    type_and_see(&mut owner, 100_000).await;
    overview.until(session, "it is stalled", is_stalled).await;
    canary.sings().await;
    disk.empty();
    overview.until(session, "the stall ends", runs).await;
    assert_eq!(check_shown(&WholeLog::read(&directory), &owner.text), 0, "no gap");

    // of a long one the holder keeps the newest, and counts the rest
    disk.fill();
    type_and_see(&mut owner, 400_000).await;
    overview.until(session, "it is stalled again", is_stalled).await;
    canary.sings().await;
    disk.empty();
    overview.until(session, "the stall ends again", runs).await;
    let lost = check_shown(&WholeLog::read(&directory), &owner.text);
    assert!((100_000..400_000).contains(&lost), "the gap has its size: {lost}");
    assert_eq!(owner.gaps, [], "what was shown was shown whole");

    // the end is recorded even so
    disk.fill();
    type_and_see(&mut owner, 100_000).await;
    overview.until(session, "it is stalled a third time", is_stalled).await;
    instance.qd(["stop", "--now", &name]).await.ok();
    let ended = |info: &SessionInfo| !info.state.is_live();
    let info = overview.until(session, "it has ended", ended).await;
    let killed = ExitStatus::Signal { signal: 9, core: false };
    assert!(matches!(&info.state, SessionState::Exited { status, .. } if *status == killed));
    let log = WholeLog::read(&directory);
    assert_eq!(log.count(RecordKind::Exit), 1);
    check_shown(&log, &owner.text);
    canary.sings().await;
}

#[tokio::test]
async fn a_relay_on_a_full_disk_starts_and_drives_what_runs() {
    let instance = Instance::new();
    let Some(disk) = SmallDisk::mount(&instance.state(), 16 * MIB) else { return };
    let relay = instance.start_relay(&[]).await;
    let way = Way::unix(&instance);
    let canary = Canary::start(&way).await;
    disk.fill();
    relay.kill().await;
    let _relay = instance.start_relay(&[]).await;
    canary.revived(&way).await.sings().await;
    let refused = instance.qd(["run", "--detach", "--json", "--", "/bin/cat"]).await;
    assert_eq!(refused.code(), Some(1), "{refused:?}");
    let error: serde_json::Value = serde_json::from_str(&refused.stderr).expect("is JSON");
    assert!(error["error"]["hints"][0].as_str().is_some_and(|it| it.contains("doctor")), "{error}");
    let sessions = fs::read_dir(instance.directory().join("sessions")).expect("lists").count();
    assert_eq!(sessions, 1, "nothing is left of what could not be started");
}

#[tokio::test]
async fn a_read_only_state_directory_is_said_to_be_so() {
    let instance = Instance::new();
    let Some(disk) = SmallDisk::mount(&instance.state(), 16 * MIB) else { return };
    let relay = instance.start_relay(&[]).await;
    let way = Way::unix(&instance);
    let session = start(&way, &["raw", "print:bye", "exit:0"]).await;
    let directory = instance.session_directory(session);
    instance.qd(["wait", &session.to_string(), "--for", "exit"]).await.ok();
    assert!(relay.terminate().await.success());
    disk.make_read_only();

    let refused = instance.try_start_relay(&[]).await.expect_err("it cannot lock its instance");
    assert_eq!(refused.code(), Some(1), "{refused:?}");
    let error: serde_json::Value = serde_json::from_str(&refused.stderr).expect("is JSON");
    let causes = error["error"]["causes"].to_string();
    assert!(causes.contains("Read-only file system"), "{error}");
    assert!(causes.contains("instances/default"), "{error}");
    assert!(error["error"]["hints"][0].as_str().is_some_and(|it| it.contains("doctor")), "{error}");

    disk.make_writable();
    let _relay = instance.start_relay(&[]).await;
    let info = listed(&instance, session).await.expect("is listed");
    assert!(matches!(info.state, SessionState::Exited { .. }), "{info:?}");
    assert_eq!(WholeLog::read(&directory).output().1, b"bye");
    let mut canary = Canary::start(&way).await;
    canary.sings().await;
}

#[tokio::test]
async fn a_file_system_that_fails_stalls_the_log_and_the_program_is_driven_and_ended_all_the_same()
{
    let instance = Instance::new();
    let Some(disk) = SmallDisk::mount_device(&instance.state(), 32 * MIB) else { return };
    let relay = instance.start_relay(&[]).await;
    let way = Way::unix(&instance);
    let mut canary = Canary::start(&way).await;
    let session = start(&way, &["print:ready", "wait"]).await;
    let other = start(&way, &["raw", "print:ready", "echo", "wait"]).await;
    let mut owner = way.connect("owner").await.attach(&recording(&session.to_string(), None)).await;
    owner.until_text("ready").await;
    let name = other.to_string();
    let mut typist = way.connect("typist").await.attach(&recording(&name, None)).await;
    typist.until_text("ready").await;
    let mut overview = Overview::start(&way).await;

    disk.break_down();
    type_and_see(&mut typist, 10_000).await;
    let read_only =
        |info: &SessionInfo| info.state == SessionState::Stalled { why: "read_only".to_owned() };
    overview.until(other, "it is stalled", read_only).await;
    canary.sings().await;
    // the terminal's own keys still work: the program of this one ends by them
    owner.try_type(b"\x03").await.expect("is connected");
    let ended = |info: &SessionInfo| !info.state.is_live();
    // that it ended is seen; how, no log can be made to say
    overview.until(session, "the interrupted one has ended", ended).await;
    instance.qd(["stop", "--now", &name]).await.ok();
    overview.until(other, "the stopped one has ended", ended).await;
    canary.sings().await;
    assert_eq!(relay.terminate().await.code(), Some(0));
}

fn stalls(info: &SessionInfo) -> bool {
    matches!(info.state, SessionState::Stalled { .. })
}

#[tokio::test]
async fn a_log_that_cannot_be_written_for_a_while_goes_on_with_nothing_lost_uncounted() {
    let instance = Instance::new();
    let Some(_disk) = SmallDisk::mount_device(&instance.state(), 32 * MIB) else { return };
    let _relay = instance.start_relay(&[]).await;
    let way = Way::unix(&instance);
    let mut canary = Canary::start(&way).await;
    let session = start(&way, &["raw", "print:ready", "echo", "wait"]).await;
    let (directory, name) = (instance.session_directory(session), session.to_string());
    let mut owner = way.connect("owner").await.attach(&recording(&name, None)).await;
    owner.until_text("ready").await;
    let mut overview = Overview::start(&way).await;
    let newest = segments(&directory).pop().expect("has a segment");
    for (bytes, least) in [(10_000, 0), (400_000, 100_000)] {
        set_immutable(&newest, Immutable::Yes);
        type_and_see(&mut owner, bytes).await;
        overview.until(session, "it is stalled", stalls).await;
        canary.sings().await;
        set_immutable(&newest, Immutable::No);
        let runs = |info: &SessionInfo| info.state == SessionState::Running;
        overview.until(session, "the stall ends", runs).await;
        let lost = check_shown(&WholeLog::read(&directory), &owner.text);
        assert!((least..=bytes as u64).contains(&lost), "the gap has its size: {lost}");
    }
    type_and_see(&mut owner, 10_000).await;
    canary.sings().await;
}
