use std::{vec, vec::Vec};

use proptest::prelude::*;

use super::*;

const ADA: PeerKey = PeerKey([1; 32]);
const EVE: PeerKey = PeerKey([2; 32]);
const NOW: Duration = Duration::from_secs(1_000_000);

fn session(n: u8) -> SessionId {
    SessionId::from_bytes([n; 10])
}

fn label(text: &str) -> Label {
    text.parse().expect("is a label")
}

fn live(sessions: &[(u8, &str)]) -> BTreeMap<SessionId, Label> {
    sessions.iter().map(|(n, name)| (session(*n), label(name))).collect()
}

fn mail(number: i64, to: Option<&str>) -> Incoming {
    let to = to.map(|to| PeerLabel::parse(to).expect("fits the rule"));
    let (had_by, passage) = (BTreeSet::new(), Passage::AsDecided);
    Incoming { number: MailNumber(number), from: ADA, to, at: NOW, had_by, passage }
}

fn router(sessions: &[(u8, &str)], unaddressed: Unaddressed) -> Router {
    let mut router = Router::new(Policy { unaddressed, ..Policy::default() });
    router.handle_contact(ADA, Inbound::Accept);
    router.handle_live(live(sessions));
    router
}

fn effects(router: &mut Router) -> Vec<Effect> {
    core::iter::from_fn(|| router.poll_effect()).collect()
}

fn deliver(number: i64, to: u8) -> Effect {
    Effect::Deliver { number: MailNumber(number), session: session(to) }
}

fn done(number: i64) -> Effect {
    Effect::Done { number: MailNumber(number) }
}

fn dead(number: i64, why: DeadLetter) -> Effect {
    Effect::Dead { number: MailNumber(number), why }
}

const TWO: [(u8, &str); 2] = [(1, "claude:1"), (2, "claude:2")];

#[test]
fn mail_to_a_live_label_goes_to_that_session_only() {
    let mut router = router(&TWO, Unaddressed::Primary);
    router.handle_mail(mail(1, Some("claude:2")));
    assert_eq!(effects(&mut router), [deliver(1, 2)]);
    router.handle_outcome(MailNumber(1), session(2), Outcome::Delivered);
    assert_eq!(effects(&mut router), [done(1)]);
    assert!(router.is_empty());
}

#[test]
fn mail_to_a_dead_label_is_held_until_it_lives() {
    let mut router = router(&TWO, Unaddressed::Primary);
    router.handle_mail(mail(1, Some("codex:1")));
    assert_eq!(effects(&mut router), []);
    assert_eq!(router.waiting().collect::<Vec<_>>(), [(MailNumber(1), Waits::ForSession)]);
    router.handle_live(live(&[(3, "codex:1")]));
    assert_eq!(effects(&mut router), [deliver(1, 3)]);
}

#[test]
fn held_mail_that_names_no_session_is_looked_at_again_when_one_lives() {
    let mut router = router(&[], Unaddressed::Primary);
    router.handle_mail(mail(1, None));
    assert_eq!(effects(&mut router), []);
    router.handle_live(live(&TWO));
    assert_eq!(effects(&mut router), [deliver(1, 1)]);
}

#[test]
fn broadcast_mail_that_was_held_goes_to_all_who_live_later() {
    let mut router = router(&[], Unaddressed::Broadcast);
    router.handle_mail(mail(1, None));
    router.handle_live(live(&TWO));
    assert_eq!(effects(&mut router), [deliver(1, 1), deliver(1, 2)]);
    router.handle_outcome(MailNumber(1), session(1), Outcome::Delivered);
    assert_eq!(effects(&mut router), [], "the other one has it still to come");
    router.handle_outcome(MailNumber(1), session(2), Outcome::Delivered);
    assert_eq!(effects(&mut router), [done(1)]);
}

#[test]
fn a_broadcast_is_not_given_again_to_who_has_it() {
    let mut router = router(&TWO, Unaddressed::Broadcast);
    let had_by = BTreeSet::from([session(1)]);
    router.handle_mail(Incoming { had_by, ..mail(1, None) });
    assert_eq!(effects(&mut router), [deliver(1, 2)]);
}

#[test]
fn dropped_mail_is_a_dead_letter_and_not_silence() {
    let mut router = router(&TWO, Unaddressed::Drop);
    router.handle_mail(mail(1, None));
    assert_eq!(effects(&mut router), [dead(1, DeadLetter::Unaddressed)]);
}

#[test]
fn held_mail_is_looked_at_again_when_the_policy_changes() {
    let mut router = router(&TWO, Unaddressed::Hold);
    router.handle_mail(mail(1, None));
    assert_eq!(router.waiting().collect::<Vec<_>>(), [(MailNumber(1), Waits::ForPolicy)]);
    router.handle_policy(Policy::default());
    assert_eq!(effects(&mut router), [deliver(1, 1)]);
}

#[test]
fn a_message_that_a_person_lets_through_goes_and_no_other_of_its_sender() {
    let mut router = router(&TWO, Unaddressed::Primary);
    router.handle_contact(ADA, Inbound::Hold);
    router.handle_mail(mail(1, Some("claude:2")));
    router.handle_mail(mail(2, Some("claude:2")));
    assert_eq!(effects(&mut router), []);
    assert!(router.handle_let_through(MailNumber(1)));
    assert_eq!(effects(&mut router), [deliver(1, 2)]);
    assert_eq!(router.waits_for(MailNumber(2)), Some(Waits::ForContact));
    router.handle_outcome(MailNumber(1), session(2), Outcome::Delivered);
    assert_eq!(effects(&mut router), [done(1)]);
    assert!(!router.handle_let_through(MailNumber(1)), "it waits no more");
}

#[test]
fn what_was_let_through_waits_for_its_session_also_over_decisions_and_a_restart() {
    let mut router = router(&[], Unaddressed::Hold);
    router.handle_mail(Incoming { passage: Passage::LetThrough, ..mail(1, None) });
    assert_eq!(router.waits_for(MailNumber(1)), Some(Waits::ForSession));
    router.handle_contact(ADA, Inbound::Hold);
    router.handle_live(live(&TWO));
    assert_eq!(effects(&mut router), [deliver(1, 1)]);
}

#[test]
fn who_is_refused_gets_nothing_through_that_has_not_gone() {
    let mut router = router(&[], Unaddressed::Primary);
    router.handle_mail(Incoming { passage: Passage::LetThrough, ..mail(1, None) });
    router.handle_contact(ADA, Inbound::Refuse);
    assert_eq!(effects(&mut router), [dead(1, DeadLetter::Refused)]);
}

#[test]
fn a_discarded_message_is_a_dead_letter_unless_a_session_is_getting_it() {
    let mut router = router(&TWO, Unaddressed::Primary);
    router.handle_mail(mail(1, Some("codex:1")));
    router.handle_mail(mail(2, Some("claude:1")));
    assert_eq!(effects(&mut router), [deliver(2, 1)]);
    assert!(!router.handle_discarded(MailNumber(2)));
    assert!(router.handle_discarded(MailNumber(1)));
    assert_eq!(effects(&mut router), [dead(1, DeadLetter::Discarded)]);
    assert!(!router.handle_discarded(MailNumber(1)));
}

#[test]
fn the_primary_is_the_one_that_was_chosen_or_the_first_in_natural_order() {
    let sessions = [(1, "claude:10"), (2, "claude:2"), (3, "zed")];
    let mut router = router(&sessions, Unaddressed::Primary);
    router.handle_mail(mail(1, None));
    assert_eq!(effects(&mut router), [deliver(1, 2)]);
    router.handle_policy(Policy { primary: Some(label("zed")), ..Policy::default() });
    router.handle_mail(mail(2, None));
    assert_eq!(effects(&mut router), [deliver(2, 3)]);
}

#[test]
fn a_stranger_is_held_until_a_person_decides() {
    let mut router = router(&TWO, Unaddressed::Primary);
    let from_eve = |number: i64| Incoming { from: EVE, ..mail(number, None) };
    router.handle_mail(from_eve(1));
    assert_eq!(router.waiting().collect::<Vec<_>>(), [(MailNumber(1), Waits::ForContact)]);
    router.handle_contact(EVE, Inbound::Accept);
    assert_eq!(effects(&mut router), [deliver(1, 1)]);
    router.handle_mail(from_eve(2));
    router.handle_contact(EVE, Inbound::Refuse);
    assert_eq!(
        effects(&mut router),
        [dead(2, DeadLetter::Refused)],
        "also what waits for its turn"
    );
}

#[test]
fn a_label_that_no_session_can_have_is_a_dead_letter() {
    let mut router = router(&TWO, Unaddressed::Primary);
    router.handle_mail(mail(1, Some("all")));
    assert_eq!(effects(&mut router), [dead(1, DeadLetter::BadLabel)]);
}

#[test]
fn nothing_waits_for_ever() {
    let mut router = router(&[], Unaddressed::Primary);
    router.handle_mail(mail(1, Some("claude:7")));
    let at = router.poll_timeout().expect("waits");
    assert_eq!(at, NOW + DEFAULT_HOLD);
    router.handle_timeout(at - Duration::from_secs(1));
    assert_eq!(effects(&mut router), []);
    router.handle_timeout(at);
    assert_eq!(effects(&mut router), [dead(1, DeadLetter::Expired)]);
    assert_eq!(router.poll_timeout(), None);
}

#[test]
fn what_is_being_delivered_is_given_up_only_by_its_outcome() {
    let mut router = router(&TWO, Unaddressed::Primary);
    router.handle_mail(mail(1, Some("claude:1")));
    assert_eq!(effects(&mut router), [deliver(1, 1)]);
    router.handle_timeout(NOW + DEFAULT_HOLD);
    assert!(!router.try_take(MailNumber(1)));
    assert_eq!(effects(&mut router), []);
    router.handle_outcome(MailNumber(1), session(1), Outcome::Gone);
    assert_eq!(effects(&mut router), [dead(1, DeadLetter::Expired)]);
}

#[test]
fn a_session_gets_one_message_at_a_time_in_order() {
    let mut router = router(&TWO, Unaddressed::Primary);
    for number in [1, 2, 3] {
        router.handle_mail(mail(number, Some("claude:1")));
    }
    router.handle_mail(mail(4, Some("claude:2")));
    assert_eq!(effects(&mut router), [deliver(1, 1), deliver(4, 2)]);
    router.handle_outcome(MailNumber(1), session(1), Outcome::Delivered);
    assert_eq!(effects(&mut router), [done(1), deliver(2, 1)]);
}

#[test]
fn mail_of_a_session_that_ended_waits_for_the_next_one_of_its_label() {
    let mut router = router(&TWO, Unaddressed::Primary);
    router.handle_mail(mail(1, Some("claude:1")));
    router.handle_mail(mail(2, Some("claude:1")));
    assert_eq!(effects(&mut router), [deliver(1, 1)]);
    router.handle_live(live(&[(2, "claude:2")]));
    assert_eq!(effects(&mut router), []);
    // only the log of the session says whether it had the first one
    router.handle_outcome(MailNumber(1), session(1), Outcome::Delivered);
    assert_eq!(effects(&mut router), [done(1)]);
    router.handle_live(live(&[(2, "claude:2"), (9, "claude:1")]));
    assert_eq!(effects(&mut router), [deliver(2, 9)]);
    router.handle_outcome(MailNumber(2), session(9), Outcome::Gone);
    assert_eq!(effects(&mut router), [deliver(2, 9)]);
}

#[test]
fn one_sender_cannot_fill_the_place_of_all() {
    let mut router = router(&[], Unaddressed::Primary);
    let count = i64::try_from(MAX_HELD_PER_SENDER).expect("fits");
    for number in 0..=count {
        router.handle_mail(mail(number, None));
    }
    assert_eq!(effects(&mut router), [dead(count, DeadLetter::Full)]);
    router.handle_mail(Incoming { from: EVE, ..mail(count + 1, None) });
    assert_eq!((effects(&mut router), router.len()), (vec![], MAX_HELD_PER_SENDER + 1));
}

#[derive(Debug, Clone)]
enum Step {
    Mail { to: Option<u8>, from_eve: bool },
    Live(u8),
    Policy(Unaddressed),
    Contact(Inbound),
    Outcome { pick: u8, outcome: Outcome },
    Time(u8),
    Take(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let unaddressed = prop_oneof![
        Just(Unaddressed::Primary),
        Just(Unaddressed::Broadcast),
        Just(Unaddressed::Hold),
        Just(Unaddressed::Drop),
    ];
    let inbound = prop_oneof![Just(Inbound::Accept), Just(Inbound::Hold), Just(Inbound::Refuse)];
    let outcome = prop_oneof![3 => Just(Outcome::Delivered), 1 => Just(Outcome::Gone)];
    prop_oneof![
        4 => (proptest::option::of(0u8..4), any::<bool>())
            .prop_map(|(to, from_eve)| Step::Mail { to, from_eve }),
        2 => (0u8..16).prop_map(Step::Live),
        1 => unaddressed.prop_map(Step::Policy),
        1 => inbound.prop_map(Step::Contact),
        4 => (any::<u8>(), outcome).prop_map(|(pick, outcome)| Step::Outcome { pick, outcome }),
        1 => (0u8..8).prop_map(Step::Time),
        1 => any::<u8>().prop_map(Step::Take),
    ]
}

/// What a model of the outside world knows.
#[derive(Default)]
struct World {
    came: i64,
    in_flight: Vec<(MailNumber, SessionId)>,
    had: BTreeSet<(MailNumber, SessionId)>,
    ended: BTreeSet<MailNumber>,
}

impl World {
    fn take_effects(&mut self, router: &mut Router) {
        while let Some(effect) = router.poll_effect() {
            match effect {
                Effect::Deliver { number, session } => {
                    let busy = self.in_flight.iter().any(|(_, other)| *other == session);
                    assert!(!busy, "one at a time");
                    assert!(!self.had.contains(&(number, session)), "never twice");
                    assert!(!self.ended.contains(&number), "not after its end");
                    self.in_flight.push((number, session));
                }
                Effect::Done { number } | Effect::Dead { number, .. } => {
                    assert!(self.ended.insert(number), "ends once");
                    assert!(!self.in_flight.iter().any(|(other, _)| *other == number));
                }
            }
        }
    }

    fn perform(&mut self, router: &mut Router, step: &Step) {
        match step {
            Step::Mail { to, from_eve } => {
                let name = to.map(|n| std::format!("claude:{n}"));
                let from = if *from_eve { EVE } else { ADA };
                self.came += 1;
                router.handle_mail(Incoming { from, ..mail(self.came, name.as_deref()) });
            }
            Step::Live(mask) => {
                let named = (0..4u8).filter(|n| mask & (1 << n) != 0);
                let all = named.map(|n| (session(n), label(&std::format!("claude:{n}"))));
                router.handle_live(all.collect());
            }
            Step::Policy(unaddressed) => {
                let unaddressed = *unaddressed;
                router.handle_policy(Policy { unaddressed, ..Policy::default() });
            }
            Step::Contact(inbound) => router.handle_contact(EVE, *inbound),
            Step::Outcome { pick, outcome } => {
                if !self.in_flight.is_empty() {
                    let at = usize::from(*pick) % self.in_flight.len();
                    self.report(router, at, *outcome);
                }
            }
            Step::Time(days) => {
                router.handle_timeout(NOW + Duration::from_secs(86_400 * u64::from(*days)));
            }
            Step::Take(pick) => {
                let number = MailNumber(i64::from(*pick) % (self.came + 1));
                if router.try_take(number) {
                    assert!(self.ended.insert(number), "is taken once");
                }
            }
        }
        self.take_effects(router);
    }

    fn report(&mut self, router: &mut Router, at: usize, outcome: Outcome) {
        let (number, session) = self.in_flight.swap_remove(at);
        if outcome == Outcome::Delivered {
            self.had.insert((number, session));
        }
        router.handle_outcome(number, session, outcome);
    }
}

proptest! {
    #[test]
    fn no_message_is_lost_given_twice_or_ended_twice(steps in proptest::collection::vec(step(), 1..80)) {
        let mut router = router(&[], Unaddressed::Primary);
        let mut world = World::default();
        for step in &steps {
            world.perform(&mut router, step);
            let known = world.ended.len() + router.len();
            prop_assert_eq!(known, usize::try_from(world.came).expect("small"), "{:?}", step);
        }
        // with all sessions there, everyone accepted and time enough, nothing is left
        router.handle_contact(EVE, Inbound::Accept);
        router.handle_policy(Policy::default());
        world.perform(&mut router, &Step::Live(15));
        while !world.in_flight.is_empty() {
            world.report(&mut router, 0, Outcome::Delivered);
            world.take_effects(&mut router);
        }
        prop_assert!(router.is_empty(), "{:?}", router.waiting().collect::<Vec<_>>());
        prop_assert_eq!(router.poll_timeout(), None);
    }
}
