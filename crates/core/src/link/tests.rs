//! The link's rules, as a specification in virtual time.

use super::*;
use proptest::prelude::*;
use std::{vec, vec::Vec};

const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn effects(link: &mut Link) -> Vec<Effect> {
    core::iter::from_fn(|| link.poll_effect()).collect()
}

fn dialling() -> (Link, Attempt) {
    let mut link = Link::new(7);
    link.handle_connect(at(0));
    let attempt = Attempt(1);
    assert_eq!(effects(&mut link), [Effect::Dial(attempt), Effect::Show(Status::Connecting)]);
    (link, attempt)
}

fn ready() -> (Link, Attempt) {
    let (mut link, attempt) = dialling();
    link.handle_dialled(attempt, Ok(()), at(0));
    assert_eq!(effects(&mut link), [Effect::Show(Status::Ready)]);
    (link, attempt)
}

fn waiting() -> Link {
    let (mut link, attempt) = dialling();
    link.handle_dialled(attempt, Err(DialFailure::Retry), at(0));
    assert!(matches!(link.status(), Status::Reconnecting { .. }));
    effects(&mut link);
    link
}

fn refused() -> Link {
    let (mut link, attempt) = dialling();
    let failure = DialFailure::Refused(Refusal::BadCredential);
    link.handle_dialled(attempt, Err(failure), at(0));
    effects(&mut link);
    link
}

/// The wait that is shown, which must be the wait that happens.
fn shown_wait(link: &mut Link, now: Duration) -> Duration {
    let shown = effects(link);
    let Some(Effect::Show(Status::Reconnecting { wait })) = shown.last() else {
        panic!("not reconnecting: {shown:?}")
    };
    assert_eq!(link.poll_timeout(), Some(now + *wait));
    *wait
}

#[test]
fn a_new_link_does_nothing_until_somebody_wants_it() {
    let mut link = Link::new(1);
    link.handle_timeout(at(1000));
    assert_eq!(effects(&mut link), []);
    assert_eq!((link.poll_timeout(), link.status()), (None, Status::Idle));
}

#[test]
fn the_first_dial_is_at_once_and_without_a_probe() {
    dialling();
}

#[test]
fn waits_climb_the_ladder_and_stay_at_its_end() {
    let (mut link, mut attempt) = dialling();
    let mut now = at(0);
    for step in (0..RETRY_LADDER.len()).chain([5, 5, 5]) {
        link.handle_dialled(attempt, Err(DialFailure::Retry), now);
        let wait = shown_wait(&mut link, now);
        assert!(wait <= RETRY_LADDER[step] && wait >= RETRY_LADDER[step] / 2, "{step}: {wait:?}");
        now += wait;
        link.handle_timeout(now);
        let Some(Effect::Probe(probe)) = link.poll_effect() else { panic!("no probe") };
        link.handle_probed(probe, Probe::Reached, now);
        let after = effects(&mut link);
        let Some(Effect::Dial(next)) = after.last() else { panic!("no dial: {after:?}") };
        attempt = *next;
    }
}

#[test]
fn a_failed_probe_is_a_failure_and_a_good_one_is_not_yet_success() {
    let mut link = waiting();
    let mut now = link.poll_timeout().expect("waits");
    link.handle_timeout(now);
    let Some(Effect::Probe(first)) = link.poll_effect() else { panic!("no probe") };
    link.handle_probed(first, Probe::Unreachable, now);
    assert!(shown_wait(&mut link, now) >= at(1));
    // the relay's host is up, but the relay refuses each dial: the loop goes on, ever slower
    for _ in 0..20 {
        effects(&mut link);
        now = link.poll_timeout().expect("waits");
        link.handle_timeout(now);
        let Some(Effect::Probe(probe)) = link.poll_effect() else { panic!("no probe") };
        link.handle_probed(probe, Probe::Reached, now);
        let after = effects(&mut link);
        let Some(Effect::Dial(dial)) = after.last() else { panic!("no dial: {after:?}") };
        link.handle_dialled(*dial, Err(DialFailure::Retry), now);
    }
    assert!(shown_wait(&mut link, now) >= at(15));
}

#[test]
fn a_stable_link_that_is_lost_is_dialled_at_once() {
    let (mut link, attempt) = ready();
    link.handle_lost(attempt, STABLE_AFTER);
    assert!(matches!(effects(&mut link)[..], [Effect::Dial(_), Effect::Show(Status::Connecting)]));
}

#[test]
fn a_link_that_flaps_climbs_the_ladder() {
    let (mut link, mut attempt) = ready();
    let mut now = at(0);
    for step in RETRY_LADDER {
        now += at(1);
        link.handle_lost(attempt, now);
        let wait = shown_wait(&mut link, now);
        assert!(wait >= step / 2);
        now += wait;
        link.handle_timeout(now);
        let Some(Effect::Probe(probe)) = link.poll_effect() else { panic!("no probe") };
        link.handle_probed(probe, Probe::Reached, now);
        let after = effects(&mut link);
        let Some(Effect::Dial(next)) = after.last() else { panic!("no dial: {after:?}") };
        attempt = *next;
        link.handle_dialled(attempt, Ok(()), now);
        effects(&mut link);
    }
}

#[test]
fn a_refusal_is_final_until_something_changes() {
    for why in [
        Refusal::BadCredential,
        Refusal::PinMismatch { seen: Pin::of_spki(b"key") },
        Refusal::RelayChanged {
            expected: RelayId::from_bytes([1; 16]),
            seen: RelayId::from_bytes([2; 16]),
        },
        Refusal::Version,
    ] {
        let (mut link, attempt) = dialling();
        link.handle_dialled(attempt, Err(DialFailure::Refused(why)), at(1));
        assert_eq!(effects(&mut link), [Effect::Show(Status::Refused { why })]);
        assert_eq!(link.poll_timeout(), None);
        link.handle_timeout(at(1_000_000));
        assert_eq!(effects(&mut link), []);
        link.handle_changed(at(1_000_000));
        assert!(matches!(effects(&mut link)[..], [Effect::Dial(_), Effect::Show(_)]));
    }
}

#[test]
fn a_relay_that_names_a_wait_is_given_it() {
    let (mut link, attempt) = dialling();
    let failure = DialFailure::RetryNotBefore(at(300));
    link.handle_dialled(attempt, Err(failure), at(0));
    assert_eq!(shown_wait(&mut link, at(0)), at(300));
}

#[test]
fn a_manual_connect_ends_any_wait_and_any_refusal() {
    for mut link in [waiting(), refused()] {
        link.handle_connect(at(0));
        assert!(matches!(effects(&mut link)[..], [Effect::Dial(_), Effect::Show(_)]));
        assert_eq!(link.failures, 0);
    }
}

#[test]
fn a_manual_connect_does_not_open_a_second_connection() {
    let (mut link, _) = dialling();
    link.handle_connect(at(1));
    assert_eq!(effects(&mut link), []);
    let (mut link, _) = ready();
    link.handle_connect(at(1));
    assert_eq!(effects(&mut link), []);
}

#[test]
fn a_change_stops_the_attempt_that_uses_the_old_credential() {
    let (mut link, old) = dialling();
    link.handle_changed(at(1));
    assert_eq!(effects(&mut link), [Effect::Abandon(old), Effect::Dial(Attempt(2))]);
    link.handle_dialled(old, Err(DialFailure::Refused(Refusal::BadCredential)), at(2));
    assert_eq!((effects(&mut link), link.status()), (vec![], Status::Connecting));
}

#[test]
fn removal_stops_whatever_happens_and_nothing_follows() {
    let (dials, dial) = dialling();
    let (is_ready, connection) = ready();
    for (mut link, abandoned) in [
        (Link::new(1), None),
        (waiting(), None),
        (refused(), None),
        (dials, Some(dial)),
        (is_ready, Some(connection)),
    ] {
        link.handle_remove();
        let mut expected: Vec<_> = abandoned.map(Effect::Abandon).into_iter().collect();
        expected.push(Effect::Show(Status::Removed));
        assert_eq!(effects(&mut link), expected);
        link.handle_connect(at(9));
        link.handle_changed(at(9));
        link.handle_disconnect();
        link.handle_dialled(dial, Ok(()), at(9));
        link.handle_lost(connection, at(9));
        link.handle_timeout(at(9));
        assert_eq!((effects(&mut link), link.poll_timeout()), (vec![], None));
    }
}

#[test]
fn a_disconnected_link_rests_until_connect() {
    let (mut link, attempt) = ready();
    link.handle_disconnect();
    let expected = [Effect::Abandon(attempt), Effect::Show(Status::Idle)];
    assert_eq!(effects(&mut link), expected);
    link.handle_lost(attempt, at(99));
    assert_eq!((effects(&mut link), link.poll_timeout()), (vec![], None));
    link.handle_connect(at(100));
    assert!(matches!(effects(&mut link)[..], [Effect::Dial(_), Effect::Show(_)]));
}

#[test]
fn an_attempt_that_never_ends_is_abandoned() {
    let (mut link, dial) = dialling();
    link.handle_timeout(DIAL_LIMIT);
    assert_eq!(link.poll_effect(), Some(Effect::Abandon(dial)));
    shown_wait(&mut link, DIAL_LIMIT);
    let begun = link.poll_timeout().expect("waits");
    link.handle_timeout(begun);
    let Some(Effect::Probe(probe)) = link.poll_effect() else { panic!("no probe") };
    effects(&mut link);
    assert_eq!(link.poll_timeout(), Some(begun + PROBE_LIMIT));
    link.handle_timeout(begun + PROBE_LIMIT);
    assert_eq!(link.poll_effect(), Some(Effect::Abandon(probe)));
    // its late answers change nothing
    effects(&mut link);
    link.handle_probed(probe, Probe::Reached, begun + at(6));
    link.handle_dialled(dial, Ok(()), begun + at(6));
    assert_eq!(effects(&mut link), []);
}

#[test]
fn a_late_answer_does_not_stand_in_for_the_attempt_under_way() {
    let mut link = waiting();
    let mut probes = Vec::new();
    for _ in 0..2 {
        let now = link.poll_timeout().expect("waits");
        link.handle_timeout(now);
        let Some(Effect::Probe(probe)) = link.poll_effect() else { panic!("no probe") };
        probes.push((probe, now));
        if probes.len() == 1 {
            link.handle_timeout(now + PROBE_LIMIT);
        }
        effects(&mut link);
    }
    let (first, _) = probes[0];
    let (second, now) = probes[1];
    link.handle_probed(first, Probe::Reached, now);
    assert_eq!(effects(&mut link), []);
    link.handle_probed(second, Probe::Reached, now);
    assert!(matches!(link.poll_effect(), Some(Effect::Dial(_))));
}

/// What the outside world does to a link.
#[derive(Debug, Clone, Copy)]
enum Happens {
    Connect,
    Changed,
    Disconnect,
    TimePasses(u16),
    Probed(bool),
    Dialled(u8),
    Lost,
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        Just(Happens::Connect),
        Just(Happens::Changed),
        Just(Happens::Disconnect),
        any::<u16>().prop_map(|s| Happens::TimePasses(s % 70)),
        any::<bool>().prop_map(Happens::Probed),
        (0u8..4).prop_map(Happens::Dialled),
        Just(Happens::Lost),
    ]
}

proptest! {
    #[test]
    fn never_two_attempts_at_a_time_and_never_stuck(
        seed: u64,
        story in proptest::collection::vec(happens(), 0..60),
    ) {
        let mut link = Link::new(seed);
        let mut now = Duration::ZERO;
        let mut live = None;
        let mut newest = Attempt(0);
        for event in story {
            match event {
                Happens::Connect => link.handle_connect(now),
                Happens::Changed => link.handle_changed(now),
                Happens::Disconnect => link.handle_disconnect(),
                Happens::TimePasses(seconds) => {
                    now += Duration::from_secs(seconds.into());
                    link.handle_timeout(now);
                }
                Happens::Probed(up) => {
                    let found = if up { Probe::Reached } else { Probe::Unreachable };
                    if matches!(link.state, State::Probing { .. }) {
                        live = None;
                    }
                    link.handle_probed(newest, found, now);
                }
                Happens::Dialled(how) => {
                    let ended = match how {
                        0 => Ok(()),
                        1 => Err(DialFailure::Retry),
                        2 => Err(DialFailure::RetryNotBefore(Duration::from_secs(40))),
                        _ => Err(DialFailure::Refused(Refusal::Version)),
                    };
                    if matches!(link.state, State::Dialling { .. }) && ended.is_err() {
                        live = None;
                    }
                    link.handle_dialled(newest, ended, now);
                }
                Happens::Lost => {
                    if matches!(link.state, State::Ready { .. }) {
                        live = None;
                    }
                    link.handle_lost(newest, now);
                }
            }
            while let Some(effect) = link.poll_effect() {
                match effect {
                    Effect::Probe(attempt) | Effect::Dial(attempt) => {
                        prop_assert_eq!(live, None, "a second attempt beside a live one");
                        prop_assert!(attempt > newest);
                        newest = attempt;
                        live = Some(attempt);
                    }
                    Effect::Abandon(attempt) => prop_assert_eq!(live.take(), Some(attempt)),
                    Effect::Show(status) => prop_assert_eq!(status, link.status()),
                }
            }
            match link.status() {
                Status::Reconnecting { .. } => prop_assert!(link.poll_timeout().is_some()),
                Status::Connecting => prop_assert!(link.poll_timeout().is_some() && live.is_some()),
                Status::Ready => prop_assert!(live.is_some()),
                Status::Idle | Status::Refused { .. } | Status::Removed => {
                    prop_assert_eq!((live, link.poll_timeout()), (None, None));
                }
            }
        }
    }
}
