use super::*;
use std::{format, string::ToString, vec, vec::Vec};

const ALL: [HookEvent; 3] =
    [HookEvent::PromptOpened, HookEvent::TurnEnded, HookEvent::MachineUnreachable];

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn hooks(targets: usize) -> Hooks<()> {
    Hooks::new(vec![ALL.into_iter().collect(); targets], [])
}

fn event(key: &str) -> Event<()> {
    Event { key: key.to_string(), kind: HookEvent::PromptOpened, body: () }
}

fn deliver(hooks: &mut Hooks<()>, now: Duration) -> Option<(usize, String, u32)> {
    hooks.poll_delivery(now).map(|it| (it.target, it.key, it.attempt))
}

#[test]
fn an_event_is_told_once_to_each_target_that_wants_it() {
    let turns = [HookEvent::TurnEnded].into_iter().collect();
    let mut hooks = Hooks::new([ALL.into_iter().collect(), turns, ALL.into_iter().collect()], []);
    assert!(hooks.handle_event(event("a"), s(0)));
    assert!(!hooks.handle_event(event("a"), s(0)));
    assert_eq!(deliver(&mut hooks, s(0)), Some((0, "a".into(), 1)));
    assert_eq!(deliver(&mut hooks, s(0)), Some((2, "a".into(), 1)));
    assert_eq!(deliver(&mut hooks, s(0)), None);
    hooks.handle_outcome(0, Outcome::Done, s(1));
    assert_eq!(hooks.poll_over(), None, "the other target has it still to come");
    hooks.handle_outcome(2, Outcome::Done, s(1));
    assert_eq!(hooks.poll_over().as_deref(), Some("a"));
    assert!(!hooks.handle_event(event("a"), s(2)), "nor later");
    assert_eq!((hooks.counts(0).sent, hooks.counts(1).sent), (1, 0));
}

#[test]
fn what_an_earlier_daemon_told_is_not_told_again() {
    let mut hooks = Hooks::new([ALL.into_iter().collect()], ["a".to_string()]);
    assert!(!hooks.handle_event(event("a"), s(0)));
    assert!(hooks.handle_event(event("b"), s(0)));
    assert_eq!(hooks.told().collect::<Vec<_>>(), ["a", "b"]);
    hooks.handle_forgotten("a");
    assert!(hooks.handle_event(event("a"), s(0)), "it happened again");
}

#[test]
fn what_nobody_wants_is_not_remembered_as_told() {
    let turns = [HookEvent::TurnEnded].into_iter().collect();
    let mut hooks = Hooks::new([turns], []);
    assert!(!hooks.handle_event(event("a"), s(0)));
    assert_eq!(hooks.poll_over().as_deref(), Some("a"), "who left it to us need not wait");
    hooks.handle_standing(Standing::Rests, s(0));
    hooks.handle_event(event("b"), s(0));
    hooks.handle_standing(Standing::Tells, s(1));
    assert!(!hooks.has_told("a") && !hooks.has_told("b"));
}

#[test]
fn a_failed_attempt_is_repeated_with_growing_waits_and_not_for_ever() {
    let mut hooks = hooks(1);
    hooks.handle_event(event("a"), s(0));
    let mut now = s(0);
    let mut waits = Vec::new();
    while let Some((0, _, _)) = deliver(&mut hooks, now) {
        hooks.handle_outcome(0, Outcome::Retry(Duration::ZERO), now);
        let Some(next) = hooks.poll_timeout() else { break };
        assert_eq!(deliver(&mut hooks, next - s(1)), None);
        waits.push((next - now).as_secs());
        now = next;
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 30, 60, 60, 60]);
    assert_eq!((hooks.counts(0).failed, hooks.counts(0).dropped), (10, 1));
    assert_eq!(hooks.poll_over().as_deref(), Some("a"), "who left it to us need not wait");
}

#[test]
fn a_target_that_asks_for_time_gets_it_within_reason() {
    for (asked, given) in [(s(20), s(20)), (s(100_000), MAX_WAIT)] {
        let mut hooks = hooks(1);
        hooks.handle_event(event("a"), s(0));
        deliver(&mut hooks, s(0)).expect("is due");
        hooks.handle_outcome(0, Outcome::Retry(asked), s(0));
        assert_eq!(hooks.poll_timeout(), Some(given));
    }
}

#[test]
fn a_final_refusal_is_not_repeated_and_holds_up_nothing() {
    let mut hooks = hooks(1);
    hooks.handle_event(event("a"), s(0));
    hooks.handle_event(event("b"), s(0));
    assert_eq!(deliver(&mut hooks, s(0)), Some((0, "a".into(), 1)));
    hooks.handle_outcome(0, Outcome::Never, s(0));
    assert_eq!(deliver(&mut hooks, s(0)), Some((0, "b".into(), 1)));
    assert_eq!(hooks.counts(0).dropped, 1);
}

#[test]
fn a_queue_has_an_end_and_the_oldest_makes_room() {
    let mut hooks = hooks(1);
    hooks.handle_event(event("busy"), s(0));
    deliver(&mut hooks, s(0)).expect("is due");
    for n in 0..MAX_QUEUE {
        hooks.handle_event(event(&format!("e{n}")), s(0));
    }
    let counts = hooks.counts(0);
    assert_eq!((counts.waiting, counts.dropped), (MAX_QUEUE, 1));
    hooks.handle_outcome(0, Outcome::Done, s(0));
    assert_eq!(deliver(&mut hooks, s(0)), Some((0, "e1".into(), 1)), "e0 made room");
}

#[test]
fn what_is_old_is_news_to_nobody() {
    let mut hooks = hooks(1);
    hooks.handle_event(event("a"), s(0));
    assert_eq!(deliver(&mut hooks, MAX_AGE), None);
    assert_eq!((hooks.counts(0).waiting, hooks.counts(0).dropped), (0, 1));
}

#[test]
fn an_answered_prompt_is_not_told_to_who_has_not_been() {
    let mut hooks = hooks(1);
    hooks.handle_event(event("busy"), s(0));
    hooks.handle_event(event("a"), s(0));
    deliver(&mut hooks, s(0)).expect("is due");
    hooks.handle_withdrawn("a");
    hooks.handle_withdrawn("busy");
    assert_eq!(hooks.poll_over().as_deref(), Some("a"));
    assert_eq!(hooks.counts(0).waiting, 1, "what is on its way cannot be called back");
    hooks.handle_outcome(0, Outcome::Done, s(0));
    assert_eq!(deliver(&mut hooks, s(0)), None);
}

#[test]
fn who_rests_tells_nothing_that_the_other_confirms_and_everything_else_when_it_goes() {
    let mut hooks = hooks(1);
    hooks.handle_standing(Standing::Rests, s(0));
    for key in ["a", "b", "c"] {
        hooks.handle_event(event(key), s(1));
    }
    assert_eq!(deliver(&mut hooks, s(1)), None);
    assert!(!hooks.has_told("a"), "nobody has said so");
    hooks.handle_told("a");
    assert!(hooks.has_told("a"));
    hooks.handle_withdrawn("c");
    hooks.handle_standing(Standing::Tells, s(2));
    assert_eq!(deliver(&mut hooks, s(2)), Some((0, "b".into(), 1)));
    hooks.handle_outcome(0, Outcome::Done, s(2));
    assert_eq!(deliver(&mut hooks, s(2)), None);
    // nor does it tell late what it was told about first by the other
    hooks.handle_told("d");
    assert!(!hooks.handle_event(event("d"), s(3)));
}

#[test]
fn what_was_held_for_too_long_is_not_told() {
    let mut hooks = hooks(1);
    hooks.handle_standing(Standing::Rests, s(0));
    hooks.handle_event(event("a"), s(0));
    hooks.handle_standing(Standing::Tells, MAX_AGE);
    assert_eq!(deliver(&mut hooks, MAX_AGE), None);
}
