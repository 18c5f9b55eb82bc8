use proptest::prelude::*;

use super::*;

const ADA: PeerKey = PeerKey([1; 32]);
const EVE: PeerKey = PeerKey([2; 32]);
const NOW: Duration = Duration::from_secs(1_000_000);

fn responder(limits: Limits) -> Responder {
    let mut responder = Responder::new(limits);
    responder.handle_switch(Switch::On);
    responder.handle_allowed(BTreeSet::from([ADA]));
    responder
}

fn question(number: i64) -> Question {
    let addressed = "claude:2".parse().expect("is a label");
    Question { number: MailNumber(number), from: ADA, marking: Marking::Written, addressed }
}

/// Asks, and lets the answer be sent at once.
fn ask(responder: &mut Responder, number: i64, now: Duration) -> Result<(), Left> {
    let asked = responder.handle_question(question(number), now);
    responder.handle_ended(MailNumber(number));
    asked
}

#[test]
fn an_answer_comes_from_the_session_that_was_asked() {
    let mut responder = responder(Limits::default());
    responder.handle_question(question(1), NOW).expect("is answered");
    let Some(Effect::Answer { number, answer_as, .. }) = responder.poll_effect() else {
        panic!("no answer");
    };
    assert_eq!((number, answer_as.as_str()), (MailNumber(1), "claude:2"));
}

#[test]
fn a_message_is_answered_once_even_when_the_answer_failed() {
    let mut responder = responder(Limits::default());
    responder.handle_question(question(1), NOW).expect("is answered");
    responder.handle_ended(MailNumber(1));
    assert_eq!(responder.handle_question(question(1), NOW), Err(Left::Taken));
}

#[test]
fn nobody_is_answered_unless_somebody_said_so() {
    let mut responder = responder(Limits::default());
    let from_eve = Question { from: EVE, ..question(1) };
    assert_eq!(responder.handle_question(from_eve, NOW), Err(Left::NotAllowed));
    assert_eq!(Responder::default().handle_question(question(1), NOW), Err(Left::Off));
}

#[test]
fn mail_that_nobody_was_asked_to_write_is_not_answered() {
    let mut responder = responder(Limits::default());
    let automatic = Question { marking: Marking::Automatic, ..question(1) };
    assert_eq!(responder.handle_question(automatic, NOW), Err(Left::Automatic));
}

#[test]
fn two_responders_that_both_hide_what_they_are_stop_by_themselves() {
    let limits = Limits { in_a_row: 3, ..Limits::default() };
    let (mut a, mut b) = (responder(limits.clone()), responder(limits));
    let mut answers = 0;
    for number in 0..100 {
        let side = if number % 2 == 0 { &mut a } else { &mut b };
        if ask(side, number, NOW + Duration::from_secs(number.unsigned_abs())).is_err() {
            break;
        }
        answers += 1;
    }
    assert_eq!(answers, 6);
    // somebody looks at it: it may go on
    a.handle_written(ADA);
    assert_eq!(ask(&mut a, 200, NOW), Ok(()));
}

#[test]
fn a_peer_is_answered_so_often_in_an_hour_and_all_so_often_in_a_day() {
    let limits = Limits { per_peer_hour: 2, per_day: 3, in_a_row: 99, ..Limits::default() };
    let mut responder = responder(limits);
    assert_eq!(ask(&mut responder, 1, NOW), Ok(()));
    assert_eq!(ask(&mut responder, 2, NOW), Ok(()));
    assert_eq!(ask(&mut responder, 3, NOW), Err(Left::Rate));
    assert_eq!(ask(&mut responder, 4, NOW + HOUR), Ok(()));
    assert_eq!(ask(&mut responder, 5, NOW + 2 * HOUR), Err(Left::Budget));
    assert_eq!(ask(&mut responder, 6, NOW + DAY), Ok(()));
}

#[test]
fn an_answer_that_takes_too_long_is_ended() {
    let mut responder = responder(Limits { at_once: 1, ..Limits::default() });
    responder.handle_question(question(1), NOW).expect("is answered");
    assert_eq!(responder.handle_question(question(2), NOW), Err(Left::Busy));
    let at = responder.poll_timeout().expect("has a deadline");
    responder.poll_effect();
    responder.handle_timeout(at);
    assert_eq!(responder.poll_effect(), Some(Effect::Abort { number: MailNumber(1) }));
    assert_eq!(responder.poll_timeout(), None);
}

#[test]
fn turning_it_off_ends_what_is_being_answered() {
    let mut responder = responder(Limits::default());
    responder.handle_question(question(1), NOW).expect("is answered");
    responder.poll_effect();
    responder.handle_switch(Switch::Off);
    assert_eq!(responder.poll_effect(), Some(Effect::Abort { number: MailNumber(1) }));
    assert_eq!(responder.handle_question(question(2), NOW), Err(Left::Off));
}

proptest! {
    #[test]
    fn whatever_comes_no_limit_is_passed(
        gaps in proptest::collection::vec((0u64..4000, any::<bool>()), 1..200),
    ) {
        let limits = Limits { per_peer_hour: 5, per_day: 20, in_a_row: 4, ..Limits::default() };
        let mut responder = responder(limits);
        let mut now = NOW;
        let mut answered: Vec<Duration> = Vec::new();
        for (number, (gap, written)) in gaps.into_iter().enumerate() {
            now += Duration::from_secs(gap);
            if written {
                responder.handle_written(ADA);
            }
            if ask(&mut responder, i64::try_from(number).expect("small"), now).is_ok() {
                answered.push(now);
            }
            let within = |age: Duration| answered.iter().filter(|at| **at + age > now).count();
            prop_assert!(within(HOUR) <= 5 && within(DAY) <= 20);
        }
    }
}
