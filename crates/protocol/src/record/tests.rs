use alloc::{borrow::ToOwned, boxed::Box, string::String, vec, vec::Vec};

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::{
    holder::InputEntry,
    ids::{ClientId, Epoch, Incarnation, InputNumber, LogId, SessionId},
    limits::MAX_INPUT_TABLE_CLIENTS,
};

fn header(kind: RecordKind) -> RecordHeader {
    let at = Position { seq: Seq(0x0807_0605_0403_0201), out: Out(0x1817_1615_1413_1211) };
    RecordHeader { kind, flags: 0, time_micros: 0x2827_2625_2423_2221, at }
}

fn client(byte: u8) -> ClientId {
    ClientId::from_bytes([byte; 16])
}

fn owner() -> Owner {
    let principal = "r_00/ada".parse().expect("a principal");
    Owner { client: client(0xaa), principal, name: "laptop".to_owned() }
}

fn size() -> TerminalSize {
    TerminalSize { cols: 80, rows: 24, xpixel: 0, ypixel: 0 }
}

fn raw(text: &str) -> RawJson {
    RawJson::parse(text.to_owned()).expect("JSON")
}

fn checkpoint() -> Checkpoint {
    Checkpoint {
        log_id: LogId::from_bytes([1; 8]),
        session: SessionId::from_bytes([2; 10]),
        kind: SessionKind::Agent,
        incarnation: Incarnation(1),
        first_start_micros: Some(7),
        lease: Lease { epoch: Epoch(3), state: LeaseState::Grace { owner: owner() } },
        size: size(),
        inputs: vec![InputEntry { client: client(0xaa), n: InputNumber(9) }],
        termios: Some(Termios { echo: true, canonical: true, foreground: Foreground::Leader }),
        ended: Some(Ended::Exited { status: ExitStatus::Code { code: 0 }, at_micros: 8 }),
        extra: Some(raw(r#"{"open":[]}"#)),
    }
}

fn start() -> Start {
    Start {
        incarnation: Incarnation(1),
        session: SessionId::from_bytes([2; 10]),
        argv: vec!["sh".to_owned(), "-c".to_owned()],
        cwd: "/src".to_owned(),
        env_names: vec!["PATH".to_owned()],
        size: size(),
        kind: SessionKind::Terminal,
        pid: 42,
        started_by: Some("r_00/ada".parse().expect("a principal")),
        boot_id: "b".to_owned(),
    }
}

fn take() -> LeaseRecord {
    LeaseRecord {
        epoch: Epoch(3),
        state: LeaseState::Held { owner: owner() },
        why: LeaseCause::Take { reason: "stuck".to_owned() },
        by: Some(owner()),
    }
}

/// One fact per kind with the tag, checksum and payload it has on disk. The checksums were computed
/// by an independent implementation.
#[expect(clippy::too_many_lines, reason = "a flat table, one entry per kind")]
fn golden() -> Vec<(Fact, u8, u32, &'static str)> {
    let exit = ExitStatus::Signal { signal: 11, core: true };
    let left = vec![LeftProcess { pid: 43, command: "sleep".to_owned() }];
    let input = Input {
        client: client(0xaa),
        n: InputNumber(2),
        epoch: Epoch(3),
        bytes: Bytes::from_static(b"ls\r\xff"),
    };
    let termios = Termios { echo: false, canonical: true, foreground: Foreground::Job };
    let gap = Gap { from: Out(5), to: Out(9), why: GapCause::DiskFull };
    vec![
        (
            Fact::Start(Box::new(start())),
            1,
            0xad7f_035e,
            r#"{"incarnation":1,"session":"s_02020202020202020202","argv":["sh","-c"],"cwd":"/src","env_names":["PATH"],"size":{"cols":80,"rows":24,"xpixel":0,"ypixel":0},"kind":"terminal","pid":42,"started_by":"r_00/ada","boot_id":"b"}"#,
        ),
        (Fact::Output(Bytes::from_static(b"hi\r\n")), 2, 0x755a_4e43, "hi\r\n"),
        (
            Fact::Input(input),
            3,
            0x9dd5_c322,
            r#"{"client":"c_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","n":2,"epoch":3,"bytes":"bHMN/w=="}"#,
        ),
        (
            Fact::Resize(Resize { size: size(), by: Some(client(0xaa)) }),
            4,
            0x9e39_8b3b,
            r#"{"size":{"cols":80,"rows":24,"xpixel":0,"ypixel":0},"by":"c_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}"#,
        ),
        (
            Fact::Termios(termios),
            5,
            0xef8c_96ff,
            r#"{"echo":false,"canonical":true,"foreground":"job"}"#,
        ),
        (Fact::VendorIn(Bytes::from_static(b"{\"a\":1}\n")), 6, 0x5d9d_55d9, "{\"a\":1}\n"),
        (Fact::VendorOut(Bytes::from_static(b"{\"b\":2}\n")), 7, 0xb0c3_e5cc, "{\"b\":2}\n"),
        (
            Fact::Lease(Box::new(take())),
            8,
            0xf8c8_d6e9,
            r#"{"epoch":3,"state":"held","owner":{"client":"c_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","principal":"r_00/ada","name":"laptop"},"why":"take","reason":"stuck","by":{"client":"c_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","principal":"r_00/ada","name":"laptop"}}"#,
        ),
        (
            Fact::Answer(Answer { key: "k".to_owned(), body: raw(r#"{"allow":true}"#) }),
            9,
            0x2595_75dd,
            r#"{"key":"k","body":{"allow":true}}"#,
        ),
        (
            Fact::Note(Note { topic: "title".to_owned(), body: raw("\"x\"") }),
            10,
            0xafa6_fd40,
            r#"{"topic":"title","body":"x"}"#,
        ),
        (Fact::VendorErr(Bytes::from_static(b"oops\n")), 15, 0x8e70_170f, "oops\n"),
        (Fact::Gap(gap), 11, 0xef58_4514, r#"{"from":5,"to":9,"why":"disk_full"}"#),
        (
            Fact::Exit(Exit { status: exit, left }),
            12,
            0x46c2_eea0,
            r#"{"status":"signal","signal":11,"core":true,"left":[{"pid":43,"command":"sleep"}]}"#,
        ),
        (
            Fact::Checkpoint(Box::new(checkpoint())),
            13,
            0x30dc_e75a,
            r#"{"log_id":"l_0101010101010101","session":"s_02020202020202020202","kind":"agent","incarnation":1,"first_start_micros":7,"lease":{"epoch":3,"state":"grace","owner":{"client":"c_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","principal":"r_00/ada","name":"laptop"}},"size":{"cols":80,"rows":24,"xpixel":0,"ypixel":0},"inputs":[{"client":"c_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","n":9}],"termios":{"echo":true,"canonical":true,"foreground":"leader"},"ended":{"how":"exited","status":{"status":"code","code":0},"at_micros":8},"extra":{"open":[]}}"#,
        ),
        (Fact::Lost(Lost { why: "reboot".to_owned() }), 14, 0x9a85_3d31, r#"{"why":"reboot"}"#),
        (
            Fact::Unknown { kind: RecordKind::Unknown(200), payload: Bytes::from_static(b"new") },
            200,
            0x6d3c_acd8,
            "new",
        ),
    ]
}

#[test]
fn every_kind_has_its_golden_bytes() {
    for (fact, tag, crc, payload_text) in golden() {
        let (kind, payload) = fact.encode();
        let record = Record { header: header(kind), payload };
        let mut bytes = Vec::new();
        record.encode(&mut bytes).expect("small");

        let mut expected = Vec::new();
        expected
            .extend_from_slice(&u32::try_from(payload_text.len()).expect("small").to_le_bytes());
        expected.extend_from_slice(&crc.to_le_bytes());
        expected.extend_from_slice(&[tag, 0, 0, 0]);
        expected.extend_from_slice(&[0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28]);
        expected.extend_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8]);
        expected.extend_from_slice(&[0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18]);
        expected.extend_from_slice(payload_text.as_bytes());
        assert_eq!(String::from_utf8_lossy(&bytes[36..]), payload_text);
        assert_eq!(bytes, expected, "{kind}: crc {:?}", &bytes[4..8]);

        let Decoded::Record { header, payload } = decode(&bytes) else { panic!("{kind}") };
        let read = Record { header, payload: Bytes::copy_from_slice(payload) };
        assert_eq!(read, record);
        assert_eq!(Fact::decode(&read).expect("readable"), fact);
    }
}

#[test]
fn a_record_cut_short_is_incomplete_at_every_byte() {
    let (kind, payload) = (RecordKind::Output, Bytes::from_static(b"some output"));
    let mut bytes = Vec::new();
    Record { header: header(kind), payload }.encode(&mut bytes).expect("small");
    for cut in 0..bytes.len() {
        let needed = if cut < RECORD_HEADER_BYTES { RECORD_HEADER_BYTES } else { bytes.len() };
        assert_eq!(decode(&bytes[..cut]), Decoded::Incomplete { needed }, "{cut}");
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    let (kind, payload) = (RecordKind::Output, Bytes::from_static(b"some output"));
    let mut bytes = Vec::new();
    Record { header: header(kind), payload }.encode(&mut bytes).expect("small");
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let read = decode(&flipped);
        assert!(!matches!(read, Decoded::Record { .. }), "bit {bit}: {read:?}");
    }
}

#[test]
fn zeros_are_no_record() {
    assert!(matches!(decode(&[0; 4096]), Decoded::Damaged { claimed: Some(36) }));
}

#[test]
fn a_payload_above_the_limit_is_refused_by_both_ends() {
    let large = vec![0; MAX_RECORD_PAYLOAD_BYTES + 1];
    assert_eq!(header(RecordKind::Output).encode(&large), Err(PayloadTooLarge(large.len())));
    let mut bytes = vec![0; RECORD_HEADER_BYTES];
    let len = u32::try_from(large.len()).expect("fits");
    bytes[..4].copy_from_slice(&len.to_le_bytes());
    assert_eq!(decode(&bytes), Decoded::Damaged { claimed: None });
}

#[test]
fn every_tag_has_one_kind() {
    for tag in 0..=255 {
        let kind = RecordKind::from_tag(tag);
        assert_eq!(kind.tag(), tag);
        assert_eq!(matches!(kind, RecordKind::Unknown(_)), !(1..=15).contains(&tag), "{tag}");
    }
}

fn decoded(kind: RecordKind, payload: &'static str) -> Fact {
    let record = Record { header: header(kind), payload: Bytes::from_static(payload.as_bytes()) };
    Fact::decode(&record).expect("readable")
}

#[test]
fn what_a_newer_version_added_is_ignored() {
    let unknown = [
        (RecordKind::Exit, r#"{"status":"evicted","by":"x","new":[1]}"#),
        (RecordKind::Lease, r#"{"epoch":4,"state":"shared","owners":[],"why":"vote","new":1}"#),
        (RecordKind::Gap, r#"{"from":1,"to":2,"why":"meteor"}"#),
        (RecordKind::Termios, r#"{"echo":true,"canonical":true,"foreground":"both"}"#),
    ];
    let exit = Exit { status: ExitStatus::Unknown, left: Vec::new() };
    let lease = LeaseRecord {
        epoch: Epoch(4),
        state: LeaseState::Unknown,
        why: LeaseCause::Unknown,
        by: None,
    };
    let gap = Gap { from: Out(1), to: Out(2), why: GapCause::Unknown };
    let termios = Termios { echo: true, canonical: true, foreground: Foreground::Unknown };
    let expected =
        [Fact::Exit(exit), Fact::Lease(Box::new(lease)), Fact::Gap(gap), Fact::Termios(termios)];
    for ((kind, payload), fact) in unknown.into_iter().zip(expected) {
        assert_eq!(decoded(kind, payload), fact);
    }
}

#[test]
fn a_record_with_new_flags_is_of_an_unknown_kind() {
    let flagged = RecordHeader { flags: 1, ..header(RecordKind::Output) };
    let payload = Bytes::from_static(b"packed");
    let record = Record { header: flagged, payload: payload.clone() };
    let fact = Fact::decode(&record).expect("readable");
    assert_eq!(fact, Fact::Unknown { kind: RecordKind::Output, payload });
    assert_eq!(record.next().out, record.header.at.out);
}

/// A log in memory: appends facts, keeps the state as a writer does.
struct Folded(LogState);

impl Folded {
    fn new() -> Self {
        let facts = Checkpoint {
            lease: Lease::default(),
            incarnation: Incarnation(0),
            first_start_micros: None,
            inputs: Vec::new(),
            termios: None,
            ended: None,
            extra: None,
            ..checkpoint()
        };
        Self(LogState::new(facts, Position::default()))
    }
    fn add(&mut self, fact: &Fact, time_micros: u64) -> &LogState {
        let (kind, payload) = fact.encode();
        let header = RecordHeader { kind, flags: 0, time_micros, at: self.0.next() };
        self.0.apply_record(&Record { header, payload });
        &self.0
    }
}

#[test]
fn only_output_and_gaps_move_the_output_count() {
    let mut log = Folded::new();
    for (fact, _, _, _) in golden() {
        let before = log.0.next();
        let after = log.add(&fact, 1).next();
        let out = if let Fact::Output(bytes) = &fact {
            before.out.0 + bytes.len() as u64
        } else if let Fact::Gap(gap) = fact {
            gap.to.0
        } else {
            before.out.0
        };
        assert_eq!(after, Position { seq: before.seq.next(), out: Out(out) });
    }
}

#[test]
fn the_state_follows_lease_size_termios_and_end() {
    let mut log = Folded::new();
    log.add(&Fact::Start(Box::new(start())), 5);
    assert_eq!(log.0.facts().first_start_micros, Some(5));
    assert_eq!(log.0.facts().kind, SessionKind::Terminal);

    let lease = Fact::Lease(Box::new(take()));
    let held = Lease { epoch: Epoch(3), state: LeaseState::Held { owner: owner() } };
    assert_eq!(log.add(&lease, 6).facts().lease, held);
    let wide = TerminalSize { cols: 200, ..size() };
    assert_eq!(log.add(&Fact::Resize(Resize { size: wide, by: None }), 6).facts().size, wide);

    let status = ExitStatus::Oom;
    let exit = Fact::Exit(Exit { status: status.clone(), left: Vec::new() });
    let ended = Ended::Exited { status, at_micros: 7 };
    assert_eq!(log.add(&exit, 7).facts().ended, Some(ended));

    let again = Start { incarnation: Incarnation(2), ..start() };
    let facts = log.add(&Fact::Start(Box::new(again)), 9).facts();
    assert_eq!((facts.incarnation, &facts.ended), (Incarnation(2), &None));
    assert_eq!(facts.first_start_micros, Some(5));
    assert_eq!(facts.lease, held);
}

#[test]
fn a_checkpoint_says_what_its_reader_needs() {
    let mut log = Folded::new();
    for (fact, _, _, _) in golden() {
        log.add(&fact, 3);
    }
    let (kind, payload) = Fact::Checkpoint(Box::new(log.0.facts().clone())).encode();
    let header = RecordHeader { kind, flags: 0, time_micros: 0, at: log.0.next() };
    log.0.apply(&header, &payload);
    assert_eq!(LogState::from_checkpoint(&header, &payload), Some(log.0));
}

#[test]
fn an_exit_that_cannot_be_read_is_still_an_end() {
    let mut log = Folded::new();
    let header = RecordHeader { at: log.0.next(), ..header(RecordKind::Exit) };
    log.0.apply(&header, b"{");
    assert_eq!(log.0.facts().ended, Some(Ended::Unknown));
}

#[test]
fn the_input_table_forgets_the_longest_silent_client() {
    let mut log = Folded::new().0;
    let client = |index: usize| {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&index.to_le_bytes());
        ClientId::from_bytes(bytes)
    };
    for index in 0..MAX_INPUT_TABLE_CLIENTS {
        log.remember_input(client(index), InputNumber(1));
    }
    log.remember_input(client(0), InputNumber(2));
    log.remember_input(client(MAX_INPUT_TABLE_CLIENTS), InputNumber(1));
    assert_eq!(log.facts().inputs.len(), MAX_INPUT_TABLE_CLIENTS);
    assert_eq!(log.last_input(client(0)), Some(InputNumber(2)));
    assert_eq!(log.last_input(client(1)), None);
}

#[cfg(feature = "schema")]
#[test]
fn payloads_have_schemas_with_their_members() {
    let lease = serde_json::to_string(&schemars::schema_for!(LeaseRecord)).expect("JSON");
    let checkpoint = serde_json::to_string(&schemars::schema_for!(Checkpoint)).expect("JSON");
    for (schema, member) in [(&lease, "epoch"), (&lease, "grace_expired"), (&checkpoint, "extra")] {
        assert!(schema.contains(member), "{member} in {schema}");
    }
}

proptest! {
    #[test]
    fn a_record_round_trips(
        tag: u8,
        flags: u8,
        time_micros: u64,
        seq: u64,
        out: u64,
        payload in proptest::collection::vec(any::<u8>(), 0..300),
        behind in proptest::collection::vec(any::<u8>(), 0..50),
    ) {
        let at = Position { seq: Seq(seq), out: Out(out) };
        let header = RecordHeader { kind: RecordKind::from_tag(tag), flags, time_micros, at };
        let record = Record { header, payload: Bytes::from(payload) };
        let mut bytes = Vec::new();
        record.encode(&mut bytes).expect("small");
        prop_assert_eq!(bytes.len(), RECORD_HEADER_BYTES + record.payload.len());
        bytes.extend_from_slice(&behind);
        prop_assert_eq!(decode(&bytes), Decoded::Record { header, payload: &record.payload });
        prop_assert_eq!(peek_header(&bytes), Some(header));
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes);
        let _ = peek_header(&bytes);
    }

    #[test]
    fn no_payload_panics(tag: u8, flags in 0..2_u8, seq: u64, out: u64, payload in "\\PC{0,80}") {
        let at = Position { seq: Seq(seq), out: Out(out) };
        let header = RecordHeader { kind: RecordKind::from_tag(tag), flags, time_micros: 0, at };
        let record = Record { header, payload: Bytes::from(payload.into_bytes()) };
        let _ = Fact::decode(&record);
        let mut state = Folded::new().0;
        state.apply_record(&record);
        prop_assert_eq!(state.next(), record.next());
    }
}

#[test]
fn a_checksum_that_is_right_by_accident_is_no_record() {
    let mut bytes = [0; RECORD_HEADER_BYTES];
    bytes[4..12].fill(0xff);
    assert_eq!(decode(&bytes), Decoded::Damaged { claimed: Some(RECORD_HEADER_BYTES) });
}
