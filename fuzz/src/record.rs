//! Records of a log: any bytes decode to a record, the beginning of one, or damage; any payload with a
//! right checksum is a fact or an error, and can be folded.

use bytes::Bytes;
use quarterdeck_protocol::{
    ids::{Incarnation, LogId, Out, Seq, SessionId},
    record::{
        Checkpoint, Decoded, Fact, Lease, LogState, Position, RECORD_HEADER_BYTES, Record,
        RecordHeader, RecordKind, SessionKind, TerminalSize, decode,
    },
};

/// Reads the bytes as they are, and then as payloads of records with a right checksum: kind, length,
/// payload, again and again.
///
/// # Panics
/// When the property is broken.
pub fn check(data: &[u8]) {
    if let Decoded::Record { header, payload } = decode(data) {
        let again = header.encode(payload).expect("its payload fitted before");
        assert_eq!(again, data[..RECORD_HEADER_BYTES]);
    }
    let mut state = LogState::new(facts(), Position::default());
    let mut rest = data;
    while let [kind, length, more @ ..] = rest {
        let (payload, after) = more.split_at(usize::from(*length).min(more.len()));
        fold(&mut state, RecordKind::from_tag(*kind), payload);
        rest = after;
    }
}

fn fold(state: &mut LogState, kind: RecordKind, payload: &[u8]) {
    let at = state.next();
    let header = RecordHeader { kind, flags: 0, time_micros: 1, at };
    let record = Record { header, payload: Bytes::copy_from_slice(payload) };
    let mut bytes = Vec::new();
    record.encode(&mut bytes).expect("is small");
    assert_eq!(decode(&bytes), Decoded::Record { header, payload });
    if let Ok(fact) = Fact::decode(&record) {
        let (kind, payload) = fact.encode();
        let again = Record { header: RecordHeader { kind, ..header }, payload };
        assert_eq!(Fact::decode(&again).ok(), Some(fact), "facts survive being written again");
    }
    state.apply(&header, payload);
    assert_eq!(state.next(), record.next());
    assert!(state.next().seq > at.seq && state.next().out >= at.out);
    let checkpoint = LogState::from_checkpoint(&header, payload);
    assert!(checkpoint.is_none() || kind == RecordKind::Checkpoint);
}

fn facts() -> Checkpoint {
    Checkpoint {
        log_id: LogId::from_bytes([1; 8]),
        session: SessionId::from_bytes([2; 10]),
        kind: SessionKind::Terminal,
        incarnation: Incarnation(0),
        first_start_micros: None,
        lease: Lease::default(),
        size: TerminalSize { cols: 80, rows: 24, xpixel: 0, ypixel: 0 },
        inputs: Vec::new(),
        termios: None,
        ended: None,
        extra: None,
    }
}

/// A record of each kind, as bytes of a log and as kind, length, payload.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let (_, checkpoint) = Fact::Checkpoint(Box::new(facts())).encode();
    let payloads: [(u8, &[u8]); 8] = [
        (2, b"output\r\n"),
        (3, br#"{"client":"c_00112233445566778899aabbccddeeff","n":1,"epoch":1,"bytes":"bHM="}"#),
        (4, br#"{"size":{"cols":80,"rows":24}}"#),
        (5, br#"{"echo":true,"canonical":true,"foreground":"leader"}"#),
        (8, br#"{"epoch":2,"state":"free","why":"release"}"#),
        (11, br#"{"from":0,"to":9,"cause":"damage"}"#),
        (12, br#"{"status":"code","code":0}"#),
        (13, &checkpoint),
    ];
    let mut seeds = Vec::new();
    for (tag, payload) in payloads {
        let at = Position { seq: Seq(1), out: Out(2) };
        let header = RecordHeader { kind: RecordKind::from_tag(tag), flags: 0, time_micros: 1, at };
        let mut bytes = header.encode(payload).expect("is small").to_vec();
        bytes.extend_from_slice(payload);
        seeds.push(bytes);
        let length = u8::try_from(payload.len()).unwrap_or(u8::MAX);
        seeds.push([&[tag, length], payload].concat());
    }
    seeds
}

/// The members of JSON payloads.
#[must_use]
pub fn words() -> Vec<Vec<u8>> {
    let members = [
        "client",
        "n",
        "epoch",
        "bytes",
        "size",
        "cols",
        "rows",
        "echo",
        "canonical",
        "foreground",
        "state",
        "free",
        "held",
        "grace",
        "owner",
        "principal",
        "why",
        "from",
        "to",
        "status",
        "code",
        "signal",
        "left",
        "log_id",
        "session",
        "kind",
        "terminal",
        "inputs",
        "ended",
    ];
    members.iter().map(|word| format!("\"{word}\"").into_bytes()).collect()
}
