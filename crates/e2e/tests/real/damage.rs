//! Disks that fill up, forget, flip bits or take no writes, and clocks that jump.

use std::{
    fs,
    io::{Seek, SeekFrom, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use quarterdeck_e2e::{
    harness::{
        canary::Canary,
        client::{Attachment, Way, recording, watching},
        files::{WholeLog, segments, until_file},
        instance::{Instance, Relay, program_binary},
        tools,
    },
    processes,
    streams::{KnownStream, StreamKind},
};
use quarterdeck_holder::log::segment::SEGMENT_HEADER_BYTES;
use quarterdeck_protocol::{
    method::{
        AttachRole, Empty, LogParams, ResumeParams, SessionList, SessionLog, SessionResume,
        SessionStop, StopParams,
    },
    record::{Decoded, RECORD_HEADER_BYTES, RecordHeader, RecordKind, decode},
    session::{SessionInfo, SessionState},
};
use rustix::process::Signal;

const STREAM: KnownStream = KnownStream::new(StreamKind::Lines, 31);

/// Starts a session that emits the known stream, and waits until all of it is out.
async fn emitted(instance: &Instance, bytes: u64) -> SessionInfo {
    let peer = Way::unix(instance).connect("starter").await;
    let program = program_binary().display().to_string();
    let emit = format!("emit:lines:31:{bytes}");
    let words = [program.as_str(), "raw", &emit, "wait"];
    let session = peer.create(words).await;
    let mut attachment = peer.attach(&recording(&session.session.to_string(), None)).await;
    attachment.known = Some(STREAM);
    attachment.until("all of it", |it| it.out.0 == bytes).await;
    session
}

/// Kills a session's holder, and the relay, which are not told of what is done to the files meanwhile.
async fn all_killed(instance: &Instance, relay: Relay) {
    relay.kill().await;
    for pid in processes::naming(&instance.directory().join("sessions")) {
        let _ = processes::signal(pid, Signal::KILL);
        processes::until_gone(pid).await.expect("waits");
    }
}

async fn state_of(instance: &Instance) -> SessionState {
    let peer = Way::unix(instance).connect("looker").await;
    let sessions = peer.call::<SessionList>(&Empty {}).await.sessions;
    assert_eq!(sessions.len(), 1);
    sessions[0].state.clone()
}

#[tokio::test]
async fn a_torn_tail_is_cut_and_the_session_is_lost_and_resumed_in_the_same_log() {
    let instance = Instance::new();
    let relay = instance.start_relay(&[]).await;
    let session = emitted(&instance, 500_000).await;
    let id = session.session.to_string();
    all_killed(&instance, relay).await;
    let directory = instance.session_directory(&id);
    let newest = segments(&directory).pop().expect("there is a segment");
    let before = fs::metadata(&newest).expect("is there").len();
    let mut file = fs::OpenOptions::new().append(true).open(&newest).expect("opens");
    file.write_all(&STREAM.bytes(0..777)).expect("writes half a record");
    let _relay = instance.start_relay(&[]).await;
    let state = state_of(&instance).await;
    assert!(matches!(state, SessionState::Lost { .. }), "{state:?}");
    let log = WholeLog::read(&directory);
    assert_eq!(log.missing, [], "a torn tail is no hole");
    assert_eq!(log.count(RecordKind::Lost), 1);
    STREAM.verify(0, &log.output().1).expect("what was recorded is unchanged");
    assert!(fs::metadata(&newest).expect("is there").len() < before + 777, "the tail is cut");
    let peer = Way::unix(&instance).connect("resumer").await;
    let params = ResumeParams { session: id.clone(), client_env: Default::default(), size: None };
    let resumed = peer.call::<SessionResume>(&params).await.session;
    assert_eq!((resumed.session, resumed.log_id), (session.session, session.log_id));
    assert_eq!(resumed.incarnation.0, 2);
    let mut attachment = peer.attach(&recording(&id, None)).await;
    attachment.until("the second incarnation's output", |it| ends_a_second_time(it, 500_000)).await;
    STREAM.verify(0, &attachment.text[..500_000]).expect("the old stream first");
}

/// The stream came again, whatever the resume put between the two to reset the terminal.
fn ends_a_second_time(attachment: &Attachment, bytes: usize) -> bool {
    let text = &attachment.text;
    text.len() > 2 * bytes && STREAM.verify(0, &text[text.len() - bytes..]).is_ok()
}

#[tokio::test]
async fn a_flipped_bit_in_the_middle_is_a_gap_of_known_size_and_the_rest_is_read() {
    let instance = Instance::new();
    let relay = instance.start_relay(&[]).await;
    let session = emitted(&instance, 2_000_000).await;
    let id = session.session.to_string();
    relay.kill().await;
    let oldest = segments(&instance.session_directory(&id)).swap_remove(0);
    flip(&oldest, 700_000);
    // the holder lives: what it wrote before is damaged under it
    let _relay = instance.start_relay(&[]).await;
    let local = Way::unix(&instance);
    let mut canary = Canary::start(&local).await;
    let mut attachment = local.connect("reader").await.attach(&recording(&id, None)).await;
    attachment.known = Some(STREAM);
    attachment.until("the end", |it| it.out.0 == 2_000_000).await;
    let [(from, to)] = attachment.gaps[..] else { panic!("one gap: {:?}", attachment.gaps) };
    assert!(from.0 < to.0 && to.0 - from.0 <= 64 * 1024, "{from}..{to}");
    canary.sings().await;
    let log = WholeLog::read(&instance.session_directory(&id));
    assert_eq!(
        log.missing.iter().map(|it| (it.from.out, it.to.out)).collect::<Vec<_>>(),
        [(from, to)]
    );
}

fn flip(path: &Path, offset: u64) {
    let bytes = fs::read(path).expect("reads");
    let mut file = fs::OpenOptions::new().write(true).open(path).expect("opens");
    file.seek(SeekFrom::Start(offset)).expect("seeks");
    file.write_all(&[bytes[offset as usize] ^ 0x20]).expect("writes");
}

/// A small file system; unmounted when it is dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where it cannot be mounted: that needs root.
    fn mount(on: &Path, options: &str) -> Option<Self> {
        fs::create_dir_all(on).expect("makes the directory");
        let mount = std::process::Command::new("mount");
        let words = ["-t", "tmpfs", "-o", options, "tmpfs"];
        run(mount, &words, on).then(|| Self(on.to_owned()))
    }
    fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        assert!(run(std::process::Command::new("mount"), &["-o", &options], &self.0), "remounts");
    }
}

fn run(mut command: std::process::Command, words: &[&str], on: &Path) -> bool {
    let output = command.args(words).arg(on).output();
    output.is_ok_and(|output| output.status.success())
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run(std::process::Command::new("umount"), &["-l"], &self.0);
    }
}

#[tokio::test]
async fn on_a_full_disk_a_terminal_goes_on_and_says_so_and_its_end_is_recorded() {
    let instance = Instance::new();
    let sessions = instance.directory().join("sessions");
    instance.configure("[logs]\nsession_bytes = 16777216\n");
    let Some(disk) = SmallDisk::mount(&sessions, "size=3m,mode=0700") else {
        tools::not_checked("a small file system needs root");
        return;
    };
    let _relay = instance.start_relay(&[]).await;
    let local = Way::unix(&instance);
    let mut canary = Canary::start(&local).await;
    let peer = local.connect("filler").await;
    let go = instance.path("go");
    rustix::fs::mkfifoat(rustix::fs::CWD, &go, rustix::fs::Mode::from(0o600)).expect("a fifo");
    let program = program_binary().display().to_string();
    let gate = format!("gate:{}", go.display());
    let emit = format!("emit:lines:31:{}", 6_000_000);
    let words = [program.as_str(), "raw", &gate, &emit, "print:over", "echo", "wait"];
    let session = peer.create(words).await;
    let id = session.session.to_string();
    let mut attachment = peer.attach(&watching(&id, AttachRole::Auto)).await;
    fs::OpenOptions::new().write(true).open(&go).expect("the program waits at the gate");
    // the program is not held up by the disk
    attachment.until("the end of the flood", |it| it.out.0 >= 6_000_000).await;
    attachment.until_text("over").await;
    let stalled = local.connect("looker").await.call::<SessionList>(&Empty {}).await;
    let state = stalled.sessions.into_iter().find(|it| it.session == session.session);
    let state = state.expect("is listed").state;
    assert!(matches!(&state, SessionState::Stalled { why } if why == "disk_full"), "{state:?}");
    // it can be typed into, and the other session too
    attachment.type_applied(b"still here").await;
    attachment.until_text("still here").await;
    canary.sings().await;
    let stop = StopParams { session: id.clone(), rung_ms: Some(100), now: true, reason: None };
    attachment.peer.call::<SessionStop>(&stop).await;
    let ended = |it: &Attachment| it.events.iter().any(|event| event.event == "exit");
    attachment.until("the exit", ended).await;
    let log = WholeLog::read(&instance.session_directory(&id));
    assert_eq!(log.count(RecordKind::Exit), 1, "the reserve keeps the exit recordable");
    let mut at = 0;
    for record in log.records.iter().filter(|it| it.header.kind == RecordKind::Output) {
        let from = record.header.at.out.0;
        assert!(from >= at);
        let until = record.payload.len().min(6_000_000_usize.saturating_sub(from as usize));
        STREAM.verify(from, &record.payload[..until]).expect("what is recorded is right");
        at = from + record.payload.len() as u64;
    }
    drop(disk);
}

#[tokio::test]
async fn a_state_directory_that_cannot_be_written_is_an_error_with_a_hint() {
    let instance = Instance::new();
    let Some(disk) = SmallDisk::mount(&instance.directory(), "size=8m,mode=0700") else {
        tools::not_checked("a read-only file system needs root");
        return;
    };
    disk.remount("ro");
    let refused = instance.try_start_relay(&[]).await.expect_err("cannot start");
    assert_eq!(refused.code(), Some(1), "{refused:?}");
    assert!(refused.stderr.contains("hints"), "says what to do: {refused:?}");
    let directory = instance.directory().display().to_string();
    assert!(refused.stderr.contains(&directory), "names the directory: {refused:?}");
    disk.remount("rw");
    let relay = instance.start_relay(&[]).await;
    let local = Way::unix(&instance);
    let mut canary = Canary::start(&local).await;
    // full under a running relay: what runs goes on, what is new says why not
    fill(&instance.path("state/instances/default/ballast"));
    canary.sings().await;
    let refused = instance.qd(["run", "--detach", "--json", "--", "/bin/cat"]).await;
    assert!(!refused.status.success());
    assert!(refused.stderr.contains("\"storage\""), "{refused:?}");
    assert!(refused.stderr.contains("hint"), "{refused:?}");
    fs::remove_file(instance.path("state/instances/default/ballast")).expect("makes room");
    let _ = instance.qd(["run", "--detach", "--", "/bin/cat"]).await.ok();
    canary.sings().await;
    drop(relay);
}

/// Writes until there is no room.
fn fill(path: &Path) {
    let mut file = fs::File::create(path).expect("makes a file");
    while file.write_all(&[0; 4096]).is_ok() {}
}

#[tokio::test]
async fn a_directory_that_others_can_write_is_refused() {
    let instance = Instance::new();
    instance.configure("");
    fs::set_permissions(instance.directory(), fs::Permissions::from_mode(0o777)).expect("opens it");
    let refused = instance.try_start_relay(&[]).await.expect_err("does not start");
    assert!(refused.stderr.contains("hints"), "{refused:?}");
}

#[tokio::test]
async fn a_clock_that_jumped_back_orders_nothing_and_hides_nothing() {
    let instance = Instance::new();
    let relay = instance.start_relay(&[]).await;
    let session = emitted(&instance, 100_000).await;
    let id = session.session.to_string();
    all_killed(&instance, relay).await;
    // as if everything had been recorded by a clock ten years ahead
    let directory = instance.session_directory(&id);
    let ahead = 10 * 365 * 24 * 3600 * 1_000_000_u64;
    for segment in segments(&directory) {
        shift_times(&segment, ahead);
    }
    let _relay = instance.start_relay(&[]).await;
    let local = Way::unix(&instance);
    let peer = local.connect("resumer").await;
    let params = ResumeParams { session: id.clone(), client_env: Default::default(), size: None };
    peer.call::<SessionResume>(&params).await;
    let mut attachment = peer.attach(&recording(&id, None)).await;
    attachment.until("both streams", |it| ends_a_second_time(it, 100_000)).await;
    STREAM.verify(0, &attachment.text[..100_000]).expect("the old stream first");
    let page = LogParams { session: id.clone(), after: None, max: None };
    let entries = local.connect("reader").await.call::<SessionLog>(&page).await.entries;
    assert!(entries.windows(2).all(|pair| pair[0].seq < pair[1].seq), "order is by number");
    let ls = instance.qd(["ls"]).await.ok();
    assert!(ls.text().contains("running"), "{}", ls.text());
    let gc = instance.qd(["gc", "--json"]).await.ok();
    assert!(!gc.text().contains(&id), "what seems to be of the future is not old");
    let _ = until_file(&segments(&directory)[0], |bytes| !bytes.is_empty()).await;
}

/// Rewrites the times in a segment's records, with right checksums.
fn shift_times(segment: &Path, by_micros: u64) {
    let bytes = fs::read(segment).expect("reads");
    let (head, mut rest) = bytes.split_at(SEGMENT_HEADER_BYTES);
    let mut shifted = head.to_vec();
    while let Decoded::Record { header, payload } = decode(rest) {
        let header = RecordHeader { time_micros: header.time_micros + by_micros, ..header };
        shifted.extend_from_slice(&header.encode(payload).expect("fits as before"));
        shifted.extend_from_slice(payload);
        rest = &rest[RECORD_HEADER_BYTES + payload.len()..];
    }
    fs::write(segment, shifted).expect("writes");
}
