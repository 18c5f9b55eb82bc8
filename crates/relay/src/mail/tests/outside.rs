//! Agents outside: their mail is theirs alone, waits until it is read or shown, and is shown once.

use quarterdeck_crypto::Token;
use quarterdeck_protocol::method::{
    Empty, MailNextParams, MailNextResult, MailNotifyParams, MailSetStatusParams, SpeakerKind,
};

use super::*;
use crate::mail::OutsideAgent;

const OUT: SessionId = SessionId::from_bytes([7; 10]);
const OTHER: SessionId = SessionId::from_bytes([8; 10]);

impl Bench {
    /// A session and two agents outside.
    fn with_outside() -> Self {
        let mut bench = Self::new();
        bench.live(&[(S1, "claude:1", "/a")]);
        bench.claim(OUT, "claude:2", "/a");
        bench.claim(OTHER, "codex:1", "/a");
        bench
    }

    fn claim(&mut self, id: SessionId, label: &str, cwd: &str) {
        let label = label.parse().expect("a label");
        let secret = Token::from_bytes([1; 32]).hash();
        let agent = OutsideAgent { id, label, secret, cwd: cwd.to_owned() };
        self.ask(|reply| Ask::Claimed(agent, reply)).expect("is stored");
    }

    fn next(&mut self, id: SessionId, shown: i64) -> Option<(i64, String)> {
        let p = MailNextParams { shown, wait_ms: 0 };
        let who = speaking(id);
        let found = self.ask(|reply| Ask::Next(who, p, reply)).expect("is answered");
        found.message.map(|message| (message.number, text_of(&message.text)))
    }

    fn waiting_for_next(
        &mut self,
        id: SessionId,
    ) -> oneshot::Receiver<Result<MailNextResult, RpcError>> {
        let (reply, answer) = oneshot::channel();
        let p = MailNextParams { shown: 0, wait_ms: 10_000 };
        self.owner.handle(Ask::Next(speaking(id), p, reply));
        answer
    }

    fn texts(&mut self, id: SessionId) -> Vec<String> {
        self.inbox(id).into_iter().map(|message| message.text).collect()
    }
}

fn speaking(id: SessionId) -> Who {
    Who { session: Some(id), identity: None, label: None }
}

fn text_of(shown: &str) -> String {
    shown.split_once("]\n\n").expect("has a frame").1.to_owned()
}

#[test]
fn an_agent_outside_is_listed_written_to_and_writes_under_its_label() {
    let mut bench = Bench::with_outside();
    let told = bench.ask(|reply| Ask::Whoami(speaking(OUT), reply)).expect("is known");
    assert_eq!(told.label.expect("a label").as_str(), "claude:2");
    let listed: Vec<_> =
        told.sessions.iter().map(|it| (it.label.as_str(), it.kind, it.idle, it.own)).collect();
    let expected = [
        ("claude:1", SpeakerKind::Agent, Some(false), false),
        ("claude:2", SpeakerKind::Outside, None, true),
        ("codex:1", SpeakerKind::Outside, None, false),
    ];
    assert_eq!(listed, expected);
    let sent = bench.send(S1, to_session("claude:2", "ready?")).expect("is taken");
    assert!(bench.delivery().is_none(), "it waits");
    assert_eq!(bench.state(S1, &sent.id), word("sent"));
    assert_eq!(bench.inbox(OUT)[0].why.as_deref(), Some("inbox"));
    assert_eq!(bench.state(S1, &sent.id), word("read"));
    let reply = MailSendParams { in_reply_to: Some(sent.id), ..to_session("claude:1", "yes") };
    let answered = bench.send(OUT, reply).expect("is taken");
    assert_eq!(answered.from_session.as_str(), "claude:2");
    assert_eq!(bench.take(Outcome::Delivered), (S1, "yes".to_owned()));
}

#[test]
fn an_agent_outside_sees_its_own_mail_only() {
    let mut bench = Bench::with_outside();
    bench.send(S1, to_session("codex:1", "for codex")).expect("is taken");
    bench.send(OTHER, to_session("claude:1", "for claude:1")).expect("is taken");
    bench.send(S1, to_session("nobody:1", "for nobody")).expect("is taken");
    assert_eq!(bench.texts(OUT), Vec::<String>::new());
    assert_eq!(bench.next(OUT, 0), None);
    assert_eq!(bench.texts(OTHER), ["for codex"]);
}

#[test]
fn mail_that_names_nobody_is_no_outside_agents() {
    let mut bench = Bench::new();
    bench.add_identity("bob", "/b");
    bench.claim(OUT, "claude:2", "/b");
    bench.live(&[(S1, "claude:1", "/a")]);
    bench.send(S1, to_identity("bob", "to anybody")).expect("is taken");
    assert_eq!(bench.texts(OUT), Vec::<String>::new());
    assert_eq!(bench.next(OUT, 0), None);
    bench
        .send(S1, MailSendParams { to: Some("bob".into()), ..to_session("claude:2", "to you") })
        .expect("is taken");
    assert_eq!(bench.texts(OUT), ["to you"]);
}

#[test]
fn mail_of_others_does_not_hide_an_agents_own() {
    let mut bench = Bench::with_outside();
    for n in 0..210 {
        bench.send(S1, to_session("nobody:1", &n.to_string())).expect("is taken");
    }
    bench.send(S1, to_session("claude:2", "for you")).expect("is taken");
    assert_eq!(bench.texts(OUT), ["for you"]);
}

#[test]
fn what_was_shown_is_delivered_unread_and_not_shown_again() {
    let mut bench = Bench::with_outside();
    let sent = bench.send(S1, to_session("claude:2", "first")).expect("is taken");
    bench.send(S1, to_session("claude:2", "second")).expect("is taken");
    let (number, text) = bench.next(OUT, 0).expect("came");
    assert_eq!(text, "first");
    assert_eq!(bench.state(S1, &sent.id), word("sent"), "nobody knows yet that it was shown");
    let (second, text) = bench.next(OUT, number).expect("came");
    assert_eq!(text, "second");
    assert_eq!(bench.state(S1, &sent.id), word("delivered"));
    assert_eq!(bench.next(OUT, second), None);
    // another process of the same label is another agent: what was shown to the first is not shown to it
    assert_eq!(bench.next(OUT, 0), None);
    assert_eq!(bench.texts(OUT), ["first", "second"]);
    assert_eq!(bench.state(S1, &sent.id), word("read"));
}

#[test]
fn who_waits_for_a_reply_gets_it_and_is_not_shown_it() {
    let mut bench = Bench::with_outside();
    let asked = bench.send(OUT, to_session("codex:1", "done?")).expect("is taken");
    let mut showing = bench.waiting_for_next(OUT);
    let mut waits = bench.wait(OUT, &asked.id);
    let reply = MailSendParams { in_reply_to: Some("#1".into()), ..to_session("claude:2", "yes") };
    bench.send(OTHER, reply).expect("is taken");
    let got = waits.try_recv().expect("came").expect("came").message.expect("came");
    assert_eq!(got.text, "yes");
    bench.send(OTHER, to_session("claude:2", "more")).expect("is taken");
    let shown = showing.try_recv().expect("came").expect("came").message.expect("came");
    assert_eq!(text_of(&shown.text), "more");
}

#[test]
fn a_relay_that_comes_back_knows_the_agents_outside() {
    let mut bench = Bench::with_outside();
    let sent = bench.send(S1, to_session("claude:2", "later")).expect("is taken");
    bench.restart(&[(S1, "claude:1", "/a")]);
    assert_eq!(bench.state(S1, &sent.id), word("sent"));
    assert_eq!(bench.next(OUT, 0).expect("came").1, "later");
    bench.owner.handle(Ask::Left(OUT, None));
    bench.restart(&[(S1, "claude:1", "/a")]);
    let refused = bench.ask(|reply| Ask::Whoami(speaking(OUT), reply)).expect_err("is gone");
    assert_eq!(refused.code(), ErrorCode::Ended);
    assert_eq!(
        bench.ask(|reply| Ask::Whoami(speaking(OTHER), reply)).expect("lives").sessions.len(),
        2
    );
}

#[test]
fn mail_that_a_person_must_let_through_is_not_shown() {
    let mut bench = Bench::new();
    bench.add_identity("bob", "/b");
    bench.live(&[(S1, "claude:1", "/a")]);
    bench.claim(OUT, "claude:2", "/b");
    let decide = |decision| MailContactParams {
        identity: Some("bob".to_owned()),
        contact: "default".to_owned(),
        decision,
    };
    bench.ask(|reply| Ask::Decide(decide(ContactDecision::Hold), reply)).expect("is decided");
    let p = MailSendParams { to: Some("bob".into()), ..to_session("claude:2", "psst") };
    bench.send(S1, p).expect("is taken");
    assert_eq!(bench.next(OUT, 0), None);
    assert_eq!(bench.texts(OUT), Vec::<String>::new());
    bench.ask(|reply| Ask::Decide(decide(ContactDecision::Accept), reply)).expect("is decided");
    assert_eq!(bench.next(OUT, 0).expect("came").1, "psst");
}

#[test]
fn an_agent_outside_says_what_it_does_and_nobody_waits_for_its_rest() {
    let mut bench = Bench::with_outside();
    let p = MailSetStatusParams { status: "reviewing".to_owned() };
    let _: Empty = bench.ask(|reply| Ask::SetStatus(speaking(OUT), p, reply)).expect("is taken");
    bench.live(&[(S1, "claude:1", "/a")]);
    let told = bench.ask(|reply| Ask::Whoami(speaking(S1), reply)).expect("is known");
    let listed = told.sessions.iter().find(|it| it.label.as_str() == "claude:2").expect("listed");
    assert_eq!(listed.status.as_deref(), Some("reviewing"));
    let MailNotifyParams { session } =
        MailNotifyParams { session: "claude:2".parse().expect("a label") };
    let refused = bench.ask(|reply| Ask::Notify(speaking(S1), session, reply));
    assert_eq!(refused.expect_err("is not known").code(), ErrorCode::InvalidParams);
}

#[test]
fn an_agent_to_which_messages_are_put_is_shown_none_besides() {
    let mut bench = Bench::with_outside();
    bench.send(OUT, to_session("claude:1", "hi")).expect("is taken");
    assert_eq!(bench.take(Outcome::Delivered), (S1, "hi".to_owned()));
    let p = MailNextParams { shown: 0, wait_ms: 0 };
    let refused = bench.ask(|reply| Ask::Next(speaking(S1), p, reply)).expect_err("is refused");
    assert_eq!(refused.code(), ErrorCode::OwnSession);
}

#[test]
fn two_processes_of_one_terminal_wait_beside_each_other() {
    let mut bench = Bench::with_outside();
    let (mut one, mut other) = (bench.waiting_for_next(OUT), bench.waiting_for_next(OUT));
    assert!(one.try_recv().is_err() && other.try_recv().is_err(), "neither is sent away");
    bench.send(S1, to_session("claude:2", "hi")).expect("is taken");
    for waiting in [&mut one, &mut other] {
        let shown = waiting.try_recv().expect("came").expect("came").message.expect("came");
        assert_eq!(text_of(&shown.text), "hi");
    }
}
