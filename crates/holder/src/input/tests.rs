use super::*;
use proptest::prelude::*;

const EPOCH: Epoch = Epoch(3);
const TERMS: Terms = Terms { epoch: EPOCH, running: true };

fn client(byte: u8) -> ClientId {
    ClientId::from_bytes([byte; 16])
}

fn input(n: u64, bytes: &[u8]) -> Input<'_> {
    Input { client: client(1), epoch: EPOCH, n: InputNumber(n), bytes }
}

fn rejected(n: u64, refusal: InputRefusal) -> Verdict {
    let state = InputState::Rejected;
    Verdict::Answered(InputAck { client: client(1), n: InputNumber(n), state, refusal })
}

fn applied(n: u64) -> InputAck {
    let (state, refusal) = (InputState::Applied, InputRefusal::None);
    InputAck { client: client(1), n: InputNumber(n), state, refusal }
}

#[test]
fn an_input_is_applied_when_its_last_byte_is_written() {
    let mut ledger = InputLedger::default();
    assert_eq!(ledger.handle_input(input(1, b"abc"), 7, TERMS), Verdict::Queued);
    assert_eq!(ledger.poll_write(), Some(&b"abc"[..]));
    assert_eq!(ledger.handle_written(2), None);
    assert_eq!(ledger.poll_write(), Some(&b"c"[..]));
    assert!(ledger.table().is_empty());
    assert_eq!(ledger.handle_written(1), Some(Applied { request: 7, ack: applied(1) }));
    assert_eq!(ledger.poll_write(), None);
    assert_eq!(ledger.table(), [InputEntry { client: client(1), n: InputNumber(1) }]);
}

#[test]
fn a_resend_is_acknowledged_and_not_written_again() {
    let mut ledger = InputLedger::default();
    ledger.handle_input(input(1, b"a"), 1, TERMS);
    ledger.handle_written(1);
    let again = ledger.handle_input(input(1, b"a"), 2, TERMS);
    assert_eq!(again, Verdict::Answered(applied(1)));
    assert_eq!(ledger.poll_write(), None);
}

#[test]
fn a_resend_of_waiting_input_moves_the_acknowledgement_to_the_new_request() {
    let mut ledger = InputLedger::default();
    ledger.handle_input(input(1, b"a"), 1, TERMS);
    ledger.handle_new_driver();
    assert_eq!(ledger.handle_input(input(1, b"a"), 9, TERMS), Verdict::InProgress);
    assert_eq!(ledger.handle_written(1), Some(Applied { request: 9, ack: applied(1) }));
    assert_eq!(ledger.poll_write(), None);
}

#[test]
fn input_under_another_epoch_is_refused_and_may_come_again_under_the_right_one() {
    let mut ledger = InputLedger::default();
    let stale = Input { epoch: Epoch(2), ..input(1, b"a") };
    assert_eq!(ledger.handle_input(stale, 1, TERMS), rejected(1, InputRefusal::StaleEpoch));
    assert_eq!(ledger.handle_input(input(1, b"a"), 2, TERMS), Verdict::Queued);
    ledger.handle_written(1);
    // what is applied stays applied, whatever epoch its resend names
    assert_eq!(ledger.handle_input(stale, 3, TERMS), Verdict::Answered(applied(1)));
}

#[test]
fn a_refused_number_is_never_reported_as_applied() {
    let mut ledger = InputLedger::default();
    let stale = Input { epoch: Epoch(2), ..input(1, b"a") };
    ledger.handle_input(stale, 1, TERMS);
    ledger.handle_input(input(2, b"b"), 2, TERMS);
    ledger.handle_written(1);
    let expected = rejected(1, InputRefusal::StaleEpoch);
    assert_eq!(ledger.handle_input(input(1, b"a"), 3, TERMS), expected);
}

#[test]
fn a_program_that_does_not_read_fills_the_queue_and_no_more() {
    let mut ledger = InputLedger::default();
    let chunk = vec![b'x'; 16 * 1024];
    let verdicts: Vec<_> =
        (1..=20).map(|n| ledger.handle_input(input(n, &chunk), 0, TERMS)).collect();
    let queued = verdicts.iter().filter(|verdict| **verdict == Verdict::Queued).count();
    assert_eq!(queued, MAX_PENDING_INPUT_BYTES / (chunk.len() + ENTRY_COST_BYTES));
    assert_eq!(verdicts[19], rejected(20, InputRefusal::Full));

    while ledger.poll_write().is_some() {
        ledger.handle_written(chunk.len());
    }
    assert_eq!(ledger.queued_cost, 0);
    // a later number fits again, a refused one stays refused
    assert_eq!(ledger.handle_input(input(21, b"y"), 0, TERMS), Verdict::Queued);
    assert_eq!(ledger.handle_input(input(20, b"x"), 0, TERMS), rejected(20, InputRefusal::Full));
}

#[test]
fn tiny_inputs_are_bounded_too() {
    let mut ledger = InputLedger::default();
    let first_refused =
        (1..).find(|n| ledger.handle_input(input(*n, b"x"), 0, TERMS) != Verdict::Queued);
    assert!(first_refused.is_some_and(|n| n < 5000), "{first_refused:?}");
}

#[test]
fn what_waits_when_the_program_ends_is_refused() {
    let mut ledger = InputLedger::default();
    ledger.handle_input(input(1, b"a"), 5, TERMS);
    ledger.handle_reply(b"\x1b[0n");
    let ack = InputAck { state: InputState::Rejected, refusal: InputRefusal::Ended, ..applied(1) };
    assert_eq!(ledger.handle_end(), [Applied { request: 5, ack }]);
    let ended = Terms { running: false, ..TERMS };
    assert_eq!(ledger.handle_input(input(1, b"a"), 6, ended), rejected(1, InputRefusal::Ended));
    assert_eq!(ledger.handle_input(input(2, b"a"), 6, ended), rejected(2, InputRefusal::Ended));
    assert_eq!(ledger.poll_write(), None);
}

#[test]
fn a_reply_is_written_in_its_turn_and_acknowledged_to_nobody() {
    let mut ledger = InputLedger::default();
    ledger.handle_reply(b"\x1b[0n");
    ledger.handle_input(input(1, b"a"), 1, TERMS);
    assert_eq!(ledger.handle_written(4), None);
    assert_eq!(ledger.poll_write(), Some(&b"a"[..]));
}

#[test]
fn the_longest_silent_client_is_forgotten_first() {
    let mut ledger = InputLedger::default();
    let entry = |index: usize| {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&index.to_le_bytes());
        ClientId::from_bytes(bytes)
    };
    for index in 0..=MAX_INPUT_TABLE_CLIENTS {
        let input = Input { client: entry(index), ..input(1, b"a") };
        assert_eq!(ledger.handle_input(input, 0, TERMS), Verdict::Queued);
        ledger.handle_written(1);
    }
    let table = ledger.table();
    assert_eq!(table.len(), MAX_INPUT_TABLE_CLIENTS);
    assert!(table.iter().all(|line| line.client != entry(0)));
}

#[test]
fn a_resumed_table_knows_what_was_applied() {
    let entries = [InputEntry { client: client(1), n: InputNumber(8) }];
    let mut ledger = InputLedger::resumed(&entries);
    assert_eq!(ledger.handle_input(input(8, b"a"), 0, TERMS), Verdict::Answered(applied(8)));
    assert_eq!(ledger.table(), entries);
}

proptest! {
    /// Whatever is resent in whatever order, what reaches the program is each accepted number once,
    /// in increasing order.
    #[test]
    fn every_number_is_written_at_most_once_and_in_order(
        steps in proptest::collection::vec((1_u64..20, any::<bool>()), 1..200),
    ) {
        let mut ledger = InputLedger::default();
        let mut written = Vec::new();
        for (n, write) in steps {
            let bytes = [u8::try_from(n).expect("small")];
            ledger.handle_input(input(n, &bytes), 0, TERMS);
            if write && let Some(bytes) = ledger.poll_write().map(<[u8]>::to_vec) {
                written.extend(bytes);
                ledger.handle_written(1);
            }
        }
        prop_assert!(written.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", written);
    }
}
