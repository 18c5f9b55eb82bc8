use std::vec::Vec;

use proptest::prelude::*;

use super::*;

const ADA: PeerKey = PeerKey([1; 32]);
const EVE: PeerKey = PeerKey([2; 32]);
const NOW: Duration = Duration::from_secs(1_000_000);

fn outbox(jobs: &[(i64, PeerKey)]) -> Outbox {
    let mut outbox = Outbox::default();
    for (number, peer) in jobs {
        outbox.handle_job(MailNumber(*number), *peer, NOW + DEFAULT_TTL);
    }
    outbox
}

fn effects(outbox: &mut Outbox) -> Vec<Effect> {
    core::iter::from_fn(|| outbox.poll_effect()).collect()
}

fn transmit(peer: PeerKey, numbers: &[i64]) -> Effect {
    Effect::Transmit { peer, numbers: numbers.iter().copied().map(MailNumber).collect() }
}

fn progress(number: i64, progress: Progress) -> Effect {
    Effect::Progress { number: MailNumber(number), progress }
}

fn outcome(outbox: &mut Outbox, peer: PeerKey, taken: usize, rest: Rest) {
    outbox.handle_outcome(peer, BatchOutcome { taken, rest }, NOW, 0);
}

#[test]
fn messages_to_one_recipient_go_in_order_and_in_batches() {
    let mut outbox = outbox(&[(1, ADA), (2, ADA), (3, EVE), (4, ADA)]);
    assert_eq!(effects(&mut outbox), [transmit(ADA, &[1]), transmit(EVE, &[3])]);
    outcome(&mut outbox, ADA, 1, Rest::Again);
    assert_eq!(effects(&mut outbox), [progress(1, Progress::Sent), transmit(ADA, &[2, 4])]);
}

#[test]
fn the_rest_of_a_batch_comes_first_next_time() {
    let mut outbox = outbox(&[(1, ADA), (2, ADA), (3, ADA)]);
    effects(&mut outbox);
    outcome(&mut outbox, ADA, 1, Rest::Again);
    assert_eq!(effects(&mut outbox).last(), Some(&transmit(ADA, &[2, 3])));
    outbox.handle_job(MailNumber(4), ADA, NOW + DEFAULT_TTL);
    outcome(&mut outbox, ADA, 1, Rest::Again);
    assert_eq!(effects(&mut outbox), [progress(2, Progress::Sent), transmit(ADA, &[3, 4])]);
}

#[test]
fn a_failed_send_is_tried_again_with_growing_pauses() {
    let mut outbox = outbox(&[(1, ADA)]);
    let mut now = NOW;
    for expected in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
        assert_eq!(effects(&mut outbox), [transmit(ADA, &[1])]);
        let later = BatchOutcome { taken: 0, rest: Rest::Later };
        outbox.handle_outcome(ADA, later, now, 0);
        let at = outbox.poll_timeout().expect("pauses");
        assert_eq!(at, now + Duration::from_secs(expected));
        outbox.handle_timeout(at - Duration::from_millis(1));
        assert_eq!(effects(&mut outbox), []);
        outbox.handle_timeout(at);
        now = at;
    }
}

#[test]
fn no_send_is_retried_for_ever() {
    let mut outbox = outbox(&[(1, ADA)]);
    effects(&mut outbox);
    outcome(&mut outbox, ADA, 0, Rest::Later);
    outbox.handle_timeout(NOW + DEFAULT_TTL);
    assert_eq!(effects(&mut outbox), [progress(1, Progress::Failed(Failure::Expired))]);
    assert!(outbox.is_empty());
    assert_eq!(outbox.poll_timeout(), None);
}

#[test]
fn a_message_that_waits_for_a_contact_is_not_sent_twice_however_long_it_waits() {
    let mut outbox = outbox(&[(1, ADA)]);
    assert_eq!(effects(&mut outbox), [transmit(ADA, &[1])]);
    outcome(&mut outbox, ADA, 0, Rest::Blocked);
    outbox.handle_timeout(NOW + Duration::from_secs(3600));
    assert_eq!(effects(&mut outbox), []);
    outbox.handle_reachable(ADA);
    assert_eq!(effects(&mut outbox), [transmit(ADA, &[1])]);
    outbox.handle_reachable(ADA);
    assert_eq!(effects(&mut outbox), [], "it is on its way");
    outcome(&mut outbox, ADA, 1, Rest::Again);
    assert_eq!(effects(&mut outbox), [progress(1, Progress::Sent)]);
}

#[test]
fn one_message_that_can_never_be_sent_does_not_stop_the_others() {
    let mut outbox = outbox(&[(1, ADA)]);
    outbox.handle_job(MailNumber(2), ADA, NOW + DEFAULT_TTL);
    effects(&mut outbox);
    outcome(&mut outbox, ADA, 0, Rest::Never(Failure::Invalid));
    let failed = progress(1, Progress::Failed(Failure::Invalid));
    assert_eq!(effects(&mut outbox), [failed, transmit(ADA, &[2])]);
}

#[test]
fn only_what_is_not_on_its_way_can_be_withdrawn() {
    let mut outbox = outbox(&[(1, ADA), (2, ADA)]);
    effects(&mut outbox);
    assert!(!outbox.try_withdraw(MailNumber(1)));
    assert!(outbox.try_withdraw(MailNumber(2)));
    assert!(!outbox.try_withdraw(MailNumber(2)));
    assert_eq!(effects(&mut outbox), [progress(2, Progress::Failed(Failure::Withdrawn))]);
}

#[test]
fn a_state_only_goes_forward_whatever_order_receipts_come_in() {
    let check = |progress: &[Progress], expected: JobState| {
        let step = |state: JobState, progress: &Progress| state.advance(*progress).unwrap_or(state);
        assert_eq!(progress.iter().fold(JobState::Queued, step), expected, "{progress:?}");
    };
    use Progress::{Delivered, Failed, Read, Sent};
    check(&[Sent, Delivered, Read], JobState::Read);
    check(&[Delivered, Sent], JobState::Delivered);
    check(&[Read, Sent, Delivered, Failed(Failure::Expired)], JobState::Read);
    check(&[Sent, Delivered, Failed(Failure::Expired)], JobState::Delivered);
    let why = Failure::DeadLetter(DeadLetter::Refused);
    check(&[Sent, Failed(why), Delivered], JobState::Failed { why });
}

proptest! {
    #[test]
    fn every_message_ends_once_and_in_the_order_of_its_lane(
        jobs in proptest::collection::vec(any::<bool>(), 1..40),
        outcomes in proptest::collection::vec((any::<bool>(), 0usize..4, 0u8..4, 0u64..100_000), 0..60),
    ) {
        let mut outbox = Outbox::default();
        let mut in_flight: BTreeMap<PeerKey, usize> = BTreeMap::new();
        let mut sent: BTreeMap<PeerKey, Vec<MailNumber>> = BTreeMap::new();
        let mut ended = BTreeSet::new();
        let peer_of = |number: MailNumber, jobs: &[bool]| {
            if jobs[usize::try_from(number.0).expect("small")] { ADA } else { EVE }
        };
        let mut now = NOW;
        let mut drain = |outbox: &mut Outbox, in_flight: &mut BTreeMap<PeerKey, usize>| {
            while let Some(effect) = outbox.poll_effect() {
                match effect {
                    Effect::Transmit { peer, numbers } => {
                        assert!(in_flight.insert(peer, numbers.len()).is_none());
                    }
                    Effect::Progress { number, progress } => {
                        assert!(ended.insert(number), "ends once");
                        if progress == Progress::Sent {
                            sent.entry(peer_of(number, &jobs)).or_default().push(number);
                        }
                    }
                }
            }
        };
        for (number, to_ada) in jobs.iter().enumerate() {
            let number = MailNumber(i64::try_from(number).expect("small"));
            outbox.handle_job(number, if *to_ada { ADA } else { EVE }, NOW + DEFAULT_TTL);
        }
        drain(&mut outbox, &mut in_flight);
        for (to_ada, taken, rest, seconds) in outcomes {
            let peer = if to_ada { ADA } else { EVE };
            now += Duration::from_secs(seconds % 600);
            if let Some(batch) = in_flight.remove(&peer) {
                let rest = [Rest::Again, Rest::Later, Rest::Blocked, Rest::Never(Failure::Invalid)]
                    [usize::from(rest)];
                let outcome = BatchOutcome { taken: taken.min(batch), rest };
                outbox.handle_outcome(peer, outcome, now, 7);
            } else {
                outbox.handle_reachable(peer);
            }
            outbox.handle_timeout(now);
            drain(&mut outbox, &mut in_flight);
        }
        for peer in [ADA, EVE] {
            while in_flight.contains_key(&peer) || outbox.lanes.contains_key(&peer) {
                let taken = in_flight.remove(&peer).unwrap_or_default();
                outbox.handle_outcome(peer, BatchOutcome { taken, rest: Rest::Again }, now, 0);
                outbox.handle_reachable(peer);
                drain(&mut outbox, &mut in_flight);
            }
        }
        prop_assert!(outbox.is_empty());
        prop_assert_eq!(ended.len(), jobs.len());
        for numbers in sent.values() {
            prop_assert!(numbers.is_sorted(), "{:?}", numbers);
        }
    }
}
