//! The holder's socket: any bytes are messages, the beginning of one, or an error.

use quarterdeck_protocol::{
    holder::{
        ExtraRequest, HelloAnswer, HelloRequest, HolderError, Input, InputAck, LaunchAnswer,
        LaunchRequest, Message, Operation, OperationAnswer, ResizeRequest, SignalRequest, Stalled,
        StopRequest, TrimRequest, op,
    },
    ids::{ClientId, Epoch, InputNumber},
    record::{Position, RecordKind},
};
use serde_json::from_slice;

/// Takes message after message off the bytes, and reads each body as its operation does.
///
/// # Panics
/// When the property is broken.
pub fn check(data: &[u8]) {
    let mut rest = data;
    while let Ok(Some((message, size))) = Message::parse(rest) {
        let mut again = Vec::new();
        message.encode(&mut again);
        assert_eq!(again, rest[..size]);
        read_body(message);
        rest = &rest[size..];
    }
}

fn read_body(message: Message<'_>) {
    let body = message.body;
    // results are dropped: that there are some, whatever the bytes, is what is checked
    match message.op {
        op::HELLO => drop(from_slice::<HelloRequest>(body)),
        op::INPUT => {
            if let Some(input) = Input::parse(body) {
                let mut again = Vec::new();
                input.encode(&mut again);
                assert_eq!(again, body);
            }
        }
        op::RESIZE => drop(from_slice::<ResizeRequest>(body)),
        op::SIGNAL => drop(from_slice::<SignalRequest>(body)),
        op::STOP => drop(from_slice::<StopRequest>(body)),
        op::TRIM => drop(from_slice::<TrimRequest>(body)),
        op::EXTRA => drop(from_slice::<ExtraRequest>(body)),
        op::OPERATION => {
            if let Some(operation) = Operation::parse(body) {
                let mut again = Vec::new();
                operation.encode(&mut again);
                assert_eq!(again, body);
            }
        }
        op::OK => {
            drop(from_slice::<HelloAnswer>(body));
            drop(from_slice::<OperationAnswer>(body));
        }
        op::ERROR => drop(from_slice::<HolderError>(body)),
        op::HEAD => {
            if let Some(head) = Position::parse(body) {
                assert_eq!(head.to_bytes(), body[..16]);
            }
        }
        op::INPUT_ACK => {
            if let Some(ack) = InputAck::parse(body) {
                assert_eq!(ack.to_bytes(), body[..26]);
            }
        }
        op::STALLED => drop(from_slice::<Stalled>(body)),
        _ => {
            drop(from_slice::<LaunchRequest>(body));
            drop(from_slice::<LaunchAnswer>(body));
        }
    }
}

/// Some messages, and two in a row.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let client = ClientId::from_bytes([7; 16]);
    let mut input = Vec::new();
    Input { client, epoch: Epoch(1), n: InputNumber(2), bytes: b"ls\r" }.encode(&mut input);
    let mut operation = Vec::new();
    let lines = vec![&b"[1]"[..], b"[2]"];
    Operation { key: "k:1", kind: RecordKind::Note, fact: b"{}", lines }.encode(&mut operation);
    let messages: [(u8, &[u8]); 9] = [
        (op::HELLO, br#"{"generation":1,"protocol":1}"#),
        (op::INPUT, &input),
        (op::RESIZE, br#"{"size":{"cols":80,"rows":24},"by":null}"#),
        (op::SIGNAL, br#"{"signal":2,"to":"foreground"}"#),
        (op::STOP, br#"{"rung_ms":10,"now":true}"#),
        (op::OPERATION, &operation),
        (op::EXTRA, br#"{"extra":{},"next":7}"#),
        (op::HEAD, &[1; 16]),
        (op::INPUT_ACK, &[3; 26]),
    ];
    let encode = |(op, body): &(u8, &[u8])| {
        let mut bytes = Vec::new();
        Message { op: *op, request: 1, body }.encode(&mut bytes);
        bytes
    };
    let mut seeds: Vec<Vec<u8>> = messages.iter().map(encode).collect();
    seeds.push(seeds.concat());
    seeds
}

/// The members of the JSON bodies.
#[must_use]
pub fn words() -> Vec<Vec<u8>> {
    let members =
        ["generation", "protocol", "size", "cols", "rows", "by", "signal", "to", "rung_ms"];
    members.iter().map(|word| format!("\"{word}\":").into_bytes()).collect()
}
