use super::*;

use alloc::{vec, vec::Vec};

use proptest::prelude::*;

const E1: Epoch = Epoch(1);
const E2: Epoch = Epoch(2);

const fn attached(applied: u64, epoch: Option<Epoch>) -> Attached {
    Attached { applied: InputNumber(applied), epoch, incarnation: Incarnation(1) }
}

fn owner() -> InputWindow {
    InputWindow::new(attached(0, Some(E1)))
}

fn drain(window: &mut InputWindow) -> Vec<(u64, u64, Vec<u8>)> {
    let mut frames = Vec::new();
    while let Some(Sending { epoch, n, bytes }) = window.poll_send() {
        frames.push((epoch.0, n.0, bytes.to_vec()));
    }
    frames
}

#[test]
fn each_keystroke_on_an_open_window_goes_at_once_with_its_own_number() {
    let mut window = InputWindow::new(attached(7, Some(E1)));
    assert_eq!(window.push(b"l"), Pushed::All);
    assert_eq!(drain(&mut window), [(1, 8, b"l".to_vec())]);
    assert_eq!(window.push(b"s"), Pushed::All);
    assert_eq!(drain(&mut window), [(1, 9, b"s".to_vec())]);
    assert_eq!(window.handle_ack(InputNumber(9), InputState::Applied), Acked::Applied { bytes: 2 });
    assert_eq!(window.unsettled_bytes(), 0);
}

#[test]
fn a_paste_is_cut_into_frames_and_held_back_at_the_window() {
    let mut window = owner();
    let paste = vec![b'x'; INPUT_WINDOW_BYTES];
    assert_eq!(window.push(&paste), Pushed::All);
    let frames = drain(&mut window);
    assert!(frames.iter().all(|(_, _, bytes)| bytes.len() == MAX_INPUT_BYTES));
    assert_eq!(frames.len(), INPUT_WINDOW_BYTES / MAX_INPUT_BYTES);
    assert_eq!(window.push(&paste[1..]), Pushed::All);
    assert_eq!(window.push(b"ab"), Pushed::Full { taken: 1 });
    assert_eq!(drain(&mut window), []);
    let ack = window.handle_ack(InputNumber(1), InputState::Applied);
    assert_eq!(ack, Acked::Applied { bytes: MAX_INPUT_BYTES });
    assert_eq!(window.push(b"b"), Pushed::Full { taken: 0 });
    assert_eq!(drain(&mut window).len(), 1);
    assert_eq!(window.push(b"b"), Pushed::All);
}

#[test]
fn keystrokes_beyond_the_frames_in_flight_are_joined() {
    let mut window = owner();
    for _ in 0..MAX_FRAMES_IN_FLIGHT + 3 {
        assert_eq!(window.push(b"k"), Pushed::All);
        let _ = drain(&mut window);
    }
    let _ = window.handle_ack(InputNumber(1), InputState::Applied);
    let joined = drain(&mut window);
    assert_eq!(joined, [(1, MAX_FRAMES_IN_FLIGHT as u64 + 1, b"kkk".to_vec())]);
}

#[test]
fn what_is_typed_while_the_link_is_down_goes_after_the_resend() {
    let mut window = owner();
    let _ = window.push(b"a");
    let _ = drain(&mut window);
    let _ = window.push(b"b");
    let _ = drain(&mut window);
    window.handle_link_down();
    let _ = window.push(b"c");
    let _ = window.push(b"d");
    assert_eq!(drain(&mut window), []);
    assert_eq!(window.handle_attached(attached(1, Some(E1))), Discarded { bytes: 0 });
    assert_eq!(drain(&mut window), [(1, 2, b"b".to_vec()), (1, 3, b"cd".to_vec())]);
}

#[test]
fn a_returning_owner_with_a_new_epoch_does_not_resend_what_was_meant_under_the_old() {
    let mut window = owner();
    let _ = window.push(b"yes\r");
    let _ = drain(&mut window);
    window.handle_link_down();
    let _ = window.push(b"rm -r x\r");
    assert_eq!(window.handle_attached(attached(0, Some(E2))), Discarded { bytes: 12 });
    assert_eq!(drain(&mut window), []);
    let _ = window.push(b"q");
    assert_eq!(drain(&mut window), [(2, 2, b"q".to_vec())], "the number 1 is not used twice");
}

#[test]
fn a_program_that_was_started_again_does_not_get_the_input_of_the_one_before() {
    let mut window = owner();
    let _ = window.push(b"exit\r");
    let _ = drain(&mut window);
    window.handle_link_down();
    let again = Attached { incarnation: Incarnation(2), ..attached(0, Some(E1)) };
    assert_eq!(window.handle_attached(again), Discarded { bytes: 5 });
    assert_eq!(drain(&mut window), []);
}

#[test]
fn a_follower_takes_no_input_and_a_lost_lease_drops_what_waits() {
    let mut window = owner();
    let _ = window.push(&vec![b'x'; INPUT_WINDOW_BYTES]);
    let _ = drain(&mut window);
    let _ = window.push(b"tail");
    assert_eq!(window.handle_lease(Some(E1)), Discarded { bytes: 0 });
    assert_eq!(window.handle_lease(None), Discarded { bytes: 4 });
    assert_eq!(window.push(b"x"), Pushed::NotOwner);
    let rejected = window.handle_ack(InputNumber(1), InputState::Rejected);
    assert_eq!(rejected, Acked::Lost { bytes: MAX_INPUT_BYTES });
    assert_eq!(window.unsettled_bytes(), INPUT_WINDOW_BYTES - MAX_INPUT_BYTES);
}

#[test]
fn numbers_go_on_after_those_that_the_holder_knows() {
    let mut window = owner();
    window.handle_link_down();
    // another process that came back as the same client has typed meanwhile
    let _ = window.handle_attached(attached(9, Some(E1)));
    let _ = window.push(b"x");
    assert_eq!(drain(&mut window), [(1, 10, b"x".to_vec())]);
}

#[test]
fn a_rejection_during_the_resend_skips_nothing_behind_it() {
    let mut window = owner();
    for key in [b"a", b"b", b"c"] {
        let _ = window.push(key);
        let _ = drain(&mut window);
    }
    window.handle_link_down();
    let _ = window.handle_attached(attached(0, Some(E1)));
    assert!(window.poll_send().is_some_and(|frame| frame.n == InputNumber(1)));
    let rejected = window.handle_ack(InputNumber(1), InputState::Rejected);
    assert_eq!(rejected, Acked::Lost { bytes: 1 });
    assert_eq!(drain(&mut window), [(1, 2, b"b".to_vec()), (1, 3, b"c".to_vec())]);
}

#[test]
fn a_lease_lost_before_the_resend_drops_the_resend() {
    let mut window = owner();
    let _ = window.push(b"a");
    let _ = drain(&mut window);
    let _ = window.push(b"b");
    let _ = drain(&mut window);
    window.handle_link_down();
    let _ = window.handle_attached(attached(0, Some(E1)));
    assert!(window.poll_send().is_some_and(|frame| frame.n == InputNumber(1)));
    assert_eq!(window.handle_lease(Some(E2)), Discarded { bytes: 1 });
    assert_eq!(drain(&mut window), []);
    assert_eq!(window.unsettled_bytes(), 1);
}

#[test]
fn the_rest_of_a_text_with_a_hole_is_not_typed() {
    let mut window = owner();
    let _ = window.push(&vec![b'x'; INPUT_WINDOW_BYTES]);
    let _ = drain(&mut window);
    let _ = window.push(b"tail");
    let ack = window.handle_ack(InputNumber(4), InputState::Rejected);
    assert_eq!(ack, Acked::Lost { bytes: MAX_INPUT_BYTES + 4 });
    let again = window.handle_ack(InputNumber(4), InputState::Rejected);
    assert_eq!(again, Acked::Nothing);
    assert_eq!(drain(&mut window), []);
}

#[test]
fn an_acknowledgement_of_what_was_never_sent_changes_nothing_that_waits() {
    let mut window = owner();
    let _ = window.push(b"a");
    for state in [InputState::Applied, InputState::Rejected, InputState::Accepted] {
        assert_eq!(window.handle_ack(InputNumber(u64::MAX), state), Acked::Nothing);
    }
    assert_eq!(drain(&mut window), [(1, 1, b"a".to_vec())]);
}

/// The holder's table and the links that lead to it; every link is in order, and a lost one loses the
/// end of what was sent on it.
#[derive(Default)]
struct World {
    last_applied: u64,
    program: Vec<u8>,
    /// The present link, if it is up.
    here: VecDeque<(u64, Vec<u8>)>,
    acks: VecDeque<u64>,
    /// What older links still deliver, each in order.
    older: Vec<VecDeque<(u64, Vec<u8>)>>,
    /// Frames that arrived once and may arrive again.
    copies: Vec<(u64, Vec<u8>)>,
}

impl World {
    fn deliver(&mut self, (n, bytes): (u64, Vec<u8>)) -> u64 {
        if n > self.last_applied {
            self.last_applied = n;
            self.program.extend(&bytes);
        }
        self.copies.push((n, bytes));
        n
    }
}

#[derive(Debug, Clone)]
enum Step {
    Push(usize),
    Send(usize),
    Deliver(usize),
    Ack(usize),
    LoseLink { delivered_later: usize },
    DeliverOlder(usize),
    DeliverCopy(usize),
    Attach,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop_oneof![1..8usize, 1..40_000usize].prop_map(Step::Push),
        4 => (1..6usize).prop_map(Step::Send),
        3 => (1..6usize).prop_map(Step::Deliver),
        2 => (1..6usize).prop_map(Step::Ack),
        1 => (0..6usize).prop_map(|delivered_later| Step::LoseLink { delivered_later }),
        2 => any::<usize>().prop_map(Step::DeliverOlder),
        1 => any::<usize>().prop_map(Step::DeliverCopy),
        2 => Just(Step::Attach),
    ]
}

struct Run {
    window: InputWindow,
    world: World,
    link_up: bool,
    typed: Vec<u8>,
    next_byte: u8,
    /// Bytes of the program's input that were compared already.
    checked: usize,
}

impl Run {
    fn new() -> Self {
        let world = World::default();
        Self { window: owner(), world, link_up: true, typed: Vec::new(), next_byte: 0, checked: 0 }
    }

    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Push(size) => self.push(size),
            Step::Send(count) => self.send(count),
            Step::Deliver(count) => self.deliver(count),
            Step::Ack(count) => self.ack(count),
            Step::LoseLink { delivered_later } => self.lose_link(delivered_later),
            Step::DeliverOlder(pick) => {
                if let Some(link) = pick.checked_rem(self.world.older.len())
                    && let Some(frame) = self.world.older[link].pop_front()
                {
                    self.world.deliver(frame);
                }
            }
            Step::DeliverCopy(pick) => {
                if let Some(copy) = pick.checked_rem(self.world.copies.len()) {
                    let frame = self.world.copies[copy].clone();
                    self.world.deliver(frame);
                }
            }
            Step::Attach => self.attach(),
        }
    }

    fn push(&mut self, size: usize) {
        // bytes in a cycle of a prime length, so that a swap or a hole shows
        let bytes: Vec<u8> = (0..size)
            .map(|_| {
                self.next_byte = (self.next_byte + 1) % 251;
                self.next_byte
            })
            .collect();
        let taken = match self.window.push(&bytes) {
            Pushed::All => size,
            Pushed::Full { taken } => taken,
            Pushed::NotOwner => 0,
        };
        self.typed.extend(&bytes[..taken]);
        self.next_byte = self.typed.last().copied().unwrap_or(0);
    }

    fn send(&mut self, count: usize) {
        for _ in 0..count {
            let Some(frame) = self.window.poll_send() else { return };
            assert!(!frame.bytes.is_empty() && frame.bytes.len() <= MAX_INPUT_BYTES);
            self.world.here.push_back((frame.n.0, frame.bytes.to_vec()));
        }
    }

    fn deliver(&mut self, count: usize) {
        for _ in 0..count {
            let Some(frame) = self.world.here.pop_front() else { return };
            let n = self.world.deliver(frame);
            self.world.acks.push_back(n);
        }
    }

    fn ack(&mut self, count: usize) {
        for _ in 0..count {
            let Some(n) = self.world.acks.pop_front() else { return };
            let _ = self.window.handle_ack(InputNumber(n), InputState::Applied);
        }
    }

    fn lose_link(&mut self, delivered_later: usize) {
        let mut late = core::mem::take(&mut self.world.here);
        late.truncate(delivered_later);
        self.world.older.push(late);
        self.world.acks.clear();
        self.window.handle_link_down();
        self.link_up = false;
    }

    fn attach(&mut self) {
        if !self.link_up {
            let gone = self.window.handle_attached(attached(self.world.last_applied, Some(E1)));
            assert_eq!(gone.bytes, 0);
            self.link_up = true;
        }
    }

    fn check(&mut self) {
        let fresh = &self.world.program[self.checked..];
        let expected = &self.typed[self.checked..];
        assert!(expected.starts_with(fresh), "a byte is missing, twice or swapped");
        self.checked += fresh.len();
        assert!(self.window.unsettled_bytes() <= INPUT_WINDOW_BYTES + MAX_WAITING_BYTES);
    }

    fn finish(mut self) {
        self.attach();
        while self.window.unsettled_bytes() > 0 {
            self.send(usize::MAX);
            self.deliver(usize::MAX);
            self.ack(usize::MAX);
        }
        self.check();
        assert_eq!(self.checked, self.typed.len());
    }
}

proptest! {
    #[test]
    fn every_byte_is_applied_once_and_in_order_whatever_links_do(
        steps in proptest::collection::vec(step(), 0..120)
    ) {
        let mut run = Run::new();
        for step in &steps {
            run.apply(step);
            run.check();
        }
        run.finish();
    }

    #[test]
    fn bytes_of_one_lease_are_never_sent_under_another(
        steps in proptest::collection::vec((0..4u8, 0..3u64), 0..60)
    ) {
        let mut window = InputWindow::new(attached(0, None));
        let mut epoch = 0;
        for (what, value) in steps {
            match what {
                0 => {
                    let bytes = [u8::try_from(epoch % 200).expect("below 200"); 7];
                    let taken = window.push(&bytes) == Pushed::All;
                    prop_assert_eq!(taken, epoch > 0);
                }
                1 => {
                    // 0 = somebody else's lease
                    epoch = value;
                    let _ = window.handle_lease((value > 0).then_some(Epoch(value)));
                }
                2 => window.handle_link_down(),
                _ => {
                    epoch = value;
                    let _ = window.handle_attached(attached(0, (value > 0).then_some(Epoch(value))));
                }
            }
            for (sent_under, _, bytes) in drain(&mut window) {
                prop_assert!(bytes.iter().all(|byte| u64::from(*byte) == sent_under));
            }
        }
    }
}
