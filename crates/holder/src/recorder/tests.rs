use std::{io::Read as _, os::unix::net::UnixStream};

use quarterdeck_protocol::{
    holder::Message,
    ids::{Out, Seq},
    limits::FULL_DISK_RING_BYTES,
    record::{ExitStatus, Gap, GapCause, Note, RawJson},
};

use super::*;
use crate::{
    driver::ConnectionId,
    journal::fake::{Condition, FakeJournal, output},
    shared::Known,
};

struct Bench {
    disk: FakeJournal,
    recorder: Recorder<FakeJournal>,
    shared: Arc<Shared>,
    driver: UnixStream,
}

impl Bench {
    fn new() -> Self {
        let disk = FakeJournal::new();
        let shared = Arc::new(Shared::new(Known::default()).expect("shared"));
        let (ours, driver) = UnixStream::pair().expect("a pair");
        ours.set_nonblocking(true).expect("nonblocking");
        driver.set_nonblocking(true).expect("nonblocking");
        shared.link.attach(ConnectionId(1), ours, Vec::new(), Position::default());
        let retention = Retention { keep_bytes: u64::MAX, pinned_from: None };
        let recorder = Recorder::new(disk.clone(), Arc::clone(&shared), retention);
        Self { disk, recorder, shared, driver }
    }

    /// What the driver was told since the last call: operations and bodies.
    fn told(&mut self) -> Vec<(u8, Vec<u8>)> {
        let mut bytes = Vec::new();
        // ends with `WouldBlock`
        let _ = self.driver.read_to_end(&mut bytes);
        let (mut rest, mut told) = (&bytes[..], Vec::new());
        while let Ok(Some((message, size))) = Message::parse(rest) {
            told.push((message.op, message.body.to_vec()));
            rest = &rest[size..];
        }
        told
    }

    fn stalled(&mut self) -> Vec<String> {
        let read = |body: &[u8]| serde_json::from_slice::<Stalled>(body).expect("json").why;
        let told = self.told().into_iter().filter(|(op, _)| *op == op::STALLED);
        told.map(|(_, body)| read(&body)).collect()
    }

    fn gaps(&self) -> Vec<Gap> {
        let disk = self.disk.disk();
        let gaps = disk.records.iter().filter(|(kind, _)| *kind == RecordKind::Gap);
        gaps.map(|(_, payload)| serde_json::from_slice(payload).expect("json")).collect()
    }

    fn kinds(&self) -> Vec<RecordKind> {
        self.disk.disk().records.iter().map(|(kind, _)| *kind).collect()
    }
}

fn note() -> Fact {
    Fact::Note(Note { topic: "t".to_owned(), body: RawJson::from_value(&1).expect("json") })
}

#[test]
fn output_on_a_full_disk_goes_to_the_driver_and_into_the_log_when_there_is_room() {
    let mut bench = Bench::new();
    bench.recorder.record_output(b"before ");
    bench.disk.set(Condition::Full);
    bench.recorder.record_output(b"full ");
    bench.recorder.record_output(b"still ");
    let unrecorded: Vec<_> =
        bench.told().into_iter().filter(|(op, _)| *op == op::UNRECORDED).collect();
    let expected = [(7_u64, &b"full "[..]), (12, b"still ")];
    let expected = expected.map(|(out, bytes)| [&out.to_le_bytes()[..], bytes].concat());
    assert_eq!(unrecorded.into_iter().map(|(_, body)| body).collect::<Vec<_>>(), expected);
    assert_eq!(
        bench.shared.known().stalled.as_ref().map(|s| s.why.clone()),
        Some("disk_full".into())
    );

    bench.recorder.tell_unrecorded();
    let again = [&7_u64.to_le_bytes()[..], b"full still "].concat();
    assert_eq!(bench.told(), [(op::UNRECORDED, again)]);

    bench.disk.set(Condition::Healthy);
    bench.recorder.record_output(b"after");
    let (bytes, out) = output(&bench.disk.disk());
    assert_eq!((&bytes[..], out), (&b"before full still after"[..], Out(23)));
    assert!(bench.gaps().is_empty());
    assert_eq!(bench.shared.known().stalled, None);
    assert_eq!(bench.shared.known().head, bench.disk.head());
}

#[test]
fn the_state_of_the_disk_is_told_when_it_changes() {
    let mut bench = Bench::new();
    for condition in [Condition::Full, Condition::Full, Condition::ReadOnly, Condition::Healthy] {
        bench.disk.set(condition);
        bench.recorder.record_output(b"x");
    }
    assert_eq!(bench.stalled(), ["disk_full", "read_only", ""]);
}

#[test]
fn what_the_ring_lost_is_a_gap_of_exactly_that_size() {
    let mut bench = Bench::new();
    bench.recorder.record_output(b"ab");
    bench.disk.set(Condition::Full);
    let chunk = vec![b'x'; 60_000];
    for _ in 0..10 {
        bench.recorder.record_output(&chunk);
    }
    bench.disk.set(Condition::Healthy);
    bench.recorder.retry();
    let lost = 600_000 - FULL_DISK_RING_BYTES as u64;
    assert_eq!(bench.gaps(), [Gap { from: Out(2), to: Out(2 + lost), why: GapCause::DiskFull }]);
    let (bytes, out) = output(&bench.disk.disk());
    assert_eq!((bytes.len(), out), (2 + FULL_DISK_RING_BYTES, Out(600_002)));
}

#[test]
fn own_old_segments_go_first() {
    let mut bench = Bench::new();
    bench.disk.disk().old_segments = 2;
    bench.disk.set(Condition::Full);
    bench.recorder.record_output(b"x");
    assert_eq!(output(&bench.disk.disk()).0, b"x");
    assert_eq!(bench.disk.disk().old_segments, 1);
    assert!(bench.stalled().is_empty());
}

#[test]
fn a_fact_waits_behind_output_and_a_vital_one_does_not() {
    let mut bench = Bench::new();
    bench.disk.set(Condition::Full);
    bench.recorder.record_output(b"x");
    assert_eq!(bench.recorder.record(&note()), Err(NotRecorded::DiskFull));
    bench.recorder.record_payload(RecordKind::Lease, b"{}", Class::Vital).expect("the reserve");
    bench.disk.set(Condition::Healthy);
    bench.recorder.record(&note()).expect("room");
    assert_eq!(bench.kinds(), [RecordKind::Lease, RecordKind::Output, RecordKind::Note]);
}

#[test]
fn an_exit_on_a_full_disk_says_where_the_output_ends() {
    let mut bench = Bench::new();
    bench.disk.set(Condition::Full);
    bench.recorder.record_output(b"lost");
    let exit = Exit { status: ExitStatus::Code { code: 0 }, left: Vec::new() };
    assert_eq!(bench.recorder.record_exit(&exit, 0), None);
    assert_eq!(bench.gaps(), [Gap { from: Out(0), to: Out(4), why: GapCause::DiskFull }]);
    assert_eq!(bench.kinds(), [RecordKind::Gap, RecordKind::Exit]);
}

#[test]
fn an_exit_that_finds_no_room_is_tried_again_and_recorded_once() {
    let mut bench = Bench::new();
    bench.disk.set(Condition::BrimFull);
    bench.recorder.record_output(b"lost");
    let exit = Exit { status: ExitStatus::Oom, left: Vec::new() };
    let pause = bench.recorder.record_exit(&exit, 0);
    assert!(pause.is_some_and(|pause| pause <= RETRY_INTERVAL));
    assert_eq!(bench.recorder.record_exit(&exit, EXIT_TRIES), None, "it tries for ever");
    bench.disk.set(Condition::Healthy);
    assert_eq!(bench.recorder.record_exit(&exit, 1), None);
    assert_eq!(bench.kinds(), [RecordKind::Gap, RecordKind::Exit]);
}

#[test]
fn retention_is_kept_while_output_comes() {
    let mut bench = Bench::new();
    bench.recorder.retain(Retention { keep_bytes: 1, pinned_from: Some(Seq(0)) }).expect("trims");
    bench.disk.disk().old_segments = 3;
    bench.recorder.record_output(b"into the old segment");
    assert_eq!(bench.disk.disk().old_segments, 3);
    bench.disk.disk().segment_is_full = true;
    bench.recorder.record_output(b"into the next");
    assert_eq!(bench.disk.disk().old_segments, 0);
}
