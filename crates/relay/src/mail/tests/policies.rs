//! Policies, and decisions about one message.

use quarterdeck_core::mail::routing::Outcome;
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    method::{
        ContactDecision, Empty, MailContactParams, MailDecideParams, MailDecision, MailInboxParams,
        MailPolicyParams, MailPolicyResult, Unaddressed,
    },
};

use super::{Ask, Bench, S1, S2, S3, Who, to_identity, word};

const BOBS: [(quarterdeck_protocol::ids::SessionId, &str, &str); 3] =
    [(S1, "claude:1", "/a"), (S2, "claude:2", "/b"), (S3, "codex:1", "/b")];

fn bob() -> Who {
    Who { session: None, identity: Some("bob".to_owned()), label: None }
}

fn policy(bench: &mut Bench, p: MailPolicyParams) -> Result<MailPolicyResult, RpcError> {
    bench.ask(|reply| Ask::Policy(bob(), p, reply))
}

fn unaddressed(unaddressed: Unaddressed) -> MailPolicyParams {
    MailPolicyParams { unaddressed: Some(unaddressed), ..MailPolicyParams::default() }
}

fn decide(bench: &mut Bench, number: i64, decision: MailDecision) -> Result<Empty, RpcError> {
    let p = MailDecideParams { identity: Some("bob".to_owned()), number, decision };
    bench.ask(|reply| Ask::DecideMessage(bob(), p, reply))
}

/// The numbers of what waits, and why.
fn held(bench: &mut Bench) -> Vec<(i64, String)> {
    let p = MailInboxParams { peek: true, ..MailInboxParams::default() };
    let inbox = bench.ask(|reply| Ask::Inbox(bob(), p, None, reply)).expect("an inbox");
    let waits = inbox.messages.into_iter().filter(|it| it.state == "held");
    waits.map(|it| (it.number, it.why.unwrap_or_default())).collect()
}

#[test]
fn a_policy_outlives_the_relay_and_looks_anew_at_what_waits() {
    let mut bench = Bench::with_identities();
    bench.live(&BOBS);
    policy(&mut bench, unaddressed(Unaddressed::Hold)).expect("is changed");
    let sent = bench.send(S1, to_identity("bob", "to nobody")).expect("is taken");
    assert!(bench.delivery().is_none());
    bench.restart(&BOBS);
    let now = policy(&mut bench, MailPolicyParams::default()).expect("is told");
    assert_eq!(now.unaddressed, Unaddressed::Hold);
    assert!(bench.delivery().is_none(), "it waits also after the restart");
    let [(_, why)] = &held(&mut bench)[..] else { panic!("one waits") };
    assert_eq!(why, "policy");
    let primary = MailPolicyParams {
        primary: Some("codex:1".to_owned()),
        ..unaddressed(Unaddressed::Primary)
    };
    policy(&mut bench, primary).expect("is changed");
    assert_eq!(bench.take(Outcome::Delivered), (S3, "to nobody".to_owned()));
    assert_eq!(bench.state(S1, &sent.id), word("delivered"));
}

#[test]
fn a_broadcast_reaches_all_sessions_of_the_identity_and_no_others() {
    let mut bench = Bench::with_identities();
    bench.live(&BOBS);
    policy(&mut bench, unaddressed(Unaddressed::Broadcast)).expect("is changed");
    bench.send(S1, to_identity("bob", "all")).expect("is taken");
    let mut had = [bench.take(Outcome::Delivered).0, bench.take(Outcome::Delivered).0];
    had.sort_unstable();
    assert_eq!(had, [S2, S3]);
    assert!(bench.delivery().is_none());
}

#[test]
fn a_sender_is_told_of_what_is_dropped_by_policy() {
    let mut bench = Bench::with_identities();
    policy(&mut bench, unaddressed(Unaddressed::Drop)).expect("is changed");
    let sent = bench.send(S1, to_identity("bob", "to nobody")).expect("is taken");
    let failed = ("failed".to_owned(), Some("unaddressed".to_owned()));
    assert_eq!(bench.state(S1, &sent.id), failed);
}

#[test]
fn one_held_message_is_let_through_and_the_next_one_waits_on() {
    let mut bench = Bench::with_identities();
    let p = MailContactParams {
        identity: Some("bob".to_owned()),
        contact: "default".into(),
        decision: ContactDecision::Hold,
    };
    bench.ask(|reply| Ask::Decide(p, reply)).expect("is decided");
    bench.send(S1, to_identity("bob", "one")).expect("is taken");
    let two = bench.send(S1, to_identity("bob", "two")).expect("is taken");
    let [(one, _), (second, _)] = held(&mut bench)[..] else { panic!("two wait") };
    decide(&mut bench, one, MailDecision::Deliver).expect("goes");
    // the relay dies before the session has it
    bench.restart(&[(S1, "claude:1", "/a"), (S2, "claude:2", "/b/project")]);
    assert_eq!(bench.take(Outcome::Delivered), (S2, "one".to_owned()));
    assert!(bench.delivery().is_none());
    decide(&mut bench, second, MailDecision::Discard).expect("is discarded");
    let failed = ("failed".to_owned(), Some("discarded".to_owned()));
    assert_eq!(bench.state(S1, &two.id), failed);
    let again = decide(&mut bench, second, MailDecision::Deliver).expect_err("it is over");
    assert_eq!(again.code(), ErrorCode::Ended);
}

#[test]
fn what_is_no_policy_or_no_message_is_refused() {
    let mut bench = Bench::with_identities();
    for p in [
        MailPolicyParams { primary: Some("..".to_owned()), ..MailPolicyParams::default() },
        MailPolicyParams { hold_s: Some(1), ..MailPolicyParams::default() },
        MailPolicyParams { hold_s: Some(u64::MAX), ..MailPolicyParams::default() },
    ] {
        let refused = policy(&mut bench, p).expect_err("is refused");
        assert_eq!(refused.code(), ErrorCode::InvalidParams);
    }
    bench.send(S2, to_identity("default", "of another identity")).expect("is taken");
    for number in [0, 1, i64::MAX, i64::MIN] {
        let refused = decide(&mut bench, number, MailDecision::Discard).expect_err("is not bob's");
        assert_eq!(refused.code(), ErrorCode::NotFound);
    }
}
